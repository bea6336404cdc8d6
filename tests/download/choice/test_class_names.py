"""Class names as people type them."""

from pathlib import Path

import pytest

from vision.download.choice.class_names import (
    COCO_CLASSES,
    OPEN_IMAGES_CLASSES,
    read_class_table,
)

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def table():
    return read_class_table(OPEN_IMAGES_CLASSES)


def test_the_list_at_the_root_is_the_table(table):
    assert (ROOT / "open_images_classes.txt").read_text().splitlines() == list(table.names)
    assert len(table.names) == len(set(table.names)) == len(set(table.ids)) == 601


def test_case_blanks_and_underscores_do_not_count(table):
    assert table.resolve("taxi,WINE GLASS,wine_glass,  Human  Hand ,wine") == [
        "Taxi",
        "Wine glass",
        "Human hand",
        "Wine",
    ]


def test_other_spellings_and_the_count_are_logged(table, caplog):
    caplog.set_level("INFO")
    table.resolve("taxi,Apple")
    assert [record.message for record in caplog.records] == [
        "Class 'taxi' -> 'Taxi'",
        "Requested 2 classes, found 2 classes",
    ]


def test_an_unknown_name_brings_five_near_ones_and_their_family(table):
    with pytest.raises(ValueError, match="no class 'Appel'; the nearest are Apple, ") as error:
        table.resolve("Banana,Appel,cars")
    first, second = str(error.value).split("; there is ")
    assert first.count(",") == 4
    assert "(Apple belongs to Fruit)" in first
    assert "no class 'cars'; the nearest are Car, " in second
    assert "(Car belongs to Land vehicle and includes Limousine, Van)" in second


def test_a_filter_behind_a_name_is_translated(table):
    with pytest.raises(ValueError, match=r"leave ':~group:0\.5' out, and type --exclude-group-of"):
        table.resolve("Apple,handgun:~group:0.5")
    with pytest.raises(ValueError, match=r"a class alone: leave ':occluded' out$"):
        table.resolve("Handgun:occluded")
    with pytest.raises(ValueError, match="there is no class 'Hndgun:~group'"):
        table.resolve("Hndgun:~group")


def test_no_name_at_all(table):
    with pytest.raises(ValueError, match="no class is named"):
        table.resolve(" , ")


def test_families(table):
    assert table.children("Person") == ["Boy", "Girl", "Human body", "Man", "Woman"]
    assert table.parents[table.names.index("Teddy bear")] == ("Bear", "Toy")
    assert table.children("Taxi") == []


def test_search(table):
    assert table.search("fruit") == ["Fruit", "Grapefruit"]
    assert table.search() == list(table.names)
    assert "Wine glass" in table.search("wine_gl")
    with pytest.raises(ValueError, match="no class name contains 'appel'; the nearest are Apple"):
        table.search("appel")


def test_every_parent_of_open_images_is_a_class(table):
    assert {parent for above in table.parents for parent in above} <= set(table.names)


def test_coco_has_its_eighty_classes():
    table = read_class_table(COCO_CLASSES)
    assert len(table.names) == len(set(table.ids)) == 80
    assert (table.id_of("person"), table.id_of("toothbrush")) == ("1", "90")
    assert table.children("vehicle") == sorted(
        ["bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat"]
    )


def test_blanks_around_commas_and_empty_names(table):
    assert table.resolve("Apple, Wine glass ,,Pear") == ["Apple", "Wine glass", "Pear"]


def test_all_is_every_class(table):
    assert table.resolve("all") == table.resolve(" ALL ") == list(table.names)
    assert len(read_class_table(COCO_CLASSES).resolve("all")) == 80
