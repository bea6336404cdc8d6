"""Pure functions on tensors of boxes: forms, areas, overlaps, and the offsets that a net predicts.

`numpy_boxes.py` has the overlaps for arrays.
"""

from __future__ import annotations

import torch
from torch import Tensor


def cxcywh_to_xyxy(boxes_cxcywh: Tensor) -> Tensor:
    """Turn (..., 4) centre-and-size boxes into (..., 4) corner boxes of the same unit."""
    centers, half_sizes = boxes_cxcywh[..., 0:2], boxes_cxcywh[..., 2:4] / 2
    return torch.cat([centers - half_sizes, centers + half_sizes], dim=-1)


def xyxy_to_cxcywh(boxes: Tensor) -> Tensor:
    """Turn (..., 4) corner boxes into (..., 4) centre-and-size boxes of the same unit."""
    corners_1, corners_2 = boxes[..., 0:2], boxes[..., 2:4]
    return torch.cat([(corners_1 + corners_2) / 2, corners_2 - corners_1], dim=-1)


def box_area(boxes: Tensor) -> Tensor:
    """Return the areas (...) of (..., 4) xyxy boxes; a reversed box has area 0."""
    sizes = (boxes[..., 2:4] - boxes[..., 0:2]).clamp(min=0)
    return sizes[..., 0] * sizes[..., 1]


def box_iou(boxes: Tensor, others: Tensor) -> Tensor:
    """Return the overlap of every box with every other box, as intersection over union.

    Args:
        boxes: (..., N, 4) xyxy.
        others: (..., M, 4) xyxy of the same unit; leading dimensions broadcast.

    Returns:
        (..., N, M) in [0, 1]; 0 where both boxes are empty.
    """
    # Axis by axis: planes (..., N, M) take less memory and time than pairs (..., N, M, 2). And in
    # place: of large planes, most of the time goes into memory that is new.
    intersection = _shared_length(boxes, others, 0).mul_(_shared_length(boxes, others, 1))
    union = box_area(boxes)[..., :, None] + box_area(others)[..., None, :]
    union = union.sub_(intersection).clamp_(min=torch.finfo(union.dtype).tiny)
    return intersection.div_(union)


def _shared_length(boxes: Tensor, others: Tensor, axis: int) -> Tensor:
    """Return how far boxes (..., N, 4) and others (..., M, 4) overlap on an axis, (..., N, M)."""
    # Coordinates next to each other: from every fourth place a CPU reads ten times as slowly.
    starts, ends = (boxes[..., one].contiguous()[..., :, None] for one in (axis, axis + 2))
    other_starts, other_ends = (others[..., one].contiguous() for one in (axis, axis + 2))
    first = torch.maximum(starts, other_starts[..., None, :])
    last = torch.minimum(ends, other_ends[..., None, :])
    return last.sub_(first).clamp_(min=0)


def encode_boxes(
    boxes: Tensor, priors: Tensor, center_variance: float, size_variance: float
) -> Tensor:
    """Express boxes as offsets from priors, which is what a net learns (SSD paper, equation 2).

    Args:
        boxes: (..., P, 4) xyxy in [0, 1], one for every prior. A box without width or height is
            taken as 1e-6 wide, so that the logarithm stays finite.
        priors: (P, 4) cxcywh in [0, 1].

    Returns:
        (..., P, 4) locations (dx, dy, dw, dh), divided by the variances.
    """
    boxes_cxcywh = xyxy_to_cxcywh(boxes)
    centers = (boxes_cxcywh[..., 0:2] - priors[..., 0:2]) / priors[..., 2:4] / center_variance
    sizes = torch.log(boxes_cxcywh[..., 2:4].clamp(min=1e-6) / priors[..., 2:4]) / size_variance
    return torch.cat([centers, sizes], dim=-1)


def decode_boxes(
    locations: Tensor, priors: Tensor, center_variance: float, size_variance: float
) -> Tensor:
    """Turn predicted offsets back into boxes; the inverse of `encode_boxes`.

    A prior's centre moves by a fraction of the prior's own size and its size grows by an exponent,
    so that one offset means the same on a small prior as on a large one (SSD paper, section 2.2).
    The scaled priors are constants of an exported graph, which keeps the decoding to two slices.

    Args:
        locations: (..., P, 4) as (dx, dy, dw, dh), divided by the variances.
        priors: (P, 4) cxcywh in [0, 1].

    Returns:
        (..., P, 4) xyxy in the unit of `priors`, not clipped to the picture.
    """
    centers = locations[..., 0:2] * (priors[..., 2:4] * center_variance) + priors[..., 0:2]
    half_sizes = torch.exp(locations[..., 2:4] * size_variance) * (priors[..., 2:4] / 2)
    return torch.cat([centers - half_sizes, centers + half_sizes], dim=-1)
