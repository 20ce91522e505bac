"""What a step of a training read: its rows, the documents in them, and on request the loss of each token."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from pydantic import BaseModel, Field

from llm_playground.core.errors import InputError, LLMPError
from llm_playground.core.workspace import Workspace
from llm_playground.monitoring import MetricReader
from llm_playground.runs.context import METRICS_FILE
from llm_playground.runs.step_rows import Row, RowSource, StepPlace, open_source, place_of_step
from llm_playground.runs.step_scores import Losses, Weights, choose_weights, score_rows

PREVIEW = 240  # characters of a row's beginning
_BEFORE = 16  # steps that tell what is usual
_KEPT_SOURCES, _KEPT_SCORES = 3, 8
_LOSS = "train/loss"
_Stamp = tuple[tuple[str, int, int], ...]


class RowDocument(BaseModel):
    """The part of a row that is of one document."""

    id: str = Field(description="The document's id in its data set.")
    start: int = Field(description="Its first token, counted from the row's first.")
    end: int = Field(description="The token after its last.")
    offset: int = Field(description="Tokens of the document that come before this part.")
    length: int = Field(description="Tokens of the whole document.")


class BatchRow(BaseModel):
    """A row of a batch."""

    row: int = Field(description="Place in the batch, from 0.")
    sample: int = Field(description="Number of the sample in the run, from 0.")
    epoch: int = Field(description="How often the data had been read before it began.")
    start: int | None = Field(description="Place of its first token in the shard; null: a conversation.")
    tokens: int = Field(description="How many it has; each but the first is predicted.")
    documents: list[RowDocument]
    preview: str = Field(description="How its text begins.")
    loss: float | None = Field(None, description="Mean loss of its tokens that count, in nats.")
    worst: int | None = Field(None, description="Place of the token with the greatest loss.")
    texts: list[str] | None = Field(None, description="Text of each token; joined, the row's text.")
    losses: list[float | None] | None = Field(
        None, description="Loss of each token in nats; null where it does not count."
    )


class BatchScore(BaseModel):
    """How the rows were scored."""

    step: int = Field(description="Steps the weights were trained for.")
    words: str = Field(description="Which weights they are.")
    loss: float | None = Field(description="Mean over the tokens that count of all scored rows, in nats.")
    rows: int = Field(description="How many rows were scored.")


class StepBatch(BaseModel):
    """One step of a training and what it read."""

    run: str
    done_by: str = Field(description="The run that did the step: for a fork's early steps its source.")
    step: int
    last_step: int = Field(description="The newest step of the run.")
    first_sample: int = Field(description="Number of the batch's first sample in the run, from 0.")
    batch_size: int
    data: str = Field(description="The artifact that the rows come from: token shards, or a data set.")
    dataset: str | None = Field(description="The data set that the documents are in.")
    figures: dict[str, float | None] = Field(
        description="What the step logged; null: the value was no finite number."
    )
    usual: dict[str, float] = Field(description="Medians over the 16 steps before, of what spikes.")
    scored: BatchScore | None = None
    offset: int
    rows: list[BatchRow] = Field(description="Rows from `offset` on: in order, or by loss where scored.")


class Batches:
    """The batches of a workspace's runs, with what was worked out last.

    Args:
        workspace: where runs and data are.
    """

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self._lock = threading.Lock()
        self._sources: OrderedDict[str, tuple[_Stamp, RowSource]] = OrderedDict()
        self._scores: OrderedDict[Hashable, list[Losses]] = OrderedDict()

    def batch(
        self,
        run_id: str,
        step: int,
        *,
        offset: int = 0,
        limit: int = 16,
        row: int | None = None,
        score: bool = False,
        texts: bool = False,
    ) -> StepBatch:
        """Return a step's figures and rows.

        Args:
            run_id: a run that trains.
            step: counted from 1.
            offset, limit: which rows; by loss, highest first, where they are scored.
            row: only this row, with all of its text.
            score: also say what a checkpoint's model makes of each row.
            texts: with the text of each token, and its loss where scored; one row alone always has them.

        Raises:
            NotFoundError: the run, its data, or every checkpoint is gone.
            InputError: the step has not been done, there is no such row, or the run has no batches.
            StorageError: data or checkpoint are damaged.
            ConflictError: scoring would take too long.
        """
        if step < 1:
            raise InputError(f"step: {step} is not a step; the first is 1.", field="step")
        place = place_of_step(self.workspace, run_id, step)
        last = _last_step(self.workspace.runs_dir / run_id / METRICS_FILE)
        if place.record.id == run_id and step > last:
            raise InputError(
                f"step: {step} has not been done yet; the run has come to step {last}.", field="step"
            )
        if row is not None and not 0 <= row < place.batch_size:
            raise InputError(
                f"row: {row} is not in the batch, whose rows are 0 to {place.batch_size - 1}.", field="row"
            )
        with self._lock:
            source = self._source(place)
            wanted = range(place.batch_size) if row is None else [row]
            read = {number: source.row(place.cursor + number) for number in wanted} if score else {}
            weights = choose_weights(self.workspace, place) if score else None
            scores = self._score(place, source, weights, read) if weights is not None else {}
            order = sorted(wanted, key=lambda number: -(_mean(scores.get(number)) or 0.0))
            shown = order if row is not None else order[offset : offset + limit]
            rows = [
                _describe(
                    source,
                    number,
                    read.get(number) or source.row(place.cursor + number),
                    scores.get(number),
                    whole=texts or row is not None,
                )
                for number in shown
            ]
        figures, usual = _figures(place)
        return StepBatch(
            run=run_id,
            done_by=place.record.id,
            step=step,
            last_step=last,
            first_sample=place.cursor,
            batch_size=place.batch_size,
            data=source.data.id,
            dataset=self._dataset(source),
            figures=figures,
            usual=usual,
            scored=None if weights is None else _scored(weights, step, scores),
            offset=offset,
            rows=rows,
        )

    def _source(self, place: StepPlace) -> RowSource:
        """Return the run's data, opened anew where its files are no longer those that were opened."""
        stamp, source = self._sources.pop(place.record.id, ((), None))
        if source is None or stamp != _stamp(source.data.path):
            source = open_source(self.workspace, place.record)
        _keep(self._sources, place.record.id, (_stamp(source.data.path), source), _KEPT_SOURCES)
        return source

    def _score(
        self, place: StepPlace, source: RowSource, weights: Weights, rows: dict[int, Row]
    ) -> dict[int, Losses]:
        """Return the losses of rows by number; those of one row from the whole batch's if these are kept."""
        whole = (place.record.id, place.step, weights, None)
        if whole in self._scores:
            return {number: self._scores[whole][number] for number in rows}
        key = whole if len(rows) == place.batch_size else (*whole[:3], *rows)
        if key not in self._scores:
            _keep(self._scores, key, score_rows(source, weights, list(rows.values())), _KEPT_SCORES)
        return dict(zip(rows, self._scores[key], strict=True))

    def _dataset(self, source: RowSource) -> str | None:
        """Return the id of the data set behind the rows, if it is still there."""
        if source.data.kind == "dataset":
            return source.data.id
        for parent in source.data.parents:
            try:
                return self.workspace.get(parent, "dataset").id
            except LLMPError:  # a tokenizer, or gone
                continue
        return None


