"""Scalars of TensorBoard event files, read without TensorBoard; checksums are checked.

The format is that of :mod:`.event_files`. Both ways of writing a scalar are read: as a ``simple_value``, as
PyTorch and most programs do, and as a tensor with one number, as TensorFlow 2 does.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from llm_playground.core.errors import InputError
from llm_playground.core.wire import read_fields
from llm_playground.monitoring.event_files import masked_crc

_LONGEST = 2**30  # bytes of a record; more is no length
_FLOATS = {1: "<f", 2: "<d"}  # TensorFlow's DT_FLOAT and DT_DOUBLE


class Scalar(NamedTuple):
    """One value.

    Attributes:
        name: its tag.
        step: of the run.
        time: seconds since 1970.
        value: the number, which may be none.
    """

    name: str
    step: int
    time: float
    value: float


def read_scalars(path: Path) -> Iterator[Scalar]:
    """Yield the scalars of an event file in order.

    A last record that is cut off, as of a program that still writes or was killed, ends the reading.

    Raises:
        InputError: a checksum or a message is wrong; the byte at which its record begins is named.
    """
    for place, event in _records(path):
        try:
            yield from _scalars(event)
        except (IndexError, struct.error, ValueError):
            raise _damaged(path, place, "holds no event") from None


def _damaged(path: Path, place: int, what: str) -> InputError:
    return InputError(
        f"The event file {path} is damaged: the record at byte {place} {what}.",
        hint="Is it whole, and TensorBoard's?",
        field="file",
    )


def _records(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield (where it begins, data) of each record."""
    place = 0
    with path.open("rb") as file:
        while len(head := file.read(12)) == 12:
            if head[8:] != masked_crc(head[:8]):
                raise _damaged(path, place, "has a wrong checksum")
            (length,) = struct.unpack("<Q", head[:8])
            if length > _LONGEST:
                raise _damaged(path, place, f"is {length:,} bytes long")
            data = file.read(length + 4)
            if len(data) < length + 4:
                return
            if data[length:] != masked_crc(data[:length]):
                raise _damaged(path, place, "has a wrong checksum")
            yield place, data[:length]
            place += 16 + length


def _scalars(event: bytes) -> Iterator[Scalar]:
    time, step, summaries = 0.0, 0, []
    for field, _, value in read_fields(event):
        if field == 1 and isinstance(value, bytes):
            (time,) = struct.unpack("<d", value)
        elif field == 2 and isinstance(value, int):
            step = value - 2**64 if value >= 2**63 else value
        elif field == 5 and isinstance(value, bytes):
            summaries.append(value)
    if not math.isfinite(time):
        raise ValueError("an event at no time")
    for summary in summaries:
        for field, _, entry in read_fields(summary):
            if field == 1 and isinstance(entry, bytes) and (found := _value(entry)) is not None:
                yield Scalar(found[0], step, time, found[1])


def _value(entry: bytes) -> tuple[str, float] | None:
    """Return (tag, number) of a summary's value, None where it is no scalar."""
    name, number = "", None
    for field, _, value in read_fields(entry):
        if field == 1 and isinstance(value, bytes):
            name = value.decode("utf-8")
        elif field == 2 and isinstance(value, bytes):
            (number,) = struct.unpack("<f", value)
        elif field == 8 and isinstance(value, bytes):
            number = _tensor(value)
    return None if number is None or not name else (name, number)


def _tensor(data: bytes) -> float | None:
    """Return the number of a tensor that holds one, None for any other."""
    fields: dict[int, bytes | int] = {field: value for field, _, value in read_fields(data)}
    form = _FLOATS.get(int(fields[1])) if isinstance(fields.get(1), int) else None
    content = fields.get(4) or fields.get(5) or fields.get(6)
    if form is None or not isinstance(content, bytes) or len(content) != struct.calcsize(form):
        return None
    number: float = struct.unpack(form, content)[0]
    return number
