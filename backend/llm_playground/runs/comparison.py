"""Runs side by side: which settings differ, and what came of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_playground.monitoring import MetricReader
from llm_playground.runs.context import METRICS_FILE
from llm_playground.runs.record import RunRecord

_MISSING = object()


@dataclass(frozen=True)
class Difference:
    """A setting that is not the same in all runs.

    Attributes:
        field: dotted name, as in ``training.learning_rate``.
        values: its value in each run; None where a run has no such setting, or has it empty.
    """

    field: str
    values: list[Any]


@dataclass(frozen=True)
class Figure:
    """A number that some of the runs ended with, or have come to.

    Attributes:
        name: of the metric or of the entry in the summary.
        values: the number of each run; None where it has none.
    """

    name: str
    values: list[float | None]


def flatten(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings under dotted names; an empty mapping stays one value."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def differences(records: Sequence[RunRecord]) -> list[Difference]:
    """Return the settings that differ in the first run's order, stage and seed first."""
    every = [{"stage": record.stage, "seed": record.seed, **flatten(record.config)} for record in records]
    names = dict.fromkeys(name for settings in every for name in settings)
    found = []
    for name in names:
        values = [settings.get(name, _MISSING) for settings in every]
        if any(value != values[0] for value in values[1:]):
            found.append(Difference(name, [None if value is _MISSING else value for value in values]))
    return found


def figures(records: Sequence[RunRecord], folders: Sequence[Path]) -> list[Figure]:
    """Return what the runs came to: the newest value of each metric, the lowest validation loss, summaries.

    Args:
        folders: of the runs, in their order.
    """
    columns: list[dict[str, float]] = []
    for record, folder in zip(records, folders, strict=True):
        reader = MetricReader(folder / METRICS_FILE)
        column = {
            name: float(entry["value"])
            for name, entry in reader.latest().items()
            if entry["value"] is not None and not name.startswith("system/")
        }
        line, _ = reader.series("val/loss")
        low = [value for value in line.low if value is not None]
        if low:
            column["val/loss, lowest"] = min(low)
        column |= {
            name: float(value)
            for name, value in record.summary.items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        }
        columns.append(column)
    names = dict.fromkeys(name for column in columns for name in column)
    return [Figure(name, [column.get(name) for column in columns]) for name in names]
