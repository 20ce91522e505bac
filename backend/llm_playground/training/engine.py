"""The one training loop. A stage supplies batches and losses; everything else is here.

A step's loss terms are sums; the engine divides each by its count over the whole step (all micro-batches),
so that how a batch is split cannot change the result. Data order and learning rate are pure functions of the
step, and a checkpoint holds all other state, so that a run killed at any moment and resumed on the same
machine gives the same numbers, bit for bit, as one that was not.
"""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor, nn

from llm_playground.core.devices import configure_threads, peak_memory_bytes, pick_device
from llm_playground.core.errors import StopRequested, StorageError, TrainingError
from llm_playground.core.protocols import StepState
from llm_playground.core.seeds import preserve_rng
from llm_playground.training.checkpoint import list_checkpoints, load_checkpoint, save_checkpoint
from llm_playground.training.config import TrainingConfig
from llm_playground.training.schedules import learning_rate

if TYPE_CHECKING:
    from llm_playground.core.protocols import Context

Batch = dict[str, Tensor]
_MAX_BAD_STEPS = 10  # steps in a row without a finite gradient before the run is given up


@dataclass(frozen=True)
class Term:
    """One part of a loss over a micro-batch.

    Attributes:
        sum: the summed loss, a scalar tensor.
        count: what it is a sum over (tokens, pairs).
        weight: factor in the total loss.
    """

    sum: Tensor
    count: int
    weight: float = 1.0


class Objective(Protocol):
    """What a stage supplies."""

    def batch(self, cursor: int, size: int) -> Batch:
        """Return samples ``cursor`` to ``cursor + size - 1`` of the run; every tensor has ``size`` rows."""

    def counts(self, batch: Batch) -> Mapping[str, int]:
        """Return the count of each term over a batch, without running the model."""

    def loss(self, model: nn.Module, batch: Batch) -> Mapping[str, Term]:
        """Return the loss terms of a (micro-)batch."""

    def evaluate(self, model: nn.Module) -> dict[str, float]:
        """Return validation metrics by name; the model is in evaluation mode."""


@dataclass
class TrainResult:
    """What a finished training tells.

    Attributes:
        steps, tokens: done in all, resumed parts included.
        seconds: spent training in all.
        metrics: the last value of every metric.
        best_val_loss: the lowest validation loss met.
        skipped_steps: steps left out for a gradient that was not finite.
    """

    steps: int
    tokens: int
    seconds: float
    metrics: dict[str, float] = field(default_factory=dict)
    best_val_loss: float | None = None
    skipped_steps: int = 0

    def summary(self) -> dict[str, Any]:
        """Return the figures worth showing at a run's end."""
        return {
            "steps": self.steps,
            "tokens": self.tokens,
            "seconds": round(self.seconds, 1),
            "tokens_per_second": round(self.tokens / self.seconds) if self.seconds > 0 else None,
            "train_loss": self.metrics.get("train/loss"),
            "val_loss": self.metrics.get("val/loss"),
            "bits_per_byte": self.metrics.get("val/bits_per_byte"),
            "best_val_loss": self.best_val_loss,
            "peak_memory_bytes": peak_memory_bytes(),
            "skipped_steps": self.skipped_steps,
        }


def make_optimizer(model: nn.Module, config: TrainingConfig) -> torch.optim.AdamW:
    """Return AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101) that decays matrices only."""
    matrices = [parameter for parameter in model.parameters() if parameter.dim() >= 2]
    others = [parameter for parameter in model.parameters() if parameter.dim() < 2]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=config.learning_rate,
        betas=(config.beta1, config.beta2),
        eps=config.eps,
        fused=True,
    )


