"""Runs of several processes: one that dies, a stop, another number of processes, several machines."""

from __future__ import annotations

import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
import yaml
from safetensors.torch import load_file
from tiny_workspace import Tiny, ended, make, training, until

from llm_playground.core.config import parse_config
from llm_playground.core.errors import ConfigError, ConflictError, LLMPError
from llm_playground.monitoring import MetricReader
from llm_playground.runs import RunRecord, Supervisor
from llm_playground.runs.clusters import cluster_script
from llm_playground.runs.launch import died, processes_of
from llm_playground.runs.queueing import enlist
from llm_playground.runs.stages import get_stage

pytestmark = pytest.mark.xdist_group("processes")
STEPS = 120


@pytest.fixture(scope="module")
def place(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    return tiny.copy(tmp_path_factory.mktemp("processes") / "workspace")


@pytest.fixture(scope="module")
def alone(place: Tiny) -> RunRecord:
    """What one process does."""
    return make(place.workspace, "pretrain", place.pretrain(STEPS), seed=3)


def together(place: Tiny, processes: int = 2, steps: int = STEPS, **more: Any) -> tuple[Supervisor, str]:
    """Start a training of several processes and return once it has done some steps."""
    supervisor = place.supervisor
    run_id = supervisor.start("pretrain", place.pretrain(steps, processes=processes, **more), seed=3).id
    until(lambda: supervisor.get(run_id).progress.done > 10, 200, lambda: supervisor.log_tail(run_id))
    return supervisor, run_id


def found(run_id: str) -> dict[str, psutil.Process]:
    """The living processes of a run, by rank; the launcher by its name."""
    processes = {}
    for process in psutil.process_iter():
        try:
            command = process.cmdline()
            if run_id in command and "llm_playground.runs.launch" in command:
                processes["launcher"] = process
            elif run_id in command and "llm_playground.runs.worker" in command:
                processes[process.environ().get("RANK", "0")] = process
        except (psutil.NoSuchProcess, psutil.ZombieProcess, psutil.AccessDenied):
            continue
    return processes


def losses(supervisor: Supervisor, run_id: str, name: str = "train/loss") -> dict[int, set[float]]:
    values: dict[int, set[float]] = {}
    for row in MetricReader(supervisor.folder(run_id) / "metrics.db").rows(0, 1_000_000):
        if row["name"] == name:
            values.setdefault(row["step"], set()).add(row["value"])
    return values


def weights(place: Tiny, record: RunRecord) -> dict[str, torch.Tensor]:
    assert record.state == "finished", record.error
    return load_file(place.workspace.get(str(record.output), "model").path / "model.safetensors")


def nobody_is_left(run_id: str, seconds: float = 15) -> None:
    until(lambda: not found(run_id), seconds, lambda: str(found(run_id)))


def test_a_dead_process_is_named_and_one_process_goes_on(place: Tiny, alone: RunRecord) -> None:
    supervisor, run_id = together(place)
    processes = found(run_id)
    assert processes.keys() == {"launcher", "0", "1"}
    record = supervisor.get(run_id)
    assert record.pid == processes["0"].pid and record.state == "running"
    begin = time.monotonic()
    processes["1"].kill()
    failed = ended(supervisor, run_id)
    assert time.monotonic() - begin < 15
    assert failed.state == "failed" and failed.error is not None
    assert (
        failed.error.message
        == "The process of rank 1 (of 2) ended without a word (killed, or out of memory)."
    )
    assert failed.error.hint == "Its last checkpoint is whole: resume the run to go on from there."
    nobody_is_left(run_id)

    resumed = ended(supervisor, supervisor.resume(run_id, processes=1).id)
    assert (resumed.state, resumed.attempt, resumed.error) == ("finished", 2, None)
    assert resumed.config["training"]["processes"] == 1
    log = supervisor.log_tail(run_id)
    assert "Processes: 2 when the checkpoint was written, 1 now. The data goes on in its order" in log
    # Each step saw the samples that one process alone would have seen, with either number of processes.
    mine, other = losses(supervisor, run_id), losses(supervisor, alone.id)
    assert mine.keys() == other.keys() == set(range(1, STEPS + 1))
    for step, values in mine.items():
        assert all(value == pytest.approx(next(iter(other[step])), rel=1e-3) for value in values)


def test_another_number_of_processes_is_only_for_training(place: Tiny) -> None:
    supervisor = place.supervisor
    run_id = supervisor.start("data.prepare", {"source": "tinyworld", "documents": 2_000_000}).id
    until(lambda: supervisor.get(run_id).pid)
    supervisor.stop(run_id)
    assert ended(supervisor, run_id).state == "stopped"
    with pytest.raises(ConfigError, match=r"processes: data\.prepare is the work of one process\."):
        supervisor.resume(run_id, processes=2)
    assert supervisor.get(run_id).state == "stopped"


def test_a_run_on_several_machines_is_not_started_here(place: Tiny) -> None:
    with pytest.raises(ConfigError) as caught:
        place.supervisor.start("pretrain", place.pretrain(2, nodes=2))
    assert caught.value.field == "training.nodes" and "--print-script torchrun" in str(caught.value)


def test_only_trainings_are_shared_out(place: Tiny) -> None:
    assert processes_of("pretrain", place.pretrain(2, processes=3)) == 3
    assert processes_of("lr-find", place.pretrain(2, processes=3)) == processes_of("evaluate", {}) == 1
    assert died(2, 4, "signal 9").endswith(
        "rank 2 (of 4) ended without a word (signal 9: killed, or out of memory)."
    )


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["0", "launcher"])
def test_without_its_first_process_a_run_is_dead_and_goes_on_bit_for_bit(
    place: Tiny, alone: RunRecord, victim: str
) -> None:
    supervisor, whole = together(place)
    undisturbed = ended(supervisor, whole)
    _, run_id = together(place)
    found(run_id)[victim].kill()
    # Without the launcher both end: the first may notice that the other one went, and say so.
    assert ended(supervisor, run_id).state in (("died",) if victim == "0" else ("died", "failed"))
    nobody_is_left(run_id)
    resumed = ended(supervisor, supervisor.resume(run_id).id)
    assert losses(supervisor, run_id) == losses(supervisor, whole)
    mine, other = weights(place, resumed), weights(place, undisturbed)
    assert all(torch.equal(mine[name], other[name]) for name in other)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["file", "signal"])
