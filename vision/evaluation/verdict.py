"""What the figures mean, in three sentences: how good it is, where it fails, what to do next."""

from __future__ import annotations

from typing import Iterable, NamedTuple

import numpy as np

from vision.evaluation.average_precision import average_precision
from vision.evaluation.collection import Collection
from vision.evaluation.matching import DetectionTable, ObjectTable, Outcome, match_tables
from vision.evaluation.measure import ClassMeasure, Evaluation
from vision.evaluation.metrics.errors import CAUSES
from vision.evaluation.metrics.groups import OBJECT_SIDES
from vision.utils.numpy_boxes import intersection_over_union

NEAR_ZERO = 0.05  # a mean average precision below this has a cause of its own
SMALL = 32  # pixels; an object below this leaves a cell or two on the finest feature map
ENOUGH = 10  # objects of a kind, to say something about them
FAR_LESS = 0.2  # of recall or F1, that a kind must be worse than the rest to be named
LOOSE = 0.4  # of AP, that boxes lose between an overlap of 0.5 and of 0.75
SAME = 0.9  # overlap of boxes that are the same in two pictures
# What to do about boxes in wrong places that no net has made.
BBOX_ADVICE = (
    "Look at bbox in the file: it must be x, y, width, height in pixels of the picture, not "
    "x1, y1, x2, y2, nor fractions."
)


class Mistake(NamedTuple):
    """The mistakes of one kind at the threshold."""

    number: int
    sentence: str
    advice: str
    is_double: bool = False


class Explanation(NamedTuple):
    """Why a detector finds nearly nothing, and what to do about it."""

    reason: str
    advice: str
    is_of_places: bool = False  # its boxes lie in wrong places


def verdict(
    evaluation: Evaluation, advice: str | None = None, ranking: Evaluation | None = None
) -> list[str]:
    """Return three sentences.

    Args:
        advice: what to do next, where the caller knows better than the figures.
        ranking: of all detections, where `evaluation` has only those that reach a threshold.
    """
    counts = evaluation.counts
    objects = counts.true_positives + counts.false_negatives
    shown = counts.true_positives + counts.false_positives
    if not objects:
        return [
            "The pictures show no object of these classes, so that nothing can be found.",
            f"False detections in {len(evaluation.collection.pictures):,} pictures: {shown:,}.",
            "Measure on pictures with objects: look at --split and at the class names.",
        ]
    result = (
        f"It finds {counts.true_positives:,} of {objects:,} objects "
        f"({counts.recall:.0%}) at a threshold of {evaluation.threshold:.2f}, and "
        f"{counts.false_positives:,} of its {shown:,} detections are wrong."
    )
    ranking = ranking or evaluation
    hopeless = explain_hopeless(ranking) or _explain_threshold(ranking, evaluation.threshold)
    if hopeless is not None:
        return [result, hopeless.reason, advice or hopeless.advice]
    mistakes = sorted(_mistakes(evaluation), key=_number, reverse=True)
    if not mistakes:
        return [result, "It makes no mistake here.", "Try it on pictures from elsewhere."]
    return [result, mistakes[0].sentence, advice or _next_step(evaluation, mistakes[0])]


def explain_hopeless(evaluation: Evaluation) -> Explanation | None:
    """Return why the mean average precision is near zero, and what to do; None if it is not.

    None too where only some classes are found, and rightly: that is no fault of the whole.
    """
    mean = evaluation.precision.mean
    if mean is None or mean >= NEAR_ZERO:
        return None
    collection = evaluation.collection
    found = collection.found
    if not len(found):
        return Explanation(
            "There is no prediction: no score reaches the lowest threshold in any picture.",
            "Look whether it was trained at all, and whether the scores are numbers.",
        )
    frames = np.array([one[2:4] for one in collection.pictures], np.float32)[found.pictures]
    centres = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2
    outside = ((centres < 0) | (centres > frames)).any(axis=1)
    turned = (found.boxes[:, 2:] <= found.boxes[:, :2]).any(axis=1)
    tiny = (found.boxes[:, 2:] - found.boxes[:, :2] < 2).all(axis=1)
    if (outside | turned | tiny).mean() > 0.5:
        return Explanation(
            f"The boxes are out of range: {(outside | turned | tiny).mean():.0%} lie outside their "
            "pictures, are turned round or have no size.",
            "Boxes must be corners x1, y1, x2, y2; a net's are fractions of the picture.",
            is_of_places=True,
        )
    outcome = _match_without_names(evaluation)
    order = np.argsort(-found.scores, kind="stable")
    objects = max(1, int((~collection.objects.difficult).sum()))
    area = average_precision(outcome.true_positive[order], objects, False)
    if area < max(0.2, 4 * NEAR_ZERO):
        return _explain_places(evaluation)
    return _explain_names(collection, outcome, area)


