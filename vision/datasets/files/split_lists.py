"""Find the lists that divide a VOC folder into parts, however they are called and wherever."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator, NamedTuple

from vision.datasets.files.folders import PART_OF_WORD, part_of_name
from vision.datasets.files.listing import find_child, read_list, split_suffix

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
    return SplitLists(main or sets or root / "ImageSets", {}, {}, notes)


def _lists_in(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield the texts in a folder and the lists that they are, "" for none, usual names first.

    Lists of one class, as VOC has them, are left out: aeroplane_train.txt.
    """
    paths = (path for path in sorted(folder.iterdir()) if path.suffix.lower() == LIST_SUFFIX)
    names = [path.name for path in paths if not path.name.startswith(".") and path.is_file()]
    usual = [name for one in VOC_LISTS for name in names if name == one + LIST_SUFFIX]
    for name in dict.fromkeys([*usual, *names]):
        word = split_suffix(name)[0].lower()
        called = word if word in VOC_LISTS else PART_OF_WORD.get(word, "")
        if called or not part_of_name(word):
            yield folder / name, called
