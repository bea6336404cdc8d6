"""The annotation index: the pictures of a dataset and what is marked on them, as flat arrays."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Iterator, Sequence

import numpy as np

from vision.datasets.index.arrays import (
    SharedArrays,
    StringTable,
    gather,
    join_offsets,
    join_tables,
    offsets_of,
)
from vision.structures import Annotation
from vision.utils.labels import BACKGROUND, MAX_CLASSES


@dataclass(frozen=True, eq=False)
class AnnotationIndex(SharedArrays):
    """N pictures with M boxes: boxes[offsets[i]:offsets[i + 1]] are those of picture i.

    Open Images, 1.7 million pictures and 14.6 million boxes, takes half a gigabyte, once for all
    worker processes.
    """

    class_names: list[str]  # of the labels; BACKGROUND first
    image_ids: StringTable  # N
    paths: StringTable  # N, absolute paths of the picture files
    sizes: np.ndarray  # (N, 2) int32, width and height, as `upright` says; 0 if not known
    relative: np.ndarray  # (N,) bool, whether the boxes are fractions of the picture, not pixels
    offsets: np.ndarray  # (N + 1,) int64
    boxes: np.ndarray  # (M, 4) float32 xyxy
    labels: np.ndarray  # (M,) int16, 1..C-1
    difficult: np.ndarray  # (M,) bool
    origins: np.ndarray  # (M,) int32, number of the object or line in its annotation file
    upright: bool = True  # sizes and boxes are of pictures turned as EXIF says, not as stored
    view_is_stated: bool = False  # `upright` is what was written beside the boxes, not a guess
    # (M,) float32 in [0, 1], how sure a teacher was of each box; None: people marked them all
    confidences: np.ndarray | None = None

    def __post_init__(self) -> None:
        """Check that the arrays fit each other."""
        pictures, boxes = len(self.image_ids), len(self.boxes)
        shapes = {
            "sizes": (pictures, 2),
            "relative": (pictures,),
            "offsets": (pictures + 1,),
            "boxes": (boxes, 4),
            "labels": (boxes,),
            "difficult": (boxes,),
            "origins": (boxes,),
            "confidences": (boxes,),
        }
        for name, shape in shapes.items():
            array = getattr(self, name)
            if array is not None and array.shape != shape:
                raise ValueError(
                    f"{name} of {pictures} pictures must be {shape}, got {array.shape}"
                )
        if len(self.paths) != pictures or self.offsets[-1] != boxes:
            raise ValueError(
                f"{pictures} pictures and {boxes} boxes do not fit {len(self.paths)} paths "
                f"and offsets up to {self.offsets[-1]}"
            )
        if self.class_names[:1] != [BACKGROUND] or len(self.class_names) > MAX_CLASSES + 1:
            raise ValueError(
                f"class_names must be {BACKGROUND} and at most {MAX_CLASSES} others, "
                f"got {len(self.class_names)} names from {self.class_names[:1]}"
            )

    def __len__(self) -> int:
        return len(self.image_ids)

    def __getitem__(self, row: int) -> Annotation:
        image_id, path = self.image_ids[row], self.paths[row]
        row %= len(self)
        objects = slice(self.offsets[row], self.offsets[row + 1])
        return Annotation(
            image_id,
            path,
            self.boxes[objects].copy(),
            self.labels[objects].astype(np.int64),
            self.difficult[objects].copy(),
            bool(self.relative[row]),
            self.upright,
            None if self.confidences is None else self.confidences[objects].copy(),
        )

    def __iter__(self) -> Iterator[Annotation]:
        return (self[row] for row in range(len(self)))

    @property
    def num_boxes(self) -> int:
        """Return M."""
        return len(self.boxes)

    @property
    def num_negatives(self) -> int:
        """Return the number of pictures without a box."""
        return int(np.count_nonzero(np.diff(self.offsets) == 0))

    def boxes_per_class(self) -> dict[str, int]:
        """Return the number of boxes of every class but BACKGROUND, by label."""
        counts = np.bincount(self.labels, minlength=len(self.class_names))
        return dict(zip(self.class_names[1:], counts[1:].tolist()))

    def row_of(self, box: int) -> int:
        """Return the picture to which a box belongs."""
        return int(np.searchsorted(self.offsets, box, side="right")) - 1

    def boxes_in_square(self, size: float) -> np.ndarray:
        """Return all boxes (M, 4) float32 xyxy, in pixels of pictures stretched to `size` x `size`.

        The net sees them so. With size 1 they are fractions of their pictures.

        Raises:
            ValueError: a picture has boxes in pixels, and its size is not known.
        """
        counts = np.diff(self.offsets)
        sizes = np.where(self.relative[:, None], 1, self.sizes).astype(np.float32)
        unknown = np.flatnonzero((counts > 0) & (sizes <= 0).any(axis=1))
        if len(unknown):
            path = self.paths[int(unknown[0])]
            raise ValueError(
                f"sizes must be known of all pictures with boxes in pixels, that of {path} is not"
            )
        boxes = self.boxes * np.float32(size) / np.repeat(np.tile(sizes, 2), counts, axis=0)
        return boxes.clip(0, size)

    def select(self, rows: np.ndarray) -> AnnotationIndex:
        """Return the pictures of the rows: (K,) integers in any order, or (N,) bool."""
        rows = np.asarray(rows)
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows.astype(np.int64)
        per_box = {
            name: gather(values, self.offsets, rows) for name, values in self._per_box().items()
        }
        return AnnotationIndex(
            self.class_names,
            self.image_ids.select(rows),
            self.paths.select(rows),
            self.sizes[rows],
            self.relative[rows],
            offsets_of(self.offsets, rows),
            upright=self.upright,
            view_is_stated=self.view_is_stated,
            **per_box,
        )

    def keep_boxes(self, kept: np.ndarray) -> AnnotationIndex:
        """Return all pictures, with the boxes for which `kept` (M,) bool is true."""
        if kept.all():
            return self
        return replace(
            self,
            offsets=np.concatenate([[0], np.cumsum(kept, dtype=np.int64)])[self.offsets],
            **{name: values[kept] for name, values in self._per_box().items()},
        )

    def with_classes(self, class_names: Sequence[str]) -> AnnotationIndex:
        """Return the index with labels of `class_names`, without the boxes of other classes."""
        numbers = {name: number for number, name in enumerate(class_names)}
        table = np.array([numbers.get(name, 0) for name in self.class_names], dtype=np.int16)
        labels = self.labels
        if list(class_names) != self.class_names:
            labels = table[labels]
        renumbered = replace(self, class_names=list(class_names), labels=labels)
        return renumbered.keep_boxes(labels > 0)

    def with_confidences(self) -> AnnotationIndex:
        """Return the index with a confidence for each box: 1 for what people marked."""
        if self.confidences is not None:
            return self
        return replace(self, confidences=np.ones(self.num_boxes, np.float32))

    def _per_box(self) -> dict[str, np.ndarray]:
        """Return the arrays with a row for each box, by name."""
        names = ("boxes", "labels", "difficult", "origins", "confidences")
        arrays = {name: getattr(self, name) for name in names}
        return {name: values for name, values in arrays.items() if values is not None}


def concatenate(indices: Sequence[AnnotationIndex], class_names: Sequence[str]) -> AnnotationIndex:
    """Join one or more indices; labels are renumbered by class name."""
    indices = [index.with_classes(class_names) for index in indices]
    if len({index.upright for index in indices}) > 1:
        raise ValueError("indices of upright pictures and of stored ones cannot be joined")
    if len(indices) == 1:
        return indices[0]
    if any(index.confidences is not None for index in indices):
        indices = [index.with_confidences() for index in indices]
    arrays = {
        name: np.concatenate([getattr(index, name) for index in indices])
        for name in ("sizes", "relative", *indices[0]._per_box())
    }
    return AnnotationIndex(
        class_names=list(class_names),
        image_ids=join_tables([index.image_ids for index in indices]),
        paths=join_tables([index.paths for index in indices]),
        offsets=join_offsets([index.offsets for index in indices]),
        upright=indices[0].upright,
        view_is_stated=all(index.view_is_stated for index in indices),
        **arrays,
    )
