"""What a training takes: tokens, operations, time, money, energy, and the loss that scaling laws predict."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from llm_playground.core.device_table import Device
from llm_playground.core.errors import InputError
from llm_playground.transformer.analysis.flops import Flops
from llm_playground.transformer.analysis.scaling import BESIROGLU, HOFFMANN, LAWS, TOKENS_PER_PARAMETER

_CURVE = 40  # points of the loss curve, evenly spread over the logarithm of the tokens


@dataclass(frozen=True)
class LossPoint:
    """Predicted loss after so many tokens, by both fits (nats per token)."""

    tokens: float
    loss: float
    loss_replication: float


@dataclass(frozen=True)
class Optimum:
    """The best split of this training's compute by one fit of the law."""

    law: str
    source: str
    parameters: float
    tokens: float
    loss: float


@dataclass(frozen=True)
class Budget:
    """What a training takes.

    Attributes:
        tokens: tokens to train on.
        chinchilla_tokens: twenty for each parameter that works on a token.
        tokens_per_parameter: how many it is.
        training_flops: three forward passes for each token.
        hardware_flops: those and what checkpointing computes again.
        device, devices: on what, and how many; None without a device.
        rate: operations per second reached by all of them together, or None.
        seconds, cost, energy_kwh: or None where the device, its price or its power is not known.
        currency: of the cost.
        predicted_loss: by Hoffmann et al. 2022.
        predicted_loss_replication: by Besiroglu et al. 2024.
        loss_curve: the same over the tokens.
        optima: how each fit would split ``6 N D`` operations.
    """

    tokens: int
    chinchilla_tokens: int
    tokens_per_parameter: float
    training_flops: float
    hardware_flops: float
    device: str | None
    devices: int
    rate: float | None
    seconds: float | None
    cost: float | None
    currency: str
    energy_kwh: float | None
    predicted_loss: float
    predicted_loss_replication: float
    loss_curve: tuple[LossPoint, ...]
    optima: tuple[Optimum, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON data."""
        data = asdict(self)
        return data | {"loss_curve": list(data["loss_curve"]), "optima": list(data["optima"])}


def chinchilla_tokens(parameters: int) -> int:
    """Return twenty tokens for each parameter (Hoffmann et al. 2022)."""
    return TOKENS_PER_PARAMETER * parameters


def plan_budget(
    active: int,
    flops: Flops,
    *,
    tokens: int | None = None,
    checkpointing: str = "none",
    device: Device | None = None,
    devices: int = 1,
    precision: str = "float32",
    utilization: float = 0.4,
    currency: str = "USD",
) -> Budget:
    """Work out what a training takes.

    Args:
        active: parameters that work on a token, the N of the laws.
        flops: operations per token.
        tokens: to train on; default twenty for each parameter.
        checkpointing: ``full`` computes the blocks' forward pass again.
        device: on what; None leaves time, money and energy open.
        devices: how many of them work side by side.
        precision: decides which of the device's rates holds.
        utilization: share of that rate that is reached, 0 to 1.
        currency: of the device's price.

    Raises:
        InputError: tokens or utilization is out of range.
    """
    if tokens is not None and tokens < 1:
        raise InputError(f"tokens: {tokens} is not 1 or more.", field="tokens")
    if not 0 < utilization <= 1:
        raise InputError(
            f"utilization: {utilization:g} is not above 0 and at most 1.",
            hint="Training reaches 0.3 to 0.5 of the peak on graphics cards.",
            field="utilization",
        )
    best = chinchilla_tokens(active)
    count = tokens or best
    training = flops.per_token_training * count
    hardware = training + (flops.recomputed * count if checkpointing == "full" else 0.0)
    rate = device.peak(precision)[0] * utilization * devices if device else None
    seconds = hardware / rate if rate else None
    hours = seconds / 3600 * devices if seconds is not None else None
    price, watts = (device.price_per_hour, device.watts) if device else (None, None)
    start, end = min(best, count) / 50, max(best, count) * 50
    steps = {start * (end / start) ** (step / (_CURVE - 1)) for step in range(_CURVE)}
    law = 6.0 * active * count
    optima = []
    for fit in LAWS:
        parameters, length = fit.optimum(law)
        optima.append(Optimum(fit.name, fit.source, parameters, length, fit.loss(parameters, length)))
    return Budget(
        tokens=count,
        chinchilla_tokens=best,
        tokens_per_parameter=count / active,
        training_flops=training,
        hardware_flops=hardware,
        device=device.name if device else None,
        devices=devices,
        rate=rate,
        seconds=seconds,
        cost=hours * price if hours is not None and price is not None else None,
        currency=currency,
        energy_kwh=hours * watts / 1000 if hours is not None and watts is not None else None,
        predicted_loss=HOFFMANN.loss(active, count),
        predicted_loss_replication=BESIROGLU.loss(active, count),
        loss_curve=tuple(
            LossPoint(size, HOFFMANN.loss(active, size), BESIROGLU.loss(active, size))
            for size in sorted({*steps, float(best), float(count)})
        ),
        optima=tuple(optima),
    )
