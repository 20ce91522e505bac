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
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor, nn

from llm_playground.core.devices import configure_threads, peak_memory_bytes, pick_device
from llm_playground.core.errors import StopRequested, StorageError, TrainingError
from llm_playground.core.files import read_json, write_json_atomic
from llm_playground.core.protocols import StepState
from llm_playground.core.seeds import preserve_rng
from llm_playground.training.checkpoint import list_checkpoints, load_checkpoint, save_checkpoint
from llm_playground.training.config import TrainingConfig
from llm_playground.training.ema import WeightAverage
from llm_playground.training.execution import activation_checkpointing, compiled
from llm_playground.training.instruments import Instruments
from llm_playground.training.optimizers import make_optimizer
from llm_playground.training.precision import (
    LossScaler,
    autocast,
    check_precision,
    choose_precision,
    measure_precisions,
    tf32,
)
from llm_playground.training.schedules import learning_rate

if TYPE_CHECKING:
    from llm_playground.core.protocols import Context

Batch = dict[str, Tensor]
RESOLVED_FILE = "resolved.json"  # what ``auto`` settings came to, so that a resumed run does not ask again
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
        precision: the number format that was used.
    """

    steps: int
    tokens: int
    seconds: float
    metrics: dict[str, float] = field(default_factory=dict)
    best_val_loss: float | None = None
    skipped_steps: int = 0
    precision: str = "float32"

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
            "precision": self.precision,
        }


def accumulate(
    model: nn.Module,
    objective: Objective,
    batch: Batch,
    micro_batch_size: int | None,
    device: str = "cpu",
    *,
    precision: str = "float32",
    scale: float | None = None,
) -> dict[str, float]:
    """Run forward and backward over a step's batch, leaving the gradient of the mean loss.

    Args:
        batch: all rows of the step.
        micro_batch_size: rows at once; None: all.
        precision: format of matrix products.
        scale: what the gradient is multiplied by; the returned means are not.

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
        with autocast(precision, device):
            terms = objective.loss(model, part)
        loss = torch.stack([term.sum * (term.weight / totals[name]) for name, term in terms.items()]).sum()
        (loss if scale is None else loss * scale).backward()
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

    With ``use_ema_weights`` the model has the averaged weights at the end; checkpoints hold both.

    Args:
        objective: batches and losses of the stage.
        tokens_per_row: mean tokens in a sample, for tokens/s and the token count.
        stage: name of the stage, for hooks.
        tokenizer: handed to hooks.

    Raises:
        StopRequested: the user asked to stop; a checkpoint was written first.
        ConfigError: the device, the model or the checkpoint does not go with the settings.
        TrainingError: the gradient was not finite too many times in a row.
        StorageError: a checkpoint could not be written.
    """
    device = pick_device(config.device)
    threads = configure_threads(config.threads)
    model.to(device)
    loop = _Loop(model, objective, config, context, device, tokens_per_row)
    loop.hook_state = {"stage": stage, "tokenizer": tokenizer}
    loop.threads = threads
    loop.resume()
    with tf32(config.tf32), activation_checkpointing(model, config.activation_checkpointing):
        loop.prepare()
        if loop.result.steps == 0:
            loop.validate(0)
            loop.run_hooks(0)
        loop.run()
    if loop.average is not None and config.use_ema_weights:
        loop.average.copy_to_model()
    return loop.result


class _Loop:
    """The state of one call of :func:`train`."""

    def __init__(
        self,
        model: nn.Module,
        objective: Objective,
        config: TrainingConfig,
        context: Context,
        device: str,
        tokens_per_row: float,
    ) -> None:
        self.model, self.objective, self.config, self.context = model, objective, config, context
        self.device, self.tokens_per_row = device, tokens_per_row
        self.runner = model  # what steps are run with: the model, or its compiled form
        self.optimizer = make_optimizer(model, config)
        self.average = WeightAverage(model, config.ema_decay) if config.ema_decay is not None else None
        self.instruments = Instruments(model, objective, config, context, tokens_per_row)
        self.scaler: LossScaler | None = None
        self.saved_scaler: dict[str, float] | None = None
        self.result = TrainResult(0, 0, 0.0)
        self.hook_state: dict[str, Any] = {}
        self.threads = 1
        self.samples = 0  # the cursor: samples taken so far
        self.bad_steps = 0
        self.saved_step: int | None = None
        self.rate: float | None = None  # smoothed seconds per step

    def resume(self) -> None:
        """Go on from the newest good checkpoint, removing damaged ones; start anew where there is none."""
        context, result = self.context, self.result
        for checkpoint in reversed(list_checkpoints(context.run_dir)):
            try:
                state = load_checkpoint(checkpoint, self.model, self.optimizer, self.average)
            except StorageError as error:
                context.log(f"{error.message} It was removed, and the one before it is used.", "warning")
                shutil.rmtree(checkpoint.path, ignore_errors=True)
                continue
            result.steps, result.seconds, result.metrics = state["step"], state["seconds"], state["metrics"]
            result.best_val_loss, result.skipped_steps = state["best_val_loss"], state["skipped"]
            self.samples = state.get("samples", result.steps * self.config.batch_size)
            result.tokens = round(self.tokens_per_row * self.samples)
            self.threads, self.bad_steps = state["threads"], state["bad_steps"]
            self.saved_scaler = state.get("scaler")
            self.saved_step = result.steps
            configure_threads(self.threads)  # bit for bit needs the same split of sums
            context.log(f"Resumed from the checkpoint of step {result.steps}.")
            if state["optimizer"] != self.config.optimizer:
                context.log(
                    f"The checkpoint was written with {state['optimizer']}: "
                    f"{self.config.optimizer} starts without memory of earlier gradients.",
                    "warning",
                )
            return

    def prepare(self) -> None:
        """Settle the precision, and compile the model if asked to."""
        result = self.result
        result.precision = self._resolve_precision()
        if result.precision == "fp16":
            self.scaler = LossScaler()
            if self.saved_scaler is not None:
                self.scaler.load(self.saved_scaler)
        if self.config.compile:
            self.runner = compiled(self.model, self.device)

    def _resolve_precision(self) -> str:
        config, context = self.config, self.context
        if config.precision != "auto":
            check_precision(config.precision, self.device)
            return config.precision
        file = context.run_dir / RESOLVED_FILE
        resolved = read_json(file) if file.is_file() else {}
        if "precision" not in resolved:
            batch = self.objective.batch(self.samples, config.micro_batch_size or config.batch_size)

            def run(precision: str) -> None:
                accumulate(self.model, self.objective, batch, None, self.device, precision=precision)
                self.optimizer.zero_grad(set_to_none=True)

            self.model.train()
            with preserve_rng():
                seconds = measure_precisions(run, self.device)
            resolved["precision"] = choose_precision(seconds)
            write_json_atomic(file, resolved)
            times = ", ".join(f"{name} {1e3 * value:.1f} ms" for name, value in seconds.items())
            context.log(f"Precision {resolved['precision']} was chosen; a micro-batch took: {times}.")
        precision: str = resolved["precision"]
        return precision

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
        config, result, scaler = self.config, self.result, self.scaler
        begin = time.perf_counter()
        rate = learning_rate(result.steps, config)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(result.steps, config, group["peak_lr"])
        batch = self.objective.batch(self.samples, config.batch_size)
        waited = time.perf_counter() - begin
        means = accumulate(
            self.runner,
            self.objective,
            batch,
            config.micro_batch_size,
            self.device,
            precision=result.precision,
            scale=None if scaler is None else scaler.scale,
        )
        if scaler is not None:
            scaler.unscale(self.model.parameters())
        measured = self.instruments.wants(result.steps + 1)
        if measured:
            self.instruments.before_update()
        norm = float(nn.utils.clip_grad_norm_(self.model.parameters(), config.grad_clip, foreach=True))
        self._update(means["loss"], norm)
        self.optimizer.zero_grad(set_to_none=True)
        result.steps += 1
        self.samples += config.batch_size
        if self.bad_steps >= _MAX_BAD_STEPS:
            raise TrainingError(
                f"Training diverged: the gradient was not finite for {self.bad_steps} steps in a row.",
                hint="Lower the learning rate or lengthen the warm-up.",
                field="learning_rate",
            )
        seconds = time.perf_counter() - begin - (self.instruments.spent_s if measured else 0.0)
        self.rate = seconds if self.rate is None else 0.95 * self.rate + 0.05 * seconds
        result.tokens = round(self.tokens_per_row * self.samples)
        tokens_per_step = self.tokens_per_row * config.batch_size
        values = {
            **{f"train/{name}": value for name, value in means.items()},
            "train/lr": rate,
            "train/grad_norm": norm,
            "perf/tokens_per_second": tokens_per_step / seconds,
            "perf/step_ms": 1e3 * seconds,
            "perf/data_wait_ms": 1e3 * waited,
        }
        if config.optimizer == "muon":
            values["train/muon_lr"] = learning_rate(result.steps - 1, config, config.matrix_learning_rate)
        if scaler is not None:
            values["train/loss_scale"] = scaler.scale
        if measured:
            values |= self.instruments.after_update(
                result.steps,
                batch,
                device=self.device,
                precision=result.precision,
                tokens_per_second=tokens_per_step / seconds,
            )
        result.metrics.update(values)
        flops = self.instruments.flops(result.tokens)
        self.context.metrics.log(result.steps, values, tokens=result.tokens, flops=flops)
        self.context.progress.update(
            result.steps,
            config.steps,
            unit="steps",
            message="training",
            loss=means["loss"],
            tokens_per_second=tokens_per_step / self.rate,
            eta_s=self.rate * (config.steps - result.steps),
            tokens=result.tokens,
        )

    def _update(self, loss: float, norm: float) -> None:
        """Take the optimizer's step, or count it as skipped where the gradient is not finite."""
        result, scaler = self.result, self.scaler
        finite = math.isfinite(norm) and math.isfinite(loss)
        # fp16 gradients overflow when the scale is too high: no trouble while there is some of it to halve.
        overflow = scaler is not None and math.isfinite(loss) and not finite and scaler.scale > 1
        if scaler is not None:
            scaler.update(finite)
        if finite:
            self.optimizer.step()
            if self.average is not None:
                self.average.update(result.steps + 1)
            self.bad_steps = 0
            return
        result.skipped_steps += 1
        if overflow and scaler is not None:
            self.context.log(
                f"Step {result.steps + 1} was skipped: its gradient is too large for fp16; "
                f"the loss scale is now {scaler.scale:g}."
            )
            return
        self.bad_steps += 1
        self.context.log(f"Step {result.steps + 1} was skipped: its gradient is not finite.", "warning")

    def _shown_weights(self) -> AbstractContextManager[None]:
        """Return a context in which the model has the weights that are to be judged and published."""
        if self.average is not None and self.config.use_ema_weights:
            return self.average.applied()
        return nullcontext()

    def validate(self, step: int) -> None:
        self.model.eval()
        with (
            preserve_rng(),
            torch.no_grad(),
            self._shown_weights(),
            autocast(self.result.precision, self.device),
        ):
            values = self.objective.evaluate(self.model)
        self.model.train()
        loss = values.get("val/loss")
        best = self.result.best_val_loss
        if loss is not None and math.isfinite(loss) and (best is None or loss < best):
            self.result.best_val_loss = loss
        values = {**values, "perf/peak_memory_bytes": float(peak_memory_bytes())}
        self.result.metrics.update(values)
        tokens, flops = self.result.tokens, self.instruments.flops(self.result.tokens)
        self.context.metrics.log(step, values, tokens=tokens, flops=flops)

    def run_hooks(self, step: int) -> None:
        wanted = [hook for hook in self.context.hooks if hook.wants(step, self.config.steps)]
        if not wanted:
            return
        self.model.eval()
        state = StepState(
            step, self.config.steps, self.model, last=step == self.config.steps, **self.hook_state
        )
        with preserve_rng(), torch.no_grad(), self._shown_weights():
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
            "samples": self.samples,
            "scaler": None if self.scaler is None else self.scaler.state(),
        }
        self.context.metrics.flush()
        save_checkpoint(
            self.context.run_dir,
            result.steps,
            self.model,
            self.optimizer,
            state,
            self.config.keep_checkpoints,
            self.average,
        )
        self.saved_step = result.steps
        self.context.event("checkpoint", {"step": result.steps})
