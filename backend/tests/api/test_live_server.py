"""A real server on a free port: killed and started again while a run trains, streamed from, stopped."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from tiny_workspace import Tiny, until

from llm_playground.runs.record import ALIVE

pytestmark = pytest.mark.xdist_group("live")  # one worker makes what these tests share


def start(root: Path, port: int = 0) -> tuple[subprocess.Popen[str], int]:
    """Start ``llmp serve``; returns the process and its port once it answers."""
    command = [sys.executable, "-m", "llm_playground.cli.main", "serve", "--port", str(port)]
    env = {**os.environ, "LLMP_WORKSPACE": str(root)}
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    first = process.stdout.readline()
    match = re.fullmatch(r"LLM Playground is at http://127\.0\.0\.1:(\d+)\n", first)
    assert match, first
    return process, int(match[1])


@contextmanager
def served(root: Path, port: int = 0) -> Iterator[tuple[subprocess.Popen[str], httpx2.Client]]:
    process, port = start(root, port)
    try:
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            yield process, client
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def place(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    return tiny.copy(tmp_path_factory.mktemp("live") / "workspace")


def get(client: httpx2.Client, path: str) -> dict[str, Any]:
    answer = client.get(f"/api/v1{path}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def messages(client: httpx2.Client, topics: str, last_id: str | None) -> Iterator[tuple[str, str, Any]]:
    """Server-sent events as (id, name, data); closing it closes the connection."""
    headers = {"last-event-id": last_id} if last_id is not None else {}
    with client.stream("GET", "/api/v1/events", params={"topics": topics}, headers=headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        fields: dict[str, str] = {}
        for line in answer.iter_lines():
            if line.startswith(":"):
                continue
            if line:
                name, _, value = line.partition(": ")
                fields[name] = value
            elif fields:
                yield fields["id"], fields["event"], json.loads(fields["data"])
                fields = {}


def follow(
    client: httpx2.Client, run_id: str, last_id: str, batches: int
) -> tuple[str, list[int], list[int]]:
    """Read so many batches of metrics; returns the place, the events' ids and the points' ids."""
    events: list[int] = []
    points: list[int] = []
    for place, name, data in messages(client, f"run:{run_id}", last_id):
        if name == "event":
            events.append(data["event"]["id"])
        if name == "metrics":
            points += [row["id"] for row in data["rows"]]
            batches -= 1
            if not batches:
                return place, events, points
    raise AssertionError("the stream ended")


def test_a_run_goes_on_while_the_server_is_killed_and_started_again(place: Tiny) -> None:
    config = place.pretrain(1_000_000, checkpoint_every=20, eval_every=50, sample_every=50)
    with served(place.workspace.root) as (process, client):
        port = client.base_url.port
        run = client.post("/api/v1/runs", json={"stage": "pretrain", "config": config}).json()
        run_id = run["id"]
        until(lambda: get(client, f"/runs/{run_id}/metrics")["cursor"] > 0)
        assert get(client, "/runs")["runs"][0]["id"] == run_id
        assert get(client, f"/runs/{run_id}")["state"] == "running"
        last, events, points = follow(client, run_id, f"{run_id}=0,0", 2)
        assert events == list(range(1, len(events) + 1))
        assert points == list(range(1, len(points) + 1))
        before = get(client, f"/runs/{run_id}/metrics")["cursor"]
        process.send_signal(signal.SIGKILL)
        process.wait()
        with pytest.raises(httpx2.TransportError):
            client.get("/api/v1/health")
    assert place.supervisor.get(run_id).state == "running"

    with served(place.workspace.root, port) as (process, client):
        run = get(client, f"/runs/{run_id}")
        assert (run["state"], run["attempt"], run["pid"]) == ("running", 1, place.supervisor.get(run_id).pid)
        until(lambda: get(client, f"/runs/{run_id}/metrics")["cursor"] > before)
        _, more_events, more_points = follow(client, run_id, last, 2)
        assert more_points == list(range(points[-1] + 1, points[-1] + 1 + len(more_points)))
        everything = [event["id"] for event in get(client, f"/runs/{run_id}/events")["events"]]
        assert (events + more_events) == everything[: len(events + more_events)]
        stopping = client.post(f"/api/v1/runs/{run_id}/stop")
        assert (stopping.status_code, stopping.json()["state"]) == (200, "stopping")
        until(lambda: get(client, f"/runs/{run_id}")["state"] not in ALIVE)
        assert get(client, f"/runs/{run_id}")["state"] == "stopped"
        assert "with a checkpoint to resume from." in get(client, f"/runs/{run_id}/log")["text"]
        process.send_signal(signal.SIGINT)
        assert process.wait(30) in (0, 130, -signal.SIGINT)


def test_openais_client_works_as_it_is(place: Tiny) -> None:
    with served(place.workspace.root) as (_, client):
        remote = openai.OpenAI(base_url=f"{client.base_url}/v1".replace("//v1", "/v1"), api_key="none")
        assert [model.id for model in remote.models.list()][:2] == [place.chat, place.base]
        asked: dict[str, Any] = {
            "model": place.chat,
            "messages": [{"role": "user", "content": "Hello!"}],
            "seed": 5,
            "max_tokens": 24,
        }
        whole = remote.chat.completions.create(**asked)
        stream = remote.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True})
        chunks = list(stream)
        text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
        assert text == whole.choices[0].message.content
        assert chunks[-1].usage == whole.usage and whole.usage.completion_tokens > 0
        with pytest.raises(openai.NotFoundError, match="There is no model 'none'") as missing:
            remote.chat.completions.create(**{**asked, "model": "none"})
        assert missing.value.code == "model_not_found"
        with pytest.raises(openai.BadRequestError, match="at most 4 stop strings"):
            remote.chat.completions.create(**asked, stop=list("abcde"))

        endless = remote.chat.completions.create(**{**asked, "max_tokens": 160}, stream=True)
        next(iter(endless))
        endless.close()  # the server notices, and the next reply does not wait for ever
        assert remote.chat.completions.create(**asked).usage == whole.usage


def test_a_port_that_is_taken_is_named(place: Tiny) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "llm_playground.cli.main", "serve", "--port", str(port)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == (
        f"llmp: The port {port} is taken. Stop what uses it, or choose another: PORT={port + 1} make run, "
        f"or llmp serve --port {port + 1}.\n"
    )
