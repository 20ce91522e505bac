"""Merging the symbols of one piece: lowest rank first, leftmost first among equals (Sennrich et al. 2016)."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Pair = tuple[int, int]
NEVER = 2**62  # the rank of a pair that does not merge
SHORT = 96  # symbols up to which scanning for the least rank beats a heap
_PAIR_LIMIT = 1_000_000


@dataclass(frozen=True)
class MergeStep:
    """One merge on the way from symbols to tokens.

    Attributes:
        rank: order of the merge in the vocabulary; lower ones come first.
        left, right: the two neighbors.
        merged: what they became.
        place: index of the left one among the piece's symbols at that moment.
    """

    rank: int
    left: int
    right: int
    merged: int
    place: int


class ListedPairs(dict[Pair, int]):
    """Ranks of pairs that a vocabulary lists: the place in the list is the rank.

    Pairs that it does not list are remembered once they were met.
    """

    def __init__(self, merges: Sequence[Pair]) -> None:
        super().__init__()
        for rank, pair in enumerate(merges):
            self.setdefault(pair, rank)

    def __missing__(self, pair: Pair) -> int:
        if len(self) < _PAIR_LIMIT:
            self[pair] = NEVER
        return NEVER


class JoinedPairs(dict[Pair, int]):
    """Ranks by content: two neighbors merge if their bytes joined are a token, and that token's rank counts.

    This is tiktoken's rule, and with ranks from scores SentencePiece's. Pairs once met are remembered.

    Args:
        contents: bytes of each token by id.
        ranks: bytes -> rank of the token.
    """

    def __init__(self, contents: Mapping[int, bytes], ranks: Mapping[bytes, int]) -> None:
        super().__init__()
        self._contents, self._ranks = contents, ranks

    def __missing__(self, pair: Pair) -> int:
        left, right = pair
        if len(self) > _PAIR_LIMIT:
            self.clear()
        rank = self[pair] = self._ranks.get(self._contents[left] + self._contents[right], NEVER)
        return rank


class Merger:
    """Applies merges to the symbols of a piece.

    Args:
        ranks: pair -> rank, ``NEVER`` for a pair that does not merge.
        merged: the token that the merge of a rank makes.
    """

    def __init__(self, ranks: ListedPairs | JoinedPairs, merged: Callable[[int], int]) -> None:
        self.ranks, self.merged = ranks, merged

    def merge(self, ids: list[int], steps: list[MergeStep] | None = None) -> list[int]:
        """Return the tokens of a piece.

        Args:
            ids: its symbols; changed in place.
            steps: gets each merge in its order, if given.
        """
        if len(ids) > SHORT:
            return self._merge_long(ids, steps)
        rank_of, merged = self.ranks.__getitem__, self.merged
        ranks = [rank_of(pair) for pair in zip(ids, ids[1:], strict=False)]
        while ranks and (best := min(ranks)) != NEVER:
            place = ranks.index(best)
            token = merged(best)
            if steps is not None:
                steps.append(MergeStep(best, ids[place], ids[place + 1], token, place))
            ids[place] = token
            del ids[place + 1], ranks[place]
            if place < len(ranks):
                ranks[place] = rank_of((token, ids[place + 1]))
            if place:
                ranks[place - 1] = rank_of((ids[place - 1], token))
        return ids

    def _merge_long(self, ids: list[int], steps: list[MergeStep] | None) -> list[int]:
        """Merge with a heap over a linked list, so that the work grows as n log n."""
        rank_of, end = self.ranks.__getitem__, len(ids)
        following, preceding = [*range(1, end), -1], list(range(-1, end - 1))
        alive = _Alive(end)
        heap = [
            (rank, place)
            for place, rank in enumerate(map(rank_of, zip(ids, ids[1:], strict=False)))
            if rank != NEVER
        ]
        heapq.heapify(heap)
        while heap:
            rank, place = heapq.heappop(heap)
            right = following[place]
            if not alive.flags[place] or right < 0 or rank_of((ids[place], ids[right])) != rank:
                continue  # stale: one of the two has been merged since
            token = self.merged(rank)
            if steps is not None:
                steps.append(MergeStep(rank, ids[place], ids[right], token, alive.before(place)))
            ids[place] = token
            alive.remove(right, steps is not None)
            after = following[place] = following[right]
            if after >= 0:
                preceding[after] = place
                after_rank = rank_of((token, ids[after]))
                if after_rank != NEVER:
                    heapq.heappush(heap, (after_rank, place))
            before = preceding[place]
            if before >= 0:
                before_rank = rank_of((ids[before], token))
                if before_rank != NEVER:
                    heapq.heappush(heap, (before_rank, before))
        return [token for token, kept in zip(ids, alive.flags, strict=True) if kept]


def merge_by_rank(data: bytes, ranks: Mapping[bytes, int]) -> list[int]:
    """Return the tokens of a short piece whose symbols are its bytes and whose tokens are their own ranks.

    The same as :meth:`Merger.merge` with :class:`JoinedPairs`, only faster: two neighbors joined are a slice
    of the piece.

    >>> merge_by_rank(b"aab", {b"a": 0, b"b": 1, b"ab": 2})
    [0, 2]
    """
    rank_of, never = ranks.get, NEVER
    bounds = list(range(len(data) + 1))  # of the symbols
    joined = [rank_of(data[place : place + 2], never) for place in bounds[:-2]]
    while joined:
        best = min(joined)
        if best == never:
            break
        place = joined.index(best)
        del bounds[place + 1], joined[place]
        start, end = bounds[place], bounds[place + 1]
        if place < len(joined):
            joined[place] = rank_of(data[start : bounds[place + 2]], never)
        if place:
            joined[place - 1] = rank_of(data[bounds[place - 1] : end], never)
    return [ranks[data[start:end]] for start, end in zip(bounds, bounds[1:], strict=False)]


class _Alive:
    """Which symbols are left, and how many of them stand before a place (a Fenwick tree, Fenwick 1994)."""

    def __init__(self, count: int) -> None:
        self.flags = bytearray(b"\1") * count
        self._sums = [place & -place for place in range(count + 1)]

    def remove(self, place: int, counted: bool) -> None:
        """Take a symbol away; ``counted``: :meth:`before` will be asked for."""
        self.flags[place] = 0
        place += 1
        while counted and place < len(self._sums):
            self._sums[place] -= 1
            place += place & -place

    def before(self, place: int) -> int:
        """Return the number of symbols left before a place."""
        total = 0
        while place:
            total += self._sums[place]
            place &= place - 1
        return total
