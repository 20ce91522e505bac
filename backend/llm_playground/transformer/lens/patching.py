"""Change a part of the model while it runs, by zeros, means or another text's values, and see what it says.

Ablation and activation patching (causal tracing: Vig et al. 2020, arXiv:2004.12265; Meng et al. 2022,
arXiv:2202.05262; Wang et al. 2022, arXiv:2211.00593).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from llm_playground.core.errors import InputError
from llm_playground.transformer.capture import Capture, Edit
from llm_playground.transformer.config import ModelConfig
from llm_playground.transformer.lens.running import as_row, check_index, run
from llm_playground.transformer.model import TransformerLM

Part = Literal["head", "attention", "ffn", "residual"]
Kind = Literal["zero", "mean", "patch"]
_NAMES = {
    "head": "attention.mixed",
    "attention": "attention.output",
    "ffn": "ffn.output",
    "residual": "input",
}


@dataclass(frozen=True)
class Intervention:
    """One change.

    Attributes:
        part: ``head`` (its mixed values, before the output projection), ``attention`` or ``ffn`` (what they
            write to the residual stream, before a norm that follows) or ``residual`` (the stream as it enters
            the layer).
        layer: counted from 0.
        kind: ``zero``; ``mean``, over the positions of the text; ``patch``, the values of the source text.
        head: for ``head``, counted from 0.
        position: of the token, negative from the end; None: all.
    """

    part: Part
    layer: int
    kind: Kind
    head: int | None = None
    position: int | None = None


@dataclass(frozen=True)
class PatchResult:
    """What the changes did.

    Attributes:
        before, after: logits at the position that was asked for, [V].
        kl: ``sum of p_before (ln p_before - ln p_after)`` in nats.
    """

    before: Tensor
    after: Tensor
    kl: float


def tensor_name(part: Part, layer: int) -> str:
    """Return the capture name of what an intervention changes."""
    return f"blocks.{layer}.{_NAMES[part]}"


def patch(
    model: TransformerLM,
    ids: Tensor,
    interventions: Sequence[Intervention],
    *,
    source_ids: Tensor | None = None,
    position: int = -1,
    segment_ids: Tensor | None = None,
) -> PatchResult:
    """Run the model as it is and with the changes, which are made in the order given.

    Args:
        model: a decoder or an encoder.
        ids: [T].
        interventions: may be empty; then nothing changes.
        source_ids: [T], the text whose values ``patch`` takes.
        position: where the outcome is looked at, negative from the end.
        segment_ids: [1, T], for models that tell segments apart.

    Raises:
        InputError: ids, an intervention or a position does not fit; the message names the field.
    """
    row = as_row(model, ids)
    time = row.shape[1]
    position = check_index(position, time, "position")
    checked = [_check(model.config, change, time) for change in interventions]
    source: dict[str, Tensor] = {}
    if any(change.kind == "patch" for change in checked):
        source = _source_values(model, checked, time, source_ids, segment_ids)
    means = Capture([tensor_name(c.part, c.layer) for c in checked if c.kind == "mean"])
    before = run(model, row, means, segment_ids=segment_ids)[0, position]
    edits: dict[str, Edit] = {}
    for change in checked:
        name = tensor_name(change.part, change.layer)
        edits[name] = _then(edits.get(name), _edit(change, source.get(name), means.values.get(name)))
    after = before
    if checked:
        after = run(model, row, Capture(edits=edits), segment_ids=segment_ids)[0, position]
    logs = before.float().log_softmax(-1)
    kl = float((logs.exp() * (logs - after.float().log_softmax(-1))).sum().clamp(min=0))
    return PatchResult(before, after, kl)


def _check(config: ModelConfig, change: Intervention, time: int) -> Intervention:
    """Return an intervention with indices from 0."""
    if change.part not in _NAMES:
        raise InputError(f"There is no part {change.part!r}.", hint=f"{', '.join(_NAMES)}.", field="part")
    if change.kind not in ("zero", "mean", "patch"):
        raise InputError(f"There is no kind {change.kind!r}.", hint="zero, mean or patch.", field="kind")
    layer = check_index(change.layer, config.layers, "layer")
    head = change.head
    if change.part == "head":
        if head is None:
            raise InputError(f"Say which head: 0 to {config.heads - 1}.", field="head")
        head = check_index(head, config.heads, "head")
    elif head is not None:
        raise InputError(f"head goes with the part head, not {change.part}.", field="head")
    place = None if change.position is None else check_index(change.position, time, "position")
    return Intervention(change.part, layer, change.kind, head, place)


def _source_values(
    model: TransformerLM,
    changes: Sequence[Intervention],
    time: int,
    source_ids: Tensor | None,
    segment_ids: Tensor | None,
) -> dict[str, Tensor]:
    if source_ids is None:
        raise InputError("patch needs a source text to take values from.", field="source_text")
    row = as_row(model, source_ids)
    if row.shape[1] != time:
        raise InputError(
            f"The source text has {row.shape[1]} tokens, the text has {time}: as many are needed.",
            field="source_text",
        )
    capture = Capture([tensor_name(c.part, c.layer) for c in changes if c.kind == "patch"])
    run(model, row, capture, segment_ids=segment_ids)
    return capture.values


def _then(first: Edit | None, second: Edit) -> Edit:
    return second if first is None else lambda value: second(first(value))


def _edit(change: Intervention, source: Tensor | None, own: Tensor | None) -> Edit:
    """Return the function that makes a change in a tensor [B, T, C] or, of heads, [B, H, T, D]."""

    def apply(value: Tensor) -> Tensor:
        if change.kind == "zero":
            new = torch.zeros_like(value)
        elif change.kind == "mean":
            assert own is not None
            new = own.mean(dim=-2, keepdim=True).expand_as(value)
        else:
            assert source is not None
            new = source
        where: list[int | slice] = [slice(None)] * value.dim()
        if change.head is not None:
            where[1] = change.head
        if change.position is not None:
            where[-2] = change.position
        changed = value.clone()
        changed[tuple(where)] = new[tuple(where)]
        return changed

    return apply
