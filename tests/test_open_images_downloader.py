"""The downloader as a user starts it, against servers on this machine."""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import open_images_downloader
from tests.download.pictures import annotation_file, draw_jpeg, image_id, line, read_rows
from tests.download.servers import (
    FaultyServer,
    fill_bucket,
    forward_to,
    moto_server,
    serve_files,
)
from vision.utils.cli import run_main

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "open_images_downloader.py"
APPLE, BANANA, CAR = "/m/014j1m", "/m/09qck", "/m/0k4j"
SPLITS = {"train": range(40), "validation": range(40, 46), "test": range(46, 56)}
GONE = 3  # a picture of the training split that the bucket does not have
JPEGS = {
    f"{split}/{image_id(number)}.jpg": draw_jpeg(number)
    for split, numbers in SPLITS.items()
    for number in numbers
    if number != GONE
}


def annotations():
    """Apples in all pictures, bananas in the even ones, cars in others, a drawn apple."""
    files = {}
    for split, numbers in SPLITS.items():
        lines = [line(n, label) for n in numbers for label in (APPLE, BANANA)[: 2 - n % 2]]
        lines += [line(n + 1000, CAR) for n in numbers]
        lines.append(line(2000, APPLE, flags="00010"))
        files[f"/2018_04/{split}/{split}-annotations-bbox.csv"] = annotation_file(lines)
    return files


@pytest.fixture(scope="module")
def moto():
    with moto_server() as port:
        fill_bucket(port, "open-images-dataset", JPEGS)
        yield port


@pytest.fixture
def store(moto):
    """The bucket, by way of a server that can spoil answers."""
    with FaultyServer(forward_to(moto)) as server:
        yield server


@pytest.fixture
def web():
    with FaultyServer(serve_files(annotations())) as server:
        yield server


@pytest.fixture
def options(tmp_path, store, web):
    """Return a function of more options that returns a whole command line."""
    return lambda *more: [
        *["--class-names", "apple,Banana", "--data", str(tmp_path / "fruit")],
        *["--cache-dir", str(tmp_path / "cache"), "--timeout", "10", "--workers", "4"],
        *["--annotations-url", web.url, "--endpoint-url", store.url, *more],
    ]


def run(argv):
    """Run the script in this process; return its exit status."""
    return run_main(open_images_downloader.main, open_images_downloader.parse_args(argv))


