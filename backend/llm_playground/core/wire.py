"""Messages as protocol buffers write them (https://protobuf.dev/programming-guides/encoding/)."""

from __future__ import annotations

from collections.abc import Iterator

VARINT, FIXED_64, BYTES, FIXED_32 = 0, 1, 2, 5  # wire types


def read_varint(data: bytes, place: int) -> tuple[int, int]:
    """Return (a number of variable length, the place behind it): 7 bits a byte, the lowest first.

    >>> read_varint(bytes([0xAC, 0x02]), 0)
    (300, 2)

    Raises:
        IndexError: the bytes end within it.
        ValueError: it has more than 64 bits.
    """
    value = shift = 0
    while True:
        byte = data[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place
        if shift > 63:
            raise ValueError("a number of more than 64 bits")


def read_fields(data: bytes) -> Iterator[tuple[int, int, bytes | int]]:
    """Yield (field number, wire type, value) of a message's fields in order; fixed ones as their bytes.

    >>> list(read_fields(b"\x08\x07\x12\x02hi"))
    [(1, 0, 7), (2, 2, b'hi')]

    Raises:
        IndexError: the bytes end within a field.
        ValueError: a wire type is unknown, or a number too long.
    """
    at = 0
    while at < len(data):
        key, at = read_varint(data, at)
        field, kind = key >> 3, key & 7
        if kind == VARINT:
            value, at = read_varint(data, at)
            yield field, kind, value
            continue
        if kind == BYTES:
            length, at = read_varint(data, at)
        elif kind in (FIXED_64, FIXED_32):
            length = 8 if kind == FIXED_64 else 4
        else:
            raise ValueError(f"wire type {kind}")
        if at + length > len(data):
            raise IndexError("it ends early")
        yield field, kind, data[at : at + length]
        at += length
