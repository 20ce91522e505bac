"""A look at a run before it is started: what is wrong, its learning rates, its model, its command line."""

from __future__ import annotations

import json
import shlex
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import yaml
from pydantic import BaseModel, ValidationError

from llm_playground.core.config import StageConfig, describe_problems, parse_config, to_yaml
from llm_playground.core.errors import ConfigError, LLMPError
from llm_playground.core.workspace import Workspace
from llm_playground.runs.stages import STAGES, Stage, get_stage
from llm_playground.training.config import TrainingConfig

SCHEDULE_POINTS = 200


@dataclass
class Preview:
    """What a run would be.

    Attributes:
        problems: (dotted setting, what is wrong with it); a recipe's begin with the name of the step.
        schedule: (step, learning rate) of the training, some 200 of them; empty where nothing trains or its
            settings are wrong.
        yaml: the settings that differ from the defaults, as a file.
        command: the command line that starts the same run.
        model: the whole shape of the model that would be trained from nothing, once it is known.
        tokens: tokens that the training reads, padding included; None where that is not known yet.
        epochs: how often that is all of the data.
    """

    problems: list[tuple[str, str]] = field(default_factory=list)
    schedule: list[tuple[int, float]] = field(default_factory=list)
    yaml: str = ""
    command: str = ""
    model: dict[str, Any] | None = None
    tokens: int | None = None
    epochs: float | None = None


@dataclass(frozen=True)
class _Step:
    """A stage with its settings: a recipe's step, or the one stage of a plain run."""

    prefix: str
    stage: Stage
    values: Mapping[str, Any]
    config: StageConfig | None


def preview(workspace: Workspace, stage: str, config: Mapping[str, Any], seed: int = 0) -> Preview:
    """Check a run and describe it; nothing is started and nothing is written.

    Raises:
        NotFoundError: there is no such stage.
    """
    found = Preview()
    if stage == "recipe":
        steps = list(_recipe_steps(config, found))
        told = found.problems
        found.problems = []
        whole = _check(get_stage(stage), "", config, found)
        # A recipe repeats what is wrong with its steps in one long sentence.
        found.problems = told or found.problems
    else:
        whole = _check(get_stage(stage), "", config, found)
        steps = [whole]
    for step in steps:
        _describe_training(workspace, step, steps, found)
    shown = _changed(whole.config) if whole.config is not None else dict(config)
    if stage == "recipe":
        found.yaml = to_yaml(_plain_recipe(shown))
        found.command = f"llmp run {shlex.quote(str(config.get('name') or 'recipe'))}.yaml"
    else:
        found.yaml = to_yaml(shown)
        options = _options(shown, whole.stage.config_class)
        found.command = " ".join(["llmp", *stage.split("."), *options])
    if seed:
        found.command += f" --seed {seed}"
    return found


def _check(stage: Stage, prefix: str, values: Mapping[str, Any], found: Preview) -> _Step:
    """Validate one stage's settings, adding what is wrong with them."""
    try:
        return _Step(prefix, stage, values, stage.config_class.model_validate(values))
    except ValidationError as error:
        found.problems += [(prefix + name, said) for name, said in describe_problems(error)]
        return _Step(prefix, stage, values, None)


def _recipe_steps(config: Mapping[str, Any], found: Preview) -> Iterator[_Step]:
    steps = config.get("steps")
    for item in steps if isinstance(steps, list) else []:
        if isinstance(item, Mapping) and item.get("stage") in STAGES and item["stage"] != "recipe":
            values = item.get("config")
            values = values if isinstance(values, Mapping) else {}
            yield _check(get_stage(item["stage"]), f"{item.get('name')}.", values, found)


def _describe_training(workspace: Workspace, step: _Step, steps: list[_Step], found: Preview) -> None:
    """Add the schedule of a step that trains and, for pre-training, its model and how much it reads."""
    if "training" not in step.stage.config_class.model_fields:
        return
    try:
        training = TrainingConfig.model_validate(step.values.get("training") or {})
    except ValidationError:
        return
    from llm_playground.training.schedules import schedule_points

    found.schedule = schedule_points(training, SCHEDULE_POINTS)
    if step.stage.name == "pretrain" and step.config is not None:
        _describe_pretraining(workspace, step, steps, training, found)
    for name in ("model", "dataset"):
        reference = step.values.get(name)
        if step.stage.name == "sft" and isinstance(reference, str) and reference and "${" not in reference:
            try:
                workspace.get(reference, "model" if name == "model" else "dataset")
            except LLMPError as error:
                found.problems.append((f"{step.prefix}{name}", error.message))


