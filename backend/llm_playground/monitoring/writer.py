"""Putting entries into the tables of a metric file, many at once."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, NamedTuple

from llm_playground.monitoring.histograms import pack
from llm_playground.monitoring.schema import FACTOR, SCHEMA

_LEVELS = 6  # 16 ** 6 points: 16 million
_ROW = "(?, ?, ?, ?, ?, ?, ?, ?)"
_POINTS = f"INSERT INTO points (series, segment, position, step, tokens, flops, time, value) VALUES {_ROW}"
_TOGETHER = 500  # rows of one statement, which costs two thirds of as many statements
_MANY_POINTS = _POINTS + f", {_ROW}" * (_TOGETHER - 1)
_PYRAMID = "INSERT INTO pyramid VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_HISTOGRAMS = "INSERT INTO histograms (name, segment, step, time, counts) VALUES (?, ?, ?, ?, ?)"


class Entry(NamedTuple):
    """What one call of ``log`` or ``histograms`` leaves in the queue.

    Attributes:
        step: of the run.
        time: seconds since 1970.
        tokens, flops: spent so far, where known.
        values: by series name.
        histograms: counts by name.
    """

    step: int
    time: float
    tokens: int | None
    flops: float | None
    values: Mapping[str, float]
    histograms: Mapping[str, Sequence[int]] | None = None


class _Bucket(NamedTuple):
    """A summary of consecutive points."""

    first_step: int
    last_step: int
    n: int
    low: float | None
    high: float | None
    total: float
    last: float | None
    non_finite: int


@dataclass
class _Track:
    """How far a series is within the segment: its points and buckets that do not fill a bucket yet."""

    series: int
    position: int = 0
    steps: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    levels: list[list[_Bucket]] = field(default_factory=lambda: [[] for _ in range(_LEVELS)])

    def copy(self) -> _Track:
        return _Track(
            self.series, self.position, [*self.steps], [*self.values], [[*level] for level in self.levels]
        )


class PointWriter:
    """Writes entries of one segment through a connection; transactions are the caller's.

    Buckets are derived from the level below when they are full, so that a point costs one row and a sixteenth
    of a summary.

    Args:
        connection: an open database; the tables are made if they are missing.
        start_step: step from which the segment counts.
        time: when it began, seconds since 1970.
    """

    def __init__(self, connection: sqlite3.Connection, start_step: int, time: float) -> None:
        self._connection = connection
        self._tracks: dict[str, _Track] = {}
        connection.executescript(SCHEMA)
        with connection:
            cursor = connection.execute(
                "INSERT INTO segments (first_step, time) VALUES (?, ?)", (start_step, time)
            )
        self.segment = int(cursor.lastrowid or 0)

    def write(self, entries: Iterable[Entry]) -> list[str]:
        """Store entries in one transaction; returns a sentence for each value that was left out.

        Raises:
            sqlite3.Error: the database would not take them; it and this object are as they were before.
        """
        before = {name: track.copy() for name, track in self._tracks.items()}
        problems: list[str] = []
        try:
            with self._connection:
                points, buckets, histograms = self._rows(entries, problems)
                self._insert(points)
                self._connection.executemany(_PYRAMID, buckets)
                self._connection.executemany(_HISTOGRAMS, histograms)
        except BaseException:
            self._tracks = before
            raise
        return problems

    def _insert(self, points: list[tuple[Any, ...]]) -> None:
        single = len(points) // _TOGETHER * _TOGETHER
        self._connection.executemany(
            _MANY_POINTS,
            (
                list(chain.from_iterable(points[start : start + _TOGETHER]))
                for start in range(0, single, _TOGETHER)
            ),
        )
        self._connection.executemany(_POINTS, points[single:])

    def _rows(
        self, entries: Iterable[Entry], problems: list[str]
    ) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]], list[tuple[Any, ...]]]:
        points: list[tuple[Any, ...]] = []
        buckets: list[tuple[Any, ...]] = []
        histograms: list[tuple[Any, ...]] = []
        tracks, segment = self._tracks, self.segment
        for step, time, tokens, flops, values, counts in entries:
            for name, value in values.items():
                if type(value) is not float:
                    try:
                        value = float(value)
                    except (TypeError, ValueError):
                        problems.append(f"{name} of step {step} could not be stored: {value!r} is no number.")
                        continue
                track = tracks.get(name) or self._track(name)
                # SQLite stores NaN as NULL; infinities are kept as they are.
                points.append((track.series, segment, track.position, step, tokens, flops, time, value))
                track.position += 1
                track.steps.append(step)
                track.values.append(value)
                if len(track.values) == FACTOR:
                    self._fold(track, buckets)
            for name, row in (counts or {}).items():
                try:
                    histograms.append((name, segment, step, time, pack(row)))
                except (TypeError, ValueError, OverflowError) as error:
                    problems.append(f"The histogram {name} of step {step} could not be stored: {error}.")
        return points, buckets, histograms

    def _track(self, name: str) -> _Track:
        self._connection.execute("INSERT OR IGNORE INTO series (name) VALUES (?)", (name,))
        row = self._connection.execute("SELECT id FROM series WHERE name = ?", (name,)).fetchone()
        self._tracks[name] = _Track(int(row[0]))
        return self._tracks[name]

    def _fold(self, track: _Track, rows: list[tuple[Any, ...]]) -> None:
        """Turn the last points into a bucket, and full levels of buckets into the next."""
        bucket = _summary(track.steps, track.values)
        track.steps, track.values = [], []
        end = track.position
        for level in range(1, _LEVELS + 1):
            rows.append((track.series, self.segment, level, end // FACTOR**level - 1, *bucket))
            waiting = track.levels[level - 1]
            waiting.append(bucket)
            if len(waiting) < FACTOR:
                return
            bucket = _join(waiting)
            track.levels[level - 1] = []


def _summary(steps: list[int], values: list[float]) -> _Bucket:
    finite = values if math.isfinite(sum(values)) else [value for value in values if math.isfinite(value)]
    low, high, last = (min(finite), max(finite), finite[-1]) if finite else (None, None, None)
    missing = len(values) - len(finite)
    return _Bucket(steps[0], steps[-1], len(values), low, high, _total(finite), last, missing)


def _join(buckets: list[_Bucket]) -> _Bucket:
    lows = [bucket.low for bucket in buckets if bucket.low is not None]
    highs = [bucket.high for bucket in buckets if bucket.high is not None]
    lasts = [bucket.last for bucket in buckets if bucket.last is not None]
    return _Bucket(
        buckets[0].first_step,
        buckets[-1].last_step,
        sum(bucket.n for bucket in buckets),
        min(lows, default=None),
        max(highs, default=None),
        _total([bucket.total for bucket in buckets]),
        lasts[-1] if lasts else None,
        sum(bucket.non_finite for bucket in buckets),
    )


def _total(values: list[float]) -> float:
    """Sum up; opposite infinities, which sums of huge values can be, give 0, for SQLite has no NaN."""
    total = sum(values)
    return 0.0 if math.isnan(total) else total
