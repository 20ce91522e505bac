"""Checkpoints: safetensors plus JSON, valid once their manifest is written, checked by hash when read."""

from __future__ import annotations

import copy
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from llm_playground.core.errors import ConfigError, StorageError
from llm_playground.core.files import (
    fsync_folder,
    fsync_tree,
    read_json,
    sha256_file,
    storage_errors,
    write_json_atomic,
    write_tensors,
)
from llm_playground.core.seeds import capture_rng, derive_seed, restore_rng, seed_everything
from llm_playground.core.workspace import MANIFEST, write_manifest
from llm_playground.training.distributed import World
from llm_playground.training.ema import WeightAverage
from llm_playground.training.retention import remove_surplus
from llm_playground.training.spread import put

FOLDER = "checkpoints"
MODEL_FILE, OPTIMIZER_FILE = "model.safetensors", "optimizer.safetensors"
AVERAGE_FILE = "ema.safetensors"


@dataclass(frozen=True)
class Checkpoint:
    """A place to resume from.

    Attributes:
        path: its folder.
        step: optimizer steps done.
    """

    path: Path
    step: int


def optimizer_name(optimizer: torch.optim.Optimizer) -> str:
    """Return how the settings call an optimizer: adamw, muon, sgd, lion."""
    return type(optimizer).__name__.lower()


def optimizer_tensors(model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return the optimizer's state as named tensors: ``parameter name/state name``."""
    names: dict[Any, str] = {parameter: name for name, parameter in model.named_parameters()}
    tensors: dict[str, Tensor] = {}
    for parameter, state in optimizer.state.items():
        for key, value in state.items():
            if value is not None:  # SGD's buffer, where it has no momentum
                tensors[f"{names[parameter]}/{key}"] = torch.as_tensor(value)
    return tensors


def load_optimizer(
    model: torch.nn.Module, optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]
) -> None:
    """Put back what :func:`optimizer_tensors` returned."""
    parameters = dict(model.named_parameters())
    for name, value in tensors.items():
        owner, _, key = name.rpartition("/")
        parameter = parameters[owner]
        if value.shape == parameter.shape:
            value = put(torch.zeros_like(parameter, dtype=value.dtype), value)
        # Fused kernels want the count of steps beside the weights too.
        optimizer.state[parameter][key] = value.to(parameter.device)


@dataclass(frozen=True)
class Snapshot:
    """All that a checkpoint holds, in the CPU's memory.

    Attributes:
        step: optimizer steps done.
        files: tensors by the file that they go to, then by name.
        state: JSON data of the loop.
    """

    step: int
    files: dict[str, dict[str, Tensor]]
    state: dict[str, Any]


def take_snapshot(
    step: int,
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    state: dict[str, Any],
    average: WeightAverage | None = None,
    *,
    world: World | None = None,
    copies: bool = False,
    split: bool = False,
) -> Snapshot:
    """Collect what a checkpoint holds; all processes call it.

    Args:
        state: JSON data of the loop (cursor, counters); the optimizer's name and the random generators of all
            processes are added.
        average: of the weights, where one is kept.
        copies: whether training goes on before the snapshot is written, so that it must not share memory.
        split: whether each process has a part of the tensors; else only the first one's are taken.
    """
    world = world or World()
    rngs = world.gather(capture_rng())
    whole: dict[str, Any] = {}
    files: dict[str, dict[str, Tensor]] = {}
    if world.is_main:
        whole = {**copy.deepcopy(state), "step": step, "optimizer": optimizer_name(optimizer)}
        whole |= {"processes": world.size, "rng": rngs[0]}
        if len(rngs) > 1:
            whole["other_rngs"] = rngs[1:]
    if world.is_main or split:
        files = {MODEL_FILE: model.state_dict(), OPTIMIZER_FILE: optimizer_tensors(model, optimizer)}
        if average is not None:
            files[AVERAGE_FILE] = average.tensors()
        for tensors in files.values():
            for name, value in tensors.items():
                held = value.detach().cpu().contiguous()
                tensors[name] = held.clone() if copies and value.device.type == "cpu" else held
    return Snapshot(step, files, whole)


def write_snapshot(run_dir: Path, snapshot: Snapshot, keep: int, keep_best: bool = False) -> Checkpoint:
    """Write a checkpoint whole, then delete the oldest beyond ``keep``, but none that is pinned.

    Args:
        keep_best: also keep the one with the lowest validation loss, beside the newest.

    Raises:
        StorageError: the disk is full; earlier checkpoints are untouched.
    """
    final = begin_checkpoint(run_dir, snapshot.step)
    temporary = building(final)
    try:
        with storage_errors(final):
            for file, tensors in snapshot.files.items():
                write_tensors(temporary / file, tensors)
            return finish_checkpoint(run_dir, snapshot, keep, keep_best)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def begin_checkpoint(run_dir: Path, step: int) -> Path:
    """Make the temporary folder of a checkpoint; returns the final one's path.

    Raises:
        StorageError: the disk is full.
    """
    final = run_dir / FOLDER / f"step_{step:08d}"
    temporary = building(final)
    with storage_errors(final):
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
    return final


