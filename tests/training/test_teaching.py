from __future__ import annotations

import json
import math
import shutil

import numpy as np
import pytest
import torch

from tests.drawing import CLASS_NAMES, write_voc
from tests.tiny import NET, drawn_batches, tiny_description, tiny_net, tiny_training
from tests.training_script import as_before, run  # noqa: F401 (a fixture)
from vision.checkpoints.weights_file import save_weights
from vision.datasets.index.annotation_index import concatenate
from vision.datasets.index.builder import IndexBuilder
from vision.nn.multibox_loss import MultiboxLoss, Targets
from vision.ssd.matching import match_and_encode
from vision.structures import Sample
from vision.training.options import TrainOptions
from vision.training.setup import require_named_files
from vision.training.steps import batch_losses
from vision.training.teaching import TAUGHT, Taught, taught_before, teach
from vision.transforms import collate

CPU = torch.device("cpu")
TINY = f"--net {NET} --resolution 64 --batch-size 4 --workers 0 --pretrained-ssd none --warm_up 1"


def index_of(*pictures):
    """Build an index of pictures, each a list of class names with a box each."""
    builder = IndexBuilder()
    for number, names in enumerate(pictures):
        boxes = [[0, 0, 10 + row, 10] for row in range(len(names))]
        builder.add(str(number), f"/{number}.jpg", boxes, names, size=(64, 64))
    return builder.build()


def taught_index(confidences):
    marks = [{"class": "red", "confidence": one, "box": [0, 0, 9, 9]} for one in confidences]
    picture = {"path": "/a.jpg", "width": 64, "height": 48, "objects": marks}
    return Taught({}, [picture], 0, 0).index(CLASS_NAMES, upright=True)


def test_an_uncertain_object_is_partly_background():
    # Two classes with logits 0 and 1 for one prior that is an object with confidence 0.75.
    logits = torch.tensor([[[0.0, 1.0]]])
    no, yes = math.log(1 + math.e), math.log(1 + math.exp(-1))
    locations = torch.full((1, 1, 4), 2.0)  # each of four offsets costs 2 - 0.5
    targets = Targets(
        torch.zeros(1, 1, 4),
        torch.ones(1, 1, dtype=torch.int64),
        confidences=torch.tensor([[0.75]]),
    )
    regression, classification = MultiboxLoss()(logits, locations, targets)
    assert classification.item() == pytest.approx(0.75 * yes + 0.25 * no)
    assert regression.item() == pytest.approx(0.75 * 4 * 1.5)


def test_certain_objects_cost_what_they_cost_without_confidences():
    batch, training = drawn_batches(1)[0], tiny_training()
    certain = batch._replace(confidences=(batch.labels > 0).float())
    expected = [loss.item() for loss in batch_losses(training, batch)]
    found = [loss.item() for loss in batch_losses(training, certain)]
    assert found == pytest.approx(expected, rel=1e-6)


def test_each_prior_has_the_confidence_of_its_object():
    priors = torch.tensor([[0.25, 0.25, 0.5, 0.5], [0.75, 0.75, 0.5, 0.5], [0.5, 0.5, 0.1, 0.1]])
    boxes = torch.tensor([[[0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1]]])
    labels, confidences = torch.tensor([[1, 2]]), torch.tensor([[0.3, 0.9]])
    targets = match_and_encode(boxes, labels, priors, (0.1, 0.2), confidences)
    assert targets.labels.tolist() == [[1, 2, 0]]
    assert targets.confidences[0].tolist() == pytest.approx([0.3, 0.9, 1.0])
    nothing = boxes[:, :0], labels[:, :0]
    none = match_and_encode(*nothing, priors, (0.1, 0.2), confidences[:, :0])
    assert none.confidences is None


def test_a_batch_is_certain_where_people_marked():
    image, box = np.zeros((8, 8, 3), np.uint8), np.array([[0, 0, 4, 4]], np.float32)
    people = Sample(image, box, np.array([1]), np.array([False]), "people")
    teacher = Sample(
        image,
        box.repeat(2, 0),
        np.array([1, 2]),
        np.array([False, False]),
        "teacher",
        np.array([0.5, 0.25], np.float32),
    )
    assert collate([people]).confidences is None
    both = collate([people, teacher])
    assert both.confidences.tolist() == [[1, 0, 0, 0], [0.5, 0.25, 0, 0]]
    assert both.select(1).confidences.tolist() == [[0.5, 0.25, 0, 0]]
    assert both.to(CPU).confidences is both.confidences


def test_confidences_go_with_their_boxes():
    people = index_of(["red", "blue"], ["red"])
    joined = concatenate([people, taught_index([0.75, 0.5])], CLASS_NAMES)
    assert joined.confidences.tolist() == [1, 1, 1, 0.75, 0.5]
    assert joined.select(np.array([2, 1])).confidences.tolist() == [0.75, 0.5, 1]
    assert joined[2].confidences.tolist() == [0.75, 0.5]
    kept = joined.keep_boxes(np.array([True, False, True, False, True]))
    assert kept.confidences.tolist() == [1, 1, 0.5]
    assert concatenate([people, people], CLASS_NAMES).confidences is None


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    """Return the file of a net that finds something nearly everywhere."""
    path = tmp_path_factory.mktemp("teacher") / "teacher.pth"
    save_weights(path, tiny_net().state_dict(), tiny_description())
    return path


