from __future__ import annotations

import numpy as np
import pytest

from tests.evaluation.hand_made import HERE, NOWHERE, THERE, found, gathered, truth
from tests.evaluation.stored import stored_collection
from vision.evaluation.matching import DetectionTable
from vision.evaluation.metrics import coco_metrics as coco_module
from vision.evaluation.metrics.coco_metrics import best_of_each_class, coco_metrics

CAT, DOG = 1, 2


def metrics(*pictures):
    collection, _ = gathered(*pictures)
    return coco_metrics(collection.found, collection.objects, collection.num_classes)


def test_averages_on_paper():
    # The cat is found with an overlap of 0.8: right at 0.5, 0.55, ... 0.8, which are 7 of 10. The
    # dog, of 40 x 40, is found exactly, but after a mistake: precision 1/2.
    square = [10, 10, 50, 50]
    result = metrics(
        (
            truth((HERE, CAT), (square, DOG)),
            found(([0, 0, 10, 8], CAT, 0.9), (square, DOG, 0.8), (NOWHERE, DOG, 0.9)),
        )
    )
    cat, dog, emu = result.class_ap
    assert (cat, dog, emu) == (pytest.approx(0.7), pytest.approx(0.5), None)
    numbers = result.metrics
    assert numbers.ap == pytest.approx((0.7 + 0.5) / 2)
    assert (numbers.ap50, numbers.ap75) == (pytest.approx(0.75), pytest.approx(0.75))
    assert numbers.ap_small == pytest.approx(0.7)
    assert numbers.ap_medium == pytest.approx(1.0)  # the mistake is not of that size
    assert numbers.ap_large is None
    # With one detection of each class alone the dog is not found.
    assert (numbers.ar1, numbers.ar100) == (pytest.approx(0.35), pytest.approx(0.85))


def test_difficult_objects_count_neither_way():
    result = metrics(
        (
            truth((HERE, CAT, True), (THERE, CAT)),
            found((HERE, CAT, 0.9), (HERE, CAT, 0.8), (THERE, CAT, 0.7)),
        )
    )
    assert result.metrics.ap == pytest.approx(1)


def test_nothing_found_and_nothing_there():
    assert metrics((truth((HERE, CAT)), found())).metrics.ap == 0
    nothing = metrics((truth(), found((HERE, CAT, 0.9)))).metrics
    assert nothing.ap is None
    assert metrics().metrics == nothing


def test_only_the_best_of_a_class_in_a_picture_are_handed_over():
    rows = [(HERE, CAT, score) for score in (0.1, 0.5, 0.3)]
    table = DetectionTable.join([found(*rows, (HERE, DOG, 0.2)), found((HERE, CAT, 0.05))])
    kept = table.select(best_of_each_class(table, 2))
    assert kept.scores.tolist() == pytest.approx([0.5, 0.3, 0.2, 0.05])
    assert kept.pictures.tolist() == [0, 0, 0, 1]
    empty = DetectionTable.join([])
    assert best_of_each_class(empty, 2).tolist() == []


def test_many_classes_are_rated_in_portions(real_datasets, monkeypatch):
    collection = stored_collection(real_datasets)
    tables = collection.found, collection.objects, collection.num_classes
    whole = coco_metrics(*tables)
    for lists in (1, 300):
        monkeypatch.setattr(coco_module, "LISTS_AT_ONCE", lists)
        portions = coco_metrics(*tables)
        assert portions.metrics == whole.metrics
        assert portions.class_ap == whole.class_ap


def test_stored_detections_have_the_published_numbers(real_datasets):
    """What pycocotools 2.0.11 says of the same files."""
    collection = stored_collection(real_datasets)
    result = coco_metrics(collection.found, collection.objects, collection.num_classes)
    numbers = result.metrics
    assert (numbers.ap, numbers.ap50, numbers.ap75) == pytest.approx(
        (0.346958, 0.610030, 0.353714), abs=1e-6
    )
    assert (numbers.ap_small, numbers.ap_medium, numbers.ap_large) == pytest.approx(
        (0.075181, 0.339482, 0.497881), abs=1e-6
    )
    assert (numbers.ar1, numbers.ar10, numbers.ar100) == pytest.approx(
        (0.373505, 0.520647, 0.522570), abs=1e-6
    )
    assert np.mean(result.class_ap) == pytest.approx(numbers.ap)
