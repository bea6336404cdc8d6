"""From the detections of one detector to an entry of the report."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Callable, Mapping, Sequence, Tuple

from vision.evaluation.class_matching import ClassMatching, without_classes
from vision.evaluation.collection import Collection, EvaluatedPicture, collect
from vision.evaluation.matching import GroundTruth, match_detections
from vision.evaluation.measure import MeasureSettings, measure
from vision.evaluation.report.tables import Entry
from vision.evaluation.thresholds import best_threshold
from vision.evaluation.verdict import verdict
from vision.structures import Detections

Normalisation = Tuple[Tuple[float, float, float], Tuple[float, float, float]]
# Mean and standard deviation of RGB pixels, 0 to 255, that people normalise pictures by.
NORMALISATIONS: tuple[Normalisation, ...] = (
    ((127.0, 127.0, 127.0), (128.0, 128.0, 128.0)),
    ((127.5, 127.5, 127.5), (127.5, 127.5, 127.5)),
    ((123.0, 117.0, 104.0), (1.0, 1.0, 1.0)),
    ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
    ((0.0, 0.0, 0.0), (255.0, 255.0, 255.0)),
)
WORKS = 0.3  # the F1 that says so


@dataclass(frozen=True, eq=False)
class Judge:
    """What the detections of a detector are held against."""

    pictures: Sequence[EvaluatedPicture]
    truths: Sequence[GroundTruth]  # of the same pictures, labelled as the detector labels
    class_names: Sequence[str]  # of the detector, BACKGROUND first
    matching: ClassMatching  # of its classes with those of the dataset
    settings: MeasureSettings
    facts: Mapping[str, Any]  # that all figures depend on

    @property
    def objects(self) -> int:
        """Return the number of objects to find."""
        return sum(int((~one.difficult).sum()) for one in self.truths)

    def entry(
        self,
        name: str,
        found: Sequence[Detections],
        facts: Mapping[str, Any],
        threshold: float | None = None,
        ranked: Sequence[Detections] | None = None,
    ) -> Entry:
        """Measure the detections in each picture, boxes in its pixels.

        Args:
            name: of the detector and its pipeline.
            found: what is shown.
            facts: what else the figures depend on.
            threshold: from which `found` is shown, if that is decided already.
            ranked: detections to take average precision from, if it is not `found`.
        """
        settings = self.settings
        if threshold is not None:
            settings = replace(settings, threshold=threshold)
        evaluation = measure(self._collect(found), settings)
        ranking = None if ranked is None else measure(self._collect(ranked), self.settings)
        # At a high threshold little is shown, however good the net is.
        sentences, notes = verdict(evaluation, ranking=ranking), self.matching.lines()
        return Entry(name, evaluation, sentences, {**facts, **self.facts}, notes, ranking)

    def _collect(self, found: Sequence[Detections]) -> Collection:
        collection = collect(zip(self.pictures, self.truths, found), self.class_names)
        left_out = self.matching.only_net
        return replace(
            collection, found=without_classes(collection.found, self.class_names, left_out)
        )

    def advice_about_input(
        self, detect: Callable[[Normalisation], Sequence[Detections]]
    ) -> str | None:
        """Return what to do if the detector works with pictures that are normalised otherwise.

        Args:
            detect: detections in the first pictures, normalised by a mean and a deviation.
        """
        for mean, deviation in NORMALISATIONS:
            found = detect((mean, deviation))
            matches = match_detections(
                found,
                self.truths[: len(found)],
                len(self.class_names),
                self.settings.iou_threshold,
            )
            if best_threshold(matches)[1] > WORKS:
                numbers = [", ".join(f"{one:g}" for one in part) for part in (mean, deviation)]
                return (
                    f"Its input is normalised wrongly: with a mean of {numbers[0]} and a deviation "
                    f"of {numbers[1]} it works."
                )
        return None
