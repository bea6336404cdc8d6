from __future__ import annotations

import unicodedata

import numpy as np
import pytest

from tests.drawing import CLASS_NAMES, draw_samples, voc_xml, write_list, write_picture, write_voc
from vision.datasets.checks.problems import Problems
from vision.datasets.formats.voc import VOCFolder, read_annotation
from vision.datasets.formats.voc_writing import require_no_lists

OBJECT = "<object><name>red</name><bndbox>{}</bndbox></object>"
BNDBOX = "<xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax>"


def write_xml(root, name, text):
    path = root / "Annotations" / f"{name}.xml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode("utf-8") if isinstance(text, str) else text)
    return path


def read_box(tmp_path, *corners):
    path = write_xml(
        tmp_path, "a", f"<annotation>{OBJECT.format(BNDBOX.format(*corners))}</annotation>"
    )
    return read_annotation(path).boxes[0]


def read(root, part):
    problems = Problems()
    return VOCFolder(root).read(part, problems), problems


def kinds(problems):
    return dict(problems.counts)


def test_drawn_squares_come_back_to_the_pixel(tmp_path):
    drawn = write_voc(tmp_path, {"trainval": 6, "test": 3}, negatives=1)
    folder = VOCFolder(tmp_path)
    assert folder.parts == {
        "train": "ImageSets/Main/trainval.txt",
        "test": "ImageSets/Main/test.txt",
    }
    assert folder.class_names() == CLASS_NAMES[1:]
    problems = Problems()
    index = folder.read("train", problems).with_classes(CLASS_NAMES)
    assert not problems
    assert index.sizes.tolist() == [[160, 120]] * 6
    for annotation, sample in zip(index, drawn["trainval"]):
        assert annotation.image_id == sample.image_id
        assert annotation.boxes.tolist() == sample.boxes.tolist()
        assert annotation.labels.tolist() == sample.labels.tolist()
    assert index.num_negatives == 1


@pytest.mark.parametrize(
    ("lists", "train", "val"),
    [
        ({"trainval": "abcd", "test": "ef"}, "trainval", None),
        ({"trainval": "abcd", "train": "ab", "val": "cd", "test": "ef"}, "train", "val"),
        ({"trainval": "abcd", "train": "ab", "val": "ef"}, "trainval", "val"),
        ({"trainval": "abcd", "val": "cd"}, "trainval", "val"),
        ({"train": "abcd", "val": "ef"}, "train", "val"),
        ({"train": "abcd", "val": "", "test": "ef"}, "train", None),
    ],
)
def test_which_list_is_which_part(tmp_path, lists, train, val):
    for name, ids in lists.items():
        write_list(tmp_path, name, ids)
    parts = VOCFolder(tmp_path).parts
    assert parts["train"] == f"ImageSets/Main/{train}.txt"
    assert parts.get("val") == (val and f"ImageSets/Main/{val}.txt")
    assert ("test" in parts) == ("test" in lists)


WHOLE = {"train": "abcd", "val": "ef"}


def move_lists(root, folder, names):
    """Put the lists of WHOLE where people put them, under the names that they give them."""
    for part, ids in WHOLE.items():
        path = root / folder / names[part]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{one}\n" for one in ids))


@pytest.mark.parametrize("folder", ["ImageSets/Main", "imagesets/main", "ImageSets", ""])
@pytest.mark.parametrize(
    "names",
    [
        {"train": "train.txt", "val": "val.txt"},
        {"train": "Train.txt", "val": "Valid.txt"},
        {"train": "TRAIN.TXT", "val": "validation.txt"},
        {"train": "training.txt", "val": "valid.txt"},
    ],
)
def test_lists_are_found_in_any_case_and_place(tmp_path, folder, names):
    for name in "abcdef":
        write_xml(tmp_path, name, voc_xml([(1, 1, 9, 9)], ["cat"]))
    move_lists(tmp_path, folder, names)
    found = VOCFolder(tmp_path)
    prefix = f"{folder}/" if folder else ""
    assert found.parts == {part: prefix + name for part, name in names.items()}
    assert found.notes == []
    with pytest.raises(ValueError, match="there is a split already in"):
        require_no_lists(tmp_path)


