"""Read the text files of a YOLO folder: labels, class names and settings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Union

import yaml

from vision.datasets.files.class_lists import class_list_entries
from vision.datasets.files.folders import folders_in, some_files
from vision.datasets.files.listing import base_name, fold_name, read_list
from vision.datasets.files.split_lists import find_split_lists
from vision.datasets.files.values import NO_BOX, around_points, decode, encoding_of, to_number
from vision.utils.files import read_regular
from vision.utils.labels import MAX_CLASSES
from vision.utils.text import printable

Value = Union[str, List[str], Dict[str, str]]

LARGEST_YAML = 1 << 18  # bytes
YAML_NAMES = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
NAMES_FILES = (
    "obj.names",
    "classes.txt",
    "_darknet.labels",
    "labels/classes.txt",
    "train/classes.txt",
    "labels.txt",
)
NAMES_BELOW = ("classes.txt", "_darknet.labels", "obj.names")  # in a folder of any name
LEVELS_OF_NAMES = 2  # of folders: labels/train
NOT_LABELS = ("classes", "train", "val", "valid", "test", "obj", "labels", "readme", "notes")
PART_KEYS = {  # of data.yaml and obj.data, in any case
    "train": ("train", "training"),
    "val": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
WORDS_OF_A_BOX = 5
LARGEST_CLASS_NUMBER = 1 << 31


class YOLOSettings(NamedTuple):
    """What the files of a YOLO folder say about classes and parts."""

    names: dict[int, str]  # class names by number; of a blank line of a list ""
    names_from: str  # the file that has them
    parts: dict[str, list[str]]  # by part: folders or lists of pictures, as written
    parts_from: str  # the file that has them; "" for lists of pictures in the folder itself
    pose: bool  # whether labels have key points after their box, and no polygons
    base: str = ""  # the folder that the paths of the parts begin from, as written
    notes: tuple[str, ...] = ()  # how it was understood

    def source_of(self, part: str) -> str:
        """Return the file that states a part: that of all parts, or the list of this one."""
        return self.parts_from or self.parts[part][0]


class LabelLine(NamedTuple):
    """A line of a label file."""

    number: int | None  # of the class; None if it is not a number
    box: tuple[float, ...]  # xyxy, fractions of the picture; nan if it is not a number


class TextLoader(yaml.SafeLoader):
    """Reads every word as text, as `no` and `1.0` may be class names."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 (this is how yaml spells it)

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Do not merge tables by `<<`, which lets a short file make a table without end."""


def read_settings(root: Path, file: Path | None = None) -> YOLOSettings:
    """Read data.yaml, or else obj.data and obj.names, or classes.txt.

    Args:
        file: the YAML file to read instead of the first one.

    Raises:
        ValueError: one of them is not UTF-8 or not YAML, or names too many classes; or two lists
            disagree.
    """
    here = _Spelled(root)
    known = [file] if file else [root / here.name_of(name) for name in YAML_NAMES]
    path = next((path for path in (*known, *here.ending(".yaml", ".yml")) if path.is_file()), None)
    if path is not None:
        values = read_yaml(path)
        listed = values.get("names", [])
        if isinstance(listed, str):
            listed = _divide(listed, values.get("nc"))
        names = _number(listed, path)
        if names:
            base = values.get("path")
            return YOLOSettings(
                names,
                path.name,
                _parts(values),
                path.name,
                "kpt_shape" in values,
                base if isinstance(base, str) else "",
            )
    data = next(iter(here.ending(".data")), None)
    pairs = [line.partition("=") for line in read_list(data)] if data else []
    values = {key.strip().lower(): value.strip() for key, _, value in pairs}
    notes: list[str] = []
    stated = str(values.get("names", "")).rsplit("/", 1)[-1]
    names, names_from = _find_names(here, stated, notes)
    parts, parts_from = _parts(values), data.name if data else ""
    if not parts:
        parts, parts_from = _lists_beside(root), ""
    return YOLOSettings(names, names_from, parts, parts_from, False, notes=tuple(notes))


class _Spelled:
    """Finds the names in a folder in any case."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._names = {path.name.lower(): path.name for path in sorted(folder.iterdir())}

    def name_of(self, name: str) -> str:
        """Return a name as the folder spells it; as it is if it is there so, or not at all."""
        return name if (self.folder / name).exists() else self._names.get(name.lower(), name)

    def ending(self, *suffixes: str) -> list[Path]:
        """Return the paths of all names with one of the suffixes, sorted."""
        found = sorted(name for low, name in self._names.items() if low.endswith(suffixes))
        return [self.folder / name for name in found]