def hear_ctrl_c():
    """Undo what a shell does to the jobs that it runs in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def start(argv):
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), *argv],
        preexec_fn=hear_ctrl_c,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def check_folder(root):
    """Assert that every picture is whole and every row names one; return what is there."""
    files = {str(path.relative_to(root)): path for path in root.rglob("*.jpg")}
    assert all(path.read_bytes() == JPEGS[key] for key, path in files.items())
    listed = {
        f"{split}/{row['ImageID']}.jpg"
        for split in SPLITS
        if (root / f"sub-{split}-annotations-bbox.csv").exists()
        for row in read_rows(root / f"sub-{split}-annotations-bbox.csv")
    }
    assert listed <= set(files)
    return set(files), listed


def test_a_complete_download(tmp_path, options, capsys):
    assert run(options()) == 0
    files, listed = check_folder(tmp_path / "fruit")
    assert files == listed == set(JPEGS)
    rows = read_rows(tmp_path / "fruit" / "sub-train-annotations-bbox.csv")
    assert [row["ClassName"] for row in rows[:3]] == ["Apple", "Banana", "Apple"]
    missing = (tmp_path / "fruit" / "missing.txt").read_text()
    assert missing.split("\t")[0] == f"train/{image_id(GONE)}.jpg"
    assert sorted(path.name for path in (tmp_path / "fruit").iterdir()) == [
        *["README.txt", "class-descriptions-boxable.csv", "missing.txt"],
        *(f"sub-{split}-annotations-bbox.csv" for split in sorted(SPLITS)),
        *sorted(SPLITS),
    ]
    lines = [
        re.sub(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d - ", "", text)
        for text in capsys.readouterr().out.splitlines()
    ]
    for expected in [
        "Requested 2 classes, found 2 classes",
        f"Read annotation file {tmp_path}/cache/v4/train-annotations-bbox.csv",
        "Available train images:  40",
        "Available train boxes:   60",
        "Total available images: 56",
        "Total available boxes:  84",
        " 'train' set statistics",
        "  Image count:  40",
        "  Bounding box count:  60",
        "  Bounding box distribution: ",
        "    Apple:  40/60 = 0.67",
        "Overall statistics",
        "Starting to download 56 images.",
        "Missing: 1 of 56 images",
    ]:
        assert any(text.strip().startswith(expected.strip()) for text in lines), expected
    assert lines[-1] == "Task Done."


def test_the_second_run_asks_for_nothing_that_is_there(options, store, web):
    assert run(options()) == 0
    asked = len(web.requests)
    store.requests.clear()
    assert run(options()) == 0
    assert len(web.requests) == asked
    assert {request.path.rsplit("/", 1)[1] for request in store.requests} == {
        f"{image_id(GONE)}.jpg"
    }


def test_stats_only_downloads_no_picture_and_works_offline_later(
    tmp_path, options, store, web, capsys
):
    assert run(options("--stats-only")) == 0
    web.plan = lambda request: "500"
    assert run(options("--stats_only", "--class_names", "car")) == 0
    assert "    Car:  56/140 = 0.40" in capsys.readouterr().out
    assert store.requests == []
    assert not (tmp_path / "fruit").exists()


def test_names_are_settled_before_anything_is_downloaded(options, store, web, capsys):
    assert run(options("--class-names", "Apple,Bananna")) == 1
    assert "no class 'Bananna'; the nearest are Banana, " in capsys.readouterr().err
    assert store.requests == web.requests == []


@pytest.mark.parametrize(
    ("more", "boxes"),
    [
        (["--max-images", "14"], None),
        (["--max_annotations_per_class=12"], None),
        (["--include_depiction"], 87),
        (["--remove_overlapped"], 84),
        (["--exclude-group-of", "--exclude-occluded", "--exclude-truncated"], 84),
        (["--min-box-size", "0.5"], 0),
    ],
)
def test_choices(options, capsys, more, boxes):
    assert run(options("--stats-only", *more)) == 0
    overall = capsys.readouterr().out.split("Overall statistics")[1]
    counts = [int(number) for number in re.findall(r"(?:count|Apple|Banana):  (\d+)", overall)]
    images, total, *classes = counts
    if boxes is not None:
        assert total == boxes
    elif "--max-images" in more:
        assert (images, total) == (14, 21)
    else:
        assert max(classes) == 12


def test_old_names_of_options():
    words = "--root x --class_names a --num_workers 3 --include_depiction --remove_overlapped"
    args = open_images_downloader.parse_args(words.split())
    assert (args.data, args.num_workers) == (Path("x"), 3)
    assert args.include_depiction
    assert args.remove_overlapped


@pytest.mark.parametrize(
    "words",
    [
        "",
        "--class-names a --max-images -1",
        "--class-names a --num-workers 0",
        "--class-names a --timeout 0",
        "--class-names a --min-box-size 1",
        "--class-names a --version v5",
        "--class-names a --stats_onyl",
    ],
)
def test_wrong_usage_is_status_2(words, capsys):
    with pytest.raises(SystemExit) as exit_:
        open_images_downloader.parse_args(words.split())
    assert exit_.value.code == 2
    assert "error: " in capsys.readouterr().err


def test_addresses_come_from_the_environment_too(monkeypatch):
    monkeypatch.setenv("OPEN_IMAGES_ANNOTATIONS_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("OPEN_IMAGES_ENDPOINT_URL", "http://127.0.0.1:2")
    args = open_images_downloader.parse_args(["--class-names", "a"])
    assert (args.annotations_url, args.endpoint_url) == ("http://127.0.0.1:1", "http://127.0.0.1:2")


def test_list_classes(capsys):
    assert run(["--list-classes"]) == 0
    assert capsys.readouterr().out == (ROOT / "open_images_classes.txt").read_text()
    assert run(["--list-classes", "FRUIT"]) == 0
    assert capsys.readouterr().out.split() == ["Fruit", "Grapefruit"]


def test_a_picture_that_does_not_come(tmp_path, options, store, capsys):
    bad = f"train/{image_id(8)}.jpg"
    store.plan = lambda request: "500" if request.path.endswith(bad) else None
    assert run(options("--retry", "2")) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "1 of 56 images did not come (missing.txt lists them" in error
    assert "the same command tries them again" in error
    files, listed = check_folder(tmp_path / "fruit")
    assert files == listed == set(JPEGS) - {bad}
    store.plan = lambda request: None
    assert run(options()) == 0
    assert check_folder(tmp_path / "fruit")[1] == set(JPEGS)


def test_nothing_left_to_download(tmp_path, options, capsys):
    assert run(options("--min-box-size", "0.9")) == 1
    assert "no picture has what is asked for" in capsys.readouterr().err
    assert not (tmp_path / "fruit").exists()


def test_nobody_answers(tmp_path, options, capsys):
    nobody = "http://127.0.0.1:9"
    assert run(options("--annotations-url", nobody, "--retry", "1")) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert f"cannot reach {nobody}/2018_04/train/train-annotations-bbox.csv" in error
    assert run(options("--stats-only")) == 0
    assert run(options("--endpoint-url", nobody, "--retry", "1")) == 1
    assert 'Could not connect to the endpoint URL: "http://127.0.0.1:9' in capsys.readouterr().err
    with pytest.raises(OSError, match="cannot reach"):
        empty = str(tmp_path / "empty")
        run(options("--annotations-url", nobody, "--retry=1", "--debug", "--cache-dir", empty))


def test_ctrl_c_leaves_whole_pictures_and_the_next_run_goes_on(tmp_path, options, store):
    store.plan = lambda request: "stall" if len(store.requests) > 40 else None
    process = start(options("--timeout", "30"))
    while len(store.requests) <= 42:
        time.sleep(0.01)
        assert process.poll() is None, process.communicate()
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 130
    assert re.search(r"Interrupted: \d+ of 56 images are here, all whole; the same command", output)
    assert "Traceback" not in output
    _, listed = check_folder(tmp_path / "fruit")
    assert 0 < len(listed) < len(JPEGS)
    store.plan = lambda request: None
    assert run(options()) == 0
    assert check_folder(tmp_path / "fruit") == (set(JPEGS), set(JPEGS))


def test_a_voc_folder_beside(tmp_path, options):
    assert run(options("--format", "voc", "--max-images", "20")) == 0
    voc = tmp_path / "fruit-voc"
    names = (voc / "ImageSets/Main/trainval.txt").read_text().split()
    assert {path.stem for path in (voc / "Annotations").iterdir()} >= set(names)
    assert all(f"train/{name}.jpg" in JPEGS or f"validation/{name}.jpg" in JPEGS for name in names)
    assert (voc / "labels.txt").read_text() == "Apple\nBanana\n"


def test_a_corrected_voc_folder_stops_the_command_before_it_downloads(
    tmp_path, options, web, store, capsys
):
    annotation = tmp_path / "fruit-voc" / "Annotations" / f"{image_id(0)}.xml"
    annotation.parent.mkdir(parents=True)
    annotation.write_text("<annotation/>")
    assert run(options("--format", "voc")) == 1
    assert f"{annotation} is not as an earlier run wrote it" in capsys.readouterr().err
    assert web.requests == store.requests == []
    assert annotation.read_text() == "<annotation/>"


def test_help_needs_nothing_heavy():
    code = (
        "import open_images_downloader, sys; print('numpy' in sys.modules, 'boto3' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "False False\n"
