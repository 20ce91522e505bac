"""Metrics as JSON lines, for file systems on which SQLite's WAL cannot be.

One process appends, each line whole or, after a kill, cut off at the next opening. A line is either
``{"segment": first step, "time": ...}``, which begins an attempt, or
``{"step": ..., "time": ..., "tokens": ..., "flops": ..., "values": {...}}``, with ``histograms`` where
there are any. Numbers that are not finite are the texts ``nan``, ``inf`` and ``-inf``. Readers load the lines
into a database in memory, through the writer of the SQLite file, and add what has been appended since.
"""

from __future__ import annotations

import json
import math
import os
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from llm_playground.monitoring.schema import SCHEMA
from llm_playground.monitoring.writer import Entry, PointWriter

_KEPT = 8  # files that stay loaded


def jsonl_path(path: Path) -> Path:
    """Return where the JSON lines of a SQLite metric file are."""
    return path.with_suffix(".jsonl")


class JsonlSink:
    """The writing side, open in one process.

    Args:
        path: the file, created if missing.
        start_step: step from which the new segment counts.
        when: seconds since 1970.

    Raises:
        OSError: the file cannot be written.
    """

    def __init__(self, path: Path, start_step: int, when: float) -> None:
        _cut_unfinished_line(path)
        self._file = path.open("ab", buffering=0)
        try:
            self._append([{"segment": start_step, "time": when}])
        except OSError:
            self._file.close()
            raise

    def write(self, entries: Sequence[Entry]) -> list[str]:
        """Append entries; returns a sentence for each value that was left out.

        Raises:
            OSError: the disk would not take them; the file ends with a whole line.
        """
        problems: list[str] = []
        lines = []
        for entry in entries:
            values: dict[str, Any] = {}
            for name, value in entry.values.items():
                try:
                    number = float(value)
                except (TypeError, ValueError):
                    problems.append(
                        f"{name} of step {entry.step} could not be stored: {value!r} is no number."
                    )
                    continue
                values[name] = number if math.isfinite(number) else str(number)
            line: dict[str, Any] = {"step": entry.step, "time": entry.time, "values": values}
            if entry.tokens is not None:
                line["tokens"] = entry.tokens
            if entry.flops is not None:
                line["flops"] = entry.flops
            if entry.histograms:
                line["histograms"] = {
                    name: [int(count) for count in row] for name, row in entry.histograms.items()
                }
            lines.append(line)
        self._append(lines)
        return problems

    def _append(self, lines: Sequence[dict[str, Any]]) -> None:
        end = self._file.seek(0, os.SEEK_END)
        data = memoryview(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
        try:
            while data:
                data = data[self._file.write(data) :]
        except OSError:
            self._file.truncate(end)  # a disk that filled up may have taken a part
            raise

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _cut_unfinished_line(path: Path) -> None:
    """Remove the end of a line that a killed process left half-written."""
    if not path.exists():
        return
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole != len(data):
        with path.open("r+b") as file:
            file.truncate(whole)


class _Loaded:
    """The lines read so far, as tables in memory."""

    def __init__(self, database: Path) -> None:
        self.connection = sqlite3.connect(":memory:", check_same_thread=False)
        self.connection.executescript(SCHEMA)
        self.lock = threading.Lock()
        self.offset = 0
        self.inode: int | None = None
        self.writer: PointWriter | None = None
        if database.is_file():  # attempts from before the run moved to where WAL cannot be
            earlier = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
            try:
                if earlier.execute("SELECT 1 FROM sqlite_master WHERE name = 'points'").fetchone():
                    earlier.backup(self.connection)
            except sqlite3.DatabaseError:
                pass  # it cannot be read here, which is why there are JSON lines; they stand alone then
            finally:
                earlier.close()

    def update(self, lines: Path) -> None:
        """Add the whole lines that have come since the last call."""
        with lines.open("rb") as file:
            file.seek(self.offset)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self.offset += len(whole)
        waiting: list[Entry] = []
        for text in whole.splitlines():
            line = json.loads(text)
            if "segment" in line:
                self._write(waiting)
                waiting = []
                self.writer = PointWriter(self.connection, line["segment"], line["time"])
            else:
                values = {name: float(value) for name, value in line["values"].items()}
                waiting.append(
                    Entry(
                        line["step"],
                        line["time"],
                        line.get("tokens"),
                        line.get("flops"),
                        values,
                        line.get("histograms"),
                    )
                )
        self._write(waiting)

    def _write(self, entries: list[Entry]) -> None:
        if self.writer is not None and entries:
            self.writer.write(entries)


_loaded: OrderedDict[Path, _Loaded] = OrderedDict()
_loading = threading.Lock()


@contextmanager
def open_lines(database: Path) -> Iterator[sqlite3.Connection]:
    """Give the JSON lines beside a metric file as a database, for the length of a block.

    Loading a million points takes seconds; afterwards only new lines are read.
    """
    lines = jsonl_path(database)
    status = lines.stat()
    with _loading:
        held = _loaded.get(lines)
        if held is None or held.inode != status.st_ino or held.offset > status.st_size:
            held = _Loaded(database)
            held.inode = status.st_ino
            _loaded[lines] = held
        _loaded.move_to_end(lines)
        while len(_loaded) > _KEPT:
            _loaded.popitem(last=False)
    with held.lock:
        held.update(lines)
        yield held.connection
