from __future__ import annotations

import numpy as np
import pytest
import torch

import run_ssd_example
from tests.drawing import CLASS_NAMES, draw_samples, write_picture
from vision.pictures.drawing import class_colour
from vision.pictures.reading import read_picture
from vision.ssd import create_net
from vision.utils.cli import run_main
from vision.utils.labels import write_labels


@pytest.fixture
def model(tmp_path):
    """Return bare weights of sq-ssd-lite that see "red" everywhere, with a labels.txt."""
    torch.manual_seed(0)
    net = create_net("sq-ssd-lite", len(CLASS_NAMES))
    for header in net.classification_headers:
        last = header if isinstance(header, torch.nn.Conv2d) else header[-1]
        torch.nn.init.zeros_(last.weight)
        last.bias.data = torch.tensor([0.0, 3, 0, 0]).repeat(len(last.bias) // 4)
    folder = tmp_path / "model"
    folder.mkdir()
    write_labels(folder / "labels.txt", CLASS_NAMES)
    path = folder / "sq-ssd-lite-Epoch-1-Loss-3.5.pth"
    torch.save(dict(net.state_dict()), path)
    return path


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    """Work in an empty folder; return a folder of three pictures and a text file beside it."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    folder = tmp_path / "pictures"
    names = ("a.jpg", "b 1.PNG", "c.bmp")
    for name, sample in zip(names, draw_samples(3)):
        write_picture(folder / name, sample.image)
    (folder / "notes.txt").write_text("no picture")
    return folder


def run(*argv):
    return run_main(run_ssd_example.main, run_ssd_example.parse_args(list(map(str, argv))))


def assert_drawn(path, original):
    drawn, image = read_picture(path), read_picture(original)
    assert drawn.shape == image.shape
    red = np.abs(drawn.astype(int) - class_colour(1)).max(axis=2) < 60
    assert red.sum() > 100


def test_upstreams_four_positionals(model, pictures, tmp_path, capsys):
    picture = pictures / "a.jpg"
    assert run("sq-ssd-lite", model, model.parent / "labels.txt", picture) == 0
    line = capsys.readouterr().out.splitlines()[-1]
    assert line == "Found 10 objects. The output image is run_ssd_example_output.jpg"
    assert_drawn(tmp_path / "work" / "run_ssd_example_output.jpg", picture)


def test_a_folder_comes_out_as_a_folder(model, pictures, tmp_path, capsys):
    assert run("--model-dir", model.parent, pictures, "--top-k=2") == 0
    output = tmp_path / "work" / "run_ssd_example_output"
    assert sorted(path.name for path in output.iterdir()) == ["a.jpg", "b 1.PNG", "c.jpg"]
    assert_drawn(output / "c.jpg", pictures / "c.bmp")
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Found")]
    assert len(lines) == 3
    assert lines[0] == "Found 2 objects. The output image is run_ssd_example_output/a.jpg"


def test_one_picture_into_a_named_file(model, pictures, tmp_path):
    output = tmp_path / "new" / "drawn.png"
    assert run("--model", model, pictures / "a.jpg", "--output", output) == 0
    assert_drawn(output, pictures / "a.jpg")


def test_nothing_above_the_threshold(model, pictures, tmp_path, capsys):
    assert run("--model", model, pictures / "b 1.PNG", "--threshold=0.99", "--output=o.png") == 0
    assert "Found 0 objects." in capsys.readouterr().out
    drawn = read_picture(tmp_path / "work" / "o.png")
    assert np.array_equal(drawn, read_picture(pictures / "b 1.PNG"))


def test_a_damaged_picture_does_not_stop_the_others(model, pictures, tmp_path, capsys):
    (pictures / "b 1.PNG").write_bytes(b"damaged")
    assert run("--model", model, pictures, "--output", tmp_path / "out") == 1
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"a.jpg", "c.jpg"}
    out = capsys.readouterr().out
    assert "b 1.PNG" in out
    assert "1 of 3 pictures could not be read" in out
    assert run("--model", model, pictures / "b 1.PNG") == 1
    assert capsys.readouterr().err.startswith("error: ")


def test_detectnets_postprocessing_needs_an_onnx_file(model, pictures, capsys):
    options = ("--postprocess=detectnet", pictures / "a.jpg")
    assert run("--model", model, *options) == 1
    assert "must be a .onnx; write one with onnx_export.py" in capsys.readouterr().err
    assert run("--model-dir", model.parent, *options) == 1
    assert "must hold one .onnx, it holds none" in capsys.readouterr().err


def test_what_sources_name(pictures):
    found = run_ssd_example.find_pictures
    everything = [pictures / name for name in ("a.jpg", "b 1.PNG", "c.bmp")]
    assert found([str(pictures)]) == everything
    assert found([str(pictures / "*.jpg"), str(pictures)]) == everything
    assert found([str(pictures / "c.bmp"), str(pictures / "a.jpg")]) == everything[2::-2]
    write_picture(pictures / "[x].jpg", np.zeros((8, 8, 3), np.uint8))
    assert found([str(pictures / "[x].jpg")]) == [pictures / "[x].jpg"]
    for nothing in ("missing.jpg", "*.gif"):
        with pytest.raises(FileNotFoundError, match="no picture .*" + nothing.replace("*", ".")):
            found([str(pictures / nothing)])


def test_where_pictures_go(pictures, tmp_path):
    places = run_ssd_example.output_paths
    one, other = pictures / "a.jpg", tmp_path / "other" / "a.jpg"
    out = tmp_path / "out"
    assert [path.name for path in places([one], None)] == ["run_ssd_example_output.jpg"]
    assert places([one], out) == [out / "a.jpg"]
    assert places([one, other], out) == [out / "a.jpg", out / "a_2.jpg"]
    assert places([pictures / "c.bmp"], out) == [out / "c.jpg"]
    with pytest.raises(ValueError, match="is one of the pictures"):
        places([one, other], pictures)


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["a.jpg"],
        ["mb1-ssd", "model.pth", "labels.txt"],
        ["--model=a.pth", "--model-dir=b", "a.jpg"],
        ["--model=a.pth", "a.jpg", "--threshold=40"],
        ["--model=a.pth", "a.jpg", "--treshold=0.4"],
    ],
)
def test_wrong_usage(argv):
    with pytest.raises(SystemExit) as exit_status:
        run_ssd_example.parse_args(argv)
    assert exit_status.value.code == 2