def accumulate(
    model: nn.Module, objective: Objective, batch: Batch, micro_batch_size: int | None, device: str = "cpu"
) -> dict[str, float]:
    """Run forward and backward over a step's batch, leaving the gradient of the mean loss.

    Args:
        batch: all rows of the step.
        micro_batch_size: rows at once; None: all.

    Returns:
        each term's mean over the step (not weighted), and their weighted sum as ``loss``.
    """
    rows = len(next(iter(batch.values())))
    size = micro_batch_size or rows
    totals = {name: max(1, count) for name, count in objective.counts(batch).items()}
    sums: dict[str, Tensor] = {}
    weights: dict[str, float] = {}
    for start in range(0, rows, size):
        part = {name: value[start : start + size].to(device) for name, value in batch.items()}
        terms = objective.loss(model, part)
        loss = torch.stack([term.sum * (term.weight / totals[name]) for name, term in terms.items()]).sum()
        loss.backward()
        for name, term in terms.items():
            weights[name] = term.weight
            sums[name] = sums[name] + term.sum.detach() if name in sums else term.sum.detach()
    means = {name: float(value) / totals[name] for name, value in sums.items()}
    return {**means, "loss": sum(weights[name] * mean for name, mean in means.items())}


def train(
    model: nn.Module,
    objective: Objective,
    config: TrainingConfig,
    context: Context,
    *,
    tokens_per_row: float,
    stage: str,
    tokenizer: Any = None,
) -> TrainResult:
    """Train the model in place, resuming from the run's newest good checkpoint if there is one.

    Args:
        objective: batches and losses of the stage.
        tokens_per_row: mean tokens in a sample, for tokens/s and the token count.
        stage: name of the stage, for hooks.
        tokenizer: handed to hooks.

    Raises:
        StopRequested: the user asked to stop; a checkpoint was written first.
        TrainingError: the gradient was not finite too many times in a row.
        StorageError: a checkpoint could not be written.
    """
    device = pick_device(config.device)
    threads = configure_threads(config.threads)
    model.to(device)
    optimizer = make_optimizer(model, config)
    state: dict[str, Any] = {"step": 0, "seconds": 0.0, "best_val_loss": None, "skipped": 0}
    state |= {"bad_steps": 0, "metrics": {}, "threads": threads}
    resumed = _resume(model, optimizer, context)
    if resumed is not None:
        state.update({key: resumed[key] for key in state})
        configure_threads(state["threads"])  # bit for bit needs the same split of sums
        context.log(f"Resumed from the checkpoint of step {state['step']}.")
    result = TrainResult(state["step"], 0, state["seconds"], state["metrics"])
    result.best_val_loss, result.skipped_steps = state["best_val_loss"], state["skipped"]
    loop = _Loop(model, objective, optimizer, config, context, result, device, tokens_per_row)
    loop.hook_state = {"stage": stage, "tokenizer": tokenizer}
    loop.threads, loop.bad_steps = state["threads"], state["bad_steps"]
    loop.saved_step = result.steps if resumed is not None else None
    if result.steps == 0:
        loop.validate(0)
        loop.run_hooks(0)
    loop.run()
    return result


def _resume(model: nn.Module, optimizer: torch.optim.Optimizer, context: Context) -> dict[str, Any] | None:
    for checkpoint in reversed(list_checkpoints(context.run_dir)):
        try:
            return load_checkpoint(checkpoint, model, optimizer)
        except StorageError as error:
            context.log(f"{error.message} It was removed, and the one before it is used.", "warning")
            shutil.rmtree(checkpoint.path, ignore_errors=True)
    return None


