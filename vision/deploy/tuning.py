"""Which --threshold and --clustering detectnet needs for a file: measured on annotated pictures.

The file is run once on each picture. What it puts out is then passed through detectnet's own
arithmetic for each pair of settings, and the boxes are held against the annotation: a box is right
if it has the class of an object and an IoU of more than 0.5 with it, and no better box has found
that object already. F1, the harmonic mean of precision and recall, falls with each box too many and
with each object that is missed.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from itertools import product
from typing import Callable, Iterable, Mapping, NamedTuple, Sequence

import numpy as np
from onnx import ModelProto

from vision.deploy.candidates import CandidateTrial, fewest_candidates
from vision.deploy.emulation.clustering import PROFILES, PostProcessing
from vision.deploy.emulation.network_input import network_input
from vision.deploy.emulation.sweep import count_right_boxes
from vision.deploy.graph.suppression import (
    ALL_BOXES,
    ALL_SCORES,
    LOWEST_OPSET,
    add_nms,
    opset_has_nms,
)
from vision.deploy.nms import MERGELESS_IOU, GraphNms, graph_nms
from vision.deploy.onnx_reading import metadata, open_session
from vision.deploy.outputs import Outputs
from vision.deploy.readiness.candidate import with_outputs
from vision.evaluation.class_matching import match_classes
from vision.evaluation.collection import EvaluatedPicture
from vision.evaluation.matching import GroundTruth
from vision.evaluation.thresholds import Counts
from vision.structures import Sample

DEFAULTS = PostProcessing()
TRIED_THRESHOLDS = tuple(round(0.05 * i, 2) for i in range(4, 20))  # 0.2 to 0.95
TRIED_CLUSTERINGS = tuple(round(0.05 * i, 2) for i in range(5, 16))  # 0.25 to 0.75
RIGHT_IOU = 0.5
# Fewer objects decide nothing: each of them is more than 3 % of the recall.
NEEDED_OBJECTS = 30
WORTH_IT = 0.005  # a gain of F1 that is worth another export

logger = logging.getLogger(__name__)


class Rating(NamedTuple):
    """What detectnet shows with some settings, against what is there."""

    settings: PostProcessing
    boxes: int
    right: int
    objects: int

    @property
    def counts(self) -> Counts:
        """Return what of it is right, wrong and missing."""
        return Counts(self.right, self.boxes - self.right, self.objects - self.right)


class Measured(NamedTuple):
    """A file with or without NMS in the graph: with detectnet's own settings, and the best ones."""

    defaults: Rating
    best: Rating


@dataclass(frozen=True)
class Tuning:
    """What was measured for a file."""

    pictures: int
    objects: int
    plain: Measured
    with_nms: Measured | None  # None: its opset is too old for NMS
    nms: GraphNms  # of the file, or what it could have
    is_in_file: bool
    mean_precisions: Mapping[int, float] = field(default_factory=dict)  # by number of candidates

    @property
    def measured(self) -> Measured:
        """Return the numbers of the file itself."""
        return self.with_nms if self.is_in_file and self.with_nms else self.plain

    @property
    def needed_candidates(self) -> int:
        """Return how many candidates NMS needs for nearly all of the mAP; at least those it has."""
        means = self.mean_precisions
        return max(self.nms.candidates, fewest_candidates(means) if means else 0)

    @property
    def is_enough(self) -> bool:
        """Tell whether there are enough objects to choose by, and any was found."""
        return self.objects >= NEEDED_OBJECTS and self.measured.best.right > 0

    @property
    def chosen(self) -> PostProcessing:
        """Return the settings to recommend: the best ones, or detectnet's own."""
        return self.measured.best.settings if self.is_enough else DEFAULTS


