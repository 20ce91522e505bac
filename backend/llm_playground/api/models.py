"""Models and other artifacts of the workspace."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from llm_playground.api.errors import responses
from llm_playground.api.run_models import Done
from llm_playground.api.state import AppState, State
from llm_playground.core.errors import NotFoundError
from llm_playground.core.files import read_json
from llm_playground.core.workspace import Artifact, artifact_json

router = APIRouter(prefix="/api/v1")
Kind = Literal["dataset", "tokenizer", "tokens", "model", "evaluation", "measurement"]


class ArtifactInfo(BaseModel):
    """What a manifest says."""

    id: str
    kind: str
    name: str
    created_at: float
    builtin: bool = Field(description="Comes with the program, read-only.")
    run_id: str | None = None
    parents: list[str] = Field(default_factory=list)
    summary: dict[str, Any] = Field(default_factory=dict)
    size_bytes: int = 0
    code_version: str = ""


class ArtifactDetail(ArtifactInfo):
    """The whole manifest."""

    config: dict[str, Any] = Field(default_factory=dict)
    card: dict[str, Any] = Field(default_factory=dict)
    files: dict[str, dict[str, Any]] = Field(default_factory=dict)


class ArtifactList(BaseModel):
    """Artifacts, newest first, built-in ones last."""

    artifacts: list[ArtifactInfo]


class ModelInfo(ArtifactInfo):
    """A model, and what it can do."""

    parameters: int | None = None
    vocab_size: int | None = None
    context_length: int | None = None
    chat: bool = Field(False, description="Was taught to answer; a base model continues text.")
    about: str = Field("", description="What it is, for people.")
    knows: list[str] = Field(default_factory=list, description="What it knows.")
    suggested_questions: list[str] = Field(default_factory=list)


class Ancestor(BaseModel):
    """Something that a model was made from."""

    id: str
    kind: str
    name: str
    run_id: str | None = None


class ModelDetail(ModelInfo):
    """A model with its configuration, files and ancestors."""

    config: dict[str, Any] = Field(default_factory=dict)
    files: dict[str, dict[str, Any]] = Field(default_factory=dict)
    lineage: list[Ancestor] = Field(default_factory=list, description="Nearest first.")
    scores: list[ArtifactInfo] = Field(default_factory=list, description="Evaluations of this model.")


class ModelList(BaseModel):
    """Models, newest first, built-in ones last."""

    models: list[ModelInfo]


def _common(artifact: Artifact) -> dict[str, Any]:
    data = artifact_json(artifact)
    return {name: data[name] for name in ArtifactInfo.model_fields}


def model_info(artifact: Artifact) -> ModelInfo:
    """Return a model artifact as the API shows it."""
    summary, card = artifact.summary, artifact.card
    return ModelInfo(
        **_common(artifact),
        parameters=summary.get("parameters"),
        vocab_size=summary.get("vocab_size"),
        context_length=summary.get("context_length"),
        chat=bool(summary.get("chat")),
        about=str(card.get("about", "")),
        knows=list(card.get("knows", [])),
        suggested_questions=list(card.get("suggested_questions", [])),
    )


def _lineage(state: AppState, artifact: Artifact) -> list[Ancestor]:
    found: dict[str, Ancestor] = {}
    waiting = list(artifact.parents)
    while waiting:
        parent_id = waiting.pop(0)
        if parent_id in found:
            continue
        try:
            parent = state.workspace.get(parent_id)
        except NotFoundError:
            found[parent_id] = Ancestor(id=parent_id, kind="deleted", name=parent_id)
            continue
        found[parent_id] = Ancestor(id=parent.id, kind=parent.kind, name=parent.name, run_id=parent.run_id)
        waiting.extend(parent.parents)
    return list(found.values())


@router.get("/models", operation_id="list_models", tags=["models"])
def list_models(state: State) -> ModelList:
    """List the models, newest first, the example model last."""
    return ModelList(models=[model_info(item) for item in state.workspace.list("model")])


@router.get("/models/{model_id}", operation_id="get_model", tags=["models"], responses=responses(404))
def get_model(model_id: str, state: State) -> ModelDetail:
    """Return a model with its ancestors and scores."""
    artifact = state.workspace.get(model_id, "model")
    data = artifact_json(artifact)
    scores = [
        ArtifactInfo(**_common(item))
        for item in state.workspace.list("evaluation")
        if item.summary.get("model") == artifact.id
    ]
    return ModelDetail(
        **model_info(artifact).model_dump(),
        config=data["config"],
        files=data["files"],
        lineage=_lineage(state, artifact),
        scores=scores,
    )


@router.delete(
    "/models/{model_id}", operation_id="delete_model", tags=["models"], responses=responses(404, 409)
)
def delete_model(model_id: str, state: State) -> Done:
    """Move a model to the trash."""
    state.workspace.delete(model_id, "model")
    return Done(id=model_id, restorable=True)


@router.post(
    "/models/{model_id}/restore", operation_id="restore_model", tags=["models"], responses=responses(404)
)
def restore_model(model_id: str, state: State) -> ModelInfo:
    """Bring a deleted model back."""
    return model_info(state.workspace.restore(model_id, "model"))


@router.get("/artifacts", operation_id="list_artifacts", tags=["artifacts"], responses=responses())
def list_artifacts(
    state: State, kind: Annotated[Kind | None, Query(description="Only this kind.")] = None
) -> ArtifactList:
    """List everything that was made: data sets, tokenizers, tokens, models, evaluations."""
    return ArtifactList(artifacts=[ArtifactInfo(**_common(item)) for item in state.workspace.list(kind)])


@router.get(
    "/artifacts/{artifact_id}", operation_id="get_artifact", tags=["artifacts"], responses=responses(404)
)
def get_artifact(artifact_id: str, state: State) -> ArtifactDetail:
    """Return an artifact's manifest."""
    data = artifact_json(state.workspace.get(artifact_id))
    return ArtifactDetail(**{name: data[name] for name in ArtifactDetail.model_fields})


@router.get(
    "/artifacts/{artifact_id}/results",
    operation_id="get_results",
    tags=["artifacts"],
    responses=responses(404),
)
def get_results(artifact_id: str, state: State) -> dict[str, Any]:
    """Return an evaluation's results, with the answers kept to look at."""
    artifact = state.workspace.get(artifact_id, "evaluation")
    results: dict[str, Any] = read_json(artifact.path / "results.json")
    return results
