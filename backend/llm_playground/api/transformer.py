"""Architectures: presets, the settings' schema, devices, analysis, comparison, recommendation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic_core import to_json

from llm_playground.api.errors import responses
from llm_playground.api.state import AppState, State
from llm_playground.api.transformer_models import (
    ArchitectureAnalysis,
    ArchitectureChoice,
    ArchitectureComparison,
    ArchitectureRequest,
    CompareArchitecturesRequest,
    DeviceList,
    LabModelList,
    Planned,
    PresetList,
    Recommendations,
    RecommendRequest,
)
from llm_playground.core.config import parse_config
from llm_playground.core.device_table import load_devices, this_device
from llm_playground.core.errors import ConfigError
from llm_playground.playground.lab import unprocessable
from llm_playground.transformer import ModelConfig

router = APIRouter(prefix="/api/v1/transformer", tags=["transformer"])


@router.get("/presets", operation_id="list_presets", response_model=PresetList)
def list_presets(state: State) -> Response:
    """List the named architectures; those small enough can be run here with random weights."""
    return answer(presets=state.lab.catalog.presets())


@router.get("/schema", operation_id="get_architecture_schema")
def get_schema() -> dict[str, Any]:
    """Return the JSON schema of an architecture's settings: groups, bounds, help."""
    return ModelConfig.model_json_schema()


@router.get("/devices", operation_id="list_devices", responses=responses(507))
def list_devices(state: State) -> DeviceList:
    """List devices to plan with, and this machine, whose rates are measured at the first call."""
    table = load_devices(state.workspace)
    return DeviceList(
        devices=list(table.devices),
        this=this_device(),
        as_of=None if table.as_of is None else table.as_of.isoformat(),
        currency=table.currency,
        note=table.note,
    )


@router.get("/models", operation_id="list_lab_models", response_model=LabModelList)
def list_models(state: State) -> Response:
    """List the models to look into: the workspace's, then presets with random weights."""
    return answer(models=[entry.to_dict() for entry in state.lab.catalog.entries()])


@router.post(
    "/analyze",
    operation_id="analyze_architecture",
    response_model=ArchitectureAnalysis,
    responses=responses(404, 413, 507),
)
def analyze(body: ArchitectureRequest, state: State) -> Response:
    """Count parameters, operations, memory, time and cost; nothing is run, so that any size will do."""
    from llm_playground.transformer import analyze as analyze_config

    config = _config(state, body.model, body.config)
    with unprocessable():
        found = analyze_config(config, workspace=state.workspace, **_plan(body))
    return answer(**_with_export(found.to_dict(), config))


@router.post(
    "/compare",
    operation_id="compare_architectures",
    response_model=ArchitectureComparison,
    responses=responses(404, 413, 507),
)
def compare(body: CompareArchitecturesRequest, state: State) -> Response:
    """Put 2 to 6 architectures side by side, setting by setting and component by component."""
    from llm_playground.transformer.analysis import compare_architectures

    configs = [
        (_label(choice, place), _config(state, choice.model, choice.config, f"architectures.{place}."))
        for place, choice in enumerate(body.architectures)
    ]
    with unprocessable():
        found = compare_architectures(configs, workspace=state.workspace, **_plan(body)).to_dict()
    for item, (_, config) in zip(found["items"], configs, strict=True):
        item["analysis"] = _with_export(item["analysis"], config)
    return answer(**found)


@router.post(
    "/recommend",
    operation_id="recommend_architecture",
    response_model=Recommendations,
    responses=responses(404, 413, 507),
)
def recommend(body: RecommendRequest, state: State) -> Response:
    """Find architectures that fit a memory and a budget, with the reasons."""
    from llm_playground.transformer.analysis import recommend as recommend_for

    with unprocessable():
        found = recommend_for(**body.model_dump(), workspace=state.workspace)
    return answer(**found.to_dict())


def answer(**content: Any) -> Response:
    """Return JSON as it is: it was made in the form that is promised. What is no number is null."""
    return Response(to_json(content, inf_nan_mode="null"), media_type="application/json")


def _config(
    state: AppState, model: str | None, config: Mapping[str, Any] | None, place: str = ""
) -> ModelConfig:
    """Return the architecture that is named or given; its problems are told with its place in the request."""
    if (model is None) == (config is None):
        raise ConfigError("Give a model or a config, one of the two.", field=f"{place}model")
    if config is None:
        return state.lab.catalog.config(model or "")
    prefix = f"{place}config." if place else ""
    try:
        return parse_config(ModelConfig, config)
    except ConfigError as error:
        problems = [(prefix + _field(name, said), said) for name, said in error.problems]
        raise ConfigError(
            error.message, hint=error.hint, field=problems[0][0] or None, problems=problems
        ) from None


def _field(name: str, said: str) -> str:
    """Return the setting at fault: where settings do not go together, the sentence begins with it."""
    first = said.partition(" ")[0].rstrip(":")
    return first if not name and first.partition(".")[0] in ModelConfig.model_fields else name


def _plan(body: Planned) -> dict[str, Any]:
    return {name: getattr(body, name) for name in Planned.model_fields}


def _label(choice: ArchitectureChoice, place: int) -> str:
    return choice.label or choice.model or f"Configuration {place + 1}"


def _with_export(analysis: dict[str, Any], config: ModelConfig) -> dict[str, Any]:
    return analysis | {"hf_config": config.to_hf()}
