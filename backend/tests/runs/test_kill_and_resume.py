"""Training in a process of its own, killed or stopped at some step and resumed: equal bit for bit."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tiny_workspace import Tiny, ended, kill, make, until

from llm_playground.core.errors import ConflictError
from llm_playground.monitoring import MetricReader
from llm_playground.runs import RunRecord, Supervisor
from llm_playground.runs.record import ALIVE

pytestmark = pytest.mark.xdist_group("kill")  # one worker makes what these tests share
STEPS = 150


@pytest.fixture(scope="module")
def place(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    return tiny.copy(tmp_path_factory.mktemp("kill") / "workspace")


@pytest.fixture(scope="module")
def undisturbed(place: Tiny) -> RunRecord:
    return make(place.workspace, "pretrain", place.pretrain(STEPS), seed=3)


def values(supervisor: Supervisor, run_id: str, name: str) -> dict[int, set[float]]:
    """Every value that any attempt of a run logged, by step."""
    found: dict[int, set[float]] = {}
    for row in MetricReader(supervisor.folder(run_id) / "metrics.db").rows(0, 1_000_000):
        if row["name"] == name:
            found.setdefault(row["step"], set()).add(row["value"])
    return found


def weights(place: Tiny, record: RunRecord) -> dict[str, torch.Tensor]:
    assert record.state == "finished", record.error
    return load_file(place.workspace.get(str(record.output), "model").path / "model.safetensors")


def checkpoints(folder: Path) -> list[int]:
    found = folder.glob("checkpoints/step_*/manifest.json")
    return sorted(int(path.parent.name.removeprefix("step_")) for path in found)


def assert_equal(place: Tiny, expected: RunRecord, found: RunRecord) -> None:
    supervisor = place.supervisor
    for name in ("train/loss", "val/loss", "train/grad_norm", "train/lr"):
        whole, pieces = values(supervisor, expected.id, name), values(supervisor, found.id, name)
        assert pieces == whole, name
        assert all(len(each) == 1 for each in pieces.values())
    assert set(values(supervisor, found.id, "train/loss")) == set(range(1, STEPS + 1))
    one, other = weights(place, expected), weights(place, found)
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def started(place: Tiny, after: int, **more: Any) -> tuple[Supervisor, str]:
    """A training in its own process that has a checkpoint beyond so many steps."""
    supervisor = place.supervisor
    run_id = supervisor.start("pretrain", place.pretrain(STEPS, **more), seed=3).id
    folder = supervisor.folder(run_id)
    until(lambda: max(checkpoints(folder), default=0) >= after, told=lambda: supervisor.log_tail(run_id))
    return supervisor, run_id


@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(1, 20))])
def test_a_killed_training_goes_on_bit_for_bit(place: Tiny, undisturbed: RunRecord, seed: int) -> None:
    supervisor, run_id = started(place, random.Random(seed).randint(1, STEPS // 2))
    died = kill(supervisor, run_id)
    assert died.state == "died" and died.resumable and died.output is None
    assert died.error is not None
    assert died.error.message == (
        "The process of this run ended without a word (killed, out of memory, or the machine went off)."
    )
    assert died.error.hint == "Its last checkpoint is whole: resume the run to go on from there."
    assert supervisor.list(state="died")[0].id == run_id
    with pytest.raises(ConflictError, match=f"The run {run_id} is died, not running."):
        supervisor.stop(run_id)

    assert supervisor.resume(run_id).state in ALIVE
    with pytest.raises(ConflictError, match="there is nothing to resume"):
        supervisor.resume(run_id)
    resumed = ended(supervisor, run_id)
    assert (resumed.attempt, resumed.error, resumed.progress.done) == (2, None, STEPS)
    assert "Resumed from the checkpoint of step" in supervisor.log_tail(run_id)
    assert_equal(place, undisturbed, resumed)


def test_a_stopped_training_has_a_checkpoint_and_goes_on_bit_for_bit(
    place: Tiny, undisturbed: RunRecord
) -> None:
    supervisor, run_id = started(place, 1)
    assert supervisor.stop(run_id).state == "stopping"
    stopped = ended(supervisor, run_id)
    assert (stopped.state, stopped.error, stopped.output, stopped.resumable) == ("stopped", None, None, True)
    step = checkpoints(supervisor.folder(run_id))[-1]
    assert step == stopped.progress.done < STEPS
    messages = [event["data"]["message"] for event in supervisor.events(run_id, kinds=("log",))]
    assert messages[-1] == f"Stopped at step {step}, with a checkpoint to resume from."

    supervisor.resume(run_id)
    finished = ended(supervisor, run_id)
    assert_equal(place, undisturbed, finished)
    states = [event["data"]["state"] for event in supervisor.events(run_id, kinds=("state",))]
    assert states == ["running", "stopped", "running", "finished"]
    segments = MetricReader(supervisor.folder(run_id) / "metrics.db").segments()
    assert segments == [(1, 0), (2, step)]
    with pytest.raises(ConflictError, match="is finished: there is nothing to resume"):
        supervisor.resume(run_id)


def test_nothing_half_written_is_listed_after_a_kill(place: Tiny) -> None:
    supervisor, workspace = place.supervisor, place.workspace
    before = {artifact.id for artifact in workspace.list()}
    run_id = supervisor.start("data.prepare", {"source": "tinyworld", "documents": 2_000_000}).id
    building = workspace.folder("dataset")
    until(lambda: any(path.stat().st_size for path in building.glob(".building-*/*.parquet")))
    died = kill(supervisor, run_id)
    assert died.state == "died" and died.error and died.error.hint == "Resume the run to start it once more."
    assert {artifact.id for artifact in workspace.list()} == before
    assert list(building.glob(".building-*"))
    assert workspace.remove_leftovers(older_than_s=0) == 1
    assert not list(building.glob(".building-*"))
