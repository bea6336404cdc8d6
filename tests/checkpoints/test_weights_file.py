from __future__ import annotations

import collections
import os
import pickle
import random

import pytest
import torch
from torch import nn

from tests.tiny import tiny_description, tiny_net
from vision.checkpoints.weights_file import read_pth, read_weights, save_weights
from vision.ssd import create_net


def small_net():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))


def combo_checkpoint(net, **others):
    """Return what kaboom-labs' trainings save: a dict with live objects beside the weights."""
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=10)
    return {
        "epoch": 7,
        "weights": net.state_dict(),
        "optimizer": optimizer.state_dict(),
        "scheduler": scheduler,
        **others,
    }


@pytest.fixture(params=["zip", "old"])
def save(request, tmp_path):
    """Return a function that saves in the format of today, and in that of before PyTorch 1.6."""

    def save(content):
        path = tmp_path / "some.pth"
        torch.save(content, path, _use_new_zipfile_serialization=request.param == "zip")
        return path

    return save


def assert_same(weights, net):
    state = net.state_dict()
    assert list(weights) == list(state)
    assert all(weights[name].equal(state[name]) for name in state)


def test_a_written_file_is_a_plain_state_dict_that_describes_itself(tmp_path):
    net, facts = tiny_net(), tiny_description(epoch=3, metrics={"mAP": 0.5, "loss": 2.0})
    path = tmp_path / "net.pth"
    save_weights(path, net.state_dict(), facts)

    # For any other program: tensors under their names, no code, and it loads strictly.
    state = torch.load(path, weights_only=True)
    assert_same(state, net)
    other = create_net(facts.net, 4, config=facts.config)
    assert str(other.load_state_dict(state)) == "<All keys matched successfully>"

    weights, description = read_weights(path)
    assert_same(weights, net)
    assert description == facts


def test_the_versions_that_are_written_are_plain_text(tmp_path):
    # torch.__version__ is an object of its own class, which weights_only refuses.
    from vision.training.machine.machine import tool_versions

    path = tmp_path / "net.pth"
    save_weights(path, small_net().state_dict(), tiny_description(versions=tool_versions()))
    torch.load(path, weights_only=True)
    assert read_weights(path)[1].versions == tool_versions()


def test_plain_weights_have_no_description(save):
    weights, description = read_weights(save(small_net().state_dict()))
    assert_same(weights, small_net())
    assert description is None


def test_weights_among_live_objects(save):
    others = {
        "history": collections.defaultdict(list, loss=[1.0]),
        "recent": collections.deque([1, 2], maxlen=5),
        "best": float("nan"),
    }
    weights, description = read_weights(save(combo_checkpoint(small_net(), **others)))
    assert_same(weights, small_net())
    assert description is None


@pytest.mark.parametrize("key", ["weights", "state_dict", "model_state_dict", "model"])
def test_the_usual_names_for_weights(save, key):
    assert_same(read_weights(save({"epoch": 1, key: small_net().state_dict()}))[0], small_net())


def test_the_prefix_of_data_parallel_goes(save):
    path = save(nn.DataParallel(small_net()).state_dict())
    assert_same(read_weights(path)[0], small_net())


def test_counters_of_batch_norm_that_old_files_lack_are_added(save):
    state = {n: t for n, t in small_net().state_dict().items() if "num_batches" not in n}
    assert_same(read_weights(save(state))[0], small_net())


