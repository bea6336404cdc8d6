"""The start files for clusters, run as a cluster would on this machine: one agent of two is lost.

Each agent is torchrun as the file starts it. SLURM's commands are replaced by little scripts.
"""

from __future__ import annotations

import csv
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml
from torch import distributed

import train_ssd
from tests.drawing import write_voc
from tests.tiny import NET

ROOT = Path(__file__).parents[3]
SLURM, KUBERNETES = ROOT / "cluster" / "slurm.sbatch", ROOT / "cluster" / "pytorchjob.yaml"
OPTIONS = f"""--net {NET} --resolution 64 --epochs 2 --pretrained-ssd none --freeze-base-net
    --workers 0 --batch-size 2 --save-minutes 0"""
PATIENCE = 300  # seconds
# train_ssd.py, whose processes wait at the fifth step of a run of six, and at the ninth of one that
# goes on alone, until they are released: so that they can be killed there, or joined.
WAITING = f"""
import os, sys, time
from pathlib import Path
sys.path.insert(0, {str(ROOT)!r})
import train_ssd
from vision.training import steps

step, here = steps.train_step, Path(__file__).parent

def waiting_step(training, batch):
    released = here / f"released-{{training.step}}"
    if training.step in (4, 8) and not released.exists():
        (here / f"waits-{{training.step}}-{{os.environ['RANK']}}").touch()
        while not released.exists():
            time.sleep(0.05)
    return step(training, batch)

steps.train_step = waiting_step
sys.exit(train_ssd.run_main(train_ssd.main, train_ssd.parse_args()))
"""
# Runs a command twice, as on two machines; the first one has the meeting point.
SRUN = """#!/bin/bash
while [[ $1 == --* ]]; do shift; done
PORT=$(printf '%s\\n' "$@" | sed -n 's/--rdzv-endpoint=localhost://p')
"$@" & FIRST=$!
until (exec 3<>/dev/tcp/localhost/$PORT) 2>/dev/null; do sleep 0.1; done
"$@" & SECOND=$!
echo $FIRST $SECOND > "$SLURM_SUBMIT_DIR/agents"
wait $FIRST; STATUS=$?
wait $SECOND
exit $STATUS
"""

needs_agents = pytest.mark.skipif(
    sys.platform != "linux" or not distributed.is_available(),
    reason="needs /proc, and a torch with torch.distributed",
)


def free_port():
    with socket.socket() as one:
        one.bind(("localhost", 0))
        return one.getsockname()[1]


def job():
    return yaml.safe_load(KUBERNETES.read_text(encoding="utf-8"))


def container():
    (one,) = job()["spec"]["pytorchReplicaSpecs"]["Worker"]["template"]["spec"]["containers"]
    return one


def torchrun_in(text):
    """Return the words of the torchrun command in a shell script."""
    joined = text.replace("\\\n", " ")
    return shlex.split(re.search(r"torchrun --.*", joined).group())


def options_of(words):
    return dict(word.split("=", 1) for word in words if word.startswith("--") and "=" in word)


@pytest.mark.parametrize("path", [SLURM, KUBERNETES], ids=["slurm", "kubernetes"])
def test_the_command_is_one_that_is_understood(path):
    text = path.read_text(encoding="utf-8") if path == SLURM else container()["args"][0]
    words = torchrun_in(text)
    script = words.index("train_ssd.py")
    assert (ROOT / words[script]).is_file()
    expected = "--nnodes --nproc-per-node --max-restarts --rdzv-backend --rdzv-endpoint --rdzv-id"
    assert list(options_of(words[:script])) == expected.split()
    stated = [word for word in words[script + 1 :] if re.match(r"--[a-z]", word)]
    args = train_ssd.parse_args([*stated, "--batch-size=16", "--epochs=30", "--resume"])
    assert (args.num_epochs, args.batch_size) == (30, 16)


def test_the_start_files_are_sound_scripts():
    for text in (SLURM.read_text(encoding="utf-8"), container()["args"][0]):
        subprocess.run(["bash", "-n"], input=text, text=True, check=True)
    comments = re.findall(r"^#SBATCH (\S+)$", SLURM.read_text(encoding="utf-8"), re.MULTILINE)
    stated = dict(one.lstrip("-").partition("=")[::2] for one in comments)
    assert stated["ntasks-per-node"] == "1", "torchrun starts the processes of a machine itself"
    assert {"nodes", "gpus-per-node", "time", "requeue", "no-kill", "signal"} <= set(stated)


