"""What a training is set up with, as its options say."""

from __future__ import annotations

import logging

import pytest
import torch

from tests.drawing import CLASS_NAMES
from tests.tiny import NET, SIDE, tiny_description, tiny_net, tiny_training
from vision.checkpoints.detector import LAST
from vision.training.model_folder.state import Progress, save_state
from vision.training.options import TrainOptions
from vision.training.setup import (
    load_initial_weights,
    options_and_state,
    require_named_files,
    training_transform,
)
from vision.transforms.augmentation import GEOMETRY, GEOMETRY_OF_THE_PAPER
from vision.transforms.geometry import IoUCrop, ZoomOut


def test_pictures_are_augmented_as_the_option_says():
    ours = training_transform(TrainOptions(resolution=320))
    assert (ours.geometry, ours.size, ours.fill_colour) == (GEOMETRY, 320, (128, 128, 128))
    paper = training_transform(TrainOptions(augmentation="ssd", net="vgg16-ssd"))
    assert paper.geometry == GEOMETRY_OF_THE_PAPER
    assert paper.fill_colour == (123, 117, 104)  # what the net sees as 0
    # SSD paper, section 2.2: every picture is cut, but for the choice to take it whole.
    assert {ZoomOut(probability=0.5), IoUCrop(probability=1.0)} < set(paper.geometry)


def test_the_word_for_the_papers_augmentation_is_no_file_and_others_are(tmp_path):
    require_named_files(TrainOptions(augmentation="ssd"))
    with pytest.raises(ValueError, match=r"there is no file sdd; check the path"):
        require_named_files(TrainOptions(augmentation="sdd"))


def test_weights_that_are_named_and_not_loaded_are_said(tmp_path, caplog):
    torch.save(tiny_net().base_net.state_dict(), tmp_path / "base.pth")
    base = str(tmp_path / "base.pth")
    both = TrainOptions(net=NET, base_net=base, pretrained_ssd="other.pth")
    load_initial_weights(both, tiny_net(), CLASS_NAMES, None)
    assert "--pretrained-ssd other.pth is not loaded, as --base-net is" in caplog.text
    caplog.clear()
    load_initial_weights(TrainOptions(net=NET, base_net=base), tiny_net(), CLASS_NAMES, None)
    assert not [one for one in caplog.records if one.levelname == "WARNING"]


@pytest.mark.parametrize("frozen", [{}, {"freeze_net": True}, {"freeze_base_net": True}])
def test_a_frozen_backbone_of_random_weights_is_warned_of(frozen, caplog):
    load_initial_weights(TrainOptions(net=NET, **frozen), tiny_net(), CLASS_NAMES, None)
    assert "starts from random weights" in caplog.text
    assert ("will never learn anything" in caplog.text) == bool(frozen)


def state_in(folder, **options):
    """Write a state into a folder, as of a run with such options; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    facts = {"net": NET, "resolution": SIDE, "checkpoint_folder": folder, **options}
    arguments = TrainOptions.of(facts).saved()
    save_state(folder / LAST, tiny_training(), Progress(epoch=1), tiny_description(), arguments)
    return folder


def test_a_folder_that_was_renamed_is_gone_on_in(tmp_path, caplog):
    renamed = state_in(tmp_path / "fruit").rename(tmp_path / "new")
    for named in (renamed, renamed / LAST):
        with caplog.at_level(logging.INFO):
            options, _ = options_and_state({"resume": str(named)})
        assert options.checkpoint_folder == renamed
        assert f"The run goes on in {renamed}" in caplog.text
    other = tmp_path / "other"
    options, _ = options_and_state({"resume": str(renamed), "checkpoint_folder": other})
    assert options.checkpoint_folder == other
    assert not (tmp_path / "fruit").exists()


@pytest.mark.parametrize("earlier", [False, True])
@pytest.mark.parametrize(("before", "now"), [(0.01, 0.001), (0.001, 0.01), (None, 0.01)])
def test_a_learning_rate_typed_at_a_resume_keeps_the_optimizer(
    tmp_path, before, now, earlier, caplog
):
    folder = state_in(tmp_path, lr=before)
    if earlier:  # a state that names none
        state = torch.load(folder / LAST, weights_only=True)
        state["arguments"]["optim_choose"] = None
        torch.save(state, folder / LAST)
    with caplog.at_level(logging.INFO):
        options, _ = options_and_state({"resume": str(folder), "lr": now})
    assert (options.optimizer, options.lr) == (TrainOptions(lr=before).optimizer, now)
    assert f"Changed: lr is {now}, was {before}" in caplog.text
    assert "Changed: optim_choose" not in caplog.text
    options, _ = options_and_state({"resume": str(folder), "optim_choose": "adam"})
    assert options.optimizer == "adam"
