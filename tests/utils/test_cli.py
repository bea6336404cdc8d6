from __future__ import annotations

import argparse
import errno
import importlib
import logging
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path
from subprocess import PIPE

import pytest

import train_ssd
from vision.download.transfer.retry import DownloadError
from vision.utils.cli import (
    one_line,
    parse_options,
    run_main,
    set_up_logging,
    silence_opencv,
)
from vision.utils.files import FILE_FAULTS, NOT_ALLOWED

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def parser():
    parser = argparse.ArgumentParser(prog="train_ssd.py")
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--model-dir", "--checkpoint-folder", default="models")
    parser.add_argument("--use-cuda", default="true")
    return parser


@pytest.mark.parametrize("option", ["--batch-size", "--batch_size"])
def test_hyphens_and_underscores(parser, option):
    assert parse_options(parser, [option, "8"]).batch_size == 8
    assert parse_options(parser, [f"{option}=8"]).batch_size == 8


def test_underscores_of_values_stay(parser):
    args = parse_options(parser, ["--checkpoint_folder=my_models/a_b", "--batch_size", "2"])
    assert args.model_dir == "my_models/a_b"
    assert parse_options(parser, ["--model_dir", "a_b"]).model_dir == "a_b"


def test_the_home_folder_is_known_behind_an_equals_sign(parser, monkeypatch):
    """Bash leaves `~` there as it is, and a folder of that name would be made."""
    monkeypatch.setenv("HOME", "/home/someone")
    typed = ("~/data", "~", "~x", "a~/b")
    read = [parse_options(parser, [f"--model-dir={one}"]).model_dir for one in typed]
    assert read == ["/home/someone/data", "/home/someone", "~x", "a~/b"]


def test_no_argv_is_that_of_the_process(parser, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["train_ssd.py", "--batch_size", "3"])
    assert parse_options(parser, None).batch_size == 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--batchsize", "8"], "unrecognized argument --batchsize; did you mean --batch-size?"),
        (["--modeldir=x"], "did you mean --model-dir?"),
        (["--batch", "8"], "unrecognized argument --batch; did you mean --batch-size?"),
        (["--batch-sise", "8"], "did you mean --batch-size?"),
        (["--model", "yolov8n.pt"], "unrecognized argument --model; did you mean --model-dir?"),
        (["--imgsz", "640"], "unrecognized argument --imgsz\n"),
        (["--use"], "unrecognized argument --use; did you mean --use-cuda?"),
        (["--project=x"], "unrecognized argument --project=x; here it is --model-dir"),
        (["--device", "cpu"], "unrecognized argument --device; here it is --use-cuda"),
        (["--zzz"], "unrecognized argument --zzz\n"),
        (["stray"], "unrecognized argument stray\n"),
        (["--batch-size", "many"], "argument --batch-size: invalid int value: 'many'"),
    ],
)
def test_usage_errors_say_what_is_near_and_end_with_status_2(parser, capsys, words, message):
    with pytest.raises(SystemExit) as caught:
        parse_options(parser, words)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


class Main:
    """A script's main that returns, or raises, what it is made of."""

    def __init__(self, outcome):
        self.outcome = outcome

    def __call__(self, args):
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome


