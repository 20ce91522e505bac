"""Checkpoints: safetensors plus JSON, valid once their manifest is written, checked by hash when read."""

from __future__ import annotations

import os
import shutil
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
from llm_playground.core.seeds import capture_rng, restore_rng
from llm_playground.core.workspace import MANIFEST, write_manifest
from llm_playground.training.ema import WeightAverage

FOLDER = "checkpoints"
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
                tensors[f"{names[parameter]}/{key}"] = torch.as_tensor(value).detach().cpu().contiguous()
    return tensors


def load_optimizer(
    model: torch.nn.Module, optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]
) -> None:
    """Put back what :func:`optimizer_tensors` returned."""
    parameters = dict(model.named_parameters())
    for name, value in tensors.items():
        owner, _, key = name.rpartition("/")
        # Fused kernels want the count of steps beside the weights too.
        optimizer.state[parameters[owner]][key] = value.to(parameters[owner].device)


def save_checkpoint(
    run_dir: Path,
    step: int,
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    state: dict[str, Any],
    keep: int,
    average: WeightAverage | None = None,
) -> Checkpoint:
    """Write a checkpoint whole, then delete the oldest beyond ``keep``.

    Args:
        state: JSON data of the loop (cursor, counters); the optimizer's name and the random generators are
            added.
        average: of the weights, where one is kept.

    Raises:
        StorageError: the disk is full; earlier checkpoints are untouched.
    """
    base = run_dir / FOLDER
    final = base / f"step_{step:08d}"
    temporary = base / f".building-{final.name}"
    try:
        with storage_errors(final):
            base.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir()
            weights = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
            write_tensors(temporary / "model.safetensors", weights)
            write_tensors(temporary / "optimizer.safetensors", optimizer_tensors(model, optimizer))
            if average is not None:
                averages = {name: value.cpu().contiguous() for name, value in average.tensors().items()}
                write_tensors(temporary / AVERAGE_FILE, averages)
            whole = {**state, "step": step, "optimizer": optimizer_name(optimizer), "rng": capture_rng()}
            write_json_atomic(temporary / "state.json", whole)
            write_manifest(temporary, kind="checkpoint", id=final.name, step=step)
            fsync_tree(temporary)
            if final.exists():
                shutil.rmtree(final)
            os.rename(temporary, final)
            fsync_folder(base)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    for old in list_checkpoints(run_dir)[:-keep]:
        shutil.rmtree(old.path, ignore_errors=True)
    return Checkpoint(final, step)


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


def load_checkpoint(
    checkpoint: Checkpoint,
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    average: WeightAverage | None = None,
) -> dict[str, Any]:
    """Put back model, optimizer, average and random generators; return the loop's state.

    The state of another kind of optimizer is left out: the new one starts afresh. An average that the
    checkpoint does not have starts from its weights.

    Raises:
        StorageError: a file is damaged.
        ConfigError: the checkpoint is of a model of another shape.
    """
    from safetensors.torch import load_file

    verify_checkpoint(checkpoint)
    state: dict[str, Any] = read_json(checkpoint.path / "state.json")
    state.setdefault("optimizer", "adamw")
    weights = load_file(checkpoint.path / "model.safetensors")
    _check_shapes(checkpoint, model, weights)
    model.load_state_dict(weights)
    if state["optimizer"] == optimizer_name(optimizer):
        load_optimizer(model, optimizer, load_file(checkpoint.path / "optimizer.safetensors"))
    if average is not None:
        file = checkpoint.path / AVERAGE_FILE
        average.load(load_file(file) if file.is_file() else dict(model.named_parameters()))
    restore_rng(state["rng"])
    return state


def _check_shapes(checkpoint: Checkpoint, model: torch.nn.Module, weights: dict[str, Tensor]) -> None:
    """Refuse weights that are not the model's, naming the first that differs."""
    wanted = {name: list(value.shape) for name, value in model.state_dict().items()}
    found = {name: list(value.shape) for name, value in weights.items()}
    for name in sorted(wanted.keys() | found.keys()):
        if wanted.get(name) != found.get(name):
            raise ConfigError(
                f"The checkpoint {checkpoint.path.name} is of a model of another shape: {name} is "
                f"{found.get(name, 'not there')}, and {wanted.get(name, 'not there')} in this model.",
                hint="Give the model the settings it had, or start a new run.",
                field="model",
            )
