"""What the downloaders write as VOC is what the VOC reader reads: to the pixel, split by split."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest

from tests.download.coco.test_dataset import (
    APPLE,
    BANANA,
    annotation_archive,
    box,
    image,
    instances,
)
from tests.download.pictures import annotation_file, draw_jpeg, image_id, line
from vision.datasets.checks.problems import Problems
from vision.datasets.formats import voc_writing
from vision.datasets.formats.voc import VOCFolder
from vision.datasets.formats.voc_writing import write_annotation
from vision.download.choice.class_names import (
    COCO_CLASSES,
    OPEN_IMAGES_CLASSES,
    read_class_table,
)
from vision.download.coco.dataset import read_coco_split
from vision.download.open_images.dataset import Filters, read_open_images_split
from vision.download.voc_beside import write_voc_beside
from vision.live.labelling.store import LabelledObject, LabelStore
from vision.live.saving import Budget

WIDTH, HEIGHT = 200, 160
FRUIT = ["Apple", "Banana"]
# xyxy pixels: a whole picture, a pixel in a corner, sides on the border, and between pixels.
BOXES = [
    [10, 10, 100, 80],
    [0, 0, WIDTH, HEIGHT],
    [WIDTH - 1, HEIGHT - 1, WIDTH, HEIGHT],
    [0, 0, 1, 1],
    [33, 7, WIDTH, 9],
    [20.5, 30.25, 61.125, 77.75],
]


def read_back(folder, part):
    """Return {file name: (boxes, class names)} as the reader of VOC folders has it."""
    index = VOCFolder(folder).read(part, Problems())
    return {
        index[row].path.rsplit("/", 1)[1]: (
            index[row].boxes_in_pixels(WIDTH, HEIGHT),
            [index.class_names[label] for label in index[row].labels],
        )
        for row in range(len(index))
    }


@pytest.fixture
def open_images_splits(tmp_path):
    """Splits of a downloaded folder: every box in train, then one of them in each other part."""
    table = read_class_table(OPEN_IMAGES_CLASSES)
    fractions = [np.array(box) / (WIDTH, HEIGHT, WIDTH, HEIGHT) for box in BOXES]
    lines = {
        "train": [
            line(number % 2, table.id_of(FRUIT[number % 2]), box)
            for number, box in enumerate(fractions)
        ],
        "validation": [line(7, table.id_of("Apple"), fractions[0], flags="10000")],
        "test": [line(8, table.id_of("Apple"), fractions[0], flags="01000")],
    }
    splits = []
    for name, text in lines.items():
        path = tmp_path / f"{name}-annotations-bbox.csv"
        path.write_bytes(annotation_file(text))
        splits.append(read_open_images_split(name, path, table, FRUIT, Filters()))
    return splits


@pytest.fixture
def coco_splits(tmp_path):
    table = read_class_table(COCO_CLASSES)
    kinds = [APPLE, BANANA]

    def boxes(numbers, corners):
        return [
            box(n, numbers[n % len(numbers)], kinds[n % 2], (x1, y1, x2 - x1, y2 - y1))
            for n, (x1, y1, x2, y2) in enumerate(corners)
        ]

    path = tmp_path / "annotations_trainval2017.zip"
    train = instances([image(n, WIDTH, HEIGHT) for n in (0, 1)], boxes([0, 1], BOXES))
    val = instances([image(7, WIDTH, HEIGHT)], boxes([7], BOXES[:1]))
    path.write_bytes(annotation_archive(train, val))
    names = ["apple", "banana"]
    return [read_coco_split(name, path, table, names, False) for name in ("train", "val")]


def put_pictures(root, splits):
    for split in splits:
        for picture in split.pictures(root).values():
            picture.path.parent.mkdir(parents=True, exist_ok=True)
            picture.path.write_bytes(draw_jpeg(1, WIDTH, HEIGHT))


@pytest.mark.parametrize("dataset", ["open_images_splits", "coco_splits"])
def test_boxes_come_back_to_the_pixel(dataset, tmp_path, request):
    splits, root = request.getfixturevalue(dataset), tmp_path / "fruit"
    put_pictures(root, splits)
    for _ in range(2):  # a second run goes over what the first one wrote
        write_voc_beside(root, splits, FRUIT)
    train = read_back(tmp_path / "fruit-voc", "train")
    assert len(train) == 2
    for first, (boxes, names) in enumerate(train.values()):
        np.testing.assert_array_equal(boxes, np.float32(BOXES[first::2]))
        assert names == [FRUIT[first]] * 3
    ((boxes, names),) = read_back(tmp_path / "fruit-voc", "val").values()
    np.testing.assert_array_equal(boxes, [BOXES[0]])
    assert names == ["Apple"]


def test_the_folder(open_images_splits, tmp_path):
    root = tmp_path / "fruit"
    put_pictures(root, open_images_splits)
    write_voc_beside(root, open_images_splits, FRUIT)
    voc = tmp_path / "fruit-voc"
    train, val, test = ([image_id(n) for n in numbers] for numbers in ((0, 1), (7,), (8,)))
    lists = {path.name: path.read_text().split() for path in (voc / "ImageSets/Main").iterdir()}
    assert lists == {
        "train.txt": train,
        "val.txt": val,
        "test.txt": test,
        "trainval.txt": train + val,
    }
    assert (voc / "labels.txt").read_text() == "Apple\nBanana\n"
    for name in train + val + test:
        assert (voc / "Annotations" / f"{name}.xml").is_file()
    picture = root / "validation" / f"{image_id(7)}.jpg"
    assert (voc / "JPEGImages" / picture.name).samefile(picture)
    objects = [
        ElementTree.parse(voc / "Annotations" / f"{image_id(n)}.xml").find("object") for n in (7, 8)
    ]
    assert [o.findtext("occluded") for o in objects] == ["1", "0"]
    assert [o.findtext("truncated") for o in objects] == ["0", "1"]


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def add_class(store, name):
    with (store.folder / "labels.txt").open("a") as file:
        file.write("Pear\n")


def correct_box(store, name):
    store.replace(
        name, store.read(name).revision, [LabelledObject("Apple", (5, 5, 30, 30))], "train"
    )


def move_to_val(store, name):
    picture = store.read(name)
    store.replace(name, picture.revision, picture.objects, "val")


def add_picture(store, name):
    store.save(draw_jpeg(2), (WIDTH, HEIGHT), [LabelledObject("Apple", (2, 2, 9, 9))], "train")


@pytest.mark.parametrize("correct", [add_class, correct_box, move_to_val, add_picture])
def test_what_was_corrected_is_not_written_over(correct, open_images_splits, tmp_path):
    root, voc = tmp_path / "fruit", tmp_path / "fruit-voc"
    put_pictures(root, open_images_splits)
    write_voc_beside(root, open_images_splits, FRUIT)
    correct(LabelStore(voc, [], Budget(1 << 30)), image_id(0))
    before = contents(voc)
    with pytest.raises(ValueError, match=r"is not as an earlier run wrote it.*name another folder"):
        write_voc_beside(root, open_images_splits, FRUIT)
    assert contents(voc) == before


def test_a_folder_that_no_run_wrote_is_left_alone(open_images_splits, tmp_path):
    root, voc = tmp_path / "fruit", tmp_path / "fruit-voc"
    put_pictures(root, open_images_splits)
    voc.mkdir()
    (voc / "labels.txt").write_text("Pear\n")
    with pytest.raises(ValueError, match=r"labels\.txt is not as an earlier run wrote it"):
        write_voc_beside(root, open_images_splits, FRUIT)
    assert list(contents(voc).values()) == [b"Pear\n"]


def test_what_other_options_and_an_interrupted_run_left_is_written_anew(
    open_images_splits, tmp_path, monkeypatch
):
    root, voc, written = tmp_path / "fruit", tmp_path / "fruit-voc", []

    def stop_at_the_second(path, picture):
        if written:
            raise KeyboardInterrupt
        written.append(path)
        write_annotation(path, picture)

    put_pictures(root, open_images_splits)
    write_voc_beside(root, open_images_splits, FRUIT)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(voc_writing, "write_annotation", stop_at_the_second)
        write_voc_beside(root, open_images_splits, ["Apfel", "Banane"])
    assert "Apfel" in written[0].read_text()
    (voc / "Annotations" / ".0001.1.part.xml").write_text("<anno")  # a killed run leaves such files
    write_voc_beside(root, open_images_splits[:1], FRUIT)
    assert (voc / "ImageSets/Main/train.txt").read_text().split() == [image_id(0), image_id(1)]
    # Of the pictures that were left out, the annotations are still there.
    write_voc_beside(root, open_images_splits, FRUIT)
    assert "Apfel" not in written[0].read_text()
