"""Commands that list and steer runs and models."""

from __future__ import annotations

import json
import time
from typing import Annotated

import tyro

from llm_playground.cli.options import call
from llm_playground.core.workspace import Workspace, artifact_json
from llm_playground.runs import Supervisor

RunId = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
ModelId = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]


def _supervisor() -> Supervisor:
    return Supervisor(Workspace())


def _ago(moment: float) -> str:
    past = max(0.0, time.time() - moment)
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if past >= size:
            return f"{past / size:.0f} {unit} ago"
    return "just now"


def runs_list(name: str, arguments: list[str]) -> int:
    """List runs."""

    def command(all: bool = False, as_json: bool = False) -> int:
        """List runs, newest first.

        Args:
            all: also those that are steps of a recipe.
            as_json: print JSON instead of a table.
        """
        records = _supervisor().list(parent="*" if all else None)
        if as_json:
            print(json.dumps([record.model_dump(mode="json") for record in records], indent=2))
            return 0
        if not records:
            print("There are no runs yet: `llmp quickstart` starts the first.")
        for record in records:
            progress = record.progress
            share = f"{progress.done / progress.total:4.0%}" if progress.total else "    "
            print(f"{record.id:<44} {record.state:<9} {share} {_ago(record.created_at):>10}  {record.name}")
        return 0

    return call(command, name, arguments)


def runs_show(name: str, arguments: list[str]) -> int:
    """Show one run."""

    def command(run: RunId, /) -> int:
        """Print a run's record as JSON.

        Args:
            run: id of the run.
        """
        print(json.dumps(_supervisor().get(run).model_dump(mode="json"), indent=2))
        return 0

    return call(command, name, arguments)


def runs_follow(name: str, arguments: list[str]) -> int:
    """Follow a run."""

    def command(run: RunId, /) -> int:
        """Follow a run until it ends.

        Args:
            run: id of the run.
        """
        from llm_playground.cli.follow import follow

        return follow(_supervisor(), run)

    return call(command, name, arguments)


def runs_stop(name: str, arguments: list[str]) -> int:
    """Stop a run."""

    def command(run: RunId, /) -> int:
        """Ask a run to stop; training writes a checkpoint first.

        Args:
            run: id of the run.
        """
        print(f"{run} is {_supervisor().stop(run).state}.")
        return 0

    return call(command, name, arguments)


def runs_resume(name: str, arguments: list[str]) -> int:
    """Resume a run."""

    def command(run: RunId, /, nproc: int | None = None, detach: bool = False) -> int:
        """Go on with a run that stopped, failed or died.

        Args:
            run: id of the run.
            nproc: processes that train from now on; default: as many as before.
            detach: do not wait for the end.
        """
        supervisor = _supervisor()
        supervisor.resume(run, nproc)
        if detach:
            print(run)
            return 0
        from llm_playground.cli.follow import follow

        return follow(supervisor, run)

    return call(command, name, arguments)


def runs_delete(name: str, arguments: list[str]) -> int:
    """Delete a run."""

    def command(run: RunId, /) -> int:
        """Move a run to the trash; what it made stays.

        Args:
            run: id of the run.
        """
        _supervisor().delete(run)
        print(f"{run} is in the trash: llmp runs restore {run} brings it back.")
        return 0

    return call(command, name, arguments)


def runs_restore(name: str, arguments: list[str]) -> int:
    """Restore a run."""

    def command(run: RunId, /) -> int:
        """Bring a deleted run back.

        Args:
            run: id of the run.
        """
        print(f"{_supervisor().restore(run).id} is back.")
        return 0

    return call(command, name, arguments)


def models_list(name: str, arguments: list[str]) -> int:
    """List models."""

    def command(as_json: bool = False) -> int:
        """List models, newest first, the example model last.

        Args:
            as_json: print JSON instead of a table.
        """
        models = Workspace().list("model")
        if as_json:
            print(json.dumps([artifact_json(model) for model in models], indent=2))
            return 0
        if not models:
            print("There are no models yet: `llmp quickstart` trains the first.")
        for model in models:
            size = f"{model.summary.get('parameters', 0) / 1e6:.2f} M"
            kind = "chat" if model.summary.get("chat") else "base"
            origin = "built in" if model.builtin else _ago(model.created_at)
            print(f"{model.id:<32} {kind:<5} {size:>9} {origin:>10}  {model.name}")
        return 0

    return call(command, name, arguments)


def models_show(name: str, arguments: list[str]) -> int:
    """Show one model."""

    def command(model: ModelId, /) -> int:
        """Print a model's manifest as JSON, and its folder.

        Args:
            model: id of the model.
        """
        artifact = Workspace().get(model, "model")
        print(json.dumps({**artifact_json(artifact), "folder": str(artifact.path)}, indent=2))
        return 0

    return call(command, name, arguments)


def models_delete(name: str, arguments: list[str]) -> int:
    """Delete a model."""

    def command(model: ModelId, /) -> int:
        """Move a model to the trash.

        Args:
            model: id of the model.
        """
        Workspace().delete(model, "model")
        print(f"{model} is in the trash: llmp models restore {model} brings it back.")
        return 0

    return call(command, name, arguments)


def models_restore(name: str, arguments: list[str]) -> int:
    """Restore a model."""

    def command(model: ModelId, /) -> int:
        """Bring a deleted model back.

        Args:
            model: id of the model.
        """
        print(f"{Workspace().restore(model, 'model').id} is back.")
        return 0

    return call(command, name, arguments)
