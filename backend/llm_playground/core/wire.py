"""Numbers as protocol buffers write them (https://protobuf.dev/programming-guides/encoding/)."""

from __future__ import annotations


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
