"""The event stream of a run: one JSON object a line, each with a number that only grows."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

EVENTS_FILE = "events.jsonl"


class EventLog:
    """The writing side, open in one process.

    A line that a killed process left half-written is cut off on opening.

    Args:
        path: the file, created if missing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.last_id = 0
        if path.exists():
            data = path.read_bytes()
            whole = data[: data.rfind(b"\n") + 1]
            if len(whole) != len(data):
                with path.open("r+b") as file:
                    file.truncate(len(whole))
            for line in reversed(whole.splitlines()):
                event = _parse(line)
                if event is not None:
                    self.last_id = event["id"]
                    break
        self._file = path.open("ab")

    def append(self, kind: str, data: Mapping[str, Any]) -> int:
        """Add an event and return its number; the line is handed to the system at once."""
        self.last_id += 1
        event = {"id": self.last_id, "time": time.time(), "type": kind, "data": dict(data)}
        self._file.write(json.dumps(event, ensure_ascii=False, default=str).encode() + b"\n")
        self._file.flush()
        return self.last_id

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and isinstance(event.get("id"), int) else None


def read_events(
    path: Path, after: int = 0, kinds: Collection[str] | None = None, limit: int = 10_000
) -> list[dict[str, Any]]:
    """Return the events numbered above ``after``, oldest first.

    Args:
        kinds: only these types; None for all.
        limit: the newest so many.
    """
    events = []
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    for line in data.splitlines():
        event = _parse(line)
        if event is not None and event["id"] > after and (kinds is None or event["type"] in kinds):
            events.append(event)
    return events[-limit:]


class EventTail:
    """Reads a growing event file piece by piece, each whole line once.

    A line without its end is left for the next look: it may still grow, or be cut off by the next attempt.

    Args:
        path: the file, which may not be there yet.
        after: skip events up to this number.
    """

    def __init__(self, path: Path, after: int = 0) -> None:
        self.path, self.after = path, after
        self._offset = 0

    def read(self) -> list[dict[str, Any]]:
        """Return the events that have come since the last call."""
        try:
            with self.path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        events = []
        for line in whole.splitlines():
            event = _parse(line)
            if event is not None and event["id"] > self.after:
                self.after = event["id"]
                events.append(event)
        return events
