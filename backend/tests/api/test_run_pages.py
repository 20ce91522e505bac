"""What the run pages ask for beside the run itself: filters, labels, previews, comparisons, small curves."""

from __future__ import annotations

from typing import Any

from starlette.testclient import TestClient
from tiny_workspace import Tiny, queue


def get(client: TestClient, path: str, **query: Any) -> Any:
    answer = client.get(f"/api/v1{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def error(answer: Any, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()["error"]
    return found


def test_a_state_that_is_none_is_refused(client: TestClient) -> None:
    found = error(client.get("/api/v1/runs?state=dancing"), 422)
    assert found["field"] == "state" and "'finished'" in found["message"]
    assert len(get(client, "/runs", state="finished")["runs"]) == 6


def test_metrics_carry_tokens_and_time_and_can_be_zoomed(client: TestClient, tiny: Tiny) -> None:
    path = f"/runs/{tiny.runs['base']}/metrics"
    loss = get(client, path, names="train/loss", start=5, end=9)["series"]["train/loss"]
    assert loss["step"] == [5, 6, 7, 8, 9]
    assert loss["tokens"] == [step * 4 * 192 for step in loss["step"]]
    assert loss["time"] == sorted(loss["time"]) and len(loss["flops"]) == 5


def test_labels_are_changed_over_rest(own_client: TestClient, own_tiny: Tiny) -> None:
    path = f"/api/v1/runs/{own_tiny.runs['base']}"
    changed = own_client.patch(path, json={"tags": ["good"], "notes": "Keep."}).json()
    assert (changed["tags"], changed["notes"], changed["name"]) == (["good"], "Keep.", "Pre-training")
    assert own_client.patch(path, json={"name": "Base"}).json()["name"] == "Base"
    assert get(own_client, f"/runs/{own_tiny.runs['base']}")["tags"] == ["good"]
    assert error(own_client.patch(path, json={"tags": ["a,b"]}), 400)["field"] == "tags"
    assert error(own_client.patch(path, json={"state": "finished"}), 422)["field"] == "state"
    error(own_client.patch("/api/v1/runs/nobody", json={}), 404)


def test_a_run_is_previewed(client: TestClient, tiny: Tiny) -> None:
    body = {"stage": "pretrain", "config": tiny.pretrain(10), "seed": 1}
    found = client.post("/api/v1/runs/preview", json=body).json()
    assert found["problems"] == [] and [point["step"] for point in found["schedule"]] == list(range(10))
    assert found["model"]["width"] == 32 and found["tokens"] == 10 * 4 * 192
    assert found["command"].startswith(f"llmp pretrain --tokens {tiny.tokens} --model.layers 1")
    assert found["command"].endswith("--seed 1") and found["yaml"].startswith(f"tokens: {tiny.tokens}\n")
    wrong = client.post("/api/v1/runs/preview", json={"stage": "pretrain"}).json()
    assert wrong["problems"] == [{"field": "tokens", "message": "is required"}]
    assert wrong["schedule"] and wrong["model"] is None
    error(client.post("/api/v1/runs/preview", json={"stage": "cook"}), 404)


def test_runs_are_compared(client: TestClient, tiny: Tiny) -> None:
    ids = [tiny.runs["base"], tiny.runs["chat"]]
    found = get(client, "/runs/compare", ids=",".join(ids))
    assert [run["id"] for run in found["runs"]] == ids
    assert found["differences"][0] == {"field": "stage", "values": ["pretrain", "sft"]}
    assert all(len(item["values"]) == 2 for item in found["figures"])
    assert error(client.get("/api/v1/runs/compare?ids=one"), 400)["field"] == "ids"
    error(client.get(f"/api/v1/runs/compare?ids={ids[0]},nobody"), 404)


def test_small_curves_of_many_runs(own_client: TestClient, own_tiny: Tiny) -> None:
    parent = queue(own_tiny.workspace, "recipe", {"name": "r", "title": "R", "steps": [
        {"name": "x", "stage": "data.prepare"}]})  # fmt: skip
    base, data = own_tiny.runs["base"], own_tiny.runs["data"]
    found = get(own_client, "/runs/curves", ids=f"{base},{data},{parent},nobody", points=10)["curves"]
    assert list(found) == [base]
    assert found[base]["step"][-1] == 20 and len(found[base]["value"]) <= 11
