from __future__ import annotations

import re

import pytest

from tests.drawing import CLASS_NAMES, draw_samples, write_picture
from tests.formats import write_yolo, yolo_label
from vision.datasets.checks.problems import Problems
from vision.datasets.formats.yolo import YOLOFolder
from vision.datasets.formats.yolo_files import read_label, read_settings, read_yaml
from vision.datasets.opening import open_datasets, open_split
from vision.datasets.recognition import find_dataset
from vision.datasets.selection import Selection


def write_samples(root, count, labels="", pictures="", seed=0, first=0):
    """Write pictures and labels into folders of the root."""
    samples = draw_samples(count, seed, first=first)
    for sample in samples:
        write_picture(root / pictures / f"{sample.image_id}.png", sample.image)
        path = root / labels / f"{sample.image_id}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yolo_label(sample))
    return samples


NAMES = "\n".join(CLASS_NAMES[1:]) + "\n"


def test_roboflows_layout(tmp_path):
    for number, (split, count) in enumerate({"train": 4, "valid": 2, "test": 1}.items()):
        write_samples(tmp_path, count, f"{split}/labels", f"{split}/images", first=10 * number)
    (tmp_path / "data.yaml").write_text(
        "train: ../train/images\nval: ../valid/images\ntest: ../test/images\n\n"
        "nc: 3\nnames: ['red', \"green\", blue]\n\nroboflow:\n  license: CC BY 4.0\n"
    )
    datasets = open_datasets(tmp_path)
    assert datasets.class_names == CLASS_NAMES
    assert (len(datasets.train), len(datasets.validation)) == (4, 2)
    assert len(open_split(tmp_path)) == 1
    assert not any(datasets.problems)


@pytest.mark.parametrize("names", ["classes.txt", "obj.names"])
def test_labels_beside_the_pictures(tmp_path, names):
    write_samples(tmp_path, 5)
    (tmp_path / names).write_text(NAMES)
    index = open_split(tmp_path, split="all")
    assert (len(index), index.class_names) == (5, CLASS_NAMES)


def test_darknets_lists(tmp_path):
    write_samples(tmp_path / "set", 4, "obj_train_data", "obj_train_data")
    write_samples(tmp_path / "set", 2, "obj_valid_data", "obj_valid_data", first=10)
    root = tmp_path / "set"
    (root / "obj.names").write_text(NAMES)
    (root / "obj.data").write_text(
        "classes = 3\ntrain = data/train.txt\nvalid = data/valid.txt\nnames = data/obj.names\n"
    )
    for split, folder in (("train", "obj_train_data"), ("valid", "obj_valid_data")):
        files = sorted((root / folder).glob("*.png"))
        (root / f"{split}.txt").write_text("".join(f"data/{folder}/{one.name}\n" for one in files))
    datasets = open_datasets(root)
    assert (len(datasets.train), len(datasets.validation)) == (4, 2)
    assert "as obj.data says" in "\n".join(datasets.lines)


def test_lists_in_the_folder_itself_state_the_parts_without_a_file_that_names_them(tmp_path):
    write_samples(tmp_path, 6)
    (tmp_path / "classes.txt").write_text(NAMES)
    pictures = sorted(tmp_path.rglob("*.png"))
    (tmp_path / "Train.txt").write_text("".join(f"{one.name}\n" for one in pictures[:4]))
    (tmp_path / "valid.txt").write_text("".join(f"./{one.name}\n" for one in pictures[4:]))
    datasets = open_datasets(tmp_path)
    assert (len(datasets.train), len(datasets.validation)) == (4, 2)
    said = "\n".join(datasets.lines)
    assert "as Train.txt says" in said and "as valid.txt says" in said


def test_the_label_of_a_picture_called_train_is_no_list(tmp_path):
    write_samples(tmp_path, 5)
    first = min(tmp_path.rglob("*.png"))
    for file in (first, first.with_suffix(".txt")):
        file.rename(file.with_name(f"train{file.suffix}"))
    assert len(open_split(tmp_path, split="all")) == 5


