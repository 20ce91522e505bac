"""Norms, feed-forward parts and experts against formulas written out here, and against finite differences."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from llm_playground.transformer import Capture, ModelConfig
from llm_playground.transformer.feed_forward import FeedForward, MixtureOfExperts
from llm_playground.transformer.forward_pass import prepare_pass
from llm_playground.transformer.norms import make_head_norm, make_norm

from .mixtures import BOTH, DECODERS, MIXTURES, build, configure, ids


def drawn(module: nn.Module, seed: int = 0) -> nn.Module:
    """Fill all parameters with random float64 numbers."""
    generator = torch.Generator().manual_seed(seed)
    module = module.double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * 0.5)
    return module


def shape(**changes: Any) -> ModelConfig:
    return ModelConfig(**{"width": 12, "heads": 3, "head_width": 4, "layers": 2, "vocab_size": 50, **changes})


def vectors(*size: int, seed: int = 3) -> torch.Tensor:
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def plain_norm(
    kind: str, x: list[float], weight: list[float], bias: list[float], eps: float, groups: int = 1
):
    """One token's norm in plain Python."""
    if kind.startswith("rmsnorm"):
        root = math.sqrt(sum(value * value for value in x) / len(x) + eps)
        plus = 1.0 if kind == "rmsnorm_plus_one" else 0.0
        return [value / root * (gain + plus) for value, gain in zip(x, weight, strict=True)]
    result, size = [], len(x) // groups
    for start in range(0, len(x), size):
        part = x[start : start + size]
        mean = sum(part) / size
        spread = math.sqrt(sum((value - mean) ** 2 for value in part) / size + eps)
        result += [(value - mean) / spread for value in part]
    return [value * gain + shift for value, gain, shift in zip(result, weight, bias, strict=True)]


@pytest.mark.parametrize(
    ("kind", "groups", "bias"),
    [
        ("layernorm", 1, True),
        ("layernorm", 1, False),
        ("rmsnorm", 1, False),
        ("rmsnorm_plus_one", 1, False),
        ("groupnorm", 1, True),
        ("groupnorm", 4, True),
        ("groupnorm", 3, False),
    ],
)
def test_norms_follow_their_formula(kind: str, groups: int, bias: bool) -> None:
    config = shape(norm=kind, norm_groups=groups, bias=bias, norm_eps=1e-3)
    norm, x = drawn(make_norm(config)), vectors(2, 3, 12)
    shift = norm.bias.tolist() if bias else [0.0] * 12
    made = norm(x)
    for row in range(2):
        for token in range(3):
            right = plain_norm(kind, x[row, token].tolist(), norm.weight.tolist(), shift, 1e-3, groups)
            assert made[row, token].tolist() == pytest.approx(right, abs=1e-12)
    assert torch.autograd.gradcheck(norm, x.requires_grad_())


@pytest.mark.parametrize("kind", ["layernorm", "rmsnorm", "rmsnorm_plus_one", "groupnorm"])
def test_norms_start_as_plain_normalization_and_heads_have_an_rmsnorm(kind: str) -> None:
    x = vectors(2, 12).float()
    start, heads = make_norm(shape(norm=kind)), make_head_norm(shape(norm=kind))
    right = plain_norm(kind.removesuffix("_plus_one"), x[0].tolist(), [1.0] * 12, [0.0] * 12, 1e-5)
    assert start(x)[0].tolist() == pytest.approx(right, abs=1e-5)
    right = plain_norm("rmsnorm", x[0, :4].tolist(), [1.0] * 4, [], 1e-5)
    assert heads(x[0, :4]).tolist() == pytest.approx(right, abs=1e-5)
    assert [name for name, _ in heads.named_parameters()] == ["weight"]


def test_a_gain_of_one_plus_w_is_computed_in_float32_and_rounded_once() -> None:
    norm = make_norm(shape(norm="rmsnorm_plus_one")).bfloat16()
    with torch.no_grad():
        norm.weight.copy_(vectors(12))
    x = vectors(5, 12).bfloat16()
    wide = plain_norm("rmsnorm_plus_one", x[0].tolist(), norm.weight.tolist(), [], 1e-5)
    assert norm(x).dtype == torch.bfloat16
    assert norm(x)[0].tolist() == torch.tensor(wide).bfloat16().tolist()


CURVES = {
    "relu": lambda x: max(x, 0.0),
    "relu2": lambda x: max(x, 0.0) ** 2,
    "gelu": lambda x: x * 0.5 * (1 + math.erf(x / math.sqrt(2))),
    "gelu_tanh": lambda x: 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "swiglu": lambda x: x / (1 + math.exp(-x)),
}
CURVES |= {"geglu": CURVES["gelu"], "geglu_tanh": CURVES["gelu_tanh"]}


