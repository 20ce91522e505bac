"""Texts of one's own: received as they come, listed, deleted and brought back."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field
from starlette.requests import ClientDisconnect

from llm_playground.api.errors import responses
from llm_playground.api.run_models import Done
from llm_playground.api.security import UPLOAD_PATH
from llm_playground.api.state import State
from llm_playground.core.errors import InputError, LLMPError
from llm_playground.data.uploads import Receiver, Upload, Uploads

router = APIRouter(prefix="/api/v1/data", tags=["data"])
_PIECE = 2**20  # bytes that are written at a time
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The file's bytes: UTF-8 text or JSON lines.",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


class UploadedFile(BaseModel):
    """One file of an upload."""

    name: str
    size_bytes: int


class UploadInfo(BaseModel):
    """Files that were brought, ready for the stage `data.prepare`."""

    id: str
    path: str = Field(description="The folder, which `data.prepare` takes as its path.")
    source: str = Field(description="text or jsonl, which `data.prepare` takes as its source.")
    files: list[UploadedFile]
    size_bytes: int = Field(description="Of all files.")
    fields: list[str] = Field(description="Of JSON lines, the fields of the first line that hold text.")
    text_field: str | None = Field(
        description="Of these, the one that is meant; null where that is not clear."
    )
    created_at: float = Field(description="Seconds since 1970.")


class UploadList(BaseModel):
    """Uploads, newest first."""

    uploads: list[UploadInfo]
    max_bytes: int = Field(description="Most bytes that one file may have.")


def _info(upload: Upload) -> UploadInfo:
    return UploadInfo(
        id=upload.id,
        path=str(upload.path),
        source=upload.source,
        files=[UploadedFile(name=name, size_bytes=size) for name, size in upload.files],
        size_bytes=upload.size_bytes,
        fields=list(upload.fields),
        text_field=upload.text_field,
        created_at=upload.created_at,
    )


@router.post(
    UPLOAD_PATH.removeprefix(router.prefix),
    operation_id="upload_text",
    responses=responses(404, 413, 507),
    openapi_extra=_BODY,
    status_code=201,
)
async def upload_text(
    request: Request,
    state: State,
    name: Annotated[
        str,
        Query(min_length=1, max_length=500, description="Name of the file: .txt, .md, .jsonl or .ndjson."),
    ],
    into: Annotated[
        str | None, Query(max_length=100, description="Id of an upload that the file joins.")
    ] = None,
) -> UploadInfo:
    """Receive one file, whose bytes are the request's body; nothing stays of one that breaks off."""
    length = request.headers.get("content-length", "")
    expected = int(length) if length.isdecimal() else None
    uploads = Uploads(state.workspace)
    receiver = await run_in_threadpool(uploads.receive, name, into=into, length=expected)
    try:
        await _receive(request, receiver)
        return _info(await run_in_threadpool(receiver.finish))
    except ClientDisconnect:
        raise InputError(f"The connection ended before all of {receiver.name} had come.") from None
    finally:
        receiver.discard()


async def _receive(request: Request, receiver: Receiver) -> None:
    """Write a body as it comes. What is wrong with it is told at its end: a sender still sends until then."""
    problem: LLMPError | None = None
    waiting = bytearray()
    async for piece in request.stream():
        if problem is not None:
            continue
        waiting += piece
        if len(waiting) >= _PIECE:
            try:
                await run_in_threadpool(receiver.write, bytes(waiting))
            except LLMPError as error:
                problem = error
            waiting.clear()
    if problem is not None:
        raise problem
    await run_in_threadpool(receiver.write, bytes(waiting))


@router.get("/uploads", operation_id="list_uploads")
def list_uploads(state: State) -> UploadList:
    """List what was uploaded, and say how large a file may be."""
    found = Uploads(state.workspace).list()
    return UploadList(uploads=[_info(item) for item in found], max_bytes=state.settings.max_upload_bytes)


@router.delete("/uploads/{upload_id}", operation_id="delete_upload", responses=responses(404, 507))
def delete_upload(upload_id: str, state: State) -> Done:
    """Move an upload to the trash; a data set that was made of it stays."""
    Uploads(state.workspace).delete(upload_id)
    return Done(id=upload_id, restorable=True)


@router.post("/uploads/{upload_id}/restore", operation_id="restore_upload", responses=responses(404, 507))
def restore_upload(upload_id: str, state: State) -> UploadInfo:
    """Bring a deleted upload back."""
    return _info(Uploads(state.workspace).restore(upload_id))


@router.delete("/datasets/{dataset_id}", operation_id="delete_dataset", responses=responses(404, 409, 507))
def delete_dataset(dataset_id: str, state: State) -> Done:
    """Move a data set to the trash, with the upload that it was made of; tokens and models stay."""
    Uploads(state.workspace).delete_dataset(dataset_id)
    return Done(id=dataset_id, restorable=True)


@router.post("/datasets/{dataset_id}/restore", operation_id="restore_dataset", responses=responses(404, 507))
def restore_dataset(dataset_id: str, state: State) -> Done:
    """Bring a deleted data set back, and its upload."""
    return Done(id=Uploads(state.workspace).restore_dataset(dataset_id).id, restorable=False)
