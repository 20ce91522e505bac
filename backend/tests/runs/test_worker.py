"""What a run's process leaves behind for every way in which its stage can end."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tiny_workspace import Tiny, ended, queue, work_here

from llm_playground.core.config import StageConfig
from llm_playground.core.errors import (
    ConfigError,
    ConflictError,
    InputError,
    LLMPError,
    NotFoundError,
    StopRequested,
)
from llm_playground.core.workspace import Workspace
from llm_playground.runs import Supervisor, stage_names
from llm_playground.runs.events import EventLog
from llm_playground.runs.record import RunRecord, exclusive, load_record, take_lock
from llm_playground.runs.stages import STAGES, get_stage
from llm_playground.runs.worker import main, work

Run = Callable[[Callable[[Any, Any], Any]], RunRecord]


class StubConfig(StageConfig):
    """Does what a test says."""

    size: int = 1


@pytest.fixture
def run(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run a function as a stage, in this process."""
    module = ModuleType("stub_stage")
    module.__dict__.update(CONFIG=StubConfig, TITLE="Stub")
    monkeypatch.setitem(sys.modules, "stub_stage", module)
    monkeypatch.setitem(STAGES, "stub", "stub_stage")

    def run(function: Callable[[Any, Any], Any]) -> RunRecord:
        module.__dict__["run"] = function
        return work_here(workspace, queue(workspace, "stub", {"size": 2}, seed=5))

    yield run


def raising(error: BaseException) -> Callable[[Any, Any], Any]:
    def run(config: Any, context: Any) -> Any:
        raise error

    return run


def test_a_finished_run_tells_its_figures_and_its_artifact(run: Run, workspace: Workspace) -> None:
    def stage(config: StubConfig, context: Any) -> Any:
        context.progress.update(3, 4, unit="things", message="at it", eta_s=2.0, loss=1.5)
        context.metrics.log(1, {"train/loss": 1.5})
        context.metrics.flush()
        context.set_summary(size=config.size, seed=context.seed)
        context.log("half way")
        with context.workspace.new_artifact("dataset", name="made", run_id=context.run_id) as draft:
            (draft.path / "file.txt").write_text("x")
        return draft.artifact

    record = run(stage)
    assert (record.state, record.error, record.resumable) == ("finished", None, False)
    assert record.pid == os.getpid() and record.started_at <= record.finished_at
    assert record.summary == {"size": 2, "seed": 5}
    assert record.progress.model_dump() == {
        "done": 3,
        "total": 4,
        "unit": "things",
        "message": "at it",
        "eta_s": 0.0,
        "details": {"loss": 1.5},
    }
    assert record.heartbeat_at and record.peak_memory_bytes > 2**20
    assert workspace.get(record.output).run_id == record.id
    events = Supervisor(workspace).events(record.id)
    assert [(event["type"], list(event["data"].values())) for event in events] == [
        ("state", ["running", 1]),
        ("log", ["info", "half way"]),
        ("artifact", [record.output, "dataset", "made"]),
        ("state", ["finished"]),
    ]


@pytest.mark.parametrize(
    ("error", "state", "message", "hint"),
    [
        (StopRequested(), "stopped", None, None),
        (InputError("The file x is empty.", hint="Fill it."), "failed", "The file x is empty.", "Fill it."),
        (
            MemoryError(),
            "failed",
            "The machine's memory ran out.",
            "Use a smaller batch or a smaller model.",
        ),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            "failed",
            "The disk is full.",
            "Free some space, then resume: what was complete is untouched.",
        ),
        (
            ZeroDivisionError("division by zero"),
            "failed",
            "An unexpected error ended the run: ZeroDivisionError: division by zero",
            "The traceback is in the run's log.",
        ),
    ],
    ids=["stopped", "known", "memory", "disk", "unexpected"],
)
def test_every_end_is_said_in_one_sentence(
    run: Run, workspace: Workspace, error: Exception, state: str, message: str | None, hint: str | None
) -> None:
    record = run(raising(error))
    assert record.state == state and record.resumable and record.output is None
    assert (record.error.message if record.error else None) == message
    assert (record.error.hint if record.error else None) == hint
    events = Supervisor(workspace).events(record.id)
    assert events[-1]["data"] == {"state": state}
    if message:
        assert events[-2]["data"] == {"level": "error", "message": message}
    if isinstance(error, ZeroDivisionError):
        assert "ZeroDivisionError: division by zero" in record.error.detail


