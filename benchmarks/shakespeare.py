"""The recipe ``shakespeare-char`` beside nanoGPT's settings for the same text on a CPU, with three seeds.

nanoGPT (https://github.com/karpathy/nanoGPT, README, "I only have a macbook"): a GPT-2 of 4 layers, 4 heads
and width 128 over characters, context 64, batches of 12, 2,000 steps of AdamW at 1e-3 with a cosine down to
1e-4. Here those settings run in a plain PyTorch loop over our model of that shape, which is as fast as
transformers' (see ``training``); its time includes estimates of the loss over 20 batches of each split every
250 steps, as there. Ours is the recipe as it stands, with its validations over the whole held-out text, its
checkpoints and samples. Both are judged by the mean over the whole held-out text in windows of their own
context.

The text is not part of the project: the folder ``tinyshakespeare`` below ``LLMP_TEST_DATA`` is looked for.
"""

from __future__ import annotations

import gzip
import math
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from benchmarks.measure import Row
from llm_playground.core.config import parse_config
from llm_playground.core.protocols import NullContext
from llm_playground.core.workspace import Workspace
from llm_playground.runs import load_recipe
from llm_playground.runs.hooks import hooks_for
from llm_playground.runs.recipe import fill
from llm_playground.runs.stages import get_stage
from llm_playground.transformer import ModelConfig, TransformerLM

SEEDS = (1, 2, 3)
REACHED = 1.88  # what nanoGPT's README says of its own run
LIMIT = 1.70
STEPS, ROWS, LENGTH = 2_000, 12, 64


@dataclass(frozen=True)
class Outcome:
    """What a training came to.

    Attributes:
        seconds: wall time of the training, its validations included.
        until: seconds until the validation loss was at most ``REACHED``; infinite if it never was.
        loss: nats per character over the whole held-out text.
    """

    seconds: float
    until: float
    loss: float


class _Timed(NullContext):
    """Notes when each validation was done."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.validations: list[tuple[float, float]] = []

    def log(self, *args: Any, **details: Any) -> None:
        """Keep the validation losses with the time."""
        super().log(*args, **details)
        if not isinstance(args[0], str) and "val/loss" in args[1]:
            self.validations.append((time.perf_counter(), args[1]["val/loss"]))


def find_text() -> bytes | None:
    """Return the text, or None where it is not on this machine."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    file = Path(os.environ.get("LLMP_TEST_DATA", beside)) / "tinyshakespeare" / "input.txt.gz"
    return gzip.decompress(file.read_bytes()) if file.is_file() else None


def recipe(text: bytes, seed: int, folder: Path) -> Outcome:
    """Run the recipe's steps in this process; only the training counts."""
    file = folder / "input.txt"
    file.write_bytes(text)
    workspace = Workspace(folder / "workspace")
    outputs: dict[str, str] = {}
    for step in load_recipe("shakespeare-char").steps:
        stage = get_stage(step.stage)
        given = step.config | ({"path": str(file)} if step.name == "data" else {})
        config = parse_config(stage.config_class, fill(given, outputs))
        run_dir = folder / "runs" / step.name
        run_dir.mkdir(parents=True)
        context = _Timed(run_dir, workspace, seed, hooks_for(step.stage, config))
        begin = time.perf_counter()
        artifact = stage.run(config, context)
        assert artifact is not None
        outputs[step.name] = artifact.id
    reached = [moment for moment, loss in context.validations if loss <= REACHED]
    return Outcome(
        time.perf_counter() - begin,
        min(reached, default=math.inf) - begin,
        context.validations[-1][1],
    )


def nano(text: bytes, seed: int) -> Outcome:
    """Train with nanoGPT's settings in a plain loop."""
    torch.manual_seed(seed)
    characters = sorted(set(text))
    ids = torch.tensor([characters.index(value) for value in text])
    cut = int(0.9 * len(ids))
    train, val = ids[:cut], ids[cut:]
    model = TransformerLM(
        ModelConfig(
            vocab_size=len(characters),
            context_length=LENGTH,
            width=128,
            layers=4,
            heads=4,
            positions="learned",
            norm="layernorm",
            activation="gelu",
        )
    )
    matrices = [p for p in model.parameters() if p.dim() >= 2]
    vectors = [p for p in model.parameters() if p.dim() < 2]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.99))
    begin = time.perf_counter()
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = _nano_rate(step)
        if step % 250 == 0:
            _estimate(model, (train, val))
        loss = _loss(model, *_random_batch(train))
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    seconds = time.perf_counter() - begin
    return Outcome(seconds, seconds, _whole(model, val))


def _nano_rate(step: int) -> float:
    if step < 100:
        return 1e-3 * (step + 1) / 101
    return 1e-4 + 0.5 * (1 + math.cos(math.pi * (step - 100) / (STEPS - 100))) * 9e-4


def _random_batch(ids: Tensor) -> tuple[Tensor, Tensor]:
    starts = torch.randint(len(ids) - LENGTH, (ROWS,))
    windows = ids[starts[:, None] + torch.arange(LENGTH + 1)]
    return windows[:, :-1], windows[:, 1:]


def _loss(model: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
    return cross_entropy(model(inputs).flatten(0, 1), targets.flatten())


@torch.no_grad()
def _estimate(model: nn.Module, splits: Sequence[Tensor]) -> None:
    model.eval()
    for split in splits:
        for _ in range(20):
            _loss(model, *_random_batch(split)).item()
    model.train()


@torch.no_grad()
def _whole(model: nn.Module, ids: Tensor) -> float:
    model.eval()
    count = (len(ids) - 1) // LENGTH
    inputs = ids[: count * LENGTH].view(count, LENGTH)
    targets = ids[1 : count * LENGTH + 1].view(count, LENGTH)
    return (
        sum(
            _loss(model, inputs[row : row + 64], targets[row : row + 64]).item() * len(inputs[row : row + 64])
            for row in range(0, count, 64)
        )
        / count
    )


def measure() -> list[Row]:
    """Train both with every seed, in turn; the worst of ours counts, the median of the other."""
    text = find_text()
    if text is None:
        print("shakespeare: the text is not here; set LLMP_TEST_DATA to measure it.", file=sys.stderr)
        return []
    ours: list[Outcome] = []
    others: list[Outcome] = []
    for seed in SEEDS:
        with tempfile.TemporaryDirectory() as name:
            ours.append(recipe(text, seed, Path(name)))
        others.append(nano(text, seed))
        print(f"seed {seed}: {ours[-1]} beside {others[-1]}", file=sys.stderr)
    took = statistics.median(outcome.seconds for outcome in others)
    slowest, worst = max(outcome.seconds for outcome in ours), max(outcome.loss for outcome in ours)
    until = max(outcome.until for outcome in ours)
    theirs = "nanoGPT's settings"
    return [
        Row(f"Shakespeare, until {REACHED} nats a character", until, took, "s", theirs, 3.0),
        Row("Shakespeare, the whole recipe", slowest, took, "s", theirs, 1.0),
        Row("Shakespeare, loss at the end", worst, statistics.median(o.loss for o in others), "nats", theirs),
        Row("Shakespeare, loss at the end", worst, LIMIT, "nats", "limit", 1.0),
    ]
