"""Learning merges: the most frequent pair of neighbors becomes one token, again and again.

Sennrich et al. 2016 (arXiv:1508.07909) on bytes. A piece is kept as a string whose characters stand for
tokens (the code point is the token's number), so that a pair is a string of two characters, ``split`` finds
its places and ``join`` merges them. Pair counts are kept up to date instead of recounted: a merge touches
only the pieces that hold the pair, and only the pairs beside it change.

Among equally frequent pairs the tie-break decides, and with it whose merges come out:

==========  ======================================  =====================================  ===============
tie_break   which pair wins                         ids                                    trainer
==========  ======================================  =====================================  ===============
hf          smallest (id, id)                       special tokens, bytes by name, merges  tokenizers
rustbpe     smallest (id, id)                       bytes by value, merges, special        rustbpe
cs336       greatest (bytes, bytes)                 special tokens, bytes by name, merges  Stanford CS336
first-seen  the one met first in the corpus         bytes by value, merges, special        minbpe
==========  ======================================  =====================================  ===============

("By name" is the order of GPT-2's printable names of bytes.) Trainers also differ in what they would do if
two merges spelled the same bytes; that never happens. Where a string is a token, no merge has crossed its
ends, so that it was merged inside as if it stood alone: by the same steps everywhere, the last of them at one
moment. For the same reason a pair that has been merged never comes back, and the count of a pair only falls.
"""

from __future__ import annotations

import gc
import heapq
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from operator import add
from typing import Any, Literal, get_args

from llm_playground.core.errors import ConfigError, InputError
from llm_playground.tokenization.alphabet import byte_names, name_bytes, to_name
from llm_playground.tokenization.training_trace import Pair, TrainingTrace

LARGEST_VOCABULARY = 1_000_000


@dataclass(frozen=True)
class Numbering:
    """How a trainer gives ids.

    Attributes:
        by_name: bytes are in the order of their printable names, else of their values.
        specials_first: special tokens have the first ids, else the last.
    """

    by_name: bool
    specials_first: bool


TieBreak = Literal["hf", "rustbpe", "cs336", "first-seen"]
NUMBERING: dict[str, Numbering] = {
    "hf": Numbering(by_name=True, specials_first=True),
    "rustbpe": Numbering(by_name=False, specials_first=False),
    "cs336": Numbering(by_name=True, specials_first=True),
    "first-seen": Numbering(by_name=False, specials_first=False),
}
TIE_BREAKS: tuple[str, ...] = get_args(TieBreak)


@dataclass(frozen=True)
class Learned:
    """What training gives, numbered as that trainer numbers it.

    Attributes:
        tokens: bytes of each ordinary token by id: the 256 bytes, then what each merge makes; all different.
        merges: pairs of ids in order; the i-th makes the i-th id behind the bytes.
        special_tokens: text -> id.
    """

    tokens: dict[int, bytes]
    merges: list[Pair]
    special_tokens: dict[str, int]


