"""Two processes beside one with as many threads: the same training, the same batch, on a processor.

``python -m benchmarks.ranks FOLDER`` is what each process runs: it trains and leaves its median speed.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import Row
from llm_playground.runs.launch import launch
from llm_playground.transformer import ModelConfig

STEPS, ROWS, ROUNDS = 40, 8, 5
LEFT_OUT = 10  # steps until everything is warm
SHAPES = {
    "1 M": ModelConfig.preset("quickstart"),
    "9 M": ModelConfig(vocab_size=4096, context_length=256, width=256, layers=8, heads=8, kv_heads=2),
}


def child(folder: Path) -> None:
    """Train one of the shapes and write the tokens a second to the folder."""
    import torch

    from benchmarks.training import Batches
    from llm_playground.core.protocols import NullContext
    from llm_playground.core.workspace import Workspace
    from llm_playground.training.config import TrainingConfig
    from llm_playground.training.distributed import World
    from llm_playground.training.engine import train
    from llm_playground.transformer import TransformerLM

    torch.manual_seed(0)
    shape = SHAPES[(folder / "shape").read_text()]
    world = World.current()
    context = NullContext(folder / "run", Workspace(folder / "workspace"))
    config = TrainingConfig(
        steps=STEPS, batch_size=ROWS, eval_every=10**6, checkpoint_every=10**6, sample_every=0, device="cpu"
    )
    (folder / "run").mkdir(exist_ok=True)
    batches = Batches(shape.vocab_size, shape.context_length, ROWS)
    train(TransformerLM(shape), batches, config, context, tokens_per_row=shape.context_length, stage="bench")
    speeds = [values["perf/tokens_per_second"] for _, values in context.logged if "train/loss" in values]
    if world.is_main:
        (folder / "speed.json").write_text(json.dumps(statistics.median(speeds[LEFT_OUT:])))
    world.close()


def speed(shape: str, processes: int) -> float:
    """Return the tokens a second of a training."""
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "shape").write_text(shape)
        command = [sys.executable, "-m", "benchmarks.ranks", name]
        if processes == 1:
            subprocess.run(command, check=True)
        else:
            failure = launch(command, processes)
            if failure is not None:
                raise RuntimeError(failure.sentence(processes))
        found: float = json.loads((Path(name) / "speed.json").read_text())
        return found


def measure() -> list[Row]:
    """Measure tokens a second with two processes and with one, in turns."""
    rows = []
    for shape in SHAPES:
        found: dict[int, list[float]] = {1: [], 2: []}
        for _ in range(ROUNDS):
            for processes, speeds in found.items():
                speeds.append(speed(shape, processes))
        two, one = statistics.median(found[2]), statistics.median(found[1])
        rows.append(Row(f"training {shape}, two processes", two, one, "tokens/s", "one, all threads", 0.87))
    return rows


if __name__ == "__main__":
    child(Path(sys.argv[1]))
