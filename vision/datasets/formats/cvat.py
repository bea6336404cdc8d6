"""Read CVAT's own XML for images, version 1.1."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Iterator
from xml.etree.ElementTree import Element, ParseError

from vision.datasets.checks.problems import Problems
from vision.datasets.files.folders import part_of_name, read_head
from vision.datasets.files.values import (
    around_ellipse,
    around_points,
    around_turned,
    to_number,
    to_side,
)
from vision.datasets.formats.per_part import PerPartFolder
from vision.datasets.index.builder import Record
from vision.utils.files import read_regular, require_regular

SUBSET = re.compile(rb"<image\s[^>]*?\ssubset=[\"']([^\"']+)[\"']")
POINT_TAGS = ("points", "skeleton")
CVAT_CORNERS = ("xtl", "ytl", "xbr", "ybr")


class CVATFolder(PerPartFolder):
    """Reads annotations.xml, or one XML file a part, with the pictures in images/ or beside it."""

    suffix = ".xml"
    layout = "CVAT's annotations.xml with images/ beside it"

    @classmethod
    def accepts(cls, path: Path) -> bool:
        """Return whether an XML file begins with CVAT's element."""
        return b"<annotations" in read_head(path)

    def stated_parts(self, path: Path) -> dict[str, str]:
        """Return the parts that the subsets of a project are."""
        found = dict.fromkeys(SUBSET.findall(read_regular(path)))
        names = [name.decode("utf-8", "replace") for name in found]
        if not any(map(part_of_name, names)):
            return {}
        parts: dict[str, list[str]] = {}
        for name in names:
            parts.setdefault(_part_of_subset(name), []).append(name)
        return {part: f"the subset {' and '.join(of)}" for part, of in parts.items()}

    def read_file(self, path: Path, names: list[str], problems: Problems) -> Iterator[Record]:
        """Yield the pictures of a file with the box around every shape.

        Points, tags and skeletons mark no area and are left out.
        """
        stated = self.stated_parts(path)
        points = 0
        for element in _elements(path):
            if element.tag == "track":
                raise ValueError(
                    f"{path} must be exported as 'CVAT for images 1.1', it is the form for videos"
                )
            if element.tag == "label":
                names.append((element.findtext("name") or "").strip())
            elif element.tag == "image":
                points += sum(shape.tag in POINT_TAGS for shape in element)
                yield _to_record(element, bool(stated))
                element.clear()
        self.note_points(points, path.relative_to(self.root).as_posix())


def _elements(path: Path) -> Iterator[Element]:
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import iterparse

    require_regular(path)
    try:
        for _, element in iterparse(str(path)):
            yield element
    except ParseError as error:
        raise ValueError(f"{path}:{error.position[0]}: not XML: {error}") from None
    except DefusedXmlException as error:
        raise ValueError(f"{path} declares entities, which is not safe to read: {error}") from None
    except LookupError as error:
        raise ValueError(f"{path} cannot be read: {error}") from None


def _part_of_subset(name: str) -> str:
    return part_of_name(name) or "train"


def _to_record(image: Element, has_parts: bool) -> Record:
    shapes = [shape for shape in image if shape.tag in BOX_OF_SHAPE]
    return Record(
        (image.get("name") or "").strip(),
        (to_side(image.get("width")), to_side(image.get("height"))),
        [BOX_OF_SHAPE[shape.tag](shape) for shape in shapes],
        [(shape.get("label") or "").strip() for shape in shapes],
        part=_part_of_subset(image.get("subset") or "") if has_parts else "",
    )


def _box_of_box(shape: Element) -> tuple[float, ...]:
    """Return xyxy around a box that may be turned about its centre."""
    x1, y1, x2, y2 = _numbers(shape, CVAT_CORNERS)
    centre, half = ((x1 + x2) / 2, (y1 + y2) / 2), ((x2 - x1) / 2, (y2 - y1) / 2)
    angle = _angle(shape)
    return around_turned(centre, half, angle) if angle else (x1, y1, x2, y2)


def _box_of_points(shape: Element) -> tuple[float, ...]:
    return around_points([value for value in re.split("[,;]", shape.get("points") or "") if value])


def _box_of_mask(shape: Element) -> tuple[float, ...]:
    left, top, width, height = _numbers(shape, ("left", "top", "width", "height"))
    return left, top, left + width, top + height


def _box_of_ellipse(shape: Element) -> tuple[float, ...]:
    x, y, rx, ry = _numbers(shape, ("cx", "cy", "rx", "ry"))
    return around_ellipse((x, y), (rx, ry), _angle(shape))


BOX_OF_SHAPE = {
    "box": _box_of_box,
    "polygon": _box_of_points,
    "polyline": _box_of_points,
    "mask": _box_of_mask,
    "ellipse": _box_of_ellipse,
}


def _numbers(shape: Element, names: tuple[str, ...]) -> tuple[float, ...]:
    return tuple(to_number(shape.get(name, "")) for name in names)


def _angle(shape: Element) -> float:
    """Return the rotation of a shape in radians, 0 if it states none."""
    angle = math.radians(to_number(shape.get("rotation", "0")))
    return angle if math.isfinite(angle) else 0.0