def learn_merges(
    pieces: Mapping[bytes, int],
    vocab_size: int,
    special_tokens: Sequence[str] = (),
    *,
    tie_break: str = "hf",
    min_frequency: int = 0,
    trace: TrainingTrace | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Learned:
    """Learn merges until the vocabulary is full or no pair is left.

    Args:
        pieces: how often each piece occurs, in the order of the corpus (which only first-seen looks at).
        vocab_size: ids in all: bytes, special tokens and merges.
        special_tokens: texts that get an id and are never learned from.
        tie_break: which of two equally frequent pairs wins, one of ``TIE_BREAKS``.
        min_frequency: rarer pairs are not merged.
        trace: an empty record that gets every merge with its count and its runner-up.
        progress: called with (merges done, merges wanted) now and then.

    Raises:
        ConfigError: a setting is out of range.
        InputError: there are no pieces, or a special token is spelled like a learned one.
    """
    check_settings(vocab_size, special_tokens, tie_break, min_frequency)
    if not pieces:
        raise InputError("The training text is empty; a tokenizer needs some text to learn from.")
    specials, numbering = list(dict.fromkeys(special_tokens)), NUMBERING[tie_break]
    alphabet = bytes(sorted(range(256), key=byte_names().__getitem__) if numbering.by_name else range(256))
    first_id = len(specials) if numbering.specials_first else 0
    if trace is not None:
        trace.begin(tie_break, alphabet, first_id)
    with _no_garbage_collection():
        corpus = _Corpus(pieces, alphabet, tie_break)
        wanted, least = vocab_size - 256 - len(specials), max(1, min_frequency)
        merges: list[Pair] = []
        while len(merges) < wanted and (best := corpus.queue.pop(least)) is not None:
            count, pair, where = best
            merges.append(_ids(pair, first_id))
            if trace is not None:
                other = corpus.queue.peek()
                trace.add(merges[-1], count, (_ids(other[1], first_id), other[0]) if other else None)
                trace.symbols_read += corpus.size(where)
            corpus.merge(pair, where)
            if progress is not None and len(merges) % 64 == 0:
                progress(len(merges), wanted)
    if progress is not None:
        progress(len(merges), wanted)
    for name in set(specials).intersection(map(to_name, corpus.tokens)):
        raise InputError(f"The special token {name!r} is spelled like a token learned from the text.")
    first_special = 0 if numbering.specials_first else len(corpus.tokens)
    return Learned(
        tokens=dict(enumerate(corpus.tokens, first_id)),
        merges=merges,
        special_tokens={text: number for number, text in enumerate(specials, first_special)},
    )


def check_settings(
    vocab_size: int, special_tokens: Sequence[str], tie_break: str, min_frequency: int = 0
) -> None:
    """Refuse settings that are out of range, before any text is read.

    Raises:
        ConfigError: one of them is.
    """
    if tie_break not in NUMBERING:
        raise ConfigError(
            f"tie_break: {tie_break!r} is unknown.",
            hint=f"Known: {', '.join(TIE_BREAKS)}.",
            field="tie_break",
        )
    if "" in special_tokens:
        raise ConfigError("special_tokens: a special token is empty.", field="special_tokens")
    for text in special_tokens:
        if text in name_bytes():
            raise ConfigError(
                f"special_tokens: {text!r} is the name of a single byte.",
                hint="Use a longer text, such as <|end|>.",
                field="special_tokens",
            )
    specials = len(set(special_tokens))
    if vocab_size < 256 + specials:
        raise ConfigError(
            f"vocab_size: {vocab_size} is too small.",
            hint=f"256 bytes and {specials} special tokens need at least {256 + specials}.",
            field="vocab_size",
        )
    if vocab_size > LARGEST_VOCABULARY:
        raise ConfigError(
            f"vocab_size: {vocab_size} is too large.",
            hint=f"At most {LARGEST_VOCABULARY:,} ids are possible.",
            field="vocab_size",
        )
    if min_frequency < 0:
        raise ConfigError(f"min_frequency: {min_frequency} is negative.", field="min_frequency")


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Spare the search for reference cycles: millions of lists are made here, and none of them is in one."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _ids(pair: str, first_id: int) -> Pair:
    return ord(pair[0]) + first_id, ord(pair[1]) + first_id


class _Corpus:
    """The pieces and the pairs in them while merging.

    Attributes:
        tokens: bytes of each token by number; the first 256 are the bytes in the trainer's order.
        queue: the pairs by count, each with the numbers of the pieces that may hold it, in rising order.
    """

    def __init__(self, pieces: Mapping[bytes, int], alphabet: bytes, tie_break: str) -> None:
        numbers = bytes(alphabet.index(value) for value in range(256))
        self.tokens = [bytes([value]) for value in alphabet]
        self._words = [piece.translate(numbers).decode("latin-1") for piece in pieces]
        self._weights = list(pieces.values())
        self._counts: defaultdict[str, int] = defaultdict(int)
        places: defaultdict[str, list[int]] = defaultdict(list)
        for index, (word, weight) in enumerate(zip(self._words, self._weights, strict=True)):
            for pair in map(add, word, word[1:]):
                self._counts[pair] += weight
                places[pair].append(index)
        ranks = {"cs336": self._by_content, "first-seen": self._by_place}
        self.queue = _Queue(self._counts, ranks.get(tie_break, lambda pair, where: pair))
        for pair, where in places.items():
            self.queue.push(pair, where)

    def size(self, where: Sequence[int]) -> int:
        """Return how many symbols these pieces have now."""
        return sum(map(len, map(self._words.__getitem__, dict.fromkeys(where))))

    def merge(self, pair: str, where: Sequence[int]) -> None:
        """Make a token of the pair, from left to right in each piece that holds it."""
        words, first, second, token = self._words, pair[0], pair[1], chr(len(self.tokens))
        self.tokens.append(self.tokens[ord(first)] + self.tokens[ord(second)])
        before: defaultdict[str, list[int]] = defaultdict(list)  # left neighbor -> a piece for each place
        after: defaultdict[str, list[int]] = defaultdict(list)
        touching: list[int] = []  # two places side by side
        last = -1
        for index in where:
            if index == last:
                continue  # a piece is listed once for each place in it
            last = index
            parts = words[index].split(pair)
            if len(parts) == 1:
                continue  # it has gone from this piece
            words[index] = token.join(parts)
            head, tail = parts[0], parts[-1]
            if head:
                before[head[-1]].append(index)
            if tail:
                after[tail[0]].append(index)
            if len(parts) > 2:
                for middle in parts[1:-1]:
                    if middle:
                        after[middle[0]].append(index)
                        before[middle[-1]].append(index)
                    else:
                        touching.append(index)
        for left, places in before.items():
            self._replace(left + first, left + token, places)
        for right, places in after.items():
            self._replace(second + right, token + right, places)
        if touching:
            self._replace(second + first, token + token, touching)
        del self._counts[pair]

    def _replace(self, old: str, new: str, where: list[int]) -> None:
        """Count that at these places one pair has become another."""
        weight = sum(map(self._weights.__getitem__, where))
        self._counts[old] -= weight
        self._counts[new] = weight
        self.queue.push(new, where)

    def _by_content(self, pair: str, where: Sequence[int]) -> tuple[str, ...]:
        """Rank pairs with greater (bytes, bytes) first: a longer string is greater than its beginning."""
        sides = (self.tokens[ord(token)].translate(_REVERSED).decode("latin-1") for token in pair)
        return tuple(side + "\u0100" for side in sides)

    def _by_place(self, pair: str, where: Sequence[int]) -> tuple[int, int]:
        """Rank pairs by their first place in the corpus: (piece, bytes of it before the pair)."""
        index = next(index for index in dict.fromkeys(where) if pair in self._words[index])
        head = self._words[index].partition(pair)[0]
        return index, sum(len(self.tokens[ord(token)]) for token in head)


_REVERSED = bytes(range(255, -1, -1))
_Entry = tuple[int, str, Sequence[int]]


class _Queue:
    """Pairs by falling count, then by rank.

    Counts fall while pairs wait; a pair whose count has fallen is put where it belongs when its turn comes.
    Ranks are asked for only then too: most pairs never get so far.

    Args:
        counts: the present count of each pair.
        rank: what decides among pairs of equal count (the least wins), from a pair and its pieces.
    """

    def __init__(self, counts: Mapping[str, int], rank: Callable[[str, Sequence[int]], Any]) -> None:
        self._counts, self._rank = counts, rank
        self._levels: list[int] = []  # heap of negated counts that have pairs
        self._waiting: dict[int, list[tuple[str, Sequence[int]]]] = {}
        self._opened: dict[int, list[tuple[Any, str, Sequence[int]]]] = {}  # heaps

    def push(self, pair: str, where: Sequence[int]) -> None:
        """Add a pair with the pieces that may hold it; nothing happens if none does any more."""
        count = self._counts.get(pair, 0)
        if count in self._waiting:
            self._waiting[count].append((pair, where))
        elif count in self._opened:
            heapq.heappush(self._opened[count], (self._rank(pair, where), pair, where))
        elif count > 0:
            self._waiting[count] = [(pair, where)]
            heapq.heappush(self._levels, -count)

    def pop(self, least: int = 1) -> _Entry | None:
        """Remove and return (count, pair, pieces) of the best pair; None if its count is below ``least``."""
        while self._levels and (count := -self._levels[0]) >= least:
            if count in self._waiting:
                self._open(count)
            elif not self._opened[count]:
                del self._opened[count]
                heapq.heappop(self._levels)
            else:
                _, pair, where = heapq.heappop(self._opened[count])
                if self._counts.get(pair) == count:
                    return count, pair, where
                self.push(pair, where)
        return None

    def peek(self) -> _Entry | None:
        """Return what :meth:`pop` would."""
        best = self.pop()
        if best is not None:
            self.push(best[1], best[2])
        return best

    def _open(self, count: int) -> None:
        """Make a heap of the pairs that still have this count; the others go to their own."""
        heap: list[tuple[Any, str, Sequence[int]]] = []
        for pair, where in self._waiting.pop(count):
            if self._counts.get(pair) == count:
                heap.append((self._rank(pair, where), pair, where))
            else:
                self.push(pair, where)
        heapq.heapify(heap)
        self._opened[count] = heap
