"""Find the picture that an annotation means, even if it has a path of another computer."""

from __future__ import annotations

from pathlib import Path

from vision.datasets.files.folders import part_of_path
from vision.datasets.files.listing import (
    FileListing,
    base_name,
    fold_name,
    split_suffix,
    strip_suffix,
)
from vision.pictures.suffixes import PICTURE_SUFFIXES, UNREADABLE_SUFFIXES, unreadable_fault
from vision.utils.text import first_few

MOST_NAMED = 3  # pictures of one name in a message


class PictureFinder:
    """Finds pictures in a folder and below it by the end of a path.

    Only what was listed can be found, so that no name leads out of the folder.
    """

    def __init__(self, folder: Path):
        """List the pictures."""
        self.folder = folder
        self.listing = FileListing(folder, PICTURE_SUFFIXES)
        # By their bare name; made when a picture is missing.
        self._unreadable: dict[str, str] | None = None
        self._by_name: dict[str, list[str]] | None = None

    def find(self, name: str, beside: str = "", part: str | None = None) -> str | None:
        """Return the file, relative to the folder, that `name` means, or None.

        The longest end of the path that fits counts, first below the folder `beside`, then below
        the top folder. If none fits, it is the only picture of that name, or the only one in a
        folder of the part ("train", "val" or "test").
        """
        steps = steps_of(name)
        for start in range(len(steps)):
            ending = "/".join(steps[start:])
            for prefix in dict.fromkeys((f"{beside}/" if beside else "", "")):
                found = self.listing.find(prefix + ending)
                if found:
                    return found
        candidates = self._named(steps[-1], part) if steps else []
        return candidates[0] if len(candidates) == 1 else None

    def explain_missing(self, name: str, part: str | None = None) -> str:
        """Return why `find` has not found a picture, and what to do if it has a form we know."""
        suffixes = " ".join(PICTURE_SUFFIXES)
        return (
            self.explain_several(name, part)
            or self.explain_unreadable(name)
            or f"there is no picture '{name}' with a suffix of {suffixes}"
        )

    def explain_unreadable(self, name: str) -> str:
        """Return what to do with a picture that has a form we cannot read; "" if there is none."""
        if self._unreadable is None:
            self._unreadable = {}
            for file in FileListing(self.folder, UNREADABLE_SUFFIXES).files:
                self._unreadable.setdefault(_bare(file), file)
        wanted = (fold_name(base_name(name)), _key(name), _bare(name))
        files = [self._unreadable[bare] for bare in wanted if bare in self._unreadable]
        return f"'{min(files)}' {unreadable_fault(min(files))}" if files else ""

    def explain_several(self, name: str, part: str | None = None) -> str:
        """Return which pictures a name may mean and what to do, "" if there are not several."""
        found = self._named(name, part)
        if len(found) < 2:
            return ""
        return (
            f"{len(found)} pictures have the name '{base_name(name)}': "
            f"{first_few(found, MOST_NAMED)}; write the folder into the annotation"
        )

    def named(self, name: str) -> list[str]:
        """Return the pictures in any folder that have the name of a path, of any suffix."""
        if self._by_name is None:
            self._by_name = {}
            for file in self.listing.files:
                self._by_name.setdefault(_key(file), []).append(file)
        return self._by_name.get(_key(name), [])

    def _named(self, name: str, part: str | None) -> list[str]:
        """Return those of the pictures of a name that may be of a part."""
        candidates = self.named(name)
        if part in ("train", "val", "test"):
            parts = {file: part_of_path(file) for file in candidates}
            candidates = [file for file in candidates if parts[file] == part] or [
                file for file in candidates if parts[file] is None
            ]
        return candidates


def steps_of(path: str) -> list[str]:
    """Return the folders and the file of a path of any operating system."""
    return [step for step in path.replace("\\", "/").split("/") if step not in ("", ".", "..")]


def agreement(file: str, name: str) -> tuple[int, int, int]:
    """Return how well a file is what a name means: the greater, the better.

    That is how many steps at the end of both paths are equal, how many steps are in both at all,
    and, less than 0, how many are in the name.
    """
    steps, named = _comparable(file), _comparable(name)
    ends = zip(reversed(steps), reversed(named))
    shorter = min(len(steps), len(named))
    equal = next((n for n, (one, other) in enumerate(ends) if one != other), shorter)
    return equal, len(set(steps) & set(named)), -len(named)


def name_different_files(one: str, other: str) -> bool:
    """Return whether two paths cannot mean one file: neither is the end of the other."""
    steps, others = _comparable(one), _comparable(other)
    length = min(len(steps), len(others))
    return steps[len(steps) - length :] != others[len(others) - length :]


def _comparable(path: str) -> list[str]:
    return [fold_name(step) for step in steps_of(strip_suffix(path))]


def _bare(file: str) -> str:
    return fold_name(split_suffix(base_name(file))[0])


def _key(file: str) -> str:
    return fold_name(strip_suffix(base_name(file)))
