"""Plans over REST: what is answered, and what is refused."""

from __future__ import annotations

from starlette.testclient import TestClient
from tiny_workspace import Tiny

from llm_playground.runs.planning import plan_stage


def test_a_plan_is_that_of_the_planner(client: TestClient, tiny: Tiny) -> None:
    config = {"tokens": tiny.tokens, "training": {"batch_size": 8, "steps": 20}}
    body = {"stage": "pretrain", "config": config, "device": "rtx-4090", "utilization": 0.3}
    answer = client.post("/api/v1/runs/plan", json=body)
    assert answer.status_code == 200, answer.text
    expected = plan_stage(tiny.workspace, "pretrain", config, device="rtx-4090", utilization=0.3)
    assert answer.json() == expected.to_dict()
    assert answer.json()["fits"] and answer.json()["time"]["method"] == "rate"
    too_much = {"preset": "gpt2-small", "training": {"batch_size": 4096}}
    answer = client.post("/api/v1/runs/plan", json={"stage": "pretrain", "config": too_much, "device": "t4"})
    assert not answer.json()["fits"] and answer.json()["suggested"]["micro_batch_size"] < 4096


def test_wrong_plans_are_refused_by_name(client: TestClient) -> None:
    def refused(status: int, **body: object) -> dict[str, object]:
        answer = client.post("/api/v1/runs/plan", json=body)
        assert answer.status_code == status, answer.text
        error: dict[str, object] = answer.json()["error"]
        return error

    assert refused(400, stage="recipe")["field"] == "stage"
    wrong = {"training": {"steps": 0}, "colour": "red"}
    problems = refused(422, stage="pretrain", config=wrong)["problems"]
    assert {item["field"] for item in problems} == {"training.steps", "colour"}  # type: ignore[attr-defined]
    assert refused(404, stage="sft", config={"model": "nobody"}, device="t4")["message"]
    assert refused(404, stage="pretrain", device="abacus")["field"] == "device"
    assert refused(422, stage="pretrain", devices=0)["field"] == "devices"
