"""The drawn squares of `tests.drawing` in every format, each in the layout that people have."""

from __future__ import annotations

import csv
import io
import json
import shutil
import tarfile
from pathlib import Path
from xml.sax.saxutils import quoteattr

import cv2

from tests.drawing import (
    CLASS_NAMES,
    draw_samples,
    voc_xml,
    write_open_images,
    write_picture,
    write_voc,
)
from vision.datasets.formats.shards.writing import write_shards
from vision.datasets.opening import open_datasets

SPLITS = {"train": 8, "val": 4}


def draw_splits(splits=None, seed=0, negatives=0):
    """Return the samples of every split, numbered through."""
    drawn, first = {}, 0
    for split, count in (SPLITS if splits is None else splits).items():
        drawn[split] = draw_samples(count, seed, first=first, negatives=negatives)
        first += count
    return drawn


def named(sample):
    """Return (box, class name) of every object, with plain numbers."""
    return [(box, CLASS_NAMES[n]) for box, n in zip(sample.boxes.tolist(), sample.labels.tolist())]


def size_of(sample):
    """Return (width, height) of a sample."""
    return sample.image.shape[1], sample.image.shape[0]


def write_coco(root, splits=None, seed=0, negatives=0):
    """COCO: annotations/instances_train2017.json with train2017/."""
    drawn = draw_splits(splits, seed, negatives)
    for split, samples in drawn.items():
        for sample in samples:
            write_picture(root / f"{split}2017" / f"{sample.image_id}.png", sample.image)
        path = root / "annotations" / f"instances_{split}2017.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(coco_json(samples)), encoding="utf-8")
    return drawn


def coco_json(samples, suffix=".png"):
    """Return what a COCO file of the samples holds; its ids are neither small nor in order."""
    images, annotations = [], []
    for number, sample in enumerate(samples, start=2_000_000_001):
        width, height = size_of(sample)
        images.append(
            {"id": number, "file_name": sample.image_id + suffix, "width": width, "height": height}
        )
        for (x1, y1, x2, y2), name in named(sample):
            annotations.append(
                {
                    "id": len(annotations),
                    "image_id": number,
                    "category_id": 90 - CLASS_NAMES.index(name),
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "iscrowd": 0,
                }
            )
    categories = [{"id": 90 - n, "name": name} for n, name in enumerate(CLASS_NAMES[1:], 1)]
    return {"images": images, "annotations": annotations, "categories": categories}


def write_yolo(root, splits=None, seed=0, negatives=0):
    """Ultralytics: images/train with labels/train, and data.yaml."""
    drawn = draw_splits(splits, seed, negatives)
    for split, samples in drawn.items():
        for sample in samples:
            write_picture(root / "images" / split / f"{sample.image_id}.png", sample.image)
            path = root / "labels" / split / f"{sample.image_id}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(yolo_label(sample), encoding="utf-8")
    names = "".join(f"  {n}: {name}\n" for n, name in enumerate(CLASS_NAMES[1:]))
    parts = "".join(f"{split}: images/{split}\n" for split in drawn)
    (root / "data.yaml").write_text(f"path: ../{root.name}\n{parts}names:\n{names}")
    return drawn


def yolo_label(sample):
    """Return a label file of a sample."""
    width, height = size_of(sample)
    lines = []
    for (x1, y1, x2, y2), name in named(sample):
        centre = (x1 + x2) / 2 / width, (y1 + y2) / 2 / height
        values = (*centre, (x2 - x1) / width, (y2 - y1) / height)
        lines.append(" ".join([str(CLASS_NAMES.index(name) - 1), *map("{:.6f}".format, values)]))
    return "".join(f"{line}\n" for line in lines)


def write_cvat(root, splits=None, seed=0, negatives=0):
    """CVAT: a file for every part, pictures in images/train."""
    drawn = draw_splits(splits, seed, negatives)
    for split, samples in drawn.items():
        for sample in samples:
            write_picture(root / "images" / split / f"{sample.image_id}.png", sample.image)
        (root / f"{split}.xml").write_text(cvat_xml(samples), encoding="utf-8")
    return drawn


def cvat_xml(samples, suffix=".png"):
    """Return CVAT's XML for images."""
    images = []
    for number, sample in enumerate(samples):
        width, height = size_of(sample)
        boxes = "".join(
            f'<box label={quoteattr(name)} occluded="0" xtl="{x1}" ytl="{y1}" xbr="{x2}" '
            f'ybr="{y2}" z_order="0"></box>\n'
            for (x1, y1, x2, y2), name in named(sample)
        )
        images.append(
            f'<image id="{number}" name="{sample.image_id}{suffix}" width="{width}" '
            f'height="{height}">\n{boxes}</image>\n'
        )
    labels = "".join(f"<label><name>{name}</name></label>" for name in CLASS_NAMES[1:])
    meta = f"<version>1.1</version><meta><task><labels>{labels}</labels></task></meta>"
    return f'<?xml version="1.0"?>\n<annotations>{meta}\n{"".join(images)}</annotations>\n'


