from __future__ import annotations

import logging

import pytest
import torch

from tests.drawing import CLASS_NAMES
from tests.tiny import NET, SIDE, tiny_description, tiny_net
from vision.checkpoints.detector import best_checkpoint, load_detector, load_strictly
from vision.checkpoints.weights_file import save_weights
from vision.ssd import NETS, create_net
from vision.utils.labels import write_labels
from vision.utils.overrides import Overrides


@pytest.fixture
def described(tmp_path):
    path = tmp_path / "described.pth"
    save_weights(path, tiny_net().state_dict(), tiny_description(epoch=2))
    return path


@pytest.fixture
def bare(tmp_path):
    """Return weights as upstream saves them, with the labels.txt of the training beside them."""
    path = tmp_path / "bare.pth"
    torch.save(tiny_net().state_dict(), path)
    write_labels(tmp_path / "labels.txt", CLASS_NAMES)
    return path


def assert_has_weights(detector, net):
    state = net.state_dict()
    for name, tensor in detector.net.state_dict().items():
        assert tensor.equal(state[name]), name
    assert not detector.net.training


def test_a_described_file_needs_nothing_else(described):
    detector = load_detector(described)
    assert detector.description == tiny_description(epoch=2)
    assert detector.path == described
    assert detector.net.config.image_size == SIDE
    assert_has_weights(detector, tiny_net())


def test_a_described_file_may_be_told_what_it_knows(described, tmp_path):
    labels = tmp_path / "labels.txt"
    labels.write_text("red\ngreen\nblue\n")
    load_detector(described, Overrides(NET, labels, SIDE, 1.0))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            Overrides(net="mb1-ssd"),
            "is a mb3-small-ssd-lite, not a mb1-ssd; name that net, or leave",
        ),
        (Overrides(net="mb9"), "there is no net 'mb9'"),
        (Overrides(mb2_width_mult=0.5), "has width multiplier 1.0; leave it out"),
    ],
)
def test_a_description_is_not_contradicted(described, overrides, message):
    with pytest.raises(ValueError, match=message):
        load_detector(described, overrides)


@pytest.mark.parametrize("names", ["red\ngreen\n", "green\nred\nblue\n"])
def test_labels_of_another_training_are_refused(described, tmp_path, names):
    labels = tmp_path / "other.txt"
    labels.write_text(names)
    with pytest.raises(ValueError, match=r"trained on red, green, blue, .*other\.txt lists"):
        load_detector(described, Overrides(labels=labels))


def test_another_resolution_is_warned_of_and_has_its_own_priors(described, caplog):
    with caplog.at_level(logging.WARNING):
        detector = load_detector(described, Overrides(resolution=128))
    assert "trained at 64 x 64; its accuracy at 128 is unmeasured" in caplog.text
    assert detector.net.config == detector.description.config == NETS[NET].config(128)
    with torch.no_grad():
        scores, boxes = detector.net.detect(torch.zeros(1, 3, 128, 128))
    assert scores.shape[1] == boxes.shape[1] == len(detector.net.priors)


def test_a_bare_file_is_recognised(bare):
    detector = load_detector(bare, Overrides(resolution=SIDE))
    assert detector.description.net == NET
    assert detector.description.class_names == tuple(CLASS_NAMES)
    assert detector.net.config.image_size == SIDE
    assert (detector.net.config.image_mean, detector.net.config.image_std) == ((127.0,) * 3, 128.0)
    assert_has_weights(detector, tiny_net())
    assert load_detector(bare).net.config.image_size == 300


def test_the_labels_of_a_bare_file(bare, tmp_path):
    beside = bare.with_name("labels.txt")
    elsewhere = tmp_path / "elsewhere" / "names.txt"
    write_labels(elsewhere, ["BACKGROUND", "a", "b", "c"])
    named = load_detector(bare, Overrides(labels=elsewhere))
    assert named.description.class_names == ("BACKGROUND", "a", "b", "c")

    write_labels(elsewhere, ["BACKGROUND", "a", "b"])
    message = r"bare\.pth has 4 classes with BACKGROUND, .*names\.txt lists 3; give the labels"
    with pytest.raises(ValueError, match=message):
        load_detector(bare, Overrides(labels=elsewhere))
    beside.unlink()
    with pytest.raises(
        ValueError, match=r"does not say its class names .* 3 classes with --labels"
    ):
        load_detector(bare)


def test_a_blank_line_that_was_a_class_of_a_bare_file(bare):
    bare.with_name("labels.txt").write_text("BACKGROUND\nred\n\nblue")
    names = load_detector(bare).description.class_names
    assert names == ("BACKGROUND", "red", "unused class 2", "blue")


def test_a_combo_checkpoint(bare):
    net = tiny_net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [80, 100])
    content = {"epoch": 3, "weights": net.state_dict(), "optimizer": optimizer.state_dict()}
    torch.save({**content, "scheduler": scheduler}, bare)
    assert_has_weights(load_detector(bare), net)


def test_a_prefix_of_data_parallel(bare):
    torch.save({f"module.{name}": t for name, t in tiny_net().state_dict().items()}, bare)
    assert_has_weights(load_detector(bare), tiny_net())


def test_weights_of_no_net_are_refused_with_the_first_differences(bare):
    weights = torch.load(bare, weights_only=True)
    torch.save({name: one for name, one in weights.items() if "extras" not in name}, bare)
    message = r"bare\.pth does not fit the net: .* is missing; .* is missing; .* and \d+ more$"
    with pytest.raises(ValueError, match=message):
        load_detector(bare, Overrides(net=NET))


