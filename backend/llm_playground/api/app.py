"""The application: routers, errors, security and pages put together."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware

from llm_playground import __version__
from llm_playground.api import (
    batches,
    checkpoints,
    metrics,
    models,
    openai,
    planning,
    playground,
    runs,
    stream,
    system,
    tokenization,
    transformer,
    transformer_lens,
    uploads,
)
from llm_playground.api.errors import install_error_handlers
from llm_playground.api.pages import install_pages
from llm_playground.api.security import Guard
from llm_playground.api.settings import Settings
from llm_playground.api.state import AppState
from llm_playground.core.workspace import Workspace

_TAGS = [
    {"name": "system", "description": "The server itself."},
    {"name": "stages", "description": "What can be run."},
    {"name": "recipes", "description": "Chains of stages."},
    {"name": "runs", "description": "Stages at work, each in a process of its own."},
    {"name": "events", "description": "What happens, as it happens."},
    {"name": "data", "description": "Texts of one's own."},
    {"name": "models", "description": "Trained models."},
    {"name": "artifacts", "description": "Everything that was made."},
    {"name": "tokenization", "description": "Text to tokens and back, measured, compared and priced."},
    {"name": "transformer", "description": "Architectures measured, and models opened at work."},
    {"name": "playground", "description": "Stored conversations."},
    {"name": "openai", "description": "Endpoints that OpenAI's clients understand."},
]


def create_app(workspace: Workspace | None = None, settings: Settings | None = None) -> FastAPI:
    """Return the application.

    Args:
        workspace: where everything is; default ``LLMP_WORKSPACE``.
        settings: host, port, token, web app.
    """
    settings = settings or Settings()
    app = FastAPI(
        title="LLM Playground",
        version=__version__,
        description="A language model's whole life on one computer: data, tokenizer, training, chat.",
        docs_url=None,
        redoc_url=None,
        openapi_tags=_TAGS,
    )
    app.state.llmp = AppState(workspace or Workspace(), settings)
    for module in (
        system,
        planning,
        runs,
        metrics,
        batches,
        checkpoints,
        stream,
        models,
        uploads,
        tokenization,
        transformer,
        transformer_lens,
        playground,
        openai,
    ):
        app.include_router(module.router)
    install_error_handlers(app)
    install_pages(app, settings.web)
    app.add_middleware(GZipMiddleware, minimum_size=1_000, compresslevel=4)
    app.add_middleware(Guard, settings=settings)
    return app
