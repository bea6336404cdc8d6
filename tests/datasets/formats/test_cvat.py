from __future__ import annotations

import pytest

from tests.drawing import draw_samples, write_picture
from tests.formats import cvat_xml
from vision.datasets.checks.problems import Problems
from vision.datasets.formats.cvat import CVATFolder
from vision.datasets.opening import open_datasets


def read_boxes(tmp_path, shapes):
    """Read shapes of one picture of 160 x 120 pixels."""
    write_picture(tmp_path / "images" / "a.png", draw_samples(1)[0].image)
    image = f'<image id="0" name="a.png" width="160" height="120">{shapes}</image>'
    (tmp_path / "annotations.xml").write_text(f"<annotations>{image}</annotations>")
    return CVATFolder(tmp_path).read("all", Problems())


@pytest.mark.parametrize(
    ("shape", "box"),
    [
        ('<box xtl="1.5" ytl="2" xbr="30" ybr="40.25"{}/>', [1.5, 2, 30, 40.25]),
        ('<box xtl="20" ytl="30" xbr="60" ybr="40" rotation="90"{}/>', [35, 15, 45, 55]),
        ('<box xtl="20" ytl="30" xbr="60" ybr="40" rotation="180"{}/>', [20, 30, 60, 40]),
        ('<polygon points="5,9;7.5,1;6,6"{}/>', [5, 1, 7.5, 9]),
        ('<polyline points="5,9;7,1"{}/>', [5, 1, 7, 9]),
        ('<mask rle="1" left="3" top="4" width="10" height="20"{}/>', [3, 4, 13, 24]),
        ('<ellipse cx="50" cy="60" rx="10" ry="20"{}/>', [40, 40, 60, 80]),
        ('<ellipse cx="50" cy="60" rx="10" ry="20" rotation="90"{}/>', [30, 50, 70, 70]),
    ],
)
def test_shapes(tmp_path, shape, box):
    index = read_boxes(tmp_path, shape.format(' label="cat" z_order="0" occluded="0"'))
    assert index.boxes[0].tolist() == pytest.approx(box, abs=1e-4)
    assert index.class_names == ["BACKGROUND", "cat"]
    assert index.sizes.tolist() == [[160, 120]]


def test_what_marks_no_area_does_not_count(tmp_path):
    shapes = '<tag label="x"/><points label="x" points="1,2"/><skeleton label="x"/>'
    index = read_boxes(tmp_path, shapes)
    assert (len(index), index.num_boxes) == (1, 0)
    folder = CVATFolder(tmp_path)
    assert folder.class_names() == folder.read("all", Problems()).class_names[1:] == []
    assert folder.notes == ["annotations.xml: 2 points mark no area and are not read"]


def test_a_label_without_objects_is_a_class(tmp_path):
    samples = draw_samples(3)
    for sample in samples:
        write_picture(tmp_path / "images" / f"{sample.image_id}.png", sample.image)
    (tmp_path / "annotations.xml").write_text(cvat_xml(samples).replace(">blue<", ">unused<"))
    folder = CVATFolder(tmp_path)
    assert folder.class_names() == ["red", "green", "unused"]
    assert "blue" in folder.read("all", Problems()).class_names  # an unknown class


def test_several_tasks_are_taken_together(tmp_path):
    for number in range(2):
        samples = draw_samples(6, seed=number, first=10 * number)
        for sample in samples:
            write_picture(tmp_path / "images" / f"{sample.image_id}.png", sample.image)
        (tmp_path / f"task_{number}.xml").write_text(cvat_xml(samples))
    datasets = open_datasets(tmp_path)
    assert len(datasets.train) + len(datasets.validation) == 12
    assert "task_0.xml, task_1.xml" in "\n".join(datasets.lines)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<annotations><image", "annotations.xml:1: not XML"),
        ("<annotations><track id='0'/></annotations>", "exported as 'CVAT for images 1.1'"),
        (
            '<!DOCTYPE a [<!ENTITY b "c">]><annotations>&b;</annotations>',
            "declares entities, which is not safe",
        ),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, text, message):
    (tmp_path / "annotations.xml").write_text(text)
    assert CVATFolder.detect(tmp_path)
    with pytest.raises(ValueError, match=message):
        CVATFolder(tmp_path).read("all", Problems())