def test_the_job_has_the_fields_of_a_pytorchjob():
    document = job()
    assert (document["apiVersion"], document["kind"]) == ("kubeflow.org/v1", "PyTorchJob")
    spec = document["spec"]
    fields = {"nprocPerNode", "elasticPolicy", "runPolicy", "pytorchReplicaSpecs"}
    assert set(spec) == fields
    assert spec["nprocPerNode"] in ("auto", "cpu", "gpu")
    assert set(spec["runPolicy"]) == {"backoffLimit", "cleanPodPolicy"}
    assert spec["runPolicy"]["cleanPodPolicy"] in ("All", "Running", "None")
    (kind,) = spec["pytorchReplicaSpecs"]
    worker = spec["pytorchReplicaSpecs"][kind]
    assert kind == "Worker"
    assert set(worker) == {"replicas", "restartPolicy", "template"}
    assert worker["restartPolicy"] in ("Always", "OnFailure", "Never", "ExitCode")
    assert container()["name"] == "pytorch", "which the operator looks for"
    volumes = {one["name"] for one in worker["template"]["spec"]["volumes"]}
    assert {one["name"] for one in container()["volumeMounts"]} == volumes


def test_what_the_job_says_twice_is_the_same():
    spec = job()["spec"]
    elastic, worker = spec["elasticPolicy"], spec["pytorchReplicaSpecs"]["Worker"]
    options = options_of(torchrun_in(container()["args"][0]))
    assert elastic["minReplicas"] == elastic["maxReplicas"] == worker["replicas"]
    assert options["--nnodes"] == str(worker["replicas"])
    assert options["--max-restarts"] == str(elastic["maxRestarts"])
    assert options["--rdzv-backend"] == elastic["rdzvBackend"]
    name = job()["metadata"]["name"]
    assert options["--rdzv-id"] == name
    values = {one["name"]: one["value"] for one in container()["env"]}
    assert values["MEETING"] == f"{name}-worker-0:23456"  # the operator's names and port
    assert values["PER_NODE"] == spec["nprocPerNode"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Return a folder with drawn squares, and what a run there gets from the environment."""
    folder = tmp_path_factory.mktemp("cluster")
    write_voc(folder / "data", {"trainval": 12, "test": 4})
    here = str(Path(sys.executable).parent)
    environment = {
        **os.environ,
        "PATH": f"{here}:{os.environ['PATH']}",
        "XDG_CACHE_HOME": str(folder / "cache"),
        "OMP_NUM_THREADS": "1",
        "DATA": str(folder / "data"),
        "PER_NODE": "1",
    }
    return folder, environment


def train(place, name, processes, *more):
    """Train with so many processes on one machine, undisturbed."""
    folder, environment = place
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += [f"--nproc-per-node={processes}", str(ROOT / "train_ssd.py"), *OPTIONS.split()]
    command += ["--data", str(folder / "data"), "--model-dir", str(folder / name), *more]
    subprocess.run(command, check=True, env=environment, capture_output=True, timeout=PATIENCE)
    return left_by(folder / name)


def left_by(folder):
    """Return the weights of a run and its table."""
    state = torch.load(folder / "last.pth", weights_only=True)
    with (folder / "results.csv").open(newline="", encoding="utf-8") as file:
        return state["net"], list(csv.DictReader(file))


def wait_for(condition, process=None):
    """Wait until the condition holds, or fail."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "waited for too long"
        assert process is None or process.poll() is None, "a process has ended"
        time.sleep(0.1)


def kill_family(parent):
    """Kill a process and all below it at once, as when its machine is switched off."""
    family = [parent]
    for member in family:
        for path in Path(f"/proc/{member}/task").glob("*/children"):
            family += map(int, path.read_text().split())
    assert len(family) > 1
    for member in family:
        os.kill(member, signal.SIGKILL)


def working_folder(tmp_path):
    """Write the training that waits into a folder."""
    (tmp_path / "train_ssd.py").write_text(WAITING)
    return tmp_path


def all_wait(folder):
    return all((folder / f"waits-4-{rank}").exists() for rank in (0, 1))


@pytest.fixture
def started():
    """Return a function that starts a process; none outlives the test."""
    processes = []

    def start(command, **options):
        log = Path(options["cwd"], f"log-{len(processes)}").open("wb")  # noqa: SIM115
        processes.append(
            subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, **options)
        )
        log.close()
        return processes[-1]

    yield start
    for process in processes:
        if process.poll() is None:
            kill_family(process.pid)
            process.wait()