def test_one_folder_for_training_and_validation_ends_in_a_held_out_part(tmp_path):
    write_samples(tmp_path, 10, "labels/train2017", "images/train2017")
    (tmp_path / "data.yaml").write_text(
        "path: ../x # root\ntrain: images/train2017  # all\nval: images/train2017\n"
        "names:\n  0: red\n  1: green\n  2: blue\n"
    )
    datasets = open_datasets(tmp_path)
    assert (len(datasets.train), len(datasets.validation)) == (8, 2)
    assert "so that a score would mean little" in "\n".join(datasets.lines)


def write_parts(root, yaml, folders=("train", "val")):
    """Write four pictures and labels for each of the folders of images/, and a data.yaml."""
    for number, folder in enumerate(folders):
        write_samples(root, 4, f"labels/{folder}", f"images/{folder}", first=10 * number)
    (root / "data.yaml").write_text(f"{yaml}\nnames: [red, green, blue]\n")
    folder = YOLOFolder(root)
    pictures = {
        part: {path.split("/")[-2] for path in folder.read(part, Problems()).paths}
        for part in folder.parts
    }
    return pictures, "\n".join(folder.notes)


@pytest.mark.parametrize(
    ("yaml", "wrong"),
    [
        ("train: ../train/images\nval: ../valid/images", "train is ../train/images"),
        ("train: ../train/images\nval: images/val", "train is ../train/images"),
        ("train: imgs/train\nval: imgs/val", "val is imgs/val"),
        ("train: images/train\nval: images/vall", "val is images/vall"),
        ("train: [imgs/train, imgs/more]\nval: images/val", "train is imgs/train"),
    ],
)
def test_a_wrong_path_is_named_and_the_folders_called_as_the_parts_count(tmp_path, yaml, wrong):
    pictures, said = write_parts(tmp_path, yaml)
    assert pictures == {"train": {"train"}, "val": {"val"}}
    assert f"data.yaml: {wrong}, and there is no such folder" in said
    assert f"; the folders called {wrong.split()[0]} are used" in said


def test_a_wrong_path_without_a_folder_of_the_part_is_named(tmp_path):
    pictures, said = write_parts(tmp_path, "train: images/a\nval: images/vall", ("a", "b"))
    assert pictures == {"train": {"a"}}
    assert "data.yaml: val is images/vall, and there is no such folder; correct the path" in said
    assert "4 labelled pictures are in no part of data.yaml" in said


@pytest.mark.parametrize(
    "yaml",
    [
        "train: /home/me/set/images/train\nval: C:\\set\\images\\val",
        "path: ../elsewhere\ntrain: images/train\nval: images/val",
        "path: images\ntrain: train\nval: val\ntest:",
    ],
)
def test_paths_of_another_computer_are_found_by_their_end(tmp_path, yaml):
    assert write_parts(tmp_path, yaml) == ({"train": {"train"}, "val": {"val"}}, "")


def test_a_list_without_pictures_and_an_empty_folder_are_named(tmp_path):
    (tmp_path / "images" / "val").mkdir(parents=True)
    (tmp_path / "train.txt").write_text("images/ghost.png\n")
    yaml = f"train: train.txt\nval: images/val\ntest: {'x' * 9000}.txt"
    pictures, said = write_parts(tmp_path, yaml, ("a",))
    assert pictures == {"all": {"a"}}
    assert "train is train.txt, and none of the pictures that it lists is there" in said
    assert "val is images/val, and there is no picture in that folder" in said
    assert "there is no such list" in said


def test_without_names_the_numbers_are_the_names(tmp_path):
    (tmp_path / "labels").mkdir(parents=True)
    write_picture(tmp_path / "images" / "a.png", draw_samples(1)[0].image)
    (tmp_path / "labels" / "a.txt").write_text("10 .5 .5 .2 .2\n2 .5 .5 .2 .2\n")
    folder = YOLOFolder(tmp_path)
    assert folder.class_names() == ["class 2", "class 10"]
    assert "numbers in the labels" in folder.classes_from


