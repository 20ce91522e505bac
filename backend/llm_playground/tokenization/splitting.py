"""How text is cut into pieces before merging: known patterns, run over the shape of a text.

The patterns of the well-known tokenizers ask only for the class of a character (letter, number, white space,
...) and for a few ASCII characters by name. So each text is first turned into its *shape*: the same number of
characters, all ASCII, in which every other character is replaced by one ASCII character of its class. A plain
:mod:`re` pattern without any Unicode class then cuts the shape, and the cuts hold for the text. Classes come
from :mod:`unicode_classes`, so that no library's version of Unicode matters; ASCII text is its own shape.

Named patterns and their sources: ``gpt2`` (Radford et al. 2019, encoder.py; tiktoken's r50k_base, p50k_base),
``cl100k`` and ``o200k`` (tiktoken_ext/openai_public.py; Llama 3 has the cuts of cl100k), ``qwen2``
(transformers' Qwen2 tokenizer).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache

import numpy
from numpy.typing import NDArray

from llm_playground.core.errors import ConfigError, InputError
from llm_playground.tokenization.unicode_classes import RUNS

CLASS_NAMES = "ultmoknpswx"
_SHORT = 64  # characters
SURROGATE = InputError(
    "The text holds a lone surrogate (half of a character), which UTF-8 cannot write.", field="text"
)


@cache
def class_table() -> NDArray[numpy.uint8]:
    """Return the class of every code point as an index into ``CLASS_NAMES``: [0x110000] uint8."""
    runs = re.findall(r"([0-9A-Z]*)([a-z])", "".join(RUNS))
    lengths = [int(length, 36) if length else 1 for length, _ in runs]
    return numpy.repeat(
        numpy.array([CLASS_NAMES.index(name) for _, name in runs], dtype=numpy.uint8), lengths
    )


def code_points(text: str) -> NDArray[numpy.uint32]:
    """Return the code points of a text.

    Raises:
        InputError: it holds a lone surrogate.
    """
    try:
        return numpy.frombuffer(text.encode("utf-32-le"), dtype="<u4")
    except UnicodeEncodeError:
        raise SURROGATE from None


@dataclass(frozen=True)
class SplitPattern:
    """One way to cut text.

    Attributes:
        name: what people call it.
        regex: the pattern as its source writes it, for files that other libraries read.
        twin: the same over shapes, for :mod:`re`; must match every character of any text.
        stands: class name -> the ASCII character that stands for it in a shape.
        exceptions: characters that another stands for, such as one that a case-insensitive pattern means too.
        reserved: ASCII characters with a meaning of their own in a shape; in a text they are of class x.
        branches: what each alternative of the twin cuts, in the same order, for people.
    """

    name: str
    regex: str
    twin: str
    stands: Mapping[str, str]
    exceptions: Mapping[str, str] = field(default_factory=dict)
    reserved: str = ""
    branches: tuple[str, ...] = ()

    @property
    def alternatives(self) -> tuple[str, ...]:
        """The alternatives of the twin, in the order in which they are tried."""
        return tuple(self.twin.split(" OR "))

    def compiled(self) -> re.Pattern[str]:
        """Return the twin, compiled."""
        return _compile("|".join(self.alternatives))

    def branch_of(self, text: str) -> list[int]:
        """Return which alternative cut each piece of a text, as indices into ``branches``.

        Raises:
            InputError: the text holds a lone surrogate.
        """
        grouped = _compile("|".join(f"({alternative})" for alternative in self.alternatives))
        return [(match.lastindex or 1) - 1 for match in grouped.finditer(self.shape(text))]

    def shape_table(self) -> NDArray[numpy.uint8]:
        """Return the shape of every code point: [0x110000] uint8, below 128."""
        return _shape_table(self.name)

    def shape(self, text: str) -> str:
        """Return the text's shape, of the same length.

        Raises:
            InputError: the text holds a lone surrogate.
        """
        if text.isascii() and not any(character in text for character in self.reserved):
            return text
        return self.shape_table()[code_points(text)].tobytes().decode("ascii")

    def splitter(self) -> Callable[[str], list[str]]:
        """Return the function that cuts a text into pieces, which joined give the text again."""
        find, shapes = self.compiled().findall, _Shapes(self)
        reserved = re.compile(f"[{self.reserved}]").search if self.reserved else None

        def split(text: str) -> list[str]:
            if text.isascii() and (reserved is None or reserved(text) is None):
                return find(text)
            shape = text.translate(shapes) if len(text) < _SHORT else self.shape(text)
            pieces, end = [], 0
            for part in find(shape):
                start, end = end, end + len(part)
                pieces.append(text[start:end])
            return pieces

        return split


class _Shapes(dict[int, int]):
    """Code point -> its shape, for texts so short that ``str.translate`` is faster than numpy."""

    def __init__(self, pattern: SplitPattern) -> None:
        super().__init__()
        self._pattern = pattern

    def __missing__(self, point: int) -> int:
        if 0xD800 <= point < 0xE000:
            raise SURROGATE
        shape = self[point] = int(self._pattern.shape_table()[point])
        return shape


@cache
def _compile(twin: str) -> re.Pattern[str]:
    return re.compile(twin)


@cache
def _shape_table(name: str) -> NDArray[numpy.uint8]:
    pattern = PATTERNS[name]
    stands = numpy.array([ord(pattern.stands[kind]) for kind in CLASS_NAMES], dtype=numpy.uint8)
    table = stands[class_table()]
    table[:128] = numpy.arange(128)
    for character in pattern.reserved:
        table[ord(character)] = ord(pattern.stands["x"])
    for character, shown in pattern.exceptions.items():
        table[ord(character)] = ord(shown)
    table.setflags(write=False)
    return table


# White space beyond ASCII stands as \v, which every pattern treats as neither space nor line end.
_SIMPLE = {**dict.fromkeys("ultmo", "x"), "k": "!", "n": "1", "p": "!", "s": "!", "w": "\v", "x": "!"}
_CASED = {**_SIMPLE, "u": "X", "t": "X", "m": "\x01", "o": "\x01", "k": "\x02"}
_CONTRACTIONS = "'(?:[sStTmMdD]|[rR][eE]|[vV][eE]|[lL][lL])"
# What a case-insensitive "s" means beside s and S, by Unicode's simple case folding.
_LONG_S = {"\u017f": "s"}

_GPT2 = (
    r"""'(?:[stmd]|re|ve|ll) OR  ?[A-Za-z]+ OR  ?[0-9]+ OR  ?[^\t-\r A-Za-z0-9]+"""
    r""" OR [\t-\r ]+(?![^\t-\r ]) OR [\t-\r ]+"""
)
_CL100K = (
    rf"""{_CONTRACTIONS} OR [^\r\nA-Za-z0-9]?[A-Za-z]+ OR [0-9]{{1,3}} OR  ?[^\t-\r A-Za-z0-9]+[\r\n]*"""
    r""" OR [\t-\r ]*[\r\n]+ OR [\t-\r ]+(?![^\t-\r ]) OR [\t-\r ]+"""
)
_O200K = (
    r"""[^\r\nA-Za-z\x010-9]?[A-Z\x01\x02]*[a-z\x01\x02]+(?:CONTRACTION)?"""
    r""" OR [^\r\nA-Za-z\x010-9]?[A-Z\x01\x02]+[a-z\x01\x02]*(?:CONTRACTION)? OR [0-9]{1,3}"""
    r""" OR  ?[^\t-\r A-Za-z\x010-9]+[\r\n/]* OR [\t-\r ]*[\r\n]+ OR [\t-\r ]+(?![^\t-\r ]) OR [\t-\r ]+"""
).replace("CONTRACTION", _CONTRACTIONS)

