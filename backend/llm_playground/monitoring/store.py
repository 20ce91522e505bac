"""Writing metrics: ``log`` appends to a queue, a thread commits twice a second."""

from __future__ import annotations

import math
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path

from llm_playground.monitoring.schema import FACTOR, SCHEMA

_COMMIT_EVERY_S = 0.5
_LEVELS = 6  # 16 ** 6 points: 16 million


class MetricStore:
    """The metric file of one run, open for writing by one process.

    ``log`` never waits for the disk and never raises into training. What a killed process loses is at most
    the last half second; the file itself stays whole (SQLite in WAL mode). An error of the writing thread
    (a full disk) is kept in ``error``; later values are dropped until the disk takes them again.

    Args:
        path: the SQLite file, created if missing.
        start_step: step from which this segment counts (a resumed run's checkpoint).
    """

    def __init__(self, path: Path, start_step: int = 0) -> None:
        self.path = path
        self.error: str | None = None
        self._queue: deque[tuple[int, float, int | None, float | None, dict[str, float]]] = deque()
        self._wake = threading.Event()
        self._closed = False
        self._written = threading.Condition()
        self._accepted = 0
        self._stored = 0
        self._series: dict[str, int] = {}
        self._positions: dict[int, int] = {}
        self._open: dict[tuple[int, int], list[float | int | None]] = {}
        connection = self._connect()
        connection.executescript(SCHEMA)
        cursor = connection.execute(
            "INSERT INTO segments (first_step, time) VALUES (?, ?)", (start_step, time.time())
        )
        self.segment = int(cursor.lastrowid or 0)
        connection.commit()
        connection.close()
        self._thread = threading.Thread(target=self._write_loop, name="metrics", daemon=True)
        self._thread.start()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=10, check_same_thread=False)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        return connection

    def log(
        self, step: int, values: Mapping[str, float], *, tokens: int | None = None, flops: float | None = None
    ) -> None:
        """Queue named values of a step (see :class:`llm_playground.core.protocols.MetricLog`)."""
        self._queue.append((step, time.time(), tokens, flops, dict(values)))
        self._accepted += 1

    def flush(self, timeout: float = 10.0) -> None:
        """Wait until everything logged so far is committed, at most ``timeout`` seconds."""
        target = self._accepted
        self._wake.set()
        with self._written:
            self._written.wait_for(lambda: self._stored >= target, timeout)

    def close(self) -> None:
        """Commit what is queued and stop the thread."""
        if not self._closed:
            self._closed = True
            self._wake.set()
            self._thread.join(timeout=30)

    def _write_loop(self) -> None:
        connection = self._connect()
        while True:
            self._wake.wait(_COMMIT_EVERY_S)
            self._wake.clear()
            closing = self._closed
            count = len(self._queue)
            batch = [self._queue.popleft() for _ in range(count)]
            if batch:
                before = (dict(self._series), dict(self._positions), {k: [*v] for k, v in self._open.items()})
                try:
                    with connection:
                        for row in batch:
                            self._store(connection, *row)
                    self.error = None
                except (sqlite3.Error, TypeError, ValueError) as error:
                    self._series, self._positions, self._open = before  # as the file is after its rollback
                    self.error = f"The metrics of the last {len(batch)} steps could not be stored: {error}."
            with self._written:
                self._stored += count
                self._written.notify_all()
            if closing and not self._queue:
                break
        connection.close()

    def _store(
        self,
        connection: sqlite3.Connection,
        step: int,
        when: float,
        tokens: int | None,
        flops: float | None,
        values: dict[str, float],
    ) -> None:
        for name, value in values.items():
            series = self._series.get(name)
            if series is None:
                connection.execute("INSERT OR IGNORE INTO series (name) VALUES (?)", (name,))
                series = int(
                    connection.execute("SELECT id FROM series WHERE name = ?", (name,)).fetchone()[0]
                )
                self._series[name] = series
            position = self._positions.get(series, 0)
            self._positions[series] = position + 1
            number = float(value)
            finite = math.isfinite(number)
            # SQLite stores NaN as NULL; infinities are kept as they are.
            connection.execute(
                "INSERT INTO points (series, segment, position, step, tokens, flops, time, value) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (series, self.segment, position, step, tokens, flops, when, number),
            )
            for level in range(1, _LEVELS + 1):
                self._fold(series, level, position // FACTOR**level, step, number, finite, connection)

    def _fold(
        self,
        series: int,
        level: int,
        bucket: int,
        step: int,
        value: float,
        finite: bool,
        connection: sqlite3.Connection,
    ) -> None:
        """Add a value to the open bucket of a level; write the bucket when it is begun anew or has grown."""
        key = (series, level)
        row = self._open.get(key)
        if row is None or row[0] != bucket:
            row = [bucket, step, step, 0, None, None, 0.0, None, 0]
            self._open[key] = row
        row[2] = step
        row[3] = int(row[3] or 0) + 1
        if finite:
            low, high = row[4], row[5]
            row[4] = value if low is None else min(float(low), value)
            row[5] = value if high is None else max(float(high), value)
            row[6] = float(row[6] or 0.0) + value
            row[7] = value
        else:
            row[8] = int(row[8] or 0) + 1
        # A full bucket of the level below is the moment to write: the others are derived from open ones.
        if int(row[3] or 0) % FACTOR == 0:
            connection.execute(
                "INSERT OR REPLACE INTO pyramid VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (series, self.segment, level, row[0], *row[1:]),
            )
