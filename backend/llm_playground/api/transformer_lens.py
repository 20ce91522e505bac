"""A model at work on a text: attention, every step, the logit lens, attribution, patching."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from fastapi.responses import Response

from llm_playground.api.errors import responses
from llm_playground.api.state import AppState, State
from llm_playground.api.transformer import answer
from llm_playground.api.transformer_lens_models import (
    AttentionAnswer,
    AttentionRequest,
    AttributionAnswer,
    AttributionRequest,
    ExplainAnswer,
    ExplainRequest,
    LensAnswer,
    LensRequest,
    MapRequest,
    PatchAnswer,
    PatchRequest,
    SweepAnswer,
    SweepRequest,
    TensorAnswer,
    TensorRequest,
    TextRequest,
    ThumbnailRequest,
    TraceAnswer,
    TraceRequest,
)
from llm_playground.core.errors import ConfigError
from llm_playground.playground import lab_steps as steps
from llm_playground.playground.lab import OpenedModel, Reading
from llm_playground.playground.lab_attention import attention_map as one_map
from llm_playground.playground.lab_attention import head_patterns, small_maps
from llm_playground.playground.lab_lens import attribute, layers_say, patch_parts, sweep_parts

if TYPE_CHECKING:
    from torch import Tensor

router = APIRouter(prefix="/api/v1/transformer", tags=["transformer"])
_ERRORS = responses(404, 409, 413, 507)
_GREATEST_HALF = 65_504.0  # of float16


def _binary(about: str, **headers: str) -> dict[int | str, dict[str, Any]]:
    """Describe an answer of plain numbers."""
    return {
        200: {
            "description": about,
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
            "headers": {
                name.replace("_", "-"): {"description": text, "required": True, "schema": {"type": "string"}}
                for name, text in headers.items()
            },
        },
        **_ERRORS,
    }


@router.post(
    "/attention", operation_id="attention_patterns", response_model=AttentionAnswer, responses=_ERRORS
)
def attention(body: AttentionRequest, state: State) -> Response:
    """Name and score what every head does on a text of at least two tokens."""
    opened, reading = _read(state, body)
    return answer(**_looked(opened, reading), **head_patterns(state.lab, opened, reading))


@router.post(
    "/attention/thumbnails",
    operation_id="attention_thumbnails",
    response_class=Response,
    responses=_binary(
        "One byte for each cell, layer by layer, head by head (a rollout has one for the layer), row by row. "
        "A cell is the mean over the tokens that it covers.",
        X_Shape="layers,heads,rows,columns",
        X_Scale="the value that 255 stands for",
    ),
)
def thumbnails(body: ThumbnailRequest, state: State) -> Response:
    """Return a small picture of every head."""
    opened, reading = _read(state, body)
    found = small_maps(state.lab, opened, reading, body.kind, body.size)
    return _numbers(found.values, **{"X-Scale": repr(found.scale)})


@router.post(
    "/attention/map",
    operation_id="attention_map",
    response_class=Response,
    responses=_binary(
        "Little-endian float16, row by row: a row is a token that looks, a column one that is looked at.",
        X_Shape="rows,columns",
    ),
)
def attention_map(body: MapRequest, state: State) -> Response:
    """Return one head's map, or the part of it that is asked for."""
    import torch

    opened, reading = _read(state, body)
    found = one_map(
        state.lab,
        opened,
        reading,
        body.layer,
        body.head,
        body.kind,
        rows=body.rows,
        columns=body.columns,
    )
    return _numbers(found.clamp(max=_GREATEST_HALF).to(torch.float16))


@router.post("/trace", operation_id="trace_token", response_model=TraceAnswer, responses=_ERRORS)
def trace(body: TraceRequest, state: State) -> Response:
    """Follow one token through the model, from its embedding to the logits."""
    opened, reading = _read(state, body)
    found = steps.trace(state.lab, opened, reading, body.position, body.top)
    return answer(**_looked(opened, reading), **found)


