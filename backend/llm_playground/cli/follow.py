"""Follow a run on the terminal: a bar for what is at work, then a table of what came out."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from llm_playground.core.errors import ConflictError
from llm_playground.runs import RunRecord, Supervisor
from llm_playground.runs.record import ALIVE

_LOOK_EVERY_S = 0.25


def seconds(value: float | None) -> str:
    """Return a duration for people.

    >>> seconds(7.2), seconds(125), seconds(None)
    ('7 s', '2 min 05 s', '-')
    """
    if value is None:
        return "-"
    whole = round(value)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02d} s"


def percent(score: dict[str, Any] | None) -> str:
    """Return a share with its 95% interval."""
    if not score:
        return "-"
    return f"{score['value']:.1%} ({score['low']:.1%} to {score['high']:.1%})"


def follow(supervisor: Supervisor, run_id: str, console: Console | None = None) -> int:
    """Show a run until it ends; returns the exit code.

    Ctrl-C asks the run to stop, a second one leaves it going on by itself.
    """
    console = console or Console()
    asked = False
    live = console.is_terminal
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[figures]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, disable=not live) as bars:
        view = _View(supervisor, bars, console, live)
        while True:
            try:
                record = supervisor.get(run_id)
                view.show(record)
                if record.state not in ALIVE:
                    break
                time.sleep(_LOOK_EVERY_S)
            except KeyboardInterrupt:
                if asked:
                    console.print(f"The run goes on: llmp runs follow {run_id}")
                    return 130
                asked = True
                console.print("Stopping, with a checkpoint; press Ctrl-C again to leave it running.")
                try:
                    supervisor.stop(run_id)
                except ConflictError:
                    continue
    return report(supervisor, record, console)


class _View:
    """What of a run and its steps is on the terminal."""

    def __init__(self, supervisor: Supervisor, bars: Progress, console: Console, live: bool) -> None:
        self.supervisor, self.bars, self.console, self.live = supervisor, bars, console, live
        self.tasks: dict[str, TaskID] = {}
        self.seen: dict[str, int] = {}

    def show(self, record: RunRecord) -> None:
        """Bring the terminal up to date."""
        records = [record]
        if record.stage == "recipe":
            records = [*self.supervisor.children(record.id)]
        for item in records:
            for event in self.supervisor.events(item.id, self.seen.get(item.id, 0), ("log", "sample")):
                self.seen[item.id] = event["id"]
                if event["type"] == "log":
                    self.console.print(f"[dim]{escape(event['data']['message'])}[/dim]", highlight=False)
                elif event["data"]["step"]:
                    text = event["data"]["text"].strip().replace("\n", " ")
                    asked = event["data"]["prompt"]
                    self.console.print(
                        f"[dim]step {event['data']['step']:,} writes:[/dim] "
                        f"{escape(asked + ' ' if asked else '')}{escape(text)}",
                        highlight=False,
                    )
            if item.id not in self.tasks:
                self.tasks[item.id] = self.bars.add_task(escape(item.name), total=None, figures="")
                if not self.live:
                    self.console.print(f"{escape(item.name)} ...")
            progress = item.progress
            done = item.state == "finished"
            total = progress.total or (1 if done else None)
            self.bars.update(
                self.tasks[item.id],
                total=total,
                completed=total if done and total else progress.done,
                figures=self.figures(item),
            )

    @staticmethod
    def figures(record: RunRecord) -> str:
        """Return the figures beside a bar."""
        progress, details = record.progress, record.progress.details
        parts = []
        if progress.total and progress.unit:
            parts.append(f"{progress.done:,.0f}/{progress.total:,.0f} {progress.unit}")
        if "loss" in details:
            parts.append(f"loss {details['loss']:.3f}")
        if "tokens_per_second" in details:
            parts.append(f"{details['tokens_per_second']:,.0f} tok/s")
        if progress.eta_s and record.state == "running":
            parts.append(f"{seconds(progress.eta_s)} left")
        return "  ".join(parts)


def report(supervisor: Supervisor, record: RunRecord, console: Console) -> int:
    """Print how a run ended; returns 0 if well, 1 if not."""
    if record.state != "finished":
        style = "yellow" if record.state == "stopped" else "red"
        console.print(f"[{style}]The run {record.id} {record.state}.[/{style}]", highlight=False)
        if record.error is not None:
            print(f"llmp: {record.error.message} {record.error.hint or ''}".rstrip(), file=sys.stderr)
        console.print(f"Go on with it: llmp runs resume {record.id}", highlight=False)
        return 0 if record.state == "stopped" else 1
    console.print(summary_table(supervisor, record))
    if record.output is not None:
        console.print(f"Made: {record.output}", highlight=False)
        if record.output in {item.id for item in supervisor.workspace.list("model")}:
            console.print(f"Talk to it: llmp chat {record.output}", highlight=False)
    return 0


def summary_table(supervisor: Supervisor, record: RunRecord) -> Table:
    """Return the figures of a finished run as a table."""
    table = Table(title=escape(record.name), title_justify="left", show_header=False)
    table.add_column("what", style="dim")
    table.add_column("figure", justify="right")
    for child in supervisor.children(record.id) if record.stage == "recipe" else ():
        if child.finished_at and child.started_at:
            table.add_row(escape(child.name), seconds(child.finished_at - child.started_at))
    figures = record.summary
    rows: dict[str, tuple[str, Callable[[Any], str]]] = {
        "in all": ("seconds", seconds),
        "parameters": ("parameters", "{:,}".format),
        "documents": ("documents", "{:,}".format),
        "tokens for training": ("train_tokens", "{:,}".format),
        "vocabulary": ("vocab_size", "{:,}".format),
        "validation loss": ("val_loss", "{:.4f}".format),
        "bits per byte": ("bits_per_byte", "{:.4f}".format),
        "tokens per second": ("tokens_per_second", "{:,.0f}".format),
        "peak memory": ("peak_memory_bytes", lambda value: f"{value / 2**20:,.0f} MiB"),
        "held-out questions answered exactly": ("exact_match", percent),
        "... by the base model": ("baseline_exact_match", percent),
        "... by chance": ("chance", "{:.1%}".format),
    }
    for label, (key, show) in rows.items():
        if figures.get(key) is not None:
            table.add_row(label, show(figures[key]))
    return table
