from __future__ import annotations

import collections
import io
import os
import pickle
import random
import struct
import zipfile

import pytest
import torch

from tests.checkpoints.test_weights_file import combo_checkpoint, small_net
from vision.checkpoints.pth_format import MAGIC, PROTOCOL, read_tensors
from vision.checkpoints.weights_file import epoch_of, read_weights

SYSTEM = {"protocol_version": PROTOCOL, "little_endian": True, "type_sizes": {}}
NEW, OLD = True, False


def text(value):
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def named(module, name):
    return f"c{module}\n{name}\n".encode()


def old_file(path, body, keys=(), numbers=b""):
    """Write a file of before PyTorch 1.6 around the codes of a pickle."""
    parts = [pickle.dumps(one, 2) for one in (MAGIC, PROTOCOL, SYSTEM)]
    path.write_bytes(b"".join([*parts, b"\x80\x02" + body, pickle.dumps(list(keys), 2), numbers]))
    return path


def with_pickle(data, change):
    """Return an archive of torch with another data.pkl, whose check sum is right."""
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as before, zipfile.ZipFile(changed, "w") as after:
        for info in before.infolist():
            content = before.read(info)
            is_pickle = info.filename.endswith("data.pkl")
            after.writestr(info.filename, change(content) if is_pickle else content)
    return changed.getvalue()


def saved(path, content, new=NEW):
    torch.save(content, path, _use_new_zipfile_serialization=new)
    return path


@pytest.mark.parametrize("new", [NEW, OLD])
@pytest.mark.parametrize(
    "dtype", [torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.uint8, torch.bool]
)
def test_tensors_of_every_type_and_view(tmp_path, new, dtype):
    whole = torch.arange(24).reshape(4, 6).to(dtype)
    tensors = {"whole": whole, "part": whole[1:3, ::2], "turned": whole.t(), "none": whole[:0]}
    tensors["scalar"] = whole[1, 1]
    read = read_tensors(saved(tmp_path / "a.pth", tensors, new))
    assert {name: (t.dtype, t.shape) for name, t in read.items()} == {
        name: (t.dtype, t.shape) for name, t in tensors.items()
    }
    assert all(read[name].equal(tensor) for name, tensor in tensors.items())


@pytest.mark.parametrize("new", [NEW, OLD])
def test_plain_data_of_every_kind_and_what_is_none(tmp_path, new):
    content = {
        "numbers": [1, -2, 1 << 40, 1 << 80, 0.5, True, False, None],
        "texts": ("ä", ""),
        7: {"nested": [[], {}, ()]},
        "size": torch.Size([1, 2]),
        "many": collections.defaultdict(list, a=[1]),
    }
    live = {"type": torch.float32, "code": os.system, "set": {1}, (1, 2): "of a pair"}
    read = read_tensors(saved(tmp_path / "a.pth", {**content, **live}, new))
    assert {name: read[name] for name in content} == {**content, "size": (1, 2)}
    assert not callable(read["code"])
    assert (1, 2) not in read  # whose hash may recurse without end


def test_a_file_that_sets_attributes_of_functions_changes_nothing(tmp_path, monkeypatch):
    # An older torch then writes NAME.patch, with text that the file's author has chosen.
    (tmp_path / "inside").mkdir()
    monkeypatch.chdir(tmp_path / "inside")
    function = named("torch._utils", "_rebuild_tensor_v2")
    state = b"N}" + text("dump_patches") + b"\x88s" + text("__name__") + text("../PWNED") + b"s\x86"
    module = b"(" + text("module") + function + text("x.py") + text("first\nchosen\n") + b"tQ"
    path = old_file(tmp_path / "hostile.pth", function + state + b"b0" + module + b"0}.")
    before = dict(vars(torch._utils._rebuild_tensor_v2))
    with pytest.raises(ValueError, match=r"hostile\.pth .* a whole module; save its state_dict"):
        read_weights(path)
    assert vars(torch._utils._rebuild_tensor_v2) == before
    assert torch._utils._rebuild_tensor_v2.__name__ == "_rebuild_tensor_v2"
    assert [one.name for one in tmp_path.iterdir() if one.name != "inside"] == ["hostile.pth"]


@pytest.mark.parametrize(
    "target",
    [
        named("collections", "OrderedDict"),
        named("torch.nn", "Module"),
        named("vision.checkpoints.plain_pickle", "Ignored"),
        named("builtins", "print") + b")R",  # what calling it would return
        named("torch.nn", "Module") + b")\x81",
        b"(i" + b"os\nsystem\n",
        text("vision.checkpoints.plain_pickle") + text("Ignored") + b"\x93",
    ],
)
def test_no_live_object_gets_an_attribute(tmp_path, target):
    from vision.checkpoints.plain_pickle import Ignored

    state = b"N}" + text("__init__") + text("gone") + b"s\x86b"
    read = read_tensors(old_file(tmp_path / "a.pth", target + state + b"."))
    assert type(read).__module__ == "vision.checkpoints.plain_pickle"
    assert not hasattr(read, "gone")
    assert vars(Ignored).get("__init__") is None
    collections.OrderedDict()
    torch.nn.Module()


def storage(count, key="0", kind="FloatStorage"):
    """Return the codes of a persistent id of numbers."""
    size = b"J" + struct.pack("<i", count)
    return b"(" + text("storage") + named("torch", kind) + text(key) + text("cpu") + size + b"NtQ"


