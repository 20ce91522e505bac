"""Reading metrics while they are being written."""

from __future__ import annotations

import math
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llm_playground.monitoring.schema import FACTOR

_END = 2**62  # beyond the last position


@dataclass
class Series:
    """One line of a chart, at most so many buckets long.

    Attributes:
        step: last step of each bucket.
        value: last finite value in it (None: none was finite).
        low: smallest value.
        high: greatest value.
        segment: the attempt that each bucket belongs to.
        points: values that the line stands for.
    """

    step: list[int] = field(default_factory=list)
    value: list[float | None] = field(default_factory=list)
    low: list[float | None] = field(default_factory=list)
    high: list[float | None] = field(default_factory=list)
    segment: list[int] = field(default_factory=list)
    points: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the series as JSON data."""
        return {
            "step": self.step,
            "value": self.value,
            "min": self.low,
            "max": self.high,
            "segment": self.segment,
            "points": self.points,
        }


class MetricReader:
    """A metric file, open for reading only; a file that is not there yet has no series.

    Args:
        path: the SQLite file of a run.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def _rows(self, query: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        if not self.path.is_file():
            return []
        connection = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=5)
        try:
            return connection.execute(query, values).fetchall()
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):  # the writer has only just begun
                return []
            raise
        finally:
            connection.close()

    def names(self) -> list[str]:
        """Return the names of all series, sorted."""
        return [row[0] for row in self._rows("SELECT name FROM series ORDER BY name")]

    def segments(self) -> list[tuple[int, int]]:
        """Return (segment, first step) of each attempt, oldest first."""
        return [(row[0], row[1]) for row in self._rows("SELECT id, first_step FROM segments ORDER BY id")]

    def last_id(self) -> int:
        """Return the id of the newest point, 0 without any."""
        rows = self._rows("SELECT coalesce(max(id), 0) FROM points")
        return int(rows[0][0]) if rows else 0

    def rows(self, after: int, limit: int = 5_000) -> list[dict[str, Any]]:
        """Return points with an id above ``after``, for live streams: id, name, step, segment, value."""
        found = self._rows(
            "SELECT points.id, series.name, step, segment, time, tokens, value FROM points "
            "JOIN series ON series.id = points.series WHERE points.id > ? ORDER BY points.id LIMIT ?",
            (after, limit),
        )
        keys = ("id", "name", "step", "segment", "time", "tokens", "value")
        return [{**dict(zip(keys, row, strict=True)), "value": _finite(row[6])} for row in found]

    def latest(self) -> dict[str, dict[str, Any]]:
        """Return the newest value of each series with its step."""
        found = self._rows(
            "SELECT series.name, step, value FROM points JOIN series ON series.id = points.series "
            "WHERE points.id IN (SELECT max(id) FROM points GROUP BY series)"
        )
        return {name: {"step": step, "value": _finite(value)} for name, step, value in found}

    def series(self, name: str, points: int = 500) -> tuple[Series, Series]:
        """Return (the line that counts, the ghosts of overwritten attempts), about ``points`` long each.

        Every bucket carries the smallest and greatest value in it, so that no spike is lost at any zoom.
        """
        found = self._rows("SELECT id FROM series WHERE name = ?", (name,))
        line, ghosts = Series(), Series()
        if not found:
            return line, ghosts
        number = int(found[0][0])
        attempts = self.segments()
        for place, (segment, _) in enumerate(attempts):
            later = [first for _, first in attempts[place + 1 :]]
            cut = min(later, default=None)
            counted = self._rows(
                "SELECT count(*) FROM points WHERE series = ? AND segment = ?", (number, segment)
            )[0][0]
            level = 0
            while counted / FACTOR**level > points:
                level += 1
            self._read_segment(number, segment, level, cut, line, ghosts)
        return line, ghosts

    def _read_segment(
        self, series: int, segment: int, level: int, cut: int | None, line: Series, ghosts: Series
    ) -> None:
        """Append one attempt: full buckets from the pyramid, then the points after the last of them.

        The bucket in which a later attempt begins is read point by point, for its first part still counts.
        """
        size, done = FACTOR**level, 0
        if level:
            for bucket, first, last_step, n, low, high, last in self._rows(
                "SELECT bucket, first_step, last_step, n, low, high, last FROM pyramid "
                "WHERE series = ? AND segment = ? AND level = ? AND n = ? ORDER BY bucket",
                (series, segment, level, size),
            ):
                begin, done = bucket * size, (bucket + 1) * size
                if cut is not None and first <= cut < last_step:
                    self._read_points(series, segment, begin, done, size, cut, line, ghosts)
                else:
                    target = ghosts if cut is not None and last_step > cut else line
                    _append(target, last_step, last, low, high, segment, n)
        self._read_points(series, segment, done, _END, size, cut, line, ghosts)

    def _read_points(
        self,
        series: int,
        segment: int,
        begin: int,
        end: int,
        size: int,
        cut: int | None,
        line: Series,
        ghosts: Series,
    ) -> None:
        """Append the points at positions ``begin`` to ``end - 1`` of an attempt in buckets of ``size``."""
        found = self._rows(
            "SELECT step, value FROM points WHERE series = ? AND segment = ? "
            "AND position >= ? AND position < ? ORDER BY position",
            (series, segment, begin, end),
        )
        counted = [row for row in found if cut is None or row[0] <= cut]
        for target, rows in ((line, counted), (ghosts, found[len(counted) :])):
            for start in range(0, len(rows), size):
                group = rows[start : start + size]
                values = [value for _, value in group if value is not None and math.isfinite(value)]
                low, high = (min(values), max(values)) if values else (None, None)
                _append(target, group[-1][0], values[-1] if values else None, low, high, segment, len(group))


def _append(
    target: Series,
    step: int,
    value: float | None,
    low: float | None,
    high: float | None,
    segment: int,
    count: int,
) -> None:
    target.step.append(step)
    target.value.append(value)
    target.low.append(low)
    target.high.append(high)
    target.segment.append(segment)
    target.points += count


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