def building(final: Path) -> Path:
    """Return the folder in which a checkpoint is put together."""
    return final.with_name(f".building-{final.name}")


def finish_checkpoint(run_dir: Path, snapshot: Snapshot, keep: int, keep_best: bool) -> Checkpoint:
    """Add state and manifest to the tensors that were written, and give the folder its name.

    Raises:
        OSError, StorageError: the disk is full.
    """
    final = run_dir / FOLDER / f"step_{snapshot.step:08d}"
    temporary = building(final)
    write_json_atomic(temporary / "state.json", snapshot.state)
    write_manifest(temporary, kind="checkpoint", id=final.name, step=snapshot.step)
    fsync_tree(temporary)
    if final.exists():
        shutil.rmtree(final)
    os.rename(temporary, final)
    fsync_folder(final.parent)
    remove_surplus(list_checkpoints(run_dir), keep, keep_best)
    return Checkpoint(final, snapshot.step)


def list_checkpoints(run_dir: Path) -> list[Checkpoint]:
    """Return the checkpoints of a run that have a manifest, oldest first."""
    found = []
    for path in sorted((run_dir / FOLDER).glob("step_*")):
        if (path / MANIFEST).is_file():
            found.append(Checkpoint(path, int(path.name.removeprefix("step_"))))
    return found


def verify_checkpoint(checkpoint: Checkpoint) -> None:
    """Check every file of a checkpoint against the manifest.

    Raises:
        StorageError: naming the file that is missing or damaged.
    """
    manifest = read_json(checkpoint.path / MANIFEST)
    for name, entry in manifest["files"].items():
        path = checkpoint.path / name
        if not path.is_file() or sha256_file(path) != entry["sha256"]:
            raise StorageError(f"The checkpoint {checkpoint.path.name} is damaged: {name}.")


def newest_checkpoint(run_dir: Path, warn: Callable[[str], None]) -> Checkpoint | None:
    """Return a run's newest undamaged checkpoint, removing damaged ones and what was left half-written.

    Args:
        warn: told of each damaged one.
    """
    for leftover in (run_dir / FOLDER).glob(".building-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    for checkpoint in reversed(list_checkpoints(run_dir)):
        try:
            verify_checkpoint(checkpoint)
        except StorageError as error:
            warn(f"{error.message} It was removed, and the one before it is used.")
            shutil.rmtree(checkpoint.path, ignore_errors=True)
            continue
        return checkpoint
    return None


def load_checkpoint(
    checkpoint: Checkpoint,
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    average: WeightAverage | None = None,
    world: World | None = None,
) -> dict[str, Any]:
    """Put back model, optimizer and average; return the loop's state.

    A checkpoint that was verified is read, by one process or many, whether it was written whole or in shards;
    all processes call this. The state of another kind of optimizer is left out: the new one starts afresh.
    An average that the checkpoint does not have starts from its weights.

    Raises:
        ConfigError: the checkpoint is of a model of another shape.
    """
    from llm_playground.training.shards import is_sharded, read_shards

    state: dict[str, Any] = read_json(checkpoint.path / "state.json")
    state.setdefault("optimizer", "adamw")
    same = state["optimizer"] == optimizer_name(optimizer)
    if is_sharded(checkpoint.path):
        read_shards(checkpoint, model, optimizer if same else None, average, world or World())
        return state
    weights = _read(checkpoint.path / MODEL_FILE)
    check_shapes(checkpoint, model, {name: list(value.shape) for name, value in weights.items()})
    for name, value in model.state_dict().items():
        put(value, weights[name])
    if same:
        load_optimizer(model, optimizer, _read(checkpoint.path / OPTIMIZER_FILE))
    if average is not None:
        file = checkpoint.path / AVERAGE_FILE
        average.load(_read(file) if file.is_file() else dict(model.named_parameters()))
    return state


def _read(file: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    return load_file(file)


def restore_random(state: dict[str, Any], world: World, seed: int) -> bool:
    """Put back this process's random generators; False where they had to be seeded anew.

    That is where the checkpoint was written by another number of processes.

    Args:
        state: of the loop, as :func:`load_checkpoint` returned it.
        seed: of the run.
    """
    saved = [state["rng"], *state.get("other_rngs", [])]
    if len(saved) == world.size:
        restore_rng(saved[world.rank])
        return True
    seed_everything(derive_seed(seed, "processes", world.size, state["step"], world.rank))
    return False


def check_shapes(checkpoint: Checkpoint, model: torch.nn.Module, found: dict[str, list[int]]) -> None:
    """Refuse weights that are not the model's, naming the first that differs.

    Args:
        found: shapes in the checkpoint.
    """
    wanted = {name: list(value.shape) for name, value in model.state_dict().items()}
    for name in sorted(wanted.keys() | found.keys()):
        if wanted.get(name) != found.get(name):
            raise ConfigError(
                f"The checkpoint {checkpoint.path.name} is of a model of another shape: {name} is "
                f"{found.get(name, 'not there')}, and {wanted.get(name, 'not there')} in this model.",
                hint="Give the model the settings it had, or start a new run.",
                field="model",
            )
