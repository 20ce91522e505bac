"""Half precision: close to float32, float32 weights, the loss scale of fp16, and the choice of ``auto``."""

from __future__ import annotations

import json
import math
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from llm_playground.core.errors import TrainingError
from llm_playground.training import engine
from llm_playground.training.engine import accumulate
from llm_playground.training.precision import LossScaler, candidates, choose_precision, tf32
from llm_playground.transformer import ModelConfig, TransformerLM

from .counting import Counting, equal, go, numbers

SHAPES = {
    "llama": {},
    "gpt2": {"positions": "learned", "norm": "layernorm", "activation": "gelu_tanh", "bias": True},
    "experts": {"experts": 3, "qk_norm": True},
    "alibi, softcaps": {"positions": "alibi", "attention_softcap": 20.0, "logit_softcap": 30.0},
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("precision", "bound"), [("bf16", 0.03), ("fp16", 0.005)])
def test_gradients_are_close_to_those_of_float32(shape: str, precision: str, bound: float) -> None:
    torch.manual_seed(0)
    sizes = {"vocab_size": 32, "context_length": 16, "width": 32, "layers": 2, "heads": 4, "init_std": 0.1}
    model = TransformerLM(ModelConfig(**{**sizes, **SHAPES[shape]}))  # type: ignore[arg-type]
    objective, found = Counting(), {}
    for name in ("float32", precision):
        scale = 2.0**10 if name == "fp16" else None
        means = accumulate(model, objective, objective.batch(0, 8), 4, precision=name, scale=scale)
        gradient = torch.cat([p.grad.flatten() for p in model.parameters()]) / (scale or 1)  # type: ignore[union-attr]
        assert gradient.dtype == torch.float32
        found[name] = means["loss"], gradient
        model.zero_grad()
    assert found[precision][0] == pytest.approx(found["float32"][0], rel=bound)
    assert found[precision][0] != found["float32"][0]
    difference = (found[precision][1] - found["float32"][1]).norm() / found["float32"][1].norm()
    assert 0 < float(difference) < 2 * bound


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_it_learns_as_in_float32_with_float32_weights(precision: str, tmp_path: Path) -> None:
    settings = {"steps": 60, "batch_size": 8, "eval_every": 30, "shape": {"dropout": 0.0}}
    _, _, exact = go(tmp_path / "exact", **settings)
    context, weights, result = go(tmp_path / "half", precision=precision, **settings)
    assert result is not None and exact is not None
    assert result.summary()["precision"] == precision and exact.summary()["precision"] == "float32"
    assert result.metrics["val/loss"] == pytest.approx(exact.metrics["val/loss"], rel=0.05)
    assert all(value.dtype == torch.float32 for value in weights.values())
    folder = tmp_path / "half" / "checkpoints" / "step_00000060"
    for name in ("model", "optimizer"):
        assert {v.dtype for v in load_file(folder / f"{name}.safetensors").values()} == {torch.float32}
    scales = [value for _, name, value in numbers(context) if name == "train/loss_scale"]
    assert scales == ([2.0**16] * 60 if precision == "fp16" else [])


def test_the_scale_moves_as_that_of_torch() -> None:
    mine, theirs = LossScaler(), torch.amp.GradScaler("cpu", growth_interval=3)
    mine.growth_interval = 3
    parameter = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([parameter], lr=0.0)
    for step in range(40):
        finite = step not in (0, 1, 4, 13, 14, 15, 29)
        parameter.grad = torch.tensor([mine.scale * 3.0, math.inf if not finite else 1.0])
        theirs.scale(torch.zeros(()))  # makes its scale, which is made late
        theirs.unscale_(optimizer)
        theirs.update()
        unscaled = parameter.grad.clone()
        parameter.grad = torch.tensor([mine.scale * 3.0, math.inf if not finite else 1.0])
        mine.unscale([parameter])
        assert torch.equal(parameter.grad, unscaled) and float(unscaled[0]) == 3.0
        mine.update(finite)
        assert mine.scale == theirs.get_scale()
    other = LossScaler()
    other.load(json.loads(json.dumps(mine.state())))
    assert other.state() == mine.state()


def test_steps_that_overflow_halve_the_scale_and_are_no_sign_of_divergence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "LossScaler", partial(LossScaler, 2.0**35))
    context, weights, result = go(tmp_path, precision="fp16", steps=30)
    skipped = [message for message in context.messages if "skipped" in message]
    assert skipped[0] == (
        "Step 1 was skipped: its gradient is too large for fp16; the loss scale is now 1.71799e+10."
    )
    assert result is not None and result.skipped_steps == len(skipped) > 10  # more than may be bad in a row
    norms = [value for step, name, value in numbers(context) if name == "train/grad_norm"]
    assert not any(math.isfinite(norm) for norm in norms[: len(skipped)])
    assert all(math.isfinite(norm) for norm in norms[len(skipped) :])
    assert all(torch.isfinite(value).all() for value in weights.values())


def test_a_loss_that_is_not_finite_is_counted_as_bad_under_a_scale_too(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="not finite for 10 steps in a row"):
        go(tmp_path, Counting(bad_steps=tuple(range(2, 40))), precision="fp16", steps=40)
    _, weights, result = go(tmp_path / "two", Counting(bad_steps=(2, 5)), precision="fp16")
    assert result is not None and result.skipped_steps == 2
    assert all(torch.isfinite(value).all() for value in weights.values())


def test_another_format_must_be_clearly_faster() -> None:
    assert choose_precision({"float32": 1.0, "bf16": 0.5}) == "bf16"
    assert choose_precision({"float32": 1.0, "bf16": 0.97}) == "float32"
    assert choose_precision({"float32": 1.0, "bf16": 2.0}) == "float32"
    assert candidates("cpu") == ("float32", "bf16")


def test_auto_measures_without_touching_the_run(tmp_path: Path) -> None:
    context, weights, result = go(tmp_path / "auto", precision="auto")
    assert result is not None and result.precision in candidates("cpu")
    told = context.messages[0]
    assert told.startswith(f"Precision {result.precision} was chosen; a micro-batch took: float32 ")
    assert "ms, bf16 " in told
    named, same, _ = go(tmp_path / "named", precision=result.precision)
    assert numbers(context) == numbers(named) and equal(weights, same)


def test_autos_choice_is_made_once_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, weights, _ = go(tmp_path / "named", precision="bf16")
    with monkeypatch.context() as patch:
        patch.setattr(engine, "measure_precisions", lambda *_, **__: {"float32": 2e-3, "bf16": 1e-3})
        first, _, _ = go(tmp_path / "auto", precision="auto", stop_at=3)
        assert first.messages[0] == (
            "Precision bf16 was chosen; a micro-batch took: float32 2.0 ms, bf16 1.0 ms."
        )
        patch.setattr(engine, "measure_precisions", lambda *_, **__: pytest.fail("measured again"))
        second, resumed, result = go(tmp_path / "auto", precision="auto")
    assert json.loads((tmp_path / "auto" / "resolved.json").read_text()) == {"precision": "bf16"}
    assert result is not None and result.precision == "bf16" and equal(resumed, weights)
    assert numbers(first) + numbers(second) == numbers(whole)


def test_tf32_is_switched_on_for_the_run_only(tmp_path: Path) -> None:
    before = torch.get_float32_matmul_precision()
    with tf32(True):
        assert torch.get_float32_matmul_precision() == "high"
    with tf32(False):
        assert torch.get_float32_matmul_precision() == before
    go(tmp_path, tf32=True, steps=2)
    assert torch.get_float32_matmul_precision() == before
