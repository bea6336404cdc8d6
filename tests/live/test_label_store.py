from __future__ import annotations

import errno
import os
import threading
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import check_dataset
from tests.drawing import write_voc
from vision.datasets.formats import voc_writing
from vision.datasets.opening import open_split
from vision.live.labelling.routes import LabelRoutes
from vision.live.labelling.session import parse_objects
from vision.live.labelling.store import GoneError, LabelError, LabelledObject, LabelStore
from vision.live.saving import GIGABYTE, Budget, LimitReachedError
from vision.pictures.suffixes import PICTURE_SUFFIXES
from vision.pictures.writing import encode_picture
from vision.utils.cli import run_main

SIZE = (64, 48)


def jpeg(seed=0):
    """Draw a picture unlike those of other seeds: pictures that are alike count as one."""
    rng = np.random.default_rng(seed)
    return encode_picture(
        np.kron(rng.integers(0, 255, (6, 8, 3)), np.ones((8, 8, 1))).astype("uint8")
    )


JPEG = jpeg()
APPLE = LabelledObject("apple", (3, 5, 31, 47))
PEAR = LabelledObject("pear & <fig>", (0, 0, 64, 48))


def noon():
    return datetime(2024, 5, 6, 12, 0, 7)


def store_in(folder, names=("apple", "pear & <fig>"), limit=GIGABYTE):
    return LabelStore(folder, names, Budget(limit), noon)


def files(folder):
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )


def lines(folder, name):
    return (folder / "ImageSets" / "Main" / f"{name}.txt").read_text(encoding="utf-8").split("\n")


def test_a_saved_picture_is_a_dataset_that_comes_back_to_the_pixel(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path.parent)  # where check_dataset.py writes its report
    store = store_in(tmp_path)
    store.save(JPEG, SIZE, [APPLE, PEAR], "train")
    store.save(jpeg(1), SIZE, [], "val")
    assert files(tmp_path) == [
        "Annotations/20240506-120007.xml", "Annotations/20240506-120007_2.xml",
        "ImageSets/Main/train.txt", "ImageSets/Main/trainval.txt", "ImageSets/Main/val.txt",
        "JPEGImages/20240506-120007.jpg", "JPEGImages/20240506-120007_2.jpg", "labels.txt",
    ]  # fmt: skip
    assert (tmp_path / "JPEGImages" / "20240506-120007.jpg").read_bytes() == JPEG
    train, val = (open_split(tmp_path, split=split) for split in ("train", "val"))
    assert train[0].boxes.tolist() == [list(APPLE.box), list(PEAR.box)]
    assert [train.class_names[label] for label in train[0].labels] == [APPLE.name, PEAR.name]
    assert len(val) == 1
    assert val[0].boxes.shape == (0, 4)
    assert run_main(check_dataset.main, check_dataset.parse_args([str(tmp_path)])) == 0
    assert "apple" in capsys.readouterr().out


def test_counts_and_sets_and_reading_again(tmp_path):
    store = store_in(tmp_path)
    store.save(JPEG, SIZE, [APPLE, APPLE], "train")
    store.save(JPEG, SIZE, [APPLE], "test", wish="my photo.JPG")
    for one in (store, store_in(tmp_path, names=())):
        assert one.class_names == ["apple", "pear & <fig>"]
        assert one.counts() == {"apple": 3, "pear & <fig>": 0}
        assert one.set_sizes() == {"train": 1, "val": 0, "test": 1}
        assert one.names == ["20240506-120007", "my photo"]
        assert one.read("my photo").objects == (APPLE,)
        assert (one.read("my photo").part, one.read("my photo").size) == ("test", SIZE)


class CountingName(str):
    """A name that counts how often it is compared with another."""

    compared = 0
    __hash__ = str.__hash__

    def __eq__(self, other):
        CountingName.compared += 1
        return str.__eq__(self, other)


def test_the_state_of_a_large_folder_takes_few_comparisons_a_picture(tmp_path, monkeypatch):
    """Each was looked for in whole lists, and the sets were counted three times."""
    write_voc(tmp_path, {"train": 20, "val": 12, "test": 8}, suffix=".jpg")
    store = store_in(tmp_path)
    store.names = [CountingName(name) for name in store.names]
    monkeypatch.setattr(CountingName, "compared", 0)
    state = LabelRoutes(SimpleNamespace(store=store)).describe()
    assert state["sets"] == {"train": 20, "val": 12, "test": 8}
    assert CountingName.compared <= 2 * len(store.names)


