from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import onnx
import pytest
import torch

import onnx_export
from tests.drawing import write_voc
from tests.tiny import tiny_description, tiny_net
from vision.checkpoints.description import Description
from vision.checkpoints.weights_file import save_weights
from vision.deploy import export as exporting
from vision.deploy.detectnet import DetectNet
from vision.deploy.emulation.clustering import recommended_settings
from vision.deploy.nms import GraphNms, graph_nms
from vision.deploy.onnx_reading import open_session
from vision.deploy.outputs import Outputs
from vision.deploy.readiness.candidate import Reference
from vision.deploy.targets import TARGETS
from vision.ssd import NETS
from vision.utils import files
from vision.utils.cli import run_main

NET, SIDE = "mb3-small-ssd-lite", 128
CLASS_NAMES = ("BACKGROUND", "apple", "pear")


@pytest.fixture(scope="module")
def description():
    return Description(NET, CLASS_NAMES, NETS[NET].config(SIDE))


@pytest.fixture(scope="module")
def state(description):
    torch.manual_seed(0)
    return description.create().state_dict()


@pytest.fixture
def model_dir(tmp_path, description, state):
    """Return a model directory whose first epoch was the better one."""
    folder = tmp_path / "models"
    folder.mkdir()
    for epoch, precision, loss in ((0, 0.6, 3.0), (1, 0.4, 2.0)):
        metrics = {"mAP": precision, "loss": loss}
        path = folder / f"{NET}-Epoch-{epoch}-Loss-{loss}.pth"
        save_weights(path, state, replace(description, epoch=epoch, metrics=metrics))
    return folder


def export(*options):
    return run_main(onnx_export.main, onnx_export.parse_args(list(map(str, options))))


def input_shape(path):
    (value,) = onnx.load(str(path)).graph.input
    return [dim.dim_value for dim in value.type.tensor_type.shape.dim]


def test_a_model_directory_is_enough(model_dir, capsys):
    assert export("--model_dir", model_dir) == 0
    model, labels = model_dir / f"{NET}.onnx", model_dir / "labels.txt"
    assert labels.read_bytes() == b"BACKGROUND\napple\npear\n"
    assert DetectNet(model, labels).labels == list(CLASS_NAMES)
    told = capsys.readouterr().out
    assert f"loading checkpoint: {model_dir}/{NET}-Epoch-0-Loss-3.0.pth" in told
    assert "3 classes (2 + background)" in told
    assert "opset 11: read by TensorRT 7.1" in told
    assert (
        f"detectnet --model={model} --labels={labels}"
        " --input-blob=input_0 --output-cvg=scores --output-bbox=boxes"
        " --threshold=0.5 --clustering=0.75 INPUT OUTPUT" in told
    )
    assert (
        f'detectNet(model="{model}", labels="{labels}",'
        ' input_blob="input_0", output_cvg="scores", output_bbox="boxes", threshold=0.5)' in told
    )
    assert "net.SetClusteringThreshold(0.75)" in told
    assert "Not measured: give --data=FOLDER" in told
    assert {path.name for path in model_dir.iterdir()} == {
        *(f"{NET}-Epoch-0-Loss-3.0.pth", f"{NET}-Epoch-1-Loss-2.0.pth"),
        *(f"{NET}.onnx", "labels.txt", "detectnet.txt"),
    }
    note = (model_dir / "detectnet.txt").read_text()
    assert f"\ndetectnet --model={NET}.onnx --labels=labels.txt --input-blob=input_0" in note


def test_a_file_of_the_model_directory(model_dir, capsys):
    name = f"{NET}-Epoch-1-Loss-2.0.pth"
    options = ["--model-dir", model_dir, "--input", name, "--output", "mine.onnx"]
    assert export(*options, "--batch_size=2", "--opset=13") == 0
    assert input_shape(model_dir / "mine.onnx") == [2, 3, SIDE, SIDE]
    told = capsys.readouterr().out
    assert name in told
    assert "the batch size must be 1, it is 2" in told
    assert "opset 13: read by TensorRT 8.0 to 8.2" in told
    assert "detectnet --model" not in told


