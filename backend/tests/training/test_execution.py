"""Recomputing blocks and compiling: the same numbers, in less memory or time."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from llm_playground.core import ConfigError
from llm_playground.training.execution import activation_checkpointing, missing_for_compile
from llm_playground.transformer import ModelConfig, TransformerLM, attention_bf16

from .counting import SHAPE, equal, go, numbers

MISSING = missing_for_compile("cpu")


@pytest.mark.parametrize("mode", ["full", "selective"])
@pytest.mark.parametrize(
    ("changes", "precision"), [({}, "float32"), ({"experts": 2}, "float32"), ({"dropout": 0.0}, "bf16")]
)
def test_recomputed_blocks_give_the_same_run(
    mode: str, changes: dict[str, Any], precision: str, tmp_path: Path
) -> None:
    shape = {"layers": 3, **changes}  # with dropout, which must draw the same numbers twice
    plain, weights, _ = go(tmp_path / "plain", shape=shape, precision=precision)
    how = {"precision": precision, "activation_checkpointing": mode}
    context, same, _ = go(tmp_path / "saved", shape=shape, **how)
    assert numbers(context) == numbers(plain) and equal(same, weights)


@pytest.mark.parametrize(("mode", "again"), [("none", 0), ("full", 5), ("selective", 3)])
def test_only_the_chosen_blocks_run_twice_and_less_is_kept(mode: str, again: int) -> None:
    model = TransformerLM(ModelConfig(**{**SHAPE, "layers": 5}))  # type: ignore[arg-type]
    ids = torch.zeros(2, 8, dtype=torch.long)
    calls: list[str] = []
    for block in model.blocks:
        block.attention.register_forward_hook(lambda module, *_: calls.append(module.name))
    kept = 0

    def count(tensor: torch.Tensor) -> torch.Tensor:
        nonlocal kept
        kept += tensor.numel()
        return tensor

    with activation_checkpointing(model, mode):
        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            loss = model(ids).sum()
        once, saved = len(calls), kept
        loss.backward()
        assert (once, len(calls) - once) == (5, again)
        calls.clear()
        model.eval()
        model(ids).sum().backward()
        with torch.no_grad():
            model.train()(ids)
        assert len(calls) == 10  # neither in evaluation nor without gradients
    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        kept = 0
        model(ids)
    assert (saved < 0.8 * kept) if again else (saved == kept)
    assert not any("forward" in vars(block) for block in model.blocks)


def test_a_model_without_blocks_is_refused() -> None:
    with pytest.raises(ConfigError) as caught, activation_checkpointing(nn.Linear(2, 2), "full"):
        pass
    assert str(caught.value) == (
        "activation_checkpointing: this model has no blocks to recompute. Set it to none."
    )


def test_without_a_compiler_one_sentence_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Not by the variable CXX: torch reads it once, and would remember it in the tests that follow.
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(ConfigError) as caught:
        go(tmp_path, compile=True)
    assert re.fullmatch(
        r"compile: torch\.compile needs the C\+\+ compiler \S+, which this machine lacks\. "
        r"Install it, or set compile to false\.",
        str(caught.value),
    )
    assert caught.value.field == "compile"


@pytest.mark.skipif(MISSING is not None, reason=f"torch.compile cannot be tried here: it needs {MISSING}")
@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_compiling_what_is_faster_without_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    monkeypatch.setattr(torch, "compile", lambda model: model)
    context, _, _ = go(tmp_path, compile=True, precision=precision)
    said = [text for text in context.messages if text.startswith("compile: in bf16 this processor is faster")]
    assert len(said) == (precision == "bf16" and attention_bf16.available())


@pytest.mark.skipif(MISSING is not None, reason=f"torch.compile cannot be tried here: it needs {MISSING}")
def test_a_compiled_run_goes_on_with_the_same_numbers_and_names(tmp_path: Path) -> None:
    shape = {"dropout": 0.0}
    plain, weights, _ = go(tmp_path / "plain", shape=shape)
    first, _, _ = go(tmp_path / "run", shape=shape, stop_at=3)
    second, same, _ = go(tmp_path / "run", shape=shape, compile=True)
    assert second.messages[0] == "Resumed from the checkpoint of step 3."
    stored = load_file(tmp_path / "run" / "checkpoints" / "step_00000012" / "model.safetensors")
    assert stored.keys() == same.keys() == weights.keys()
    for name, value in weights.items():
        torch.testing.assert_close(same[name], value, rtol=1e-3, atol=1e-4)
    found, wanted = numbers(first) + numbers(second), numbers(plain)
    assert [row[:2] for row in found] == [row[:2] for row in wanted]
    assert [row[2] for row in found] == pytest.approx([row[2] for row in wanted], rel=1e-3)