@pytest.mark.parametrize(
    ("outcome", "status", "text"),
    [
        (None, 0, ""),
        (0, 0, ""),
        (3, 3, ""),
        (ValueError("labels.txt must\n  name classes"), 1, "error: labels.txt must name classes\n"),
        (FileNotFoundError("no folder data"), 1, "error: no folder data\n"),
        (
            FileNotFoundError(2, "No such file or directory", "a/labels.txt"),
            1,
            "error: there is no file or folder a/labels.txt; check the path\n",
        ),
        (
            PermissionError(13, "denied", "x"),
            1,
            f"error: x: {NOT_ALLOWED}\n",
        ),
        (OSError(errno.EBUSY, "Device Busy", "x"), 1, "error: x: device busy\n"),
        (PermissionError("x may not be written to"), 1, "error: x may not be written to\n"),
        (ImportError("No module named 'onnx'"), 1, "error: No module named 'onnx'\n"),
        (RuntimeError("out of memory"), 1, "error: RuntimeError: out of memory\n"),
        (ValueError(), 1, "error: ValueError\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
    ],
)
def test_exit_status_and_one_line(capsys, outcome, status, text):
    assert run_main(Main(outcome), argparse.Namespace(debug=False)) == status
    assert capsys.readouterr().err == text


@pytest.mark.parametrize("number", [*FILE_FAULTS, errno.EBUSY, errno.ETXTBSY])
def test_an_error_of_a_file_is_a_sentence_without_pythons_words(number):
    line = one_line(OSError(number, os.strerror(number), "data/a.xml"))
    assert "data/a.xml" in line
    assert not re.search(r"Error|Errno|\[", line)


def test_debug_keeps_the_traceback_and_our_own_mistakes_always_have_one():
    with pytest.raises(ValueError, match="why"):
        run_main(Main(ValueError("why")), argparse.Namespace(debug=True))
    with pytest.raises(KeyError):
        run_main(Main(KeyError("mistake")), argparse.Namespace(debug=False))
    assert run_main(Main(ValueError("no option --debug")), argparse.Namespace()) == 1


def test_an_error_of_many_lines_is_one():
    assert one_line(RuntimeError("size mismatch:\n\t weights\n\t others")) == (
        "RuntimeError: size mismatch: weights others"
    )


def test_log_lines_have_a_time_stamp_and_warnings_are_among_them(capsys):
    set_up_logging("info")
    logging.getLogger("vision.somewhere").info("Build network.")
    logging.getLogger("vision.somewhere").debug("hidden")
    warnings.warn("old driver", UserWarning, stacklevel=1)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0][19:] == " - Build network."
    assert lines[0][:19].translate(str.maketrans("0123456789", "dddddddddd")) == (
        "dddd-dd-dd dd:dd:dd"
    )
    assert "old driver" in lines[1]
    set_up_logging("warning")  # a second time replaces the first
    logging.getLogger("vision.somewhere").info("hidden")
    logging.getLogger("vision.somewhere").warning("once")
    assert capsys.readouterr().out.count("once") == 1


def test_our_own_errors_speak_for_themselves():
    assert one_line(DownloadError("cannot reach https://a.example")) == (
        "cannot reach https://a.example"
    )
    assert one_line(KeyError("scores")) == "KeyError: 'scores'"


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("--imgsz", "here it is --resolution"),
        ("--img_size=640", "here it is --resolution"),
        ("--weights", "here it is --pretrained-ssd"),
        ("--model", "here it is --net"),
        ("--device", "here it is --use-cuda"),
        ("--cache", "leave it out: pictures are read by --workers processes"),
        ("--half", "leave it out: a GPU computes in half precision unless --no-amp is typed"),
        ("--tensorboard", "leave it out: curves are always written to tensorboard/"),
        ("--amsgrad", "leave it out: optimizers have PyTorch's value of it here"),
        ("--dampening=0", "leave it out: optimizers have PyTorch's value of it here"),
        ("--eps", "leave it out: optimizers have PyTorch's value of it here"),
        ("--profile", "leave it out: nothing is profiled here; py-spy"),
        ("--batch", "did you mean --batch-size?"),
        ("--epoch", "did you mean --epochs?"),
        ("--frozen", "unrecognized argument --frozen\n"),
        ("--conf", "unrecognized argument --conf\n"),  # training has no threshold
    ],
)
def test_what_people_type_from_elsewhere_is_answered_in_words(capsys, typed, answer):
    with pytest.raises(SystemExit) as caught:
        train_ssd.parse_args([typed])
    assert caught.value.code == 2
    assert answer in capsys.readouterr().err


@pytest.mark.parametrize(
    ("script", "typed", "answer"),
    [
        ("open_images_downloader", "--max-boxes", "here it is --max-annotations-per-class"),
        ("coco_downloader", "--max_boxes=9", "here it is --max-annotations-per-class"),
        ("run_ssd_example", "--max-boxes", "here it is --top-k"),
        ("run_ssd_live_demo", "--max-det", "here it is --top-k"),
        ("run_ssd_example", "--conf-thres", "here it is --threshold"),
        ("onnx_export", "--model", "here it is --input"),
        ("onnx_export", "--weights=a.pth", "here it is --input"),
        ("run_ssd_example", "--input", "leave it out: pictures, videos and cameras are typed w"),
        ("run_ssd_example", "--source=0", "leave it out: pictures, videos and cameras are typed w"),
        ("run_ssd_live_demo", "--input", "leave it out: pictures, videos and cameras are typed w"),
        ("eval_ssd", "--weights", "here it is --trained-model"),
    ],
)
def test_a_word_from_elsewhere_means_what_the_script_has(capsys, script, typed, answer):
    with pytest.raises(SystemExit):
        importlib.import_module(script).parse_args([typed, "x"])
    assert answer in capsys.readouterr().err