def test_any_file_and_another_resolution(model_dir, tmp_path, capsys):
    out = tmp_path / "out dir"
    out.mkdir()
    weights = model_dir / f"{NET}-Epoch-1-Loss-2.0.pth"
    assert export("--input", weights, "--output", out, "--width=160") == 0
    assert input_shape(out / f"{NET}.onnx") == [1, 3, 160, 160]
    told = capsys.readouterr().out
    assert "its accuracy at 160 is unmeasured" in told
    assert f"'--model={out}/{NET}.onnx'" in told
    assert "the path should have no blanks" in told


def test_bare_weights_need_their_labels(tmp_path, capsys):
    weights = tmp_path / "bare.pth"
    torch.save(Description(NET, CLASS_NAMES, NETS[NET].config(300)).create().state_dict(), weights)
    assert export("--input", weights) == 1
    assert "--labels" in capsys.readouterr().err
    labels = tmp_path / "names.txt"
    labels.write_text("apple\npear\n")
    assert export("--input", weights, "--labels", labels, "--net", NET) == 0
    assert "Mul" in {node.op_type for node in onnx.load(str(tmp_path / f"{NET}.onnx")).graph.node}
    assert (tmp_path / "labels.txt").read_text() == "BACKGROUND\napple\npear\n"


def test_labels_of_a_bare_name_are_in_the_model_directory_first(tmp_path, monkeypatch):
    model_dir = tmp_path / "models"
    model_dir.mkdir()
    monkeypatch.chdir(tmp_path)
    find, name = onnx_export.labels_named, Path("names.txt")
    assert find(None, model_dir) is None
    assert find(name, model_dir) == model_dir / name  # which the message then names
    name.touch()
    assert find(name, model_dir) == name
    (model_dir / name).touch()
    assert find(name, model_dir) == model_dir / name
    for other, folder in ((name, None), (tmp_path / name, model_dir), (Path("a/b"), model_dir)):
        assert find(other, folder) == other


def test_every_name_of_the_tutorials_is_in_the_model_directory(tmp_path, monkeypatch, capsys):
    net = Description(NET, CLASS_NAMES, NETS[NET].config(300)).create()
    torch.save(net.state_dict(), tmp_path / "bare.pth")
    (tmp_path / "mine.txt").write_text("apple\npear\n")
    words = ["--model-dir", tmp_path, "--input=bare.pth", "--labels=mine.txt", "--output=a.onnx"]
    assert export(*words) == 0
    assert (tmp_path / "labels.txt").read_text() == "BACKGROUND\napple\npear\n"
    assert (tmp_path / "a.onnx").is_file()


def test_mb1_has_the_name_of_the_tutorials():
    for net, name in (("mb1-ssd", "ssd-mobilenet.onnx"), ("vgg16-ssd", "vgg16-ssd.onnx")):
        loaded = SimpleNamespace(description=SimpleNamespace(net=net), path=Path("m/best.pth"))
        assert onnx_export.output_path(None, None, loaded) == Path("m") / name
        assert onnx_export.output_path("a.onnx", None, loaded) == Path("a.onnx")
        assert onnx_export.output_path("a.onnx", Path("m"), loaded) == Path("m/a.onnx")
        assert onnx_export.output_path("b/a.onnx", Path("m"), loaded) == Path("b/a.onnx")
        assert onnx_export.output_path("b/", Path("m"), loaded) == Path("b") / name


