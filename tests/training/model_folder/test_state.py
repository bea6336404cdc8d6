from __future__ import annotations

import random

import pytest
import torch

from tests.tiny import (
    NET,
    RATES,
    drawn_batches,
    tiny_description,
    tiny_net,
    tiny_training,
    train_on,
)
from vision.training.model_folder.state import (
    ENDING,
    Progress,
    load_state,
    own_state_in,
    save_state,
)
from vision.training.optimization import OPTIMIZERS, freeze, parameter_groups
from vision.training.options import TrainOptions
from vision.training.recipe_options import OptimizerOptions

SCHEDULE = {"kind": "cosine", "warmup_steps": 2, "t_max": 8}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "last.pth"


def save(path, training, progress=None, arguments=None):
    save_state(path, training, progress or Progress(), tiny_description(), arguments or {})


def everything(training):
    """Return all numbers of a training by name."""
    values = {f"net.{name}": t for name, t in training.net.state_dict().items()}
    if training.average:
        values.update({f"average.{n}": t for n, t in training.average.net.state_dict().items()})
    for number, state in training.optimizer.state_dict()["state"].items():
        values.update({f"optimizer.{number}.{name}": value for name, value in state.items()})
    return values


@pytest.mark.parametrize(("optimizer", "decay"), [("adamw", 0.9), ("sgd", 0.0)])
def test_a_resumed_run_is_the_uninterrupted_one_bit_for_bit(path, optimizer, decay):
    batches = drawn_batches(2)
    whole = tiny_training(None, optimizer, decay, **SCHEDULE)
    for _ in range(3):
        train_on(whole, batches)

    first = tiny_training(None, optimizer, decay, **SCHEDULE)
    train_on(first, batches)
    save(path, first)
    second = tiny_training(tiny_net(seed=5), optimizer, decay, **SCHEDULE)
    load_state(path).restore(second)
    for _ in range(2):
        train_on(second, batches)

    assert second.step == whole.step == 6
    expected, resumed = everything(whole), everything(second)
    assert expected.keys() == resumed.keys()
    for name, value in expected.items():
        assert torch.equal(torch.as_tensor(value), torch.as_tensor(resumed[name])), name
    if decay:
        assert second.average.steps == 6


def test_what_is_said_of_a_run_comes_back(path):
    progress = Progress(epoch=4, position=0, best_score=0.5, best_epoch=2)
    arguments = {"net": "mb1-ssd", "datasets": ["/data/a"], "lr": None, "betas": [0.9, 0.999]}
    save(path, tiny_training(), progress, arguments)
    state = load_state(path)
    assert state.progress == progress
    assert state.arguments == arguments
    assert state.description == tiny_description()
    assert "tensors" not in repr(state)
    torch.load(path, weights_only=True)


def test_options_of_the_resumed_run_are_its_own(path):
    save(path, tiny_training(optimizer="sgd"))
    training = tiny_training(optimizer="sgd")
    for group in training.optimizer.param_groups:
        group.update(initial_lr=0.5, weight_decay=0.25, momentum=0.125)
    load_state(path).restore(training)
    for group in training.optimizer.param_groups:
        assert (group["initial_lr"], group["weight_decay"], group["momentum"]) == (0.5, 0.25, 0.125)


def test_an_average_may_begin_or_end_with_the_resumed_run(path):
    save(path, tiny_training(average_decay=0))
    with_average = tiny_training(tiny_net(seed=5), average_decay=0.9)
    saved = load_state(path)
    saved.restore(with_average)
    assert with_average.average.steps == 0
    average = with_average.average.net.state_dict()
    assert all(tensor.equal(average[name]) for name, tensor in saved.tensors["net"].items())
    save(path, tiny_training(average_decay=0.9))
    load_state(path).restore(tiny_training(average_decay=0))


