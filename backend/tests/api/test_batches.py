"""GET /runs/{id}/batch: small pages, a row whole, scores on request, and refusals in one sentence."""

from __future__ import annotations

from typing import Any

from starlette.testclient import TestClient
from tiny_workspace import Tiny


def get(client: TestClient, run: str, status: int = 200, **query: Any) -> Any:
    answer = client.get(f"/api/v1/runs/{run}/batch", params=query)
    assert answer.status_code == status, answer.text
    return answer.json()


def test_rows_come_in_pages_and_whole_on_request(client: TestClient, tiny: Tiny) -> None:
    run = tiny.runs["base"]
    first, second = (get(client, run, step=15, offset=offset, limit=2) for offset in (0, 2))
    assert [row["row"] for row in first["rows"] + second["rows"]] == [0, 1, 2, 3]
    assert first["batch_size"] == 4 and first["last_step"] == 20 and first["scored"] is None
    assert first["rows"][0]["texts"] is None and len(first["rows"][0]["preview"]) <= 241
    assert {"train/loss", "train/lr", "train/grad_norm"} <= first["figures"].keys()
    scored = get(client, run, step=15, score=True)
    assert scored["scored"]["words"].startswith("the checkpoint of step 14")
    worst = scored["rows"][0]
    whole = get(client, run, step=15, score=True, row=worst["row"])["rows"]
    assert len(whole) == 1 and whole[0]["loss"] == worst["loss"]
    assert len(whole[0]["texts"]) == len(whole[0]["losses"]) == worst["tokens"]
    every = get(client, run, step=15, texts=True)["rows"]
    assert [len(row["texts"]) for row in every] == [193] * 4 and every[0]["losses"] is None
    chat = get(client, tiny.runs["chat"], step=2, limit=1)
    assert chat["rows"][0]["start"] is None and chat["rows"][0]["documents"][0]["id"].startswith("chat-")


def test_what_is_not_there_is_refused(client: TestClient, tiny: Tiny) -> None:
    run = tiny.runs["base"]
    assert get(client, "nobody", 404, step=1)["error"]["message"] == "There is no run 'nobody'."
    assert get(client, run, 400, step=21)["error"]["field"] == "step"
    assert get(client, run, 400, step=2, row=4)["error"]["field"] == "row"
    assert get(client, run, 422, step=0)["error"]["field"] == "step"
    assert get(client, run, 422)["error"]["field"] == "step"
    assert "has no batches" in get(client, tiny.runs["score"], 400, step=1)["error"]["message"]
