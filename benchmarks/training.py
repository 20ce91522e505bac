"""Training throughput of our engine: beside a plain PyTorch loop over transformers' model, and the Trainer.

Both sides take the same batches through the same sort of step: forward, cross-entropy, backward, clipping to
norm 1, fused AdamW, in float32 or with products in bf16. Ours is the engine that every stage uses, with its
metrics, progress and stop checks.
For the Trainer see :mod:`benchmarks.trainer`.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks import trainer
from benchmarks.measure import Row, alternate
from llm_playground.core.protocols import NullContext
from llm_playground.core.workspace import Workspace
from llm_playground.training.config import TrainingConfig
from llm_playground.training.engine import Term, train
from llm_playground.training.precision import autocast
from llm_playground.transformer import ModelConfig, TransformerLM

STEPS = 12
SHAPES: dict[str, tuple[ModelConfig, int]] = {
    "quickstart, Llama of 0.9 M": (ModelConfig.preset("quickstart"), 8),
    "GPT-2 of 4 M": (
        ModelConfig(
            vocab_size=4096,
            context_length=128,
            width=192,
            layers=6,
            heads=6,
            positions="learned",
            norm="layernorm",
            activation="gelu_tanh",
            bias=True,
        ),
        8,
    ),
    "Llama of 9 M, grouped queries": (
        ModelConfig(vocab_size=4096, context_length=256, width=256, layers=8, heads=8, kv_heads=2),
        4,
    ),
}


class Batches:
    """Random tokens, the same for both sides."""

    def __init__(self, vocab_size: int, length: int, rows: int) -> None:
        generator = torch.Generator().manual_seed(0)
        self.ids = torch.randint(0, vocab_size, (STEPS, rows, length + 1), generator=generator)

    def batch(self, cursor: int, size: int) -> dict[str, Tensor]:
        """Return inputs and targets [size, T]."""
        ids = self.ids[cursor // size % STEPS]
        return {"inputs": ids[:, :-1], "targets": ids[:, 1:]}

    def counts(self, batch: dict[str, Tensor]) -> dict[str, int]:
        """Return the number of targets."""
        return {"cross_entropy": batch["targets"].numel()}

    def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> dict[str, Term]:
        """Return the summed cross-entropy."""
        return {
            "cross_entropy": Term(model(batch["inputs"], targets=batch["targets"]), batch["targets"].numel())
        }

    def evaluate(self, model: nn.Module) -> dict[str, float]:
        """Return nothing: only training is measured."""
        return {}


def ours(model: TransformerLM, batches: Batches, rows: int, folder: Path, precision: str) -> None:
    """Train for STEPS steps with the engine."""
    run_dir = Path(tempfile.mkdtemp(dir=folder))
    context = NullContext(run_dir, Workspace(folder / "workspace"))
    config = TrainingConfig(
        steps=STEPS,
        batch_size=rows,
        eval_every=10**6,
        checkpoint_every=10**6,
        sample_every=0,
        device="cpu",
        precision=precision,
    )
    train(model, batches, config, context, tokens_per_row=model.config.context_length, stage="bench")


def plain(model: Any, batches: Batches, rows: int, precision: str) -> None:
    """Train for STEPS steps with the loop that one writes first."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    model.train()
    for step in range(STEPS):
        batch = batches.batch(step * rows, rows)
        with autocast(precision, "cpu"):
            logits = model(batch["inputs"], use_cache=False).logits
            loss = nn.functional.cross_entropy(logits.flatten(0, 1).float(), batch["targets"].flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        loss.item()  # a loop that shows its loss, as ours does


def beside_a_plain_loop(label: str, precision: str) -> Row:
    """Measure tokens a second of a shape beside the plain loop."""
    from transformers import AutoModelForCausalLM

    config, size = SHAPES[label]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        torch.manual_seed(0)
        model = TransformerLM(config)
        model.save_pretrained(folder / "model")
        theirs = AutoModelForCausalLM.from_pretrained(folder / "model", attn_implementation="sdpa")
        batches = Batches(config.vocab_size, config.context_length, size)
        medians = alternate(
            {
                "ours": lambda: ours(model, batches, size, folder, precision),
                "theirs": lambda: plain(theirs, batches, size, precision),
            },
            rounds=9,
        )
    tokens = STEPS * size * config.context_length
    return Row(
        f"training, {label}, {precision}",
        tokens / medians["ours"],
        tokens / medians["theirs"],
        "tokens/s",
        "plain loop over transformers",
        goal=1.0,
    )


def measure() -> list[Row]:
    """Measure tokens a second in training, in every precision."""
    rows = [beside_a_plain_loop(label, precision) for label in SHAPES for precision in trainer.PRECISIONS]
    return rows + trainer.measure()
