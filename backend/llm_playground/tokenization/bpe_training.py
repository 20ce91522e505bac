"""Learning merges: the most frequent pair of neighbors becomes one token, again and again.

Sennrich et al. 2016 (arXiv:1508.07909) on bytes. Pair counts are kept up to date instead of recounted: a
merge touches only the words that hold the pair. A heap with stale entries finds the next pair; ties go to
the pair with the smaller ids, which is what the Hugging Face trainer does.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable

from llm_playground.core.errors import InputError
from llm_playground.tokenization.patterns import byte_names, compile_pattern

Pair = tuple[int, int]


def count_pieces(texts: Iterable[str], pattern: str) -> Counter[bytes]:
    """Count the pieces that the pattern cuts; memory grows with the distinct pieces only.

    Raises:
        InputError: a text holds a lone surrogate, which UTF-8 cannot write.
    """
    find, counts = compile_pattern(pattern).findall, Counter[str]()
    for text in texts:
        counts.update(find(text))
    try:
        return Counter({piece.encode(): count for piece, count in counts.items()})
    except UnicodeEncodeError as error:
        raise InputError(
            f"The training text is not valid Unicode: {error.reason} ({error.object!r:.40})."
        ) from None


def alphabet_order() -> list[int]:
    """Return the byte values in the order of their ids: sorted by printable name, as Hugging Face does."""
    return sorted(range(256), key=lambda byte: byte_names()[byte])


def learn_merges(
    pieces: Counter[bytes],
    merges: int,
    first_id: int,
    byte_ids: list[int],
    progress: Callable[[int, int], None] | None = None,
) -> list[Pair]:
    """Learn up to ``merges`` merges.

    Args:
        pieces: how often each piece occurs.
        merges: how many to learn; fewer come back when no pair is left.
        first_id: id that the first merged token gets.
        byte_ids: id of each byte value.
        progress: called with (merges done, merges wanted) now and then.

    Returns:
        pairs of ids, in order; the i-th makes the id ``first_id + i``.
    """
    words = [[byte_ids[byte] for byte in piece] for piece in pieces]
    weights = list(pieces.values())
    counts: defaultdict[Pair, int] = defaultdict(int)
    places: defaultdict[Pair, set[int]] = defaultdict(set)
    for index, word in enumerate(words):
        for pair in zip(word, word[1:], strict=False):
            counts[pair] += weights[index]
            places[pair].add(index)
    heap = [(-count, pair) for pair, count in counts.items()]
    heapq.heapify(heap)
    learned: list[Pair] = []
    while heap and len(learned) < merges:
        negative, pair = heapq.heappop(heap)
        count = counts.get(pair, 0)
        if count != -negative:  # stale: the count has fallen since
            if count > 0:
                heapq.heappush(heap, (-count, pair))
            continue
        if count < 1:
            continue
        new_id = first_id + len(learned)
        learned.append(pair)
        changed: set[Pair] = set()
        for index in places.pop(pair):
            changed |= _merge_word(words[index], pair, new_id, weights[index], counts, places, index)
        counts.pop(pair, None)
        for other in changed:
            if counts.get(other, 0) > 0:
                heapq.heappush(heap, (-counts[other], other))
        if progress is not None and len(learned) % 64 == 0:
            progress(len(learned), merges)
    if progress is not None:
        progress(len(learned), merges)
    return learned


def _merge_word(
    word: list[int],
    pair: Pair,
    new_id: int,
    weight: int,
    counts: defaultdict[Pair, int],
    places: defaultdict[Pair, set[int]],
    index: int,
) -> set[Pair]:
    """Replace the pair in one word from left to right, keeping the counts right; return pairs that grew."""
    first, second = pair
    grown: set[Pair] = set()
    position = 0
    while position < len(word) - 1:
        if word[position] == first and word[position + 1] == second:
            if position > 0:
                before = word[position - 1]
                counts[before, first] -= weight
                counts[before, new_id] += weight
                places[before, new_id].add(index)
                grown.add((before, new_id))
            if position + 2 < len(word):
                after = word[position + 2]
                counts[second, after] -= weight
                counts[new_id, after] += weight
                places[new_id, after].add(index)
                grown.add((new_id, after))
            word[position : position + 2] = [new_id]
        position += 1
    return grown
