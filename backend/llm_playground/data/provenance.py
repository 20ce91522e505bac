"""From a sample of a training back to the documents that it was cut from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy

from llm_playground.core.errors import StorageError
from llm_playground.core.files import read_json
from llm_playground.data.loader import TokenLoader


@dataclass(frozen=True)
class Passage:
    """The part of a sample that is of one document.

    Attributes:
        document: the document's id.
        start, end: the part's tokens, counted from the sample's first; ``end`` is the one after the last.
        offset: place of its first token in the document, whose token 0 is the end-of-text before it.
        length: tokens of the whole document, that end-of-text counted.
    """

    document: str
    start: int
    end: int
    offset: int
    length: int


@dataclass(frozen=True)
class Sample:
    """One row of a batch with where it comes from.

    Attributes:
        cursor: number of the sample in the run.
        epoch: how often the data had been read before it began.
        start: place of its first token in the stream of tokens.
        ids: the window, context_length + 1 of them: all but the last are read, all but the first are targets.
        passages: the documents in it, in order; they cover it without gaps.
    """

    cursor: int
    epoch: int
    start: int
    ids: tuple[int, ...]
    passages: tuple[Passage, ...]


class Provenance:
    """Says of each sample of a loader which documents it was cut from.

    Nothing was noted down in training: the order is a pure function of seed and epoch, so that it is worked
    out again.

    Args:
        loader: gave the samples to the training.

    Raises:
        StorageError: the shards lack their lists of documents, or these do not go with them.
    """

    def __init__(self, loader: TokenLoader) -> None:
        self.loader = loader
        offsets = loader.folder / f"{loader.split}.offsets.npy"
        if not offsets.is_file():
            raise StorageError(f"The file {offsets} is missing: it tells where each document begins.")
        self._offsets = numpy.load(offsets, allow_pickle=False)
        self._names: list[str] = read_json(loader.folder / f"{loader.split}.ids.json")
        if len(self._offsets) != len(self._names) + 1 or self._offsets[-1] != len(loader.tokens):
            raise StorageError(f"The documents listed in {loader.folder} are not those of its tokens.")

    def sample(self, cursor: int) -> Sample:
        """Return the ``cursor``-th sample of the run."""
        start = self.loader.start_of(cursor)
        end = start + self.loader.context_length + 1
        ids = tuple(self.loader.tokens[start:end].tolist())
        first = int(numpy.searchsorted(self._offsets, start, side="right")) - 1
        last = int(numpy.searchsorted(self._offsets, end, side="left"))
        passages = []
        for place in range(first, last):
            begin, after = int(self._offsets[place]), int(self._offsets[place + 1])
            passages.append(
                Passage(
                    self._names[place],
                    max(begin, start) - start,
                    min(after, end) - start,
                    max(start - begin, 0),
                    after - begin,
                )
            )
        return Sample(cursor, cursor // self.loader.samples_per_epoch, start, ids, tuple(passages))
