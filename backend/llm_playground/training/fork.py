"""Forks: a new run that goes on from a checkpoint of another one, with other settings."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from llm_playground.core.errors import ConfigError, ConflictError, NotFoundError
from llm_playground.core.files import fsync_folder, fsync_tree, read_json, storage_errors, write_json_atomic
from llm_playground.core.workspace import MANIFEST
from llm_playground.training.checkpoint import FOLDER, Checkpoint, list_checkpoints, verify_checkpoint
from llm_playground.training.config import TrainingConfig

FORK_FILE = "fork.json"


def find_checkpoint(run_dir: Path, step: int | None = None) -> Checkpoint:
    """Return a run's checkpoint of a step, the newest where none is named.

    Raises:
        NotFoundError: there is no such checkpoint.
    """
    checkpoints = {checkpoint.step: checkpoint for checkpoint in list_checkpoints(run_dir)}
    if not checkpoints:
        raise NotFoundError(f"The run {run_dir.name} has no checkpoint.", field="step")
    step = max(checkpoints) if step is None else step
    if step not in checkpoints:
        raise NotFoundError(
            f"The run {run_dir.name} has no checkpoint of step {step}.",
            hint=f"It has those of the steps {', '.join(map(str, checkpoints))}.",
            field="step",
        )
    return checkpoints[step]


def check_steps(config: TrainingConfig, step: int) -> None:
    """Refuse settings that end at or before a step.

    Raises:
        ConfigError: naming ``steps``.
    """
    if config.steps <= step:
        raise ConfigError(
            f"steps: {config.steps} leaves nothing to do after step {step}, where the fork begins.",
            hint=f"Set it above {step}.",
            field="steps",
        )


def fork_run(source: Path, target: Path, config: TrainingConfig, step: int | None = None) -> Checkpoint:
    """Put a checkpoint of one run into the folder of another, which then resumes from it.

    All settings of training may change. Data goes on where the source had come to, whatever the new batch
    size; the learning rate is that of the new settings at the step; another optimizer starts afresh. With
    the same settings the fork gives the same numbers as the source. Where the fork came from is written to
    ``fork.json`` (``run``, ``step``, and the ``samples`` read by then).

    Args:
        source: folder of the run to fork from; it is only read.
        target: folder of the new run, without checkpoints.
        config: the new run's settings of training.
        step: which checkpoint to take; None: the newest.

    Raises:
        NotFoundError: the source has no such checkpoint.
        ConfigError: the new settings end before the step.
        ConflictError: the new run has checkpoints of its own.
        StorageError: the checkpoint is damaged, or the disk is full.
    """
    chosen = find_checkpoint(source, step)
    step = chosen.step
    check_steps(config, step)
    if list_checkpoints(target):
        raise ConflictError(f"The run {target.name} has checkpoints of its own.", hint="Fork into a new run.")
    verify_checkpoint(chosen)
    base = target / FOLDER
    final, temporary = base / chosen.path.name, base / f".building-{chosen.path.name}"
    try:
        with storage_errors(final):
            base.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(temporary, ignore_errors=True)
            _copy(chosen, temporary)
            verify_checkpoint(Checkpoint(temporary, step))  # the source may be deleting it meanwhile
            fsync_tree(temporary)
            read = read_json(temporary / "state.json").get("samples")
            origin = {"run": source.name, "step": step, **({} if read is None else {"samples": read})}
            write_json_atomic(target / FORK_FILE, origin)
            os.rename(temporary, final)
            fsync_folder(base)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return Checkpoint(final, step)


def _copy(checkpoint: Checkpoint, target: Path) -> None:
    """Copy a checkpoint's folder, which its run may delete meanwhile."""
    try:
        target.mkdir()
        for path in sorted(checkpoint.path.rglob("*")):  # not copytree, which hides that the disk is full
            copy = target / path.relative_to(checkpoint.path)
            copy.mkdir() if path.is_dir() else shutil.copyfile(path, copy)
    except OSError:
        if (checkpoint.path / MANIFEST).is_file():
            raise
        raise NotFoundError(
            f"The checkpoint of step {checkpoint.step} was deleted while it was copied.",
            hint="Fork from a newer one, or pin one first.",
            field="step",
        ) from None