def labels_to_measure(class_names: Sequence[str], boxes_per_class: Mapping[str, int]) -> list[str]:
    """Return the class names for `tune`; those that the data have not are left out, and said.

    Args:
        class_names: of the net, BACKGROUND first.
        boxes_per_class: of the data, without BACKGROUND.

    Raises:
        ValueError: if net and data share no class.
    """
    matching = match_classes(class_names, boxes_per_class)
    matching.require_shared()
    for line in matching.lines():
        logger.info("%s", line)
    ignored = PROFILES[DEFAULTS.profile].ignored_label or ""
    return [ignored if name in matching.only_net else name for name in class_names]


def tune(model: ModelProto, samples: Iterable[Sample], labels: Sequence[str]) -> Tuning:
    """Find the settings with the best F1 for a file.

    Args:
        model: an SSD for detectnet, with or without NMS in the graph, for one picture.
        samples: annotated pictures that the net has not learnt from; one is held at a time.
        labels: class names by label, as detectnet reads them.

    Raises:
        ValueError: if the model takes several pictures.
    """
    inside = graph_nms(metadata(model))
    nms = inside or GraphNms()
    has_nms = inside is not None or opset_has_nms(model)
    run = _runner(add_nms(model, nms) if has_nms and not inside else model, has_nms)
    merges = nms.iou_threshold > MERGELESS_IOU
    plain, trial = Sweep(labels), CandidateTrial(labels, nms)
    with_nms = Sweep(labels, TRIED_CLUSTERINGS if merges else (DEFAULTS.clustering,))
    for sample in samples:
        height, width = sample.image.shape[:2]
        truth = GroundTruth(sample.boxes, sample.labels, sample.difficult)
        of_net, *of_nms = run(sample.image)
        plain.add(truth, (width, height), of_net)
        trial.add(truth, (width, height), of_net)
        for rows in of_nms:
            with_nms.add(truth, (width, height), rows)
    measured = plain.measured(), with_nms.measured() if has_nms else None
    means = trial.mean_precisions()
    return Tuning(plain.pictures, plain.objects, *measured, nms, inside is not None, means)


def _runner(model: ModelProto, has_nms: bool) -> Callable[[np.ndarray], list[Outputs]]:
    """Return what runs a file on a picture: rows of the net itself, then those after NMS if any."""
    names = [output.name for output in model.graph.output]
    if has_nms:
        names = [ALL_SCORES, ALL_BOXES, *names]
        model = with_outputs(model, names[:2])
    session = open_session(model.SerializeToString())
    (value,) = session.get_inputs()
    count, _, height, width = value.shape
    if count != 1:
        raise ValueError(f"what detectnet shows is measured with one picture at once, not {count}")

    def run(image: np.ndarray) -> list[Outputs]:
        """Return the rows of the net, and those after NMS."""
        values = session.run(names, {value.name: network_input(image, height, width)})
        arrays = [array[0] for array in values]
        return [Outputs(*arrays[first : first + 2]) for first in range(0, len(arrays), 2)]

    return run


class Sweep:
    """Counts right boxes for detectnet's own settings, and for each pair of a grid."""

    def __init__(
        self, labels: Sequence[str], clusterings: Sequence[float] = TRIED_CLUSTERINGS
    ) -> None:
        """Begin with no picture.

        Args:
            labels: class names by label, as detectnet reads them.
            clusterings: to be tried with each of TRIED_THRESHOLDS.
        """
        pairs = product(TRIED_THRESHOLDS, clusterings)
        self.pictures = self.objects = 0
        self._labels = labels
        self._settings = [DEFAULTS, *(PostProcessing(*pair) for pair in pairs)]
        self._counts = np.zeros((len(self._settings), 2), dtype=np.int64)

    def add(self, truth: GroundTruth, size: tuple[int, int], rows: Outputs) -> None:
        """Count one picture: what is on it, its width and height, and what the file put out."""
        self.pictures += 1
        self.objects += int((~truth.difficult).sum())
        self._counts += count_right_boxes(
            truth, size, rows, self._settings, self._labels, RIGHT_IOU
        )

    def measured(self) -> Measured:
        """Rate all; of equally good settings the best are those nearest to detectnet's own."""
        ratings = [
            Rating(one, int(boxes), int(right), self.objects)
            for one, (boxes, right) in zip(self._settings, self._counts)
        ]
        return Measured(ratings[0], max(ratings, key=_f1_then_nearness))


