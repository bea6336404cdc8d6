"""Find the dataset that a person means by a path, and the format that it has."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Iterator, NamedTuple

from vision.datasets.files.folders import (
    ANNOTATION_FOLDER,
    FOLDERS_TO_TRY,
    has_pictures,
    part_of_path,
)
from vision.datasets.formats import DATASETS
from vision.datasets.formats.per_part import PerPartFolder
from vision.datasets.formats.yolo_files import read_yaml
from vision.datasets.unknown import LAYOUTS_PAGE, contents_of, is_utf16, looks_like
from vision.utils.buckets import bucket_and_key

ANY_FORMAT = "auto"
SETTINGS_SUFFIXES = (".yaml", ".yml")
PACKED = (".zip", ".rar", ".7z", ".gz", ".tgz", ".bz2", ".xz")
LEVELS = 3  # above a path, where its dataset may begin
LIST_FOLDER = re.compile("imagesets|main")


class FoundDataset(NamedTuple):
    """Where a dataset is and how it is read."""

    root: Path
    kind: str  # of DATASETS
    file: Path | None = None  # the only annotation file or file of settings to read
    notes: tuple[str, ...] = ()  # what should be said about it


def find_dataset(path: str | Path, kind: str = ANY_FORMAT) -> FoundDataset:
    """Return the dataset of a path: its folder, a file or folder inside it, or its data.yaml.

    Raises:
        FileNotFoundError: there is nothing at the path.
        ValueError: it is in no known format, or not in the one that `kind` names.
    """
    path = Path(path)
    if kind not in (ANY_FORMAT, *DATASETS):
        raise ValueError(
            f"dataset type must be {ANY_FORMAT} or one of {', '.join(DATASETS)}, got '{kind}'"
        )
    if bucket_and_key(path):  # only shards can be read from there
        return _require(kind, FoundDataset(path, "shards"), path)
    if path.is_dir():
        return _of_folder(path, kind)
    if not path.exists():
        raise FileNotFoundError(f"there is no dataset folder {path.resolve()}; check the path")
    if path.suffix.lower() in SETTINGS_SUFFIXES:
        return _require(kind, FoundDataset(_root_of_settings(path), "yolo", path.resolve()), path)
    for name, reader in DATASETS.items():
        named = issubclass(reader, PerPartFolder) and path.name.lower().endswith(reader.suffix)
        if named and issubclass(reader, PerPartFolder) and reader.accepts(path):
            found = FoundDataset(_with_pictures(path.resolve().parent), name, path.resolve())
            return _require(kind, found, path)
    around = _inside_of(path, kind)
    if around is None and path.name.lower().endswith(PACKED):
        raise ValueError(f"{path} is packed; unpack it, and give the folder that comes out")
    if around is None:
        raise ValueError(_explain_file(path))
    return around


def _require(kind: str, found: FoundDataset, path: Path) -> FoundDataset:
    if kind not in (ANY_FORMAT, found.kind):
        raise ValueError(f"{path} must be of format {kind}, it is of format {found.kind}")
    return found


def _of_folder(path: Path, kind: str) -> FoundDataset:
    kinds = _kinds_of(path, kind)
    packs = bool(kinds) and DATASETS[kinds[0]].packs_pictures
    if not kinds or (not packs and _is_inside(path) and not has_pictures(path)):
        found = _inside_of(path, kind)
        if found is not None:
            return found
    if not kinds:
        raise ValueError(_explain(path, kind))
    notes: tuple[str, ...] = ()
    if len(kinds) > 1:
        others = " or ".join(kinds[1:])
        notes = (f"{path}: read as {kinds[0]}, though it could be {others} too",)
    return FoundDataset(path, kinds[0], None, notes)


def _kinds_of(root: Path, kind: str) -> list[str]:
    names = DATASETS if kind == ANY_FORMAT else [kind]
    found = [name for name in names if DATASETS[name].detect(root)]
    if not found and kind != ANY_FORMAT and DATASETS[kind].may_be(root):
        return [] if _kinds_of(root, ANY_FORMAT) else [kind]
    return found


def _inside_of(path: Path, kind: str) -> FoundDataset | None:
    """Return the dataset around a folder of annotations or pictures, or around a file there."""
    place = path.resolve()
    for _ in range(LEVELS):
        if place.is_dir() and not _is_inside(place):
            return None
        place = place.parent
        kinds = _kinds_of(place, kind)
        if kinds and has_pictures(place):
            note = f"{path} is a part of the dataset {place}, which is read"
            return FoundDataset(place, kinds[0], None, (note,))
    return None


def _is_inside(folder: Path) -> bool:
    """Return whether a folder is called as those inside of datasets are."""
    name = folder.resolve().name.lower()
    usual = ANNOTATION_FOLDER.fullmatch(name) or LIST_FOLDER.fullmatch(name)
    return bool(usual or part_of_path(f"{name}/"))


def _with_pictures(folder: Path) -> Path:
    """Return the folder, or the one around it where the pictures of its annotations are."""
    for _ in range(LEVELS):
        if has_pictures(folder) or not _is_inside(folder):
            break
        folder = folder.parent
    return folder


def _root_of_settings(path: Path) -> Path:
    """Return the folder that a data.yaml means: its `path`, if it is on this computer."""
    stated = read_yaml(path).get("path")
    if isinstance(stated, str) and stated:
        root = path.resolve().parent / stated
        if root.is_dir() and has_pictures(root):
            return root
    return path.resolve().parent


def _explain_file(path: Path) -> str:
    if is_utf16(path):
        return f"{path} is UTF-16 text, which is not read here; save it as UTF-8"
    return (
        f"{path} is a file of no known format; give the folder of the dataset, a data.yaml, or an "
        f"annotation file for many pictures. {LAYOUTS_PAGE}"
    )


def _explain(root: Path, kind: str) -> str:
    """Return what to say of a folder that is of no known format, or not of the one asked for."""
    wanted = "a known layout"
    if kind != ANY_FORMAT:
        wanted = f"the layout {kind} ({DATASETS[kind].layout})"
    found = ", ".join(contents_of(root)) or "nothing"
    return (
        f"{root.resolve()} is no dataset of {wanted}: it holds {found}. "
        f"{_suggest(root, kind)} {LAYOUTS_PAGE}"
    )


def _suggest(root: Path, kind: str) -> str:
    kinds = [] if kind == ANY_FORMAT else _kinds_of(root, ANY_FORMAT)
    if kinds:
        return f"It is of the format {kinds[0]}."
    below = next((one for one in _folders_below(root) if _kinds_of(one, kind)), None)
    if below is None:
        return f"{looks_like(root)}."
    if has_pictures(below):
        return f"Did you mean {below}?"
    return (
        f"{below} has annotation of the format {_kinds_of(below, kind)[0]}, but no pictures: move "
        f"its files to {root}, if the pictures are there."
    )


def _folders_below(root: Path) -> Iterator[Path]:
    """Yield the first folders in a folder, then those in them, in the order of their names."""
    level = [root]
    for _ in range(2):
        level = [one for above in level for one in sorted(above.iterdir()) if one.is_dir()]
        level = level[:FOLDERS_TO_TRY]
        yield from level