@pytest.mark.parametrize(
    ("sides", "side"),
    [((None, None, None), None), ((512, None, None), 512), ((512, 512, 512), 512)],
)
def test_one_side(sides, side):
    assert onnx_export.square_side(*sides) == side


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--width=640", "--height=480"], "must be square, got --width=640 --height=480"),
        (["--resolution=300", "--width=512"], "must be square, got --width=512 --resolution=300"),
        (["--input=absent.pth"], "absent.pth"),
        (["--net=mb9-ssd"], "mb9-ssd"),
        (["--output=model.engine"], "must be called *.onnx"),
        (["--output=OUT/new"], "or end in / for a folder, it is OUT/new"),
        (["--output=OUT/new/", "--input=OUT/absent.pth"], "absent.pth"),
        (["--output=OUT/new/", "--data=OUT/absent"], "OUT/absent"),
        (["--output=OUT/new/", "--data=OUT"], "OUT"),
        (["--output=OUT/new/", "--target=trt7.1", "--opset=13"], "it was 13; leave --opset out"),
        (["--target=trt8.2", "--opset=14"], "--opset must be 9 to 13 for --target=trt8.2"),
        (["--nms", "--batch-size=2"], "NMS in the graph needs a batch size of 1"),
        (["--nms", "--opset=9"], "NMS in the graph needs opset 11 or more, got 9"),
        (["--output=OUT/labels.txt/new.onnx"], "labels.txt"),
        (
            ["--output=OUT/other/a.onnx"],
            "names other classes than the weights (apple, pear), and what else lies there may need"
            " it; choose another folder, such as --output=OUT/other/a/, or remove that file",
        ),
    ],
)
def test_a_failure_is_one_line_and_changes_nothing(model_dir, tmp_path, capsys, options, sentence):
    out = tmp_path / "out"
    (out / "other").mkdir(parents=True)
    for folder in (out, out / "other"):
        (folder / "labels.txt").write_text("BACKGROUND\ncat\n")
    (model_dir / f"{NET}.onnx").write_bytes(b"of yesterday")
    (model_dir / "labels.txt").write_text("BACKGROUND\napple\npear\n")
    (model_dir / f"{NET}.onnx.1.1.8201.GPU.FP16.engine").write_bytes(b"of yesterday")
    before = snapshot(tmp_path)
    options = [option.replace("OUT", str(out)) for option in options]
    assert export("--model-dir", model_dir, *options) == 1
    told = capsys.readouterr().err
    assert sentence.replace("OUT", str(out)) in told
    assert told.count("\n") == 1
    assert snapshot(tmp_path) == before


def snapshot(folder):
    """Return names, contents and times of everything below a folder."""
    return {
        path.relative_to(folder): path.is_file() and (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
    }


def test_a_check_that_fails_changes_nothing(model_dir, capsys, monkeypatch):
    """The net and its file differ: all files are staged by then."""

    run_net = exporting.run_net

    def another_net(net, probes):
        exact = run_net(net, probes)["plain wall"].double
        moved = Outputs(exact.scores, exact.boxes + 0.01)
        return {"plain wall": Reference(moved, moved)}

    monkeypatch.setattr(exporting, "run_net", another_net)
    before = snapshot(model_dir)
    assert export("--model-dir", model_dir, "--output", model_dir / "new" / "a.onnx") == 1
    assert "[parity]" in capsys.readouterr().err
    assert snapshot(model_dir) == before


def test_a_folder_that_may_not_be_written_to_is_refused_before_the_work(
    model_dir, tmp_path, capsys, monkeypatch
):
    (tmp_path / "mounted").mkdir()
    before = snapshot(tmp_path)
    monkeypatch.setattr(files.os, "access", lambda path, mode: Path(path).name != "mounted")
    assert export("--model-dir", model_dir, f"--output={tmp_path}/mounted/") == 1
    told = capsys.readouterr()
    assert f"mounted/{NET}.onnx cannot be a file to write, {tmp_path}/mounted may not" in told.err
    assert "exporting model" not in told.out
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("pear\napple\n", "(pear, apple) has another order than the weights (apple, pear)"),
        ("\n", "must name at least one class"),
        (
            "\n".join(map(str, range(20))),
            "(0, 1, 2, 3, 4, 5, 6, 7 and 12 more) names other classes",
        ),
    ],
)
def test_a_second_model_goes_into_a_folder_of_its_own(model_dir, capsys, text, sentence):
    """The message has the words to type, and what lies beside another model stays."""
    (model_dir / "labels.txt").write_text(text)
    assert export("--model-dir", model_dir) == 1
    told = capsys.readouterr().err
    assert sentence in told
    (word,) = (word for word in told.replace(",", " ").split() if word.startswith("--output="))
    assert export("--model-dir", model_dir, word) == 0
    assert (model_dir / NET / "labels.txt").read_text() == "BACKGROUND\napple\npear\n"
    assert (model_dir / "labels.txt").read_text() == text


