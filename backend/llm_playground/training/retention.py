"""Which checkpoints of a run stay: the newest ones, the best, and those that somebody pinned.

Pins are a file of their own among the checkpoints (``pinned.json``), so that they can be set while the run
trains; a lock keeps a pin and a deletion from crossing.
"""

from __future__ import annotations

import fcntl
import math
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_playground.core.errors import NotFoundError, StorageError
from llm_playground.core.files import read_json, write_json_atomic
from llm_playground.core.workspace import MANIFEST

if TYPE_CHECKING:
    from llm_playground.training.checkpoint import Checkpoint

PINNED_FILE = "pinned.json"


def logged(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return the newest value of every metric as of a checkpoint; empty where its state cannot be read."""
    try:
        return dict(read_json(checkpoint.path / "state.json")["metrics"])
    except (StorageError, KeyError, TypeError, ValueError):
        return {}


def finite(value: Any) -> float | None:
    """Return a number, or None for what is none, infinite or not there."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if number and math.isfinite(value) else None


def best_checkpoint(checkpoints: Sequence[Checkpoint]) -> Checkpoint | None:
    """Return the checkpoint with the lowest validation loss, None where none has one.

    A checkpoint's validation loss is the newest that was measured at its step or before. Of equals it is the
    oldest, which is nearest to the measurement.
    """
    best, lowest = None, math.inf
    for checkpoint in sorted(checkpoints, key=lambda item: item.step):
        loss = finite(logged(checkpoint).get("val/loss"))
        if loss is not None and loss < lowest:
            best, lowest = checkpoint, loss
    return best


def read_pins(folder: Path) -> frozenset[int]:
    """Return the steps that are pinned.

    Args:
        folder: the run's folder of checkpoints.

    Raises:
        StorageError: the file is damaged.
    """
    file = folder / PINNED_FILE
    if not file.is_file():
        return frozenset()
    steps = read_json(file)
    if not isinstance(steps, list) or not all(isinstance(step, int) for step in steps):
        raise StorageError(
            f"The file {file} is damaged: it must be a list of steps.", hint="Delete it, then pin again."
        )
    return frozenset(steps)


def set_pin(checkpoint: Checkpoint, pinned: bool) -> None:
    """Pin a checkpoint, so that it is never deleted to make room, or take the pin away.

    Raises:
        NotFoundError: the run has just deleted it.
        StorageError: the file cannot be read or written.
    """
    folder = checkpoint.path.parent
    with _locked(folder):
        if not (checkpoint.path / MANIFEST).is_file():
            raise NotFoundError(f"The checkpoint of step {checkpoint.step} is no longer there.", field="step")
        pins = read_pins(folder) - {checkpoint.step} | ({checkpoint.step} if pinned else set())
        write_json_atomic(folder / PINNED_FILE, sorted(pins))


def surplus(
    checkpoints: Sequence[Checkpoint], keep: int, keep_best: bool, pins: frozenset[int] = frozenset()
) -> list[Checkpoint]:
    """Return the checkpoints that may go.

    Args:
        checkpoints: oldest first.
        keep: how many of the newest stay.
        keep_best: whether the best stays too, beside those.
        pins: steps that stay in any case.
    """
    best = best_checkpoint(checkpoints) if keep_best and len(checkpoints) > keep else None
    return [item for item in checkpoints[:-keep] if item != best and item.step not in pins]


def remove_surplus(checkpoints: Sequence[Checkpoint], keep: int, keep_best: bool) -> None:
    """Delete the checkpoints of a run that need not stay; see :func:`surplus`.

    Each loses its manifest first, so that one deleted by half is none. Where the pins cannot be read, all
    stay: a damaged list must neither end a training nor cost what was pinned.
    """
    if len(checkpoints) <= keep:
        return
    folder = checkpoints[0].path.parent
    with _locked(folder):
        try:
            pins = read_pins(folder)
        except StorageError:
            return
        for old in surplus(checkpoints, keep, keep_best, pins):
            (old.path / MANIFEST).unlink(missing_ok=True)
            shutil.rmtree(old.path, ignore_errors=True)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the lock on a folder for the length of a block, waiting for whoever has it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
