"""Attention maps against transformers' eager attention and sums written out; the report on all heads."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM

from llm_playground.core.errors import InputError
from llm_playground.transformer import ModelConfig, TransformerLM
from llm_playground.transformer.capture import Capture
from llm_playground.transformer.lens import (
    analyze_heads,
    attention_map,
    record_attention,
    rollout,
    thumbnails,
    tile,
)
from llm_playground.transformer.lens.attention_maps import maps_bytes
from llm_playground.transformer.lens.attention_patterns import PatternMeter

from .lens_models import MIXTURES, make, some_ids


@pytest.mark.parametrize("preset", ["tiny-gpt2", "tiny-llama"])
def test_weights_are_those_of_transformers(preset: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = ModelConfig.preset(preset).model_copy(update={"init_std": 0.3})
    model = TransformerLM(config).eval()
    model.save_pretrained(tmp_path)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path, attn_implementation="eager").eval()
    ids = some_ids(model, 17)
    with torch.no_grad():
        expected = theirs(ids[None], output_attentions=True).attentions
    maps = record_attention(model, ids)
    for layer, weights in enumerate(expected):
        assert torch.allclose(maps.map(layer), weights[0], atol=1e-5)
        assert torch.allclose(attention_map(model, ids, layer), weights[0], atol=1e-5)
    assert maps_bytes(config, 17) >= sum(w.nbytes for w in (*maps.weights, *maps.norms))
    assert torch.allclose(rolled_by_hand([w[0] for w in expected]), maps.map(1, "rollout"), atol=1e-5)


def rolled_by_hand(weights: list[Tensor]) -> Tensor:
    """Abnar and Zuidema's recursion: row-normalized mean map plus identity, layer upon layer."""
    found = torch.eye(weights[0].shape[-1])
    for maps in weights:
        mixed = maps.mean(0) + torch.eye(maps.shape[-1])
        found = (mixed / mixed.sum(-1, keepdim=True)) @ found
    return found


@pytest.mark.parametrize("mixture", MIXTURES)
def test_value_weighted_maps_are_lengths_of_what_flows(mixture: str) -> None:
    model = make(mixture)
    ids, config = some_ids(model), model.config
    maps = record_attention(model, ids)
    for layer in range(config.layers):
        capture = Capture([f"blocks.{layer}.attention.*"])
        with torch.no_grad():
            model(ids[None], capture=capture)
        values = {key.rsplit(".", 1)[1]: value[0] for key, value in capture.values.items()}
        attention = model.blocks[layer].attention
        total = torch.zeros(())
        for head in range(config.heads):
            shared = head // (config.heads // config.key_value_heads)
            size = config.head_size
            out = attention.output.weight[:, head * size : (head + 1) * size].detach()  # [C, D]
            flows = values["weights"][head][..., None] * (values["v"][shared] @ out.T)  # [T, T, C]
            found = maps.map(layer, "value_weighted", head)
            assert torch.allclose(found, flows.norm(dim=-1), atol=1e-5)
            # What flows, summed over the tokens and heads, is the output of attention.
            total = total + flows.sum(1)
        bias = 0 if attention.output.bias is None else attention.output.bias.detach()
        assert torch.allclose(total + bias, values["output"], atol=1e-4)
        streamed = attention_map(model, ids, layer, "value_weighted")
        assert torch.allclose(streamed, maps.map(layer, "value_weighted"), atol=1e-6)


def test_a_rollout_is_a_distribution_over_the_input() -> None:
    model = make("llama")
    ids = some_ids(model)
    maps = record_attention(model, ids)
    for layer in range(2):
        found = maps.map(layer, "rollout")
        assert torch.allclose(found.sum(-1), torch.ones(len(ids)), atol=1e-5)
        assert torch.equal(found, found.tril())
        assert torch.allclose(attention_map(model, ids, layer, "rollout")[0], found, atol=1e-6)
    with pytest.raises(InputError, match="at least one layer"):
        rollout([])


@pytest.mark.parametrize("kind", ["weights", "value_weighted", "rollout"])
@pytest.mark.parametrize("size", [4, 5, 16, 64])
def test_thumbnails_are_area_means(kind: str, size: int) -> None:
    model = make("gpt2")
    ids = some_ids(model, 20)
    maps = record_attention(model, ids)
    for head_by_head in (False, True):
        found = thumbnails(model, ids, kind, size, head_by_head=head_by_head)
        again = maps.thumbnails(kind, size, head_by_head=head_by_head)
        assert torch.equal(found.values, again.values) and found.values.dtype == torch.uint8
        side = min(size, 20)
        assert found.values.shape == (2, 1 if kind == "rollout" else 4, side, side)
        for layer in range(2):
            whole = maps.map(layer, kind)
            fine = whole.view(-1, 20, 20).repeat_interleave(side, -1).repeat_interleave(side, -2)
            cells = fine.view(-1, side, 20, side, 20).mean((2, 4))
            error = (found.floats()[layer] - cells).abs()
            assert bool((error <= found.scales[layer][:, None, None] * (0.5 / 255) + 1e-6).all())
    assert found.scale == pytest.approx(float(found.floats().max()))


