"""What a pass shows is what it computed with, under stable names; edits change the result as they should."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from llm_playground.transformer import Capture, KVCache, ModelConfig

from .mixtures import CONTEXT, DECODERS, ENCODERS, MIXTURES, VOCAB, build, ids

ROWS, TIME, SOURCE = 2, 7, 9


def run(model: Any, capture: Capture | None = None) -> torch.Tensor:
    with torch.no_grad():
        if model.config.architecture == "encoder-decoder":
            return model(ids(ROWS, SOURCE), ids(ROWS, TIME, seed=4), capture=capture)
        return model(ids(ROWS, TIME), capture=capture)


def expected(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Name and shape of every intermediate, by the documentation."""
    both = config.architecture == "encoder-decoder"
    names: dict[str, tuple[int, ...]] = {}
    stacks = [("encoder.", SOURCE, config.encoder_depth), ("", TIME, config.layers)] if both else []
    for prefix, time, depth in stacks or [("", TIME, config.layers)]:
        wide = (ROWS, time, config.width)
        names[f"{prefix}embedding"] = wide
        if config.positions in ("learned", "sinusoidal"):
            names[f"{prefix}position_embedding"] = wide
        if config.segments:
            names[f"{prefix}segment_embedding"] = wide
        if config.embedding_norm:
            names[f"{prefix}embedding_norm"] = wide
        for layer in range(depth):
            block = f"{prefix}blocks.{layer}"
            names |= {f"{block}.{part}": wide for part in ("input", "middle", "output")}
            parts = {"attention": time} | ({"cross_attention": SOURCE} if both and not prefix else {})
            if "cross_attention" in parts:
                names[f"{block}.cross_middle"] = wide
            for part, keys in parts.items():
                heads = (ROWS, config.heads, time, config.head_size)
                groups = (ROWS, config.key_value_heads, keys, config.head_size)
                names |= {f"{block}.{part}.q": heads, f"{block}.{part}.mixed": heads}
                names |= {f"{block}.{part}.k": groups, f"{block}.{part}.v": groups}
                if config.positions == "rope" and part == "attention":
                    names |= {f"{block}.{part}.q_rotated": heads, f"{block}.{part}.k_rotated": groups}
                square = (ROWS, config.heads, time, keys)
                names |= {f"{block}.{part}.scores": square, f"{block}.{part}.weights": square}
                names[f"{block}.{part}.output"] = wide
            names[f"{block}.ffn.output"] = wide
            if config.experts:
                names[f"{block}.ffn.gates"] = (ROWS, time, config.experts)
            else:
                names[f"{block}.ffn.hidden"] = (ROWS, time, config.hidden_width)
            for part in (*parts, "ffn"):
                if config.norm_placement != "post":
                    names[f"{block}.{part}_norm"] = wide
                if config.norm_placement == "sandwich":
                    names[f"{block}.{part}_post_norm"] = wide
        if config.norm_placement != "post":
            names[f"{prefix}final_norm"] = wide
    if config.head_transform:
        names["head_transform"] = (ROWS, TIME, config.width)
    names["logits"] = (ROWS, TIME, VOCAB)
    return names


@pytest.mark.parametrize("name", list(MIXTURES))
def test_every_intermediate_has_its_name_and_shape(name: str) -> None:
    model, capture = build(name), Capture(["*"])
    logits = run(model, capture)
    assert {key: tuple(value.shape) for key, value in capture.values.items()} == expected(model.config)
    assert torch.equal(capture.values["logits"], logits)
    assert not any(value.requires_grad for value in capture.values.values())


def close(one: torch.Tensor, other: torch.Tensor) -> bool:
    return bool((one - other).abs().max() <= 1e-5 * other.abs().max().clamp(min=1))


