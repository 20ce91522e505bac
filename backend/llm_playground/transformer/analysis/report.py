"""``analyze``: all figures of one architecture."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from llm_playground.core.device_table import Device, load_devices
from llm_playground.core.errors import InputError
from llm_playground.transformer.analysis.budget import Budget, plan_budget
from llm_playground.transformer.analysis.flops import Flops, count_flops
from llm_playground.transformer.analysis.formulas import FORMULAS, Formula
from llm_playground.transformer.analysis.memory import Memory, count_memory, kv_curve
from llm_playground.transformer.analysis.parameters import Parameters, count_parameters
from llm_playground.transformer.analysis.scaling import FITTED_FROM
from llm_playground.transformer.config import OWN_MODEL_TYPE, ModelConfig

if TYPE_CHECKING:
    from llm_playground.core.workspace import Workspace


@dataclass(frozen=True)
class Settings:
    """How an architecture is to be trained and run; see :func:`analyze`."""

    context: int
    batch: int
    precision: str
    optimizer: str
    checkpointing: str
    shards: int
    utilization: float


@dataclass(frozen=True)
class Analysis:
    """What :func:`analyze` returns.

    Attributes:
        config, settings: what was asked about.
        parameters, flops, memory, budget: the figures.
        notes: sentences to read before relying on them.
    """

    config: ModelConfig
    settings: Settings
    parameters: Parameters
    flops: Flops
    memory: Memory
    budget: Budget
    notes: tuple[str, ...]

    @property
    def formulas(self) -> tuple[Formula, ...]:
        """How each figure is worked out, and who says so."""
        return FORMULAS

    @property
    def kv_curve(self) -> list[dict[str, int]]:
        """Cache of one sequence over the context: ``[{context, bytes}]``."""
        return kv_curve(self.config, self.settings.precision)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON data."""
        family = self.config.family
        return {
            "config": self.config.model_dump(mode="json"),
            "family": family,
            "hf_type": None if family == OWN_MODEL_TYPE else family,
            "settings": asdict(self.settings),
            "parameters": self.parameters.to_dict(),
            "flops": self.flops.to_dict(),
            "memory": self.memory.to_dict(),
            "kv_curve": self.kv_curve,
            "budget": self.budget.to_dict(),
            "notes": list(self.notes),
            "formulas": [asdict(formula) for formula in self.formulas],
        }


def analyze(
    config: ModelConfig,
    *,
    context: int | None = None,
    batch: int = 1,
    precision: str = "float32",
    optimizer: str = "adamw",
    checkpointing: str = "none",
    shards: int = 1,
    tokens: int | None = None,
    device: str | Device | None = None,
    utilization: float = 0.4,
    workspace: Workspace | None = None,
) -> Analysis:
    """Work out parameters, operations, memory and budget, from the module that would be built.

    Nothing is allocated: the module has shapes only, so the largest models take a few milliseconds too.

    Args:
        config: the shape.
        context: tokens of a sequence; default the model's context.
        batch: sequences of a training step on one device, or sequences that are served together.
        precision: of weights and activations: ``float32``, ``bf16`` or ``fp16``.
        optimizer: decides what is kept for each weight: ``adamw``, ``adamw-8bit``, ``adafactor``, ``lion``,
            ``momentum``, ``muon`` or ``sgd``.
        checkpointing: activations that are computed twice: ``none``, ``selective`` or ``full``.
        shards: devices that divide weights, gradients and optimizer among them and work side by side.
        tokens: to train on; default twenty for each parameter.
        device: name in the device table, ``this`` or a device, for time, cost and energy.
        utilization: share of the device's peak rate that is reached.
        workspace: whose device table is read; default the one that comes with the program.

    Raises:
        InputError: a number is out of range, or a name is unknown.
        NotFoundError: the table has no such device.
    """
    length = config.context_length if context is None else context
    if not 1 <= length <= config.context_length:
        raise InputError(
            f"context: {length} is not between 1 and the model's {config.context_length}.", field="context"
        )
    table = load_devices(workspace)
    chosen = table.find(device) if isinstance(device, str) else device
    parameters = count_parameters(config)
    flops = count_flops(config, length)
    memory = count_memory(
        config,
        length,
        batch=batch,
        precision=precision,
        optimizer=optimizer,
        checkpointing=checkpointing,
        shards=shards,
    )
    budget = plan_budget(
        parameters.active,
        flops,
        tokens=tokens,
        checkpointing=checkpointing,
        device=chosen,
        devices=shards,
        precision=precision,
        utilization=utilization,
        currency=table.currency,
    )
    settings = Settings(length, batch, precision, optimizer, checkpointing, shards, utilization)
    notes = _notes(config, settings, parameters, memory, budget, chosen)
    return Analysis(config, settings, parameters, flops, memory, budget, tuple(notes))


def _notes(
    config: ModelConfig,
    settings: Settings,
    parameters: Parameters,
    memory: Memory,
    budget: Budget,
    device: Device | None,
) -> list[str]:
    notes = []
    if config.experts is not None:
        notes.append(
            f"{config.experts_per_token} of {config.experts} experts work on a token: "
            f"{parameters.active:,} of {parameters.total:,} parameters. All must be held in memory. "
            "Tokens are taken to be spread evenly over the experts."
        )
    if config.window is not None and config.window < settings.context:
        notes.append(
            f"Layers with a window keep {config.window:,} tokens in the cache, however long the context is. "
            "In training their mask is a matrix of its own in each layer."
        )
    if config.attention_softcap is not None:
        notes.append(
            "Soft-capped scores rule out fused attention, so training keeps the scores of each layer."
        )
    if config.dropout:
        notes.append("With dropout, fused attention is taken to be there; on a CPU it is not.")
    if config.architecture == "encoder-decoder":
        notes.append("Figures per token are for a source and a target of the same length.")
    if config.architecture == "encoder":
        notes.append("The loss laws were fitted to decoders that predict the next token, not to encoders.")
    elif parameters.active < FITTED_FROM:
        notes.append(
            "The loss laws were fitted to models of 70 million parameters and more; below that, take their "
            "shape and not their values."
        )
    if device is not None:
        found = device.peak(settings.precision)[1]
        if found != settings.precision:
            notes.append(
                f"{device.title} has no rate for {settings.precision}; that of {found} is used for the time."
            )
        if memory.total_training > device.memory_bytes:
            notes.append(
                f"Training needs {_size(memory.total_training)}, but {device.title} has "
                f"{_size(device.memory_bytes)}."
            )
        if budget.cost is not None:
            notes.append(f"The price of {device.title} is as of {device.as_of}: check before you rely on it.")
    return notes


def _size(count: int) -> str:
    return f"{count / 2**30:,.2f} GiB"
