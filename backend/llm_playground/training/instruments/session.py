"""The instruments of one training run, called by the engine around an update.

Nothing here changes a run: random numbers are put back, gradients and weights are only read, and the time
spent is left out of the step's time. With several processes all of them call every method, since parameters
may be split among them.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from llm_playground.core.device_table import this_device
from llm_playground.core.files import read_json, write_json_atomic
from llm_playground.core.seeds import preserve_rng
from llm_playground.training.config import TrainingConfig
from llm_playground.training.instruments.activations import activation_statistics
from llm_playground.training.instruments.counting import histogram_counts
from llm_playground.training.instruments.layers import layer_norms, layer_of
from llm_playground.training.precision import autocast
from llm_playground.transformer.analysis.flops import count_flops
from llm_playground.transformer.base import LanguageModel
from llm_playground.transformer.config import ModelConfig

if TYPE_CHECKING:
    from llm_playground.core.protocols import Context

PEAK_FILE = "peak.json"  # the rate that utilization is a share of, kept so that a resumed run has the same


class Instruments:
    """Measures every ``instruments_every`` steps; with 0 it only counts operations.

    Series: ``grad_norm/LAYER`` (before clipping), ``weight_norm/LAYER``, ``update_ratio/LAYER`` (norm of the
    update over norm of the weights before it; about 1e-3 is usual), those of
    :func:`~llm_playground.training.instruments.activations.activation_statistics`, ``perf/mfu`` and
    ``perf/instruments_ms``. Histograms: ``gradients/LAYER``, ``weights/LAYER``. A measured step needs memory
    for one more copy of the weights.

    Args:
        model: the bare model (not wrapped, not compiled).
        objective: supplies the loss.
        config: the run's settings.
        context: of the run.
        tokens_per_row: mean tokens in a sample.
    """

    def __init__(
        self,
        model: nn.Module,
        objective: Any,
        config: TrainingConfig,
        context: Context,
        tokens_per_row: float,
    ) -> None:
        self.model, self.objective, self.config, self.context = model, objective, config, context
        self.spent_s = 0.0
        self._flops_per_token = _flops_per_token(model, tokens_per_row)
        self._peak: float | None = None
        self._before: dict[str, Tensor] = {}
        self._values: dict[str, float] = {}
        self._counts: dict[str, Tensor] = {}

    def flops(self, tokens: int) -> float | None:
        """Return the operations of training on so many tokens, None for a model that cannot be counted."""
        return None if self._flops_per_token is None else self._flops_per_token * tokens

    def wants(self, step: int) -> bool:
        """Say whether a step (the first is 1) is measured."""
        every = self.config.instruments_every
        return every > 0 and step % every == 0

    def before_update(self) -> None:
        """Measure gradients and keep the weights; gradients are whole, unscaled and not yet clipped."""
        begin = time.perf_counter()
        named = list(self.model.named_parameters())
        gradients = [(name, weight.grad) for name, weight in named if weight.grad is not None]
        self._values = _series("grad_norm", layer_norms(gradients))
        self._counts = _layer_counts("gradients", gradients)
        self._before = {name: weight.detach().clone() for name, weight in named if weight.requires_grad}
        self.spent_s = time.perf_counter() - begin

    def after_update(
        self, step: int, batch: dict[str, Tensor], *, device: str, precision: str, tokens_per_second: float
    ) -> dict[str, float]:
        """Measure updates, weights, activations and utilization; returns values to log with the step.

        Histograms are logged here.

        Args:
            step: steps done.
            batch: rows of the step; activations are those of its first micro-batch, in evaluation mode.
            device: where the model is.
            precision: format of matrix products.
            tokens_per_second: of the step, over all processes.
        """
        begin = time.perf_counter()
        named = [(name, weight) for name, weight in self.model.named_parameters() if weight.requires_grad]
        old = layer_norms(self._before)
        change = layer_norms((name, weight.detach() - self._before[name]) for name, weight in named)
        self._before = {}
        values = self._values | _series("weight_norm", layer_norms(named))
        values |= {f"update_ratio/{layer}": change[layer] / old[layer] for layer in change if old[layer] > 0}
        counts = self._counts | _layer_counts("weights", named)
        self.context.metrics.histograms(step, {name: row.tolist() for name, row in counts.items()})
        self._counts = {}
        if isinstance(self.model, LanguageModel):
            values |= self._activations(batch, device, precision)
        if self._flops_per_token is not None:
            peak = self._peak_flops(precision)
            values["perf/mfu"] = self._flops_per_token * tokens_per_second / (peak * _processes())
        values["perf/instruments_ms"] = 1e3 * (self.spent_s + time.perf_counter() - begin)
        return values

    def _activations(self, batch: dict[str, Tensor], device: str, precision: str) -> dict[str, float]:
        size = self.config.micro_batch_size or self.config.batch_size
        part = {name: value[:size].to(device) for name, value in batch.items()}
        training = self.model.training
        self.model.eval()
        try:
            with preserve_rng(), autocast(precision, device):
                return activation_statistics(self.objective, self.model, part)
        finally:
            self.model.train(training)

    def _peak_flops(self, precision: str) -> float:
        """Return one process's peak rate, measured once a run by matrix products (half a second)."""
        if self._peak is None:
            file = self.context.run_dir / PEAK_FILE
            known = read_json(file) if file.is_file() else None
            if known is None:
                with preserve_rng():
                    rate, measured = this_device().peak(precision)
                known = {"flops_per_second": rate, "precision": measured}
                if _rank() == 0:
                    write_json_atomic(file, known)
            self._peak = float(known["flops_per_second"])
        return self._peak


def _flops_per_token(model: nn.Module, tokens_per_row: float) -> float | None:
    config = getattr(model, "config", None)
    if not isinstance(config, ModelConfig):
        return None
    length = min(config.context_length, max(1, round(tokens_per_row)))
    return count_flops(config, length).per_token_training


def _series(prefix: str, values: dict[str, float]) -> dict[str, float]:
    return {f"{prefix}/{layer}": value for layer, value in values.items()}


def _layer_counts(prefix: str, tensors: Sequence[tuple[str, Tensor]]) -> dict[str, Tensor]:
    """Return histograms by layer; where parameters are split, each process counts its part, then all add."""
    split = any(hasattr(tensor, "to_local") for _, tensor in tensors)
    counts: dict[str, Tensor] = {}
    for name, tensor in tensors:
        local = getattr(tensor, "to_local", None)
        row = histogram_counts(tensor if local is None else local())
        if split and local is None and _rank():
            row = torch.zeros_like(row)  # every process has it whole: the first one's count is enough
        key = f"{prefix}/{layer_of(name)}"
        counts[key] = counts[key] + row if key in counts else row
    if split:
        for row in counts.values():
            torch.distributed.all_reduce(row)
    return counts


def _processes() -> int:
    return torch.distributed.get_world_size() if _distributed() else 1


def _rank() -> int:
    return torch.distributed.get_rank() if _distributed() else 0


def _distributed() -> bool:
    return torch.distributed.is_available() and torch.distributed.is_initialized()
