"""Write the table of character classes that tiktoken and tokenizers split by (unicode_classes.py).

What ``\\p{L}`` matches depends on a library's version of Unicode, so whichever library is installed is not
the specification. This script asks tiktoken for each class: an encoding whose pattern is the class alone
keeps just the bytes of its members. Run it when tiktoken's version of Unicode moves; a test proves the table
against tiktoken and tokenizers over all 1,112,064 code points.
"""

from __future__ import annotations

import textwrap
from itertools import groupby
from pathlib import Path

import tiktoken

PACKAGE = Path(__file__).resolve().parent.parent / "backend" / "llm_playground"
OUT = PACKAGE / "tokenization" / "unicode_classes.py"
CLASSES = {
    "u": r"\p{Lu}",
    "l": r"\p{Ll}",
    "t": r"\p{Lt}",
    "m": r"\p{Lm}",
    "o": r"\p{Lo}",
    "k": r"\p{M}",
    "n": r"\p{N}",
    "p": r"\p{P}",
    "s": r"\p{S}",
    "w": r"\s",
}
REST = "x"
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"

HEAD = '''"""The class of every character as tiktoken {version} sees it, by tools/make_unicode_classes.py.

``RUNS`` lists the code points from 0 to 0x10FFFF as runs: a length in base 36 (none: 1), then the class:
u l t m o (letters: upper, lower, title, modifier, other), k (marks), n (numbers), p (punctuation),
s (symbols), w (white space), x (all else, the surrogates too).
"""

from __future__ import annotations

RUNS = (
'''


def members(pattern: str) -> set[int]:
    """Return the code points that tiktoken's engine lets a pattern of one character match."""
    everything = "".join(map(chr, [*range(0xD800), *range(0xE000, 0x110000)]))
    ranks = {bytes([byte]): byte for byte in range(256)}
    encoding = tiktoken.Encoding("class", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
    return set(map(ord, bytes(encoding.encode_ordinary(everything)).decode()))


def base36(number: int) -> str:
    """Write a number in base 36.

    >>> base36(36)
    '10'
    """
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits


def main() -> None:
    """Ask, check that no character has two classes, and write the module."""
    names = [REST] * 0x110000
    for name, pattern in CLASSES.items():
        for code in members(pattern):
            if names[code] != REST:
                raise SystemExit(f"U+{code:04X} is in two classes: {names[code]} and {name}")
            names[code] = name
    runs = [(len(list(group)), name) for name, group in groupby(names)]
    text = "".join(f"{base36(length) if length > 1 else ''}{name}" for length, name in runs)
    lines = [f'    "{line}"' for line in textwrap.wrap(text, 100)]
    OUT.write_text(HEAD.format(version=tiktoken.__version__) + "\n".join(lines) + "\n)\n")
    print(f"{len(runs):,} runs, {len(text):,} characters: {OUT}")


if __name__ == "__main__":
    main()
