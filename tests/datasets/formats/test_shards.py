"""Tar shards: what is written comes back, other tools read it, and what does not fit is said."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.drawing import draw_samples, voc_xml, write_picture, write_voc
from tests.formats import WRITERS, add_member, shard_json
from tests.same_samples import require_same
from vision.datasets.checks.pictures import PictureChecks
from vision.datasets.formats.shards import scanning
from vision.datasets.formats.shards.index_file import INDEX_NAME, load_index
from vision.datasets.formats.shards.writing import write_shards
from vision.datasets.formats.voc_writing import copy_as_voc
from vision.datasets.likeness import same_content
from vision.datasets.opening import open_datasets, open_split
from vision.loading.dataset import DetectionDataset
from vision.pictures.files import packed_picture
from vision.pictures.reading import PictureError, read_picture

COLUMNS = ("sizes", "relative", "offsets", "boxes", "labels", "difficult")
SMALL = 100_000  # bytes of a shard; two or three of the drawn pictures


def opened(root, **options):
    """Open a folder as training does, with every picture checked."""
    return open_datasets(root, pictures=PictureChecks(), **options)


def parts_of(datasets):
    return {"train": datasets.train, "val": datasets.validation}


@pytest.fixture
def voc(tmp_path):
    """Return a VOC folder with difficult objects and negatives, and the shards made of it."""
    write_voc(tmp_path / "voc", {"train": 9, "val": 4, "test": 2}, suffix=".jpg", negatives=1)
    for path in (tmp_path / "voc" / "Annotations").iterdir():
        text = path.read_text().replace("<difficult>0", "<difficult>1", 1)
        path.write_text(text)
    datasets = opened(tmp_path / "voc")
    write_shards(parts_of(datasets), tmp_path / "shards", 20_000)
    return datasets, tmp_path / "shards"


@pytest.fixture
def bare(tmp_path):
    """Return a folder of shards without index."""
    WRITERS["shards"](tmp_path / "bare")
    return tmp_path / "bare"


def test_the_same_samples_come_back_in_the_same_order(voc):
    datasets, shards = voc
    assert datasets.train.difficult.any()
    assert datasets.train.num_negatives == 1
    again = opened(shards)
    assert "shards): 9 pictures to train on (train-000000.tar to train-00" in again.lines[0]
    for part, index in parts_of(again).items():
        require_same(parts_of(datasets)[part], index)
        for name in COLUMNS:
            expected, found = getattr(parts_of(datasets)[part], name), getattr(index, name)
            assert expected.dtype == found.dtype
            assert expected.tobytes() == found.tobytes(), name
    assert not any(again.problems)


@pytest.mark.parametrize("name", ["yolo", "open_images", "coco"])
def test_fractions_and_pixels_come_back_bit_for_bit(tmp_path, name):
    WRITERS[name](tmp_path / "data", {"train": 5, "val": 2}, negatives=1)
    datasets = opened(tmp_path / "data")
    write_shards(parts_of(datasets), tmp_path / "shards", SMALL)
    again = opened(tmp_path / "shards")
    assert again.train.relative.tolist() == [name != "coco"] * len(datasets.train)
    for part, index in parts_of(again).items():
        require_same(parts_of(datasets)[part], index)
        assert index.boxes.tobytes() == parts_of(datasets)[part].boxes.tobytes()


def test_shards_without_their_index_give_the_same_samples(voc):
    datasets, shards = voc
    (shards / INDEX_NAME).unlink()
    again = opened(shards)
    for part, index in parts_of(again).items():
        require_same(parts_of(datasets)[part], index)


def test_a_split_is_that_of_the_folder(tmp_path):
    write_voc(tmp_path / "voc", {})
    datasets = opened(tmp_path / "voc")  # two of eight are held out
    write_shards(parts_of(datasets), tmp_path / "shards", SMALL)
    again = opened(tmp_path / "shards")
    assert (len(again.train), len(again.validation)) == (6, 2)
    assert list(again.validation.image_ids) == list(datasets.validation.image_ids)


def test_equal_data_give_equal_shards(voc, tmp_path):
    datasets, shards = voc
    write_shards(parts_of(datasets), tmp_path / "again", 20_000)
    names = sorted(path.name for path in shards.iterdir())
    assert names == sorted(path.name for path in (tmp_path / "again").iterdir())
    assert len([name for name in names if name.endswith(".tar")]) > 2
    for name in names:
        if name != INDEX_NAME:  # which numpy stamps with the time
            assert (shards / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_shards_go_by_the_conventions_of_webdataset(voc):
    """A sample is what stands together under one name up to the first dot."""
    datasets, shards = voc
    ids = []
    for path in sorted(shards.glob("train-*.tar")):
        with tarfile.open(path) as tar:
            names = [member.name for member in tar]
            assert all(name.count(".") == 1 for name in names)
            for picture, annotation in zip(names[::2], names[1::2]):
                assert picture.split(".") == [annotation.split(".")[0], "jpg"]
                content = json.load(tar.extractfile(annotation))
                encoded = np.frombuffer(tar.extractfile(picture).read(), np.uint8)
                height, width = cv2.imdecode(encoded, cv2.IMREAD_COLOR).shape[:2]
                assert (content["width"], content["height"]) == (width, height)
                assert len(content["boxes"]) == len(content["labels"])
                ids.append(content["image_id"])
    assert ids == list(datasets.train.image_ids)
    assert (shards / "labels.txt").read_text().split() == datasets.class_names[1:]


def test_webdataset_reads_them(voc):
    webdataset = pytest.importorskip("webdataset")
    datasets, shards = voc
    urls = [str(path) for path in sorted(shards.glob("train-*.tar"))]
    samples = list(webdataset.WebDataset(urls, shardshuffle=False).decode("rgb8"))
    assert [one["json"]["image_id"] for one in samples] == list(datasets.train.image_ids)
    assert samples[0]["jpg"].shape == DetectionDataset(datasets.train)[0].image.shape


def test_names_with_dots_folders_and_accents(tmp_path):
    samples = draw_samples(4)
    names = ["a.b.c", "été 1", "x" * 150, "b-b"]
    (tmp_path / "data").mkdir()
    for sample, name in zip(samples, names):
        write_picture(tmp_path / "data" / "train" / f"{name}.png", sample.image)
        labels = [str(label) for label in sample.labels]
        text = voc_xml(sample.boxes, labels, filename=f"{name}.png")
        (tmp_path / "data" / "train" / f"{name}.xml").write_text(text, encoding="utf-8")
    index = open_split(tmp_path / "data", split="all")
    write_shards({"train": index}, tmp_path / "shards", SMALL)
    require_same(index, open_split(tmp_path / "shards", split="all", class_names=index.class_names))
    (tmp_path / "shards" / INDEX_NAME).unlink()
    require_same(index, open_split(tmp_path / "shards", split="all", class_names=index.class_names))


def test_pictures_of_one_name_in_two_folders_stay_two(tmp_path):
    for seed, name in enumerate("ab"):
        write_voc(tmp_path / name, {"train": 3, "val": 2}, seed=seed)
    datasets = opened([tmp_path / "a", tmp_path / "b"])
    assert len(set(datasets.train.image_ids)) == 3
    write_shards(parts_of(datasets), tmp_path / "shards", SMALL)
    again = opened(tmp_path / "shards")
    assert len(set(again.train.image_ids)) == 6
    for part, index in parts_of(again).items():
        require_same(parts_of(datasets)[part], index, ids=False)


def test_shards_become_a_folder_again(voc, tmp_path):
    datasets, shards = voc
    copy_as_voc(parts_of(opened(shards)), tmp_path / "again")
    again = opened(tmp_path / "again")
    for part, index in parts_of(again).items():
        require_same(parts_of(datasets)[part], index)


def test_only_a_new_folder_is_written_to_and_a_failure_leaves_nothing(voc, tmp_path):
    datasets, shards = voc
    with pytest.raises(ValueError, match="must be a new folder to write a dataset to"):
        write_shards(parts_of(datasets), shards, SMALL)
    (tmp_path / "voc" / "JPEGImages" / "drawn_0012.jpg").unlink()  # of the last part
    with pytest.raises(FileNotFoundError):
        write_shards(parts_of(datasets), tmp_path / "new", SMALL)
    assert not (tmp_path / "new").exists()


def test_copies_are_told_by_their_bytes_in_shards_too(voc):
    datasets, shards = voc
    packed = open_split(shards, split="train")
    assert same_content(packed.paths, datasets.train.paths).all()
    assert not same_content(packed.paths, datasets.validation.paths).any()


def test_a_shard_that_is_cut_short_or_another_one_is_named(voc):
    _, shards = voc
    path = shards / "train-000001.tar"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1024])
    with pytest.raises(ValueError, match=r"train-000001\.tar must have [\d,]+ bytes, as shards"):
        open_datasets(shards)
    other = io.BytesIO()
    with tarfile.open(fileobj=other, mode="w") as tar:
        add_member(tar, "other.jpg", b"0" * 3000)
    path.write_bytes(other.getvalue().ljust(len(whole), b"\0")[: len(whole)])
    with pytest.raises(ValueError, match=r"must have the picture 'drawn_\d+\.jpg' at byte 512"):
        open_datasets(shards)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"train-000001\.tar is missing, with \d pictures"):
        open_datasets(shards)


def test_a_damaged_picture_in_a_shard_is_named_and_left_out(voc):
    _, shards = voc
    picture = packed_picture(open_split(shards, split="train").paths[4])
    with Path(picture.shard).open("r+b") as file:
        file.seek(picture.start)
        file.write(b"\0" * picture.size)
    datasets = opened(shards)
    assert len(datasets.train) == 8
    (problem,) = datasets.problems[0]
    assert problem.kind == "picture unreadable"
    assert problem.file.endswith("/drawn_0004.jpg")
    assert problem.file.startswith("train-00000")


def test_a_shard_that_shrinks_during_training_is_named(voc):
    _, shards = voc
    path = open_split(shards, split="train").paths[0]
    with Path(packed_picture(path).shard).open("r+b") as file:
        file.truncate(1000)
    with pytest.raises(PictureError, match=r"train-000000\.tar ends before byte .* cut short"):
        read_picture(path)


def index_with(path, **changes):
    """Write an index again with other arrays."""
    with np.load(path) as arrays:
        np.savez(path, **{**arrays, **changes})


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"version": np.array(2)}, "it is of version 2, this suite reads 1"),
        ({"boxes": np.zeros((0, 4), np.float32)}, "boxes and offsets up to|must be"),
        ({"boxes": np.zeros((3, 4))}, "boxes must be float32, it is float64"),
        ({"labels": np.array(["x"])}, "labels must be int16"),
        ({"labels": "end"}, "a box has a class that is not listed"),
        ({"shard": "end"}, "a picture lies in a shard that is not listed"),
        ({"start": "end"}, "a picture lies outside of its shard"),
        ({"size": "negative"}, "a picture lies outside of its shard"),
        ({"part": "end"}, "there is a part without a name"),
        ({"names_offsets": "end"}, "names are not texts"),
        ({"state": np.array("x")}, "it is of shards that have changed"),
    ],
)
def test_an_index_that_contradicts_itself_is_refused(voc, changes, fault):
    _, shards = voc
    path = shards / INDEX_NAME
    with np.load(path) as arrays:
        for name, value in list(changes.items()):
            if isinstance(value, str):
                changed = arrays[name].copy()
                changed[-1] = -1 if value == "negative" else np.iinfo(changed.dtype).max
                changes = {**changes, name: changed}
    index_with(path, **changes)
    with pytest.raises(ValueError, match=f"cannot be used as an index of shards: .*{fault}"):
        open_datasets(shards)


def test_an_index_that_is_none_or_compressed_is_refused(voc):
    _, shards = voc
    path = shards / INDEX_NAME
    with np.load(path) as arrays:
        np.savez_compressed(path, **arrays)
    with pytest.raises(ValueError, match="it is compressed"):
        open_datasets(shards)
    for content in (b"", b"PK\3\4", path.read_bytes()[:300]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"shards\.npz cannot be used as an index of shards"):
            open_datasets(shards)


@pytest.mark.parametrize("name", ["../x.tar", "/x.tar", "a/../../x.tar", "x.txt", ""])
def test_an_index_names_no_shard_elsewhere(voc, name):
    _, shards = voc
    index = load_index(shards / INDEX_NAME)
    text = "".join([name, *index.shards[1:]]).encode()
    lengths = [len(name), *map(len, index.shards[1:])]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    index_with(
        shards / INDEX_NAME, shards_text=np.frombuffer(text, np.uint8), shards_offsets=offsets
    )
    with pytest.raises(ValueError, match=r"cannot be used as an index of shards: .*shard"):
        open_datasets(shards)


def test_a_link_out_of_the_folder_is_refused(voc, tmp_path):
    _, shards = voc
    (shards / "train-000000.tar").rename(tmp_path / "elsewhere.tar")
    (shards / "train-000000.tar").symlink_to(tmp_path / "elsewhere.tar")
    with pytest.raises(ValueError, match="through a link"):
        open_datasets(shards)


def test_shards_that_the_index_does_not_list_are_not_used(voc):
    _, shards = voc
    shutil.copy(shards / "train-000000.tar", shards / "train-000099.tar")
    datasets = open_datasets(shards)
    assert len(datasets.train) == 9
    assert "train-000099.tar: not used, as shards.npz does not list it" in datasets.lines[1]


def test_what_is_wrong_in_shards_of_other_tools_is_reported(tmp_path):
    samples = draw_samples(6)
    encoded = [cv2.imencode(".png", one.image[..., ::-1])[1].tobytes() for one in samples]
    with tarfile.open(tmp_path / "part-0.tar", "w") as tar:
        for number, data in enumerate(encoded):
            add_member(tar, f"{number}.png", data)
            if number not in (1, 2, 3):
                add_member(tar, f"{number}.json", shard_json(samples[number]))
        add_member(tar, "2.json", b"{")
        add_member(tar, "3.json", b'{"boxes": [1], "labels": []}')
        add_member(tar, "info.txt", b"made by hand")
    datasets = open_datasets(tmp_path, allow_unusable=True)
    assert len(datasets.train) + len(datasets.validation) == 3
    found = {(one.kind, one.file) for one in datasets.problems[0]}
    assert found == {
        ("annotation missing", "part-0.tar/1.png"),
        ("annotation broken", "part-0.tar/2.json"),
        ("annotation broken", "part-0.tar/3.json"),
    }


def test_voc_xml_in_a_shard_and_the_same_keys_in_every_shard(tmp_path):
    drawn = draw_samples(4)
    for shard in range(2):
        with tarfile.open(tmp_path / f"train-{shard}.tar", "w") as tar:
            for number, sample in enumerate(drawn[2 * shard : 2 * shard + 2]):
                data = cv2.imencode(".png", sample.image[..., ::-1])[1].tobytes()
                add_member(tar, f"{number}.png", data)
                text = voc_xml(sample.boxes, ["cat"] * len(sample.boxes))
                add_member(tar, f"{number}.xml", text.encode())
    index = open_split(tmp_path, split="all", class_names=["BACKGROUND", "cat"])
    assert list(index.image_ids) == ["0", "1", "train-1/0", "train-1/1"]
    for row, sample in enumerate(drawn):
        assert np.array_equal(DetectionDataset(index)[row].boxes, sample.boxes)
        assert np.array_equal(DetectionDataset(index)[row].image, sample.image)


def test_a_damaged_shard_without_index_is_named(bare):
    path = bare / "train-0000.tar"
    path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(ValueError, match=r"train-0000\.tar is no sound tar file: .*after 'drawn_"):
        open_datasets(bare)


def test_an_archive_of_a_dataset_is_no_shard(tmp_path):
    write_voc(tmp_path / "voc")
    (tmp_path / "packed").mkdir()
    with tarfile.open(tmp_path / "packed" / "voc.tar", "w") as tar:
        tar.add(tmp_path / "voc", "voc")
    with pytest.raises(ValueError, match="It looks like an archive: unpack it"):
        open_datasets(tmp_path / "packed")


def test_the_scan_of_many_pictures_is_remembered_until_a_shard_changes(bare, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(scanning, "REMEMBERED", 4)
    first = open_datasets(bare)
    read, scanned = scanning.read_samples, []
    monkeypatch.setattr(
        scanning, "read_samples", lambda path: scanned.append(path.name) or read(path)
    )
    again = open_datasets(bare)
    assert scanned == []
    require_same(first.train, again.train)
    with tarfile.open(bare / "val-0000.tar", "a") as tar:
        add_member(tar, "more.json", b"{}")
    open_datasets(bare)
    assert scanned == ["train-0000.tar", "val-0000.tar"]
    (file,) = (tmp_path / "cache" / "pytorch-ssd" / "shards").iterdir()
    file.write_bytes(b"damaged")
    open_datasets(bare)
    assert len(scanned) == 4


def test_a_folder_called_data_is_found_though_it_has_no_picture_files(tmp_path):
    WRITERS["shards"](tmp_path / "data")
    write_voc(tmp_path)
    assert "data (shards): 8 pictures" in open_datasets(tmp_path / "data").lines[0]
