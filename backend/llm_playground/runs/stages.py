"""The stages by name; a module is imported only when its stage is used."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

from llm_playground.core.config import StageConfig
from llm_playground.core.errors import NotFoundError

if TYPE_CHECKING:
    from llm_playground.core.protocols import Context
    from llm_playground.core.workspace import Artifact

STAGES = {
    "data.prepare": "llm_playground.data.prepare",
    "tokenizer.train": "llm_playground.tokenization.stage",
    "data.tokenize": "llm_playground.data.shards",
    "lr-find": "llm_playground.training.lr_finder",
    "pretrain": "llm_playground.training.pretrain",
    "scaling": "llm_playground.training.scaling",
    "sft": "llm_playground.post_training.sft",
    "evaluate": "llm_playground.evaluation.heldout",
    "recipe": "llm_playground.runs.recipe",
}


@dataclass(frozen=True)
class Stage:
    """One stage: a configuration and a function ``run(config, context) -> Artifact``.

    Attributes:
        name: as in ``POST /runs`` and recipes.
        title: for people.
        description: what it does, one sentence.
        config_class: its frozen Pydantic model.
        module: where its ``run`` is.
    """

    name: str
    title: str
    description: str
    config_class: type[StageConfig]
    module: ModuleType

    def run(self, config: StageConfig, context: Context) -> Artifact | None:
        """Do the stage's work; returns what it made."""
        result: Artifact | None = self.module.run(config, context)
        return result

    def schema(self) -> dict[str, Any]:
        """Return the configuration's JSON schema."""
        return self.config_class.model_json_schema()


def stage_names() -> list[str]:
    """Return the names of all stages, in the order of a model's life."""
    return list(STAGES)


def get_stage(name: str) -> Stage:
    """Return a stage by name.

    Raises:
        NotFoundError: there is no such stage.
    """
    if name not in STAGES:
        raise NotFoundError(
            f"There is no stage {name!r}.", hint=f"The stages are: {', '.join(STAGES)}.", field="stage"
        )
    module = importlib.import_module(STAGES[name])
    config_class: type[StageConfig] = module.CONFIG
    description = (config_class.__doc__ or "").strip().splitlines()[0]
    return Stage(name, module.TITLE, description, config_class, module)
