"""Training in bf16 on a processor: as close to float32 as PyTorch's own operations under autocast are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from llm_playground.transformer import ModelConfig, TransformerLM, attention_bf16, fused_bf16
from llm_playground.transformer.fused import RMSNorm
from llm_playground.transformer.loss import IGNORE
from llm_playground.transformer.rotary import rotate

PLACES = ("fused", "fused_bf16", "feed_forward", "attention_bf16")


@contextmanager
def by_single_operations() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for module in PLACES:
            patch.setattr(f"llm_playground.transformer.{module}.in_bf16", lambda x: False)
        yield


def autocast(enabled: bool = True) -> torch.autocast:
    return torch.autocast("cpu", torch.bfloat16, enabled=enabled)


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def distance(found: Tensor, expected: Tensor) -> float:
    return float((found.double() - expected.double()).detach().norm() / expected.detach().double().norm())


def step(model: TransformerLM, ids: Tensor, half: bool = True) -> tuple[float, dict[str, Tensor]]:
    targets = ids[:, 1:].masked_fill(ids[:, 1:] < 20, IGNORE)
    model.zero_grad()
    with autocast(half):
        loss = model(ids[:, :-1], targets=targets)
    loss.backward()
    gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    return float(loss.detach()), gradients


@pytest.mark.parametrize(
    ("changes", "layers"),  # layers whose attention is that of products
    [
        ({}, 2),
        ({"kv_heads": 2, "tied_embeddings": False, "rope_share": 0.5}, 2),
        ({"positions": "learned", "norm": "layernorm", "activation": "gelu_tanh", "bias": True}, 2),
        ({"norm_placement": "post"}, 2),
        ({"experts": 3, "window": 8, "full_attention_layers": (1,)}, 1),
        ({"qk_norm": True, "norm_placement": "sandwich", "parallel": True}, 0),
    ],
)
def test_gradients_are_as_close_to_float32_as_those_of_single_operations(
    changes: dict[str, object], layers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    shape = {"vocab_size": 160, "context_length": 160, "width": 64, "layers": 2, "heads": 4, "init_std": 0.1}
    model = TransformerLM(ModelConfig(**{**shape, **changes}))  # type: ignore[arg-type]
    ids = torch.randint(0, 160, (3, 151))
    exact, right = step(model, ids, half=False)
    calls: list[int] = []

    def attend(*args: Any) -> Tensor:
        calls.append(1)
        return attention_bf16.attend(*args)

    monkeypatch.setattr("llm_playground.transformer.attention.attend", attend)
    ours, found = step(model, ids)
    assert len(calls) == layers
    with by_single_operations():
        theirs, plain = step(model, ids)
    assert ours == pytest.approx(exact, rel=1e-3) and theirs == pytest.approx(exact, rel=1e-3)
    assert found.keys() == right.keys() and ours != theirs
    for name, expected in right.items():
        assert found[name].dtype == torch.float32
        if distance(plain[name], expected) < 0.3:  # else a sum of almost nothing, as of keys' biases
            assert distance(found[name], expected) < 1.6 * distance(plain[name], expected) + 1e-3, name


def test_the_same_step_gives_the_same_bits() -> None:
    torch.manual_seed(0)
    model = TransformerLM(ModelConfig(vocab_size=32, context_length=16, width=32, layers=2, heads=2))
    ids = torch.randint(0, 32, (2, 17))
    first, second = step(model, ids), step(model, ids)
    assert first[0] == second[0] and all(torch.equal(first[1][name], second[1][name]) for name in first[1])


def attended(qkv: Tensor, table: tuple[Tensor, Tensor] | None, upstream: Tensor) -> tuple[Tensor, Tensor]:
    made = attention_bf16.attend(qkv, table, (4, 2), 0.3)
    return made, torch.autograd.grad(made, qkv, upstream)[0]


@pytest.mark.parametrize("turning", [0, 4, 8])
def test_attention_in_blocks(turning: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four query heads of 8 with two of keys and values, 12 tokens."""
    qkv, upstream = numbers(2, 12, 64).bfloat16().requires_grad_(), numbers(2, 12, 32, seed=1).bfloat16()
    table = None
    if turning:
        angles = torch.arange(12)[:, None] * 100.0 ** (-torch.arange(0, turning, 2) / turning)
        table = (torch.cat((angles, angles), -1).cos(), torch.cat((-angles.sin(), angles.sin()), -1))
    wide = qkv.detach().double().requires_grad_()
    parts = [part.unflatten(-1, (-1, 8)).transpose(1, 2) for part in wide.split([32, 16, 16], -1)]
    if table is not None:
        turns = (table[0].double(), table[1].double())
        parts[:2] = [rotate(part, turns) for part in parts[:2]]
        table = (table[0].bfloat16(), table[1].bfloat16())
    mixed = F.scaled_dot_product_attention(*parts, is_causal=True, scale=0.3, enable_gqa=True)
    expected = mixed.transpose(1, 2).flatten(2)
    right = torch.autograd.grad(expected, wide, upstream.double())[0]
    whole = attended(qkv, table, upstream)
    assert distance(whole[0], expected) < 0.01 and distance(whole[1], right) < 0.015
    # Four blocks of 3 tokens, 3 of the 8 heads at a time; weights made again.
    monkeypatch.setattr(attention_bf16, "_LEAST", 3)
    monkeypatch.setattr(attention_bf16, "_MOST", 3)
    monkeypatch.setattr(attention_bf16, "_AT_ONCE", 3 * 2 * 3 * 12)
    assert [attention_bf16.blocks_of(time) for time in (12, 6, 10, 11)] == [4, 2, 2, 1]
    blocks = attended(qkv, table, upstream)
    assert distance(blocks[0], expected) < 0.01 and distance(blocks[1], right) < 0.015
    monkeypatch.setattr(attention_bf16, "KEPT", 0)
    again = attended(qkv, table, upstream)
    assert torch.equal(blocks[0], again[0]) and torch.equal(blocks[1], again[1])


