"""Writing metrics: ``log`` appends to a queue, a thread commits twice a second."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from llm_playground.monitoring.jsonl import JsonlSink, jsonl_path
from llm_playground.monitoring.system import file_system
from llm_playground.monitoring.writer import Entry, PointWriter

_COMMIT_EVERY_S = 0.5
# File systems that machines share: WAL needs memory shared between the writer and its readers.
_NETWORK = ("nfs", "cifs", "smb", "9p", "lustre", "gpfs", "beegfs", "ceph", "glusterfs", "afs", "fuse.")


class Watcher(Protocol):
    """Looks at what is stored, on the writing thread: training never waits for it."""

    def see(self, entries: Sequence[Entry]) -> None:
        """Take note of entries, in the order in which they were logged."""

    def tick(self, last_step: int) -> Mapping[str, float]:
        """Return values to store with the last step; called about twice a second, also when nothing comes."""


class _Sink(Protocol):
    """Where entries go."""

    def write(self, entries: Sequence[Entry]) -> list[str]: ...

    def close(self) -> None: ...


class MetricStore:
    """The metric file of one run, open for writing by one process.

    ``log`` never waits for the disk and never raises into training. What a killed process loses is at most
    the last half second; the file itself stays whole (SQLite in WAL mode). Where WAL cannot be (network file
    systems) entries go to a file of JSON lines beside it, ``metrics.jsonl``, which the reader knows too; a
    run that has begun with one stays with it. An error of the writing thread (a full disk) is kept in
    ``error``; later values are dropped until the disk takes them again.

    Args:
        path: the SQLite file, created if missing.
        start_step: step from which this segment counts (a resumed run's checkpoint).
        watcher: looks at the values as they are stored.
    """

    def __init__(self, path: Path, start_step: int = 0, watcher: Watcher | None = None) -> None:
        self.path = path
        self.error: str | None = None
        self._start = (start_step, time.time())
        self._watcher = watcher
        self._queue: deque[Entry] = deque()
        self._wake = threading.Event()
        self._closed = False
        self._written = threading.Condition()
        self._accepted = 0
        self._stored = 0
        self._last_step = start_step
        self._sink: _Sink | None = None
        try:
            self._sink = self._open()
        except (sqlite3.Error, OSError) as error:
            self.error = f"The metric file {path} could not be opened: {error}."
        self._thread = threading.Thread(target=self._write_loop, name="metrics", daemon=True)
        self._thread.start()

    @property
    def in_json_lines(self) -> bool:
        """Whether entries go to JSON lines, because SQLite's WAL cannot be here."""
        return isinstance(self._sink, JsonlSink)

    def _open(self) -> _Sink:
        """Open the SQLite file, or JSON lines where WAL cannot be.

        Raises:
            sqlite3.Error, OSError: neither can be, for now.
        """
        lines = jsonl_path(self.path)
        if not lines.exists() and not file_system(self.path.parent).startswith(_NETWORK):
            try:
                return _SqliteSink(self.path, *self._start)
            except sqlite3.Error as error:
                if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
                    raise
        return JsonlSink(lines, *self._start)

    def log(
        self, step: int, values: Mapping[str, float], *, tokens: int | None = None, flops: float | None = None
    ) -> None:
        """Queue named values of a step (see :class:`llm_playground.core.protocols.MetricLog`).

        Steps of a series must not go down within a segment.
        """
        self._queue.append(Entry(step, time.time(), tokens, flops, dict(values)))
        self._accepted += 1

    def histograms(self, step: int, counts: Mapping[str, Sequence[int]]) -> None:
        """Queue named histograms of a step (see :mod:`llm_playground.monitoring.histograms`)."""
        self._queue.append(Entry(step, time.time(), None, None, {}, dict(counts)))
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
        while True:
            self._wake.wait(_COMMIT_EVERY_S)
            self._wake.clear()
            closing = self._closed
            count = len(self._queue)
            batch = [self._queue.popleft() for _ in range(count)]
            if batch:
                self._last_step = batch[-1].step
            own = self._ask_watcher()
            if batch or own:
                self._store([*batch, *own])
            if self._watcher is not None and batch:
                self._guard(self._watcher, batch)
            with self._written:
                self._stored += count
                self._written.notify_all()
            if closing and not self._queue:
                break
        if self._sink is not None:
            self._sink.close()

    def _store(self, entries: Sequence[Entry]) -> None:
        try:
            if self._sink is None:
                self._sink = self._open()
            problems = self._sink.write(entries)
            self.error = problems[-1] if problems else None
        except (sqlite3.Error, OSError) as error:
            steps = len({entry.step for entry in entries})
            self.error = f"The metrics of the last {steps} steps could not be stored: {error}."

    def _ask_watcher(self) -> list[Entry]:
        if self._watcher is None:
            return []
        try:
            values = self._watcher.tick(self._last_step)
        except Exception as error:  # a watcher must not cost the metrics
            self.error = f"The watch over the metrics failed: {type(error).__name__}: {error}."
            return []
        return [Entry(self._last_step, time.time(), None, None, values)] if values else []

    def _guard(self, watcher: Watcher, entries: Sequence[Entry]) -> None:
        try:
            watcher.see(entries)
        except Exception as error:  # a watcher must not cost the metrics
            self.error = f"The watch over the metrics failed: {type(error).__name__}: {error}."


class _SqliteSink:
    """One SQLite file in WAL mode.

    Raises:
        sqlite3.Error: WAL cannot be here, or the file cannot be written.
    """

    def __init__(self, path: Path, start_step: int, when: float) -> None:
        self._connection = sqlite3.connect(path, timeout=10, check_same_thread=False)
        try:
            mode = self._connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
            if mode != "wal":
                raise sqlite3.OperationalError(f"journal mode {mode} instead of WAL")
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._writer = PointWriter(self._connection, start_step, when)
        except BaseException:
            self._connection.close()
            raise

    def write(self, entries: Sequence[Entry]) -> list[str]:
        return self._writer.write(entries)

    def close(self) -> None:
        self._connection.close()
