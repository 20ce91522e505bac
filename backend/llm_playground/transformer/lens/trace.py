"""One token's way through the model: every tensor in the order of computation, with the true numbers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor

from llm_playground.core.errors import InputError
from llm_playground.transformer.lens.catalog import describe
from llm_playground.transformer.lens.recording import PROBABILITIES, Recording, split_name
from llm_playground.transformer.lens.running import check_index

PREVIEW = 32


@dataclass(frozen=True)
class Step:
    """One tensor of the token.

    Attributes:
        name: of the capture, or ``probabilities``.
        title: in words.
        layer: counted from 0; None outside the blocks.
        shape: of the token's part, ``[C]`` or ``[heads, D]`` or, of scores and weights, ``[heads, T]``.
        formula, source: what made it, and the paper.
        norm, mean, std: Euclidean length, mean and standard deviation (of the whole population).
        preview: the first numbers, row by row.
    """

    name: str
    title: str
    layer: int | None
    shape: tuple[int, ...]
    formula: str
    source: str
    norm: float
    mean: float
    std: float
    preview: tuple[float, ...]


@dataclass(frozen=True)
class Prediction:
    """A likely token: its id, logit and probability."""

    id: int
    logit: float
    probability: float


@dataclass(frozen=True)
class Trace:
    """One token's way.

    Attributes:
        position: of the token, from 0.
        steps: from the embedding to the probabilities.
        predictions: likeliest tokens (of a decoder: the next one; of an encoder: this one).
    """

    position: int
    steps: tuple[Step, ...]
    predictions: tuple[Prediction, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return asdict(self)


def trace_token(recording: Recording, position: int = -1, *, top: int = 10) -> Trace:
    """Follow one token of a recorded pass through the model.

    Args:
        recording: the pass.
        position: of the token, negative from the end.
        top: how many predictions.

    Raises:
        InputError: the position is out of range, or ``top`` is not positive.
    """
    if top < 1:
        raise InputError(f"top {top} is too small: at least 1.", field="top")
    position = check_index(position, recording.time, "position")
    rows = recording.map_rows(position)
    steps = tuple(
        _step(recording, name, rows[name] if name in rows else recording.tensor(name, position))
        for name in recording.names
    )
    logits = recording.logits[position]
    chances = recording.tensor(PROBABILITIES, position)
    best = chances.topk(min(top, len(chances))).indices.tolist()
    return Trace(position, steps, tuple(Prediction(i, float(logits[i]), float(chances[i])) for i in best))


def _step(recording: Recording, name: str, value: Tensor) -> Step:
    entry = describe(recording.model.config, name)
    wide = value.double()
    return Step(
        name,
        entry.title,
        split_name(name)[0],
        tuple(value.shape),
        entry.formula,
        entry.source,
        float(wide.norm()),
        float(wide.mean()),
        float(wide.std(correction=0)),
        tuple(value.flatten()[:PREVIEW].double().tolist()),
    )
