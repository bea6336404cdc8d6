"""The validation part means the same pictures to training, to evaluation and to the exporter."""

from __future__ import annotations

import json

import pytest

import eval_ssd
from tests.drawing import write_list, write_voc
from tests.formats import write_coco
from vision.datasets.drawn_split import HELD_OUT, held_out_of
from vision.datasets.opening import open_datasets
from vision.datasets.selection import Selection
from vision.loading.held_out import open_held_out


def pictures(index):
    return sorted(path.split("/")[-1] for path in index.paths)


def write_run(folder, **said):
    """Write a model directory that has nothing but what it was trained on; return it."""
    folder.mkdir()
    (folder / "training_args.json").write_text(json.dumps(said))
    return folder


@pytest.mark.parametrize("splits", [{}, {"train": 8}, {"train": 4, "val": 6}, {"val": 5}])
def test_a_validation_dataset_is_the_same_pictures_in_every_script(splits, tmp_path):
    write_voc(tmp_path / "data", {})
    write_voc(tmp_path / "other", splits, seed=1)
    roots = [str(tmp_path / "data"), str(tmp_path / "other")]
    run = write_run(tmp_path / "run", datasets=roots[:1], validation_dataset=roots[1])

    trained = open_datasets(roots[0], validation_root=roots[1])
    expected = pictures(trained.validation)
    assert len(expected) == splits.get("val", 8)
    # The last lines of a training name the folder.
    for named in ([], [tmp_path / "data" / ".." / "other"]):
        exported = open_held_out(run, named)
        words = ["--model-dir", run, "--split=val", *(["--dataset", *named] if named else ())]
        args = eval_ssd.parse_args(list(map(str, words)))
        evaluated = eval_ssd.open_data(*eval_ssd.with_training_data(vars(args)))
        assert pictures(exported) == expected
        assert pictures(evaluated.index) == expected


def test_the_format_of_the_trained_folder_is_not_that_of_the_validation_dataset(tmp_path):
    write_voc(tmp_path / "data", {})
    write_coco(tmp_path / "other")
    roots = [str(tmp_path / "data"), str(tmp_path / "other")]
    run = write_run(
        tmp_path / "run", datasets=roots[:1], validation_dataset=roots[1], dataset_type="voc"
    )
    trained = open_datasets(roots[0], "voc", roots[1])
    assert pictures(open_held_out(run)) == pictures(trained.validation)
    # Nor is it that of folders which are named.
    assert len(open_held_out(run, [tmp_path / "other"])) == 4
    args = eval_ssd.parse_args(["--model-dir", str(run)])
    assert len(eval_ssd.open_data(*eval_ssd.with_training_data(vars(args))).pictures)


def test_a_folder_that_is_named_is_divided_as_in_training(tmp_path):
    write_voc(tmp_path / "data", {})
    run = write_run(tmp_path / "run", datasets=["gone"], val_split=0.5, seed=3)
    folders = [tmp_path / "data"]
    held_out = open_held_out(run, folders)
    assert len(held_out) == 4
    assert len(open_held_out(run, folders, {"val_split": 0.25})) == 2


def held_in(run):
    """Return which pictures evaluation and export measure on for a run."""
    args = eval_ssd.parse_args(["--model-dir", str(run), "--split", "val"])
    evaluated = eval_ssd.open_data(*eval_ssd.with_training_data(vars(args)))
    exported = pictures(open_held_out(run))
    assert pictures(evaluated.index) == exported
    return exported


def test_after_more_pictures_come_what_was_trained_on_is_not_measured_on(tmp_path):
    """A draw by seed depends on the number of pictures."""
    data = tmp_path / "data"
    write_voc(data, {"trainval": 12})
    (data / "ImageSets" / "Main" / "trainval.txt").unlink()
    trained = open_datasets([data], selection=Selection(0.25))
    run = write_run(tmp_path / "run", datasets=[str(data)], val_split=0.25)
    trained.held_out.write(run / HELD_OUT)
    for number in range(9):
        for folder, suffix in (("Annotations", ".xml"), ("JPEGImages", ".png")):
            (one, *_) = sorted((data / folder).glob(f"*{suffix}"))
            (data / folder / f"a{number}{suffix}").write_bytes(one.read_bytes())
    before = pictures(trained.validation)
    assert len(before) == 3
    assert pictures(open_datasets([data], selection=Selection(0.25)).validation) != before
    assert held_in(run) == before
    # So does training that goes on; another share is drawn anew.
    kept = held_out_of(run)
    again = open_datasets([data], selection=Selection(0.25, held_out=kept.for_draw(0.25, 0)))
    assert pictures(again.validation) == before
    assert again.held_out == trained.held_out
    # With a dataset to validate on, nothing of the others is held out any more.
    write_voc(tmp_path / "other", {"val": 4}, seed=9)
    resumed = Selection(0.25, held_out=kept.for_draw(0.25, 0))
    elsewhere = open_datasets([data], validation_root=tmp_path / "other", selection=resumed)
    assert set(before) <= set(pictures(elsewhere.train))
    assert elsewhere.held_out.pictures == {}


def test_after_pictures_come_to_lists_that_are_copies_what_was_trained_on_is_not_measured_on(
    tmp_path,
):
    data = tmp_path / "data"
    names = [sample.image_id for sample in write_voc(data, {"train": 16})["train"]]
    write_list(data, "train", names[:12])
    write_list(data, "val", names[:12])
    trained = open_datasets([data], selection=Selection(0.25))
    run = write_run(tmp_path / "run", datasets=[str(data)], val_split=0.25)
    trained.held_out.write(run / HELD_OUT)
    for part in ("train", "val"):
        write_list(data, part, names)
    before = pictures(trained.validation)
    assert len(before) == 3
    assert pictures(open_datasets([data], selection=Selection(0.25)).validation) != before
    assert held_in(run) == before


def test_what_a_run_has_held_out_must_be_readable(tmp_path):
    run = write_run(tmp_path / "run", datasets=["data"])
    contents = ("[]", '{"pictures": 5}', '{"pictures": {"data": [5]}}', '{"other": 1}')
    for content in (*contents, "", '{"pictures": {"da'):
        (run / HELD_OUT).write_text(content)
        with pytest.raises(ValueError, match=r"held_out\.json must say .* delete it"):
            open_held_out(run)


@pytest.mark.parametrize("said", [{"datasets": [5]}, {"datasets": {}}, {"validation_dataset": 1}])
def test_a_run_that_says_no_folder_is_refused(said, tmp_path):
    run = write_run(tmp_path / "run", **said)
    with pytest.raises(ValueError, match="datasets must be names of folders"):
        open_held_out(run)
