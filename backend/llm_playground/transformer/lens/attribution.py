"""A logit as the sum of what embedding, heads and feed-forward parts wrote to the residual stream.

Direct logit attribution, as in Elhage et al. 2021 ("A mathematical framework for transformer circuits"): the
norms are taken with the mean and deviation that they had in this pass, so that they are linear, and the head
reads each summand alone.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from llm_playground.core.errors import InputError
from llm_playground.transformer.lens.frozen_norm import FrozenNorm, freeze_norm
from llm_playground.transformer.lens.recording import Recording
from llm_playground.transformer.lens.running import block_of, check_index


@dataclass(frozen=True)
class Component:
    """What one part of the model adds to the logit.

    Attributes:
        name: of what wrote to the stream; heads are ``blocks.{i}.attention.mixed`` with ``head`` set.
        title: in words.
        layer, head: counted from 0; None where there is none.
        value: its share of the logit (or of the difference of two).
    """

    name: str
    title: str
    layer: int | None
    head: int | None
    value: float


@dataclass(frozen=True)
class Attribution:
    """A logit, divided.

    Attributes:
        position: of the token after which (encoders: at which) the logit stands.
        target, against: ids; the logit is that of the target, minus that of ``against`` if it is not None.
        logit: as the model computed it.
        components: in order of computation.
        sum: of their values.
        rest: what the logit has beyond it: rounding.
        note: what was held fixed.
    """

    position: int
    target: int
    against: int | None
    logit: float
    components: tuple[Component, ...]
    sum: float
    rest: float
    note: str

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return asdict(self)


class _Stream:
    """The residual stream of one token as named summands, [N, C] float64."""

    def __init__(self) -> None:
        self.about: list[tuple[str, str, int | None, int | None]] = []
        self.parts: list[Tensor] = []

    def add(
        self, name: str, title: str, part: Tensor, layer: int | None = None, head: int | None = None
    ) -> None:
        if layer is not None:
            title = f"Layer {layer}, {title}"
        self.about.append((name, title, layer, head))
        self.parts.append(part.detach().double())

    def norm(self, norm: FrozenNorm, name: str, title: str, layer: int | None = None) -> None:
        """Put the whole stream through a norm; its bias becomes a summand of its own."""
        self.parts = list(norm.linear(torch.stack(self.parts)))
        if bool(norm.bias.any()):
            self.add(f"{name}.bias", f"bias of the {title}", norm.bias, layer)


@torch.no_grad()
def attribute_logit(
    recording: Recording, position: int = -1, target: int | None = None, against: int | None = None
) -> Attribution:
    """Divide a logit, or the difference of two, among the parts of the model.

    Args:
        recording: the pass.
        position: where the logit stands, negative from the end.
        target: token id; default the likeliest.
        against: another id, whose logit is taken off.

    Raises:
        InputError: position or ids out of range, or the model has a nonlinear layer before its head (BERT's).
    """
    model, config = recording.model, recording.model.config
    if model.head_transform is not None:
        raise InputError(
            "The logits of this model cannot be divided among its parts: a layer with an activation stands "
            "before the head.",
            hint="Attribution works for models whose head reads the residual stream (decoders).",
            field="model",
        )
    position = check_index(position, recording.time, "position")
    logits = recording.logits[position].double()
    chosen = int(logits.argmax()) if target is None else target
    for field, token in (("target", chosen), ("against", against)):
        if token is not None and not 0 <= token < config.vocab_size:
            raise InputError(f"{field} {token} is out of range: 0 to {config.vocab_size - 1}.", field=field)
    stream = _Stream()
    _enter(recording, position, stream)
    for layer in range(config.layers):
        _attention(recording, position, layer, stream)
        _feed_forward(recording, position, layer, stream)
    if model.final_norm is not None:
        last = recording.tensor(f"blocks.{config.layers - 1}.output", position)
        stream.norm(freeze_norm(model.final_norm, last), "final_norm", "final norm")
    direction, bias = _direction(recording, stream, chosen, against)
    values = torch.stack(stream.parts) @ direction
    components = [Component(*about, float(value)) for about, value in zip(stream.about, values, strict=True)]
    if model.head_bias is not None:
        components.append(Component("head_bias", "Bias of the head", None, None, bias))
    logit = float(logits[chosen]) - (0.0 if against is None else float(logits[against]))
    total = sum(component.value for component in components)
    return Attribution(
        position, chosen, against, logit, tuple(components), total, logit - total, _note(recording)
    )


def _enter(recording: Recording, position: int, stream: _Stream) -> None:
    titles = {
        "embedding": "Token embedding",
        "position_embedding": "Position embedding",
        "segment_embedding": "Segment embedding",
    }
    for name, title in titles.items():
        if name in recording.names:
            stream.add(name, title, recording.tensor(name, position))
    norm = recording.model.embedding_norm
    if norm is not None:
        stream.norm(freeze_norm(norm, torch.stack(stream.parts).sum(0)), "embedding_norm", "embedding norm")


def _post(
    recording: Recording, position: int, layer: int, part: str, written: _Stream, stream: _Stream
) -> None:
    """Add what a part wrote to the stream, through the norms that stand behind it."""
    block = block_of(recording.model, layer)
    placement = recording.model.config.norm_placement
    title = "attention" if part == "attention" else "feed-forward"
    if placement == "sandwich":
        norm = cast(nn.Module, getattr(block, f"{part}_post_norm"))
        made = recording.tensor(f"blocks.{layer}.{part}.output", position)
        frozen = freeze_norm(norm, made)
        written.norm(frozen, f"blocks.{layer}.{part}_post_norm", f"norm after {title}", layer)
    stream.about += written.about
    stream.parts += written.parts
    if placement == "post":
        norm = cast(nn.Module, getattr(block, f"{part}_norm"))
        before = "input" if part == "attention" else "middle"
        total = recording.tensor(f"blocks.{layer}.{before}", position) + recording.tensor(
            f"blocks.{layer}.{part}.output", position
        )
        frozen = freeze_norm(norm, total)
        stream.norm(frozen, f"blocks.{layer}.{part}_norm", f"norm after {title}", layer)


def _attention(recording: Recording, position: int, layer: int, stream: _Stream) -> None:
    config = recording.model.config
    output = block_of(recording.model, layer).attention.output
    name = f"blocks.{layer}.attention"
    mixed = recording.tensor(f"{name}.mixed", position).double()  # [H, D]
    weights = output.weight.double().view(config.width, config.heads, config.head_size)
    made = torch.einsum("hd,chd->hc", mixed, weights)
    written = _Stream()
    for head in range(config.heads):
        written.add(f"{name}.mixed", f"head {head}", made[head], layer, head)
    if output.bias is not None:
        written.add(f"{name}.output.bias", "bias of attention", output.bias, layer)
    _post(recording, position, layer, "attention", written, stream)


def _feed_forward(recording: Recording, position: int, layer: int, stream: _Stream) -> None:
    name = f"blocks.{layer}.ffn.output"
    written = _Stream()
    written.add(name, "feed-forward", recording.tensor(name, position), layer)
    _post(recording, position, layer, "ffn", written, stream)


def _direction(
    recording: Recording, stream: _Stream, target: int, against: int | None
) -> tuple[Tensor, float]:
    """Return what the head multiplies the stream by for this logit, [C], and the head's bias.

    A soft-cap is folded in as ``c tanh(x / c) / x``, for each token its own.
    """
    model = recording.model
    weight = model.embedding.weight if model.head is None else model.head.weight
    cap = model.config.logit_softcap
    whole = torch.stack(stream.parts).sum(0)

    def read(token: int) -> tuple[Tensor, float]:
        row = weight[token].double()
        bias = 0.0 if model.head_bias is None else float(model.head_bias[token])
        plain = float(row @ whole) + bias
        factor = cap * math.tanh(plain / cap) / plain if cap is not None and plain else 1.0
        return row * factor, bias * factor

    direction, bias = read(target)
    if against is None:
        return direction, bias
    other, other_bias = read(against)
    return direction - other, bias - other_bias


def _note(recording: Recording) -> str:
    config = recording.model.config
    note = (
        "Norms are taken with the deviation (and mean) of this pass: a part's share is what it adds through "
        "them, not what would be lost without it."
    )
    if config.norm_placement == "post":
        note += " Every layer ends with a norm over the whole stream, which scales all earlier shares again."
    if config.logit_softcap is not None:
        note += " The soft-cap is folded in as one factor for each token."
    return note
