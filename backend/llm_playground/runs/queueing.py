"""How a run is put in line: the record of its first or its next attempt."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from llm_playground.core.config import StageConfig, parse_config
from llm_playground.core.errors import ConfigError, ConflictError
from llm_playground.core.files import check_name, storage_errors
from llm_playground.core.workspace import Workspace
from llm_playground.runs.launch import PARALLEL_STAGES, processes_of
from llm_playground.runs.record import LOCK_FILE, STOP_FILE, RunRecord, load_record, save_record, take_lock
from llm_playground.runs.stages import get_stage


def new_run_id(stage: str) -> str:
    """Return an id for a new run: its stage, the time, and something random."""
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    return f"{stage.replace('.', '-')}-{stamp}-{secrets.token_hex(3)}"


def check_processes(config: Mapping[str, Any]) -> None:
    """Refuse to start a run here that is meant for several machines.

    Raises:
        ConfigError: naming the setting and what would do.
    """
    training = config.get("training")
    nodes = int(training.get("nodes") or 1) if isinstance(training, Mapping) else 1
    if nodes > 1:
        raise ConfigError(
            f"training.nodes: a run on {nodes} machines is started on each of them.",
            hint="`llmp pretrain ... --print-script torchrun` (or slurm, skypilot) prints how.",
            field="training.nodes",
        )


def requeue(folder: Path, record: RunRecord, processes: int | None = None) -> RunRecord:
    """Write the record of a run's next attempt; the caller holds its lock.

    Args:
        processes: how many train from now on; None: as many as before.

    Raises:
        ConfigError: the run's stage is not one that several processes share.
    """
    config = record.config
    if processes is not None and processes != processes_of(record.stage, config):
        if record.stage not in PARALLEL_STAGES:
            raise ConfigError(f"processes: {record.stage} is the work of one process.", field="processes")
        changed = {**config, "training": {**config.get("training", {}), "processes": processes}}
        config = parse_config(get_stage(record.stage).config_class, changed).model_dump(mode="json")
    (folder / STOP_FILE).unlink(missing_ok=True)
    changes = {
        "config": config,
        "state": "queued",
        "attempt": record.attempt + 1,
        "error": None,
        "finished_at": None,
        "launched_at": time.time(),
        "resumable": False,
        "pid": None,
    }
    record = record.model_copy(update=changes)
    save_record(folder, record)
    return record


def enlist(
    workspace: Workspace,
    run_id: str,
    stage: str,
    config: StageConfig,
    *,
    seed: int = 0,
    name: str | None = None,
) -> bool:
    """Put a run in line whose processes were started by a cluster, anew or for its next attempt.

    The same command may be given again after a failure, as clusters do: the run then goes on, and only its
    settings of processes and machines are taken from the new one.

    Returns:
        whether there is work to do: False where the run has finished.

    Raises:
        InputError: not a valid id.
        ConflictError: the run is being worked on, or is another one.
        StorageError: the workspace cannot be written.
    """
    folder = workspace.ensure().runs_dir / check_name(run_id, "run id")
    values = config.model_dump(mode="json")
    record = load_record(folder) if folder.is_dir() else None
    if record is None:
        now = time.time()
        title = (name or get_stage(stage).title)[:200]
        record = RunRecord(
            id=run_id, name=title, stage=stage, seed=seed, config=values, created_at=now, launched_at=now
        )
        with storage_errors(folder):
            folder.mkdir(exist_ok=True)
            (folder / LOCK_FILE).touch()
            save_record(folder, record)
        return True
    if _essence(record.stage, record.config) != _essence(stage, values) or record.seed != seed:
        raise ConflictError(
            f"The run {run_id} is there already, with other settings.", hint="Give this one another id."
        )
    if record.state == "finished":
        return False
    lock = take_lock(folder) if record.resumable else None
    if lock is None:
        raise ConflictError(f"The run {run_id} is {record.state}: it is being worked on.")
    with lock, storage_errors(folder):
        requeue(folder, record.model_copy(update={"config": values}))
    return True


def _essence(stage: str, config: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return what makes a run the one that it is, whatever it runs on."""
    training = {
        key: value for key, value in config.get("training", {}).items() if key not in ("processes", "nodes")
    }
    return stage, {**config, "training": training}
