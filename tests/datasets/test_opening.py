from __future__ import annotations

import json
import logging
import re
import shutil

import pytest

from tests.drawing import (
    draw_samples,
    voc_xml,
    write_list,
    write_open_images,
    write_open_images_csv,
    write_picture,
    write_voc,
    write_voc_sample,
)
from tests.formats import WRITERS, write_coco, write_yolo
from vision.datasets.formats import DATASETS
from vision.datasets.opening import open_datasets, open_split
from vision.datasets.selection import Selection


def ids(index):
    return set(index.image_ids)


def said(datasets):
    return "\n".join(datasets.lines)


@pytest.fixture(params=WRITERS)
def drawn_folder(request, tmp_path):
    """A folder of each format with drawn squares and a stated split."""
    WRITERS[request.param](tmp_path)
    return tmp_path


def test_every_format_is_found_out_and_opened(drawn_folder):
    datasets = open_datasets(drawn_folder)
    kind = re.search(r" \((\w+)\): 8 pictures", said(datasets))[1]
    assert DATASETS[kind].layout
    number = 1 if kind == "ccpd" else 3
    assert len(datasets.class_names) == 1 + number
    assert (len(datasets.train), len(datasets.validation)) == (8, 4)
    assert not ids(datasets.train) & ids(datasets.validation)
    assert not any(datasets.problems)
    assert f"classes: {number} + background (" in said(datasets)
    counts = ", ".join(
        f"{name} {count}" for name, count in datasets.train.boxes_per_class().items()
    )
    assert f"training: {datasets.train.num_boxes} boxes ({counts}), 0 pictures" in said(datasets)
    assert said(datasets).count("8 pictures") == 1


@pytest.mark.parametrize("split", ["train", "val", "test", "all"])
def test_open_split_gives_what_training_saw(drawn_folder, split):
    datasets = open_datasets(drawn_folder)
    index = open_split(drawn_folder, split=split)
    assert index.class_names == datasets.class_names
    expected = {"train": datasets.train, "val": datasets.validation}.get(split)
    if expected is not None:
        assert ids(index) == ids(expected)
    if split == "all":
        assert ids(datasets.train) | ids(datasets.validation) <= ids(index)


@pytest.mark.parametrize("splits", [{}, {"default": 10}, {"trainval": 10}])
def test_where_nothing_is_split_a_part_is_held_out_and_that_is_said(tmp_path, splits):
    write_voc(tmp_path, splits)
    datasets = open_datasets(tmp_path, selection=Selection(seed=5))
    assert len(datasets.validation) == 2
    assert not ids(datasets.train) & ids(datasets.validation)
    assert "held out by seed 5 as no split is stated" in said(datasets)
    for split in ("val", "test"):
        assert ids(open_split(tmp_path, split=split, selection=Selection(seed=5))) == ids(
            datasets.validation
        )
    assert len(open_datasets(tmp_path, selection=Selection(val_split=0)).validation) == 0


def test_lists_that_are_copies_of_each_other_end_in_a_held_out_part(tmp_path):
    names = [sample.image_id for sample in write_voc(tmp_path, {"train": 10})["train"]]
    for split in ("trainval", "val", "test"):
        write_list(tmp_path, split, names)
    datasets = open_datasets(tmp_path)
    assert (len(datasets.train), len(datasets.validation)) == (8, 2)
    assert not ids(datasets.train) & ids(datasets.validation)
    assert "have 10 in common, so that a score would mean little" in said(datasets)
    assert ids(open_split(tmp_path, split="val")) == ids(datasets.validation)


def test_trainval_without_train_loses_the_pictures_of_val(tmp_path):
    names = [sample.image_id for sample in write_voc(tmp_path, {"trainval": 10})["trainval"]]
    write_list(tmp_path, "val", names[6:])
    datasets = open_datasets(tmp_path)
    assert ids(datasets.train) == set(names[:6])
    assert ids(datasets.validation) == set(names[6:])
    assert "have 4 in common, which are not trained on" in said(datasets)


