"""The OpenAI-compatible endpoints: whole replies, streams, and errors as clients expect them."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from starlette.testclient import TestClient
from tiny_workspace import Tiny

from llm_playground.core.errors import InputError
from llm_playground.playground import Reply

PATH = "/v1/chat/completions"
HELLO = [{"role": "user", "content": "Hello!"}]


def body(tiny: Tiny, **changes: Any) -> dict[str, Any]:
    return {"model": tiny.chat, "messages": HELLO, "max_tokens": 8, "seed": 1, **changes}


def ask(client: TestClient, tiny: Tiny, **changes: Any) -> dict[str, Any]:
    answer = client.post(PATH, json=body(tiny, **changes))
    assert answer.status_code == 200, answer.text
    return answer.json()


def chunks(client: TestClient, tiny: Tiny, **changes: Any) -> list[dict[str, Any]]:
    answer = client.post(PATH, json=body(tiny, stream=True, **changes))
    assert answer.headers["content-type"].startswith("text/event-stream")
    lines = [line for line in answer.text.split("\n\n") if line]
    assert all(line.startswith("data: ") for line in lines) and lines[-1] == "data: [DONE]"
    return [json.loads(line[6:]) for line in lines[:-1]]


def text_of(found: list[dict[str, Any]]) -> str:
    return "".join(choice["delta"].get("content", "") for chunk in found for choice in chunk["choices"])


def test_models_are_listed_in_openais_shape(client: TestClient, tiny: Tiny) -> None:
    listed = client.get("/v1/models").json()
    assert listed["object"] == "list"
    assert [card["id"] for card in listed["data"]] == [tiny.chat, tiny.base]
    card = client.get(f"/v1/models/{tiny.chat}").json()
    assert card == listed["data"][0] and card["object"] == "model" and card["owned_by"] == "user"
    assert client.get("/v1/models/none").json()["error"]["code"] == "model_not_found"


def test_a_whole_reply_counts_its_tokens(client: TestClient, tiny: Tiny) -> None:
    reply = ask(client, tiny)
    assert reply["object"] == "chat.completion" and reply["model"] == tiny.chat
    assert reply["id"].startswith("chatcmpl-")
    (choice,) = reply["choices"]
    assert choice["message"]["role"] == "assistant" and choice["finish_reason"] in ("length", "stop")
    usage = reply["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert 0 < usage["completion_tokens"] <= 8
    assert ask(client, tiny, max_completion_tokens=2, max_tokens=5)["usage"]["completion_tokens"] <= 2


def test_the_same_seed_gives_the_same_reply(client: TestClient, tiny: Tiny) -> None:
    def say(**changes: Any) -> str:
        return ask(client, tiny, max_tokens=20, **changes)["choices"][0]["message"]["content"]

    assert say(seed=3) == say(seed=3)
    assert len({say(seed=seed) for seed in range(4)}) > 1
    assert say(temperature=0, seed=1) == say(temperature=0, seed=2) == say(top_k=1, seed=3)


def test_a_stream_says_the_same_as_the_whole_reply(client: TestClient, tiny: Tiny) -> None:
    whole = ask(client, tiny, max_tokens=30)
    found = chunks(client, tiny, max_tokens=30, stream_options={"include_usage": True})
    assert text_of(found) == whole["choices"][0]["message"]["content"]
    assert found[0]["choices"][0]["delta"]["role"] == "assistant"
    assert len({chunk["id"] for chunk in found}) == 1
    assert {chunk["object"] for chunk in found} == {"chat.completion.chunk"}
    reasons = [choice["finish_reason"] for chunk in found for choice in chunk["choices"]]
    assert reasons[-1] == whole["choices"][0]["finish_reason"] and set(reasons[:-1]) == {None}
    assert found[-1]["choices"] == [] and found[-1]["usage"] == whole["usage"]
    assert all(chunk["usage"] is None for chunk in found[:-1])
    assert all("usage" not in chunk for chunk in chunks(client, tiny))


def test_a_stop_string_ends_the_reply_and_is_not_shown(client: TestClient, tiny: Tiny) -> None:
    text = ask(client, tiny, max_tokens=60, temperature=0)["choices"][0]["message"]["content"]
    assert len(text) >= 4
    stop = text[2:4]
    (choice,) = ask(client, tiny, max_tokens=60, temperature=0, stop=stop)["choices"]
    assert choice["finish_reason"] == "stop"
    assert choice["message"]["content"] == text[: text.index(stop)]
    found = chunks(client, tiny, max_tokens=60, temperature=0, stop=["never said", stop])
    assert text_of(found) == text[: text.index(stop)]


def test_parts_and_developers_are_understood(client: TestClient, tiny: Tiny) -> None:
    parts = [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo!"}]
    plain = [{"role": "system", "content": "Be brief."}, *HELLO]
    in_parts = [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": parts}]
    first, second = (ask(client, tiny, messages=messages) for messages in (plain, in_parts))
    assert first["choices"] == second["choices"] and first["usage"] == second["usage"]


def test_a_base_model_continues_the_last_message(client: TestClient, tiny: Tiny) -> None:
    reply = ask(client, tiny, model=tiny.base, messages=[*HELLO, *HELLO], temperature=0)
    assert reply["usage"]["completion_tokens"] > 0


def test_messages_left_out_are_counted_in_a_header(client: TestClient, tiny: Tiny) -> None:
    turns = [{"role": role, "content": "word " * 20} for _ in range(10) for role in ("user", "assistant")]
    answer = client.post(PATH, json=body(tiny, messages=[*turns, *HELLO]))
    assert answer.status_code == 200
    assert int(answer.headers["x-dropped-messages"]) >= 10
    assert client.post(PATH, json=body(tiny)).headers["x-dropped-messages"] == "0"


@pytest.mark.parametrize(
    ("changes", "status", "param", "words"),
    [
        ({"model": "none"}, 404, None, "There is no model 'none' in the workspace."),
        ({"model": "../x"}, 400, None, "is not a valid artifact id"),
        ({"messages": []}, 400, "messages", "messages: List should have at least 1 item"),
        ({"messages": [{"role": "robot", "content": "x"}]}, 400, "messages.0.role", "messages.0.role"),
        ({"temperature": 3}, 400, "temperature", "less than or equal to 2"),
        ({"top_p": 0}, 400, "top_p", "greater than 0"),
        ({"n": 2}, 400, "n", "n: Input should be 1"),
        ({"stop": [""]}, 400, "stop", "stop: give at most 4 stop strings, none of them empty"),
        ({"stop": list("abcde")}, 400, "stop", "give at most 4 stop strings"),
        ({"max_tokens": 0}, 400, "max_tokens", "greater than or equal to 1"),
        ({"messages": [{"role": "user", "content": "word " * 400}]}, 400, "messages", "too long"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_errors_have_openais_shape(
    client: TestClient,
    tiny: Tiny,
    changes: dict[str, Any],
    status: int,
    param: str | None,
    words: str,
    stream: bool,
) -> None:
    answer = client.post(PATH, json=body(tiny, stream=stream, **changes))
    assert answer.status_code == status
    error = answer.json()["error"]
    assert list(error) == ["message", "type", "param", "code"]
    assert error["type"] == "invalid_request_error" and error["param"] == param
    assert words in error["message"]
    assert error["code"] == ("model_not_found" if status == 404 else None)


def test_a_damaged_model_is_a_server_error(own_client: TestClient, own_tiny: Tiny) -> None:
    file = own_tiny.workspace.get(own_tiny.chat).path / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    answer = own_client.post(PATH, json=body(own_tiny))
    assert answer.status_code == 507 and answer.json()["error"]["type"] == "server_error"
    assert answer.json()["error"]["message"].endswith("is damaged: the file model.safetensors was changed.")


def test_an_error_in_the_middle_of_a_stream_travels_in_it(
    client: TestClient, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stream(self: Reply, should_stop: Any = None) -> Any:
        raise InputError("It broke.", field="messages")
        yield

    monkeypatch.setattr(Reply, "stream", stream)
    found = chunks(client, tiny)
    assert found[-1] == {
        "error": {"message": "It broke.", "type": "server_error", "param": "messages", "code": None}
    }


def test_replies_asked_for_at_once_do_not_mix(client: TestClient, tiny: Tiny) -> None:
    questions = [[{"role": "user", "content": text}] for text in ("Hello!", "Where is Mia?", "Count to ten.")]
    alone = [ask(client, tiny, messages=messages)["choices"] for messages in questions]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(lambda messages: ask(client, tiny, messages=messages)["choices"], questions))
    assert together == alone
