"""The splits of a dataset that is downloaded: choose from all of them together, and count."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Collection, Iterator, Sequence, TypeVar

import numpy as np

from vision.download.choice.choosing import limit_per_class, sample_pictures
from vision.download.options import LimitOptions
from vision.download.transfer.pictures import Picture

if TYPE_CHECKING:
    from vision.datasets.formats.voc_writing import VOCPicture

logger = logging.getLogger(__name__)

RULE = "-" * 37


@dataclass(frozen=True, eq=False)
class Split:
    """The boxes of the chosen classes in one split of a dataset.

    Attributes:
        name: as it stands in the names of its files.
        boxes: columns, among them `pictures` and `classes`, (N,) each; a mask selects from them.
        num_pictures: all numbers of pictures are smaller than this.
    """

    name: str
    boxes: Any
    num_pictures: int

    @property
    def num_images(self) -> int:
        """Return the number of pictures with a box."""
        return int(np.count_nonzero(np.bincount(self.boxes.pictures)))

    def within(self: SplitT, numbers: Collection[int]) -> SplitT:
        """Return the split with the boxes of those pictures only."""
        chosen = np.zeros(self.num_pictures, bool)
        chosen[np.fromiter(numbers, np.int64, len(numbers))] = True
        return replace(self, boxes=self.boxes[chosen[self.boxes.pictures]])

    def pictures(self, root: Path) -> dict[int, Picture]:
        """Return the pictures by their numbers, each with its place under `root`."""
        raise NotImplementedError

    def voc_pictures(self, root: Path, class_names: Sequence[str]) -> Iterator[VOCPicture]:
        """Yield the pictures, which are under `root`, with their boxes for a VOC folder."""
        raise NotImplementedError


SplitT = TypeVar("SplitT", bound=Split)


def limit_splits(available: Sequence[SplitT], limits: LimitOptions) -> list[SplitT]:
    """Choose pictures from all splits together, and log how many.

    First as many as leave no class with too many boxes; of these, as many as are wanted, in which
    splits and classes keep their proportions.
    """
    logger.info("Total available images: %d", sum(split.num_images for split in available))
    logger.info("Total available boxes:  %d", sum(len(split.boxes) for split in available))
    rng, splits = np.random.default_rng(limits.seed), list(available)
    if limits.max_annotations_per_class:
        pictures, classes, _ = _together(splits)
        most = limits.max_annotations_per_class
        chosen = limit_per_class(pictures, classes, most, rng)
        splits = _keep(splits, chosen[pictures])
    if limits.max_images:
        pictures, classes, owners = _together(splits)
        chosen = sample_pictures(pictures, classes, owners, limits.max_images, rng)
        splits = _keep(splits, chosen[pictures])
    for before, after in zip(available, splits):
        if after.num_images < before.num_images:
            text = "Limiting %s dataset to:  %d images (%d boxes)"
            logger.info(text, after.name, after.num_images, len(after.boxes))
    return splits


def log_available(split: Split) -> None:
    """Log how many pictures and boxes a split has, in upstream's words."""
    logger.info("Available %s images:  %d", split.name, split.num_images)
    logger.info("Available %s boxes:   %d", split.name, len(split.boxes))


def statistics_block(splits: Sequence[Split], class_names: Sequence[str]) -> str:
    """Return upstream's block of statistics: each split, then all of them together."""
    sections, overall, images = [], np.zeros(len(class_names), np.int64), 0
    for split in splits:
        counts = np.bincount(split.boxes.classes, minlength=len(class_names))
        title = f" '{split.name}' set statistics"
        sections.append(_section(title, split.num_images, counts, class_names))
        overall += counts
        images += split.num_images
    sections.append(_section(" Overall statistics", images, overall, class_names))
    return "\n\n".join(sections)


def _together(splits: Sequence[Split]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return picture and class of every box, (N,) each, and the split of every picture.

    Pictures are numbered through all splits.
    """
    sizes = [split.num_pictures for split in splits]
    starts = np.cumsum([0, *sizes])
    pictures = [split.boxes.pictures + start for split, start in zip(splits, starts)]
    classes = [split.boxes.classes for split in splits]
    owners = np.repeat(np.arange(len(splits)), sizes)
    return np.concatenate(pictures), np.concatenate(classes), owners


def _keep(splits: Sequence[SplitT], keep: np.ndarray) -> list[SplitT]:
    parts = np.split(keep, np.cumsum([len(split.boxes) for split in splits])[:-1])
    return [replace(split, boxes=split.boxes[part]) for split, part in zip(splits, parts)]


def _section(title: str, images: int, counts: np.ndarray, class_names: Sequence[str]) -> str:
    """Return one section; `counts` has the number of boxes of each class, (C,)."""
    total = int(counts.sum())
    lines = [RULE, title, RULE, f"  Image count:  {images}", f"  Bounding box count:  {total}"]
    lines.append("  Bounding box distribution: ")
    for place in np.argsort(-counts, kind="stable"):
        share = counts[place] / max(1, total)
        lines.append(f"    {class_names[place]}:  {counts[place]}/{total} = {share:.2f}")
    return "\n".join(lines)
