"""Metrics of a run beyond its charts: everything as CSV, and histograms through time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.responses import StreamingResponse

from llm_playground.api.errors import responses
from llm_playground.api.state import State
from llm_playground.monitoring import MetricReader
from llm_playground.monitoring.export import csv_pieces
from llm_playground.monitoring.histograms import edges
from llm_playground.runs.context import METRICS_FILE

router = APIRouter(prefix="/api/v1/runs", tags=["runs"])


class Histogram(BaseModel):
    """Counts at one step."""

    step: int
    segment: int = Field(description="Which attempt it belongs to.")
    time: float
    counts: list[int] = Field(description="Values in each bin.")


class RunHistograms(BaseModel):
    """Histograms of weights and gradients through time, in the same bins everywhere."""

    names: list[str]
    edges: list[float] = Field(description="Edges of the bins, ascending: one more than there are counts.")
    histograms: dict[str, list[Histogram]]


@router.get(
    "/{run_id}/metrics.csv",
    operation_id="export_run_metrics",
    response_class=StreamingResponse,
    responses={
        **responses(404),
        200: {"description": "Every logged point, with its attempt.", "content": {"text/csv": {}}},
    },
)
def metrics_csv(run_id: str, state: State) -> StreamingResponse:
    """Return every logged point as CSV: series, segment, step, tokens, flops, time, value, ghost."""
    reader = MetricReader(state.supervisor.folder(run_id) / METRICS_FILE)

    def pieces() -> Iterator[str]:
        for text, _ in csv_pieces(reader):
            yield text

    return StreamingResponse(
        pieces(),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{run_id}.csv"'},
    )


@router.get("/{run_id}/histograms", operation_id="get_run_histograms", responses=responses(404))
def histograms(
    run_id: str,
    state: State,
    names: Annotated[
        str | None, Query(description="Names with commas between; empty: only the names.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=500, description="Most steps of each.")] = 50,
) -> RunHistograms:
    """Return histograms of weights and gradients, evenly chosen through time."""
    reader = MetricReader(state.supervisor.folder(run_id) / METRICS_FILE)
    known = reader.histogram_names()
    wanted = [name for name in (names or "").split(",") if name in known]
    return RunHistograms(
        names=known,
        edges=list(edges()),
        histograms={name: [Histogram(**row) for row in reader.histograms(name, limit)] for name in wanted},
    )
