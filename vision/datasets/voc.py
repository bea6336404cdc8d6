"""Pascal VOC folders, as labelImg, CVAT, Roboflow and camera-capture write them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Sequence
from xml.etree.ElementTree import Element, ParseError

from vision.datasets.builder import IndexBuilder
from vision.datasets.folder import DatasetFolder, usable_names
from vision.datasets.index import AnnotationIndex
from vision.datasets.listing import (
    PICTURE_SUFFIXES,
    FileListing,
    base_name,
    find_child,
    read_lines,
    strip_suffix,
)
from vision.datasets.problems import Problems
from vision.datasets.tables import to_number
from vision.utils.labels import read_labels

LISTS = ("trainval", "train", "val", "test", "default")
PICTURE_FOLDERS = ("JPEGImages", "images", "JPG", "JPEG", "PNGImages")
_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_LARGEST_SIDE = 1_000_000  # of a picture; what is beyond is no size


class VOCFolder(DatasetFolder):
    """Annotations/ID.xml, JPEGImages/ID.jpg, lists of ids in ImageSets/Main, and labels.txt."""

    layout = "Annotations/*.xml with JPEGImages/ beside it"

    def __init__(self, root: str | Path):
        """Find the lists; where there is none, all XML files are one undivided part."""
        super().__init__(root)
        folder = find_child(self.root, ("Annotations",)) or self.root
        self._annotations = FileListing(folder, (".xml",))
        self._pictures = FileListing(
            find_child(self.root, PICTURE_FOLDERS) or self.root, PICTURE_SUFFIXES
        )
        self._ids: dict[str, list[str]] = {}  # of every part
        self._names: dict[str, list[str]] = {}  # of the classes in every part read
        self._find_parts()

    @classmethod
    def detect(cls, root: Path) -> bool:
        """Return whether there is a folder Annotations with an XML file."""
        folder = find_child(root, ("Annotations",))
        return folder is not None and next(folder.rglob("*.[xX][mM][lL]"), None) is not None

    def class_names(self) -> list[str]:
        """Return the names of labels.txt, or else all that the listed XML files have, sorted."""
        path = self.root / "labels.txt"
        if path.is_file():
            self.classes_from = path.name
            return read_labels(path)[1:]
        self.classes_from = "collected from the XML files, as there is no labels.txt"
        for part in self.parts:
            if part not in self._names:
                self.read(part, Problems())  # nobody asked for this part, only its names are used
        return sorted(usable_names(name for names in self._names.values() for name in names))

    def read(self, part: str, problems: Problems) -> AnnotationIndex:
        """Return the pictures of a part, in the order of its list."""
        builder = IndexBuilder()
        seen, used = set(), set()
        for listed in self._ids[part]:
            image_id = strip_suffix(listed)
            if image_id in seen:
                problems.add("picture listed twice", f"'{image_id}'", self.parts[part])
                continue
            seen.add(image_id)
            used.add(self._add(image_id, part, builder, problems))
        if part == "all":
            self._report_not_annotated(used, problems)
        index = builder.build()
        self._names[part] = index.class_names
        return index

    def annotation_file(self, part: str, image_id: str) -> str:
        """Return the XML file of a picture, relative to the folder."""
        file = self._annotations.find(image_id) or f"{image_id}.xml"
        folder = self._annotations.folder
        return file if folder == self.root else f"{folder.name}/{file}"

    def _find_parts(self) -> None:
        folder = find_child(self.root / "ImageSets", ("Main",)) or self.root / "ImageSets"
        files = {name: folder / f"{name}.txt" for name in LISTS}
        lists = {name: read_lines(path) for name, path in files.items() if path.is_file()}
        lists = {name: ids for name, ids in lists.items() if ids}
        chosen = self._choose(lists)
        for part, name in chosen.items():
            self.parts[part] = files[name].relative_to(self.root).as_posix()
            self._ids[part] = lists[name]
        if not chosen:
            self.parts["all"] = "every XML file, as ImageSets/Main lists none"
            self._ids["all"] = self._annotations.stems

    def _choose(self, lists: dict[str, list[str]]) -> dict[str, str]:
        """Return which list serves as which part.

        VOC means trainval.txt to be trained on and test.txt to be measured on. But val.txt is there
        to validate on, and its pictures, which trainval.txt usually holds too, are not trained on.
        """
        chosen = {part: part for part in ("val", "test") if part in lists}
        train = next((name for name in ("trainval", "train") if name in lists), None)
        shares = set(lists.get("trainval", ())) & set(lists.get("val", ()))
        if shares and "train" in lists:
            train = "train"
            self.notes.append("train.txt is used, as trainval.txt holds pictures of val.txt")
        if not train:
            return chosen or ({"all": "default"} if "default" in lists else {})
        tested = set(lists[train]) & set(lists.get("test", ()))
        if tested and "val" in lists:
            self.notes.append(f"test.txt holds {len(tested):,} pictures of {train}.txt")
        return {"train": train, **chosen}

    def _add(
        self, image_id: str, part: str, builder: IndexBuilder, problems: Problems
    ) -> str | None:
        """Add a picture or report why not; return its file in the picture folder, if any."""
        picture = self._pictures.find(image_id)
        file = self._annotations.find(image_id)
        if file is None:
            message = f"'{image_id}' of {self.parts[part]} has no XML file"
            problems.add("annotation missing", message, self.annotation_file(part, image_id))
            return picture
        try:
            record = read_annotation(self._annotations.folder / file)
        except AnnotationError as error:
            file = self.annotation_file(part, image_id)
            problems.add("annotation broken", str(error), file, error.line)
            return picture
        picture = picture or self._pictures.find(base_name(record.filename))
        if picture is None:
            message = (
                f"there is no picture '{image_id}' with a suffix of {' '.join(PICTURE_SUFFIXES)}"
            )
            problems.add("picture missing", message, self._pictures.folder.name)
            return None
        path = str(self._pictures.folder / picture)
        builder.add(image_id, path, record.boxes, record.names, record.difficult, record.size)
        return picture

    def _report_not_annotated(self, used: set, problems: Problems) -> None:
        left = [file for file in self._pictures.files if file not in used]
        folder = self._pictures.folder.name
        problems.add_each(
            "picture not annotated",
            left,
            lambda file: ("has no XML file", f"{folder}/{file}", None),
        )


class AnnotationError(ValueError):
    """A file that cannot be read as an annotation, with the line at which that shows."""

    def __init__(self, message: str, line: int | None = None):
        super().__init__(message)
        self.line = line


class VOCRecord(NamedTuple):
    """What one XML file says; N objects."""

    filename: str
    size: tuple[int, int]  # (width, height), 0 where not stated
    boxes: list[tuple[float, ...]]  # N times xyxy in pixels; nan where there is no number
    names: list[str]
    difficult: list[bool]


def read_annotation(path: Path) -> VOCRecord:
    """Read a Pascal VOC file; only direct children count, as parts have names and boxes too.

    Raises:
        AnnotationError: it is not XML, or not safe to expand, or not an annotation.
    """
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import parse

    try:
        root = parse(str(path)).getroot()
    except ParseError as error:
        raise AnnotationError(f"not XML: {error}", error.position[0]) from None
    except DefusedXmlException as error:
        raise AnnotationError(f"declares entities, which is not safe to read: {error}") from None
    except (OSError, ValueError, LookupError) as error:
        raise AnnotationError(f"cannot be read: {error}") from None
    if root.tag != "annotation":
        raise AnnotationError(f"must be an <annotation>, it is a <{root.tag}>", 1)
    objects = root.findall("object")
    return VOCRecord(
        _text(root, "filename"),
        (_side(_text(root, "size/width")), _side(_text(root, "size/height"))),
        [_box(element) for element in objects],
        [_text(element, "name") for element in objects],
        [_text(element, "difficult").lower() in ("1", "true", "yes") for element in objects],
    )


def _box(element: Element) -> tuple[float, ...]:
    """Return xyxy with pixels counted from 0: the bndbox, or what is around a polygon without one.

    VOC counts pixels from 1, but some tools write its format from 0. One pixel is taken off, less
    where the box would leave the picture by that.
    """
    box, polygon = element.find("bndbox"), element.find("polygon")
    if box is None and polygon is not None:
        corners = _around([(point.tag, to_number(point.text or "")) for point in polygon])
    else:
        corners = tuple(to_number(_text(element, f"bndbox/{tag}")) for tag in _CORNERS)
    shifts = [min(max(min(corners[axis], corners[axis + 2]), 0), 1) for axis in (0, 1)]
    return tuple(value - shift for value, shift in zip(corners, shifts * 2))


def _around(points: Sequence[tuple[str, float]]) -> tuple[float, ...]:
    """Return the box around the points x1, y1, x2, y2, ... of a polygon."""
    xs = [value for tag, value in points if tag.startswith("x")]
    ys = [value for tag, value in points if tag.startswith("y")]
    if not xs or not ys:
        return (float("nan"),) * 4
    return min(xs), min(ys), max(xs), max(ys)


def _text(element: Element, path: str) -> str:
    return (element.findtext(path) or "").strip()


def _side(text: str) -> int:
    value = to_number(text)
    return int(value) if 0 < value < _LARGEST_SIDE else 0