def test_a_list_on_one_line(tmp_path):
    for name in "abcdef":
        write_xml(tmp_path, name, voc_xml([(1, 1, 9, 9)], ["cat"]))
        write_picture(tmp_path / "JPEGImages" / f"{name}.png", np.zeros((9, 9, 3), np.uint8))
    write_list(tmp_path, "train", ["a,b, c;'d.jpg'"])
    write_list(tmp_path, "val", ["e,f"])
    folder = VOCFolder(tmp_path)
    assert list(folder.read("train", Problems()).image_ids) == list("abcd")
    assert list(folder.read("val", Problems()).image_ids) == list("ef")
    assert folder.notes == []


def test_a_column_that_is_the_name_of_a_picture_too_is_no_picture(tmp_path):
    for name in ("1", "12", "13"):
        write_xml(tmp_path, name, voc_xml([(1, 1, 9, 9)], ["cat"]))
    write_list(tmp_path, "train", ["12,1", "13 1"])
    problems = Problems()
    VOCFolder(tmp_path).read("train", problems)
    assert kinds(problems) == {"picture missing": 2}


def test_a_list_that_is_there_and_is_not_used_is_named(tmp_path):
    write_voc(tmp_path, {"train": 4})
    for name, text in {"dev": "drawn_0000", "val": "", "training": "a", "cat_train": "b 1"}.items():
        (tmp_path / f"ImageSets/Main/{name}.txt").write_text(text)
    assert VOCFolder(tmp_path).notes == [
        "ImageSets/Main/val.txt is empty and is not used",
        "ImageSets/Main/dev.txt is not used, as it is not called train, val or test",
        "ImageSets/Main/training.txt is not used, as train.txt is",
    ]


def test_lists_of_one_class_alone_are_named(tmp_path):
    write_voc(tmp_path, {})
    for part in ("train", "val"):
        write_list(tmp_path, f"red_{part}", ["drawn_0000 1"])
    assert VOCFolder(tmp_path).notes == [
        "ImageSets/Main/red_train.txt is of one class and is not used; write train.txt and val.txt "
        "of all"
    ]


def test_a_text_beside_the_annotations_that_lists_none_of_them_is_named(tmp_path):
    write_voc(tmp_path, {})
    (tmp_path / "train.txt").write_text("how I trained it\n")
    (tmp_path / "notes.txt").write_text("drawn_0000\n")
    folder = VOCFolder(tmp_path)
    assert list(folder.parts) == ["all"]
    assert folder.notes == ["train.txt is not used, as no annotated picture is listed there"]


@pytest.mark.parametrize("name", ["LABELS.TXT", "Labels.txt"])
def test_labels_txt_is_found_in_any_case(tmp_path, name):
    write_voc(tmp_path, {}, labels=False)
    (tmp_path / name).write_text("blue\ngreen\nred\nwhite\n")
    folder = VOCFolder(tmp_path)
    assert folder.class_names() == ["blue", "green", "red", "white"]
    assert folder.classes_from == name


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_an_accent_in_either_form_is_the_same_name(tmp_path, form):
    """macOS stores names in one form, and people type the other."""
    other = "NFD" if form == "NFC" else "NFC"
    names = [f"{letter}_{number}" for letter in "äé" for number in range(2)]
    for name in names:
        stored = unicodedata.normalize(form, name)
        write_xml(tmp_path, f"{stored}.jpg", voc_xml([(1, 1, 9, 9)], ["red"], (20, 20)))
        write_picture(tmp_path / f"JPEGImages/{stored}.png", np.zeros((20, 20, 3), np.uint8))
    write_list(tmp_path, "train", [unicodedata.normalize(other, name) for name in names])
    index, problems = read(tmp_path, "train")
    assert (len(index), kinds(problems)) == (4, {})
    assert VOCFolder(tmp_path).notes == []


def test_what_is_not_plain_is_noted(tmp_path):
    for name, ids in {"trainval": "abc", "train": "ab", "val": "cd", "test": "bcd"}.items():
        write_list(tmp_path, name, ids)
    assert VOCFolder(tmp_path).notes == [
        "train.txt is used, as trainval.txt holds pictures of val.txt",
        "test.txt holds 1 pictures of train.txt",
    ]


