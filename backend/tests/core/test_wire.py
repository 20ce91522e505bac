"""Numbers of variable length, as protocol buffers write them."""

from __future__ import annotations

import pytest

from llm_playground.core.wire import read_varint


@pytest.mark.parametrize(
    ("data", "value"), [("00", 0), ("7f", 127), ("8001", 128), ("ac02", 300), ("ff" * 9 + "01", 2**64 - 1)]
)
def test_numbers_are_read_from_their_place(data: str, value: int) -> None:
    written = bytes.fromhex(data)
    assert read_varint(b"\x07" + written + b"\x05", 1) == (value, 1 + len(written))


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(IndexError):
        read_varint(b"\x80", 0)
    with pytest.raises(ValueError, match="more than 64 bits"):
        read_varint(b"\x80" * 20, 0)
