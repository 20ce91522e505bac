"""Runs: every stage in a process of its own, seen and steered through files in its folder."""

from llm_playground.core.lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "RecipeConfig": "recipe",
        "RunRecord": "record",
        "Supervisor": "supervisor",
        "list_recipes": "recipe_files",
        "load_recipe": "recipe_files",
        "stage_names": "stages",
    },
)