@needs_agents
@pytest.mark.slow
def test_slurm_goes_on_with_the_machines_that_are_left(place, tmp_path, started):
    """It begins the interrupted epoch again, alone: the weights are those of such a run."""
    folder, environment = place
    here = working_folder(tmp_path)
    for name, text in (("srun", SRUN), ("scontrol", "#!/bin/bash\necho localhost\n")):
        (here / name).write_text(text)
        (here / name).chmod(0o755)
    port = free_port()
    environment = {
        **environment,
        "PATH": f"{here}:{environment['PATH']}",
        "MODEL_DIR": str(folder / "slurm"),
        "SLURM_SUBMIT_DIR": str(here),
        "SLURM_JOB_ID": str(port - 20000 if 20000 <= port < 30000 else 4711),
        "SLURM_JOB_NUM_NODES": "2",
        "SLURM_JOB_NODELIST": "localhost",
    }
    process = started(["bash", SLURM, *OPTIONS.split()], cwd=here, env=environment)
    wait_for(lambda: all_wait(here), process)
    kill_family(int((here / "agents").read_text().split()[1]))
    (here / "released-4").touch()
    (here / "released-8").touch()
    assert process.wait(PATIENCE) == 0, (here / "log-0").read_text()

    train(place, "one epoch of two", 2, "--epochs", "1", "--t-max", "2")
    expected, table = train(place, "one epoch of two", 1, "--resume", "--epochs", "2")
    weights, rows = left_by(folder / "slurm")
    assert [row["steps"] for row in rows] == [row["steps"] for row in table]
    for name, tensor in expected.items():
        torch.testing.assert_close(weights[name], tensor, rtol=1e-4, atol=1e-5, msg=name)


@pytest.fixture
def start_pod(place, tmp_path, started):
    """Return a function that starts what a container of the job runs."""
    _, environment = place
    here = working_folder(tmp_path)
    environment = {
        **{one["name"]: one["value"] for one in container()["env"]},
        **environment,
        "MODEL_DIR": str(here / "model"),
        "MEETING": f"localhost:{free_port()}",
        "OPTIONS": " ".join(OPTIONS.split()),
    }

    def start(nodes="2"):
        script = container()["args"][0].replace("--nnodes=2", f"--nnodes={nodes}")
        process = started([*container()["command"], script], cwd=here, env=environment)
        port = int(environment["MEETING"].split(":")[1])
        wait_for(lambda: listens(port), process)
        return process

    return start


def ends_well(process, log):
    status = process.wait(PATIENCE)
    assert status == 0, log.read_text()


@needs_agents
@pytest.mark.slow
def test_kubernetes_starts_a_lost_pod_again_and_nothing_is_lost(place, tmp_path, start_pod):
    """The weights are those of a run that was not disturbed, bit for bit."""
    first, second = start_pod(), start_pod()
    wait_for(lambda: all_wait(tmp_path), first)
    kill_family(second.pid)
    assert second.wait() == -signal.SIGKILL
    (tmp_path / "released-4").touch()
    ends_well(start_pod(), tmp_path / "log-2")
    ends_well(first, tmp_path / "log-0")

    expected, table = train(place, "two", 2)
    weights, rows = left_by(tmp_path / "model")
    assert rows == table
    assert all(tensor.equal(weights[name]) for name, tensor in expected.items())


@needs_agents
@pytest.mark.slow
def test_a_pod_can_come_back_to_one_that_went_on_alone(tmp_path, start_pod):
    first, second = start_pod("1:2"), start_pod("1:2")
    wait_for(lambda: all_wait(tmp_path), first)
    kill_family(second.pid)
    (tmp_path / "released-4").touch()
    wait_for(lambda: (tmp_path / "waits-8-0").exists(), first)  # of six more steps, alone
    third = start_pod("1:2")
    log = tmp_path / "log-0"
    wait_for(lambda: "SIGTERM: finishing this step" in log.read_text(), first)  # by its agent
    (tmp_path / "released-8").touch()
    ends_well(third, tmp_path / "log-2")
    ends_well(first, log)
    _, rows = left_by(tmp_path / "model")
    assert [row["epoch"] for row in rows] == ["0", "1"]


def listens(port):
    with socket.socket() as one:
        return one.connect_ex(("localhost", port)) == 0
