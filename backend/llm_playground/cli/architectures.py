"""Commands ``llmp model show`` and ``llmp model compare``: the arithmetic of architectures."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from llm_playground.cli.options import call
from llm_playground.cli.tables import print_table
from llm_playground.core.config import load_yaml, parse_config
from llm_playground.core.errors import InputError, NotFoundError
from llm_playground.core.files import read_json
from llm_playground.core.workspace import Workspace

if TYPE_CHECKING:
    from llm_playground.transformer import Analysis, ModelConfig
    from llm_playground.transformer.analysis import Comparison

AsJson = Annotated[bool, tyro.conf.arg(name="json")]
Context = Annotated[int | None, tyro.conf.arg(metavar="TOKENS")]
Tokens = Annotated[str | None, tyro.conf.arg(metavar="N")]
Device = Annotated[str | None, tyro.conf.arg(metavar="NAME")]
_UNITS = {"k": 10**3, "m": 10**6, "b": 10**9, "t": 10**12}
_FILES = (".yaml", ".yml", ".json")
_TRAINING = (
    ("weights", "weights"),
    ("gradients", "gradients"),
    ("optimizer", "optimizer and master weights"),
    ("activations", "activations"),
    ("logits", "logits and loss"),
    ("gathered", "gathered from other devices"),
    ("total_training", "training in all"),
)
_RUNNING = (
    ("kv_cache_per_token", "cache of a token"),
    ("kv_cache_at_context", "cache of the context"),
    ("inference", "running in all"),
)


def show(name: str, arguments: list[str]) -> int:
    """Show an architecture."""

    def command(
        model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")],
        /,
        context: Context = None,
        batch: int = 1,
        precision: str = "float32",
        optimizer: str = "adamw",
        checkpointing: str = "none",
        shards: int = 1,
        tokens: Tokens = None,
        device: Device = None,
        utilization: float = 0.4,
        formulas: bool = False,
        as_json: AsJson = False,
    ) -> int:
        """Count an architecture's parameters, operations and memory, and what a training takes.

        Nothing is loaded or allocated, so that the largest models can be looked at anywhere.

        Args:
            model: a preset, an id of a model, a model's folder, a config.json, or a YAML file of settings.
            context: tokens of a sequence; default the model's context.
            batch: sequences of a training step on one device, or served together.
            precision: float32, bf16 or fp16.
            optimizer: adamw, adamw-8bit, adafactor, lion, momentum, muon or sgd.
            checkpointing: activations that are computed twice: none, selective or full.
            shards: devices among which weights, gradients and optimizer are divided.
            tokens: tokens to train on, such as 500M or 2B; default twenty for each parameter.
            device: device of the table, or this, for time, cost and energy.
            utilization: share of the device's peak rate that is reached.
            formulas: also print how each figure is worked out, and who says so.
            as_json: print JSON.
        """
        from llm_playground.transformer.analysis import analyze

        title, config = find_architecture(model)
        found = analyze(
            config,
            context=context,
            batch=batch,
            precision=precision,
            optimizer=optimizer,
            checkpointing=checkpointing,
            shards=shards,
            tokens=None if tokens is None else read_count(tokens, "tokens"),
            device=device,
            utilization=utilization,
            workspace=Workspace(),
        )
        if as_json:
            print(json.dumps({"name": title, **found.to_dict()}, ensure_ascii=False))
        else:
            _print_analysis(title, found)
            if formulas:
                print_table(
                    ("figure", "how", "source"),
                    [(item.name, item.formula, item.source) for item in found.formulas],
                    left=(0, 1, 2),
                )
        return 0

    return call(command, name, arguments)


def compare(name: str, arguments: list[str]) -> int:
    """Compare architectures."""

    def command(
        models: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")],
        /,
        context: Context = None,
        batch: int = 1,
        precision: str = "float32",
        optimizer: str = "adamw",
        checkpointing: str = "none",
        device: Device = None,
        all: bool = False,
        as_json: AsJson = False,
    ) -> int:
        """Put 2 to 6 architectures side by side: settings, parameters, operations, memory.

        Args:
            models: presets, ids of models, models' folders, config.json or YAML files.
            context: tokens of a sequence; default each model's own.
            batch: sequences of a training step on one device, or served together.
            precision: float32, bf16 or fp16.
            optimizer: adamw, adamw-8bit, adafactor, lion, momentum, muon or sgd.
            checkpointing: activations that are computed twice: none, selective or full.
            device: device of the table, or this, for time and cost.
            all: also the settings that are equal.
            as_json: print JSON.
        """
        from llm_playground.transformer.analysis import compare_architectures

        found = compare_architectures(
            [find_architecture(model) for model in models],
            context=context,
            batch=batch,
            precision=precision,
            optimizer=optimizer,
            checkpointing=checkpointing,
            device=device,
            workspace=Workspace(),
        )
        if as_json:
            print(json.dumps(found.to_dict(), ensure_ascii=False))
        else:
            _print_comparison(found, everything=all)
        return 0

    return call(command, name, arguments)


def find_architecture(name: str) -> tuple[str, ModelConfig]:
    """Return (title, shape) of a preset, a model of the workspace, a model's folder or a file of settings.

    Raises:
        NotFoundError: it is none of these.
        InputError, ConfigError, StorageError: the file is wrong.
    """
    from llm_playground.transformer.presets import ALIASES, PRESETS, find_preset

    if name.startswith("preset:"):
        preset = find_preset(name.removeprefix("preset:"))
        return preset.name, preset.config
    if name.startswith("hub:"):
        raise InputError(
            f"{name} is on the Hub.", hint=f"Bring it here first: llmp model import {name}.", field="model"
        )
    path = Path(name).expanduser()
    if os.sep in name or name in (".", "..") or path.suffix in _FILES:
        return _from_path(path)
    if name.lower() in PRESETS or name.lower() in ALIASES:
        preset = find_preset(name)
        return preset.name, preset.config
    if path.is_dir():
        return _from_path(path)
    try:
        artifact = Workspace().get(name, "model")
    except (NotFoundError, InputError):
        raise NotFoundError(
            f"There is no preset, model or folder {name!r}.",
            hint=f"`llmp models list` shows the models; presets: {', '.join(PRESETS)}.",
        ) from None
    return artifact.name, _from_path(artifact.path)[1]


def _from_path(path: Path) -> tuple[str, ModelConfig]:
    from llm_playground.transformer import ModelConfig
    from llm_playground.transformer.presets import find_preset

    if path.is_dir():
        file = path / "config.json"
        if not file.is_file():
            raise InputError(f"The folder {path} has no config.json.", hint="A model's folder has one.")
        title = path.resolve().name
    else:
        file, title = path, path.stem
    if not file.is_file():
        raise InputError(f"The file {file} does not exist.")
    if file.suffix == ".json":
        values = read_json(file)
        if not isinstance(values, dict):
            raise InputError(f"The file {file} must hold a mapping of settings.")
        if "model_type" in values:
            return title, ModelConfig.from_hf(values)
    else:
        values = load_yaml(file)
    base = dict(find_preset(str(values.pop("preset"))).values) if "preset" in values else {}
    return title, parse_config(ModelConfig, base | values, str(file))


def read_count(text: str, field: str) -> int:
    """Read a number such as ``1000``, ``2e9``, ``500M`` or ``1.5B``.

    Raises:
        InputError: it is none, or not a whole number from 1.
    """
    cleaned = text.strip().replace(",", "").replace("_", "").lower()
    unit = _UNITS.get(cleaned[-1:], 1)
    try:
        value = float(cleaned[:-1] if unit > 1 else cleaned) * unit
        count = int(value)
    except (ValueError, OverflowError):
        raise InputError(
            f"--{field}: {text!r} is not a number.", hint="Such as 1000, 500M or 2B.", field=field
        ) from None
    if count < 1 or count != value:
        raise InputError(f"--{field}: {text} is not a whole number from 1.", field=field)
    return count


def _print_analysis(title: str, found: Analysis) -> None:
    config, settings = found.config, found.settings
    parameters, flops = found.parameters, found.flops
    print(f"{title} ({config.architecture}, family {config.family})")
    print(
        f"{_depth(config)} of width {config.width:,}, {config.heads} heads of {config.head_size}"
        + (f" ({config.key_value_heads} key/value)" if config.key_value_heads != config.heads else "")
        + f", feed-forward {config.hidden_width:,}, context {config.context_length:,}, "
        f"vocabulary {config.vocab_size:,}"
    )
    active = f", {parameters.active:,} work on a token" if parameters.active != parameters.total else ""
    print(f"{parameters.total:,} parameters{active}, {parameters.without_embeddings:,} without embeddings\n")
    names = [
        *parameters.by_component,
        *(name for name in flops.by_component if name not in parameters.by_component),
    ]
    rows: list[tuple[str, ...]] = []
    for name in names:
        count, operations = parameters.by_component.get(name), flops.by_component.get(name)
        rows.append(
            (
                name,
                "" if count is None else f"{count:,}",
                "" if count is None else f"{count / parameters.total:.1%}",
                "" if operations is None else _amount(operations),
                "" if operations is None else f"{operations / flops.per_token_forward:.1%}",
            )
        )
    rows.append(("in all", f"{parameters.total:,}", "", _amount(flops.per_token_forward), ""))
    heads = ("component", "parameters", "share", "FLOPs / token forward", "share")
    print_table(heads, rows, left=(0,))
    print(
        f"training takes {_amount(flops.per_token_training)} FLOPs a token at {settings.context:,} tokens\n"
    )
    sequences = f"{settings.batch:,} x {settings.context:,} tokens"
    how = f"{settings.precision}, {settings.optimizer}, checkpointing {settings.checkpointing}"
    divided = f", {settings.shards} devices" if settings.shards > 1 else ""
    memory = found.memory
    print_table(
        (f"memory, {sequences}, {how}{divided}", "bytes", ""),
        [
            (words, f"{getattr(memory, part):,}", _size(getattr(memory, part)))
            for part, words in (*_TRAINING, *_RUNNING)
            if getattr(memory, part)
        ],
        left=(0,),
    )
    _print_budget(found)
    for note in found.notes:
        print(note)


def _depth(config: ModelConfig) -> str:
    if config.architecture == "encoder-decoder":
        return f"{config.encoder_depth} + {config.layers} layers"
    return f"{config.layers} layers"


def _print_budget(found: Analysis) -> None:
    budget = found.budget
    rows = [
        ("tokens", f"{budget.tokens:,}", f"{budget.tokens_per_parameter:.1f} for each parameter"),
        ("Chinchilla's", f"{budget.chinchilla_tokens:,}", "20 for each parameter"),
        ("operations", _amount(budget.training_flops), ""),
        (
            "predicted loss",
            f"{budget.predicted_loss:.3f}",
            f"Hoffmann et al. 2022; Besiroglu et al. 2024: {budget.predicted_loss_replication:.3f}",
        ),
    ]
    if budget.seconds is not None and budget.rate is not None:
        where = f"{budget.devices} x {budget.device}, {_amount(budget.rate)} FLOP/s reached"
        rows.append(("time", duration(budget.seconds), where))
    if budget.cost is not None:
        rows.append(("cost", f"{budget.cost:,.2f} {budget.currency}", ""))
    if budget.energy_kwh is not None:
        rows.append(("energy", f"{budget.energy_kwh:,.2f} kWh", "at full load, without cooling"))
    print_table(("training", "", ""), rows, left=(0, 2))


def _print_comparison(found: Comparison, *, everything: bool) -> None:
    labels = [item.label for item in found.items]
    shown = [field for field in found.fields if everything or field.differs]
    print_table(
        ("setting", *labels, "group"),
        [(field.field, *map(_value, field.values), field.group) for field in shown],
        left=(0, len(labels) + 1),
    )
    rows = [
        (delta.component, *_beside(delta.parameters, "{:,}"))
        for delta in found.deltas
        if any(delta.parameters)
    ]
    rows.append(("in all", *_beside([item.analysis.parameters.total for item in found.items], "{:,}")))
    print_table(("parameters", *labels), rows, left=(0,))
    operations = [
        (delta.component, *_beside(delta.flops, None)) for delta in found.deltas if any(delta.flops)
    ]
    forward = [item.analysis.flops.per_token_forward for item in found.items]
    operations.append(("in all", *_beside(forward, None)))
    print_table(("FLOPs / token forward", *labels), operations, left=(0,))
    words = dict((*_TRAINING, *_RUNNING))
    print_table(
        ("memory", *labels),
        [(words[row.part], *map(_size, row.bytes)) for row in found.memory],
        left=(0,),
    )
    for note in found.notes:
        print(note)


def _beside(values: Iterable[float], form: str | None) -> list[str]:
    """Write numbers, each after the first with its ratio to it."""
    listed = list(values)
    written = [form.format(value) if form else _amount(value) for value in listed]
    first = listed[0]
    return [
        text if place == 0 or not first or not value else f"{text} (x {value / first:.2f})"
        for place, (text, value) in enumerate(zip(written, listed, strict=True))
    ]


def _value(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, dict):
        return ", ".join(f"{key} {item}" for key, item in value.items() if item is not None)
    if isinstance(value, list | tuple):
        return " ".join(map(str, value)) or "-"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _amount(value: float) -> str:
    """Write a number of operations with three digits and a unit."""
    for size, unit in (
        (1e24, "Y"),
        (1e21, "Z"),
        (1e18, "E"),
        (1e15, "P"),
        (1e12, "T"),
        (1e9, "G"),
        (1e6, "M"),
    ):
        if value >= size:
            return f"{value / size:.3g} {unit}" if value < 1000 * size else f"{value / size:,.0f} {unit}"
    return f"{value:,.0f}"


def _size(count: int) -> str:
    for size, unit in ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if count >= size:
            return f"{count / size:,.2f} {unit}"
    return f"{count} B"


def duration(seconds: float) -> str:
    """Write a time in the largest unit that fits: ``3.2 hours``."""
    units = ((365.25 * 86_400, "years"), (86_400, "days"), (3600, "hours"), (60, "minutes"))
    for size, unit in units:
        if seconds >= 1.5 * size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds:,.1f} seconds"