def test_pictures_without_labels_are_negatives_and_labels_without_pictures_reported(tmp_path):
    write_yolo(tmp_path)
    (tmp_path / "labels" / "train" / "drawn_0000.txt").unlink()
    (tmp_path / "labels" / "train" / "ghost.txt").write_text("0 .5 .5 .1 .1\n")
    folder, problems = YOLOFolder(tmp_path), Problems()
    index = folder.read("train", problems)
    assert (len(index), index.num_negatives) == (8, 1)
    assert "1 pictures (" in folder.notes[0]
    assert [problem.file for problem in problems] == ["labels/train/ghost.txt"]


HEIC = "is a HEIC picture, which OpenCV does not read; convert it to JPEG and keep its size"


@pytest.mark.parametrize(
    ("labels", "pictures"), [("labels", "images"), ("", ""), ("train/labels", "train/images")]
)
def test_a_heic_picture_is_named_with_the_command_to_type(tmp_path, labels, pictures):
    write_samples(tmp_path, 4, labels, pictures)
    (tmp_path / pictures / "drawn_0000.png").rename(tmp_path / pictures / "drawn_0000.HEIC")
    (tmp_path / pictures / "drawn_0001.heic").write_text("converted already")
    (problem,) = open_datasets(tmp_path).problems[0]
    name = f"{pictures}/drawn_0000".lstrip("/")
    assert str(problem).startswith(
        f"{labels}/drawn_0000.txt: '{name}.HEIC' {HEIC}: heif-convert {name}.HEIC".lstrip("/")
    )


def test_a_heic_picture_of_lists_is_named_once_and_a_converted_one_is_not(tmp_path):
    write_samples(tmp_path, 6, "labels", "images")
    (tmp_path / "images" / "drawn_0000.png").rename(tmp_path / "images" / "drawn_0000.HEIC")
    (tmp_path / "images" / "drawn_0005.HEIC").write_text("converted already")
    for part, numbers in (("train", range(4)), ("val", range(4, 6))):
        lines = "".join(f"images/drawn_000{number}.jpg\n" for number in numbers)
        (tmp_path / f"{part}.txt").write_text(lines)
    (tmp_path / "data.yaml").write_text("train: train.txt\nval: val.txt\nnames: [red, green, blue]")
    datasets = open_datasets(tmp_path)
    assert (len(datasets.train), len(datasets.validation)) == (3, 2)
    assert [problem.file for problem in datasets.problems[0]] == ["labels/drawn_0000.txt"]


def test_a_folder_of_nothing_but_heic_pictures_is_refused_with_the_command(tmp_path):
    write_samples(tmp_path, 4, "labels", "images")
    (tmp_path / "data.yaml").write_text("names: [red, green, blue]")
    for path in sorted((tmp_path / "images").iterdir()):
        path.rename(path.with_suffix(".HEIC"))
    with pytest.raises(ValueError, match=r"0 of 4 pictures .* heif-convert images/drawn_0"):
        open_datasets(tmp_path)


@pytest.mark.parametrize(
    ("line", "pose", "box"),
    [
        ("0 0.5 0.5 0.2 0.4", False, (0.4, 0.3, 0.6, 0.7)),
        ("0 0.5 0.5 0.2 0.4 0.9", False, (0.4, 0.3, 0.6, 0.7)),
        ("0.0 0.5 0.5 0.2 0.4 .1 .2 2", True, (0.4, 0.3, 0.6, 0.7)),
        ("0 .1 .2 .3 .2 .3 .5", False, (0.1, 0.2, 0.3, 0.5)),
        ("0 .1 .2 .3 .2 .3 .5 .1 .9", False, (0.1, 0.2, 0.3, 0.9)),
    ],
)
def test_lines(tmp_path, line, pose, box):
    path = tmp_path / "a.txt"
    path.write_text(f"\n{line}\r\n")
    (read,) = read_label(path, pose)
    assert read.number == 0
    assert read.box == pytest.approx(box)