def test_another_optimizer_is_refused(path):
    save(path, tiny_training(optimizer="sgd"))
    with pytest.raises(
        ValueError, match="had another optimizer or other frozen parts; resume with"
    ):
        load_state(path).restore(tiny_training(optimizer="adamw"))
    save(path, tiny_training(optimizer="adam"))
    load_state(path).restore(tiny_training(optimizer="adamw"))  # which gather the same


def test_other_frozen_parts_are_refused(path):
    save(path, tiny_training())
    training = tiny_training()
    freeze(training.net, ["base_net"])
    groups = parameter_groups(training.net, RATES, 1e-4)
    training.optimizer = OPTIMIZERS["adamw"](groups, OptimizerOptions())
    with pytest.raises(ValueError, match="other frozen parts"):
        load_state(path).restore(training)


def test_a_restarted_run_goes_on_from_a_state_of_its_own_only(path):
    folder = path.parent
    assert own_state_in(folder, overwrites=True) is None
    save(path, tiny_training())
    assert own_state_in(folder, overwrites=True) == folder
    (folder / ENDING).touch()  # by --overwrite, which has removed nothing yet
    assert own_state_in(folder, overwrites=True) is None
    assert own_state_in(folder, overwrites=False) == folder


def test_weights_alone_are_no_state(path):
    torch.save(tiny_net().state_dict(), path)
    assert load_state(path) is None


def test_what_a_later_version_wrote_is_refused(path, monkeypatch):
    monkeypatch.setattr("vision.training.model_folder.state.STATE_FORMAT", 2)
    save(path, tiny_training())
    monkeypatch.undo()
    with pytest.raises(ValueError, match=r"last\.pth has state format 2, this program reads 1"):
        load_state(path)
    monkeypatch.setattr("vision.checkpoints.description.FORMAT_VERSION", 3)
    save(path, tiny_training())
    monkeypatch.undo()
    with pytest.raises(ValueError, match=r"last\.pth cannot be used: .* format 3"):
        load_state(path)


def test_a_missing_or_damaged_state_is_said(path):
    with pytest.raises(ValueError, match=r"there is no file .*last\.pth"):
        load_state(path)
    save(path, tiny_training())
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(ValueError, match=r"last\.pth .* is damaged"):
        load_state(path)


def test_patience_counts_validations():
    progress = Progress(epoch=7, best_epoch=2)  # epochs 3 to 6 were no better
    assert progress.is_out_of_patience(4, validation_epochs=1)
    assert not progress.is_out_of_patience(5, validation_epochs=1)
    assert progress.is_out_of_patience(2, validation_epochs=2)
    assert not progress.is_out_of_patience(0, validation_epochs=1)


def test_patience_begins_where_the_run_does():
    progress = Progress(epoch=21, judged_from=21)  # with the weights of another program
    assert not progress.is_out_of_patience(1, validation_epochs=1)
    progress.begin(23)
    assert progress.is_out_of_patience(2, validation_epochs=1)
    assert not progress.is_out_of_patience(3, validation_epochs=1)
    assert not progress.is_out_of_patience(1, validation_epochs=5)  # the next is epoch 25
    assert progress.begin(26).is_out_of_patience(1, validation_epochs=5)


def test_a_run_that_is_judged_anew_has_no_best_epoch_and_all_its_patience(caplog):
    progress = Progress(epoch=9, best_score=0.75, best_epoch=3)
    progress.judge_anew("Its pictures have changed")
    assert "the best epoch, 3 until now, is looked for anew, from epoch 9 on" in caplog.text
    assert not progress.is_out_of_patience(1, validation_epochs=1)
    assert progress.judge(-5.0)
    assert progress.best_epoch == 9


def test_a_state_of_an_earlier_version_is_read(path):
    save(path, tiny_training(), Progress(epoch=2, best_epoch=1, best_score=0.5))
    state = torch.load(path, weights_only=True)
    for name in ("judged_from", "measured"):
        del state["progress"][name]
    torch.save(state, path)
    assert load_state(path).progress == Progress(epoch=2, best_epoch=1, best_score=0.5)


