from __future__ import annotations

import json
import math

import pytest

from tests.drawing import draw_samples, write_picture
from vision.datasets.checks.problems import Problems
from vision.datasets.formats.via import VIAFolder

RECT = {"name": "rect", "x": 10, "y": 20, "width": 30, "height": 40}


def region(shape, name="cat"):
    return {"shape_attributes": shape, "region_attributes": {"class": name}}


def write(root, entries):
    """Write VIA's JSON of (file name, size in bytes, regions)."""
    data = {
        f"{name}{size}": {"filename": name, "size": size, "regions": regions}
        for name, size, regions in entries
    }
    (root / "via.json").write_text(json.dumps(data), encoding="utf-8")


def read(root):
    problems = Problems()
    folder = VIAFolder(root)
    return folder, folder.read("all", problems), problems


def test_points_are_left_out_and_counted(tmp_path):
    write_picture(tmp_path / "a.png", draw_samples(1)[0].image)
    point = {"name": "point", "cx": 1, "cy": 2}
    write(tmp_path, [("a.png", 1, [region(point, "knee"), region(RECT)])])
    folder, index, problems = read(tmp_path)
    assert index.boxes.tolist() == [[10, 20, 40, 60]]
    assert folder.notes == ["via.json: 1 points mark no area and are not read"]
    assert not problems


@pytest.mark.parametrize(
    ("shape", "box"),
    [
        (RECT, [10, 20, 40, 60]),
        ({"name": "circle", "cx": 50, "cy": 60, "r": 10}, [40, 50, 60, 70]),
        ({"name": "ellipse", "cx": 50, "cy": 60, "rx": 10, "ry": 20}, [40, 40, 60, 80]),
        (
            {"name": "ellipse", "cx": 50, "cy": 60, "rx": 10, "ry": 20, "theta": math.pi / 2},
            [30, 50, 70, 70],
        ),
        (
            {"name": "ellipse", "cx": 50, "cy": 60, "rx": 30, "ry": 40, "theta": math.pi / 4},
            [50 - 1250**0.5, 60 - 1250**0.5, 50 + 1250**0.5, 60 + 1250**0.5],
        ),
        ({"name": "polyline", "all_points_x": [5, 7], "all_points_y": [9, 1]}, [5, 1, 7, 9]),
    ],
)
def test_shapes(tmp_path, shape, box):
    write_picture(tmp_path / "a.png", draw_samples(1)[0].image)
    write(tmp_path, [("a.png", 1, [region(shape)])])
    assert read(tmp_path)[1].boxes[0].tolist() == pytest.approx(box, abs=1e-4)


def write_csv(root, entries):
    """Write VIA's CSV of (file name, size in bytes, regions)."""
    header = "filename,file_size,region_shape_attributes,region_attributes"
    lines = [header]
    for name, size, regions in entries:
        for one in regions:
            cells = [json.dumps(value).replace('"', '""') for value in one.values()]
            lines.append(f'{name},{size},"{cells[0]}","{cells[1]}"')
    (root / "via.csv").write_text("\n".join(lines), encoding="utf-8")


@pytest.mark.parametrize("write_entries", [write, write_csv])
@pytest.mark.parametrize("folders", [("x", "y"), ("x",)])
def test_entries_of_one_name_are_told_apart_by_the_size_of_the_file(
    tmp_path, write_entries, folders
):
    """VIA's key is the name and the size; joined, each picture would get the boxes of both."""
    samples = draw_samples(2)
    sizes = []
    for folder, sample in zip(("x", "y"), samples):
        write_picture(tmp_path / folder / "a.png", sample.image)
        sizes.append((tmp_path / folder / "a.png").stat().st_size)
        if folder not in folders:
            (tmp_path / folder / "a.png").unlink()
    assert sizes[0] != sizes[1]
    shapes = [{**RECT, "x": 10}, {**RECT, "x": 60}]
    entries = [("a.png", size, [region(shape)]) for size, shape in zip(sizes, shapes)]
    write_entries(tmp_path, entries[::-1])
    _, index, problems = read(tmp_path)
    boxes = {image_id: row.boxes[:, 0].tolist() for image_id, row in zip(index.image_ids, index)}
    expected = {"x/a": [10], "y/a": [60]}
    assert boxes == {f"{folder}/a": expected[f"{folder}/a"] for folder in folders}
    assert problems.counts == ({} if len(folders) == 2 else {"picture missing": 1})
    assert all(f"with the {sizes[1]:,} bytes of this one" in str(problem) for problem in problems)


def test_one_entry_takes_the_picture_of_its_size(tmp_path):
    for folder, sample in zip(("x", "y"), draw_samples(2)):
        write_picture(tmp_path / folder / "a.png", sample.image)
    write(tmp_path, [("a.png", (tmp_path / "y" / "a.png").stat().st_size, [region(RECT)])])
    assert list(read(tmp_path)[1].image_ids) == ["y/a"]
