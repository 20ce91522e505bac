"""The OpenAI-compatible endpoints: models and chat completions, so that existing clients work as they are."""

from __future__ import annotations

import asyncio
import json
import threading
import time
import uuid
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, field_validator
from starlette.concurrency import run_in_threadpool

from llm_playground.api.state import State
from llm_playground.core.errors import LLMPError

if TYPE_CHECKING:
    from llm_playground.playground import Reply

router = APIRouter(prefix="/v1", tags=["openai"])
_LONGEST_REPLY = 4096


class OpenAIErrorDetail(BaseModel):
    """What is wrong, in OpenAI's shape."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class OpenAIError(BaseModel):
    """Body of an error."""

    error: OpenAIErrorDetail


_ERRORS: dict[int | str, dict[str, Any]] = {status: {"model": OpenAIError} for status in (400, 404, 422)}


class ModelCard(BaseModel):
    """A model in OpenAI's shape."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str


class ModelCards(BaseModel):
    """A list of models in OpenAI's shape."""

    object: Literal["list"] = "list"
    data: list[ModelCard]


class TextPart(BaseModel):
    """A part of a message; only text is understood."""

    type: Literal["text"]
    text: str


class CompletionMessage(BaseModel):
    """One message of a request."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[TextPart]

    @property
    def text(self) -> str:
        """The message's whole text."""
        if isinstance(self.content, str):
            return self.content
        return "".join(part.text for part in self.content)


class StreamOptions(BaseModel):
    """Options of a stream."""

    include_usage: bool = False


class ChatCompletionRequest(BaseModel):
    """A request for a reply. Settings that mean nothing here are accepted and ignored, as clients expect."""

    model_config = ConfigDict(
        extra="ignore",
        json_schema_extra={
            "examples": [
                {
                    "model": "example",
                    "messages": [{"role": "user", "content": "What is the name of Leo's dog?"}],
                    "temperature": 0,
                    "max_tokens": 40,
                }
            ]
        },
    )

    model: str = Field(min_length=1, max_length=200)
    messages: list[CompletionMessage] = Field(min_length=1, max_length=1000)
    stream: bool = False
    stream_options: StreamOptions | None = None
    temperature: float | None = Field(None, ge=0, le=2, description="Default 1.")
    top_p: float | None = Field(None, gt=0, le=1)
    top_k: int | None = Field(None, ge=1, description="An extension: only the k likeliest tokens.")
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    seed: int | None = Field(None, ge=0, lt=2**63)
    stop: str | list[str] | None = None
    n: Literal[1] | None = Field(None, description="One reply at a time.")

    @field_validator("stop")
    @classmethod
    def _check_stop(cls, value: str | list[str] | None) -> str | list[str] | None:
        stops = [value] if isinstance(value, str) else value or []
        if len(stops) > 4 or any(not stop for stop in stops):
            raise ValueError("give at most 4 stop strings, none of them empty")
        return value

    @property
    def stops(self) -> list[str]:
        """The stop strings as a list."""
        return [self.stop] if isinstance(self.stop, str) else list(self.stop or [])


class Usage(BaseModel):
    """Tokens used."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class ReplyMessage(BaseModel):
    """The assistant's message."""

    role: Literal["assistant"] = "assistant"
    content: str
    refusal: None = None


class Choice(BaseModel):
    """One reply."""

    index: int = 0
    message: ReplyMessage
    logprobs: None = None
    finish_reason: Literal["stop", "length"]


class ChatCompletion(BaseModel):
    """A whole reply."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: Usage
    system_fingerprint: str | None = None


@router.get("/models", operation_id="openai_list_models")
def models(state: State) -> ModelCards:
    """List the models in OpenAI's shape."""
    return ModelCards(
        data=[
            ModelCard(
                id=item.id,
                created=int(item.created_at),
                owned_by="llm-playground" if item.builtin else "user",
            )
            for item in state.workspace.list("model")
        ]
    )


@router.get("/models/{model_id}", operation_id="openai_get_model", responses=_ERRORS)
def model(model_id: str, state: State) -> ModelCard:
    """Return one model in OpenAI's shape."""
    item = state.workspace.get(model_id, "model")
    return ModelCard(
        id=item.id, created=int(item.created_at), owned_by="llm-playground" if item.builtin else "user"
    )


