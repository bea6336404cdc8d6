"""Open dataset folders for training and for evaluation, and say what was understood."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Sequence, Union

from vision.datasets.checked_folder import CheckedFolder
from vision.datasets.checks.pictures import PictureChecks
from vision.datasets.checks.problems import Problems, first_losses
from vision.datasets.drawn_split import HeldOut
from vision.datasets.index.annotation_index import AnnotationIndex, concatenate
from vision.datasets.recognition import ANY_FORMAT
from vision.datasets.selection import EVERYTHING, Selection, limit_negatives, require_known
from vision.datasets.splits import leaves_enough, shared_rows, without_copies_of
from vision.utils.labels import BACKGROUND, with_background

logger = logging.getLogger(__name__)

Roots = Union[str, Path, Sequence[Union[str, Path]]]
Kinds = Union[str, Sequence[str]]
SPLITS = ("train", "val", "test", "all")
MOST_COUNTED = 20  # classes that `describe_part` names


@dataclass(frozen=True, eq=False)
class Datasets:
    """The training and the validation part, with labels of one class list."""

    train: AnnotationIndex
    validation: AnnotationIndex  # empty if no split is stated and nothing is held out
    class_names: list[str]  # BACKGROUND first
    known_classes: list[str]  # those and others that were not chosen, BACKGROUND first
    lines: list[str]  # what was understood, as it was logged
    problems: list[Problems]  # of every folder
    held_out: HeldOut  # what was drawn, of folders that state no split or a useless one
    no_validation: str = ""  # why there is no picture to validate on, unless none was asked for


def open_datasets(
    roots: Roots,
    kind: Kinds = ANY_FORMAT,
    validation_root: str | Path | None = None,
    selection: Selection = EVERYTHING,
    allow_unusable: bool = False,
    pictures: PictureChecks | None = None,
) -> Datasets:
    """Read one or several dataset folders for training; log what was understood and what is wrong.

    The class list is the union of the folders' lists, in order. Every folder has a validation part:
    the one that it states (val, else test), or one that is held out by seed.

    Args:
        kind: of DATASETS, or "auto"; one for all folders, or one for each.
        validation_root: a folder to validate on; then nothing of the others is held out.
        selection: which classes and negatives are used, and what is held out.
        allow_unusable: go on with a folder of which less than half can be used.
        pictures: opens and checks every picture.

    Raises:
        FileNotFoundError: a folder is not there.
        ValueError: a folder is of no known format, has nothing to train on, or less than half of
            it can be used.
    """
    folders = open_folders(roots, kind, pictures, selection)
    others = []
    if validation_root is not None:
        others = open_folders(validation_root, ANY_FORMAT, pictures, selection)
    for folder in folders:
        folder.read_for_training(() if others else ("val", "test"))
    for folder in others:
        folder.read_for_validation()
    known_classes, class_names, line = _join_classes([*folders, *others], selection, allow_unusable)

    pairs = [folder.divide(0 if others else selection.val_split) for folder in folders]
    validations = [folder.whole() for folder in others] or [pair[1] for pair in pairs]
    validation = concatenate(validations, class_names)
    train = concatenate([pair[0] for pair in pairs], class_names)
    lines = [line]
    if len(validations) > 1 or others:
        train, sentence = without_copies_of(validation, train)
        lines = [sentence, line] if sentence else lines
    train, negatives = _limit_negatives(train, selection)
    _require_objects(train, folders, lines[:-1])
    several = len(folders) > 1
    lines += [*negatives, describe_part("training", train, several)]
    if len(validation):
        lines.append(describe_part("validation", validation, several))
    absent = [name for name, count in train.boxes_per_class().items() if not count]
    if absent:
        lines.append(f"no object to learn from: {', '.join(absent)}")
    lines = _said([*folders, *others], lines)
    problems = [folder.problems for folder in (*folders, *others)]
    drawn = {os.path.realpath(folder.root): folder.drawn for folder in folders if folder.drawn}
    held_out = HeldOut(selection.val_split, selection.seed, drawn)
    without = (folder.explain_no_validation(selection.val_split) for folder in others or folders)
    why = "" if len(validation) else next(filter(None, without), "")
    return Datasets(train, validation, class_names, known_classes, lines, problems, held_out, why)


def open_split(
    roots: Roots,
    kind: Kinds = ANY_FORMAT,
    split: str = "test",
    class_names: Sequence[str] | None = None,
    selection: Selection = EVERYTHING,
    pictures: PictureChecks | None = None,
) -> AnnotationIndex:
    """Read one split of one or several dataset folders for evaluation; log as `open_datasets` does.

    Args:
        kind: of DATASETS, or "auto"; one for all folders, or one for each.
        split: "train" or "val", what `open_datasets` trains or validates on with the same
            `selection`; "test", the stated test part, or without one what "val" is; or "all".
            With `selection.validation_only`, "val" is what a `validation_root` is validated on.
        class_names: those of the net, BACKGROUND first, which number the labels. Boxes of other
            classes are reported and left out. Without them the classes are those of the folders.
        pictures: opens and checks every picture.

    Raises:
        FileNotFoundError: a folder is not there.
        ValueError: a folder is of no known format, has not that split, or less than half of it can
            be used.
    """
    if split not in SPLITS:
        raise ValueError(f"split must be one of {', '.join(SPLITS)}, got '{split}'")
    folders = open_folders(roots, kind, pictures, selection)
    for folder in folders:
        _read_split(folder, split)
    if class_names is None:
        _, names, line = _join_classes(folders, selection)
    else:
        names = list(class_names)
        line = f"classes: {len(names) - 1} + background (of the net)"
        for folder in folders:
            folder.require_usable()  # before boxes of classes that the net does not know are lost
            folder.number_labels(names)
    index = concatenate([_take(folder, split) for folder in folders], names)
    _said(folders, [line, describe_part(split, index, len(folders) > 1)])
    for folder in folders if split == "test" else ():
        _warn_where_trained_on(folder)
    return index


def _warn_where_trained_on(folder: CheckedFolder) -> None:
    """Warn of pictures to test on that are trained on too, in place or as copies.

    Without a part val they are validated on, and a training leaves out what is in both.
    """
    stated = folder.reader.parts
    part = next((one for one in ("train", "all") if one in stated), None)
    if part is None or "test" not in folder.parts or folder.selection.validation_only:
        return
    train = folder.reader.read(part, Problems())  # only the files are compared
    shared = int(shared_rows(train, folder.parts["test"]).sum())
    is_left_out = part == "train" and "val" not in stated and leaves_enough(train, shared)
    if shared and not is_left_out:
        logger.warning(
            "%s: %s of the pictures to train on (%s) are tested on too (%s), here or as copies in "
            "another place: a score on them means little, take them out of one of the two",
            folder.root, f"{shared:,}", stated[part], stated["test"],
        )  # fmt: skip


def _require_objects(
    train: AnnotationIndex, folders: Sequence[CheckedFolder], lines: Sequence[str]
) -> None:
    """Refuse a training part without any object; what was noticed is often why."""
    if train.num_boxes:
        return
    noticed = [*(note for folder in folders for note in folder.reader.notes), *lines]
    why = f": {'; '.join(noticed)}" if noticed else ""
    raise ValueError(
        f"there is no usable object to learn from in {_names(folders)}{why}"
        f"{first_losses([folder.problems for folder in folders])}"
    )


def describe_part(name: str, index: AnnotationIndex, with_pictures: bool) -> str:
    """Return a line that counts the boxes of each class, and the pictures if asked."""
    counts = list(index.boxes_per_class().items())
    listed = ", ".join(f"{name} {count:,}" for name, count in counts[:MOST_COUNTED])
    pictures = f"{len(index):,} pictures, " if with_pictures else ""
    return (
        f"{name}: {pictures}{index.num_boxes:,} boxes ({listed}"
        f"{', ...' if len(counts) > MOST_COUNTED else ''}), "
        f"{index.num_negatives:,} pictures without objects"
    )


def open_folders(
    roots: Roots, kind: Kinds, pictures: PictureChecks | None, selection: Selection
) -> list[CheckedFolder]:
    """Find out the formats of one or several folders; return each once, nothing is read yet.

    Raises:
        FileNotFoundError: a folder is not there.
        ValueError: a folder is of no known format, or the kinds do not fit the folders.
    """
    paths = [roots] if isinstance(roots, (str, Path)) else list(roots)
    kinds = [kind] * len(paths) if isinstance(kind, str) else list(kind)
    if not paths or len(kinds) != len(paths):
        raise ValueError(
            f"there must be a dataset folder, and one dataset type for all or for each, "
            f"got {len(paths)} folders and {len(kinds)} types"
        )
    folders: dict[tuple[str, Path | None], CheckedFolder] = {}
    for path, one in zip(paths, kinds):
        folder = CheckedFolder(path, one, pictures, selection)
        key = os.path.realpath(folder.root), folder.file  # a folder inside means the whole dataset
        if key in folders:
            logger.warning("%s is the dataset %s, given twice and read once", path, folder.root)
        folders.setdefault(key, folder)
    return list(folders.values())


def _join_classes(
    folders: Sequence[CheckedFolder], selection: Selection, allow_unusable: bool = False
) -> tuple[list[str], list[str], str]:
    """Number all labels by the union of the folders' classes, and keep the chosen ones.

    Returns:
        The union, those that are used, and a line about them.
    """
    union = dict.fromkeys(name for folder in folders for name in folder.class_names())
    if not set(union) - {BACKGROUND}:
        raise ValueError(
            _explain_no_class(folders) + first_losses([folder.problems for folder in folders])
        )
    union_names = class_names = with_background(list(union), _names(folders))
    known = dict.fromkeys(name for folder in folders for name in folder.found_classes)
    require_known(
        selection.class_map,
        known,
        "the old names of a class map (that of --class-map, or else of the model's training; "
        "--class-map= uses none)",
    )
    for folder in folders:
        folder.number_labels(class_names)
        if not allow_unusable:
            folder.require_usable()
    origins = list(dict.fromkeys(folder.reader.classes_from for folder in folders))
    if selection.classes:
        require_known(selection.classes, class_names[1:], "the chosen classes")
        chosen = [BACKGROUND, *selection.classes]
        left = sum(folder.keep_classes(chosen) for folder in folders)
        origins.append(f"chosen of {len(class_names) - 1}: {left:,} boxes of others are not used")
        class_names = chosen
    line = f"classes: {len(class_names) - 1} + background ({'; '.join(origins)})"
    return union_names, class_names, line


def _explain_no_class(folders: Sequence[CheckedFolder]) -> str:
    """Say why there is no class: of pictures that are gone, nobody reads the names."""
    left = sum(len(index) for folder in folders for index in folder.parts.values())
    kinds = ("picture missing", "picture unreadable")
    gone = sum(folder.problems.counts.get(kind, 0) for folder in folders for kind in kinds)
    if gone and not left:
        return f"none of the annotated pictures in {_names(folders)} can be used"
    return f"no annotation in {_names(folders)} names a class"


def _limit_negatives(
    train: AnnotationIndex, selection: Selection
) -> tuple[AnnotationIndex, list[str]]:
    limited = limit_negatives(train, selection.negatives, selection.seed)
    if len(limited) == len(train):
        return train, []
    return limited, [
        f"negatives: {limited.num_negatives:,} of {train.num_negatives:,} pictures without objects "
        f"are trained on, at most {selection.negatives:.0%} of all"
    ]


def _read_split(folder: CheckedFolder, split: str) -> None:
    if split == "all":
        folder.read_all()
    elif split == "test" and folder.read("test"):
        return
    elif folder.selection.validation_only:
        folder.read_for_validation()
    elif split != "train" and not {"train", "all"} & set(folder.reader.parts):
        folder.read_any("val", "test")
    else:
        folder.read_for_training()


def _take(folder: CheckedFolder, split: str) -> AnnotationIndex:
    is_undivided = folder.selection.validation_only or not {"train", "all"} & set(folder.parts)
    if split == "all" or is_undivided:
        return folder.whole()
    train, validation = folder.divide(folder.selection.val_split)
    return train if split == "train" else validation


def _names(folders: Sequence[CheckedFolder]) -> str:
    return ", ".join(str(folder.root) for folder in folders)


def _said(folders: Sequence[CheckedFolder], conclusions: Sequence[str]) -> list[str]:
    """Log the lines of the folders, the conclusions, and the problems; return all but those."""
    lines = []
    for folder in folders:
        lines += [*folder.lines, *(f"{folder.root}: {note}" for note in folder.reader.notes)]
    lines += conclusions
    for line in lines:
        logger.info(line)
    for folder in folders:
        if folder.problems:
            summary = "\n  ".join(folder.problems.summary())
            logger.warning("%s: what is wrong\n  %s", folder.root, summary)
    return lines