def write_labelme(root, splits=None, seed=0, negatives=0):
    """LabelMe: JSON beside the pictures in folders of the parts."""
    drawn = draw_splits(splits, seed, negatives)
    for split, samples in drawn.items():
        for sample in samples:
            write_picture(root / split / f"{sample.image_id}.png", sample.image)
            text = json.dumps(labelme_json(sample))
            (root / split / f"{sample.image_id}.json").write_text(text, encoding="utf-8")
    return drawn


def labelme_json(sample):
    """Return what LabelMe writes of a sample, every other box by its other corners."""
    shapes = []
    for (x1, y1, x2, y2), name in named(sample):
        points = [[x1, y1], [x2, y2]] if len(shapes) % 2 else [[x2, y1], [x1, y2]]
        shapes.append({"label": name, "points": points, "shape_type": "rectangle"})
    width, height = size_of(sample)
    return {
        "version": "5.0.1",
        "shapes": shapes,
        "imagePath": f"{sample.image_id}.png",
        "imageWidth": width,
        "imageHeight": height,
    }


def write_csv(root, splits=None, seed=0, negatives=0):
    """TensorFlow's tutorials: train_labels.csv with images/train."""
    drawn = draw_splits(splits, seed, negatives)
    for split, samples in drawn.items():
        for sample in samples:
            write_picture(root / "images" / split / f"{sample.image_id}.png", sample.image)
        write_table(root / f"{split}_labels.csv", samples)
    return drawn


def write_table(path, samples):
    """Write one line a box, and one with nothing but the file for a picture without any."""
    with Path(path).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["filename", "width", "height", "class", "xmin", "ymin", "xmax", "ymax"])
        for sample in samples:
            start = [f"{sample.image_id}.png", *size_of(sample)]
            for box, name in named(sample) or [([""] * 4, "")]:
                writer.writerow([*start, name, *box])


def write_ccpd(root, splits=None, seed=0, negatives=0):
    """CCPD2019: ccpd_base with splits/train.txt; only the first square of a picture counts."""
    drawn = draw_splits(splits, seed, negatives)
    for split, samples in drawn.items():
        names = [ccpd_name(number, sample) for number, sample in enumerate(samples)]
        for name, sample in zip(names, samples):
            write_picture(root / name, sample.image)
        path = root / "splits" / f"{split}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(f"{name}\n" for name in names))
    return drawn


def ccpd_name(number, sample):
    """Return the path that CCPD gives to a picture."""
    if not len(sample.boxes):
        return f"ccpd_np/{sample.image_id}.jpg"
    x1, y1, x2, y2 = sample.boxes[0].astype(int).tolist()
    box = f"{x1}&{y1}_{x2}&{y2}"
    corners = f"{x2}&{y2}_{x1}&{y2}_{x1}&{y1}_{x2}&{y1}"
    digits = int(sample.image_id[-4:])
    return f"ccpd_base/{digits:04d}-90_88-{box}-{corners}-0_0_22_27_27_33_16-37-{15 + number}.jpg"


def write_voc_beside(root, splits=None, seed=0, negatives=0):
    """Roboflow: XML beside the pictures in train and valid."""
    drawn = draw_splits(splits, seed, negatives)
    for split, samples in drawn.items():
        folder = root / {"val": "valid"}.get(split, split)
        for sample in samples:
            file = f"{sample.image_id}.png"
            write_picture(folder / file, sample.image)
            names = [name for _, name in named(sample)]
            text = voc_xml(sample.boxes, names, size_of(sample), file)
            (folder / f"{sample.image_id}.xml").write_text(text, encoding="utf-8")
    return drawn


def write_kitti(root, splits=None, seed=0, negatives=0):
    """KITTI: train/label_2 with train/image_2; a picture without objects has an empty file."""
    drawn = draw_splits(splits, seed, negatives)
    for split, samples in drawn.items():
        for sample in samples:
            write_picture(root / split / "image_2" / f"{sample.image_id}.png", sample.image)
            path = root / split / "label_2" / f"{sample.image_id}.txt"
            path.parent.mkdir(exist_ok=True)
            lines = (
                f"{name} 0.00 0 -10 {' '.join(map(str, box))} -1 -1 -1 -1000 -1000 -1000 -10\n"
                for box, name in named(sample)
            )
            path.write_text("".join(lines), encoding="utf-8")
    return drawn


def write_oidv4(root, splits=None, seed=0, negatives=0):
    """OIDv4: train/CLASS/Label; a picture of several classes is in the folder of each."""
    drawn = draw_splits(splits, seed, negatives)
    for split, samples in drawn.items():
        for sample in samples:
            names = dict.fromkeys(name for _, name in named(sample)) or {"red": None}
            for name in names:
                folder = root / split / name
                write_picture(folder / f"{sample.image_id}.png", sample.image)
                (folder / "Label").mkdir(exist_ok=True)
                lines = (
                    f"{name} {' '.join(map(str, box))}\n"
                    for box, other in named(sample)
                    if other == name
                )
                path = folder / "Label" / f"{sample.image_id}.txt"
                path.write_text("".join(lines), encoding="utf-8")
    return drawn


