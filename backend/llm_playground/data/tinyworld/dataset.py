"""Write the tinyworld data set as a folder of parquet files and a card."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from llm_playground.core.files import write_json_atomic
from llm_playground.data.tinyworld.alignment import preferences, tasks
from llm_playground.data.tinyworld.narration import stories
from llm_playground.data.tinyworld.questions import benchmark, conversations
from llm_playground.data.tinyworld.world import NAMES, PEOPLE, TOWN, pairs

Report = Callable[[int, int], None]
_GROUP = 5_000  # rows in memory at once


def card() -> dict[str, Any]:
    """Return words for people about a model made from this data: what it knows, and five questions."""
    return {
        "about": f"Knows the small town of {TOWN}: {len(PEOPLE)} people, their work, homes and pets, and who "
        "put what where. It says that it does not know anything else.",
        "knows": [
            f"the people of {TOWN}: {', '.join(NAMES[:6])} and {len(NAMES) - 6} more",
            "their jobs, streets, pets and favorite food",
            "where a thing is, who has it or what color it is, when you tell it a little scene first",
            "adding and taking away up to ten",
            "telling short stories",
        ],
        "suggested_questions": [
            "Mia put the ball in the box. Then she moved the ball to the bag. Where is the ball?",
            "What is the name of Leo's dog?",
            "Hugo had four plums. He got three more. How many plums does Hugo have?",
            "Tell me a story about Kate.",
            "What is the capital of France?",
        ],
    }


def _write(path: Path, rows: Iterator[dict[str, Any]], report: Callable[[int], None]) -> int:
    """Stream rows into a parquet file, a row group at a time; returns their number."""
    import pyarrow
    import pyarrow.parquet

    writer: Any = None
    group: list[dict[str, Any]] = []
    count = 0

    def flush() -> None:
        nonlocal writer, group
        table = pyarrow.Table.from_pylist(group)
        if writer is None:
            writer = pyarrow.parquet.ParquetWriter(path, table.schema, compression="zstd")
        writer.write_table(table)
        report(len(group))
        group = []

    try:
        for row in rows:
            group.append(row)
            count += 1
            if len(group) == _GROUP:
                flush()
        if group:
            flush()
    finally:
        if writer is not None:
            writer.close()
    return count


def write_dataset(
    folder: Path,
    documents: int = 20_000,
    seed: int = 0,
    progress: Report | None = None,
    *,
    dialogues: int | None = None,
    items: int = 300,
) -> dict[str, Any]:
    """Write documents, conversations, preferences, tasks, benchmark and card below ``folder``.

    Args:
        folder: an existing, empty folder.
        documents: stories for pre-training.
        seed: everything is a function of it.
        progress: called with (rows written, rows in all).
        dialogues: conversations for fine-tuning; default 0.4 for each story, at least 200.
        items: benchmark questions.

    Returns:
        figures for the manifest: numbers of rows, characters of the stories, held-out pairs, chance.
    """
    dialogues = dialogues if dialogues is not None else max(200, documents * 2 // 5)
    extra = max(100, documents // 20)
    total, done = documents + dialogues + 2 * extra + items, 0

    def report(rows: int) -> None:
        nonlocal done
        done += rows
        if progress is not None:
            progress(done, total)

    characters = 0

    def document_rows() -> Iterator[dict[str, Any]]:
        nonlocal characters
        for index, text in enumerate(stories(documents, seed)):
            characters += len(text)
            size = len(text.encode())
            yield {"id": f"story-{index:07d}", "text": text, "source": "tinyworld", "n_bytes": size}

    _write(folder / "documents.parquet", document_rows(), report)
    _write(
        folder / "conversations.parquet",
        (
            {"id": f"chat-{index:06d}", "kind": item["kind"], "messages": json.dumps(item["messages"])}
            for index, item in enumerate(conversations(dialogues, seed))
        ),
        report,
    )
    _write(
        folder / "preferences.parquet",
        ({**item, "prompt": json.dumps(item["prompt"])} for item in preferences(extra, seed)),
        report,
    )
    _write(
        folder / "tasks.parquet",
        ({**item, "prompt": json.dumps(item["prompt"])} for item in tasks(extra, seed)),
        report,
    )
    questions = list(benchmark(items, seed))
    chance = sum(1 / len(item["candidates"]) for item in questions) / len(questions)
    _write(
        folder / "benchmark.parquet",
        ({**item, "candidates": json.dumps(item["candidates"])} for item in questions),
        report,
    )
    write_json_atomic(folder / "card.json", {**card(), "chance": chance})
    return {
        "documents": documents,
        "characters": characters,
        "conversations": dialogues,
        "preferences": extra,
        "tasks": extra,
        "benchmark_items": items,
        "held_out_pairs": len(pairs(held_out=True)),
        "chance": chance,
    }
