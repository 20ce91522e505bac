"""The learning-rate finder on a quadratic whose limit is known, and on a tiny language model."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from llm_playground.core.errors import StopRequested, TrainingError
from llm_playground.training import Term, TrainingConfig, find_learning_rate
from llm_playground.training.lr_finder import LRFindConfig, read_curve, rising_rates, run, smooth

CURVATURE = 8.0
SGD = TrainingConfig(
    optimizer="sgd", momentum=0.0, weight_decay=0.0, batch_size=4, grad_clip=1e9, device="cpu", threads=1
)


class Point(nn.Module):
    """A point to be moved to the middle of noisy targets."""

    def __init__(self) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.full((64,), 2.0))


class Quadratic:
    """``CURVATURE / 2 |x - b|^2`` over 64 dimensions, with a noisy b for each row.

    The mean over the rows of a batch has the same curvature: gradient descent holds below 2 / CURVATURE.
    """

    def batch(self, cursor: int, size: int) -> dict[str, torch.Tensor]:
        generator = torch.Generator().manual_seed(cursor)
        return {"b": 0.1 * torch.randn(size, 64, generator=generator)}

    def counts(self, batch: dict[str, torch.Tensor]) -> dict[str, int]:
        return {"quadratic": len(batch["b"])}

    def loss(self, model: Any, batch: dict[str, torch.Tensor]) -> dict[str, Term]:
        total = 0.5 * CURVATURE * (model.place - batch["b"]).square().sum()
        return {"quadratic": Term(total, len(batch["b"]))}

    def evaluate(self, model: nn.Module) -> dict[str, float]:
        return {}


def test_on_a_quadratic_divergence_is_found_at_its_limit() -> None:
    limit = 2 / CURVATURE
    curve = find_learning_rate(Point(), Quadratic(), SGD, start=1e-4, end=10.0, trials=200)
    assert curve.diverged is not None and limit < curve.diverged < 2 * limit
    # Before, x shrinks as exp(-CURVATURE S), where the rates so far add up to S = rate / log(their ratio): so
    # the loss falls fastest over log(rate) at log(ratio) / (2 CURVATURE); the average is nine steps late.
    ratio = 1e5 ** (1 / 199)
    fastest = math.log(ratio) / (2 * CURVATURE)
    assert fastest < curve.steepest < fastest * ratio**9
    assert curve.suggestion == curve.steepest < curve.diverged / 10
    assert len(curve.rates) < 200, "it stops once all is lost"


def test_the_model_is_left_as_it_was_and_the_curve_repeats() -> None:
    model = Point().eval()
    random = torch.get_rng_state()
    curves = [find_learning_rate(model, Quadratic(), SGD, start=1e-4, end=10.0) for _ in range(2)]
    assert curves[0] == curves[1]
    assert torch.equal(model.place, torch.full((64,), 2.0)) and model.place.grad is None
    assert not model.training and torch.equal(torch.get_rng_state(), random)

    def stop(step: int, rate: float, loss: float) -> None:
        if step == 5:
            raise StopRequested

    with pytest.raises(StopRequested):
        find_learning_rate(model, Quadratic(), SGD, start=1e-3, end=1.0, report=stop)
    assert torch.equal(model.place, torch.full((64,), 2.0))


def test_a_curve_that_is_known_is_read_by_the_rule() -> None:
    # A loss that falls along a logistic curve centred on 1e-2 and explodes from 1 on.
    rates = rising_rates(1e-6, 100.0, 401)
    losses = [
        6 - 4 / (1 + math.exp(-3 * math.log(rate / 1e-2))) + (50 * math.log(rate) if rate > 1 else 0)
        for rate in rates
    ]
    assert all(b / a == pytest.approx(1e8 ** (1 / 400)) for a, b in zip(rates, rates[1:], strict=False))
    curve = read_curve(rates, losses)
    lag = 1e8 ** (9 / 400)  # an average with memory 0.9 is nine steps late
    assert curve.steepest == pytest.approx(1e-2 * lag, rel=0.3)
    assert curve.diverged is not None and 1 < curve.diverged < 2 * lag
    assert curve.suggestion == min(curve.steepest, curve.diverged / 10)
    calm = read_curve(rates[:250], losses[:250])
    assert calm.diverged is None and calm.suggestion == calm.steepest
    assert smooth([3.0, 3.0, 3.0]) == pytest.approx([3.0, 3.0, 3.0])
    assert smooth([1.0, 2.0], 0.5) == pytest.approx([1.0, (0.25 * 1 + 0.5 * 2) / 0.75])
    broken = read_curve([*rates[:100], 1.0], [*losses[:100], math.nan])
    assert broken.diverged == 1.0 and broken.to_dict()["losses"][-1] is None


def test_what_tells_nothing_is_refused() -> None:
    rates = rising_rates(1e-3, 1.0, 20)
    with pytest.raises(TrainingError, match="never fell"):
        read_curve(rates, [1.0 + place for place in range(20)])
    with pytest.raises(TrainingError, match="diverged after 5 steps"):
        read_curve(rates[:6], [1.0] * 5 + [math.inf])
    with pytest.raises(ValidationError, match="must be at least ten times start"):
        LRFindConfig(tokens="x", start=0.1, end=0.5)


def test_the_stage_suggests_a_rate_that_trains(road: SimpleNamespace, tmp_path: Path) -> None:
    shape = {"layers": 1, "width": 32, "heads": 2, "context_length": 32}
    training = {"batch_size": 8, "device": "cpu", "threads": 1}
    config = LRFindConfig(
        tokens=road.tokens.id, model=shape, training=training, start=1e-5, end=10.0, trials=80
    )
    told = road.context(tmp_path / "first")
    artifact = run(config, told)
    artifact.verify()
    curve = json.loads((artifact.path / "curve.json").read_text())
    assert len(curve["rates"]) == len(curve["losses"]) == len(curve["smoothed"])
    assert 1e-4 < curve["suggestion"] < 1e-1 and artifact.summary["learning_rate"] == curve["suggestion"]
    assert curve["losses"][0] == pytest.approx(math.log(400), rel=0.1), "weights are fresh"
    logged = [values["lr_find/loss"] for _, values in told.logged]
    assert logged == [loss for loss in curve["losses"] if loss is not None]
    assert f"{curve['suggestion']:.2g} is suggested" in told.messages[-1]
    again = run(config, road.context(tmp_path / "again"))
    assert json.loads((again.path / "curve.json").read_text()) == curve
