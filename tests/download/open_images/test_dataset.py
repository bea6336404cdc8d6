"""Filters, limits, statistics and files of Open Images."""

import pytest

from tests.download.pictures import annotation_file, image_id, line, read_rows
from vision.download.addresses import OPEN_IMAGES_RELEASES
from vision.download.choice.class_names import OPEN_IMAGES_CLASSES, read_class_table
from vision.download.choice.splits import limit_splits, statistics_block
from vision.download.open_images.dataset import (
    Filters,
    read_image_list,
    read_open_images_split,
    write_open_images,
)
from vision.download.options import LimitOptions

APPLE, BANANA, CAR = "/m/014j1m", "/m/09qck", "/m/0k4j"
SMALL = (0.5, 0.5, 0.52, 0.9)


@pytest.fixture(scope="module")
def table():
    return read_class_table(OPEN_IMAGES_CLASSES)


@pytest.fixture
def split(tmp_path, table):
    """Return a function that reads a split of fruit from annotation lines."""

    def read(lines, name="train", classes=("Apple", "Banana"), **filters):
        path = tmp_path / f"{name}-annotations-bbox.csv"
        path.write_bytes(annotation_file(lines))
        return read_open_images_split(name, path, table, classes, Filters(**filters))

    return read


LINES = [
    line(1, APPLE),
    line(1, BANANA, flags="10000"),
    line(2, APPLE, flags="00010"),
    line(3, APPLE, SMALL, flags="01000"),
    line(3, CAR, flags="00100"),
    line(4, BANANA, (0, 0, 1, 1), flags="00100"),
    line(4, BANANA),
]


@pytest.mark.parametrize(
    ("filters", "left"),
    [
        ({}, [1, 1, 3, 4, 4]),
        ({"depictions": True}, [1, 1, 2, 3, 4, 4]),
        ({"excluded_flags": ("IsOccluded",)}, [3, 4, 4]),
        ({"excluded_flags": ("IsTruncated", "IsGroupOf")}, [1, 1]),
        ({"min_box_size": 0.03}, [1, 1, 4, 4]),
        ({"overlapped": False}, [1, 1, 3, 4]),
        ({"overlapped": False, "min_box_size": 0.5}, [4]),
        ({"excluded_images": frozenset({image_id(1), image_id(9)})}, [3, 4, 4]),
    ],
)
def test_filters(split, filters, left):
    result = split(LINES, **filters)
    numbers = {
        number: int(p.path.stem, 16) for number, p in result.pictures(result.index.path).items()
    }
    assert [numbers[number] for number in result.boxes.pictures.tolist()] == left


def test_a_file_of_ids_to_leave_out(tmp_path):
    path = tmp_path / "ids.txt"
    path.write_text("0001\n\ntrain/0002.jpg\r\n")
    assert read_image_list(path) == {"0001", "0002"}


def test_limits_act_on_all_splits_together(split):
    train = split([line(n, APPLE) for n in range(80)])
    test = split([line(n, BANANA) for n in range(20)], "test")
    chosen = limit_splits([train, test], LimitOptions(max_images=10))
    assert [part.num_images for part in chosen] == [8, 2]
    chosen = limit_splits([train, test], LimitOptions(max_annotations_per_class=15))
    assert [len(part.boxes) for part in chosen] == [15, 15]
    both = LimitOptions(max_images=10, max_annotations_per_class=15)
    chosen = limit_splits([train, test], both)
    assert [part.num_images for part in chosen] == [5, 5]
    assert limit_splits([train, test], LimitOptions()) == [train, test]


def test_other_boxes_of_a_chosen_picture_are_kept(split):
    train = split([line(n // 3, [APPLE, BANANA, BANANA][n % 3]) for n in range(60)])
    (chosen,) = limit_splits([train], LimitOptions(max_images=5, seed=3))
    assert len(chosen.boxes) == 15


def test_statistics_in_the_words_of_the_tutorial(split):
    train, empty = split(LINES), split([], "test")
    assert statistics_block([train, empty], ["Apple", "Banana"]).splitlines()[:14] == [
        "-------------------------------------",
        " 'train' set statistics",
        "-------------------------------------",
        "  Image count:  3",
        "  Bounding box count:  5",
        "  Bounding box distribution: ",
        "    Banana:  3/5 = 0.60",
        "    Apple:  2/5 = 0.40",
        "",
        "-------------------------------------",
        " 'test' set statistics",
        "-------------------------------------",
        "  Image count:  0",
        "  Bounding box count:  0",
    ]


def test_writes_what_is_left(split, tmp_path, table):
    left = split(LINES).within([2])
    write_open_images(tmp_path, [left], table, ["Apple", "Banana"], "v4")
    rows = read_rows(tmp_path / "sub-train-annotations-bbox.csv")
    assert [(row["ImageID"], row["ClassName"]) for row in rows] == [(image_id(3), "Apple")]
    write_open_images(tmp_path, [left.within([])], table, ["Apple", "Banana"], "v4")
    assert read_rows(tmp_path / "sub-train-annotations-bbox.csv") == []
    text = (tmp_path / "class-descriptions-boxable.csv").read_text()
    assert text.startswith("/m/011k07,Tortoise\n")
    assert text.count("\n") == 601
    assert "Open Images v4" in (tmp_path / "README.txt").read_text()


def test_every_release_has_every_split():
    for files in OPEN_IMAGES_RELEASES.values():
        assert list(files) == ["train", "validation", "test"]
