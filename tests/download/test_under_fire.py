"""The whole downloader against servers that do all that servers and networks do.

2,000 pictures of 8 of 600 classes out of a file of 200,000 lines, with every fault that the servers
know, a stretch without any server, and the process killed again and again. At the end every
file is byte-identical or listed, and never half. This prints a table of the faults:

    pytest tests/download/test_under_fire.py --log-cli-level=INFO
"""

import logging
import random
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.download.fault_table import Row, markdown, rows_of_faults
from tests.download.pictures import annotation_file, draw_jpeg, image_id, line, read_rows
from tests.download.servers import (
    FaultyServer,
    fill_bucket,
    forward_to,
    moto_server,
    serve_files,
)
from vision.download.choice.class_names import OPEN_IMAGES_CLASSES, read_class_table

logger = logging.getLogger(__name__)
pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).resolve().parents[2] / "open_images_downloader.py"
BUCKET = "open-images-dataset"
WHOLE, LISTED = "tried again and whole", "in missing.txt and in no CSV file"
FRUIT = ["Apple", "Orange", "Banana", "Strawberry", "Grape", "Pear", "Pineapple", "Watermelon"]
LINES = 200_000
SPLITS = {"train": range(1700), "validation": range(1700, 1800), "test": range(1800, 2000)}
GONE = range(0, 2000, 90)  # 23 pictures that the bucket does not have
CUT = range(7, 2000, 400)  # 5 pictures that the bucket has as halves
# Of 40 pictures, those with that remainder get these faults, one at each attempt.
FAULTS = {
    0: ["500", "500"],
    1: ["503"],
    2: ["reset", "reset"],
    3: ["truncate"],
    4: ["garble", "truncate"],
    5: ["refuse", "500", "reset"],
    6: ["drip"],
    7: ["stall"],
}


@pytest.fixture(scope="module")
def jpegs():
    """Return the bytes of every picture that can be had whole, by key."""
    return {
        f"{split}/{image_id(number)}.jpg": draw_jpeg(number)
        for split, numbers in SPLITS.items()
        for number in numbers
    }


@pytest.fixture(scope="module")
def table():
    """Collect rows of the table of faults and log it at the end."""
    rows = []
    yield rows
    logger.info("\n%s", markdown(rows))


