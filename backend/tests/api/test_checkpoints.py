"""Checkpoints, pins, forks and lineage over REST."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient
from tiny_workspace import Tiny, work_here


def kept(client: TestClient, run_id: str, query: str = "") -> list[dict[str, Any]]:
    answer = client.get(f"/api/v1/runs/{run_id}/checkpoints{query}")
    assert answer.status_code == 200
    return list(answer.json()["checkpoints"])


def said(client: TestClient, method: str, path: str, body: object = None) -> tuple[int, str, str | None]:
    answer = client.request(method, path, json=body)
    error = answer.json()["error"]
    return answer.status_code, error["message"], error["field"]


def test_checkpoints_are_listed_pinned_and_checked(own_client: TestClient, own_tiny: Tiny) -> None:
    run_id = own_tiny.runs["base"]
    first, last = kept(own_client, run_id)
    assert (first["step"], last["step"], first["newest"], last["newest"]) == (14, 20, False, True)
    assert last["best"] and last["val_loss"] < first["val_loss"] and first["size_bytes"] > 100_000
    pin = f"/api/v1/runs/{run_id}/checkpoints/14/pin"
    rows = own_client.put(pin).json()["checkpoints"]
    assert [row["pinned"] for row in rows] == [True, False] and rows == kept(own_client, run_id)
    assert own_client.put(pin).json() == own_client.put(pin).json()  # again changes nothing
    assert not any(row["pinned"] for row in own_client.delete(pin).json()["checkpoints"])
    folder = own_tiny.supervisor.folder(run_id) / "checkpoints" / "step_00000014"
    (folder / "model.safetensors").write_bytes(b"")
    found = kept(own_client, run_id, "?verify=true")
    assert [row["damaged"] for row in found] == [
        "The checkpoint step_00000014 is damaged: model.safetensors.",
        None,
    ]
    assert [row["damaged"] for row in kept(own_client, run_id)] == [None, None]
    assert kept(own_client, own_tiny.runs["tokenizer"]) == []
    (folder.parent / "pinned.json").write_text("{}")
    assert said(own_client, "GET", f"/api/v1/runs/{run_id}/checkpoints")[0] == 507


def test_what_is_not_there_is_said(own_client: TestClient, own_tiny: Tiny) -> None:
    base = f"/api/v1/runs/{own_tiny.runs['base']}"
    nothing = f"The run {own_tiny.runs['base']} has no checkpoint of step 3."
    assert said(own_client, "PUT", f"{base}/checkpoints/3/pin") == (404, nothing, "step")
    assert said(own_client, "DELETE", f"{base}/checkpoints/3/pin") == (404, nothing, "step")
    assert said(own_client, "PUT", f"{base}/checkpoints/x/pin")[0] == 422
    for path in ("checkpoints", "lineage"):
        assert said(own_client, "GET", f"/api/v1/runs/none/{path}") == (404, "There is no run 'none'.", None)
    assert said(own_client, "POST", "/api/v1/runs/none/fork", {})[0] == 404
    assert said(own_client, "POST", f"{base}/fork", {"step": 3}) == (404, nothing, "step")
    assert said(own_client, "POST", f"{base}/fork", {"cake": 1})[0] == 422
    status, message, field = said(own_client, "POST", f"{base}/fork", {})
    assert (status, field) == (422, "training.steps") and message.startswith(
        "training.steps: 20 leaves nothing"
    )
    changes = {"training.steps": 30, "training.learning_rate": 7, "training.optimizer": "x"}
    answer = own_client.post(f"{base}/fork", json={"changes": changes}).json()["error"]
    assert [problem["field"] for problem in answer["problems"]] == [
        "training.optimizer",
        "training.learning_rate",
    ]
    text = own_tiny.runs["data"]
    assert said(own_client, "POST", f"/api/v1/runs/{text}/fork", {})[0] == 400


def test_a_fork_is_started_and_shows_the_curve_of_its_source(own_client: TestClient, own_tiny: Tiny) -> None:
    source = own_tiny.runs["base"]
    body = {"step": 14, "changes": {"training": {"learning_rate": 1e-4}}, "name": "Slower", "seed": 4}
    answer = own_client.post(f"/api/v1/runs/{source}/fork", json=body)
    fork = answer.json()
    assert answer.status_code == 201 and (fork["name"], fork["seed"], fork["state"]) == (
        "Slower",
        4,
        "queued",
    )
    assert fork["forked_from"] == {"run": source, "step": 14, "name": "Pre-training"}
    assert fork["config"]["training"]["learning_rate"] == 1e-4
    before = own_client.get(f"/api/v1/runs/{fork['id']}/metrics").json()
    assert before["series"] == {} and before["ghosts"]["train/loss"]["step"] == list(range(1, 15))
    work_here(own_tiny.workspace, fork["id"])
    whole = own_client.get(f"/api/v1/runs/{source}/metrics").json()
    found = own_client.get(f"/api/v1/runs/{fork['id']}/metrics").json()
    assert found["series"]["train/loss"]["step"] == list(range(15, 21))
    ghost = found["ghosts"]["train/loss"]
    assert ghost["segment"] == [-1] * 14 and ghost["points"] == 14
    assert ghost["value"] == whole["series"]["train/loss"]["value"][:14] and whole["ghosts"] == {}
    part = own_client.get(f"/api/v1/runs/{fork['id']}/metrics?names=val/loss&start=5&end=30").json()
    assert part["ghosts"].keys() == {"val/loss"} and part["ghosts"]["val/loss"]["step"] == [10]
    assert part["series"]["val/loss"]["step"] == [20]


def test_the_lineage_of_a_run(client: TestClient, tiny: Tiny, tmp_path: Path) -> None:
    graph = client.get(f"/api/v1/runs/{tiny.runs['base']}/lineage").json()
    assert {"before": tiny.tokens, "after": tiny.runs["base"]} in graph["edges"]
    marked = [node for node in graph["nodes"] if node["marked"]]
    assert [(node["id"], node["stage"]) for node in marked] == [(tiny.runs["base"], "pretrain")]
    assert len(graph["nodes"]) == 12 and json.dumps(graph).count("NaN") == 0
