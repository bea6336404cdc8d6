"""The COCO downloader as a user starts it, against a server on this machine."""

import io
import json
import zipfile
from pathlib import Path

import pytest

import coco_downloader
from tests.download.coco.test_dataset import (
    APPLE,
    BANANA,
    PERSON,
    annotation_archive,
    box,
    image,
    instances,
)
from tests.download.pictures import draw_jpeg
from tests.download.servers import FaultyServer, serve_files
from vision.utils.cli import run_main

TRAIN, VAL, GONE = range(30), range(100, 110), 5


def address(number):
    return f"{'train' if number in TRAIN else 'val'}2017/{number:012d}.jpg"


JPEGS = {address(n): draw_jpeg(n) for n in [*TRAIN, *VAL] if n != GONE}


def split(numbers):
    images = [image(n) for n in numbers]
    for entry in images:
        entry["coco_url"] = (
            entry["coco_url"]
            .replace("val2017/", "")
            .replace(entry["file_name"], address(entry["id"]))
        )
    kinds = (APPLE, BANANA, PERSON)
    return instances(images, [box(10 * n + k, n, kinds[k]) for n in numbers for k in range(n % 4)])


def zip_of(folder):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for key, body in JPEGS.items():
            if key.startswith(folder):
                archive.writestr(key, body)
    return file.getvalue()


FILES = {
    "/annotations/annotations_trainval2017.zip": annotation_archive(split(TRAIN), split(VAL)),
    "/zips/train2017.zip": zip_of("train2017"),
    "/zips/val2017.zip": zip_of("val2017"),
    **{f"/{key}": body for key, body in JPEGS.items()},
}
# Pictures with one box or more have an apple, those with two or more a banana.
WITH_FRUIT = {address(n) for n in [*TRAIN, *VAL] if n % 4}


@pytest.fixture
def web():
    with FaultyServer(serve_files(FILES)) as server:
        yield server


@pytest.fixture
def options(tmp_path, web):
    """Return a function of more options that returns a whole command line."""
    return lambda *more: [
        *["--class-names", "Apple,banana", "--data", str(tmp_path / "coco"), "--timeout", "0.5"],
        *["--cache-dir", str(tmp_path / "cache"), "--url", web.url, "--workers", "4", *more],
    ]


def run(argv):
    return run_main(coco_downloader.main, coco_downloader.parse_args(argv))


def check_folder(root):
    """Assert that every picture is whole and every entry names one; return what is there."""
    files = {str(path.relative_to(root)) for path in root.rglob("*.jpg")}
    assert all((root / key).read_bytes() == JPEGS[key] for key in files)
    listed = set()
    for path in (root / "annotations").glob("*.json"):
        content = json.loads(path.read_text())
        folder = path.stem.split("_")[1]
        listed |= {f"{folder}/{entry['file_name']}" for entry in content["images"]}
        ids = {entry["id"] for entry in content["images"]}
        assert {entry["image_id"] for entry in content["annotations"]} == ids
    assert listed == files
    return files


@pytest.mark.parametrize("more", [[], ["--archives"]])
def test_a_complete_download(tmp_path, options, capsys, more):
    assert run(options(*more)) == 0
    assert check_folder(tmp_path / "coco") == WITH_FRUIT - {address(GONE)}
    assert (tmp_path / "coco/missing.txt").read_text().startswith(address(GONE))
    output = capsys.readouterr().out
    for text in [
        "Available train images:  22",
        "Total available images: 29",
        " 'val' set statistics",
    ]:
        assert text in output
    assert output.endswith("Task Done.\n")
    assert run(options(*more)) == 0


def test_archives_are_not_fetched_for_pictures_that_are_there(options, web, monkeypatch):
    monkeypatch.setitem(FILES, f"/{address(GONE)}", draw_jpeg(GONE))
    monkeypatch.setitem(JPEGS, address(GONE), draw_jpeg(GONE))
    assert run(options()) == 0
    assert run(options("--archives")) == 0
    assert not any("/zips/" in request.path for request in web.requests)


def test_faults_on_the_way(tmp_path, options, web):
    faults = ["500", "reset", "truncate", "garble", "refuse", "drip"]

    def plan(request):
        kind = faults[sum(request.path.encode()) % len(faults)]
        return kind if request.attempt == 0 and request.method == "GET" else None

    web.plan = plan
    assert run(options()) == 0
    assert check_folder(tmp_path / "coco") == WITH_FRUIT - {address(GONE)}
    assert len(web.faults) > 3


def test_stats_only(options, web, capsys):
    assert run(options("--stats-only", "--max-images", "10")) == 0
    assert "Limiting train dataset to:  8 images" in capsys.readouterr().out
    web.plan = lambda request: "500"
    assert run(options("--stats-only", "--class-names", "person", "--exclude-crowd")) == 0


def test_names_are_settled_first(options, web, capsys):
    assert run(options("--class-names", "bananna")) == 1
    assert "there is no class 'bananna'; the nearest are banana" in capsys.readouterr().err
    assert web.requests == []
    assert run(["--list-classes", "ball"]) == 0
    assert capsys.readouterr().out.splitlines() == ["baseball bat", "baseball glove", "sports ball"]


def test_a_voc_folder_beside(tmp_path, options):
    assert run(options("--format", "voc")) == 0
    names = (tmp_path / "coco-voc/ImageSets/Main/val.txt").read_text().split()
    assert names == [Path(key).stem for key in sorted(WITH_FRUIT) if key.startswith("val")]


def test_a_corrected_voc_folder_stops_the_command_before_it_downloads(
    tmp_path, options, web, capsys
):
    (tmp_path / "coco-voc").mkdir()
    (tmp_path / "coco-voc" / "labels.txt").write_text("pear\n")
    assert run(options("--format", "voc")) == 1
    assert "labels.txt is not as an earlier run wrote it" in capsys.readouterr().err
    assert web.requests == []
    assert (tmp_path / "coco-voc" / "labels.txt").read_text() == "pear\n"


@pytest.mark.parametrize(
    "words", ["", "--class-names a --retry 0", "--class-names a --max-images -3"]
)
def test_wrong_usage_is_status_2(words):
    with pytest.raises(SystemExit) as exit_:
        coco_downloader.parse_args(words.split())
    assert exit_.value.code == 2