@router.post("/trace/tensor", operation_id="trace_tensor", response_model=TensorAnswer, responses=_ERRORS)
def trace_tensor(body: TensorRequest, state: State) -> Response:
    """Return the numbers of any tensor on the way."""
    opened, reading = _read(state, body)
    found = steps.tensor_part(
        state.lab,
        opened,
        reading,
        body.name,
        position=body.position,
        head=body.head,
        start=body.start,
        count=body.count,
    )
    return answer(**found)


@router.post("/trace/explain", operation_id="explain_number", response_model=ExplainAnswer, responses=_ERRORS)
def explain(body: ExplainRequest, state: State) -> Response:
    """Work out one number from those before it."""
    opened, reading = _read(state, body)
    return answer(
        **steps.explain(state.lab, opened, reading, body.name, body.position, body.index, body.head)
    )


@router.post("/lens", operation_id="logit_lens", response_model=LensAnswer, responses=_ERRORS)
def lens(body: LensRequest, state: State) -> Response:
    """Say what the model would predict if it stopped after each layer."""
    opened, reading = _read(state, body)
    return answer(**_looked(opened, reading), **layers_say(state.lab, opened, reading, body.top))


@router.post(
    "/attribution", operation_id="attribute_logit", response_model=AttributionAnswer, responses=_ERRORS
)
def attribution(body: AttributionRequest, state: State) -> Response:
    """Divide a logit among embedding, heads and feed-forward parts."""
    opened, reading = _read(state, body)
    found = attribute(state.lab, opened, reading, body.position, body.target, body.against)
    return answer(**_looked(opened, reading), **found)


@router.post("/patch", operation_id="patch_model", response_model=PatchAnswer, responses=_ERRORS)
def patch(body: PatchRequest, state: State) -> Response:
    """Change values within the model and see what becomes of the next token."""
    from llm_playground.transformer.lens import Intervention

    opened, reading = _read(state, body)
    found = patch_parts(
        state.lab,
        opened,
        reading,
        _source(state, opened, body),
        [Intervention(**change.model_dump()) for change in body.interventions],
        position=body.position,
        targets=body.targets or (),
        top=body.top,
    )
    return answer(**_looked(opened, reading), **found)


@router.post("/patch/sweep", operation_id="sweep_patches", response_model=SweepAnswer, responses=_ERRORS)
def sweep(body: SweepRequest, state: State) -> Response:
    """Patch each place in turn and see where the answer comes from."""
    opened, reading = _read(state, body)
    source = _source(state, opened, body)
    if source is None:
        raise ConfigError("source_text: the corrupted text is needed, as many tokens.", field="source_text")
    found = sweep_parts(
        state.lab,
        opened,
        reading,
        source,
        body.part,
        position=body.position,
        answer=body.answer,
        wrong=body.wrong,
    )
    return answer(**_looked(opened, reading), **found)


def _read(state: AppState, body: TextRequest) -> tuple[OpenedModel, Reading]:
    """Return the model and what it reads."""
    opened = state.lab.open(body.model)
    return opened, state.lab.read(opened, body.text, body.ids)


def _source(state: AppState, opened: OpenedModel, body: PatchRequest | SweepRequest) -> Reading | None:
    """Return the second text, None if there is none."""
    if body.source_text is None and body.source_ids is None:
        return None
    return state.lab.read(opened, body.source_text, body.source_ids, "source_text")


def _looked(opened: OpenedModel, reading: Reading) -> dict[str, Any]:
    """Return what every answer begins with."""
    return {
        "model": opened.ref,
        "random": opened.random,
        "tokenizer": opened.tokenizer_name,
        "tokens": reading.tokens,
    }


def _numbers(values: Tensor, **headers: str) -> Response:
    """Return numbers as they lie in memory, little-endian, with their shape."""
    array = values.cpu().contiguous().numpy()
    return Response(
        array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes(),
        media_type="application/octet-stream",
        headers={"X-Shape": ",".join(map(str, array.shape)), **headers},
    )
