"""A command that fails changes nothing: no file, no folder, whatever it is that fails."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import draw_fruit
import pytest
import torch

import check_dataset
import coco_downloader
import eval_ssd
import onnx_export
import open_images_downloader
import run_ssd_example
import run_ssd_live_demo
import train_ssd
from tests.drawing import draw_samples, write_picture, write_voc
from tests.tiny import NET, tiny_description, tiny_net
from vision.checkpoints.weights_file import save_weights
from vision.utils import files
from vision.utils.cli import run_main

FULL = "on a full disk: "  # in front of a command
TRAIN = (
    f"--net {NET} --resolution 64 --batch-size 2 --epochs 1 --workers 0 --use-cuda false "
    "--viz-inputs 2"
)
OTHER_NET = f"old/bare.pth is a {NET}, not a vgg16-ssd; name that net, or leave --net out"
NOWHERE = "http://127.0.0.1:9"  # no one answers there
COMMANDS = {
    train_ssd: [
        (f"{TRAIN} --data nowhere --model-dir new", "nowhere"),
        (f"{TRAIN} --data empty --model-dir new", "empty"),
        (f"{TRAIN} --data data --model-dir file.txt", "file.txt must be a folder"),
        (f"{TRAIN} --data data --model-dir file.txt/new", "file.txt is a file"),
        (f"{TRAIN} --data data --model-dir new --epochs=-1", "--epochs"),
        (f"{TRAIN} --data data --model-dir new --net resnet", "resnet"),
        (f"{TRAIN} --data data --model-dir new --classes cat", "cat"),
        (f"{TRAIN} --data data --model-dir new --validation-dataset nowhere", "nowhere"),
        (f"{TRAIN} --data data --model-dir new --pretrained-ssd corrupt.pth", "corrupt.pth"),
        (f"{TRAIN} --data data --model-dir new --base-net corrupt.pth", "corrupt.pth"),
        (f"{TRAIN} --data data --model-dir taken --base-net corrupt.pth", "corrupt.pth"),
        (f"{TRAIN} --data data --model-dir taken --base-net nowhere.pth", "nowhere.pth"),
        (f"{TRAIN} --data nosplit --model-dir new --val-split 0", "no picture to validate on"),
        (f"{TRAIN} --data data --model-dir run", "holds a run"),
        (f"{TRAIN} --data data --model-dir old", "bare.pth has the classes cat, dog, cow"),
        (f"{TRAIN} --data data --model-dir exported", ".onnx has the classes cat, dog, cow"),
        (f"{TRAIN} --data data --model-dir new --resume old/bare.pth", "has learnt cat, dog, cow"),
        (f"{TRAIN} --data data --model-dir new --resume run/best.pth --net mb1-ssd", f"is a {NET}"),
        (f"{TRAIN} --data data --model-dir new --resume old/bare.pth --net mb1-ssd", f"is a {NET}"),
        ("--model-dir new --resume", "new"),
        (f"{FULL}{TRAIN} --data data --model-dir new --pretrained-ssd none", "no space left"),
        (f"{FULL}{TRAIN} --data data --model-dir taken --pretrained-ssd none", "no space left"),
    ],
    eval_ssd: [
        ("--model nowhere.pth --data data", "nowhere.pth"),
        ("--model corrupt.pth --data data", "corrupt.pth"),
        ("--model bare.pth --data data", "--labels"),
        ("--model old/bare.pth --net vgg16-ssd --data data", OTHER_NET),
        ("--model-dir run --data nowhere", "nowhere"),
        ("--model-dir run --data empty", "empty"),
        ("--model-dir run --data data --eval-dir file.txt", "file.txt must be a folder"),
        ("--model-dir run --data data --eval-dir file.txt/new", "file.txt is a file"),
        ("--model-dir run --data data --save-detections taken", "taken must be a file"),
        ("--detections file.txt --data data", "file.txt"),
        ("--detections nowhere.json --data data", "nowhere.json"),
        ("--model-dir run --data data --conf 2", "--conf"),
        (f"{FULL}--model-dir run --data data --eval-dir taken --no-report", "no space left"),
        (
            f"{FULL}--model-dir run --data data --eval-dir new --no-report "
            "--save-detections new/found.json",
            "no space left",
        ),
    ],
    onnx_export: [
        ("--model-dir nowhere", "nowhere"),
        ("--model-dir empty", "empty"),
        ("--input corrupt.pth", "corrupt.pth"),
        ("--input bare.pth", "--labels"),
        ("--input run/lost.pth --tune-pictures 0", "would not work in detectnet"),
        ("--input old/bare.pth --net vgg16-ssd", OTHER_NET),
        ("--model-dir run --output new/model.txt", "must be called *.onnx"),
        ("--model-dir run --output file.txt/model.onnx", "file.txt"),
        ("--model-dir run --output taken/", "--output"),
        ("--model-dir run --nms 3", "--nms"),
        ("--model-dir run --opset 99", "--opset"),
        ("--model-dir run --width 64 --height 32", "must be square"),
        ("--model-dir run --output new/ --data nowhere", "nowhere"),
        ("--model-dir run --output new/ --data empty", "empty"),
        ("--check file.txt", "file.txt"),
        (f"{FULL}--model-dir run --output new/model.onnx --tune-pictures 0", "no space left"),
        (f"{FULL}--model-dir run --tune-pictures 0", "no space left"),
    ],
    check_dataset: [
        ("nowhere", "nowhere"),
        ("empty --output new", "empty"),
        ("data --output file.txt", "file.txt must be a folder"),
        ("data --output new --preview file.txt/sheets", "file.txt is a file"),
        ("data --output new --write-voc taken", "taken must be a new folder"),
        ("data --output new --write-voc file.txt", "file.txt must be a folder"),
        ("data --output new --write-splits", "there is a split already"),
        ("data --output new --net resnet", "resnet"),
        ("data --output new --resolution 0", "--resolution"),
        ("data --output new --classes cat", "cat"),
        (f"{FULL}data --output taken --preview new", "no space left"),
        (f"{FULL}data --output new --write-voc new_voc", "no space left"),
        (f"{FULL}data --output new --write-voc empty", "no space left"),
    ],
    run_ssd_example: [
        ("--model nowhere.pth scene.png", "nowhere.pth"),
        ("--model corrupt.pth scene.png", "corrupt.pth"),
        ("--model bare.pth scene.png", "--labels"),
        ("--model old/bare.pth --net vgg16-ssd scene.png", OTHER_NET),
        ("vgg16-ssd old/bare.pth old/labels.txt scene.png", OTHER_NET),
        ("--model-dir run nowhere.png", "nowhere.png"),
        ("--model-dir run file.txt", "file.txt"),
        ("--model-dir run damaged.png --json new.json --save-voc new", "damaged.png"),
        ("--model-dir run scene.png --output file.txt/drawn.jpg --save-voc new", "file.txt"),
        ("--model-dir run scene.png --json taken --save-voc new", "taken must be a file"),
        ("--model-dir run scene.png --json a.txt --csv ./a.txt", "written twice"),
        ("--model-dir run scene.png --json scene.png", "one of the sources"),
        ("--model-dir run scene.png --output scene.png", "one of the sources"),
        ("--model-dir run scene.png --save-voc taken", "taken must be a new folder"),
        ("--model-dir run scene.png --threshold 7", "--threshold"),
        (f"{FULL}--model-dir run scene.png --output none --json a --csv b", "no space left"),
    ],
    run_ssd_live_demo: [
        ("--model nowhere.pth scene.png", "nowhere.pth"),
        ("--model-dir run nowhere.mp4", "nowhere.mp4"),
        ("--model old/bare.pth --net vgg16-ssd scene.png", OTHER_NET),
        ("vgg16-ssd old/bare.pth old/labels.txt scene.png", OTHER_NET),
        ("--label file.txt scene.png", "file.txt must be a folder"),
        ("--label new --output file.txt/new scene.png", "file.txt is a file"),
        ("--label new --serve nonsense:port scene.png", "nonsense:port"),
        ("--label data/Annotations scene.png", "a part of the voc dataset"),
        ("--label new --input-width 0 scene.png", "--input-width"),
    ],
    open_images_downloader: [
        ("--class-names Unicorn --data new", "Unicorn"),
        ("--class-names Apple --data file.txt", "file.txt must be a folder"),
        ("--class-names Apple --data new --min-box-size 2", "--min-box-size"),
        ("--class-names Apple --data new --filter-file nowhere.txt", "nowhere.txt"),
        (f"--class-names Apple --data new --retry 1 --annotations-url {NOWHERE}", "127.0.0.1"),
        ("--data new", "--class-names"),
    ],
    coco_downloader: [
        ("--class-names unicorn --data new", "unicorn"),
        ("--class-names apple --data file.txt/new", "file.txt is a file"),
        ("--class-names apple --data new --max-images=-1", "--max-images"),
        (f"--class-names apple --data new --retry 1 --url {NOWHERE}", "127.0.0.1"),
    ],
    draw_fruit: [
        ("taken", "was not made by draw_fruit.py"),
        ("file.txt", "was not made by draw_fruit.py"),
        ("fruit --images 1", "--images"),
        ("fruit --sheet taken.jpg", "--sheet"),
        ("fruit --sheet file.txt/sheet.jpg", "--sheet"),
        ("fruit --sheet sheet.gif", "--sheet"),
    ],
}


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """Return a folder with data, weights, and the results of earlier commands."""
    folder = tmp_path_factory.mktemp("workplace")
    write_voc(folder / "data", {"train": 4, "val": 3})
    write_voc(folder / "nosplit", {})
    for name in ("empty", "run", "taken", "taken.jpg", "fruit", "old", "exported"):
        (folder / name).mkdir()
    write_picture(folder / "scene.png", draw_samples(1)[0].image)
    (folder / "damaged.png").write_bytes((folder / "scene.png").read_bytes()[:200])
    (folder / "file.txt").write_text("a file of mine")
    (folder / "corrupt.pth").write_bytes(b"PK\x03\x04 and no more")

    net = tiny_net()
    for path in (folder / "bare.pth", folder / "old" / "bare.pth"):
        torch.save(dict(net.state_dict()), path)
    (folder / "exported" / f"{NET}.onnx").write_bytes(b"an exported file")
    for name in ("old", "exported"):
        (folder / name / "labels.txt").write_text("BACKGROUND\ncat\ndog\ncow\n")
    save_weights(
        folder / "run" / "best.pth", net.state_dict(), tiny_description(metrics={"mAP": 0.5})
    )
    lost = {
        name: torch.full_like(tensor, float("nan")) if tensor.is_floating_point() else tensor
        for name, tensor in net.state_dict().items()
    }
    save_weights(folder / "run" / "lost.pth", lost, tiny_description())
    for name in ("labels.txt", "training_args.json", f"{NET}.onnx", "detectnet.txt", "results.csv"):
        (folder / "run" / name).write_text("{}" if name.endswith("json") else f"{name} of before")
    (folder / "run" / "labels.txt").write_text("BACKGROUND\nred\ngreen\nblue\n")
    old = ("labels.txt", "results.json", "results.csv", "dataset_report.json", "train.png", "notes")
    for name in old:
        (folder / "taken" / name).write_text("cat\ndog\n")
    (folder / "fruit" / "draw_fruit.json").write_text(json.dumps({"pictures": 3}))
    (folder / "fruit" / "sub-train-annotations-bbox.csv").write_text("ImageID\n")
    return folder


@pytest.fixture(autouse=True)
def as_before(tmp_path_factory):
    """Put back what a script may set for its whole process."""
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng(devices=[]):
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
        yield
    torch.set_num_threads(1)


def snapshot(folder):
    """Return the folders below a folder, and the content and time of every file."""
    return {
        str(path.relative_to(folder)): path.is_file()
        and (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
    }


def status_of(script, words):
    try:
        return run_main(script.main, script.parse_args(words))
    except SystemExit as end:
        return end.code


@pytest.mark.parametrize(
    ("script", "command", "sentence"),
    [
        pytest.param(script, *case, id=f"{script.__name__} {case[0].replace(TRAIN, '')}")
        for script, cases in COMMANDS.items()
        for case in cases
    ],
)
def test_a_command_that_fails_changes_nothing(
    script, command, sentence, workplace, monkeypatch, capsys
):
    if command.startswith(FULL):

        def no_room(path):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(files, "_flush_to_disk", no_room)
    monkeypatch.chdir(workplace)
    words = command.replace(FULL, "").split()
    if script in (open_images_downloader, coco_downloader):
        words += ["--cache-dir", os.environ["XDG_CACHE_HOME"]]
    before = snapshot(workplace)
    assert status_of(script, words) in (1, 2)
    told = capsys.readouterr().err
    assert sentence in told
    assert "Traceback" not in told
    assert snapshot(workplace) == before


def test_every_script_is_tried():
    scripts = {path.stem for path in Path(__file__).parents[1].glob("*.py")}
    assert scripts == {script.__name__ for script in COMMANDS} - {"draw_fruit"}
