"""The event stream: one for a browser tab, for as many runs as it looks at, resumable.

``id`` of each message holds the place in every followed run (``run=event,point;...``), so that a browser
that reconnects with ``Last-Event-ID`` misses nothing and sees nothing twice.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool

from llm_playground.api.errors import responses
from llm_playground.api.state import AppState, State
from llm_playground.core.errors import InputError, NotFoundError
from llm_playground.monitoring import MetricReader
from llm_playground.runs.context import METRICS_FILE
from llm_playground.runs.events import EVENTS_FILE, EventTail, read_events
from llm_playground.runs.record import RunRecord

router = APIRouter(prefix="/api/v1", tags=["events"])
_LOOK_EVERY_S = 0.3
_MOST_TOPICS = 50
_NUMBER = re.compile(r"[0-9]{1,18}")


@dataclass
class _Followed:
    """A run whose events and metrics are streamed; ``event`` and ``point`` are the last ones shown."""

    run_id: str
    tail: EventTail
    reader: MetricReader
    event: int
    point: int


@dataclass
class Watch:
    """What a stream has shown so far, and what is new since.

    Args:
        state: the application's parts.
        topics: ``runs`` for all top-level runs, ``run:ID`` for one with events and metrics.
        last_id: the place to go on from; None: from now.
    """

    state: AppState
    topics: list[str]
    last_id: str | None
    followed: list[_Followed] = field(default_factory=list)
    shown: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        places = parse_place(self.last_id)
        for topic in self.topics:
            if topic == "runs":
                continue
            run_id = topic.removeprefix("run:")
            folder = self.state.supervisor.folder(run_id)
            reader = MetricReader(folder / METRICS_FILE)
            if run_id in places:
                event, point = places[run_id]
            else:
                known = read_events(folder / EVENTS_FILE)
                event, point = (known[-1]["id"] if known else 0), reader.last_id()
            tail = EventTail(folder / EVENTS_FILE, event)
            self.followed.append(_Followed(run_id, tail, reader, event, point))

    def place(self) -> str:
        """Return the place in every followed run, for ``Last-Event-ID``."""
        return ";".join(f"{item.run_id}={item.event},{item.point}" for item in self.followed)

    def look(self) -> list[tuple[str, dict[str, Any], str]]:
        """Return what has happened since the last look, as (event name, data, place once it was shown)."""
        news: list[tuple[str, dict[str, Any], str]] = []
        for record in self._records():
            text = record.model_dump_json(exclude={"heartbeat_at", "peak_memory_bytes"})
            if self.shown.get(record.id) != text:
                self.shown[record.id] = text
                news.append(("run", {"run": record.model_dump(mode="json")}, self.place()))
        for item in self.followed:
            for event in item.tail.read():
                item.event = event["id"]
                news.append(("event", {"run_id": item.run_id, "event": event}, self.place()))
            rows = item.reader.rows(item.point)
            if rows:
                item.point = int(rows[-1]["id"])
                news.append(("metrics", {"run_id": item.run_id, "rows": rows}, self.place()))
        return news

    def _records(self) -> list[RunRecord]:
        supervisor = self.state.supervisor
        found: dict[str, RunRecord] = {}
        if "runs" in self.topics:
            found = {record.id: record for record in supervisor.list()}
        for item in self.followed:
            if item.run_id not in found:
                try:
                    found[item.run_id] = supervisor.get(item.run_id)
                except NotFoundError:
                    continue  # it was deleted while somebody looked at it
            if found[item.run_id].stage == "recipe":
                found |= {child.id: child for child in supervisor.children(item.run_id)}
        return list(found.values())


def parse_place(text: str | None) -> dict[str, tuple[int, int]]:
    """Read what :meth:`Watch.place` wrote; whatever cannot be read is left out."""
    places = {}
    for part in (text or "").split(";"):
        run_id, _, numbers = part.rpartition("=")
        event, _, point = numbers.partition(",")
        if run_id and _NUMBER.fullmatch(event) and _NUMBER.fullmatch(point):
            places[run_id] = (int(event), int(point))
    return places


def parse_topics(text: str) -> list[str]:
    """Split and check the topics.

    Raises:
        InputError: an unknown kind of topic, or too many.
    """
    topics = [topic.strip() for topic in text.split(",") if topic.strip()]
    for topic in topics:
        if topic != "runs" and not topic.startswith("run:"):
            raise InputError(
                f"topics: {topic[:80]!r} is not a topic.", hint="Use runs or run:ID.", field="topics"
            )
    if not topics or len(topics) > _MOST_TOPICS:
        raise InputError(f"topics: give 1 to {_MOST_TOPICS} of them.", field="topics")
    return list(dict.fromkeys(topics))


@router.get(
    "/events",
    operation_id="stream_events",
    responses={
        **responses(404),
        200: {
            "description": "A stream of server-sent events: `run`, `event`, `metrics`.",
            "content": {"text/event-stream": {}},
        },
    },
    response_class=EventSourceResponse,
)
async def stream(
    request: Request,
    state: State,
    topics: Annotated[str, Query(description="runs, run:ID, with commas between.")] = "runs",
    last_event_id: Annotated[str | None, Header(description="Where to go on from.")] = None,
) -> EventSourceResponse:
    """Stream changes of runs (`run`), their events (`event`) and metrics (`metrics`) as they happen."""
    watch = await run_in_threadpool(Watch, state, parse_topics(topics), last_event_id)

    async def messages() -> AsyncIterator[ServerSentEvent]:
        while not await request.is_disconnected():
            for name, data, place in await run_in_threadpool(watch.look):
                yield ServerSentEvent(json.dumps(data), event=name, id=place)
            await asyncio.sleep(_LOOK_EVERY_S)

    return EventSourceResponse(messages(), ping=15)
