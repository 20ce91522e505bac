"""Runs of other programs: their curves become a finished run, to be looked at beside one's own."""

from __future__ import annotations

import os
import secrets
import shutil
import sqlite3
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_playground.core.errors import InputError
from llm_playground.core.files import storage_errors
from llm_playground.monitoring.event_reader import Scalar, read_scalars
from llm_playground.monitoring.wandb_reader import WandbFile
from llm_playground.monitoring.writer import Entry, PointWriter
from llm_playground.runs.context import METRICS_FILE
from llm_playground.runs.record import LOCK_FILE, RunRecord, load_record, save_record

if TYPE_CHECKING:
    from llm_playground.core.workspace import Workspace

STAGE = "imported"
_EVENTS, _WANDB = ".tfevents.", ".wandb"  # in the name of an event file; at the end of W&B's
_TOGETHER = 10_000  # entries of one transaction


def run_files(path: Path) -> list[Path]:
    """Return a file itself, or the files of a run in a folder, oldest first: TensorBoard's, or else W&B's.

    Raises:
        InputError: there is none.
    """
    if path.is_file():
        return [path]
    inside = sorted(file for file in path.glob("*") if file.is_file())
    found = [file for file in inside if _EVENTS in file.name] or [f for f in inside if f.suffix == _WANDB]
    if not found:
        what = "holds no event file and no run file of W&B" if path.is_dir() else "does not exist"
        raise InputError(
            f"{path} {what}.",
            hint="Name a file events.out.tfevents... or run-....wandb, or the folder of one run.",
            field="file",
        )
    return found


def import_run(workspace: Workspace, path: Path, name: str | None = None) -> RunRecord:
    """Make a finished run of TensorBoard's event files or W&B's run file; it appears whole or not at all.

    Args:
        path: a file, or the folder of one run.
        name: for people; default: the one it had in W&B, or the folder's name.

    Raises:
        InputError: there is no such file, one is damaged, or there are no numbers in them.
        StorageError: the workspace cannot be written.
    """
    files = run_files(path)
    from_wandb = files[0].suffix == _WANDB
    theirs = [WandbFile(file) for file in files] if from_wandb else []
    read = (file.scalars() for file in theirs) if from_wandb else map(read_scalars, files)
    points = [point for scalars in read for point in scalars]
    if not points:
        raise InputError(f"{path} holds no scalars.", field="file")
    name = name or next((file.name for file in theirs if file.name), None)
    config: dict[str, Any] = {"format": "wandb" if from_wandb else "tensorboard"}
    config["files"] = [str(file.resolve()) for file in files]
    if from_wandb:
        config["settings"] = {key: value for file in theirs for key, value in file.config.items()}
    begun, ended = min(point.time for point in points), max(point.time for point in points)
    stamp = datetime.fromtimestamp(time.time(), UTC).strftime("%Y%m%d-%H%M%S")
    last = max(point.step for point in points)
    record = RunRecord(
        id=f"{STAGE}-{stamp}-{secrets.token_hex(3)}",
        name=(name or (path.stem if path.is_dir() else path.resolve().parent.name) or STAGE)[:200],
        stage=STAGE,
        state="finished",
        config=config,
        created_at=time.time(),
        launched_at=begun,
        started_at=begun,
        finished_at=ended,
        summary={"points": len(points), "series": len({point.name for point in points}), "steps": last},
    )
    workspace.ensure()
    final = workspace.runs_dir / record.id
    temporary = workspace.runs_dir / f".importing-{record.id}"
    try:
        with storage_errors(final):
            temporary.mkdir()
            (temporary / LOCK_FILE).touch()
            _write(temporary / METRICS_FILE, points, begun)
            save_record(temporary, record)
            os.rename(temporary, final)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    made = load_record(final)
    assert made is not None
    return made


def _write(path: Path, points: Iterable[Scalar], begun: float) -> None:
    """Write points as one segment, each series in the order of its steps."""
    ordered = sorted(points, key=lambda point: (point.step, point.time))
    entries = (
        Entry(step, moment, None, None, {point.name: point.value for point in group})
        for (step, moment), group in groupby(ordered, key=lambda point: (point.step, point.time))
    )
    connection = sqlite3.connect(path)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        writer = PointWriter(connection, min(ordered[0].step, 0), begun)
        while part := list(islice(entries, _TOGETHER)):
            writer.write(part)
    finally:
        connection.close()
