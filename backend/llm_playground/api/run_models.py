"""What the interface to runs is asked and answers."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from llm_playground.api.plain import PlainObject
from llm_playground.runs.record import RunRecord


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


class ResumeRequest(BaseModel):
    """How a run goes on."""

    processes: int | None = Field(
        None, ge=1, le=1024, description="Processes that train from now on; empty: as many as before."
    )


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
    tokens: list[int | None] = Field(description="Tokens read by then; null where that is not known.")
    flops: list[float | None] = Field(description="Operations done by then; null where that is not known.")
    time: list[float] = Field(description="Seconds since 1970.")
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
        description="What does not count: values of earlier attempts beyond the checkpoint that the run was "
        "resumed from and, in segment -1, those of the run that a fork came from up to its beginning."
    )
    latest: dict[str, LatestValue]
    cursor: int = Field(description="Number of the newest point.")


class Event(BaseModel):
    """One event of a run."""

    id: int
    time: float
    type: str = Field(description="state, log, sample, checkpoint, alert, artifact, eval or step.")
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


class RunChanges(BaseModel):
    """Labels of a run; what is left out stays."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"tags": ["wide"], "notes": "Twice the width."}]}
    )

    name: str | None = Field(None, min_length=1, max_length=200, description="Name for people.")
    tags: list[str] | None = Field(None, max_length=100, description="Short words to find it by.")
    notes: str | None = Field(None, max_length=100_000, description="Whatever is worth remembering.")


class PreviewRequest(BaseModel):
    """A run as `POST /runs` takes it; here it may be unfinished or wrong."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"stage": "pretrain", "config": {"tokens": "t", "training": {"steps": 200}}}]
        },
    )

    stage: str = Field(description="Name of the stage, as `GET /stages` lists them.")
    config: PlainObject = Field(default_factory=dict, description="The stage's settings.")
    seed: int = Field(0, ge=0, lt=2**63, description="Seed of everything random in the run.")


class SettingProblem(BaseModel):
    """Something wrong with a setting."""

    field: str = Field(description="Dotted name; a recipe's begin with the name of the step.")
    message: str


class RatePoint(BaseModel):
    """Learning rate of a step."""

    step: int
    rate: float


class RunPreview(BaseModel):
    """What a run would be."""

    problems: list[SettingProblem]
    schedule: list[RatePoint] = Field(description="Some 200 points of the learning rate, corners among them.")
    yaml: str = Field(description="The settings that differ from the defaults.")
    command: str = Field(description="The command line that starts the same run.")
    model: dict[str, Any] | None = Field(description="Whole shape of the model, once it is known.")
    tokens: int | None = Field(description="Tokens that the training reads.")
    epochs: float | None = Field(description="How often that is all of the data.")


class SmallCurve(BaseModel):
    """A curve in little."""

    step: list[int]
    value: list[float | None]


class SmallCurves(BaseModel):
    """One metric of several runs, by run; runs without it are left out."""

    curves: dict[str, SmallCurve]


class SettingDifference(BaseModel):
    """A setting that is not the same in all runs."""

    field: str
    values: list[Any] = Field(description="Its value in each run; null where a run has none.")


class RunFigure(BaseModel):
    """A number that runs ended with, or have come to."""

    name: str
    values: list[float | None]


class RunComparison(BaseModel):
    """Runs side by side, in the order asked for."""

    runs: list[RunRecord]
    differences: list[SettingDifference]
    figures: list[RunFigure]
