"""What is written down of the benchmarks, and what growth means."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from vision.datasets.opening import open_datasets
from vision.pictures.reading import read_picture

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def scripts(monkeypatch):
    """Return a function that imports a script of the folder, as if it were started there."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and (
            Path(sys.modules[name].__file__).parent == BENCHMARKS
        ):
            del sys.modules[name]


def test_benchmarks_without_a_model_measure_the_same_net(scripts):
    """Each wrote one of its own kind, under the same name."""
    shared = scripts("untrained").untrained
    assert all(scripts(name).untrained is shared for name in ("live", "single_picture"))


def test_rows_go_from_a_benchmark_to_the_table(scripts, tmp_path, monkeypatch):
    compared = scripts("compared")
    goals = ("at least 1.33", "at least 1.34", "at most 1.33", "at most 1.3", "")
    missed = [compared.Compared("", "", "", 1.333, goal).missed for goal in goals]
    assert missed == [False, True, False, True, False]
    row = compared.Compared("reading", "3 ms", "imread 4 ms", 1.333, "at least 0.9")
    compared.hand_on([row])  # not started by run_all.py: nobody to hand it to
    monkeypatch.setenv(compared.ROWS_FILE, str(tmp_path / "rows"))
    compared.hand_on([row])
    compared.hand_on([row._replace(what="drawing")])
    rows = compared.handed_on(tmp_path / "rows")
    assert [one.what for one in rows] == ["reading", "drawing"]
    assert compared.as_table(rows)[2:] == [
        "| reading | 3 ms | imread 4 ms | 1.33 | at least 0.9 |",
        "| drawing | 3 ms | imread 4 ms | 1.33 | at least 0.9 |",
    ]
    assert compared.handed_on(tmp_path / "nothing") == []


def test_the_page_has_the_table_and_what_each_has_printed(scripts):
    run_all = scripts("run_all")
    row = run_all.Compared("reading", "3 ms", "imread 4 ms", 1.333, "at least 0.9")
    outputs = [run_all.Output("nms_in_graph", "a\n\nb\n", False)]
    outputs.append(run_all.Output("live", "", True))
    page = run_all.page([row], outputs)
    assert "| reading | 3 ms |" in page
    assert "## Nms in graph\n\n`python3 benchmarks/nms_in_graph.py`:\n\n    a\n\n    b\n\n" in page
    assert page.endswith("It missed a goal, or failed.\n")
    assert "cores; Python 3" in page


def test_a_benchmark_that_is_not_there_is_named(scripts, capsys):
    with pytest.raises(SystemExit):
        scripts("run_all").parse_args(["speed"])
    assert "there is no benchmark speed; there are annotation_index" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("seconds", "power"), [([9, 1, 10], 1), ([9, 1, 100], 2), ([9, 1, 1], 0), ([9, 2, 20], 1)]
)
def test_growth_is_the_power_between_the_largest_amounts(scripts, seconds, power):
    assert scripts("growth").power([1, 10, 100], seconds) == pytest.approx(power)


@pytest.mark.parametrize("kind", ["boxes", "classes"])
def test_a_point_is_measured(scripts, kind):
    point = scripts("growth").measure(kind, 2)
    assert point.seconds > 0 and point.megabytes >= 0


def test_pictures_that_look_alike_are_different_files_of_a_dataset(scripts, tmp_path):
    folder = scripts("large_data").draw_dataset(tmp_path / "data", 5, (64, 48))
    datasets = open_datasets([folder])
    assert (len(datasets.train), len(datasets.validation)) == (4, 1)
    assert datasets.train[0].boxes_in_pixels(64, 48).tolist() == [[15, 11, 31, 23]]
    files = sorted((folder / "JPEGImages").iterdir())
    assert len({path.read_bytes() for path in files}) == 5
    first, last = (read_picture(path) for path in (files[0], files[-1]))
    assert first.shape == (48, 64, 3) and (first == last).all()


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_the_memory_of_a_process_is_that_of_its_children_too(scripts):
    memory_of = scripts("large_data").memory_of
    size = 50_000_000
    wait = f"block = b'x' * {size}; print('there', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", wait], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        child.stdout.readline()
        together, alone = memory_of(os.getpid()), memory_of(child.pid)
        child.communicate("\n")
    assert size < alone < 2 * size
    assert together > alone
    assert memory_of(os.getpid()) < together - size / 2
    assert memory_of(child.pid) == 0  # it has ended


def test_the_benchmark_of_checking_looks_at_every_picture(scripts, tmp_path, monkeypatch, capsys):
    rows = tmp_path / "rows.jsonl"
    monkeypatch.setenv("BENCHMARK_ROWS", str(rows))
    checking = scripts("checking")
    monkeypatch.setattr(checking, "LARGE_SIZE", (64, 48))
    checking.main(checking.parse_args(["--large", "4", "--small", "20"]))
    assert "4 pictures of 64 x 48 pixels" in capsys.readouterr().out
    assert [row.goal for row in scripts("compared").handed_on(rows)][:2] == ["at least 1"] * 2
