"""The command ``llmp runs export``: each format, and one sentence for what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_workspace import Tiny, queue

from llm_playground.cli.main import main
from llm_playground.monitoring import MetricStore


def logged(own_tiny: Tiny, monkeypatch: pytest.MonkeyPatch, folder: Path) -> str:
    """A run with three points, in a workspace that commands use; the present folder is ``folder``."""
    run_id = queue(own_tiny.workspace, "data.prepare", {})
    store = MetricStore(own_tiny.workspace.runs_dir / run_id / "metrics.db")
    for step in (1, 2, 3):
        store.log(step, {"train/loss": 1 / step})
    store.close()
    monkeypatch.setenv("LLMP_WORKSPACE", str(own_tiny.workspace.root))
    monkeypatch.chdir(folder)
    return run_id


@pytest.mark.parametrize(
    ("format", "made"),
    [("csv", "{}.csv"), ("jsonl", "{}.jsonl"), ("tensorboard", "{}-tensorboard/events.out.tfevents.*")],
)
def test_a_runs_metrics_are_written(
    format: str,
    made: str,
    own_tiny: Tiny,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run_id = logged(own_tiny, monkeypatch, tmp_path)
    assert main(["runs", "export", run_id, "--format", format]) == 0
    assert capsys.readouterr().out.startswith("3 points are in ")
    (file,) = tmp_path.glob(made.format(run_id))
    assert file.stat().st_size > 100
    assert main(["runs", "export", run_id, "--format", format]) == 2
    assert "is there already" in capsys.readouterr().err
    assert main(["runs", "export", run_id, "--out", str(tmp_path / "elsewhere" / "a.csv")]) == 0
    assert (tmp_path / "elsewhere" / "a.csv").read_text().count("\n") == 4


def test_a_run_that_is_not_there(
    own_tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    logged(own_tiny, monkeypatch, tmp_path)
    assert main(["runs", "export", "none"]) == 2
    assert capsys.readouterr().err.startswith("llmp: There is no run 'none'.")
