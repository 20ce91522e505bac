"""A prepared tiny workspace, made once by real stages, and the small helpers that tests of runs share."""

from __future__ import annotations

import functools
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from llm_playground.core.config import parse_config
from llm_playground.core.errors import ConflictError
from llm_playground.core.workspace import Workspace
from llm_playground.runs import RunRecord, Supervisor
from llm_playground.runs.record import ALIVE, save_record
from llm_playground.runs.stages import get_stage
from llm_playground.runs.worker import work

DATA = {"source": "tinyworld", "documents": 200, "conversations": 60, "benchmark_items": 10}
SHAPE = {"layers": 1, "width": 32, "heads": 2, "context_length": 192}


def training(steps: int, **more: Any) -> dict[str, Any]:
    """Settings of a training that takes a moment."""
    values = {"steps": steps, "batch_size": 4, "eval_every": 10, "eval_batches": 1, "warmup_steps": 2}
    return {**values, "checkpoint_every": 7, "sample_every": 0, "threads": 1, **more}


@dataclass(frozen=True)
class Tiny:
    """The workspace and what is in it: ids of artifacts and of the runs that made them."""

    workspace: Workspace
    data: str
    tokenizer: str
    tokens: str
    base: str
    chat: str
    score: str
    runs: Mapping[str, str]

    @property
    def supervisor(self) -> Supervisor:
        return Supervisor(self.workspace)

    def pretrain(self, steps: int, **more: Any) -> dict[str, Any]:
        """Configuration of a tiny pre-training."""
        return {"tokens": self.tokens, "model": SHAPE, "training": training(steps, **more)}

    def copy(self, root: Path) -> Tiny:
        """The same in a folder of its own, for a test that changes it."""
        shutil.copytree(self.workspace.root, root)
        return replace(self, workspace=Workspace(root, builtin=None))


def queue(workspace: Workspace, stage: str, config: Mapping[str, Any], **more: Any) -> str:
    """Write the record of a run that no process has taken up yet; returns its id."""
    values = parse_config(get_stage(stage).config_class, config).model_dump(mode="json")
    now = time.time()
    count = len(list(workspace.ensure().runs_dir.iterdir()))
    run_id = f"{stage.replace('.', '-')}-{count}-{time.time_ns() % 10**6}"
    folder = workspace.runs_dir / run_id
    folder.mkdir()
    record = {"name": get_stage(stage).title, "created_at": now, "launched_at": now, **more}
    save_record(folder, RunRecord(id=run_id, stage=stage, config=values, **record))
    return run_id


def work_here(workspace: Workspace, run_id: str) -> RunRecord:
    """Do what a run's process does, in this one."""
    handlers = {name: signal.getsignal(name) for name in (signal.SIGTERM, signal.SIGINT)}
    try:
        work(workspace, run_id)
    finally:
        for name, handler in handlers.items():
            signal.signal(name, handler)
    return Supervisor(workspace).get(run_id)


def make(workspace: Workspace, stage: str, config: Mapping[str, Any], **more: Any) -> RunRecord:
    """Queue a run, work on it here, and return its record, which must say that it finished."""
    record = work_here(workspace, queue(workspace, stage, config, **more))
    assert record.state == "finished", record.error
    return record


@functools.cache
def tiny() -> Tiny:
    """The workspace, made by the first who asks. Nobody may change it: take a copy."""
    folder = tempfile.TemporaryDirectory(prefix="llmp-tiny-")
    tiny.folder = folder  # type: ignore[attr-defined]  # removed when the process ends
    workspace = Workspace(Path(folder.name) / "workspace", builtin=None)
    runs = {"data": make(workspace, "data.prepare", DATA)}

    def out(name: str) -> str:
        return str(runs[name].output)

    runs["tokenizer"] = make(workspace, "tokenizer.train", {"dataset": out("data"), "vocab_size": 400})
    sources = {"dataset": out("data"), "tokenizer": out("tokenizer"), "validation_fraction": 0.1}
    runs["tokens"] = make(workspace, "data.tokenize", sources)
    shape = {"tokens": out("tokens"), "model": SHAPE, "name": "Tiny base"}
    samples = {"sample_every": 10, "sample_prompts": ["Mia"]}
    runs["base"] = make(workspace, "pretrain", {**shape, "training": training(20, **samples)})
    chat = {"model": out("base"), "dataset": out("data"), "name": "Tiny chat"}
    runs["chat"] = make(workspace, "sft", {**chat, "training": training(10)})
    score = {"model": out("chat"), "dataset": out("data"), "baseline": out("base"), "max_tokens": 4}
    runs["score"] = make(workspace, "evaluate", {**score, "threads": 1})
    made = {name: out(name) for name in runs}
    return Tiny(workspace, **made, runs={name: record.id for name, record in runs.items()})


def until(condition: Callable[[], Any], seconds: float = 60, told: Callable[[], str] = str) -> Any:
    """Look until a condition holds and return its value; what it was told else."""
    limit = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < limit, told()
        time.sleep(0.005)
    return value


def ended(supervisor: Supervisor, run_id: str, seconds: float = 120) -> RunRecord:
    """Wait for the end of a run and return its record."""
    until(lambda: supervisor.get(run_id).state not in ALIVE, seconds, lambda: supervisor.log_tail(run_id))
    return supervisor.get(run_id)


def kill(supervisor: Supervisor, run_id: str) -> RunRecord:
    """Kill the process of a run outright and return what is said of it."""
    pid = until(lambda: supervisor.get(run_id).pid)
    os.kill(pid, signal.SIGKILL)
    return ended(supervisor, run_id)


class WritingSupervisor(Supervisor):
    """Checks and writes down what it is asked to start, without a process."""

    def start(
        self,
        stage: str,
        config: Mapping[str, Any],
        *,
        name: str | None = None,
        seed: int = 0,
        parent: str | None = None,
        step: str | None = None,
    ) -> RunRecord:
        more = {"name": name} if name else {}
        return self.get(queue(self.workspace, stage, config, seed=seed, parent=parent, step=step, **more))

    def resume(self, run_id: str, processes: int | None = None) -> RunRecord:
        record = self.get(run_id)
        if not record.resumable:
            raise ConflictError(f"The run {run_id} is {record.state}: there is nothing to resume.")
        return record.model_copy(update={"state": "queued", "attempt": record.attempt + 1})

    def _launch(self, folder: Path, record: RunRecord) -> None:
        """Leave a fork where it is."""
