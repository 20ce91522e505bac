"""The API's metrics beyond charts: CSV of everything, histograms, alerts among the events."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path

from starlette.testclient import TestClient
from tiny_workspace import Tiny, queue

from llm_playground.core.workspace import Workspace
from llm_playground.monitoring.event_files import EventFile
from llm_playground.monitoring.histograms import BINS
from llm_playground.runs.context import RunContext
from llm_playground.runs.imports import import_run
from llm_playground.runs.record import load_record


def logged(workspace: Workspace) -> str:
    """A run whose process logged three steps, one of them no number, with histograms."""
    run_id = queue(workspace, "data.prepare", {})
    folder = workspace.runs_dir / run_id
    record = load_record(folder)
    assert record is not None
    context = RunContext(folder, record, workspace)
    for step, value in ((1, 2.5), (2, math.nan), (3, 2.25)):
        context.metrics.log(step, {"train/loss": value}, tokens=step)
        context.metrics.histograms(step, {"weights/head": [step] * BINS})
    context.close()
    return run_id


def test_a_name_with_a_comma_is_found(own_client: TestClient, own_tiny: Tiny, tmp_path: Path) -> None:
    with EventFile(tmp_path / "theirs") as file:
        file.scalars(1, 100.0, {"loss, train": 0.5, "loss": 0.25, "rate": 0.125})
    path = f"/api/v1/runs/{import_run(own_tiny.workspace, file.path).id}/metrics"
    found = own_client.get(path, params={"names": "loss, train,rate"}).json()
    values = {name: line["value"] for name, line in found["series"].items()}
    assert values == {"loss, train": [0.5], "loss": [0.25], "rate": [0.125]}  # "loss" may have been meant too


def test_everything_comes_as_csv(own_client: TestClient, own_tiny: Tiny) -> None:
    run_id = logged(own_tiny.workspace)
    answer = own_client.get(f"/api/v1/runs/{run_id}/metrics.csv")
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/csv")
    assert f'filename="{run_id}.csv"' in answer.headers["content-disposition"]
    rows = [row for row in csv.DictReader(io.StringIO(answer.text)) if row["series"] == "train/loss"]
    assert [(row["step"], row["value"], row["ghost"]) for row in rows] == [
        ("1", "2.5", "0"),
        ("2", "nan", "0"),
        ("3", "2.25", "0"),
    ]
    assert own_client.get("/api/v1/runs/none/metrics.csv").status_code == 404


def test_a_run_without_metrics_has_only_the_header(own_client: TestClient, own_tiny: Tiny) -> None:
    run_id = queue(own_tiny.workspace, "data.prepare", {})
    text = own_client.get(f"/api/v1/runs/{run_id}/metrics.csv").text
    assert text == "series,segment,step,tokens,flops,time,value,ghost\n"
    assert own_client.get(f"/api/v1/runs/{run_id}/histograms").json()["names"] == []


def test_histograms_come_with_their_bins(own_client: TestClient, own_tiny: Tiny) -> None:
    run_id = logged(own_tiny.workspace)
    body = own_client.get(f"/api/v1/runs/{run_id}/histograms").json()
    assert body["names"] == ["weights/head"] and body["histograms"] == {}
    assert len(body["edges"]) == BINS + 1
    found = own_client.get(f"/api/v1/runs/{run_id}/histograms?names=weights/head,none&limit=2").json()
    rows = found["histograms"]["weights/head"]
    assert [row["step"] for row in rows] == [1, 3] and rows[1]["counts"] == [3] * BINS


def test_alerts_are_among_the_events(own_client: TestClient, own_tiny: Tiny) -> None:
    run_id = logged(own_tiny.workspace)
    events = own_client.get(f"/api/v1/runs/{run_id}/events?types=alert").json()["events"]
    alerts = [event["data"] for event in events if event["data"]["kind"] != "disk"]
    assert [(alert["kind"], alert["step"], alert["value"]) for alert in alerts] == [("non_finite", 2, None)]
