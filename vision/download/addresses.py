"""Where the public datasets are."""

from __future__ import annotations

import os
from pathlib import Path

OPEN_IMAGES_URL = "https://storage.googleapis.com/openimages"
OPEN_IMAGES_BUCKET = "open-images-dataset"
OPEN_IMAGES_SPLITS = ("train", "validation", "test")
# Annotation files, under OPEN_IMAGES_URL. Version 7 has the boxes of versions 5 and 6.
OPEN_IMAGES_RELEASES = {
    "v4": {name: f"2018_04/{name}/{name}-annotations-bbox.csv" for name in OPEN_IMAGES_SPLITS},
    "v7": {
        "train": "v6/oidv6-train-annotations-bbox.csv",
        "validation": "v5/validation-annotations-bbox.csv",
        "test": "v5/test-annotations-bbox.csv",
    },
}
S3_URL = "https://s3.amazonaws.com"

# The bucket of images.cocodataset.org, whose own name has no certificate: it knows http only.
COCO_URL = "https://s3.amazonaws.com/images.cocodataset.org"
# How COCO's own annotations begin the address of a picture.
COCO_OWN_URLS = ("http://images.cocodataset.org/", "https://images.cocodataset.org/")
COCO_SPLITS = ("train", "val")
# Under COCO_URL.
COCO_ANNOTATIONS = "annotations/annotations_trainval2017.zip"
COCO_ARCHIVES = {name: f"zips/{name}2017.zip" for name in COCO_SPLITS}


def cache_folder(dataset: str) -> Path:
    """Return the folder of this user for files that several datasets are made from."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "pytorch-ssd" / dataset