def _explain_threshold(ranking: Evaluation, threshold: float) -> Explanation | None:
    """Say so if nothing is shown only because no score is that high."""
    scores = ranking.collection.found.scores
    if not len(scores) or scores.max() >= threshold:
        return None
    return Explanation(
        f"No score reaches the threshold of {threshold:g}: the best is {scores.max():.3g}.",
        "Take a lower threshold.",
    )


def advice_about_file(evaluation: Evaluation) -> str | None:
    """Return what to do if the boxes of a file of detections are in wrong places; else None.

    The figures cannot tell that from a bad net, but here is no net to be trained.
    """
    hopeless = explain_hopeless(evaluation)
    return BBOX_ADVICE if hopeless and hopeless.is_of_places else None


def _match_without_names(evaluation: Evaluation) -> Outcome:
    """Match boxes as if there were one class alone."""
    found, objects = evaluation.collection.found, evaluation.collection.objects
    nameless = DetectionTable(found.boxes, np.ones_like(found.labels), found.scores, found.pictures)
    things = ObjectTable(
        objects.boxes, np.ones_like(objects.labels), objects.difficult, objects.pictures
    )
    return match_tables(nameless, things, evaluation.settings.iou_threshold)


def _explain_names(collection: Collection, outcome: Outcome, area: float) -> Explanation | None:
    """Say so if most names are wrong where the places are right; else None.

    Args:
        outcome: of boxes without names.
        area: its average precision.
    """
    named = collection.objects.labels[outcome.closest.objects[outcome.true_positive]]
    called = collection.found.labels[outcome.true_positive]
    # Else classes with few objects are never found, which no list of names mends.
    if (named != called).mean() <= 0.5:
        return None
    pairs = named * collection.num_classes + called
    values, numbers = np.unique(pairs[named != called], return_counts=True)
    most = int(values[numbers.argmax()])
    true_name = collection.name(most // collection.num_classes)
    found_name = collection.name(most % collection.num_classes)
    return Explanation(
        f"The places are right (average precision {area:.2f} without names), the names are not: "
        f"{true_name} is called {found_name}.",
        "Give the labels.txt that was written with the weights: BACKGROUND first, same order.",
    )


def _explain_places(evaluation: Evaluation) -> Explanation:
    found = evaluation.collection.found
    first = np.flatnonzero(np.diff(found.pictures, prepend=-1))  # the best of each picture
    best = found.boxes[first]
    best = best[(best[:, 2:] > best[:, :2]).all(axis=1)]
    if len(best) > 4:
        overlaps = intersection_over_union(best, np.median(best, axis=0))
        if (overlaps > SAME).sum() > 0.8 * len(first):
            return Explanation(
                "It finds the same box in every picture, whatever the picture shows.",
                "The net is untrained, or its input is normalised otherwise than in training.",
            )
    return Explanation(
        "Its detections hardly ever lie on objects, whatever they are called.",
        "Train longer, or give the pictures the normalisation and --resolution of its training.",
        is_of_places=True,
    )


def _mistakes(evaluation: Evaluation) -> Iterable[Mistake]:
    """Yield the mistakes of each kind at the threshold."""
    collection = evaluation.collection
    wrong = evaluation.errors.kinds[evaluation.shown_wrong]
    labels = collection.found.labels[evaluation.shown_wrong]
    numbers = {cause: int((wrong == kind).sum()) for cause, kind in CAUSES.items()}
    worst = evaluation.confusion.worst_mistake()
    if worst and numbers["class"]:
        true_name, found_name = collection.name(worst[0]), collection.name(worst[1])
        total = int(collection.object_counts()[worst[0]])
        yield Mistake(
            numbers["class"],
            f"The commonest mistakes are wrong classes ({numbers['class']:,}), above all "
            f"{true_name} taken for {found_name} ({worst[2]:,} of {total:,}).",
            f"More pictures of {true_name} and {found_name} help, best with both in one picture.",
        )
    if numbers["background"]:
        name = _most_frequent(collection.class_names, labels[wrong == CAUSES["background"]])
        yield Mistake(
            numbers["background"],
            "The commonest mistakes are boxes on the background "
            f"({numbers['background']:,}), above all as {name}.",
            "Look at the surest mistakes: some may be objects without a box in the dataset; "
            "else add pictures without objects.",
        )
    loose = numbers["place"] + numbers["both"]
    if loose:
        yield Mistake(
            loose,
            f"The commonest mistakes are boxes too far off their object ({loose:,}).",
            "More epochs make boxes tighter; so do fitted priors (train with --anchors fitted), "
            "where the training did not say that it fitted them.",
        )
    if numbers["double"]:
        yield Mistake(
            numbers["double"],
            f"The commonest mistakes are second boxes on one object ({numbers['double']:,}).",
            "Suppression inside the file helps (onnx_export.py --nms), or a lower --clustering.",
            is_double=True,
        )
    missed = int(evaluation.missed.sum())
    if missed:
        name = _most_frequent(collection.class_names, collection.objects.labels[evaluation.missed])
        yield Mistake(
            missed,
            f"The commonest mistakes are missed objects ({missed:,}), above all {name}.",
            f"More, and more different, pictures of {name} help most.",
        )


def _next_step(evaluation: Evaluation, mistake: Mistake) -> str:
    """Return the advice that the figures give most clearly."""
    if mistake.is_double:
        return mistake.advice
    small = _small_objects(evaluation)
    if small is not None:
        return small
    weakest = _weakest_class(evaluation)
    if weakest is not None:
        return (
            f"{weakest.name} is the weakest class (F1 {weakest.counts.f1:.2f} against "
            f"{evaluation.counts.f1:.2f}): more pictures of it help most."
        )
    numbers = evaluation.coco.metrics
    if numbers.ap50 and numbers.ap75 is not None and numbers.ap50 - numbers.ap75 > LOOSE:
        return (
            f"Boxes are loose (AP {numbers.ap50:.2f} at an overlap of 0.5, {numbers.ap75:.2f} at "
            "0.75): more epochs make them tighter; so do fitted priors (--anchors fitted), where "
            "the training did not say that it fitted them."
        )
    return mistake.advice


def _small_objects(evaluation: Evaluation) -> str | None:
    """Say so if small objects are found far less often than others."""
    limit = OBJECT_SIDES.index(SMALL) + 1
    small, large = evaluation.by_size[:limit], evaluation.by_size[limit:]
    objects, others = (sum(group.objects for group in part) for part in (small, large))
    if objects < ENOUGH or others < ENOUGH:
        return None
    recall = sum(group.found for group in small) / objects
    usual = sum(group.found for group in large) / others
    if usual - recall < FAR_LESS:
        return None
    resolution = evaluation.settings.resolution
    where = f"of the {resolution} that the net sees" if resolution else "of the picture"
    return (
        f"Objects under {SMALL} pixels {where} are found less often ({recall:.0%} against "
        f"{usual:.0%}): a larger --resolution helps, and so does --net mb2-fpn-ssd-lite."
    )


def _weakest_class(evaluation: Evaluation) -> ClassMeasure | None:
    known = [one for one in evaluation.classes if one.objects >= ENOUGH]
    if len(known) < 2:
        return None
    weakest = min(known, key=_f1)
    return weakest if weakest.counts.f1 < evaluation.counts.f1 - FAR_LESS else None


def _f1(one: ClassMeasure) -> float:
    return one.counts.f1


def _number(mistake: Mistake) -> int:
    return mistake.number


def _most_frequent(class_names: list[str], labels: np.ndarray) -> str:
    return class_names[int(np.bincount(labels).argmax())]
