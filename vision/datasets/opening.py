"""Opening dataset folders for training and for evaluation, and saying what was understood."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Sequence, Union

from vision.datasets.checks.pictures import PictureChecks
from vision.datasets.checks.problems import Problems
from vision.datasets.index.annotation_index import AnnotationIndex, concatenate
from vision.datasets.selection import EVERYTHING, Selection, limit_negatives, require_known
from vision.datasets.source import AUTO, Source
from vision.datasets.splits import without_copies_of
from vision.utils.labels import BACKGROUND, with_background

logger = logging.getLogger(__name__)

Roots = Union[str, Path, Sequence[Union[str, Path]]]
Kinds = Union[str, Sequence[str]]
SPLITS = ("train", "val", "test", "all")


@dataclass(frozen=True, eq=False)
class Datasets:
    """What to train on and what to validate on, with labels of one class list."""

    train: AnnotationIndex
    validation: AnnotationIndex  # empty where no split is stated and nothing held out
    class_names: list[str]  # BACKGROUND first
    lines: list[str]  # what was understood, as it was logged
    problems: list[Problems]  # of every folder


def open_datasets(
    roots: Roots,
    kind: Kinds = AUTO,
    validation_root: str | Path | None = None,
    selection: Selection = EVERYTHING,
    allow_unusable: bool = False,
    pictures: PictureChecks | None = None,
) -> Datasets:
    """Read one or several dataset folders for training; log what was understood and what is wrong.

    The class list is the union of those of the folders, in order. Every folder gives a validation
    part of its own: the one that it states (val, else test), or one that is held out by seed.

    Args:
        kind: of DATASETS, or "auto"; one for all folders or one for each.
        validation_root: a folder to validate on; then nothing is held out of the others.
        selection: which classes and negatives are used, and what is held out.
        allow_unusable: go on with a folder of which more than half cannot be used.
        pictures: opens and checks every picture.

    Raises:
        FileNotFoundError: a folder is not there.
        ValueError: a folder has no known layout, or nothing to train on, or is mostly unusable.
    """
    sources = _open_sources(roots, kind, pictures, selection)
    others = []
    if validation_root is not None:
        others = _open_sources(validation_root, AUTO, pictures, selection)
    _read_for_training(sources, others)
    class_names, line = _settle_classes([*sources, *others], None, selection, allow_unusable)

    pairs = [source.divide(0 if others else selection.val_split) for source in sources]
    validations = [source.whole() for source in others] or [pair[1] for pair in pairs]
    validation = concatenate(validations, class_names)
    train = concatenate([pair[0] for pair in pairs], class_names)
    lines = [line]
    if len(validations) > 1 or others:
        train, sentence = without_copies_of(validation, train)
        lines = [sentence, line] if sentence else lines
    train, negatives = _limit_negatives(train, selection)
    if not train.num_boxes:
        raise ValueError(f"there is no usable object to learn from in {_names(sources)}")
    lines += [*negatives, _describe("training", train), _describe("validation", validation)]
    lines, problems = _say([*sources, *others], [*lines, *_without_objects(train)])
    return Datasets(train, validation, class_names, lines, problems)


def _read_for_training(sources: Sequence[Source], others: Sequence[Source]) -> None:
    """Read what is trained on, and what is validated on: of `others`, or of the same folders."""
    for source in sources:
        source.read_for_training(() if others else ("val", "test"))
    for source in others:
        source.read_any("val", "test", "all", "train")


def open_split(
    roots: Roots,
    kind: Kinds = AUTO,
    split: str = "test",
    class_names: Sequence[str] | None = None,
    selection: Selection = EVERYTHING,
    pictures: PictureChecks | None = None,
) -> AnnotationIndex:
    """Read one split of one or several dataset folders for evaluation; log as `open_datasets` does.

    Args:
        kind: of DATASETS, or "auto"; one for all folders or one for each.
        split: "test", which is the stated test part, or else what "val" is; "val" or "train", what
            `open_datasets` validates and trains on with the same `selection`; or "all".
        class_names: those of the net, BACKGROUND first; the labels follow them, boxes of other
            classes are reported and left out. Without them the classes are those of the folders.
        pictures: with it, every picture is opened and checked before anything is said.

    Raises:
        FileNotFoundError: a folder is not there.
        ValueError: a folder has no known layout, or not that split, or is mostly unusable.
    """
    if split not in SPLITS:
        raise ValueError(f"split must be one of {', '.join(SPLITS)}, got '{split}'")
    sources = _open_sources(roots, kind, pictures, selection)
    for source in sources:
        _read_split(source, split)
    names, line = _settle_classes(sources, class_names, selection)
    index = concatenate([_take(source, split) for source in sources], names)
    _say(sources, [line, _describe(split, index)])
    return index


def _open_sources(
    roots: Roots, kind: Kinds, pictures: PictureChecks | None, selection: Selection
) -> list[Source]:
    paths = [roots] if isinstance(roots, (str, Path)) else list(roots)
    kinds = [kind] * len(paths) if isinstance(kind, str) else list(kind)
    if not paths or len(kinds) != len(paths):
        raise ValueError(
            f"there must be a dataset folder, and one dataset type for all or for each, "
            f"got {len(paths)} folders and {len(kinds)} types"
        )
    seen = set()
    sources = []
    for path, one in zip(paths, kinds):
        if os.path.realpath(path) in seen:
            logger.warning("%s is given twice, and read once", path)
            continue
        seen.add(os.path.realpath(path))
        sources.append(Source(path, one, pictures, selection))
    return sources


def _settle_classes(
    sources: Sequence[Source],
    class_names: Sequence[str] | None,
    selection: Selection,
    allow_unusable: bool = False,
) -> tuple[list[str], str]:
    """Number all labels by `class_names`, or the union of the folders'; return it and a line."""
    given = class_names is not None
    if given and not allow_unusable:  # what a net does not know is no fault of the dataset
        _require_usable(sources)
    if not given:
        union = dict.fromkeys(name for source in sources for name in source.class_names())
        class_names = with_background(list(union), _names(sources))
        known = [name for source in sources for name in source.found_classes]
        require_known(selection.class_map, dict.fromkeys(known), "the old names of a class map")
    for source in sources:
        source.settle(class_names)
    if not given and not allow_unusable:
        _require_usable(sources)
    origin = (
        "of the net"
        if given
        else "; ".join(dict.fromkeys(source.folder.classes_from for source in sources))
    )
    if selection.classes and not given:
        class_names, chosen = _choose_classes(sources, class_names, selection.classes)
        origin = f"{origin}; {chosen}"
    count, listed = len(class_names) - 1, ", ".join(class_names[1:])
    return list(class_names), f"classes: {count} + background: {listed} ({origin})"


