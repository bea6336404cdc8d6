from __future__ import annotations

import pytest

from tests.datasets.indexes import make_index
from vision.datasets.options import DataOptions
from vision.datasets.selection import (
    Selection,
    limit_negatives,
    new_names,
    rename_classes,
    require_known,
)


def test_options_make_a_selection():
    assert DataOptions().selection() == Selection()
    words = " dog, traffic light ", "van=car, big truck = car", "12.5%"
    selection = DataOptions("auto", 0.1, *words, seed=7).selection()
    assert (selection.val_split, selection.seed) == (0.1, 7)
    assert selection.classes == ("dog", "traffic light")
    assert selection.class_map == {"van": "car", "big truck": "car"}
    assert selection.negatives == 0.125
    assert DataOptions(negatives="drop").selection().negatives == 0
    assert DataOptions(negatives="KEEP").selection().negatives == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"classes": "a,,b"}, "names with commas between"),
        ({"classes": "a,a"}, "the class 'a' twice"),
        ({"class_map": "a=b,van"}, "old=new,... with one = .* old name once, got 'van'"),
        ({"class_map": "Apple=apple=x"}, "got 'Apple=apple=x'"),
        ({"class_map": "van=car,van=bus"}, "got 'van=bus'"),
        ({"class_map": "=car"}, "got '=car'"),
        ({"negatives": "some"}, "keep, drop or a share such as 10%, got 'some'"),
        ({"negatives": "101%"}, "got '101%'"),
        ({"negatives": "-5%"}, "got '-5%'"),
        ({"negatives": "²%"}, "got '²%'"),
        ({"negatives": "nan%"}, "got 'nan%'"),
    ],
)
def test_what_cannot_be_parsed_is_named_with_its_option(arguments, message):
    (name,) = arguments
    with pytest.raises(ValueError, match=f"^--{name.replace('_', '-')} .*{message}"):
        DataOptions.of(arguments)


def test_what_a_run_was_told_stays_as_it_was_typed():
    told = {"classes": " dog, traffic light ", "class_map": "van=car", "negatives": "12.5%"}
    saved = DataOptions.of(told).plain()
    assert {name: saved[name] for name in told} == told
    assert DataOptions.of(saved) == DataOptions.of(told)


@pytest.mark.parametrize(
    "arguments", [{"val_split": 1}, {"val_split": -0.1}, {"negatives": 1.1}, {"negatives": -1}]
)
def test_fractions_are_checked(arguments):
    with pytest.raises(ValueError, match=r"must be a (fraction|share) from 0"):
        Selection(**arguments)


def test_rename_classes():
    index = make_index(["cat", "dog"], ["cow"], [])
    renamed = rename_classes(index, {"dog": "pet", "cat": "pet"})
    assert renamed.class_names == ["BACKGROUND", "pet", "cow"]
    assert renamed.labels.tolist() == [1, 1, 2]
    assert rename_classes(index, {"horse": "pet"}) is index
    swapped = rename_classes(index, {"dog": "cat", "cat": "dog"})
    assert [swapped.class_names[label] for label in swapped.labels] == ["dog", "cat", "cow"]


def test_a_class_may_be_left_out():
    index = make_index(["cat", "dog"], ["cow"], [])
    some = rename_classes(index, {"dog": "-", "cat": "pet"})
    assert some.class_names == ["BACKGROUND", "pet", "cow"]
    assert some.labels.tolist() == [1, 2]
    assert len(some) == 3
    none = rename_classes(index, dict.fromkeys(["cat", "dog", "cow"], "-"))
    assert (none.class_names, none.num_boxes, len(none)) == (["BACKGROUND"], 0, 3)
    assert new_names(["cat", "dog", "cow"], {"dog": "-", "cat": "cow"}) == ["cow"]


def test_a_class_map_can_be_a_file(tmp_path):
    path = tmp_path / "names.csv"
    path.write_bytes("\ufeff# old, new\r\n\r\n van ,car\r\nbig truck, car\nbus, -\n".encode())
    options = DataOptions.of({"class_map": str(path)})
    # Its content is kept, not its name: the file may change or be gone when it is asked for again.
    assert options.class_map == "van=car,big truck=car,bus=-"
    assert options.selection().class_map == {"van": "car", "big truck": "car", "bus": "-"}
    assert DataOptions.of({"class_map": ""}).class_map == ""


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "must be OLD=NEW,... or a text file of pairs"),
        (b"\xff\xfe\x00", "must be OLD=NEW,... or a text file of pairs"),
        (b"van, car\ntruck\n", "line 2 of .* must be: old name, new name .*, got 'truck'"),
        (b"van,\n", "line 1 of .*, got 'van,'"),
        (b"a, b, c\n", "line 1 of .*, got 'a, b, c'"),
        (b"a, b=c\n", "line 1 of"),
        (b"van, car\nvan, bus\n", "each old name once, got 'van=bus'"),
    ],
)
def test_a_file_that_is_no_class_map_is_named(content, message, tmp_path):
    path = tmp_path / "names.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=f"--class-map .*{message}"):
        DataOptions.of({"class_map": str(path)})


def test_a_word_that_is_neither_pairs_nor_a_file_is_said_to_be_so():
    words = "--class-map must be OLD=NEW,... or a text file of pairs, got Apple, which has no ="
    with pytest.raises(ValueError, match=words) as caught:
        DataOptions.of({"class_map": "Apple"})
    assert "Errno" not in str(caught.value)


def test_a_class_renamed_to_background_is_left_to_the_checks():
    renamed = rename_classes(make_index(["cat", "dog"]), {"cat": "BACKGROUND"})
    assert renamed.class_names == ["BACKGROUND", "BACKGROUND", "dog"]
    assert renamed.labels.tolist() == [1, 2]


def test_require_known():
    require_known(["a"], ["a", "b"], "classes")
    with pytest.raises(ValueError, match=r"classes must be .* \(apple, pear\), got 'Appel'; did"):
        require_known(["Appel"], ["apple", "pear"], "classes")


@pytest.mark.parametrize(("share", "left"), [(1, 6), (0.5, 3), (0.25, 1), (0.2499, 0), (0, 0)])
def test_limit_negatives(share, left):
    index = make_index(*[["cat"]] * 3, *[[]] * 6)
    limited = limit_negatives(index, share, seed=0)
    assert (len(limited), limited.num_negatives) == (3 + left, left)
    assert list(limited.image_ids)[:3] == ["0", "1", "2"]


def test_which_negatives_are_kept_depends_on_the_seed_alone():
    index = make_index(["cat"] * 2, *[[]] * 50)
    kept = [list(limit_negatives(index, 0.9, seed).image_ids) for seed in (0, 0, 1)]
    assert kept[0] == kept[1] != kept[2]
