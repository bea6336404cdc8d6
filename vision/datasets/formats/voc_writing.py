"""Writing a dataset of any format as a Pascal VOC folder, and the lists of a split."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Mapping, Sequence
from xml.sax.saxutils import escape

from vision.datasets.files.listing import split_suffix, strip_suffix
from vision.datasets.index.annotation_index import AnnotationIndex
from vision.structures import Annotation
from vision.utils.files import atomic_write

LISTS = Path("ImageSets") / "Main"
_CORNERS = ("xmin", "ymin", "xmax", "ymax")


def write_voc(parts: Mapping[str, AnnotationIndex], folder: str | Path) -> None:
    """Write pictures, annotations, lists and labels.txt into a folder that is new or empty.

    This suite and its predecessors read the same boxes from it, as VOC counts pixels from 1.

    Args:
        parts: "train", and if there are any, "val" and "test"; of one class list.

    Raises:
        ValueError: there is something in the folder.
        OSError: a picture cannot be copied.
    """
    folder = Path(folder)
    if folder.is_dir() and any(folder.iterdir()):
        raise ValueError(
            f"{folder} must be a new folder to write a VOC dataset to, it is not empty"
        )
    for name in ("JPEGImages", "Annotations"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    taken: set[str] = set()
    lists: dict[str, list[str]] = {}
    for part, index in parts.items():
        lists[part] = [_write_picture(index, row, folder, taken) for row in range(len(index))]
    write_lists(folder, lists)
    names = next(iter(parts.values())).class_names[1:]
    with atomic_write(folder / "labels.txt") as temporary:
        temporary.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")


def write_lists(folder: str | Path, lists: Mapping[str, Sequence[str]]) -> list[Path]:
    """Write ImageSets/Main/train.txt, val.txt, trainval.txt and test.txt; return the paths.

    Who trains on trainval.txt and measures on test.txt, as VOC means it, shall not measure on what
    was trained on: without a test part test.txt holds the validation part, and trainval.txt the
    training part alone.

    Raises:
        ValueError: there are lists already.
    """
    train, val, test = (list(lists.get(part, ())) for part in ("train", "val", "test"))
    whole = {
        "train": train,
        "val": val,
        "trainval": train + val if test else train,
        "test": test or val,
    }
    paths = {name: Path(folder) / LISTS / f"{name}.txt" for name in whole}
    present = [path for path in paths.values() if path.is_file() and path.stat().st_size]
    if present:
        raise ValueError(f"there is a split already in {present[0]}; move it away to write another")
    for name, ids in whole.items():
        with atomic_write(paths[name]) as temporary:
            text = "".join(f"{image_id}\n" for image_id in ids)
            temporary.write_text(text, encoding="utf-8", errors="surrogateescape")
    return list(paths.values())


def annotation_xml(
    annotation: Annotation, class_names: Sequence[str], filename: str, size: tuple[int, int]
) -> str:
    """Return an annotation as a VOC file says it, with pixels counted from 1.

    Args:
        size: (width, height) of the stored picture.
    """
    objects = []
    boxes = annotation.boxes_in_pixels(*size).astype(float) + 1
    for box, label, difficult in zip(boxes, annotation.labels, annotation.difficult):
        corners = "".join(
            f"      <{tag}>{_number(value)}</{tag}>\n" for tag, value in zip(_CORNERS, box)
        )
        objects.append(
            f"  <object>\n    <name>{escape(class_names[label])}</name>\n"
            "    <pose>Unspecified</pose>\n    <truncated>0</truncated>\n"
            f"    <difficult>{int(difficult)}</difficult>\n"
            f"    <bndbox>\n{corners}    </bndbox>\n  </object>\n"
        )
    return (
        f"<annotation>\n  <folder>JPEGImages</folder>\n  <filename>{escape(filename)}</filename>\n"
        f"  <size>\n    <width>{size[0]}</width>\n    <height>{size[1]}</height>\n"
        f"    <depth>3</depth>\n  </size>\n{''.join(objects)}</annotation>\n"
    )


def safe_name(image_id: str, taken: set[str]) -> str:
    """Return a file name for an id: none that leads out of the folder or is taken; and take it."""
    stem = re.sub(r"[^\w .()&+=@,-]", "_", strip_suffix(image_id)).strip(" .") or "picture"
    name, number = stem[:120], 1
    while name.casefold() in taken:
        number += 1
        name = f"{stem[:120]}_{number}"
    taken.add(name.casefold())
    return name


def _write_picture(index: AnnotationIndex, row: int, folder: Path, taken: set[str]) -> str:
    from vision.pictures.reading import read_picture_size

    annotation = index[row]
    name = safe_name(annotation.image_id, taken)
    filename = name + split_suffix(annotation.path)[1].lower()
    shutil.copyfile(annotation.path, folder / "JPEGImages" / filename)
    width, height = index.sizes[row].tolist()
    if not (width and height):
        width, height = read_picture_size(annotation.path)
    text = annotation_xml(annotation, index.class_names, filename, (width, height))
    (folder / "Annotations" / f"{name}.xml").write_text(text, encoding="utf-8")
    return name


def _number(value: float) -> str:
    """Return a coordinate to a thousandth of a pixel, whole numbers without a point."""
    return f"{value:.3f}".rstrip("0").rstrip(".")
