"""The REST routers: what they answer, and how they say what is wrong."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from starlette.testclient import TestClient
from tiny_workspace import Tiny, queue

from llm_playground import __version__
from llm_playground.runs import list_recipes, stage_names


def get(client: TestClient, path: str, **query: Any) -> Any:
    answer = client.get(f"/api/v1{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def error(answer: Any, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert list(body) == ["error"] and list(body["error"])[:3] == ["message", "hint", "field"]
    return body["error"]


def test_health_tells_version_device_memory_and_workspace(client: TestClient, tiny: Tiny) -> None:
    health = get(client, "/health")
    assert (health["status"], health["version"], health["web_app"]) == ("ok", __version__, False)
    assert health["workspace"] == str(tiny.workspace.root)
    assert health["device"]["cores"] >= 1 and health["device"]["type"] in ("cpu", "cuda", "mps")
    memory = health["memory"]
    assert 0 < memory["rss_bytes"] < memory["total_bytes"] and memory["available_bytes"] > 0


def test_stages_and_recipes_describe_themselves(client: TestClient) -> None:
    assert [stage["name"] for stage in get(client, "/stages")["stages"]] == stage_names()
    stage = get(client, "/stages/pretrain")
    assert stage["config_schema"]["properties"]["tokens"]["description"] == "Id of the token shards."
    assert error(client.get("/api/v1/stages/cook"), 404)["field"] == "stage"
    recipes = get(client, "/recipes")["recipes"]
    assert [recipe["name"] for recipe in recipes] == [recipe.name for recipe in list_recipes()]
    quickstart = get(client, "/recipes/quickstart")
    assert [step["stage"] for step in quickstart["steps"]] == [
        step["stage"] for step in quickstart["config"]["steps"]
    ]
    assert all(step["title"] for step in quickstart["steps"])
    assert error(client.get("/api/v1/recipes/cake"), 404)["message"] == "There is no recipe 'cake'."


def test_runs_are_listed_and_shown(client: TestClient, tiny: Tiny) -> None:
    runs = get(client, "/runs")["runs"]
    assert [run["id"] for run in runs] == list(tiny.runs.values())[::-1]
    assert [run["id"] for run in get(client, "/runs", stage="sft")["runs"]] == [tiny.runs["chat"]]
    assert get(client, "/runs", state="failed") == {"runs": []}
    run = get(client, f"/runs/{tiny.runs['base']}")
    assert (run["state"], run["output"], run["children"]) == ("finished", tiny.base, [])
    assert run["config"]["training"]["steps"] == 20
    assert run["summary"]["parameters"] == get(client, f"/models/{tiny.base}")["parameters"]
    assert error(client.get("/api/v1/runs/nobody"), 404) == {
        "message": "There is no run 'nobody'.",
        "hint": "`llmp runs list` shows what is there.",
        "field": None,
    }


def test_metrics_are_plain_json(client: TestClient, tiny: Tiny) -> None:
    path = f"/runs/{tiny.runs['base']}/metrics"
    metrics = get(client, path)
    assert {"train/loss", "val/loss", "perf/tokens_per_second"} <= set(metrics["names"])
    assert set(metrics["series"]) == set(metrics["names"]) and metrics["ghosts"] == {}
    loss = metrics["series"]["train/loss"]
    assert loss["step"] == list(range(1, 21)) and loss["points"] == 20 and set(loss["segment"]) == {1}
    assert loss["min"] == loss["value"] == loss["max"]
    assert metrics["latest"]["train/loss"] == {"step": 20, "value": loss["value"][-1]}
    some = get(client, path, names="val/loss,unknown", points=10)
    assert list(some["series"]) == list(some["latest"]) == ["val/loss"]
    assert some["series"]["val/loss"]["step"][-2:] == [10, 20]
    assert some["cursor"] == metrics["cursor"] > 100
    assert get(client, f"/runs/{tiny.runs['data']}/metrics") == {
        "names": [],
        "series": {},
        "ghosts": {},
        "latest": {},
        "cursor": 0,
    }
    assert error(client.get(f"/api/v1{path}?points=1"), 422)["field"] == "points"


def test_events_and_log_are_readable(client: TestClient, tiny: Tiny) -> None:
    path = f"/runs/{tiny.runs['base']}/events"
    events = get(client, path)["events"]
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    assert events[0]["data"] == {"state": "running", "attempt": 1}
    samples = get(client, path, types="sample")["events"]
    assert [sample["data"]["step"] for sample in samples][-2:] == [10, 20]
    assert samples[0]["data"]["prompt"] == "Mia"
    assert get(client, path, after=events[-2]["id"])["events"] == events[-1:]
    assert get(client, f"/runs/{tiny.runs['base']}/log") == {"text": ""}
    assert error(client.get("/api/v1/runs/nobody/log"), 404)["message"] == "There is no run 'nobody'."


def test_runs_are_started_steered_deleted_and_restored(own_client: TestClient, own_tiny: Tiny) -> None:
    body = {"stage": "data.prepare", "config": {"documents": 99}, "name": "Mine", "seed": 7}
    answer = own_client.post("/api/v1/runs", json=body)
    assert answer.status_code == 201
    run = answer.json()
    assert (run["name"], run["seed"], run["state"], run["config"]["documents"]) == ("Mine", 7, "queued", 99)
    path = f"/api/v1/runs/{run['id']}"
    assert error(own_client.delete(path), 409)["hint"] == "Stop it first."
    assert own_client.post(f"{path}/stop").json()["state"] == "stopping"
    assert error(own_client.post(f"{path}/resume"), 409)["message"].endswith("there is nothing to resume.")
    done = f"/api/v1/runs/{own_tiny.runs['data']}"
    assert error(own_client.post(f"{done}/stop"), 409)["message"].endswith("is finished, not running.")
    assert own_client.delete(done).json() == {"id": own_tiny.runs["data"], "restorable": True}
    assert own_client.get(done).status_code == 404
    assert own_client.post(f"{done}/restore").json()["id"] == own_tiny.runs["data"]
    assert own_client.get(done).status_code == 200
    failed = queue(own_tiny.workspace, "data.prepare", {}, state="failed")
    assert own_client.post(f"/api/v1/runs/{failed}/resume").json()["attempt"] == 2


def test_a_recipe_run_shows_its_steps(own_client: TestClient, own_tiny: Tiny) -> None:
    steps = [{"name": "first", "stage": "data.prepare"}]
    parent = queue(own_tiny.workspace, "recipe", {"name": "r", "title": "R", "steps": steps})
    child = queue(own_tiny.workspace, "data.prepare", {}, parent=parent, step="first")
    assert [run["id"] for run in get(own_client, f"/runs/{parent}")["children"]] == [child]
    assert child not in [run["id"] for run in get(own_client, "/runs")["runs"]]
    assert [run["id"] for run in get(own_client, "/runs", parent=parent)["runs"]] == [child]


@pytest.mark.parametrize(
    ("body", "status", "message", "field"),
    [
        (b'{"stage": ', 422, "The request is wrong: its body is not JSON at character 10.", None),
        (b"\xff", 400, "The request's body cannot be read: it must be JSON in UTF-8.", None),
        (b"[]", 422, "The request is wrong: its body must be a JSON object", None),
        (b"{}", 422, "The request is wrong: stage: Field required.", "stage"),
        (b'{"stage": "cook"}', 404, "There is no stage 'cook'.", "stage"),
        (b'{"stage": "pretrain", "x": 1}', 422, "The request is wrong: x: Extra inputs are not", "x"),
        (
            b'{"stage": "data.prepare", "config": {"documents": 1}}',
            422,
            "The configuration is wrong: documents: input should be greater than or equal to 50 (got 1).",
            "documents",
        ),
        (
            b'{"stage": "data.prepare", "config": {"documents": NaN}}',
            422,
            "The request is wrong: config: NaN and Infinity are not JSON.",
            "config",
        ),
        (
            b'{"stage": "data.prepare", "config": {"\\ud800": 1}}',
            422,
            "The request is wrong: config: a text holds half a character (a lone surrogate).",
            "config",
        ),
        (b'{"stage": "\\ud800"}', 404, "There is no stage '\\ud800'.", "stage"),
        (b'{"stage": "data.prepare", "seed": -1}', 422, "The request is wrong: seed: ", "seed"),
    ],
)
def test_wrong_requests_get_one_sentence(
    own_client: TestClient, body: bytes, status: int, message: str, field: str | None
) -> None:
    headers = {"content-type": "application/json"}
    found = error(own_client.post("/api/v1/runs", content=body, headers=headers), status)
    assert found["message"].startswith(message) and found["field"] == field
    assert "\n" not in found["message"]


def test_an_error_nobody_expected_is_said_without_its_inside(
    own_client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **options: Any) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(own_client.app.state.llmp.supervisor, "list", fail)
    client = TestClient(own_client.app, base_url="http://127.0.0.1", raise_server_exceptions=False)
    answer = client.get("/api/v1/runs")
    assert error(answer, 500)["message"] == "An unexpected error happened: RuntimeError."
    assert "secret" not in answer.text and answer.headers["x-content-type-options"] == "nosniff"


def test_unknown_addresses_and_methods(client: TestClient) -> None:
    assert error(client.get("/api/v1/nothing"), 404)["message"] == "There is nothing at /api/v1/nothing."
    assert error(client.get("/nothing"), 404)["message"] == "There is nothing at /nothing."
    answer = client.put("/api/v1/runs")
    assert error(answer, 405)["message"] == "PUT is not possible at /api/v1/runs."
    assert set(answer.headers["allow"].split(", ")) == {"GET", "POST"}
    assert client.delete("/api/v1/playground/conversations").status_code == 405


@pytest.mark.parametrize("base", ["runs", "models", "artifacts", "playground/conversations", "recipes"])
@pytest.mark.parametrize("name", ["%2e%2e", "..%2f..%2fetc%2fpasswd", "%2fetc%2fpasswd", "a%5cb", "%00"])
def test_ids_lead_nowhere_else(client: TestClient, base: str, name: str) -> None:
    answer = client.get(f"/api/v1/{base}/{name}")
    assert error(answer, answer.status_code) and answer.status_code in (400, 404)
    assert "root:" not in answer.text


def test_models_tell_what_they_are_and_what_they_come_from(client: TestClient, tiny: Tiny) -> None:
    models = get(client, "/models")["models"]
    assert [model["id"] for model in models] == [tiny.chat, tiny.base]
    assert [model["chat"] for model in models] == [True, False]
    chat = get(client, f"/models/{tiny.chat}")
    assert (chat["name"], chat["context_length"], chat["builtin"]) == ("Tiny chat", 192, False)
    assert len(chat["suggested_questions"]) == 5 and "Willowbrook" in chat["about"]
    lineage = {ancestor["id"]: ancestor["kind"] for ancestor in chat["lineage"]}
    assert list(lineage)[:2] == [tiny.base, tiny.data]
    assert lineage[tiny.tokens] == "tokens" and lineage[tiny.tokenizer] == "tokenizer"
    assert [score["id"] for score in chat["scores"]] == [tiny.score]
    assert "model.safetensors" in chat["files"] and chat["config"]["model"] == tiny.base
    assert error(client.get("/api/v1/models/none"), 404)["message"] == (
        "There is no model 'none' in the workspace."
    )


def test_a_deleted_ancestor_is_named_as_deleted(own_client: TestClient, own_tiny: Tiny) -> None:
    assert own_client.delete(f"/api/v1/models/{own_tiny.base}").json()["restorable"] is True
    lineage = get(own_client, f"/models/{own_tiny.chat}")["lineage"]
    assert lineage[0] == {"id": own_tiny.base, "kind": "deleted", "name": own_tiny.base, "run_id": None}
    assert error(own_client.delete(f"/api/v1/models/{own_tiny.base}"), 404)
    assert own_client.post(f"/api/v1/models/{own_tiny.base}/restore").json()["id"] == own_tiny.base
    assert error(own_client.post(f"/api/v1/models/{own_tiny.base}/restore"), 404)["message"] == (
        f"The trash holds nothing called {own_tiny.base!r}."
    )


def test_artifacts_are_listed_by_kind_with_their_manifest(client: TestClient, tiny: Tiny) -> None:
    everything = get(client, "/artifacts")["artifacts"]
    assert {item["kind"] for item in everything} == {"dataset", "tokenizer", "tokens", "model", "evaluation"}
    assert [item["id"] for item in get(client, "/artifacts", kind="tokens")["artifacts"]] == [tiny.tokens]
    detail = get(client, f"/artifacts/{tiny.data}")
    manifest = json.loads((tiny.workspace.get(tiny.data).path / "manifest.json").read_text())
    assert detail["files"] == manifest["files"] and detail["config"] == manifest["config"]
    assert detail["size_bytes"] == sum(entry["size"] for entry in manifest["files"].values())
    assert "path" not in detail
    assert error(client.get("/api/v1/artifacts?kind=cake"), 422)["field"] == "kind"


def test_results_of_an_evaluation(client: TestClient, tiny: Tiny) -> None:
    results = get(client, f"/artifacts/{tiny.score}/results")
    assert results["model"] == tiny.chat and results["baseline"]["model"] == tiny.base
    assert results["exact_match"]["count"] == len(results["examples"]) == 10
    assert error(client.get(f"/api/v1/artifacts/{tiny.chat}/results"), 404)


def test_conversations_are_stored_changed_and_deleted_with_undo(own_client: TestClient) -> None:
    path = "/api/v1/playground/conversations"
    assert own_client.get(path).json() == {"conversations": []}
    message = {"role": "user", "content": "Where is the ball? ⚽"}
    body = {"title": "Ball", "model": "m", "messages": [message], "params": {"temperature": 0.5}}
    answer = own_client.post(path, json=body)
    assert answer.status_code == 201
    made = answer.json()
    assert {key: made[key] for key in body} == body
    one = f"{path}/{made['id']}"
    assert own_client.get(one).json() == made
    changed = own_client.put(one, json={"title": "New", "messages": [message, message]}).json()
    assert (changed["title"], changed["model"], len(changed["messages"])) == ("New", "m", 2)
    assert changed["updated_at"] >= made["updated_at"]
    (listed,) = own_client.get(path).json()["conversations"]
    assert (listed["id"], listed["title"], listed["message_count"]) == (made["id"], "New", 2)
    assert own_client.delete(one).json() == {"id": made["id"], "restorable": True}
    assert own_client.get(path).json() == {"conversations": []}
    for call in (own_client.get, own_client.delete):
        message = error(call(one), 404)["message"]
        assert message == f"There is no conversation {made['id']!r}."
    assert own_client.post(f"{one}/restore").json()["title"] == "New"
    assert error(own_client.post(f"{path}/nothing/restore"), 404)
    wrong = own_client.post(path, json={"messages": [{"role": "robot", "content": "x"}]})
    assert error(wrong, 422)["field"] == "messages.0.role"
    half = own_client.post(path, content=b'{"params": {"a": "\\ud800"}}', headers=JSON)
    assert error(half, 422)["message"] == (
        "The request is wrong: params: a text holds half a character (a lone surrogate)."
    )


def test_a_broken_store_of_conversations_is_named(own_client: TestClient, own_tiny: Tiny) -> None:
    own_tiny.workspace.app_db.write_bytes(b"not a database, but long enough to be taken for one" * 20)
    found = error(own_client.get("/api/v1/playground/conversations"), 507)
    assert found["message"] == f"The file {own_tiny.workspace.app_db} cannot be used: file is not a database."


def test_a_workspace_that_cannot_be_written_is_named(
    own_client: TestClient, own_tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    found = error(own_client.post("/api/v1/runs", json={"stage": "data.prepare"}), 507)
    assert found["message"].startswith("The disk is full: ")


JSON = {"content-type": "application/json"}
