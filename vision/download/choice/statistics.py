"""How many pictures and boxes of which class there are, in upstream's words."""

from __future__ import annotations

from typing import Sequence

import numpy as np

from vision.download.choice.splits import Split

RULE = "-" * 37


def statistics_block(splits: Sequence[Split], class_names: Sequence[str]) -> str:
    """Return upstream's block of statistics: each split, then all of them together."""
    counts = [np.bincount(split.boxes.classes, minlength=len(class_names)) for split in splits]
    sections = [
        _section(f" '{split.name}' set statistics", split.num_images, boxes, class_names)
        for split, boxes in zip(splits, counts)
    ]
    images = sum(split.num_images for split in splits)
    sections.append(_section(" Overall statistics", images, sum(counts), class_names))
    return "\n\n".join(sections)


def _section(title: str, images: int, boxes: np.ndarray, class_names: Sequence[str]) -> str:
    """Return one section; `boxes` counts those of each class, (C,)."""
    total = int(boxes.sum())
    lines = [RULE, title, RULE, f"  Image count:  {images}", f"  Bounding box count:  {total}"]
    lines.append("  Bounding box distribution: ")
    for place in np.argsort(-boxes, kind="stable"):
        share = boxes[place] / max(1, total)
        lines.append(f"    {class_names[place]}:  {boxes[place]}/{total} = {share:.2f}")
    return "\n".join(lines)
