"""What the planner predicts beside what a training then takes: ten shapes, each in processes of its own.

Every shape is planned (memory counted, parts of the model timed) and then trained for a few steps within the
same minute. Peak memory is the process's own high-water mark; a step's time is the median of five, in
seconds of processor time on one thread, times the machine's matrix rate measured beside it over that measured
beside the prediction: on a shared machine the rate itself changes by a quarter from minute to minute. The
last column is measured over predicted: 1 is exact; the goals are 0.9 to 1.1 for memory and 0.85 to 1.15 for
time.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.measure import Row

STEPS = 7
# name -> (preset, changes of the shape, settings of the training)
SHAPES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "quickstart, batch 16": ("quickstart", {}, {"batch_size": 16}),
    "quickstart, Muon, averaged": (
        "quickstart",
        {},
        {"batch_size": 32, "optimizer": "muon", "ema_decay": 0.99},
    ),
    "GPT-2 of 4 M, batch 8": (
        "tiny-gpt2",
        {"width": 192, "layers": 6, "heads": 6, "vocab_size": 4096, "context_length": 256},
        {"batch_size": 8},
    ),
    "Llama of 9 M, grouped queries": (
        "quickstart",
        {"width": 256, "layers": 8, "heads": 8, "kv_heads": 2, "vocab_size": 4096, "context_length": 256},
        {"batch_size": 8},
    ),
    "the same in 4 micro-batches": (
        "quickstart",
        {"width": 256, "layers": 8, "heads": 8, "kv_heads": 2, "vocab_size": 4096, "context_length": 256},
        {"batch_size": 16, "micro_batch_size": 4},
    ),
    "the same, all blocks recomputed": (
        "quickstart",
        {"width": 256, "layers": 8, "heads": 8, "kv_heads": 2, "vocab_size": 4096, "context_length": 256},
        {"batch_size": 16, "activation_checkpointing": "full"},
    ),
    "Llama of 34 M, every second recomputed": (
        "quickstart",
        {"width": 512, "layers": 8, "heads": 8, "vocab_size": 8192, "context_length": 256},
        {"batch_size": 8, "activation_checkpointing": "selective"},
    ),
    "large vocabulary, Lion": (
        "quickstart",
        {"width": 256, "layers": 4, "heads": 4, "vocab_size": 32000, "context_length": 128},
        {"batch_size": 8, "optimizer": "lion"},
    ),
    "deep and narrow, 24 layers": (
        "quickstart",
        {"width": 128, "layers": 24, "heads": 4, "vocab_size": 1024, "context_length": 128},
        {"batch_size": 8},
    ),
    "GPT-2 small, 1 x 256": ("gpt2-small", {"context_length": 256}, {"batch_size": 1}),
}


def configured(name: str) -> tuple[Any, Any]:
    """Return (model configuration, training configuration) of a shape."""
    from llm_playground.training.config import TrainingConfig
    from llm_playground.transformer import ModelConfig

    preset, changes, training = SHAPES[name]
    values = ModelConfig.preset(preset).model_dump()
    values |= {"ffn_width": None, "dropout": 0.0, **changes} if changes else {}
    often = {"steps": STEPS, "warmup_steps": 1, "eval_every": STEPS, "checkpoint_every": STEPS}
    settings = TrainingConfig(
        **often, eval_batches=1, sample_every=0, device="cpu", threads=1, learning_rate=1e-3, **training
    )
    return ModelConfig.model_validate(values), settings


def train_here(name: str) -> dict[str, float]:
    """Train a shape for a few steps in this process; returns its peak of memory and the time of a step."""
    from llm_playground.core.devices import peak_memory_bytes
    from llm_playground.core.protocols import NullContext
    from llm_playground.core.workspace import Workspace
    from llm_playground.training.engine import train
    from llm_playground.training.probe import Measurement, RandomTokens
    from llm_playground.transformer import TransformerLM

    config, settings = configured(name)
    begun: list[float] = []
    length = config.context_length
    rate = Measurement(config, settings, 1, length, "float32", "process").peak_flops()

    class Timed(RandomTokens):
        def batch(self, cursor: int, size: int) -> Any:
            begun.append(time.process_time())
            return super().batch(cursor, size)

        def evaluate(self, model: Any) -> dict[str, float]:
            rows = settings.micro_batch_size or settings.batch_size
            term = self.loss(model, RandomTokens.batch(self, 0, rows))["cross_entropy"]
            return {"val/loss": float(term.sum) / term.count}

    with tempfile.TemporaryDirectory() as folder:
        context = NullContext(Path(folder) / "run", Workspace(Path(folder) / "workspace"))
        train(
            TransformerLM(config),
            Timed(config.vocab_size, config.context_length),
            settings,
            context,
            tokens_per_row=config.context_length,
            stage="bench",
        )
    steps = [later - earlier for earlier, later in zip(begun[1:], begun[2:], strict=False)]
    peak = peak_memory_bytes()
    rate = max(rate, Measurement(config, settings, 1, length, "float32", "process").peak_flops())
    return {"peak_bytes": peak, "step_s": statistics.median(steps), "peak_flops": rate}


def in_a_process(name: str) -> dict[str, float]:
    """Return what :func:`train_here` does, from a process of its own."""
    command = [sys.executable, "-m", "benchmarks.planner", name]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def measure() -> list[Row]:
    """Measure memory in MB and time in ms of every shape, predicted and real."""
    from llm_playground.training.planner import Workload, plan_training

    rows = []
    for name in SHAPES:
        config, settings = configured(name)
        length = config.context_length
        plan = plan_training(config, settings, Workload(length, length), clock="process")
        assert plan.time is not None, name
        found = in_a_process(name)
        peak = plan.configured.footprint.peak
        same = found["step_s"] * found["peak_flops"] / plan.time.peak_flops
        rows += [
            Row(f"peak memory, {name}", peak / 1e6, found["peak_bytes"] / 1e6, "MB", "measured"),
            Row(f"time of a step, {name}", 1e3 * plan.time.step, 1e3 * same, "ms", "measured"),
        ]
    for what in ("peak memory", "time of a step"):
        errors = [abs(1 / row.ratio - 1) for row in rows if row.claim.startswith(what)]
        middle, worst = 100 * statistics.median(errors), 100 * max(errors)
        rows.append(Row(f"{what}: median error, worst error", middle, worst, "%", "measured"))
    return rows


if __name__ == "__main__":
    print(json.dumps(train_here(sys.argv[1])))
