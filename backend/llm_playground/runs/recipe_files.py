"""Recipes that come with the program: YAML files a user can read, copy and run."""

from __future__ import annotations

import os
from pathlib import Path

from llm_playground.core.config import load_yaml, parse_config
from llm_playground.core.errors import NotFoundError
from llm_playground.runs.recipe import RecipeConfig

_PACKAGE = Path(__file__).resolve().parent.parent


def recipe_folder() -> Path:
    """Return the folder of recipes: ``LLMP_RECIPES_DIR``, else the package's own, else the repository's."""
    chosen = os.environ.get("LLMP_RECIPES_DIR")
    if chosen:
        return Path(chosen)
    inside = _PACKAGE / "recipes"
    return inside if inside.is_dir() else _PACKAGE.parent.parent / "recipes"


def list_recipes() -> list[RecipeConfig]:
    """Return all recipes, quickstart first, then by name.

    Raises:
        ConfigError: one of them is wrong.
    """
    recipes = [read_recipe(path) for path in sorted(recipe_folder().glob("*.yaml"))]
    return sorted(recipes, key=lambda recipe: (recipe.name != "quickstart", recipe.name))


def load_recipe(name: str) -> RecipeConfig:
    """Return a recipe by name, or by the path of its YAML file.

    Raises:
        NotFoundError: there is no such recipe.
        InputError, ConfigError: the file is not a valid recipe.
    """
    if name.endswith((".yaml", ".yml")) or "/" in name:
        return read_recipe(Path(name).expanduser())
    return named_recipe(name)


def named_recipe(name: str) -> RecipeConfig:
    """Return one of the recipes that come with the program; never reads another place.

    Raises:
        NotFoundError: there is no such recipe.
    """
    for path in recipe_folder().glob("*.yaml"):
        if path.stem == name:
            return read_recipe(path)
    known = ", ".join(sorted(path.stem for path in recipe_folder().glob("*.yaml")))
    raise NotFoundError(f"There is no recipe {name!r}.", hint=f"The recipes are: {known}.")


def read_recipe(path: Path) -> RecipeConfig:
    """Read a recipe's YAML file; its name is the file's where it gives none."""
    values = load_yaml(path)
    values.setdefault("name", path.stem)
    return parse_config(RecipeConfig, values, str(path))
