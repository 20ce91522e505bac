"""The stage ``tokenizer.train``: a data set in, a tokenizer out."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from llm_playground.core.config import StageConfig
from llm_playground.core.errors import InputError, StopRequested
from llm_playground.core.workspace import Artifact

if TYPE_CHECKING:
    from llm_playground.core.protocols import Context

TITLE = "Tokenizer"


class TokenizerTrainConfig(StageConfig):
    """Learn a byte-level BPE tokenizer from a data set."""

    dataset: str = Field(min_length=1, description="Id of the data set to learn from.")
    vocab_size: int = Field(1024, ge=257, le=1_000_000, description="Number of token ids.")
    pattern: str = Field("gpt2", description="How text is cut into pieces before merging.")
    characters: int = Field(20_000_000, ge=1, description="Characters of the data set read at most.")
    chat: bool = Field(True, description="Add the chat markers and the ChatML template.")
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
    from llm_playground.tokenization.bpe import BPETokenizer
    from llm_playground.tokenization.chat import CHAT_SPECIAL_TOKENS, CHATML, END_OF_TEXT

    started = time.time()
    dataset = context.workspace.get(config.dataset, "dataset")

    def progress(done: int, total: int) -> None:
        if context.should_stop():
            raise StopRequested
        context.progress.update(done, total, unit="merges", message="learning merges")

    context.progress.update(0, None, unit="merges", message="counting words")
    tokenizer = BPETokenizer.train(
        dataset_texts(dataset.path, config.characters),
        config.vocab_size,
        config.pattern,
        CHAT_SPECIAL_TOKENS if config.chat else (END_OF_TEXT,),
        chat_template=CHATML if config.chat else None,
        progress=progress,
    )
    sample = "\n".join(dataset_texts(dataset.path, 200_000))
    bytes_per_token = len(sample.encode()) / max(1, len(tokenizer.encode_ordinary(sample)))
    summary = {
        "vocab_size": tokenizer.vocab_size,
        "merges": len(tokenizer.merges),
        "bytes_per_token": round(bytes_per_token, 3),
        "seconds": round(time.time() - started, 2),
    }
    if tokenizer.vocab_size < config.vocab_size:
        context.log(
            f"The text has no more pairs: {tokenizer.vocab_size} tokens instead of {config.vocab_size}.",
            "warning",
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
    assert draft.artifact is not None
    return draft.artifact
