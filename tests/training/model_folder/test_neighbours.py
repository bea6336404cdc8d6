"""A training gives its class names to nothing that has others."""

from __future__ import annotations

import pytest
import torch

from tests.drawing import CLASS_NAMES
from tests.tiny import tiny_description, tiny_net
from vision.checkpoints.weights_file import save_weights
from vision.training.model_folder.neighbours import require_own_names
from vision.utils.labels import write_labels

OTHERS = [CLASS_NAMES[0], *reversed(CLASS_NAMES[1:])]
OF_OLD = "red\ngreen\n\nblue\n"  # the blank line is a class


def bare(folder):
    torch.save(tiny_net().state_dict(), folder / "old.pth")


def with_blank_line(folder):
    names = [*CLASS_NAMES[:3], "blank", "blue"]
    torch.save(tiny_net(class_names=names).state_dict(), folder / "old.pth")
    (folder / "labels.txt").write_text(OF_OLD)


def exported(folder):
    (folder / "ssd-mobilenet.onnx").write_bytes(b"")


@pytest.mark.parametrize(
    ("put", "names"),
    [
        (bare, OTHERS),
        (exported, OTHERS),
        (exported, CLASS_NAMES[:2]),
        (with_blank_line, CLASS_NAMES),
    ],
)
def test_what_would_get_other_names_is_named_and_nothing_is_written(tmp_path, put, names, caplog):
    write_labels(tmp_path / "labels.txt", CLASS_NAMES)
    put(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    (file,) = (path.name for path in before if path.name != "labels.txt")
    with pytest.raises(ValueError, match=f"{file} has the classes red, green, .*--model-dir"):
        require_own_names(tmp_path, names, overwrite=False)
    require_own_names(tmp_path, names, overwrite=True)
    assert f"{file} has the classes red, green" in caplog.text
    assert "from now on its boxes get wrong names" in caplog.text
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def same_names(folder):
    bare(folder)
    exported(folder)
    write_labels(folder / "labels.txt", OTHERS)


def described(folder):
    save_weights(folder / "best.pth", tiny_net().state_dict(), tiny_description())


def no_labels(folder):
    bare(folder)
    (folder / "labels.txt").unlink()


def another_number(folder):
    torch.save(tiny_net(class_names=CLASS_NAMES[:3]).state_dict(), folder / "old.pth")


def published(folder):
    torch.save(tiny_net().state_dict(), folder / "mb2-ssd-lite-mp-0_686.pth")


def backbone(folder):
    torch.save(tiny_net().base_net.state_dict(), folder / "backbone.pth")


def damaged(folder):
    (folder / "old.pth").write_bytes(b"PK no more")
    (folder / "labels.txt").write_bytes(b"\xff\xff")


@pytest.mark.parametrize(
    "put", [same_names, described, no_labels, another_number, published, backbone, damaged]
)
def test_what_has_its_names_from_elsewhere_stands_in_nobodys_way(tmp_path, put, caplog):
    write_labels(tmp_path / "labels.txt", CLASS_NAMES)
    put(tmp_path)
    require_own_names(tmp_path, OTHERS, overwrite=False)
    assert not [one for one in caplog.records if one.levelname == "WARNING"]


def test_a_folder_that_is_not_there_holds_nothing_and_a_run_that_goes_on_is_at_home(tmp_path):
    require_own_names(tmp_path / "new", OTHERS, overwrite=False)
    write_labels(tmp_path / "labels.txt", CLASS_NAMES)
    exported(tmp_path)
    require_own_names(tmp_path, OTHERS, overwrite=False, earlier=tmp_path)
