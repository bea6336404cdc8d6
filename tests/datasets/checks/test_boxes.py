from __future__ import annotations

import difflib

import numpy as np
import pytest

from tests.drawing import write_picture
from vision.datasets.checks.boxes import (
    correct_units,
    fill_sizes,
    repair_boxes,
    report_class_names,
    report_unknown_classes,
)
from vision.datasets.checks.problems import Problems
from vision.datasets.index.builder import IndexBuilder

NAN = float("nan")


def place(image_id, origin):
    return f"{image_id}.xml", None, f"object {origin} "


def repair(boxes, size=(100, 50), relative=False):
    builder = IndexBuilder(relative)
    builder.add("picture", "/data/picture.jpg", boxes, ["cat"] * len(boxes), size=size)
    problems = Problems()
    index = repair_boxes(builder.build(), place, problems)
    return index[0].boxes.tolist(), [(one.kind, one.message) for one in problems]


def test_sound_boxes_stay_and_nothing_is_said():
    boxes = [[0, 0, 100, 50], [3.5, 4, 5, 6.25]]
    assert repair(boxes) == (boxes, [])
    assert repair([]) == ([], [])


@pytest.mark.parametrize(
    ("box", "expected", "kind", "message"),
    [
        ((30, 5, 10, 40), [10, 5, 30, 40], "box reversed", "has its corners the wrong way round"),
        ((10, 40, 30, 5), [10, 5, 30, 40], "box reversed", "has its corners the wrong way round"),
        ((10, 5, 10, 40), None, "box without size", "is 0 x 35"),
        ((10, 5, 10.5, 40), None, "box without size", "is 0.5 x 35"),
        ((200, 5, 300, 40), None, "box outside the picture", "lies outside of 100 x 50"),
        ((-9, 5, 0.5, 40), None, "box outside the picture", "lies outside of 100 x 50"),
        ((90, 5, 120, 40), [90, 5, 100, 40], "box beyond the edge", "reaches 20 too far"),
        ((-3, -7, 20, 40), [0, 0, 20, 40], "box beyond the edge", "reaches 7 too far"),
        ((NAN, 5, 20, 40), None, "box without numbers", "has no coordinates, or not numbers"),
        ((1, 5, 1e300, 40), None, "box without numbers", "has no coordinates, or not numbers"),
    ],
)
def test_a_bad_box_is_repaired_or_left_out_and_reported(box, expected, kind, message):
    boxes, problems = repair([(1, 1, 9, 9), box])
    assert boxes == [[1, 1, 9, 9], *([expected] if expected else [])]
    assert problems == [(kind, f"object 2 'cat' {message}")]


def test_an_edge_less_than_a_pixel_off_is_no_fault():
    assert repair([(-0.5, 0, 100.9, 50)]) == ([[0, 0, 100, 50]], [])


def test_a_picture_of_unknown_size_has_no_right_edge():
    boxes, problems = repair([(10, 10, 5000, 5000)], size=(0, 0))
    assert (boxes, problems) == ([[10, 10, 5000, 5000]], [])


def test_relative_boxes_are_held_within_one():
    boxes, problems = repair(
        [(0.5, 0.25, 1.0005, 1), (0.9, 0.5, 1.5, 1), (100, 100, 200, 200), (0.2, 0.2, 0.2, 0.4)],
        relative=True,
    )
    assert boxes[0] == [0.5, 0.25, 1, 1]
    assert boxes[1] == pytest.approx([0.9, 0.5, 1, 1])
    assert len(boxes) == 2
    kinds = [kind for kind, _ in problems]
    assert kinds == ["box without size", "box outside the picture", "box beyond the edge"]


def in_another_form(boxes, relative=False):
    found = [message for kind, message in repair(boxes, relative=relative)[1] if "form" in kind]
    assert len(found) <= 1
    return found[0] if found else ""


def test_boxes_with_x2_and_y2_for_width_and_height_are_asked_about():
    corners = [(x, 5, x + 20, 20) for x in range(1, 79, 7)]
    as_sizes = [(x1, y1, x1 + x2, y1 + y2) for x1, y1, x2, y2 in corners]
    assert in_another_form(corners) == ""
    assert in_another_form(as_sizes) == (
        "6 of 12 boxes reach beyond the edge, many of them far; do they have x2 and y2 where width "
        "and height are expected, or were they marked on a larger picture?"
    )
    # Few, or a small share, or not far.
    assert in_another_form(as_sizes[:-2]) == ""
    assert in_another_form(corners * 5 + as_sizes) == ""
    assert in_another_form([(60 + n, 5, 104, 30) for n in range(9)]) == ""


