"""The command that makes a run of what another program logged."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from llm_playground.cli.options import call
from llm_playground.core.workspace import Workspace


def import_(name: str, arguments: list[str]) -> int:
    """Import a run."""

    def command(
        file: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")],
        /,
        name: str | None = None,
    ) -> int:
        """Make a finished run of TensorBoard's or W&B's files; its curves are on the Train page.

        Args:
            file: an event file, a run file of W&B (run-ID.wandb), or the folder of one run.
            name: of the run; default: its name in W&B, or the folder's.
        """
        from llm_playground.runs.imports import import_run

        record = import_run(Workspace(), file, name)
        print(f"{record.id}: {record.summary['points']:,} points of {record.summary['series']} series.")
        return 0

    return call(command, name, arguments)