def _find_names(here: _Spelled, stated: str, notes: list[str]) -> tuple[dict[int, str], str]:
    """Return the class names of the first list in a folder, and its file; {} and "" without one.

    Args:
        stated: the list that obj.data names, which counts whatever other lists say.
        notes: get a line of how a list was understood.

    Raises:
        ValueError: the labels of two folders are numbered by different lists.
    """
    root = here.folder
    wanted = [here.name_of(name) for name in (stated, *NAMES_FILES) if name]
    found = [name for name in wanted if (root / name).is_file()]
    found += [path.name for path in here.ending(".names")]
    found += _lists_below(root)
    if not found:
        return {}, ""
    first, *others = dict.fromkeys(found)
    names = read_class_names(root / first, notes)
    for file in others if first != here.name_of(stated) else ():
        if base_name(file) in NAMES_BELOW and _has_labels((root / file).parent):
            more = read_class_names(root / file, notes)
            _require_one_order(root / first, names, root / file, more)
            if len(more) > len(names):  # labelImg adds a class to its list when it is first used
                first, names = file, more
    return names, first


def _lists_below(root: Path) -> list[str]:
    """Return the class lists in the folders of a folder, sorted, and then those of theirs."""
    found, folders = [], [root]
    for _ in range(LEVELS_OF_NAMES):
        folders = [one for folder in folders for one in _look_into(folder, folders_in)]
        lists = [path for folder in folders for path in _look_into(folder, _lists_in)]
        found += sorted(path.relative_to(root).as_posix() for path in lists)
    return found


def _lists_in(folder: Path) -> list[Path]:
    return [folder / name for name in NAMES_BELOW if (folder / name).is_file()]


def _look_into(folder: Path, look: Callable[[Path], list[Path]]) -> list[Path]:
    """Return what is found in a folder; nothing if we may not read it."""
    try:
        return look(folder)
    except PermissionError:
        return []


def _has_labels(folder: Path) -> bool:
    return any(path.stem.lower() not in NOT_LABELS for path in some_files(folder, ".txt"))


def _require_one_order(
    first: Path, names: dict[int, str], second: Path, others: dict[int, str]
) -> None:
    """Refuse two lists that give one number to two classes: boxes would get the wrong name."""
    for number in sorted(set(names) & set(others)):
        one, other = names[number], others[number]
        if one and other and fold_name(one) != fold_name(other):
            raise ValueError(
                f"{first} and {second} must name the classes in one order, but class {number} is "
                f"'{printable(one)}' in the first and '{printable(other)}' in "
                "the second: number the labels beside both by one list and copy it over the "
                "other; if all labels are numbered by one of them already, delete the other"
            )


def names_classes(root: Path) -> bool:
    """Return whether a folder has images/, labels/, and a data.yaml that names classes."""
    path = next((root / name for name in YAML_NAMES if (root / name).is_file()), None)
    if path is None or not all((root / name).is_dir() for name in ("images", "labels")):
        return False
    try:
        return bool(read_yaml(path).get("names"))
    except ValueError:
        return False


def read_yaml(path: Path) -> dict[str, Value]:
    """Return the keys of a YAML file whose value is a text, a list of texts or a table of texts.

    Keys are in small letters. What is nested deeper is left out.

    Raises:
        ValueError: if the file is not UTF-8 or not YAML, or far too large for what it should hold.
    """
    data = read_regular(path)
    if len(data) > LARGEST_YAML:
        raise ValueError(f"{path} must be a short file of settings, it has {len(data):,} bytes")
    try:
        values = yaml.load(decode(data, path), TextLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        raise ValueError(f"{path}{line}: not YAML: {printable(str(error.problem))}") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"{path}: not YAML: {printable(str(error))}") from None
    values = values if isinstance(values, dict) else {}
    return {key.lower(): value for key, value in values.items() if _is_plain(key, value)}


def _is_plain(key: object, value: object) -> bool:
    texts = [key]
    if isinstance(value, dict):
        texts += [*value, *value.values()]
    else:
        texts += value if isinstance(value, list) else [value]
    return all(isinstance(text, str) for text in texts)


