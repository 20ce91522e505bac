"""The event stream: what a browser sees, and how it goes on after a break without loss or repetition."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient
from tiny_workspace import Tiny, queue

from llm_playground.api.stream import Watch, parse_place, parse_topics
from llm_playground.core.errors import InputError, NotFoundError
from llm_playground.monitoring import MetricStore
from llm_playground.runs.events import EventLog


def watch(client: TestClient, topics: str, last_id: str | None = None) -> Watch:
    return Watch(client.app.state.llmp, parse_topics(topics), last_id)


News = list[tuple[str, dict[str, Any], str]]


def named(news: News, name: str) -> list[dict[str, Any]]:
    return [data for kind, data, _ in news if kind == name]


def test_a_new_stream_begins_now_with_the_runs_as_they_are(client: TestClient, tiny: Tiny) -> None:
    stream = watch(client, f"runs,run:{tiny.runs['base']}")
    first = stream.look()
    assert [kind for kind, _, _ in first] == ["run"] * len(tiny.runs)
    assert {data["run"]["id"] for _, data, _ in first} == set(tiny.runs.values())
    assert stream.look() == []


def test_a_stream_can_begin_at_the_very_start_of_a_run(client: TestClient, tiny: Tiny) -> None:
    run_id = tiny.runs["base"]
    stream = watch(client, f"run:{run_id}", f"{run_id}=0,0")
    news = stream.look()
    events = [data["event"] for data in named(news, "event")]
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    (metrics,) = named(news, "metrics")
    assert metrics["run_id"] == run_id
    assert [row["id"] for row in metrics["rows"]] == list(range(1, len(metrics["rows"]) + 1))
    assert stream.place() == f"{run_id}={len(events)},{len(metrics['rows'])}"


def test_a_stream_that_breaks_between_two_messages_goes_on_with_the_next(
    client: TestClient, tiny: Tiny
) -> None:
    run_id = tiny.runs["base"]
    whole = watch(client, f"run:{run_id}", f"{run_id}=0,0").look()
    for seen, (_, _, place) in enumerate(whole[1:], 2):  # the first message is the run itself
        rest = watch(client, f"run:{run_id}", place).look()
        assert [data for _, data, _ in rest[1:]] == [data for _, data, _ in whole[seen:]]


def test_a_broken_stream_goes_on_without_loss_or_repetition(own_client: TestClient, own_tiny: Tiny) -> None:
    run_id = queue(own_tiny.workspace, "data.prepare", {})
    folder = own_tiny.workspace.runs_dir / run_id
    log, store = EventLog(folder / "events.jsonl"), MetricStore(folder / "metrics.db")
    seen_events, seen_steps, place = [], [], f"{run_id}=0,0"
    for number in range(1, 6):
        stream = watch(own_client, f"run:{run_id}", place)
        for part in range(2):
            log.append("log", {"message": f"{number}.{part}"})
            store.log(2 * number + part, {"train/loss": float(number)})
            store.flush()
            news = stream.look()
            seen_events += [data["event"]["data"]["message"] for data in named(news, "event")]
            seen_steps += [row["step"] for data in named(news, "metrics") for row in data["rows"]]
            json.dumps(news)
        place = stream.place()
    log.close()
    store.close()
    assert seen_events == [f"{number}.{part}" for number in range(1, 6) for part in range(2)]
    assert seen_steps == list(range(2, 12))


def test_a_recipe_is_watched_with_its_steps(own_client: TestClient, own_tiny: Tiny) -> None:
    steps = [{"name": "first", "stage": "data.prepare"}]
    parent = queue(own_tiny.workspace, "recipe", {"name": "r", "title": "R", "steps": steps})
    stream = watch(own_client, f"run:{parent}")
    assert [data["run"]["id"] for data in named(stream.look(), "run")] == [parent]
    child = queue(own_tiny.workspace, "data.prepare", {}, parent=parent, step="first")
    assert [data["run"]["id"] for data in named(stream.look(), "run")] == [child]


def test_a_run_deleted_while_somebody_looks_ends_nothing(own_client: TestClient, own_tiny: Tiny) -> None:
    stream = watch(own_client, f"runs,run:{own_tiny.runs['base']}")
    stream.look()
    own_tiny.supervisor.delete(own_tiny.runs["base"])
    assert stream.look() == []
    own_tiny.supervisor.restore(own_tiny.runs["base"])
    assert stream.look() == []


def test_wrong_topics_are_refused(client: TestClient) -> None:
    for topics, words in (("cake", "'cake' is not a topic"), ("", "give 1 to 50"), (",", "give 1 to 50")):
        answer = client.get("/api/v1/events", params={"topics": topics})
        assert answer.status_code == 400 and answer.json()["error"]["field"] == "topics"
        assert words in answer.json()["error"]["message"]
    answer = client.get("/api/v1/events", params={"topics": "run:nobody"})
    assert answer.json()["error"]["message"] == "There is no run 'nobody'."
    assert client.get("/api/v1/events", params={"topics": "run:../x"}).status_code == 400
    with pytest.raises(InputError):
        parse_topics(",".join(f"run:{number}" for number in range(51)))
    with pytest.raises(NotFoundError):
        watch(client, "run:nobody")
    assert parse_topics(" runs , run:a,runs") == ["runs", "run:a"]


@given(
    st.dictionaries(
        st.from_regex(r"[a-z0-9.-]{1,20}", fullmatch=True), st.tuples(*[st.integers(0, 10**9)] * 2)
    )
)
def test_places_are_read_as_written(places: dict[str, tuple[int, int]]) -> None:
    text = ";".join(f"{run}={event},{point}" for run, (event, point) in places.items())
    assert parse_place(text) == places


@given(st.one_of(st.none(), st.text(), st.just("a=²,1"), st.just("a=1," + "9" * 5000)))
def test_a_place_that_cannot_be_read_is_left_out(text: str | None) -> None:
    for event, point in parse_place(text).values():
        assert 0 <= event < 10**18 and 0 <= point < 10**18