def test_undo_leaves_nothing_behind(tmp_path):
    store = store_in(tmp_path)
    first = store.save(JPEG, SIZE, [APPLE], "train")
    before = {name: (tmp_path / name).read_bytes() for name in files(tmp_path)}
    second = store.save(JPEG, SIZE, [PEAR], "val")
    store.undo(second.name)
    after = {name: (tmp_path / name).read_bytes() for name in files(tmp_path)}
    assert after.pop("ImageSets/Main/val.txt") == b""
    assert after == before
    with pytest.raises(LabelError, match="no save"):
        store.undo(second.name)
    changed = store.replace(first.name, first.revision, [PEAR], "test")
    assert (store.read(first.name).objects, store.read(first.name).part) == ((PEAR,), "test")
    assert lines(tmp_path, "train") == [""]
    store.undo(changed.name)
    assert store.read(first.name) == first


@pytest.mark.parametrize(
    "deleted", [["JPEGImages"], ["Annotations"], ["JPEGImages", "Annotations"]]
)
def test_undo_goes_all_the_way_where_files_were_deleted_by_hand(tmp_path, deleted):
    """It stopped halfway: no list and no annotation, but the picture stood in the state."""
    store = store_in(tmp_path)
    first = store.save(JPEG, SIZE, [APPLE], "train")
    before = files(tmp_path)
    second = store.save(JPEG, SIZE, [PEAR], "train")
    for file in (path for folder in deleted for path in (tmp_path / folder).iterdir()):
        if file.stem == second.name:
            file.unlink()
    store.undo(second.name)
    assert (files(tmp_path), store.names) == (before, [first.name])
    assert store.set_sizes()["train"] == 1
    assert store.counts() == {"apple": 1, "pear & <fig>": 0}
    for ask in (store.read, store.picture_path):
        with pytest.raises(GoneError, match="no such picture any more"):
            ask(second.name)


def test_an_undo_that_fails_can_be_tried_again(tmp_path, monkeypatch):
    store = store_in(tmp_path)
    saved = store.save(JPEG, SIZE, [APPLE], "train")

    def refused(self, missing_ok=False):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refused)
        with pytest.raises(PermissionError):
            store.undo(saved.name)
    assert store.names == [saved.name]
    store.undo(saved.name)
    assert (store.names, files(tmp_path / "JPEGImages")) == ([], [])


def test_only_what_this_run_saved_can_be_taken_back(tmp_path):
    saved = store_in(tmp_path).save(JPEG, SIZE, [APPLE], "train")
    again = store_in(tmp_path)
    for name in (saved.name, "../labels", "", "labels"):
        with pytest.raises(LabelError, match="no save"):
            again.undo(name)
    assert again.read(saved.name) == saved


def test_two_windows_cannot_overwrite_each_other(tmp_path):
    store = store_in(tmp_path)
    opened = store.save(JPEG, SIZE, [APPLE], "train")
    store.replace(opened.name, opened.revision, [PEAR], "train")
    with pytest.raises(LabelError, match="another window"):
        store.replace(opened.name, opened.revision, [], "train")
    assert store.read(opened.name).objects == (PEAR,)


def test_many_at_once_all_arrive(tmp_path):
    store = store_in(tmp_path)
    save = [threading.Thread(target=store.save, args=(jpeg(seed), SIZE, [APPLE], "train"))
            for seed in range(16)]  # fmt: skip
    for thread in save:
        thread.start()
    for thread in save:
        thread.join()
    assert len(open_split(tmp_path, split="all")) == 16
    assert store.counts()["apple"] == 16


@pytest.mark.parametrize(
    ("objects", "part", "complaint"),
    [
        ([LabelledObject("plum", (0, 0, 5, 5))], "train", "no class 'plum'"),
        ([LabelledObject("apple", (-1, 0, 5, 5))], "train", "must lie in the picture"),
        ([LabelledObject("apple", (0, 0, 65, 5))], "train", "must lie in the picture"),
        ([LabelledObject("apple", (5, 5, 5, 9))], "train", "must lie in the picture"),
        ([LabelledObject("apple", (0, 0, 10**400, 9))], "train", "must lie in the picture"),
        ([], "../../x", "the set must be"),
        ([], "", "the set must be"),
    ],
)
def test_what_cannot_be_saved_changes_no_file(tmp_path, objects, part, complaint):
    store = store_in(tmp_path)
    with pytest.raises(LabelError, match=complaint):
        store.save(JPEG, SIZE, objects, part)
    assert files(tmp_path) == []


