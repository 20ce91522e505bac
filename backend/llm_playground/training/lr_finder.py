"""The stage ``lr-find``: a learning rate that rises until training breaks, and what to choose from it.

Smith 2017, "Cyclical Learning Rates for Training Neural Networks", arXiv:1506.01186, section 3.3: over a few
dozen steps from fresh weights the rate grows exponentially; the loss first stands still, then falls, then
flies off. The rule of the suggestion here: the rate at which the smoothed loss falls fastest, but at most a
tenth of the rate at which it diverges.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, model_validator

from llm_playground.core.errors import StopRequested, TrainingError
from llm_playground.core.workspace import Artifact
from llm_playground.training.config import TrainingConfig
from llm_playground.training.pretrain import PretrainConfig

if TYPE_CHECKING:
    from torch import nn

    from llm_playground.core.protocols import Context
    from llm_playground.training.engine import Objective

TITLE = "Learning-rate finder"
CURVE_FILE = "curve.json"
_SMOOTHING = 0.9
_HOPELESS = 4.0  # times the lowest smoothed loss: beyond it nothing more is learnt about rates
_ROSE_AGAIN = 0.5  # share of the whole fall that the smoothed loss must climb back to count as diverged
_NOISE = 0.05  # of the lowest smoothed loss: a smaller rise counts as noise
_SAFETY = 10.0  # how far below the diverging rate to stay
_FEWEST = 10  # points that a suggestion needs


class LRFindConfig(PretrainConfig):
    """Raise the learning rate from fresh weights until training breaks, and suggest one."""

    start: float = Field(1e-6, gt=0, le=1, description="First learning rate.")
    end: float = Field(1.0, gt=0, le=100, description="Last learning rate, if training holds until then.")
    trials: int = Field(100, ge=20, le=10_000, description="Steps from the first rate to the last.")
    name: str = Field("learning rates", description="Name of the measurement.")

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if self.end < 10 * self.start:
            raise ValueError(f"end ({self.end:g}) must be at least ten times start ({self.start:g})")
        return self


CONFIG = LRFindConfig


@dataclass(frozen=True)
class RateCurve:
    """What was seen.

    Attributes:
        rates: learning rate of each step; all lists are of one length.
        losses: loss of the step's batch before its update.
        smoothed: their moving average, corrected for its start (Kingma and Ba 2015, section 3).
        steepest: rate at which the smoothed loss falls fastest over the logarithm of the rate.
        lowest: rate at which the smoothed loss is lowest.
        diverged: rate at which it has climbed back by half of its fall, or to four times its lowest, or is
            no number; None if never.
        suggestion: the smaller of ``steepest`` and a tenth of ``diverged``.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]
    steepest: float
    lowest: float
    diverged: float | None
    suggestion: float

    def to_dict(self) -> dict[str, Any]:
        """Return JSON data; a loss that is no number is None."""
        data = asdict(self)
        for name in ("losses", "smoothed"):
            data[name] = [value if math.isfinite(value) else None for value in data[name]]
        return data | {"rates": list(self.rates), "rule": "min(steepest, diverged / 10)"}


def read_curve(rates: Sequence[float], losses: Sequence[float]) -> RateCurve:
    """Smooth the losses and find the rates that matter.

    Args:
        rates: rising.
        losses: one for each; the last may be no number.

    Raises:
        TrainingError: the loss never fell, or there are too few points to tell.
    """
    smoothed = smooth(losses)
    finite = [place for place, value in enumerate(smoothed) if math.isfinite(value)]
    if len(finite) < _FEWEST:
        raise TrainingError(
            f"Training diverged after {len(finite)} steps, too few to suggest a learning rate.",
            hint="Begin with a smaller start.",
            field="start",
        )
    low = min(finite, key=lambda place: smoothed[place])
    first = smoothed[0]
    if low == 0:
        raise TrainingError(
            "The loss never fell, so that there is no learning rate to suggest.",
            hint="Begin with a smaller start, or take more trials.",
            field="start",
        )
    level = abs(smoothed[low])
    climb = min(_ROSE_AGAIN * (first - smoothed[low]), (_HOPELESS - 1) * level)
    limit = smoothed[low] + max(climb, _NOISE * level)
    after = range(low + 1, len(smoothed))
    beyond = next((place for place in after if not smoothed[place] <= limit), None)
    # The slope at a point is taken across its neighbours; only the way down counts.
    logs = [math.log(rate) for rate in rates]
    slopes = {
        place: (smoothed[place + 1] - smoothed[place - 1]) / (logs[place + 1] - logs[place - 1])
        for place in range(1, low)
    }
    steepest = rates[min(slopes, key=lambda place: slopes[place])] if slopes else rates[low]
    diverged = None if beyond is None else rates[beyond]
    suggestion = steepest if diverged is None else min(steepest, diverged / _SAFETY)
    return RateCurve(tuple(rates), tuple(losses), tuple(smoothed), steepest, rates[low], diverged, suggestion)


def smooth(values: Sequence[float], memory: float = _SMOOTHING) -> list[float]:
    """Return the exponential moving average, divided by the weight that it has gathered so far."""
    average, smoothed = 0.0, []
    for count, value in enumerate(values, 1):
        average = memory * average + (1 - memory) * value
        smoothed.append(average / (1 - memory**count))
    return smoothed


def rising_rates(start: float, end: float, count: int) -> list[float]:
    """Return ``count`` rates from start to end, each the same factor above the one before."""
    return [start * (end / start) ** (place / (count - 1)) for place in range(count)]