def test_several_folders_have_one_class_list_and_all_validate(tmp_path):
    write_voc(tmp_path / "a", {"train": 6, "val": 3})
    (tmp_path / "a" / "labels.txt").write_text("green\nred\nblue\nunused\n")
    write_open_images(tmp_path / "b", {"train": 8, "validation": 4}, seed=1)
    datasets = open_datasets([tmp_path / "a", tmp_path / "b"])
    assert datasets.class_names == ["BACKGROUND", "green", "red", "blue", "unused"]
    assert (len(datasets.train), len(datasets.validation)) == (14, 7)
    alone = open_datasets(tmp_path / "b").train.boxes_per_class()
    first = open_datasets(tmp_path / "a").train.boxes_per_class()
    assert datasets.train.boxes_per_class() == {
        name: first[name] + alone.get(name, 0) for name in first
    }
    assert "no object to learn from: unused" in said(datasets)
    assert len(open_split([tmp_path / "a", tmp_path / "b"], split="val")) == 7


def test_a_kind_for_each_folder(tmp_path):
    write_voc(tmp_path / "a")
    write_open_images(tmp_path / "b")
    roots = [tmp_path / "a", tmp_path / "b"]
    assert len(open_datasets(roots, ["voc", "open_images"]).train) == 16
    with pytest.raises(ValueError, match="got 2 folders and 1 types"):
        open_datasets(roots, ["voc"])
    with pytest.raises(ValueError, match=r"is no dataset of the layout voc .*format open_images"):
        open_datasets(roots, "voc")


def test_a_folder_given_twice_is_read_once(tmp_path, caplog):
    write_voc(tmp_path)
    assert len(open_datasets([tmp_path, f"{tmp_path}/."]).train) == 8
    assert "given twice and read once" in caplog.text


def test_a_folder_to_validate_on(tmp_path):
    write_voc(tmp_path / "a", {})
    write_open_images(tmp_path / "b", seed=1)
    datasets = open_datasets(tmp_path / "a", validation_root=tmp_path / "b")
    assert (len(datasets.train), len(datasets.validation)) == (8, 4)
    same = open_datasets(tmp_path / "b", validation_root=tmp_path / "b")
    assert (len(same.train), len(same.validation)) == (8, 4)


def test_files_of_another_folders_validation_are_not_trained_on(tmp_path):
    write_voc(tmp_path / "a", {"train": 6})
    write_voc(tmp_path / "b", {"val": 2})
    shutil.copytree(
        tmp_path / "a" / "Annotations", tmp_path / "b" / "Annotations", dirs_exist_ok=True
    )
    shutil.rmtree(tmp_path / "b" / "JPEGImages")
    (tmp_path / "b" / "JPEGImages").symlink_to(tmp_path / "a" / "JPEGImages")
    datasets = open_datasets(tmp_path / "a", validation_root=tmp_path / "b")
    assert (len(datasets.train), len(datasets.validation)) == (4, 2)
    assert "2 pictures to train on are validated on too" in said(datasets)


def test_a_class_that_only_validation_has_is_left_out_and_listed(tmp_path):
    write_open_images(tmp_path, {"train": 8, "validation": 4})
    table = tmp_path / "sub-validation-annotations-bbox.csv"
    table.write_text(table.read_text().replace(",blue\n", ",reed\n"))
    datasets = open_datasets(tmp_path)
    assert datasets.class_names == ["BACKGROUND", "blue", "green", "red"]
    assert list(datasets.problems[0].counts) == ["unknown class"]
    problem = next(iter(datasets.problems[0]))
    assert "'reed' is not in the class list; did you mean 'red'?" in problem.message
    assert problem.file == "sub-validation-annotations-bbox.csv"


def test_a_net_that_knows_fewer_classes_is_still_measured(tmp_path, caplog):
    write_voc(tmp_path)
    index = open_split(tmp_path, class_names=["BACKGROUND", "red", "unicorn"])
    assert index.class_names == ["BACKGROUND", "red", "unicorn"]
    assert set(index.labels.tolist()) <= {1}
    assert len(index) == 4
    assert "unknown class" in caplog.text


