"""Commands that run recipes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated

import tyro

from llm_playground.cli.options import call, read_values
from llm_playground.core.config import parse_config, to_yaml
from llm_playground.core.errors import ConfigError
from llm_playground.core.workspace import Workspace
from llm_playground.runs import Supervisor, list_recipes, load_recipe
from llm_playground.runs.recipe import RecipeConfig
from llm_playground.runs.stages import get_stage

_CHANGES = """
also: --STEP.SETTING VALUE changes a setting of one of the recipe's steps, as --data.path story.txt"""


def _take_changes(arguments: list[str]) -> dict[str, list[str]]:
    """Remove the options that name a step, and return them by step, the step's name cut off."""
    kept: list[str] = []
    changes: dict[str, list[str]] = {}
    into = kept
    for word in arguments:
        if word.startswith("--"):
            step, dot, setting = word[2:].partition("=")[0].partition(".")
            into = changes.setdefault(step, []) if dot else kept
            word = f"--{setting}{word[word.find('=') :] if '=' in word else ''}" if dot else word
        into.append(word)
    arguments[:] = kept
    return changes


def _changed(recipe: RecipeConfig, changes: Mapping[str, Sequence[str]]) -> RecipeConfig:
    """Return the recipe with other settings.

    Raises:
        ConfigError: a step that the recipe lacks, or a setting that its stage does not have or allow.
    """
    values = recipe.model_dump(mode="json")
    steps = {step["name"]: step for step in values["steps"]}
    for name, words in changes.items():
        if name not in steps:
            raise ConfigError(
                f"--{name}.{words[0][2:]}: the recipe {recipe.name!r} has no step {name!r}.",
                hint=f"Its steps are {', '.join(steps)}.",
                field=name,
            )
        read_values(get_stage(steps[name]["stage"]).config_class, words, steps[name]["config"])
    return parse_config(RecipeConfig, values, recipe.name)


def _start(
    recipe: str, seed: int, detach: bool, print_config: bool, changes: Mapping[str, Sequence[str]]
) -> int:
    found = _changed(load_recipe(recipe), changes)
    if print_config:
        print(to_yaml(found), end="")
        return 0
    supervisor = Supervisor(Workspace())
    record = supervisor.start("recipe", found.model_dump(mode="json"), name=found.title, seed=seed)
    if detach:
        print(record.id)
        return 0
    from llm_playground.cli.follow import follow

    return follow(supervisor, record.id)


def run(name: str, arguments: list[str]) -> int:
    """Run a recipe."""
    rest = list(arguments)
    changes = _take_changes(rest)

    def command(
        recipe: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RECIPE")],
        /,
        seed: int = 0,
        detach: bool = False,
        print_config: bool = False,
    ) -> int:
        """Run a recipe: a chain of stages, each a run of its own.

        Args:
            recipe: name of a recipe, or path of a YAML file.
            seed: seed of everything random.
            detach: do not wait for the end.
            print_config: print the recipe and do nothing.
        """
        return _start(recipe, seed, detach, print_config, changes)

    return _called(command, name, rest)


def _called(command: Callable[..., int], name: str, arguments: list[str]) -> int:
    """Run the command; its help tells of the changes too."""
    try:
        return call(command, name, arguments)
    except SystemExit as exit:
        if exit.code in (0, None):
            print(_CHANGES)
        raise


def quickstart(name: str, arguments: list[str]) -> int:
    """Run the recipe ``quickstart``."""
    rest = list(arguments)
    changes = _take_changes(rest)

    def command(seed: int = 0, detach: bool = False, print_config: bool = False) -> int:
        """Train your first model: text, tokenizer, pre-training, fine-tuning, a score, and a chat.

        Args:
            seed: seed of everything random.
            detach: do not wait for the end.
            print_config: print the recipe and do nothing.
        """
        return _start("quickstart", seed, detach, print_config, changes)

    return _called(command, name, rest)


def list_all(name: str, arguments: list[str]) -> int:
    """List the recipes."""

    def command() -> int:
        """List the recipes that come with the program."""
        for recipe in list_recipes():
            minutes = f" (about {recipe.minutes:g} min)" if recipe.minutes else ""
            print(f"{recipe.name:<24} {recipe.title}{minutes}")
        return 0

    return call(command, name, arguments)