def tensor(size, stride, offset=0, count=4):
    """Return the codes of a tensor of `count` numbers."""
    numbers = [b"(" + b"".join(b"J" + struct.pack("<i", n) for n in v) + b"t" for v in size]
    start = b"J" + struct.pack("<i", offset)
    steps = b"(" + b"".join(b"J" + struct.pack("<i", n) for n in stride) + b"t"
    function = named("torch._utils", "_rebuild_tensor_v2")
    return function + b"(" + storage(count) + start + numbers[0] + steps + b"\x89NtR."


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (tensor([[5]], [1]), r"a tensor \(5,\) of 4 numbers"),
        (tensor([[2]], [4]), "of 4 numbers"),
        (tensor([[2]], [1], offset=3), "of 4 numbers"),
        (tensor([[1 << 30]], [0]), "of 4 numbers"),
        (tensor([[-1]], [1]), "without a shape"),
        (tensor([[2]], [1], offset=-1), "without numbers"),
        (tensor([[2]], [1, 1]), "without a shape"),
        (storage(1 << 30) + b".", "bytes of numbers more than it has"),
        (storage(-1) + b".", "by a key that is none"),
        (storage(4, kind="QUInt8Storage") + b".", "must refer to numbers only"),
        (b"NQ.", "must refer to numbers only"),
        (b"}" * 10, "has no end|damaged|unknown"),
        (b"0.", "damaged"),
        (b"N(N.", "does not hold the numbers|damaged|no file"),
        (b"}(NNNu.", "a key without a value"),
        (b"\x82\x01.", "unknown code EXT1"),
        (b"\x8b\xff\xff\xff\x7f.", "not enough data"),
        (b"\x96" + struct.pack("<Q", 1 << 60) + b".", "expected"),
    ],
)
def test_what_a_file_says_of_numbers_is_checked(tmp_path, body, message):
    path = old_file(tmp_path / "a.pth", body, ["0"], bytes(8 + 16))
    if message.startswith("does not"):
        assert read_tensors(old_file(path, body)) is None  # an open mark does no harm
        return
    with pytest.raises(ValueError, match=message):
        read_tensors(path)


def test_archives_that_torch_does_not_write(tmp_path):
    path = saved(tmp_path / "a.pth", {"a": torch.zeros(1000)})
    packed = tmp_path / "packed.pth"
    with zipfile.ZipFile(path) as before, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as out:
        for info in before.infolist():
            out.writestr(info.filename, before.read(info))
    with pytest.raises(ValueError, match="is compressed, which torch never does"):
        read_tensors(packed)
    with zipfile.ZipFile(packed, "w") as out:
        out.writestr("word/document.xml", "<w/>")
    with pytest.raises(ValueError, match=r"must hold one data\.pkl, it holds 0"):
        read_tensors(packed)


def test_weights_that_hold_themselves(tmp_path):
    content: dict = {"epoch": 1}
    content["weights"] = content
    with pytest.raises(ValueError, match="holds no weights"):
        read_weights(saved(tmp_path / "a.pth", content))


def test_metadata_that_is_none(tmp_path):
    weights = collections.OrderedDict(a=torch.zeros(2))
    vars(weights)["_metadata"] = 7
    assert read_weights(saved(tmp_path / "a.pth", weights))[1] is None
    vars(weights)["_metadata"] = {"ssd_description": 7}
    with pytest.raises(ValueError, match=r"a\.pth cannot be used: the description must hold"):
        read_weights(saved(tmp_path / "a.pth", weights))


def test_a_named_pipe_is_refused_and_not_waited_for(tmp_path):
    path = tmp_path / "pipe.pth"
    os.mkfifo(path)
    with pytest.raises(ValueError, match=r"pipe\.pth must be a file, it is a named pipe"):
        read_weights(path)


CODES = (
    b"(.0122FGIJKLMNPQRSTUVX]abcdeghijlopqrstu}\x80\x81\x82\x83\x84\x85\x86\x87\x88\x8b\x93\x94)"
)


def mutated(data, rng):
    """Return data with a few changes of the kinds that hurt a reader of pickles."""
    data = bytearray(data)
    for _ in range(rng.choice((1, 2, 8))):
        place, kind = rng.randrange(len(data)), rng.randrange(5)
        if kind == 0:
            data[place] = rng.randrange(256)
        elif kind == 1:
            data[place] = rng.choice(CODES)
        elif kind == 2:
            data.insert(place, rng.choice(CODES))
        elif kind == 3:
            data[place : place + 4] = rng.choice((b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f"))
        else:
            other = rng.randrange(len(data))
            data[place:place] = data[other : other + 30]
    return bytes(data)


@pytest.mark.slow
@pytest.mark.parametrize("new", [NEW, OLD])
def test_any_change_of_a_file_is_read_or_refused_in_a_sentence(tmp_path, new):
    rng = random.Random(1)
    path = saved(tmp_path / "some.pth", combo_checkpoint(small_net(), pair=(1, 2)), new)
    whole = path.read_bytes()
    refused = 0
    for _ in range(1000):
        by_pickle = new and rng.random() < 0.8
        changed = with_pickle(whole, lambda data: mutated(data, rng)) if by_pickle else None
        path.write_bytes(changed or mutated(whole, rng))
        for read in (read_weights, epoch_of):
            try:
                read(path)
            except ValueError as error:
                assert "some.pth" in str(error)
                assert "\n" not in str(error)
                refused += 1
    assert refused > 500
    assert list(tmp_path.iterdir()) == [path]
