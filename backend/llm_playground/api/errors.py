"""Errors as JSON: one clear sentence, a hint, the field."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from llm_playground.api.security import HEADERS, BodyTooLarge, error_body
from llm_playground.core.errors import ConfigError, LLMPError

logger = logging.getLogger("llm_playground.api")


class Problem(BaseModel):
    """One wrong setting."""

    field: str = Field(description="Dotted name of the setting.")
    message: str = Field(description="What is wrong with it, in words that follow its name.")


class ErrorDetail(BaseModel):
    """What is wrong and what to do about it."""

    message: str = Field(description="What is wrong, one sentence.")
    hint: str | None = Field(None, description="What would be right.")
    field: str | None = Field(None, description="The setting at fault.")
    problems: list[Problem] | None = Field(
        None, description="Every setting at fault; only where the request's settings are wrong."
    )


class ErrorBody(BaseModel):
    """Body of every answer with a status of 400 or above."""

    error: ErrorDetail


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe error answers for the OpenAPI schema."""
    return {status: {"model": ErrorBody} for status in (400, 422, *statuses)}


def _answer(
    request: Request,
    status: int,
    message: str,
    hint: str | None = None,
    field: str | None = None,
    problems: Sequence[tuple[str, str]] = (),
) -> Response:
    body = error_body(request.url.path, status, message, hint, field)
    if problems and not request.url.path.startswith("/v1/"):
        body["error"]["problems"] = [{"field": name, "message": said} for name, said in problems]
    # A lone surrogate, which JSON can spell and UTF-8 cannot, may stand in a name that is quoted.
    text = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
    return Response(text, status, media_type="application/json")


def install_error_handlers(app: FastAPI) -> None:
    """Turn every exception into a JSON answer."""

    @app.exception_handler(LLMPError)
    async def known(request: Request, error: LLMPError) -> Response:
        problems = error.problems if isinstance(error, ConfigError) else ()
        return _answer(request, error.status, error.message, error.hint, error.field, problems)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        parts, field, problems = [], None, []
        for item in error.errors()[:10]:
            if item["type"] == "json_invalid":
                parts.append(f"its body is not JSON at character {item['loc'][-1]}")
                continue
            if item["type"] == "model_attributes_type" and item["loc"] == ("body",):
                parts.append("its body must be a JSON object, sent with Content-Type application/json")
                continue
            place = [str(part) for part in item["loc"] if part not in ("body", "query", "path")]
            name = ".".join(place)
            field = field or name or None
            said = str(item.get("ctx", {}).get("error", item["msg"]))
            parts.append(f"{name}: {said}" if name else said)
            if name:
                problems.append((name, said))
        status = 400 if request.url.path.startswith("/v1/") else 422
        return _answer(request, status, f"The request is wrong: {'; '.join(parts)}.", None, field, problems)

    @app.exception_handler(BodyTooLarge)
    async def too_large(request: Request, error: BodyTooLarge) -> Response:
        return _answer(request, 413, str(error))

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        if isinstance(error.__cause__, BodyTooLarge):
            return _answer(request, 413, str(error.__cause__))
        if error.status_code == 400 and error.__cause__ is not None:
            return _answer(request, 400, "The request's body cannot be read: it must be JSON in UTF-8.")
        message = {
            404: f"There is nothing at {request.url.path}.",
            405: f"{request.method} is not possible at {request.url.path}.",
        }.get(error.status_code, str(error.detail))
        answer = _answer(request, error.status_code, message)
        answer.headers.update(error.headers or {})
        return answer

    @app.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> Response:
        logger.exception("unexpected error at %s", request.url.path, exc_info=error)
        answer = _answer(
            request, 500, f"An unexpected error happened: {type(error).__name__}.", "See the server's log."
        )
        # This answer is made outside the guard, which adds them to all others.
        answer.headers.update({name.decode(): value.decode() for name, value in HEADERS})
        return answer
