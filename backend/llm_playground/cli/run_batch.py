"""The command that shows what a step of a run read."""

from __future__ import annotations

from typing import Annotated

import tyro

from llm_playground.cli.options import call
from llm_playground.core.workspace import Workspace
from llm_playground.runs.batches import Batches, BatchRow, StepBatch

_SHOWN = 60  # characters of a row in the table
_FIGURES = {"train/loss": "loss", "train/grad_norm": "gradient norm", "train/lr": "learning rate"}


def batch(name: str, arguments: list[str]) -> int:
    """Show a step's batch."""

    def command(
        run: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")],
        step: Annotated[int, tyro.conf.Positional, tyro.conf.arg(metavar="STEP")],
        /,
        row: int | None = None,
        score: bool = False,
        limit: int = 64,
        as_json: bool = False,
    ) -> int:
        """Print which rows a step read and which documents they were cut from.

        Args:
            run: id of a pre-training or fine-tuning.
            step: which step; the first is 1.
            row: print this row whole, document by document.
            score: also the loss of each row by a checkpoint near the step, highest first.
            limit: most rows.
            as_json: print JSON; with row also the text and loss of each token.
        """
        found = Batches(Workspace()).batch(run, step, row=row, score=score, limit=limit)
        if as_json:
            print(found.model_dump_json(indent=2))
        elif row is not None:
            _print_head(found)
            _print_row(found.rows[0])
        else:
            _print_head(found)
            _print_table(found)
        return 0

    return call(command, name, arguments)


def _print_head(found: StepBatch) -> None:
    figures = []
    for name, word in _FIGURES.items():
        if name in found.figures:
            value, usual = found.figures[name], found.usual.get(name)
            text = f"{word} {'not a finite number' if value is None else format(value, '.4g')}"
            figures.append(text + (f" (usually {usual:.4g})" if usual is not None else ""))
    print(f"Step {found.step:,} of {found.done_by}: {', '.join(figures) or 'no figures'}.")
    source = (
        f"{found.data} of the data set {found.dataset}"
        if found.dataset not in (None, found.data)
        else found.data
    )
    print(f"{found.batch_size:,} rows from sample {found.first_sample:,} on, from {source}.")
    if found.scored is not None:
        print(f"Scored with {found.scored.words}.")


def _documents(row: BatchRow) -> str:
    names = [document.id for document in row.documents]
    return ", ".join(names) if len(names) <= 3 else f"{names[0]}, {names[1]} and {len(names) - 2} more"


def _print_table(found: StepBatch) -> None:
    from llm_playground.cli.tables import print_table

    heads = ["row", "sample", *(["loss"] if found.scored else []), "documents", "text"]
    rows = [
        [
            row.row,
            f"{row.sample:,}",
            *(["-" if row.loss is None else f"{row.loss:.3f}"] if found.scored else []),
            _documents(row),
            " ".join(row.preview.split())[:_SHOWN],
        ]
        for row in found.rows
    ]
    print_table(heads, rows, left=(len(heads) - 2, len(heads) - 1))


def _print_row(row: BatchRow) -> None:
    loss = "" if row.loss is None else f", loss {row.loss:.3f}"
    print(f"Row {row.row}, sample {row.sample:,}{loss}.")
    for document in row.documents:
        part = (row.texts or [])[document.start : document.end]
        ends = document.offset + len(part)
        print(f"\n--- {document.id}, tokens {document.offset:,} to {ends - 1:,} of {document.length:,}")
        # A document of token shards begins with the end of the text before it.
        print("".join(part[1:] if row.start is not None and document.offset == 0 else part))
    if row.worst is not None and row.texts is not None and row.losses is not None:
        print(f"\nThe greatest loss, {row.losses[row.worst]:.2f}, is at {row.texts[row.worst]!r}.")
