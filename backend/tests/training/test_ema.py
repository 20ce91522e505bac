"""The moving average of the weights: its formula, what it is used for, and that it leaves training alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from llm_playground.training.ema import WeightAverage
from llm_playground.transformer import ModelConfig, TransformerLM

from .counting import SHAPE, Counting, equal, go, numbers


def test_the_average_is_the_weighted_sum_of_all_weights_so_far() -> None:
    layer = nn.Linear(3, 2)
    average = WeightAverage(layer, 0.5)
    wanted = layer.weight.detach().double()
    for step in range(1, 30):
        with torch.no_grad():
            layer.weight.add_(torch.randn(2, 3))
        average.update(step)
        decay = min(0.5, (1 + step) / (10 + step))
        wanted = decay * wanted + (1 - decay) * layer.weight.detach().double()
    torch.testing.assert_close(average.tensors()["weight"].double(), wanted, rtol=1e-5, atol=1e-6)


def test_the_model_has_its_own_weights_back_after_a_block_even_if_it_failed() -> None:
    layer = nn.Linear(3, 2)
    average = WeightAverage(layer, 0.9)
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(1.0)
    after = {name: value.clone() for name, value in layer.state_dict().items()}
    with pytest.raises(RuntimeError, match="stop"), average.applied():
        assert equal(layer.state_dict(), before)
        raise RuntimeError("stop")
    assert equal(layer.state_dict(), after) and equal(average.tensors(), before)


def test_keeping_an_average_changes_neither_training_nor_the_weights(tmp_path: Path) -> None:
    plain, weights, _ = go(tmp_path / "plain")
    kept, same, _ = go(tmp_path / "kept", ema_decay=0.9)
    assert numbers(kept) == numbers(plain) and equal(same, weights)
    averages = load_file(tmp_path / "kept" / "checkpoints" / "step_00000012" / "ema.safetensors")
    assert averages.keys() == weights.keys() and not equal(averages, weights)
    assert not (tmp_path / "plain" / "checkpoints" / "step_00000012" / "ema.safetensors").exists()


def test_asked_to_it_validates_and_ends_with_the_average_while_checkpoints_hold_both(tmp_path: Path) -> None:
    plain, weights, _ = go(tmp_path / "plain")
    context, published, result = go(tmp_path / "run", ema_decay=0.9, use_ema_weights=True)
    assert numbers(context, ("train/",)) == numbers(plain, ("train/",))
    folder = tmp_path / "run" / "checkpoints" / "step_00000012"
    assert equal(load_file(folder / "model.safetensors"), weights)
    assert equal(load_file(folder / "ema.safetensors"), published)
    model = TransformerLM(ModelConfig(**SHAPE)).eval()  # type: ignore[arg-type]
    model.load_state_dict(published)
    with torch.no_grad():
        loss = Counting().evaluate(model)["val/loss"]
    assert result is not None and result.metrics["val/loss"] == pytest.approx(loss, rel=1e-6)
    assert numbers(context, ("val/",)) != numbers(plain, ("val/",))


def test_an_average_asked_for_later_starts_from_the_checkpoints_weights(tmp_path: Path) -> None:
    go(tmp_path, stop_at=4)
    start = load_file(tmp_path / "checkpoints" / "step_00000004" / "model.safetensors")
    go(tmp_path, ema_decay=0.5, checkpoint_every=5, keep_checkpoints=5, stop_at=5)
    folder = tmp_path / "checkpoints" / "step_00000005"
    weights, averages = load_file(folder / "model.safetensors"), load_file(folder / "ema.safetensors")
    decay = min(0.5, 6 / 15)
    for name, value in averages.items():
        torch.testing.assert_close(value, decay * start[name] + (1 - decay) * weights[name])
