"""Shards in a bucket, as moto's server has it: the same samples, and a sentence for a fault."""

from __future__ import annotations

import socket

import pytest
import torch

from tests.download.servers import fill_bucket, moto_server
from tests.drawing import write_voc
from tests.same_samples import require_same
from tests.tiny import NET
from tests.training_script import as_before, run  # noqa: F401 (a fixture)
from vision.datasets.checks.picture_scan import PictureScanner
from vision.datasets.checks.pictures import PictureChecks
from vision.datasets.formats.shards.index_file import INDEX_NAME
from vision.datasets.formats.shards.writing import write_shards
from vision.datasets.opening import open_datasets
from vision.loading.loaders import EpochLoader, LoaderOptions
from vision.pictures import bucket
from vision.pictures.reading import read_picture
from vision.transforms.augmentation import TrainTransform
from vision.utils.buckets import bucket_and_key, full_path

PLACE = "s3://pictures/drawn/squares"
TINY = f"--net {NET} --resolution 64 --batch-size 4 --epochs 2 --pretrained-ssd none --warm-up 1"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a VOC folder and the shards made of it."""
    folder = tmp_path_factory.mktemp("data")
    write_voc(folder / "voc", {"trainval": 8, "test": 4}, suffix=".jpg", negatives=1)
    datasets = open_datasets(folder / "voc", pictures=PictureChecks())
    parts = {"train": datasets.train, "val": datasets.validation}
    write_shards(parts, folder / "shards", 30_000)
    return folder


@pytest.fixture(scope="module")
def port(folder):
    """Run a server with the shards in a bucket; return its port."""
    with moto_server() as port:
        files = {path.name: path.read_bytes() for path in (folder / "shards").iterdir()}
        fill_bucket(port, "pictures", {f"drawn/squares/{name}": d for name, d in files.items()})
        yield port


@pytest.fixture(autouse=True)
def settings(port, monkeypatch):
    """Set the environment as for any tool of AWS, and forget what was asked before."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    for remembered in (bucket._client_of, bucket.object_state):
        remembered.cache_clear()
    yield
    bucket._client_of.cache_clear()


def test_the_same_samples_come_from_the_bucket(folder):
    expected = open_datasets(folder / "voc", pictures=PictureChecks())
    found = open_datasets(PLACE, pictures=PictureChecks())
    assert found.lines[0].startswith(f"{PLACE} (shards): 8 pictures to train on (train-000000.tar")
    assert not any(found.problems)
    for one, other in ((expected.train, found.train), (expected.validation, found.validation)):
        require_same(one, other)


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_are_those_of_the_folder(folder, workers):
    options = LoaderOptions(3, workers, torch.device("cpu"))
    indices = (open_datasets(place).train for place in (folder / "voc", PLACE))
    one, other = (EpochLoader(index, TrainTransform(64), options, True) for index in indices)
    for expected, found in zip(one.epoch(3, 1), other.epoch(3, 1)):
        assert all(map(torch.equal, expected[:3], found[:3]))


@pytest.mark.slow
def test_a_training_on_the_bucket_is_that_on_the_folder(folder, tmp_path):
    run(f"{TINY} --workers 0 --data", folder / "voc", "--model-dir", tmp_path / "voc")
    run(f"{TINY} --workers 0 --epochs 1 --t-max 2 --data", PLACE, "--model-dir", tmp_path / "s3")
    log = run("--resume --epochs 2 --model-dir", tmp_path / "s3")
    assert "Start training from epoch 1." in log
    states = [torch.load(tmp_path / one / "last.pth", weights_only=True) for one in ("voc", "s3")]
    for name, tensor in states[0]["net"].items():
        assert tensor.equal(states[1]["net"][name]), name


def test_pictures_are_checked_once_and_again_when_a_shard_changes(folder, port, tmp_path):
    scanner = PictureScanner(tmp_path)
    open_datasets(PLACE, pictures=PictureChecks(scanner))
    open_datasets(PLACE, pictures=PictureChecks(scanner))
    assert scanner.opened == 12
    shard = (folder / "shards" / "val-000000.tar").read_bytes()
    fill_bucket(port, "pictures", {"drawn/squares/val-000000.tar": shard[:-1] + b"\1"})
    bucket.object_state.cache_clear()
    open_datasets(PLACE, pictures=PictureChecks(scanner))
    assert scanner.opened > 12
    fill_bucket(port, "pictures", {"drawn/squares/val-000000.tar": shard})


def test_what_is_not_in_the_bucket_is_named(folder, port):
    with pytest.raises(ValueError, match=r"s3://pictures/none must have shards\.npz"):
        open_datasets("s3://pictures/none")
    with pytest.raises(OSError, match=r"s3://nowhere/squares: there is no such object or bucket"):
        open_datasets("s3://nowhere/squares")
    files = {path.name: path.read_bytes() for path in (folder / "shards").iterdir()}
    del files["train-000001.tar"]
    fill_bucket(port, "lost", files)
    with pytest.raises(ValueError, match=r"s3://lost/train-000001\.tar must have .* not there"):
        open_datasets("s3://lost")
    files["train-000001.tar"] = b"short"
    fill_bucket(port, "short", files)
    with pytest.raises(ValueError, match=r"s3://short/train-000001\.tar must have .* it has 5;"):
        open_datasets("s3://short")
    fill_bucket(port, "broken", {INDEX_NAME: b"PK"})
    with pytest.raises(ValueError, match="cannot be used as an index of shards"):
        open_datasets("s3://broken")
    with pytest.raises(ValueError, match="must be of format voc, it is of format shards"):
        open_datasets(PLACE, "voc")


def test_a_server_that_is_gone_ends_the_run_and_marks_no_picture_bad(tmp_path, monkeypatch):
    index = open_datasets(PLACE).train
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free.getsockname()[1]}")
    monkeypatch.setattr(bucket, "TRIES", 1)
    bucket._client_of.cache_clear()
    with pytest.raises(OSError, match=r"s3://pictures/drawn/squares: Could not connect"):
        open_datasets(PLACE)
    with pytest.raises(OSError, match=r"s3://pictures/drawn/squares/train-000000\.tar: Could not"):
        PictureScanner(tmp_path).scan(PLACE, index.paths)
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match=r"cannot read the picture s3://pictures/drawn.*AWS cred"):
        read_picture(index.paths[0])


def test_an_address_is_not_taken_for_a_path(tmp_path):
    assert bucket_and_key("s3://a/b/c") == bucket_and_key("s3:/a/b/c/") == ("a", "b/c")
    assert bucket_and_key("s3://a") == ("a", "")
    assert bucket_and_key(tmp_path / "s3:" / "a") is None
    assert full_path("s3:/a/b") == "s3://a/b"
    assert full_path("s3://a") == "s3://a"
    assert full_path(tmp_path / "x" / ".." / "y") == str(tmp_path.resolve() / "y")
