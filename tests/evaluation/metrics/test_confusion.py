from __future__ import annotations

import numpy as np
import pytest

from tests.evaluation.hand_made import HERE, NOWHERE, THERE, found, gathered, truth
from tests.evaluation.stored import stored_collection
from vision.evaluation.matching import match_tables
from vision.evaluation.metrics.confusion import confusion_of

CAT, DOG, EMU = 1, 2, 3


def confusion(*pictures, threshold=0.0):
    return confusion_of(*gathered(*pictures), threshold)


def test_every_object_and_every_detection_stands_in_one_cell():
    result = confusion(
        (truth((HERE, CAT), (THERE, DOG)), found((HERE, CAT, 0.9), (THERE, CAT, 0.8))),
        (truth((HERE, DOG)), found((NOWHERE, EMU, 0.7), (HERE, DOG, 0.1))),
    )
    assert result.matrix.tolist() == [
        [0, 0, 0, 1],  # the emu is nothing
        [0, 1, 0, 0],
        [0, 1, 1, 0],  # one dog is taken for a cat
        [0, 0, 0, 0],
    ]
    assert result.worst_mistake() == (DOG, CAT, 1)
    assert len(result.cell(DOG, CAT)) == 1
    entry = result.cell(DOG, CAT)[0]
    assert (result.detections[entry], result.objects[entry]) == (1, 1)


def test_what_is_not_shown_is_missed():
    pictures = [(truth((HERE, DOG)), found((HERE, DOG, 0.4)))]
    assert confusion(*pictures, threshold=0.4).matrix[DOG, DOG] == 1
    result = confusion(*pictures, threshold=0.5)
    assert result.matrix[DOG, 0] == result.matrix.sum() == 1
    assert result.worst_mistake() is None
    assert (result.detections.tolist(), result.objects.tolist()) == ([-1], [0])


def test_a_double_is_taken_for_background_and_not_for_another_object():
    result = confusion((truth((HERE, CAT)), found((HERE, CAT, 0.9), (HERE, CAT, 0.8))))
    assert (result.matrix[CAT, CAT], result.matrix[0, CAT], result.matrix.sum()) == (1, 1, 2)


def test_of_two_objects_of_other_classes_the_closest_is_meant():
    objects = truth(([0, 0, 10, 8], CAT), ([0, 0, 10, 9], EMU))
    result = confusion((objects, found((HERE, DOG, 0.9))))
    assert result.matrix[EMU, DOG] == result.matrix[CAT, 0] == 1
    # Two detections share two objects, the largest overlap first, not the best score.
    result = confusion((objects, found((HERE, DOG, 0.9), ([0, 0, 10, 9], DOG, 0.2))))
    assert result.matrix[EMU, DOG] == result.matrix[CAT, DOG] == 1


def test_difficult_objects_and_what_finds_them_are_left_out():
    objects = truth((HERE, CAT, True), (THERE, CAT))
    result = confusion((objects, found((HERE, CAT, 0.9), (THERE, DOG, 0.8))))
    assert result.matrix.sum() == result.matrix[CAT, DOG] == 1


@pytest.mark.parametrize("pictures", [[], [(truth(), found())]])
def test_nothing_at_all(pictures):
    result = confusion(*pictures)
    assert result.matrix.shape == (4, 4)
    assert result.matrix.sum() == 0


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.6])
def test_sums_of_stored_detections(threshold, real_datasets):
    collection = stored_collection(real_datasets)
    outcome = match_tables(collection.found, collection.objects)
    matrix = confusion_of(collection, outcome, threshold).matrix
    shown = collection.found.scores >= threshold
    assert matrix[:, 1:].sum() == shown.sum()
    assert matrix[1:].sum(axis=1).tolist() == collection.object_counts()[1:].tolist()
    assert np.diag(matrix).sum() == (outcome.true_positive & shown).sum()
