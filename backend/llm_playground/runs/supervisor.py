"""Starts, stops, resumes and lists runs. All state is in the runs' folders, so any process can be one."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from llm_playground.core.config import parse_config
from llm_playground.core.devices import THREAD_ENVIRONMENT
from llm_playground.core.errors import ConfigError, ConflictError, NotFoundError
from llm_playground.core.files import check_name, storage_errors
from llm_playground.core.workspace import Workspace
from llm_playground.runs.events import EVENTS_FILE, read_events
from llm_playground.runs.forks import copy_checkpoint, plan_fork
from llm_playground.runs.launch import GROUP_VARIABLES, processes_of, run_command
from llm_playground.runs.queueing import check_processes, new_run_id, requeue
from llm_playground.runs.record import (
    ALIVE,
    LOCK_FILE,
    RECORD_FILE,
    STOP_FILE,
    ForkedFrom,
    RunRecord,
    exclusive,
    load_record,
    save_record,
    take_lock,
)
from llm_playground.runs.stages import get_stage

LOG_FILE = "log.txt"
_NICENESS = 5  # runs give way to the server and the desktop


class Supervisor:
    """The runs of a workspace.

    Args:
        workspace: where they are.
    """

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def start(
        self,
        stage: str,
        config: Mapping[str, Any],
        *,
        name: str | None = None,
        seed: int = 0,
        parent: str | None = None,
        step: str | None = None,
    ) -> RunRecord:
        """Check the configuration and start a run in a process of its own.

        Args:
            stage: one of the stages by name.
            config: plain data; completed with the defaults, and stored whole.
            name: for people; default: the stage's title.
            seed: seed of everything random in the run.
            parent: the recipe run it belongs to.
            step: its name within that recipe.

        Raises:
            NotFoundError: no such stage.
            ConfigError: the configuration or the seed is wrong.
            ConflictError: the recipe allows one run at a time, and one is running.
            StorageError: the workspace cannot be written.
        """
        found = get_stage(stage)
        parsed = parse_config(found.config_class, config)
        values = parsed.model_dump(mode="json")
        if not 0 <= seed < 2**63:
            raise ConfigError(f"seed: {seed} is not between 0 and 2**63 - 1.", field="seed")
        check_processes(values)
        with self._starting():
            self._check_exclusive(stage, values)
            self.workspace.ensure()
            title = name or values.get("title") or found.title
            record = self._new_record(stage, values, str(title), seed).model_copy(
                update={"parent": parent, "step": step}
            )
            self._create(record)
        return self.get(record.id)

    def fork(
        self,
        run_id: str,
        *,
        step: int | None = None,
        changes: Mapping[str, Any] | None = None,
        name: str | None = None,
        seed: int | None = None,
    ) -> RunRecord:
        """Start a new run that goes on from a checkpoint of another one, with other settings.

        The checkpoint is copied, so that the fork goes on its own way whatever becomes of its source, which
        may be at work or at its end, or a step of a recipe. With the same settings it gives the same numbers.

        Args:
            run_id: the run to fork.
            step: of the checkpoint; None: the newest.
            changes: settings that differ, nested or by dotted names (``training.learning_rate``).
            name: for people; default: the source's with the step.
            seed: default: the source's.

        Raises:
            InputError: the run does not train, or is a recipe.
            NotFoundError: there is no such run or checkpoint, or what the run needs was deleted.
            ConfigError: the changed settings or the seed are wrong, or do not go with the checkpoint.
            StorageError: the checkpoint is damaged, or the disk is full.
        """
        source, origin = self.get(run_id), self.folder(run_id)
        seed = source.seed if seed is None else seed
        if not 0 <= seed < 2**63:
            raise ConfigError(f"seed: {seed} is not between 0 and 2**63 - 1.", field="seed")
        plan = plan_fork(self.workspace, source, origin, step, changes or {})
        values = plan.config.model_dump(mode="json")
        record = self._new_record(source.stage, values, name or plan.name, seed)
        record.forked_from = ForkedFrom(run=run_id, step=plan.step, name=source.name)
        self._create(record, lambda folder: copy_checkpoint(origin, folder, source.config, plan))
        return self.get(record.id)

    @staticmethod
    def _new_record(stage: str, values: dict[str, Any], name: str, seed: int) -> RunRecord:
        now = time.time()
        return RunRecord(
            id=new_run_id(stage),
            name=name[:200],
            stage=stage,
            seed=seed,
            config=values,
            created_at=now,
            launched_at=now,
        )

    def _starting(self) -> Any:
        """Hold the lock under which runs are started, one at a time over all processes."""
        self.workspace.ensure()
        return exclusive(self.workspace.runs_dir / ".starting.lock")

    def _check_exclusive(self, stage: str, config: Mapping[str, Any], but: str | None = None) -> None:
        if stage != "recipe" or not config.get("exclusive"):
            return
        for other in self.list(stage="recipe"):
            same = other.config.get("name") == config.get("name")
            if other.id != but and same and other.state in ALIVE:
                raise ConflictError(
                    f"The recipe {config.get('name')!r} is already running ({other.id}).",
                    hint="Open that run, or stop it first.",
                )

    def _create(self, record: RunRecord, prepare: Callable[[Path], None] | None = None) -> None:
        """Make the run's folder, let ``prepare`` put into it what the run begins with, and launch it."""
        folder = self.workspace.runs_dir / record.id
        with storage_errors(folder):
            folder.mkdir()
            try:
                if prepare is not None:
                    prepare(folder)
                    record.launched_at = time.time()
                (folder / LOCK_FILE).touch()
                save_record(folder, record)
                self._launch(folder, record)
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise

    def _launch(self, folder: Path, record: RunRecord) -> None:
        environment = {
            **os.environ,
            "LLMP_WORKSPACE": str(self.workspace.root),
            **{name: os.environ.get(name, value) for name, value in THREAD_ENVIRONMENT.items()},
            "PYTHONUNBUFFERED": "1",
            "TOKENIZERS_PARALLELISM": "false",
            "TORCH_CPP_LOG_LEVEL": os.environ.get(
                "TORCH_CPP_LOG_LEVEL", "ERROR"
            ),  # its warnings are not for us
        }
        environment.pop("OMP_NUM_THREADS", None)  # threads come from the run's configuration
        for name in GROUP_VARIABLES:  # whatever this process is part of
            environment.pop(name, None)
        with (folder / LOG_FILE).open("ab") as log:
            command = run_command(record.id, processes_of(record.stage, record.config))
            self._children[record.id] = self._spawn(command, environment, log)

    @staticmethod
    def _spawn(command: list[str], environment: dict[str, str], log: IO[bytes]) -> subprocess.Popen[bytes]:
        nice = shutil.which("nice")
        if nice:
            command = [nice, "-n", str(_NICENESS), *command]
        # A session of its own: signals to the server's terminal do not reach the run.
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )

    def _reap(self) -> None:
        """Collect ended children, so that they do not stay as zombies."""
        for run_id, process in list(self._children.items()):
            if process.poll() is not None:
                self._children.pop(run_id, None)  # another request may have been quicker

    def folder(self, run_id: str) -> Path:
        """Return the folder of a run.

        Raises:
            InputError: not a valid id.
            NotFoundError: no such run.
        """
        folder = self.workspace.runs_dir / check_name(run_id, "run id")
        if not (folder / RECORD_FILE).is_file():
            raise NotFoundError(f"There is no run {run_id!r}.", hint="`llmp runs list` shows what is there.")
        return folder

    def get(self, run_id: str) -> RunRecord:
        """Return a run as it is now.

        Raises:
            NotFoundError: no such run.
        """
        self._reap()
        record = load_record(self.folder(run_id))
        if record is None:
            raise NotFoundError(f"The record of the run {run_id!r} cannot be read.")
        return record

    def list(
        self, *, state: str | None = None, parent: str | None = None, stage: str | None = None
    ) -> Sequence[RunRecord]:
        """Return runs, newest first.

        Args:
            state: only those in this state.
            parent: only the steps of this run; None: only runs that belong to no other; "*": all.
            stage: only those of this stage.
        """
        self._reap()
        records = []
        if self.workspace.runs_dir.is_dir():
            for entry in os.scandir(self.workspace.runs_dir):
                if entry.is_dir() and not entry.name.startswith("."):
                    record = load_record(Path(entry.path))
                    if record is not None:
                        records.append(record)
        return sorted(
            (
                record
                for record in records
                if (state is None or record.state == state)
                and (parent == "*" or record.parent == parent)
                and (stage is None or record.stage == stage)
            ),
            key=lambda record: (-record.created_at, record.id),
        )

    def children(self, run_id: str) -> Sequence[RunRecord]:
        """Return the steps of a recipe run, oldest first."""
        return self.list(parent=run_id)[::-1]

    def stop(self, run_id: str) -> RunRecord:
        """Ask a run to stop: it writes a checkpoint first. Asking again changes nothing.

        Raises:
            ConflictError: it is not running.
        """
        record = self.get(run_id)
        if record.state not in ALIVE:
            raise ConflictError(f"The run {run_id} is {record.state}, not running.")
        folder = self.folder(run_id)
        with storage_errors(folder):
            (folder / STOP_FILE).touch()
        return self.get(run_id)

    def resume(self, run_id: str, processes: int | None = None) -> RunRecord:
        """Go on with a run that stopped, failed or died: from its newest checkpoint, else from its start.

        Args:
            processes: how many train from now on; None: as many as before.

        Raises:
            ConflictError: it is running or has finished.
            ConfigError: its stage is not one that several processes share.
        """
        with self._starting():
            record = self.get(run_id)
            if not record.resumable:
                raise ConflictError(f"The run {run_id} is {record.state}: there is nothing to resume.")
            self._check_exclusive(record.stage, record.config, but=run_id)
            folder = self.folder(run_id)
            lock = take_lock(folder)
            if lock is None:
                raise ConflictError(f"The run {run_id} is still ending: try again in a moment.")
            with lock, storage_errors(folder):
                record = requeue(folder, record, processes)
            self._launch(folder, record)
        return self.get(run_id)

    def delete(self, run_id: str) -> None:
        """Move a run and its steps to the trash; :meth:`restore` brings them back. What it made stays.

        Raises:
            ConflictError: it is running, or one of its steps still is.
        """
        items = [*self.children(run_id), self.get(run_id)]
        for item in items:
            if item.state in ALIVE:
                raise ConflictError(f"The run {item.id} is {item.state}.", hint="Stop it first.")
        trash = self.workspace.trash_dir / "runs"
        trash.mkdir(parents=True, exist_ok=True)
        for item in items:
            target = trash / item.id
            shutil.rmtree(target, ignore_errors=True)
            os.rename(self.folder(item.id), target)

    def restore(self, run_id: str) -> RunRecord:
        """Bring a deleted run and its steps back.

        Raises:
            NotFoundError: the trash holds no such run.
        """
        trash = self.workspace.trash_dir / "runs"
        if not (trash / check_name(run_id, "run id") / RECORD_FILE).is_file():
            raise NotFoundError(f"The trash holds no run {run_id!r}.")
        for folder in sorted(trash.iterdir()):
            record = load_record(folder)
            if record is not None and run_id in (record.id, record.parent):
                os.rename(folder, self.workspace.runs_dir / folder.name)
        return self.get(run_id)

    def events(
        self, run_id: str, after: int = 0, kinds: tuple[str, ...] | None = None
    ) -> Sequence[dict[str, Any]]:
        """Return a run's events numbered above ``after``, oldest first."""
        return read_events(self.folder(run_id) / EVENTS_FILE, after, kinds)

    def log_tail(self, run_id: str, lines: int = 200) -> str:
        """Return the last lines of a run's log."""
        path = self.folder(run_id) / LOG_FILE
        if not path.is_file():
            return ""
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 400 * lines))
            text = file.read().decode("utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:])
