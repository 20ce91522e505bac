"""The one training loop. A stage supplies batches and losses; everything else is here.

A step's loss terms are sums; each is divided by its count over the whole step (all micro-batches of all
processes), so that how a batch is split cannot change the result. Data order and learning rate are pure
functions of the step, and a checkpoint holds all other state, so that a run killed at any moment and resumed
on the same machine gives the same numbers, bit for bit, as one that was not.

Several processes do the same steps on rows of their own. Only the first one writes files, tells people and
runs hooks; what it decides (to stop, the precision, which checkpoint is good) it tells the others.
"""

from __future__ import annotations

import math
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from llm_playground.core.devices import configure_threads, keep_freed_memory, peak_memory_bytes
from llm_playground.core.errors import StopRequested, TrainingError
from llm_playground.core.files import read_json, write_json_atomic
from llm_playground.core.protocols import StepState
from llm_playground.core.seeds import derive_seed, preserve_rng, seed_everything
from llm_playground.training.checkpoint import (
    load_checkpoint,
    newest_checkpoint,
    restore_random,
    take_snapshot,
)
from llm_playground.training.config import TrainingConfig
from llm_playground.training.distributed import World
from llm_playground.training.ema import WeightAverage
from llm_playground.training.execution import activation_checkpointing, compiled
from llm_playground.training.instruments import Instruments
from llm_playground.training.objective import Batch, Objective, Term, accumulate
from llm_playground.training.optimizers import make_optimizer
from llm_playground.training.precision import (
    LossScaler,
    autocast,
    check_precision,
    choose_precision,
    measure_precisions,
    tf32,
)
from llm_playground.training.saver import CheckpointSaver
from llm_playground.training.schedules import learning_rate
from llm_playground.training.spread import clip_grad_norm, spread
from llm_playground.transformer import attention_bf16

if TYPE_CHECKING:
    from llm_playground.core.protocols import Context

__all__ = ["Batch", "Objective", "Term", "TrainResult", "accumulate", "train"]

