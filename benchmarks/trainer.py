"""Training throughput of our engine beside the Hugging Face Trainer, and what the engine adds to a bare loop.

Each side trains in a process of its own, with the environment that its users have, and waits at a gate except
for its turn: a few steps of one side, a few of the next, and so on. Seconds are those between two gates, with
all that happens between them.

- *Trainer*: ``transformers.Trainer`` as it comes: ``adamw_torch_fused``, ``max_grad_norm`` 1, a linear rate,
  logging and saving every 500 steps (beyond what is measured here), no evaluation; the model is the one that
  ``AutoModelForCausalLM`` builds from the folder that ours wrote (``sdpa`` attention, float32 weights), the
  data set random tokens in memory. OpenMP's and malloc's settings are the system's.
- *ours*: :func:`llm_playground.training.train` on the same folder, with ``adamw``, ``grad_clip`` 1 and the
  other defaults, in the context of a run: metric store with its watcher, heartbeat, progress, stop checks.
  Tokens come from a shard file through the loader. The environment is that of the program's own processes.
- *bare*: the plainest loop over our model, in our environment: batches in memory, forward, cross-entropy,
  backward, clipping, fused AdamW.

The rate of matrix products is measured in between, in a process of its own. In bf16 the Trainer has
``bf16=True``, the engine ``precision="bf16"``, the bare loop autocast, and the products are of bf16 numbers.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.measure import Row
from llm_playground.core.devices import THREAD_ENVIRONMENT
from llm_playground.transformer import ModelConfig
from llm_playground.transformer.analysis.flops import count_flops

_GPT2 = {"positions": "learned", "norm": "layernorm", "activation": "gelu_tanh", "bias": True}
# Shape, rows, tokens of a row, steps of a turn, least ratio to the Trainer.
SHAPES: dict[str, tuple[dict[str, Any], int, int, int, float]] = {
    "Llama of 1 M": ({"vocab_size": 1024, "width": 128, "layers": 4, "heads": 4}, 8, 256, 10, 2.0),
    "GPT-2 of 1 M": ({"vocab_size": 1024, "width": 128, "layers": 4, "heads": 4, **_GPT2}, 8, 256, 10, 2.0),
    "Llama of 10 M": ({"vocab_size": 8192, "width": 320, "layers": 6, "heads": 5}, 8, 256, 3, 1.5),
    "GPT-2 of 10 M": ({"vocab_size": 8192, "width": 320, "layers": 6, "heads": 5, **_GPT2}, 8, 256, 3, 1.5),
    "Llama of 124 M": ({"vocab_size": 50_304, "width": 768, "layers": 12, "heads": 12}, 1, 512, 1, 1.15),
    "GPT-2 of 124 M": (
        {"vocab_size": 50_304, "width": 768, "layers": 12, "heads": 12, **_GPT2},
        1,
        512,
        1,
        1.15,
    ),
}
PRECISIONS = ("float32", "bf16")
_ROUNDS = {10: 7, 3: 5, 1: 3}  # by the steps of a turn
_WARM_UP = 4
_MANY = 10**6  # steps that no measurement comes to


class Gate:
    """Stops a worker's training every few steps until the parent asks for more.

    Args:
        turn: steps between two stops.
    """

    def __init__(self, turn: int) -> None:
        self.turn, self.left, self.begin = turn, _WARM_UP, time.perf_counter()

    def passed(self) -> None:
        """Count a step; at the end of a turn tell its seconds and wait."""
        self.left -= 1
        if self.left:
            return
        print(json.dumps({"seconds": time.perf_counter() - self.begin, **self.figures()}), flush=True)
        if not sys.stdin.readline():
            os._exit(0)  # the parent has seen enough
        self.left, self.begin = self.turn, time.perf_counter()

    def figures(self) -> dict[str, float]:
        """Return more to tell about a turn."""
        return {}


def _train_theirs(folder: Path, rows: int, length: int, precision: str, gate: Gate) -> None:
    """Train with the Trainer until the gate ends the process."""
    import numpy
    import torch
    from transformers import AutoModelForCausalLM, Trainer, TrainerCallback, TrainingArguments

    class _Steps(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
            gate.passed()

    class _Samples(torch.utils.data.Dataset[dict[str, torch.Tensor]]):
        def __init__(self) -> None:
            ids = numpy.fromfile(folder / "tokens" / "train.bin", dtype=numpy.uint16).astype(numpy.int64)
            self.rows = torch.from_numpy(ids[: len(ids) // length * length].reshape(-1, length))

        def __len__(self) -> int:
            return len(self.rows)

        def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
            return {"input_ids": self.rows[index], "labels": self.rows[index]}

    arguments = TrainingArguments(
        output_dir=str(folder / "trainer"),
        per_device_train_batch_size=rows,
        max_steps=_MANY,
        use_cpu=True,
        bf16=precision == "bf16",
        disable_tqdm=True,
    )
    model = AutoModelForCausalLM.from_pretrained(folder / "model")
    Trainer(model=model, args=arguments, train_dataset=_Samples(), callbacks=[_Steps()]).train()


def _objective(folder: Path, rows: int, length: int) -> Any:
    from llm_playground.data.loader import TokenLoader
    from llm_playground.training.pretrain import NextToken

    loader = TokenLoader(folder / "tokens", "train", length)
    return NextToken(loader, loader, eval_batches=1, batch_size=rows)


def _train_ours(folder: Path, rows: int, length: int, precision: str, gate: Gate, **settings: Any) -> None:
    """Train with the engine, as a run does, until the gate ends the process."""
    from llm_playground.core.workspace import Workspace
    from llm_playground.runs.context import RunContext
    from llm_playground.runs.record import RunRecord
    from llm_playground.training import TrainingConfig
    from llm_playground.training.engine import train
    from llm_playground.transformer import TransformerLM

    class _Steps:
        def wants(self, step: int, total_steps: int) -> bool:
            if step:
                gate.passed()
            return False

        def __call__(self, state: Any, context: Any) -> None:
            """Do nothing: it is never wanted."""

    model = TransformerLM.from_pretrained(folder / "model")
    run_dir = Path(tempfile.mkdtemp(dir=folder))
    now = time.time()
    record = RunRecord(
        id=run_dir.name, name="bench", stage="pretrain", config={}, created_at=now, launched_at=now
    )
    context = RunContext(run_dir, record, Workspace(folder / "workspace"), [_Steps()])
    log, waits = context.metrics.log, [0.0, 0.0]

    def noting(step: int, values: dict[str, float], **rest: Any) -> None:
        waits[0] += values.get("perf/data_wait_ms", 0.0)
        waits[1] += values.get("perf/step_ms", 0.0)
        log(step, values, **rest)

    context.metrics.log = noting  # type: ignore[method-assign]
    gate.figures = lambda: {"data_wait": waits[0] / waits[1]}  # type: ignore[method-assign]
    context.start()
    config = TrainingConfig(
        steps=_MANY,
        batch_size=rows,
        eval_every=_MANY,
        checkpoint_every=_MANY,
        sample_every=0,
        device="cpu",
        precision=precision,
        **settings,
    )
    objective = _objective(folder, rows, length)
    train(model, objective, config, context, tokens_per_row=length, stage="pretrain")


def _train_bare(folder: Path, rows: int, length: int, precision: str, gate: Gate) -> None:
    """Train our model by the loop that one writes first, until the gate ends the process."""
    import torch

    from llm_playground.core.devices import configure_threads, keep_freed_memory
    from llm_playground.training.precision import autocast
    from llm_playground.transformer import TransformerLM

    configure_threads()
    keep_freed_memory()
    model = TransformerLM.from_pretrained(folder / "model")
    objective = _objective(folder, rows, length)
    batches = [objective.batch(rows * number, rows) for number in range(32)]
    decay = [parameter for parameter in model.parameters() if parameter.dim() >= 2]
    rest = [parameter for parameter in model.parameters() if parameter.dim() < 2]
    groups = [{"params": decay, "weight_decay": 0.1}, {"params": rest, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW([group for group in groups if group["params"]], lr=1e-4, fused=True)
    model.train()
    for step in range(_MANY):
        batch = batches[step % len(batches)]
        with autocast(precision, "cpu"):
            loss = model(batch["inputs"], targets=batch["targets"]) / batch["targets"].numel()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0, foreach=True)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        loss.item()
        gate.passed()


def _multiply(folder: Path, rows: int, length: int, precision: str, gate: Gate) -> None:
    """Multiply matrices until the gate ends the process; a turn's figure is its best rate."""
    import torch

    from llm_playground.core.devices import configure_threads

    configure_threads()
    size, best = 1024, [0.0]
    dtype = {"float32": torch.float32, "bf16": torch.bfloat16}[precision]
    left, right = torch.randn(size, size).to(dtype), torch.randn(size, size).to(dtype)
    out = torch.empty(size, size, dtype=dtype)
    gate.figures = lambda: {"flops": best[0]}  # type: ignore[method-assign]
    while True:
        best[0] = 0.0
        for _ in range(20):
            begin = time.perf_counter()
            torch.mm(left, right, out=out)
            best[0] = max(best[0], 2 * size**3 / (time.perf_counter() - begin))
        gate.left = 1
        gate.passed()


