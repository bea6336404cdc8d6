"""Read Pascal VOC folders, as labelImg, CVAT, Roboflow and camera-capture write them."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

from vision.datasets.files.class_lists import read_class_list
from vision.datasets.files.folders import read_head, some_files
from vision.datasets.files.listing import (
    FileListing,
    find_child,
    find_file,
    fold_name,
    strip_suffix,
)
from vision.datasets.files.split_lists import SplitLists, find_split_lists
from vision.datasets.files.values import around, around_turned, to_number, to_side
from vision.datasets.formats.per_picture import AnnotationError, PerPictureFolder
from vision.datasets.index.builder import Record
from vision.utils.files import file_fault, read_regular
from vision.utils.text import names_as_seen

VOC_PICTURE_FOLDERS = ("JPEGImages", "images", "JPG", "JPEG", "PNGImages")
TURNED_BOX = ("cx", "cy", "w", "h", "angle")
VOC_CORNERS = ("xmin", "ymin", "xmax", "ymax")
COLUMN_MARKS = ("-1", "0", "1")  # behind the ids of VOC's lists of one class
ROOT_ELEMENT = re.compile(rb"<annotation[\s>]", re.IGNORECASE)


class VOCFolder(PerPictureFolder):
    """Reads Annotations/ID.xml, JPEGImages/ID.jpg, lists in ImageSets/Main, and labels.txt.

    The XML files may also lie beside the pictures, in one folder or in train, valid and test.
    """

    layout = "Annotations/*.xml with JPEGImages/ beside it, or *.xml beside the pictures"

    def __init__(self, root: str | Path, file: Path | None = None):
        """Find the lists; without any, all XML files are one part."""
        root = Path(root).resolve()
        annotations = FileListing(find_child(root, ("Annotations",)) or root, (".xml",))
        if not annotations.stems:
            annotations = FileListing(root, (".xml",))
        pictures = None if annotations.folder == root else find_child(root, VOC_PICTURE_FOLDERS)
        super().__init__(root, annotations, pictures or root)
        self._find_parts()

    @classmethod
    def detect(cls, root: Path) -> bool:
        """Return whether there is an XML file in Annotations, or a VOC annotation elsewhere."""
        folder = find_child(root, ("Annotations",))
        if folder is not None:
            found = next(folder.rglob("*.[xX][mM][lL]"), None)
            if found is not None and b"<annotations" not in read_head(found):
                return True
        return any(map(cls.is_annotation, some_files(root, ".xml", anywhere=True)))

    @classmethod
    def is_annotation(cls, path: Path) -> bool:
        """Return whether an XML file begins with VOC's element."""
        return ROOT_ELEMENT.search(read_head(path)) is not None

    def read_record(self, path: Path) -> Record:
        """Read one XML file."""
        return read_annotation(path)

    def class_names(self) -> list[str]:
        """Return the names of labels.txt; without it all names in the XML files, sorted."""
        path = find_file(self.root, "labels.txt")
        if path:
            listed = read_class_list(path, super().class_names, self.notes)
            self.classes_from = path.name
            return names_as_seen(listed)
        names = super().class_names()
        self.classes_from = "collected from the XML files, as there is no labels.txt"
        return names

    def _find_parts(self) -> None:
        found = find_split_lists(self.root)
        self.notes += found.notes
        lists = self._ids_of(found)
        chosen = self._choose(lists)
        for part, name in chosen.items():
            self.parts[part] = found.files[name].relative_to(self.root).as_posix()
            self._ids[part] = lists[name]
        if not chosen:
            self.divide_by_folders()
        else:
            listed = {fold_name(strip_suffix(one)) for ids in lists.values() for one in ids}
            stems = self._annotations.stems
            left = [one for one in stems if fold_name(strip_suffix(one)) not in listed]
            folder = found.folder.relative_to(self.root).as_posix()
            where = f"no list of {folder}" if folder != "." else "none of these lists"
            if left:
                self.notes.append(
                    f"{len(left):,} annotated pictures are in {where} and are not used, such as "
                    f"{left[0]}"
                )
        if "all" in self.parts and not chosen:
            self.parts["all"] = "every XML file, as ImageSets/Main lists none"

    def _ids_of(self, found: SplitLists) -> dict[str, list[str]]:
        """Return the ids in the lists; nothing of texts beside the annotations without any."""
        lists = {
            name: [one for line in lines for one in self._ids_in(line)]
            for name, lines in found.lines.items()
        }
        if found.folder == self.root and lists:
            ids = (one for name in ("trainval", "train") for one in lists.get(name, ()))
            if not any(map(self.find_annotation, ids)):
                names = ", ".join(path.name for path in found.files.values())
                self.notes.append(f"{names} is not used, as no annotated picture is listed there")
                return {}
        return lists

    def _ids_in(self, line: str) -> list[str]:
        """Return the ids in a line of a list: one, or several with commas between them."""
        words = [word.strip().strip("'\"") for word in re.split("[,;]", line)]
        words = [word for word in words if word]
        if len(words) > 1 and not set(words[1:]) & set(COLUMN_MARKS):
            ids = list(map(self._id_in, words))
            if len({self.find_annotation(one) for one in ids} - {None}) > 1:
                return ids
        return [self._id_in(line)]

    def _id_in(self, line: str) -> str:
        """Return the id in a line of a list, whatever stands around it.

        Lines may have a path of another computer, quotes, or columns, as VOC's own lists of one
        class have: the id, and 1 or -1.
        """
        words = [word.strip("'\"") for word in re.split(r"[\s,;]+", line)]
        for candidate in dict.fromkeys([line, line.strip("'\""), *words]):
            steps = candidate.replace("\\", "/").split("/")
            for start in range(len(steps)):
                ending = "/".join(steps[start:])
                name = strip_suffix(strip_suffix(ending), (".xml",))
                if name and self.find_annotation(name):
                    return name if start else candidate
        return line if len(words) > 2 else words[0] or line

    def _choose(self, lists: dict[str, list[str]]) -> dict[str, str]:
        """Return which list serves as which part.

        VOC trains on trainval.txt and measures on test.txt. If there is a val.txt, we validate on
        it. Then its pictures, which are usually in trainval.txt too, must not be trained on, so
        train.txt is the training part where there is one. `write_lists` writes all three.
        """
        chosen: dict[str, str] = {part: part for part in ("val", "test") if part in lists}
        train = next((name for name in ("trainval", "train") if name in lists), None)
        both, validated = set(lists.get("trainval", ())), set(lists.get("val", ()))
        if both & validated and "train" in lists:
            train = "train"
            if both != validated.union(lists["train"]):
                self.notes.append("train.txt is used, as trainval.txt holds pictures of val.txt")
        if not train:
            return chosen or ({"all": "default"} if "default" in lists else {})
        tested = set(lists[train]) & set(lists.get("test", ()))
        if tested and "val" in lists:
            self.notes.append(f"test.txt holds {len(tested):,} pictures of {train}.txt")
        return {"train": train, **chosen}