RESOLVED_FILE = "resolved.json"  # what ``auto`` settings came to, so that a resumed run does not ask again
_MAX_BAD_STEPS = 10  # steps in a row without a finite gradient before the run is given up


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
        model: the trained model as one process has it; None on other processes than the first where it was
            split among them.
    """

    steps: int
    tokens: int
    seconds: float
    metrics: dict[str, float] = field(default_factory=dict)
    best_val_loss: float | None = None
    skipped_steps: int = 0
    precision: str = "float32"
    model: nn.Module | None = field(default=None, repr=False, compare=False)

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

    Every process of the world calls this with the same arguments; where the model is split among them
    (``parallel: fsdp``) the result holds the whole one. With ``use_ema_weights`` the model has the averaged
    weights at the end; checkpoints hold both.

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
    world = World.current()
    world.rows(config.batch_size)
    device = world.device(config.device)
    threads = world.configure_threads(config.threads)
    if device == "cpu":
        keep_freed_memory()
    model.to(device)
    loop = _Loop(model, objective, config, context, world, device, tokens_per_row)
    loop.hook_state = {"stage": stage, "tokenizer": tokenizer}
    loop.threads = threads
    if world.rank:
        seed_everything(derive_seed(context.seed, "process", world.rank))  # dropout of its own
    loop.resume()
    with tf32(config.tf32), activation_checkpointing(model, config.activation_checkpointing):
        loop.prepare()
        if loop.result.steps == 0:
            loop.validate(0)
            loop.run_hooks(0)
        loop.run()
    if loop.average is not None and config.use_ema_weights:
        loop.average.copy_to_model()
    loop.result.model = loop.spread.gathered()
    return loop.result


class _Loop:
    """The state of one call of :func:`train`."""

    def __init__(
        self,
        model: nn.Module,
        objective: Objective,
        config: TrainingConfig,
        context: Context,
        world: World,
        device: str,
        tokens_per_row: float,
    ) -> None:
        self.model, self.objective, self.config, self.context = model, objective, config, context
        self.world, self.device, self.tokens_per_row = world, device, tokens_per_row
        self.spread = spread(model, world, config.parallel, device)
        self.runner = self.spread.runner  # what steps are run with: the model, wrapped or compiled
        self.optimizer = make_optimizer(model, config)
        self.average = WeightAverage(model, config.ema_decay) if config.ema_decay is not None else None
        self.instruments = Instruments(model, objective, config, context, tokens_per_row)
        self.saver = CheckpointSaver(context.run_dir, config, world, self.spread.split, self._saved)
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
        context, result, world = self.context, self.result, self.world
        checkpoint = world.on_main(
            lambda: newest_checkpoint(context.run_dir, lambda text: context.log(text, "warning"))
        )
        if checkpoint is None:
            return
        state = load_checkpoint(checkpoint, self.model, self.optimizer, self.average, world)
        result.steps, result.seconds, result.metrics = state["step"], state["seconds"], state["metrics"]
        result.best_val_loss, result.skipped_steps = state["best_val_loss"], state["skipped"]
        self.samples = state.get("samples", result.steps * self.config.batch_size)
        result.tokens = round(self.tokens_per_row * self.samples)
        self.bad_steps, self.saved_scaler = state["bad_steps"], state.get("scaler")
        self.saved_step = result.steps
        context.log(f"Resumed from the checkpoint of step {result.steps}.")
        if restore_random(state, world, context.seed):
            # A fork may ask for other threads; else those of the checkpoint, so that sums are split alike.
            self.threads = configure_threads(self.config.threads or state["threads"])
        else:
            context.log(
                f"Processes: {state.get('processes', 1)} when the checkpoint was written, {world.size} now. "
                "The data goes on in its order, random numbers are drawn anew."
            )
        if state["optimizer"] != self.config.optimizer:
            context.log(
                f"The checkpoint was written with {state['optimizer']}: "
                f"{self.config.optimizer} starts without memory of earlier gradients.",
                "warning",
            )

    def prepare(self) -> None:
        """Settle the precision, and compile the model if asked to."""
        result = self.result
        result.precision = self._resolve_precision()
        if result.precision == "fp16":
            self.scaler = LossScaler()
            if self.saved_scaler is not None:
                self.scaler.load(self.saved_scaler)
        if self.config.compile:
            if result.precision == "bf16" and self.device.startswith("cpu") and attention_bf16.available():
                self.context.log(
                    "compile: in bf16 this processor is faster without it, since compiled models take "
                    "PyTorch's attention. Set compile to false, or precision to float32.",
                    "warning",
                )
            self.runner = compiled(self.spread.runner, self.device)

    def _resolve_precision(self) -> str:
        config, context = self.config, self.context
        if config.precision != "auto":
            check_precision(config.precision, self.device)
            return config.precision
        file, world = context.run_dir / RESOLVED_FILE, self.world
        resolved = world.on_main(lambda: read_json(file) if file.is_file() else {})
        if "precision" not in resolved:
            rows = world.rows(config.batch_size)
            batch = self.objective.batch(
                self.samples + rows.start,
                min(config.micro_batch_size or config.batch_size, rows.stop - rows.start),
            )

            def run(precision: str) -> None:
                accumulate(self.model, self.objective, batch, None, self.device, precision=precision)
                self.optimizer.zero_grad(set_to_none=True)

            self.model.train()
            with preserve_rng(), self.spread.accumulating(last=True):
                seconds = measure_precisions(run, self.device, steady=world.size > 1)
            resolved["precision"] = world.broadcast(choose_precision(seconds))
            world.on_main(lambda: write_json_atomic(file, resolved))
            times = ", ".join(f"{name} {1e3 * value:.1f} ms" for name, value in seconds.items())
            context.log(f"Precision {resolved['precision']} was chosen; a micro-batch took: {times}.")
        precision: str = resolved["precision"]
        return precision

    def run(self) -> None:
        config, context, result = self.config, self.context, self.result
        self.model.train()
        started, earlier = time.perf_counter(), result.seconds
        while result.steps < config.steps:
            if self._asked_to_stop():
                self.save()
                self.saver.wait()
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
        self.saver.wait()
        context.metrics.flush()

    def _asked_to_stop(self) -> bool:
        """Return what the first process says: it alone is asked; raise where writing a checkpoint failed."""
        told = 2 if self.saver.failed() else int(self.context.should_stop())
        told = self.world.broadcast_number(told)
        if told == 2:
            self.saver.wait()
        return told == 1

    def step(self) -> None:
        config, result, scaler, world = self.config, self.result, self.scaler, self.world
        begin = time.perf_counter()
        rate = learning_rate(result.steps, config)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(result.steps, config, group["peak_lr"])
        rows = world.rows(config.batch_size)
        batch = self.objective.batch(self.samples + rows.start, rows.stop - rows.start)
        waited = time.perf_counter() - begin
        means = accumulate(
            self.runner,
            self.objective,
            batch,
            config.micro_batch_size,
            self.device,
            precision=result.precision,
            scale=None if scaler is None else scaler.scale,
            world=world,
            most_rows=world.most_rows(config.batch_size),
            accumulating=self.spread.accumulating,
        )
        if scaler is not None:
            scaler.unscale(self.model.parameters())
        measured = self.instruments.wants(result.steps + 1)
        if measured:
            self.instruments.before_update()
        norm = clip_grad_norm(self.model, config.grad_clip)
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
        # All processes see the same mean loss and norm; should a card err, they still decide as one.
        finite = self.world.reduce_sums([not (math.isfinite(norm) and math.isfinite(loss))]) == [0]
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
            self.spread.whole(),
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

        def run() -> None:
            for hook in wanted:
                hook(state, self.context)

        with preserve_rng(), torch.no_grad(), self._shown_weights(), self.spread.whole():
            self.world.on_main(run)
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
        self.saver.save(
            take_snapshot(
                result.steps,
                self.model,
                self.optimizer,
                state,
                self.average,
                world=self.world,
                copies=self.config.async_checkpoints,
                split=self.spread.split,
            )
        )
        self.saved_step = result.steps

    def _saved(self, step: int) -> None:
        self.context.event("checkpoint", {"step": step})
