from __future__ import annotations

import numpy as np
import pytest

from tests.drawing import CLASS_NAMES, draw_samples, write_open_images, write_open_images_csv
from vision.datasets.checks.boxes import repair_boxes
from vision.datasets.checks.problems import Problems
from vision.datasets.formats.open_images import OpenImagesFolder

HEADER = "ImageID,XMin,XMax,YMin,YMax,ClassName\n"


def touch_pictures(folder, *names):
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).touch()


def read(root, part="train"):
    folder, problems = OpenImagesFolder(root), Problems()
    return folder, folder.read(part, problems), problems


def test_drawn_squares_come_back(tmp_path):
    drawn = write_open_images(tmp_path)
    folder = OpenImagesFolder(tmp_path)
    assert list(folder.parts) == ["train", "val", "test"]
    assert folder.parts["val"] == "sub-validation-annotations-bbox.csv"
    for part, split in (("train", "train"), ("val", "validation"), ("test", "test")):
        problems = Problems()
        index = folder.read(part, problems).with_classes(CLASS_NAMES)
        assert not problems
        assert len(index) == len(drawn[split])
        for annotation, sample in zip(index, drawn[split]):
            assert annotation.image_id == sample.image_id
            assert annotation.path == str(tmp_path / split / f"{sample.image_id}.jpg")
            assert annotation.relative
            assert annotation.boxes_in_pixels(160, 120) == pytest.approx(sample.boxes, abs=1e-3)
            assert annotation.labels.tolist() == sample.labels.tolist()


def test_the_classes_are_those_of_the_training_table(tmp_path):
    (tmp_path / "sub-train-annotations-bbox.csv").write_text(
        HEADER + "a,0,1,0,1, dog\nb,0,1,0,1,cat\n"
    )
    (tmp_path / "sub-test-annotations-bbox.csv").write_text(HEADER + "c,0,1,0,1,zebra\n")
    folder = OpenImagesFolder(tmp_path)
    folder.read("test", Problems())
    assert folder.class_names() == ["cat", "dog"]
    assert folder.classes_from == "of sub-train-annotations-bbox.csv"


def test_pictures_without_a_row_are_negatives(tmp_path):
    drawn = write_open_images(tmp_path, {"train": 5}, negatives=2)["train"]
    folder, index, problems = read(tmp_path)
    assert [annotation.image_id for annotation in index] == [one.image_id for one in drawn]
    assert index.num_negatives == 2
    assert folder.notes == [
        "2 pictures in train/ have no row in sub-train-annotations-bbox.csv and serve as negatives"
    ]
    assert not problems


def test_missing_pictures_are_counted_and_listed(tmp_path):
    drawn = write_open_images(tmp_path, {"train": 4})["train"]
    (tmp_path / "train" / f"{drawn[1].image_id}.jpg").unlink()
    _, index, problems = read(tmp_path)
    assert list(index.image_ids) == [drawn[row].image_id for row in (0, 2, 3)]
    assert problems.counts == {"picture missing": 1}
    line = 2 + len(drawn[0].boxes)
    assert str(next(iter(problems))).startswith(
        f"sub-train-annotations-bbox.csv:{line}: there is no picture {tmp_path}"
    )


def test_published_tables_name_pictures_that_nobody_downloaded(tmp_path):
    drawn = write_open_images(tmp_path, {"train": 3})["train"]
    (tmp_path / "sub-train-annotations-bbox.csv").unlink()
    samples = [*drawn, *draw_samples(2, first=50)]
    write_open_images_csv(tmp_path / "train-annotations-bbox.csv", samples)
    _, index, problems = read(tmp_path)
    assert len(index) == 3
    assert problems.counts == {"picture not downloaded": 2}
    assert problems.lost("picture") == {}


def test_without_a_folder_every_picture_is_missing(tmp_path):
    (tmp_path / "sub-train-annotations-bbox.csv").write_text(HEADER + "a,0,1,0,1,cat\n")
    _, index, problems = read(tmp_path)
    assert len(index) == 0
    assert problems.counts == {"picture missing": 1}


def test_codes_are_described_where_there_is_no_class_name(tmp_path):
    table = "ImageID,LabelName,XMin,XMax,YMin,YMax\na,/m/1,0,1,0,1\na,/m/2,0,1,0,1\n"
    (tmp_path / "validation-annotations-bbox.csv").write_text(table)
    (tmp_path / "class-descriptions-boxable.csv").write_text('/m/1,Apple\n/m/3,"Tree, house"\n')
    touch_pictures(tmp_path / "validation", "a.jpg")
    _, index, _ = read(tmp_path, "val")
    assert index.class_names == ["BACKGROUND", "Apple", "/m/2"]


def test_ids_with_suffix_any_suffix_and_unordered_rows(tmp_path):
    rows = 'b.jpg,"0,1","0,5","0,2","0,6",cat\na,"0,3","0,7","0,1","0,9",dog\nb.jpg,0,1,0,1,dog\n'
    (tmp_path / "sub-train-annotations-bbox.csv").write_text(HEADER + rows)
    touch_pictures(tmp_path / "train", "a.png", "a.JPG", "b.PNG", "._b.jpg", "notes.txt")
    _, index, problems = read(tmp_path)
    assert not problems
    assert list(index.image_ids) == ["b", "a"]
    assert [path.rsplit("/", 1)[1] for path in index.paths] == ["b.PNG", "a.JPG"]
    assert index[0].boxes == pytest.approx(np.array([[0.1, 0.2, 0.5, 0.6], [0, 0, 1, 1]]))
    assert index.origins.tolist() == [2, 4, 3]


def test_bad_rows_are_listed_with_their_line(tmp_path):
    rows = "a,0.1,0.5,0.1,0.5,cat\na,x,0.5,0.1,0.5,cat\na,0.5,0.5,0.1,0.5,cat\na,10,50,10,50,cat\n"
    (tmp_path / "sub-train-annotations-bbox.csv").write_text(HEADER + rows)
    touch_pictures(tmp_path / "train", "a.jpg")
    folder, index, problems = read(tmp_path)
    index = repair_boxes(index, lambda *of: folder.place("train", *of), problems)
    assert index.num_boxes == 1
    assert sorted((one.kind, one.line) for one in problems) == [
        ("box outside the picture", 5),
        ("box without numbers", 3),
        ("box without size", 4),
    ]


def test_a_table_without_the_columns_is_refused(tmp_path):
    (tmp_path / "sub-train-annotations-bbox.csv").write_text("ImageID,ClassName\na,cat\n")
    with pytest.raises(
        ValueError, match="XMin, YMin, XMax, YMax not found among ImageID, ClassName"
    ):
        read(tmp_path)


def test_detect(tmp_path):
    assert not OpenImagesFolder.detect(tmp_path)
    (tmp_path / "validation-annotations-bbox.csv").touch()
    assert OpenImagesFolder.detect(tmp_path)


def test_the_table_of_the_seven_notations(real_datasets, tmp_path):
    source = real_datasets / "formats"
    table = (source / "gts" / "openimages_format" / "all_bounding_boxes.csv").read_text()
    (tmp_path / "sub-train-annotations-bbox.csv").write_text(table)
    (tmp_path / "train").symlink_to(source / "images")
    _, index, problems = read(tmp_path)
    assert (len(index), index.num_boxes, len(index.class_names) - 1) == (100, 273, 20)
    assert not problems
