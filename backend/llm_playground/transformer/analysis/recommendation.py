"""Which architecture for a memory and a compute budget, with the reasons.

For training, a family of Llama-style shapes is searched: one width after another, each as deep as models of
that width usually are. Kaplan et al. 2020 (arXiv:2001.08361, section 3.1) found that depth against width
matters little over a wide range, so size is what the search decides. A shape fits if its own analysis says
so: memory with the largest batch up to 32, checkpointing only where it is needed, a tenth of the memory left
free; and the operations of its tokens within the compute. For running, published models are searched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from llm_playground.core.config import parse_config
from llm_playground.core.device_table import Device, load_devices
from llm_playground.core.errors import InputError
from llm_playground.transformer.analysis.memory import BYTES, CHECKPOINTING, inference_bytes, kv_cache_bytes
from llm_playground.transformer.analysis.parameters import Parameters, count_parameters
from llm_playground.transformer.analysis.report import Analysis, analyze
from llm_playground.transformer.analysis.scaling import FITTED_FROM, TOKENS_PER_PARAMETER
from llm_playground.transformer.config import ModelConfig
from llm_playground.transformer.presets import PRESETS

if TYPE_CHECKING:
    from llm_playground.core.workspace import Workspace

FREE_SHARE = 0.1  # of the memory, for fragments and for what other programs hold
_LONG = 5 * TOKENS_PER_PARAMETER
# (width, layers): about as many blocks of 64 channels as layers, deeper than that only where models are so.
_LADDER = (
    *((64, 2), (96, 3), (128, 4), (192, 5), (256, 6), (320, 6), (384, 7), (448, 8), (512, 8), (640, 10)),
    *((768, 12), (896, 14), (1024, 16), (1152, 18), (1280, 20), (1536, 24), (1792, 24), (2048, 24)),
    *((2304, 28), (2560, 32), (3072, 32), (3584, 32), (4096, 32), (5120, 40), (6144, 48), (7168, 60)),
    (8192, 80),
)
_VOCABULARIES = ((128, 2048), (256, 4096), (448, 8192), (768, 16_384), (1536, 32_768))
_LARGEST_BATCH = 32
_USUAL_CONTEXT = 8192  # tokens that running is planned for, where the model reads more
_CONTEXTS = ((128, 256), (512, 512), (1024, 1024), (2048, 2048))


@dataclass(frozen=True)
class Recommendation:
    """One architecture that fits.

    Attributes:
        name: preset, None for a shape made to measure.
        config: the shape.
        parameters: all of them.
        tokens: to train on within the budget; None for running.
        batch, precision, checkpointing, optimizer: with which it fits.
        memory_bytes: what that takes.
        training_flops: of the whole training, with what checkpointing computes again; None for running.
        seconds: of the whole training; None where the rate is not known.
        predicted_loss: by Hoffmann et al. 2022; None for running.
        reasons: why this one.
        warnings: what to beware of.
    """

    name: str | None
    config: ModelConfig
    parameters: int
    tokens: int | None
    batch: int
    precision: str
    checkpointing: str
    optimizer: str
    memory_bytes: int
    training_flops: float | None
    seconds: float | None
    predicted_loss: float | None
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON data."""
        data = asdict(self)
        return data | {
            "config": self.config.model_dump(mode="json"),
            "reasons": list(self.reasons),
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True)
class Recommendations:
    """What :func:`recommend` returns.

    Attributes:
        recommendations: the best first.
        reasons: how they were found.
    """

    recommendations: tuple[Recommendation, ...]
    reasons: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON data."""
        return {
            "recommendations": [item.to_dict() for item in self.recommendations],
            "reasons": list(self.reasons),
        }


@dataclass(frozen=True)
class _Budget:
    """What there is."""

    memory: int  # usable
    rate: float | None  # operations per second reached
    flops: float | None  # operations in all
    device: Device | None
    precision: str
    optimizer: str
    vocab_size: int | None
    context: int | None


@dataclass(frozen=True)
class _Plan:
    """A shape and how it fits into the memory."""

    analysis: Analysis
    flops_per_token: float

    @property
    def active(self) -> int:
        return self.analysis.parameters.active


def recommend(
    memory_bytes: int,
    *,
    device: str | Device | None = None,
    hours: float | None = None,
    flops: float | None = None,
    purpose: Literal["train", "run"] = "train",
    vocab_size: int | None = None,
    context: int | None = None,
    precision: str | None = None,
    optimizer: str = "adamw",
    utilization: float = 0.4,
    workspace: Workspace | None = None,
) -> Recommendations:
    """Recommend a few architectures for what there is.

    Args:
        memory_bytes: of the device.
        device: name in the device table, ``this`` or a device: decides rate and precision.
        hours: time to train; None: compute does not limit.
        flops: operations per second that are reached; default the device's rate times the utilization.
        purpose: ``train`` a model from random weights, or ``run`` a published one.
        vocab_size, context: wanted; default by the size of the model.
        precision: default bf16 where the device has a rate for it, else float32.
        optimizer: see :func:`~llm_playground.transformer.analyze`.
        utilization: share of the device's peak that is reached.
        workspace: whose device table is read.

    Raises:
        InputError: a number is out of range, hours without a rate, or not even the smallest shape fits.
        NotFoundError: the table has no such device.
    """
    for name, value in (
        ("memory_bytes", memory_bytes),
        ("hours", hours),
        ("flops", flops),
        ("vocab_size", vocab_size),
        ("context", context),
    ):
        if value is not None and not value > 0:
            raise InputError(f"{name}: {value:g} is not above 0.", field=name)
    if purpose not in ("train", "run"):
        raise InputError(f"purpose: {purpose!r} is unknown.", hint="Use train or run.", field="purpose")
    chosen = load_devices(workspace).find(device) if isinstance(device, str) else device
    if precision is None:
        precision = "bf16" if chosen is not None and "bf16" in chosen.flops else "float32"
    rate = flops or (chosen.peak(precision)[0] * utilization if chosen is not None else None)
    if hours is not None and rate is None and purpose == "train":
        raise InputError(
            "hours: how much is computed in that time is not known.",
            hint="Give a device of the table, or flops: operations per second.",
            field="hours",
        )
    budget = _Budget(
        memory=int(memory_bytes * (1 - FREE_SHARE)),
        rate=rate,
        flops=rate * hours * 3600 if rate is not None and hours is not None else None,
        device=chosen,
        precision=precision,
        optimizer=optimizer,
        vocab_size=vocab_size,
        context=context,
    )
    return _to_run(budget) if purpose == "run" else _to_train(budget)


def _to_train(budget: _Budget) -> Recommendations:
    reasons = [
        f"Shapes of {len(_LADDER)} widths from {_LADDER[0][0]} to {_LADDER[-1][0]:,} were tried in "
        f"{budget.precision} with {budget.optimizer}; a tenth of the memory is left free.",
        "Twenty tokens for each parameter make the best of a given compute (Hoffmann et al. 2022, "
        "arXiv:2203.15556); more tokens make a smaller model better, which is cheaper to run.",
    ]
    if budget.flops is not None:
        reasons.append(f"The compute is {budget.flops:.2e} operations: {budget.rate:.2e} a second.")
    fitting = _Fitting(budget)
    roomy = fitting.largest(lambda plan: plan.analysis.settings.checkpointing == "none")
    largest = fitting.largest(lambda plan: True)
    if largest is None:
        need = _smallest_need(budget)
        raise InputError(
            f"memory_bytes: the smallest shape takes {_size(need)} to train, but "
            f"{_size(budget.memory)} can be used.",
            hint="A tenth of the memory is left free. A smaller vocabulary or context helps.",
            field="memory_bytes",
        )
    found: list[Recommendation] = []
    if budget.flops is None:
        best = roomy or largest
        found.append(
            _training(budget, best, TOKENS_PER_PARAMETER, "The largest shape that fits comfortably.")
        )
        if largest.active > best.active:
            found.append(
                _training(budget, largest, TOKENS_PER_PARAMETER, "The largest shape that fits at all.")
            )
        smaller = fitting.largest(lambda plan: plan.active <= best.active / 4)
        if smaller is not None:
            found.append(
                _training(
                    budget, smaller, _LONG, "A quarter of the size, trained five times as long: as cheap."
                )
            )
        return Recommendations(tuple(found), tuple(reasons))
    total = budget.flops

    def affords(share: int) -> Callable[[_Plan], bool]:
        return lambda plan: plan.flops_per_token * plan.active * share <= total

    affordable = fitting.largest(affords(TOKENS_PER_PARAMETER))
    if affordable is None:
        smallest = fitting.plans()[0]
        found.append(_training(budget, smallest, None, "The smallest shape: the compute allows no more."))
        return Recommendations(tuple(found), tuple(reasons))
    best = affordable
    why = "The largest shape that can be given twenty tokens for each parameter within the compute."
    if best.active == largest.active:
        why = "The largest shape that the memory holds; the compute left over goes into more tokens."
    found.append(_training(budget, best, None, why))
    longer = fitting.largest(lambda plan: affords(_LONG)(plan) and plan.active < best.active)
    if longer is not None:
        found.append(
            _training(
                budget, longer, None, "Smaller and trained far longer with the same compute: cheap to run."
            )
        )
    bigger = fitting.largest(lambda plan: affords(TOKENS_PER_PARAMETER // 4)(plan))
    if bigger is not None and bigger.active > best.active:
        found.append(
            _training(
                budget, bigger, None, "Larger, with fewer tokens: a start for training that goes on later."
            )
        )
    return Recommendations(tuple(found), tuple(reasons))


class _Fitting:
    """The shapes that fit into the memory, smallest first; each is worked out once, when it is asked for."""

    def __init__(self, budget: _Budget) -> None:
        self.budget = budget
        self._plans: list[_Plan] | None = None

    def plans(self) -> list[_Plan]:
        """Return all plans: the ladder up to the first shape that does not fit."""
        if self._plans is None:
            self._plans = []
            for config in _shapes(self.budget):
                plan = _fit(self.budget, config)
                if plan is None:
                    break
                self._plans.append(plan)
                if self.budget.flops is not None and (
                    plan.flops_per_token * plan.active * TOKENS_PER_PARAMETER > 16 * self.budget.flops
                ):
                    break  # far beyond what the compute allows
        return self._plans

    def largest(self, accepts: Callable[[_Plan], bool]) -> _Plan | None:
        """Return the largest plan that a test accepts."""
        return next((plan for plan in reversed(self.plans()) if accepts(plan)), None)


def _shapes(budget: _Budget) -> Iterator[ModelConfig]:
    for width, layers in _LADDER:
        size = 128 if width >= 2048 else 64 if width >= 256 else 32
        heads = width // size
        values = {
            "vocab_size": budget.vocab_size or _step(_VOCABULARIES, width, 65_536),
            "context_length": budget.context or _step(_CONTEXTS, width, 4096),
            "width": width,
            "layers": layers,
            "heads": heads,
            "kv_heads": heads // 4 if width >= 1024 and heads % 4 == 0 else None,
            "tied_embeddings": width < 2048,
        }
        yield parse_config(ModelConfig, values, "the wanted shape")


def _step(steps: Sequence[tuple[int, int]], width: int, last: int) -> int:
    return next((value for limit, value in steps if width <= limit), last)


def _fit(budget: _Budget, config: ModelConfig) -> _Plan | None:
    """Return the way to train a shape within the memory: the least checkpointing, then the largest batch."""
    for checkpointing in CHECKPOINTING:
        options: dict[str, Any] = {
            "precision": budget.precision,
            "optimizer": budget.optimizer,
            "checkpointing": checkpointing,
        }
        analysis = analyze(config, **options)
        memory = analysis.memory
        each = memory.activations + memory.logits  # of a sequence; what sequences share is in it too
        room = (budget.memory - memory.total_training + each) // each
        if room < 1:
            continue
        batch = 1 << (min(room, _LARGEST_BATCH).bit_length() - 1)
        if batch > 1:
            analysis = analyze(config, batch=batch, **options)
        again = analysis.flops.recomputed if checkpointing == "full" else 0.0
        return _Plan(analysis, analysis.flops.per_token_training + again)
    return None


def _smallest_need(budget: _Budget) -> int:
    config = next(_shapes(budget))
    least = analyze(config, precision=budget.precision, optimizer=budget.optimizer, checkpointing="full")
    return least.memory.total_training


def _training(budget: _Budget, plan: _Plan, tokens_each: int | None, why: str) -> Recommendation:
    """Describe a plan; without ``tokens_each`` it is given as many tokens as the compute allows."""
    analysis, settings = plan.analysis, plan.analysis.settings
    if tokens_each is None:
        assert budget.flops is not None
        tokens = int(budget.flops / plan.flops_per_token)
    else:
        tokens = tokens_each * plan.active
    config = analysis.config
    tokens = max(1, tokens)
    final = analyze(
        config,
        batch=settings.batch,
        precision=settings.precision,
        optimizer=settings.optimizer,
        checkpointing=settings.checkpointing,
        tokens=tokens,
    )
    each = tokens / plan.active
    hardware = final.budget.hardware_flops
    vocabulary = "" if budget.vocab_size else f"; a vocabulary of {config.vocab_size:,} goes with that width"
    reasons = [
        why,
        f"{config.layers} layers of width {config.width:,}, {plan.analysis.parameters.total:,} parameters"
        f"{vocabulary}.",
        f"Training takes {_size(final.memory.total_training)} of {_size(budget.memory)} with sequences of "
        f"{settings.context:,} tokens, {settings.batch} at a time"
        + ("." if settings.checkpointing == "none" else f", and {settings.checkpointing} checkpointing."),
        f"{tokens:,} tokens are {each:.1f} for each parameter.",
    ]
    warnings = []
    if each < 0.75 * TOKENS_PER_PARAMETER:
        warnings.append(
            f"{each:.1f} tokens for each parameter are few: it will not show what its size could do."
        )
    if settings.checkpointing == "full":
        warnings.append("Full checkpointing makes the training a third slower.")
    if settings.batch < 8 and settings.context * settings.batch < 8192:
        warnings.append(
            f"{settings.batch * settings.context:,} tokens at a time make noisy steps: accumulate gradients."
        )
    if budget.optimizer == "sgd":
        warnings.append("Plain SGD hardly trains transformers.")
    if plan.active < FITTED_FROM:
        warnings.append("The scaling laws were fitted to larger models; the predicted loss is a rough guide.")
    return Recommendation(
        name=None,
        config=config,
        parameters=final.parameters.total,
        tokens=tokens,
        batch=settings.batch,
        precision=settings.precision,
        checkpointing=settings.checkpointing,
        optimizer=settings.optimizer,
        memory_bytes=final.memory.total_training,
        training_flops=hardware,
        seconds=hardware / budget.rate if budget.rate else None,
        predicted_loss=final.budget.predicted_loss,
        reasons=tuple(reasons),
        warnings=tuple(warnings),
    )


def _to_run(budget: _Budget) -> Recommendations:
    found: list[tuple[int, str, Parameters, int]] = []
    least: int | None = None
    for preset in PRESETS.values():
        config = preset.config
        if preset.source == "own" or config.architecture != "decoder":
            continue
        if budget.context is not None and config.context_length < budget.context:
            continue
        length = budget.context or min(config.context_length, _USUAL_CONTEXT)
        need = inference_bytes(config, length, precision=budget.precision)
        least = need if least is None else min(least, need)
        if need <= budget.memory:
            found.append((need, preset.name, count_parameters(config), length))
    if least is None:
        raise InputError(
            f"context: no published model here reads {budget.context:,} tokens.", field="context"
        )
    if not found:
        raise InputError(
            f"memory_bytes: the smallest published model takes {_size(least)} to run, but "
            f"{_size(budget.memory)} can be used.",
            hint="A tenth of the memory is left free. A shorter context or half precision helps.",
            field="memory_bytes",
        )
    found.sort(key=lambda item: -item[2].total)
    reasons = (
        f"{len(found)} published models fit in {budget.precision}; the largest three are listed. Weights and "
        "the cache of a full context are counted, a tenth of the memory is left free.",
        "Size is not quality: newer models of the same size were trained on more and better text.",
    )
    return Recommendations(tuple(_running(budget, *item) for item in found[:3]), reasons)


def _running(budget: _Budget, need: int, name: str, parameters: Parameters, length: int) -> Recommendation:
    config = PRESETS[name].config
    each, cache = BYTES[budget.precision], kv_cache_bytes(config, length, budget.precision)
    reasons = [
        f"Weights take {_size(each * parameters.total)}, the cache of {length:,} tokens {_size(cache)}: "
        f"{_size(need)} of {_size(budget.memory)}."
    ]
    warnings = []
    if budget.device is not None:
        # A token reads the weights that work on it and the cache once (Pope et al. 2022, arXiv:2211.05102).
        speed = budget.device.bandwidth / (each * parameters.active + cache)
        reasons.append(
            f"{budget.device.title} reads memory fast enough for at most {speed:,.1f} tokens a second at the "
            "end of that context."
        )
        if speed < 5:
            warnings.append("That is slower than people read.")
    if length < config.context_length:
        warnings.append(f"Its context is {config.context_length:,} tokens; the figures are for {length:,}.")
    return Recommendation(
        name=name,
        config=config,
        parameters=parameters.total,
        tokens=None,
        batch=1,
        precision=budget.precision,
        checkpointing="none",
        optimizer=budget.optimizer,
        memory_bytes=need,
        training_flops=None,
        seconds=None,
        predicted_loss=None,
        reasons=tuple(reasons),
        warnings=tuple(warnings),
    )


def _size(count: int) -> str:
    if count < 2**30:
        return f"{count / 2**20:,.1f} MiB"
    return f"{count / 2**30:,.2f} GiB"
