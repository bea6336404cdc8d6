from __future__ import annotations

import numpy as np
import pytest

from vision.datasets.index.arrays import StringTable
from vision.datasets.index.builder import IndexBuilder
from vision.datasets.splits import hold_out, rows_in, separate


def make_index(ids, folder="/data"):
    builder = IndexBuilder()
    for image_id in ids:
        builder.add(str(image_id), f"{folder}/{image_id}.jpg", [(0, 0, 9, 9)], ["cat"])
    return builder.build()


def ids(index):
    return [int(image_id) for image_id in index.image_ids]


@pytest.mark.parametrize(
    ("count", "fraction", "held"),
    [(10, 0.2, 2), (10, 0.0, 0), (3, 0.01, 1), (3, 0.99, 2), (2, 0.5, 1), (1, 0.2, 0), (0, 0.2, 0)],
)
def test_hold_out_leaves_something_on_either_side(count, fraction, held):
    train, validation = hold_out(make_index(range(count)), fraction, seed=0)
    assert (len(train), len(validation)) == (count - held, held)
    assert sorted(ids(train) + ids(validation)) == list(range(count))


def test_hold_out_depends_on_the_seed_alone():
    index = make_index(range(50))
    first, second = hold_out(index, 0.2, seed=1), hold_out(index, 0.2, seed=1)
    assert ids(first[1]) == ids(second[1])
    assert ids(first[1]) != ids(hold_out(index, 0.2, seed=2)[1])


@pytest.mark.parametrize("seed", range(5))
def test_a_long_video_does_not_drive_the_other_pictures_into_the_validation(seed):
    """Cut into runs it soon does not fit any more, while single pictures always do."""
    index = make_index(range(460))
    frame = np.zeros((8, 8, 3), np.int16)
    others = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 3), dtype=np.int16)

    def thumbnails(paths):
        numbers = [int(path[6:-4]) for path in paths]
        return np.stack([others[number] if number < 60 else frame for number in numbers])

    validation = hold_out(index, 0.2, seed, thumbnails)[1]
    assert 46 <= len(validation) <= 92
    assert np.mean(np.array(ids(validation)) < 60) < 0.5


def test_rows_in():
    table, others = StringTable.from_strings("abcd"), StringTable.from_strings("xbd")
    assert rows_in(table, others).tolist() == [False, True, False, True]
    assert rows_in(table, StringTable.from_strings([])).tolist() == [False] * 4


def test_parts_without_shared_pictures_stay():
    train, validation = make_index(range(4)), make_index(range(4, 6))
    assert separate(train, validation, 0.2, 0) == (train, validation, "", ())


def test_equal_ids_of_different_files_are_not_shared():
    """Folders of Open Images may each number their pictures from 0."""
    train, validation = make_index(range(4)), make_index(range(4), "/elsewhere")
    assert separate(train, validation, 0.2, 0) == (train, validation, "", ())


def test_shared_pictures_are_not_trained_on():
    train, validation, sentence, drawn = separate(
        make_index(range(10)), make_index([8, 9, 10]), 0.2, 0
    )
    assert not drawn
    assert ids(train) == list(range(8))
    assert ids(validation) == [8, 9, 10]
    assert "the 10 pictures to train on and the 3 to validate on have 2 in common" in sentence


def test_copies_of_one_list_end_in_a_held_out_part():
    index = make_index(range(10))
    train, validation, sentence, drawn = separate(index, index, 0.2, 0)
    assert list(map(int, drawn)) == ids(validation)
    assert (len(train), len(validation)) == (8, 2)
    assert not np.intersect1d(ids(train), ids(validation)).size
    assert "have 10 in common, so that a score would mean little: 2 of all 10" in sentence


@pytest.mark.parametrize("count", [14, 60])
def test_what_was_drawn_stays_held_out_when_more_pictures_come(count):
    """With 60 in the training list, the stated split would leave enough to train on."""
    first = separate(make_index(range(10)), make_index(range(10)), 0.2, 0)
    more = make_index(range(count)), make_index(range(10))
    second = separate(*more, 0.2, 0, first.drawn)
    assert ids(second.validation) == ids(first.validation)
    assert second.drawn == first.drawn
    assert len(second.train) == count - 2
    assert "are held out instead, since the run began" in second.sentence