def test_bad_data_is_summed_up_in_one_record(tmp_path, caplog):
    drawn = write_voc(tmp_path, {"train": 12, "val": 2})["train"]
    write_list(
        tmp_path, "train", [sample.image_id for sample in drawn] + [f"x{n}" for n in range(9)]
    )
    boxes = [(5, 5, 5, 5), (9, 9, 30, 30)]
    text = voc_xml(boxes, ["red", "Red"], filename="drawn_0000.png")
    (tmp_path / "Annotations" / "drawn_0000.xml").write_text(text)
    with caplog.at_level(logging.INFO):
        datasets = open_datasets(tmp_path)
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 1
    assert "9 x annotation missing (left out)" in warnings[0]
    assert "Annotations/drawn_0000.xml: object 1 'red' is 0 x 0" in warnings[0]
    assert "'Red' is not in the class list; did you mean 'red'?" in warnings[0]
    assert len(datasets.train) == 12
    assert datasets.train[0].boxes.shape == (0, 4)
    assert all(line in caplog.text for line in datasets.lines)


def test_a_folder_that_is_mostly_unusable_stops_unless_allowed(tmp_path):
    drawn = write_voc(tmp_path, {"train": 4, "val": 1})["train"]
    write_list(
        tmp_path, "train", [sample.image_id for sample in drawn] + [f"x{n}" for n in range(6)]
    )
    message = (
        r"cannot be used: 5 of 11 pictures are left, which is less than half "
        r"\(6 x annotation missing\); the first of 6 losses: Annotations/x0.xml: .*; "
        r"Annotations/x1.xml: .*check_dataset.py lists all"
    )
    with pytest.raises(ValueError, match=message):
        open_datasets(tmp_path)
    assert len(open_datasets(tmp_path, allow_unusable=True).train) == 4


def test_a_folder_whose_boxes_have_other_names_stops(tmp_path):
    write_voc(tmp_path)
    (tmp_path / "labels.txt").write_text("Red\nGreen\nBlue\n")
    with pytest.raises(ValueError, match=r"0 of \d+ boxes are left, .*did you mean"):
        open_datasets(tmp_path)
    with pytest.raises(ValueError, match="no usable object to learn from"):
        open_datasets(tmp_path, allow_unusable=True)


def test_negatives_alone_are_nothing_to_learn_from(tmp_path):
    write_voc(tmp_path, {"train": 3, "val": 2}, negatives=3)
    with pytest.raises(ValueError, match="no usable object to learn from"):
        open_datasets(tmp_path)


def test_an_empty_validation_table_gives_way_to_the_test_part(tmp_path):
    write_open_images(tmp_path, {"train": 4, "test": 3})
    write_open_images_csv(tmp_path / "sub-validation-annotations-bbox.csv", [])
    assert len(open_datasets(tmp_path).validation) == 3


@pytest.mark.parametrize(
    ("kind", "error", "message"),
    [
        (
            "auto",
            ValueError,
            r"is no dataset of a known layout: it holds stuff/.*docs/datasets\.md",
        ),
        ("yol", ValueError, "dataset type must be auto or one of voc, open_images, .*, got 'yol'"),
    ],
)
def test_what_is_no_dataset_is_described(tmp_path, kind, error, message):
    (tmp_path / "stuff").mkdir()
    (tmp_path / "notes.txt").touch()
    with pytest.raises(error, match=message) as caught:
        open_datasets(tmp_path, kind)
    if kind == "auto":
        assert "stuff/, 1 file .txt. There are no pictures in it" in str(caught.value)


def test_a_dataset_one_folder_further_down_is_pointed_at(tmp_path):
    write_voc(tmp_path / "VOC2007")
    with pytest.raises(ValueError, match=r"Did you mean .*VOC2007\?"):
        open_datasets(tmp_path)


def test_a_missing_folder_is_named_in_full(tmp_path):
    with pytest.raises(FileNotFoundError, match=f"no dataset folder {tmp_path}/nowhere"):
        open_datasets(tmp_path / "nowhere")


def test_a_folder_without_pictures_to_train_on(tmp_path):
    write_voc(tmp_path, {"test": 3})
    with pytest.raises(ValueError, match=r"must have pictures to train on, found test \(ImageSets"):
        open_datasets(tmp_path)
    assert len(open_split(tmp_path)) == 3
    with pytest.raises(ValueError, match="split must be one of train, val, test, all"):
        open_split(tmp_path, split="tset")
    with pytest.raises(ValueError, match="val_split must be a fraction"):
        open_datasets(tmp_path, selection=Selection(val_split=1.5))