def test_yolo_boxes_with_corners_are_asked_about():
    corners = [(x / 20, 0.1, x / 20 + 0.2, 0.6) for x in range(1, 16)]
    as_centres = [(x - w / 2, y - h / 2, x + w / 2, y + h / 2) for x, y, w, h in corners]
    assert in_another_form(corners, relative=True) == ""
    assert "reach beyond the edge" in in_another_form(as_centres, relative=True)


def test_boxes_with_width_and_height_for_x2_and_y2_are_asked_about():
    wide, high = [(30 + n, 5, 20, 40) for n in range(5)], [(10, 25, 30, 20 - n) for n in range(5)]
    both = [(40 + n, 30, 20, 20) for n in range(40)]
    for boxes in (wide, high, [*wide[:2], *high[:3], *both]):
        assert in_another_form(boxes) == (
            f"{len(boxes)} of {len(boxes)} boxes have their corners the wrong way round; do they "
            "have width and height where x2 and y2 are expected?"
        )
    # Few, or a small share, or with the second corner first.
    assert in_another_form(wide[:4]) == ""
    assert in_another_form([*wide, *((n, 0, n + 20, 20) for n in range(60))]) == ""
    assert in_another_form(both) == ""


def test_boxes_of_several_pictures_keep_to_their_own():
    builder = IndexBuilder()
    builder.add("wide", "wide.jpg", [(0, 0, 200, 40)], ["a"], size=(200, 50))
    builder.add("none", "none.jpg", [], [], size=(10, 10))
    builder.add("small", "small.jpg", [(0, 0, 0, 0), (0, 0, 200, 40)], ["b", "a"], size=(20, 20))
    problems = Problems()
    index = repair_boxes(builder.build(), place, problems)
    assert [annotation.boxes.tolist() for annotation in index] == [
        [[0, 0, 200, 40]],
        [],
        [[0, 0, 20, 20]],
    ]
    assert [str(one) for one in problems] == [
        "small.xml: object 1 'b' is 0 x 0",
        "small.xml: object 2 'a' reaches 180 too far",
    ]


def test_sizes_that_are_not_stated_are_looked_up(tmp_path):
    write_picture(tmp_path / "a.png", np.zeros((30, 40, 3), dtype=np.uint8))
    (tmp_path / "b.png").write_bytes(b"")
    builder = IndexBuilder()
    for name, size in (("a", (0, 0)), ("b", (0, 0)), ("c", (7, 5))):
        builder.add(name, str(tmp_path / f"{name}.png"), [(1, 1, 5, 5)], ["x"], size=size)
    problems = Problems()
    index = fill_sizes(builder.build(), problems)
    assert index.sizes.tolist() == [[40, 30], [7, 5]]
    assert [annotation.image_id for annotation in index] == ["a", "c"]
    assert problems.counts == {"picture unreadable": 1}
    assert "b.png" in str(next(iter(problems)))


def test_unknown_classes_are_reported_with_the_nearest_name():
    builder = IndexBuilder()
    names = ["Fifty", "fifty", "fifty", "zebra", "background", ""]
    builder.add("one", "one.jpg", [(0, 0, 9, 9)] * 6, names, size=(10, 10))
    problems = Problems()
    report_unknown_classes(builder.build(), ["BACKGROUND", "Fifty", "five"], place, problems)
    assert problems.counts == {
        "unknown class": 3,
        "class called BACKGROUND": 1,
        "object without name": 1,
    }
    first, second = [str(one) for one in problems][:2]
    assert first == (
        "one.xml: 'fifty' is not in the class list; did you mean 'Fifty'? "
        "(2 objects, the first one here)"
    )
    assert "'zebra' is not in the class list (1" in second