def plain_ffn(name: str, x: np.ndarray, up: np.ndarray, down: np.ndarray, up_bias=0.0, down_bias=0.0):
    """One token's feed-forward part, its curve in plain Python."""
    made = up @ x + up_bias
    if "glu" in name:
        gate, made = made[: len(made) // 2], made[len(made) // 2 :]
        hidden = np.array([CURVES[name](value) for value in gate]) * made
    else:
        hidden = np.array([CURVES[name](value) for value in made])
    return down @ hidden + down_bias


@pytest.mark.parametrize("name", list(CURVES))
@pytest.mark.parametrize("bias", [True, False])
def test_feed_forward_parts_follow_their_formula(name: str, bias: bool) -> None:
    part = drawn(FeedForward(shape(activation=name, bias=bias, ffn_width=7), "ffn"))
    x = vectors(2, 3, 12)
    made = part(x).detach().numpy()
    weights = [part.up.weight, part.down.weight, *([part.up.bias, part.down.bias] if bias else [])]
    plain = [weight.detach().numpy() for weight in weights]
    for row in range(2):
        for token in range(3):
            assert np.allclose(made[row, token], plain_ffn(name, x[row, token].numpy(), *plain), atol=1e-12)
    assert torch.autograd.gradcheck(part, x.requires_grad_())
    for parameter in part.parameters():
        check_parameter(part, parameter, lambda: part(x).square().sum())


def check_parameter(module: nn.Module, parameter: nn.Parameter, loss: Any, places: int = 6) -> None:
    """Compare a parameter's gradient with central differences at some random places."""
    module.zero_grad()
    loss().backward()
    assert parameter.grad is not None
    flat, gradient = parameter.data.view(-1), parameter.grad.view(-1)
    generator = torch.Generator().manual_seed(1)
    for place in torch.randint(0, len(flat), (min(places, len(flat)),), generator=generator).tolist():
        kept, step = float(flat[place]), 1e-5
        with torch.no_grad():
            flat[place] = kept + step
            above = float(loss())
            flat[place] = kept - step
            below = float(loss())
            flat[place] = kept
        assert float(gradient[place]) == pytest.approx((above - below) / (2 * step), rel=1e-5, abs=1e-6)


@pytest.mark.parametrize(("activation", "chosen"), [("swiglu", 2), ("gelu", 1), ("relu2", 4)])
def test_experts_follow_their_formula(activation: str, chosen: int) -> None:
    config = shape(activation=activation, ffn_width=5, experts=4, experts_per_token=chosen)
    part, x = drawn(MixtureOfExperts(config, "ffn")), vectors(2, 5, 12)
    part.train()
    made = part(x).detach().numpy()
    up, down, router = (w.detach().numpy() for w in (part.up, part.down, part.router.weight))
    used, shares = np.zeros(4), np.zeros(4)
    for row in range(2):
        for token in range(5):
            vector = x[row, token].numpy()
            scores = np.exp(router @ vector)
            scores /= scores.sum()  # over all experts, before the best are taken
            best = sorted(range(4), key=lambda expert: -scores[expert])[:chosen]
            right = sum(
                scores[expert] / scores[best].sum() * plain_ffn(activation, vector, up[expert], down[expert])
                for expert in best
            )
            assert np.allclose(made[row, token], right, atol=1e-12)
            used[best] += 1 / (10 * chosen)
            shares += scores / 10
    assert part.balance is not None
    assert part.balance.item() == pytest.approx(4 * float((used * shares).sum()))
    assert torch.autograd.gradcheck(part, x.requires_grad_())
    for parameter in part.parameters():
        check_parameter(part, parameter, lambda: part(x).square().sum() + 3 * part.balance)


def test_the_balance_of_experts_is_of_the_last_training_pass_only() -> None:
    model = build("mixture")
    assert model.balance_loss is None
    model.train()
    model(ids(2, 10)).sum().backward()
    balance = model.balance_loss
    assert balance is not None and balance.requires_grad
    assert 3 * 0.9 < balance.item() < 3 * 4  # three layers, each 1 if all experts work alike
    twin = copy.deepcopy(model)  # possible though the loss hangs on a graph
    assert twin.balance_loss is None
    model.eval()
    model(ids(2, 10))
    assert model.balance_loss is None and build("llama").balance_loss is None


def test_experts_used_alike_have_a_balance_of_one() -> None:
    part = MixtureOfExperts(shape(experts=4, experts_per_token=1), "ffn").train()
    nn.init.zeros_(part.up)
    nn.init.zeros_(part.down)
    with torch.no_grad():
        part.router.weight.copy_(torch.eye(4, 12) * 1e-4)
    part(torch.eye(12)[:4].unsqueeze(0))  # each token prefers another expert, by a hair
    assert part.balance.item() == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("name", list(DECODERS))
def test_gradients_of_a_block_equal_finite_differences(name: str) -> None:
    model = build(name, width=12, head_width=DECODERS[name].get("head_width", 4)).double()
    for index in (0, 2):

        def run(x: torch.Tensor, name: str = f"blocks.{index}.input") -> torch.Tensor:
            return model.hidden(ids(1, 6), capture=Capture(edits={name: lambda _: x}))

        x = vectors(1, 6, 12).requires_grad_()
        assert torch.autograd.gradcheck(run, x, atol=1e-4, fast_mode=True)
        for parameter in model.blocks[index].parameters():
            check_parameter(model, parameter, lambda x=x: run(x).square().sum(), places=2)


@pytest.mark.parametrize("name", ["vaswani", "modern"])
def test_gradients_of_cross_attention_equal_finite_differences(name: str) -> None:
    model = build(name).double()
    source, target = ids(2, 7), ids(2, 5, seed=2)
    mask = torch.ones_like(source)
    mask[0, 5:] = 0
    weight = vectors(2, 5, 61)
    for part, parameter in model.named_parameters():
        if "cross_attention" in part or part.startswith("encoder.blocks.1"):
            check_parameter(model, parameter, lambda: (model(source, target, mask) * weight).sum(), places=2)


@pytest.mark.parametrize("name", list(MIXTURES))
def test_every_mixture_is_built_without_memory_and_drawn_with_it(name: str) -> None:
    config = configure(name)
    real = build(name)
    with torch.device("meta"):
        model = type(real)(config)
    assert all(parameter.is_meta for parameter in model.parameters())
    assert {key: value.shape for key, value in model.state_dict().items()} == {
        key: value.shape for key, value in real.state_dict().items()
    }
    tokens = torch.zeros(2, 10, dtype=torch.long, device="meta")
    logits = model(tokens, tokens) if name in BOTH else model(tokens)
    assert logits.is_meta and logits.shape == (2, 10, config.vocab_size)


@pytest.mark.parametrize("name", list(MIXTURES))
def test_weights_start_with_the_asked_spread(name: str) -> None:
    torch.manual_seed(0)
    config = configure(name, init_std=0.03, width=96, heads=6, kv_heads=None, head_width=None)
    model = type(build(name))(config)
    for part, parameter in model.named_parameters():
        if parameter.dim() < 2:
            gain = "norm" in part and part.endswith("weight") and config.norm != "rmsnorm_plus_one"
            head_gain = part.endswith(("q_norm.weight", "k_norm.weight"))
            whole = gain or (head_gain and config.norm != "rmsnorm_plus_one")
            assert torch.equal(parameter, torch.full_like(parameter, 1.0 if whole else 0.0)), part
            continue
        writes = part.removesuffix(".weight").endswith((".output", ".down"))
        depth = config.encoder_depth if part.startswith("encoder.") else config.layers
        parts = (3 if name in BOTH and not part.startswith("encoder.") else 2) * depth
        expected = 0.03 / math.sqrt(parts) if writes else 0.03
        assert float(parameter.std()) == pytest.approx(expected, rel=0.15), part


def test_a_pass_in_bfloat16_and_under_autocast_stays_close() -> None:
    for name in DECODERS:
        model, tokens = build(name, init_std=0.02), ids(2, 12)
        with torch.no_grad():
            right = model(tokens)
            with torch.autocast("cpu", torch.bfloat16):
                cast = model(tokens).float()
            half = model.bfloat16()(tokens)
        assert half.dtype == torch.bfloat16, name
        scale = float(right.abs().max())
        for other in (half.float(), cast):
            assert (other - right).abs().mean() < 0.02 * scale, name


def test_prepare_pass_counts_positions_of_real_tokens() -> None:
    mask = torch.tensor([[0, 0, 1, 1], [1, 1, 1, 0]])
    shared = prepare_pass(torch.zeros(2, 4, dtype=torch.long), context=4, attention_mask=mask)
    assert shared.positions.tolist() == [[0, 0, 0, 1], [0, 1, 2, 2]] and shared.length == 3
