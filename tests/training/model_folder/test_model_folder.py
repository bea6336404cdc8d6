from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import torch

from tests.tiny import NET, tiny_description, tiny_training
from vision.checkpoints.detector import best_checkpoint, load_detector
from vision.evaluation.average_precision import AveragePrecisionResult, ClassResult
from vision.training.model_folder import model_folder
from vision.training.model_folder.model_folder import ModelFolder
from vision.training.model_folder.state import Progress, load_state
from vision.training.options import TrainOptions
from vision.training.steps import Losses
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

    def __init__(self, path, progress=None, **options):
        self.path, self.training = path, tiny_training()
        self.progress = progress or Progress()
        self.options = TrainOptions(checkpoint_folder=path, net=NET, **options)
        self.folder = ModelFolder(self.options, tiny_description())
        self.folder.prepare(self.progress, earlier=path if progress else None)

    def epoch(self, *validated):
        result = validation(*validated) if validated else None
        if result:
            self.progress.judge(result.score)
        self.folder.write_epoch(self.training, self.progress, LOSSES, result)
        self.folder.save_state(self.training, self.progress.begin(self.progress.epoch + 1))

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


class Marks:
    """A file about the data, as far as the folder cares."""

    def write(self, path):
        path.write_text("{}")


@pytest.mark.parametrize("name", ["taught.json", "held_out.json"])
def test_what_another_run_would_read_ends_with_the_run_that_had_it(path, name):
    folder = Run(path).folder
    folder.prepare(Progress(), {name: Marks()})
    assert (path / name).is_file()
    folder.prepare(Progress())  # by --overwrite, without a teacher, or with data that are split
    assert not (path / name).exists()


def test_the_run_that_a_new_one_overwrites_ends_before_its_first_save(path):
    run = Run(path)
    for loss in (1.0, 2.0):
        run.epoch(loss, 0.5)
    (path / "bad_batches.jsonl").write_text("{}\n")
    (path / "mine.txt").write_text("")
    Run(path)
    weights = [f"{NET}-Epoch-{epoch}-Loss-{epoch + 1}.0.pth" for epoch in (0, 1)]
    assert run.names == sorted(["labels.txt", "mine.txt", "training_args.json", *weights])


@pytest.mark.parametrize("removed", range(8))
def test_a_run_killed_while_it_overwrites_another_leaves_no_mixture(path, removed, monkeypatch):
    run = Run(path)
    for loss in (1.0, 2.0):
        run.epoch(loss, 0.5)
    before = {name: (path / name).read_bytes() for name in run.names}
    real, done = model_folder._remove, []

    def killed(path):
        if len(done) == removed:
            raise KeyboardInterrupt
        done.append(real(path))

    monkeypatch.setattr(model_folder, "_remove", killed)
    with pytest.raises(KeyboardInterrupt):
        Run(path, batch_size=2)
    assert all(before[name] == (path / name).read_bytes() for name in run.names)
    states = {"last.pth", "previous.pth"} & set(run.names)
    assert states == {"previous.pth", "last.pth"} - set(model_folder.OF_A_RUN[:removed])


def test_a_run_that_goes_on_in_another_folder_takes_its_best_and_its_table_with_it(path, tmp_path):
    run = Run(path)
    for loss, mean in ((1.0, 0.5), (2.0, 0.25)):
        run.epoch(loss, mean)
    run.path = tmp_path / "other"
    run.folder = ModelFolder(run.options.replace(checkpoint_folder=run.path), tiny_description())
    run.folder.prepare(run.progress, earlier=path)
    run.folder.save_for_restart(run.training, run.progress)  # killed now, it could go on here
    taken = ["best.pth", "labels.txt", "last.pth", "results.csv", "training_args.json"]
    assert run.names == taken
    run.epoch(3.0, 0.125)
    assert [row["epoch"] for row in run.rows] == ["0", "1", "2"]
    assert load_detector(run.path / "best.pth").description.epoch == 0
    assert len([one for one in path.iterdir() if "-Epoch-" in one.name]) == 2  # as they were


def test_what_a_new_run_starts_from_stays(path):
    Run(path).epoch(1.0, 0.5)
    Run(path, pretrained_ssd=str(path / "best.pth"))
    assert (path / "best.pth").is_file()
    assert not (path / "last.pth").exists()


