"""Commands about checkpoints: list and pin them, and fork runs from them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import tyro

from llm_playground.cli.options import call, read_values, take
from llm_playground.cli.tables import print_table
from llm_playground.core.errors import ConfigError
from llm_playground.core.workspace import Workspace
from llm_playground.runs import Supervisor
from llm_playground.runs.forks import KeptCheckpoint, kept_checkpoints, pin_checkpoint
from llm_playground.runs.stages import get_stage

RunId = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
Step = Annotated[int, tyro.conf.Positional, tyro.conf.arg(metavar="STEP")]
_EXTRA = """
also: every setting that is to differ, named as in the run's own command:
      --training.learning-rate 1e-4 --training.steps 800"""


def fork(name: str, arguments: list[str]) -> int:
    """Fork a run; what is no option of this command is a setting of the new run."""
    settings = list(arguments)

    def command(
        run: RunId,
        /,
        step: int | None = None,
        name: str | None = None,
        seed: int | None = None,
        detach: bool = False,
    ) -> int:
        """Start a new run that goes on from a checkpoint of another one, with other settings.

        Args:
            run: id of the run to fork.
            step: of the checkpoint; default: the newest.
            name: what the new run is called.
            seed: another seed for the order of the data; default: the run's own.
            detach: do not wait for the end.
        """
        supervisor = Supervisor(Workspace())
        changes: dict[str, Any] = {}
        read_values(get_stage(supervisor.get(run).stage).config_class, settings, changes)
        record = supervisor.fork(run, step=step, changes=changes, name=name, seed=seed)
        if detach:
            print(record.id)
            return 0
        from llm_playground.cli.follow import follow

        return follow(supervisor, record.id)

    if "--help" in arguments or "-h" in arguments:
        try:
            return call(command, name, ["--help"])
        finally:
            print(_EXTRA)
    own = [settings.pop(0)] if settings and not settings[0].startswith("--") else []
    for option in ("--step", "--name", "--seed"):
        value = take(settings, option)
        if value is not None and option != "--name" and not value.isdecimal():
            raise ConfigError(f"{option}: {value!r} is not a whole number of 0 or more.", field=option[2:])
        own += [] if value is None else [f"{option}={value}"]
    if take(settings, "--detach", flag=True) is not None:
        own.append("--detach")
    return call(command, name, own)


def checkpoints(name: str, arguments: list[str]) -> int:
    """List the checkpoints of a run."""

    def command(run: RunId, /, verify: bool = False) -> int:
        """List the checkpoints of a run, the oldest first.

        Args:
            run: id of the run.
            verify: also compare every file with its recorded hash.
        """
        found = kept_checkpoints(Supervisor(Workspace()).folder(run), verify=verify)
        if not found:
            print(f"The run {run} has no checkpoints.")
            return 0
        heads = ("step", "val loss", "train loss", "MiB", "written", "kept as")
        print_table(heads, map(_row, found), left=(5,))
        damaged = [item.damaged for item in found if item.damaged is not None]
        for sentence in damaged:
            print(sentence)
        return 1 if damaged else 0

    return call(command, name, arguments)


def _row(item: KeptCheckpoint) -> tuple[str, ...]:
    losses = ("-" if loss is None else f"{loss:.4f}" for loss in (item.val_loss, item.train_loss))
    written = datetime.fromtimestamp(item.created_at).strftime("%Y-%m-%d %H:%M")
    marks = (name for name in ("newest", "best", "pinned") if getattr(item, name))
    return (f"{item.step:,}", *losses, f"{item.size_bytes / 2**20:,.1f}", written, ", ".join(marks))


def pin(name: str, arguments: list[str]) -> int:
    """Pin a checkpoint of a run."""

    def command(run: RunId, step: Step, /, undo: bool = False) -> int:
        """Keep a checkpoint in any case, also while its run goes on.

        Args:
            run: id of the run.
            step: step of the checkpoint.
            undo: let it go again when its run makes room.
        """
        pin_checkpoint(Supervisor(Workspace()).folder(run), step, pinned=not undo)
        print(f"The checkpoint of step {step} is {'no longer pinned' if undo else 'pinned'}.")
        return 0

    return call(command, name, arguments)
