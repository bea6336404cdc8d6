from __future__ import annotations

import logging

import pytest
import torch

from tests.combo import their_groups, write_combo
from tests.drawing import CLASS_NAMES
from tests.tiny import NET, tiny_description, tiny_net, tiny_training
from vision.checkpoints.weights_file import save_weights
from vision.training.model_folder.kaboom_state import find_resumable, load_combo, read_arguments


def test_weights_optimizer_and_epoch_go_on(tmp_path, caplog):
    path, net, gathered = write_combo(tmp_path)
    state = find_resumable(path)
    training = tiny_training(optimizer="adam")
    with caplog.at_level(logging.INFO):
        state.restore(training)
    assert "at the start of epoch 5 with the weights and what the optimizer has" in caplog.text
    assert (state.progress.epoch, state.progress.position) == (5, 0)
    for own in (training.net, training.average.net):
        for name, tensor in net.state_dict().items():
            assert own.state_dict()[name].equal(tensor), name
    for name, parameter in training.net.named_parameters():
        own = training.optimizer.state[parameter]
        assert set(own) == {"step", "exp_avg", "exp_avg_sq"}
        for kind, value in gathered[name].items():
            assert own[kind].equal(value), (name, kind)
    training.optimizer.step()


def test_a_step_from_there_is_the_step_that_those_scripts_would_have_made(tmp_path):
    path, net, _ = write_combo(tmp_path)
    content = torch.load(path, weights_only=True)
    theirs = torch.optim.Adam(their_groups(net), lr=3e-4)
    theirs.load_state_dict(content["optimizer"])
    training = tiny_training(optimizer="adam")
    find_resumable(path).restore(training)
    rates = {"base_net": 1e-4, "extras": 2e-4, "headers": 3e-4}
    for group in training.optimizer.param_groups:
        group.update(lr=rates[group["name"].split()[0]], betas=(0.8, 0.99), weight_decay=0.01)
    for one in (net, training.net):
        for parameter in one.parameters():
            parameter.grad = 0.01 * parameter.detach()
    theirs.step()
    training.optimizer.step()
    for (name, expected), actual in zip(net.named_parameters(), training.net.parameters()):
        torch.testing.assert_close(actual, expected, rtol=1e-6, atol=1e-8, msg=name)


def test_sgd(tmp_path):
    path, _, gathered = write_combo(tmp_path, "sgd")
    state = find_resumable(path)
    training = tiny_training(optimizer="sgd")
    state.restore(training)
    for name, parameter in training.net.named_parameters():
        own = training.optimizer.state[parameter]["momentum_buffer"]
        assert own.equal(gathered[name]["momentum_buffer"])


def test_another_optimizer_starts_anew_and_says_why(tmp_path, caplog):
    path, net, _ = write_combo(tmp_path, "sgd")
    training = tiny_training(optimizer="adamw")
    find_resumable(path).restore(training)
    assert "the optimizer starts anew: it gathered momentum_buffer" in caplog.text
    assert "--optim-choose" in caplog.text
    assert not training.optimizer.state
    for name, tensor in net.state_dict().items():
        assert training.net.state_dict()[name].equal(tensor)


def test_frozen_parts_have_gathered_nothing(tmp_path, caplog):
    path, _, gathered = write_combo(tmp_path, frozen=1)
    training = tiny_training(optimizer="adam")
    find_resumable(path).restore(training)
    assert "it knows nothing of base_net.0.weight; see --freeze-base-net" in caplog.text

    net = tiny_net()
    net.base_net.requires_grad_(False)
    training = tiny_training(net, optimizer="adam")
    find_resumable(path).restore(training)
    for name, parameter in net.named_parameters():
        own = training.optimizer.state.get(parameter)
        assert (own is None) == name.startswith("base_net.")
        assert own is None or own["exp_avg"].equal(gathered[name]["exp_avg"])


