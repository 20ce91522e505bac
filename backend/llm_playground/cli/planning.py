"""Command ``llmp plan``: what a training will take, before it is begun."""

from __future__ import annotations

import json
import typing
from typing import TYPE_CHECKING

from llm_playground.cli.architectures import duration
from llm_playground.cli.options import read_config, take
from llm_playground.cli.tables import print_table
from llm_playground.core.errors import ConfigError
from llm_playground.core.workspace import Workspace

if TYPE_CHECKING:
    from llm_playground.training.planner import Choice, Plan

_EXTRA = """
also: --stage NAME (pretrain or sft; default pretrain), --config FILE (a YAML file to start from),
      --device NAME (of the device table; default this machine),
      --devices N (side by side; default as many as there are processes),
      --utilization SHARE (of the peak rate, where nothing is measured; default 0.4),
      --no-measure (do not time parts of the model here), --json (print JSON)"""
_PARTS = (
    ("base", "the process itself"),
    ("weights", "weights"),
    ("gradients", "gradients"),
    ("optimizer", "optimizer"),
    ("average", "average of the weights"),
    ("activations", "activations kept"),
    ("recomputed", "one block recomputed"),
    ("logits", "logits and loss"),
    ("holes", "holes in the heap"),
)


def plan(name: str, arguments: list[str]) -> int:
    """Predict memory, time, energy and cost of a training; returns 1 where it would not fit."""
    from llm_playground.runs.planning import plan_config, plan_stage

    rest = list(arguments)
    stage = take(rest, "--stage") or "pretrain"
    file = take(rest, "--config")
    device = take(rest, "--device") or "this"
    count = take(rest, "--devices")
    devices = None if count is None else int(_number(count, "devices", whole=True))
    utilization = _number(take(rest, "--utilization") or "0.4", "utilization")
    measure = take(rest, "--no-measure", flag=True) is None
    as_json = take(rest, "--json", flag=True) is not None
    config_class = plan_config(stage)
    try:
        config = read_config(config_class, name, rest, file)
    except SystemExit as exit:
        if exit.code in (0, None):
            for field, about in config_class.model_fields.items():
                if typing.get_origin(about.annotation) is dict:
                    print(f"\n--{field}.SETTING VALUE: {about.description}")
            print(_EXTRA)
        raise
    found = plan_stage(
        Workspace(),
        stage,
        config.model_dump(mode="json"),
        device=device,
        devices=devices,
        utilization=utilization,
        measure=measure,
    )
    if as_json:
        print(json.dumps(found.to_dict(), ensure_ascii=False))
    else:
        _print(found)
    return 0 if found.fits else 1


def _number(text: str, option: str, *, whole: bool = False) -> float:
    try:
        return int(text) if whole else float(text)
    except ValueError:
        kind = "whole number" if whole else "number"
        raise ConfigError(f"--{option}: {text!r} is not a {kind}.", field=option) from None


def _print(found: Plan) -> None:
    from llm_playground.training.planner import size

    where = "this machine" if found.device == "this" else found.device
    many = f"{found.devices} x " if found.devices > 1 else ""
    print(f"{found.parameters:,} parameters, {found.tokens:,} tokens, on {many}{where}\n")
    choices = [("as configured", found.configured)]
    if found.suggested is not None:
        choices.append(("that would fit", found.suggested))
    print_table(
        ("memory", *(head for head, _ in choices)),
        [
            ("micro-batches", *(_division(choice) for _, choice in choices)),
            *(
                (words, *(size(getattr(choice.footprint, part)) for _, choice in choices))
                for part, words in _PARTS
                if any(getattr(choice.footprint, part) for _, choice in choices)
            ),
            ("peak", *(size(choice.footprint.peak) for _, choice in choices)),
            ("when", *(choice.footprint.worst for _, choice in choices)),
            ("there is", *(size(found.memory_bytes) for _ in choices)),
        ],
        left=(0,),
    )
    if found.time is not None:
        print_table(("time", "", ""), _times(found), left=(0, 2))
    for sentence in (*found.warnings, *found.notes):
        print(sentence[0].upper() + sentence[1:])


def _division(choice: Choice) -> str:
    how = f"{choice.accumulation} of {choice.micro_batch_size}"
    return how if choice.checkpointing == "none" else f"{how}, checkpointing {choice.checkpointing}"


def _times(found: Plan) -> list[tuple[str, str, str]]:
    taken = found.time
    assert taken is not None
    parts = {
        "blocks": taken.blocks,
        "head and loss": taken.outside,
        "recomputing": taken.recomputed,
        "optimizer": taken.update,
        "engine": taken.engine,
    }
    listed = ", ".join(f"{name} {value / taken.step:.0%}" for name, value in parts.items() if value > 0)
    rows = [("a step", _short(taken.step), listed)]
    if found.tokens_per_second is not None:
        rows.append(("tokens a second", f"{found.tokens_per_second:,.0f}", ""))
    rate = f"{taken.utilization:.0%} of {taken.peak_flops / 1e9:,.0f} GFLOP/s"
    rows.append(("rate reached", rate, taken.method))
    rows.append(("a validation", _short(taken.validation), ""))
    rows.append(("in all", duration(taken.total), "with validations"))
    if found.energy_kwh is not None:
        rows.append(("energy", f"{found.energy_kwh:,.2f} kWh", "at full load, without cooling"))
    if found.cost is not None:
        rows.append(("cost", f"{found.cost:,.2f} {found.currency}", ""))
    return rows


def _short(seconds: float) -> str:
    return f"{1e3 * seconds:,.1f} ms" if seconds < 1 else duration(seconds)