def _f1_then_nearness(rating: Rating) -> tuple[float, float]:
    threshold, clustering = rating.settings.threshold, rating.settings.clustering
    distance = abs(threshold - DEFAULTS.threshold) + abs(clustering - DEFAULTS.clustering)
    return rating.counts.f1, -distance


def best_settings(
    outputs: Iterable[Outputs],
    pictures: Iterable[EvaluatedPicture],
    truths: Iterable[GroundTruth],
    labels: Sequence[str],
) -> PostProcessing:
    """Return the settings with the best F1 for what a net puts out.

    Args:
        outputs: of each picture.
        pictures: the same, in the same order.
        truths: what is on them.
        labels: class names by label.
    """
    sweep = Sweep(labels)
    for rows, facts, truth in zip(outputs, pictures, truths):
        sweep.add(truth, (facts.width, facts.height), rows)
    return sweep.measured().best.settings


def tuning_lines(tuning: Tuning) -> list[str]:
    """Return what was measured as a table, and what follows from it."""
    lines = [
        f"What detectnet shows on {tuning.pictures} validation pictures with {tuning.objects}"
        f" objects (right: IoU over {RIGHT_IOU:g}):",
        f"{'threshold':>30}{'clustering':>12}{'boxes':>7}{'precision':>11}{'recall':>8}{'F1':>7}",
    ]
    with_nms = f"NMS {tuning.nms.iou_threshold:g}"
    for name, measured in (("no NMS", tuning.plain), (with_nms, tuning.with_nms)):
        if measured is None:
            lines.append(f"  {name:10}not measured: it needs opset {LOWEST_OPSET} or more")
            continue
        for role, rating in zip(("defaults", "best"), measured):
            settings, counts = rating.settings, rating.counts
            lines.append(
                f"  {name:10}{role:9}{settings.threshold:9.2f}{settings.clustering:12.2f}"
                f"{rating.boxes:7}{counts.precision:11.3f}{counts.recall:8.3f}{counts.f1:7.3f}"
            )
            name = ""
    return [*lines, *_advice(tuning)]


def _advice(tuning: Tuning) -> list[str]:
    if tuning.objects < NEEDED_OBJECTS:
        return [
            f"{tuning.objects} objects are too few to choose by, {NEEDED_OBJECTS} are needed:"
            " the command below has detectnet's defaults. Give more pictures with --data."
        ]
    if not tuning.measured.best.right:
        return ["Nothing was found, so the command below has detectnet's defaults."]
    chosen = tuning.measured.best
    lines = [
        f"Best for this file: --threshold={chosen.settings.threshold:g}"
        f" --clustering={chosen.settings.clustering:g}."
    ]
    needed, candidates = tuning.needed_candidates, tuning.nms.candidates
    option = f"--nms-candidates={needed}" if needed > candidates else ""
    nms_f1 = tuning.with_nms.best.counts.f1 if tuning.with_nms else 0.0
    if not tuning.is_in_file and nms_f1 > chosen.counts.f1 + WORTH_IT:
        lines.append(
            f"NMS in the graph would do better (F1 {nms_f1:.3f}): export with"
            f" {' '.join(filter(None, ['--nms', option]))}."
        )
    if tuning.is_in_file and option:
        means = tuning.mean_precisions
        lines.append(
            f"Its {candidates} candidates leave out boxes of low scores: mAP"
            f" {means[candidates]:.3f}, {means[needed]:.3f} with {needed}. To have them, export"
            f" with --nms={tuning.nms.iou_threshold:g} {option}; it takes a little longer."
        )
    return lines
