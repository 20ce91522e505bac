"""Batches from token shards in an order that is a pure function of (seed, epoch)."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy
from numpy.typing import NDArray

from llm_playground.core.errors import InputError, StorageError
from llm_playground.core.files import read_json, sha256_file
from llm_playground.core.seeds import derive_seed


@lru_cache(maxsize=4)
def epoch_order(count: int, seed: int, epoch: int) -> NDArray[numpy.int64]:
    """Return the permutation of ``count`` samples for one epoch."""
    generator = numpy.random.Generator(numpy.random.PCG64(derive_seed(seed, "order", epoch)))
    order = generator.permutation(count)
    order.setflags(write=False)  # it is cached and shared
    return order


def sample_at(cursor: int, count: int, seed: int) -> tuple[int, int]:
    """Return (epoch, sample index) of the ``cursor``-th sample of a run, at any world size."""
    epoch, place = divmod(cursor, count)
    return epoch, int(epoch_order(count, seed, epoch)[place])


class TokenLoader:
    """Windows of ``context_length`` tokens and their successors.

    The stream of a split is cut into windows that do not overlap; each epoch shifts the cuts by an offset of
    its own, so that later epochs see other windows.

    Args:
        folder: a folder of token shards.
        split: "train" or "val".
        context_length: tokens of a window.
        seed: seed of the order.
        shuffle: off: windows in order, no shift (for validation).

    Raises:
        InputError: the split is too short: less than two windows, or one where nothing is shuffled.
        StorageError: the shard is not the one its index describes.
    """

    def __init__(
        self, folder: Path, split: str, context_length: int, seed: int = 0, *, shuffle: bool = True
    ) -> None:
        self.folder, self.split = folder, split
        self.context_length, self.seed, self.shuffle = context_length, seed, shuffle
        self.index: dict[str, Any] = read_json(folder / "index.json")
        entry = self.index["splits"][split]
        path = folder / f"{split}.bin"
        dtype = numpy.dtype(self.index["dtype"])
        if not path.is_file() or path.stat().st_size != entry["tokens"] * dtype.itemsize:
            raise StorageError(f"The shard {path} does not have the size that its index.json tells.")
        self.tokens = numpy.memmap(path, dtype=dtype, mode="r")
        # One window is given up to the shift, so that every epoch has the same number of samples.
        spare = context_length if shuffle else 0
        self.samples_per_epoch = (entry["tokens"] - 1 - spare) // context_length
        if self.samples_per_epoch < 1:
            raise InputError(
                f"The {split} split has {entry['tokens']} tokens, too few for a context of {context_length}.",
                hint="Use more text or a shorter context.",
                field="context_length",
            )

    @property
    def bytes_per_token(self) -> float:
        """Bytes of text for each token of the split, end-of-text tokens counted: for bits per byte."""
        entry = self.index["splits"][self.split]
        return float(entry["bytes"] / entry["tokens"])

    @property
    def fingerprint(self) -> str:
        """Hash of the ids and the tokenizer they were made with."""
        return str(self.index["fingerprint"])

    def verify(self) -> None:
        """Check the shard's content against its recorded hash.

        Raises:
            StorageError: it was changed.
        """
        path = self.folder / f"{self.split}.bin"
        if sha256_file(path) != self.index["splits"][self.split]["sha256"]:
            raise StorageError(f"The shard {path} was changed after it was written.")

    def start_of(self, cursor: int) -> int:
        """Return where the ``cursor``-th sample begins in the stream of tokens."""
        if not self.shuffle:
            return (cursor % self.samples_per_epoch) * self.context_length
        epoch, sample = sample_at(cursor, self.samples_per_epoch, self.seed)
        shift = derive_seed(self.seed, "shift", epoch) % (self.context_length + 1)
        return sample * self.context_length + shift

    def batch(self, cursor: int, size: int) -> tuple[NDArray[numpy.int64], NDArray[numpy.int64]]:
        """Return (inputs, targets), each [size, context_length], for samples ``cursor`` and following."""
        length = self.context_length
        rows = [self.start_of(cursor + row) for row in range(size)]
        windows = numpy.stack([self.tokens[start : start + length + 1] for start in rows]).astype(numpy.int64)
        return windows[:, :-1], windows[:, 1:]
