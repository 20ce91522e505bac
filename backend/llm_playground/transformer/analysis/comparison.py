"""Architectures side by side: settings, parameters, operations, memory, and the cache over the context."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from llm_playground.core.errors import InputError
from llm_playground.transformer.analysis.report import Analysis, analyze
from llm_playground.transformer.analysis.skeleton import COMPONENTS
from llm_playground.transformer.config import ModelConfig

MOST = 6
# What an empty setting comes to.
_EFFECTIVE = {
    "head_width": "head_size",
    "kv_heads": "key_value_heads",
    "ffn_width": "hidden_width",
    "qkv_bias": "has_qkv_bias",
    "output_bias": "has_output_bias",
    "encoder_layers": "encoder_depth",
}
_MEMORY = (
    "weights",
    "gradients",
    "optimizer",
    "activations",
    "logits",
    "gathered",
    "total_training",
    "inference",
    "kv_cache_per_token",
    "kv_cache_at_context",
)


@dataclass(frozen=True)
class Item:
    """One architecture and its figures."""

    label: str
    analysis: Analysis


@dataclass(frozen=True)
class FieldDifference:
    """One setting side by side; an empty one as what it comes to (``kv_heads``: as many as heads).

    Attributes:
        field: name of the setting.
        group: heading under which a form shows it.
        values: in the order of the architectures.
        differs: whether they are not all equal.
    """

    field: str
    group: str
    values: tuple[Any, ...]
    differs: bool


@dataclass(frozen=True)
class ComponentDelta:
    """One component side by side, in the order of the architectures.

    Attributes:
        component: its name.
        parameters: how many it has, 0 where it is missing.
        share: of all the parameters of that architecture.
        flops: its forward operations for one token.
    """

    component: str
    parameters: tuple[int, ...]
    share: tuple[float, ...]
    flops: tuple[float, ...]


@dataclass(frozen=True)
class MemoryDelta:
    """One part of the memory side by side, in bytes."""

    part: str
    bytes: tuple[int, ...]


@dataclass(frozen=True)
class Comparison:
    """What :func:`compare_architectures` returns.

    Attributes:
        items: the architectures in the order given.
        fields: all settings, in the order and groups of the form.
        deltas: by component.
        memory: by part.
        notes: what to know of the comparison as a whole.
    """

    items: tuple[Item, ...]
    fields: tuple[FieldDifference, ...]
    deltas: tuple[ComponentDelta, ...]
    memory: tuple[MemoryDelta, ...]
    notes: tuple[str, ...]

    @property
    def kv_curves(self) -> list[dict[str, Any]]:
        """The cache of one sequence over the context, for each architecture."""
        return [{"label": item.label, "points": item.analysis.kv_curve} for item in self.items]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON data."""
        return {
            "items": [{"label": item.label, "analysis": item.analysis.to_dict()} for item in self.items],
            "fields": _plain(self.fields),
            "deltas": _plain(self.deltas),
            "memory": _plain(self.memory),
            "kv_curves": self.kv_curves,
            "notes": list(self.notes),
        }


def compare_architectures(
    architectures: Sequence[tuple[str, ModelConfig]], *, context: int | None = None, **options: Any
) -> Comparison:
    """Put architectures side by side.

    Args:
        architectures: 2 to 6 pairs of a label and a shape; equal labels are numbered.
        context: tokens of a sequence; default each model's own. A model whose context is shorter is measured
            at its own, which the notes say.
        options: those of :func:`~llm_playground.transformer.analyze`, the same for all.

    Raises:
        InputError: too few or too many architectures, or an option that is wrong.
        NotFoundError: the table has no such device.
    """
    if not 2 <= len(architectures) <= MOST:
        raise InputError(
            f"2 to {MOST} architectures can be compared; {len(architectures)} were given.",
            field="architectures",
        )
    if context is not None and context < 1:
        raise InputError(f"context: {context} is not 1 or more.", field="context")
    items, notes = [], []
    for label, config in zip(_labels(architectures), (config for _, config in architectures), strict=True):
        length = config.context_length if context is None else min(context, config.context_length)
        if context is not None and length < context:
            notes.append(f"{label} is measured at its own context of {length:,} tokens.")
        items.append(Item(label, analyze(config, context=length, **options)))
    if context is None and len({item.analysis.settings.context for item in items}) > 1:
        notes.append("Each architecture is measured at its own context.")
    return Comparison(
        tuple(items), tuple(_fields(items)), tuple(_deltas(items)), tuple(_memory(items)), tuple(notes)
    )


def _plain(rows: Sequence[FieldDifference | ComponentDelta | MemoryDelta]) -> list[dict[str, Any]]:
    return [
        {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(row).items()}
        for row in rows
    ]


def _labels(architectures: Sequence[tuple[str, ModelConfig]]) -> list[str]:
    labels = [label for label, _ in architectures]
    return [
        f"{label} ({labels[:place].count(label) + 1})" if labels.count(label) > 1 else label
        for place, label in enumerate(labels)
    ]


def _fields(items: Sequence[Item]) -> list[FieldDifference]:
    rows = []
    configs = [item.analysis.config for item in items]
    plain = [config.model_dump(mode="json") for config in configs]
    for name, field in ModelConfig.model_fields.items():
        if name in _EFFECTIVE:
            values = tuple(getattr(config, _EFFECTIVE[name]) for config in configs)
        else:
            values = tuple(values[name] for values in plain)
        extra = field.json_schema_extra
        group = str(extra.get("group", "")) if isinstance(extra, dict) else ""
        rows.append(FieldDifference(name, group, values, any(value != values[0] for value in values)))
    return rows


def _deltas(items: Sequence[Item]) -> list[ComponentDelta]:
    rows = []
    for name in COMPONENTS:
        counts = tuple(item.analysis.parameters.by_component.get(name, 0) for item in items)
        operations = tuple(item.analysis.flops.by_component.get(name, 0.0) for item in items)
        if any(counts) or any(operations):
            share = tuple(
                count / item.analysis.parameters.total for count, item in zip(counts, items, strict=True)
            )
            rows.append(ComponentDelta(name, counts, share, operations))
    return rows


def _memory(items: Sequence[Item]) -> list[MemoryDelta]:
    rows = [
        MemoryDelta(part, tuple(getattr(item.analysis.memory, part) for item in items)) for part in _MEMORY
    ]
    return [row for row in rows if any(row.bytes)]
