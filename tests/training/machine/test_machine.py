from __future__ import annotations

import os

import pytest

from vision.training.machine.machine import Machine, read_machine, tool_versions

MEMINFO = """MemTotal:        4000000 kB
MemFree:          200000 kB
MemAvailable:    2500000 kB
HugePages_Total:       0
"""
KB = 1024


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)


def write(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_memory_and_cores(tmp_path):
    write(tmp_path, {"proc/meminfo": MEMINFO})
    assert read_machine(tmp_path) == Machine(8, 4000000 * KB, 2500000 * KB)


def test_kernels_before_3_14_say_no_more_than_what_is_unused(tmp_path):
    write(tmp_path, {"proc/meminfo": "MemTotal: 4000000 kB\nMemFree: 200000 kB\n"})
    assert read_machine(tmp_path).free == 200000 * KB


def test_a_container_by_control_groups_2(tmp_path):
    files = {
        "proc/meminfo": MEMINFO,
        "proc/self/cgroup": "0::/\n",
        "sys/fs/cgroup/memory.max": "1000000000\n",
        "sys/fs/cgroup/memory.current": "700000000\n",
        "sys/fs/cgroup/memory.stat": "anon 300000000\ninactive_file 250000000\n",
        "sys/fs/cgroup/cpu.max": "250000 100000\n",
    }
    write(tmp_path, files)
    assert read_machine(tmp_path) == Machine(2, 1000000000, 550000000)


def test_a_container_by_control_groups_1(tmp_path):
    files = {
        "proc/meminfo": MEMINFO,
        "proc/self/cgroup": "4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n1:name=systemd:/\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "1000000000\n",
        "sys/fs/cgroup/memory/memory.usage_in_bytes": "700000000\n",
        "sys/fs/cgroup/memory/memory.stat": "inactive_file 1\ntotal_inactive_file 250000000\n",
        "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "50000\n",
        "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
    }
    write(tmp_path, files)
    assert read_machine(tmp_path) == Machine(1, 1000000000, 550000000)


def test_the_tightest_of_nested_groups_counts(tmp_path):
    files = {
        "proc/meminfo": MEMINFO,
        "proc/self/cgroup": "0::/user/run\n",
        "sys/fs/cgroup/user/memory.max": "900000000\n",
        "sys/fs/cgroup/user/memory.current": "100000000\n",
        "sys/fs/cgroup/user/run/memory.max": "max\n",
        "sys/fs/cgroup/user/run/memory.current": "100000000\n",
        "sys/fs/cgroup/user/run/cpu.max": "max 100000\n",
        "sys/fs/cgroup/user/cpu.max": "400000 100000\n",
    }
    write(tmp_path, files)
    assert read_machine(tmp_path) == Machine(4, 900000000, 800000000)


def test_limits_above_what_there_is_change_nothing(tmp_path):
    files = {
        "proc/meminfo": MEMINFO,
        "proc/self/cgroup": "4:memory:/\n3:cpu,cpuacct:/\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        "sys/fs/cgroup/memory/memory.usage_in_bytes": "700000000\n",
        "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
        "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
    }
    write(tmp_path, files)
    assert read_machine(tmp_path) == Machine(8, 4000000 * KB, 2500000 * KB)


def test_without_proc_half_of_the_memory_counts_as_free(tmp_path, monkeypatch):
    sizes = {"SC_PHYS_PAGES": 1000, "SC_PAGE_SIZE": 4096}
    monkeypatch.setattr(os, "sysconf", sizes.__getitem__, raising=False)
    assert read_machine(tmp_path) == Machine(8, 4096000, 2048000)


def test_a_system_that_says_nothing(tmp_path, monkeypatch):
    for name in ("sysconf", "sched_getaffinity"):
        monkeypatch.delattr(os, name, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert read_machine(tmp_path) == Machine(1, None, None)


def test_this_machine():
    machine = read_machine()
    assert machine.cores >= 1
    assert machine.memory > machine.free > 0


def test_versions_are_plain_text():
    versions = tool_versions()
    assert list(versions) == ["python", "torch", "numpy", "opencv"]
    assert all(type(version) is str for version in versions.values())