@pytest.mark.parametrize("script", ["run_ssd_example", "run_ssd_live_demo"])
def test_a_model_that_has_changed_places_with_the_labels_is_said_to(capsys, script):
    read = importlib.import_module(script).parse_args
    read(["mb1-ssd", "best.pth", "labels.txt", "photo.jpg"])
    for words in (["labels.txt", "best.pth"], ["labels", "best.onnx"], ["labels.txt", "best"]):
        with pytest.raises(SystemExit) as caught:
            read(["mb1-ssd", *words, "photo.jpg"])
        assert caught.value.code == 2
        expected = f"and the third the list of class names, got {words[0]} and {words[1]}"
        assert expected in capsys.readouterr().err


SPEAKING = """
import argparse, logging
from vision.utils.cli import run_main, set_up_logging
def main(args):
    set_up_logging()
    for number in range(20000):
        {line}
raise SystemExit(run_main(main, argparse.Namespace(debug={debug})))
"""


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("line", ['logging.info("line %d", number)', 'print("line", number)'])
def test_a_reader_that_goes_ends_the_script_without_a_word(line, debug):
    program = [sys.executable, "-c", SPEAKING.format(line=line, debug=debug)]
    with subprocess.Popen(program, stdout=PIPE, stderr=PIPE, cwd=ROOT, text=True) as process:
        assert "line" in process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait() == 141


@pytest.mark.parametrize("words", [["--help"], ["--list-classes"], ["--list-classes", "Fruit"]])
def test_a_reader_that_goes_before_all_is_said_gets_no_line_of_pythons_own(words):
    program = [sys.executable, "open_images_downloader.py", *words]
    with subprocess.Popen(program, stdout=PIPE, stderr=PIPE, cwd=ROOT, text=True) as process:
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait() in (0, 141)  # argparse itself takes it for done


TEXT = r'"Birne \u03c0 \u68a8 \udcff"'


@pytest.mark.parametrize("line", ["logging.info({})", "print({})"])
def test_a_locale_without_the_letters_ends_no_script(line):
    line = line.format(TEXT) + "; break"
    program = [sys.executable, "-c", SPEAKING.format(line=line, debug=False)]
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
    environment["PYTHONCOERCECLOCALE"] = "0"
    done = subprocess.run(program, capture_output=True, cwd=ROOT, env=environment, check=True)
    assert done.stderr == b""
    assert b"Birne \\u03c0 \\u68a8 \\udcff" in done.stdout


def test_a_missing_package_says_which_python_misses_it_and_what_to_type(capsys):
    def main(args):
        import a_package_that_is_not_there  # noqa: F401

    assert run_main(main, argparse.Namespace(debug=False)) == 1
    error = capsys.readouterr().err
    assert f"No module named 'a_package_that_is_not_there' for {sys.executable}; type" in error
    assert "'source .venv/bin/activate'" in error and error.count("\n") == 1


def test_opencv_is_silent_unless_the_environment_asks_for_its_lines(monkeypatch):
    monkeypatch.setattr(os, "environ", {"OPENCV_LOG_LEVEL": "DEBUG"})
    silence_opencv()
    assert os.environ == {"OPENCV_LOG_LEVEL": "DEBUG", "OPENCV_FFMPEG_LOGLEVEL": "8"}


def test_only_one_place_knows_how_opencv_is_silenced():
    """Two scripts had the same lines under the same comment."""
    knowing = [
        path.relative_to(ROOT).as_posix()
        for path in (*ROOT.glob("*.py"), *(ROOT / "vision").rglob("*.py"))
        if "OPENCV_LOG_LEVEL" in path.read_text(encoding="utf-8")
    ]
    assert knowing == ["vision/utils/cli.py"]