def test_a_disk_too_full_for_events_still_leaves_the_outcome(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(config: Any, context: Any) -> Any:
        def append(*args: Any) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(EventLog, "append", append)
        context.log("this does not fit")

    record = run(full)
    assert (record.state, record.error.message) == ("failed", "The disk is full.")


def test_a_stage_that_was_asked_to_stop_learns_it_from_the_file(run: Run, workspace: Workspace) -> None:
    seen: list[Any] = []

    def stage(config: Any, context: Any) -> None:
        seen.append(context.should_stop())
        assert Supervisor(workspace).stop(context.run_id).state == "stopping"
        seen.append(context.should_stop())
        seen.append(Supervisor(workspace).stop(context.run_id).state)
        raise StopRequested

    assert run(stage).state == "stopped"
    assert seen == [False, True, "stopping"]


def test_one_process_at_a_time_works_on_a_run(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = queue(workspace, "data.prepare", {})
    monkeypatch.setattr("llm_playground.runs.record.take_lock.__defaults__", (0.05,))
    with take_lock(workspace.runs_dir / run_id):
        with pytest.raises(LLMPError, match=f"The run {run_id} is already being worked on."):
            work(workspace, run_id)
        assert Supervisor(workspace).get(run_id).state == "queued"


def test_the_process_names_what_it_cannot_run(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([]) == 2
    assert main(["../elsewhere"]) == 2
    assert "usage: python -m llm_playground.runs.worker RUN_ID" in capsys.readouterr().err
    assert main(["nobody"]) == 2
    assert capsys.readouterr().err == f"There is no run 'nobody' in {workspace.runs_dir}.\n"


def test_the_process_returns_one_for_a_run_that_failed(own_tiny: Tiny) -> None:
    run_id = queue(own_tiny.workspace, "pretrain", {**own_tiny.pretrain(1), "preset": "nothing"})
    done = subprocess.run([sys.executable, "-m", "llm_playground.runs.worker", run_id], check=False)
    assert done.returncode == 1
    record = own_tiny.supervisor.get(run_id)
    assert record.error and record.error.message == "There is no model preset 'nothing'."


def test_a_queued_run_that_nobody_took_up_has_died_after_a_minute(workspace: Workspace) -> None:
    run_id = queue(workspace, "data.prepare", {}, launched_at=0)
    record = Supervisor(workspace).get(run_id)
    assert record.state == "died" and record.error.hint == "Resume the run to start it once more."


def test_a_run_outlives_the_process_that_started_it(workspace: Workspace) -> None:
    code = (
        "from llm_playground.runs import Supervisor\nfrom llm_playground.core import Workspace\n"
        "config = {'documents': 5000, 'conversations': 20, 'benchmark_items': 10}\n"
        "print(Supervisor(Workspace()).start('data.prepare', config, name='Alone').id)"
    )
    starter = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    run_id, supervisor = starter.stdout.strip(), Supervisor(workspace)
    assert supervisor.get(run_id).state in ("queued", "running")
    record = ended(supervisor, run_id)
    assert (record.state, record.name) == ("finished", "Alone"), record.error
    assert workspace.get(record.output, "dataset").summary["documents"] == 5_000


def test_start_refuses_what_cannot_run_before_anything_is_written(workspace: Workspace) -> None:
    supervisor = Supervisor(workspace)
    with pytest.raises(NotFoundError, match="There is no stage 'nothing'. The stages are: data.prepare"):
        supervisor.start("nothing", {})
    with pytest.raises(ConfigError) as wrong:
        supervisor.start("data.prepare", {"documents": 1, "sauce": "x"})
    assert "documents: input should be greater than or equal to 50 (got 1)" in wrong.value.message
    assert "sauce: is not a known setting" in wrong.value.message
    for seed in (-1, 2**63):
        with pytest.raises(ConfigError, match=f"seed: {seed} is not between 0 and"):
            supervisor.start("data.prepare", {}, seed=seed)
    assert supervisor.list(parent="*") == []


def test_a_run_that_cannot_be_started_leaves_no_folder(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spawn(*args: Any, **options: Any) -> Any:
        raise OSError(errno.EAGAIN, "too many processes")

    monkeypatch.setattr(subprocess, "Popen", spawn)
    with pytest.raises(OSError, match="too many processes"):
        Supervisor(workspace).start("data.prepare", {})
    assert [path.name for path in workspace.runs_dir.iterdir() if path.is_dir()] == []


def test_deleted_runs_come_back_with_their_steps(tiny: Tiny, tmp_path: Path) -> None:
    place = tiny.copy(tmp_path / "workspace")
    supervisor, workspace = place.supervisor, place.workspace
    parent = queue(workspace, "recipe", ONE_STEP, state="finished")
    child = queue(workspace, "data.prepare", {}, state="finished", parent=parent, step="data")
    alone = place.runs["data"]
    assert [record.id for record in supervisor.children(parent)] == [child]
    assert child not in {record.id for record in supervisor.list()}
    assert child in {record.id for record in supervisor.list(parent="*")}

    supervisor.delete(parent)
    for run_id in (parent, child):
        with pytest.raises(NotFoundError, match=f"There is no run '{run_id}'."):
            supervisor.get(run_id)
    assert workspace.get(place.data).id == place.data
    supervisor.delete(alone)
    assert supervisor.restore(parent).id == parent
    assert [record.id for record in supervisor.children(parent)] == [child]
    assert alone not in {record.id for record in supervisor.list()}
    assert supervisor.restore(alone).state == "finished"
    with pytest.raises(NotFoundError, match=f"The trash holds no run '{alone}'."):
        supervisor.restore(alone)


def test_a_run_or_step_that_lives_cannot_be_deleted(workspace: Workspace) -> None:
    supervisor = Supervisor(workspace)
    parent = queue(workspace, "recipe", ONE_STEP, launched_at=0)
    child = queue(workspace, "data.prepare", {}, parent=parent, step="data")
    assert supervisor.get(parent).state == "died"
    with pytest.raises(ConflictError, match=f"The run {child} is queued. Stop it first."):
        supervisor.delete(parent)
    assert supervisor.get(child).parent == parent


@pytest.mark.parametrize("run_id", ["..", "../models", "a/b", "", "-x", ".starting.lock", "a" * 101])
def test_ids_that_are_no_names_are_refused(workspace: Workspace, run_id: str) -> None:
    supervisor = Supervisor(workspace)
    for call in (supervisor.get, supervisor.stop, supervisor.delete, supervisor.restore, supervisor.log_tail):
        with pytest.raises(InputError, match="is not a valid run id"):
            call(run_id)


def test_a_folder_without_a_readable_record_is_no_run(workspace: Workspace) -> None:
    for name, text in (("damaged", "{"), ("foreign", '{"id": 3}')):
        (workspace.runs_dir / name).mkdir()
        (workspace.runs_dir / name / "run.json").write_text(text)
    (workspace.runs_dir / "empty").mkdir()
    supervisor = Supervisor(workspace)
    assert supervisor.list() == []
    with pytest.raises(NotFoundError, match="The record of the run 'damaged' cannot be read."):
        supervisor.get("damaged")
    with pytest.raises(NotFoundError, match="There is no run 'empty'."):
        supervisor.get("empty")


def test_runs_are_listed_newest_first_and_by_what_was_asked(workspace: Workspace) -> None:
    for number, state in enumerate(("finished", "failed", "finished")):
        queue(workspace, "data.prepare", {}, state=state, created_at=number, name=str(number))
    supervisor = Supervisor(workspace)
    assert [record.name for record in supervisor.list()] == ["2", "1", "0"]
    assert [record.name for record in supervisor.list(state="failed")] == ["1"]
    assert supervisor.list(stage="pretrain") == []


def test_the_log_shows_its_last_lines(workspace: Workspace) -> None:
    run_id = queue(workspace, "data.prepare", {})
    supervisor = Supervisor(workspace)
    assert supervisor.log_tail(run_id) == ""
    (workspace.runs_dir / run_id / "log.txt").write_bytes(b"one\ntwo \xff\nthree\n")
    assert supervisor.log_tail(run_id, 2) == "two \ufffd\nthree"


def test_a_record_that_goes_away_between_two_looks_is_no_run(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = workspace.runs_dir / queue(workspace, "data.prepare", {}, launched_at=0)

    def gone(*args: Any) -> bool:
        (folder / "run.json").unlink()
        return False

    monkeypatch.setattr("llm_playground.runs.record.is_alive", gone)
    assert load_record(folder) is None


def test_starting_waits_for_whoever_starts(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    code = (
        f"from pathlib import Path\nfrom llm_playground.runs.record import exclusive\n"
        f"with exclusive(Path({str(lock)!r})):\n    Path({str(tmp_path / 'in')!r}).touch()"
    )
    with exclusive(lock):
        other = subprocess.Popen([sys.executable, "-c", code])
        with pytest.raises(subprocess.TimeoutExpired):
            other.wait(0.5)
        assert not (tmp_path / "in").exists()
    assert other.wait(30) == 0
    assert (tmp_path / "in").exists()


def test_every_stage_has_a_title_a_sentence_and_a_schema() -> None:
    for name in stage_names():
        stage = get_stage(name)
        assert stage.title and stage.description.endswith("."), name
        assert stage.schema()["additionalProperties"] is False, name


ONE_STEP = {"name": "one", "title": "One", "steps": [{"name": "data", "stage": "data.prepare"}]}