def test_a_folder_that_is_not_there(model_dir, tmp_path):
    assert export("--model-dir", model_dir, f"--output={tmp_path}/new/folder/") == 0
    names = {path.name for path in (tmp_path / "new" / "folder").iterdir()}
    assert names == {f"{NET}.onnx", "labels.txt", "detectnet.txt"}


def test_nms_in_the_graph(model_dir, capsys):
    options = ["--nms", "0.5", "--nms-candidates=50", "--nms-across-classes"]
    assert export("--model-dir", model_dir, *options) == 0
    told = capsys.readouterr().out
    assert "scores [50,3], boxes [50,4]" in told
    assert "NMS inside: IoU 0.5, across classes" in told
    session = open_session(model_dir / f"{NET}.onnx")
    said = graph_nms(session.get_modelmeta().custom_metadata_map)
    assert said == GraphNms(0.5, 50, across_classes=True)
    assert DetectNet(model_dir / f"{NET}.onnx", model_dir / "labels.txt").num_classes == 3
    assert export("--model-dir", model_dir, "--nms") == 0
    session = open_session(model_dir / f"{NET}.onnx")
    assert graph_nms(session.get_modelmeta().custom_metadata_map) == GraphNms()


@pytest.fixture
def drawn_run(tmp_path):
    """Return the model directory of a run on drawn squares, which is untrained."""
    folder, data = tmp_path / "run", tmp_path / "data"
    write_voc(data, {"train": 6, "val": 20})
    folder.mkdir()
    net = tiny_net()
    save_weights(folder / "best.pth", net.state_dict(), tiny_description(metrics={"mAP": 0.5}))
    arguments = {"datasets": [str(data)], "validation_dataset": None, "dataset_type": "voc"}
    (folder / "training_args.json").write_text(json.dumps(arguments))
    return folder


def test_the_pictures_that_the_run_held_out_are_measured_on(drawn_run, capsys):
    assert export("--model-dir", drawn_run, "--nms", "--tune-pictures=15") == 0
    told = capsys.readouterr().out
    assert "What detectnet shows on 15 validation pictures" in told
    note = (drawn_run / "detectnet.txt").read_text()
    assert "# What detectnet shows on 15 validation pictures" in note
    assert "  NMS 0.45" in note
    metadata = open_session(drawn_run / f"{NET}.onnx").get_modelmeta().custom_metadata_map
    chosen = recommended_settings(metadata)
    for text in (note, told):
        words = f"--threshold={chosen.threshold:g} --clustering={chosen.clustering:g} INPUT"
        assert words in text


def test_data_that_is_named_wins_and_nothing_is_measured_on_request(drawn_run, tmp_path, capsys):
    write_voc(tmp_path / "other", {"train": 4, "val": 7})
    assert export("--model-dir", drawn_run, "--data", tmp_path / "other") == 0
    assert "What detectnet shows on 7 validation pictures" in capsys.readouterr().out
    assert export("--model-dir", drawn_run, "--tune-pictures=0") == 0
    told = capsys.readouterr().out
    assert "Not measured" in told
    assert "--threshold=0.5 --clustering=0.75" in told


