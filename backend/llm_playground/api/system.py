"""Health, stages and recipes."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from llm_playground import __version__
from llm_playground.api.errors import responses
from llm_playground.api.state import State
from llm_playground.runs import list_recipes, stage_names
from llm_playground.runs.recipe import RecipeConfig
from llm_playground.runs.recipe_files import named_recipe
from llm_playground.runs.stages import get_stage

router = APIRouter(prefix="/api/v1")


class Device(BaseModel):
    """The processor or accelerator."""

    name: str
    type: str = Field(description="cpu, cuda or mps.")
    cores: int


class Memory(BaseModel):
    """Memory in bytes."""

    rss_bytes: int = Field(description="What the server holds.")
    total_bytes: int
    available_bytes: int


class Health(BaseModel):
    """How the server is."""

    status: str = "ok"
    version: str
    device: Device
    memory: Memory
    workspace: str = Field(description="Folder of the workspace.")
    web_app: bool = Field(description="Whether the web app is built.")


class StageInfo(BaseModel):
    """A stage that `POST /runs` can start."""

    name: str
    title: str
    description: str


class StageDetail(StageInfo):
    """A stage with the JSON schema of its configuration."""

    config_schema: dict[str, Any]


class StageList(BaseModel):
    """All stages in the order of a model's life."""

    stages: list[StageInfo]


class RecipeStepInfo(BaseModel):
    """A step of a recipe."""

    name: str
    stage: str
    title: str


class RecipeInfo(BaseModel):
    """A recipe that comes with the program."""

    name: str
    title: str
    description: str
    minutes: float | None = Field(None, description="About how long it takes on two CPU cores.")
    steps: list[RecipeStepInfo]


class RecipeDetail(RecipeInfo):
    """A recipe with the configuration that `POST /runs` takes for the stage `recipe`."""

    config: dict[str, Any]


class RecipeList(BaseModel):
    """All recipes."""

    recipes: list[RecipeInfo]


@router.get("/health", operation_id="health", tags=["system"])
def health(state: State) -> Health:
    """Tell the version, the device, the memory and the workspace."""
    import psutil

    from llm_playground.core.devices import device_info

    info = device_info()
    return Health(
        version=__version__,
        device=Device(name=info["name"], type=info["type"], cores=info["cores"]),
        memory=Memory(
            rss_bytes=psutil.Process().memory_info().rss,
            total_bytes=info["memory_total_bytes"],
            available_bytes=info["memory_available_bytes"],
        ),
        workspace=str(state.workspace.root),
        web_app=state.settings.web is not None,
    )


@router.get("/stages", operation_id="list_stages", tags=["stages"])
def stages() -> StageList:
    """List the stages."""
    found = [get_stage(name) for name in stage_names()]
    return StageList(
        stages=[StageInfo(name=item.name, title=item.title, description=item.description) for item in found]
    )


@router.get("/stages/{name}", operation_id="get_stage", tags=["stages"], responses=responses(404))
def stage(name: str) -> StageDetail:
    """Return a stage with its configuration's JSON schema."""
    item = get_stage(name)
    return StageDetail(
        name=item.name, title=item.title, description=item.description, config_schema=item.schema()
    )


def _recipe_info(recipe: RecipeConfig) -> dict[str, Any]:
    return {
        "name": recipe.name,
        "title": recipe.title,
        "description": recipe.description,
        "minutes": recipe.minutes,
        "steps": [
            RecipeStepInfo(name=step.name, stage=step.stage, title=step.title or get_stage(step.stage).title)
            for step in recipe.steps
        ],
    }


@router.get("/recipes", operation_id="list_recipes", tags=["recipes"])
def recipes() -> RecipeList:
    """List the recipes, quickstart first."""
    return RecipeList(recipes=[RecipeInfo(**_recipe_info(recipe)) for recipe in list_recipes()])


@router.get("/recipes/{name}", operation_id="get_recipe", tags=["recipes"], responses=responses(404))
def recipe(name: str) -> RecipeDetail:
    """Return a recipe with the configuration to start it."""
    found = named_recipe(name)
    return RecipeDetail(**_recipe_info(found), config=found.model_dump(mode="json"))
