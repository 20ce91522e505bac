"""What a stage may ask of the run it is part of; ``runs/`` builds the real ones and hands them in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from llm_playground.core.workspace import Workspace


class MetricLog(Protocol):
    """A place to put numbers by step; putting is cheap and never fails a run."""

    def log(
        self, step: int, values: Mapping[str, float], *, tokens: int | None = None, flops: float | None = None
    ) -> None:
        """Record named values at a step, with the tokens and FLOPs spent so far where known."""

    def histograms(self, step: int, counts: Mapping[str, Sequence[int]]) -> None:
        """Record named histograms at a step, in the bins of ``monitoring.histograms``."""

    def flush(self) -> None:
        """Return once everything logged so far is stored."""


class Progress(Protocol):
    """How far the work is."""

    def update(
        self, done: float, total: float | None, *, unit: str = "", message: str = "", **details: Any
    ) -> None:
        """Tell ``done`` of ``total`` units, and figures worth showing (``eta_s``, ``tokens_per_second``)."""


@dataclass(frozen=True)
class StepState:
    """What a hook sees of a training step. It must not change the model.

    Attributes:
        step: optimizer steps done.
        total_steps: steps in the whole run.
        model: the model, in evaluation mode while hooks run.
        tokenizer: the run's tokenizer, or None.
        stage: name of the stage ("pretrain", "sft").
        last: whether this is the final step.
        extra: further objects a stage wishes to show.
    """

    step: int
    total_steps: int
    model: Any
    tokenizer: Any = None
    stage: str = ""
    last: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)


@runtime_checkable
class StepHook(Protocol):
    """Called by the engine under saved random numbers, so that hooks never change a run."""

    def wants(self, step: int, total_steps: int) -> bool:
        """Say whether the hook has work at this step."""

    def __call__(self, state: StepState, context: Context) -> None:
        """Do the work."""


class Context(Protocol):
    """What ``run(config, context)`` gets beside its configuration."""

    run_id: str
    run_dir: Path
    workspace: Workspace
    seed: int
    metrics: MetricLog
    progress: Progress
    hooks: Sequence[StepHook]

    def should_stop(self) -> bool:
        """Say whether the user asked the run to stop (cheap: may be called every step)."""

    def log(self, message: str, level: str = "info") -> None:
        """Add a line to the run's log."""

    def event(self, kind: str, data: Mapping[str, Any]) -> None:
        """Add an event (sample, checkpoint, eval, artifact) to the run's stream."""

    def set_summary(self, **figures: Any) -> None:
        """Set figures shown at the run's end (merged with earlier ones)."""


class NullContext:
    """A context that keeps what it is told in lists: for scripts and tests without a run.

    Args:
        run_dir: folder for checkpoints.
        workspace: where artifacts go.
        seed: seed of the run.
        hooks: step hooks to call.
    """

    def __init__(
        self, run_dir: Path, workspace: Workspace, seed: int = 0, hooks: Sequence[StepHook] = ()
    ) -> None:
        self.run_id = run_dir.name
        self.run_dir = run_dir
        self.workspace = workspace
        self.seed = seed
        self.hooks = hooks
        self.logged: list[tuple[int, dict[str, float]]] = []
        self.messages: list[str] = []
        self.counts: list[tuple[int, dict[str, Sequence[int]]]] = []
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.summary: dict[str, Any] = {}
        self.updates: list[dict[str, Any]] = []
        self.stop = False
        self.metrics: MetricLog = self
        self.progress: Progress = self

    def should_stop(self) -> bool:
        """Return the ``stop`` attribute."""
        return self.stop

    def log(self, *args: Any, **details: Any) -> None:
        """Keep a metric (step, values) or a message (text)."""
        if isinstance(args[0], str):
            self.messages.append(args[0])
        else:
            self.logged.append((args[0], dict(args[1])))

    def histograms(self, step: int, counts: Mapping[str, Sequence[int]]) -> None:
        """Keep the histograms."""
        self.counts.append((step, dict(counts)))

    def flush(self) -> None:
        """Return at once: nothing is queued."""

    def update(
        self, done: float, total: float | None, *, unit: str = "", message: str = "", **details: Any
    ) -> None:
        """Keep the progress."""
        self.updates.append({"done": done, "total": total, "unit": unit, "message": message, **details})

    def event(self, kind: str, data: Mapping[str, Any]) -> None:
        """Keep the event."""
        self.events.append((kind, dict(data)))

    def set_summary(self, **figures: Any) -> None:
        """Keep the figures."""
        self.summary.update(figures)