class MakeFolder:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("protocol", [2, 4])
def test_no_code_of_a_file_runs(save, tmp_path, protocol):
    trap, path = tmp_path / "trap", tmp_path / "bare.pth"
    path.write_bytes(pickle.dumps(MakeFolder(trap), protocol))  # read before any format is known
    with pytest.raises(ValueError, match=r"bare\.pth .* is damaged or no .pth file"):
        read_pth(path)
    assert not trap.exists()

    saved = save(combo_checkpoint(small_net(), trap=MakeFolder(trap)))
    assert_same(read_weights(saved)[0], small_net())
    assert not trap.exists()
    with pytest.raises(ValueError, match="holds no weights"):
        read_weights(save(MakeFolder(trap)))
    assert not trap.exists()

    pickle.loads(path.read_bytes())
    assert trap.exists()  # it would have


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "0 bytes, its download failed; delete it"),
        (b"<!DOCTYPE html><html><body>Not found</body></html>", "is a web page, not weights"),
        (b"\n\n<html><head></head></html>", "is a web page, not weights"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n", "is text.*git-lfs"),
        (b"\x89PNG\r\n\x1a\n", r"\(8 bytes\) is damaged or no .pth"),
    ],
)
def test_what_is_no_file_of_weights(tmp_path, content, message):
    path = tmp_path / "net.pth"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"net\.pth .*{message}"):
        read_weights(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("labels.txt", "BACKGROUND\nÄpfel\n".encode(), "begins with 'BACKGROUND'"),
        ("labels.txt", "Ä".encode() * 2049, "is text"),  # cut within a letter
        ("labels.txt", b"", "must be a .pth"),
        ("net.pth", b"Apple\nPear\n", "begins with 'Apple'.* two arguments are swapped"),
        ("photo.jpg", b"\xff\xd8\xff\xe0\x00\x10JFIF", "the weights must be a .pth"),
        ("page.html", b"<html></html>", "is a web page, not weights"),
    ],
)
def test_nobody_is_told_to_delete_a_file_that_was_never_weights(tmp_path, name, content, message):
    """Most often two words have changed places, and the file is a good labels.txt."""
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"{name} .*{message}") as caught:
        read_weights(path)
    assert "delete it" not in str(caught.value)


@pytest.mark.parametrize(
    "content", [[1, 2], torch.ones(2), {}, {"epoch": 3}, {"weights": {"a": 1}}, None]
)
def test_what_holds_no_weights(save, content):
    with pytest.raises(ValueError, match=r"some\.pth holds no weights"):
        read_weights(save(content))


def test_a_whole_module_is_not_its_weights(tmp_path):
    torch.save(small_net(), tmp_path / "some.pth")
    with pytest.raises(ValueError, match=r"some\.pth holds no weights"):
        read_weights(tmp_path / "some.pth")


def test_a_missing_file_and_the_state_of_a_training_are_said(tmp_path, save):
    with pytest.raises(ValueError, match=r"there is no file .*none\.pth"):
        read_weights(tmp_path / "none.pth")
    with pytest.raises(ValueError, match=r"some\.pth is the state of a training; name best\.pth"):
        read_weights(save({"state_format": 1, "net": small_net().state_dict()}))


def test_a_description_of_a_later_version_names_its_file(tmp_path, monkeypatch):
    path = tmp_path / "net.pth"
    monkeypatch.setattr("vision.checkpoints.description.FORMAT_VERSION", 2)
    save_weights(path, small_net().state_dict(), tiny_description())
    monkeypatch.undo()
    with pytest.raises(ValueError, match=r"net\.pth cannot be used: .* format 2, .* reads 1"):
        read_weights(path)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_damage_anywhere_is_a_sentence(save):
    path = save(combo_checkpoint(small_net()))
    whole = path.read_bytes()
    rng = random.Random(0)
    damaged = [whole[:length] for length in range(0, len(whole), 97)]
    for _ in range(150):
        content = bytearray(whole)
        for _ in range(3):
            content[rng.randrange(len(content))] = rng.randrange(256)
        damaged.append(bytes(content))
    refused = 0
    for content in damaged:
        path.write_bytes(content)
        try:
            read_weights(path)
        except ValueError as error:
            assert str(path) in str(error)
            assert "\n" not in str(error)
            refused += 1
    assert refused > len(damaged) / 2


def test_a_failure_while_writing_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "net.pth"
    save_weights(path, small_net().state_dict(), tiny_description())
    whole = path.read_bytes()

    def full_disk(content, target):
        target.write_bytes(whole[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full_disk)
    with pytest.raises(OSError, match=r"net\.pth was not written: no space left on the disk of"):
        save_weights(path, small_net().state_dict(), tiny_description())
    assert path.read_bytes() == whole
    assert list(tmp_path.iterdir()) == [path]


def test_an_exported_file_in_the_place_of_weights_is_not_called_damaged(tmp_path):
    path = tmp_path / "ssd-mobilenet.onnx"
    path.write_bytes(b"\x08\x06\x12\x07pytorch")
    with pytest.raises(ValueError, match=r"is an ONNX file, .* name the one that it was exported"):
        read_weights(path)