@pytest.fixture(scope="module")
def unlabelled(tmp_path_factory):
    """Return a folder with three pictures, in folders of their own, and a damaged one."""
    source = tmp_path_factory.mktemp("source")
    write_voc(source, {"train": 3}, seed=5)
    folder = tmp_path_factory.mktemp("unlabelled")
    for number, path in enumerate(sorted((source / "JPEGImages").iterdir())):
        below = folder / str(number)
        below.mkdir()
        shutil.copy(path, below)
    (folder / "damaged.jpg").write_bytes(b"no picture")
    return folder


def options(teacher, *folders, **more):
    return TrainOptions(teacher=teacher, unlabelled=folders, teacher_threshold=0.2, **more)


def test_the_teacher_marks_what_it_can_read(teacher, unlabelled, caplog):
    taught = teach(options(teacher, unlabelled), CLASS_NAMES, True, CPU)
    assert len(taught.pictures) + taught.empty == 3
    assert taught.unreadable == 1
    assert "damaged.jpg" in caplog.text
    index = taught.index(CLASS_NAMES, True)
    assert index.num_boxes == len(index.confidences) > 0
    assert ((index.confidences > 0.2) & (index.confidences <= 1)).all()
    assert "3 pictures" in taught.summary() or "1 pictures" in taught.summary()


def test_what_was_marked_is_read_again(teacher, unlabelled, tmp_path):
    asked = options(teacher, unlabelled)
    assert taught_before(tmp_path, asked, CLASS_NAMES) is None
    taught = teach(asked, CLASS_NAMES, True, CPU)
    taught.write(tmp_path / TAUGHT)
    assert taught_before(tmp_path, asked, CLASS_NAMES) == taught
    other = options(teacher, unlabelled, unlabelled)
    assert taught_before(tmp_path, other, CLASS_NAMES) is None  # other pictures: mark anew
    (tmp_path / TAUGHT).write_text("[]")
    with pytest.raises(ValueError, match=TAUGHT):
        taught_before(tmp_path, asked, CLASS_NAMES)


def test_a_teacher_of_other_classes_is_refused(teacher, unlabelled):
    with pytest.raises(ValueError, match="knows none of the classes of the data, which are kiwi"):
        teach(options(teacher, unlabelled), ["BACKGROUND", "kiwi"], True, CPU)


def test_classes_that_the_teacher_does_not_know_are_named(teacher, unlabelled, caplog):
    teach(options(teacher, unlabelled), [*CLASS_NAMES, "kiwi"], True, CPU)
    assert "does not know kiwi" in caplog.text


@pytest.mark.parametrize("missing", ["teacher", "unlabelled"])
def test_one_without_the_other_is_refused(teacher, unlabelled, missing):
    given = {"teacher": teacher, "unlabelled": (unlabelled,)}
    given[missing] = None if missing == "teacher" else ()
    with pytest.raises(ValueError, match="name both"):
        TrainOptions(**given).require_sensible()


def test_folders_without_pictures_are_refused(teacher, tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        teach(options(teacher, tmp_path / "no"), CLASS_NAMES, True, CPU)
    with pytest.raises(ValueError, match="there is no picture"):
        teach(options(teacher, tmp_path), CLASS_NAMES, True, CPU)


def test_what_is_not_there_is_refused_early(teacher, unlabelled, tmp_path):
    for asked in (options(tmp_path / "no.pth", unlabelled), options(teacher, tmp_path / "no")):
        with pytest.raises(ValueError, match=r"there is no .*no.*; check the path of --teacher"):
            require_named_files(asked)
    require_named_files(options(teacher, unlabelled))


def test_a_teacher_that_finds_nothing_is_refused(teacher, unlabelled):
    asked = TrainOptions(teacher=teacher, unlabelled=(unlabelled,), teacher_threshold=0.999)
    with pytest.raises(ValueError, match="finds nothing on the 3 pictures"):
        teach(asked, CLASS_NAMES, True, CPU)


@pytest.mark.slow
def test_a_run_with_a_teacher_goes_on_as_if_never_stopped(teacher, unlabelled, tmp_path):
    write_voc(tmp_path / "data", {"trainval": 8, "test": 4})
    line = f"{TINY} --teacher {teacher} --unlabelled {unlabelled} --teacher-threshold 0.2"
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    log = run(f"{line} --epochs 2 --data {tmp_path / 'data'} --model-dir {whole}")
    marked = len(json.loads((whole / TAUGHT).read_text())["pictures"])
    assert f"Train dataset size: {8 + marked}" in log
    run(f"{line} --epochs 1 --t_max 2 --data {tmp_path / 'data'} --model-dir {parts}")
    teacher_before = teacher.read_bytes()
    teacher.unlink()  # what it marked is kept
    try:
        run(f"--epochs 2 --model-dir {parts} --resume")
    finally:
        teacher.write_bytes(teacher_before)
    expected, found = (
        torch.load(folder / "last.pth", weights_only=True)["net"] for folder in (whole, parts)
    )
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_pictures_that_have_labels_are_not_taught_as_well(teacher, tmp_path):
    write_voc(tmp_path / "data", {"trainval": 8, "test": 4})
    photos = tmp_path / "data" / "JPEGImages"  # all of them: eight are learnt, four validated on
    line = f"{TINY} --teacher {teacher} --unlabelled {photos} --teacher-threshold 0.2 --epochs 1"
    log = run(f"{line} --data {tmp_path / 'data'} --model-dir {tmp_path / 'model'}")
    assert "have labels already" in log
    assert "Train dataset size: 8\n" in log
