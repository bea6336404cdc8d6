from __future__ import annotations

import errno
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

import run_ssd_example
from tests.datasets.picture_bytes import turned_jpeg
from tests.drawing import CLASS_NAMES, draw_samples, write_picture
from tests.video.cameras import camera, jpeg, part, write_video
from vision.datasets.opening import open_split
from vision.live.annotating import Annotator
from vision.live.finders import open_finder
from vision.live.options import FinderOptions
from vision.pictures.drawing import class_colour
from vision.pictures.reading import read_picture
from vision.ssd import create_net
from vision.utils.cli import run_main
from vision.utils.labels import write_labels
from vision.video.grammar import parse_sources
from vision.video.opencv_capture import open_file


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
    assert run("--model-dir", model.parent, pictures, "--top-k=2", "--verbose") == 0
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


def test_a_phone_picture_is_drawn_upright_unless_told_otherwise(model, pictures):
    image = draw_samples(1)[0].image
    (pictures / "phone.jpg").write_bytes(turned_jpeg(image, orientation=6))
    height, width = image.shape[:2]
    for exif, shape in (("auto", (width, height, 3)), ("ignore", (height, width, 3))):
        assert (
            run("--model", model, pictures / "phone.jpg", f"--exif={exif}", "--output=a.png") == 0
        )
        assert read_picture("a.png").shape == shape


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
    assert "1 of 3 sources could not be read" in out
    assert run("--model", model, pictures / "b 1.PNG") == 1
    assert capsys.readouterr().err.startswith("error: ")


def test_a_full_disk_ends_it_at_the_first_picture(model, pictures, tmp_path, capsys, monkeypatch):
    """Thousands of others would be looked at for nothing, and called unreadable."""
    asked = []

    def no_room(annotator, source, output):
        asked.append(source)
        raise OSError(errno.ENOSPC, "No space left on device", str(output))

    monkeypatch.setattr("vision.live.annotating.Annotator.annotate", no_room)
    assert run("--model", model, pictures, "--output", tmp_path / "out") == 1
    assert len(asked) == 1
    captured = capsys.readouterr()
    assert "no space left" in captured.err and "could not be read" not in captured.out


def test_detectnets_postprocessing_needs_an_onnx_file(model, pictures, capsys):
    options = ("--postprocess=detectnet", pictures / "a.jpg")
    assert run("--model", model, *options) == 1
    assert "must be a .onnx; write one with onnx_export.py" in capsys.readouterr().err
    assert run("--model-dir", model.parent, *options) == 1
    assert "must hold one .onnx, it holds none" in capsys.readouterr().err


def test_a_folder_ends_in_one_line(model, pictures, capsys):
    assert run("--model-dir", model.parent, pictures, "--top-k=2") == 0
    lines = [
        line for line in capsys.readouterr().out.splitlines() if "Found" in line or "obj" in line
    ]
    assert len(lines) == 1
    assert lines[0].startswith("3 pictures, 6 objects: 6 red; ")


def test_a_video_comes_out_as_a_video(model, tmp_path, pictures, capsys):
    clip = tmp_path / "clip.avi"
    write_video(clip, count=12, rate=5.0)
    results = tmp_path / "found.json", tmp_path / "found.csv"
    options = ("--json", results[0], "--csv", results[1], "--top-k=2")
    assert run("sq-ssd-lite", model, model.parent / "labels.txt", clip, *options) == 0
    assert "12 pictures, 24 objects: 24 red" in capsys.readouterr().out
    drawn = open_file(str(tmp_path / "work" / "run_ssd_example_output.mp4"))
    assert (drawn.rate, drawn.frames) == (5.0, 12)
    assert drawn.read().image.shape == (64, 96, 3)
    found = json.loads(results[0].read_text())["pictures"]
    assert [one["frame"] for one in found] == list(range(12))
    assert found[11]["seconds"] == pytest.approx(2.2)
    assert len(results[1].read_text().splitlines()) == 1 + 24


@pytest.mark.parametrize("others", [[], ["a.jpg"]])
def test_a_video_that_is_cut_short_fails_and_what_it_gives_is_written(
    model, tmp_path, pictures, capsys, others
):
    clip, out, found = tmp_path / "clip.avi", tmp_path / "out", tmp_path / "found.json"
    write_video(clip, count=40)
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    sources = [clip, *(pictures / name for name in others)]
    options = (f"--output={out}", f"--json={found}")
    assert run("--model", model, *sources, *options, "--max-frames=5") == 0
    assert run("--model", model, *sources, *options) == 1
    said = capsys.readouterr().out
    count = len(json.loads(found.read_text())["pictures"]) - len(others)
    assert 10 < count < 30
    assert f"gave {count} of the 40 frames it states; it is damaged or cut short" in said
    assert open_file(str(out / "clip.avi")).frames == count


