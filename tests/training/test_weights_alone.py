"""Which weights without a training state a run may go on from."""

from __future__ import annotations

import pytest
import torch

from tests.drawing import CLASS_NAMES
from tests.tiny import NET, SIDE, tiny_description, tiny_net
from vision.checkpoints.weights_file import save_weights
from vision.ssd import create_net
from vision.training.weights_alone import require_same_to_learn
from vision.utils.labels import write_labels

OTHER_ORDER = [CLASS_NAMES[0], *reversed(CLASS_NAMES[1:])]


def described(path, names):
    save_weights(
        path, tiny_net(class_names=names).state_dict(), tiny_description(class_names=names)
    )


def bare(path, names):
    torch.save(tiny_net(class_names=names).state_dict(), path)
    write_labels(path.with_name("labels.txt"), names)


def combo(path, names):
    bare(path, names)
    torch.save({"epoch": 3, "weights": torch.load(path, weights_only=True)}, path)


@pytest.mark.parametrize("save", [described, bare, combo])
def test_a_run_goes_on_with_the_same_classes_in_the_same_order(tmp_path, save, caplog):
    path = tmp_path / "old.pth"
    save(path, CLASS_NAMES)
    require_same_to_learn(path, NET, CLASS_NAMES)
    assert not caplog.records
    others = {"blue, green, red": OTHER_ORDER, "red, green": CLASS_NAMES[:3]}
    for listed, names in others.items():
        message = f"old.pth has learnt red, green, blue, the data have {listed}; .*--pretrained-ssd"
        with pytest.raises(ValueError, match=message):
            require_same_to_learn(path, NET, names)


@pytest.mark.parametrize("beside", [None, "cat\ndog\n", "cat\ncat\n"])
def test_names_that_nobody_says_cannot_be_checked_but_counted(tmp_path, beside, caplog):
    path = tmp_path / "old.pth"
    bare(path, CLASS_NAMES)
    path.with_name("labels.txt").unlink()
    if beside:
        path.with_name("labels.txt").write_text(beside)
    require_same_to_learn(path, NET, OTHER_ORDER)
    assert "its classes are taken for blue, green, red, in this order" in caplog.text
    with pytest.raises(
        ValueError, match=r"old.pth has learnt 3 classes, the data have red, green;"
    ):
        require_same_to_learn(path, NET, CLASS_NAMES[:3])


@pytest.mark.parametrize("is_described", [True, False])
def test_weights_of_another_net_are_named(tmp_path, is_described):
    path = tmp_path / "old.pth"
    bare(path, CLASS_NAMES)
    if is_described:
        described(path, CLASS_NAMES)
    with pytest.raises(
        ValueError, match=f"old.pth is a {NET}, and --net is mb1-ssd; .*--net {NET}"
    ):
        require_same_to_learn(path, "mb1-ssd", CLASS_NAMES)
    torch.save(create_net("mb1-ssd-lite", 4, SIDE).state_dict(), path)
    with pytest.raises(ValueError, match="is a mb1-ssd-lite, and --net is mb1-ssd"):
        require_same_to_learn(path, "mb1-ssd", CLASS_NAMES)
