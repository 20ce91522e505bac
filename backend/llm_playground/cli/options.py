"""Command lines from functions and configurations, by tyro."""

from __future__ import annotations

import functools
import io
import itertools
import typing
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
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
    """Call a function with the arguments of a command line; its docstring is the help.

    Raises:
        ConfigError: an argument is missing, unknown or of the wrong kind.
    """

    @functools.wraps(function)
    def later(*given: Any, **options: Any) -> Callable[[], Result]:
        return lambda: function(*given, **options)

    read = functools.partial(tyro.cli, later, args=list(arguments), prog=f"llmp {name}", config=_STYLE)
    if "--help" in arguments or "-h" in arguments:
        return read()()
    said = io.StringIO()
    try:
        with redirect_stdout(said), redirect_stderr(said):
            action = read()
    except SystemExit:
        raise ConfigError(_sentence(said.getvalue()), hint=f"See llmp {name} --help.") from None
    return action()


def _sentence(box: str) -> str:
    """Return what tyro says below a box's title and above its further help, as one sentence."""
    lines = [line.strip("│| ") for line in box.splitlines()[1:]]
    inside = itertools.dropwhile(_is_rule, lines)
    return " ".join(itertools.takewhile(lambda line: not _is_rule(line), inside)).rstrip(".") + "."


def _is_rule(line: str) -> bool:
    return not line.strip("─-")


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
    read_values(config_class, arguments, values)
    return parse_config(config_class, values, file or "")


def read_values(config_class: type[BaseModel], arguments: Sequence[str], values: dict[str, Any]) -> None:
    """Put the options of a command line into nested plain values, unchecked but for their form.

    Raises:
        ConfigError: a word is no option, or has no value or too many.
    """
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


def _put(values: dict[str, Any], config_class: type[BaseModel], option: str, given: list[str]) -> None:
    """Set the dotted ``option`` in nested plain values."""
    *path, last = option.split(".")
    annotation: Any = config_class
    fields: dict[str, Any] = {}
    for part in (*path, last):
        fields = getattr(annotation, "model_fields", {})
        # Below a mapping, or below a name that is unknown (reported by the check), any name may follow.
        annotation = fields[part].annotation if part in fields else None
    positive = last.removeprefix("no_")
    if annotation is None and not given and positive in fields and fields[positive].annotation is bool:
        last, given = positive, ["false"]
    place = values
    for part in path:
        inner = place.setdefault(part, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"--{option}: {part} is not a group of settings.", field=option)
        place = inner
    if annotation is not None and typing.get_origin(annotation) is tuple:
        place[last] = given
    elif len(given) > 1 or (not given and annotation not in (bool, None)):
        count = f"{len(given)} were given" if given else "none was given"
        raise ConfigError(f"--{option}: one value is needed, {count}.", field=option)
    elif not given:
        place[last] = True
    elif annotation is str or (str in typing.get_args(annotation) and given[0] not in ("", "null")):
        place[last] = given[0]
    else:
        try:
            place[last] = yaml.safe_load(given[0])
        except yaml.YAMLError:
            raise ConfigError(f"--{option}: {given[0]!r} is not a value.", field=option) from None