def test_what_is_there_before_the_first_step(path):
    run = Run(path, datasets=(Path("data"),))
    assert run.names == ["labels.txt", "training_args.json"]
    assert (path / "labels.txt").read_text() == "BACKGROUND\nred\ngreen\nblue\n"
    arguments = json.loads((path / "training_args.json").read_text())
    assert (arguments["net"], arguments["lr"]) == (NET, None)
    assert arguments["datasets"] == [str(Path.cwd() / "data")]
    assert not {"resume", "debug", "log_level"} & set(arguments)


def test_what_an_epoch_leaves(path):
    run = Run(path)
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
    assert state.arguments == run.options.saved()


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


def weights_in(run):
    return [name for name in run.names if "-Epoch-" in name]


def test_a_resumed_run_removes_its_own_old_weights_and_none_of_others(path):
    run = Run(path)
    others = [f"{NET}-Epoch-0-Loss-7.5.pth", "mb1-ssd-Epoch-1-Loss-2.0.pth"]
    for name in others:
        (path / name).write_bytes(b"")
    for loss in (1.0, 2.0, 3.0):
        run.epoch(loss)
    resumed = Run(path, progress=Progress(epoch=3), keep=2)
    resumed.epoch(4.0)
    own = [f"{NET}-Epoch-2-Loss-3.0.pth", f"{NET}-Epoch-3-Loss-4.0.pth"]
    assert weights_in(resumed) == sorted(own + others)


def test_an_epoch_that_is_run_again_has_one_file_of_weights_which_stays(path):
    run = Run(path)
    for loss in (1.0, 2.0, 3.0):
        run.epoch(loss)
    again = Run(path, progress=Progress(epoch=2), keep=2)  # from previous.pth
    again.epoch(3.0)
    assert weights_in(again) == [f"{NET}-Epoch-1-Loss-2.0.pth", f"{NET}-Epoch-2-Loss-3.0.pth"]
    again = Run(path, progress=Progress(epoch=2), keep=1)
    again.epoch(2.5)  # on a GPU the loss may differ
    assert weights_in(again) == [f"{NET}-Epoch-2-Loss-2.5.pth"]


def test_weights_that_the_user_took_away_are_no_failure(path):
    run = Run(path, keep=1)
    run.epoch(1.0)
    (path / f"{NET}-Epoch-0-Loss-1.0.pth").unlink()
    run.epoch(2.0)
    assert [name for name in run.names if "-Epoch-" in name] == [f"{NET}-Epoch-1-Loss-2.0.pth"]


def test_it_is_time_to_save_some_minutes_after_the_last_save(path):
    now = [0.0]
    run = Run(path, save_minutes=2.0)
    run.folder = ModelFolder(run.options, tiny_description(), clock=lambda: now[0])
    run.folder.prepare(run.progress)
    now[0] = 119.0
    assert not run.folder.is_time_to_save()
    now[0] = 120.0
    assert run.folder.is_time_to_save()
    run.folder.save_state(run.training, run.progress)
    assert not run.folder.is_time_to_save()
    never = ModelFolder(run.options.replace(save_minutes=0.0), tiny_description(), lambda: now[0])
    now[0] = 1e9
    assert not never.is_time_to_save()


def test_a_state_is_from_before_the_steps_that_were_skipped(path):
    run = Run(path, save_minutes=0.0)
    run.epoch(1.0)
    before = (path / "last.pth").read_bytes()
    run.training.is_lost = torch.tensor(True)
    run.progress.bad_batches = 1
    assert not run.folder.save_state(run.training, run.progress)
    assert (path / "last.pth").read_bytes() == before
    assert run.folder.is_time_to_save()  # as soon as a step is good
    run.training.is_lost = torch.tensor(False)
    assert run.folder.save_state(run.training, run.progress)
    assert not run.folder.is_time_to_save()
    assert load_state(path / "last.pth").progress.bad_batches == 1


def test_a_lone_process_saves_nothing_for_a_restart(path):
    run = Run(path)
    run.folder.save_for_restart(run.training, run.progress)
    assert "last.pth" not in run.names


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