def test_the_limit_holds(tmp_path):
    store = store_in(tmp_path, limit=int(2.5 * len(JPEG)))
    store.save(JPEG, SIZE, [], "train")
    last = store.save(JPEG, SIZE, [], "train")
    with pytest.raises(LimitReachedError, match="--max-saved-gb"):
        store.save(JPEG, SIZE, [], "train")
    assert len(files(tmp_path / "JPEGImages")) == 2
    store.undo(last.name)
    store.save(JPEG, SIZE, [], "train")


def test_the_class_list_until_the_first_save_and_after(tmp_path):
    store = store_in(tmp_path, names=())
    with pytest.raises(LabelError, match="name the classes"):
        store.save(JPEG, SIZE, [], "train")
    store.set_class_names(["fig", " red   plum "])
    store.set_class_names(["apple", "plum"])
    assert (tmp_path / "labels.txt").read_text() == "apple\nplum\n"
    store.save(JPEG, SIZE, [APPLE], "train")
    store.set_class_names(["apple", "plum", "Birne süß"])
    for names in (["plum", "apple"], ["apple"], []):
        with pytest.raises(LabelError, match="labelled already"):
            store.set_class_names(names)
    assert store_in(tmp_path).class_names == ["apple", "plum", "Birne süß"]


@pytest.mark.parametrize(
    "name", ["", " ", "a\0b", "x" * 101, "BACKGROUND", "Background", "a\x1bb", "__ignore__"]
)
def test_names_that_no_class_can_have(tmp_path, name):
    with pytest.raises(ValueError, match=r"the name of a class|no object"):
        store_in(tmp_path, ()).set_class_names(["apple", name])
    assert files(tmp_path) == []


def test_no_class_is_there_twice_whoever_names_it(tmp_path):
    """A list with a name twice is one that nothing can read."""
    for names in (["apple", "apple"], ["apple", " apple "]):
        with pytest.raises(ValueError, match="'apple' must be named once"):
            store_in(tmp_path, ()).set_class_names(names)
    with pytest.raises(ValueError, match="'apple' twice"):
        store_in(tmp_path, ("apple", "pear", "apple"))
    assert files(tmp_path) == []


def test_a_link_that_leads_out_of_the_folder_is_not_followed(tmp_path):
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    folder = tmp_path / "labels"
    saved = store_in(folder).save(JPEG, SIZE, [APPLE], "train")
    picture = folder / "JPEGImages" / f"{saved.name}.jpg"
    picture.unlink()
    picture.symlink_to(tmp_path / "secret.jpg")
    with pytest.raises(ValueError, match="through a link"):
        store_in(folder).picture_path(saved.name)


def test_a_folder_of_camera_capture_is_gone_on_with(tmp_path):
    samples = write_voc(tmp_path, {"train": 3, "test": 2}, suffix=".jpg", labels=False)
    (tmp_path / "Annotations" / "broken.xml").write_text("<annotation>")
    (tmp_path / "JPEGImages" / "broken.jpg").write_bytes(JPEG)
    store = store_in(tmp_path, names=())
    assert len(store.names) == 5
    assert set(store.class_names) <= {"red", "green", "blue"}
    first = samples["train"][0]
    assert [list(one.box) for one in store.read(first.image_id).objects] == first.boxes.tolist()
    store.save(JPEG, SIZE, [], "train")
    assert len(open_split(tmp_path, split="train")) == 4
    assert len(open_split(tmp_path, split="test")) == 2


@pytest.mark.parametrize("suffix", PICTURE_SUFFIXES)
def test_a_labelled_picture_of_any_format_is_known_and_never_written_over(tmp_path, suffix):
    """A picture of the same name replaced the annotation, and undo deleted it."""
    annotation = write_annotated(tmp_path, "photo")
    drawn = encode_picture(np.full((48, 64, 3), 90, np.uint8))  # read by content, not by suffix
    (tmp_path / "JPEGImages").mkdir()
    (tmp_path / "JPEGImages" / f"photo{suffix}").write_bytes(drawn)
    before = annotation.read_bytes()
    store = store_in(tmp_path)
    assert store.names == ["photo"]
    assert store.read("photo").objects == (APPLE,)
    saved = store.save(JPEG, SIZE, [PEAR], "train", wish=f"photo{suffix}")
    assert saved.name == "photo_2"
    store.undo("photo_2")
    assert annotation.read_bytes() == before


