from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pytest

import run_ssd_live_demo
from tests.drawing import write_voc
from tests.live.live_parts import SquareFinder, scene, until
from tests.video.cameras import write_video
from vision.live import finders, window
from vision.live.options import LiveOptions
from vision.pictures.writing import write_picture
from vision.utils.cli import run_main

ROOT = Path(__file__).parents[1]


@pytest.fixture
def picture(tmp_path):
    write_picture(tmp_path / "scene.png", scene())
    return tmp_path / "scene.png"


@pytest.fixture
def squares(monkeypatch):
    """Let every model be one that finds drawn squares."""
    finder = SquareFinder()
    monkeypatch.setattr(finders, "open_finder", lambda options: finder)
    return finder


def parsed(*argv):
    return LiveOptions.of(vars(run_ssd_live_demo.parse_args(list(map(str, argv)))))


def run(*argv):
    return run_main(run_ssd_live_demo.main, run_ssd_live_demo.parse_args(list(map(str, argv))))


def test_the_older_scripts_positionals():
    options = parsed("mb1-ssd", "a.pth", "labels.txt")
    assert (options.net, options.model, options.labels) == ("mb1-ssd", Path("a.pth"),
                                                            Path("labels.txt"))  # fmt: skip
    assert options.source == "0"
    assert parsed("mb1-ssd", "a.pth", "labels.txt", "clip.mp4").source == "clip.mp4"


def test_a_source_by_its_place_or_its_option():
    assert parsed("--model=a.pth").source == "0"
    assert parsed("--model=a.pth", "clip.mp4").source == "clip.mp4"
    assert parsed("--model-dir=a", "--source=rtsp://x/y_z").source == "rtsp://x/y_z"
    assert parsed("--label=data/x", "csi://0").source == "csi://0"
    assert parsed("--model=a.pth", "--serve").serve == "8080"
    assert parsed("--label=x", "--class-names=a, b ,").class_names == ("a", "b")


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["clip.mp4"],
        ["mb1-ssd", "a.pth"],
        ["mb1-ssd", "a.pth", "labels.txt", "clip.mp4", "more.mp4"],
        ["--model=a.pth", "clip.mp4", "--source=0"],
        ["--model=a.pth", "--model-dir=b"],
        ["--model=a.pth", "--input-width=640"],
        ["--model=a.pth", "--max-saved-gb=0"],
        ["--model=a.pth", "--threshold=nan"],
        ["--label=x", "--class-names=Apple,Banana,Apple"],
        ["--label=x", "--class-names=Apple,a\x1bb"],
        ["--model=x.pth", "--class-names=Apple"],
    ],
)
def test_wrong_usage(argv):
    with pytest.raises(SystemExit) as exit_status:
        run_ssd_live_demo.parse_args(argv)
    assert exit_status.value.code == 2


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (["csi://0", "display://0"], "name one source; leave display://0 out: a window shows"),
        (["csi://0", "new/out.mp4"], "name one source; to write new/out.mp4, type run_ssd_example"),
        (["csi://0", "csi://1"], "name one source\n"),
    ],
)
def test_where_detectnet_has_its_output_is_said_what_to_type(words, advice, capsys):
    with pytest.raises(SystemExit):
        run_ssd_live_demo.parse_args(["--model=m.pth", *words])
    assert advice in capsys.readouterr().err


class Desktop:
    """A window that nobody sees; a key is pressed after some pictures."""

    def __init__(self, monkeypatch, keys):
        self.shown, self.keys = [], list(keys)
        for name in ("namedWindow", "destroyAllWindows"):
            monkeypatch.setattr(window.cv2, name, lambda *_: None)
        monkeypatch.setattr(window.cv2, "imshow", lambda _, image: self.shown.append(image))
        monkeypatch.setattr(window.cv2, "waitKey", self.wait_key)
        monkeypatch.setattr(window.cv2, "getWindowProperty", lambda *_: 1.0)
        monkeypatch.setattr(window, "can_show", lambda: True)

    def wait_key(self, _):
        return self.keys.pop(0) if self.shown and self.keys else -1


def test_the_window_shows_what_is_found_until_q(picture, squares, monkeypatch, capsys):
    desktop = Desktop(monkeypatch, [-1, ord("n"), ord(" "), ord(" "), ord("q")])
    assert run("--model=a.onnx", picture) == 0
    assert desktop.shown[0].shape == (120, 160, 3)
    assert np.abs(desktop.shown[0][..., ::-1].astype(int) - scene()).max() > 50
    lines = re.findall(
        r"^Time: \d+\.\d\ds, Detect Objects: (\d+)\.$", capsys.readouterr().out, re.M
    )
    assert lines
    assert set(lines) == {"2"}