def test_the_wrong_width_is_refused(bare):
    with pytest.raises(ValueError, match="does not fit the net: base_net"):
        load_detector(bare, Overrides(mb2_width_mult=0.5))


def test_a_backbone_alone_is_no_detector(bare):
    backbone = tiny_net().base_net.state_dict()
    torch.save(backbone, bare)
    with pytest.raises(ValueError, match=r"are those of no net here .*train with --base-net"):
        load_detector(bare)
    with pytest.raises(ValueError, match="no prediction heads, so it is no mb3-small-ssd-lite"):
        load_detector(bare, Overrides(net=NET))


def test_strict_loading_names_what_is_too_much():
    net = tiny_net()
    weights = {**net.state_dict(), "more": torch.zeros(1)}
    with pytest.raises(ValueError, match=r"x\.pth does not fit the net: more is unknown$"):
        load_strictly(net, weights, "x.pth")


def test_a_bare_file_of_half_the_width(bare):
    net = create_net(NET, 4, SIDE, width_mult=0.5)
    torch.save(net.state_dict(), bare)
    detector = load_detector(bare)
    assert detector.description.width_mult == 0.5
    assert_has_weights(detector, net)


class Folder:
    """A model directory of files that hold next to nothing."""

    def __init__(self, path):
        self.path = path

    def add(self, name, **metrics):
        state = {"weight": torch.zeros(1)}
        save_weights(self.path / name, state, tiny_description(metrics=metrics))

    def add_bare(self, name):
        torch.save({"weight": torch.zeros(1)}, self.path / name)

    @property
    def best(self):
        return best_checkpoint(self.path).name


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def test_the_best_by_precision_whatever_the_loss(folder):
    folder.add("a-Epoch-0-Loss-9.0.pth", loss=9.0, mAP=0.4)
    folder.add("a-Epoch-1-Loss-1.0.pth", loss=1.0, mAP=0.3)
    folder.add("a-Epoch-2-Loss-0.5.pth", loss=0.5)
    folder.add_bare("a-Epoch-3-Loss-0.1.pth")
    assert folder.best == "a-Epoch-0-Loss-9.0.pth"
    folder.add("best.pth", loss=9.0, mAP=0.4)
    assert folder.best == "best.pth"


def test_the_best_by_loss_inside_or_in_the_name(folder):
    folder.add("a-Epoch-0-Loss-3.5.pth", loss=3.5)
    folder.add_bare("a-Epoch-1-Loss-2.25.pth")
    folder.add_bare("a-Epoch-10-Loss-12.0.pth")  # not the first by name
    assert folder.best == "a-Epoch-1-Loss-2.25.pth"
    folder.add("a-Epoch-2-Loss-9.0.pth", loss=2.0)  # what is inside counts
    assert folder.best == "a-Epoch-2-Loss-9.0.pth"


def test_losses_that_are_no_number_are_never_the_best(folder):
    nan, inf = float("nan"), float("inf")
    folder.add("a-Epoch-0-Loss-nan.pth", loss=nan)
    folder.add("a-Epoch-1-Loss-inf.pth", loss=inf)
    folder.add("best.pth", loss=nan, mAP=nan)
    folder.add_bare("a-Epoch-2-Loss-nan.pth")
    folder.add_bare("a-Epoch-3-Loss--inf.pth")
    folder.add_bare("a-Epoch-4-Loss-x.pth")
    folder.add_bare("mobilenet.pth")
    with pytest.raises(ValueError, match=r"no usable checkpoint in .* \(7 .pth files, none with a"):
        best_checkpoint(folder.path)
    folder.add_bare("a-Epoch-5-Loss-99.5.pth")
    assert folder.best == "a-Epoch-5-Loss-99.5.pth"


def test_a_damaged_file_is_said_and_passed_over(folder, caplog):
    folder.add("a-Epoch-0-Loss-3.5.pth", loss=3.5)
    (folder.path / "a-Epoch-1-Loss-0.1.pth").write_bytes(b"")
    assert folder.best == "a-Epoch-0-Loss-3.5.pth"
    assert "a-Epoch-1-Loss-0.1.pth is 0 bytes" in caplog.text


def test_states_and_unfinished_files_are_no_checkpoints(folder, caplog):
    folder.add("last.pth", mAP=1.0)
    folder.add(".best.123.part.pth", mAP=1.0)
    with pytest.raises(ValueError, match=r"\(0 .pth files"):
        best_checkpoint(folder.path)
    assert not caplog.records


def test_a_folder_that_is_not_there_or_empty(tmp_path):
    with pytest.raises(ValueError, match=r"no model directory .*none"):
        best_checkpoint(tmp_path / "none")
    with pytest.raises(ValueError, match="no usable checkpoint"):
        best_checkpoint(tmp_path)


def test_the_real_detector(real_models):
    path = best_checkpoint(real_models)
    assert path.name == "mb1-ssd-Epoch-14-Loss-5.101249158382416.pth"
    detector = load_detector(path)
    assert detector.description.net == "mb1-ssd"
    assert len(detector.description.class_names) == detector.net.num_classes


def test_a_head_that_is_a_single_number_is_no_head(bare):
    weights = torch.load(bare, weights_only=True)
    weights["classification_headers.5.weight"] = torch.tensor(1.0)
    torch.save(weights, bare)
    with pytest.raises(ValueError, match="has no prediction heads"):
        load_detector(bare, Overrides(resolution=SIDE))
