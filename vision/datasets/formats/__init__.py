"""Readers of dataset formats, one class each, and the table of all of them."""

from __future__ import annotations

from vision.datasets.formats.ccpd import CCPDFolder
from vision.datasets.formats.coco import COCOFolder
from vision.datasets.formats.createml import CreateMLFolder
from vision.datasets.formats.cvat import CVATFolder
from vision.datasets.formats.folder import DatasetFolder
from vision.datasets.formats.kitti import KITTIFolder
from vision.datasets.formats.labelme import LabelMeFolder
from vision.datasets.formats.oidv4 import OIDv4Folder
from vision.datasets.formats.open_images import OpenImagesFolder
from vision.datasets.formats.shards.reading import ShardFolder
from vision.datasets.formats.tables.csv_table import CSVFolder
from vision.datasets.formats.tables.retinanet import RetinaNetFolder
from vision.datasets.formats.via import VIAFolder
from vision.datasets.formats.voc import VOCFolder
from vision.datasets.formats.yolo import YOLOFolder

# A folder is of the first format in this order whose `detect` knows it.
DATASETS: dict[str, type[DatasetFolder]] = {
    "voc": VOCFolder,
    "open_images": OpenImagesFolder,
    "coco": COCOFolder,
    "yolo": YOLOFolder,
    "cvat": CVATFolder,
    "labelme": LabelMeFolder,
    "via": VIAFolder,
    "createml": CreateMLFolder,
    "csv": CSVFolder,
    "retinanet": RetinaNetFolder,
    "kitti": KITTIFolder,
    "oidv4": OIDv4Folder,
    "ccpd": CCPDFolder,
    "shards": ShardFolder,
}