def test_a_video_among_pictures_and_the_first_frames_only(model, tmp_path, pictures):
    write_video(pictures / "d.mp4", count=12)
    out = tmp_path / "out"
    assert run("--model", model, pictures, "--output", out, "--max-frames=3") == 0
    assert sorted(path.name for path in out.iterdir()) == ["a.jpg", "b 1.PNG", "c.jpg", "d.mp4"]
    assert open_file(str(out / "d.mp4")).frames == 3


def test_pseudo_labels_are_a_dataset(model, tmp_path, pictures):
    write_video(pictures / "d.avi", count=30, rate=10.0)
    folder = tmp_path / "more"
    options = ("--top-k=2", "--save-voc", folder, "--output=none")
    assert run("--model", model, pictures, *options) == 0
    assert list((tmp_path / "work").iterdir()) == [], "nothing drawn"
    names = {path.stem for path in (folder / "JPEGImages").iterdir()}
    assert names == {"a", "b 1", "c", "d-000000", "d-000010", "d-000020"}
    assert (folder / "JPEGImages" / "a.jpg").read_bytes() == (pictures / "a.jpg").read_bytes()
    index = open_split(folder, split="all")
    assert len(index) == 6
    assert list(index.class_names) == CLASS_NAMES
    loaded = open_finder(FinderOptions(model=model, top_k=2))
    row = [Path(annotation.path).name for annotation in index].index("a.jpg")
    detections = loaded.find(read_picture(pictures / "a.jpg"))
    assert index[row].boxes.tolist() == np.round(detections.boxes).tolist()
    order = [line.split()[0] for line in (folder / "least_certain_first.txt").open()]
    assert order == sorted(order)
    assert run("--model", model, pictures, *options) == 1, "not into a folder that is in use"


@pytest.mark.parametrize(
    ("source", "count", "nouns"),
    [("clip.avi", 4, "frames"), ("", 2, "pictures"), ("a.jpg", 0, "pictures")],
)
def test_ctrl_c_says_what_is_written_and_where_it_stopped(
    model, tmp_path, pictures, monkeypatch, capsys, source, count, nouns
):
    write_video(tmp_path / "clip.avi", count=12, rate=5.0)
    looked_at = []

    def find(self, image):
        if len(looked_at) == count:
            raise KeyboardInterrupt
        looked_at.append(image)
        return real(self, image)

    real = Annotator._find
    monkeypatch.setattr(Annotator, "_find", find)
    place = (tmp_path if source == "clip.avi" else pictures) / source
    options = ("--top-k=2", "--json=found.json", "--save-voc=more")
    assert run("--model", model, place, *options) == 130
    said, complaint = capsys.readouterr()
    lines = [line.partition("; ")[0] for line in said.splitlines()]
    found = f": {2 * count} red" if count else ""
    assert lines[-3 - bool(count) :] == [
        f"{count} pictures, {2 * count} objects{found}", "Written: found.json",
        *(["Written: more"] if count else []), f"Stopped after {count} {nouns}",
    ]  # fmt: skip
    assert complaint == "interrupted\n"
    assert len(json.loads(Path("found.json").read_text())["pictures"]) == count
    if source == "clip.avi":
        assert "The output video is run_ssd_example_output.mp4 (4 frames)" in said
        assert open_file("run_ssd_example_output.mp4").frames == 4


def test_help_and_error_name_the_same_parts_to_draw(capsys):
    parse = run_ssd_example.parse_args
    for argv in (["--help"], ["--model=a.pth", "a.jpg", "--overlay=boxes"]):
        with pytest.raises(SystemExit):
            parse(argv)
        said = " ".join("".join(capsys.readouterr()).split())
        assert "box (or lines), labels, conf, several with commas, or none" in said
    read = {text: parse(["--model=a", "a.jpg", f"--overlay={text}"]).overlay
            for text in ("lines", "Box,conf", "none")}  # fmt: skip
    assert read == {"lines": ("box",), "Box,conf": ("box", "conf"), "none": ()}


def test_numbered_outputs_and_no_overlay(model, tmp_path, pictures):
    assert run("--model", model, pictures, "--output", tmp_path / "out" / "p_%i.png",
               "--overlay=none") == 0  # fmt: skip
    out = tmp_path / "out"
    assert sorted(path.name for path in out.iterdir()) == ["p_0.png", "p_1.png", "p_2.png"]
    assert np.array_equal(read_picture(out / "p_2.png"), read_picture(pictures / "c.bmp"))


def test_a_camera_on_the_network_until_it_ends(model, tmp_path, pictures):
    with camera([part(jpeg(number)) for number in range(3)]) as server:
        assert run("--model", model, server.address, "--output=out.avi") == 0
    assert open_file(str(tmp_path / "work" / "out.avi")).frames >= 1


