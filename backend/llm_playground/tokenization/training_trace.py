"""The record of a training: every merge with its count and its runner-up, so that any moment can be shown."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Self

from llm_playground.core.errors import StorageError
from llm_playground.core.files import write_text_atomic

TRACE_FILE = "training_trace.json"
_VERSION = 1
_COLUMNS = ("left", "right", "count", "runner_left", "runner_right", "runner_count")

Pair = tuple[int, int]


@dataclass(frozen=True)
class TraceStep:
    """One merge, as it was chosen.

    Attributes:
        pair: the two ids that became one.
        token: the id that they became.
        merged: its bytes.
        count: how often the pair stood in the corpus at that moment.
        runner_up: the pair that was next in line, None if there was none.
        runner_count: its count, 0 if there was none.
    """

    pair: Pair
    token: int
    merged: bytes
    count: int
    runner_up: Pair | None
    runner_count: int


class TrainingTrace:
    """Every merge of a training in order; given empty to ``learn_merges``, which fills it.

    Attributes:
        tie_break: the rule of the training.
        tokens: bytes of each token by id, without special tokens: the 256 bytes, then one for each merge.
        symbols_read: symbols of the pieces that were looked at for merging: the work done; not saved.
    """

    def __init__(self) -> None:
        self.begin("", bytes(range(256)), 0)

    def begin(self, tie_break: str, alphabet: bytes, first_id: int) -> None:
        """Forget everything and take the 256 bytes in the order of their ids, which begin at ``first_id``."""
        self.tie_break, self._alphabet, self._first = tie_break, alphabet, first_id
        self.tokens = dict(enumerate((bytes([value]) for value in alphabet), first_id))
        self.symbols_read = 0
        self._columns = {name: array("q") for name in _COLUMNS}

    def add(self, pair: Pair, count: int, runner_up: tuple[Pair, int] | None) -> None:
        """Add a merge, and the pair that was next in line with its count."""
        self.tokens[self._first + len(self.tokens)] = self.tokens[pair[0]] + self.tokens[pair[1]]
        (left, right), other = runner_up or ((-1, -1), 0)
        for column, value in zip(self._columns.values(), (*pair, count, left, right, other), strict=True):
            column.append(value)

    def __len__(self) -> int:
        return len(self._columns["count"])

    def __getitem__(self, step: int) -> TraceStep:
        """Return a merge by its place in the order, from 0."""
        step = range(len(self))[step]
        left, right, count, other_left, other_right, other = (
            column[step] for column in self._columns.values()
        )
        token = self._first + 256 + step
        runner_up = (other_left, other_right) if other else None
        return TraceStep((left, right), token, self.tokens[token], count, runner_up, other)

    def __iter__(self) -> Iterator[TraceStep]:
        return map(self.__getitem__, range(len(self)))

    def merges_at(self, steps: int) -> list[Pair]:
        """Return the pairs of the first ``steps`` merges, in order."""
        return list(zip(self._columns["left"][:steps], self._columns["right"][:steps], strict=True))

    def tokens_at(self, steps: int) -> dict[int, bytes]:
        """Return the bytes of each token, by id, that there was after the first ``steps`` merges."""
        return dict(islice(self.tokens.items(), 256 + min(steps, len(self))))

    def to_json(self) -> str:
        """Return the record as one line of JSON, a column for each figure."""
        columns = {name: column.tolist() for name, column in self._columns.items()}
        content = {
            "version": _VERSION,
            "tie_break": self.tie_break,
            "first_id": self._first,
            "alphabet": list(self._alphabet),
            **columns,
        }
        return json.dumps(content, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what :meth:`to_json` wrote.

        Raises:
            StorageError: it is damaged, or of another version.
        """
        trace = cls()
        try:
            data = json.loads(text)
            if data["version"] != _VERSION:
                raise ValueError(f"version {data['version']!r}")
            trace.begin(str(data["tie_break"]), bytes(data["alphabet"]), int(data["first_id"]))
            if sorted(data["alphabet"]) != list(range(256)):
                raise ValueError("alphabet")
            rows: Sequence[tuple[int, ...]] = list(zip(*(data[name] for name in _COLUMNS), strict=True))
            for left, right, count, other_left, other_right, other in rows:
                trace.add((left, right), count, ((other_left, other_right), other) if other else None)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise StorageError(f"The training trace is damaged ({error}).") from None
        return trace


def save_trace(trace: TrainingTrace, folder: Path) -> None:
    """Write the record beside a tokenizer."""
    write_text_atomic(folder / TRACE_FILE, trace.to_json())


def load_trace(folder: Path) -> TrainingTrace | None:
    """Read the record beside a tokenizer; None if it has none.

    Raises:
        StorageError: it is damaged.
    """
    try:
        text = (folder / TRACE_FILE).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        raise StorageError(f"The file {folder / TRACE_FILE} is damaged: not UTF-8.") from None
    return TrainingTrace.from_json(text)
