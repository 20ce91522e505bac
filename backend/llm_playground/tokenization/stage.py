"""The stage ``tokenizer.train``: a data set in, a tokenizer out."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from llm_playground.core.config import StageConfig
from llm_playground.core.errors import InputError, StopRequested
from llm_playground.core.workspace import Artifact
from llm_playground.tokenization.bpe_training import LARGEST_VOCABULARY, TieBreak
from llm_playground.tokenization.splitting import PATTERNS

if TYPE_CHECKING:
    from llm_playground.core.protocols import Context

    PatternName = str
else:
    PatternName = Literal[tuple(PATTERNS)]

TITLE = "Tokenizer"


class TokenizerTrainConfig(StageConfig):
    """Learn a byte-level BPE tokenizer from a data set."""

    dataset: str = Field(min_length=1, description="Id of the data set to learn from.")
    vocab_size: int = Field(1024, ge=257, le=LARGEST_VOCABULARY, description="Number of token ids.")
    pattern: PatternName = Field("gpt2", description="How text is cut into pieces before merging.")
    tie_break: TieBreak = Field(
        "hf", description="Which of two equally frequent pairs is merged first: that trainer's choice."
    )
    min_frequency: int = Field(0, ge=0, description="Pairs that occur less often are not merged.")
    characters: int = Field(20_000_000, ge=1, description="Characters of the data set read at most.")
    min_piece_count: int = Field(1, ge=1, description="Pieces that occur less often are not learned from.")
    max_pieces: int | None = Field(
        None, ge=1000, description="Distinct pieces kept in memory while counting; empty: no limit."
    )
    chat: bool = Field(True, description="Add the chat markers and the ChatML template.")
    special_tokens: tuple[str, ...] = Field((), description="Further texts that become one token each.")
    processes: int | None = Field(
        None, ge=1, le=256, description="Processes that count pieces; empty: one for each core."
    )
    trace: bool = Field(True, description="Record every merge, so that the training can be replayed.")
    name: str = Field("tokenizer", description="Name of the result.")


CONFIG = TokenizerTrainConfig


def dataset_texts(folder: Path, characters: int) -> Iterator[str]:
    """Yield texts of a data set (documents, then the words of its conversations) up to so many characters.

    Raises:
        InputError: the folder has neither.
    """
    import pyarrow.parquet

    left = characters
    found = False
    for name, column in (("documents.parquet", "text"), ("conversations.parquet", "messages")):
        if not (folder / name).is_file():
            continue
        found = True
        for batch in pyarrow.parquet.ParquetFile(folder / name).iter_batches(1000, columns=[column]):
            for value in batch.column(0).to_pylist():
                texts = [value] if column == "text" else [item["content"] for item in json.loads(value)]
                for text in texts:
                    if left <= 0:
                        return
                    left -= len(text)
                    yield text
    if not found:
        raise InputError(f"The data set {folder.name} has no documents.", field="dataset")


def run(config: TokenizerTrainConfig, context: Context) -> Artifact:
    """Train the tokenizer and publish it.

    Raises:
        NotFoundError: the data set does not exist.
        InputError, ConfigError: it is empty, or a setting is out of range.
    """
    from llm_playground.core.devices import usable_cores
    from llm_playground.tokenization.bpe import BPETokenizer
    from llm_playground.tokenization.bpe_training import check_settings, learn_merges
    from llm_playground.tokenization.chat import CHAT_SPECIAL_TOKENS, CHATML, END_OF_TEXT
    from llm_playground.tokenization.counting import count_pieces
    from llm_playground.tokenization.training_trace import TrainingTrace, save_trace

    started = time.time()
    specials = (*(CHAT_SPECIAL_TOKENS if config.chat else (END_OF_TEXT,)), *config.special_tokens)
    check_settings(config.vocab_size, specials, config.tie_break, config.min_frequency)
    dataset = context.workspace.get(config.dataset, "dataset")

    def counted(pieces: int) -> None:
        if context.should_stop():
            raise StopRequested
        context.progress.update(pieces, None, unit="pieces", message="counting pieces")

    def merged(done: int, total: int) -> None:
        if context.should_stop():
            raise StopRequested
        context.progress.update(done, total, unit="merges", message="learning merges")

    counted(0)
    pieces = count_pieces(
        dataset_texts(dataset.path, config.characters),
        config.pattern,
        special_tokens=specials,
        processes=config.processes or usable_cores(),
        minimum=config.min_piece_count,
        limit=config.max_pieces,
        progress=counted,
    )
    if pieces.note:
        context.log(pieces.note)
    trace = TrainingTrace() if config.trace else None
    learned = learn_merges(
        pieces.counts,
        config.vocab_size,
        specials,
        tie_break=config.tie_break,
        min_frequency=config.min_frequency,
        trace=trace,
        progress=merged,
    )
    tokenizer = BPETokenizer.learned(learned, config.pattern, CHATML if config.chat else None)
    sample = "\n".join(dataset_texts(dataset.path, 200_000))
    bytes_per_token = len(sample.encode()) / max(1, len(tokenizer.encode_ordinary(sample)))
    summary = {
        "vocab_size": tokenizer.vocab_size,
        "merges": len(learned.merges),
        "distinct_pieces": len(pieces.counts),
        "bytes_per_token": round(bytes_per_token, 3),
        "seconds": round(time.time() - started, 2),
    }
    if tokenizer.vocab_size < config.vocab_size:
        why = "more pairs" if config.min_frequency < 2 else f"pairs that occur {config.min_frequency} times"
        context.log(
            f"The text has no {why}: {tokenizer.vocab_size} tokens instead of {config.vocab_size}.", "warning"
        )
    context.set_summary(**summary)
    with context.workspace.new_artifact(
        "tokenizer",
        name=config.name,
        parents=[dataset.id],
        config=config.model_dump(mode="json"),
        summary=summary,
        run_id=context.run_id,
    ) as draft:
        tokenizer.save(draft.path)
        if trace is not None:
            save_trace(trace, draft.path)
    assert draft.artifact is not None
    return draft.artifact