def _keep(kept: OrderedDict[Any, Any], key: Hashable, value: Any, most: int) -> None:
    kept[key] = value
    while len(kept) > most:
        kept.popitem(last=False)


def _stamp(folder: Path) -> _Stamp:
    """Return name, size and time of each file of a folder: they change when it does."""
    if not folder.is_dir():
        return ()
    files = ((file.name, file.stat()) for file in sorted(folder.iterdir()) if file.is_file())
    return tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in files)


def _describe(source: RowSource, number: int, row: Row, losses: Losses | None, *, whole: bool) -> BatchRow:
    texts = token_texts(source, row.ids)
    text = "".join(texts).strip()
    counted = [(value, place) for place, value in enumerate(losses or ()) if value is not None]
    return BatchRow(
        row=number,
        sample=row.cursor,
        epoch=row.epoch,
        start=row.start,
        tokens=len(row.ids),
        documents=[
            RowDocument(
                id=passage.document,
                start=passage.start,
                end=passage.end,
                offset=passage.offset,
                length=passage.length,
            )
            for passage in row.passages
        ],
        preview=text if len(text) <= PREVIEW else text[:PREVIEW].rstrip() + "…",
        loss=_mean(losses),
        worst=max(counted)[1] if counted else None,
        texts=texts if whole else None,
        losses=(
            [None if value is None else round(value, 4) for value in losses]
            if whole and losses is not None
            else None
        ),
    )


def token_texts(source: RowSource, ids: Sequence[int]) -> list[str]:
    """Return the text of each token; a character of several tokens is with the one that ends it."""
    from llm_playground.tokenization import StreamDecoder

    decoder = StreamDecoder(source.tokenizer, continues=True)
    texts = [decoder.push(token) for token in ids]
    texts[-1] += decoder.flush()
    return texts


def _mean(losses: Losses | None) -> float | None:
    counted = [value for value in losses or () if value is not None]
    return sum(counted) / len(counted) if counted else None


def _scored(weights: Weights, step: int, scores: dict[int, Losses]) -> BatchScore:
    together = tuple(value for losses in scores.values() for value in losses)
    return BatchScore(step=weights.step, words=weights.describe(step), loss=_mean(together), rows=len(scores))


def _last_step(metrics: Path) -> int:
    latest = MetricReader(metrics).latest().get(_LOSS)
    return int(latest["step"]) if latest is not None else 0


def _figures(place: StepPlace) -> tuple[dict[str, float | None], dict[str, float]]:
    """Return what a step logged, and the medians over the steps before it of what spikes."""
    reader = MetricReader(place.folder / METRICS_FILE)
    figures, usual = {}, {}
    for name in reader.names():
        if name.startswith("train/") or name in ("perf/tokens_per_second", "perf/step_ms"):
            line, _ = reader.series(name, 10, start=place.step, end=place.step)
            if line.step:
                figures[name] = line.value[-1]
        if name in (_LOSS, "train/grad_norm"):
            line, _ = reader.series(
                name, 10 * _BEFORE, start=max(0, place.step - _BEFORE), end=place.step - 1
            )
            values = [value for value in line.value if value is not None]
            if values:
                usual[name] = median(values)
    return figures, usual