def read_class_names(path: Path, notes: list[str]) -> dict[int, str]:
    """Return the class names of a file that has one a line, by number from 0.

    Args:
        notes: get a line if numbers in front of the names were taken away.

    Raises:
        ValueError: if it is not UTF-8, or names more than MAX_CLASSES.
    """
    lines = decode(read_regular(path), path).splitlines()
    entries = class_list_entries(path, notes=notes)
    # A blank line counts as a class without a name, and one that is called background counts too.
    is_plain = all(lines[line - 1].strip() == name for line, name in entries)
    return _number(lines if is_plain else [name for _, name in entries], path)


def place_of_class(path: Path, number: int, name: str) -> str:
    """Return where a file names a class, for messages: its line if it has one name a line."""
    lines = decode(read_regular(path), path).splitlines()
    if number < len(lines) and lines[number].strip() == name:
        return f"{path.name}:{number + 1}"
    return f"entry {number + 1} of the names in {path.name}"


def read_label(path: Path, pose: bool = False) -> list[LabelLine]:
    """Return the lines that are not blank; what is not text is not a number."""
    data = read_regular(path)
    text = data.decode(encoding_of(data), "replace")
    return [_parse(_words(line), pose) for line in text.splitlines() if line.strip()]


def _words(line: str) -> list[str]:
    """Return the numbers of a line, which some tools divide by commas."""
    words = line.split()
    if len(words) >= WORDS_OF_A_BOX and not any(word.endswith((",", ";")) for word in words):
        return words
    return [word for word in re.split(r"[\s,;]+", line) if word] or [""]


def _parse(words: list[str], pose: bool) -> LabelLine:
    """Read `class x y width height`, or `class x1 y1 x2 y2 x3 y3 ...` for a polygon.

    A fifth number after the class is the score of a detection.
    """
    number = to_number(words[0])
    whole = number % 1 == 0 and abs(number) < LARGEST_CLASS_NUMBER
    values = [to_number(word) for word in words[1:]]
    box: tuple[float, ...] = NO_BOX
    if len(values) in (4, 5) or (pose and len(values) > 4):
        x, y, width, height = values[:4]
        box = x - width / 2, y - height / 2, x + width / 2, y + height / 2
    elif len(values) >= 6 and len(values) % 2 == 0:
        box = around_points(values)
    return LabelLine(int(number) if whole else None, box)


def _divide(text: str, count: Value | None) -> list[str]:
    """Return the class names of a text that is no list of YAML, as in `names: cat, dog`.

    Args:
        count: of classes, as a text; without commas, as many words are names, or else it is one.
    """
    # Of a file, too: the class lists in the folder are read where data.yaml names no class.
    if text in ("~", "null") or text.endswith((".txt", ".names")):
        return []
    names = re.split(r"[,;\n]", text.strip().strip("[]"))
    words = text.split()
    if len(names) == 1 and str(len(words)) == count:
        names = words
    return [name.strip().strip("'\"") for name in names]


def _number(names: list[str] | dict[str, str], path: Path) -> dict[int, str]:
    """Return class names by number, from a list, whose blank lines count, or from a table.

    A blank line is "", unless no name comes behind it; a table names only what it names.
    """
    pairs = names.items() if isinstance(names, dict) else enumerate(names)
    numbered = {int(to_number(n)): name.strip() for n, name in pairs if 0 <= to_number(n) < 1e9}
    last = max((number for number, name in numbered.items() if name), default=-1)
    is_list = isinstance(names, list)
    numbered = {n: name for n, name in numbered.items() if name or (is_list and n < last)}
    if len(numbered) > MAX_CLASSES:
        raise ValueError(
            f"{path} must name at most {MAX_CLASSES} classes, it has {len(numbered):,}"
        )
    return numbered


def _lists_beside(root: Path) -> dict[str, list[str]]:
    """Return the lists of pictures that lie in the folder itself, by part.

    train.txt may be the label of train.jpg, whose lines are boxes.
    """
    lists = find_split_lists(root)
    files = lists.files.items() if lists.folder == root else ()
    return {
        part: [file.name]
        for part, file in files
        if part in PART_KEYS and len(lists.lines[part][0].split()) < WORDS_OF_A_BOX
    }


def _parts(values: dict[str, Value]) -> dict[str, list[str]]:
    """Return the entries of train, val and test, each as a list."""
    parts = {}
    for part, keys in PART_KEYS.items():
        entry = next((values[key] for key in keys if values.get(key)), None)
        if entry and not isinstance(entry, dict):
            parts[part] = [entry] if isinstance(entry, str) else entry
    return parts
