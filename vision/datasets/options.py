"""The options that say what of the data is used: the same in every script that reads data."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

from vision.utils.files import read_regular, require_regular
from vision.utils.labels import with_background
from vision.utils.options import Number, OneOf, Options, Whole, finite, option, text
from vision.utils.text import printable, shown

if TYPE_CHECKING:
    from vision.datasets.checks.pictures import PictureChecks
    from vision.datasets.selection import Selection


# What to do with pictures that have an EXIF orientation. "auto" turns them upright, and finds out
# whether boxes were marked on the upright picture or on the stored one; "apply" and "stored" say
# which. "ignore" reads pictures as they are stored.
EXIF = ("auto", "ignore", "apply", "stored")
TRAINING_ARGUMENTS = "training_args.json"  # in a model directory
REPORT_FILE = "dataset_report.json"  # there too, and in what check_dataset.py writes


def parse_classes(names: str) -> tuple[str, ...]:
    """Read `cat,dog` as class names.

    Raises:
        ValueError: a name is empty or occurs twice.
    """
    classes = [name.strip() for name in names.split(",")] if names.strip() else []
    if not all(classes):
        raise ValueError(f"must be names with commas between them, got '{shown(names)}'")
    return tuple(with_background(classes, f"'{shown(names)}'")[1:]) if classes else ()


def parse_class_map(pairs: str) -> dict[str, str]:
    """Read `van=car,truck=car` as new class names by old ones.

    Raises:
        ValueError: a pair has not two names, or an old name occurs twice.
    """
    class_map: dict[str, str] = {}
    for pair in pairs.split(",") if pairs.strip() else []:
        old, _, new = (part.strip() for part in pair.partition("="))
        if not old or not new or "=" in new or old in class_map:
            raise ValueError(
                "must be old=new,... with one = between two names and each old name once, got "
                f"'{shown(pair.strip())}'"
            )
        class_map[old] = new
    return class_map


def parse_negatives(share: str) -> float:
    """Read `keep`, `drop` or `10%` as the largest share of pictures without objects.

    Raises:
        ValueError: it is something else.
    """
    words = {"keep": 1.0, "drop": 0.0}
    word = share.strip().lower()
    if word in words:
        return words[word]
    percent = finite(word[:-1], float) if word.endswith("%") else None
    if percent is None or not 0 <= percent <= 100:
        raise ValueError(f"must be keep, drop or a share such as 10%, got '{shown(share)}'")
    return percent / 100


@dataclass(frozen=True)
class TextOf:
    """A text that a function can read; it stays a text, as training_args.json holds it."""

    parse: Callable[[str], Any]

    def __call__(self, value: Any) -> str:
        """Return the text.

        Raises:
            ValueError: as `parse` does.
        """
        self.parse(text(value))
        return text(value)


def format_name(value: Any) -> str:
    """Return the name of a format, which may be typed in capitals.

    Raises:
        ValueError: there is no such format.
    """
    from vision.datasets.recognition import ANY_FORMAT, DATASETS  # which --help can spare

    return OneOf(ANY_FORMAT, *DATASETS)(value)


def class_map_text(value: Any) -> str:
    """Read OLD=NEW,... or the name of a file with such pairs; return the former.

    A line of the file is an old name, a comma, and a new name, or - to leave the class out. Empty
    lines and lines that begin with # are skipped.

    Raises:
        ValueError: if it is neither, or a line of the file is no pair, or renames a class again.
    """
    written = text(value).strip()
    if written and "=" not in written:
        written = _pairs_of_file(Path(written))
    parse_class_map(written)
    return written


def _pairs_of_file(path: Path) -> str:
    try:
        lines = read_regular(path).decode("utf-8-sig").splitlines()
    except FileNotFoundError:
        raise ValueError(
            f"must be OLD=NEW,... or a text file of pairs, got {shown(str(path))}, which has no = "
            "and is no file"
        ) from None
    except (OSError, ValueError) as error:
        raise ValueError(
            f"must be OLD=NEW,... or a text file of pairs, got {path}: {error}"
        ) from None
    pairs = []
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        names = [name.strip() for name in line.split(",")]
        if len(names) != 2 or not all(names) or "=" in line:
            raise ValueError(
                f"must name a file of pairs; line {number} of {path} must be: old name, new name "
                f"(or - to leave the class out), got '{line.strip()}'"
            )
        pairs.append("=".join(names))
    if not pairs:
        raise ValueError(f"must name a file of pairs, {path} has no line 'old name, new name'")
    return ",".join(pairs)


@dataclass(frozen=True)
class DataOptions(Options):
    """Which pictures and boxes are used, and how they are read.

    What a training was told here stands in its training_args.json, so that whatever measures its
    net reads the same data.
    """

    dataset_type: str = option(
        "auto",
        kind=format_name,
        help="format of the folders: auto, or a name from docs/datasets.md",
    )
    val_split: float = option(
        0.2,
        kind=Number(0, below=1),
        metavar="FRACTION",
        help="share of the pictures to hold out for validation where a folder states no split",
    )
    classes: str = option(
        "",
        kind=TextOf(parse_classes),
        nargs=",",
        metavar="A,B",
        help="use only these classes, in this order (default: all)",
    )
    class_map: str = option(
        "",
        kind=class_map_text,
        nargs=",",
        metavar="OLD=NEW,...",
        help="rename classes, join several (van=car,truck=car), or leave one out (bus=-); or a "
        "file with a line 'old name, new name' for each",
    )
    negatives: str = option(
        "keep",
        kind=TextOf(parse_negatives),
        metavar="SHARE",
        help="pictures without objects: keep, drop, or their largest share of the training "
        "pictures, as 10%",
    )
    exif: str = option(
        "auto",
        kind=OneOf(*EXIF),
        help="pictures with an EXIF orientation: auto turns them upright, and their boxes too; "
        "ignore reads them as stored, as detectnet reads a file; apply (boxes were marked on the "
        "upright picture) or stored (on the stored one) where auto is wrong",
    )
    seed: int = option(
        0, kind=Whole(0), help="seed of everything random, such as which pictures are held out"
    )

    def selection(self) -> Selection:
        """Return what of the data is used."""
        from vision.datasets.selection import Selection

        return Selection(
            self.val_split,
            self.seed,
            parse_classes(self.classes),
            parse_class_map(self.class_map),
            parse_negatives(self.negatives),
        )

    def picture_checks(self) -> PictureChecks:
        """Return what opens every picture once, with a memory of those that it has seen."""
        from vision.datasets.checks.picture_scan import PictureScanner
        from vision.datasets.checks.pictures import PictureChecks
        from vision.datasets.remembered import default_cache_folder

        return PictureChecks(PictureScanner(default_cache_folder()), self.exif)


def options_of_run(model: Path) -> dict[str, Any]:
    """Return the options of the training that a model comes from; {} if no file says them.

    Args:
        model: a model directory, or a file in one.

    Raises:
        ValueError: if its training_args.json cannot be read.
    """
    path = (model if model.is_dir() else model.parent) / TRAINING_ARGUMENTS
    if not path.exists():
        return {}
    try:
        require_regular(path)
        options = json.loads(path.read_bytes().decode("utf-8-sig"))
        if not isinstance(options, dict):
            raise ValueError(f"it must hold options by name, got {shown(options)}")
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{path} cannot be used: {printable(str(error))}; put a copy of it back, or delete it. "
            "The weights stay usable, but then type --data and the other data options again (and "
            "--gpus with --resume)."
        ) from None
    return options
