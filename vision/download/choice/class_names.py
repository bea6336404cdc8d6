"""The classes of a public dataset: names as people type them, ids, and what belongs to what."""

from __future__ import annotations

import csv
import difflib
import logging
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

logger = logging.getLogger(__name__)

NEAREST = 5
ALL = "all"
OPEN_IMAGES_CLASSES = Path(__file__).with_name("open_images_classes.csv")
COCO_CLASSES = Path(__file__).with_name("coco_classes.csv")


@dataclass(frozen=True)
class ClassTable:
    """Class names in alphabetical order, their ids, and for each the classes that it belongs to."""

    names: tuple[str, ...]
    ids: tuple[str, ...]
    parents: tuple[tuple[str, ...], ...]

    def resolve(self, text: str) -> list[str]:
        """Return the proper names of classes, each once, in the order of the text.

        Args:
            text: names with commas between them; capitals, blanks and underscores make no
                difference. Where a name is written otherwise, that is logged. "all" is every class.

        Raises:
            ValueError: if a name is unknown, saying which are near to it, and their families.
        """
        requested = [name.strip() for name in text.split(",") if name.strip()]
        if [_key(name) for name in requested] == [ALL]:
            requested = list(self.names)
        found, unknown = [], []
        for text in requested:
            name = self._by_key.get(_key(text))
            if name is None:
                unknown.append(text)
            elif name not in found:
                found.append(name)
                if name != text:
                    logger.info("Class '%s' -> '%s'", text, name)
        if unknown:
            raise ValueError("; ".join(self._advice(text) for text in unknown))
        if not found:
            raise ValueError("no class is named; name some, as in --class-names Apple,Banana")
        logger.info("Requested %d classes, found %d classes", len(set(requested)), len(found))
        return found

    def id_of(self, name: str) -> str:
        """Return the id that the dataset's files use for a class."""
        return self.ids[self.names.index(name)]

    def search(self, pattern: str = "") -> list[str]:
        """Return the names that contain a text; capitals, blanks and underscores do not matter.

        Raises:
            ValueError: if there is none; it names the nearest.
        """
        names = [name for name in self.names if _key(pattern) in _key(name)]
        if not names:
            nearest = ", ".join(self.nearest(pattern))
            raise ValueError(f"no class name contains '{pattern}'; the nearest are {nearest}")
        return names

    def children(self, name: str) -> list[str]:
        """Return the names of the classes that belong to a class."""
        return [child for child, above in zip(self.names, self.parents) if name in above]

    def nearest(self, text: str) -> list[str]:
        """Return the five names most like a text, the most alike first."""
        keys = difflib.get_close_matches(_key(text), self._by_key, n=NEAREST, cutoff=0.0)
        return [self._by_key[key] for key in keys]

    @cached_property
    def _by_key(self) -> dict[str, str]:
        return {_key(name): name for name in self.names}

    def _advice(self, text: str) -> str:
        name, colon, filters = text.partition(":")
        if colon and _key(name) in self._by_key:
            groups = ", and type --exclude-group-of" if "group" in filters else ""
            return f"'{text}' must be the name of a class alone: leave ':{filters}' out{groups}"
        near = self.nearest(text)
        advice = f"there is no class '{text}'; the nearest are {', '.join(near)}"
        for name in near:
            above, below = self.parents[self.names.index(name)], self.children(name)
            family = [
                f"belongs to {', '.join(above)}" if above else "",
                f"includes {', '.join(below)}" if below else "",
            ]
            if any(family):
                return f"{advice} ({name} {' and '.join(filter(None, family))})"
        return advice


def read_class_table(path: Path) -> ClassTable:
    """Read a table of classes: a CSV with columns Id, Name and Parents (names, split by ';')."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: row["Name"])
    return ClassTable(
        names=tuple(row["Name"] for row in rows),
        ids=tuple(row["Id"] for row in rows),
        parents=tuple(tuple(filter(None, row["Parents"].split(";"))) for row in rows),
    )


def _key(name: str) -> str:
    return re.sub(r"[\s_]+", "", name).casefold()