def test_the_classes_that_are_chosen_are_measured_as_eval_ssd_does(drawn_run, capsys):
    def objects():
        told = capsys.readouterr().out
        return told, int(re.search(r"pictures with ([\d,]+) objects", told)[1].replace(",", ""))

    assert export("--model-dir", drawn_run) == 0
    _, everything = objects()
    assert export("--model-dir", drawn_run, "--classes=red") == 0
    told, of_red = objects()
    assert 0 < of_red < everything
    assert "Only the net has these classes, whose detections are left out: green, blue." in told
    assert export("--model-dir", drawn_run, "--classes=plum") == 1
    assert "'plum'" in capsys.readouterr().err


def test_data_without_a_class_of_the_net_are_refused_and_nothing_is_written(
    drawn_run, tmp_path, capsys
):
    before = snapshot(drawn_run)
    classes = ["--class-map", "red=Greens,green=pear,blue=plum"]
    assert export("--model-dir", drawn_run, "--data", tmp_path / "data", *classes) == 1
    told = capsys.readouterr().err
    assert "share no class: the net has red, green, blue; the dataset has Greens, pear" in told
    assert "--class-map, as Greens=green" in told
    assert snapshot(drawn_run) == before


def test_a_note_on_an_older_file_goes_with_it_and_that_of_another_stays(model_dir, capsys):
    """detectnet cannot take four pictures at once, so that there is no command to write down."""
    note = model_dir / "detectnet.txt"
    assert export("--model-dir", model_dir, "--nms") == 0
    assert export("--model-dir", model_dir, "--output=four.onnx", "--batch-size=4") == 0
    assert f"How to use {NET}.onnx" in note.read_text()
    assert export("--model-dir", model_dir, "--batch-size=4") == 0
    assert not note.exists()
    assert f"removed {note}, which was of an older {NET}.onnx" in capsys.readouterr().out


def test_an_opset_without_nms_is_exported_and_measured(drawn_run, capsys):
    """The table compares with NMS, which nobody has asked to be in this file."""
    assert export("--model-dir", drawn_run, "--opset=9") == 0
    assert "  NMS 0.45  not measured: it needs opset 11 or more" in capsys.readouterr().out
    assert "opset 11 or more" in (drawn_run / "detectnet.txt").read_text()


def test_a_dataset_that_is_gone_is_a_warning(drawn_run, tmp_path, capsys):
    (tmp_path / "data").rename(tmp_path / "moved")
    assert export("--model-dir", drawn_run) == 0
    told = capsys.readouterr().out
    assert "what the run was validated on cannot be used" in told
    assert "Not measured: give --data=FOLDER" in told


@pytest.mark.parametrize(
    ("target", "opset", "has_hard_swish"),
    [
        ("trt7.1", 11, False),
        pytest.param("trt8.2", 13, False, marks=pytest.mark.slow),
        pytest.param("trt8.6", 17, True, marks=pytest.mark.slow),
        ("trt10", 17, True),
    ],
)
def test_a_target_picks_opset_and_operators(model_dir, capsys, target, opset, has_hard_swish):
    assert export("--model-dir", model_dir, f"--target={target}", "--nms") == 0
    model = onnx.load(str(model_dir / f"{NET}.onnx"))
    assert model.opset_import[0].version == opset
    assert ("HardSwish" in {node.op_type for node in model.graph.node}) == has_hard_swish
    assert f"opset {opset}: read by {TARGETS[target]}" in capsys.readouterr().out
    assert export(f"--check={model_dir}/{NET}.onnx", f"--target={target}") == 0