def test_cvats_default_list_is_one_undivided_part(tmp_path):
    write_voc(tmp_path, {"default": 5})
    folder = VOCFolder(tmp_path)
    assert folder.parts == {"all": "ImageSets/Main/default.txt"}
    assert len(folder.read("all", Problems())) == 5


def test_without_lists_every_xml_file_counts(tmp_path):
    write_voc(tmp_path, {})
    write_picture(tmp_path / "JPEGImages" / "loose.png", np.zeros((8, 8, 3), dtype=np.uint8))
    write_list(tmp_path, "aeroplane_train", ["x 1"])
    index, problems = read(tmp_path, "all")
    assert len(index) == 8
    assert [annotation.image_id for annotation in index] == sorted(index.image_ids)
    assert kinds(problems) == {"picture not annotated": 1}


def test_without_labels_txt_the_classes_are_collected(tmp_path):
    for number, name in enumerate(("zebra", "Äpfel", "BACKGROUND", " ape ", "")):
        write_xml(tmp_path, f"p{number}", voc_xml([(1, 1, 9, 9)], [name]))
        write_picture(tmp_path / "JPEGImages" / f"p{number}.jpg", np.zeros((9, 9, 3), np.uint8))
    write_list(tmp_path, "train", ["p0", "p2", "p4"])
    write_list(tmp_path, "test", ["p1", "p3"])
    folder = VOCFolder(tmp_path)
    assert folder.class_names() == ["ape", "zebra", "Äpfel"]
    assert "no labels.txt" in folder.classes_from


@pytest.mark.parametrize(
    ("labels", "used", "names", "note"),
    [
        ("1 cent\n2 euro\n", ["1 cent", "2 euro"], ["1 cent", "2 euro"], None),
        ("1 cent\n5 cent\n", ["1 cent", "5 cent"], ["1 cent", "5 cent"], None),
        ("1 cent\n2 cent\n", ["cent"], ["1 cent", "2 cent"], None),
        ("1 cent\n2 euro\n", ["cent", "euro"], ["cent", "euro"], "'1 cent' is read as 'cent'"),
        ("cat: 0\ndog: 1\n", ["cat"], ["cat", "dog"], "'cat: 0' is read as 'cat'"),
        ("cat: 0\ndog: 1\n", ["cat: 0"], ["cat: 0", "dog: 1"], None),
    ],
)
def test_numbers_in_labels_txt_are_kept_where_the_names_have_them(
    tmp_path, labels, used, names, note
):
    write_xml(tmp_path, "a", voc_xml([(1, 1, 9, 9)] * len(used), used))
    write_picture(tmp_path / "JPEGImages" / "a.jpg", np.zeros((9, 9, 3), np.uint8))
    (tmp_path / "labels.txt").write_text(labels)
    folder = VOCFolder(tmp_path)
    assert folder.class_names() == folder.class_names() == names
    assert folder.notes == ([f"labels.txt numbers its classes: {note}"] if note else [])


def test_ids_with_blanks_suffixes_folders_and_repetitions(tmp_path):
    image = np.zeros((20, 20, 3), dtype=np.uint8)
    for name in ("two words", "16.42.21", "sub/deep", "plain"):
        (tmp_path / "Annotations" / name).parent.mkdir(parents=True, exist_ok=True)
        write_xml(tmp_path, name, voc_xml([(1, 1, 9, 9)], ["red"], (20, 20)))
        write_picture(tmp_path / "JPEGImages" / f"{name}.jpg", image)
    write_list(tmp_path, "train", ["two words", "16.42.21", "sub/deep", "plain.JPG", "plain", ""])
    index, problems = read(tmp_path, "train")
    assert list(index.image_ids) == ["two words", "16.42.21", "sub/deep", "plain"]
    assert index.paths[2].endswith("JPEGImages/sub/deep.jpg")
    assert kinds(problems) == {"picture listed twice": 1}


@pytest.mark.parametrize("folder", ["JPEGImages", "images", "JPG"])
@pytest.mark.parametrize("suffix", [".png", ".JPEG", ".Tif"])
def test_pictures_of_any_suffix_in_any_usual_folder(tmp_path, folder, suffix):
    write_xml(tmp_path, "a", voc_xml([], []))
    (tmp_path / folder).mkdir()
    (tmp_path / folder / f"A{suffix}").touch()
    index, problems = read(tmp_path, "all")
    assert index.paths[0].endswith(f"{folder}/A{suffix}")
    assert not problems