_SIDES: dict[str, Callable[[Path, int, int, str, Gate], None]] = {
    "theirs": _train_theirs,
    "ours": _train_ours,
    "compiled": partial(_train_ours, compile=True),
    "bare": _train_bare,
    "matrix": _multiply,
}


class Worker:
    """One side in a process of its own.

    Args:
        side: which.
        folder: with ``model`` and ``tokens``.
        rows, length: of a batch.
        precision: of the products.
        turn: steps of a turn.
    """

    def __init__(self, side: str, folder: Path, rows: int, length: int, precision: str, turn: int) -> None:
        own = {} if side == "theirs" else THREAD_ENVIRONMENT
        environment = {name: value for name, value in os.environ.items() if name not in THREAD_ENVIRONMENT}
        environment |= {**own, "LLMP_WORKSPACE": str(folder / "workspace")}
        command = [sys.executable, "-m", "benchmarks.trainer", side, str(folder)]
        self._process = subprocess.Popen(
            [*command, str(rows), str(length), precision, str(turn)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self._read()  # the warm-up

    def _read(self) -> dict[str, float]:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith('{"seconds"'):
                told: dict[str, float] = json.loads(line)
                return told
        raise RuntimeError(f"a worker ended early, with {self._process.wait()}")

    def turn(self) -> dict[str, float]:
        """Let it do one turn; returns what it tells."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        return self._read()

    def close(self) -> None:
        """End it."""
        self._process.communicate()


def prepare(shape: dict[str, Any], rows: int, length: int, folder: Path) -> ModelConfig:
    """Write a model with random weights and a shard of random tokens."""
    import numpy
    import torch

    from llm_playground.core.files import write_json_atomic
    from llm_playground.transformer import TransformerLM

    config = ModelConfig(context_length=length, **shape)
    torch.manual_seed(0)
    TransformerLM(config).save_pretrained(folder / "model")
    (folder / "tokens").mkdir()
    count = 4096 * length
    generator = numpy.random.default_rng(0)
    generator.integers(0, config.vocab_size, count, dtype=numpy.uint16).tofile(
        folder / "tokens" / "train.bin"
    )
    write_json_atomic(
        folder / "tokens" / "index.json",
        {"dtype": "uint16", "splits": {"train": {"tokens": count, "bytes": 4 * count}}},
    )
    return config


def compare(
    sides: tuple[str, ...], label: str, precision: str = "float32", rounds: int | None = None
) -> dict[str, list[dict[str, float]]]:
    """Return what each side told of each round; sides take turns."""
    shape, rows, length, turn, _ = SHAPES[label]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(shape, rows, length, folder)
        workers = {side: Worker(side, folder, rows, length, precision, turn) for side in sides}
        told: dict[str, list[dict[str, float]]] = {side: [] for side in sides}
        for _ in range(rounds or _ROUNDS[turn]):
            for side, worker in workers.items():
                told[side].append(worker.turn())
        for worker in workers.values():
            worker.close()
    return told


def rows_of(label: str, precision: str) -> list[Row]:
    """Measure a shape: beside the Trainer, what the engine costs, and the share of the matrix rate."""
    shape, size, length, turn, goal = SHAPES[label]
    told = compare(("theirs", "ours", "bare", "matrix"), label, precision)
    seconds = {
        side: statistics.median(one["seconds"] for one in told[side]) / turn
        for side in ("theirs", "ours", "bare")
    }
    speed = {side: size * length / value for side, value in seconds.items()}
    peak = statistics.median(one["flops"] for one in told["matrix"]) / 1e9
    config = ModelConfig(context_length=length, **shape)
    rate = count_flops(config, length).per_token_training * speed["ours"] / 1e9
    wait = 100 * told["ours"][-1]["data_wait"]
    what = f"{label}, {precision}"
    least = 0.7 if shape["width"] == 768 and precision == "float32" else None
    return [
        Row(f"training, {what}", speed["ours"], speed["theirs"], "tokens/s", "Trainer", goal),
        Row(f"engine, {what}", speed["ours"], speed["bare"], "tokens/s", "bare loop", 0.97),
        Row(f"matrix rate, {what}", rate, peak, "GFLOP/s", "products of 1024 by 1024", least),
        Row(f"waiting for data, {what}", wait, 1.0, "% of a step", "the goal", 1.0),
    ]


def measure() -> list[Row]:
    """Measure every shape in every precision."""
    return [row for label in SHAPES for precision in PRECISIONS for row in rows_of(label, precision)]


if __name__ == "__main__":
    _side, _folder, _rows, _length, _precision, _turn = sys.argv[1:]
    _SIDES[_side](Path(_folder), int(_rows), int(_length), _precision, Gate(int(_turn)))