@pytest.mark.parametrize("name", [*DECODERS, *ENCODERS])
def test_the_values_are_those_of_the_pass(name: str) -> None:
    """Each value follows from those before it by the parts of the model, applied one by one."""
    model, capture = build(name), Capture(["*"])
    logits = run(model, capture)
    config, seen, tokens = model.config, capture.values, ids(ROWS, TIME)
    with torch.no_grad():
        x = model.embedding.weight[tokens] * (config.width**0.5 if config.embedding_scale else 1.0)
        assert close(seen["embedding"], x)
        if "position_embedding" in seen:
            x = x + seen["position_embedding"]
            if config.positions == "learned":
                assert close(seen["position_embedding"][1], model.position_embedding.weight[:TIME])
        if config.segments:
            x = x + model.segment_embedding.weight[0]
        if config.embedding_norm:
            x = model.embedding_norm(x)
        for layer, block in enumerate(model.blocks):
            part = {
                key.removeprefix(f"blocks.{layer}."): value
                for key, value in seen.items()
                if key.startswith(f"blocks.{layer}.")
            }
            assert close(part["input"], x)
            x = residual(config, block, part, "attention", x, x)
            assert close(part["middle"], x)
            x = residual(config, block, part, "ffn", x, part["input"] if config.parallel else x)
            assert close(part["output"], x)
            read = part["attention_norm"] if config.norm_placement != "post" else part["input"]
            qkv = F.linear(read, block.attention.qkv.weight, block.attention.qkv.bias)
            v = qkv[..., -config.key_value_heads * config.head_size :]
            assert close(part["attention.v"].transpose(1, 2).flatten(2), v)
            if not config.experts:
                assert close(part["ffn.output"], block.ffn.down(part["ffn.hidden"]))
        if config.norm_placement != "post":
            x = model.final_norm(x)
            assert close(seen["final_norm"], x)
        if config.head_transform:
            x = model.head_transform(x)
            assert close(seen["head_transform"], x)
        head = model.embedding if config.tied_embeddings else model.head
        x = x @ head.weight.T + (model.head_bias if config.head_bias else 0.0)
        if config.logit_softcap:
            x = config.logit_softcap * torch.tanh(x / config.logit_softcap)
        assert close(logits, x)


def residual(
    config: ModelConfig,
    block: Any,
    part: dict[str, torch.Tensor],
    kind: str,
    x: torch.Tensor,
    read: torch.Tensor,
) -> torch.Tensor:
    """Return the stream after a part, by its captured output."""
    norm = getattr(block, f"{kind}_norm")
    made = part[f"{kind}.output"]
    if config.norm_placement == "post":
        return norm(x + made)
    assert close(part[f"{kind}_norm"], norm(read))
    if config.norm_placement == "sandwich":
        made = getattr(block, f"{kind}_post_norm")(made)
        assert close(part[f"{kind}_post_norm"], made)
    return x + made


@pytest.mark.parametrize("name", list(MIXTURES))
def test_looking_changes_nothing(name: str) -> None:
    model = build(name)
    plain = run(model)
    light = Capture(["*.input", "*.ffn.*", "*.q", "*.mixed", "final_norm"])
    assert torch.equal(run(model, light), plain)  # the fast path is kept
    assert torch.equal(run(model), plain)


def test_only_what_is_asked_for_is_kept_and_written_out() -> None:
    model = build("llama")
    capture = Capture(["blocks.1.attention.weights", "blocks.[02].input"])
    run(model, capture)
    assert sorted(capture.values) == ["blocks.0.input", "blocks.1.attention.weights", "blocks.2.input"]
    assert capture.wants("blocks.1.attention.scores", "blocks.1.attention.weights")
    assert not capture.wants("blocks.0.attention.scores", "blocks.0.attention.weights")
    edited = Capture(edits={"blocks.*.attention.scores": lambda scores: scores})
    assert edited.wants("blocks.0.attention.scores") and not edited.wants("blocks.0.attention.weights")
    run(model, edited)
    assert edited.values == {}


def test_a_head_taken_out_takes_out_its_part_of_the_output() -> None:
    model, layer, head = build("gpt2"), 1, 2
    config, before = model.config, Capture(["*"])
    run(model, before)

    def silence(mixed: torch.Tensor) -> torch.Tensor:
        mixed[:, head] = 0  # in place: the function has a copy
        return mixed

    after = Capture(["*"], edits={f"blocks.{layer}.attention.mixed": silence})
    logits = run(model, after)
    mixed = before.values[f"blocks.{layer}.attention.mixed"]
    columns = slice(head * config.head_size, (head + 1) * config.head_size)
    weight = model.blocks[layer].attention.output.weight[:, columns]  # [C, D]
    part = mixed[:, head] @ weight.T
    moved = (
        before.values[f"blocks.{layer}.attention.output"] - after.values[f"blocks.{layer}.attention.output"]
    )
    assert close(moved, part)
    assert after.values[f"blocks.{layer}.attention.mixed"][:, head].abs().max() == 0
    assert mixed[:, head].abs().max() > 0
    # By hand on to the end: the rest of the model on the stream without that part.
    with torch.no_grad():
        stream = before.values[f"blocks.{layer}.middle"] - part
        block = model.blocks[layer]
        stream = stream + block.ffn(block.ffn_norm(stream))
        rest = Capture(edits={f"blocks.{layer + 1}.input": lambda _: stream})
        assert close(run(model, rest), logits)
    assert (logits - before.values["logits"]).abs().max() > 1e-2


