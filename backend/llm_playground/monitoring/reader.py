"""Reading metrics while they are being written."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from llm_playground.monitoring.histograms import unpack
from llm_playground.monitoring.jsonl import jsonl_path, open_lines
from llm_playground.monitoring.schema import FACTOR, SCHEMA

_PAGE = 20_000  # points read at once, so that a reader never holds up the writer's checkpoints
_MOST_LEVELS = 6


@dataclass
class Series:
    """One line of a chart, at most so many buckets long; all lists are of one length.

    Attributes:
        step: last step of each bucket.
        value: last finite value in it (None: none was finite).
        low: smallest value.
        high: greatest value.
        segment: the attempt that each bucket belongs to.
        tokens, flops: spent at the bucket's last step (None: unknown).
        time: of its last step, seconds since 1970.
        points: values that the line stands for.
    """

    step: list[int] = field(default_factory=list)
    value: list[float | None] = field(default_factory=list)
    low: list[float | None] = field(default_factory=list)
    high: list[float | None] = field(default_factory=list)
    segment: list[int] = field(default_factory=list)
    tokens: list[int | None] = field(default_factory=list)
    flops: list[float | None] = field(default_factory=list)
    time: list[float] = field(default_factory=list)
    points: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the series as JSON data."""
        return {
            "step": self.step,
            "value": self.value,
            "min": self.low,
            "max": self.high,
            "segment": self.segment,
            "tokens": self.tokens,
            "flops": self.flops,
            "time": self.time,
            "points": self.points,
        }


class Point(NamedTuple):
    """One logged value.

    Attributes:
        id: number of the point, in the order of logging.
        name: of its series.
        segment: the attempt that logged it.
        step, tokens, flops: how far the run was.
        time: seconds since 1970.
        value: the number; NaN where it was none.
        ghost: whether a later attempt took its place.
    """

    id: int
    name: str
    segment: int
    step: int
    tokens: int | None
    flops: float | None
    time: float
    value: float
    ghost: bool


class _Atom(NamedTuple):
    """A point, or a full bucket of them."""

    first_step: int
    last_step: int
    n: int
    low: float | None
    high: float | None
    last: float | None
    tokens: int | None
    flops: float | None
    time: float