def test_a_stop_reaches_all_processes(place: Tiny, how: str) -> None:
    supervisor, run_id = together(place, parallel="fsdp", async_checkpoints=True)
    if how == "file":
        supervisor.stop(run_id)
    else:
        os.kill(found(run_id)["launcher"].pid, signal.SIGTERM)
    stopped = ended(supervisor, run_id)
    assert (stopped.state, stopped.error) == ("stopped", None)
    nobody_is_left(run_id)
    finished = ended(supervisor, supervisor.resume(run_id).id)
    assert finished.state == "finished" and set(losses(supervisor, run_id)) == set(range(1, STEPS + 1))


@pytest.mark.slow
@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
def test_many_kills_change_nothing(place: Tiny, parallel: str) -> None:
    steps = 4 * STEPS  # so many that no run is over before it is killed
    supervisor, whole = together(place, steps=steps, parallel=parallel)
    undisturbed = ended(supervisor, whole)
    chance = random.Random(parallel)
    run_id = supervisor.start("pretrain", place.pretrain(steps, processes=2, parallel=parallel), seed=3).id
    for _ in range(4):
        goal = supervisor.get(run_id).progress.done + chance.randint(2, STEPS // 5)
        until(
            lambda goal=goal: supervisor.get(run_id).progress.done >= goal,
            200,
            lambda: supervisor.log_tail(run_id),
        )
        found(run_id)[chance.choice(["0", "1"])].kill()
        assert ended(supervisor, run_id).state in ("failed", "died")
        nobody_is_left(run_id)
        supervisor.resume(run_id)
    resumed = ended(supervisor, run_id)
    assert losses(supervisor, run_id) == losses(supervisor, whole)
    mine, other = weights(place, resumed), weights(place, undisturbed)
    assert all(torch.equal(mine[name], other[name]) for name in other)


def script_of(kind: str, place: Tiny, stage: str = "sft", nodes: int = 2, **more: Any) -> tuple[str, str]:
    """A printed script of a tiny fine-tuning, and the run's id."""
    values = {"model": place.base, "dataset": place.data, "training": training(8, nodes=nodes, **more)}
    config = parse_config(get_stage(stage).config_class, values)
    run_id = f"{kind}-{random.Random(kind).randrange(10**6)}-{time.time_ns()}"
    return cluster_script(kind, stage, config, run_id, seed=1), run_id


def free_port() -> str:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def surroundings(place: Tiny, **more: str) -> dict[str, str]:
    there = {**os.environ, "LLMP_WORKSPACE": str(place.workspace.root), "PYTHON": sys.executable}
    return {
        **there,
        "MASTER_PORT": free_port(),
        "LLMP_DIST_TIMEOUT_S": "60",
        "GLOO_SOCKET_IFNAME": "lo",
        **more,
    }


def test_the_torchrun_script_trains_on_two_machines(place: Tiny, tmp_path: Path) -> None:
    text, run_id = script_of("torchrun", place)
    script = tmp_path / "train.sh"
    script.write_text(text)
    environment = surroundings(place, MASTER_ADDR="127.0.0.1")
    nodes = [
        subprocess.Popen(
            ["bash", str(script)],
            env={**environment, "NODE_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(2)
    ]
    told = [node.communicate(timeout=120)[0] for node in nodes]
    assert [node.returncode for node in nodes] == [0, 0], told
    record = place.supervisor.get(run_id)
    assert (record.state, record.error, record.attempt, record.seed) == ("finished", None, 1, 1)
    config = {"model": place.base, "dataset": place.data, "training": training(8)}
    same = make(place.workspace, "sft", config, seed=1)
    assert record.summary["conversations"] == same.summary["conversations"]
    for name in ("val_loss", "train_loss"):
        assert record.summary[name] == pytest.approx(same.summary[name], rel=1e-4)
    mine, other = weights(place, record), weights(place, same)
    assert all(torch.allclose(mine[name], other[name], atol=1e-5) for name in other)


STAND_IN = """#!/usr/bin/env bash
# In place of Python: writes down how it was called, and keeps the settings.
printf '%s\\n' "$*" >> "$CALLS"
while [ "$1" != --config ]; do shift; done
cp "$2" "$CALLS.yaml"
"""
SRUN = """#!/usr/bin/env bash
for node in 0 1; do SLURM_NODEID=$node "$@" & done
wait -n && wait -n
"""
SCONTROL = """#!/usr/bin/env bash
[ "$*" = "show hostnames localhost,other" ] && printf 'localhost\\nother\\n'
"""


def programs(folder: Path, **texts: str) -> str:
    """Put programs into a folder; returns a PATH that begins with it."""
    folder.mkdir()
    for name, text in texts.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def as_bash(kind: str, text: str, tmp_path: Path) -> Path:
    """What a cluster would run of a script, checked by bash."""
    if kind == "skypilot":
        task = yaml.safe_load(text)
        assert task["num_nodes"] == 2 and task["envs"] == {"LLMP_WORKSPACE": "/mnt/llmp"}
        text = task["run"]
    script = tmp_path / "script.sh"
    script.write_text(text)
    subprocess.run(["bash", "-n", str(script)], check=True)
    return script


CLUSTER = {
    "torchrun": {"NODE_RANK": "1", "MASTER_ADDR": "localhost"},
    "slurm": {"SLURM_JOB_NODELIST": "localhost,other", "SLURM_JOB_NUM_NODES": "2", "SLURM_JOB_ID": "7"},
    "skypilot": {
        "SKYPILOT_NODE_IPS": "localhost\nother",
        "SKYPILOT_NUM_NODES": "2",
        "SKYPILOT_NODE_RANK": "1",
    },
}


@pytest.mark.parametrize("kind", CLUSTER)
def test_scripts_call_torchrun_with_the_settings(kind: str, place: Tiny, tmp_path: Path) -> None:
    text, run_id = script_of(kind, place, processes=4, device="cpu" if kind == "torchrun" else "auto")
    assert ("gpus-per-node=4" in text) == (kind == "slurm") and ("H100:4" in text) == (kind == "skypilot")
    script = as_bash(kind, text, tmp_path)
    path = programs(tmp_path / "bin", python=STAND_IN, srun=SRUN, scontrol=SCONTROL)
    calls = tmp_path / "calls"
    environment = {**surroundings(place), **CLUSTER[kind], "PATH": path, "CALLS": str(calls)}
    environment |= {"PYTHON": str(tmp_path / "bin" / "python"), "MASTER_PORT": "1234"}
    subprocess.run(["bash", str(script)], check=True, env=environment, timeout=30)
    expected = [
        f"-m torch.distributed.run --nnodes 2 --nproc-per-node 4 --node-rank {rank} --master-addr localhost "
        f"--master-port 1234 -m llm_playground.runs.worker --stage sft --run-id {run_id} --seed 1 --config"
        for rank in ((0, 1) if kind == "slurm" else (1,))
    ]
    assert sorted(line.rpartition(" ")[0] for line in calls.read_text().splitlines()) == expected
    settings = yaml.safe_load(Path(f"{calls}.yaml").read_text())
    assert settings["model"] == place.base and settings["training"]["nodes"] == 2
    bare = {key: value for key, value in environment.items() if key != "LLMP_WORKSPACE"}
    if kind != "skypilot":
        refused = subprocess.run(["bash", str(script)], env=bare, capture_output=True, text=True)
        assert refused.returncode and "a folder that all machines see" in refused.stderr


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["slurm", "skypilot"])
def test_scripts_of_clusters_train(kind: str, place: Tiny, tmp_path: Path) -> None:
    text, run_id = script_of(kind, place)
    script = as_bash(kind, text, tmp_path)
    path = programs(tmp_path / "bin", srun=SRUN, scontrol=SCONTROL)
    environment = {**surroundings(place), **CLUSTER[kind], "PATH": path}
    ranks = ["0", "1"] if kind == "skypilot" else ["0"]
    nodes = [
        subprocess.Popen(["bash", str(script)], env={**environment, "SKYPILOT_NODE_RANK": rank})
        for rank in ranks
    ]
    assert [node.wait(timeout=120) for node in nodes] == [0] * len(nodes)
    assert place.supervisor.get(run_id).state == "finished"


def test_a_script_that_is_started_again_goes_on(place: Tiny) -> None:
    config = parse_config(get_stage("pretrain").config_class, place.pretrain(8))
    assert enlist(place.workspace, "cluster-run", "pretrain", config, seed=2, name="Mine")
    record = place.supervisor.get("cluster-run")
    assert (record.name, record.seed, record.attempt, record.state) == ("Mine", 2, 1, "queued")
    with pytest.raises(ConflictError, match="cluster-run is queued: it is being worked on"):
        enlist(place.workspace, "cluster-run", "pretrain", config, seed=2)
    from llm_playground.runs.record import save_record

    folder = place.supervisor.folder("cluster-run")
    save_record(folder, record.model_copy(update={"state": "failed"}))
    more = config.model_copy(update={"training": config.training.model_copy(update={"processes": 2})})
    assert enlist(place.workspace, "cluster-run", "pretrain", more, seed=2)
    record = place.supervisor.get("cluster-run")
    assert record.attempt == 2 and record.config["training"]["processes"] == 2
    save_record(folder, record.model_copy(update={"state": "finished"}))
    assert not enlist(place.workspace, "cluster-run", "pretrain", config, seed=2)
    other = parse_config(get_stage("pretrain").config_class, place.pretrain(9))
    with pytest.raises(ConflictError, match="The run cluster-run is there already, with other settings"):
        enlist(place.workspace, "cluster-run", "pretrain", other, seed=2)


def test_the_worker_reads_a_file_of_settings(place: Tiny, tmp_path: Path) -> None:
    from llm_playground.core.config import to_yaml
    from llm_playground.runs.worker import main

    config = parse_config(get_stage("pretrain").config_class, place.pretrain(2))
    (tmp_path / "settings.yaml").write_text(to_yaml(config))
    words = ["--config", str(tmp_path / "settings.yaml"), "--stage", "pretrain", "--run-id", "from-file"]
    handlers = {name: signal.getsignal(name) for name in (signal.SIGTERM, signal.SIGINT)}
    before = os.environ.get("LLMP_WORKSPACE")
    os.environ["LLMP_WORKSPACE"] = str(place.workspace.root)
    try:
        assert main(words) == 0 and main(words) == 0  # the second time there is nothing to do
    finally:
        for name, handler in handlers.items():
            signal.signal(name, handler)
        os.environ.pop("LLMP_WORKSPACE")
        if before is not None:
            os.environ["LLMP_WORKSPACE"] = before
    assert place.supervisor.get("from-file").state == "finished"
    for wrong in ([], ["a", *words], words[:4], ["../a"]):
        assert main(wrong) == 2


HOSTS = ("llmp-a", "llmp-b")


@pytest.mark.slow
def test_two_hosts_train_over_a_network(place: Tiny, tmp_path: Path) -> None:
    """Two network namespaces with a cable between them: nothing of the loopback is shared."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("needs root and the program `ip` to make network namespaces")
    names = [f"{host}-{os.getpid()}" for host in HOSTS]

    def ip(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["ip", *words], capture_output=True, text=True)

    try:
        for name in names:
            made = ip("netns", "add", name)
            if made.returncode:
                pytest.skip(f"network namespaces are not permitted here: {made.stderr.strip()}")
        cable = ip(
            "link", "add", "cable0", "netns", names[0], "type", "veth", "peer", "cable0", "netns", names[1]
        )
        if cable.returncode:
            pytest.skip(f"a veth pair is not permitted here: {cable.stderr.strip()}")
        for number, name in enumerate(names, 1):
            for words in (
                ("addr", "add", f"10.77.0.{number}/24", "dev", "cable0"),
                ("link", "set", "cable0", "up"),
                ("link", "set", "lo", "up"),
            ):
                assert ip("-n", name, *words).returncode == 0
        text, run_id = script_of("torchrun", place)
        script = tmp_path / "train.sh"
        script.write_text(text)
        environment = surroundings(place, MASTER_ADDR="10.77.0.1", GLOO_SOCKET_IFNAME="cable0")
        nodes = [
            subprocess.Popen(
                shlex.split(f"ip netns exec {name} bash {script}"),
                env={**environment, "NODE_RANK": str(rank)},
            )
            for rank, name in enumerate(names)
        ]
        assert [node.wait(timeout=150) for node in nodes] == [0, 0]
        assert place.supervisor.get(run_id).state == "finished"
    finally:
        for name in names:
            ip("netns", "del", name)


def test_a_process_that_is_alone_needs_no_group(monkeypatch: pytest.MonkeyPatch) -> None:
    from llm_playground.training.distributed import World, launched

    assert not launched() and not World.current().active
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "many")
    from llm_playground.training import distributed

    distributed._join.cache_clear()
    try:
        with pytest.raises(LLMPError, match="do not describe a group of processes"):
            World.current()
    finally:
        distributed._join.cache_clear()


def test_the_command_line_has_short_words(capsys: pytest.CaptureFixture[str]) -> None:
    from llm_playground.cli.main import main

    words = ["--model", "m", "--dataset", "d", "--nproc", "2", "--nnodes=3", "--training.device", "cpu"]
    assert main(["sft", *words, "--print-config"]) == 0
    settings = yaml.safe_load(capsys.readouterr().out)["training"]
    assert (settings["processes"], settings["nodes"]) == (2, 3)
    assert main(["sft", *words, "--print-script", "torchrun", "--seed", "5"]) == 0
    script = capsys.readouterr().out
    assert "--nnodes 3 --nproc-per-node 2" in script and "--stage sft" in script and "--seed 5" in script
    assert main(["sft", *words, "--print-script", "pbs"]) == 2
    assert "'pbs' is unknown. Use torchrun, slurm, skypilot." in capsys.readouterr().err
    assert main(["sft", *words]) == 2
    assert "a run on 3 machines is started on each of them" in capsys.readouterr().err
    assert main(["evaluate", "--nproc", "2", "--print-config"]) == 2
    assert "nproc: is not a known setting" in capsys.readouterr().err
