"""Checkpoints: safetensors plus JSON, valid once their manifest is written, checked by hash when read."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from llm_playground.core.errors import StorageError
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

FOLDER = "checkpoints"


@dataclass(frozen=True)
class Checkpoint:
    """A place to resume from.

    Attributes:
        path: its folder.
        step: optimizer steps done.
    """

    path: Path
    step: int


def optimizer_tensors(model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return the optimizer's state as named tensors: ``parameter name/state name``."""
    names: dict[Any, str] = {parameter: name for name, parameter in model.named_parameters()}
    tensors: dict[str, Tensor] = {}
    for parameter, state in optimizer.state.items():
        for key, value in state.items():
            tensors[f"{names[parameter]}/{key}"] = torch.as_tensor(value).detach().cpu().contiguous()
    return tensors


def load_optimizer(
    model: torch.nn.Module, optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]
) -> None:
    """Put back what :func:`optimizer_tensors` returned."""
    parameters = dict(model.named_parameters())
    for name, value in tensors.items():
        owner, _, key = name.rpartition("/")
        device = torch.device("cpu") if key == "step" and value.dim() == 0 else parameters[owner].device
        optimizer.state[parameters[owner]][key] = value.to(device)


def save_checkpoint(
    run_dir: Path,
    step: int,
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    state: dict[str, Any],
    keep: int,
) -> Checkpoint:
    """Write a checkpoint whole, then delete the oldest beyond ``keep``.

    Args:
        state: JSON data of the loop (cursor, counters); the random generators are added.

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
            write_json_atomic(temporary / "state.json", {**state, "step": step, "rng": capture_rng()})
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
    checkpoint: Checkpoint, model: torch.nn.Module, optimizer: torch.optim.Optimizer
) -> dict[str, Any]:
    """Put back model, optimizer and random generators; return the loop's state.

    Raises:
        StorageError: a file is damaged.
    """
    from safetensors.torch import load_file

    verify_checkpoint(checkpoint)
    model.load_state_dict(load_file(checkpoint.path / "model.safetensors"))
    load_optimizer(model, optimizer, load_file(checkpoint.path / "optimizer.safetensors"))
    state: dict[str, Any] = read_json(checkpoint.path / "state.json")
    restore_rng(state["rng"])
    return state
