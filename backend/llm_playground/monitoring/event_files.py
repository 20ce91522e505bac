"""TensorBoard event files: scalars and histograms, written without TensorBoard.

A file is a sequence of records (length, its checksum, data, its checksum), each holding an ``Event`` protocol
message; only the few fields that are needed are encoded here, by the wire format of protocol buffers. The
field numbers are those of TensorFlow's ``event.proto``, ``summary.proto`` and ``histogram.proto``.
"""

from __future__ import annotations

import os
import socket
import struct
import time as clock
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from llm_playground.monitoring.histograms import edges


def _table() -> tuple[int, ...]:
    values = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        values.append(value)
    return tuple(values)


_CRC = _table()


def crc32c(data: bytes) -> int:
    """Return the CRC-32C (Castagnoli) of some bytes.

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    crc, table = 0xFFFFFFFF, _CRC
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def masked_crc(data: bytes) -> bytes:
    """Return the four bytes by which a record's length or data are checked."""
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def _varint(value: int) -> bytes:
    value &= 0xFFFFFFFFFFFFFFFF
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _bytes(field: int, data: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _double(field: int, value: float) -> bytes:
    return _varint(field << 3 | 1) + struct.pack("<d", value)


def _float(field: int, value: float) -> bytes:
    try:
        packed = struct.pack("<f", value)
    except OverflowError:  # beyond float32, which is all that the format has for scalars
        packed = struct.pack("<f", float("inf") if value > 0 else float("-inf"))
    return _varint(field << 3 | 5) + packed


class EventFile:
    """One event file, open for writing.

    Args:
        folder: made if missing; TensorBoard takes a folder for a run.
        number: tells files of one moment apart.
    """

    def __init__(self, folder: Path, number: int = 0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        moment = clock.time()
        name = f"events.out.tfevents.{int(moment)}.{socket.gethostname()}.{os.getpid()}.{number}"
        self.path = folder / name
        self._file: IO[bytes] = self.path.open("wb")
        self._event(_double(1, moment) + _bytes(3, b"brain.Event:2"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def scalars(self, step: int, time: float, values: Mapping[str, float]) -> None:
        """Add values of a step, as one event; ``time`` is in seconds since 1970."""
        summary = b"".join(
            _bytes(1, _bytes(1, name.encode()) + _float(2, value)) for name, value in values.items()
        )
        self._add(step, time, summary)

    def histogram(self, step: int, time: float, name: str, counts: Sequence[int]) -> None:
        """Add a histogram in the fixed bins; its sums are those of the bins' middles."""
        borders = edges()
        used = [place for place, count in enumerate(counts) if count]
        if not used:
            return
        middles = [(low + high) / 2 for low, high in zip(borders[:-1], borders[1:], strict=True)]
        limits, shown = [], []
        for place in range(used[0], used[-1] + 1):
            limits.append(borders[place + 1])
            shown.append(float(counts[place]))
        body = (
            _double(1, borders[used[0]])
            + _double(2, borders[used[-1] + 1])
            + _double(3, float(sum(counts)))
            + _double(4, sum(count * middle for count, middle in zip(counts, middles, strict=True)))
            + _double(5, sum(count * middle**2 for count, middle in zip(counts, middles, strict=True)))
            + _bytes(6, struct.pack(f"<{len(limits)}d", *limits))
            + _bytes(7, struct.pack(f"<{len(shown)}d", *shown))
        )
        self._add(step, time, _bytes(1, _bytes(1, name.encode()) + _bytes(5, body)))

    def _add(self, step: int, time: float, summary: bytes) -> None:
        self._event(_double(1, time) + _varint(2 << 3) + _varint(step) + _bytes(5, summary))

    def _event(self, event: bytes) -> None:
        head = struct.pack("<Q", len(event))
        self._file.write(head + masked_crc(head) + event + masked_crc(event))
