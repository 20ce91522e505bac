"""What a training will take before it is begun: memory, time, energy, cost; and settings that fit.

Memory is counted (:mod:`.footprint`). Time is composed: on this machine from its own blocks, head and
optimizer, timed a moment ago (:mod:`.probe`); on another device from operations, its peak rate and the share
of it that is reached. :func:`check_memory` is what stages ask at their start.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from llm_playground.core.device_table import THIS, Device, load_devices
from llm_playground.core.errors import ConfigError, InputError
from llm_playground.training.footprint import Footprint, footprint
from llm_playground.training.probe import Probe, best_peak, block_flops, probe, resident_bytes
from llm_playground.transformer.analysis.flops import count_flops
from llm_playground.transformer.analysis.parameters import count_parameters

if TYPE_CHECKING:
    from llm_playground.core.protocols import Context
    from llm_playground.core.workspace import Workspace
    from llm_playground.training.config import TrainingConfig
    from llm_playground.transformer import ModelConfig

CHECKPOINTING = ("none", "selective", "full")  # from the fastest to the most sparing
# Blocks whose forward pass is made again, as a share of all: see execution.activation_checkpointing.
_AGAIN = {"none": 0.0, "selective": 0.5, "full": 1.0}
_ENOUGH_TOKENS = 2048  # of a micro-batch: beyond, larger ones are hardly faster, and recomputing costs more
_CARD_BASE = 600 * 2**20  # what a graphics card's context and its libraries' workspaces take
_PROCESS_BASE = 340 * 2**20  # a process with the engine loaded, where it was not measured
_TOLERANCE = 0.1  # the error that memory is known to: a run is refused only where it is beyond


@dataclass(frozen=True)
class Workload:
    """What a training reads, beside its settings.

    Attributes:
        length: tokens of the longest sequence, which decides the memory.
        mean_length: tokens of a sequence on average, which decides the time.
        data_bytes: of the file that is mapped into memory.
    """

    length: int
    mean_length: float
    data_bytes: int = 0


@dataclass(frozen=True)
class Choice:
    """How a step is divided.

    Attributes:
        micro_batch_size: sequences at once.
        accumulation: micro-batches of a step on one device.
        checkpointing: activations that are computed twice.
        footprint: what it takes.
    """

    micro_batch_size: int
    accumulation: int
    checkpointing: str
    footprint: Footprint

    def to_dict(self) -> dict[str, Any]:
        """Return JSON data."""
        return {**asdict(self), "footprint": self.footprint.to_dict()}


@dataclass(frozen=True)
class Time:
    """What a step takes, in seconds, and where it goes.

    Attributes:
        step: all of it.
        blocks, outside, recomputed, update, engine: its parts; outside is embedding, head and loss.
        validation: one validation.
        total: the whole training with its validations.
        method: ``measured`` on this machine, or ``rate``: operations over a rate.
        peak_flops: operations per second that the device can do.
        utilization: share of it that the model's own operations reach.
    """

    step: float
    blocks: float
    outside: float
    recomputed: float
    update: float
    engine: float
    validation: float
    total: float
    method: str
    peak_flops: float
    utilization: float


@dataclass(frozen=True)
class Plan:
    """What :func:`plan_training` returns.

    Attributes:
        device, devices: on what, and how many of them; on a processor, how many processes share it.
        memory_bytes: what one device has for this, or one of the processes that share a processor.
        parameters, steps, tokens: of the model, of the training, and to train on in all.
        flops_per_step: the model's own, without what is computed twice.
        configured: as the settings say.
        suggested: what would be better or would fit; None where nothing would fit, or no change is needed.
        fits: whether the configured training fits.
        refused: whether it is so far from fitting that the stage would not begin.
        time: of the configured training, where it fits, else of the suggested one; None where none fits.
        tokens_per_second, energy_kwh, cost, currency: None where they are not known.
        warnings: sentences to act on.
        notes: sentences to read before relying on the figures.
    """

    device: str
    devices: int
    memory_bytes: int
    parameters: int
    steps: int
    tokens: int
    flops_per_step: float
    configured: Choice
    suggested: Choice | None
    fits: bool
    refused: bool
    time: Time | None
    tokens_per_second: float | None
    energy_kwh: float | None
    cost: float | None
    currency: str
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """Return JSON data."""
        return {
            **asdict(self),
            "configured": self.configured.to_dict(),
            "suggested": None if self.suggested is None else self.suggested.to_dict(),
            "warnings": list(self.warnings),
            "notes": list(self.notes),
        }


def plan_training(
    config: ModelConfig,
    settings: TrainingConfig,
    workload: Workload,
    *,
    device: str = THIS,
    devices: int | None = None,
    utilization: float = 0.4,
    measure: bool = True,
    remembered: bool = False,
    clock: str = "wall",
    workspace: Workspace | None = None,
) -> Plan:
    """Predict what a training takes on this machine or on a device of the table.

    Args:
        config: the model's shape.
        settings: how to train.
        workload: what is read.
        device: name in the device table, or ``this``.
        devices: how many work side by side; None: as many as the settings have processes. With ``parallel``
            fsdp they divide the weights among them.
        utilization: share of the peak rate that is reached where nothing is measured.
        measure: whether to time parts of the model on this machine; off, its time follows from a rate.
        remembered: without ``measure``, whether parts that were timed before still count.
        clock: see :func:`.probe.probe`.
        workspace: whose device table is read.

    Raises:
        NotFoundError: the table has no such device.
        InputError: a number is out of range.
        TrainingError: measuring failed.
    """
    ranks = devices if devices is not None else settings.processes * settings.nodes
    _check(config, settings, workload, utilization)
    _check_ranks(settings, ranks, "processes" if devices is None else "devices")
    table = load_devices(workspace)
    here = device.lower() == THIS
    measured: Probe | None = None
    precision = _precision(settings, here)
    length = workload.length
    share = -(-settings.batch_size // ranks)
    wanted = min(settings.micro_batch_size or share, share)
    if here and (measure or remembered):
        measured = probe(
            config, settings, rows=wanted, length=length, precision=precision, clock=clock, ask=measure
        )
    chosen = None if measured is not None else table.find(device)
    base, free, total = _memory_of(settings, chosen, here, measured)
    base += min(workload.data_bytes, settings.steps * settings.batch_size * 2**16)
    heap = _on_a_processor(settings) if here else _named(chosen).kind == "cpu"
    # Processes of one machine share its processor and its memory; a card is each one's own.
    beside = 1 if not (here and heap) else ranks if devices is not None else settings.processes
    memory = free // beside
    sharing = _Sharing(config, settings, length, base, share, ranks, precision, heap)
    configured = sharing.choice(wanted, settings.activation_checkpointing)
    fits = configured.footprint.peak <= memory
    refused = configured.footprint.peak * beside > total * (1 + _TOLERANCE)
    suggested = None if fits else sharing.best(memory)
    used = configured if fits else suggested
    notes = list(_notes(settings, precision, here, measured, chosen))
    if beside > 1:
        notes.append(f"The {beside} processes share this machine: the figures of memory are each one's own.")
    warnings = [] if fits else [_sentence(configured, suggested, memory, "this machine" if here else device)]
    machines = ranks // beside
    flops = settings.batch_size * workload.mean_length * count_flops(config, length).per_token_training
    taken = None
    if used is not None and measured is not None and measured.timed:
        taken = _measured_time(config, settings, workload, used, measured, wanted, machines, beside, flops)
    elif used is not None:
        rate = measured.peak_flops if measured is not None else _named(chosen).peak(precision)[0]
        if here and heap:
            rate = max(rate, best_peak())
        taken = _rated_time(config, settings, workload, used, rate, utilization, machines, flops)
    watts = None if chosen is None else chosen.watts
    price = None if chosen is None else chosen.price_per_hour
    hours = None if taken is None else taken.total / 3600 * machines
    tokens = round(settings.steps * settings.batch_size * workload.mean_length)
    return Plan(
        device=THIS if here else _named(chosen).title,
        devices=ranks,
        memory_bytes=memory,
        parameters=count_parameters(config).total,
        steps=settings.steps,
        tokens=tokens,
        flops_per_step=flops,
        configured=configured,
        suggested=suggested,
        fits=fits,
        refused=refused,
        time=taken,
        tokens_per_second=None if taken is None else settings.batch_size * workload.mean_length / taken.step,
        energy_kwh=None if hours is None or watts is None else hours * watts / 1000,
        cost=None if hours is None or price is None else hours * price,
        currency=table.currency,
        warnings=tuple(warnings),
        notes=tuple(notes),
    )


@dataclass(frozen=True)
class _Sharing:
    """What all ways to divide a step have in common."""

    config: ModelConfig
    settings: TrainingConfig
    length: int
    base: int
    rows: int  # sequences of a step on one device
    devices: int
    precision: str
    heap: bool

    def choice(self, micro: int, checkpointing: str) -> Choice:
        """Return what a micro-batch of so many sequences takes."""
        settings = self.settings
        taken = footprint(
            self.config,
            settings,
            rows=micro,
            length=self.length,
            base=self.base,
            accumulating=micro < self.rows,
            validation_rows=micro,
            checkpointing=checkpointing,
            precision=self.precision,
            shards=self.devices if settings.parallel == "fsdp" else 1,
            heap=self.heap,
        )
        return Choice(micro, -(-self.rows // micro), checkpointing, taken)

    def best(self, memory: int) -> Choice | None:
        """Return the fastest way that fits, by rule, None if nothing does.

        The largest micro-batch comes first. Recomputing is worth its time only where it lets a micro-batch
        have enough tokens to keep the device busy.
        """
        enough = min(self.rows, -(-_ENOUGH_TOKENS // self.length))
        for least in (enough, 1):
            for checkpointing in CHECKPOINTING:
                for micro in _halves(self.rows):
                    if micro < least:
                        break
                    found = self.choice(micro, checkpointing)
                    if found.footprint.peak <= memory:
                        return found
        return None


def _halves(rows: int) -> Iterator[int]:
    """Yield rows, its half, a quarter ... down to 1, each rounded up."""
    while rows > 1:
        yield rows
        rows = -(-rows // 2)
    yield 1


def check_memory(
    config: ModelConfig,
    settings: TrainingConfig,
    length: int,
    context: Context,
    *,
    ranks: int = 1,
    loaded_bytes: int = 0,
) -> None:
    """Refuse a training that cannot fit this machine, and warn of one that may not; for a stage's start.

    What the process holds now counts as its base. Predictions are good to a tenth, so a training is refused
    only where it needs more than that beyond all the memory.

    Args:
        length: tokens of the longest sequence.
        context: is told the warning.
        ranks: processes that train on this machine.
        loaded_bytes: of the weights, where the model is there already.

    Raises:
        ConfigError: it cannot fit; the hint says what would.
    """
    from llm_playground.core.devices import pick_device

    device = pick_device(settings.device)
    free, total = _free_and_total(device)
    if device.startswith("cuda"):
        base, free = 0, free + loaded_bytes
    else:
        held = resident_bytes()
        free += held
        base = max(held - loaded_bytes, _PROCESS_BASE)
    rows = -(-settings.batch_size // ranks)
    precision = _precision(settings, here=True)
    heap = not device.startswith("cuda")
    sharing = _Sharing(config, settings, length, base, rows, ranks, precision, heap)
    micro = min(settings.micro_batch_size or rows, rows)
    wanted = sharing.choice(micro, settings.activation_checkpointing)
    beside = 1 if device.startswith("cuda") else ranks  # each card has one process, a processor all of them
    need = wanted.footprint.peak * beside
    if need <= free:
        return
    possible = sharing.best(free // beside)
    name = "this card" if device.startswith("cuda") else "this machine"
    if need > total * (1 + _TOLERANCE):
        said = _sentence(wanted, possible, total // beside, name)
        sentence, _, hint = said.partition("; ")
        raise ConfigError(
            f"training: {sentence}.", hint=hint[0].upper() + hint[1:], field="training.micro_batch_size"
        )
    context.log(_sentence(wanted, possible, free // beside, name, "free"), "warning")


def _sentence(wanted: Choice, possible: Choice | None, memory: int, where: str, kind: str = "") -> str:
    """Say how much is needed, how much there is, and what would fit."""
    left = f"{size(memory)} {kind}".strip()
    need = f"this training needs {size(wanted.footprint.peak)}, and {where} has {left}"
    if possible is None:
        return f"{need}; no micro-batch fits: a smaller model or a shorter context is needed."
    how = f"micro_batch_size {possible.micro_batch_size}"
    if possible.checkpointing != wanted.checkpointing:
        how += f" with activation_checkpointing {possible.checkpointing}"
    return f"{need}; {how} would need {size(possible.footprint.peak)}."


def size(count: float) -> str:
    """Write bytes in the largest unit that fits: ``1.5 GiB``."""
    for unit, name in ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if count >= unit:
            return f"{count / unit:,.1f} {name}"
    return f"{count:.0f} bytes"


def _free_and_total(device: str) -> tuple[int, int]:
    """Return the bytes that are free and that there are, on a card or in this machine."""
    if device.startswith("cuda"):
        import torch

        free, total = torch.cuda.mem_get_info(device)
        return int(free), int(total)
    import psutil

    memory = psutil.virtual_memory()
    return int(memory.available), int(memory.total)


def _memory_of(
    settings: TrainingConfig, device: Device | None, here: bool, measured: Probe | None
) -> tuple[int, int, int]:
    """Return (bytes before there is a model, bytes that may be taken, bytes that there are)."""
    if here:
        from llm_playground.core.devices import pick_device

        kind = pick_device(settings.device)
        free, total = _free_and_total(kind)
        if kind.startswith("cuda"):
            return 0, free - _CARD_BASE, total
        return (measured.base_bytes if measured is not None else _PROCESS_BASE), free, total
    known = _named(device)
    base = _CARD_BASE if known.kind == "gpu" else _PROCESS_BASE
    return base, known.memory_bytes, known.memory_bytes


def _on_a_processor(settings: TrainingConfig) -> bool:
    from llm_playground.core.devices import pick_device

    return not pick_device(settings.device).startswith("cuda")


def _named(device: Device | None) -> Device:
    assert device is not None  # only a measured machine has no entry
    return device


def _precision(settings: TrainingConfig, here: bool) -> str:
    """Return the format that is counted with: ``auto`` is bf16 on cards, and float32 on processors."""
    if settings.precision != "auto":
        return settings.precision
    if not here:
        return "bf16"
    from llm_playground.core.devices import pick_device

    return "bf16" if pick_device(settings.device).startswith("cuda") else "float32"


def _measured_time(
    config: ModelConfig,
    settings: TrainingConfig,
    workload: Workload,
    used: Choice,
    measured: Probe,
    timed_rows: int,
    machines: int,
    beside: int,
    flops: float,
) -> Time:
    """Compose a step from measured parts; they were measured, or scaled, for a micro-batch of timed_rows.

    What was timed had the whole machine; ``beside`` processes that share it do the rows one after another, as
    it were, and each updates its own copy of the weights.
    """
    length = workload.length
    each = workload.mean_length / length / timed_rows  # of a sequence
    shorter = max(1, round(workload.mean_length))
    inside = each * block_flops(config, shorter) / block_flops(config, length)
    rows = settings.batch_size / machines
    blocks, outside = rows * inside * measured.blocks_s, rows * each * measured.outside_s
    again = rows * inside * measured.blocks_forward_s * _AGAIN[used.checkpointing]
    update = measured.update_s * (1 if settings.parallel == "fsdp" else beside)
    step = blocks + outside + again + update + measured.engine_s
    scoring = inside * measured.blocks_forward_s + each * measured.outside_s / 3
    validation = settings.eval_batches * settings.batch_size * scoring
    return Time(
        step=step,
        blocks=blocks,
        outside=outside,
        recomputed=again,
        update=update,
        engine=measured.engine_s,
        validation=validation,
        total=settings.steps * step + _validations(settings) * validation,
        method="measured",
        peak_flops=measured.peak_flops * machines,
        utilization=flops / step / (measured.peak_flops * machines),
    )


def _rated_time(
    config: ModelConfig,
    settings: TrainingConfig,
    workload: Workload,
    used: Choice,
    peak: float,
    utilization: float,
    machines: int,
    flops: float,
) -> Time:
    """Work a step out from its operations and the rate that is reached."""
    rate = peak * utilization * machines
    counted = count_flops(config, workload.length)
    tokens = settings.batch_size * workload.mean_length
    inside = tokens * 3 * block_flops(config, workload.length)
    again = tokens * counted.recomputed * _AGAIN[used.checkpointing]
    validation = settings.eval_batches * tokens * counted.per_token_forward / rate
    step = (flops + again) / rate
    return Time(
        step=step,
        blocks=inside / rate,
        outside=(flops - inside) / rate,
        recomputed=again / rate,
        update=0.0,
        engine=0.0,
        validation=validation,
        total=settings.steps * step + _validations(settings) * validation,
        method="rate",
        peak_flops=peak * machines,
        utilization=flops / step / (peak * machines),
    )


def _validations(settings: TrainingConfig) -> int:
    """Return how many validations a training makes: before, on the way, and at its end."""
    return 1 + settings.steps // settings.eval_every + (settings.steps % settings.eval_every > 0)


def _notes(
    settings: TrainingConfig, precision: str, here: bool, measured: Probe | None, device: Device | None
) -> Iterator[str]:
    if measured is not None and measured.timed:
        yield (
            f"Time is composed of parts that were timed here a moment ago ({measured.rows} x "
            f"{measured.length} tokens); what else runs on this machine counts in it."
        )
    else:
        yield "Time follows from operations and the share of the peak rate that is taken to be reached."
    if here and measured is None:
        yield "This machine's rate is that of the first plan; what ran then lowered it. Measuring mends it."
    if measured is not None and not measured.timed:
        yield "The parts of this model are too large to be timed on this machine."
    if settings.precision == "auto":
        yield f"Precision auto is taken to come to {precision}; the run measures it."
    if settings.compile:
        yield "Compiling is not in these figures: it takes up to a minute at the start and saves time after."
    if device is not None and not here:
        rate, found = device.peak(precision)
        if found != precision:
            yield f"{device.title} has no rate for {precision}; that of {found} is used."
        if device.price_per_hour is not None:
            yield f"The price of {device.title} is as of {device.as_of}: check before you rely on it."


def _check(config: ModelConfig, settings: TrainingConfig, workload: Workload, utilization: float) -> None:
    if config.architecture != "decoder":
        raise InputError(f"A training of {config.architecture} models cannot be planned: decoders can.")
    if not 1 <= workload.length <= config.context_length:
        raise InputError(
            f"length: {workload.length} is not between 1 and the context of {config.context_length}.",
            field="length",
        )
    if not 0 < utilization <= 1:
        raise InputError(
            f"utilization: {utilization:g} is not above 0 and at most 1.",
            hint="Training reaches 0.3 to 0.5 of the peak on graphics cards.",
            field="utilization",
        )


def _check_ranks(settings: TrainingConfig, ranks: int, name: str) -> None:
    if not 1 <= ranks <= settings.batch_size:
        raise InputError(
            f"{name}: {ranks} is not between 1 and batch_size ({settings.batch_size}).",
            hint="Each of them takes a part of a batch.",
            field=name if name == "devices" else f"training.{name}",
        )
