"""What a training is set up with, as its options say."""

from __future__ import annotations

import logging

import pytest
import torch

from tests.drawing import CLASS_NAMES, write_voc
from tests.tiny import NET, SIDE, tiny_description, tiny_net, tiny_training
from vision.checkpoints.detector import BEST, LAST
from vision.datasets.opening import open_split
from vision.training.compute.launching import RESTARTS
from vision.training.model_folder.state import ENDING, Progress, load_state, save_state
from vision.training.options import TrainOptions
from vision.training.setup import (
    begin_or_go_on,
    load_initial_weights,
    mark_old_run,
    options_and_state,
    require_named_files,
    training_transform,
)
from vision.training.validation import what_is_measured
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


def test_a_pretrained_detector_that_is_not_there_is_fetched_without_the_option():
    options = TrainOptions(pretrained_ssd="models/mobilenet-v1-ssd-mp-0_675.pth")
    with pytest.raises(ValueError, match=r"no file models/.*, or leave --pretrained-ssd out: what"):
        require_named_files(options)
    with pytest.raises(ValueError, match=r"there is no file models/base.pth; check the path$"):
        require_named_files(TrainOptions(base_net="models/base.pth"))


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


@pytest.mark.parametrize(
    ("restarts", "words", "is_marked"),
    [
        (None, {"overwrite": True}, False),
        ("0", {"overwrite": True}, True),
        ("1", {"overwrite": True}, False),
        ("0", {"resume": "fruit"}, False),
    ],
)
def test_reading_the_options_writes_nothing_and_an_old_run_is_marked_before_its_end(
    tmp_path, monkeypatch, restarts, words, is_marked
):
    folder = state_in(tmp_path / "fruit")
    monkeypatch.chdir(tmp_path)
    if restarts is not None:
        monkeypatch.setenv(RESTARTS, restarts)
    options, saved = options_and_state({"net": NET, "checkpoint_folder": folder, **words})
    assert [path.name for path in folder.iterdir()] == [LAST]
    mark_old_run(options.checkpoint_folder, saved)
    assert (folder / ENDING).exists() == is_marked


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


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """Return the validation parts of a dataset and of another one."""
    folder = tmp_path_factory.mktemp("sets")
    for name, seed in (("one", 0), ("other", 1)):
        write_voc(folder / name, {"trainval": 2, "test": 3}, seed=seed)
    return [open_split(folder / name, split="val") for name in ("one", "other")]


def go_on(tmp_path, validation, says, best=True, **typed):
    """Go on with a run whose best epoch was 3; return how far it is."""
    progress = Progress(9, best_score=0.75, best_epoch=3, steps_per_epoch=4, measured=says)
    arguments = TrainOptions.of({"net": NET, "resolution": SIDE}).saved()
    training, path = tiny_training(), tmp_path / LAST
    save_state(path, training, progress, tiny_description(), arguments)
    (tmp_path / BEST).write_bytes(b"")
    if not best:
        (tmp_path / BEST).unlink()
    saved = load_state(path)
    options = TrainOptions.resumed(saved.arguments, typed)
    return begin_or_go_on(training, options, saved, 4, validation)


def test_the_best_score_goes_on_where_the_same_is_measured_again(sets, tmp_path, caplog):
    one, other = sets
    options = TrainOptions(net=NET, resolution=SIDE)
    says = what_is_measured(one, options)
    for word in (says, ""):  # "": of an earlier version
        progress = go_on(tmp_path, one, word, batch_size=2)
        assert (progress.best_score, progress.best_epoch, progress.judged_from) == (0.75, 3, 0)
        assert progress.measured == says
    assert "looked for anew" not in caplog.text
    assert go_on(tmp_path, other, "", validation_mean_ap=True).best_epoch == 3


@pytest.mark.parametrize("is_known", [False, True])
@pytest.mark.parametrize(
    ("number", "typed"), [(1, {"validation_dataset": "other"}), (0, {"validation_mean_ap": False})]
)
def test_the_best_score_is_forgotten_where_something_else_is_measured(
    sets, tmp_path, number, typed, is_known, caplog
):
    says = what_is_measured(sets[0], TrainOptions(net=NET)) if is_known else ""
    progress = go_on(tmp_path, sets[number], says, **typed)
    assert (progress.best_epoch, progress.judged_from) == (-1, 9)
    assert "validates on other pictures, or measures something else: the best" in caplog.text


def test_a_best_epoch_without_its_weights_is_none(sets, tmp_path, caplog):
    assert go_on(tmp_path, sets[0], "", best=False).best_epoch == -1
    assert "best.pth any more: the best epoch, 3 until now" in caplog.text