@pytest.mark.parametrize("line", ["0", "0 .1 .2 .3", "0 a b c d", "0 .1 .2 .3 .4 .5 .6 .7", "x"])
def test_lines_that_are_no_box_keep_their_place(tmp_path, line):
    path = tmp_path / "a.txt"
    path.write_text(f"{line}\n1 .5 .5 .2 .2\n")
    first, second = read_label(path)
    assert first.box != first.box or first.box[0] != first.box[0]
    assert (first.number, second.number) == (None if line == "x" else 0, 1)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_labels_of_another_encoding_among_others_are_read(tmp_path, encoding):
    samples = write_samples(tmp_path, 5)
    (tmp_path / "classes.txt").write_text(NAMES)
    path = tmp_path / f"{samples[0].image_id}.txt"
    path.write_text(path.read_text(), encoding=encoding)
    datasets = open_datasets(tmp_path)
    assert not any(datasets.problems)
    found = datasets.train.num_boxes + datasets.validation.num_boxes
    assert found == sum(len(sample.boxes) for sample in samples)


@pytest.mark.parametrize("between", [" ", ", "])
def test_labels_with_a_mark_of_utf_8_are_recognised(tmp_path, between):
    for sample in write_samples(tmp_path, 5):
        path = tmp_path / f"{sample.image_id}.txt"
        path.write_text(path.read_text().replace(" ", between), encoding="utf-8-sig")
    datasets = open_datasets(tmp_path)
    assert not any(datasets.problems)


def test_a_line_break_in_a_file_name_loses_no_label(tmp_path):
    write_samples(tmp_path, 2, "labels", "images")
    for path in (tmp_path / "images" / "drawn_0000.png", tmp_path / "labels" / "drawn_0000.txt"):
        path.rename(path.with_name(path.name.replace("_", "\n")))
    assert YOLOFolder(tmp_path).read("all", Problems()).num_negatives == 0


@pytest.mark.parametrize("labels", ["labels", "images"])
def test_a_label_called_by_the_whole_name_of_its_picture_is_read(tmp_path, labels):
    write_samples(tmp_path, 4, labels, "images")
    for number in range(2):
        path = tmp_path / labels / f"drawn_000{number}.txt"
        path.rename(path.with_suffix(".png.txt"))
    (tmp_path / labels / "drawn_0002.png.txt").write_text("")  # not where there is the usual name
    (tmp_path / labels / "drawn_0003.png.txt").write_text("9 .5 .5 .2 .2\n")
    folder = YOLOFolder(tmp_path)
    index = folder.read("all", Problems())
    assert (index.num_negatives, folder.notes) == (0, [])
    assert "class 9" not in index.class_names
    assert folder.annotation_file("all", "images/drawn_0001") == f"{labels}/drawn_0001.png.txt"


def test_a_class_beyond_the_names_is_reported(tmp_path):
    write_yolo(tmp_path)
    path = tmp_path / "labels" / "train" / "drawn_0000.txt"
    path.write_text(path.read_text() + "7 .5 .5 .2 .2\n")
    (problem,) = open_datasets(tmp_path).problems[0]
    assert str(problem).startswith("labels/train/drawn_0000.txt:")
    assert "'class 7' is not in the class list" in str(problem)


def test_blank_lines_of_a_names_file_keep_the_numbers(tmp_path):
    (tmp_path / "classes.txt").write_text("red\n\nblue\n\n")
    assert read_settings(tmp_path).names == {0: "red", 1: "", 2: "blue"}


NO_CLASS = [
    ("classes.txt", "BACKGROUND\nred\ngreen\nblue\n", "which is BACKGROUND in classes.txt:1,"),
    ("labels.txt", "_background_\nred\ngreen\nblue\n", "which is _background_ in labels.txt:1,"),
    ("obj.names", "\nred\ngreen\nblue\n", "which is blank in obj.names:1,"),
    ("_darknet.labels", "\ufeff\r\nred\r\ngreen\r\nblue\r\n", "blank in _darknet.labels:1,"),
    ("classes.txt", "0 background\n1 red\n2 green\n3 blue\n", "background in entry 1 of the names"),
    ("classes.txt", "background,red,green,blue\n", "background in entry 1 of the names"),
    ("data.yaml", "names: [BACKGROUND, red, green, blue]\n", "entry 1 of the names in data.yaml"),
    ("data.yaml", "names:\n- ''\n- red\n- green\n- blue\n", "which is blank in entry 1 of"),
    (
        "data.yaml",
        "names: {0: __ignore__, 1: red, 2: green, 3: blue}\n",
        "is __ignore__ in entry 1",
    ),
]


