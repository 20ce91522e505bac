"""What each of several processes does in the tests of training together: the cases of a file, one by one.

``python together.py FOLDER PROCESSES`` launches them; each process writes ``FOLDER/CASE.RANK.json``, and the
first one the weights.
"""

from __future__ import annotations

import errno
import json
import sys
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))

import torch
from counting import Counting, answers, go, numbers
from safetensors.torch import save_file
from torch import nn
from torch.distributed.checkpoint import FileSystemWriter

from llm_playground.runs.launch import launch
from llm_playground.training import checkpoint as checkpoints
from llm_playground.training.distributed import World, launched


class Reader:
    """A hook that lets the first process alone ask the model."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, float]] = []

    def wants(self, step: int, total_steps: int) -> bool:
        return step % 4 == 0

    def __call__(self, state: Any, context: Any) -> None:
        assert World.current().is_main
        inputs = torch.arange(4, device=next(state.model.parameters()).device)[None]
        self.seen.append((state.step, float(state.model(inputs).sum())))


def full_disk(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def one(folder: Path, case: dict[str, Any]) -> dict[str, Any]:
    """Do a case; what came of it as JSON data."""
    hook = Reader()
    case = dict(case)
    name, place = case.pop("name"), case.pop("folder", None)
    objective: Any = answers() if case.pop("answers", False) else Counting(tuple(case.pop("bad", ())))
    full, shard = case.pop("full_disk", False), case.pop("full_shard", False)
    if World.current().rank:  # the first process alone is asked to stop, and alone writes
        case["stop_at"] = None
    real, writing = checkpoints.write_tensors, FileSystemWriter.write_data
    if full and World.current().is_main:
        checkpoints.write_tensors = full_disk
    if shard and World.current().rank:
        FileSystemWriter.write_data = full_disk  # type: ignore[method-assign]
    try:
        context, weights, result = go(folder / (place or name), objective, (hook,), **case)
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
    finally:
        checkpoints.write_tensors = real
        FileSystemWriter.write_data = writing  # type: ignore[method-assign]
    if World.current().is_main and result is not None:
        save_file({key: value.contiguous() for key, value in weights.items()}, folder / f"{name}.safetensors")
    return {
        "numbers": numbers(context),
        "messages": context.messages,
        "stopped": result is None,
        "skipped": None if result is None else result.skipped_steps,
        "hook": hook.seen,
        "whole": isinstance(result and result.model, nn.Module),
        "events": context.events,
    }


if __name__ == "__main__":
    here = Path(sys.argv[1])
    if not launched():
        sys.exit(launch([sys.executable, *sys.argv], int(sys.argv[2])) is not None)
    world = World.current()
    for case in json.loads((here / "cases.json").read_text()):
        outcome = one(here, case)
        (here / f"{case['name']}.{world.rank}.json").write_text(json.dumps(outcome))
        world.barrier()
    world.close()