def test_a_layout_that_fits_two_formats_is_said(tmp_path):
    write_voc(tmp_path)
    write_open_images(tmp_path)
    assert "read as voc, though it could be open_images too" in said(open_datasets(tmp_path))


def test_a_sample_written_later_is_found(tmp_path):
    write_voc(tmp_path, {})
    write_voc_sample(tmp_path, draw_samples(1, first=99)[0])
    assert len(open_split(tmp_path, split="all")) == 9


def test_fruit(real_datasets):
    datasets = open_datasets(real_datasets / "fruit")
    assert (len(datasets.train), len(datasets.validation)) == (240, 60)
    assert datasets.train.num_boxes + datasets.validation.num_boxes == 582
    assert datasets.class_names == ["BACKGROUND", "apple", "banana", "orange"]
    assert (datasets.train.sizes > 0).all()
    assert not any(datasets.problems)


def test_bccd(real_datasets):
    index = open_split(real_datasets / "bccd", split="all")
    assert (len(index), index.num_boxes) == (364, 4886)
    datasets = open_datasets(real_datasets / "bccd")
    assert (len(datasets.train), len(datasets.validation)) == (205, 87)
    assert not ids(datasets.train) & ids(datasets.validation)


def test_classes_are_renamed_joined_and_chosen(tmp_path):
    write_voc(tmp_path / "a")
    write_open_images(tmp_path / "b")
    roots = [tmp_path / "a", tmp_path / "b"]
    everything = open_datasets(roots).train.boxes_per_class()
    joined = Selection(class_map={"red": "warm", "green": "cold", "blue": "cold"})
    datasets = open_datasets(roots, selection=joined)
    assert datasets.class_names == ["BACKGROUND", "warm", "cold"]
    assert datasets.train.boxes_per_class() == {
        "warm": everything["red"],
        "cold": everything["green"] + everything["blue"],
    }
    chosen = open_datasets(roots, selection=Selection(classes=("blue", "red")))
    assert chosen.train.boxes_per_class() == {name: everything[name] for name in ("blue", "red")}
    assert "chosen of 3: " in said(chosen)
    assert len(chosen.train) == 16
    assert not any(chosen.problems)


@pytest.mark.parametrize(
    "selection", [Selection(classes=("rde",)), Selection(class_map={"rde": "blue"})]
)
def test_a_class_that_no_folder_has_is_refused(tmp_path, selection):
    write_voc(tmp_path)
    with pytest.raises(ValueError, match=r"(blue|green)\), got 'rde'; did you mean 'red'"):
        open_datasets(tmp_path, selection=selection)


@pytest.mark.parametrize(("share", "left"), [(1, 4), (0, 0), (0.2, 1)])
def test_negatives_are_kept_dropped_or_limited(tmp_path, share, left):
    write_voc(tmp_path, {"train": 8, "val": 4}, negatives=4)
    datasets = open_datasets(tmp_path, selection=Selection(negatives=share))
    assert (len(datasets.train), datasets.train.num_negatives) == (4 + left, left)
    assert datasets.validation.num_negatives == 4
    assert ("pictures without objects are trained on" in said(datasets)) == (left < 4)


def test_copies_under_other_names_are_not_trained_on(tmp_path):
    write_voc(tmp_path, {"train": 6, "val": 2})
    for name in ("drawn_0006", "drawn_0007"):
        for folder, suffix in (("JPEGImages", ".png"), ("Annotations", ".xml")):
            file = tmp_path / folder / (name + suffix)
            shutil.copy(file, file.with_name("copy_" + file.name))
    write_list(tmp_path, "train", ["drawn_0000", "drawn_0001", "copy_drawn_0006"])
    datasets = open_datasets(tmp_path)
    assert ids(datasets.train) == {"drawn_0000", "drawn_0001"}
    assert "the 3 pictures to train on and the 2 to validate on have 1 in common" in said(datasets)


