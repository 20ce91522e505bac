"""A tiny model that learns to count: what the tests of the engine train, and how they look at a run."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import numpy
import torch
from torch import Tensor, nn

from llm_playground.core import NullContext, Workspace
from llm_playground.core.errors import StopRequested
from llm_playground.post_training.sft import AnswerTokens, ConversationBatches
from llm_playground.training import Term, TrainingConfig, TrainResult, train
from llm_playground.training.checkpoint import list_checkpoints
from llm_playground.transformer import ModelConfig, TransformerLM
from llm_playground.transformer.loss import cross_entropy_sum

SHAPE = {"vocab_size": 32, "context_length": 16, "width": 16, "layers": 1, "heads": 2, "dropout": 0.1}
SETTINGS: dict[str, Any] = {
    "steps": 12,
    "batch_size": 4,
    "micro_batch_size": 2,
    "warmup_steps": 3,
    "learning_rate": 1e-2,
    "eval_every": 4,
    "checkpoint_every": 4,
    "keep_checkpoints": 2,
    "threads": 1,
    "device": "cpu",
}


class Counting:
    """Predict the successor modulo 32; a batch is a pure function of the cursor."""

    def __init__(self, bad_steps: tuple[int, ...] = (), evaluations: list[float] | None = None) -> None:
        self.bad = {step * SETTINGS["batch_size"] for step in bad_steps}
        self.evaluations = iter(evaluations) if evaluations is not None else None

    def batch(self, cursor: int, size: int) -> dict[str, Tensor]:
        starts = torch.tensor([random.Random(cursor + row).randrange(32) for row in range(size)])
        ids = (starts[:, None] + torch.arange(9)) % 32
        factor = torch.full((size,), math.nan if cursor in self.bad else 1.0)
        return {"inputs": ids[:, :-1], "targets": ids[:, 1:], "factor": factor}

    def counts(self, batch: dict[str, Tensor]) -> dict[str, int]:
        return {"cross_entropy": batch["targets"].numel()}

    def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> dict[str, Term]:
        total, count = cross_entropy_sum(model(batch["inputs"]), batch["targets"])
        return {"cross_entropy": Term(total * batch["factor"].mean(), count)}

    def evaluate(self, model: nn.Module) -> dict[str, float]:
        assert not model.training and not torch.is_grad_enabled()
        if self.evaluations is not None:
            return {"val/loss": next(self.evaluations)}
        device = next(model.parameters()).device
        batch = {name: value.to(device) for name, value in self.batch(10**6, 4).items()}
        term = self.loss(model, batch)["cross_entropy"]
        return {"val/loss": float(term.sum) / term.count}


def answers() -> AnswerTokens:
    """Conversations of many lengths, of which some positions count: no two processes count alike."""
    rows = []
    for number in range(24):
        length = 5 + (7 * number) % 9
        ids = [(number + place) % 32 for place in range(length)]
        rows.append((ids, [int(place % (2 + number % 3) == 1) for place in range(length)]))
    return AnswerTokens(ConversationBatches(rows[4:], 4, seed=1, pad_id=0), rows[:4], 4)


def go(
    folder: Path,
    objective: Counting | None = None,
    hooks: tuple[Any, ...] = (),
    stop_at: int | None = None,
    shape: dict[str, Any] | None = None,
    **settings: Any,
) -> tuple[NullContext, dict[str, Tensor], TrainResult | None]:
    """Train in ``folder`` (going on from its checkpoints); ``stop_at``: stop once that step is done.

    ``shape`` and the other settings change the model's and the training's.
    """
    folder.mkdir(exist_ok=True)
    context = NullContext(folder, Workspace(folder, builtin=None), hooks=hooks)
    if stop_at is not None:
        context.should_stop = lambda: bool(context.updates) and context.updates[-1]["done"] >= stop_at  # type: ignore[method-assign]
    torch.manual_seed(7)
    random.seed(7)
    numpy.random.seed(7)
    model = TransformerLM(ModelConfig(**{**SHAPE, **(shape or {})}))
    config = TrainingConfig(**{**SETTINGS, **settings})
    try:
        result = train(
            model, objective or Counting(), config, context, tokens_per_row=8, stage="test"  # type: ignore[arg-type]
        )
    except StopRequested:
        result = None
    trained = model if result is None else result.model
    weights = {} if trained is None else {name: value.clone() for name, value in trained.state_dict().items()}
    return context, weights, result


def numbers(
    context: NullContext, prefix: tuple[str, ...] = ("train/", "val/")
) -> list[tuple[int, str, float]]:
    return [
        (step, name, value)
        for step, values in context.logged
        for name, value in values.items()
        if name.startswith(prefix)
    ]


def equal(mine: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return mine.keys() == other.keys() and all(torch.equal(mine[name], other[name]) for name in mine)


def steps(folder: Path) -> list[int]:
    return [checkpoint.step for checkpoint in list_checkpoints(folder)]
