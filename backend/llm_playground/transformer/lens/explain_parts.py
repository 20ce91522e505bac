"""How each kind of number was made: a function for each part of a block and of the model's two ends."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn

from llm_playground.transformer.feed_forward import FeedForward, MixtureOfExperts
from llm_playground.transformer.lens.catalog import describe
from llm_playground.transformer.lens.explain import (
    Made,
    Place,
    normed,
    one_term,
    product_sum,
    summed,
    title_of,
)
from llm_playground.transformer.lens.frozen_norm import freeze_norm
from llm_playground.transformer.lens.recording import Recording, split_name
from llm_playground.transformer.lens.running import block_of


def make(recording: Recording, place: Place) -> Made:
    """Return how the number at a place was made."""
    layer, part = split_name(place.name)
    if layer is None:
        return _ENDS[part](recording, place)
    return _BLOCK[part](recording, place, layer)


def _formula(recording: Recording, place: Place) -> str:
    return describe(recording.model.config, place.name).formula


def _row(module: nn.Linear, index: int) -> tuple[Tensor, float]:
    """Return the weights [N] and the bias behind output number ``index``."""
    return module.weight[index], 0.0 if module.bias is None else float(module.bias[index])


def _ratio(value: float, of: float) -> float:
    """Return value / of; where both are 0, as an activation at 0 is, any number will do."""
    return value / of if of else 0.0


# The two ends of the model.


def _embedding(recording: Recording, place: Place) -> Made:
    config = recording.model.config
    token = int(recording.ids[place.position])
    weight = float(recording.model.embedding.weight[token, place.index])
    scale = config.width**0.5 if config.embedding_scale else 1.0
    label = f"E[token {token}, {place.index}] x scale"
    return one_term("lookup", _formula(recording, place), label, weight, scale, None)


def _position(recording: Recording, place: Place) -> Made:
    value = float(recording.tensor(place.name, place.position)[place.index])
    label = f"position {place.position}, number {place.index}"
    return one_term("lookup", _formula(recording, place), label, value, 1.0, None)


def _segment(recording: Recording, place: Place) -> Made:
    given = recording.segment_ids
    segment = 0 if given is None else int(given.flatten()[place.position])
    table = recording.model.segment_embedding
    assert table is not None
    label = f"S[segment {segment}, {place.index}]"
    value = float(table.weight[segment, place.index])
    return one_term("lookup", _formula(recording, place), label, value, 1.0, None)


def _entries(recording: Recording) -> list[str]:
    """Names of what is added up before the first block."""
    wanted = ("embedding", "position_embedding", "segment_embedding")
    return [name for name in wanted if name in recording.names]


def _embedding_norm(recording: Recording, place: Place) -> Made:
    norm = recording.model.embedding_norm
    assert norm is not None
    reads = _entries(recording)
    return normed(recording, norm, reads, place.position, place.index, _formula(recording, place))


def _last(recording: Recording) -> str:
    return f"blocks.{recording.model.config.layers - 1}.output"


def _final_norm(recording: Recording, place: Place) -> Made:
    norm = recording.model.final_norm
    assert norm is not None
    reads = [_last(recording)]
    return normed(recording, norm, reads, place.position, place.index, _formula(recording, place))


def _before_transform(recording: Recording) -> str:
    return "final_norm" if "final_norm" in recording.names else _last(recording)


def _head_transform(recording: Recording, place: Place) -> Made:
    transform = recording.model.head_transform
    assert transform is not None
    x = recording.tensor(_before_transform(recording), place.position).double()
    dense = transform.dense
    bias = 0.0 if dense.bias is None else dense.bias.double()
    before = dense.weight.double() @ x + bias  # [C]
    after = transform.curve(before)
    frozen = freeze_norm(transform.norm, after)
    u, f = float(before[place.index]), float(after[place.index])
    factor = _ratio(f, u) * float(frozen.scale[place.index])
    weights, offset = _row(dense, place.index)
    # The mean that the norm takes off and its bias do not depend on the row: they go to the bias.
    shift = float(frozen.bias[place.index] - frozen.mean[place.index] * frozen.scale[place.index])
    return product_sum(
        recording,
        _before_transform(recording),
        place.position,
        weights,
        what="W",
        formula=f"{_formula(recording, place)}; factor activation(u) / u * gain / deviation = {factor:.6g}, "
        f"u = {u:.6g}",
        bias=offset * factor + shift,
        factor=factor,
        operation="activation",
    )


def _logits(recording: Recording, place: Place) -> Made:
    model = recording.model
    weight = model.embedding.weight if model.head is None else model.head.weight
    bias = 0.0 if model.head_bias is None else float(model.head_bias[place.index])
    reads = "head_transform" if "head_transform" in recording.names else _before_transform(recording)
    formula, factor = _formula(recording, place), 1.0
    cap = model.config.logit_softcap
    if cap is not None:
        x = recording.tensor(reads, place.position).double()
        plain = float(x @ weight[place.index].double()) + bias
        factor = _ratio(cap * math.tanh(plain / cap), plain)
        formula += f"; factor c tanh(x / c) / x = {factor:.6g}, x = {plain:.6g}"
    return product_sum(
        recording,
        reads,
        place.position,
        weight[place.index],
        what=f"W_head[token {place.index}]",
        formula=formula,
        bias=bias * factor,
        factor=factor,
    )


def _probabilities(recording: Recording, place: Place) -> Made:
    logits = recording.logits[place.position].double()
    greatest = float(logits.max())
    powers = (logits - greatest).exp()
    total = float(powers.sum())
    return one_term(
        "softmax",
        f"{_formula(recording, place)}; greatest logit {greatest:.6g}, sum {total:.6g} after it is taken off",
        f"exp(logit of token {place.index} - greatest) x 1 / sum",
        float(powers[place.index]),
        1 / total,
        Place("logits", place.position, place.index),
    )


# The parts of a block.


def _input(recording: Recording, place: Place, layer: int) -> Made:
    if layer:
        reads = [f"blocks.{layer - 1}.output"]
    elif "embedding_norm" in recording.names:
        reads = ["embedding_norm"]
    else:
        reads = _entries(recording)
    kind = "sum" if len(reads) > 1 else "copy"
    return summed(recording, reads, place.position, place.index, _formula(recording, place), kind)


def _reads(recording: Recording, layer: int, part: str) -> str:
    """Name of the tensor that attention or the feed-forward part reads."""
    if recording.model.config.norm_placement != "post":
        return f"blocks.{layer}.{part}_norm"
    return f"blocks.{layer}.{'middle' if part == 'ffn' else 'input'}"


def _part_norm(recording: Recording, place: Place, layer: int) -> Made:
    block = block_of(recording.model, layer)
    part = split_name(place.name)[1]
    stream = "middle" if part == "ffn_norm" and not recording.model.config.parallel else "input"
    read = {
        "attention_norm": "input",
        "ffn_norm": stream,
        "attention_post_norm": "attention.output",
        "ffn_post_norm": "ffn.output",
    }[part]
    reads = [f"blocks.{layer}.{read}"]
    norm = cast(nn.Module, getattr(block, part))
    return normed(recording, norm, reads, place.position, place.index, _formula(recording, place))


def _residual(recording: Recording, place: Place, layer: int) -> Made:
    part = split_name(place.name)[1]
    stream, adds = ("input", "attention") if part == "middle" else ("middle", "ffn")
    post_norm = f"blocks.{layer}.{adds}_post_norm"
    added = post_norm if post_norm in recording.names else f"blocks.{layer}.{adds}.output"
    reads = [f"blocks.{layer}.{stream}", added]
    formula = _formula(recording, place)
    if recording.model.config.norm_placement == "post":
        norm = cast(nn.Module, getattr(block_of(recording.model, layer), f"{adds}_norm"))
        return normed(recording, norm, reads, place.position, place.index, formula)
    return summed(recording, reads, place.position, place.index, formula)


def _projection(recording: Recording, place: Place, layer: int) -> Made:
    attention = block_of(recording.model, layer).attention
    kind = place.name[-1]
    start = {"q": 0, "k": attention.split[0], "v": attention.split[0] + attention.split[1]}[kind]
    assert place.head is not None
    row = start + place.head * attention.size + place.index
    weights, bias = _row(attention.qkv, row)
    read = _reads(recording, layer, "attention")
    formula, factor = _formula(recording, place), 1.0
    norm = None if kind == "v" else getattr(attention, f"{kind}_norm")
    if norm is not None:
        first = start + place.head * attention.size
        span = slice(first, first + attention.size)
        x = recording.tensor(read, place.position).double()
        head = attention.qkv.weight[span].double() @ x
        if attention.qkv.bias is not None:
            head = head + attention.qkv.bias[span].double()
        factor = float(freeze_norm(norm, head).scale[place.index])
        formula += f"; factor gain / deviation = {factor:.6g}"
    return product_sum(
        recording,
        read,
        place.position,
        weights,
        what=f"W_{kind}",
        formula=formula,
        bias=bias * factor,
        factor=factor,
    )


def _rotated(recording: Recording, place: Place, layer: int) -> Made:
    kind = place.name.removesuffix("_rotated")
    model = recording.model
    assert model.rotary is not None and place.head is not None
    positions = torch.arange(recording.time, device=recording.ids.device)
    local = block_of(model, layer).attention.window is not None
    tables = model.rotary.tables(positions, 0, recording.time, model.embedding.weight.dtype)
    cos, sin = (table[place.position].double() for table in tables[local])
    size = len(cos)
    x = recording.tensor(kind, place.position, place.head).double()
    if place.index >= size:  # past the share of the head that is turned
        partners, b = [place.index], [1.0]
    else:
        partners = [place.index, (place.index + size // 2) % size]
        b = [float(cos[place.index]), float(sin[place.index])]
    names = ["cos", "sin"] if place.index < size else ["1"]
    return Made(
        "rotation" if place.index < size else "copy",
        _formula(recording, place),
        x[partners],
        torch.tensor(b, dtype=torch.float64, device=x.device),
        lambda n: f"{title_of(recording, kind)} [{partners[n]}] x {names[n]}",
        lambda n: Place(kind, place.position, partners[n], place.head),
    )


def _shared(recording: Recording, head: int) -> int:
    """Return the key/value head that serves a query head."""
    config = recording.model.config
    return head // (config.heads // config.key_value_heads)


def _scores(recording: Recording, place: Place, layer: int) -> Made:
    model, attention = recording.model, block_of(recording.model, layer).attention
    name = f"blocks.{layer}.attention"
    q_name, k_name = f"{name}.q", f"{name}.k"
    if model.rotary is not None:
        q_name, k_name = f"{q_name}_rotated", f"{k_name}_rotated"
    assert place.head is not None
    shared = _shared(recording, place.head)
    q = recording.tensor(q_name, place.position, place.head).double()
    k = recording.tensor(k_name, place.index, shared).double()
    factor, formula, bias = model.config.score_scale, _formula(recording, place), 0.0
    if attention.softcap is not None:
        plain = float(q @ k) * factor
        ratio = _ratio(attention.softcap * math.tanh(plain / attention.softcap), plain)
        factor *= ratio
        formula += f"; factor c tanh(x / c) / x = {ratio:.6g}, x = {plain:.6g}"
    if model.slopes is not None:
        bias = -model.slopes[place.head] * abs(place.position - place.index)
        formula += f"; slope {model.slopes[place.head]:.6g}"
    return Made(
        "product_sum",
        formula,
        q,
        k * factor,
        lambda n: f"query [{n}] x key of position {place.index} [{n}] x {factor:.4g}",
        lambda n: Place(q_name, place.position, n, place.head),
        lambda n: Place(k_name, place.index, n, shared),
        bias=bias,
    )


def _weights(recording: Recording, place: Place, layer: int) -> Made:
    formula = _formula(recording, place)
    scores_name = f"blocks.{layer}.attention.scores"
    window = block_of(recording.model, layer).attention.window
    seen = torch.ones(recording.time, dtype=torch.bool, device=recording.ids.device)
    if recording.model.causal:
        columns = torch.arange(recording.time, device=seen.device)
        seen = columns <= place.position
        if window is not None:
            seen &= columns > place.position - window
    source = Place(scores_name, place.position, place.index, place.head)
    if not bool(seen[place.index]):
        why = f"position {place.position} does not see position {place.index}"
        return one_term("masked", f"{formula}; {why}", why, 0.0, 0.0, source)
    scores = recording.tensor(scores_name, place.position, place.head).double()
    greatest = float(scores[seen].max())
    powers = (scores - greatest).exp()
    total = float(powers[seen].sum())
    return one_term(
        "softmax",
        f"{formula}; greatest score {greatest:.6g}, sum {total:.6g} after it is taken off",
        f"exp(score of position {place.index} - greatest) x 1 / sum",
        float(powers[place.index]),
        1 / total,
        source,
    )


def _mixed(recording: Recording, place: Place, layer: int) -> Made:
    name = f"blocks.{layer}.attention"
    assert place.head is not None
    shared = _shared(recording, place.head)
    a = recording.tensor(f"{name}.weights", place.position, place.head).double()
    return Made(
        "product_sum",
        _formula(recording, place),
        a,
        recording.tensor(f"{name}.v", None, shared)[:, place.index].double(),
        lambda n: f"weight of position {n} x its value [{place.index}]",
        lambda n: Place(f"{name}.weights", place.position, n, place.head),
        lambda n: Place(f"{name}.v", n, place.index, shared),
    )


def _attention_output(recording: Recording, place: Place, layer: int) -> Made:
    attention = block_of(recording.model, layer).attention
    name = f"blocks.{layer}.attention.mixed"
    weights, bias = _row(attention.output, place.index)
    size = attention.size
    return Made(
        "product_sum",
        _formula(recording, place),
        recording.tensor(name, place.position).flatten().double(),  # [H * D]
        weights.detach().double(),
        lambda n: f"head {n // size}, mixed value [{n % size}] x W_O[{n}]",
        lambda n: Place(name, place.position, n % size, n // size),
        bias=bias,
    )


def _hidden(recording: Recording, place: Place, layer: int) -> Made:
    model, ffn = recording.model, block_of(recording.model, layer).ffn
    assert isinstance(ffn, FeedForward)
    read = _reads(recording, layer, "ffn")
    x = recording.tensor(read, place.position).double()
    width = model.config.hidden_width
    weights, bias = _row(ffn.up, place.index + (width if ffn.gated else 0))
    formula = _formula(recording, place)
    if ffn.gated:
        gate_weights, gate_bias = _row(ffn.up, place.index)
        g = gate_weights.double() @ x + gate_bias
        factor = float(ffn.curve(g))
        formula += f"; g = {float(g):.6g}, factor activation(g) = {factor:.6g}"
    else:
        u = weights.double() @ x + bias
        factor = _ratio(float(ffn.curve(u)), float(u))
        formula += f"; u = {float(u):.6g}, factor activation(u) / u = {factor:.6g}"
    return product_sum(
        recording,
        read,
        place.position,
        weights,
        what="W_up",
        formula=formula,
        bias=bias * factor,
        factor=factor,
        operation="activation",
    )


def _gates(recording: Recording, place: Place, layer: int) -> Made:
    ffn = block_of(recording.model, layer).ffn
    assert isinstance(ffn, MixtureOfExperts)
    x = recording.tensor(_reads(recording, layer, "ffn"), place.position).double()
    scores = ffn.router.weight.double() @ x  # [E]
    chosen = recording.tensor(place.name, place.position) > 0
    formula = _formula(recording, place)
    if not bool(chosen[place.index]):
        why = f"expert {place.index} is not among the {ffn.chosen} greatest"
        return one_term("gate", f"{formula}; {why}", why, 0.0, 0.0, None)
    greatest = float(scores.max())
    powers = (scores - greatest).exp()
    total = float(powers[chosen].sum())
    return one_term(
        "gate",
        f"{formula}; r = {float(scores[place.index]):.6g}, greatest {greatest:.6g}, "
        f"sum {total:.6g} after it is taken off",
        f"exp(r of expert {place.index} - greatest) x 1 / sum",
        float(powers[place.index]),
        1 / total,
        None,
    )


def _ffn_output(recording: Recording, place: Place, layer: int) -> Made:
    ffn = block_of(recording.model, layer).ffn
    if isinstance(ffn, MixtureOfExperts):
        return _expert_output(recording, place, layer)
    weights, bias = _row(ffn.down, place.index)
    return product_sum(
        recording,
        f"blocks.{layer}.ffn.hidden",
        place.position,
        weights,
        what="W_down",
        formula=_formula(recording, place),
        bias=bias,
    )


def _expert_output(recording: Recording, place: Place, layer: int) -> Made:
    ffn = block_of(recording.model, layer).ffn
    assert isinstance(ffn, MixtureOfExperts)
    gates_name = f"blocks.{layer}.ffn.gates"
    gates = recording.tensor(gates_name, place.position).double()
    chosen = [int(expert) for expert in gates.nonzero().flatten()]
    x = recording.tensor(_reads(recording, layer, "ffn"), place.position).double()
    outputs = []
    for expert in chosen:
        up = ffn.up[expert].double() @ x
        if ffn.gated:
            gate, up = up.chunk(2)
            hidden = ffn.curve(gate) * up
        else:
            hidden = ffn.curve(up)
        outputs.append(ffn.down[expert, place.index].double() @ hidden)
    return Made(
        "product_sum",
        _formula(recording, place),
        gates[chosen],
        torch.stack(outputs).detach(),
        lambda n: f"share of expert {chosen[n]} x its output [{place.index}]",
        lambda n: Place(gates_name, place.position, chosen[n]),
    )


_ENDS: dict[str, Callable[[Recording, Place], Made]] = {
    "embedding": _embedding,
    "position_embedding": _position,
    "segment_embedding": _segment,
    "embedding_norm": _embedding_norm,
    "final_norm": _final_norm,
    "head_transform": _head_transform,
    "logits": _logits,
    "probabilities": _probabilities,
}
_BLOCK: dict[str, Callable[[Recording, Place, int], Made]] = {
    "input": _input,
    "attention_norm": _part_norm,
    "attention.q": _projection,
    "attention.k": _projection,
    "attention.v": _projection,
    "attention.q_rotated": _rotated,
    "attention.k_rotated": _rotated,
    "attention.scores": _scores,
    "attention.weights": _weights,
    "attention.mixed": _mixed,
    "attention.output": _attention_output,
    "attention_post_norm": _part_norm,
    "middle": _residual,
    "ffn_norm": _part_norm,
    "ffn.hidden": _hidden,
    "ffn.gates": _gates,
    "ffn.output": _ffn_output,
    "ffn_post_norm": _part_norm,
    "output": _residual,
}
