"""Metrics of a run as files for other programs: CSV, JSON lines, TensorBoard events, a W&B offline run."""

from __future__ import annotations

import csv
import importlib
import io
import json
import math
from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

from llm_playground.core.errors import ConflictError, InputError
from llm_playground.core.files import storage_errors
from llm_playground.monitoring.event_files import EventFile
from llm_playground.monitoring.reader import MetricReader, Point

Format = Literal["csv", "jsonl", "tensorboard", "wandb"]
FORMATS: tuple[Format, ...] = ("csv", "jsonl", "tensorboard", "wandb")
_COLUMNS = ("series", "segment", "step", "tokens", "flops", "time", "value", "ghost")
_CHUNK = 5_000  # rows of a piece of CSV


def export_metrics(
    reader: MetricReader,
    format: Format,
    target: Path,
    *,
    run_id: str,
    config: Mapping[str, Any] | None = None,
) -> int:
    """Write a run's metrics; returns the number of points written.

    CSV and JSON lines hold every point with its segment, ghosts (overwritten by a later attempt) marked.
    TensorBoard gets a folder for each attempt, histograms too; W&B, whose steps only grow, the points that
    count, as an offline run that ``wandb sync`` sends.

    Args:
        reader: of the run.
        format: csv, jsonl, tensorboard or wandb.
        target: the file (csv, jsonl) or folder (the others), which must not hold anything yet.
        run_id: name of the run there.
        config: the run's settings, for W&B.

    Raises:
        InputError: an unknown format, or wandb is not installed.
        ConflictError: the target is there already.
        StorageError: it cannot be written.
    """
    writers: dict[str, Callable[[], int]] = {
        "csv": lambda: _write_text(target, csv_pieces(reader)),
        "jsonl": lambda: _write_text(target, _json_lines(reader)),
        "tensorboard": lambda: _write_tensorboard(reader, target),
        "wandb": lambda: _write_wandb(reader, target, run_id, config or {}),
    }
    if format not in writers:
        raise InputError(f"format: {format!r} is unknown.", hint=f"Use {', '.join(FORMATS)}.", field="format")
    if target.is_file() or (target.is_dir() and any(target.iterdir())):
        raise ConflictError(f"{target} is there already.", hint="Name another place, or remove it first.")
    with storage_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        return writers[format]()


def csv_pieces(reader: MetricReader) -> Iterator[tuple[str, int]]:
    """Yield all points as CSV, piece by piece, each with its number of points; the first has the header.

    Columns: series, segment, step, tokens, flops, time, value, ghost (1 where a later attempt overwrote it).
    Values are written so that they read back exactly; what is unknown is empty, what is no number ``nan``.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(_COLUMNS)
    count = 0
    for point in reader.points():
        writer.writerow(
            (
                point.name,
                point.segment,
                point.step,
                "" if point.tokens is None else point.tokens,
                "" if point.flops is None else repr(point.flops),
                repr(point.time),
                repr(point.value),
                int(point.ghost),
            )
        )
        count += 1
        if count == _CHUNK:
            yield buffer.getvalue(), count
            buffer.seek(0)
            buffer.truncate()
            count = 0
    if buffer.tell():
        yield buffer.getvalue(), count


def _json_lines(reader: MetricReader) -> Iterator[tuple[str, int]]:
    for point in reader.points():
        line: dict[str, Any] = {
            "series": point.name,
            "segment": point.segment,
            "step": point.step,
            "time": point.time,
            # JSON has no NaN and no infinities.
            "value": point.value if math.isfinite(point.value) else str(point.value),
        }
        line |= {name: value for name in ("tokens", "flops") if (value := getattr(point, name)) is not None}
        if point.ghost:
            line["ghost"] = True
        yield json.dumps(line) + "\n", 1


def _write_text(target: Path, pieces: Iterator[tuple[str, int]]) -> int:
    total = 0
    with target.open("w", encoding="utf-8", newline="") as file:
        for text, count in pieces:
            file.write(text)
            total += count
    return total


def _steps(reader: MetricReader) -> Iterator[tuple[tuple[int, int, float], dict[str, Point]]]:
    """Yield ((segment, step, time), points by name) of values that were logged together."""
    for key, group in groupby(reader.points(), key=lambda point: (point.segment, point.step, point.time)):
        yield key, {point.name: point for point in group}


def _write_tensorboard(reader: MetricReader, target: Path) -> int:
    several = len(reader.segments()) > 1
    files: dict[int, EventFile] = {}
    total = 0

    def file(segment: int) -> EventFile:
        if segment not in files:
            folder = target / f"attempt-{segment}" if several else target
            files[segment] = EventFile(folder, segment)
        return files[segment]

    try:
        for (segment, step, time), points in _steps(reader):
            file(segment).scalars(step, time, {name: point.value for name, point in points.items()})
            total += len(points)
        for name in reader.histogram_names():
            for row in reader.histograms(name, limit=10**9):
                file(row["segment"]).histogram(row["step"], row["time"], name, row["counts"])
    finally:
        for open_file in files.values():
            open_file.__exit__(None, None, None)
    return total


def _write_wandb(reader: MetricReader, target: Path, run_id: str, config: Mapping[str, Any]) -> int:
    try:
        wandb: Any = importlib.import_module("wandb")
    except ImportError as error:
        raise InputError(
            "The format wandb needs the package wandb, which is not installed.",
            hint="Install it with `pip install wandb`, or use the format csv, jsonl or tensorboard.",
            field="format",
        ) from error
    target.mkdir(parents=True, exist_ok=True)
    by_step: dict[int, dict[str, float]] = {}
    total = 0
    for (_, step, time), points in _steps(reader):
        counted = {name: point for name, point in points.items() if not point.ghost}
        if not counted:
            continue
        row = by_step.setdefault(step, {})
        row |= {name: point.value for name, point in counted.items()}
        first = next(iter(counted.values()))
        row |= {"segment": first.segment, "time": time}
        row |= {name: value for name in ("tokens", "flops") if (value := getattr(first, name)) is not None}
        total += len(counted)
    run = wandb.init(
        mode="offline",
        dir=str(target),
        project="llm-playground",
        id=run_id,
        name=run_id,
        config=dict(config),
        settings=wandb.Settings(silent=True, x_disable_stats=True, console="off"),
    )
    try:
        for step in sorted(by_step):
            run.log(by_step[step], step=step)
    finally:
        run.finish()
        wandb.teardown()  # its writing process may hold the last lines a moment longer than finish() lasts
    return total