@pytest.fixture(scope="module")
def moto(jpegs):
    kept = {key: body for key, body in jpegs.items() if number_of(key) not in GONE}
    kept.update({k: b[: len(b) // 2] for k, b in kept.items() if number_of(k) in CUT})
    with moto_server() as port:
        fill_bucket(port, BUCKET, kept)
        yield port


def number_of(key):
    return int(Path(key).stem, 16)


def annotations():
    """Two fruit in each picture, and lines of other pictures of all other classes between."""
    table = read_class_table(OPEN_IMAGES_CLASSES)
    others = [id_ for name, id_ in zip(table.names, table.ids) if name not in FRUIT]
    files = {}
    for split, numbers in SPLITS.items():
        lines = [
            line(number, table.id_of(FRUIT[(number + k) % 8]))
            for number in numbers
            for k in range(2)
        ]
        if split == "train":
            rest = LINES - len(lines)
            lines += [line(10_000 + n // 6, others[n % len(others)]) for n in range(rest)]
            # Mixed, with the lines of a picture still together.
            lines.sort(key=lambda text: text[:16][::-1])
        files[f"/2018_04/{split}/{split}-annotations-bbox.csv"] = annotation_file(lines)
    return files


def fault_of_picture(request):
    if request.method == "HEAD":
        return None
    faults = FAULTS.get(number_of(request.path) % 40, [])
    return faults[request.attempt] if request.attempt < len(faults) else None


def fault_of_file(request):
    faults = ["refuse", "500", "reset", "truncate", "drip"] if "train" in request.path else ["503"]
    return faults[request.attempt] if request.attempt < len(faults) else None


def command(root, web, store, *more):
    return [
        *[sys.executable, str(SCRIPT), "--class-names", ",".join(FRUIT)],
        *["--data", str(root / "fruit"), "--cache-dir", str(root / "cache")],
        *["--annotations-url", web.url, "--endpoint-url", store.url],
        *["--workers", "20", "--timeout", "1", *more],
    ]


def check(root, files, jpegs):
    """Assert that all that has its final name is byte-identical; return keys there and listed."""
    fruit = root / "fruit"
    there = {str(path.relative_to(fruit)) for path in fruit.rglob("*.jpg")}
    assert all((fruit / key).read_bytes() == jpegs[key] for key in there)
    for address, content in files.items():
        path = root / "cache" / "v4" / Path(address).name
        assert not path.exists() or path.read_bytes() == content
    listed = {
        f"{split}/{row['ImageID']}.jpg"
        for split in SPLITS
        for path in [fruit / f"sub-{split}-annotations-bbox.csv"]
        if path.exists()
        for row in read_rows(path)
    }
    assert listed <= there
    return there, listed


def kill_at_random(argv, rng, seconds):
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        time.sleep(rng.uniform(*seconds))
        process.kill()


def test_every_file_is_whole_or_listed(tmp_path, moto, jpegs, table):
    files, rng = annotations(), random.Random(5)
    web = FaultyServer(serve_files(files), fault_of_file)
    store = FaultyServer(forward_to(moto), fault_of_picture)
    progress, away = [], 1.5
    with web, store:
        for seconds in [(0.2, 1), (1, 3), (3, 5), (3, 5), (3, 5)]:
            kill_at_random(command(tmp_path, web, store), rng, seconds)
            progress.append(len(check(tmp_path, files, jpegs)[0]))
        outage = threading.Thread(target=go_away_for, args=(store, away))
        with subprocess.Popen(
            command(tmp_path, web, store, "--format", "voc"), stdout=subprocess.PIPE, text=True
        ) as process:
            outage.start()
            output, _ = process.communicate(timeout=300)
        outage.join()
    there, listed = check(tmp_path, files, jpegs)
    assert process.returncode == 0, output
    whole = {key for key in jpegs if number_of(key) not in {*GONE, *CUT}}
    assert there == listed == whole
    missing = (tmp_path / "fruit" / "missing.txt").read_text().splitlines()
    assert {text.split("\t")[0] for text in missing} == set(jpegs) - whole
    assert sum("404" in text for text in missing) == len(GONE)
    assert sum("damaged at its source" in text for text in missing) == len(CUT)
    assert sorted(progress) == progress
    assert not list(tmp_path.rglob("*.part"))
    assert len(list((tmp_path / "fruit-voc" / "JPEGImages").iterdir())) == len(whole)
    assert output.endswith("Task Done.\n")
    assert set(store.faults) == {fault for row in FAULTS.values() for fault in row}
    fates = {f"/{BUCKET}/{key}": WHOLE if key in whole else LISTED for key in jpegs}
    kills = f"each time all that was there was whole: {', '.join(map(str, progress))} pictures"
    table += [
        *rows_of_faults(web.requests, dict.fromkeys(files, WHOLE), "annotation files"),
        *rows_of_faults(store.requests, fates, "pictures"),
        row_of_the_sources_own("status 404, at every attempt", store, GONE),
        row_of_the_sources_own("half a JPEG with the right length and sum", store, CUT),
        Row(f"no server for {away} s", 1, "waited, then went on"),
        Row("SIGKILL at a random moment", len(progress), kills),
    ]


def row_of_the_sources_own(fault, store, numbers):
    """Return a row for pictures that the bucket itself does not have, or has damaged."""
    asked = [
        request
        for request in store.requests
        if request.method == "GET" and not request.fault and number_of(request.path) in numbers
    ]
    return Row(fault, len(asked), f"pictures: {len(numbers)} {LISTED}")


def go_away_for(server, seconds):
    """Close a server's socket once it has been asked again, and open it some time later."""
    asked = len(server.requests)
    while len(server.requests) < asked + 100:
        time.sleep(0.01)
    server.__exit__()
    time.sleep(seconds)
    server.__enter__()


@pytest.fixture
def small_disk(tmp_path):
    """Mount a disk of one megabyte; return its folder and a function that makes it larger."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(options):
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)],
            check=True,
            capture_output=True,
        )

    try:
        mount("size=1m")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs the right to mount a small disk")
    yield folder, lambda: mount("remount,size=64m")
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_fills_up(tmp_path, small_disk, moto, jpegs, table):
    folder, enlarge = small_disk
    files = annotations()
    (tmp_path / "fruit").symlink_to(folder)

    def run(store):
        done = subprocess.run(
            command(tmp_path, web, store, "--max-images", "400"), capture_output=True, text=True
        )
        return done.returncode, done.stderr

    def lie_about_lengths(request):
        return "tiny" if request.method == "HEAD" else None

    with FaultyServer(serve_files(files)) as web, FaultyServer(forward_to(moto)) as store:
        status, error = run(store)
        assert status == 1
        assert re.search(r"400 images of \d+ kB each \(measured\) need .* make room", error)
        assert list(folder.iterdir()) == []
        table.append(Row("disk too small", 1, "said before the first picture, status 1"))
        store.plan = lie_about_lengths
        status, error = run(store)
        assert status == 1
        assert "no space left on the disk" in error
        assert error.count("\n") == 1
        there, _ = check(tmp_path, files, jpegs)
        assert there
        assert not list(folder.rglob("*.part"))
        text = f"status 1 with {len(there)} of 400 pictures, all whole; with room, all came"
        table.append(Row("disk full in the middle", 1, text))
        enlarge()
        status, error = run(store)
    assert (status, error) == (0, "")
    assert check(tmp_path, files, jpegs)[0] >= there
