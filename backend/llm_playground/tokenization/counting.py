"""Counting the pieces of a corpus: what merging is learned from.

A corpus is cut into blocks of a fixed size, and processes count one block each. A block ends where every
known pattern provably cuts, so that no piece is lost or made at its edge and the counts are those of the
corpus read in one go, whatever the number of processes. Such a place is

- before a space that follows another character than white space: no pattern has a space inside a piece except
  within white space, and only the end of white space looks at what follows it;
- behind a single line end between two characters that are not white space: it ends a piece, alone or (cl100k,
  o200k) behind punctuation, which takes line ends and slashes along but nothing else.

Memory grows with the distinct pieces, not with the corpus; ``limit`` and ``minimum`` bound it further.
"""

from __future__ import annotations

import codecs
import multiprocessing
import os
import re
import signal
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from multiprocessing.connection import wait
from pathlib import Path

from llm_playground.core.errors import ConfigError, InputError, TrainingError
from llm_playground.tokenization.splitting import get_pattern

BLOCK_SIZE = 4_000_000
_WINDOW = 1 << 16
# The \s of :mod:`re` holds all white space of the patterns and four characters more.
_CUT = re.compile(r"(?<=\S)(?= )|(?<=\S\n)(?=[^\s/])")


@dataclass(frozen=True)
class PieceCounts:
    """The distinct pieces of a corpus.

    Attributes:
        counts: how often each occurs, in the order in which they first occur.
        occurrences: of all pieces, the dropped ones too.
        dropped: distinct pieces that ``minimum`` or ``limit`` left out; one that was left out, came back and
            was left out again counts twice.
        dropped_occurrences: how often those had occurred.
    """

    counts: dict[bytes, int]
    occurrences: int
    dropped: int = 0
    dropped_occurrences: int = 0

    @property
    def note(self) -> str:
        """What was left out, as a sentence, or an empty text."""
        if not self.dropped:
            return ""
        share = self.dropped_occurrences / self.occurrences
        return f"{self.dropped:,} rare pieces were left out: {share:.2%} of all that occur."


@dataclass(frozen=True)
class _FilePart:
    """The bytes of a file from ``start`` to ``end``."""

    path: Path
    start: int
    end: int

    def read(self) -> str:
        with self.path.open("rb") as file:
            file.seek(self.start)
            data = file.read(self.end - self.start)
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise _not_utf8(self.path, self.start + error.start) from None


_Part = str | _FilePart


def count_pieces(
    sources: Iterable[str | Path],
    pattern: str = "gpt2",
    *,
    special_tokens: Sequence[str] = (),
    processes: int = 1,
    minimum: int = 1,
    limit: int | None = None,
    block_size: int = BLOCK_SIZE,
    progress: Callable[[int], None] | None = None,
) -> PieceCounts:
    """Count the pieces that the pattern cuts.

    Args:
        sources: texts (``str``) and files in UTF-8 (``Path``), in any mixture, read once.
        pattern: name of the pattern, see ``splitting.PATTERNS``.
        special_tokens: texts that are taken out first; the pieces end there.
        processes: how many count at a time. They are started afresh, so a script that asks for more than one
            must begin its work under ``if __name__ == "__main__":``.
        minimum: pieces that occur less often are dropped at the end.
        limit: the most distinct pieces to remember while counting. Above it the rarest half is forgotten, so
            that counts of rare pieces may come out too low; None: no limit.
        block_size: characters of a text, or bytes of a file, that are counted at a time.
        progress: called with the pieces counted so far.

    Raises:
        ConfigError: a setting is out of range.
        InputError: a text holds a lone surrogate, or a file is missing or not UTF-8.
        TrainingError: one of the processes was ended from outside.
    """
    for name, value in (("processes", processes), ("minimum", minimum), ("block_size", block_size)):
        if value < 1:
            raise ConfigError(f"{name}: {value} is too small.", hint="It must be at least 1.", field=name)
    if limit is not None and limit < 2:
        raise ConfigError(f"limit: {limit} is too small.", hint="It must be at least 2.", field="limit")
    if "" in special_tokens:
        raise ConfigError("special_tokens: a special token is empty.", field="special_tokens")
    get_pattern(pattern)
    specials = tuple(sorted(set(special_tokens), key=lambda text: (-len(text), text)))
    count = partial(_count_block, pattern=pattern, special_tokens=specials)
    counts: Counter[str] = Counter()
    occurrences, dropped = 0, (0, 0)
    for found in _in_order(count, _blocks(sources, block_size, specials), processes):
        counts.update(found)
        occurrences += found.total()
        if limit is not None and len(counts) > limit:
            dropped = _drop(counts, _threshold(counts, limit), dropped)
        if progress is not None:
            progress(occurrences)
    dropped = _drop(counts, minimum, dropped)
    return PieceCounts({piece.encode(): count for piece, count in counts.items()}, occurrences, *dropped)


