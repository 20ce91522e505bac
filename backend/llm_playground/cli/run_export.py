"""The command that writes a run's metrics for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from llm_playground.cli.options import call
from llm_playground.core.workspace import Workspace
from llm_playground.monitoring import MetricReader, export_metrics
from llm_playground.monitoring.export import Format
from llm_playground.runs import Supervisor
from llm_playground.runs.context import METRICS_FILE

_ENDINGS = {"csv": ".csv", "jsonl": ".jsonl", "tensorboard": "-tensorboard", "wandb": "-wandb"}


def export(name: str, arguments: list[str]) -> int:
    """Export a run's metrics."""

    def command(
        run: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")],
        /,
        format: Format = "csv",
        out: Path | None = None,
    ) -> int:
        """Write a run's metrics as CSV, JSON lines, TensorBoard event files or a W&B offline run.

        Args:
            run: id of the run.
            format: csv and jsonl hold every point with its attempt; tensorboard has histograms too; wandb
                needs the package wandb and no network.
            out: file or folder to write; default: the run's id, here.
        """
        supervisor = Supervisor(Workspace())
        record = supervisor.get(run)
        target = out or Path(f"{run}{_ENDINGS[format]}")
        reader = MetricReader(supervisor.folder(run) / METRICS_FILE)
        count = export_metrics(reader, format, target, run_id=run, config=record.config)
        print(f"{count:,} points are in {target}.")
        return 0

    return call(command, name, arguments)