def read_annotation(path: Path) -> Record:
    """Read a Pascal VOC file; raise as `parse_annotation` does, and if there is no such file."""
    try:
        data = read_regular(path)
    except OSError as error:
        raise AnnotationError(f"cannot be read: {file_fault(error)}") from None
    except ValueError as error:
        raise AnnotationError(f"cannot be read: {error}") from None
    return parse_annotation(data)


def parse_annotation(data: bytes) -> Record:
    """Read Pascal VOC's XML; take direct children only, as parts have names and boxes too.

    Raises:
        AnnotationError: it is not XML, declares entities, or is not an annotation.
    """
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    try:
        root = fromstring(data)
    except ParseError as error:
        raise AnnotationError(f"not XML: {error}", error.position[0]) from None
    except DefusedXmlException as error:
        raise AnnotationError(f"declares entities, which is not safe to read: {error}") from None
    except (ValueError, LookupError) as error:
        raise AnnotationError(f"cannot be read: {error}") from None
    if root is not None:
        for element in root.iter():
            element.tag = element.tag.lower()  # some tools write <Annotation>
    if root is None or root.tag != "annotation":
        found = "empty" if root is None else f"a <{root.tag}>"
        raise AnnotationError(f"must be an <annotation>, it is {found}", 1)
    objects = [one for one in root.findall("object") if _text(one, "deleted") != "1"]
    size, sides = root.find("size"), ("width", "height")
    if size is None:
        size, sides = root.find("imagesize"), ("ncols", "nrows")  # of LabelMe 3.0
    return Record(
        _text(root, "filename"),
        (to_side(_text(size, sides[0])), to_side(_text(size, sides[1]))),
        [_box(element) for element in objects],
        [_text(element, "name") for element in objects],
        [_text(element, "difficult").lower() in ("1", "true", "yes") for element in objects],
    )


def _box(element: Element) -> tuple[float, ...]:
    """Return the bndbox, or the box around a polygon or a turned box, as xyxy counted from 0.

    VOC counts pixels from 1, but some tools count from 0. We subtract 1, less if the box would
    leave the picture, and nothing from fractions. The points of LabelMe 3.0 and the turned boxes
    of roLabelImg count from 0.
    """
    box, polygon = element.find("bndbox"), element.find("polygon")
    turned = element.find("robndbox")
    if box is None and turned is not None:
        x, y, width, height, angle = (to_number(_text(turned, tag)) for tag in TURNED_BOX)
        return around_turned((x, y), (width / 2, height / 2), angle)
    if box is None and polygon is not None and polygon.find("pt") is not None:
        xs, ys = (
            [to_number(_text(point, axis)) for point in polygon.findall("pt")] for axis in "xy"
        )
        return around(xs, ys)
    if box is None and polygon is not None:
        points = [(point.tag[:1], to_number(point.text or "")) for point in polygon]
        xs, ys = ([value for tag, value in points if tag == axis] for axis in "xy")
        corners = around(xs, ys)
    else:
        corners = tuple(to_number(_text(box, tag)) for tag in VOC_CORNERS)
    if max(corners) <= 1:
        return corners
    shifts = [min(max(min(corners[axis], corners[axis + 2]), 0), 1) for axis in (0, 1)]
    return tuple(value - shift for value, shift in zip(corners, shifts * 2))


def _text(element: Element | None, tag: str) -> str:
    """Return the text of a direct child; of a path of two tags, finding it would take longer."""
    return "" if element is None else (element.findtext(tag) or "").strip()
