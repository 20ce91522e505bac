"""Run files of W&B, laid out by the descriptions of LevelDB's log and of protocol buffers."""

from __future__ import annotations

import json
import struct
import zlib
from typing import Any

HEAD = b":W&B" + struct.pack("<HB", 0xBEE1, 0)
BLOCK = 32 * 1024


def varint(value: int) -> bytes:
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def message(*fields: tuple[int, int | float | bytes | str]) -> bytes:
    out = b""
    for number, value in fields:
        if isinstance(value, int):
            out += varint(number << 3) + varint(value)
        elif isinstance(value, float):
            out += varint(number << 3 | 1) + struct.pack("<d", value)
        else:
            data = value.encode() if isinstance(value, str) else value
            out += varint(number << 3 | 2) + varint(len(data)) + data
    return out


def log(*records: bytes) -> bytes:
    """Lay records out in blocks as LevelDB does."""
    out = bytearray(HEAD)
    for record in records:
        first = True
        while True:
            left = BLOCK - len(out) % BLOCK
            if left < 7:
                out += bytes(left)
                continue
            part, record = record[: left - 7], record[left - 7 :]
            kind = bytes([(1 if first else 4) if not record else (2 if first else 3)])
            out += struct.pack("<IH", zlib.crc32(kind + part), len(part)) + kind + part
            first = False
            if not record:
                break
    return bytes(out)


def row(step: int, moment: float, **values: Any) -> bytes:
    """A row of history with JSON values; two underscores in a name stand for a level."""
    items = [
        message(*((2, part) for part in name.split("__")), (16, json.dumps(value)))
        for name, value in values.items()
    ]
    own = [message((2, "_step"), (16, str(step))), message((2, "_timestamp"), (16, str(moment)))]
    return message((1, step + 1), (2, message(*((1, item) for item in [*own, *items]))))
