"""Long texts word by word: tokens of what has been met before are looked up for thousands of words at once.

Between some characters every known pattern cuts, whatever stands further away: before the space that
follows a letter, for one. What lies between two such *sure cuts*, a word for short, becomes the same tokens
wherever it stands, so that they can be remembered by its bytes. A word of up to 15 bytes is two numbers of
64 bits; arrays of such numbers are looked up in a hash table, also made of arrays, by a few operations of
numpy on all of them.

Why the cuts are sure: no alternative of a pattern goes from a character that is not white space on to a
space or tab, nor from an ASCII letter or digit on to a line end or to ASCII punctuation (but o200k to an
apostrophe). Of white space before a visible character the last space, if it is not alone, goes with that
character. A mark behind a space or behind another mark is in a piece with that one, which letters do not go
on. What follows line ends is never in a piece with them (but a slash in o200k); GPT-2's pattern cuts several
line ends otherwise where nothing follows, so only a single one counts there. What stands behind a cut never
matters to what is before it, for a pattern looks ahead only within white space.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain, product
from threading import Lock
from typing import Any

import numpy
from numpy.typing import ArrayLike, NDArray

from llm_playground.tokenization.splitting import PATTERNS

Ids = NDArray[numpy.int32]
Places = NDArray[numpy.int64]
Keys = NDArray[numpy.uint64]

_WINDOW = 2**17  # bytes looked at together: what numpy makes of them stays in a processor's cache
_LIMIT = 100_000  # words remembered; with their table some 25 MB
_LONGEST_KEY = 15  # bytes of a word that fits two numbers, the last of whose bytes is the length
_LONGEST_KEPT = 64  # bytes of a word that is remembered at all
_SPACIOUS = 4  # least number of slots for each word of the table
_NEW = 512  # least number of new words that are put into the table together
_SPARSE = 32  # bytes from one sure cut to the next from which words are not worth the search

_HALF = numpy.uint64(32)
# Of 8 bytes read at a word's beginning and 8 read behind them, those that belong to a word of a length.
_KEPT = numpy.array(
    [
        [256 ** min(length, 8) - 1 for length in range(17)],
        [256 ** min(max(length - 8, 0), 7) - 1 for length in range(17)],
    ],
    dtype=numpy.uint64,
)
_LENGTHS = numpy.arange(17, dtype=numpy.uint64) << numpy.uint64(56)
# Odd, with bits all over: the golden ratio, and a prime of xxHash (Collet 2014).
_FACTORS = numpy.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F], dtype=numpy.uint64)

# Classes of bytes. LAST may end a white-space character beyond ASCII (U+00A0 is C2 A0), BEYOND cannot.
_OPAQUE, _TAB, _LINE, _SPACE, _MARK, _WORD, _SLASH, _QUOTE, _BEYOND, _LAST = range(10)
_ASCII_VISIBLE = (_MARK, _WORD, _SLASH, _QUOTE)
# What stands between two bytes: a cut, or one if the byte before them or behind them allows it.
_SURE, _RUN, _LINE_END, _PREFIX, _UNSURE = range(1, 6)
# The bytes before the last one of U+0085, U+00A0, U+1680, U+2000 to U+202F, U+205F, U+3000.
_BEFORE_LAST = numpy.array([0xC2, 0x9A, 0x80, 0x81], dtype=numpy.uint8)


def _byte_classes() -> bytes:
    classes = bytearray(256)
    for value in range(33, 127):
        classes[value] = _WORD if chr(value).isalnum() else _MARK
    for character, kind in (
        ("'", _QUOTE),
        ("/", _SLASH),
        (" ", _SPACE),
        ("\t", _TAB),
        ("\n", _LINE),
        ("\r", _LINE),
    ):
        classes[ord(character)] = kind
    classes[128:] = bytes([_BEYOND]) * 128
    for value in (*range(0x80, 0x8B), 0x9F, 0xA0, 0xA8, 0xA9, 0xAF):
        classes[value] = _LAST
    return bytes(classes)


def _pair_classes(pattern: str) -> bytes:
    """Return what stands between two bytes, by 16 times the class of the first plus that of the second."""
    pairs = bytearray(256)

    def put(kind: int, firsts: Iterable[int], seconds: Iterable[int]) -> None:
        for first, second in product(firsts, seconds):
            pairs[16 * first + second] = kind

    blanks, marks = (_SPACE, _TAB), (_MARK, _SLASH, _QUOTE)
    put(_SURE, (*_ASCII_VISIBLE, _BEYOND), blanks)
    put(_UNSURE, (_LAST,), blanks)
    put(_RUN, (*blanks, _LINE), blanks)
    put(_SURE, (_WORD,), (_LINE, _MARK, _SLASH))
    put(_PREFIX, marks, (_WORD,))
    if pattern == "gpt2":
        put(_SURE, marks, (_LINE,))
        put(_LINE_END, (_LINE,), _ASCII_VISIBLE)
    elif pattern == "o200k":  # marks keep line ends behind them, and slashes behind those
        put(_SURE, (_LINE,), (_MARK, _WORD, _QUOTE))
    else:  # marks keep line ends behind them
        put(_SURE, (_LINE,), _ASCII_VISIBLE)
    if pattern != "o200k":  # which keeps "'s" with its word
        put(_SURE, (_WORD,), (_QUOTE,))
    return bytes(pairs)


_CLASSES = _byte_classes()
_PAIRS = {name: _pair_classes(name) for name in PATTERNS}


def sure_cuts(data: bytes, pattern: str) -> Places:
    """Return where a pattern surely cuts a text, ascending, without its beginning and end.

    Args:
        data: the text in UTF-8.
        pattern: a name of ``splitting.PATTERNS``.

    >>> sure_cuts(b"Hello, world!", "gpt2").tolist()
    [5, 6, 12]
    """
    kinds = numpy.frombuffer(data.translate(_CLASSES), dtype=numpy.uint8)
    joined = kinds[:-1] * numpy.uint8(16) + kinds[1:]
    pairs = numpy.frombuffer(joined.tobytes().translate(_PAIRS[pattern]), dtype=numpy.uint8)
    cuts = pairs == _SURE
    # A number below 0 becomes a large one: each line asks whether a class is within a range.
    cuts[:-1] |= (pairs[:-1] == _RUN) & (kinds[2:] - _MARK < 4)  # visible in ASCII
    cuts[1:] |= (pairs[1:] == _PREFIX) & (kinds[:-2] - _SPACE < 2)  # a space, or another mark
    if pattern == "gpt2":
        cuts[1:] |= (pairs[1:] == _LINE_END) & (kinds[:-2] - _MARK < 5)  # not white space
    if not data.isascii():
        unsure = numpy.flatnonzero(pairs[1:] == _UNSURE) + 1
        before = numpy.frombuffer(data, dtype=numpy.uint8)[unsure - 1]
        cuts[unsure] = ~numpy.isin(before, _BEFORE_LAST)
    return numpy.flatnonzero(cuts) + 1


def word_keys(data: bytes, starts: Places, lengths: Places) -> Keys:
    """Return two numbers for each word: its bytes, and as the last byte its length, 16 for any longer one.

    Args:
        data: the text.
        starts, lengths: of each word, [N].

    Returns:
        [2, N].
    """
    # A number at every byte: numpy copies those that it is asked for.
    numbers = numpy.ndarray(len(data) + 9, dtype="<u8", buffer=data + bytes(16), strides=(1,))
    kept = numpy.minimum(lengths, _LONGEST_KEY + 1)
    keys = numpy.empty((2, len(starts)), dtype=numpy.uint64)
    numpy.bitwise_and(numbers.take(starts), _KEPT[0].take(kept), out=keys[0])
    numpy.bitwise_and(numbers.take(starts + 8), _KEPT[1].take(kept), out=keys[1])
    keys[1] |= _LENGTHS.take(kept)
    return keys


class _Table:
    """A hash table of words: each has two slots where it may be, and is left out where both are taken.

    Args:
        size: words that it is for.
    """

    def __init__(self, size: int) -> None:
        self._bits = max(12, (_SPACIOUS * size - 1).bit_length())
        self.room = (1 << self._bits) // _SPACIOUS
        self._keys = numpy.zeros((2, 1 << self._bits), dtype=numpy.uint64)
        self._numbers = numpy.full(1 << self._bits, -1, dtype=numpy.int64)

    def add(self, keys: Keys, numbers: Places) -> None:
        """Put words in: keys [2, N] of :func:`word_keys`, and what is to be found for each, [N]."""
        for choice in range(2):
            slots = self._slots(keys, choice)
            # Of several that want a slot the first one gets it, for common words are met early.
            free = numpy.flatnonzero(self._numbers.take(slots) < 0)[::-1]
            self._numbers[slots.take(free)] = numbers.take(free)
            lost = self._numbers.take(slots) != numbers
            won = numpy.flatnonzero(~lost)
            for part, column in zip(self._keys, keys, strict=True):
                part[slots.take(won)] = column.take(won)
            keys, numbers = keys[:, lost], numbers[lost]

    def _slots(self, keys: Keys, choice: int) -> Places:
        """Return a slot of each key: the upper bits of a product (Knuth, TAOCP volume 3, section 6.4)."""
        mixed = (keys[0] ^ keys[1] * _FACTORS[1]) * _FACTORS[0]
        if choice:
            mixed = (mixed ^ mixed >> _HALF) * _FACTORS[1]
        return (mixed >> numpy.uint64(64 - self._bits)).astype(numpy.int64)

    def find(self, keys: Keys) -> Places:
        """Return the number of each key, -1 where it is not here: [2, N] -> [N]."""
        numbers = self._find(keys, 0)
        left = numpy.flatnonzero(numbers < 0)
        if len(left):
            numbers[left] = self._find(keys.take(left, axis=1), 1)
        return numbers

    def _find(self, keys: Keys, choice: int) -> Places:
        slots = self._slots(keys, choice)
        same = self._keys[0].take(slots) == keys[0]
        same &= self._keys[1].take(slots) == keys[1]
        return numpy.where(same, self._numbers.take(slots), -1)


class _Growing:
    """An array that grows at its end."""

    def __init__(self, kind: type) -> None:
        self._all: NDArray[Any] = numpy.empty(1024, dtype=kind)
        self.size = 0

    @property
    def filled(self) -> NDArray[Any]:
        """What has been put in."""
        return self._all[: self.size]

    def extend(self, values: ArrayLike) -> None:
        """Put values behind the last one."""
        added = numpy.asarray(values, dtype=self._all.dtype)
        end = self.size + len(added)
        if end > len(self._all):
            self._all = numpy.concatenate((self.filled, numpy.empty(end, dtype=self._all.dtype)))
        self._all[self.size : end] = added
        self.size = end


class WordMemory:
    """Remembers the tokens of words, and looks up those of a whole text at once.

    May be used by several threads. A full memory is begun anew.

    Args:
        encode: returns the tokens of a text or of one word.
        pattern: name of the pattern that cuts.
        limit: words remembered.
    """

    def __init__(self, encode: Callable[[str], Sequence[int]], pattern: str, limit: int = _LIMIT) -> None:
        self._encode, self._pattern, self._limit = encode, pattern, limit
        self._lock = Lock()
        self._begin()

    def _begin(self) -> None:
        self._numbers: dict[bytes, int] = {}
        self._ids = _Growing(numpy.int32)  # of all words by their numbers, one after the other
        self._ends = _Growing(numpy.int64)  # where each word's ids begin, the next one's where they end
        self._ends.extend([0])
        self._keys = _Growing(numpy.uint64), _Growing(numpy.uint64)  # of short words
        self._keyed = _Growing(numpy.int64)  # their numbers
        self._table, self._tabled = _Table(0), 0  # how many short words have been put into it

    def __len__(self) -> int:
        return len(self._numbers)

    def encode(self, data: bytes) -> Ids:
        """Return the tokens of a text in UTF-8."""
        found, start = [numpy.zeros(0, dtype=numpy.int32)], 0
        while start < len(data):
            part, cuts = _next_part(data, start, self._pattern)
            if _SPARSE * len(cuts) < len(part):
                found.append(numpy.array(self._encode(part.decode()), dtype=numpy.int32))
            else:
                bounds = numpy.concatenate(([0], cuts, [len(part)]))
                with self._lock:
                    found.append(self._look_up(part, bounds))
            start += len(part)
        return numpy.concatenate(found)

    def _look_up(self, data: bytes, bounds: Places) -> Ids:
        """Return the tokens of the words between bounds."""
        if len(self._numbers) >= self._limit:
            self._begin()
        lengths = bounds[1:] - bounds[:-1]
        keys = word_keys(data, bounds[:-1], lengths)
        numbers = self._table.find(keys)
        missing = numpy.flatnonzero(numbers < 0)
        if not len(missing):
            return self._gather(numbers)
        try:
            new, passing = self._learn(data, bounds, missing, numbers)
        except BaseException:
            self._begin()  # half of what is known may be missing
            raise
        ids = self._gather(numbers)
        self._ends.size -= passing
        self._ids.size = int(self._ends.filled[-1])
        short = new[lengths[new] <= _LONGEST_KEY]
        for part, column in zip(self._keys, keys, strict=True):
            part.extend(column[short])
        self._keyed.extend(numbers[short])
        self._tabulate()
        return ids

    def _tabulate(self) -> None:
        """Put short words that are new into the table, in a larger one where it has no more room."""
        size = self._keyed.size
        if size < self._tabled + max(_NEW, self._tabled // 4):
            return
        if size > self._table.room:
            self._table, self._tabled = _Table(2 * size), 0
        new = slice(self._tabled, size)
        self._table.add(numpy.stack([part.filled[new] for part in self._keys]), self._keyed.filled[new])
        self._tabled = size

    def _learn(self, data: bytes, bounds: Places, missing: Places, numbers: Places) -> tuple[Places, int]:
        """Put the numbers of words that the table lacks where they belong; new words are encoded.

        Returns:
            Where new words were met first, and how many more were put behind them in passing only: those
            that are too long to be kept.
        """
        known, encode, count = self._numbers, self._encode, len(self._numbers)
        places, made = list[int](), list[Sequence[int]]()
        found_places, found = list[int](), list[int]()
        long_places, long_made = list[int](), list[Sequence[int]]()
        begins, ends = bounds[missing].tolist(), bounds[missing + 1].tolist()
        for place, begin, end in zip(missing.tolist(), begins, ends, strict=True):
            word = data[begin:end]
            number = known.get(word)
            if number is None:
                ids = encode(word.decode())
                if end - begin > _LONGEST_KEPT:
                    long_places.append(place)
                    long_made.append(ids)
                    continue
                number = known[word] = count + len(made)
                places.append(place)
                made.append(ids)
            found_places.append(place)
            found.append(number)
        numbers[found_places] = found
        numbers[long_places] = numpy.arange(len(long_made)) + count + len(made)
        made += long_made
        self._ids.extend(numpy.fromiter(chain.from_iterable(made), dtype=numpy.int32))
        lengths = numpy.fromiter(map(len, made), dtype=numpy.int64)
        self._ends.extend(numpy.cumsum(lengths) + self._ends.filled[-1])
        return numpy.array(places, dtype=numpy.int64), len(long_made)

    def _gather(self, numbers: Places) -> Ids:
        """Return the tokens of words by their numbers."""
        ends = self._ends.filled
        begins = ends.take(numbers)
        counts = ends.take(numbers + 1) - begins
        after = numpy.cumsum(counts)
        places = numpy.repeat(begins - after + counts, counts)
        places += numpy.arange(len(places))
        return self._ids.filled.take(places)


def _next_part(data: bytes, start: int, pattern: str) -> tuple[bytes, Places]:
    """Return what is to be looked at together from a place on, which ends where a word does, and its cuts."""
    size = _WINDOW
    while True:
        part = data[start : start + size]
        cuts = sure_cuts(part, pattern)
        if start + size >= len(data):
            return part, cuts
        if len(cuts):
            return part[: cuts[-1]], cuts[:-1]
        size *= 2
