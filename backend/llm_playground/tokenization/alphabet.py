"""The printable names of bytes, by which ``tokenizer.json`` and ``vocab.bpe`` spell tokens."""

from __future__ import annotations

from functools import cache


@cache
def byte_names() -> tuple[str, ...]:
    """Return GPT-2's printable character for each byte value: 256 different ones.

    Printable Latin-1 characters stand for themselves; the other bytes take characters from U+0100 on.
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    names, spare = {byte: chr(byte) for byte in printable}, 0x100
    for byte in range(256):
        if byte not in names:
            names[byte] = chr(spare)
            spare += 1
    return tuple(names[byte] for byte in range(256))


@cache
def name_bytes() -> dict[str, int]:
    """Return the byte value of each printable name."""
    return {name: byte for byte, name in enumerate(byte_names())}


def to_name(token: bytes) -> str:
    """Spell a token's bytes in printable characters, as ``tokenizer.json`` does.

    >>> to_name(b" the")
    'Ġthe'
    """
    names = byte_names()
    return "".join(names[byte] for byte in token)


def from_name(name: str) -> bytes:
    """Return the bytes of a printable spelling.

    Raises:
        KeyError: a character stands for no byte.
    """
    values = name_bytes()
    return bytes(values[character] for character in name)