def test_pictures_of_one_number_in_two_folders_are_all_used(tmp_path):
    samples = draw_samples(4), draw_samples(4, seed=1)
    for split, drawn in zip(("train", "validation"), samples):
        for sample in drawn:
            write_picture(tmp_path / split / f"{sample.image_id}.png", sample.image)
        write_open_images_csv(tmp_path / f"sub-{split}-annotations-bbox.csv", drawn)
    datasets = open_datasets(tmp_path)
    assert (len(datasets.train), len(datasets.validation)) == (4, 4)
    assert "in common" not in said(datasets)
    assert len(open_split(tmp_path, split="all")) == 8


def test_folders_that_are_copies_of_each_other_end_in_a_held_out_part(tmp_path):
    write_coco(tmp_path, {"train": 10})
    shutil.copytree(tmp_path / "train2017", tmp_path / "val2017")
    annotations = tmp_path / "annotations"
    shutil.copy(annotations / "instances_train2017.json", annotations / "instances_val2017.json")
    datasets = open_datasets(tmp_path)
    assert (len(datasets.train), len(datasets.validation)) == (8, 2)
    assert "have 10 in common, so that a score would mean little" in said(datasets)


@pytest.mark.parametrize("splits", [{"train": 6, "val": 3}, {"train": 6}])
@pytest.mark.parametrize("count", [0, 1, 6])
def test_a_test_part_that_is_trained_on_is_warned_of(splits, count, tmp_path, caplog):
    samples = write_voc(tmp_path, {**splits, "test": 3})
    shared = [sample.image_id for sample in samples["train"][:count]]
    write_list(tmp_path, "test", [*(sample.image_id for sample in samples["test"]), *shared])
    open_split(tmp_path, split="test")
    # Without a part val, the test part is validated on, and a few are left out of training.
    expected = count and ("val" in splits or count == 6)
    assert (f"{count} of the pictures to train on" in caplog.text) == bool(expected)
    assert ("are tested on too" in caplog.text) == bool(expected)


def refusal(folder, **options):
    """Return what is said of a folder that cannot be opened."""
    with pytest.raises(ValueError) as caught:
        open_datasets(folder, **options)
    return str(caught.value)


def test_no_object_to_learn_from_is_said_with_what_was_noticed(tmp_path):
    write_yolo(tmp_path / "yolo", {"train": 3})
    (tmp_path / "yolo" / "labels").rename(tmp_path / "yolo" / "annotations")
    said = refusal(tmp_path / "yolo", kind="yolo")
    assert "no usable object to learn from" in said and "have no label file" in said
    write_voc(tmp_path / "voc", {})
    said = refusal(tmp_path / "voc", validation_root=tmp_path / "voc")
    assert "are validated on too" in said


def test_pictures_of_a_phone_are_named_where_there_are_no_others(tmp_path):
    write_yolo(tmp_path / "yolo", {"train": 3})
    for path in list((tmp_path / "yolo").rglob("*.png")):
        path.rename(path.with_suffix(".HEIC"))
    said = refusal(tmp_path / "yolo")
    assert "heif-convert" in said
    for path in list((tmp_path / "yolo").rglob("*.HEIC")):
        path.unlink()
    assert "has no picture to train on: none lies where" in refusal(tmp_path / "yolo")


def test_annotation_that_nobody_reads_is_not_called_missing(tmp_path):
    write_voc(tmp_path / "data", {})
    for path in (tmp_path / "data" / "Annotations").iterdir():
        path.unlink()
    (tmp_path / "data" / "boxes.json").write_text("[[1, 2, 3, 4]]")
    assert "If boxes.json and 1 more have them" in refusal(tmp_path / "data")


def test_a_hint_leads_to_a_folder_that_can_be_read(tmp_path):
    """Two levels down too, and never to one without pictures."""
    write_voc(tmp_path / "deep" / "a" / "b", {})
    assert f"Did you mean {tmp_path / 'deep' / 'a' / 'b'}?" in refusal(tmp_path / "deep")
    write_coco(tmp_path / "coco")
    (tmp_path / "coco" / "export").mkdir()
    for path in list((tmp_path / "coco").rglob("*.json")):
        path.rename(tmp_path / "coco" / "export" / path.name)
    said = refusal(tmp_path / "coco")
    assert "export has annotation of the format coco, but no pictures: move its files to" in said


