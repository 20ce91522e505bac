"""A process of a run: ``python -m llm_playground.runs.worker RUN_ID``.

It takes the run's lock, runs the stage, and leaves the outcome in ``run.json``. It reads nothing from the
process that launched it, so the run goes on when that one ends.

Of several processes (torchrun's environment) the first one does this; the others do the same work beside it,
tell nobody, and leave a sign of how they fare. On a cluster, where nobody has made a record before, the run
is described by a file: ``worker --config FILE --stage STAGE --run-id ID [--seed N] [--name TEXT]``.
"""

from __future__ import annotations

import argparse
import errno
import os
import signal
import sys
import time
import traceback
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path

from llm_playground.core.config import load_yaml, parse_config
from llm_playground.core.errors import LLMPError, StopRequested
from llm_playground.core.workspace import Artifact, Workspace
from llm_playground.monitoring.heartbeat import Heartbeat
from llm_playground.runs.context import RunContext, SilentContext
from llm_playground.runs.hooks import hooks_for
from llm_playground.runs.queueing import enlist
from llm_playground.runs.ranks import Sign, cause, end_with_parent
from llm_playground.runs.record import RunError, RunRecord, State, load_record, take_lock
from llm_playground.runs.stages import get_stage
from llm_playground.training.distributed import World, launched, lost_contact


def work(workspace: Workspace, run_id: str) -> State:
    """Run a queued run to its end in this process; returns its last state.

    Raises:
        LLMPError: there is no such run, or another process has it.
    """
    folder = workspace.runs_dir / run_id
    record = load_record(folder)
    if record is None:
        raise LLMPError(f"There is no run {run_id!r} in {workspace.runs_dir}.")
    lock = take_lock(folder)
    if lock is None:
        raise LLMPError(f"The run {run_id} is already being worked on.")
    with lock:
        record.pid = os.getpid()
        record.started_at = time.time()
        record.error = None
        context = RunContext(folder, record, workspace)
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: context.request_stop())
        context.start()
        try:
            return _run_stage(context, record)
        finally:
            context.close()


def _run_stage(context: RunContext, record: RunRecord) -> State:
    artifact: Artifact | None = None
    state: State = "finished"
    try:
        stage = get_stage(record.stage)
        config = parse_config(stage.config_class, record.config, f"the run {record.id}")
        context.hooks = hooks_for(record.stage, config)
        world = World.current()
        world.broadcast(record.attempt)
        with _beating(context.run_dir, world):
            artifact = stage.run(config, context)
    except StopRequested:
        state = "stopped"
    except LLMPError as error:
        state = "failed"
        record.error = RunError(message=error.message, hint=error.hint, field=error.field)
    except MemoryError:
        state = "failed"
        record.error = RunError(
            message="The machine's memory ran out.", hint="Use a smaller batch or a smaller model."
        )
    except Exception as error:  # the outcome must reach the record, whatever it is
        state = "failed"
        record.error = _lost(context.run_dir, record, error) or _unexpected(error)
    record.state = state
    record.finished_at = time.time()
    if artifact is not None:
        record.output = artifact.id
    if state == "finished":
        record.progress.eta_s = 0.0
    with suppress(OSError):  # a full disk may take no more events, yet the record can replace itself
        if artifact is not None:
            context.event("artifact", {"id": artifact.id, "kind": artifact.kind, "name": artifact.name})
        if record.error is not None:
            context.log(record.error.message, "error")
        context.event("state", {"state": state})
    context.save()
    return state


def _beating(run_dir: Path, world: World) -> AbstractContextManager[object]:
    return Heartbeat(run_dir, world.rank) if world.size > 1 else nullcontext()


def _lost(run_dir: Path, record: RunRecord, error: Exception) -> RunError | None:
    """Return why another process has gone, where an error is that of losing it."""
    processes = int(os.environ["WORLD_SIZE"]) if launched() else 1
    if processes == 1 or not lost_contact(error):
        return None
    found = cause(run_dir, processes, record.attempt)
    if found is None:
        found = _unexpected(error)
        found.message = "Contact with another process was lost: it ended, hangs, or cannot be reached."
    return found


def work_beside(workspace: Workspace, run_id: str) -> int:
    """Do the work of a further process of a run; returns the exit code.

    Raises:
        LLMPError: there is no such run.
    """
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, signal.SIG_IGN)  # the first process is asked to stop, and tells the others
    world = World.current()
    attempt: int = world.broadcast(0)
    folder = workspace.runs_dir / run_id
    record = load_record(folder)
    if record is None:
        raise LLMPError(f"There is no run {run_id!r} in {workspace.runs_dir}: all machines must share it.")
    sign = Sign(folder, world.rank, attempt)
    with sign.held(), _beating(folder, world):
        try:
            stage = get_stage(record.stage)
            config = parse_config(stage.config_class, record.config, f"the run {record.id}")
            stage.run(config, SilentContext(folder, record, workspace, hooks_for(record.stage, config)))
        except StopRequested:
            pass  # an end in order, which the first process records
        except LLMPError as error:
            sign.fail(RunError(message=error.message, hint=error.hint, field=error.field), lost=False)
            return 1
        except Exception as error:
            lost = lost_contact(error)
            sign.fail(RunError(message=str(error)) if lost else _unexpected(error), lost=lost)
            return 1
        sign.end()
    return 0


def _unexpected(error: Exception) -> RunError:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return RunError(
            message="The disk is full.", hint="Free some space, then resume: what was complete is untouched."
        )
    detail = "".join(traceback.format_exception(error))
    print(detail, file=sys.stderr, flush=True)
    return RunError(
        message=f"An unexpected error ended the run: {type(error).__name__}: {error}"[:500],
        hint="The traceback is in the run's log.",
        detail=detail[-8_000:],
    )


def main(arguments: list[str] | None = None) -> int:
    """Run the run that the arguments name; the workspace is ``LLMP_WORKSPACE``."""
    program = "python -m llm_playground.runs.worker"
    described = "--config FILE --stage STAGE --run-id ID [--seed N] [--name TEXT]"
    parser = argparse.ArgumentParser(usage=f"{program} RUN_ID\n       {program} {described}")
    parser.add_argument("run", nargs="?", help="id of a run that has a record")
    parser.add_argument("--config", help="YAML of the stage, for a run without one")
    parser.add_argument("--stage", help="the stage")
    parser.add_argument("--run-id", help="the run's id; the same one goes on with it")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--name", help="what the run is called for people")
    given = parser.parse_args(arguments)
    description = [given.config, given.stage, given.run_id]
    whole = None not in description if given.run is None else not any(description)
    run_id = given.run or given.run_id or ""
    if not whole or Path(run_id).name != run_id:
        parser.print_usage(sys.stderr)
        return 2
    first = not launched() or os.environ["RANK"] == "0"
    if launched():
        end_with_parent()
    try:
        workspace = Workspace()
        if not first:
            return work_beside(workspace, run_id)
        if given.config is not None:
            config = parse_config(get_stage(given.stage).config_class, load_yaml(given.config), given.config)
            if not enlist(workspace, run_id, given.stage, config, seed=given.seed, name=given.name):
                print(f"The run {run_id} has finished: nothing is left to do.")
                return 0
        return 0 if work(workspace, run_id) in ("finished", "stopped") else 1
    except LLMPError as error:
        print(error, file=sys.stderr)
        return 2


def _exit(code: int) -> None:
    """End the process; of several, without waiting for threads that may hang on one that is gone."""
    if launched():
        if code == 0:
            World.current().close()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    _exit(main())
