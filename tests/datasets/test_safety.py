"""What a hostile or broken folder can hold: each is refused with a sentence, and at once."""

from __future__ import annotations

import os
import shutil

import pytest

from tests.datasets.picture_bytes import png_file
from tests.drawing import voc_xml, write_list, write_open_images, write_voc
from tests.formats import WRITERS
from tests.fuzzing import in_time
from vision.datasets.checks.picture_scan import PictureScanner
from vision.datasets.checks.pictures import PictureChecks
from vision.datasets.opening import open_datasets

BOMB = (
    '<?xml version="1.0"?><!DOCTYPE annotation [<!ENTITY a "aaaaaaaaaa">'
    + "".join(
        f'<!ENTITY {name} "{f"&{inner};" * 10}">' for inner, name in zip("abcdefgh", "bcdefghi")
    )
    + "]><annotation><filename>&i;</filename></annotation>"
)
EXTERNAL = (
    '<?xml version="1.0"?><!DOCTYPE annotation [<!ENTITY secret SYSTEM "file:///etc/passwd">]>'
    "<annotation><object><name>&secret;</name></object></annotation>"
)


@pytest.fixture
def voc(tmp_path):
    """A sound folder with drawn_0000 to drawn_0007 to train on."""
    write_voc(tmp_path)
    return tmp_path


def check(folder):
    """Open a folder with every check; return the problems as (kind, text)."""
    pictures = PictureChecks(PictureScanner(progress=False))
    datasets = open_datasets(folder, pictures=pictures)
    return datasets, [(one.kind, str(one)) for one in datasets.problems[0]]


@pytest.mark.parametrize("text", [BOMB, EXTERNAL])
def test_entities_in_xml_are_not_expanded(voc, text):
    (voc / "Annotations" / "drawn_0003.xml").write_text(text)
    datasets, problems = check(voc)
    assert len(datasets.train) == 7
    assert [kind for kind, _ in problems] == ["annotation broken"]
    assert "declares entities, which is not safe to read" in problems[0][1]
    assert "root:" not in "".join(datasets.lines) + problems[0][1]


def test_invalid_utf8_in_xml_costs_that_picture(voc):
    path = voc / "Annotations" / "drawn_0003.xml"
    path.write_bytes(path.read_bytes().replace(b"<name>", b"<name>\xff\xfe"))
    datasets, problems = check(voc)
    assert len(datasets.train) == 7
    assert "drawn_0003.xml:" in problems[0][1]


@pytest.mark.parametrize("name", ["ImageSets/Main/trainval.txt", "labels.txt"])
def test_invalid_utf8_in_a_list_is_an_error_with_its_file(voc, name):
    path = voc / name
    path.write_bytes(path.read_bytes() + b"caf\xe9\n")
    with pytest.raises(ValueError, match=f"{name}.* must be UTF-8 text"):
        check(voc)


@pytest.mark.parametrize("image_id", ["../outside", "/etc/hostname", "..\\outside", "a\0b"])
def test_ids_do_not_lead_out_of_the_folder(tmp_path, image_id):
    write_voc(tmp_path / "data")
    names = [f"drawn_{number:04d}" for number in range(8)]
    write_list(tmp_path / "data", "trainval", [*names, image_id])
    (tmp_path / "data" / "outside.jpg").write_bytes(b"secret")
    (tmp_path / "data" / "outside.xml").write_text(voc_xml([(1, 1, 9, 9)], ["red"]))
    datasets, problems = check(tmp_path / "data")
    assert len(datasets.train) == 8
    assert [kind for kind, _ in problems] == ["annotation missing"]


@pytest.mark.parametrize("filename", ["../../outside.png", "/etc/passwd", "..\\outside.png"])
def test_file_names_in_xml_do_not_lead_out_of_the_folder(tmp_path, filename):
    write_voc(tmp_path / "data")
    folder = tmp_path / "data"
    (tmp_path / "outside.png").write_bytes((folder / "JPEGImages" / "drawn_0003.png").read_bytes())
    (folder / "JPEGImages" / "drawn_0003.png").unlink()
    text = voc_xml([(1, 1, 9, 9)], ["red"], filename=filename)
    (folder / "Annotations" / "drawn_0003.xml").write_text(text)
    datasets, problems = check(folder)
    assert len(datasets.train) == 7
    assert [kind for kind, _ in problems] == ["picture missing"]


@pytest.mark.parametrize("image_id", ["../outside", "/etc/hostname", "a\0b"])
def test_ids_in_a_table_do_not_lead_out_of_the_folder(tmp_path, image_id):
    write_open_images(tmp_path / "data")
    (tmp_path / "outside.jpg").write_bytes(b"secret")
    table = tmp_path / "data" / "sub-train-annotations-bbox.csv"
    row = table.read_text().splitlines()[1].split(",")
    with table.open("a", encoding="utf-8") as file:
        file.write(",".join([image_id, *row[1:]]) + "\n")
    datasets, problems = check(tmp_path / "data")
    assert len(datasets.train) == 8
    assert [kind for kind, _ in problems] == ["picture missing"]


def test_links_that_go_round_in_circles_are_not_followed(voc):
    (voc / "JPEGImages" / "round").symlink_to(voc, target_is_directory=True)
    (voc / "Annotations" / "round").symlink_to(voc, target_is_directory=True)
    (voc / "JPEGImages" / "self.png").symlink_to(voc / "JPEGImages" / "self.png")
    assert len(check(voc)[0].train) == 8
    path = voc / "JPEGImages" / "drawn_0003.png"
    path.unlink()
    path.symlink_to(path)
    datasets, problems = check(voc)
    assert len(datasets.train) == 7
    assert [kind for kind, _ in problems] == ["picture unreadable"]


@pytest.mark.parametrize("side", [50_000, 20_000])
def test_a_huge_picture_is_refused_by_its_header(voc, side):
    (voc / "JPEGImages" / "drawn_0003.png").write_bytes(png_file(side, side))
    datasets, problems = check(voc)
    assert len(datasets.train) == 7
    assert f"is {side:,} x {side:,} pixels, and at most" in problems[0][1]


def test_a_million_classes_are_refused(voc):
    (voc / "labels.txt").write_text("".join(f"class {n}\n" for n in range(1_000_000)))
    with pytest.raises(ValueError, match=r"labels.txt must name at most 10000 classes"):
        check(voc)


@pytest.mark.parametrize("kind", [*WRITERS, "voc"])
def test_a_named_pipe_in_the_place_of_any_file_is_not_waited_for(kind, tmp_path):
    write = WRITERS.get(kind, write_voc)
    write(tmp_path / "whole")
    files = [path for path in sorted((tmp_path / "whole").rglob("*")) if path.is_file()]
    one_of_each = {(path.suffix, path.parent): path for path in files}.values()
    for number, path in enumerate(one_of_each):
        folder = tmp_path / str(number)
        shutil.copytree(tmp_path / "whole", folder)
        pipe = folder / path.relative_to(tmp_path / "whole")
        pipe.unlink()
        os.mkfifo(pipe)
        try:
            with in_time():
                check(folder)
        except (OSError, ValueError) as error:
            assert "\n" not in str(error).strip() or str(folder) in str(error)