def test_the_file_name_in_the_xml_is_the_second_try(tmp_path):
    write_xml(tmp_path, "id_17", voc_xml([], [], filename="C:\\pictures\\photo 17.jpg"))
    (tmp_path / "JPEGImages").mkdir()
    (tmp_path / "JPEGImages" / "photo 17.png").touch()
    index, problems = read(tmp_path, "all")
    assert index[0].image_id == "id_17"
    assert index[0].path.endswith("photo 17.png")
    assert not problems


def test_a_file_name_of_two_pictures_needs_its_folder(tmp_path):
    for name in ("one/p.png", "two/p.png"):
        write_picture(tmp_path / "JPEGImages" / name, np.zeros((9, 9, 3), np.uint8))
    write_xml(tmp_path, "a", voc_xml([], [], filename="p.png"))
    write_xml(tmp_path, "p", voc_xml([], []))
    missing = [one.message for one in read(tmp_path, "all")[1] if one.kind == "picture missing"]
    assert len(missing) == 2
    for message in missing:
        assert message.startswith("2 pictures have the name 'p")
        assert message.endswith(": one/p.png, two/p.png; write the folder into the annotation")
    write_xml(tmp_path, "a", voc_xml([], [], filename="two/p.png"))
    index, problems = read(tmp_path, "all")
    assert index.paths[0].endswith("JPEGImages/two/p.png")
    assert kinds(problems) == {"picture missing": 1, "picture not annotated": 1}


def test_what_is_missing_or_broken_is_listed_with_its_place(tmp_path):
    drawn = write_voc(tmp_path, {"train": 3})["train"]
    write_list(tmp_path, "train", [*(one.image_id for one in drawn), "gone", "torn", "/etc/x"])
    write_xml(tmp_path, "torn", "<annotation>\n<object>\n</annotation>")
    (tmp_path / "JPEGImages" / f"{drawn[1].image_id}.png").unlink()
    index, problems = read(tmp_path, "train")
    assert len(index) == 2
    assert kinds(problems) == {
        "picture missing": 1,
        "annotation missing": 2,
        "annotation broken": 1,
    }
    listed = [str(problem) for problem in problems]
    assert listed[1] == (
        "Annotations/gone.xml: there is no .xml file of 'gone' (from ImageSets/Main/train.txt)"
    )
    assert listed[2].startswith("Annotations/torn.xml:3: not XML: mismatched tag")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no xml",
        b"\xff\xfe\x00",
        "<annotation><object></annotation>",
        "<?xml version='1.0' encoding='no-such-code'?><annotation/>",
        '<!DOCTYPE a [<!ENTITY b "boom">]><annotation>&b;</annotation>',
        '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><annotation>&b;</annotation>',
        "<annotations><image/></annotations>",
    ],
)
def test_what_is_no_annotation_is_a_problem_and_not_a_traceback(tmp_path, text):
    write_xml(tmp_path, "a", text)
    index, problems = read(tmp_path, "all")
    assert len(index) == 0
    assert kinds(problems) == {"annotation broken": 1}


def test_xml_that_is_unusual_but_readable(tmp_path):
    inner = OBJECT.format(BNDBOX.format(" 11.5 ", "21,5", "31.0", "\n41\n"))
    part = f"<part><name>head</name><bndbox>{BNDBOX.format(1, 1, 5, 5)}</bndbox></part>"
    text = (
        "\ufeff<annotation><filename> a b.jpg </filename>"
        "<source><annotation>custom</annotation><object><name>no</name></object></source>"
        "<size><width>640.0</width><height>none</height></size>"
        f"{inner.replace('</object>', part + '</object>').replace('red', ' light red ')}"
        "<object><name>blue</name><difficult> 1 </difficult><polygon>"
        "<x1>10</x1><y1>20</y1><x2>30</x2><y2>5</y2><x3>25</x3><y3>40</y3></polygon></object>"
        "</annotation>"
    )
    record = read_annotation(write_xml(tmp_path, "a", text))
    assert record.filename == "a b.jpg"
    assert record.size == (640, 0)
    assert record.names == ["light red", "blue"]
    assert record.boxes == [(10.5, 20.5, 30, 40), (9, 4, 29, 39)]
    assert record.difficult == [False, True]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ((1, 1, 640, 480), (0, 0, 639, 479)),  # counted from 1, as VOC says
        ((0, 0, 640, 480), (0, 0, 640, 480)),  # counted from 0: nothing may leave the picture
        ((0, 5, 1, 9), (0, 4, 1, 8)),
        ((0.25, 5, 9, 9), (0, 4, 8.75, 8)),
        ((-4, 5, 9, 9), (-4, 4, 9, 8)),  # outside already; the checks clip and report it
    ],
)
def test_one_pixel_is_taken_off_but_not_at_the_edge(tmp_path, written, read):
    assert read_box(tmp_path, *written) == read


