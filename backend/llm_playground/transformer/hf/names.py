"""Where each tensor of a checkpoint stands in ours: one table serves reading and writing.

A checkpoint's tensor is described by a *view* of our parameter that has its elements in its order, so that
reading copies into the view and writing copies out of it; nothing is ever joined in between.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor

    from llm_playground.transformer.config import ModelConfig

View = Callable[["Tensor"], "Tensor"]


def whole(ours: Tensor) -> Tensor:
    """Return the parameter as it is."""
    return ours


@dataclass(frozen=True)
class Stored:
    """One tensor of a checkpoint.

    Attributes:
        name: its name there.
        ours: the name of our parameter.
        view: the part of our parameter that it fills, as a view.
        merged: how many leading dimensions of the view are one dimension in the checkpoint.
        aliases: other names under which it may be found; they come first.
    """

    name: str
    ours: str
    view: View = whole
    merged: int = 1
    aliases: tuple[str, ...] = ()

    def shape(self, ours: Tensor) -> tuple[int, ...]:
        """Return the shape that it has in the checkpoint."""
        shape = tuple(self.view(ours).shape)
        return (math.prod(shape[: self.merged]), *shape[self.merged :])


class Rule(Protocol):
    """How one part of ours is stored."""

    def tensors(self, config: ModelConfig) -> Iterator[tuple[str, View, int]]:
        """Yield (name without its kind, view, merged) of each tensor that holds a piece of the part."""


@dataclass(frozen=True)
class Same:
    """Stored alike under another name; ``transposed`` for GPT-2, which keeps weights as [in, out]."""

    name: str
    transposed: bool = False

    def tensors(self, config: ModelConfig) -> Iterator[tuple[str, View, int]]:
        """Yield the one tensor."""
        yield self.name, (_transpose if self.transposed else whole), 1


@dataclass(frozen=True)
class Rows:
    """Our rows are several tensors one after another, each of ``sizes(config)`` rows."""

    names: tuple[str, ...]
    sizes: Callable[[ModelConfig], Sequence[int]]

    def tensors(self, config: ModelConfig) -> Iterator[tuple[str, View, int]]:
        """Yield the tensors in the order of our rows."""
        start = 0
        for name, size in zip(self.names, self.sizes(config), strict=True):
            yield name, _rows(start, start + size), 1
            start += size


@dataclass(frozen=True)
class Interleaved:
    """Query, key and value rows of one head after another (GPT-NeoX): [H, 3, D, ...], ours [3, H, D, ...]."""

    name: str

    def tensors(self, config: ModelConfig) -> Iterator[tuple[str, View, int]]:
        """Yield the one tensor."""
        heads, size = config.heads, config.head_size

        def view(ours: Tensor) -> Tensor:
            return ours.view(3, heads, size, *ours.shape[1:]).transpose(0, 1)

        yield self.name, view, 3


@dataclass(frozen=True)
class EachExpert:
    """One tensor for each expert (``{e}`` in the name), and for each of several row blocks of it."""

    names: tuple[str, ...]
    sizes: Callable[[ModelConfig], Sequence[int]]

    def tensors(self, config: ModelConfig) -> Iterator[tuple[str, View, int]]:
        """Yield the tensors, expert by expert."""
        for expert in range(config.experts or 0):
            start = 0
            for name, size in zip(self.names, self.sizes(config), strict=True):
                yield name.replace("{e}", str(expert)), _expert_rows(expert, start, start + size), 1
                start += size


def _transpose(ours: Tensor) -> Tensor:
    return ours.t() if ours.dim() == 2 else ours


def _rows(start: int, end: int) -> View:
    return lambda ours: ours[start:end]


def _expert_rows(expert: int, start: int, end: int) -> View:
    return lambda ours: ours[expert, start:end]


def qkv_sizes(config: ModelConfig) -> tuple[int, int, int]:
    """Return the rows of queries, keys and values in our joint projection."""
    keys = config.key_value_heads * config.head_size
    return config.heads * config.head_size, keys, keys


def gate_sizes(config: ModelConfig) -> tuple[int, int]:
    """Return the rows of gate and up in our joint projection."""
    return config.hidden_width, config.hidden_width


@dataclass(frozen=True)
class NameTable:
    """The names of a family.

    Attributes:
        prefix: of everything but the head; checkpoints of a model without a head lack it.
        top: our part outside the blocks -> its rule.
        block: what stands before a block's parts, with ``{i}``.
        parts: our part of a block -> its rule.
        head: name of the output matrix.
        head_aliases: other names of it.
        aliases: name of a tensor -> other names of it, which are looked for first.
        harmless: regular expressions of tensors that may be there and are not needed.
        renamed: old word -> today's word, in names that are not found.
    """

    prefix: str
    top: Mapping[str, Rule]
    block: str
    parts: Mapping[str, Rule]
    head: str
    head_aliases: tuple[str, ...] = ()
    aliases: Mapping[str, tuple[str, ...]] | None = None
    harmless: tuple[str, ...] = ()
    renamed: Mapping[str, str] | None = None

    def stored(self, names: Sequence[str], config: ModelConfig) -> list[Stored]:
        """Return the tensors of a checkpoint for our parameter names, in their order."""
        result: list[Stored] = []
        for name in names:
            if name == "head.weight":
                result.append(Stored(self.head, name, aliases=self.head_aliases))
                continue
            part, place, rules = name, "", self.top
            if name.startswith("blocks."):
                _, index, part = name.split(".", 2)
                place, rules = self.block.replace("{i}", index), self.parts
            if part in rules:  # a bare parameter, whose rule says the whole name
                rule, kind = rules[part], ""
            else:
                part, _, word = part.rpartition(".")
                rule, kind = rules[part], f".{word}"
            for stem, view, merged in rule.tensors(config):
                full = f"{place}{stem}{kind}"
                result.append(Stored(full, name, view, merged, (self.aliases or {}).get(full, ())))
        return result
