"""A run's checkpoints, forks from them, and the lineage around a run."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from llm_playground.api.errors import responses
from llm_playground.api.plain import PlainObject
from llm_playground.api.state import State
from llm_playground.runs.forks import kept_checkpoints, pin_checkpoint
from llm_playground.runs.lineage import Kind, lineage
from llm_playground.runs.record import RunRecord

router = APIRouter(prefix="/api/v1/runs", tags=["runs"])
Step = Annotated[int, Path(ge=0, le=10_000_000, description="Step of the checkpoint.")]


class CheckpointInfo(BaseModel):
    """A place that a run can be resumed or forked from."""

    step: int = Field(description="Optimizer steps done.")
    size_bytes: int
    created_at: float = Field(description="Seconds since 1970.")
    train_loss: float | None = Field(description="Loss of the step.")
    val_loss: float | None = Field(description="The newest that was measured at the step or before.")
    newest: bool = Field(description="The run would be resumed from it.")
    best: bool = Field(description="Has the lowest validation loss of those that are there.")
    pinned: bool = Field(description="Kept in any case.")
    damaged: str | None = Field(None, description="What is wrong with it; only where that was asked for.")


class CheckpointList(BaseModel):
    """A run's checkpoints, oldest first."""

    checkpoints: list[CheckpointInfo]


class ForkRequest(BaseModel):
    """How a fork differs from its source."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"step": 400, "changes": {"training.learning_rate": 1e-4, "training.steps": 800}}]
        },
    )

    step: int | None = Field(None, ge=0, le=10_000_000, description="Of the checkpoint; empty: the newest.")
    changes: PlainObject = Field(
        default_factory=dict, description="Settings that differ, nested or by dotted names."
    )
    name: str | None = Field(None, min_length=1, max_length=200, description="Name for people.")
    seed: int | None = Field(None, ge=0, lt=2**63, description="Another seed; empty: the source's.")


class LineageNode(BaseModel):
    """One thing in the graph."""

    id: str = Field(description="Of the artifact or run; a checkpoint's is RUN@STEP.")
    kind: Kind
    name: str
    created_at: float | None = Field(description="Seconds since 1970; null where that is not known.")
    deleted: bool = Field(description="In the trash, or gone.")
    builtin: bool = Field(description="Comes with the program.")
    marked: bool = Field(description="The run that was asked for, or one of its steps.")
    stage: str | None = Field(description="Of a run.")
    state: str | None = Field(description="Of a run.")
    attempt: int | None = Field(description="Of a run: 2 after it was resumed once.")
    run: str | None = Field(description="Of a checkpoint: the run that wrote it.")
    figures: dict[str, float] = Field(description="Numbers worth showing, by name.")


class LineageEdge(BaseModel):
    """Something, and what was made from it."""

    before: str
    after: str


class RunLineage(BaseModel):
    """What a run was made from, and what was made from it."""

    nodes: list[LineageNode] = Field(description="The oldest first.")
    edges: list[LineageEdge]


@router.get("/{run_id}/checkpoints", operation_id="list_checkpoints", responses=responses(404, 507))
def list_checkpoints(
    run_id: str,
    state: State,
    verify: Annotated[bool, Query(description="Also compare every file with its recorded hash.")] = False,
) -> CheckpointList:
    """List a run's checkpoints, oldest first; a run that does not train has none."""
    return _checkpoints(state, run_id, verify=verify)


@router.put("/{run_id}/checkpoints/{step}/pin", operation_id="pin_checkpoint", responses=responses(404, 507))
def pin(run_id: str, step: Step, state: State) -> CheckpointList:
    """Keep a checkpoint in any case, also while its run goes on."""
    pin_checkpoint(state.supervisor.folder(run_id), step, pinned=True)
    return _checkpoints(state, run_id)


@router.delete(
    "/{run_id}/checkpoints/{step}/pin", operation_id="unpin_checkpoint", responses=responses(404, 507)
)
def unpin(run_id: str, step: Step, state: State) -> CheckpointList:
    """Let a checkpoint go when its run makes room."""
    pin_checkpoint(state.supervisor.folder(run_id), step, pinned=False)
    return _checkpoints(state, run_id)


def _checkpoints(state: State, run_id: str, *, verify: bool = False) -> CheckpointList:
    rows = kept_checkpoints(state.supervisor.folder(run_id), verify=verify)
    return CheckpointList(checkpoints=[CheckpointInfo(**_plain(row)) for row in rows])


def _plain(value: Any) -> dict[str, Any]:
    return dict(vars(value))


@router.post("/{run_id}/fork", operation_id="fork_run", status_code=201, responses=responses(404, 409, 507))
def fork(run_id: str, body: ForkRequest, state: State) -> RunRecord:
    """Start a new run from a checkpoint of this one, with other settings of training."""
    return state.supervisor.fork(run_id, step=body.step, changes=body.changes, name=body.name, seed=body.seed)


@router.get("/{run_id}/lineage", operation_id="get_run_lineage", responses=responses(404))
def get_lineage(run_id: str, state: State) -> RunLineage:
    """Return what a run was made from, and all that was made from it, deleted things included."""
    found = lineage(state.supervisor, run_id)
    return RunLineage(
        nodes=[LineageNode(**_plain(node)) for node in found.nodes],
        edges=[LineageEdge(before=before, after=after) for before, after in found.edges],
    )
