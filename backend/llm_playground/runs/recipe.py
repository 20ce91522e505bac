"""The stage ``recipe``: a chain of stages, each a child run of its own process.

A step may use what earlier ones made by ``${step.output}``. Resuming a recipe skips the steps that have
finished, adopts one that still lives, and resumes one that was stopped.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, model_validator

from llm_playground.core.config import StageConfig, parse_config
from llm_playground.core.errors import (
    ConfigError,
    ConflictError,
    NotFoundError,
    StopRequested,
    TrainingError,
)
from llm_playground.core.workspace import Artifact
from llm_playground.runs.record import ALIVE, RunRecord
from llm_playground.runs.stages import STAGES, get_stage
from llm_playground.runs.supervisor import Supervisor

if TYPE_CHECKING:
    from llm_playground.core.protocols import Context

TITLE = "Recipe"
_REFERENCE = re.compile(r"\$\{([A-Za-z0-9_-]+)\.output\}")
_BRACES = re.compile(r"\$\{[^}]*\}?")
_POLL_S = 0.2


class RecipeStep(StageConfig):
    """One step of a recipe."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,40}$", description="Name that later steps refer to.")
    stage: str = Field(description="Which stage it runs.")
    title: str | None = Field(None, description="What the step is called for people.")
    config: dict[str, Any] = Field(
        default_factory=dict, description="The stage's settings; ${step.output} stands for an earlier result."
    )


class RecipeConfig(StageConfig):
    """A chain of stages that is run as one."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,60}$", description="Short name, as in `llmp run`.")
    title: str = Field(min_length=1, max_length=120, description="What it is called for people.")
    description: str = Field("", description="What it does and what it gives.")
    minutes: float | None = Field(None, gt=0, description="About how long it takes on two CPU cores.")
    exclusive: bool = Field(False, description="Whether only one run of it may go on at a time.")
    steps: tuple[RecipeStep, ...] = Field(min_length=1, max_length=50, description="The steps in order.")
    output: str | None = Field(
        None, description="Step whose result is the recipe's own; default: the last one's."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        seen: list[str] = []
        for step in self.steps:
            if step.name in seen:
                raise ValueError(f"two steps are called {step.name!r}; give each a name of its own")
            if step.stage not in STAGES or step.stage == "recipe":
                known = ", ".join(name for name in STAGES if name != "recipe")
                raise ValueError(
                    f"step {step.name!r}: there is no stage {step.stage!r} to use here; known are {known}"
                )
            for word in sorted(_malformed(step.config)):
                raise ValueError(f"step {step.name!r}: {word} is no reference; write ${{step.output}}")
            for used in sorted(references(step.config)):
                if used not in seen:
                    raise ValueError(
                        f"step {step.name!r} uses ${{{used}.output}}, which no earlier step makes"
                    )
            try:
                parse_config(get_stage(step.stage).config_class, step.config, f"the step {step.name!r}")
            except ConfigError as error:
                raise ValueError(error.message.rstrip(".")) from None
            seen.append(step.name)
        if self.output is not None and self.output not in seen:
            raise ValueError(f"output names the step {self.output!r}, which is not there")
        return self


CONFIG = RecipeConfig


def references(value: Any) -> set[str]:
    """Return the names of the steps whose output a configuration uses."""
    return {name for text in _texts(value) for name in _REFERENCE.findall(text)}


def _malformed(value: Any) -> set[str]:
    """Return what looks like a reference and is none, such as ``${data}``."""
    return {word for text in _texts(value) for word in _BRACES.findall(_REFERENCE.sub("", text))}


def _texts(value: Any) -> Iterator[str]:
    """Yield every text of a configuration, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)