@pytest.mark.parametrize("name", ["Classes.txt", "LABELS.TXT", "Obj.Names", "Data.YAML"])
def test_class_lists_are_found_in_any_case(tmp_path, name):
    write_samples(tmp_path, 5)
    is_yaml = name.lower().endswith("yaml")
    (tmp_path / name).write_text("Names: [red, green, blue]\n" if is_yaml else NAMES)
    assert open_datasets(tmp_path).class_names == CLASS_NAMES


@pytest.mark.parametrize("key", ["val", "valid", "validation", "Val"])
def test_a_data_yaml_that_says_validation_means_val(tmp_path, key):
    write_samples(tmp_path, 4, "labels/one", "images/one")
    write_samples(tmp_path, 2, "labels/two", "images/two", first=10)
    (tmp_path / "data.yaml").write_text(
        f"train: images/one\n{key}: images/two\nnames: [red, green, blue]\n"
    )
    datasets = open_datasets(tmp_path)
    assert (len(datasets.train), len(datasets.validation)) == (4, 2)


@pytest.mark.parametrize(("file", "text", "message"), NO_CLASS)
def test_a_number_of_background_or_of_a_blank_line_is_refused(tmp_path, file, text, message):
    samples = write_samples(tmp_path, 6)
    (tmp_path / file).write_bytes(text.encode("utf-8"))
    with pytest.raises(ValueError, match=rf"_\d+.txt:\d has class 0, .*{message}.*neighbours"):
        open_datasets(tmp_path)
    for sample in samples:  # numbered by the list as it is
        lines = (f"{int(line[0]) + 1}{line[1:]}\n" for line in yolo_label(sample).splitlines())
        (tmp_path / f"{sample.image_id}.txt").write_text("".join(lines))
    datasets = open_datasets(tmp_path, selection=Selection(val_split=0))
    assert datasets.class_names == CLASS_NAMES
    assert not any(datasets.problems)
    by_id = {annotation.image_id: annotation.labels.tolist() for annotation in datasets.train}
    assert by_id == {sample.image_id: sample.labels.tolist() for sample in samples}


def test_a_blank_line_between_the_names_is_refused_where_a_label_uses_it(tmp_path):
    write_samples(tmp_path, 6)
    (tmp_path / "classes.txt").write_text("red\n\ngreen\n\nblue\n")
    message = r"has class 1, which is blank in classes.txt:2, .*take the blank line out"
    with pytest.raises(ValueError, match=message):
        open_datasets(tmp_path)


@pytest.mark.parametrize("below", ["", "labels/"])
def test_class_lists_of_two_parts_in_another_order_are_refused(tmp_path, below):
    for first, (part, names) in enumerate({"train": NAMES, "valid": "green\nred\nblue\n"}.items()):
        write_samples(tmp_path, 2, f"{part}/{below}", part, first=10 * first)
        (tmp_path / part / "classes.txt").write_text(names)
    with pytest.raises(
        ValueError, match=r"train/classes.txt and .*valid/classes.txt must"
    ) as caught:
        read_settings(tmp_path)
    assert "class 0 is 'red' in the first and 'green' in the second" in str(caught.value)


@pytest.mark.parametrize(
    ("labels", "images"), [("labels/{}", "images/{}"), ("{}/labels", "{}/images")]
)
def test_a_class_list_among_the_labels_of_each_part_is_read(tmp_path, labels, images):
    for first, part in enumerate(("train", "valid")):
        write_samples(tmp_path, 4, labels.format(part), images.format(part), first=10 * first)
        (tmp_path / labels.format(part) / "classes.txt").write_text(NAMES)
    datasets = open_datasets(tmp_path)
    assert datasets.class_names == CLASS_NAMES
    assert f"of {labels.format('train')}/classes.txt" in "\n".join(datasets.lines)
    assert not any(datasets.problems)
    (tmp_path / labels.format("valid") / "classes.txt").write_text("green\nred\nblue\n")
    with pytest.raises(ValueError, match="must name the classes in one order"):
        read_settings(tmp_path)


