"""What is on the terminal while a run is followed, and the table at its end."""

from __future__ import annotations

import io
import time
from typing import Any

import pytest
from rich.console import Console
from tiny_workspace import Tiny, queue, work_here

from llm_playground.cli.follow import follow, percent, report, seconds, summary_table
from llm_playground.core.workspace import Workspace
from llm_playground.runs import Supervisor
from llm_playground.runs.events import EventLog
from llm_playground.runs.record import RunProgress, load_record, save_record


def console(live: bool = False) -> Console:
    return Console(file=io.StringIO(), width=120, force_terminal=live, color_system=None)


def text_of(screen: Console) -> str:
    return screen.file.getvalue()  # type: ignore[attr-defined]


def test_figures_are_written_for_people() -> None:
    assert [seconds(value) for value in (None, 7.2, 59.6, 125)] == ["-", "7 s", "1 min 00 s", "2 min 05 s"]
    assert percent(None) == "-"
    assert percent({"value": 0.943, "low": 0.911, "high": 0.964}) == "94.3% (91.1% to 96.4%)"


def test_a_finished_training_ends_in_a_table(tiny: Tiny) -> None:
    screen = console()
    assert follow(tiny.supervisor, tiny.runs["chat"], screen) == 0
    out = text_of(screen)
    for label in ("parameters", "validation loss", "tokens per second", "peak memory"):
        assert label in out
    assert f"Made: {tiny.chat}" in out and f"Talk to it: llmp chat {tiny.chat}" in out
    screen = console()
    assert follow(tiny.supervisor, tiny.runs["base"], screen) == 0
    assert "step 10 writes: Mia" in text_of(screen)


def test_a_score_is_shown_beside_base_model_and_chance(tiny: Tiny) -> None:
    screen = console()
    assert follow(tiny.supervisor, tiny.runs["score"], screen) == 0
    out = text_of(screen)
    score = tiny.supervisor.get(tiny.runs["score"]).summary
    rows = [[cell.strip() for cell in line.strip("│").split("│")] for line in out.splitlines()]
    assert ["held-out questions answered exactly", percent(score["exact_match"])] in rows
    assert ["... by the base model", percent(score["baseline_exact_match"])] in rows
    assert f"{score['chance']:.1%}" in out and "Talk to it" not in out


def test_brackets_in_names_samples_and_logs_are_shown_as_they_are(workspace: Workspace) -> None:
    run_id = queue(workspace, "data.prepare", {}, name="A [/bold] name")
    folder = workspace.runs_dir / run_id
    log = EventLog(folder / "events.jsonl")
    log.append("log", {"message": "a [/dim] line"})
    log.append("sample", {"step": 1200, "prompt": "[red]Hi", "text": " it [/x]\n wrote "})
    log.append("sample", {"step": 0, "prompt": "", "text": "before any step"})
    log.close()
    record = load_record(folder)
    assert record
    save_record(folder, record.model_copy(update={"state": "finished"}))
    for live in (False, True):
        screen = console(live)
        assert follow(Supervisor(workspace), run_id, screen) == 0
        out = text_of(screen)
        assert "A [/bold] name" in out and "a [/dim] line" in out
        assert "step 1,200 writes: [red]Hi it [/x]  wrote" in out and "before any step" not in out


def test_a_bar_shows_how_far_it_is(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = queue(workspace, "data.prepare", {}, state="queued")
    folder, supervisor = workspace.runs_dir / run_id, Supervisor(workspace)
    record = load_record(folder)
    assert record
    details = {"loss": 1.23456, "tokens_per_second": 1234.5}
    progress = RunProgress(done=50, total=100, unit="steps", eta_s=65, details=details)
    running = record.model_copy(update={"progress": progress, "state": "running"})
    seen = iter([running, running, record.model_copy(update={"state": "finished"})])
    monkeypatch.setattr(supervisor, "get", lambda _: next(seen))
    screen = console(live=True)
    assert follow(supervisor, run_id, screen) == 0
    assert "50/100 steps  loss 1.235  1,234 tok/s  1 min 05 s left" in text_of(screen)


def test_an_interrupt_stops_the_run_and_a_second_leaves_it(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id, supervisor = queue(workspace, "data.prepare", {}), Supervisor(workspace)

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", interrupt)
    screen = console()
    assert follow(supervisor, run_id, screen) == 130
    assert supervisor.get(run_id).state == "stopping"
    assert "Stopping, with a checkpoint; press Ctrl-C again to leave it running." in text_of(screen)
    assert f"The run goes on: llmp runs follow {run_id}" in text_of(screen)


@pytest.mark.parametrize(
    ("state", "error", "code"),
    [
        ("stopped", None, 0),
        ("failed", {"message": "It broke.", "hint": "Mend it."}, 1),
        ("failed", {"message": "It broke."}, 1),
    ],
)
def test_a_run_that_did_not_finish_says_how_to_go_on(
    workspace: Workspace,
    capsys: pytest.CaptureFixture[str],
    state: str,
    error: dict[str, Any] | None,
    code: int,
) -> None:
    run_id = queue(workspace, "data.prepare", {}, state=state, error=error)
    screen, supervisor = console(), Supervisor(workspace)
    assert report(supervisor, supervisor.get(run_id), screen) == code
    assert f"The run {run_id} {state}." in text_of(screen)
    assert f"Go on with it: llmp runs resume {run_id}" in text_of(screen)
    expected = f"llmp: {' '.join(error.values())}\n" if error else ""
    assert capsys.readouterr().err == expected


def test_a_recipe_shows_each_step_with_its_time(workspace: Workspace) -> None:
    steps = [{"name": "first", "stage": "data.prepare", "config": {"documents": 60, "benchmark_items": 10}}]
    record = work_here(workspace, queue(workspace, "recipe", {"name": "r", "title": "R", "steps": steps}))
    assert record.state == "finished", record.error
    screen = console()
    screen.print(summary_table(Supervisor(workspace), record))
    out = text_of(screen)
    (child,) = Supervisor(workspace).children(record.id)
    assert "Text" in out and seconds(child.finished_at - child.started_at) in out and "in all" in out