def fill(value: Any, outputs: Mapping[str, str]) -> Any:
    """Return a configuration with ``${step.output}`` replaced by artifact ids."""
    if isinstance(value, str):
        return _REFERENCE.sub(lambda match: outputs[match[1]], value)
    if isinstance(value, Mapping):
        return {key: fill(item, outputs) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [fill(item, outputs) for item in value]
    return value


def run(config: RecipeConfig, context: Context) -> Artifact | None:
    """Run the steps one after another; returns the artifact of the output step.

    Raises:
        StopRequested: the user asked to stop; the step at work was stopped first.
        TrainingError: a step failed or died.
    """
    supervisor = Supervisor(context.workspace)
    earlier = {child.step: child for child in supervisor.children(context.run_id)}
    outputs: dict[str, str] = {}
    figures: dict[str, Any] = {}
    for number, step in enumerate(config.steps):
        title = step.title or get_stage(step.stage).title
        if context.should_stop():
            raise StopRequested
        child = _start(supervisor, earlier.get(step.name), step, title, outputs, context)
        context.event("step", {"name": step.name, "run_id": child.id, "state": "running"})
        child = _wait(supervisor, child, number, len(config.steps), title, context)
        context.event("step", {"name": step.name, "run_id": child.id, "state": child.state})
        if child.state == "stopped":
            raise StopRequested
        if child.state != "finished" or child.output is None:
            reason = child.error.message if child.error else "It left no result."
            raise TrainingError(
                f"The step {step.name!r} ({title}) {child.state}: {reason}",
                hint=child.error.hint if child.error else None,
            )
        outputs[step.name] = child.output
        figures[step.name] = {**child.summary, "seconds": _seconds(child), "output": child.output}
        context.set_summary(steps=figures)
        context.log(f"{title}: done in {_seconds(child):.0f} s.")
    # Work, not waiting: a recipe resumed a day later did not take a day.
    context.set_summary(seconds=sum(item["seconds"] for item in figures.values()), **_headline(figures))
    context.progress.update(len(config.steps), len(config.steps), unit="steps", message="done", eta_s=0)
    return context.workspace.get(outputs[config.output or config.steps[-1].name])


def _seconds(child: RunRecord) -> float:
    return (child.finished_at or time.time()) - (child.started_at or child.created_at)


def _headline(figures: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Collect what people ask for first: size, losses, and the score beside base model and chance."""
    wanted = ("parameters", "val_loss", "exact_match", "baseline_exact_match", "chance", "tokens_per_second")
    found = {key: step[key] for step in figures.values() for key in wanted if step.get(key) is not None}
    peaks = [step["peak_memory_bytes"] for step in figures.values() if step.get("peak_memory_bytes")]
    return {**found, **({"peak_memory_bytes": max(peaks)} if peaks else {})}


def _start(
    supervisor: Supervisor,
    child: RunRecord | None,
    step: RecipeStep,
    title: str,
    outputs: Mapping[str, str],
    context: Context,
) -> RunRecord:
    """Find the step's run of an earlier attempt and go on with it, or start a new one."""
    if child is not None:
        if child.state in ALIVE or (child.state == "finished" and _still_there(child, context)):
            return child
        if child.resumable:
            return supervisor.resume(child.id)
    return supervisor.start(
        step.stage,
        fill(step.config, outputs),
        name=title,
        seed=context.seed,
        parent=context.run_id,
        step=step.name,
    )


def _still_there(child: RunRecord, context: Context) -> bool:
    try:
        return child.output is not None and bool(context.workspace.get(child.output))
    except NotFoundError:
        return False


def _wait(
    supervisor: Supervisor, child: RunRecord, number: int, steps: int, title: str, context: Context
) -> RunRecord:
    """Follow a step to its end, handing a stop request on to it."""
    asked = False
    while child.state in ALIVE:
        if context.should_stop() and not asked:
            asked = True
            with suppress(ConflictError):  # it may end by itself in this instant
                supervisor.stop(child.id)
        progress = child.progress
        share = min(1.0, progress.done / progress.total) if progress.total else 0.0
        context.progress.update(
            number + share,
            steps,
            unit="steps",
            message=title,
            step=child.step,
            run_id=child.id,
            step_eta_s=progress.eta_s,
        )
        time.sleep(_POLL_S)
        child = supervisor.get(child.id)
    return child
