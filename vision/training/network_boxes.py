"""The objects of a dataset as the net sees them: on a picture stretched to a square."""

from __future__ import annotations

import numpy as np

from vision.datasets.index.annotation_index import AnnotationIndex
from vision.pictures.reading import read_picture_size


def network_boxes(index: AnnotationIndex, size: int) -> np.ndarray:
    """Return all boxes of an index as (N, 4) float32 xyxy, pixels of pictures `size` x `size`.

    Raises:
        PictureError: a picture whose size the index does not know is missing or damaged.
    """
    rows = index.rows_of(np.arange(index.num_boxes))
    sizes = np.where(index.relative[:, None], 1, index.sizes)
    for row in np.unique(rows[(sizes[rows] == 0).any(axis=1)]):
        sizes[row] = read_picture_size(index.paths[row])
    scale = size / np.tile(sizes[rows], 2).astype(np.float64)
    return (index.boxes * scale).clip(0, size).astype(np.float32)