def _threshold(counts: Counter[str], limit: int) -> int:
    """Return the least count to keep so that about half of the limit stays, and never more than the limit."""
    least = sorted(counts.values(), reverse=True)[limit // 2 - 1]
    return least if sum(count >= least for count in counts.values()) <= limit else least + 1


def _drop(counts: Counter[str], minimum: int, before: tuple[int, int]) -> tuple[int, int]:
    """Remove pieces rarer than ``minimum``; add how many, and their occurrences, to those removed before."""
    rare = [piece for piece, count in counts.items() if count < minimum] if minimum > 1 else []
    return before[0] + len(rare), before[1] + sum(map(counts.pop, rare))


def _count_block(block: list[_Part], pattern: str, special_tokens: tuple[str, ...]) -> Counter[str]:
    """Count the pieces of one block."""
    split, counts = get_pattern(pattern).splitter(), Counter[str]()
    specials = re.compile("|".join(map(re.escape, special_tokens))) if special_tokens else None
    for part in block:
        text = part if isinstance(part, str) else part.read()
        try:
            for ordinary in specials.split(text) if specials is not None else (text,):
                counts.update(split(ordinary))
        except InputError:
            raise InputError(
                "The training text holds a lone surrogate (half of a character), which is not valid Unicode."
            ) from None
    return counts


def _blocks(
    sources: Iterable[str | Path], block_size: int, special_tokens: tuple[str, ...]
) -> Iterator[list[_Part]]:
    """Yield lists of parts that together have about ``block_size`` characters or bytes."""
    block: list[_Part] = []
    size = 0
    for source in sources:
        if isinstance(source, str):
            parts = _text_parts(source, block_size, special_tokens)
        else:
            parts = _file_parts(source, block_size, special_tokens)
        for part, length in parts:
            block.append(part)
            size += length
            if size >= block_size:
                yield block
                block, size = [], 0
    if block:
        yield block


def next_cut(text: str, start: int, special_tokens: Sequence[str] = ()) -> int | None:
    """Return the first place from ``start`` on where a text may be cut without changing its pieces, or None.

    A special token is never cut. What stands ``len(special token)`` characters around the place decides.

    >>> next_cut("one  two three", 4)
    8
    """
    for match in _CUT.finditer(text, start):
        cut = match.start()
        if not any(
            special in text[max(0, cut - len(special) + 1) : cut + len(special) - 1]
            for special in special_tokens
        ):
            return cut
    return None


def _text_parts(text: str, block_size: int, special_tokens: tuple[str, ...]) -> Iterator[tuple[_Part, int]]:
    """Yield the text in (part, length) of at least ``block_size`` characters, the last one shorter."""
    start = 0
    while len(text) - start > block_size:
        cut = next_cut(text, start + block_size, special_tokens)
        if cut is None:
            break
        yield text[start:cut], cut - start
        start = cut
    if start < len(text):
        yield text[start:], len(text) - start


def _file_parts(path: Path, block_size: int, special_tokens: tuple[str, ...]) -> Iterator[tuple[_Part, int]]:
    """Yield the file in (part, length) of at least ``block_size`` bytes, the last one shorter."""
    try:
        with path.open("rb") as file:
            size, start = os.fstat(file.fileno()).st_size, 0
            while start < size:
                end = size
                if size - start > block_size:
                    end = _file_cut(path, start + block_size, size, special_tokens)
                yield _FilePart(path, start, end), end - start
                start = end
    except FileNotFoundError:
        raise InputError(f"The file {path} does not exist.") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder; a text file is needed.") from None


def _file_cut(path: Path, start: int, size: int, special_tokens: tuple[str, ...]) -> int:
    """Return the first byte behind ``start`` where the file may be cut, its size if there is none."""
    margin = max([2, *map(len, special_tokens)])  # characters that decide about a place, on either side
    window = _WINDOW
    while True:
        with path.open("rb") as file:
            file.seek(start)
            data = file.read(window)
        begin = next((place for place, byte in enumerate(data[:4]) if byte & 0xC0 != 0x80), 0)
        try:
            text = codecs.getincrementaldecoder("utf-8")().decode(data[begin:])
        except UnicodeDecodeError as error:
            raise _not_utf8(path, start + begin + error.start) from None
        cut = next_cut(text, margin, special_tokens)
        if start + len(data) >= size:
            return size if cut is None else start + begin + len(text[:cut].encode())
        if cut is not None and cut + margin <= len(text):
            return start + begin + len(text[:cut].encode())
        window *= 2


def _not_utf8(path: Path, place: int) -> InputError:
    return InputError(f"The file {path} is not UTF-8 text (byte {place}).")


def _in_order(
    count: Callable[[list[_Part]], Counter[str]], blocks: Iterator[list[_Part]], processes: int
) -> Iterator[Counter[str]]:
    """Yield the counts of each block in order, computed by so many processes, a few blocks ahead."""
    first = list(islice(blocks, 2))
    blocks = chain(first, blocks)
    if processes == 1 or len(first) < 2:
        yield from map(count, blocks)
        return
    context = multiprocessing.get_context("spawn")  # safe beside the threads of a run
    pool = ProcessPoolExecutor(processes, context, initializer=_prepare_worker)
    try:
        waiting: deque[Future[Counter[str]]] = deque()
        for block in blocks:
            waiting.append(pool.submit(count, block))
            if len(waiting) > 2 * processes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool:
        raise TrainingError(
            "A process that counted pieces was ended, probably because the memory ran out.",
            hint="Use fewer processes, or a limit.",
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _prepare_worker() -> None:
    """Leave signals to the parent, and end when it has ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            wait([parent.sentinel])
            os._exit(1)

    threading.Thread(target=watch, name="parent watch", daemon=True).start()