def _choose_classes(
    sources: Sequence[Source], class_names: Sequence[str], chosen: Sequence[str]
) -> tuple[list[str], str]:
    """Leave out the boxes of all classes but the chosen; return these and what was left out."""
    require_known(chosen, class_names[1:], "the chosen classes")
    names = [BACKGROUND, *chosen]
    left = sum(source.keep_classes(names) for source in sources)
    return names, f"chosen of {len(class_names) - 1}: {left:,} boxes of others are not used"


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


def _require_usable(sources: Sequence[Source]) -> None:
    for source in sources:
        source.require_usable()


def _read_split(source: Source, split: str) -> None:
    if split == "all":
        source.read_all()
    elif split == "test" and source.read("test"):
        return
    elif split != "train" and not {"train", "all"} & set(source.folder.parts):
        source.read_any("val", "test")
    else:
        source.read_for_training()


def _take(source: Source, split: str) -> AnnotationIndex:
    if split == "all" or not {"train", "all"} & set(source.parts):
        return source.whole()
    train, validation = source.divide(source.selection.val_split)
    return train if split == "train" else validation


def _names(sources: Sequence[Source]) -> str:
    return ", ".join(str(source.root) for source in sources)


def _describe(name: str, index: AnnotationIndex) -> str:
    counts = index.boxes_per_class()
    listed = ", ".join(f"{name} {count:,}" for name, count in list(counts.items())[:20])
    return (
        f"{name}: {len(index):,} pictures, {index.num_negatives:,} of them without objects, "
        f"{index.num_boxes:,} boxes ({listed}{', ...' if len(counts) > 20 else ''})"
    )


def _without_objects(train: AnnotationIndex) -> list[str]:
    absent = [name for name, count in train.boxes_per_class().items() if not count]
    return [f"no object to learn from: {', '.join(absent)}"] if absent else []


def _say(sources: Sequence[Source], conclusions: Sequence[str]) -> tuple[list[str], list[Problems]]:
    """Log what was understood of the folders, the conclusions, and one summary of problems each."""
    lines = []
    for source in sources:
        lines += [*source.lines, *(f"{source.root}: {note}" for note in source.folder.notes)]
    lines += conclusions
    problems = [source.problems for source in sources]
    for line in lines:
        logger.info(line)
    for one in problems:
        if one:
            logger.warning("%s: what is wrong\n  %s", one.source, "\n  ".join(one.summary()))
    return lines, problems
