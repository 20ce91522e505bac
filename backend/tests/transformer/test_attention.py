"""Attention against loops in plain Python, and the fast path against the written-out softmax."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from llm_playground.transformer import Capture, KVCache, TransformerLM
from llm_playground.transformer.masks import CrossVisibility, Visibility

from .mixtures import BOTH, DECODERS, ENCODERS, MIXTURES, VOCAB, build, ids

EXPLICIT = ["*attention.weights"]


def run(name: str, model: Any, tokens: torch.Tensor, capture: Capture | None = None, **extra: Any):
    with torch.no_grad():
        if name in BOTH:
            return model(tokens, tokens[:, 2:], capture=capture)
        return model(tokens, capture=capture, **extra)


@pytest.mark.parametrize("name", list(MIXTURES))
def test_fast_attention_equals_the_written_out_softmax(name: str) -> None:
    model, tokens = build(name), ids(2, 20)
    fast, capture = run(name, model, tokens), Capture(EXPLICIT)
    assert (fast - run(name, model, tokens, capture)).abs().max() < 1e-5 * fast.abs().max().clamp(min=1)
    kinds = 3 if name in BOTH else 1
    assert len(capture.values) >= kinds * 2
    for weights in capture.values.values():
        assert torch.allclose(weights.sum(dim=-1), torch.ones(()), atol=1e-5)


@pytest.mark.parametrize("name", [*DECODERS, *ENCODERS])
def test_they_agree_with_padding_too(name: str) -> None:
    model, tokens = build(name), ids(2, 14)
    mask = torch.ones_like(tokens)
    mask[0, :4], mask[1, 11:] = 0, 0
    fast = run(name, model, tokens, attention_mask=mask)
    capture = Capture(EXPLICIT)
    written = run(name, model, tokens, capture, attention_mask=mask)
    assert (fast - written)[mask.bool()].abs().max() < 1e-5 * fast.abs().max().clamp(min=1)
    for weights in capture.values.values():  # no real token looks at padding
        assert weights[0, :, 4:, :4].abs().max() == 0 and weights[1, :, :11, 11:].abs().max() == 0


@pytest.mark.parametrize("name", ["mistral", "gemma3", "alibi", "alibi-odd-heads-window", "gemma2"])
def test_they_agree_with_a_cache_too(name: str) -> None:
    model, tokens = build(name), ids(2, 20)
    parts = []
    for capture in (None, Capture(EXPLICIT)):
        cache = KVCache(model.config, 2, 20, padding=torch.tensor([2, 0]))
        with torch.no_grad():
            parts.append([model(part, cache, capture=capture) for part in tokens.split((11, 1, 1, 7), dim=1)])
    assert (torch.cat(parts[0], dim=1) - torch.cat(parts[1], dim=1)).abs().max() < 1e-4


@pytest.mark.parametrize("name", list(DECODERS))
def test_attention_follows_its_formula(name: str) -> None:
    model, tokens = build(name), ids(1, 9)
    config, capture = model.config, Capture(["blocks.*.attention.*"])
    run(name, model, tokens, capture)
    for layer in range(config.layers):
        part = {
            key.rsplit(".", 1)[1]: value[0].double()
            for key, value in capture.values.items()
            if key.startswith(f"blocks.{layer}.")
        }
        q = part["q_rotated"] if config.positions == "rope" else part["q"]
        k = part["k_rotated"] if config.positions == "rope" else part["k"]
        window = config.layer_window(layer) or 9
        scalar = config.query_scalar or config.head_size
        for head in range(config.heads):
            group = head * config.key_value_heads // config.heads
            for query in (0, 4, 8):
                scores = {}
                for key in range(max(0, query - window + 1), query + 1):
                    score = float(q[head, query] @ k[group, key]) / math.sqrt(scalar)
                    if config.attention_softcap:
                        score = config.attention_softcap * math.tanh(score / config.attention_softcap)
                    if model.slopes is not None:
                        score -= model.slopes[head] * (query - key)
                    scores[key] = score
                    assert part["scores"][head, query, key].item() == pytest.approx(score, abs=1e-4)
                total = sum(math.exp(score) for score in scores.values())
                weights = [math.exp(scores[key]) / total if key in scores else 0.0 for key in range(9)]
                assert part["weights"][head, query].tolist() == pytest.approx(weights, abs=1e-5)
                mixed = sum(weight * part["v"][group, key] for key, weight in enumerate(weights))
                assert part["mixed"][head, query].tolist() == pytest.approx(mixed.tolist(), abs=1e-4)
        joined = part["mixed"].transpose(0, 1).reshape(9, -1)
        output = model.blocks[layer].attention.output
        right = joined @ output.weight.double().T + (0 if output.bias is None else output.bias.double())
        assert (part["output"] - right).abs().max() < 1e-4


def test_a_window_hides_what_lies_before_it() -> None:
    model, tokens = build("mistral", layers=1), ids(1, 20)
    changed = tokens.clone()
    changed[0, 9] = (changed[0, 9] + 1) % VOCAB
    moved = (run("", model, tokens) - run("", model, changed)).abs().amax(dim=-1)[0]
    assert (moved[:9] == 0).all() and (moved[9:15] > 1e-4).all() and (moved[15:] < 1e-6).all()


@pytest.mark.parametrize("name", list(DECODERS))
def test_a_decoder_never_sees_what_follows(name: str) -> None:
    model, tokens = build(name), ids(1, 15)
    changed = tokens.clone()
    changed[0, 9:] = (changed[0, 9:] + 1) % VOCAB
    before, after = run(name, model, tokens), run(name, model, changed)
    assert (before - after)[0, :9].abs().max() < 1e-5
    assert ((before - after)[0, 9:].abs().amax(dim=-1) > 1e-3).all()


@pytest.mark.parametrize("name", list(ENCODERS))
def test_an_encoder_sees_both_sides(name: str) -> None:
    model, tokens = build(name), ids(1, 15)
    changed = tokens.clone()
    changed[0, 14] = (changed[0, 14] + 1) % VOCAB
    assert ((run(name, model, tokens) - run(name, model, changed))[0].abs().amax(dim=-1) > 1e-3).all()


def test_grouped_heads_equal_full_heads_with_repeated_weights() -> None:
    grouped = build("llama", head_width=6)
    full = TransformerLM(grouped.config.model_copy(update={"kv_heads": None})).eval()
    state = grouped.state_dict()
    for layer in range(3):
        q, k, v = state[f"blocks.{layer}.attention.qkv.weight"].split((24, 12, 12))
        twice = [part.view(2, 6, 24).repeat_interleave(2, dim=0).reshape(24, 24) for part in (k, v)]
        state[f"blocks.{layer}.attention.qkv.weight"] = torch.cat([q, *twice])
    full.load_state_dict(state)
    tokens = ids(2, 12)
    assert (run("", grouped, tokens) - run("", full, tokens)).abs().max() < 1e-5


def test_the_fast_path_has_no_mask_where_none_is_needed() -> None:
    assert Visibility(8).mask(None) is None and Visibility(8).is_causal(None)
    assert Visibility(8).mask(8) is None and Visibility(8).mask(7) is not None
    one = Visibility(1, start=30)
    assert one.mask(None) is None and one.mask(5) is None and not one.is_causal(None)
    both = Visibility(8, causal=False)
    assert both.mask(None) is None and not both.is_causal(None) and both.seen(None) is None
    cross = CrossVisibility()
    assert cross.mask(None) is None and not cross.is_causal(None)
    assert Visibility(3, start=4).seen(3).tolist() == [
        [
            [
                [True, True, True, False, False],
                [False, True, True, True, False],
                [False, False, True, True, True],
            ]
        ]
    ]


def test_dropout_of_attention_works_on_both_paths() -> None:
    model, tokens = build("llama", dropout=0.5).train(), ids(4, 12)
    with torch.no_grad():
        fast = [model(tokens) for _ in range(2)]
        written = [model(tokens, capture=Capture(EXPLICIT)) for _ in range(2)]
    assert not torch.equal(*fast) and not torch.equal(*written)
    model.eval()
    assert torch.equal(run("", model, tokens), run("", model, tokens))
