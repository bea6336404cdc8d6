"""Small dataset folders of drawn squares, whose true boxes are known to the pixel."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Sequence
from xml.sax.saxutils import escape

import cv2
import numpy as np

from vision.structures import Sample

CLASS_NAMES = ["BACKGROUND", "red", "green", "blue"]
COLOURS = {"red": (220, 30, 30), "green": (30, 190, 40), "blue": (40, 60, 230)}


def draw_squares(rng, size=(160, 120), count=2):
    """Draw up to `count` squares, each in a cell of its own, on a grey picture of (width, height).

    Returns the picture (H, W, 3) uint8 RGB, boxes (N, 4) float32 xyxy, labels (N,) int64.
    """
    width, height = size
    image = rng.integers(90, 140, (height, width, 3), dtype=np.uint8)
    cells = rng.permutation(4)[: min(count, 4)]
    boxes, labels = [], []
    for cell in cells:
        left, top = (cell % 2) * (width // 2), (cell // 2) * (height // 2)
        side = int(rng.integers(min(width, height) // 5, min(width, height) // 3))
        x1 = left + int(rng.integers(1, width // 2 - side))
        y1 = top + int(rng.integers(1, height // 2 - side))
        label = int(rng.integers(1, len(CLASS_NAMES)))
        image[y1 : y1 + side, x1 : x1 + side] = COLOURS[CLASS_NAMES[label]]
        boxes.append((x1, y1, x1 + side, y1 + side))
        labels.append(label)
    return (
        image,
        np.array(boxes, dtype=np.float32).reshape(-1, 4),
        np.array(labels, dtype=np.int64),
    )


def draw_samples(count, seed=0, size=(160, 120), first=0, negatives=0):
    """Draw `count` samples named drawn_0000 and on; the last `negatives` have no square."""
    rng = np.random.default_rng([seed, first])
    samples = []
    for number in range(count):
        squares = 0 if number >= count - negatives else int(rng.integers(1, 4))
        image, boxes, labels = draw_squares(rng, size, squares)
        difficult = np.zeros(len(labels), dtype=bool)
        samples.append(Sample(image, boxes, labels, difficult, f"drawn_{first + number:04d}"))
    return samples


def write_picture(path, image):
    """Write a (H, W, 3) RGB picture as its suffix says, making the folder."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _, encoded = cv2.imencode(path.suffix, image[..., ::-1])
    path.write_bytes(encoded.tobytes())


def voc_xml(boxes, names, size=(160, 120), filename="picture.jpg", difficult=None):
    """Return a Pascal VOC annotation as text; its pixels count from 1, those of `boxes` from 0."""
    width, height = size
    objects = []
    for number, (box, name) in enumerate(zip(boxes, names)):
        corners = zip(("xmin", "ymin", "xmax", "ymax"), (int(value) + 1 for value in box))
        flag = 0 if difficult is None else int(difficult[number])
        objects.append(
            f"<object><name>{escape(name)}</name><difficult>{flag}</difficult><bndbox>"
            + "".join(f"<{tag}>{value}</{tag}>" for tag, value in corners)
            + "</bndbox></object>\n"
        )
    return (
        f"<annotation>\n<filename>{escape(filename)}</filename>\n"
        f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>\n"
        f"{''.join(objects)}</annotation>\n"
    )


def write_voc(root, splits=None, seed=0, suffix=".png", labels=True, negatives=0):
    """Write a VOC folder; return the samples of every list.

    Args:
        splits: pictures of every list in ImageSets/Main; {} writes eight pictures and no list.
        suffix: of the picture files; .png is exact, .jpg is what people have.
        labels: whether there is a labels.txt.
        negatives: how many pictures of every list have no object.
    """
    root = Path(root)
    splits = {"trainval": 8, "test": 4} if splits is None else splits
    drawn, first = {}, 0
    for split, count in (splits or {"": 8}).items():
        drawn[split] = draw_samples(count, seed, first=first, negatives=negatives)
        first += count
        for sample in drawn[split]:
            write_voc_sample(root, sample, suffix)
        if split:
            write_list(root, split, [sample.image_id for sample in drawn[split]])
    if labels:
        (root / "labels.txt").write_text("\n".join(CLASS_NAMES[1:]) + "\n", encoding="utf-8")
    return drawn


def write_voc_sample(root, sample, suffix=".png"):
    """Write one picture and its XML into a VOC folder."""
    write_picture(Path(root) / "JPEGImages" / f"{sample.image_id}{suffix}", sample.image)
    height, width = sample.image.shape[:2]
    names = [CLASS_NAMES[label] for label in sample.labels]
    text = voc_xml(sample.boxes, names, (width, height), f"{sample.image_id}{suffix}")
    path = Path(root) / "Annotations" / f"{sample.image_id}.xml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def write_list(root, split, image_ids: Sequence[str]):
    """Write ImageSets/Main/SPLIT.txt of a VOC folder."""
    path = Path(root) / "ImageSets" / "Main" / f"{split}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{image_id}\n" for image_id in image_ids), encoding="utf-8")


def write_open_images(root, splits=None, seed=0, suffix=".jpg", negatives=0):
    """Write an Open Images folder of `splits` pictures; return the samples of every split."""
    root = Path(root)
    splits = {"train": 8, "validation": 4, "test": 4} if splits is None else splits
    drawn, first = {}, 0
    for split, count in splits.items():
        drawn[split] = draw_samples(count, seed, first=first, negatives=negatives)
        first += count
        for sample in drawn[split]:
            write_picture(root / split / f"{sample.image_id}{suffix}", sample.image)
        write_open_images_csv(root / f"sub-{split}-annotations-bbox.csv", drawn[split])
    return drawn


def write_open_images_csv(path, samples):
    """Write the boxes of the samples as fractions of their pictures, one line a box."""
    header = (
        "ImageID Source LabelName Confidence XMin XMax YMin YMax IsOccluded IsTruncated IsGroupOf"
    )
    with Path(path).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*header.split(), "IsDepiction", "IsInside", "id", "ClassName"])
        for sample in samples:
            height, width = sample.image.shape[:2]
            for (x1, y1, x2, y2), label in zip(sample.boxes.tolist(), sample.labels):
                corners = [x1 / width, x2 / width, y1 / height, y2 / height]
                row = [sample.image_id, "drawn", f"/m/{label}", 1, *corners, 0, 0, 0, 0, 0]
                writer.writerow([*row, f"/m/{label}", CLASS_NAMES[label]])
