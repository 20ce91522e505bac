"""How well a vocabulary covers texts: in all, by Unicode script, and by kind of content.

Definitions, for the tokens of the texts measured (sums over all texts, then one division):

- *bytes, characters, words per token*: of UTF-8; a word is a run of letters and marks of one script, so that
  in scripts without spaces (Chinese, Thai) a "word" is a whole run. Tokens per word is called fertility (Rust
  et al. 2021, arXiv:2012.15613).
- *single-token words*: words that lie whole in one token, whatever else the token holds (``" the"``).
- *byte-fallback rate*: the share of tokens whose bytes are not UTF-8 on their own, as they hold only part of
  some character.
- *Shannon efficiency*: H(p) / log V, with p the tokens' shares, H(p) = -sum p log p, and V the size of the
  vocabulary. *Rényi efficiency* of order a: H_a(p) / log V, with H_a(p) = log(sum p^a) / (1 - a); order 2.5
  agreed best with translation quality in Zouhar et al. 2023 (arXiv:2306.16842, section 5). Both are 1 where
  every token is used equally often. They compare tokenizers on the same texts, and can be gamed (Cognetta et
  al. 2024, arXiv:2402.14614).

Every token belongs to one script: that of its first character that has one (of ``" слово"``: Cyrillic), else
``Common`` (spaces, digits, punctuation, emoji). Every token belongs to one kind of content:

- *white space*: nothing but white space;
- *numbers*: its first other character is a number (any script's);
- *code* or *prose*: as the block of lines around it. A block (lines between empty lines) is code within a
  ```` ``` ```` fence, or where lines that look like code make up half of it or more. A line looks so when it
  holds a call, an assignment, a comparison, an arrow, a snake_case name or a tag, is a ``"key": value``, ends
  with one of ``{};``, or begins with a comment, a bracket or a keyword. It is a rule of thumb: it called 98 %
  of Python's library (without docstrings), 94 % of C headers and 99 % of TSX code, and 98 to 100 % of
  encyclopedia articles, stories and web pages prose.

Characters and bytes go with the token that holds them, so that the parts add up to the whole.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any

import numpy
from numpy.typing import NDArray

from llm_playground.core.errors import ConfigError, InputError
from llm_playground.tokenization.base import Tokenizer
from llm_playground.tokenization.splitting import CLASS_NAMES, class_table, code_points
from llm_playground.tokenization.unicode_scripts import NAMES, RUNS

SCRIPTS = tuple(NAMES.split(", "))
KINDS = ("prose", "code", "numbers", "white space")
ORDER = 2.5
_COMMON, _INHERITED, _UNKNOWN = (SCRIPTS.index(name) for name in ("Common", "Inherited", "Unknown"))
_PROSE, _CODE, _NUMBERS, _SPACE = range(4)
_CODE_LINE = re.compile(
    r"""
    \w\( | \w\[ | [^=<>!\s]\s?=\s?\S | [=!<>]= | -> | => | :: | \w_\w | </?\w | /> | [{};]\s*$
    | ^\s*["']?[\w-]+["']?\s*:\s*\S*,?$ | ^\s*["'][^"']*["']\s*:\s
    | ^\s*(?:\# | // | /\* | \*\s | @\w | [\[\](){}])
    | ^\s*(?:def|class|import|from|return|elif|else|try|except|finally|while|with|pass|break|continue|raise
        |yield|const|let|var|function|public|private|static|void|struct|enum|typedef|extern|export|package
        |func|fn|use|case|switch|default)\b
    """,
    re.VERBOSE,
)
_BLOCKS = re.compile(r"(?:[^\n]*\S[^\n]*(?:\n|\Z))+|\n|[^\n]+")
Ints = NDArray[numpy.int64]


@dataclass(frozen=True)
class Figures:
    """What was counted over some tokens, and the ratios that follow (None where there is nothing to divide).

    Attributes:
        name: of the script or the kind of content; ``all`` for everything.
        tokens, bytes, characters, words: how many.
        single_token_words: words that lie whole in one token.
        partial_tokens: tokens that hold only a part of some character.
        unknown_tokens: tokens that stand for what the vocabulary cannot write.
        distinct_tokens: different ids.
        shannon_entropy, renyi_entropy: of the tokens' shares, in bits.
        vocab_size: ids of the tokenizer.
    """

    name: str
    tokens: int
    bytes: int
    characters: int
    words: int
    single_token_words: int
    partial_tokens: int
    unknown_tokens: int
    distinct_tokens: int
    shannon_entropy: float
    renyi_entropy: float
    vocab_size: int

    @property
    def bytes_per_token(self) -> float | None:
        """Bytes of text to a token."""
        return _ratio(self.bytes, self.tokens)

    @property
    def characters_per_token(self) -> float | None:
        """Characters of text to a token."""
        return _ratio(self.characters, self.tokens)

    @property
    def words_per_token(self) -> float | None:
        """Words of text to a token."""
        return _ratio(self.words, self.tokens)

    @property
    def tokens_per_word(self) -> float | None:
        """Tokens to a word: fertility."""
        return _ratio(self.tokens, self.words)

    @property
    def single_token_word_share(self) -> float | None:
        """Share of the words that are one token."""
        return _ratio(self.single_token_words, self.words)

    @property
    def byte_fallback_rate(self) -> float | None:
        """Share of the tokens that hold only a part of some character."""
        return _ratio(self.partial_tokens, self.tokens)

    @property
    def unknown_rate(self) -> float | None:
        """Share of the tokens that stand for something the vocabulary cannot write."""
        return _ratio(self.unknown_tokens, self.tokens)

    @property
    def shannon_efficiency(self) -> float | None:
        """Entropy over its greatest value, log V."""
        return _ratio(self.shannon_entropy, math.log2(self.vocab_size)) if self.tokens else None

    @property
    def renyi_efficiency(self) -> float | None:
        """Rényi entropy over its greatest value, log V."""
        return _ratio(self.renyi_entropy, math.log2(self.vocab_size)) if self.tokens else None

    def to_dict(self) -> dict[str, Any]:
        """Return the counts and the ratios as JSON data."""
        ratios = (name for name, value in vars(Figures).items() if isinstance(value, property))
        return {**asdict(self), **{name: getattr(self, name) for name in ratios}}


@dataclass(frozen=True)
class Coverage:
    """What :func:`analyze_coverage` found.

    Attributes:
        total: everything.
        by_script: one entry for each script met, the one with most tokens first.
        by_content: one entry for each kind of content met, likewise.
        order: of the Rényi entropy.
        used_tokens: different ids met; ``unused_tokens``: the others, special tokens left out.
        counts: id -> how often it was met (not part of :meth:`to_dict`).
    """

    total: Figures
    by_script: tuple[Figures, ...]
    by_content: tuple[Figures, ...]
    order: float
    used_tokens: int
    unused_tokens: int
    counts: Mapping[int, int] = field(repr=False)

    @property
    def used_share(self) -> float | None:
        """Share of the vocabulary, special tokens left out, that was met."""
        return _ratio(self.used_tokens, self.used_tokens + self.unused_tokens)

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the counts as JSON data."""
        return {
            "total": self.total.to_dict(),
            "by_script": [figures.to_dict() for figures in self.by_script],
            "by_content": [figures.to_dict() for figures in self.by_content],
            "order": self.order,
            "used_tokens": self.used_tokens,
            "unused_tokens": self.unused_tokens,
            "used_share": self.used_share,
        }


def analyze_coverage(tokenizer: Tokenizer, texts: str | Iterable[str], order: float = ORDER) -> Coverage:
    """Measure how a tokenizer covers texts; see the head of this module for every definition.

    Args:
        tokenizer: any tokenizer; special tokens that the texts spell are ordinary text.
        texts: one text, or many, read once.
        order: of the Rényi entropy; 1 gives Shannon's.

    Raises:
        ConfigError: the order is not a positive number.
        InputError: there is no text, or one holds a lone surrogate.
    """
    if not (order > 0 and math.isfinite(order)):
        raise ConfigError(f"order: {order} is not a positive number.", field="order")
    scripts, kinds, everything = _Tally(len(SCRIPTS)), _Tally(len(KINDS)), _Tally(1)
    partial: dict[int, bool] = {}
    unknown = getattr(tokenizer, "unk_id", None)
    for text in [texts] if isinstance(texts, str) else texts:
        if not text:
            continue
        piece = _Text(tokenizer, text, partial)
        scripts.add(piece, piece.token_scripts, piece.scripts, unknown)
        kinds.add(piece, piece.token_kinds, piece.kinds, unknown)
        everything.add(piece, numpy.zeros_like(piece.ids), numpy.zeros_like(piece.kinds), unknown)
    if not everything.characters[0]:
        raise InputError("There is no text to measure.", field="texts")
    size, counts = tokenizer.vocab_size, everything.counts[0]
    special = set(tokenizer.special_tokens.values())
    used = len(counts.keys() - special)
    return Coverage(
        total=everything.figures(["all"], size, order)[0],
        by_script=scripts.figures(SCRIPTS, size, order),
        by_content=kinds.figures(KINDS, size, order),
        order=order,
        used_tokens=used,
        unused_tokens=size - len(special) - used,
        counts=dict(counts),
    )


def renyi_entropy(counts: Iterable[int], order: float = ORDER) -> float:
    """Return the Rényi entropy of the shares of some counts in bits; order 1 is Shannon's entropy.

    >>> renyi_entropy([5, 5, 5, 5])
    2.0
    """
    shares = numpy.array([count for count in counts if count], dtype=numpy.float64)
    if not len(shares):
        return 0.0
    shares /= shares.sum()
    if order == 1:
        entropy = -(shares * numpy.log2(shares)).sum()
    else:
        entropy = numpy.log2((shares**order).sum()) / (1 - order)
    return max(0.0, float(entropy))


@cache
def script_table() -> NDArray[numpy.uint8]:
    """Return the script of every code point as an index into ``SCRIPTS``: [0x110000] uint8."""
    runs = re.findall(r"([0-9A-Z]*)([a-z])([a-z])", "".join(RUNS))
    lengths = [int(length, 36) if length else 1 for length, _, _ in runs]
    codes = [(ord(high) - 97) * 26 + ord(low) - 97 for _, high, low in runs]
    return numpy.repeat(numpy.array(codes, dtype=numpy.uint8), lengths)


def content_blocks(text: str) -> Iterator[tuple[int, int, bool]]:
    """Cut a text into blocks of lines: (start, end, whether it is code).

    >>> list(content_blocks("Some words.\\n\\nx = f(y)\\n"))
    [(0, 12, False), (12, 13, False), (13, 22, True)]
    """
    fenced = False
    for match in _BLOCKS.finditer(text):
        block = match[0]
        fences = block.count("```")
        yield match.start(), match.end(), fenced or fences > 0 or _looks_like_code(block)
        fenced ^= fences % 2 == 1


def _looks_like_code(block: str) -> bool:
    lines = [line for line in block.split("\n") if line and not line.isspace()]
    code = sum(len(line) for line in lines if _CODE_LINE.search(line))
    return bool(lines) and 2 * code >= sum(map(len, lines))


class _Text:
    """One text as arrays: for each token its id, place, script and kind; for each character its own."""

    def __init__(self, tokenizer: Tokenizer, text: str, partial: dict[int, bool]) -> None:
        codes = code_points(text)
        classes = class_table()[codes]
        spans = tokenizer.spans(text)
        for span in spans:
            if span.id not in partial:
                partial[span.id] = _is_partial(span.bytes)
        self.ids = numpy.array([span.id for span in spans], dtype=numpy.int64)
        self.start = numpy.array([span.start for span in spans], dtype=numpy.int64)
        self.end = numpy.array([span.end for span in spans], dtype=numpy.int64)
        self.byte_start = numpy.array([span.byte_start for span in spans], dtype=numpy.int64)
        self.byte_end = numpy.array([span.byte_end for span in spans], dtype=numpy.int64)
        self.partial = numpy.array([partial[span.id] for span in spans], dtype=bool)
        self.widths = 1 + (codes >= 0x80).astype(numpy.int64) + (codes >= 0x800) + (codes >= 0x10000)
        self.bytes_at = numpy.concatenate([[0], numpy.cumsum(self.widths)])
        letters, marks = classes <= CLASS_NAMES.index("o"), classes == CLASS_NAMES.index("k")
        in_word = letters | marks | (codes == 0x200C) | (codes == 0x200D)
        self.scripts = _resolved_scripts(script_table()[codes].astype(numpy.int64), in_word)
        self.kinds = _character_kinds(text, classes)
        weak = (self.scripts == _COMMON) | (self.scripts == _INHERITED) | (self.scripts == _UNKNOWN)
        self.token_scripts = self._first(~weak, self.scripts, _COMMON)
        self.token_kinds = self._first(self.kinds != _SPACE, self.kinds, _SPACE)
        self.word_start, self.word_end = _words(in_word, letters, self.scripts)

    def _first(self, strong: NDArray[numpy.bool_], values: Ints, otherwise: int) -> Ints:
        """Return for each token the value of its first strong character."""
        count = len(values)
        places = numpy.where(strong, numpy.arange(count), count)
        following = numpy.append(numpy.minimum.accumulate(places[::-1])[::-1], count)[self.start]
        found = following < self.end
        return numpy.where(found, values[numpy.minimum(following, count - 1)], otherwise)

    def single_token_words(self) -> NDArray[numpy.bool_]:
        """Say of each word whether one token holds it whole."""
        if not len(self.ids):
            return numpy.zeros(len(self.word_start), dtype=bool)
        low, high = self.bytes_at[self.word_start], self.bytes_at[self.word_end]
        token = numpy.searchsorted(self.byte_start, low, side="right") - 1
        token_end, broken = self.byte_end[token], self.partial[token]
        return (token >= 0) & (token_end >= high) & ~broken

    def owners(self, token_class: Ints, own: Ints) -> Ints:
        """Return the class of each character: that of the first token that holds it, else its own."""
        result = own.copy()
        for index in range(len(self.ids) - 1, -1, -1):
            result[self.start[index] : self.end[index]] = token_class[index]
        return result


class _Tally:
    """Counts for each of several classes."""

    def __init__(self, classes: int) -> None:
        self._classes = classes
        zeros = (numpy.zeros(classes, dtype=numpy.int64) for _ in range(6))
        self.characters, self._bytes, self._words, self._single, self._partial, self._unknown = zeros
        self.counts: list[Counter[int]] = [Counter() for _ in range(classes)]

    def add(self, text: _Text, token_class: Ints, own: Ints, unknown: int | None) -> None:
        """Count one text, given the class of each of its tokens and characters."""
        owner = text.owners(token_class, own)
        self.characters += self._sum(owner)
        self._bytes += self._sum(owner, text.widths)
        words = owner[text.word_start]
        self._words += self._sum(words)
        self._single += self._sum(words[text.single_token_words()])
        self._partial += self._sum(token_class[text.partial])
        if unknown is not None:
            self._unknown += self._sum(token_class[text.ids == unknown])
        for index in numpy.unique(token_class).tolist():
            self.counts[index].update(text.ids[token_class == index].tolist())

    def _sum(self, classes: Ints, weights: Ints | None = None) -> Ints:
        return numpy.bincount(classes, weights, minlength=self._classes).astype(numpy.int64)

    def figures(self, names: Sequence[str], vocab_size: int, order: float) -> tuple[Figures, ...]:
        """Return the figures of the classes met, the one with most tokens first."""
        found = [
            Figures(
                name=name,
                tokens=self.counts[index].total(),
                bytes=int(self._bytes[index]),
                characters=int(self.characters[index]),
                words=int(self._words[index]),
                single_token_words=int(self._single[index]),
                partial_tokens=int(self._partial[index]),
                unknown_tokens=int(self._unknown[index]),
                distinct_tokens=len(self.counts[index]),
                shannon_entropy=renyi_entropy(self.counts[index].values(), 1),
                renyi_entropy=renyi_entropy(self.counts[index].values(), order),
                vocab_size=vocab_size,
            )
            for index, name in enumerate(names)
            if self.counts[index] or self.characters[index]
        ]
        return tuple(sorted(found, key=lambda figures: -figures.tokens))


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _is_partial(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return True
    return False


def _forward(values: Ints, known: NDArray[numpy.bool_]) -> Ints:
    """Return for each place the last known one at or before it, -1 for none."""
    return numpy.maximum.accumulate(numpy.where(known, numpy.arange(len(values)), -1))


def _resolved_scripts(scripts: Ints, in_word: NDArray[numpy.bool_]) -> Ints:
    """Give marks the script of what they stand on, and letters of no script that of the word they are in."""
    last = _forward(scripts, scripts != _INHERITED)
    scripts = numpy.where(last >= 0, scripts[numpy.maximum(last, 0)], _COMMON)
    strong = _forward(scripts, (scripts != _COMMON) & in_word)
    outside = _forward(scripts, ~in_word)
    inside = in_word & (scripts == _COMMON) & (strong > outside)
    return numpy.where(inside, scripts[numpy.maximum(strong, 0)], scripts)


def _character_kinds(text: str, classes: NDArray[numpy.uint8]) -> Ints:
    kinds = numpy.zeros(len(text), dtype=numpy.int64)
    for start, end, code in content_blocks(text):
        kinds[start:end] = _CODE if code else _PROSE
    kinds[classes == CLASS_NAMES.index("n")] = _NUMBERS
    kinds[classes == CLASS_NAMES.index("w")] = _SPACE
    return kinds


def _words(in_word: NDArray[numpy.bool_], letters: NDArray[numpy.bool_], scripts: Ints) -> tuple[Ints, Ints]:
    """Return the starts and ends of words: runs of letters and marks of one script, with a letter."""
    key = numpy.concatenate([[-1], numpy.where(in_word, scripts, -1), [-1]])
    cuts = numpy.flatnonzero(key[1:] != key[:-1])
    starts, ends = cuts[:-1], cuts[1:]
    count = numpy.concatenate([[0], numpy.cumsum(letters)])
    whole = (key[1:][starts] >= 0) & (count[ends] > count[starts])
    return starts[whole], ends[whole]
