"""Stored conversations."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from llm_playground.api.errors import responses
from llm_playground.api.plain import PlainObject
from llm_playground.api.run_models import Done
from llm_playground.api.state import State

router = APIRouter(prefix="/api/v1/playground/conversations", tags=["playground"])


class ChatMessage(BaseModel):
    """One turn of a conversation."""

    model_config = ConfigDict(extra="forbid")

    role: Literal["system", "user", "assistant"]
    content: str = Field(max_length=100_000)


class NewConversation(BaseModel):
    """A conversation to store."""

    model_config = ConfigDict(extra="forbid")

    title: str = Field("New conversation", min_length=1, max_length=200)
    model: str | None = Field(None, max_length=200, description="Id of the model.")
    messages: list[ChatMessage] = Field(default_factory=list, max_length=1000)
    params: PlainObject = Field(default_factory=dict, description="Sampling settings.")


class ConversationChanges(BaseModel):
    """What to change; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    title: str | None = Field(None, min_length=1, max_length=200)
    model: str | None = Field(None, max_length=200)
    messages: list[ChatMessage] | None = Field(None, max_length=1000)
    params: PlainObject | None = None


class ConversationInfo(BaseModel):
    """A conversation in the list."""

    id: str
    title: str
    model: str | None = None
    created_at: float
    updated_at: float
    message_count: int


class Conversation(BaseModel):
    """A whole conversation."""

    id: str
    title: str
    model: str | None = None
    params: dict[str, Any]
    messages: list[ChatMessage]
    created_at: float
    updated_at: float


class ConversationList(BaseModel):
    """Conversations, the newest first."""

    conversations: list[ConversationInfo]


@router.get("", operation_id="list_conversations")
def list_conversations(state: State) -> ConversationList:
    """List the stored conversations."""
    found = state.conversations.list()
    return ConversationList(conversations=[ConversationInfo(**item) for item in found])


@router.post("", operation_id="create_conversation", status_code=201, responses=responses())
def create_conversation(body: NewConversation, state: State) -> Conversation:
    """Store a new conversation."""
    data = body.model_dump()
    return Conversation(**state.conversations.create(**data))


@router.get("/{conversation_id}", operation_id="get_conversation", responses=responses(404))
def get_conversation(conversation_id: str, state: State) -> Conversation:
    """Return a conversation."""
    return Conversation(**state.conversations.get(conversation_id))


@router.put("/{conversation_id}", operation_id="update_conversation", responses=responses(404))
def update_conversation(conversation_id: str, body: ConversationChanges, state: State) -> Conversation:
    """Change a conversation."""
    changes = body.model_dump(exclude_none=True)
    return Conversation(**state.conversations.update(conversation_id, changes))


@router.delete("/{conversation_id}", operation_id="delete_conversation", responses=responses(404))
def delete_conversation(conversation_id: str, state: State) -> Done:
    """Delete a conversation; it can be restored for a week."""
    state.conversations.delete(conversation_id)
    return Done(id=conversation_id, restorable=True)


@router.post("/{conversation_id}/restore", operation_id="restore_conversation", responses=responses(404))
def restore_conversation(conversation_id: str, state: State) -> Conversation:
    """Bring a deleted conversation back."""
    return Conversation(**state.conversations.restore(conversation_id))