def _describe_pretraining(
    workspace: Workspace, step: _Step, steps: list[_Step], training: TrainingConfig, found: Preview
) -> None:
    from llm_playground.data.loader import TokenLoader
    from llm_playground.training.pretrain import PretrainConfig, resolve_model

    config = cast(PretrainConfig, step.config)
    shards = None
    if "${" in config.tokens:
        vocabulary = _planned_vocabulary(workspace, config.tokens, steps)
    else:
        try:
            shards = workspace.get(config.tokens, "tokens")
        except LLMPError as error:
            found.problems.append((f"{step.prefix}tokens", error.message))
            return
        vocabulary = shards.summary.get("vocab_size")
    if vocabulary is None:
        return
    try:
        shape = resolve_model(config, cast(Any, _Vocabulary(vocabulary)))
    except ConfigError as error:
        told = [(f"model.{name}".rstrip("."), said) for name, said in error.problems]
        told = told or [(error.field or "model", error.message)]
        found.problems += [(step.prefix + name, said) for name, said in told]
        return
    except LLMPError as error:  # there is no such preset
        found.problems.append((f"{step.prefix}preset", error.message))
        return
    found.model = shape.model_dump(mode="json")
    found.tokens = training.steps * training.batch_size * shape.context_length
    if shards is None:
        return
    for split in ("train", "val"):
        try:
            TokenLoader(shards.path, split, shape.context_length, shuffle=split == "train")
        except LLMPError as error:
            found.problems.append((f"{step.prefix}model.{error.field or 'context_length'}", error.message))
    trained = shards.summary.get("train_tokens")
    found.epochs = found.tokens / trained if trained else None


@dataclass(frozen=True)
class _Vocabulary:
    """What a model's shape needs to know of a tokenizer that may not be trained yet."""

    vocab_size: int
    bos_id: int | None = None
    eos_id: int | None = None
    pad_id: int | None = None


def _planned_vocabulary(workspace: Workspace, reference: str, steps: list[_Step]) -> int | None:
    """Follow ``${tokens.output}`` to the tokenizer that the shards will be made with."""
    by_name = {step.prefix.rstrip("."): step for step in steps}
    tokens = by_name.get(reference.strip("${}").removesuffix(".output"))
    tokenizer = tokens.values.get("tokenizer") if tokens is not None else None
    if not isinstance(tokenizer, str):
        return None
    planned = by_name.get(tokenizer.strip("${}").removesuffix(".output")) if "${" in tokenizer else None
    if planned is not None:
        return getattr(planned.config, "vocab_size", None)
    try:
        size = workspace.get(tokenizer, "tokenizer").summary.get("vocab_size")
    except LLMPError:
        return None
    return int(size) if size else None


def _changed(config: BaseModel) -> dict[str, Any]:
    """Return the settings that are required or differ from their defaults, nested ones likewise."""
    kept: dict[str, Any] = {}
    for name, about in type(config).model_fields.items():
        value = getattr(config, name)
        if about.is_required():
            kept[name] = value
        elif value != about.get_default(call_default_factory=True, validated_data={}):
            kept[name] = _changed(value) if isinstance(value, BaseModel) else value
    plain: dict[str, Any] = json.loads(json.dumps(kept, default=lambda item: item.model_dump(mode="json")))
    return plain


def _plain_recipe(shown: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe as a person writes it: no empty titles, each step's settings without the defaults."""
    steps = []
    for step in shown["steps"] if isinstance(shown.get("steps"), list) else []:
        if not isinstance(step, Mapping):
            return dict(shown)
        entry = {name: value for name, value in step.items() if value not in (None, {})}
        config = entry.get("config")
        if config is not None and entry.get("stage") in STAGES:
            try:
                parsed = parse_config(get_stage(entry["stage"]).config_class, config)
                entry["config"] = _changed(parsed)
                if not entry["config"]:
                    del entry["config"]
            except ConfigError:
                pass  # shown as it was given; what is wrong with it is told beside it
        steps.append(entry)
    return {**shown, "steps": steps}


def _options(
    settings: Mapping[str, Any], config_class: type[BaseModel] | None, prefix: str = ""
) -> Iterator[str]:
    """Yield the options of a command line that say these settings.

    Args:
        config_class: whose settings they are; None: free ones, whose values the command line reads as YAML.
    """
    fields = config_class.model_fields if config_class is not None else {}
    for name, value in settings.items():
        option = f"--{prefix}{name}"
        annotation = fields[name].annotation if name in fields else None
        if isinstance(value, Mapping) and value:
            inner = annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None
            yield from _options(value, inner, f"{prefix}{name}.")
        elif typing.get_origin(annotation) is tuple:
            yield " ".join([option, *(shlex.quote(str(item)) for item in value)])
        else:
            is_text = annotation is str or str in typing.get_args(annotation)
            word = value if is_text and isinstance(value, str) else _word(value)
            yield (
                f"{option}={shlex.quote(word)}" if word.startswith("--") else f"{option} {shlex.quote(word)}"
            )


def _word(value: Any) -> str:
    """Return a value so that YAML reads it back."""
    if isinstance(value, str) and yaml.safe_load(value or "''") == value:
        return value
    return json.dumps(value, ensure_ascii=False)