def find_learning_rate(
    model: nn.Module,
    objective: Objective,
    settings: TrainingConfig,
    *,
    start: float = 1e-6,
    end: float = 1.0,
    trials: int = 100,
    report: Callable[[int, float, float], None] | None = None,
) -> RateCurve:
    """Train with a rising rate, and put the model back as it was.

    The optimizer is that of the settings; where its groups have different rates (Muon's matrices), they keep
    their ratio. Equal weights, data and settings give an equal curve.

    Args:
        model: on the device of the settings; weights and mode are restored.
        settings: optimizer, batch, precision (``auto`` is float32 here), clipping.
        start, end: first and last rate.
        trials: steps between them.
        report: called with (step, rate, loss) after each; may raise to stop.

    Raises:
        TrainingError: nothing can be suggested.
    """
    from torch import nn as layers

    from llm_playground.core.seeds import preserve_rng
    from llm_playground.training.engine import accumulate
    from llm_playground.training.execution import activation_checkpointing
    from llm_playground.training.optimizers import make_optimizer
    from llm_playground.training.precision import LossScaler

    device = str(next(model.parameters()).device)
    before = {name: value.detach().clone() for name, value in model.state_dict().items()}
    was_training = model.training
    precision = "float32" if settings.precision == "auto" else settings.precision
    scaler = LossScaler() if precision == "fp16" else None
    optimizer = make_optimizer(model, settings)
    rates, losses = rising_rates(start, end, trials), []
    lowest = math.inf
    try:
        model.train()
        with preserve_rng(), activation_checkpointing(model, settings.activation_checkpointing):
            for step, rate in enumerate(rates):
                for group in optimizer.param_groups:
                    group["lr"] = rate * group["peak_lr"] / settings.learning_rate
                batch = objective.batch(step * settings.batch_size, settings.batch_size)
                scale = None if scaler is None else scaler.scale
                loss = accumulate(
                    model,
                    objective,
                    batch,
                    settings.micro_batch_size,
                    device,
                    precision=precision,
                    scale=scale,
                )["loss"]
                losses.append(loss)
                if report is not None:
                    report(step, rate, loss)
                now = smooth(losses)[-1]
                lowest = min(lowest, now)
                if not math.isfinite(loss) or now > _HOPELESS * lowest:
                    break
                if scaler is not None:
                    scaler.unscale(model.parameters())
                norm = float(layers.utils.clip_grad_norm_(model.parameters(), settings.grad_clip))
                if scaler is not None:
                    scaler.update(math.isfinite(norm))
                if math.isfinite(norm):
                    optimizer.step()
                optimizer.zero_grad(set_to_none=True)
    finally:
        optimizer.zero_grad(set_to_none=True)
        model.load_state_dict(before)
        model.train(was_training)
    return read_curve(rates[: len(losses)], losses)


def run(config: LRFindConfig, context: Context) -> Artifact:
    """Find a learning rate for a pre-training and publish the curve.

    Raises:
        NotFoundError, ConfigError, InputError: ids, shape or data are wrong.
        TrainingError: nothing can be suggested.
        StopRequested: the user asked to stop.
    """
    from llm_playground.core.devices import configure_threads, pick_device
    from llm_playground.core.files import write_json_atomic
    from llm_playground.core.seeds import seed_everything
    from llm_playground.data.loader import TokenLoader
    from llm_playground.tokenization import load_tokenizer
    from llm_playground.training.balance import balance_weight
    from llm_playground.training.planner import check_memory
    from llm_playground.training.pretrain import NextToken, resolve_model
    from llm_playground.transformer import TransformerLM

    tokens = context.workspace.get(config.tokens, "tokens")
    shape = resolve_model(config, load_tokenizer(tokens.path))
    settings, length = config.training, shape.context_length
    device = pick_device(settings.device)
    configure_threads(settings.threads)
    objective = NextToken(
        TokenLoader(tokens.path, "train", length, context.seed),
        TokenLoader(tokens.path, "val", length, shuffle=False),
        settings.eval_batches,
        settings.batch_size,
        balance_weight(shape),
    )
    check_memory(shape, settings, length, context)
    seed_everything(context.seed)
    model = TransformerLM(shape).to(device)

    def report(step: int, rate: float, loss: float) -> None:
        if context.should_stop():
            raise StopRequested
        if math.isfinite(loss):
            context.metrics.log(step + 1, {"lr_find/loss": loss, "lr_find/rate": rate})
        context.progress.update(step + 1, config.trials, unit="steps", message="raising the rate", loss=loss)

    curve = find_learning_rate(
        model,
        objective,
        settings,
        start=config.start,
        end=config.end,
        trials=config.trials,
        report=report,
    )
    summary = {
        "learning_rate": curve.suggestion,
        "steepest": curve.steepest,
        "lowest": curve.lowest,
        "diverged": curve.diverged,
        "steps": len(curve.rates),
        "optimizer": settings.optimizer,
    }
    context.set_summary(**summary)
    limit = "it did not diverge" if curve.diverged is None else f"it diverged at {curve.diverged:.2g}"
    context.log(
        f"A learning rate of {curve.suggestion:.2g} is suggested: the loss fell fastest at "
        f"{curve.steepest:.2g}, and {limit}."
    )
    with context.workspace.new_artifact(
        "measurement",
        name=config.name,
        parents=[tokens.id],
        config=config.model_dump(mode="json"),
        summary=summary,
        run_id=context.run_id,
    ) as draft:
        write_json_atomic(draft.path / CURVE_FILE, curve.to_dict())
    assert draft.artifact is not None
    return draft.artifact