def test_the_nearest_names_of_very_many_unknown_classes_are_looked_for_only_at_first(monkeypatch):
    """For 2,000 unknown names and as many known ones it took more than a minute."""
    looked_for = []
    find = difflib.get_close_matches
    monkeypatch.setattr(
        difflib,
        "get_close_matches",
        lambda name, *others, **options: looked_for.append(name) or find(name, *others, **options),
    )
    builder = IndexBuilder()
    names = ["", "background", *(f"plate {number}" for number in range(100))]
    builder.add("one", "one.jpg", [(0, 0, 9, 9)] * len(names), names, size=(10, 10))
    problems = Problems()
    report_unknown_classes(builder.build(), ["BACKGROUND", "Plate 0", "plate 99"], place, problems)
    assert problems.counts["unknown class"] == 99
    assert len(looked_for) == 20
    texts = [str(one) for one in problems if one.kind == "unknown class"]
    assert "'plate 0' is not in the class list; did you mean 'Plate 0'? (1" in texts[0]
    assert "'plate 98' is not in the class list (1 objects" in texts[-1]


def units(boxes, relative, size=(100, 50)):
    builder = IndexBuilder(relative)
    builder.add("picture", "/data/picture.jpg", boxes, ["cat"] * len(boxes), size=size)
    problems = Problems()
    index = correct_units(builder.build(), place, problems)
    return bool(index.relative[0]), [str(one) for one in problems]


@pytest.mark.parametrize(
    ("boxes", "relative", "expected"),
    [
        ([(10, 20, 50, 40)], True, False),
        ([(10, 20, 50, 40), (0.1, 0.1, 0.2, 0.2), (30, 2, 50, 4)], True, False),
        ([(0.1, 0.2, 1.3, 0.4)], True, True),
        ([(0.1, 0.2, 0.3, 0.4), (0.1, 0.2, 7, 0.4)], True, True),
        ([(0.1, 0.2, 0.3, 0.4)], False, True),
        ([(0, 0, 1, 1)], False, False),
        ([(0.1, 0.2, 0.3, 0.4), (1, 1, 9, 9)], False, False),
        ([(NAN, 0.2, 0.3, 0.4)], False, False),
        ([], True, True),
        ([], False, False),
    ],
)
def test_boxes_that_are_not_in_the_unit_they_claim_are_found_out(boxes, relative, expected):
    found, problems = units(boxes, relative)
    assert found == expected
    assert bool(problems) == (expected != relative)


def test_the_message_about_units_shows_a_box():
    assert units([(10, 20, 50, 40)], relative=True)[1] == [
        "picture.xml: 'picture' has boxes such as 10, 20, 50, 40"
    ]


def test_a_character_that_no_name_may_have_is_called_by_its_number():
    builder = IndexBuilder()
    builder.add("one", "one.jpg", [(0, 0, 9, 9)] * 2, ["ca\u0007t", "big\u00a0cat"], size=(10, 10))
    problems = Problems()
    report_unknown_classes(builder.build(), ["BACKGROUND", "big cat"], place, problems)
    assert [str(problem) for problem in problems] == [
        "one.xml: 'ca t' is no class name (U+0007 in it) (1 objects, the first one here)"
    ]


def test_boxes_marked_twice_are_used_once():
    builder = IndexBuilder()
    box, other = (1, 1, 9, 9), (2, 2, 9, 9)
    builder.add("one", "one.jpg", [box, other, box, box], ["a", "a", "a", "b"], size=(10, 10))
    builder.add("two", "two.jpg", [box], ["a"], size=(10, 10))
    builder.add("three", "three.jpg", [(9, 9, 1, 1), box], ["a", "a"], size=(10, 10))
    problems = Problems()
    index = repair_boxes(builder.build(), place, problems)
    assert [len(annotation.boxes) for annotation in index] == [3, 1, 1]
    assert [str(one) for one in problems if one.kind == "box marked twice"] == [
        "one.xml: object 3 'a' is marked more than once",
        "three.xml: object 2 'a' is marked more than once",
    ]


def test_class_names_that_differ_by_case_or_blanks_are_named():
    problems = Problems()
    names = ["BACKGROUND", "Hard hat", "hard_hat", "HardHat ", "cat", "void", "猫", "犬"]
    report_class_names(names, problems)
    assert [str(one) for one in problems] == [
        "'Hard hat' and 'hard_hat' and 'HardHat ' are different classes; "
        "--class-map 'hard_hat=Hard hat' makes them one",
        "'void' is what detectnet never shows; rename the class",
    ]
