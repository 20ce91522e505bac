"""What the handlers share: workspace, supervisor, loaded models, conversations."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, cast

from fastapi import Depends, Request

from llm_playground.api.settings import Settings
from llm_playground.core.workspace import Workspace
from llm_playground.playground import Conversations, ModelCache, ModelLab, TokenizerCache
from llm_playground.runs import Supervisor
from llm_playground.runs.batches import Batches


@dataclass
class AppState:
    """The server's parts, made once.

    Attributes:
        workspace: where everything is.
        settings: how the server was started.
        supervisor: starts and lists runs.
        batches: what the steps of runs read.
        models: loaded models.
        tokenizers: opened tokenizers.
        lab: models to look into.
        conversations: stored chats.
    """

    workspace: Workspace
    settings: Settings
    supervisor: Supervisor = field(init=False)
    batches: Batches = field(init=False)
    models: ModelCache = field(init=False)
    tokenizers: TokenizerCache = field(init=False)
    lab: ModelLab = field(init=False)
    conversations: Conversations = field(init=False)

    def __post_init__(self) -> None:
        self.supervisor = Supervisor(self.workspace)
        self.batches = Batches(self.workspace)
        self.models = ModelCache(self.workspace)
        self.tokenizers = TokenizerCache(self.workspace)
        self.lab = ModelLab(self.workspace, self.models, self.tokenizers)
        self.conversations = Conversations(self.workspace.app_db)


def get_state(request: Request) -> AppState:
    """Return the application's state."""
    return cast(AppState, request.app.state.llmp)


State = Annotated[AppState, Depends(get_state)]