def _prepare(state: State, body: ChatCompletionRequest) -> Reply:
    from llm_playground.generation import SamplingParams
    from llm_playground.playground import prepare_reply

    loaded = state.models.get(body.model)
    longest = min(_LONGEST_REPLY, loaded.context_length)
    asked = body.max_completion_tokens or body.max_tokens or longest
    params = SamplingParams(
        temperature=1.0 if body.temperature is None else body.temperature,
        top_k=body.top_k,
        top_p=body.top_p,
        max_tokens=min(asked, longest),
        seed=body.seed,
    )
    messages = [
        {"role": "system" if message.role == "developer" else message.role, "content": message.text}
        for message in body.messages
    ]
    return prepare_reply(loaded, messages, params, body.stops)


@router.post(
    "/chat/completions",
    operation_id="openai_chat_completions",
    responses={
        **_ERRORS,
        200: {
            "description": "The reply, or with `stream` its chunks as server-sent events.",
            "model": ChatCompletion,
            "content": {"text/event-stream": {}},
        },
    },
    response_model=None,
)
async def chat_completions(
    body: ChatCompletionRequest, state: State, request: Request
) -> Response | ChatCompletion:
    """Reply to a conversation, whole or as a stream of chunks."""
    reply = await run_in_threadpool(_prepare, state, body)
    reply_id, created = f"chatcmpl-{uuid.uuid4().hex}", int(time.time())
    headers = {"X-Dropped-Messages": str(reply.dropped)}
    if body.stream:
        usage = body.stream_options is not None and body.stream_options.include_usage
        return StreamingResponse(
            _chunks(reply, reply_id, created, body.model, usage),
            media_type="text/event-stream",
            headers={**headers, "Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
        )
    text, tokens, finish = "", 0, "stop"
    gone = threading.Event()
    async for event in _in_thread(reply, gone):
        text, tokens, finish = text + event.text, event.tokens, event.finish_reason or finish
        if tokens % 32 == 0 and await request.is_disconnected():
            gone.set()
    whole = ChatCompletion(
        id=reply_id,
        created=created,
        model=body.model,
        choices=[
            Choice(
                message=ReplyMessage(content=text), finish_reason="length" if finish == "length" else "stop"
            )
        ],
        usage=Usage(
            prompt_tokens=len(reply.prompt_ids),
            completion_tokens=tokens,
            total_tokens=len(reply.prompt_ids) + tokens,
        ),
    )
    return Response(whole.model_dump_json(), media_type="application/json", headers=headers)


async def _in_thread(reply: Reply, gone: threading.Event) -> AsyncIterator[Any]:
    """Run the generation in a thread of its own; closing this iterator ends it at the next token."""
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[Any] = asyncio.Queue()

    def work() -> None:
        try:
            for event in reply.stream(gone.is_set):
                loop.call_soon_threadsafe(queue.put_nowait, event)
            loop.call_soon_threadsafe(queue.put_nowait, None)
        except RuntimeError as error:
            if not loop.is_closed():
                loop.call_soon_threadsafe(queue.put_nowait, error)
        except Exception as error:
            loop.call_soon_threadsafe(queue.put_nowait, error)

    threading.Thread(target=work, name="reply", daemon=True).start()
    try:
        while (event := await queue.get()) is not None:
            if isinstance(event, Exception):
                raise event
            yield event
    finally:
        gone.set()


async def _chunks(
    reply: Reply, reply_id: str, created: int, model: str, include_usage: bool
) -> AsyncIterator[str]:
    def chunk(choices: list[dict[str, Any]], **more: Any) -> str:
        data = {
            "id": reply_id,
            "object": "chat.completion.chunk",
            "created": created,
            "model": model,
            "system_fingerprint": None,
            "choices": choices,
            **({"usage": None} if include_usage else {}),
            **more,
        }
        return f"data: {json.dumps(data, ensure_ascii=False)}\n\n"

    def choice(delta: dict[str, Any], finish: str | None = None) -> list[dict[str, Any]]:
        return [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]

    yield chunk(choice({"role": "assistant", "content": "", "refusal": None}))
    tokens, finish = 0, "stop"
    try:
        async for event in _in_thread(reply, threading.Event()):
            tokens, finish = event.tokens, event.finish_reason or finish
            if event.text:
                yield chunk(choice({"content": event.text}))
    except LLMPError as error:  # the status has been sent: the error travels in the stream
        body = {"message": str(error), "type": "server_error", "param": error.field, "code": None}
        yield f"data: {json.dumps({'error': body})}\n\n"
        yield "data: [DONE]\n\n"
        return
    yield chunk(choice({}, "length" if finish == "length" else "stop"))
    if include_usage:
        usage = {
            "prompt_tokens": len(reply.prompt_ids),
            "completion_tokens": tokens,
            "total_tokens": len(reply.prompt_ids) + tokens,
        }
        yield chunk([], usage=usage)
    yield "data: [DONE]\n\n"
