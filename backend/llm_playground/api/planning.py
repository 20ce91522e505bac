"""Plans: what a training will take, before it is begun."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from llm_playground.api.errors import responses
from llm_playground.api.plain import PlainObject
from llm_playground.api.state import State

router = APIRouter(prefix="/api/v1/runs", tags=["runs"])


class PlanRequest(BaseModel):
    """What to plan."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"stage": "pretrain", "config": {"preset": "quickstart"}, "device": "this"}]
        },
    )

    stage: str = Field(description="pretrain or sft.")
    config: PlainObject = Field(
        default_factory=dict, description="The stage's settings; ids of data may be left out."
    )
    device: str = Field("this", min_length=1, max_length=100, description="Of the device table, or this.")
    devices: int | None = Field(
        None, ge=1, le=65_536, description="How many work side by side; null: as many as processes."
    )
    utilization: float = Field(
        0.4, gt=0, le=1, description="Share of the peak rate that is reached, where nothing is measured."
    )
    measure: bool = Field(
        False, description="Time parts of the model on this machine first, which takes some seconds."
    )
    remembered: bool = Field(
        False, description="Without measuring, count parts that were timed before all the same."
    )


class PlannedMemory(BaseModel):
    """Bytes of a training on one device."""

    base: int = Field(description="The process before there is a model.")
    weights: int
    gradients: int
    optimizer: int
    average: int = Field(description="Moving average of the weights.")
    activations: int = Field(description="Kept for the backward pass of a micro-batch.")
    recomputed: int = Field(description="One block's activations again, with checkpointing.")
    logits: int
    holes: int = Field(description="What a processor's heap cannot use.")
    moments: dict[str, int] = Field(description="All that is there at each of the moments of a step.")
    parts: dict[str, int] = Field(description="What the peak is made of; their sum is the peak.")
    peak: int
    worst: str = Field(description="The moment of the peak.")


class PlannedChoice(BaseModel):
    """How a step is divided, and what it takes."""

    micro_batch_size: int
    accumulation: int
    checkpointing: str
    footprint: PlannedMemory


class PlannedTime(BaseModel):
    """Seconds of a step and its parts, of a validation, and of all."""

    step: float
    blocks: float
    outside: float = Field(description="Embedding, head and loss.")
    recomputed: float
    update: float
    engine: float
    validation: float
    total: float
    method: str = Field(description="measured, or rate: operations over a rate.")
    peak_flops: float
    utilization: float = Field(description="Share of the peak that the model's own operations reach.")


class TrainingPlan(BaseModel):
    """What a training will take."""

    device: str
    devices: int
    memory_bytes: int = Field(
        description="What one device has for this, or one of the processes that share a processor."
    )
    parameters: int
    steps: int
    tokens: int = Field(description="To train on in all.")
    flops_per_step: float
    configured: PlannedChoice
    suggested: PlannedChoice | None = Field(description="What would fit, where the configured does not.")
    fits: bool
    refused: bool = Field(description="So far from fitting that the stage would not begin.")
    time: PlannedTime | None
    tokens_per_second: float | None
    energy_kwh: float | None
    cost: float | None
    currency: str
    warnings: list[str]
    notes: list[str]


@router.post("/plan", operation_id="plan_run", responses=responses(404, 500, 507))
def plan_run(body: PlanRequest, state: State) -> TrainingPlan:
    """Predict memory, time, energy and cost of a training, and find settings that fit."""
    from llm_playground.runs.planning import plan_stage

    found = plan_stage(
        state.workspace,
        body.stage,
        body.config,
        device=body.device,
        devices=body.devices,
        utilization=body.utilization,
        measure=body.measure,
        remembered=body.remembered,
    )
    return TrainingPlan(**found.to_dict())
