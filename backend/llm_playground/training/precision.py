"""The number format of a step: float32, or half precision for products with float32 weights.

Weights, gradients, optimizer state and averages are float32 always. In ``bf16`` and ``fp16`` PyTorch's
autocast does matrix products in 16 bits and keeps what needs range (norms, softmax, losses) in 32
(Micikevicius et al. 2018, "Mixed Precision Training", arXiv:1710.03740).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from statistics import median
from typing import Any

import torch
from torch import Tensor

from llm_playground.core.errors import ConfigError

_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
_TRIALS = 3  # timed passes of each format in a choice
_ENOUGH_S = 4.0  # seconds after which a choice is made with what has been timed
_WORTH = 0.95  # a shorter format must take at most this share of float32's time


def autocast(precision: str, device: str) -> AbstractContextManager[Any]:
    """Return a context in which products are done in a format; for float32 one that does nothing."""
    if precision == "float32":
        return nullcontext()
    return torch.autocast(device.partition(":")[0], dtype=_TYPES[precision])


def check_precision(precision: str, device: str) -> None:
    """Refuse a format that the device cannot work in.

    Raises:
        ConfigError: naming the setting and what would do.
    """
    if precision == "bf16" and device.startswith("cuda") and not torch.cuda.is_bf16_supported():
        raise ConfigError(
            f"precision: {torch.cuda.get_device_name()} has no bf16.",
            hint="Use fp16, or auto to let the fastest be found.",
            field="precision",
        )


def candidates(device: str) -> tuple[str, ...]:
    """Return the formats that ``auto`` chooses from on a device.

    fp16 is left out on processors, whose fp16 products are no faster than float32's and need a loss scale.
    """
    if device.startswith("cuda"):
        return ("float32", "bf16") if torch.cuda.is_bf16_supported() else ("float32", "fp16")
    return ("float32", "bf16")


def measure_precisions(
    run: Callable[[str], object], device: str, *, steady: bool = False
) -> dict[str, float]:
    """Return the median seconds of a pass in each format of :func:`candidates`.

    The formats take turns, so that other work on the machine weighs on all of them alike; the first pass of
    each is not counted.

    Args:
        run: does a pass, forward and backward, in the named format.
        steady: take all passes however long they are: several processes must take the same number.
    """
    names = candidates(device)
    times: dict[str, list[float]] = {name: [] for name in names}
    began = time.perf_counter()
    for trial in range(_TRIALS + 1):
        for name in names:
            _wait(device)
            begin = time.perf_counter()
            run(name)
            _wait(device)
            if trial:
                times[name].append(time.perf_counter() - begin)
        if trial and not steady and time.perf_counter() - began > _ENOUGH_S:
            break
    return {name: median(values) for name, values in times.items()}


def choose_precision(seconds: Mapping[str, float]) -> str:
    """Return the fastest format, float32 unless another is clearly faster."""
    best = min(seconds, key=lambda name: seconds[name])
    return best if seconds[best] <= _WORTH * seconds["float32"] else "float32"


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    elif device.startswith("mps"):
        torch.mps.synchronize()


@contextmanager
def tf32(enabled: bool) -> Iterator[None]:
    """Let NVIDIA cards do float32 products in TensorFloat-32 (10 bits of mantissa) for a block."""
    if not enabled:
        yield
        return
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


class LossScaler:
    """Dynamic loss scaling for fp16, whose smallest gradients would else round to zero.

    The loss is multiplied by the scale and the gradients are divided by it. A gradient that is not finite
    halves the scale and costs the step; 2,000 good steps in a row double it (Micikevicius et al. 2018,
    section 3.2; the numbers are those of ``torch.amp.GradScaler``). Whether a gradient is finite is read
    from its norm over all ranks, so that all of them keep one scale. All scales are powers of two: scaling
    alone changes no bit of a gradient that neither overflows nor underflows.
    """

    growth_interval = 2000

    def __init__(self, scale: float = 2.0**16) -> None:
        self.scale = scale
        self.good_steps = 0

    def unscale(self, parameters: Iterable[Tensor]) -> None:
        """Divide the gradients by the scale, in place."""
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        if gradients:
            torch._foreach_mul_(gradients, 1 / self.scale)

    def update(self, finite: bool) -> None:
        """Adapt the scale to whether the step's gradient was finite."""
        if not finite:
            self.scale, self.good_steps = self.scale / 2, 0
            return
        self.good_steps += 1
        if self.good_steps == self.growth_interval:
            self.scale, self.good_steps = self.scale * 2, 0

    def state(self) -> dict[str, float]:
        """Return what a checkpoint keeps."""
        return {"scale": self.scale, "good_steps": self.good_steps}

    def load(self, state: Mapping[str, float]) -> None:
        """Put back what :meth:`state` returned."""
        self.scale, self.good_steps = float(state["scale"]), int(state["good_steps"])
