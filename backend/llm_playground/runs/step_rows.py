"""Which rows a step of a training read, worked out again from its settings, its seed and its data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from llm_playground.core.config import parse_config
from llm_playground.core.errors import InputError, NotFoundError
from llm_playground.core.files import read_json
from llm_playground.core.protocols import NullContext
from llm_playground.core.workspace import Workspace
from llm_playground.data.provenance import Passage
from llm_playground.runs.record import RunRecord
from llm_playground.runs.supervisor import Supervisor

if TYPE_CHECKING:
    from llm_playground.core.workspace import Artifact
    from llm_playground.tokenization import BPETokenizer
    from llm_playground.transformer import ModelConfig

STAGES = ("pretrain", "sft")
MOST_CONVERSATIONS = 100_000  # encoded anew to find their order: some seconds for each ten thousand


@dataclass(frozen=True)
class StepPlace:
    """Where the rows of a step are in the order of the data.

    Attributes:
        record: the run that did the step; for a fork's early steps, the run it comes from.
        folder: of that run.
        step: counted from 1.
        cursor: the first of the step's samples.
        batch_size: how many they are.
    """

    record: RunRecord
    folder: Path
    step: int
    cursor: int
    batch_size: int


@dataclass(frozen=True)
class Row:
    """A row of a batch.

    Attributes:
        cursor: number of the sample in the run.
        epoch: how often the data had been read before it began.
        ids: its tokens; each but the first is a target.
        counted: which of ``ids`` count in the loss.
        start: place of the first token in the stream of tokens; None for a conversation.
        passages: the documents in it; a conversation is one.
    """

    cursor: int
    epoch: int
    ids: tuple[int, ...]
    counted: tuple[bool, ...]
    start: int | None
    passages: tuple[Passage, ...]


class RowSource(Protocol):
    """The data of a run in the order of its training.

    Attributes:
        tokenizer: reads the ids.
        shape: of the run's model.
        data: the artifact that holds the rows.
    """

    tokenizer: BPETokenizer
    shape: ModelConfig
    data: Artifact

    def row(self, cursor: int) -> Row:
        """Return a sample of the run."""


def place_of_step(workspace: Workspace, run_id: str, step: int) -> StepPlace:
    """Find the samples of a step.

    All attempts of a run read the same rows at a step: a resumed one goes on at its checkpoint's sample. A
    fork goes on at the sample where its source had come to, whatever its own batch size.

    Raises:
        NotFoundError: there is no such run, or what it was forked from is gone.
        InputError: the run does not train.
    """
    from llm_playground.training.fork import FORK_FILE

    supervisor = Supervisor(workspace)
    folder, record = supervisor.folder(run_id), supervisor.get(run_id)
    if record.stage not in STAGES:
        raise InputError(
            f"The run {run_id} ({record.stage}) has no batches.",
            hint="Pre-training and fine-tuning have.",
            field="run",
        )
    size = int(record.config["training"]["batch_size"])
    if not (folder / FORK_FILE).is_file():
        return StepPlace(record, folder, step, (step - 1) * size, size)
    fork = read_json(folder / FORK_FILE)
    begin = int(fork["step"])
    if step <= begin:
        return _source_place(workspace, record, fork, step)
    return StepPlace(
        record, folder, step, _fork_cursor(workspace, record, folder, fork) + (step - 1 - begin) * size, size
    )


def _source_place(workspace: Workspace, record: RunRecord, fork: dict[str, Any], step: int) -> StepPlace:
    try:
        return place_of_step(workspace, fork["run"], step)
    except NotFoundError:
        raise NotFoundError(
            f"Step {step} was done by the run {fork['run']}, which {record.id} was forked from at step "
            f"{fork['step']}, and that run is gone.",
            hint=f"`llmp runs restore {fork['run']}` brings it back while it is in the trash.",
            field="step",
        ) from None


def _fork_cursor(workspace: Workspace, record: RunRecord, folder: Path, fork: dict[str, Any]) -> int:
    """Return the first sample of a fork: as was noted down, as a checkpoint tells, or as its source does."""
    from llm_playground.training.checkpoint import list_checkpoints

    if "samples" in fork:
        return int(fork["samples"])
    size = int(record.config["training"]["batch_size"])
    for checkpoint in list_checkpoints(folder):
        state = read_json(checkpoint.path / "state.json")
        if "samples" in state:
            return int(state["samples"]) - (checkpoint.step - int(fork["step"])) * size
    last = _source_place(workspace, record, fork, int(fork["step"]))
    return last.cursor + last.batch_size


def open_source(workspace: Workspace, record: RunRecord) -> RowSource:
    """Open the data of a run that trains.

    Raises:
        NotFoundError: data or model that the run was made with is gone.
        StorageError: the data was changed.
        InputError: there is too much of it to work out its order again.
    """
    return (
        _Pretraining(workspace, record) if record.stage == "pretrain" else _Conversations(workspace, record)
    )


def _get(workspace: Workspace, record: RunRecord, artifact: str, kind: str, words: str) -> Artifact:
    try:
        return workspace.get(artifact, kind)
    except NotFoundError:
        raise NotFoundError(
            f"The run {record.id} was made with the {words} {artifact}, which the workspace no longer has.",
            hint="Without it nobody can tell what a step has read.",
            field="run",
        ) from None


class _Pretraining:
    """Windows of token shards."""

    def __init__(self, workspace: Workspace, record: RunRecord) -> None:
        from llm_playground.data import Provenance, TokenLoader
        from llm_playground.tokenization import load_tokenizer
        from llm_playground.training.pretrain import PretrainConfig, resolve_model

        config = parse_config(PretrainConfig, record.config)
        self.data = _get(workspace, record, config.tokens, "tokens", "token shards")
        self.tokenizer = load_tokenizer(self.data.path)
        self.shape = resolve_model(config, self.tokenizer)
        loader = TokenLoader(self.data.path, "train", self.shape.context_length, record.seed)
        loader.verify()
        self.provenance = Provenance(loader)

    def row(self, cursor: int) -> Row:
        sample = self.provenance.sample(cursor)
        counted = (False, *[True] * (len(sample.ids) - 1))
        return Row(cursor, sample.epoch, sample.ids, counted, sample.start, sample.passages)


class _Conversations:
    """Conversations through a chat template; only what the assistant says counts."""

    def __init__(self, workspace: Workspace, record: RunRecord) -> None:
        from llm_playground.post_training.sft import (
            ConversationBatches,
            SFTConfig,
            chat_tokenizer,
            encode_conversations,
            held_aside,
            read_conversations,
        )
        from llm_playground.transformer import ModelConfig

        config = parse_config(SFTConfig, record.config)
        self.data = _get(workspace, record, config.dataset, "dataset", "data set")
        self.data.verify()
        model = _get(workspace, record, config.model, "model", "model")
        self.tokenizer = chat_tokenizer(model.path, config.chat_template)
        self.shape = ModelConfig.from_hf(read_json(model.path / "config.json"))
        conversations = read_conversations(self.data.path)
        if len(conversations) > MOST_CONVERSATIONS:
            raise InputError(
                f"The data set {self.data.id} has {len(conversations):,} conversations, more than can be put "
                f"in order again ({MOST_CONVERSATIONS:,}).",
                field="run",
            )
        names = _conversation_names(self.data.path, len(conversations))
        context = NullContext(workspace.runs_dir / record.id, workspace, record.seed)
        rows, self._names = [], []
        for name, messages in zip(names, conversations, strict=True):
            encoded, _ = encode_conversations(
                [messages], self.tokenizer, self.shape.context_length + 1, context
            )
            rows += encoded
            self._names += [name] * len(encoded)
        self._held = held_aside(len(rows), config.validation_fraction)
        self._batches = ConversationBatches(rows[self._held :], config.training.batch_size, record.seed, 0)

    def row(self, cursor: int) -> Row:
        place = self._batches.index_at(cursor)
        ids, mask = self._batches.rows[place]
        passage = Passage(self._names[self._held + place], 0, len(ids), 0, len(ids))
        counted = (False, *(mark == 1 for mark in mask[1:]))
        return Row(cursor, cursor // len(self._batches.rows), tuple(ids), counted, None, (passage,))


def _conversation_names(folder: Path, count: int) -> Sequence[str]:
    """Return the conversations' ids, or their numbers from 1 where the data set gives none."""
    import pyarrow.parquet

    file = pyarrow.parquet.ParquetFile(folder / "conversations.parquet")
    if "id" in file.schema_arrow.names:
        return [str(name) for name in file.read(columns=["id"]).column("id").to_pylist()]
    return [f"conversation {number}" for number in range(1, count + 1)]
