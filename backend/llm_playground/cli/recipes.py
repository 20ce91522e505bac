"""Commands that run recipes."""

from __future__ import annotations

from typing import Annotated

import tyro

from llm_playground.cli.options import call
from llm_playground.core.config import to_yaml
from llm_playground.core.workspace import Workspace
from llm_playground.runs import Supervisor, list_recipes, load_recipe


def _start(recipe: str, seed: int, detach: bool, print_config: bool) -> int:
    found = load_recipe(recipe)
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
        return _start(recipe, seed, detach, print_config)

    return call(command, name, arguments)


def quickstart(name: str, arguments: list[str]) -> int:
    """Run the recipe ``quickstart``."""

    def command(seed: int = 0, detach: bool = False, print_config: bool = False) -> int:
        """Train your first model: text, tokenizer, pre-training, fine-tuning, a score, and a chat.

        Args:
            seed: seed of everything random.
            detach: do not wait for the end.
            print_config: print the recipe and do nothing.
        """
        return _start("quickstart", seed, detach, print_config)

    return call(command, name, arguments)


def list_all(name: str, arguments: list[str]) -> int:
    """List the recipes."""

    def command() -> int:
        """List the recipes that come with the program."""
        for recipe in list_recipes():
            minutes = f" (about {recipe.minutes:g} min)" if recipe.minutes else ""
            print(f"{recipe.name:<24} {recipe.title}{minutes}")
        return 0

    return call(command, name, arguments)
