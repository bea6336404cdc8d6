"""Datasets: readers of several formats, all of which fill one annotation index."""

from __future__ import annotations

from vision.datasets.ccpd import CCPDFolder
from vision.datasets.coco import COCOFolder
from vision.datasets.csv_table import CSVFolder
from vision.datasets.cvat import CVATFolder
from vision.datasets.folder import DatasetFolder
from vision.datasets.labelme import LabelMeFolder
from vision.datasets.open_images import OpenImagesFolder
from vision.datasets.voc import VOCFolder
from vision.datasets.yolo import YOLOFolder

# A format is found out in this order.
DATASETS: dict[str, type[DatasetFolder]] = {
    "voc": VOCFolder,
    "open_images": OpenImagesFolder,
    "coco": COCOFolder,
    "yolo": YOLOFolder,
    "cvat": CVATFolder,
    "labelme": LabelMeFolder,
    "csv": CSVFolder,
    "ccpd": CCPDFolder,
}