def test_what_does_not_fit_is_not_taken(tmp_path, caplog):
    path, _, _ = write_combo(tmp_path)
    content = torch.load(path, weights_only=True)

    def after(change):
        caplog.clear()
        other = torch.load(path, weights_only=True)["optimizer"]
        change(other)
        torch.save({**content, "optimizer": other}, path.with_name("other.pth"))
        training = tiny_training(optimizer="adam")
        find_resumable(path.with_name("other.pth")).restore(training)
        assert not training.optimizer.state
        return caplog.text

    assert "parameters, the optimizer has" in after(
        lambda own: own["param_groups"][1]["params"].pop()
    )
    assert "its exp_avg is (2,)" in after(lambda own: own["state"][0].update(exp_avg=torch.ones(2)))
    assert "in 5 groups" in after(lambda own: own["param_groups"].extend(own["param_groups"][:2]))


def test_options(tmp_path, caplog):
    path, *_ = write_combo(tmp_path)
    with caplog.at_level(logging.INFO):
        arguments = find_resumable(path).arguments
    expected = {
        "scheduler": "none",
        "lr": 3e-4,
        "extra_layers_lr": 2e-4,
        "base_net_lr": 1e-4,
        "weight_decay": 0.01,
        "betas": [0.8, 0.99],
        "dataset_type": "open_images",
        "balance_data": True,
        "optim_choose": "adam",
        "batch_size": 6,
        "num_epochs": 40,
        "checkpoint_folder": str(tmp_path.resolve()),
        "net": NET,
        "mb2_width_mult": 1.0,
    }
    assert {name: arguments[name] for name in expected} == expected
    assert "tensorboard" not in arguments
    assert "not known here: tensorboard" in caplog.text


def test_a_schedule_is_not_taken_but_the_rates_before_it(tmp_path, caplog):
    path, *_ = write_combo(tmp_path, "sgd", scheduled=True)
    arguments = find_resumable(path).arguments
    assert "scheduler" not in arguments
    assert [arguments[name] for name in ("base_net_lr", "extra_layers_lr", "lr")] == [
        1e-4,
        2e-4,
        3e-4,
    ]
    assert (arguments["momentum"], arguments["nesterov"]) == (0.7, True)
    assert "The schedule in" in caplog.text


def test_files_of_two_gpus_have_a_prefix(tmp_path):
    path, net, _ = write_combo(tmp_path, prefix="module.")
    training = tiny_training(optimizer="adam")
    find_resumable(path).restore(training)
    assert training.net.state_dict()["base_net.0.weight"].equal(net.base_net[0].weight)
    assert training.optimizer.state


def test_the_description(tmp_path):
    path, *_ = write_combo(tmp_path)
    description = find_resumable(path).description
    assert (description.net, description.class_names) == (NET, tuple(CLASS_NAMES))
    assert description.config.image_size == 300


def test_what_is_beside_it(tmp_path, caplog):
    path, *_ = write_combo(tmp_path)
    (tmp_path / "training_args.json").unlink()
    assert find_resumable(path).arguments["optim_choose"] == "adam"
    assert "There is no" in caplog.text
    (tmp_path / "labels.txt").unlink()
    with pytest.raises(ValueError, match=r"labels\.txt beside it"):
        find_resumable(path)


@pytest.mark.parametrize(("text", "message"), [("{", "must be JSON"), ("[1]", "got list")])
def test_bad_arguments(tmp_path, text, message):
    path = tmp_path / "training_args.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_arguments(path)


def test_other_files_are_no_combo_checkpoints(tmp_path):
    path = tmp_path / "weights.pth"
    torch.save({"base_net.0.weight": torch.ones(3)}, path)
    assert load_combo(path) is None
    assert find_resumable(path) is None
    save_weights(path, {"weights": torch.ones(3)}, tiny_description())
    assert load_combo(path) is None
    torch.save({"epoch": 3, "weights": {}, "optimizer": {}}, path)
    with pytest.raises(ValueError, match="no state of an optimizer"):
        load_combo(path)
