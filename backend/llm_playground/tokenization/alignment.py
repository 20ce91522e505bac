"""Where in a text its tokens stand, also where normalization changed the text before it was cut."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate

Place = tuple[int, int, int, int]
_WINDOW = 64  # characters over which two texts are brought together again after a difference


def align(text: str, pieces: Sequence[str], lengths: Sequence[int]) -> Iterator[Place]:
    """Yield (start, end, byte start, byte end) in the text for each token.

    Args:
        text: what the user wrote.
        pieces: what was cut from it, in order; joined they may differ from the text.
        lengths: bytes of the joined pieces that each token stands for.

    Characters are never split: a token with a part of one spans it whole. Bytes partition the text where the
    joined pieces are the text; elsewhere a changed character counts with all of its bytes.
    """
    joined = "".join(pieces)
    if not joined.isascii():  # single bytes of characters that were cut apart are put together again
        joined = joined.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    ends = list(accumulate(lengths))
    starts = [end - length for end, length in zip(ends, lengths, strict=True)]
    if joined == text and text.isascii():
        for start, end in zip(starts, ends, strict=True):
            yield start, end, start, end
        return
    origin = [0, *accumulate(len(character.encode()) for character in text)]
    borders = [0, *accumulate(len(character.encode()) for character in joined)]
    sources = _sources(text, joined)
    for start, end in zip(starts, ends, strict=True):
        first = bisect_right(borders, start) - 1
        last = max(first, bisect_right(borders, end - 1) - 1)
        (left, left_end), (right_start, right) = sources[first], sources[last]
        low, high = origin[left], origin[right]
        if left_end - left == 1 and text[left] == joined[first]:
            low += start - borders[first]
        if right - right_start == 1 and text[right_start] == joined[last]:
            high -= borders[last + 1] - end
        yield left, right, low, high


def _sources(text: str, joined: str) -> list[tuple[int, int]]:
    """Return for each character of ``joined`` the range of characters of ``text`` that it comes from."""
    if joined == text:
        return [(place, place + 1) for place in range(len(text))]
    if len(joined) == len(text) + 1 and all(map(_same, text, joined[1:])):  # a space was put before the text
        return [(0, 0), *((place, place + 1) for place in range(len(text)))]
    found: list[tuple[int, int]] = []
    here = there = 0  # places in text and in joined
    while there < len(joined):
        if here < len(text) and _same(text[here], joined[there]):
            found.append((here, here + 1))
            here, there = here + 1, there + 1
            continue
        skip, make = _resync(text, joined, here, there)
        found += [(here, here + skip)] * make
        here, there = here + skip, there + make
    return found


def _same(a: str, b: str) -> bool:
    return a == b or (a == " " and b == "\u2581")


def _resync(text: str, joined: str, here: int, there: int) -> tuple[int, int]:
    """Return how many characters of both to leave behind until they agree again, the fewest in all."""
    rest, wanted = len(text) - here, len(joined) - there
    for both in range(1, 2 * _WINDOW):
        for skip in range(max(0, both - _WINDOW), min(both, rest) + 1):
            make = both - skip
            if make > wanted:
                continue
            ends = skip == rest and make == wanted
            agree = skip < rest and make < wanted and _same(text[here + skip], joined[there + make])
            after = not (skip + 1 < rest and make + 1 < wanted) or _same(
                text[here + skip + 1], joined[there + make + 1]
            )
            if ends or (agree and after):
                return (skip, make) if make else _removed(text, joined, here, there, skip)
    return rest, wanted


def _removed(text: str, joined: str, here: int, there: int, skip: int) -> tuple[int, int]:
    """Leave characters behind that have no counterpart, with the one that follows them."""
    return skip + 1, 1 if there < len(joined) and here + skip < len(text) else 0
