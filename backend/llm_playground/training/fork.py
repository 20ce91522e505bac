"""Forks: a new run that goes on from a checkpoint of another one, with other settings."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from llm_playground.core.errors import ConfigError, ConflictError, NotFoundError
from llm_playground.core.files import fsync_folder, fsync_tree, storage_errors, write_json_atomic
from llm_playground.training.checkpoint import FOLDER, Checkpoint, list_checkpoints, verify_checkpoint
from llm_playground.training.config import TrainingConfig

FORK_FILE = "fork.json"


def fork_run(source: Path, target: Path, config: TrainingConfig, step: int | None = None) -> Checkpoint:
    """Put a checkpoint of one run into the folder of another, which then resumes from it.

    All settings of training may change. Data goes on where the source had come to, whatever the new batch
    size; the learning rate is that of the new settings at the step; another optimizer starts afresh. With
    the same settings the fork gives the same numbers as the source. Where the fork came from is written to
    ``fork.json`` (``run``, ``step``).

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
    checkpoints = {checkpoint.step: checkpoint for checkpoint in list_checkpoints(source)}
    if not checkpoints:
        raise NotFoundError(f"The run {source.name} has no checkpoint to fork from.", field="step")
    step = max(checkpoints) if step is None else step
    if step not in checkpoints:
        raise NotFoundError(
            f"The run {source.name} has no checkpoint of step {step}.",
            hint=f"It has those of the steps {', '.join(map(str, checkpoints))}.",
            field="step",
        )
    if config.steps <= step:
        raise ConfigError(
            f"steps: {config.steps} leaves nothing to do after step {step}, where the fork begins.",
            hint=f"Set it above {step}.",
            field="steps",
        )
    if list_checkpoints(target):
        raise ConflictError(f"The run {target.name} has checkpoints of its own.", hint="Fork into a new run.")
    chosen = checkpoints[step]
    verify_checkpoint(chosen)
    base = target / FOLDER
    final, temporary = base / chosen.path.name, base / f".building-{chosen.path.name}"
    try:
        with storage_errors(final):
            base.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(temporary, ignore_errors=True)
            shutil.copytree(chosen.path, temporary)
            verify_checkpoint(Checkpoint(temporary, step))  # the source may be deleting it meanwhile
            fsync_tree(temporary)
            write_json_atomic(target / FORK_FILE, {"run": source.name, "step": step})
            os.rename(temporary, final)
            fsync_folder(base)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return Checkpoint(final, step)
