"""One annotation of a picture as Pascal VOC XML."""

from __future__ import annotations

from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

from vision.datasets.files.values import around, to_number, to_side
from vision.datasets.formats.per_picture import AnnotationError
from vision.datasets.index.builder import Record

_CORNERS = ("xmin", "ymin", "xmax", "ymax")


def read_annotation(path: Path) -> Record:
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
    return Record(
        _text(root, "filename"),
        (to_side(_text(root, "size/width")), to_side(_text(root, "size/height"))),
        [_box(element) for element in objects],
        [_text(element, "name") for element in objects],
        [_text(element, "difficult").lower() in ("1", "true", "yes") for element in objects],
    )


def _box(element: Element) -> tuple[float, ...]:
    """Return xyxy with pixels counted from 0: the bndbox, or what is around a polygon without one.

    VOC counts pixels from 1, but some tools write its format from 0. One pixel is taken off, less
    where the box would leave the picture by that, and nothing where these are fractions.
    """
    box, polygon = element.find("bndbox"), element.find("polygon")
    if box is None and polygon is not None:
        points = [(point.tag[:1], to_number(point.text or "")) for point in polygon]
        xs, ys = ([value for tag, value in points if tag == axis] for axis in "xy")
        corners = around(xs, ys)
    else:
        corners = tuple(to_number(_text(element, f"bndbox/{tag}")) for tag in _CORNERS)
    if max(corners) <= 1:
        return corners
    shifts = [min(max(min(corners[axis], corners[axis + 2]), 0), 1) for axis in (0, 1)]
    return tuple(value - shift for value, shift in zip(corners, shifts * 2))


def _text(element: Element, path: str) -> str:
    return (element.findtext(path) or "").strip()
