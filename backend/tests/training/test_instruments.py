"""Instruments: they read what closed forms give, tell planted trouble, and never change a run."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from torch import Tensor, nn

from llm_playground.core import NullContext, Workspace
from llm_playground.core.device_table import this_device
from llm_playground.monitoring.histograms import BINS, edges
from llm_playground.training import Term, TrainingConfig, train
from llm_playground.training.instruments import (
    activation_statistics,
    histogram_counts,
    layer_norms,
    layer_of,
)
from llm_playground.transformer import ModelConfig, TransformerLM, analyze
from llm_playground.transformer.capture import Capture
from llm_playground.transformer.loss import cross_entropy_sum

SHAPE: dict[str, Any] = {"vocab_size": 32, "context_length": 16, "width": 16, "layers": 2, "heads": 2}


class Counting:
    """Predict the successor modulo 32."""

    def batch(self, cursor: int, size: int) -> dict[str, Tensor]:
        ids = (torch.arange(cursor, cursor + size)[:, None] * 7 + torch.arange(9)) % 32
        return {"inputs": ids[:, :-1], "targets": ids[:, 1:]}

    def counts(self, batch: dict[str, Tensor]) -> dict[str, int]:
        return {"cross_entropy": batch["targets"].numel()}

    def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> dict[str, Term]:
        return {"cross_entropy": Term(*cross_entropy_sum(model(batch["inputs"]), batch["targets"]))}

    def evaluate(self, model: nn.Module) -> dict[str, float]:
        return {}


def go(folder: Path, **settings: Any) -> tuple[NullContext, TransformerLM]:
    folder.mkdir(exist_ok=True)
    context = NullContext(folder, Workspace(folder, builtin=None))
    torch.manual_seed(3)
    model = TransformerLM(ModelConfig(**{**SHAPE, "dropout": 0.1}))
    values = {
        "steps": 6, "batch_size": 4, "micro_batch_size": 2, "warmup_steps": 2, "threads": 1, "device": "cpu"
    }  # fmt: skip
    config = TrainingConfig(**{**values, **settings})
    train(model, Counting(), config, context, tokens_per_row=8, stage="test")  # type: ignore[arg-type]
    return context, model


def test_layers_are_named_after_blocks_and_modules() -> None:
    assert [
        layer_of(name) for name in ("blocks.10.ffn.up", "decoder.blocks.1.ffn.up.bias", "head.weight")
    ] == [
        "blocks.10",
        "decoder.blocks.1",
        "head",
    ]


def test_norms_by_layer_are_those_of_all_their_numbers() -> None:
    tensors = {
        "blocks.0.a": torch.randn(3, 4),
        "blocks.0.b": torch.randn(7),
        "embedding.weight": torch.ones(9),
    }
    norms = layer_norms(tensors)
    both = torch.cat([tensors["blocks.0.a"].flatten(), tensors["blocks.0.b"]])
    assert norms == pytest.approx({"blocks.0": float(both.norm()), "embedding": 3.0})


def test_histograms_are_those_of_numpy() -> None:
    generator = torch.Generator().manual_seed(0)
    values = (
        torch.randn(20_000, generator=generator) * torch.logspace(-14, 7, 20_000, dtype=torch.float64).float()
    )
    values = torch.cat([values, torch.tensor([0.0, -0.0, math.nan, 1e-45])])
    borders = numpy.array(edges())
    known = values[~values.isnan()].double().numpy()
    clipped = numpy.clip(known, borders[0], borders[-1])
    expected, _ = numpy.histogram(clipped, borders)
    assert histogram_counts(values).tolist() == expected.tolist()
    assert len(edges()) == BINS + 1 and list(edges()) == sorted(edges())


def test_histograms_at_borders_and_beyond() -> None:
    counts = histogram_counts(
        torch.tensor([1.0, -1.0, math.inf, -math.inf, 1e30, 2.0**-40, 2.0**-41, math.nan])
    )
    borders = edges()
    places = [place for place, count in enumerate(counts.tolist()) for _ in range(count)]
    assert places == [
        0,
        borders.index(-1.0) - 1,
        BINS // 2,
        BINS // 2 + 1,
        borders.index(1.0),
        BINS - 1,
        BINS - 1,
    ]
    assert histogram_counts(torch.full((5,), 0.5, dtype=torch.bfloat16)).sum() == 5


def test_activations_are_those_that_the_model_shows() -> None:
    torch.manual_seed(0)
    model = TransformerLM(ModelConfig(**{**SHAPE, "activation": "relu"})).eval()
    with torch.no_grad():
        model.blocks[1].ffn.up.weight[:10] = 0  # ten units that never fire
    batch = Counting().batch(0, 4)
    found = activation_statistics(Counting(), model, batch)
    capture = Capture(["blocks.*.output", "blocks.*.attention.scores"])
    with torch.no_grad():
        model(batch["inputs"], capture=capture)
    seen = torch.ones(8, 8).tril().bool()
    for layer in ("blocks.0", "blocks.1"):
        output = capture.values[f"{layer}.output"]
        assert found[f"activation_mean/{layer}"] == pytest.approx(float(output.mean()), abs=1e-6)
        assert found[f"activation_std/{layer}"] == pytest.approx(float(output.std(correction=0)), rel=1e-5)
        scores = capture.values[f"{layer}.attention.scores"]
        assert found[f"max_attention_logit/{layer}"] == pytest.approx(
            float(scores[..., seen].max()), rel=1e-5
        )
    hidden = model.config.hidden_width
    assert found["dead_units/blocks.1"] >= 10 / hidden > found["dead_units/blocks.0"]


def test_experts_without_tokens_are_dead() -> None:
    torch.manual_seed(0)
    model = TransformerLM(ModelConfig(**{**SHAPE, "experts": 4, "experts_per_token": 1})).eval()
    with torch.no_grad():
        model.blocks[0].ffn.router.weight.zero_()  # all gates alike: the first expert takes everything
    found = activation_statistics(Counting(), model, Counting().batch(0, 4))
    assert found["dead_experts/blocks.0"] == 0.75 and "dead_units/blocks.0" not in found


def test_instruments_never_change_a_run(tmp_path: Path) -> None:
    plain, bare = go(tmp_path / "bare")
    context, model = go(tmp_path / "watched", instruments_every=2)
    for name, value in bare.state_dict().items():
        assert torch.equal(value, model.state_dict()[name]), name
    losses = [
        [values["train/loss"] for _, values in run.logged if "train/loss" in values]
        for run in (plain, context)
    ]
    assert losses[0] == losses[1]
    assert plain.counts == [] and not any("perf/mfu" in values for _, values in plain.logged)


def test_a_measured_step_tells_norms_updates_weights_and_utilization(tmp_path: Path) -> None:
    context, model = go(tmp_path / "run", instruments_every=3, steps=6)
    measured = {step: values for step, values in context.logged if "perf/mfu" in values}
    assert sorted(measured) == [3, 6]
    layers = {"embedding", "blocks.0", "blocks.1", "final_norm"}
    for values in measured.values():
        for prefix in ("grad_norm", "weight_norm", "update_ratio"):
            assert {name.partition("/")[2] for name in values if name.startswith(prefix)} == layers
        squares = sum(values[f"grad_norm/{layer}"] ** 2 for layer in layers)
        assert math.sqrt(squares) == pytest.approx(values["train/grad_norm"], rel=1e-4)
        per_token = analyze(model.config, context=8).flops.per_token_training
        rate = per_token * values["perf/tokens_per_second"]
        assert values["perf/mfu"] == pytest.approx(rate / this_device().peak("float32")[0], rel=1e-6)
    assert measured[6]["weight_norm/final_norm"] == pytest.approx(
        float(model.final_norm.weight.detach().norm()), rel=1e-5
    )
    steps, counts = zip(*context.counts, strict=True)
    assert steps == (3, 6)
    assert set(counts[0]) == {f"{kind}/{layer}" for kind in ("weights", "gradients") for layer in layers}
    size = sum(weight.numel() for weight in model.blocks[0].parameters())
    assert sum(counts[0]["weights/blocks.0"]) == sum(counts[0]["gradients/blocks.0"]) == size


def test_the_update_ratio_is_that_of_the_weights_before_and_after(tmp_path: Path) -> None:
    settings = {"optimizer": "sgd", "momentum": 0.0, "weight_decay": 0.0, "grad_clip": 1e9, "warmup_steps": 0}
    context, _ = go(
        tmp_path / "run", instruments_every=1, steps=1, learning_rate=0.1, schedule="constant", **settings
    )
    (values,) = [values for _, values in context.logged if "perf/mfu" in values]
    for layer in ("embedding", "blocks.0"):
        # One step of plain gradient descent: the update is the gradient times the rate.
        change = values["train/lr"] * values[f"grad_norm/{layer}"]
        before = values[f"update_ratio/{layer}"]
        assert before > 0 and change / before == pytest.approx(values[f"weight_norm/{layer}"], rel=0.05)


def test_the_peak_is_measured_once_and_kept(tmp_path: Path) -> None:
    go(tmp_path / "run", instruments_every=6)
    kept = tmp_path / "run" / "peak.json"
    assert kept.is_file()
    kept.write_text('{"flops_per_second": 1.0, "precision": "float32"}')
    context, model = go(tmp_path / "run", instruments_every=1, steps=7)
    (values,) = [values for _, values in context.logged if "perf/mfu" in values]
    per_token = analyze(model.config, context=8).flops.per_token_training
    assert values["perf/mfu"] == pytest.approx(per_token * values["perf/tokens_per_second"])


def test_flops_so_far_go_with_every_value(tmp_path: Path) -> None:
    class Watching(NullContext):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            self.spent: list[tuple[int, float | None]] = []

        def log(self, *args: Any, **details: Any) -> None:
            super().log(*args, **details)
            if "flops" in details:
                self.spent.append((details["tokens"], details["flops"]))

    context = Watching(tmp_path, Workspace(tmp_path, builtin=None))
    model = TransformerLM(ModelConfig(**SHAPE))
    config = TrainingConfig(steps=2, batch_size=2, threads=1, device="cpu", warmup_steps=0)
    train(model, Counting(), config, context, tokens_per_row=8, stage="test")  # type: ignore[arg-type]
    per_token = analyze(model.config, context=8).flops.per_token_training
    assert context.spent and all(flops == per_token * tokens for tokens, flops in context.spent)