def test_an_epoch_of_another_length_begins_again(caplog):
    training = tiny_training()
    training.step = 23
    progress = Progress(epoch=2, position=3, loss_sums=[1.0, 1.0], steps_per_epoch=10)
    progress.fit_epochs(training, 10)
    assert (progress.position, training.step) == (3, 23)
    progress.fit_epochs(training, 12)
    assert "An epoch now has 12 steps; it had 10. Starting with epoch 2 again" in caplog.text
    assert (progress.position, progress.steps_per_epoch, training.step) == (0, 12, 24)


def test_where_only_the_epoch_is_known_the_step_follows():
    training, progress = tiny_training(), Progress(epoch=5)
    progress.fit_epochs(training, 4)
    assert training.step == 20


def test_progress_of_an_impossible_run_is_refused(path):
    good = {"epoch": 1, "position": 2, "loss_sums": [1.0, 2.0], "skipped": 0, "bad_batches": 0}
    good.update(best_score=float("-inf"), best_epoch=-1, steps_per_epoch=4)
    assert Progress.from_dict(good) == Progress(**good)
    for change, message in (
        ({"epoch": 10**9}, "epoch must be a whole number .* at most 1000000, got 1000000000"),
        ({"epoch": "soon"}, "epoch must be a whole number"),
        ({"position": 5}, "position must be at most 4, the steps of an epoch, got 5"),
        ({"loss_sums": [1.0]}, "loss_sums must be 2 values, got 1"),
        ({"loss_sums": [1.0, float("nan")]}, "loss_sums must be a number, got nan"),
        ({"best_score": float("nan")}, "best_score must be a finite number, got nan"),
        ({"best_epoch": None}, "best_epoch must be a whole number"),
        ({"colour": 1}, "does not know: colour"),
    ):
        with pytest.raises(ValueError, match=f"its progress.*{message}"):
            Progress.from_dict({**good, **change})
    del good["skipped"]
    with pytest.raises(ValueError, match="its progress is incomplete: skipped is missing"):
        Progress.from_dict(good)


def places(value, path=()):
    """Yield the path to everything in nested dicts and lists."""
    yield path
    if isinstance(value, dict):
        items = list(value.items())
    else:
        items = list(enumerate(value)) if isinstance(value, (list, tuple)) else []
    for name, inner in items:
        yield from places(inner, (*path, name))


def changed(value, path, put):
    """Return a copy with another value at a place, or without it."""
    if not path:
        return put
    first, rest = path[0], path[1:]
    copy = dict(value) if isinstance(value, dict) else dict(enumerate(value))
    copy[first] = changed(copy[first], rest, put)
    if copy[first] is GONE:
        del copy[first]
    return copy if isinstance(value, dict) else type(value)(copy.values())


GONE = object()
WRONG = (GONE, None, True, -1, 10**400, 1e300, float("nan"), "x", [], {}, [[[]]], {"a": 1})
TENSORS = (torch.ones(2), torch.ones(()), torch.ones(1, dtype=torch.complex64))


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_state_with_anything_else_in_it_is_read_or_refused_in_a_sentence(path, optimizer):
    training = tiny_training(optimizer=optimizer)
    train_on(training, drawn_batches(1))
    save(path, training, Progress(epoch=1, steps_per_epoch=4), TrainOptions(net=NET).saved())
    whole = torch.load(path, weights_only=True)
    rng = random.Random(0)
    everywhere = list(places(whole))[1:]
    few = [one for one in everywhere if one[0] not in ("net", "average") and len(one) < 5]
    refused = 0
    for _ in range(60):
        place = rng.choice(few if rng.random() < 0.8 else everywhere)
        content = changed(whole, place, rng.choice((*WRONG, *TENSORS)))
        torch.save(content, path)
        try:
            state = load_state(path)
            if state:
                state.restore(training)
        except ValueError as error:
            assert "\n" not in str(error), place
            assert "last.pth" in str(error) or "had another optimizer" in str(error), place
            refused += 1
    assert refused > 20
