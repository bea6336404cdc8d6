from __future__ import annotations

import pytest

from tests.drawing import draw_samples, write_picture
from tests.formats import write_csv, write_table
from vision.datasets.checks.problems import Problems
from vision.datasets.formats.tables.csv_table import CSVFolder
from vision.datasets.opening import open_datasets, open_split


def write(root, header, *rows):
    for name in ("a", "b"):
        write_picture(root / f"{name}.png", draw_samples(1)[0].image)
    (root / "boxes.csv").write_text("\n".join([header, *rows]) + "\n")
    return root


def read(root):
    problems = Problems()
    return CSVFolder(root).read("all", problems), problems


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("filename,width,height,class,xmin,ymin,xmax,ymax", "a.png,160,120,cat,1,2,30,40"),
        ("Image Path,X1,Y1,X2,Y2,Label", "some/where/a.png,1,2,30,40,cat"),
        ('"y_max","y_min","x_max","x_min","Class_Name","file","h"', "40,2,30,1,cat,a.png,5"),
    ],
)
def test_columns_in_any_order_and_spelling(tmp_path, header, row):
    index, problems = read(write(tmp_path, header, row))
    assert index.boxes.tolist() == [[1, 2, 30, 40]]
    assert index.class_names == ["BACKGROUND", "cat"]
    assert index.origins.tolist() == [2]
    assert index.sizes.tolist() == [[160, 120] if "width" in header else [0, 0]]
    assert problems.counts == {"picture not annotated": 1}


def test_a_line_with_the_file_alone_is_a_negative(tmp_path):
    header = "filename,width,height,class,xmin,ymin,xmax,ymax"
    rows = ["b.png,,,,,,,", "a.png,160,120,cat,1,2,30,40", "a.png,160,120,dog,5,6,x,8"]
    index, _ = read(write(tmp_path, header, *rows))
    assert list(index.image_ids) == ["b", "a"]
    assert (index.num_boxes, index.num_negatives) == (2, 1)
    assert index.origins.tolist() == [3, 4]


def test_roboflows_folders(tmp_path):
    for number, (split, count) in enumerate({"train": 9, "valid": 2}.items()):
        samples = draw_samples(count, first=10 * number)
        for sample in samples:
            write_picture(tmp_path / split / f"{sample.image_id}.png", sample.image)
        write_table(tmp_path / split / "_annotations.csv", samples)
    datasets = open_datasets(tmp_path)
    assert (len(datasets.train), len(datasets.validation)) == (9, 2)
    assert not any(datasets.problems)


def write_divided(root, column, words):
    """Write a table of ten pictures whose column states a part, as it calls them."""
    lines = [f"filename,class,xmin,ymin,xmax,ymax,{column}"]
    for number, word in enumerate(words):
        write_picture(root / f"p{number}.png", draw_samples(1, number)[0].image)
        lines.append(f"p{number}.png,cat,10,20,60,70,{word}")
    (root / "annotations.csv").write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("column", ["split", "Subset", "data_split", "set", "usage"])
@pytest.mark.parametrize("words", [("train", "val"), ("TRAIN", "Valid"), ("Training", "test")])
def test_a_column_states_the_parts(tmp_path, column, words):
    write_divided(tmp_path, column, [words[number % 2] for number in range(8)])
    datasets = open_datasets(tmp_path)
    assert sorted(datasets.train.image_ids) == ["p0", "p2", "p4", "p6"]
    assert sorted(datasets.validation.image_ids) == ["p1", "p3", "p5", "p7"]
    assert f"(the {column} {words[1]} of annotations.csv)" in datasets.lines[0]
    assert not any(datasets.problems)


def test_lines_of_no_known_part_are_trained_on_and_named(tmp_path):
    write_divided(tmp_path, "split", ["train", "val", "2", "2", ""])
    datasets = open_datasets(tmp_path)
    assert sorted(datasets.train.image_ids) == ["p0", "p2", "p3", "p4"]
    note = "annotations.csv: 2 lines have a split such as '2', which is none of train, val and test"
    assert f"{note}; they are trained on" in "\n".join(datasets.lines)


def test_a_split_that_says_nothing_is_named(tmp_path):
    write_divided(tmp_path, "split", ["1", "2"] * 5)
    datasets = open_datasets(tmp_path)
    assert len(datasets.train) == 8
    assert "10 lines have a split such as '1'" in "\n".join(datasets.lines)
    assert "the column is not used" in "\n".join(datasets.lines)


def test_one_table_is_split_by_seed(tmp_path):
    samples = draw_samples(10)
    for sample in samples:
        write_picture(tmp_path / "images" / f"{sample.image_id}.png", sample.image)
    write_table(tmp_path / "annotations.csv", samples)
    datasets = open_datasets(tmp_path)
    assert (len(datasets.train), len(datasets.validation)) == (8, 2)
    assert len(open_split(tmp_path, split="all")) == 10


def test_a_fault_is_named_with_its_line(tmp_path):
    write_csv(tmp_path)
    path = tmp_path / "train_labels.csv"
    path.write_text(path.read_text() + "drawn_0000.png,160,120,red,50,50,50,60\n")
    (problem,) = open_datasets(tmp_path).problems[0]
    lines = len(path.read_text().splitlines())
    assert str(problem) == f"train_labels.csv:{lines}: 'red' is 0 x 10"


@pytest.mark.parametrize("header", ["", "a,b", "ImageID,LabelName,XMin,XMax,YMin,YMax", "x\ry,z"])
def test_other_tables_are_not_taken(tmp_path, header):
    (tmp_path / "a.csv").write_bytes(f"{header}\n1,2\n".encode())
    assert not CSVFolder.detect(tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("boxes.csv", 'file,class,x1,y1,x2,y2\na.png,"cat,1,2,30,40\n', 2),
        ("boxes.csv", 'a.png,1,2,30,40,cat\na.png,1,2,30,40,"cat\n', 2),
        ("boxes.csv", 'filename,region_shape_attributes,region_attributes\na.png,"{},{}\n', 2),
        ("class-descriptions-boxable.csv", '/m/1,Apple\n/m/2,"Pear\n', 2),
    ],
)
@pytest.mark.parametrize("rows", [2, 20_000])
def test_a_quote_that_is_not_closed_is_refused_by_every_reader_of_tables(
    tmp_path, name, text, line, rows
):
    """Up to the limit of a cell the boxes of all lines behind it were lost without a word."""
    write_picture(tmp_path / "train" / "a.png", draw_samples(1)[0].image)
    (tmp_path / name).write_text(text + text.splitlines(keepends=True)[0] * rows)
    if name != "boxes.csv":
        table = "ImageID,LabelName,XMin,XMax,YMin,YMax\na,/m/1,0,0.5,0,0.5\n"
        (tmp_path / "train-annotations-bbox.csv").write_text(table)
    with pytest.raises(ValueError, match=rf"{name}:{line}: not CSV: .*; close the quote"):
        open_datasets(tmp_path)