def test_a_class_list_is_no_label_of_a_missing_picture(tmp_path):
    write_yolo(tmp_path)
    (tmp_path / "labels" / "train" / "classes.txt").write_text(NAMES)
    assert not any(open_datasets(tmp_path).problems)


def test_class_lists_that_agree_are_read_as_the_longest(tmp_path):
    for first, (part, names) in enumerate({"train": "red\ngreen\n", "valid": NAMES}.items()):
        write_samples(tmp_path, 2, part, part, first=10 * first)
        (tmp_path / part / "classes.txt").write_text(names)
    settings = read_settings(tmp_path)
    assert (list(settings.names.values()), settings.names_from) == (
        CLASS_NAMES[1:], "valid/classes.txt",
    )  # fmt: skip


def test_a_class_list_without_labels_beside_it_does_not_count(tmp_path):
    write_samples(tmp_path, 2)
    (tmp_path / "classes.txt").write_text(NAMES)
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "classes.txt").write_text("a\nb\n")
    assert read_settings(tmp_path).names_from == "classes.txt"


def test_too_many_names_are_refused(tmp_path):
    (tmp_path / "classes.txt").write_text("".join(f"c{n}\n" for n in range(10_001)))
    with pytest.raises(ValueError, match="at most 10000 classes, it has 10,001"):
        read_settings(tmp_path)


def test_other_text_is_not_yolo(tmp_path):
    (tmp_path / "notes.txt").write_text("hello\n")
    (tmp_path / "a.txt").write_text("12 monkeys\n")
    assert not YOLOFolder.detect(tmp_path)


def write_mostly_empty(root, filled, empty=300):
    """Write pictures of which only the last ones have labels that say anything."""
    write_samples(root, filled, "labels", "images")
    for number in range(empty):
        (root / "labels" / f"a{number}.txt").write_text("\n" if number % 2 else "")


def test_a_folder_of_mostly_empty_labels_is_recognised(tmp_path):
    write_mostly_empty(tmp_path, filled=2)
    assert find_dataset(tmp_path).kind == "yolo"


def test_a_data_yaml_that_names_classes_is_enough(tmp_path):
    write_mostly_empty(tmp_path, filled=1, empty=3)
    (tmp_path / "labels" / "drawn_0000.txt").write_text("")
    (tmp_path / "README.roboflow.txt").write_text("Provided by\n")
    with pytest.raises(ValueError, match="is no dataset of a known layout"):
        find_dataset(tmp_path)
    assert find_dataset(tmp_path, "yolo").kind == "yolo"  # a person says so
    (tmp_path / "data.yaml").write_text("names: [red]\n")
    assert find_dataset(tmp_path).kind == "yolo"
    (tmp_path / "labels" / "car.txt").write_text("car 0 0 0 1 2 3 4 0 0 0 0 0 0 0\n")
    assert find_dataset(tmp_path).kind == "kitti"
    with pytest.raises(ValueError, match="It is of the format kitti"):
        find_dataset(tmp_path, "yolo")


def yaml_of(tmp_path, text):
    path = tmp_path / "data.yaml"
    path.write_bytes(text.encode("utf-8"))
    return read_yaml(path)


@pytest.mark.parametrize(
    "names",
    [
        "[cat, big dog, 'it''s, \"x\"']",
        "\n  - cat\n  - big dog  # a comment\n  - 'it''s, \"x\"'\n",
        "\n- cat\n- big dog\n- 'it''s, \"x\"'",
        "\n-    cat\n-  big\n    dog\n- 'it''s, \"x\"'",
        "[cat,\n  big dog,\n  'it''s, \"x\"'\n ]",
        "&all [cat, big dog, 'it''s, \"x\"']\nothers: *all",
    ],
)
def test_lists_of_names(tmp_path, names):
    read = yaml_of(tmp_path, f"nc: 3\nnames: {names}\n")
    assert read["names"] == ["cat", "big dog", 'it\'s, "x"']
    assert read_settings(tmp_path).names == {0: "cat", 1: "big dog", 2: 'it\'s, "x"'}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("names: cat, big dog, cow", ["cat", "big dog", "cow"]),
        ("names: 'cat, big dog, cow'", ["cat", "big dog", "cow"]),
        ("names: \"['cat', 'big dog']\"", ["cat", "big dog"]),
        ("names: cat", ["cat"]),
        ("names: big dog", ["big dog"]),
        ("nc: 2\nnames: cat dog", ["cat", "dog"]),
        ("names: |\n  cat\n  dog\n", ["cat", "dog"]),
        ("names: data/my.names", []),
        ("names: ''", []),
        ("names: ~", []),
    ],
)
def test_names_in_one_text(tmp_path, text, names):
    (tmp_path / "data.yaml").write_text(f"{text}\n")
    assert read_settings(tmp_path).names == dict(enumerate(names))


