"""Where a number of a pass comes from: the products and sums that made it, each with its own origin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from llm_playground.core.errors import InputError
from llm_playground.transformer.lens.catalog import describe
from llm_playground.transformer.lens.frozen_norm import freeze_norm
from llm_playground.transformer.lens.recording import Recording, heads_of, split_name
from llm_playground.transformer.lens.running import check_index

MOST_TERMS = 32


@dataclass(frozen=True)
class Place:
    """Where a number stands among the tensors of a pass.

    Attributes:
        name: of the capture, or ``probabilities``.
        position: of the token, from 0.
        index: in the token's vector; of scores and weights, the position that is looked at.
        head: for tensors with heads (of keys and values: the key/value head).
    """

    name: str
    position: int
    index: int
    head: int | None = None


@dataclass(frozen=True)
class Term:
    """One product of a sum.

    Attributes:
        label: what is multiplied, in words.
        factor_a, factor_b, product: the numbers.
        source: the number of the pass that ``factor_a`` is; None where it is a weight or a mere figure.
        source_b: likewise for ``factor_b``.
    """

    label: str
    factor_a: float
    factor_b: float
    product: float
    source: Place | None
    source_b: Place | None = None


@dataclass(frozen=True)
class Explanation:
    """A number as the sum that made it.

    Attributes:
        name, position, index, head: which number.
        title: the same in words.
        operation: ``lookup``, ``copy``, ``sum``, ``norm``, ``product_sum``, ``rotation``, ``softmax``,
            ``activation``, ``gate`` or ``masked``.
        value: as the model computed it.
        terms: the largest products, by size.
        rest: sum of the others.
        count: number of terms, the others too.
        bias: what is added to them.
        sum: of terms, rest and bias: the value but for rounding.
        formula: what was computed, with the numbers that all terms share.
    """

    name: str
    position: int
    index: int
    head: int | None
    title: str
    operation: str
    value: float
    terms: tuple[Term, ...]
    rest: float
    count: int
    bias: float
    sum: float
    formula: str

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return asdict(self)


@dataclass
class Made:
    """How a number was made, before the largest terms are picked.

    Attributes:
        operation, formula: see :class:`Explanation`.
        a, b: factors of the terms, [N] float64.
        label, source, source_b: of term n.
        bias: what is added.
    """

    operation: str
    formula: str
    a: Tensor
    b: Tensor
    label: Callable[[int], str]
    source: Callable[[int], Place | None]
    source_b: Callable[[int], Place | None] = lambda n: None
    bias: float = 0.0


@torch.no_grad()
def explain_value(
    recording: Recording,
    name: str,
    position: int,
    index: int,
    head: int | None = None,
    *,
    most: int = MOST_TERMS,
) -> Explanation:
    """Say which products and sums made a number of a pass.

    Nonlinear steps are written as sums too, with what they scale by taken as a factor: a norm's deviation, an
    activation's ``f(u) / u``, a soft-cap's ``c tanh(x / c) / x``; the formula says so.

    Args:
        recording: the pass.
        name: of the tensor, as in ``recording.names``, or ``probabilities``.
        position: of the token, negative from the end.
        index: in the token's vector; of scores and weights, the position that is looked at.
        head: for tensors with heads; needed there.
        most: how many terms are listed, the largest.

    Raises:
        InputError: unknown name, or position, index or head out of range or missing.
    """
    from llm_playground.transformer.lens.explain_parts import make

    config = recording.model.config
    heads = heads_of(config, name)
    if heads is not None and head is None:
        raise InputError(
            f"{name} has {heads} heads: say which.", hint=f"head is 0 to {heads - 1}.", field="head"
        )
    values = recording.tensor(name, position, head)  # [N]
    position = check_index(position, recording.time, "position")
    index = check_index(index, len(values), "index")
    place = Place(name, position, index, head)
    made = make(recording, place)
    products = made.a * made.b
    order = products.abs().argsort(descending=True, stable=True)[:most].tolist()
    terms = tuple(
        Term(
            made.label(n),
            float(made.a[n]),
            float(made.b[n]),
            float(products[n]),
            made.source(n),
            made.source_b(n),
        )
        for n in order
    )
    total = float(products.sum())
    what = f", head {head}" if head is not None else ""
    number = "looking at position" if name.endswith((".scores", ".weights")) else "number"
    return Explanation(
        name,
        position,
        index,
        head,
        f"{describe(config, name).title}{what}, position {position}, {number} {index}",
        made.operation,
        float(values[index]),
        terms,
        total - sum(term.product for term in terms) if len(terms) < len(products) else 0.0,
        len(products),
        made.bias,
        total + made.bias,
        made.formula,
    )


def product_sum(
    recording: Recording,
    read: str,
    position: int,
    weights: Tensor,
    *,
    what: str,
    formula: str,
    bias: float = 0.0,
    factor: float = 1.0,
    operation: str = "product_sum",
) -> Made:
    """Return the products of a token's vector with a row of weights, [N] and [N].

    Args:
        recording: the pass.
        read: name of the tensor that is read.
        position: of the token.
        weights: the row.
        what: name of the weights in the labels.
        formula, operation: see :class:`Explanation`.
        bias: of the sum, already times the factor.
        factor: what the products are scaled by.
    """
    x = recording.tensor(read, position).double()
    return Made(
        operation,
        formula,
        x,
        weights.detach().double() * factor,
        lambda n: f"{title_of(recording, read)} [{n}] x {what}[{n}]",
        lambda n: Place(read, position, n),
        bias=bias,
    )


def normed(
    recording: Recording, norm: nn.Module, reads: list[str], position: int, index: int, formula: str
) -> Made:
    """Return a number behind a norm as what its inputs (whose sum is normed) contribute.

    The last term is the mean that is taken off, where the norm takes one off.
    """
    parts = [recording.tensor(name, position).double() for name in reads]
    frozen = freeze_norm(norm, torch.stack(parts).sum(0))
    scale = float(frozen.scale[index])
    a = [float(part[index]) for part in parts] + ([float(frozen.mean[index])] if frozen.groups else [])
    b = [scale] * len(parts) + ([-scale] if frozen.groups else [])
    labels = [f"{title_of(recording, name)} [{index}] x gain / deviation" for name in reads]
    labels.append("mean x -gain / deviation")
    return Made(
        "norm",
        f"{formula}; deviation = {float(frozen.deviation[index]):.6g}, "
        f"gain = {float(frozen.gain[index]):.6g}",
        torch.tensor(a, dtype=torch.float64),
        torch.tensor(b, dtype=torch.float64),
        labels.__getitem__,
        lambda n: Place(reads[n], position, index) if n < len(reads) else None,
        bias=float(frozen.bias[index]),
    )


def summed(
    recording: Recording, reads: list[str], position: int, index: int, formula: str, operation: str = "sum"
) -> Made:
    """Return a number as the plain sum of others, each times 1."""
    a = torch.stack([recording.tensor(name, position)[index].double() for name in reads])
    return Made(
        operation,
        formula,
        a,
        torch.ones_like(a),
        lambda n: f"{title_of(recording, reads[n])} [{index}]",
        lambda n: Place(reads[n], position, index),
    )


def one_term(operation: str, formula: str, label: str, a: float, b: float, source: Place | None) -> Made:
    """Return a number that is a single product."""
    factors = torch.tensor([[a], [b]], dtype=torch.float64)
    return Made(operation, formula, factors[0], factors[1], lambda n: label, lambda n: source)


def title_of(recording: Recording, name: str) -> str:
    """Return the title of a tensor, without its layer (labels stand beside their layer's number)."""
    title = describe(recording.model.config, name).title
    return title if split_name(name)[0] is None else title.split(", ", 1)[1]
