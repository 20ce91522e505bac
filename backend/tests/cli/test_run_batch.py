"""llmp runs batch: what a step read, as a table, a row whole, and JSON."""

from __future__ import annotations

import json

import pytest
from tiny_workspace import Tiny

from llm_playground.cli.main import main
from llm_playground.runs.batches import Batches

Capture = pytest.CaptureFixture[str]


def test_a_step_is_shown(own_tiny: Tiny, capsys: Capture) -> None:
    run, found = own_tiny.runs["base"], Batches(own_tiny.workspace)
    assert main(["runs", "batch", run, "15", "--score"]) == 0
    out = capsys.readouterr().out
    scored = found.batch(run, 15, score=True)
    assert out.startswith(f"Step 15 of {run}: loss {scored.figures['train/loss']:.4g} (usually ")
    assert f"4 rows from sample 56 on, from {own_tiny.tokens} of the data set {own_tiny.data}." in out
    assert "Scored with the checkpoint of step 14, the very weights that the step began with." in out
    rows = [line.split()[:3] for line in out.splitlines() if line[:4].strip().isdigit()]
    assert [row[0] for row in rows] == [str(row.row) for row in scored.rows]
    assert [row[2] for row in rows] == [f"{row.loss:.3f}" for row in scored.rows]

    assert main(["runs", "batch", run, "15", "--row", "2"]) == 0
    out = capsys.readouterr().out
    row = found.batch(run, 15, row=2).rows[0]
    for document in row.documents:
        assert f"--- {document.id}, tokens {document.offset} to " in out
    assert row.preview[:100].split("<|endoftext|>")[0] in out and "<|endoftext|>" not in out

    assert main(["runs", "batch", run, "15", "--row", "2", "--score", "--as-json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert "".join(told["rows"][0]["texts"]).strip().startswith(row.preview.rstrip("…"))


def test_a_step_that_is_not_there_is_one_sentence(own_tiny: Tiny, capsys: Capture) -> None:
    assert main(["runs", "batch", own_tiny.runs["base"], "99"]) == 2
    said = capsys.readouterr().err
    assert said == "llmp: step: 99 has not been done yet; the run has come to step 20.\n"
