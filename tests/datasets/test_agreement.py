"""One ground truth in seven notations, by tools of other people: all readers must agree on it."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from vision.datasets.opening import open_split

WITHIN = 1.01  # pixels; the corners of VOC count from 1, and the tools did not all take that off


def link(files, folder):
    """Put links to the files into a new folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        (folder / file.name).symlink_to(file)


def lay_out_voc(source, root):
    link((source / "gts" / "pascalvoc_format").glob("*.xml"), root / "Annotations")
    link((source / "images").glob("*.jpg"), root / "JPEGImages")


def lay_out_voc_beside(source, root):
    link((source / "gts" / "pascalvoc_format").glob("*.xml"), root)
    link((source / "images").glob("*.jpg"), root)


def lay_out_coco_v1(source, root):
    link([source / "gts" / "coco_format_v1" / "instances_default.json"], root / "annotations")
    link((source / "images").glob("*.jpg"), root / "images")


def lay_out_coco_v2(source, root):
    root.mkdir()
    json = source / "gts" / "coco_format_v2" / "instances_v2.json"
    shutil.copy(json, root / "_annotations.coco.json")
    link((source / "images").glob("*.jpg"), root)


def lay_out_open_images(source, root):
    root.mkdir()
    table = source / "gts" / "openimages_format" / "all_bounding_boxes.csv"
    shutil.copy(table, root / "train-annotations-bbox.csv")
    link((source / "images").glob("*.jpg"), root / "train")


def lay_out_yolo(source, root):
    shutil.copytree(source / "gts" / "yolo_format", root)
    link((source / "images").glob("*.jpg"), root / "obj_train_data")


def lay_out_cvat(source, root):
    link([source / "gts" / "cvat_format" / "annotations.xml"], root)
    link((source / "images").glob("*.jpg"), root / "images")


def lay_out_labelme(source, root):
    link((source / "gts" / "labelme_format").glob("*.json"), root)
    link((source / "images").glob("*.jpg"), root)


NOTATIONS = {
    "voc": lay_out_voc,
    "voc beside the pictures": lay_out_voc_beside,
    "coco v1": lay_out_coco_v1,
    "coco v2": lay_out_coco_v2,
    "open_images": lay_out_open_images,
    "yolo": lay_out_yolo,
    "cvat": lay_out_cvat,
    "labelme": lay_out_labelme,
}


def objects(index):
    """Return {picture: sorted (class name, box in pixels)}."""
    found = {}
    for row, annotation in enumerate(index):
        width, height = sizes_of(index, row, annotation)
        boxes = annotation.boxes_in_pixels(width, height).tolist()
        names = [index.class_names[label] for label in annotation.labels]
        found[annotation.image_id.rsplit("/", 1)[-1]] = list(zip(names, boxes))
    return found


def sizes_of(index, row, annotation):
    from vision.pictures.reading import read_picture_size

    return index.sizes[row] if index.sizes[row].all() else read_picture_size(annotation.path)


def largest_difference(objects, others):
    """Pair the objects of a picture by class and nearest box; return the largest distance."""
    left, largest = list(others), 0.0
    for name, box in objects:
        distances = [
            np.abs(np.subtract(box, other)).max() if other_name == name else np.inf
            for other_name, other in left
        ]
        nearest = int(np.argmin(distances))
        largest = max(largest, float(distances[nearest]))
        left.pop(nearest)
    return largest


@pytest.fixture(scope="module")
def truth(tmp_path_factory):
    """The boxes as the reader of VOC has them, which `test_voc.py` checks against drawn ones."""
    from pathlib import Path

    source = Path(__file__).resolve().parents[3] / "shared" / "datasets" / "formats"
    if not source.is_dir():
        return {}
    root = tmp_path_factory.mktemp("truth") / "voc"
    lay_out_voc(source, root)
    return objects(open_split(root, split="all"))


@pytest.mark.parametrize("notation", NOTATIONS)
def test_all_readers_agree_box_by_box(real_datasets, tmp_path, truth, notation):
    root = tmp_path / "folder"
    NOTATIONS[notation](real_datasets / "formats", root)
    index = open_split(root, split="all")
    found = objects(index)
    assert (len(index), index.num_boxes, len(index.class_names)) == (100, 273, 21)
    assert found.keys() == truth.keys()
    differences = {name: largest_difference(found[name], truth[name]) for name in truth}
    assert max(differences.values()) <= WITHIN, max(differences, key=differences.get)