def test_the_table_of_checks(model_dir, tmp_path, capsys):
    assert export("--model-dir", model_dir) == 0
    path = model_dir / f"{NET}.onnx"
    capsys.readouterr()
    assert export("--check", path) == 0
    told = capsys.readouterr().out
    assert f"{path} for TensorRT 7.1 (JetPack 4.4 and 4.5):" in told
    assert "  ok      extension         the name ends in .onnx" in told
    assert "  ok      label-count       labels.txt has a line for each class" in told
    assert "  warning background" in told
    assert "0 errors, 1 warning: detectnet can use this file. Read the warnings." in told
    (tmp_path / "labels.txt").write_bytes(b"BACKGROUND\napple\n")
    assert export("--check", path, "--labels", tmp_path / "labels.txt") == 1
    told = capsys.readouterr().out
    assert "  ERROR   label-count" in told
    assert "detectnet reads 2" in told
    assert "1 error, 1 warning: detectnet cannot use this file." in told


def test_files_of_other_programs_are_checked_as_well(tmp_path, capsys):
    """A classifier with a type and an operator that TensorRT 7.1 does not know."""
    nodes = [
        onnx.helper.make_node("Erf", ["image"], ["x"]),
        onnx.helper.make_node("Cast", ["x"], ["classes"], to=onnx.TensorProto.DOUBLE),
    ]
    kinds = {"image": onnx.TensorProto.FLOAT, "classes": onnx.TensorProto.DOUBLE}
    values = [
        onnx.helper.make_tensor_value_info(name, kind, ["n", 3, 8, 8])
        for name, kind in kinds.items()
    ]
    graph = onnx.helper.make_graph(nodes, "other", values[:1], values[1:])
    opsets = [onnx.helper.make_opsetid("", 18)]
    path = tmp_path / "other model.onnx"
    onnx.save(onnx.helper.make_model(graph, opset_imports=opsets, ir_version=9), str(path))
    assert export("--check", path) == 1
    told = capsys.readouterr().out
    for code in ("opset", "input-shape", "output-names", "operator", "type", "open-shape"):
        assert f"  ERROR   {code} " in told
    for code in ("path", "ir-version"):
        assert f"  warning {code} " in told
    assert "export with --target=trt7.1" in told
    assert "mend the errors of versions" in told
    assert max(len(line) for line in told.splitlines() if str(tmp_path) not in line) <= 80
    (tmp_path / "no.onnx").write_text("no")
    assert export("--check", tmp_path / "no.onnx") == 1
    assert "must be an ONNX file" in capsys.readouterr().err


def test_files_that_are_not_there_are_named_in_words(model_dir, tmp_path, capsys):
    missing = tmp_path / "missing.onnx"
    assert export("--check", missing) == 1
    assert f"there is no file or folder {missing}; check the path" in capsys.readouterr().err
    assert export("--model-dir", model_dir) == 0
    labels = tmp_path / "missing.txt"
    for words in (["--model-dir", model_dir], ["--check", model_dir / f"{NET}.onnx"]):
        assert export(*words, "--labels", labels) == 1
        assert f"there is no file or folder {labels}; check the path" in capsys.readouterr().err


def test_debug_shows_where(model_dir):
    with pytest.raises(ValueError, match="must be square"):
        export("--model-dir", model_dir, "--width=64", "--height=32", "--debug")


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--model-dri=x"],
        ["--input=a", "--opset=eleven"],
        ["--input=a", "--opset=21"],
        ["--input=a", "--nms=2"],
    ],
)
def test_usage_errors(options, capsys):
    with pytest.raises(SystemExit) as stop:
        onnx_export.parse_args(options)
    assert stop.value.code == 2


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--input=a", "--nms-candidates=50"], "--nms-candidates needs --nms"),
        (["--input=a", "--nms-across-classes"], "--nms-across-classes needs --nms"),
        (["--check=a.onnx", "--nms"], "--check exports nothing; leave --nms out"),
        (["--check=a.onnx", "--model-dir=a"], "--check exports nothing; leave --model-dir out"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(options, sentence, capsys):
    with pytest.raises(SystemExit) as stop:
        onnx_export.parse_args(options)
    assert stop.value.code == 2
    assert sentence in capsys.readouterr().err


def test_importing_it_loads_nothing_heavy():
    code = "import sys, onnx_export; sys.exit(bool({'torch', 'onnx', 'cv2'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
