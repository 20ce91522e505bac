"""The scaling ladder, end to end: its prediction for the next size is checked by training it."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from llm_playground.core.errors import ConfigError, StopRequested
from llm_playground.training.power_law import Point, fit_power_law
from llm_playground.training.scaling import ScalingConfig, run, rung_shape
from llm_playground.transformer import ModelConfig

TRAINING: dict[str, Any] = {
    "steps": 400,
    "batch_size": 8,
    "eval_every": 1000,
    "eval_batches": 16,
    "warmup_steps": 10,
    "learning_rate": 5e-3,
    "device": "cpu",
    "threads": 1,
}
SHAPE = {"layers": 1, "width": 64, "heads": 8, "context_length": 32}


def configured(road: SimpleNamespace, **more: Any) -> ScalingConfig:
    values: dict[str, Any] = {"widths": (16, 24, 32, 48), "next_width": 64, "verify": True}
    return ScalingConfig(tokens=road.tokens.id, model=SHAPE, training=TRAINING, **(values | more))


def test_the_next_size_reaches_what_was_predicted(road: SimpleNamespace, tmp_path: Path) -> None:
    context = road.context(tmp_path / "run")
    artifact = run(configured(road), context)
    artifact.verify()
    ladder = json.loads((artifact.path / "ladder.json").read_text())
    losses = [point["loss"] for point in ladder["points"]]
    assert [point["width"] for point in ladder["points"]] == [16, 24, 32, 48]
    assert losses == sorted(losses, reverse=True), "larger models on the same data do better"
    ahead, reached = ladder["prediction"], ladder["measured"]["loss"]
    assert reached < losses[-1] and ahead["loss"] == pytest.approx(reached, rel=0.1)
    assert ahead["low"] <= reached <= ahead["high"]
    points = [
        Point(**{name: value for name, value in point.items() if name != "width"})
        for point in ladder["points"]
    ]
    assert fit_power_law(points).law.loss(ahead["parameters"], ahead["tokens"]) == pytest.approx(
        ahead["loss"]
    )
    assert {point.tokens for point in points} == {400 * 8 * 32}
    names = {name for _, values in context.logged for name in values}
    assert "train/loss/width 16" in names and "val/loss/width 64" in names
    assert "from the prediction" in context.messages[-1]


def test_a_stopped_ladder_goes_on_and_comes_to_the_same(road: SimpleNamespace, tmp_path: Path) -> None:
    short = TRAINING | {"steps": 12, "warmup_steps": 2, "checkpoint_every": 4}
    config = configured(road, verify=False).model_copy(
        update={"training": ScalingConfig(tokens="x", training=short).training}
    )
    whole = json.loads((run(config, road.context(tmp_path / "whole")).path / "ladder.json").read_text())
    context = road.context(tmp_path / "stopped")
    update = context.update

    def stopping(done: float, total: float | None, **details: Any) -> None:
        update(done, total, **details)
        context.stop = done > 2.5

    context.update = stopping
    with pytest.raises(StopRequested):
        run(config, context)
    assert len(list((tmp_path / "stopped" / "rungs").glob("*/rung.json"))) == 2
    context.stop, context.update = False, update
    again = json.loads((run(config, context).path / "ladder.json").read_text())
    assert again == whole


def test_rungs_keep_the_proportions() -> None:
    base = ModelConfig(vocab_size=64, context_length=16, width=64, layers=4, heads=8, kv_heads=4)
    shape = rung_shape(base, 32)
    assert (shape.width, shape.layers, shape.heads, shape.key_value_heads) == (32, 2, 4, 2)
    assert shape.head_size == base.head_size == 8
    odd = rung_shape(base, 24)
    assert odd.heads == 3 and odd.heads % odd.key_value_heads == 0
    with pytest.raises(ConfigError, match="widths: 20 is not a multiple of the head size of 8"):
        rung_shape(base, 20)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"widths": (16, 32)}, "at least 3"),
        ({"widths": (16, 16, 32)}, "three different widths"),
        ({"next_width": 32}, "must exceed all widths"),
        ({"shares": (0.5, 2.0)}, "shares must be above 0 and at most 1"),
    ],
)
def test_ladders_that_tell_nothing_are_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        ScalingConfig(**({"tokens": "x", "widths": (16, 24, 32), "next_width": 64} | wrong))
