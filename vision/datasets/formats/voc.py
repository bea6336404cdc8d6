"""Read Pascal VOC folders, as labelImg, CVAT, Roboflow and camera-capture write them."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

from vision.datasets.files.folders import read_head, some_files
from vision.datasets.files.listing import FileListing, find_child, read_list
from vision.datasets.files.values import around, to_number, to_side
from vision.datasets.formats.per_picture import AnnotationError, PerPictureFolder
from vision.datasets.index.builder import Record
from vision.utils.labels import read_labels

VOC_LISTS = ("trainval", "train", "val", "test", "default")
VOC_PICTURE_FOLDERS = ("JPEGImages", "images", "JPG", "JPEG", "PNGImages")
VOC_CORNERS = ("xmin", "ymin", "xmax", "ymax")
ROOT_ELEMENT = re.compile(rb"<annotation[\s>]")


class VOCFolder(PerPictureFolder):
    """Reads Annotations/ID.xml, JPEGImages/ID.jpg, lists in ImageSets/Main, and labels.txt.

    The XML files may also lie beside the pictures, in one folder or in train, valid and test.
    """

    layout = "Annotations/*.xml with JPEGImages/ beside it, or *.xml beside the pictures"

    def __init__(self, root: str | Path):
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
        return any(ROOT_ELEMENT.search(read_head(path)) for path in some_files(root, ".xml"))

    def read_record(self, path: Path) -> Record:
        """Read one XML file."""
        return read_annotation(path)

    def class_names(self) -> list[str]:
        """Return the names of labels.txt; without it all names in the XML files, sorted."""
        path = self.root / "labels.txt"
        if path.is_file():
            self.classes_from = path.name
            return read_labels(path)[1:]
        names = super().class_names()
        self.classes_from = "collected from the XML files, as there is no labels.txt"
        return names

    def _find_parts(self) -> None:
        folder = find_child(self.root / "ImageSets", ("Main",)) or self.root / "ImageSets"
        files = {name: folder / f"{name}.txt" for name in VOC_LISTS}
        lists = {name: read_list(path) for name, path in files.items() if path.is_file()}
        lists = {name: ids for name, ids in lists.items() if ids}
        chosen = self._choose(lists)
        for part, name in chosen.items():
            self.parts[part] = files[name].relative_to(self.root).as_posix()
            self._ids[part] = lists[name]
        if not chosen:
            self.divide_by_folders()
        if "all" in self.parts and not chosen:
            self.parts["all"] = "every XML file, as ImageSets/Main lists none"

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
    """Read a Pascal VOC file; take direct children only, as parts have names and boxes too.

    Raises:
        AnnotationError: it is not XML, declares entities, or is not an annotation.
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
    if root is None or root.tag != "annotation":
        found = "empty" if root is None else f"a <{root.tag}>"
        raise AnnotationError(f"must be an <annotation>, it is {found}", 1)
    objects = root.findall("object")
    return Record(
        _text(root, "filename"),
        (to_side(_text(root, "size/width")), to_side(_text(root, "size/height"))),
        [_box(element) for element in objects],
        [_text(element, "name") for element in objects],
        [_text(element, "difficult").lower() in ("1", "true", "yes") for element in objects],
    )


def _box(element: Element) -> tuple[float, ...]:
    """Return the bndbox, or without one the box around the polygon, as xyxy counted from 0.

    VOC counts pixels from 1, but some tools count from 0. We subtract 1, less if the box would
    leave the picture, and nothing from fractions.
    """
    box, polygon = element.find("bndbox"), element.find("polygon")
    if box is None and polygon is not None:
        points = [(point.tag[:1], to_number(point.text or "")) for point in polygon]
        xs, ys = ([value for tag, value in points if tag == axis] for axis in "xy")
        corners = around(xs, ys)
    else:
        corners = tuple(to_number(_text(element, f"bndbox/{tag}")) for tag in VOC_CORNERS)
    if max(corners) <= 1:
        return corners
    shifts = [min(max(min(corners[axis], corners[axis + 2]), 0), 1) for axis in (0, 1)]
    return tuple(value - shift for value, shift in zip(corners, shifts * 2))


def _text(element: Element, path: str) -> str:
    return (element.findtext(path) or "").strip()