@pytest.mark.parametrize("name", ["photo.xml", "photo.XML"])
@pytest.mark.parametrize("later", [False, True])
def test_an_annotation_without_its_picture_is_kept(tmp_path, name, later):
    store = store_in(tmp_path)  # before the annotation, as another program may write it
    annotation = write_annotated(tmp_path, "photo")
    if not later:
        annotation = annotation.rename(annotation.with_name(name))
        store = store_in(tmp_path)
    before = annotation.read_bytes()
    assert store.save(JPEG, SIZE, [PEAR], "train", wish="photo.jpg").name == "photo_2"
    store.undo("photo_2")
    assert annotation.read_bytes() == before


def write_annotated(folder, name):
    """Write the annotation of a picture with APPLE, as another program does; return its path."""
    path = folder / "Annotations" / f"{name}.xml"
    picture = voc_writing.VOCPicture(path, SIZE, np.float32([APPLE.box]), [APPLE.name])
    voc_writing.write_annotation(path, picture)
    return path


def test_new_names_for_a_folder_with_classes_go_to_the_end(tmp_path):
    """They were left out without a word, and the labels of all others must keep their numbers."""
    write_voc(tmp_path, {"train": 6}, suffix=".jpg")
    store = store_in(tmp_path, names=("kiwi",))
    assert store.class_names == ["red", "green", "blue"]
    assert store.add_class_names(["kiwi", "green", "fig"]) == ["kiwi", "fig"]
    assert store.add_class_names(["fig"]) == []
    store.save(JPEG, SIZE, [LabelledObject("kiwi", APPLE.box)], "train")
    assert store_in(tmp_path).class_names == ["red", "green", "blue", "kiwi", "fig"]


@pytest.mark.parametrize("text", ["0 red\n1 green\n2 blue\n", "red,green,blue\n"])
def test_classes_of_a_folder_are_what_the_dataset_has(tmp_path, text):
    """In any form that the dataset's reader knows; what is written then says the same."""
    write_voc(tmp_path, {"train": 6}, suffix=".jpg")
    (tmp_path / "labels.txt").write_text(text)
    store = store_in(tmp_path, names=())
    assert store.class_names == ["red", "green", "blue"]
    store.save(JPEG, SIZE, [], "train")
    assert (tmp_path / "labels.txt").read_text() == "red\ngreen\nblue\n"
    assert open_split(tmp_path, split="train").class_names[1:] == ["red", "green", "blue"]


def test_of_a_folder_with_trainval_alone_nothing_gets_lost(tmp_path):
    write_voc(tmp_path, {"trainval": 3, "val": 1}, suffix=".jpg")
    store = store_in(tmp_path)
    saved = store.save(JPEG, SIZE, [], "train")
    assert len(lines(tmp_path, "trainval")) - 1 == 5
    assert len(lines(tmp_path, "train")) - 1 == 4
    store.undo(saved.name)
    assert len(lines(tmp_path, "trainval")) - 1 == 4


@pytest.mark.parametrize(
    "objects",
    [
        None, {}, "x", [1], [{"name": "a"}], [{"name": 1, "box": [0, 0, 1, 1]}],
        [{"name": "a", "box": [0, 0, 1]}], [{"name": "a", "box": [0, 0, 1, "1"]}],
        [{"name": "a", "box": [0, 0, 1, float("nan")]}], [{"name": "a", "box": [0, 0, 1, True]}],
        [{"name": "a", "box": [0, 0, 1, 1]}] * 1001,
    ],
)  # fmt: skip
def test_what_is_no_list_of_objects(objects):
    with pytest.raises(LabelError):
        parse_objects(objects)


def test_boxes_are_whole_pixels():
    sent = [{"name": "apple", "box": [2.6, 5, 31.2, 47]}]
    assert parse_objects(sent) == [APPLE]


@pytest.mark.parametrize("written", ["write_annotation", "write_lists"])
def test_a_save_that_does_not_fit_leaves_no_picture_without_its_objects(
    tmp_path, monkeypatch, written
):
    store = store_in(tmp_path)
    store.save(JPEG, SIZE, [APPLE], "train")
    before = {name: (tmp_path / name).read_bytes() for name in files(tmp_path)}

    def no_room(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(voc_writing, written, no_room)
        with pytest.raises(OSError, match="No space left"):
            store.save(jpeg(1), SIZE, [PEAR], "val")
    assert {name: (tmp_path / name).read_bytes() for name in files(tmp_path)} == before
    assert store.names == ["20240506-120007"]
    assert store.counts() == {"apple": 1, "pear & <fig>": 0}
    assert store.save(jpeg(1), SIZE, [PEAR], "val").name == "20240506-120007_2"
