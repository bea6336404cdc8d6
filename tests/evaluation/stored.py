"""The hundred real pictures of the shared datasets, and the 452 detections stored with them."""

from __future__ import annotations

import json

from tests.evaluation.hand_made import found, truth
from vision.evaluation.collection import EvaluatedPicture, collect


def stored_collection(real_datasets):
    """Return them as a Collection; the pictures in the order of the annotation file."""
    folder = real_datasets / "formats"
    marked = json.loads((folder / "gts/coco_format_v1/instances_default.json").read_text())
    answer = json.loads((folder / "dets/coco_format/coco_dets.json").read_text())
    names = ["BACKGROUND", *(one["name"] for one in marked["categories"])]
    objects = {one["file_name"]: [] for one in marked["images"]}
    detections = {name: [] for name in objects}
    for content, rows in ((marked, objects), (answer, detections)):
        files = {one["id"]: one["file_name"] for one in content["images"]}
        labels = {one["id"]: names.index(one["name"]) for one in content["categories"]}
        for one in content["annotations"]:
            x, y, width, height = one["bbox"]
            row = (x, y, x + width, y + height), labels[one["category_id"]]
            rows[files[one["image_id"]]].append((*row, one["score"]) if "score" in one else row)
    return collect(
        [
            (
                EvaluatedPicture(
                    one["file_name"],
                    str(folder / "images" / one["file_name"]),
                    one["width"],
                    one["height"],
                ),
                truth(*objects[one["file_name"]]),
                found(*detections[one["file_name"]]),
            )
            for one in marked["images"]
        ],
        names,
    )