def test_edited_weights_mix_what_they_say() -> None:
    model = build("llama")
    first = torch.zeros(TIME, TIME)
    first[:, 0] = 1.0

    capture = Capture(
        ["blocks.0.attention.*"],
        edits={"blocks.0.attention.weights": lambda weights: first.expand_as(weights)},
    )
    run(model, capture)
    v, mixed = capture.values["blocks.0.attention.v"], capture.values["blocks.0.attention.mixed"]
    for head in range(4):
        assert close(mixed[:, head], v[:, head // 2, :1].expand(-1, TIME, -1))


def test_an_edited_key_is_the_one_that_the_cache_keeps() -> None:
    model, tokens = build("llama"), ids(1, 6)
    edits = {"blocks.1.attention.k": torch.zeros_like, "blocks.0.ffn.output": lambda x: 2 * x}
    with torch.no_grad():
        full = model(tokens, capture=Capture(edits=edits))
        cache = KVCache(model.config, 1, 6)
        parts = [model(part, cache, capture=Capture(edits=edits)) for part in tokens.split(2, dim=1)]
    assert close(torch.cat(parts, dim=1), full)
    assert cache.keys[1].abs().max() == 0


def test_edited_gates_choose_the_experts() -> None:
    model = build("mixture")
    one = F.one_hot(torch.tensor(3), 4).float()
    capture = Capture(["blocks.0.*"], edits={"blocks.0.ffn.gates": lambda gates: one.expand_as(gates)})
    run(model, capture)
    ffn, x = model.blocks[0].ffn, capture.values["blocks.0.ffn_norm"]
    gate, up = (x @ ffn.up[3].T).chunk(2, dim=-1)
    assert close(capture.values["blocks.0.ffn.output"], (F.silu(gate) * up) @ ffn.down[3].T)


def test_several_edits_run_in_order_and_wrong_ones_are_named() -> None:
    model = build("llama")
    edits = {"final_*": lambda x: x + 1, "final_norm": lambda x: 3 * x}
    capture, plain = Capture(["final_norm"], edits=edits), Capture(["final_norm"])
    run(model, plain)
    run(model, capture)
    assert close(capture.values["final_norm"], 3 * (plain.values["final_norm"] + 1))
    with pytest.raises(ValueError, match=r"The edit of blocks.0.input returned the shape \(2, 7\)"):
        run(model, Capture(edits={"blocks.0.input": lambda x: x[..., 0]}))
    with pytest.raises(TypeError, match="collection of names"):
        Capture("logits")


def test_scores_of_a_cached_pass_cover_all_tokens_in_sight() -> None:
    model = build("mistral")
    cache, capture = KVCache(model.config, 1, CONTEXT), Capture(["blocks.0.attention.weights"])
    with torch.no_grad():
        model(ids(1, 10), cache)
        model(ids(1, 3), cache, capture=capture)
    weights = capture.values["blocks.0.attention.weights"]
    assert weights.shape == (1, 4, 3, 8)  # the window's five before, and the three themselves
    assert weights[0, 0, 0, 6:].abs().max() == 0 and weights[0, 0, 2, :2].abs().max() == 0


def test_gradients_flow_through_a_captured_pass() -> None:
    model = build("llama").train()
    model(ids(2, 5), capture=Capture(["*"])).square().sum().backward()
    with_capture = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    model(ids(2, 5)).square().sum().backward()
    for one, parameter in zip(with_capture, model.parameters(), strict=True):
        assert torch.allclose(one, parameter.grad, rtol=1e-3, atol=1e-3)