def test_a_folder_of_a_dataset_beside_the_dataset_is_that_dataset_once(tmp_path, caplog):
    write_voc(tmp_path, {"train": 8, "val": 4})
    datasets = open_datasets([tmp_path, tmp_path / "JPEGImages", tmp_path / "Annotations"])
    assert len(datasets.train) == 8
    assert caplog.text.count("given twice and read once") == 2


def test_an_archive_is_said_to_be_one(tmp_path):
    (tmp_path / "fruit.zip").write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"fruit\.zip is packed; unpack it"):
        open_datasets(tmp_path / "fruit.zip")


def write_cameras(root, form):
    """Write pictures of one name in the folders of two cameras, one to a part; that of val is gone.

    cam1/2.png is trained on; cam2/2.png and cam2/3.png are to be validated on.
    """
    for number, one in enumerate(("cam1/1", "cam1/2", "cam2/3")):
        write_picture(root / "JPEGImages" / f"{one}.png", draw_samples(1, number)[0].image)
    for part, names in {"train": ("cam1/1", "cam1/2"), "val": ("cam2/2", "cam2/3")}.items():
        if form == "voc":
            write_list(root, part, names)
            for one in names:
                path = root / "Annotations" / f"{one}.xml"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(voc_xml([[10, 20, 60, 70]], [part], filename=f"{one}.png"))
        elif form == "csv":
            lines = [f"{one}.png,{part},10,20,60,70" for one in names]
            header = "filename,class,xmin,ymin,xmax,ymax"
            (root / f"{part}.csv").write_text("\n".join([header, *lines]))
        else:
            images = [{"id": n, "file_name": f"{one}.png"} for n, one in enumerate(names)]
            marks = [{"image_id": n, "category_id": 1, "bbox": [10, 20, 50, 50]} for n in range(2)]
            data = {"images": images, "annotations": marks}
            data["categories"] = [{"id": 1, "name": "thing"}]
            (root / f"{part}.json").write_text(json.dumps(data))


@pytest.mark.parametrize("form", ["voc", "csv", "coco"])
@pytest.mark.parametrize("gone", ["val", "train"])
def test_a_picture_that_is_gone_is_not_that_of_the_other_part(tmp_path, form, gone):
    write_cameras(tmp_path, form)
    if gone == "train":
        (tmp_path / "JPEGImages/cam1/2.png").rename(tmp_path / "JPEGImages/cam2/2.png")
    datasets = open_datasets(tmp_path, allow_unusable=True)
    counts = len(datasets.train), len(datasets.validation)
    assert counts == ((2, 1) if gone == "val" else (1, 2))
    assert datasets.problems[0].counts["picture missing"] == 1
    (problem,) = (one for one in datasets.problems[0] if one.kind == "picture missing")
    left = "cam1/2" if gone == "val" else "cam2/2"
    assert f"/{left}.png' is that of '{left}" in str(problem) or f"'{left}.png' is" in str(problem)


def test_when_no_picture_is_there_the_message_says_so(tmp_path):
    write_voc(tmp_path, {}, labels=False)
    shutil.rmtree(tmp_path / "JPEGImages")
    (tmp_path / "JPEGImages").mkdir()
    write_picture(tmp_path / "JPEGImages/other.png", draw_samples(1)[0].image)
    message = rf"none of the annotated pictures in {tmp_path} can be used; the first of 8 losses"
    with pytest.raises(ValueError, match=message):
        open_datasets(tmp_path)


@pytest.mark.parametrize("name", ["coco", "createml", "via"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.99])
def test_a_json_file_that_breaks_off_is_said_to(tmp_path, name, share):
    WRITERS[name](tmp_path)
    path = next(one for one in sorted(tmp_path.rglob("*.json")) if one.stat().st_size > 100)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    message = r"\.json:\d+: not JSON: the file breaks off before its end; copy, download or export"
    with pytest.raises(ValueError, match=message):
        open_datasets(path)
