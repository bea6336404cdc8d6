from __future__ import annotations

import csv
import json

import pytest

from tests.drawing import CLASS_NAMES
from tests.tiny import NET, tiny_description, tiny_training
from vision.checkpoints.detector import best_checkpoint, load_detector
from vision.evaluation.average_precision import AveragePrecisionResult, ClassResult
from vision.training.loop import Losses
from vision.training.model_folder.model_folder import RunFolder
from vision.training.model_folder.state import Progress, load_state
from vision.training.validation import Validation

LOSSES = Losses(2.0, 3.0)


def validation(loss, mean=None):
    precision = None
    if mean is not None:
        classes = (ClassResult("red", mean, 4, 2, 1), ClassResult("green", None, 0, 0, 0))
        precision = AveragePrecisionResult(classes, mean, 0.5, True)
    return Validation(Losses(0.0, loss), precision)


class Run:
    """A run of a training that never learns, in epochs of which the validation is given."""

    def __init__(self, path, keep=5, arguments=None, progress=None):
        self.path, self.training = path, tiny_training()
        self.progress = progress or Progress()
        self.folder = RunFolder(path, arguments or {}, keep)
        self.folder.prepare(CLASS_NAMES, self.progress)

    def epoch(self, *validated):
        result = validation(*validated) if validated else None
        if result:
            self.progress.judge(result.score)
        facts = self.training, tiny_description(), self.progress
        self.folder.write_epoch(*facts, LOSSES, result)
        self.progress.begin(self.progress.epoch + 1)
        self.folder.save_state(*facts[:2], self.progress)

    @property
    def names(self):
        return sorted(path.name for path in self.path.iterdir())

    @property
    def rows(self):
        with (self.path / "results.csv").open(newline="") as file:
            return list(csv.DictReader(file))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "models" / "squares"


def test_what_is_there_before_the_first_step(path):
    run = Run(path, arguments={"net": NET, "lr": None})
    assert run.names == ["labels.txt", "training_args.json"]
    assert (path / "labels.txt").read_text() == "BACKGROUND\nred\ngreen\nblue\n"
    assert json.loads((path / "training_args.json").read_text()) == {"net": NET, "lr": None}


def test_what_an_epoch_leaves(path):
    run = Run(path, arguments={"net": NET})
    run.epoch(2.5, 0.25)
    weights = f"{NET}-Epoch-0-Loss-2.5.pth"
    assert run.names == sorted(
        ["best.pth", "labels.txt", "last.pth", weights, "results.csv", "training_args.json"]
    )
    detector = load_detector(path / weights)
    assert detector.description.epoch == 0
    assert detector.description.metrics == {"loss": 2.5, "mAP": 0.25}
    average = run.training.average.net.state_dict()  # what was measured is what is kept
    assert all(tensor.equal(average[n]) for n, tensor in detector.net.state_dict().items())
    state = load_state(path / "last.pth")
    assert state.progress == run.progress == Progress(1, 0, best_score=0.25, best_epoch=0)
    assert state.arguments == {"net": NET}


def test_the_table(path):
    run = Run(path)
    run.training.step = 40
    run.epoch(2.5, 0.25)
    run.epoch()
    first, second = run.rows
    assert (first["epoch"], first["steps"], first["training loss"]) == ("0", "40", "5.0")
    assert (first["validation loss"], first["mAP"]) == ("2.5", "0.25")
    assert (first["AP red"], first["AP green"]) == ("0.25", "")
    assert (second["epoch"], second["validation loss"], second["mAP"]) == ("1", "", "")


def test_the_best_is_by_precision_and_the_first_of_equals(path):
    run = Run(path)
    for loss, mean in ((3.0, 0.1), (2.0, 0.5), (1.0, 0.4), (0.5, 0.5)):
        run.epoch(loss, mean)
    assert run.progress.best_epoch == 1
    assert load_detector(path / "best.pth").description.epoch == 1
    assert best_checkpoint(path).name == "best.pth"


def test_without_precision_the_best_is_by_loss_and_never_nan(path):
    run = Run(path)
    for loss in (float("nan"), 3.0, 2.0, float("nan"), 2.5):
        run.epoch(loss)
    assert run.progress.best_epoch == 2
    assert load_detector(path / "best.pth").description.metrics == {"loss": 2.0}
    assert f"{NET}-Epoch-0-Loss-nan.pth" in run.names


def test_old_weights_go_but_the_best_and_others_stay(path):
    run = Run(path, keep=2)
    (path / "of-another-run-Epoch-0-Loss-1.0.pth").write_bytes(b"")
    for loss in (1.0, 2.0, 3.0, 4.0):
        run.epoch(loss)
    assert [name for name in run.names if "-Epoch-" in name] == [
        f"{NET}-Epoch-2-Loss-3.0.pth",
        f"{NET}-Epoch-3-Loss-4.0.pth",
        "of-another-run-Epoch-0-Loss-1.0.pth",
    ]
    assert load_detector(path / "best.pth").description.epoch == 0


def test_an_epoch_without_validation_can_be_resumed_from_but_leaves_no_weights(path):
    run = Run(path)
    run.epoch()
    assert [name for name in run.names if name.endswith(".pth")] == ["last.pth"]
    assert load_state(path / "last.pth").progress.epoch == 1


def test_a_resumed_run_continues_the_table(path):
    run = Run(path)
    run.epoch(3.0)
    run.epoch(2.0)
    resumed = Run(path, progress=Progress(epoch=1, best_score=-3.0, best_epoch=0))
    resumed.epoch(9.0)
    assert [(row["epoch"], row["validation loss"]) for row in resumed.rows] == [
        ("0", "3.0"),
        ("1", "9.0"),
    ]
    afresh = Run(path)
    afresh.epoch(8.0)
    assert len(afresh.rows) == 1
