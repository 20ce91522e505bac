"""The configuration base: one frozen Pydantic model has four faces (YAML, command line, REST, form)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from llm_playground.core.errors import ConfigError, InputError

Config = TypeVar("Config", bound="StageConfig")


class StageConfig(BaseModel):
    """Base of all configurations: frozen, unknown keys are an error, defaults are checked too."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, use_attribute_docstrings=True
    )


def describe_problems(error: ValidationError) -> list[tuple[str, str]]:
    """List the problems of a validation error as (dotted field, plain sentence part)."""
    problems = []
    for item in error.errors():
        field = ".".join(str(part) for part in item["loc"])
        kind, context = item["type"], item.get("ctx", {})
        if kind == "extra_forbidden":
            message = "is not a known setting"
        elif kind == "missing":
            message = "is required"
        elif kind in ("value_error", "assertion_error"):
            message = str(context.get("error", item["msg"]))
        else:
            message = item["msg"][0].lower() + item["msg"][1:] + f" (got {item['input']!r:.80})"
        problems.append((field, message))
    return problems


def parse_config(config_class: type[Config], values: Mapping[str, Any], source: str = "") -> Config:
    """Validate plain values into a configuration.

    Args:
        config_class: the configuration model.
        values: plain data (from YAML, JSON or the command line).
        source: where the values come from, for the message.

    Raises:
        ConfigError: one message that lists all problems, each with its field.
    """
    try:
        return config_class.model_validate(values)
    except ValidationError as error:
        problems = describe_problems(error)
        listed = "; ".join(f"{field}: {text}" if field else text for field, text in problems)
        where = f" in {source}" if source else ""
        unknown = next((item["loc"] for item in error.errors() if item["type"] == "extra_forbidden"), None)
        known = ", ".join(_settings_at(config_class, unknown[:-1])) if unknown else ""
        raise ConfigError(
            f"The configuration{where} is wrong: {listed}.",
            hint=f"Known settings here: {known}." if known else None,
            field=problems[0][0] or None,
            problems=problems,
        ) from None


def _settings_at(config_class: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    """List the settings of the nested configuration at a path, none where there is no such."""
    for part in path:
        field = config_class.model_fields.get(str(part))
        inner = field.annotation if field is not None else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return []
        config_class = inner
    return list(config_class.model_fields)


def load_yaml(path: str | Path) -> dict[str, Any]:
    """Read a YAML mapping from a file.

    Raises:
        InputError: the file is missing, not UTF-8, not YAML, or not a mapping.
    """
    path = Path(path)
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"The file {path} does not exist.") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder; a YAML file is needed.") from None
    except UnicodeDecodeError as error:
        raise InputError(f"The file {path} is not UTF-8 text (byte {error.start}).") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # a date that is none is a ValueError
        mark = getattr(error, "problem_mark", None)
        place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise InputError(f"The file {path} is not valid YAML{place}.") from None
    if not isinstance(data, dict):
        raise InputError(f"The file {path} must hold a mapping of settings (key: value).")
    return data


def to_yaml(config: BaseModel | Mapping[str, Any]) -> str:
    """Write a configuration as YAML that :func:`load_yaml` and :func:`parse_config` read back equal."""
    data = config.model_dump(mode="json") if isinstance(config, BaseModel) else dict(config)
    text = yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=100)
    if any(mark in text for mark in "\x85\u2028\u2029"):  # YAML takes them for line ends: escape them
        text = yaml.safe_dump(data, sort_keys=False, allow_unicode=False, width=100)
    return text
