"""Find the pictures of the parts that a data.yaml or obj.data states."""

from __future__ import annotations

import bisect
from pathlib import Path
from typing import NamedTuple

from vision.datasets.files.finder import PictureFinder
from vision.datasets.files.listing import read_list
from vision.utils.text import printable


class StatedPath(NamedTuple):
    """What a stated path means in this folder."""

    entry: str  # as written
    steps: list[str]  # of the entry, without those that lead upwards
    ending: str  # the end of it that is here; "" if nothing is
    files: list[str]  # the pictures
    fault: str  # why there are none; "" if there are

    @property
    def shortened(self) -> bool:
        """Return whether only the end of the path is here."""
        return bool(self.ending) and self.ending != "/".join(self.steps)


def match_parts(
    parts: dict[str, list[str]], base: str, finder: PictureFinder
) -> dict[str, list[StatedPath]]:
    """Return what the paths of each part mean: folders or lists, found by the end of their path.

    The end of a path does not count where it is, holds, or lies in the folder of another part: of
    `../train/images` and `../valid/images`, `images` is the end of both.

    Args:
        parts: paths by part, as written.
        base: the folder that they begin from, as written; "" if none is stated.
        finder: of the pictures in the dataset folder.
    """
    pictures = finder.listing.files
    found = {
        part: [_match(entry, base, finder, pictures) for entry in entries]
        for part, entries in parts.items()
    }
    checked = {}
    for part, matches in found.items():
        others = [one for other in found if other != part for one in found[other]]
        checked[part] = [
            _without_pictures(one, finder.folder) if _is_ambiguous(one, others) else one
            for one in matches
        ]
    return checked


def describe_faults(part: str, matches: list[StatedPath], source: str) -> str:
    """Return what is wrong with the paths of a part, "" if nothing is."""
    wrong = [match for match in matches if match.fault]
    if not wrong:
        return ""
    more = f" (likewise {len(wrong) - 1:,} more of its paths)" if len(wrong) > 1 else ""
    return f"{source}: {part} is {printable(wrong[0].entry)}, and {wrong[0].fault}{more}"


def _match(entry: str, base: str, finder: PictureFinder, pictures: list[str]) -> StatedPath:
    """Find the pictures below `base`, or by the longest end of the path that is here."""
    steps = _steps(entry)
    whole = [*_steps(base), *steps] if steps else []
    starts = [whole, *(steps[start:] for start in range(len(steps)))]
    for ending in map("/".join, starts if steps else []):
        written = whole if ending == "/".join(whole) else steps
        found = _pictures_in(ending, pictures)
        if found:
            return StatedPath(entry, written, ending, found, "")
        if ending.endswith(".txt") and _kind_of(finder.folder / ending) == "file":
            names = read_list(finder.folder / ending)
            found = [file for file in map(finder.find, names) if file]
            fault = "none of the pictures that it lists is there" if names and not found else ""
            return StatedPath(entry, written, ending, found, fault)
    return _without_pictures(StatedPath(entry, steps, "", [], ""), finder.folder)


def _steps(path: str) -> list[str]:
    steps = path.replace("\\", "/").split("/")
    return [step for step in steps if step not in ("", ".", "..")]


def _pictures_in(folder: str, pictures: list[str]) -> list[str]:
    """Return those of the sorted pictures that lie in a folder or below it."""
    behind = chr(ord("/") + 1)
    first = bisect.bisect_left(pictures, f"{folder}/")
    return pictures[first : bisect.bisect_left(pictures, f"{folder}{behind}", first)]


def _is_ambiguous(match: StatedPath, others: list[StatedPath]) -> bool:
    """Return whether the end of a path meets that of another part, though the paths do not."""
    return match.shortened and any(
        _meet(match.ending, other.ending)
        and not _meet("/".join(match.steps), "/".join(other.steps))
        for other in others
        if other.ending
    )


def _meet(one: str, other: str) -> bool:
    """Return whether one of two paths is the other, or lies in it."""
    return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")


def _without_pictures(match: StatedPath, root: Path) -> StatedPath:
    """Return the match of a path that means nothing here, with what is wrong.

    A path without steps, such as ".", is the whole folder, of which a part gets what is left over.
    """
    fault = f"there is no such {'list' if match.entry.endswith('.txt') else 'folder'}"
    if match.steps and _kind_of(root / "/".join(match.steps)) == "folder":
        fault = "there is no picture in that folder"
    return match._replace(ending="", files=[], fault=fault if match.steps else "")


def _kind_of(path: Path) -> str:
    """Return whether there is a "folder" or a "file" at a path, or "" for neither."""
    try:
        return "folder" if path.is_dir() else "file" if path.is_file() else ""
    except (OSError, ValueError):  # what is written there cannot be a path, it is far too long
        return ""
