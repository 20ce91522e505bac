"""The metric store beside a bare ``sqlite3`` table, the cost of ``log``, and the chart of a million points.

The bare side puts the same rows into a table of the same columns, without index, pyramid, thread or queue, by
``executemany`` in transactions of the size that the store's half second of a fast run gives.
"""

from __future__ import annotations

import math
import random
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path

import numpy

from benchmarks.measure import Row, alternate
from llm_playground.monitoring import MetricReader, MetricStore

NAMES = [f"train/series_{number}" for number in range(10)]
STEPS = 20_000  # of ten values each
BATCH = 5_000
POINTS, SPIKES = 1_000_000, 50
_COLUMNS = "series, segment, position, step, tokens, flops, time, value"


def bare(path: Path) -> None:
    """Insert the rows that the store would, into one plain table."""
    path.unlink(missing_ok=True)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute(f"CREATE TABLE points (id INTEGER PRIMARY KEY, {_COLUMNS})")
    size = len(NAMES)
    rows = [
        (number % size, 1, number // size, number // size, number, None, 1.7e9, number * 0.5)
        for number in range(STEPS * size)
    ]
    for start in range(0, len(rows), BATCH):
        with connection:
            connection.executemany(
                f"INSERT INTO points ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                rows[start : start + BATCH],
            )
    connection.close()


def ours(folder: Path) -> None:
    """Log the same values and wait until they are stored, with their pyramid."""
    path = Path(tempfile.mkdtemp(dir=folder)) / "metrics.db"
    store = MetricStore(path)
    for step in range(STEPS):
        store.log(step, {name: step * 0.5 for name in NAMES}, tokens=step)
        if step % (BATCH // len(NAMES)) == 0:
            store.flush()
    store.close()
    if store.error is not None or MetricReader(path).last_id() != STEPS * len(NAMES):
        raise RuntimeError(f"values were lost: {store.error}")


def log_p99(folder: Path, steps: int = 2_000) -> float:
    """Return the 99th percentile of ``log`` of ten values, in seconds, between steps of a millisecond."""
    store = MetricStore(Path(tempfile.mkdtemp(dir=folder)) / "metrics.db")
    values = {name: 1.0 for name in NAMES}
    matrix = numpy.ones((64, 64), dtype=numpy.float32)
    seconds = []
    for step in range(steps):
        end = time.perf_counter() + 0.001
        while time.perf_counter() < end:
            numpy.dot(matrix, matrix)  # a step's work, which leaves the interpreter to the writing thread
        begin = time.perf_counter()
        store.log(step, values, tokens=step)
        seconds.append(time.perf_counter() - begin)
    store.close()
    return statistics.quantiles(seconds, n=100)[-1]


def chart(folder: Path) -> tuple[float, int]:
    """Return (median seconds to read a chart of a million points, planted spikes inside its band)."""
    path = folder / "chart" / "metrics.db"
    path.parent.mkdir()
    generator = random.Random(0)
    spikes = set(generator.sample(range(POINTS), SPIKES))
    store = MetricStore(path)
    for step in range(POINTS):
        loss = 3.0 + 5.0 / math.sqrt(step + 1) + 0.01 * generator.random()
        store.log(step, {"train/loss": loss + (10.0 + step / POINTS if step in spikes else 0.0)})
        if step % 50_000 == 0:
            store.flush()
    store.flush(timeout=120)
    store.close()
    reader = MetricReader(path)
    seconds = []
    for _ in range(7):
        begin = time.perf_counter()
        line, _ = reader.series("train/loss", 1000)
        seconds.append(time.perf_counter() - begin)
    if line.points != POINTS:
        raise RuntimeError(f"the chart stands for {line.points} points")
    seen, start = 0, -1
    for step, high in zip(line.step, line.high, strict=True):
        inside = [spike for spike in spikes if start < spike <= step]
        seen += len(inside) if inside and high is not None and high > 12 else 0
        start = step
    return statistics.median(seconds), seen


def measure() -> list[Row]:
    """Measure writing, logging and reading."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        medians = alternate(
            {"ours": lambda: ours(folder), "bare": lambda: bare(folder / "bare.db")}, rounds=5
        )
        values = STEPS * len(NAMES)
        p99 = log_p99(folder)
        seconds, seen = chart(folder)
    return [
        Row(
            "metric store, values kept",
            values / medians["ours"],
            values / medians["bare"],
            "values/s",
            "bare executemany",
            goal=0.5,
        ),
        Row("log of ten values, 99th percentile", 1e6 * p99, 20.0, "us", "the goal", goal=1.0),
        Row(
            f"chart of a million points ({seen} of {SPIKES} spikes visible)",
            1e3 * seconds,
            100.0,
            "ms",
            "the goal",
            goal=1.0,
        ),
    ]
