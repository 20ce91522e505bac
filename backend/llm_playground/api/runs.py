"""Runs: start, list, steer, and read their metrics, events and log."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from llm_playground.api.errors import responses
from llm_playground.api.plain import PlainObject
from llm_playground.api.state import State
from llm_playground.monitoring import MetricReader
from llm_playground.runs.context import METRICS_FILE
from llm_playground.runs.record import RunRecord

router = APIRouter(prefix="/api/v1/runs", tags=["runs"])


class RunRequest(BaseModel):
    """What to run."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"stage": "data.prepare", "config": {"source": "tinyworld", "documents": 1000}, "seed": 0}
            ]
        },
    )

    stage: str = Field(description="Name of the stage, as `GET /stages` lists them.")
    config: PlainObject = Field(default_factory=dict, description="The stage's settings.")
    name: str | None = Field(None, min_length=1, max_length=200, description="Name for people.")
    seed: int = Field(0, ge=0, lt=2**63, description="Seed of everything random in the run.")


class RunList(BaseModel):
    """Runs, newest first."""

    runs: list[RunRecord]


class RunDetail(RunRecord):
    """A run with the runs that are its steps."""

    children: list[RunRecord] = Field(default_factory=list)


class MetricSeries(BaseModel):
    """One line of a chart; all lists are of one length."""

    step: list[int]
    value: list[float | None]
    min: list[float | None]
    max: list[float | None]
    segment: list[int] = Field(description="Which attempt a point belongs to.")
    points: int = Field(description="How many logged points the line stands for.")


class LatestValue(BaseModel):
    """The newest value of a metric."""

    step: int
    value: float | None


class RunMetrics(BaseModel):
    """Metrics of a run."""

    names: list[str]
    series: dict[str, MetricSeries]
    ghosts: dict[str, MetricSeries] = Field(
        description="What earlier attempts logged beyond the checkpoint that the run was resumed from."
    )
    latest: dict[str, LatestValue]
    cursor: int = Field(description="Number of the newest point.")


class Event(BaseModel):
    """One event of a run."""

    id: int
    time: float
    type: str = Field(description="state, log, sample, checkpoint, artifact, eval or step.")
    data: dict[str, Any]


class EventList(BaseModel):
    """Events, oldest first."""

    events: list[Event]


class RunLog(BaseModel):
    """The end of a run's log."""

    text: str


class Done(BaseModel):
    """The request was carried out."""

    id: str
    restorable: bool = Field(description="Whether `POST .../restore` can undo it.")


@router.post("", operation_id="start_run", status_code=201, responses=responses(404, 409, 507))
def start(body: RunRequest, state: State) -> RunRecord:
    """Start a stage, or a recipe, in a process of its own."""
    return state.supervisor.start(body.stage, body.config, name=body.name, seed=body.seed)


@router.get("", operation_id="list_runs", responses=responses())
def list_runs(
    state: State,
    run_state: Annotated[str | None, Query(alias="state", description="Only runs in this state.")] = None,
    parent: Annotated[
        str | None, Query(description="Only the steps of this run; * for all; empty: no steps.")
    ] = None,
    stage: Annotated[str | None, Query(description="Only runs of this stage.")] = None,
) -> RunList:
    """List runs, newest first; those that are steps of a recipe only if asked for."""
    return RunList(runs=list(state.supervisor.list(state=run_state, parent=parent, stage=stage)))


@router.get("/{run_id}", operation_id="get_run", responses=responses(404))
def get(run_id: str, state: State) -> RunDetail:
    """Return a run with its steps."""
    record = state.supervisor.get(run_id)
    children = list(state.supervisor.children(run_id)) if record.stage == "recipe" else []
    return RunDetail(**record.model_dump(), children=children)


@router.post("/{run_id}/stop", operation_id="stop_run", responses=responses(404, 409))
def stop(run_id: str, state: State) -> RunRecord:
    """Ask a run to stop; training writes a checkpoint first."""
    return state.supervisor.stop(run_id)


@router.post("/{run_id}/resume", operation_id="resume_run", responses=responses(404, 409))
def resume(run_id: str, state: State) -> RunRecord:
    """Go on with a run that stopped, failed or died."""
    return state.supervisor.resume(run_id)


@router.delete("/{run_id}", operation_id="delete_run", responses=responses(404, 409))
def delete(run_id: str, state: State) -> Done:
    """Move a run to the trash; what it made stays."""
    state.supervisor.delete(run_id)
    return Done(id=run_id, restorable=True)


@router.post("/{run_id}/restore", operation_id="restore_run", responses=responses(404))
def restore(run_id: str, state: State) -> RunRecord:
    """Bring a deleted run back."""
    return state.supervisor.restore(run_id)


@router.get("/{run_id}/metrics", operation_id="get_run_metrics", responses=responses(404))
def metrics(
    run_id: str,
    state: State,
    names: Annotated[str | None, Query(description="Names with commas between; empty: all.")] = None,
    points: Annotated[int, Query(ge=10, le=10_000, description="Longest line, about.")] = 500,
) -> RunMetrics:
    """Return metrics, thinned so that smallest and greatest values stay visible."""
    reader = MetricReader(state.supervisor.folder(run_id) / METRICS_FILE)
    cursor = reader.last_id()
    known = reader.names()
    wanted = known if names is None else [name for name in names.split(",") if name in known]
    series, ghosts = {}, {}
    for name in wanted:
        line, ghost = reader.series(name, points)
        series[name] = MetricSeries(**line.to_dict())
        if ghost.step:
            ghosts[name] = MetricSeries(**ghost.to_dict())
    latest = {name: LatestValue(**value) for name, value in reader.latest().items() if name in wanted}
    return RunMetrics(names=known, series=series, ghosts=ghosts, latest=latest, cursor=cursor)


@router.get("/{run_id}/events", operation_id="get_run_events", responses=responses(404))
def events(
    run_id: str,
    state: State,
    after: Annotated[int, Query(ge=0, description="Only events numbered above.")] = 0,
    types: Annotated[str | None, Query(description="Types with commas between; empty: all.")] = None,
) -> EventList:
    """Return a run's events: states, log lines, samples, checkpoints."""
    kinds = tuple(types.split(",")) if types else None
    return EventList(events=[Event(**item) for item in state.supervisor.events(run_id, after, kinds)])


@router.get("/{run_id}/log", operation_id="get_run_log", responses=responses(404))
def log(
    run_id: str, state: State, tail: Annotated[int, Query(ge=1, le=10_000, description="Lines.")] = 200
) -> RunLog:
    """Return the last lines of what the run's process printed."""
    return RunLog(text=state.supervisor.log_tail(run_id, tail))
