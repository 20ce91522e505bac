"""Commands about checkpoints: their table, pins, and forks from them."""

from __future__ import annotations

import pytest
from tiny_workspace import Tiny, WritingSupervisor

from llm_playground.cli.main import main

Capture = pytest.CaptureFixture[str]


def printed(capsys: Capture, *words: str) -> str:
    assert main(list(words)) == 0, capsys.readouterr()
    return capsys.readouterr().out


def refused(capsys: Capture, *words: str) -> str:
    assert main(list(words)) == 2
    return capsys.readouterr().err.removeprefix("llmp: ").rstrip("\n")


def test_checkpoints_are_listed_and_pinned(capsys: Capture, own_tiny: Tiny) -> None:
    run = own_tiny.runs["base"]
    assert printed(capsys, "runs", "pin", run, "14") == "The checkpoint of step 14 is pinned.\n"
    lines = printed(capsys, "runs", "checkpoints", run).splitlines()
    assert any(line.split()[:3] == ["step", "val", "loss"] for line in lines)
    rows = [line.split() for line in lines if line.split()[:1] in (["14"], ["20"])]
    assert rows[0][-1] == "pinned" and rows[1][-2:] == ["newest,", "best"]
    assert printed(capsys, "runs", "pin", run, "14", "--undo") == (
        "The checkpoint of step 14 is no longer pinned.\n"
    )
    assert "pinned" not in printed(capsys, "runs", "checkpoints", run, "--verify")
    assert printed(capsys, "runs", "checkpoints", own_tiny.runs["data"]) == (
        f"The run {own_tiny.runs['data']} has no checkpoints.\n"
    )
    (own_tiny.supervisor.folder(run) / "checkpoints" / "step_00000014" / "model.safetensors").unlink()
    assert main(["runs", "checkpoints", run, "--verify"]) == 1
    assert "The checkpoint step_00000014 is damaged: model.safetensors." in capsys.readouterr().out


def test_a_run_is_forked_with_other_settings(
    capsys: Capture, own_tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llm_playground.cli.forks.Supervisor", WritingSupervisor)
    run = own_tiny.runs["base"]
    words = ["--step", "14", "--training.learning-rate", "1e-4", "--training.steps=16", "--name", "Slow"]
    fork = printed(capsys, "runs", "fork", run, *words, "--detach").strip()
    record = own_tiny.supervisor.get(fork)
    assert (record.state, record.name, record.config["training"]["steps"]) == ("queued", "Slow", 16)
    assert record.config["training"]["learning_rate"] == 1e-4
    assert record.forked_from is not None and record.forked_from.step == 14
    assert "--training.learning-rate 1e-4" in printed_help(capsys)


def printed_help(capsys: Capture) -> str:
    with pytest.raises(SystemExit):
        main(["runs", "fork", "--help"])
    return capsys.readouterr().out


def test_what_cannot_be_forked_is_said_in_one_sentence(capsys: Capture, own_tiny: Tiny) -> None:
    run = own_tiny.runs["base"]
    assert refused(capsys, "runs", "fork", run).startswith("training.steps: 20 leaves nothing to do")
    assert "cake: is not a known setting" in refused(capsys, "runs", "fork", run, "--cake", "1")
    assert refused(capsys, "runs", "fork", run, "--step", "3").startswith(
        f"The run {run} has no checkpoint of"
    )
    assert (
        refused(capsys, "runs", "fork", run, "--step", "x")
        == "--step: 'x' is not a whole number of 0 or more."
    )
    assert "Missing from llmp runs fork: RUN" in refused(capsys, "runs", "fork", "--step", "3")
    assert refused(capsys, "runs", "fork", "none") == (
        "There is no run 'none'. `llmp runs list` shows what is there."
    )
    assert refused(capsys, "runs", "pin", run, "3").startswith(f"The run {run} has no checkpoint of step 3.")