class _Loop:
    """The state of one call of :func:`train`."""

    def __init__(
        self,
        model: nn.Module,
        objective: Objective,
        optimizer: torch.optim.Optimizer,
        config: TrainingConfig,
        context: Context,
        result: TrainResult,
        device: str,
        tokens_per_row: float,
    ) -> None:
        self.model, self.objective, self.optimizer = model, objective, optimizer
        self.config, self.context, self.result, self.device = config, context, result, device
        self.tokens_per_step = tokens_per_row * config.batch_size
        self.result.tokens = round(self.tokens_per_step * result.steps)
        self.hook_state: dict[str, Any] = {}
        self.threads = 1
        self.bad_steps = 0
        self.saved_step: int | None = None
        self.rate: float | None = None  # smoothed seconds per step

    def run(self) -> None:
        config, context, result = self.config, self.context, self.result
        self.model.train()
        started, earlier = time.perf_counter(), result.seconds
        while result.steps < config.steps:
            if context.should_stop():
                self.save()
                context.log(f"Stopped at step {result.steps}, with a checkpoint to resume from.")
                raise StopRequested
            self.step()
            step = result.steps
            result.seconds = earlier + time.perf_counter() - started
            last = step == config.steps
            if step % config.eval_every == 0 or last:
                self.validate(step)
            if step % config.checkpoint_every == 0 and not last:
                self.save()
            self.run_hooks(step)
            result.seconds = earlier + time.perf_counter() - started
        # The finished weights too, so that a run killed while publishing loses nothing.
        self.save()
        context.metrics.flush()

    def step(self) -> None:
        config, result = self.config, self.result
        begin = time.perf_counter()
        rate = learning_rate(result.steps, config)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        batch = self.objective.batch(result.steps * config.batch_size, config.batch_size)
        waited = time.perf_counter() - begin
        means = accumulate(self.model, self.objective, batch, config.micro_batch_size, self.device)
        norm = float(nn.utils.clip_grad_norm_(self.model.parameters(), config.grad_clip, foreach=True))
        if math.isfinite(norm) and math.isfinite(means["loss"]):
            self.optimizer.step()
            self.bad_steps = 0
        else:
            self.bad_steps += 1
            result.skipped_steps += 1
            self.context.log(f"Step {result.steps + 1} was skipped: its gradient is not finite.", "warning")
        self.optimizer.zero_grad(set_to_none=True)
        result.steps += 1
        if self.bad_steps >= _MAX_BAD_STEPS:
            raise TrainingError(
                f"Training diverged: the gradient was not finite for {self.bad_steps} steps in a row.",
                hint="Lower the learning rate or lengthen the warm-up.",
                field="learning_rate",
            )
        seconds = time.perf_counter() - begin
        self.rate = seconds if self.rate is None else 0.95 * self.rate + 0.05 * seconds
        result.tokens = round(self.tokens_per_step * result.steps)
        values = {
            **{f"train/{name}": value for name, value in means.items()},
            "train/lr": rate,
            "train/grad_norm": norm,
            "perf/tokens_per_second": self.tokens_per_step / seconds,
            "perf/step_ms": 1e3 * seconds,
            "perf/data_wait_ms": 1e3 * waited,
        }
        result.metrics.update(values)
        self.context.metrics.log(result.steps, values, tokens=result.tokens)
        self.context.progress.update(
            result.steps,
            config.steps,
            unit="steps",
            message="training",
            loss=means["loss"],
            tokens_per_second=self.tokens_per_step / self.rate,
            eta_s=self.rate * (config.steps - result.steps),
            tokens=result.tokens,
        )

    def validate(self, step: int) -> None:
        self.model.eval()
        with preserve_rng(), torch.no_grad():
            values = self.objective.evaluate(self.model)
        self.model.train()
        loss = values.get("val/loss")
        best = self.result.best_val_loss
        if loss is not None and math.isfinite(loss) and (best is None or loss < best):
            self.result.best_val_loss = loss
        values = {**values, "perf/peak_memory_bytes": float(peak_memory_bytes())}
        self.result.metrics.update(values)
        self.context.metrics.log(step, values, tokens=self.result.tokens)

    def run_hooks(self, step: int) -> None:
        wanted = [hook for hook in self.context.hooks if hook.wants(step, self.config.steps)]
        if not wanted:
            return
        self.model.eval()
        state = StepState(
            step, self.config.steps, self.model, last=step == self.config.steps, **self.hook_state
        )
        with preserve_rng(), torch.no_grad():
            for hook in wanted:
                hook(state, self.context)
        self.model.train()

    def save(self) -> None:
        result = self.result
        if self.saved_step == result.steps:
            return
        state = {
            "seconds": result.seconds,
            "best_val_loss": result.best_val_loss,
            "skipped": result.skipped_steps,
            "threads": self.threads,
            "metrics": result.metrics,
            "bad_steps": self.bad_steps,
        }
        self.context.metrics.flush()
        save_checkpoint(
            self.context.run_dir,
            result.steps,
            self.model,
            self.optimizer,
            state,
            self.config.keep_checkpoints,
        )
        self.saved_step = result.steps
        self.context.event("checkpoint", {"step": result.steps})
