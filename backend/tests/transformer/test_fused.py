"""Functions with a backward pass of their own: their gradients are those of PyTorch's single operations."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from llm_playground.transformer import ModelConfig, TransformerLM, fused, linear
from llm_playground.transformer.loss import IGNORE, cross_entropy_sum
from llm_playground.transformer.rotary import rotate


def numbers(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64).requires_grad_()


def table(time: int, size: int) -> tuple[Tensor, Tensor]:
    angles = torch.arange(time)[:, None] * 100.0 ** (-torch.arange(0, size, 2, dtype=torch.float64) / size)
    return torch.cat((angles, angles), -1).cos(), torch.cat((-angles.sin(), angles.sin()), -1)


def test_rms_norm() -> None:
    norm = fused.RMSNorm(6, eps=0.1).double()
    norm.weight = torch.nn.Parameter(numbers(6, seed=1).detach())
    x = numbers(2, 3, 6)

    def work(x: Tensor, weight: Tensor) -> Tensor:
        return torch.func.functional_call(norm, {"weight": weight}, x)

    torch.testing.assert_close(work(x, norm.weight), F.rms_norm(x, (6,), norm.weight, 0.1))
    assert torch.autograd.gradcheck(work, (x, norm.weight))


def test_swiglu() -> None:
    x = numbers(2, 3, 8)
    torch.testing.assert_close(fused.swiglu(x), F.silu(x[..., :4]) * x[..., 4:])
    assert torch.autograd.gradcheck(fused.swiglu, (x,))


@pytest.mark.parametrize(("heads", "size"), [((2, 2, 2), 4), ((4, 1, 1), 2)])
def test_heads_are_split_and_turned(heads: tuple[int, int, int], size: int) -> None:
    qkv, turns = numbers(2, 3, 4 * sum(heads)), table(3, size)

    def work(qkv: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return fused.split_and_turn(qkv, turns, heads)

    parts = [part.unflatten(-1, (-1, 4)).transpose(1, 2) for part in qkv.split([4 * n for n in heads], -1)]
    expected = (rotate(parts[0], turns), rotate(parts[1], turns), parts[2])
    torch.testing.assert_close(work(qkv), expected)
    assert torch.autograd.gradcheck(work, (qkv,))


def test_loss_of_the_head(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fused, "_LOGITS", 2 * 7)  # two tokens at a time
    hidden, weight, targets = numbers(5, 3), numbers(7, 3, seed=1), torch.tensor([0, 6, 3, 3, 1])

    def work(hidden: Tensor, weight: Tensor) -> Tensor:
        return fused.head_loss(hidden, weight, targets)

    expected = F.cross_entropy(hidden @ weight.T, targets, reduction="sum")
    torch.testing.assert_close(work(hidden, weight), expected)
    assert torch.autograd.gradcheck(work, (hidden, weight))
    with torch.no_grad():
        torch.testing.assert_close(work(hidden, weight), expected.detach())
    nothing = fused.head_loss(hidden[:0], weight, targets[:0])
    assert nothing.item() == 0 and not torch.autograd.grad(nothing, weight)[0].any()


@pytest.mark.parametrize("bias", [False, True])
def test_wide_products(bias: bool) -> None:
    width = linear._WIDE
    layer = linear.Linear(width, width + 8, bias=bias)
    torch.manual_seed(0)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    x = torch.randn(2, linear._ROWS, width, requires_grad=True)
    upstream = torch.randn(2, linear._ROWS, width + 8)
    made, expected = layer(x), F.linear(x, layer.weight, layer.bias)
    torch.testing.assert_close(made, expected, rtol=1e-4, atol=1e-3)
    wanted = [x, *layer.parameters()]
    for ours, theirs in zip(
        torch.autograd.grad(made, wanted, upstream),
        torch.autograd.grad(expected, wanted, upstream),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-3)


def gradients(model: TransformerLM, loss: Callable[[], Tensor]) -> list[Tensor]:
    model.zero_grad()
    loss().backward()
    return [parameter.grad for parameter in model.parameters() if parameter.grad is not None]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"kv_heads": 2, "tied_embeddings": False},
        {"qk_norm": True, "logit_softcap": 5.0},
        {"positions": "learned", "norm": "layernorm", "activation": "gelu_tanh", "bias": True},
    ],
)
@pytest.mark.parametrize("autocast", [False, True])
def test_a_model_trains_as_by_single_operations(
    changes: dict[str, object], autocast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    shape = {"vocab_size": 40, "context_length": 12, "width": 32, "layers": 2, "heads": 4, "init_std": 0.2}
    model = TransformerLM(ModelConfig(**{**shape, **changes}))
    ids = torch.randint(0, 40, (3, 13))
    targets = ids[:, 1:].masked_fill(torch.rand(3, 12) < 0.3, IGNORE)

    def loss() -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            return model(ids[:, :-1], targets=targets)

    def plainly() -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            return cross_entropy_sum(model(ids[:, :-1]), targets)[0]

    ours, made = float(loss().detach()), gradients(model, loss)
    for module in ("attention", "fused", "loss"):
        monkeypatch.setattr(f"llm_playground.transformer.{module}.fusible", lambda *tensors: False)
    assert ours == pytest.approx(float(plainly().detach()), rel=1e-6)
    for found, expected in zip(made, gradients(model, plainly), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