class MetricReader:
    """A metric file, open for reading only; a file that is not there yet has no series.

    Args:
        path: the SQLite file of a run; JSON lines beside it are read in its place.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """Give a connection for the length of a block; without a file, to empty tables."""
        if jsonl_path(self.path).is_file():
            with open_lines(self.path) as connection:
                yield connection
        elif not self.path.is_file():
            with closing(_nothing()) as connection:
                yield connection
        else:
            with closing(
                sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=5, check_same_thread=False)
            ) as connection:
                if _has_tables(connection):
                    yield connection
                    return
            with closing(_nothing()) as connection:  # the writer has only just begun
                yield connection

    def _rows(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._open() as connection:
            return connection.execute(query, values).fetchall()

    def names(self) -> list[str]:
        """Return the names of all series, sorted."""
        return [row[0] for row in self._rows("SELECT name FROM series ORDER BY name")]

    def segments(self) -> list[tuple[int, int]]:
        """Return (segment, first step) of each attempt, oldest first."""
        with self._open() as connection:
            return _segments(connection)

    def last_id(self) -> int:
        """Return the id of the newest point, 0 without any."""
        return int(self._rows("SELECT coalesce(max(id), 0) FROM points")[0][0])

    def rows(self, after: int, limit: int = 5_000) -> list[dict[str, Any]]:
        """Return points with an id above ``after``, for live streams: id, name, step, segment, value."""
        found = self._rows(
            "SELECT points.id, series.name, step, segment, time, tokens, flops, value FROM points "
            "JOIN series ON series.id = points.series WHERE points.id > ? ORDER BY points.id LIMIT ?",
            (after, limit),
        )
        keys = ("id", "name", "step", "segment", "time", "tokens", "flops", "value")
        return [{**dict(zip(keys, row, strict=True)), "value": _finite(row[7])} for row in found]

    def points(self) -> Iterator[Point]:
        """Yield every point in the order of logging; what is logged meanwhile may be among them."""
        with self._open() as connection:
            names = dict(connection.execute("SELECT id, name FROM series"))
            cuts = _cuts(_segments(connection))
        after = 0
        while True:
            rows = self._rows(
                "SELECT id, series, segment, step, tokens, flops, time, value FROM points "
                "WHERE id > ? ORDER BY id LIMIT ?",
                (after, _PAGE),
            )
            if any(row[1] not in names for row in rows):
                names = dict(self._rows("SELECT id, name FROM series"))
            for number, series, segment, step, tokens, flops, when, value in rows:
                cut = cuts.get(segment)
                ghost = cut is not None and step > cut
                value = math.nan if value is None else value
                yield Point(number, names[series], segment, step, tokens, flops, when, value, ghost)
            if len(rows) < _PAGE:
                return
            after = rows[-1][0]

    def latest(self) -> dict[str, dict[str, Any]]:
        """Return the newest value of each series with its step."""
        found = self._rows(
            "SELECT series.name, step, value FROM series JOIN points ON points.series = series.id "
            "AND points.segment = (SELECT max(segment) FROM points WHERE series = series.id) "
            "AND points.position = (SELECT max(position) FROM points AS p WHERE p.series = series.id "
            "AND p.segment = points.segment)"
        )
        return {name: {"step": step, "value": _finite(value)} for name, step, value in found}

    def histogram_names(self) -> list[str]:
        """Return the names of all histograms, sorted."""
        return [row[0] for row in self._rows("SELECT DISTINCT name FROM histograms ORDER BY name")]

    def histograms(self, name: str, limit: int = 50) -> list[dict[str, Any]]:
        """Return a histogram through time, oldest first: step, segment, time, counts.

        Those that a later attempt took the place of are left out. Of more than ``limit``, an even choice with
        the first and the last.
        """
        with self._open() as connection:
            cuts = _cuts(_segments(connection))
            found = connection.execute(
                "SELECT id, step, segment FROM histograms WHERE name = ? ORDER BY id", (name,)
            ).fetchall()
            kept = [row[0] for row in found if row[2] not in cuts or row[1] <= cuts[row[2]]]
            if len(kept) > limit:
                kept = [kept[round(k * (len(kept) - 1) / max(1, limit - 1))] for k in range(limit)]
            rows = [
                connection.execute(
                    "SELECT step, segment, time, counts FROM histograms WHERE id = ?", (number,)
                ).fetchone()
                for number in kept
            ]
        return [
            {"step": step, "segment": segment, "time": when, "counts": unpack(counts)}
            for step, segment, when, counts in rows
        ]

    def series(
        self, name: str, points: int = 500, *, start: int | None = None, end: int | None = None
    ) -> tuple[Series, Series]:
        """Return (the line that counts, the ghosts of overwritten attempts), about ``points`` long together.

        Every bucket carries the smallest and greatest value in it, so that no spike is lost at any zoom.

        Args:
            name: of the series.
            points: longest line, about.
            start, end: only steps from ``start`` to ``end``, both included; the shorter the range, the finer
                its buckets.
        """
        line, ghosts = Series(), Series()
        with self._open() as connection:
            found = connection.execute("SELECT id FROM series WHERE name = ?", (name,)).fetchone()
            if found is None:
                return line, ghosts
            view = _View(connection, int(found[0]), points, start, end)
            cuts = _cuts(view.attempts)
            for segment, first, last in view.ranges:
                counted, overwritten = view.atoms(segment, first, last, cuts.get(segment))
                view.append(line, counted, segment)
                view.append(ghosts, overwritten, segment)
        return line, ghosts


class _View:
    """One series over a range of steps, cut into buckets of ``size`` points.

    The finest level of the pyramid with at most 16 rows for a drawn bucket is read, and rows are joined.
    """

    def __init__(
        self, connection: sqlite3.Connection, series: int, points: int, start: int | None, end: int | None
    ) -> None:
        self.connection, self.series = connection, series
        self.attempts = _segments(connection)
        self.ranges = [
            (segment, *self._positions(segment, start, end)) for segment, _ in self.attempts
        ]  # (segment, first position, position after the last)
        total = sum(last - first for _, first, last in self.ranges)
        self.size = max(1, math.ceil(total / points))
        self.level = 0
        while self.level < _MOST_LEVELS and FACTOR ** (self.level + 1) <= self.size:
            self.level += 1
        self.size = math.ceil(self.size / FACTOR**self.level) * FACTOR**self.level  # whole rows

    def _positions(self, segment: int, start: int | None, end: int | None) -> tuple[int, int]:
        row = self.connection.execute(
            "SELECT max(position) FROM points WHERE series = ? AND segment = ?", (self.series, segment)
        ).fetchone()
        count = 0 if row[0] is None else int(row[0]) + 1
        first = 0 if start is None else self._search(segment, count, start)
        last = count if end is None else self._search(segment, count, end + 1)
        return first, max(first, last)

    def _search(self, segment: int, count: int, step: int) -> int:
        """Return the first position with a step of at least ``step``: steps never go down in a segment."""
        low, high = 0, count
        while low < high:
            middle = (low + high) // 2
            row = self.connection.execute(
                "SELECT step FROM points WHERE series = ? AND segment = ? AND position = ?",
                (self.series, segment, middle),
            ).fetchone()
            low, high = (middle + 1, high) if row[0] < step else (low, middle)
        return low

    def atoms(self, segment: int, first: int, last: int, cut: int | None) -> tuple[list[_Atom], list[_Atom]]:
        """Return what counts and what is a ghost at positions ``first`` to ``last - 1`` of an attempt.

        The bucket in which a later attempt begins is read point by point, for its first part still counts.
        """
        found: list[_Atom] = []
        size = FACTOR**self.level
        at = first
        if self.level:
            for bucket, *row in self.connection.execute(
                "SELECT bucket, first_step, last_step, n, low, high, last, tokens, flops, time "
                "FROM pyramid JOIN points ON points.series = pyramid.series "
                "AND points.segment = pyramid.segment AND points.position = (bucket + 1) * ? - 1 "
                "WHERE pyramid.series = ? AND pyramid.segment = ? AND level = ? AND n = ? "
                "AND bucket >= ? AND bucket < ? ORDER BY bucket",
                (size, self.series, segment, self.level, size, -(-first // size), last // size),
            ).fetchall():
                atom, begin = _Atom(*row), bucket * size
                found += self._points(segment, at, begin)
                at = begin + size
                if cut is not None and atom.first_step <= cut < atom.last_step:
                    found += self._points(segment, begin, at)
                else:
                    found.append(atom)
        found += self._points(segment, at, last)
        if cut is None:
            return found, []
        return (
            [atom for atom in found if atom.last_step <= cut],
            [atom for atom in found if atom.last_step > cut],
        )

    def _points(self, segment: int, begin: int, end: int) -> Iterable[_Atom]:
        if begin >= end:
            return []
        rows = self.connection.execute(
            "SELECT step, value, tokens, flops, time FROM points WHERE series = ? AND segment = ? "
            "AND position >= ? AND position < ? ORDER BY position",
            (self.series, segment, begin, end),
        ).fetchall()
        atoms = []
        for step, value, tokens, flops, when in rows:
            known = _finite(value)
            atoms.append(_Atom(step, step, 1, known, known, known, tokens, flops, when))
        return atoms

    def append(self, target: Series, atoms: Sequence[_Atom], segment: int) -> None:
        """Join consecutive atoms to buckets of at most ``size`` points and append them to a line."""
        begin = count = 0
        for place, atom in enumerate(atoms):
            if count and count + atom.n > self.size:
                _append(target, atoms[begin:place], count, segment)
                begin, count = place, 0
            count += atom.n
        if count:
            _append(target, atoms[begin:], count, segment)


def _append(target: Series, atoms: Sequence[_Atom], count: int, segment: int) -> None:
    final = atoms[-1]
    if len(atoms) == 1:
        low, high, last = final.low, final.high, final.last
    else:
        low = min((atom.low for atom in atoms if atom.low is not None), default=None)
        high = max((atom.high for atom in atoms if atom.high is not None), default=None)
        last = next((atom.last for atom in reversed(atoms) if atom.last is not None), None)
    target.step.append(final.last_step)
    target.value.append(last)
    target.low.append(low)
    target.high.append(high)
    target.segment.append(segment)
    target.tokens.append(final.tokens)
    target.flops.append(final.flops)
    target.time.append(final.time)
    target.points += count


def _segments(connection: sqlite3.Connection) -> list[tuple[int, int]]:
    return [(row[0], row[1]) for row in connection.execute("SELECT id, first_step FROM segments ORDER BY id")]


def _cuts(attempts: Sequence[tuple[int, int]]) -> dict[int, int]:
    """Return for each attempt the last step that counts, where a later attempt began."""
    cuts: dict[int, int] = {}
    least: int | None = None
    for segment, first in reversed(attempts):
        if least is not None:
            cuts[segment] = least
        least = first if least is None else min(least, first)
    return cuts


def _nothing() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.executescript(SCHEMA)
    return connection


def _has_tables(connection: sqlite3.Connection) -> bool:
    """Say whether the tables are there, adding for this look those that older files lack."""
    present = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not {"segments", "series", "points", "pyramid"} <= present:
        return False
    if "histograms" not in present:
        connection.execute(
            "CREATE TEMP TABLE histograms (id INTEGER, name TEXT, segment INTEGER, step INTEGER, "
            "time REAL, counts BLOB)"
        )
    return True


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
