"""Read Apple's CreateML, a JSON list of pictures, as Roboflow and RectLabel write it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Iterator

from vision.datasets.checks.problems import Problems
from vision.datasets.files.folders import file_has, read_head
from vision.datasets.files.values import read_json, to_number, to_text
from vision.datasets.formats.per_part import PerPartFolder
from vision.datasets.index.builder import Record


class CreateMLFolder(PerPartFolder):
    """Reads one JSON file for every part; a box is stated by its centre and size in pixels."""

    suffix = ".json"
    layout = "_annotations.createml.json beside the pictures"

    @classmethod
    def accepts(cls, path: Path) -> bool:
        """Return whether a JSON file is a list with coordinates and labels."""
        head = read_head(path).lstrip()
        return head.startswith(b"[") and file_has(path, b'"coordinates"', b'"label"')

    def read_file(self, path: Path, names: list[str], problems: Problems) -> Iterator[Record]:
        """Yield the pictures of a file."""
        data = read_json(path)
        if not isinstance(data, list):
            raise ValueError(f"{path} must be a list of pictures, as CreateML's files are")
        for picture in data:
            picture = picture if isinstance(picture, dict) else {}
            stated = picture.get("annotations", picture.get("annotation"))
            marks = (
                [one for one in stated if isinstance(one, dict)] if isinstance(stated, list) else []
            )
            filename = next((picture[k] for k in ("image", "imagefilename") if k in picture), "")
            labels = [to_text(mark.get("label")) for mark in marks]
            yield Record(to_text(filename), (0, 0), [_box(mark) for mark in marks], labels)


def _box(mark: dict[str, Any]) -> tuple[float, ...]:
    place = mark.get("coordinates")
    place = place if isinstance(place, dict) else {}
    x, y, width, height = (to_number(place.get(key)) for key in ("x", "y", "width", "height"))
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2
