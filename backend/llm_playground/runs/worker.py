"""The process of a run: ``python -m llm_playground.runs.worker RUN_ID``.

It takes the run's lock, runs the stage, and leaves the outcome in ``run.json``. It reads nothing from the
process that launched it, so the run goes on when that one ends.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path

from llm_playground.core.config import parse_config
from llm_playground.core.errors import LLMPError, StopRequested
from llm_playground.core.workspace import Artifact, Workspace
from llm_playground.runs.context import RunContext
from llm_playground.runs.hooks import hooks_for
from llm_playground.runs.record import RunError, RunRecord, State, load_record, take_lock
from llm_playground.runs.stages import get_stage


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
        record.error = _unexpected(error)
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
    """Run the run named by the first argument; the workspace is ``LLMP_WORKSPACE``."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if len(arguments) != 1 or Path(arguments[0]).name != arguments[0]:
        print("usage: python -m llm_playground.runs.worker RUN_ID", file=sys.stderr)
        return 2
    try:
        return 0 if work(Workspace(), arguments[0]) in ("finished", "stopped") else 1
    except LLMPError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
