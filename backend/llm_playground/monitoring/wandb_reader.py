"""Numbers of W&B's run files (``run-ID.wandb``), read without W&B; checksums are checked.

Behind a head of 7 bytes the file is a log as LevelDB writes it (doc/log_format.md there): blocks of 32 KiB,
records in one or more pieces, each with the CRC-32 of its type and data, its length, and its type. A record
is a protocol message ``Record`` (wandb/proto/wandb_internal.proto), of which the run's facts and the rows of
its history are read here.
"""

from __future__ import annotations

import json
import math
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from llm_playground.core.errors import InputError
from llm_playground.core.wire import read_fields
from llm_playground.monitoring.event_reader import Scalar

_HEAD = struct.Struct("<4sHB")
_PIECE = struct.Struct("<IHB")  # checksum, length, type
_MARK, _MAGIC = b":W&B", 0xBEE1
_BLOCK = 2**15
_FULL, _FIRST, _MIDDLE, _LAST = range(1, 5)


class WandbFile:
    """A run file.

    Args:
        path: the file.

    Raises:
        InputError: it is no such file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name: str | None = None
        self.config: dict[str, Any] = {}
        with path.open("rb") as file:
            head = file.read(_HEAD.size)
        if len(head) < _HEAD.size or _HEAD.unpack(head)[:2] != (_MARK, _MAGIC):
            raise InputError(f"{path} is not a run file of W&B.", field="file")

    def scalars(self) -> Iterator[Scalar]:
        """Yield the numbers of the history in order; ``name`` and ``config`` are known when it has ended.

        Values within others are named with points, as W&B does (``eval.loss``). A last record that is cut
        off, as of a run that still goes on or was killed, ends the reading.

        Raises:
            InputError: a checksum or a message is wrong; the byte at which its record begins is named.
        """
        for place, record in self._records():
            try:
                for field, _, value in read_fields(record):
                    if field == 2 and isinstance(value, bytes):
                        yield from _row(value)
                    elif field == 5 and isinstance(value, bytes):
                        self.config |= _config(value)
                    elif field == 17 and isinstance(value, bytes):
                        self._describe(value)
            except (IndexError, struct.error, ValueError, OverflowError, RecursionError):
                raise self._damaged(place, "holds no message") from None

    def _describe(self, run: bytes) -> None:
        for field, _, value in read_fields(run):
            if field == 4 and isinstance(value, bytes):
                self.config |= _config(value)
            elif field == 8 and isinstance(value, bytes):
                self.name = value.decode() or None

    def _records(self) -> Iterator[tuple[int, bytes]]:
        """Yield (where it begins, data) of each record."""
        begin, pieces = 0, list[bytes]()
        with self.path.open("rb") as file:
            place = len(file.read(_HEAD.size))
            while True:
                left = _BLOCK - place % _BLOCK
                if left < _PIECE.size:  # a block's end that no piece fits into
                    place += len(file.read(left))
                    continue
                head = file.read(_PIECE.size)
                if len(head) < _PIECE.size:
                    return
                checksum, length, kind = _PIECE.unpack(head)
                data = file.read(length)
                if len(data) < length:
                    return
                if zlib.crc32(data, zlib.crc32(head[-1:])) != checksum:
                    raise self._damaged(place, "has a wrong checksum")
                if (kind in (_FULL, _FIRST)) == bool(pieces) or not _FULL <= kind <= _LAST:
                    raise self._damaged(place, "is not the one that belongs there")
                if not pieces:
                    begin = place
                pieces.append(data)
                place += _PIECE.size + length
                if kind in (_FULL, _LAST):
                    yield begin, b"".join(pieces)
                    pieces = []

    def _damaged(self, place: int, what: str) -> InputError:
        return InputError(
            f"The run file {self.path} is damaged: the record at byte {place} {what}.",
            hint="Is it whole, and W&B's?",
            field="file",
        )


def _row(history: bytes) -> list[Scalar]:
    """Return the numbers of a row of history."""
    row: dict[str, Any] = {}
    for field, _, item in read_fields(history):
        if field == 1 and isinstance(item, bytes):
            name, value = _item(item)
            row[name] = value
    step, moment = row.get("_step"), row.get("_timestamp")
    if not isinstance(step, int) or not isinstance(moment, int | float):
        raise ValueError("a row without step or time")
    if abs(step) >= 2**63 or not math.isfinite(moment):
        raise ValueError("a row at no step or time")
    flat = dict(_flat(row))
    media = tuple(name.removesuffix("_type") for name in flat if name.endswith("._type"))
    return [
        Scalar(name, step, moment, float(value))
        for name, value in flat.items()
        if isinstance(value, int | float)
        and not isinstance(value, bool)
        and not name.startswith(("_", *media))
    ]


def _flat(values: dict[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield before + name, value


def _config(config: bytes) -> dict[str, Any]:
    """Return the settings that a configuration sets, without W&B's own."""
    items = (value for field, _, value in read_fields(config) if field == 1)
    found = dict(_item(item) for item in items if isinstance(item, bytes))
    return {name: value for name, value in found.items() if not name.startswith("_")}


def _item(item: bytes) -> tuple[str, Any]:
    """Return (name, value) of an item; its value is JSON, or in later files a field of its type."""
    parts: list[str] = []
    value: Any = None
    for field, _, content in read_fields(item):
        if field in (1, 2) and isinstance(content, bytes):
            parts.append(content.decode())
        elif field == 4:
            value = bool(content)
        elif field == 5 and isinstance(content, int):
            value = content >> 1 ^ -(content & 1)  # zigzag
        elif field == 6 and isinstance(content, bytes):
            (value,) = struct.unpack("<d", content)
        elif field == 7 and isinstance(content, bytes):
            value = content.decode()
        elif field in (8, 16) and isinstance(content, bytes):
            value = json.loads(content)
    return ".".join(parts), value
