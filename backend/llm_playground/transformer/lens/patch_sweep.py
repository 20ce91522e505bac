"""Which places carry the answer: each is patched in turn from the clean run into the corrupted one.

The effect of a place is ``(patched - corrupted) / (clean - corrupted)`` of a logit difference: 0 where the
patch changes nothing, 1 where it brings the whole answer back (Wang et al. 2022, arXiv:2211.00593).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from llm_playground.core.errors import InputError
from llm_playground.transformer.capture import Capture, Edit
from llm_playground.transformer.lens.patching import Part, tensor_name
from llm_playground.transformer.lens.running import as_row, check_index, quiet
from llm_playground.transformer.model import TransformerLM

_TOKENS_AT_ONCE = 4096  # rows times tokens of one batch of patched runs
_NO_DIFFERENCE = 1e-6


@dataclass(frozen=True)
class Sweep:
    """How much of the answer each place brings back.

    Attributes:
        rows: names of the layers.
        columns: of the positions, or of the heads.
        values: [layers, positions or heads]; NaN everywhere if clean and corrupted do not differ.
        metric: what is measured, in words.
        clean, corrupted: it, in the two runs.
        answer, wrong: ids; without a wrong one the metric is the answer's log-probability.
        position: where it is measured.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: Tensor
    metric: str
    clean: float
    corrupted: float
    answer: int
    wrong: int | None
    position: int


def sweep(
    model: TransformerLM,
    ids: Tensor,
    source_ids: Tensor,
    part: Part,
    *,
    position: int = -1,
    answer: int | None = None,
    wrong: int | None = None,
) -> Sweep:
    """Patch every layer and position (of ``head``: every layer and head, at all positions) in turn.

    Many patched runs go through the model together. Of a decoder, places are left out that cannot matter:
    before the first token that differs, and after the position that is looked at; their effect is 0.

    Args:
        model: a decoder or an encoder.
        ids: the clean text, [T].
        source_ids: the corrupted text, [T].
        part: ``residual``, ``attention``, ``ffn`` or ``head``; see :class:`Intervention`.
        position: where the answer is looked at, negative from the end.
        answer: id; default the likeliest after the clean text.
        wrong: id that it is held against; default the likeliest after the corrupted text, if it is another.

    Raises:
        InputError: ids, position, answer or wrong are out of range, or the texts differ in length.
    """
    clean, corrupted = as_row(model, ids), as_row(model, source_ids)
    config, time = model.config, clean.shape[1]
    if corrupted.shape[1] != time:
        raise InputError(
            f"The source text has {corrupted.shape[1]} tokens, the text has {time}: as many are needed.",
            field="source_text",
        )
    if part not in ("residual", "attention", "ffn", "head"):
        raise InputError(
            f"There is no part {part!r}.", hint="residual, attention, ffn or head.", field="part"
        )
    position = check_index(position, time, "position")
    names = [tensor_name(part, layer) for layer in range(config.layers)]
    with quiet(model):
        kept = Capture(names)
        clean_logits = _logits(model, clean, position, kept)[0]
        corrupted_logits = _logits(model, corrupted, position, None)[0]
        answer = _token(answer, clean_logits, "answer")
        chosen_wrong: int | None = _token(wrong, corrupted_logits, "wrong")
        if chosen_wrong == answer:
            if wrong is not None:
                raise InputError("wrong is the same token as answer.", field="wrong")
            chosen_wrong = None

        def measure(logits: Tensor) -> Tensor:
            """Return the metric of logits [B, V], [B]."""
            if chosen_wrong is None:
                return logits.double().log_softmax(-1)[:, answer]
            return logits[:, answer].double() - logits[:, chosen_wrong].double()

        best, least = float(measure(clean_logits[None])), float(measure(corrupted_logits[None]))
        columns = config.heads if part == "head" else time
        patched = torch.full((config.layers, columns), least, dtype=torch.float64)
        places = _places(model, part, clean, corrupted, position)
        step = max(1, _TOKENS_AT_ONCE // time)
        for begin in range(0, len(places), step):
            batch = places[begin : begin + step]
            capture = Capture(edits=_edits(part, batch, kept.values))
            found = measure(_logits(model, corrupted.expand(len(batch), -1), position, capture))
            for (layer, column), value in zip(batch, found.tolist(), strict=True):
                patched[layer, column] = value
    span = best - least
    values = (patched - least) / span if abs(span) > _NO_DIFFERENCE else torch.full_like(patched, torch.nan)
    return Sweep(
        tuple(f"Layer {layer}" for layer in range(config.layers)),
        tuple(f"Head {n}" if part == "head" else f"Position {n}" for n in range(columns)),
        values,
        (
            f"log-probability of token {answer}"
            if chosen_wrong is None
            else f"logit of token {answer} minus logit of token {chosen_wrong}"
        ),
        best,
        least,
        answer,
        chosen_wrong,
        position,
    )


def _logits(model: TransformerLM, rows: Tensor, position: int, capture: Capture | None) -> Tensor:
    """Return logits at one position only, [B, V]: the head is often the largest part of the work."""
    return model.logits(model.hidden(rows, capture=capture)[:, position])


def _token(given: int | None, logits: Tensor, field: str) -> int:
    if given is None:
        return int(logits.argmax())
    if not 0 <= given < len(logits):
        raise InputError(f"{field} {given} is out of range: 0 to {len(logits) - 1}.", field=field)
    return given


def _places(
    model: TransformerLM, part: Part, clean: Tensor, corrupted: Tensor, position: int
) -> list[tuple[int, int]]:
    """Return the places that can matter as (layer, position or head)."""
    layers = range(model.config.layers)
    differs = (clean != corrupted)[0].nonzero().flatten().tolist()
    if not differs:
        return []
    if part == "head":
        columns = range(model.config.heads)
    elif model.causal:
        columns = range(differs[0], position + 1)
    else:
        columns = range(clean.shape[1])
    return [(layer, column) for layer in layers for column in columns]


def _edits(part: Part, batch: list[tuple[int, int]], clean: dict[str, Tensor]) -> dict[str, Edit]:
    """Return edits by which row b of the batch gets the clean values at place b."""
    edits: dict[str, Edit] = {}
    for layer in sorted({layer for layer, _ in batch}):
        rows = [row for row, (own, _) in enumerate(batch) if own == layer]
        columns = [batch[row][1] for row in rows]
        name = tensor_name(part, layer)

        def edit(
            value: Tensor, rows: list[int] = rows, columns: list[int] = columns, name: str = name
        ) -> Tensor:
            changed = value.clone()
            changed[rows, columns] = clean[name][0, columns]  # axis 1: heads, or positions
            return changed

        edits[name] = edit
    return edits
