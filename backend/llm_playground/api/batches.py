"""What a step of a run read: from a spike of the loss to its rows and documents."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from llm_playground.api.errors import responses
from llm_playground.api.state import State
from llm_playground.runs.batches import StepBatch

router = APIRouter(prefix="/api/v1/runs", tags=["runs"])


@router.get("/{run_id}/batch", operation_id="get_step_batch", responses=responses(404, 409, 507))
def batch(
    run_id: str,
    state: State,
    step: Annotated[int, Query(ge=1, le=2**62, description="Which step; the first is 1.")],
    row: Annotated[
        int | None, Query(ge=0, le=2**31, description="Only this row, with its whole text.")
    ] = None,
    offset: Annotated[int, Query(ge=0, le=2**31, description="Rows to leave out.")] = 0,
    limit: Annotated[int, Query(ge=1, le=64, description="Most rows.")] = 16,
    score: Annotated[
        bool, Query(description="Also the loss of each row, by a checkpoint near the step; highest first.")
    ] = False,
    texts: Annotated[
        bool, Query(description="With the text of each token, and its loss where scored.")
    ] = False,
) -> StepBatch:
    """Return a step's figures, its rows and the documents that they were cut from."""
    return state.batches.batch(run_id, step, offset=offset, limit=limit, row=row, score=score, texts=texts)