@pytest.mark.parametrize(
    "names",
    ["{0: cat, 1: 'big: dog'}", "\n  0: cat\n  1: 'big: dog'\n", "\n 0: cat\n\n 1: 'big: dog'"],
)
def test_tables_of_names(tmp_path, names):
    values = yaml_of(tmp_path, f"# data\nnames: {names}\ntrain: x\n")
    assert values == {"names": {"0": "cat", "1": "big: dog"}, "train": "x"}


def test_words_of_a_yaml_file_are_texts_whatever_they_look_like(tmp_path):
    text = (
        "\ufeff---\r\ntrain: ../a/b c # here\r\n'val': \"x#y\"\r\ntest:\r\nurl: https://a.b/c\r\n"
    )
    assert yaml_of(tmp_path, text) == {
        "train": "../a/b c", "val": "x#y", "test": "", "url": "https://a.b/c",
    }  # fmt: skip
    assert yaml_of(tmp_path, "names: [no, 1.0, 007, ~, 2024-01-01]") == {
        "names": ["no", "1.0", "007", "~", "2024-01-01"]
    }
    assert yaml_of(tmp_path, "names: [a]\nroboflow:\n  deep: {er: [b]}\n") == {"names": ["a"]}
    assert yaml_of(tmp_path, "") == yaml_of(tmp_path, "- a\n- b") == {}


LAUGHS = "a0: &a0 [x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30)
)
MERGES = "m0: &m0 {x: 1}\n" + "".join(
    f"m{n}: &m{n} {{<<: [{', '.join([f'*m{n - 1}'] * 9)}]}}\n" for n in range(1, 30)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"names: \xff\n", "data.yaml:1: must be UTF-8"),
        (b"#" * 2_000_000, "must be a short file of settings, it has 2,000,000"),
        (b"nc: 2\nnames: [cat, dog\n", "data.yaml:3: not YAML: expected ',' or ']'"),
        (b"nc: 1\n\tnames: [cat]\n", "data.yaml:2: not YAML: found character"),
        (b"names: !!python/object/apply:os.system [exit]\n", "data.yaml:1: not YAML: could not"),
        (b"names: !!python/name:os.system\n", "data.yaml:1: not YAML: could not"),
        (b"names: *nowhere\n", "data.yaml:1: not YAML: found undefined alias"),
        (b"{[a]: b}\n", "data.yaml:1: not YAML: found unhashable key"),
        (b"names: " + b"[\n" * 50_000, "data.yaml: not YAML: maximum recursion"),
        (b"names: a\x07b\n", "data.yaml: not YAML: unacceptable character"),
    ],
)
def test_a_yaml_file_that_cannot_be_read_is_refused_in_a_sentence(tmp_path, text, message):
    (tmp_path / "data.yaml").write_bytes(text)
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        read_settings(tmp_path)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("text", [LAUGHS + "names: *a29\n", MERGES + "names: *m29\n"])
def test_a_short_file_that_stands_for_a_huge_one_costs_nothing(tmp_path, text):
    (tmp_path / "data.yaml").write_text(text)
    assert read_settings(tmp_path).names == {}


def test_numbers_that_are_taken_from_class_names_are_said(tmp_path):
    """Of coins, `1 cent` may be the whole name; labels that have numbers only cannot tell."""
    (tmp_path / "classes.txt").write_text("1 cent\n2 euro\n")
    settings = read_settings(tmp_path)
    assert settings.names == {0: "cent", 1: "euro"}
    assert settings.notes == ("classes.txt numbers its classes: '1 cent' is read as 'cent'",)