@pytest.mark.parametrize(
    "broken",
    [
        "<object><name>red</name></object>",
        "<object><name>red</name><bndbox><xmin>1</xmin></bndbox></object>",
        "<object><name>red</name><polygon></polygon></object>",
        OBJECT.format(BNDBOX.format("", 1, 2, 3)),
        OBJECT.format(BNDBOX.format("one", 1, 2, 3)),
    ],
)
def test_an_object_without_a_box_keeps_its_number(tmp_path, broken):
    record = read_annotation(write_xml(tmp_path, "a", f"<annotation>{broken}</annotation>"))
    assert record.names == ["red"]
    assert not np.isfinite(record.boxes[0]).all()


def test_annotations_that_keep_the_suffix_of_the_picture(tmp_path):
    drawn = write_voc(tmp_path, {"train": 3})["train"]
    for path in sorted((tmp_path / "Annotations").iterdir()):
        path.rename(path.with_suffix(".png.xml"))
    folder = VOCFolder(tmp_path)
    index, problems = read(tmp_path, "train")
    assert list(index.image_ids) == [sample.image_id for sample in drawn]
    assert not problems
    assert not folder.notes
    name = drawn[0].image_id
    assert folder.annotation_file("train", name) == f"Annotations/{name}.png.xml"
    (tmp_path / "ImageSets" / "Main" / "train.txt").unlink()
    assert len(read(tmp_path, "all")[0]) == 3


def test_detect(tmp_path):
    assert not VOCFolder.detect(tmp_path)
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "instances.json").touch()
    assert not VOCFolder.detect(tmp_path)
    (tmp_path / "annotations" / "a.XML").touch()
    assert VOCFolder.detect(tmp_path)


def test_fruit(real_datasets):
    folder = VOCFolder(real_datasets / "fruit")
    problems = Problems()
    train, test = folder.read("train", problems), folder.read("test", problems)
    assert (len(train), len(test)) == (240, 60)
    assert train.num_boxes + test.num_boxes == 582
    unknown = (train.sizes == 0).all(1).sum() + (test.sizes == 0).all(1).sum()
    assert unknown == 37
    assert folder.class_names() == ["apple", "banana", "orange"]
    assert not problems


def test_bccd(real_datasets):
    folder = VOCFolder(real_datasets / "bccd")
    problems = Problems()
    indices = [folder.read(part, problems) for part in ("train", "val", "test")]
    assert [len(index) for index in indices] == [205, 87, 72]
    assert sum(index.num_boxes for index in indices) == 4888
    assert folder.class_names() == ["Platelets", "RBC", "WBC"]
    assert not problems


@pytest.mark.parametrize("there", ["cam1", "cam2"])
def test_the_annotation_of_a_picture_that_is_gone_does_not_take_another_of_its_name(
    tmp_path, there
):
    for number, camera in enumerate(("cam1", "cam2"), start=1):
        write_xml(tmp_path, f"{camera}/2", voc_xml([(10 * number, 5, 40, 35)], ["red"]))
    write_picture(tmp_path / "JPEGImages" / there / "2.png", draw_samples(1)[0].image)
    index, problems = read(tmp_path, "all")
    assert list(index.image_ids) == [f"{there}/2"]
    assert index.boxes[:, 0].tolist() == [10 * int(there[-1])]
    assert kinds(problems) == {"picture missing": 1}
    assert f"'{there}/2.png' is that of '{there}/2'" in problems.summary()[1]
