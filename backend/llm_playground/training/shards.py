"""Checkpoints of a model that is split among processes: each writes its part, any number reads it.

The format is that of ``torch.distributed.checkpoint``, in the folder ``shards`` of a checkpoint whose state
and manifest are as always. Its index is a pickle: it is read only after the manifest's hashes hold.
"""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from llm_playground.core.files import storage_errors
from llm_playground.training.checkpoint import (
    AVERAGE_FILE,
    MODEL_FILE,
    OPTIMIZER_FILE,
    Checkpoint,
    Snapshot,
    begin_checkpoint,
    building,
    check_shapes,
    finish_checkpoint,
)
from llm_playground.training.ema import WeightAverage

if TYPE_CHECKING:
    from llm_playground.training.distributed import World

SHARDS = "shards"
_GROUPS = {MODEL_FILE: "model", OPTIMIZER_FILE: "optimizer", AVERAGE_FILE: "ema"}


def is_sharded(folder: Path) -> bool:
    """Say whether a checkpoint's folder holds shards."""
    return (folder / SHARDS / ".metadata").is_file()


def write_shards(run_dir: Path, snapshot: Snapshot, world: World, keep: int, keep_best: bool) -> None:
    """Write a checkpoint, each process its part; all of them call this, and all fail if one does.

    Args:
        snapshot: with split tensors; the state is the first process's.
        world: whose messages are used: a line of its own where this runs in a thread.
        keep, keep_best: see :func:`.checkpoint.write_snapshot`.

    Raises:
        StorageError: the disk is full; earlier checkpoints are untouched.
    """
    from torch.distributed.checkpoint import FileSystemWriter, SavePlan, SavePlanner, save
    from torch.distributed.checkpoint.api import CheckpointException

    class Writer(FileSystemWriter):
        """PyTorch's, with the system's own error where its format's writer stumbles over that."""

        def write_data(self, plan: SavePlan, planner: SavePlanner) -> Any:
            try:
                return super().write_data(plan, planner)
            except Exception as error:
                raise _first_cause(error) from error

    final = world.on_main(lambda: begin_checkpoint(run_dir, snapshot.step))
    tensors = {
        f"{_GROUPS[file]}/{name}": value
        for file, group in snapshot.files.items()
        for name, value in group.items()
    }

    def finish() -> None:
        with storage_errors(final):
            finish_checkpoint(run_dir, snapshot, keep, keep_best)

    try:
        with storage_errors(final):
            try:
                save(
                    tensors,
                    storage_writer=Writer(building(final) / SHARDS),
                    process_group=world.group,
                )
            except CheckpointException as error:
                failures = [failure[0] for failure in error.failures.values()]
                raise next((each for each in failures if isinstance(each, OSError)), failures[0]) from error
        world.on_main(finish)
    except BaseException:
        if world.is_main:
            shutil.rmtree(building(final), ignore_errors=True)
        raise


def _first_cause(error: BaseException) -> BaseException:
    """Return the system's error that an error came of, else the error itself."""
    each: BaseException | None = error
    while each is not None and not isinstance(each, OSError):
        each = each.__cause__ or each.__context__
    return each or error


def read_shards(
    checkpoint: Checkpoint,
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer | None,
    average: WeightAverage | None,
    world: World,
) -> None:
    """Read a checkpoint of shards into a model that lies on any number of processes; all of them call this.

    Args:
        checkpoint: verified.
        optimizer: None: its state is left out.
        average: takes the weights where the checkpoint has none.

    Raises:
        ConfigError: the checkpoint is of a model of another shape.
    """
    from torch.distributed.checkpoint import FileSystemReader, load

    reader = FileSystemReader(checkpoint.path / SHARDS)
    entries: dict[str, Any] = dict(reader.read_metadata().state_dict_metadata)
    shapes = {name: list(entry.size) for name, entry in entries.items()}
    check_shapes(checkpoint, model, _below("model", shapes))
    parameters = dict(model.named_parameters())
    wanted: dict[str, Tensor] = {f"model/{name}": value for name, value in model.state_dict().items()}
    states: list[tuple[str, str, str]] = []
    for name, shape in _below("optimizer", shapes).items() if optimizer is not None else ():
        owner, _, key = name.rpartition("/")
        parameter, kind = parameters[owner], entries[f"optimizer/{name}"].properties.dtype
        like = (
            parameter.detach()
            if shape == list(parameter.shape)
            else torch.empty(shape, device=parameter.device)
        )
        wanted[f"optimizer/{name}"] = torch.zeros_like(like, dtype=kind)
        states.append((name, owner, key))
    averaged = bool(_below("ema", shapes))
    if average is not None and averaged:
        wanted |= {f"ema/{name}": value for name, value in average.tensors().items()}
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", message="torch.distributed is disabled"
        )  # one process is meant to be
        load(wanted, storage_reader=reader, process_group=world.group, no_dist=not world.active)
    for name, owner, key in states:
        assert optimizer is not None
        optimizer.state[parameters[owner]][key] = wanted[f"optimizer/{name}"]
    if average is not None and not averaged:
        average.load(parameters)


def _below(group: str, entries: dict[str, Any]) -> dict[str, Any]:
    """Return the entries of a group under their own names."""
    return {
        name.removeprefix(f"{group}/"): entry
        for name, entry in entries.items()
        if name.startswith(f"{group}/")
    }