_SPACES = ("line ends", "white space, its last left to the word", "white space")
_WORDS = ("contraction", "letters", "up to three digits", "other characters", *_SPACES)

PATTERNS: dict[str, SplitPattern] = {
    pattern.name: pattern
    for pattern in (
        SplitPattern(
            "gpt2",
            r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+""",
            _GPT2,
            _SIMPLE,
            branches=("contraction", "letters", "numbers", "other characters", *_SPACES[1:]),
        ),
        SplitPattern(
            "cl100k",
            r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"""
            r""" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+""",
            _CL100K,
            _SIMPLE,
            _LONG_S,
            branches=_WORDS,
        ),
        SplitPattern(
            "qwen2",
            r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|"""
            r""" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+""",
            _CL100K.replace("{1,3}", ""),
            _SIMPLE,
            _LONG_S,
            branches=("contraction", "letters", "one digit", *_WORDS[3:]),
        ),
        SplitPattern(
            "o200k",
            r"""[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"""
            r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"""
            r"""[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"""
            r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"""
            r"""\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+""",
            _O200K,
            _CASED,
            _LONG_S,
            "\x01\x02",
            ("word that ends in small letters", "word in capitals", *_WORDS[2:]),
        ),
    )
}

# Other spellings of the same cuts, as they stand in published files.
_ALIASES = {
    r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s""": "gpt2",
    r"""'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|"""
    r"""\s++$|\s*[\r\n]|\s+(?!\S)|\s""": "cl100k",
}
_NAMES = {"llama3": "cl100k", "r50k": "gpt2", "p50k": "gpt2", "gpt4": "cl100k", "gpt4o": "o200k"}


def get_pattern(name: str) -> SplitPattern:
    """Return a pattern by its name, or by another name of the same cuts (llama3, r50k, p50k).

    Raises:
        ConfigError: there is none of that name.
    """
    found = PATTERNS.get(_NAMES.get(name, name))
    if found is None:
        raise ConfigError(
            f"pattern: {name!r} is unknown.",
            hint=f"Known: {', '.join([*PATTERNS, *_NAMES])}.",
            field="pattern",
        )
    return found


def find_pattern(regex: str) -> SplitPattern | None:
    """Return the known pattern that a published regular expression stands for, or None."""
    name = _ALIASES.get(regex)
    if name is not None:
        return PATTERNS[name]
    return next((pattern for pattern in PATTERNS.values() if pattern.regex == regex), None)


@cache
def class_ranges(names: str) -> str:
    """Return the members of classes as the inside of a bracket expression of :mod:`re`.

    >>> class_ranges("w")[:12]
    '\\\\U00000009-'
    """
    table = class_table()
    wanted = numpy.isin(table, [CLASS_NAMES.index(name) for name in names])
    edges = numpy.flatnonzero(numpy.diff(numpy.concatenate(([False], wanted, [False])).astype(numpy.int8)))
    return "".join(
        f"\\U{first:08X}-\\U{last - 1:08X}"
        for first, last in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    )
