"""Signs that the processes of one run leave in its folder, so that the first one can say what ended it.

Each further process holds a lock for as long as it lives, beside a file that says of which attempt it is and,
if it fails, why. The system frees the lock of a process however it ends: one that is free beside a file that
tells of no end is that of a process that died.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from llm_playground.core.errors import LLMPError, StorageError
from llm_playground.core.files import read_json, write_json_atomic
from llm_playground.runs.launch import died
from llm_playground.runs.record import DIED_HINT, RunError, hold_lock, is_locked

_FOLDER = "processes"
_LOOK_S = 4.0  # how long the first process looks for the cause
_OLD_PROCESS_S = 30.0  # an earlier attempt's process is gone by then


class Sign:
    """The sign of one further process.

    Args:
        run_dir: the run's folder.
        rank: number of the process.
        attempt: of the run.
    """

    def __init__(self, run_dir: Path, rank: int, attempt: int) -> None:
        self.path = run_dir / _FOLDER / f"rank_{rank}.json"
        self.rank, self.attempt = rank, attempt

    @contextmanager
    def held(self) -> Iterator[None]:
        """Be seen as alive for the length of a block.

        Raises:
            LLMPError: an earlier attempt's process still has the place.
        """
        self.path.parent.mkdir(exist_ok=True)
        lock = hold_lock(self.path.with_suffix(".lock"), _OLD_PROCESS_S)
        if lock is None:
            raise LLMPError(f"The process of rank {self.rank} of an earlier attempt is still there.")
        with lock:
            self._write("running")
            yield

    def end(self) -> None:
        """Say that the process ended well."""
        self._write("ended")

    def fail(self, error: RunError, *, lost: bool) -> None:
        """Say why it ended.

        Args:
            lost: whether that is merely that another process was gone.
        """
        self._write("lost" if lost else "failed", error=error.model_dump())

    def _write(self, state: str, **more: Any) -> None:
        write_json_atomic(self.path, {"attempt": self.attempt, "state": state, **more}, durable=False)


def cause(run_dir: Path, processes: int, attempt: int) -> RunError | None:
    """Return why contact with another process was lost, looking for some seconds; None if unknown."""
    limit = time.monotonic() + _LOOK_S
    while True:
        for rank in range(1, processes):
            path = run_dir / _FOLDER / f"rank_{rank}.json"
            gone = path.is_file() and not is_locked(path.with_suffix(".lock"))
            sign = _read(path)  # after the look at the lock: a process in order writes before it lets go
            if sign is None or sign["attempt"] != attempt:
                continue
            if sign["state"] == "failed":
                error = RunError.model_validate(sign["error"])
                error.message = f"The process of rank {rank} (of {processes}) failed: {error.message}"
                return error
            if gone and sign["state"] == "running":
                return RunError(message=died(rank, processes), hint=DIED_HINT)
        if time.monotonic() > limit:
            return None
        time.sleep(0.05)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        sign: dict[str, Any] = read_json(path)
    except (StorageError, OSError):
        return None
    return sign


def end_with_parent() -> None:
    """End this process soon after the one that started it, which watches over it, has gone."""
    parent = os.getppid()

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=look, name="parent watch", daemon=True).start()
