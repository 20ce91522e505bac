"""Sinusoids, rotary positions with every scaling, and ALiBi, against formulas and transformers."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from transformers import LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
from transformers.models.bloom.modeling_bloom import build_alibi_tensor
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding, apply_rotary_pos_emb

from llm_playground.transformer import Capture, ModelConfig, RopeScaling
from llm_playground.transformer.positions import alibi_slopes, sinusoids
from llm_playground.transformer.rotary import Rotary, attention_factor, rotate, scaled_frequencies

from .mixtures import build, ids

SCALINGS: dict[str, dict[str, Any]] = {
    "linear": {"factor": 4.0},
    "dynamic": {"factor": 2.0},
    "dynamic-strong": {"type": "dynamic", "factor": 8.0},
    "yarn": {"factor": 4.0, "original_context": 64},
    "yarn-bounds": {
        "type": "yarn",
        "factor": 2.5,
        "original_context": 40,
        "beta_fast": 8.0,
        "beta_slow": 2.0,
    },
    "yarn-attention": {"type": "yarn", "factor": 16.0, "original_context": 32, "attention_factor": 1.3},
    "yarn-no-ramp": {
        "type": "yarn",
        "factor": 4.0,
        "original_context": 4,
        "beta_fast": 9.0,
        "beta_slow": 8.0,
    },
    "llama3": {"factor": 8.0, "original_context": 64},
    "llama3-narrow": {
        "type": "llama3",
        "factor": 32.0,
        "original_context": 100,
        "low_freq_factor": 2.0,
        "high_freq_factor": 3.0,
    },
}
CONTEXT = 256


def scaling_of(name: str) -> RopeScaling:
    return RopeScaling(**{"type": name.split("-")[0], **SCALINGS[name]})


def theirs(scaling: RopeScaling, size: int, theta: float) -> LlamaConfig:
    parameters: dict[str, Any] = {"rope_type": scaling.type, "factor": scaling.factor, "rope_theta": theta}
    if scaling.type in ("yarn", "llama3"):
        parameters["original_max_position_embeddings"] = scaling.original_context
    if scaling.type == "llama3":
        parameters["low_freq_factor"] = scaling.low_freq_factor
        parameters["high_freq_factor"] = scaling.high_freq_factor
    if scaling.type == "yarn":
        parameters["beta_fast"], parameters["beta_slow"] = scaling.beta_fast, scaling.beta_slow
        if scaling.attention_factor is not None:
            parameters["attention_factor"] = scaling.attention_factor
    return LlamaConfig(
        hidden_size=2 * size,
        num_attention_heads=2,
        max_position_embeddings=CONTEXT,
        rope_parameters=parameters,
    )


@pytest.mark.parametrize("name", list(SCALINGS))
@pytest.mark.parametrize(("size", "theta"), [(16, 10_000.0), (64, 500_000.0), (6, 100.0)])
@pytest.mark.parametrize("length", [10, CONTEXT, 3 * CONTEXT])
def test_scaled_frequencies_equal_those_of_transformers(
    name: str, size: int, theta: float, length: int
) -> None:
    scaling = scaling_of(name)
    compute = ROPE_INIT_FUNCTIONS[scaling.type]
    right, factor = compute(theirs(scaling, size, theta), "cpu", seq_len=torch.tensor(length))
    ours = scaled_frequencies(size, theta, scaling, CONTEXT, length)
    assert torch.equal(ours, right)
    assert attention_factor(scaling) == factor


def shape(**changes: Any) -> ModelConfig:
    return ModelConfig(**{"width": 32, "heads": 2, "context_length": CONTEXT, **changes})


@pytest.mark.parametrize("name", [None, *SCALINGS])
@pytest.mark.parametrize("time", [1, 50, CONTEXT])
def test_queries_are_turned_as_in_transformers(name: str | None, time: int) -> None:
    scaling = None if name is None else scaling_of(name)
    if scaling is None:
        config = LlamaConfig(hidden_size=32, num_attention_heads=2, max_position_embeddings=CONTEXT)
    else:
        config = theirs(scaling, 16, 10_000.0)
    q, k = torch.randn(2, 3, 2, time, 16, generator=torch.Generator().manual_seed(0))
    positions = torch.arange(time)
    cos, sin = LlamaRotaryEmbedding(config)(q, positions[None])
    right = apply_rotary_pos_emb(q, k, cos, sin)
    tables = Rotary(shape(rope_scaling=scaling)).tables(positions, 0, time)
    for ours, other in zip((rotate(q, tables[0]), rotate(k, tables[0])), right, strict=True):
        assert (ours - other).abs().max() < 2e-6


def test_dynamic_scaling_past_the_trained_context_follows_the_length() -> None:
    scaling = RopeScaling(type="dynamic", factor=3.0, original_context=CONTEXT)
    rotary = Rotary(shape(context_length=3 * CONTEXT, rope_scaling=scaling))
    reference = LlamaRotaryEmbedding(theirs(scaling, 16, 10_000.0))
    # A table that is kept must serve short sequences still, after long ones and before.
    for time in (20, 300, 3 * CONTEXT, 20):
        positions = torch.arange(time)
        cos, _ = reference(torch.zeros(1), positions[None])
        (ours, _), _ = rotary.tables(positions, 0, time)
        assert (ours - cos[0]).abs().max() < 1e-6
    later = torch.arange(299, 300)
    cos, _ = LlamaRotaryEmbedding(theirs(scaling, 16, 10_000.0))(torch.zeros(1), later[None])
    assert (rotary.tables(later, 299, 300)[0][0] - cos[0]).abs().max() < 1e-6


def test_a_pair_is_turned_by_its_angle() -> None:
    x = torch.randn(1, 1, 7, 8, generator=torch.Generator().manual_seed(0)).double()
    config = shape(head_width=8, rope_share=0.75, rope_theta=50.0)
    table, _ = Rotary(config).tables(torch.arange(4, 11), 4, 11, torch.float64)
    made = rotate(x, table)
    for token in range(7):
        for pair in range(3):  # 6 of 8 elements turn: pairs (0, 3), (1, 4), (2, 5)
            angle = (4 + token) * 50.0 ** (-2 * pair / 6)
            a, b = x[0, 0, token, pair].item(), x[0, 0, token, pair + 3].item()
            turned = made[0, 0, token, [pair, pair + 3]].tolist()
            right = [
                a * math.cos(angle) - b * math.sin(angle),
                b * math.cos(angle) + a * math.sin(angle),
            ]
            assert turned == pytest.approx(right, abs=1e-5)
    assert torch.equal(made[..., 6:], x[..., 6:])


def test_rotated_products_depend_on_the_distance_alone() -> None:
    q, k = torch.randn(2, 1, 1, 1, 16, generator=torch.Generator().manual_seed(0))
    rotary = Rotary(shape())

    def product(first: int, second: int) -> float:
        turned = [
            rotate(x, rotary.tables(torch.tensor([place]), place, place + 1)[0])
            for x, place in ((q, first), (k, second))
        ]
        return float((turned[0] * turned[1]).sum())

    assert product(9, 4) == pytest.approx(product(105, 100), abs=1e-4)
    assert abs(product(9, 4) - product(9, 5)) > 1e-3


def test_layers_with_a_window_may_have_a_base_of_their_own() -> None:
    config = shape(
        window=4,
        full_attention_layers=(1,),
        rope_theta_local=70.0,
        rope_scaling={"type": "linear", "factor": 2},
    )
    full, local = Rotary(config).tables(torch.arange(5), 0, 5)
    assert full[0][3, 1] == pytest.approx(math.cos(3 / 2 * 10_000.0 ** (-2 / 16)), abs=1e-6)
    assert local[0][3, 1] == pytest.approx(math.cos(3 * 70.0 ** (-2 / 16)), abs=1e-6)
    assert config.layer_rope_theta(0) == 70.0 and config.layer_rope_theta(1) == 10_000.0


@pytest.mark.parametrize("width", [8, 7])
def test_sinusoids_follow_their_formula(width: int) -> None:
    table = sinusoids(30, width)
    for position in (0, 1, 7, 29):
        for index in range(width):
            angle = position / 10_000 ** ((index - index % 2) / width)
            right = math.cos(angle) if index % 2 else math.sin(angle)
            assert table[position, index].item() == pytest.approx(right, abs=1e-6)


def test_slopes_of_eight_and_of_six_heads_are_the_papers() -> None:
    assert alibi_slopes(8) == [1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32, 1 / 64, 1 / 128, 1 / 256]
    # Four heads first, then every other one of eight.
    assert alibi_slopes(6) == [2**-2, 2**-4, 2**-6, 2**-8, 2**-1, 2**-3]
    assert alibi_slopes(1) == [2**-8]


@pytest.mark.parametrize("heads", [1, 2, 3, 5, 8, 12, 16, 25, 112])
def test_slopes_equal_those_of_bloom(heads: int) -> None:
    bloom = build_alibi_tensor(torch.ones(1, 2), heads, torch.float32)  # [heads, 1, 2]: slope times 0 and 1
    assert torch.allclose(torch.tensor(alibi_slopes(heads)), bloom[:, 0, 1], atol=0, rtol=1e-6)


@pytest.mark.parametrize("name", ["alibi", "alibi-encoder"])
def test_scores_fall_with_the_distance_by_each_heads_slope(name: str) -> None:
    model = build(name)
    capture = Capture(["blocks.0.attention.*"])
    with torch.no_grad():
        model(ids(1, 6), capture=capture)
    part = {key.rsplit(".", 1)[1]: value[0] for key, value in capture.values.items()}
    for head, slope in enumerate([1 / 4, 1 / 16, 1 / 64, 1 / 256]):
        for query in range(6):
            for key in range(6):
                plain = float(part["q"][head, query] @ part["k"][head, key]) / math.sqrt(6)
                right = plain - slope * abs(query - key)
                assert part["scores"][head, query, key].item() == pytest.approx(right, abs=1e-4)


def test_positions_without_a_table_make_order_visible_only_through_the_mask() -> None:
    # Without positions the last token sees its past as a set.
    model, tokens = build("no-positions"), ids(1, 9)
    shuffled = tokens[:, [3, 1, 0, 2, 7, 6, 5, 4, 8]]
    one = model_outputs(model, tokens, layers=1)
    assert (one - model_outputs(model, shuffled, layers=1)).abs().max() < 1e-5
    with_positions = build("sinusoids")
    moved = model_outputs(with_positions, tokens, 1) - model_outputs(with_positions, shuffled, 1)
    assert moved.abs().max() > 1e-2


def model_outputs(model: Any, tokens: torch.Tensor, layers: int) -> torch.Tensor:
    """Return what the first layers make of the last token."""
    capture = Capture([f"blocks.{layers - 1}.output"])
    with torch.no_grad():
        model(tokens, capture=capture)
    return capture.values[f"blocks.{layers - 1}.output"][0, -1]
