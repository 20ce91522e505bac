"""Runs: start, list, label, steer, compare, and read their metrics, events and log."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from llm_playground.api.errors import responses
from llm_playground.api.run_models import (
    Done,
    Event,
    EventList,
    LatestValue,
    MetricSeries,
    PreviewRequest,
    RatePoint,
    ResumeRequest,
    RunChanges,
    RunComparison,
    RunDetail,
    RunFigure,
    RunList,
    RunLog,
    RunMetrics,
    RunPreview,
    RunRequest,
    SettingDifference,
    SettingProblem,
    SmallCurve,
    SmallCurves,
)
from llm_playground.api.state import State
from llm_playground.core.errors import InputError
from llm_playground.monitoring import MetricReader
from llm_playground.monitoring.reader import Series
from llm_playground.runs.comparison import differences, figures
from llm_playground.runs.context import METRICS_FILE
from llm_playground.runs.forks import extend, inherited_lines
from llm_playground.runs.labels import change_labels
from llm_playground.runs.preview import preview
from llm_playground.runs.record import RunRecord
from llm_playground.runs.record import State as RunState

router = APIRouter(prefix="/api/v1/runs", tags=["runs"])
_MOST_COMPARED, _MOST_CURVES = 10, 200


@router.post("", operation_id="start_run", status_code=201, responses=responses(404, 409, 507))
def start(body: RunRequest, state: State) -> RunRecord:
    """Start a stage, or a recipe, in a process of its own."""
    return state.supervisor.start(body.stage, body.config, name=body.name, seed=body.seed)


@router.get("", operation_id="list_runs", responses=responses())
def list_runs(
    state: State,
    run_state: Annotated[
        RunState | None, Query(alias="state", description="Only runs in this state.")
    ] = None,
    parent: Annotated[
        str | None, Query(description="Only the steps of this run; * for all; empty: no steps.")
    ] = None,
    stage: Annotated[str | None, Query(description="Only runs of this stage.")] = None,
) -> RunList:
    """List runs, newest first; those that are steps of a recipe only if asked for."""
    return RunList(runs=list(state.supervisor.list(state=run_state, parent=parent, stage=stage)))


@router.post("/preview", operation_id="preview_run", responses=responses(404))
def preview_run(body: PreviewRequest, state: State) -> RunPreview:
    """Check a run before it is started: problems, learning rates, the model's shape, YAML and command."""
    found = preview(state.workspace, body.stage, body.config, body.seed)
    return RunPreview(
        problems=[SettingProblem(field=name, message=said) for name, said in found.problems],
        schedule=[RatePoint(step=step, rate=rate) for step, rate in found.schedule],
        yaml=found.yaml,
        command=found.command,
        model=found.model,
        tokens=found.tokens,
        epochs=found.epochs,
    )


@router.get("/curves", operation_id="get_run_curves", responses=responses())
def curves(
    state: State,
    ids: Annotated[str, Query(description="Ids of runs with commas between.")],
    name: Annotated[str, Query(min_length=1, max_length=200, description="Metric.")] = "train/loss",
    points: Annotated[int, Query(ge=10, le=500, description="Longest curve, about.")] = 40,
) -> SmallCurves:
    """Return one metric of several runs in little; a recipe's is that of its last step that logged it."""
    wanted = _ids(ids, 1, _MOST_CURVES)
    every = {record.id: record for record in state.supervisor.list(parent="*")}
    steps: dict[str, list[str]] = {}
    for record in sorted(every.values(), key=lambda record: record.created_at, reverse=True):
        if record.parent is not None:
            steps.setdefault(record.parent, []).append(record.id)
    found = {}
    for run_id in wanted:
        for candidate in [run_id, *steps.get(run_id, [])] if run_id in every else []:
            reader = MetricReader(state.supervisor.folder(candidate) / METRICS_FILE)
            line, _ = reader.series(name, points)
            if line.step:
                found[run_id] = SmallCurve(step=line.step, value=line.value)
                break
    return SmallCurves(curves=found)


@router.get("/compare", operation_id="compare_runs", responses=responses(404))
def compare(
    state: State, ids: Annotated[str, Query(description="Ids of 2 to 10 runs with commas between.")]
) -> RunComparison:
    """Put runs side by side: the settings that differ, and what came of each."""
    wanted = _ids(ids, 2, _MOST_COMPARED)
    records = [state.supervisor.get(run_id) for run_id in wanted]
    return RunComparison(
        runs=records,
        differences=[
            SettingDifference(field=item.field, values=item.values) for item in differences(records)
        ],
        figures=[
            RunFigure(name=item.name, values=item.values)
            for item in figures(records, [state.supervisor.folder(run_id) for run_id in wanted])
        ],
    )


def _ids(text: str, least: int, most: int) -> list[str]:
    """Split a list of ids, each once.

    Raises:
        InputError: too few or too many of them.
    """
    found = list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not least <= len(found) <= most:
        raise InputError(
            f"ids: {least} to {most} runs are needed, not {len(found)}.",
            hint="Give ids with commas between.",
            field="ids",
        )
    return found


@router.get("/{run_id}", operation_id="get_run", responses=responses(404))
def get(run_id: str, state: State) -> RunDetail:
    """Return a run with its steps."""
    record = state.supervisor.get(run_id)
    children = list(state.supervisor.children(run_id)) if record.stage == "recipe" else []
    return RunDetail(**record.model_dump(), children=children)


@router.patch("/{run_id}", operation_id="change_run", responses=responses(404, 507))
def change(run_id: str, body: RunChanges, state: State) -> RunRecord:
    """Name, tag or annotate a run; its settings never change."""
    change_labels(state.supervisor.folder(run_id), name=body.name, tags=body.tags, notes=body.notes)
    return state.supervisor.get(run_id)


@router.post("/{run_id}/stop", operation_id="stop_run", responses=responses(404, 409))
def stop(run_id: str, state: State) -> RunRecord:
    """Ask a run to stop; training writes a checkpoint first."""
    return state.supervisor.stop(run_id)


@router.post("/{run_id}/resume", operation_id="resume_run", responses=responses(404, 409, 422))
def resume(run_id: str, state: State, body: ResumeRequest | None = None) -> RunRecord:
    """Go on with a run that stopped, failed or died, with another number of processes if one is given."""
    return state.supervisor.resume(run_id, body.processes if body else None)


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
    start: Annotated[int | None, Query(ge=0, le=2**62, description="Only steps from this one.")] = None,
    end: Annotated[int | None, Query(ge=0, le=2**62, description="Only steps up to this one.")] = None,
) -> RunMetrics:
    """Return metrics, thinned so that smallest and greatest values stay visible.

    The fewer steps are asked for, the finer the line.
    """
    reader = MetricReader(state.supervisor.folder(run_id) / METRICS_FILE)
    cursor = reader.last_id()
    known = reader.names()
    # A name that another program gave may have commas itself.
    wanted = known if names is None else [name for name in known if f",{name}," in f",{names},"]
    series, overwritten = {}, {}
    for name in wanted:
        line, overwritten[name] = reader.series(name, points, start=start, end=end)
        series[name] = MetricSeries(**line.to_dict())
    record, runs_dir = state.supervisor.get(run_id), state.workspace.runs_dir
    asked = None if names is None else names.split(",")
    faded = inherited_lines(runs_dir, record, asked, points, start=start, end=end)
    for name, line in overwritten.items():
        extend(faded.setdefault(name, Series()), line)
    ghosts = {name: MetricSeries(**line.to_dict()) for name, line in faded.items() if line.step}
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