def test_norm_and_gelu() -> None:
    x, weight, upstream = numbers(2, 3, 64), numbers(64, seed=1), numbers(2, 3, 64, seed=2).bfloat16()
    norm = RMSNorm(64, 0.1, for_products=True)
    norm.weight.data.copy_(weight)
    x.requires_grad_()
    with autocast():
        normed = norm(x)
    for made, expected, inputs in (
        (normed, F.rms_norm(x, (64,), norm.weight, 0.1), (x, norm.weight)),
        (fused_bf16.gelu_tanh(x.bfloat16()), F.gelu(x.bfloat16().double(), approximate="tanh"), (x,)),
    ):
        assert made.dtype == torch.bfloat16 and distance(made.detach(), expected.detach()) < 0.004
        found = torch.autograd.grad(made, inputs, upstream)
        right = torch.autograd.grad(expected, inputs, upstream.to(expected.dtype))
        for ours, theirs in zip(found, right, strict=True):
            assert ours.dtype == torch.float32 and distance(ours, theirs) < 0.008


def test_loss_of_the_head(monkeypatch: pytest.MonkeyPatch) -> None:
    hidden, weight = numbers(9, 16).requires_grad_(), numbers(40, 16, seed=1).requires_grad_()
    targets = torch.arange(9) * 4
    expected = F.cross_entropy(hidden @ weight.T, targets, reduction="sum")
    right = torch.autograd.grad(expected / 9, (hidden, weight))

    def work() -> tuple[float, tuple[Tensor, ...]]:
        loss = fused_bf16.head_loss(hidden, weight, targets)
        return float(loss.detach()), torch.autograd.grad(loss / 9, (hidden, weight))

    whole, gradients = work()
    monkeypatch.setattr(fused_bf16, "_LOGITS", 4 * 40)
    monkeypatch.setattr(fused_bf16, "_SCORES", 3 * 40)  # three tokens of four at a time
    parts, same = work()
    assert whole == pytest.approx(float(expected.detach()), rel=2e-3) and parts == pytest.approx(whole)
    for found in (gradients, same):
        for ours, theirs in zip(found, right, strict=True):
            assert ours.dtype == torch.float32 and distance(ours, theirs) < 0.01
    nothing = fused_bf16.head_loss(hidden[:0], weight, targets[:0])
    assert nothing.item() == 0 and not torch.autograd.grad(nothing, weight)[0].any()


def test_what_is_not_training_goes_the_plain_way() -> None:
    x = torch.zeros(2)
    with autocast():
        assert fused_bf16.in_bf16(x)
        with torch.no_grad():
            assert not fused_bf16.in_bf16(x)
    with torch.autocast("cpu", torch.float16):
        assert not fused_bf16.in_bf16(x)
    assert not fused_bf16.in_bf16(x)