def test_a_video_in_a_window_ends_with_its_last_frame(tmp_path, squares, monkeypatch, capsys):
    write_video(tmp_path / "clip.avi", count=4, rate=50.0)
    desktop = Desktop(monkeypatch, [])
    assert run("net", "a.onnx", "labels.txt", tmp_path / "clip.avi", "--quiet") == 0
    assert len(desktop.shown) >= 1
    out = capsys.readouterr().out
    assert "The video has ended." in out
    assert "Time:" not in out


def test_a_video_that_is_deleted_while_it_repeats_is_a_failure(
    tmp_path, squares, monkeypatch, capsys
):
    clip = tmp_path / "clip.avi"
    write_video(clip, count=4, rate=50.0)
    Desktop(monkeypatch, [])

    def delete(_):
        clip.unlink(missing_ok=True)
        return -1

    monkeypatch.setattr(window.cv2, "waitKey", delete)
    assert run("--model=a.onnx", clip, "--repeat", "--quiet") == 1
    assert capsys.readouterr().err.startswith("error: the demo ended: ")


def test_a_closed_window_ends_it_too(picture, squares, monkeypatch):
    Desktop(monkeypatch, [])
    monkeypatch.setattr(window.cv2, "getWindowProperty", lambda *_: 0.0)
    assert run("--model=a.onnx", picture) == 0


def test_a_detector_that_fails_is_one_line(picture, squares, monkeypatch, capsys):
    Desktop(monkeypatch, [])

    def find(image, *_):
        if image.shape[0] != 64:  # the first is a trial
            raise RuntimeError("no memory left")
        return SquareFinder.find(squares, image)

    monkeypatch.setattr(squares, "find", find)
    assert run("--model=a.onnx", picture) == 1
    assert capsys.readouterr().err.endswith("error: RuntimeError: the demo ended: no memory left\n")


@pytest.mark.parametrize(
    ("argv", "complaint"),
    [
        (["--label=x", "missing.mp4"], "no picture or video"),
        (["--label=x", "/dev/video63"], "no camera /dev/video63"),
        (["--label=x", "http://127.0.0.1:9/video"], "does not answer"),
        (["--label=x", "PICTURE", "--serve=nowhere"], "HOST:"),
        (["--label=x", "PICTURE", "--serve=192.0.2.1:8765"], "must be an address of this machine"),
        (["--label=x", "PICTURE", "--serve=x.invalid:8765"], "must be an address of this machine"),
        (["--label=x", "PICTURE", "--serve=0.0.0.0:0", "--token=short"], "at least 8"),
    ],
)
def test_what_cannot_be_opened_is_one_line(picture, tmp_path, monkeypatch, capsys, argv, complaint):
    monkeypatch.chdir(tmp_path)
    assert run(*(str(picture) if word == "PICTURE" else word for word in argv)) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert complaint in error
    assert error.count("\n") == 1


def test_a_port_that_is_taken_is_told_from_an_address_of_others(picture, tmp_path, capsys):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert run(picture, f"--label={tmp_path / 'l'}", f"--serve={port}") == 1
    assert "name another port with --serve" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_the_page_with_viewers_on_it(picture, tmp_path, number):
    command = [sys.executable, "-u", str(ROOT / "run_ssd_live_demo.py"), str(picture)]
    command += [f"--label={tmp_path / 'labels'}", "--serve=0", "--class-names=a"]
    environment = {key: value for key, value in os.environ.items() if key != "DISPLAY"}
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env=environment,
    ) as demo:  # fmt: skip
        line = until(demo.stdout.readline)
        link = re.fullmatch(r"Open (http://127\.0\.0\.1:\d+/)\n", line)[1]
        with urllib.request.urlopen(link + "stream.mjpg", timeout=20) as viewer:
            assert viewer.read(100)
            demo.send_signal(number)
            assert demo.wait(20) == 0
        assert demo.stdout.read() == ""


@pytest.fixture
def stopped_at_once(monkeypatch):
    """Let the page end as soon as its links are printed."""

    def look(options, pipeline, stopping):
        stopping.set()
        real(options, pipeline, stopping)

    real = run_ssd_live_demo.run_page
    monkeypatch.setattr(run_ssd_live_demo, "run_page", look)


@pytest.mark.usefixtures("stopped_at_once")
def test_new_classes_of_a_folder_are_told(picture, tmp_path, capsys):
    folder = tmp_path / "labels"
    write_voc(folder, {"train": 3}, suffix=".jpg")
    assert run(picture, f"--label={folder}", "--serve=0", "--class-names=Kiwi,red,fig") == 0
    said = capsys.readouterr().out
    assert f"{folder} gets new classes behind its own: Kiwi, fig" in said


@pytest.mark.usefixtures("stopped_at_once")
def test_beyond_this_machine_the_link_has_a_token(picture, tmp_path, capsys):
    assert run(picture, f"--label={tmp_path / 'l'}", "--serve=0.0.0.0:0") == 0
    links = re.findall(r"^Open http://[^/]+:\d+/\?token=(\S+)$", capsys.readouterr().out, re.M)
    assert links
    assert len(links[0]) >= 20
