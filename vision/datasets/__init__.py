"""Datasets: readers of several formats, all of which fill one annotation index."""

from __future__ import annotations

from vision.datasets.folder import DatasetFolder
from vision.datasets.open_images import OpenImagesFolder
from vision.datasets.voc import VOCFolder

# A format is found out in this order.
DATASETS: dict[str, type[DatasetFolder]] = {
    "voc": VOCFolder,
    "open_images": OpenImagesFolder,
}
