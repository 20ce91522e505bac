"""Command lines from functions and configurations, by tyro."""

from __future__ import annotations

import typing
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import tyro
import yaml
from pydantic import BaseModel

from llm_playground.core.config import StageConfig, load_yaml, parse_config
from llm_playground.core.errors import ConfigError

Result = TypeVar("Result")
Config = TypeVar("Config", bound=StageConfig)
_STYLE: tuple[Any, ...] = (tyro.conf.FlagCreatePairsOff, tyro.conf.HelptextFromCommentsOff)


def call(function: Callable[..., Result], name: str, arguments: Sequence[str]) -> Result:
    """Call a function with the arguments of a command line; its docstring is the help."""
    return tyro.cli(function, args=list(arguments), prog=f"llmp {name}", config=_STYLE)


def take(arguments: list[str], option: str, *, flag: bool = False) -> str | None:
    """Remove an option from the arguments and return its value ("" for a flag, None if absent).

    Raises:
        ConfigError: the option lacks its value.
    """
    for place, argument in enumerate(arguments):
        if argument == option:
            del arguments[place]
            if flag:
                return ""
            if place >= len(arguments):
                raise ConfigError(f"{option} needs a value.", field=option)
            return arguments.pop(place)
        if not flag and argument.startswith(option + "="):
            del arguments[place]
            return argument.partition("=")[2]
    return None


def read_config(config_class: type[Config], name: str, arguments: Sequence[str], file: str | None) -> Config:
    """Read a stage's configuration from the command line, over a YAML file where one is given.

    ``--help`` is tyro's. Values are read as YAML and checked by the configuration itself, so that the command
    line, the file and the REST body give the same message for the same mistake, all problems at once.

    Raises:
        InputError, ConfigError: the file or an option is wrong.
    """
    if "--help" in arguments or "-h" in arguments:
        tyro.cli(config_class, args=["--help"], prog=f"llmp {name}", config=_STYLE)
    values = load_yaml(Path(file).expanduser()) if file is not None else {}
    words = list(arguments)
    while words:
        word = words.pop(0)
        if not word.startswith("--") or word == "--":
            raise ConfigError(f"{word!r} is not an option; options begin with --.")
        option, has_value, value = word[2:].partition("=")
        given = [value] if has_value else []
        while not has_value and words and not words[0].startswith("--"):
            given.append(words.pop(0))
        _put(values, config_class, option.replace("-", "_"), given)
    return parse_config(config_class, values, file or "")


def _put(values: dict[str, Any], config_class: type[BaseModel], option: str, given: list[str]) -> None:
    """Set the dotted ``option`` in nested plain values."""
    *path, last = option.split(".")
    annotation: Any = config_class
    for part in (*path, last):
        fields = getattr(annotation, "model_fields", None)
        # Below a mapping, or below a name that is unknown (reported by the check), any name may follow.
        annotation = fields[part].annotation if fields is not None and part in fields else None
    place = values
    for part in path:
        inner = place.setdefault(part, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"--{option}: {part} is not a group of settings.", field=option)
        place = inner
    if annotation is not None and typing.get_origin(annotation) is tuple:
        place[last] = given
    elif len(given) == 1:
        place[last] = given[0] if annotation is str else yaml.safe_load(given[0])
    elif not given:
        place[last] = True
    else:
        raise ConfigError(f"--{option}: one value is needed, {len(given)} were given.", field=option)
