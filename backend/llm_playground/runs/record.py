"""What is known of a run: ``run.json`` in its folder, written by one process at a time."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Literal

from pydantic import BaseModel, Field, ValidationError

from llm_playground.core.errors import StorageError
from llm_playground.core.files import read_json, write_json_atomic
from llm_playground.runs.labels import load_labels

State = Literal["queued", "running", "stopping", "stopped", "finished", "failed", "died"]
ALIVE: tuple[State, ...] = ("queued", "running", "stopping")
RECORD_FILE, STOP_FILE, LOCK_FILE = "run.json", "stop", "lock"
_START_GRACE_S = 60.0  # a process may take so long from its launch to taking its lock

DIED_HINT = "Its last checkpoint is whole: resume the run to go on from there."


class RunError(BaseModel):
    """Why a run ended early.

    Attributes:
        message: what happened, one sentence.
        hint: what to do about it.
        field: the setting at fault, where there is one.
        detail: traceback of an unexpected error.
    """

    message: str
    hint: str | None = None
    field: str | None = None
    detail: str | None = None


class RunProgress(BaseModel):
    """How far a run is.

    Attributes:
        done, total: in ``unit``; total is None where it is not known.
        unit: "steps", "documents", ...
        message: what is being done.
        eta_s: seconds to go, as of the last update.
        details: figures worth showing (loss, tokens_per_second).
    """

    done: float = 0
    total: float | None = None
    unit: str = ""
    message: str = ""
    eta_s: float | None = None
    details: dict[str, Any] = Field(default_factory=dict)


class ForkedFrom(BaseModel):
    """Where a fork came from.

    Attributes:
        run: id of the run.
        step: of its checkpoint.
        name: what the run was called then.
    """

    run: str
    step: int
    name: str


class RunRecord(BaseModel):
    """One run. Times are seconds since 1970.

    Attributes:
        id: name of its folder.
        name: for people.
        stage: which stage it runs.
        state: queued, running, stopping, stopped, finished, failed or died.
        seed: seed of everything random in it.
        config: the stage's whole configuration.
        parent: id of the recipe run it belongs to.
        step: its name within that recipe.
        forked_from: the run and checkpoint that it went on from, if it is a fork.
        heartbeat_at: last sign of life.
        pid: its process.
        progress: how far it is.
        output: id of the artifact it made.
        summary: figures of its end.
        error: why it ended early.
        resumable: whether it can be resumed now.
        attempt: 1 at first, one more with each resume.
        peak_memory_bytes: most memory its process held.
        tags, notes: what people wrote on it; kept in a file of their own.
    """

    id: str
    name: str
    stage: str
    state: State = "queued"
    seed: int = 0
    config: dict[str, Any]
    parent: str | None = None
    step: str | None = None
    forked_from: ForkedFrom | None = None
    created_at: float
    launched_at: float
    started_at: float | None = None
    finished_at: float | None = None
    heartbeat_at: float | None = None
    pid: int | None = None
    progress: RunProgress = Field(default_factory=RunProgress)
    output: str | None = None
    summary: dict[str, Any] = Field(default_factory=dict)
    error: RunError | None = None
    resumable: bool = False
    attempt: int = 1
    peak_memory_bytes: int | None = None
    tags: list[str] = Field(default_factory=list)
    notes: str = ""


def save_record(folder: Path, record: RunRecord, *, durable: bool = True) -> None:
    """Write ``run.json`` whole.

    Args:
        durable: also flush it to the disk; not needed for mere progress.
    """
    data = record.model_dump(mode="json", exclude={"tags", "notes"})  # those have a file of their own
    write_json_atomic(folder / RECORD_FILE, data, durable=durable)


def load_record(folder: Path) -> RunRecord | None:
    """Return the record with its true state, or None where the folder holds no valid one.

    ``stopping`` and ``died`` are never written: the first is a living run that has been asked to stop, the
    second one whose record says that it lives while no process holds its lock.
    """
    record = _read(folder)
    if record is None:
        return None
    if record.state in ALIVE and not is_alive(folder, record):
        # It may have finished, or been deleted, between the two looks.
        again = _read(folder)
        if again is None:
            return None
        if again.state not in ALIVE:
            record = again
        else:
            record.state = "died"
            record.error = RunError(
                message="The process of this run ended without a word (killed, out of memory, or the machine "
                "went off).",
                hint=DIED_HINT if has_checkpoint(folder) else "Resume the run to start it once more.",
            )
    if record.state in ALIVE and (folder / STOP_FILE).exists():
        record.state = "stopping"
    record.resumable = record.state in ("stopped", "failed", "died")
    labels = load_labels(folder)
    record.name, record.tags, record.notes = labels.name or record.name, labels.tags, labels.notes
    return record


def _read(folder: Path) -> RunRecord | None:
    try:
        return RunRecord.model_validate(read_json(folder / RECORD_FILE))
    except (StorageError, ValidationError):
        return None


def has_checkpoint(folder: Path) -> bool:
    """Say whether a run's folder holds a whole checkpoint."""
    return any((folder / "checkpoints").glob("step_*/manifest.json"))


def is_alive(folder: Path, record: RunRecord) -> bool:
    """Say whether a process holds the run's lock, or has been launched so recently that it soon may.

    The system frees the lock of a process however it ends, and no other process can be taken for it, as
    happens with process ids.
    """
    if lock_is_held(folder):
        return True
    return record.state == "queued" and time.time() - record.launched_at < _START_GRACE_S


def lock_is_held(folder: Path) -> bool:
    """Say whether some process holds the lock of a run's folder."""
    return is_locked(folder / LOCK_FILE)


def is_locked(path: Path) -> bool:
    """Say whether some process holds a lock file."""
    try:
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            fcntl.flock(file, fcntl.LOCK_UN)
        return False
    except FileNotFoundError:  # nobody has ever taken it
        return False


def take_lock(folder: Path, timeout_s: float = 5.0) -> IO[bytes] | None:
    """Take the run's lock for as long as the returned file stays open; None when another process has it.

    Args:
        timeout_s: how long to try, since a look by :func:`lock_is_held` holds it for an instant.
    """
    return hold_lock(folder / LOCK_FILE, timeout_s)


def hold_lock(path: Path, timeout_s: float) -> IO[bytes] | None:
    """Take a lock file for as long as the returned file stays open; None when another process keeps it."""
    file = path.open("ab")
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return file
        except BlockingIOError:
            if time.monotonic() > deadline:
                file.close()
                return None
            time.sleep(0.05)


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold a lock file for the length of a block, waiting for whoever has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)
