"""Write Pascal VOC folders: whole datasets, single annotated pictures, and the lists of a split.

`formats/voc.py` reads what is written here: boxes come back to the pixel, and splits as they were.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Iterable, Iterator, Mapping, Sequence
from xml.sax.saxutils import escape

import numpy as np

from vision.datasets.files.class_lists import class_list_lines
from vision.datasets.files.listing import (
    base_name,
    fold_name,
    read_list,
    split_suffix,
    strip_suffix,
)
from vision.datasets.files.split_lists import find_split_lists
from vision.datasets.formats.voc import VOC_CORNERS
from vision.datasets.index.annotation_index import AnnotationIndex
from vision.pictures.files import copy_picture, read_bytes
from vision.utils.files import atomic_write, new_folder, require_place, write_together

VOC_PARTS = ("train", "val", "test")
VOC_FLAGS = ("truncated", "occluded", "difficult")


@dataclass(frozen=True, eq=False)
class VOCPicture:
    """What to write about a picture file: N objects with their boxes, names and flags."""

    path: Path  # of the picture file
    size: tuple[int, int]  # (width, height) of the picture
    boxes: np.ndarray  # (N, 4) xyxy, pixels of the picture; clipped to it when written
    names: Sequence[str]  # N class names
    image_id: str = ""  # the new name of the file; without it that of `path`
    # N flags each, or none if all are False.
    difficult: Sequence[bool] | np.ndarray = ()
    truncated: Sequence[bool] | np.ndarray = ()  # the object goes on outside the picture
    occluded: Sequence[bool] | np.ndarray = ()  # something stands before the object

    def __post_init__(self) -> None:
        """Check that boxes and flags are as many as the names."""
        count = len(self.names)
        if self.boxes.shape != (count, 4):
            raise ValueError(
                f"boxes must be ({count}, 4) like {count} names, got {self.boxes.shape} "
                f"for {self.path}"
            )
        for flag in VOC_FLAGS:
            if len(getattr(self, flag)) not in (0, count):
                raise ValueError(
                    f"{flag} must be {count} flags like {count} names, got "
                    f"{len(getattr(self, flag))} for {self.path}"
                )


def write_voc(
    folder: str | Path,
    parts: Mapping[str, Iterable[VOCPicture]],
    class_names: Sequence[str],
    link: bool = False,
) -> None:
    """Write JPEGImages, Annotations, labels.txt and the lists of ImageSets/Main.

    The lists come last, so that they never name a picture that is not there. Picture files that
    are in the folder already stay as they are.

    Args:
        parts: the pictures by part: any of "train", "val" and "test".
        class_names: those of labels.txt; BACKGROUND does not matter.
        link: hard-link the picture files where the disk can, instead of copying them.

    Raises:
        OSError: a file cannot be written or copied.
    """
    folder = Path(folder)
    (folder / "JPEGImages").mkdir(parents=True, exist_ok=True)
    lists: dict[str, list[str]] = {part: [] for part in parts}
    for part, name, source, picture in _named_pictures(folder, parts):
        lists[part].append(name)
        if not picture.path.exists():
            _place(source, picture.path, link)
        write_annotation(_annotation_path(folder, name), picture)
    _write_together(_lines_of_folder(folder, lists, class_names))


def voc_texts(
    folder: str | Path, parts: Mapping[str, Iterable[VOCPicture]], class_names: Sequence[str]
) -> Iterator[tuple[Path, bytes]]:
    """Yield path and content of each file, without the pictures, as `write_voc` writes it."""
    lists: dict[str, list[str]] = {part: [] for part in parts}
    for part, name, _, picture in _named_pictures(Path(folder), parts):
        lists[part].append(name)
        yield _annotation_path(folder, name), annotation_xml(picture).encode("utf-8")
    for path, lines in _lines_of_folder(folder, lists, class_names).items():
        yield path, _text_of_lines(lines)


def find_voc_texts(folder: str | Path) -> list[Path]:
    """Return the files of a folder that `write_voc` could write over."""
    folder = Path(folder)
    patterns = ("labels.txt", "ImageSets/Main/*.txt", "Annotations/*.xml")
    paths = [path for pattern in patterns for path in sorted(folder.glob(pattern))]
    return [path for path in paths if not path.name.startswith(".")]  # one being written


def copy_as_voc(parts: Mapping[str, AnnotationIndex], folder: str | Path) -> None:
    """Write indices of one class list as a VOC folder, which must be new or empty.

    Pictures keep their names; where two folders have the same name, its folder comes before it. If
    it cannot be written, the folder is as it was.

    Args:
        parts: by part: any of "train", "val" and "test".

    Raises:
        ValueError: there is something in the folder.
        OSError: a picture cannot be copied.
    """
    require_new_folder(folder)
    class_names = next(iter(parts.values())).class_names
    counts = Counter(
        fold_name(_stem(image_id)) for index in parts.values() for image_id in index.image_ids
    )
    unique = {stem for stem, count in counts.items() if count == 1}
    pictures = {part: _pictures_of(index, unique) for part, index in parts.items()}
    with new_folder(folder):
        write_voc(folder, pictures, class_names)


def require_new_folder(folder: str | Path) -> None:
    """Refuse a folder that has something in it.

    Raises:
        ValueError: it is not empty, or it cannot be made.
    """
    folder = Path(folder)
    require_place(folder, is_folder=True)
    if folder.is_dir() and any(folder.iterdir()):
        raise ValueError(f"{folder} must be a new folder to write a dataset to, it is not empty")


def write_annotation(path: str | Path, picture: VOCPicture) -> None:
    """Write the XML file of one picture, which it names by the last part of its path."""
    with atomic_write(path) as temporary:
        temporary.write_text(annotation_xml(picture), encoding="utf-8")


def annotation_xml(picture: VOCPicture) -> str:
    """Return the annotation of a picture as VOC's XML, with pixels counted from 1.

    All four corners are written plus 1. Readers subtract 1 from all four, as the older scripts do,
    and so get the box as it was.
    """
    width, height = picture.size
    boxes = np.clip(picture.boxes.astype(float), 0, (width, height, width, height)) + 1
    objects = []
    for row, (name, box) in enumerate(zip(picture.names, boxes.tolist())):
        flags = {flag: getattr(picture, flag) for flag in VOC_FLAGS}
        flag_tags = "".join(
            f"    <{flag}>{int(values[row]) if len(values) else 0}</{flag}>\n"
            for flag, values in flags.items()
        )
        corner_tags = "".join(
            f"      <{tag}>{_decimal(value)}</{tag}>\n" for tag, value in zip(VOC_CORNERS, box)
        )
        objects.append(
            f"  <object>\n    <name>{escape(name)}</name>\n    <pose>Unspecified</pose>\n"
            f"{flag_tags}    <bndbox>\n{corner_tags}    </bndbox>\n  </object>\n"
        )
    return (
        "<annotation>\n  <folder>JPEGImages</folder>\n"
        f"  <filename>{escape(picture.path.name)}</filename>\n"
        f"  <size>\n    <width>{width}</width>\n    <height>{height}</height>\n"
        f"    <depth>3</depth>\n  </size>\n{''.join(objects)}</annotation>\n"
    )


def write_lists(folder: str | Path, lists: Mapping[str, Sequence[str]]) -> list[Path]:
    """Write a list for each part, and trainval.txt; return the paths, train.txt first.

    They appear together, or not at all. As in VOC's development kit, trainval.txt is train.txt and
    val.txt together. `VOCFolder` trains on train.txt if it finds all three, so that the split
    survives.

    Args:
        lists: the names of the pictures by part: any of "train", "val" and "test".
    """
    files = _list_files(folder, lists)
    _write_together(files)
    return list(files)


def _list_files(
    folder: str | Path, lists: Mapping[str, Sequence[str]]
) -> dict[Path, Sequence[str]]:
    """Return the lines of each list by its path, with those of trainval.txt."""
    lists = {part: list(lists[part]) for part in VOC_PARTS if part in lists}
    if "train" in lists:
        lists["trainval"] = [*lists["train"], *lists.get("val", ())]
    return {_list_path(folder, part): names for part, names in lists.items()}


def add_to_lists(folder: str | Path, part: str, name: str) -> None:
    """Add a picture to the list of its part and to trainval.txt; take it out of all other lists.

    All lists are replaced together, and no reader finds half of one.

    Args:
        part: "train", "val" or "test".
        name: of the files in JPEGImages and Annotations, without suffix.
    """
    paths = {name: _list_path(folder, name) for name in (*VOC_PARTS, "trainval")}
    lists = {name: read_list(path) for name, path in paths.items() if path.is_file()}
    if "trainval" in lists and "train" not in lists:
        # trainval.txt is made anew of train.txt and val.txt, and must not lose its pictures.
        validated = set(lists.get("val", ()))
        lists["train"] = [one for one in lists["trainval"] if one not in validated]
    lists = {one: [other for other in names if other != name] for one, names in lists.items()}
    lists.setdefault(part, []).append(name)
    write_lists(folder, lists)


def require_no_lists(folder: str | Path) -> None:
    """Refuse a VOC folder that states a split already.

    Raises:
        ValueError: one of its lists is not empty.
    """
    path = next(iter(find_split_lists(Path(folder)).files.values()), None)
    if path:
        raise ValueError(f"there is a split already in {path}; move it away to write another")


def safe_name(image_id: str, taken: set[str]) -> str:
    """Turn an id into a file name that stays in its folder and is not taken; add it to `taken`."""
    stem = re.sub(r"[^\w .()&+=@,-]", "_", strip_suffix(image_id)).strip(" .") or "picture"
    name, number = stem[:120], 1
    while fold_name(name) in taken:
        number += 1
        name = f"{stem[:120]}_{number}"
    taken.add(fold_name(name))
    return name


def _stem(image_id: str) -> str:
    return strip_suffix(base_name(image_id))


def _pictures_of(index: AnnotationIndex, unique: set[str]) -> Iterator[VOCPicture]:
    """Yield the pictures of an index; read from the files the sizes that it does not know.

    Boxes of pictures as they are stored are turned upright: nothing in VOC says which view is
    meant, and the copies keep their EXIF turn.

    Args:
        unique: names without folder that no other picture has, in lower case.
    """
    from vision.pictures.headers import read_picture_header
    from vision.pictures.reading import read_picture_size
    from vision.pictures.turning import lies_on_its_side, turn_upright

    for annotation, size in zip(index, index.sizes.tolist()):
        width, height = size if all(size) else read_picture_size(annotation.path, index.upright)
        boxes = annotation.boxes_in_pixels(width, height)
        if not index.upright:
            orientation = read_picture_header(read_bytes(annotation.path)).orientation
            boxes = turn_upright(boxes, orientation, (width, height))
            if lies_on_its_side(orientation):
                width, height = height, width
        stem = _stem(annotation.image_id)
        yield VOCPicture(
            Path(annotation.path),
            (width, height),
            boxes,
            [index.class_names[label] for label in annotation.labels],
            stem if fold_name(stem) in unique else annotation.image_id,
            annotation.difficult.tolist(),
        )


def _place(source: Path, target: Path, link: bool) -> None:
    """Copy or link a file; until it is whole it has another name."""
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        if not (link and _link(source, part)):
            copy_picture(source, part)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _link(source: Path, target: Path) -> bool:
    """Return whether a hard link could be made; to another disk, for example, it cannot."""
    try:
        os.link(source, target)
    except OSError:
        return False
    return True


def _named_pictures(
    folder: Path, parts: Mapping[str, Iterable[VOCPicture]]
) -> Iterator[tuple[str, str, Path, VOCPicture]]:
    """Yield of each picture its part, its new name, its file, and what it is in the folder."""
    taken: set[str] = set()
    for part, pictures in parts.items():
        for picture in pictures:
            name = safe_name(picture.image_id or picture.path.name, taken)
            suffix = split_suffix(picture.path.name)[1].lower()
            placed = replace(picture, path=folder / "JPEGImages" / f"{name}{suffix}")
            yield part, name, picture.path, placed


def _annotation_path(folder: str | Path, name: str) -> Path:
    return Path(folder) / "Annotations" / f"{name}.xml"


def _lines_of_folder(
    folder: str | Path, lists: Mapping[str, Sequence[str]], class_names: Sequence[str]
) -> dict[Path, Sequence[str]]:
    """Return the lines of labels.txt and of each list, by their paths."""
    labels = {Path(folder) / "labels.txt": class_list_lines(class_names)}
    return {**labels, **_list_files(folder, lists)}


def _list_path(folder: str | Path, name: str) -> Path:
    return Path(folder) / "ImageSets" / "Main" / f"{name}.txt"


def _write_together(files: Mapping[Path, Iterable[str]]) -> None:
    """Write files of lines; all of them appear, or none."""
    with write_together() as place:
        for path, lines in files.items():
            place(path).write_bytes(_text_of_lines(lines))


def _text_of_lines(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")


def _decimal(value: float) -> str:
    """Return a coordinate in thousandths of a pixel, without zeros at its end."""
    return f"{value:.3f}".rstrip("0").rstrip(".")