def test_where_pictures_go(pictures, tmp_path):
    def places(paths, output):
        sources = parse_sources(list(map(str, paths)))
        paths = run_ssd_example.output_paths(sources, output and str(output))
        run_ssd_example.require_places(sources, paths)
        return paths

    one, other = pictures / "a.jpg", tmp_path / "other" / "a.jpg"
    write_picture(other, np.zeros((8, 8, 3), np.uint8))
    out = tmp_path / "out"
    assert [path.name for path in places([one], None)] == ["run_ssd_example_output.jpg"]
    assert places([one], out) == [out / "a.jpg"]
    assert places([one], "none") == [None]
    assert places([one, other], out) == [out / "a.jpg", out / "a_2.jpg"]
    assert places([one, other], out / "%03d.jpg") == [out / "000.jpg", out / "001.jpg"]
    assert places([one], out / "50%_%02d%.jpg") == [out / "50%_00%.jpg"]
    assert places([one, other], out / "%s-100%_%i.png")[1] == out / "%s-100%_1.png"
    assert places([pictures / "c.bmp"], out) == [out / "c.jpg"]
    assert places(["rtsp://u:p@cam/live"], out) == [out / "stream-rtsp-cam-live.mp4"]
    assert places(["0"], None) == [Path("run_ssd_example_output.mp4")]
    with pytest.raises(ValueError, match="is one of the sources"):
        places([one, other], pictures)


@pytest.mark.parametrize(
    ("names", "output", "told"),
    [
        (
            ["a.jpg", "c.bmp"],
            "out.jpg",
            "of 2 sources must be a folder, got out.jpg; name a folder",
        ),
        (["a.jpg", "c.bmp"], "x/out.PNG", "--output=x/out_%i.PNG"),
        (["a.jpg", "c.bmp"], "out.mp4", "must be a folder"),
        (["c.bmp"], "out.bmp", "of a picture must end in .jpg, .jpeg, .png or be a folder"),
        (["a.jpg"], "out.mp4", "of a picture must end in .jpg"),
        (["a.jpg"], "out.heic", "of a picture must end in .jpg"),
        (["0"], "out.jpg", "of a video must end in .mp4"),
        (["0"], "out.webm", "of a video must end in .mp4"),
    ],
)
def test_no_folder_is_called_like_a_file_that_was_meant(pictures, monkeypatch, names, output, told):
    """A folder out.jpg was made."""
    monkeypatch.chdir(pictures)
    with pytest.raises(ValueError, match=re.escape(told)):
        run_ssd_example.output_paths(parse_sources(names), output)
    (pictures / output).mkdir(parents=True)
    if len(names) > 1:
        paths = run_ssd_example.output_paths(parse_sources(names), output)
        assert {path.parent for path in paths} == {Path(output)}


def test_an_option_that_detectnet_does_not_know_is_said_to_do_nothing(model, pictures, capsys):
    options = ("--postprocess=detectnet", pictures / "a.jpg")
    run("--model", model, *options, "--top-k=2")
    assert "--top-k does nothing with --postprocess=detectnet" in capsys.readouterr().out
    run("--model", model, *options)
    assert "--top-k" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (["*.jpg", "out/fruit_%i.jpg"], "type --output=out/fruit_%i.jpg"),
        (["a.jpg", "out.jpg"], "type --output=out.jpg"),
        (["a.jpg", "file://out.mp4"], "type --output=out.mp4"),
        (["csi://0", "display://0"], "display://0 is no source; leave it out"),
        (["a.jpg", "webrtc://@:8554/output"], "run_ssd_live_demo.py shows a window"),
        (["a.jpg", "a.jpg"], ""),
        (["a.jpg", "*.jpg"], ""),
        (["missing.jpg"], ""),
        (["a.jpg", "missing.jpg", "--output=out"], ""),
        (["csi://0", "rtsp://camera/1"], ""),
    ],
)
def test_where_detectnet_has_its_output_is_said_what_to_type(
    tmp_path, monkeypatch, words, advice, capsys
):
    monkeypatch.chdir(tmp_path)
    Path("a.jpg").touch()
    if not advice:
        assert run_ssd_example.parse_args(["--model=m.pth", *words]).sources
        return
    with pytest.raises(SystemExit):
        run_ssd_example.parse_args(["--model=m.pth", *words])
    assert advice in capsys.readouterr().err


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["a.jpg"],
        ["mb1-ssd", "model.pth", "labels.txt"],
        ["--model=a.pth", "--model-dir=b", "a.jpg"],
        ["--model=a.pth", "a.jpg", "--threshold=40"],
        ["--model=a.pth", "a.jpg", "--treshold=0.4"],
        ["--model=a.pth", "a.jpg", "--clustering=2"],
        ["--model=a.pth", "a.jpg", "--overlay=boxes"],
        ["--model=a.pth", "a.jpg", "--output-cvg=confidence"],
        ["--model=a.pth", "a.jpg", "--max-frames=0"],
        ["--model=a.pth", "a.jpg", "--voc-seconds=2"],
    ],
)
def test_wrong_usage(argv):
    with pytest.raises(SystemExit) as exit_status:
        run_ssd_example.parse_args(argv)
    assert exit_status.value.code == 2
