"""Kill trainings at random moments and compare what comes of them: ``python tools/kill_table.py``.

For one process and for two, with each way of writing checkpoints, a training is killed (SIGKILL, no warning),
resumed and killed again; some kills wait for a checkpoint that is being written. When it has ended, every
loss and every weight must be that of a training that nobody disturbed. Prints a table in Markdown.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import psutil
from safetensors.numpy import load_file

from llm_playground.core.workspace import Workspace
from llm_playground.monitoring import MetricReader
from llm_playground.runs import RunRecord, Supervisor
from llm_playground.runs.record import ALIVE

STEPS = 400
SHAPE = {"layers": 2, "width": 64, "heads": 2, "context_length": 64, "dropout": 0.1}
SETTINGS = {"steps": STEPS, "batch_size": 4, "warmup_steps": 10, "eval_every": 50, "eval_batches": 1}
SETTINGS |= {"checkpoint_every": 20, "sample_every": 0, "threads": 1, "device": "cpu"}
CASES: dict[str, dict[str, Any]] = {
    "1 process": {},
    "1 process, in the background": {"async_checkpoints": True},
    "2 processes, ddp": {"processes": 2},
    "2 processes, fsdp, in the background": {"processes": 2, "parallel": "fsdp", "async_checkpoints": True},
}


@dataclass
class Row:
    """What came of a case.

    Attributes:
        starting, stepping, saving: kills by what the processes were doing.
        trainings: that came to their end.
        damaged: checkpoints that failed their hashes.
        differences: trainings that ended with another loss or weight than the undisturbed one.
    """

    starting: int = 0
    stepping: int = 0
    saving: int = 0
    trainings: int = 0
    damaged: int = 0
    differences: int = 0

    @property
    def kills(self) -> int:
        """Kills in all."""
        return self.starting + self.stepping + self.saving


def until(condition: Callable[[], Any], seconds: float = 300) -> Any:
    """Look until a condition holds and return its value."""
    limit = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > limit:
            raise TimeoutError("a run did not come to the point that was waited for")
        time.sleep(0.002)
    return value


def finished(supervisor: Supervisor, stage: str, config: dict[str, Any]) -> RunRecord:
    """Run a stage to its end."""
    return ended(supervisor, supervisor.start(stage, config, seed=5).id)


def ended(supervisor: Supervisor, run_id: str) -> RunRecord:
    """Wait for a run to finish."""
    until(lambda: supervisor.get(run_id).state not in ALIVE)
    record = supervisor.get(run_id)
    if record.state != "finished":
        raise RuntimeError(f"{run_id} {record.state}: {record.error}")
    return record


def prepare(supervisor: Supervisor) -> str:
    """Make a little data; returns the id of its token shards."""
    data = finished(
        supervisor, "data.prepare", {"source": "tinyworld", "documents": 400, "conversations": 60}
    ).output
    tokenizer = finished(supervisor, "tokenizer.train", {"dataset": data, "vocab_size": 512}).output
    shards = {"dataset": data, "tokenizer": tokenizer, "validation_fraction": 0.1}
    return str(finished(supervisor, "data.tokenize", shards).output)


def processes(run_id: str) -> Iterator[psutil.Process]:
    """The living processes of a run."""
    for process in psutil.process_iter():
        try:
            if run_id in process.cmdline():
                yield process
        except psutil.Error:
            continue


def unfinished(folder: Path) -> list[Path]:
    """Checkpoints that are being written, or were when the writer died."""
    return list((folder / "checkpoints").glob(".building-*"))


def numbers(folder: Path) -> dict[tuple[str, int], set[float]]:
    """Every value that any attempt of a run logged of its losses and gradients."""
    found: dict[tuple[str, int], set[float]] = {}
    for row in MetricReader(folder / "metrics.db").rows(0, 10_000_000):
        if row["name"] in ("train/loss", "train/grad_norm", "val/loss"):
            found.setdefault((row["name"], row["step"]), set()).add(row["value"])
    return found


def weights(supervisor: Supervisor, record: RunRecord) -> dict[str, bytes]:
    """The published weights, as bytes."""
    file = supervisor.workspace.get(str(record.output), "model").path / "model.safetensors"
    return {name: value.tobytes() for name, value in load_file(file).items()}


def kill_once(supervisor: Supervisor, run_id: str, chance: random.Random, row: Row) -> bool:
    """Kill one process of a run at a random moment; False where it ended before."""
    folder = supervisor.folder(run_id)
    way = chance.choices(["starting", "stepping", "saving"], [1, 5, 4])[0]
    before = supervisor.get(run_id).progress.done if way != "starting" else 0

    def over() -> bool:
        return supervisor.get(run_id).state not in ALIVE

    if way == "starting":
        time.sleep(chance.uniform(0, 3))
    else:
        until(lambda: over() or supervisor.get(run_id).progress.done not in (0, before))
        time.sleep(chance.uniform(0, 2))
        if way == "saving":
            until(lambda: over() or unfinished(folder), seconds=120)
            time.sleep(chance.uniform(0, 0.02))
    alive = list(processes(run_id))
    if over() or not alive:
        return False
    began = any(
        event["type"] == "log" and "parameters" in event["data"]["message"]
        for event in supervisor.events(run_id)
    )
    victim = chance.choice(alive)
    try:
        os.kill(victim.pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    until(lambda: over() and not list(processes(run_id)), seconds=60)
    if supervisor.get(run_id).state == "finished":
        return False
    started = supervisor.get(run_id).progress.done > 0 and began
    place = "saving" if unfinished(folder) else "stepping" if started and way != "starting" else "starting"
    setattr(row, place, getattr(row, place) + 1)
    return True


def case(supervisor: Supervisor, config: dict[str, Any], kills: int, chance: random.Random) -> Row:
    """Kill trainings of one kind so many times."""
    row = Row()
    undisturbed = finished(supervisor, "pretrain", config)
    wanted = numbers(supervisor.folder(undisturbed.id)), weights(supervisor, undisturbed)
    compare(
        supervisor, finished(supervisor, "pretrain", config), wanted, row
    )  # nothing but a kill may differ
    while row.kills < kills:
        run_id = supervisor.start("pretrain", config, seed=5).id
        while row.kills < kills and kill_once(supervisor, run_id, chance, row):
            supervisor.resume(run_id)
            print(f"\r{row.kills} of {kills}", end="", file=sys.stderr, flush=True)
        record = ended(supervisor, run_id)
        row.trainings += 1
        row.damaged += supervisor.log_tail(run_id, 100_000).count("is damaged")
        compare(supervisor, record, wanted, row)
    return row


def compare(
    supervisor: Supervisor,
    record: RunRecord,
    wanted: tuple[dict[Any, set[float]], dict[str, bytes]],
    row: Row,
) -> None:
    """Compare a training with the undisturbed one, and say on the error output where they part."""
    folder = supervisor.folder(record.id)
    found = numbers(folder)
    if (found, weights(supervisor, record)) == wanted:
        return
    row.differences += 1
    places = sorted(
        (step, name) for name, step in wanted[0] if found.get((name, step)) != wanted[0][name, step]
    )
    segments = MetricReader(folder / "metrics.db").segments()
    print(f"\n{record.id} differs; attempts began at {segments}", file=sys.stderr)
    for step, name in places[:4]:
        print(f"  {name} {step}: {wanted[0][name, step]}, {found.get((name, step))}", file=sys.stderr)


def main() -> int:
    """Print the table; returns 1 where anything differed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100, help="in all")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    given = parser.parse_args()
    chance = random.Random(given.seed)
    bad = False
    with tempfile.TemporaryDirectory(prefix="llmp-kills-") as folder:
        supervisor = Supervisor(Workspace(folder, builtin=None))
        tokens = prepare(supervisor)
        print(f"{given.kills} kills on {date.today()}, trainings of {STEPS} steps\n")
        print("| training | kills | starting | in a step | saving | trainings ended | damaged | different |")
        print("|---|---|---|---|---|---|---|---|", flush=True)
        for number, (name, more) in enumerate(CASES.items()):
            share = given.kills * (number + 1) // len(CASES) - given.kills * number // len(CASES)
            row = case(
                supervisor,
                {"tokens": tokens, "model": SHAPE, "training": {**SETTINGS, **more}},
                share,
                chance,
            )
            cells = (
                row.kills,
                row.starting,
                row.stepping,
                row.saving,
                row.trainings,
                row.damaged,
                row.differences,
            )
            print(f"\r| {name} | " + " | ".join(map(str, cells)) + " |", flush=True)
            bad = bad or bool(row.differences or row.damaged)
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