def test_tiles_and_ranges() -> None:
    matrix = torch.arange(12).view(3, 4)
    assert torch.equal(tile(matrix), matrix)
    assert torch.equal(tile(matrix, (1, 3), (0, 2)), matrix[1:3, :2])
    with pytest.raises(InputError, match="rows 1 to 4 are out of range: 0 to 3"):
        tile(matrix, rows=(1, 4))
    with pytest.raises(InputError, match="columns 2 to 2"):
        tile(matrix, columns=(2, 2))
    model = make("llama")
    with pytest.raises(InputError, match="layer 2 is out of range: 0 to 1"):
        attention_map(model, some_ids(model), 2)
    with pytest.raises(InputError, match="head 4 is out of range: 0 to 3"):
        record_attention(model, some_ids(model)).map(0, "weights", 4)
    with pytest.raises(InputError, match="size 65 is out of range: 1 to 64"):
        thumbnails(model, some_ids(model), size=65)
    with pytest.raises(InputError, match="no map 'flow'"):
        thumbnails(model, some_ids(model), "flow")


@pytest.mark.parametrize("mixture", ["llama", "gemma2", "qwen3", "alibi_post", "bert"])
def test_the_report_measures_the_maps_of_the_pass(mixture: str) -> None:
    model = make(mixture)
    ids, config = some_ids(model, 20), model.config
    lines = torch.arange(20) // 6
    maps = record_attention(model, ids)
    report = analyze_heads(model, ids, segments={"line": lines}, seed=7)
    given = analyze_heads(model, ids, segments={"line": lines}, seed=7, maps=maps)
    assert len(report.heads) == config.layers * config.heads
    causal = config.architecture == "decoder"
    for layer in range(config.layers):
        window = config.layer_window(layer) if causal else None
        expected = PatternMeter(ids, segments={"line": lines}, causal=causal, window=window).measure(
            maps.map(layer)
        )
        for head in range(config.heads):
            found = report.heads[layer * config.heads + head]
            assert (found.layer, found.head) == (layer, head)
            for name, values in expected.scores.items():
                value = found.scores[name]
                assert value is None or value == pytest.approx(float(values[head]), abs=1e-5)
            assert given.heads[layer * config.heads + head].label == found.label
    names = {definition.name for definition in report.definitions}
    assert "segment_line" in names and ("induction" in names) == causal
    assert ("next_token" in names) is not causal
    if not causal:
        assert report.probe is None
        return
    assert report.probe is not None
    n, probe = report.probe.tokens, torch.tensor(report.probe.ids)
    assert len(probe) == 2 * n  # there is no id that begins documents
    assert n == {"qwen3": 5}.get(mixture, 12)  # half the context, or what the windows let it see
    probed = record_attention(model, probe)
    for head in report.heads:
        if config.layer_window(head.layer) not in (None, 6):  # too narrow to see so far back
            assert head.scores["induction"] is None
            continue
        a = probed.map(head.layer, "weights", head.head)
        expected_score = sum(float(a[i, i - n + 1]) for i in range(n, 2 * n)) / n
        assert head.scores["induction"] == pytest.approx(expected_score, abs=1e-5)


def test_the_report_as_plain_values() -> None:
    model = make("llama")
    report = analyze_heads(model, some_ids(model), seed=3, probe_length=5)
    plain = report.to_dict()
    assert plain["probe"]["tokens"] == 5 and plain["probe"]["seed"] == 3
    assert all(isinstance(d["false_positives"], str) for d in plain["definitions"])
    assert all(
        value is None or isinstance(value, float)
        for head in plain["heads"]
        for value in head["scores"].values()
    )
    with pytest.raises(InputError, match="probe_length 13 is out of range: 2 to 12"):
        analyze_heads(model, some_ids(model), probe_length=13)


def planted_induction() -> TransformerLM:
    """A model of two layers whose only head in the second looks behind the earlier copy of its token.

    A vector has two halves. The token is in the first; layer 0, whose window holds two tokens, writes half
    of itself and half of the token before into the second. Layer 1 takes its own half off again and looks for
    the position whose token before is the present one.
    """
    vocabulary, width = 16, 32
    config = ModelConfig(
        vocab_size=vocabulary,
        context_length=32,
        width=width,
        layers=2,
        heads=1,
        window=2,
        full_attention_layers=(1,),
        positions="none",
        norm="rmsnorm",
        activation="relu",
        tied_embeddings=False,
    )
    model = TransformerLM(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        for norm in ("attention_norm", "ffn_norm"):
            for block in model.blocks:
                getattr(block, norm).weight.fill_(1.0)
        model.final_norm.weight.fill_(1.0)
        model.embedding.weight[:, :vocabulary] = torch.eye(vocabulary)
        first, second = model.blocks[0].attention, model.blocks[1].attention
        # Layer 0: all scores are 0, so that both tokens of the window get the same weight.
        first.qkv.weight[2 * width + vocabulary : 3 * width, :vocabulary] = torch.eye(vocabulary)
        first.output.weight.copy_(torch.eye(width))
        # Layer 1: the query is the token, the key what layer 0 wrote less half of the token itself.
        second.qkv.weight[:vocabulary, :vocabulary] = 30 * torch.eye(vocabulary)
        second.qkv.weight[width : width + vocabulary, vocabulary:] = torch.eye(vocabulary)
        second.qkv.weight[width : width + vocabulary, :vocabulary] = -0.5 * torch.eye(vocabulary)
    return model


def test_a_model_built_to_do_induction_is_seen_to_do_it() -> None:
    model = planted_induction()
    report = analyze_heads(model, some_ids(model, 20), probe_length=12)
    head = report.heads[1]
    assert head.label == "induction" and head.score > 0.8
    assert head.measured_on == "12 random tokens, said twice (seed 0)"
    assert "induction" not in report.heads[0].labels
