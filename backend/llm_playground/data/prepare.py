"""The stage ``data.prepare``: from a source to a data set folder."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from llm_playground.core.config import StageConfig
from llm_playground.core.errors import StopRequested
from llm_playground.core.workspace import Artifact

if TYPE_CHECKING:
    from llm_playground.core.protocols import Context

TITLE = "Text"


class DataPrepareConfig(StageConfig):
    """Turn a source of text into a data set."""

    source: Literal["tinyworld", "python-docs", "python-code", "text", "jsonl"] = Field(
        "tinyworld", description="Where the text comes from."
    )
    path: str | None = Field(None, description="File or folder, for text and jsonl.")
    split: Literal["auto", "files", "parts"] = Field(
        "auto",
        description="Documents of text: whole files, or parts of them; auto cuts fewer than 50 files.",
    )
    text_field: str = Field("text", min_length=1, description="Field that holds the text, for jsonl.")
    documents: int = Field(20_000, ge=50, le=10_000_000, description="Stories to write, for tinyworld.")
    conversations: int | None = Field(None, ge=20, le=10_000_000, description="Dialogues, for tinyworld.")
    benchmark_items: int = Field(300, ge=10, le=2_000, description="Held-out questions, for tinyworld.")
    seed: int = Field(0, ge=0, description="Seed of the generator, for tinyworld.")
    name: str | None = Field(None, description="Name of the data set; default: the source.")

    @model_validator(mode="after")
    def _check_path(self) -> Self:
        if self.source in ("text", "jsonl") and not self.path:
            raise ValueError(f"path is required for the source {self.source!r}")
        return self


CONFIG = DataPrepareConfig


def run(config: DataPrepareConfig, context: Context) -> Artifact:
    """Read or generate the documents and publish the data set.

    Raises:
        InputError: the source is missing, empty, or not UTF-8.
    """
    from llm_playground.data import sources
    from llm_playground.data.documents import write_documents
    from llm_playground.data.tinyworld import card, write_dataset

    started = time.time()

    def report(done: int, total: int | None = None) -> None:
        if context.should_stop():
            raise StopRequested
        context.progress.update(done, total, unit="documents", message=f"writing {config.source}")

    with context.workspace.new_artifact(
        "dataset",
        name=config.name or config.source,
        config=config.model_dump(mode="json"),
        card=card() if config.source == "tinyworld" else {},
        run_id=context.run_id,
    ) as draft:
        if config.source == "tinyworld":
            summary = write_dataset(
                draft.path,
                config.documents,
                config.seed,
                report,
                dialogues=config.conversations,
                items=config.benchmark_items,
            )
        else:
            path = Path(config.path or "").expanduser()
            found = {
                "python-docs": sources.python_documents,
                "python-code": sources.python_sources,
                "text": lambda: sources.text_documents(path, config.split),
                "jsonl": lambda: sources.jsonl_documents(path, config.text_field),
            }[config.source]()
            summary = dict(write_documents(draft.path, found, report))
        draft.summary = {"source": config.source, **summary, "seconds": round(time.time() - started, 2)}
        context.set_summary(**draft.summary)
    assert draft.artifact is not None
    return draft.artifact
