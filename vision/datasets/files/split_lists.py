"""Find the lists that divide a VOC folder into parts, however they are called and wherever."""

from __future__ import annotations

from pathlib import Path
from typing import Iterable, Iterator, NamedTuple

from vision.datasets.files.folders import PART_OF_WORD, part_of_name
from vision.datasets.files.listing import find_child, read_list

VOC_LISTS = ("train", "val", "test", "trainval", "default")
LIST_SUFFIX = ".txt"


class SplitLists(NamedTuple):
    """The lists of a folder."""

    folder: Path  # where they are, or belong
    files: dict[str, Path]  # by their names of VOC_LISTS
    lines: dict[str, list[str]]  # what they hold; there is at least one line
    notes: list[str]  # of lists that are there and are not used


def find_split_lists(root: Path) -> SplitLists:
    """Return the lists of ImageSets/Main, of ImageSets, or of the folder itself.

    The first of these that has any counts. Names go in any case, and as those of folders do: valid
    and validation mean val. Beside the annotations there may be text of any kind, so lists count
    there only if one of them is for training.

    Raises:
        ValueError: a list is not UTF-8.
    """
    sets = find_child(root, ("ImageSets",))
    main = find_child(sets, ("Main",)) if sets else None
    notes: list[str] = []
    for folder in filter(None, (main, sets, root)):
        files: dict[str, Path] = {}
        lines: dict[str, list[str]] = {}
        said: list[str] = []
        for path, name in _lists_in(folder):
            where = path.relative_to(root).as_posix()
            found = read_list(path) if name else []
            if not name and folder != root:
                said.append(f"{where} is not used, as it is not called train, val or test")
            elif not name:
                continue
            elif name in files:
                said.append(f"{where} is not used, as {files[name].name} is")
            elif not found:
                said.append(f"{where} is empty and is not used")
            else:
                files[name], lines[name] = path, found
        if folder == root and not {"train", "trainval"} & set(files):
            break
        notes += said
        if files:
            return SplitLists(folder, files, lines, notes)
    notes += _note_of_one_class(root, filter(None, (main, sets)))
    return SplitLists(main or sets or root / "ImageSets", {}, {}, notes)


def _note_of_one_class(root: Path, folders: Iterable[Path]) -> list[str]:
    """Return a note where there are lists of one class alone, as VOC has them beside the others."""
    paths = (path for folder in folders for path in _texts_in(folder) if part_of_name(path.stem))
    first = next((path for path in paths if not _called(path)), None)
    if first is None:
        return []
    where = first.relative_to(root).as_posix()
    return [f"{where} is of one class and is not used; write train.txt and val.txt of all"]


def _called(path: Path) -> str:
    """Return which of VOC_LISTS a file is by its name, "" if none."""
    word = path.stem.lower()
    return word if word in VOC_LISTS else PART_OF_WORD.get(word, "")


def _lists_in(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield the texts in a folder and the lists that they are, "" for none, usual names first.

    Lists of one class, as VOC has them, are left out: aeroplane_train.txt.
    """
    paths = _texts_in(folder)
    usual = [path for one in VOC_LISTS for path in paths if path.name == one + LIST_SUFFIX]
    for path in dict.fromkeys([*usual, *paths]):
        called = _called(path)
        if called or not part_of_name(path.stem):
            yield path, called


def _texts_in(folder: Path) -> list[Path]:
    paths = (path for path in sorted(folder.iterdir()) if path.suffix.lower() == LIST_SUFFIX)
    return [path for path in paths if not path.name.startswith(".") and path.is_file()]