def write_createml(root, splits=None, seed=0, negatives=0):
    """CreateML, as Roboflow exports it: train/_annotations.createml.json beside the pictures."""
    drawn = draw_splits(splits, seed, negatives)
    for split, samples in drawn.items():
        folder = root / {"val": "valid"}.get(split, split)
        pictures = []
        for sample in samples:
            write_picture(folder / f"{sample.image_id}.png", sample.image)
            marks = [
                {
                    "label": name,
                    "coordinates": {
                        "x": (x1 + x2) / 2,
                        "y": (y1 + y2) / 2,
                        "width": x2 - x1,
                        "height": y2 - y1,
                    },
                }
                for (x1, y1, x2, y2), name in named(sample)
            ]
            pictures.append({"image": f"{sample.image_id}.png", "annotations": marks})
        path = folder / "_annotations.createml.json"
        path.write_text(json.dumps(pictures), encoding="utf-8")
    return drawn


def write_via(root, splits=None, seed=0, negatives=0):
    """VIA, as Mask R-CNN's balloons have it: train/via_region_data.json beside the pictures."""
    drawn = draw_splits(splits, seed, negatives)
    for split, samples in drawn.items():
        pictures = {}
        for sample in samples:
            write_picture(root / split / f"{sample.image_id}.png", sample.image)
            regions = [
                {
                    "shape_attributes": {
                        "name": "polygon",
                        "all_points_x": [x1, x2, x2, x1],
                        "all_points_y": [y1, y1, y2, y2],
                    },
                    "region_attributes": {"name": name},
                }
                for (x1, y1, x2, y2), name in named(sample)
            ]
            key = f"{sample.image_id}.png"
            pictures[f"{key}{sample.image.size}"] = {"filename": key, "regions": regions}
        path = root / split / "via_region_data.json"
        path.write_text(json.dumps(pictures), encoding="utf-8")
    return drawn


def write_retinanet(root, splits=None, seed=0, negatives=0):
    """RetinaNet: train_annotations.csv of path, corners and class, without column names."""
    drawn = draw_splits(splits, seed, negatives)
    for split, samples in drawn.items():
        path = root / f"{split}_annotations.csv"
        root.mkdir(exist_ok=True)
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            for sample in samples:
                picture = f"images/{split}/{sample.image_id}.png"
                write_picture(root / picture, sample.image)
                for box, name in named(sample) or [([""] * 4, "")]:
                    writer.writerow([f"/home/me/{picture}", *box, name])
    return drawn


def write_bare_shards(root, splits=None, seed=0, negatives=0):
    """Shards as other tools write them: tars of a picture and its JSON each, and no index."""
    drawn = draw_splits(splits, seed, negatives)
    root.mkdir(exist_ok=True)
    for split, samples in drawn.items():
        with tarfile.open(root / f"{split}-0000.tar", "w") as tar:
            for sample in samples:
                picture = cv2.imencode(".png", sample.image[..., ::-1])[1].tobytes()
                add_member(tar, f"{sample.image_id}.png", picture)
                add_member(tar, f"{sample.image_id}.json", shard_json(sample))
    return drawn


def add_member(tar, name, data):
    """Add a file of these bytes to an open tar."""
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def shard_json(sample):
    """Return the JSON of a sample in a shard, as bytes."""
    width, height = size_of(sample)
    return json.dumps(
        {
            "width": width,
            "height": height,
            "boxes": sample.boxes.tolist(),
            "labels": [CLASS_NAMES[label] for label in sample.labels],
        }
    ).encode("ascii")


def write_indexed_shards(root, splits=None, seed=0, negatives=0):
    """Shards as check_dataset.py writes them, of a COCO folder beside; a few pictures in each."""
    source = root.with_name(f"{root.name} source")
    drawn = write_coco(source, splits, seed, negatives)
    datasets = open_datasets(source)
    write_shards({"train": datasets.train, "val": datasets.validation}, root, 150_000)
    shutil.rmtree(source)
    return drawn


WRITERS = {
    "voc": write_voc,
    "voc beside": write_voc_beside,
    "open_images": write_open_images,
    "coco": write_coco,
    "yolo": write_yolo,
    "cvat": write_cvat,
    "labelme": write_labelme,
    "csv": write_csv,
    "ccpd": write_ccpd,
    "kitti": write_kitti,
    "oidv4": write_oidv4,
    "createml": write_createml,
    "via": write_via,
    "retinanet": write_retinanet,
    "shards": write_bare_shards,
    "shards with an index": write_indexed_shards,
}
