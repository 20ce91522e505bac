"""Tokenization: text to tokens and back, under the glass, side by side, measured, priced, replayed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Query
from fastapi.responses import Response
from pydantic_core import to_json

from llm_playground.api.errors import responses
from llm_playground.api.state import AppState, State
from llm_playground.api.tokenization_models import (
    DECODED_IDS,
    LONGEST_SHOWN,
    SUSPICIOUS_SHOWN,
    AnalyzeRequest,
    CompareRequest,
    Comparison,
    CostAnswer,
    CostRequest,
    CoverageReport,
    DecodedText,
    DecodeRequest,
    EncodedText,
    EncodeRequest,
    Replay,
    ReplayRequest,
    TokenizerList,
    Trace,
)
from llm_playground.core.errors import InputError, NotFoundError
from llm_playground.playground import OpenedTokenizer
from llm_playground.tokenization import BPETokenizer, inspect_text
from llm_playground.tokenization.base import Special, TokenSpan
from llm_playground.tokenization.comparison import compare_tokenizers
from llm_playground.tokenization.cost import PriceTable, estimate, load_prices, reset_prices, save_prices
from llm_playground.tokenization.coverage import analyze_coverage
from llm_playground.tokenization.coverage_samples import SAMPLES
from llm_playground.tokenization.export import FORMATS, ExportFormat, export_tokenizer
from llm_playground.tokenization.replay import spans_at
from llm_playground.tokenization.splitting import SplitPattern
from llm_playground.tokenization.stage import dataset_texts
from llm_playground.tokenization.suspicious import REASONS
from llm_playground.tokenization.training_trace import TraceStep, TrainingTrace

router = APIRouter(prefix="/api/v1/tokenization", tags=["tokenization"])

_PRICES = {
    "prices": [
        {
            "provider": "Example",
            "model": "small",
            "input": 0.25,
            "cached_input": 0.025,
            "output": 2,
            "as_of": "2026-01-31",
            "source": "the provider's price list",
        }
    ]
}


@router.get("/tokenizers", operation_id="list_tokenizers")
def list_tokenizers(state: State) -> TokenizerList:
    """List the tokenizers, and the models that hold one: newest first, built-in ones last."""
    return TokenizerList.model_validate({"tokenizers": [info.to_dict() for info in state.tokenizers.list()]})


@router.post(
    "/encode", operation_id="encode_text", response_model=EncodedText, responses=responses(404, 413, 507)
)
def encode(body: EncodeRequest, state: State) -> Response:
    """Turn a text into token ids; with `inspect` each token is explained."""
    tokenizer = state.tokenizers.get(body.tokenizer).tokenizer
    allowed = _allowed(body.allowed_special, tokenizer.special_tokens)
    inspection = None
    if body.inspect:
        _check_length(body.text)
        inspection = inspect_text(tokenizer, body.text, allowed).to_dict()
        ids = [token["id"] for token in inspection["tokens"]]
    else:
        ids = tokenizer.encode(body.text, allowed, ())
    size = len(body.text.encode())
    return _answer(
        ids=ids,
        count=len(ids),
        characters=len(body.text),
        bytes=size,
        bytes_per_token=size / len(ids) if ids else None,
        inspection=inspection,
    )


@router.post(
    "/decode", operation_id="decode_ids", response_model=DecodedText, responses=responses(404, 413, 507)
)
def decode(body: DecodeRequest, state: State) -> Response:
    """Turn token ids into text."""
    if len(body.ids) > DECODED_IDS:
        raise InputError(
            f"At most {DECODED_IDS:,} ids are decoded at once; these are {len(body.ids):,}.", field="ids"
        )
    tokenizer = state.tokenizers.get(body.tokenizer).tokenizer
    special = set(tokenizer.special_tokens.values())
    known = {}
    for token in set(body.ids):
        value = tokenizer.token_bytes(token)
        text = value.decode("utf-8", "replace")
        known[token] = {
            "id": token,
            "text": text,
            "bytes": value.hex(),
            "special": token in special,
            "partial": text.encode() != value,
        }
    return _answer(text=tokenizer.decode(body.ids), tokens=[known[token] for token in body.ids])


@router.post(
    "/compare",
    operation_id="compare_tokenizers",
    response_model=Comparison,
    responses=responses(404, 413, 507),
)
def compare(body: CompareRequest, state: State) -> Response:
    """Cut one text with 2 to 6 tokenizers and mark the differences; nothing in the text is special."""
    _check_length(body.text)
    if len(set(body.tokenizers)) < len(body.tokenizers):
        raise InputError("A tokenizer is named twice; choose different ones.", field="tokenizers")
    opened = [state.tokenizers.get(name) for name in body.tokenizers]
    compared = compare_tokenizers([item.tokenizer for item in opened], body.text)
    results = [
        {
            "tokenizer": name,
            "name": item.name,
            "count": len(found.spans),
            "bytes_per_token": found.bytes_per_token,
            "characters_per_token": found.characters_per_token,
            "tokens": _placed(found.spans, "special"),
            "only_here": found.only_here,
        }
        for name, item, found in zip(body.tokenizers, opened, compared, strict=True)
    ]
    return _answer(
        characters=len(body.text),
        bytes=len(body.text.encode()),
        words=len(body.text.split()),
        results=results,
    )


@router.post(
    "/analyze",
    operation_id="analyze_tokenizer",
    response_model=CoverageReport,
    responses=responses(404, 413, 507),
)
def analyze(body: AnalyzeRequest, state: State) -> Response:
    """Measure how a vocabulary covers a text, a data set or the built-in samples, by script and content."""
    if body.text is not None and body.dataset is not None:
        raise InputError("Give a text or a data set, not both.", field="dataset")
    texts: Iterable[str] = SAMPLES.values() if body.text is None else [body.text]
    if body.dataset is not None:
        dataset = state.workspace.get(body.dataset, "dataset")
        texts = _clipped(dataset_texts(dataset.path, body.characters), body.characters)
    opened = state.tokenizers.get(body.tokenizer)
    coverage = analyze_coverage(opened.tokenizer, texts)
    return _answer(**coverage.to_dict(), suspicious=_suspicious(opened))


@router.get("/prices", operation_id="get_prices", responses=responses(507))
def get_prices(state: State) -> PriceTable:
    """Return the price table: the workspace's own, else the one that comes with the program."""
    return load_prices(state.workspace)


@router.put("/prices", operation_id="save_prices", responses=responses(413, 507))
def put_prices(body: Annotated[PriceTable, Body(examples=[_PRICES])], state: State) -> PriceTable:
    """Make a price table the workspace's own."""
    return save_prices(state.workspace, body)


@router.delete("/prices", operation_id="reset_prices", responses=responses(507))
def delete_prices(state: State) -> PriceTable:
    """Go back to the price table that comes with the program."""
    return reset_prices(state.workspace)


@router.post(
    "/cost", operation_id="estimate_cost", response_model=CostAnswer, responses=responses(404, 413, 507)
)
def cost(body: CostRequest, state: State) -> Response:
    """Estimate what a request costs, and a month of them; counts say whether they are exact, and why."""
    if (body.text is None) == (body.tokens is None):
        raise InputError("Give a text or a number of tokens, one of the two.", field="text")
    stand_in = state.tokenizers.get(body.tokenizer).tokenizer if body.tokenizer is not None else None
    found = estimate(
        body.text if body.text is not None else body.tokens or 0,
        body.model,
        load_prices(state.workspace),
        expected_output=body.output_tokens,
        cached_share=body.cached_share,
        batch=body.batch,
        requests_per_month=body.requests_per_month,
        find_tokenizer=state.tokenizers.find,
        stand_in=stand_in,
    )
    return _answer(**found.to_dict())


@router.get(
    "/{tokenizer:path}/trace", operation_id="get_trace", response_model=Trace, responses=responses(404, 507)
)
def trace(
    tokenizer: str,
    state: State,
    start: Annotated[int, Query(ge=0, description="Leave out so many merges.")] = 0,
    count: Annotated[int, Query(ge=1, le=5_000, description="How many merges.")] = 200,
) -> Response:
    """Return merges of a training in order, each with its count and the pair that was next in line."""
    *_, found = _traced(state, tokenizer)
    steps = [
        {"step": number + 1, **_merge(found, found[number])}
        for number in range(start, min(start + count, len(found)))
    ]
    return _answer(steps_total=len(found), tie_break=found.tie_break, steps=steps)


@router.post(
    "/{tokenizer:path}/replay",
    operation_id="replay_training",
    response_model=Replay,
    responses=responses(404, 413, 507),
)
def replay(tokenizer: str, body: ReplayRequest, state: State) -> Response:
    """Cut a text with the first `step` merges of a training only."""
    _check_length(body.text)
    whole, pattern, found = _traced(state, tokenizer)
    return _answer(
        step=body.step,
        vocab_size=len(found.tokens_at(body.step)) + len(whole.special_tokens),
        tokens=_placed(spans_at(found, pattern, body.text, body.step)),
        merge=_merge(found, found[body.step - 1]) if body.step else None,
    )


@router.get(
    "/{tokenizer:path}/export",
    operation_id="export_tokenizer",
    response_class=Response,
    responses={
        200: {
            "description": "The file, as an attachment.",
            "content": {
                "application/json": {"schema": {"type": "object"}},
                "text/plain": {"schema": {"type": "string"}},
            },
        },
        **responses(404, 507),
    },
)
def export(
    tokenizer: str,
    state: State,
    format: Annotated[ExportFormat, Query(description="Kind of file.")] = "tokenizer.json",
) -> Response:
    """Return a tokenizer as a file, after it was read back and gave the same ids for thousands of texts."""
    opened = state.tokenizers.get(tokenizer)
    exported = export_tokenizer(opened.tokenizer, format)
    name = f"{re.split('[:/]', tokenizer)[-1]}.tiktoken" if format == "tiktoken" else format
    return Response(
        exported.data,
        media_type=FORMATS[format],
        headers={
            "content-disposition": f'attachment; filename="{name}"',
            "x-checked-texts": str(exported.checked),
            "x-unmergeable-tokens": str(len(exported.lost)),
        },
    )


def _answer(**content: Any) -> Response:
    """Return JSON as it is: these answers can be long, and were made here in the form that is promised."""
    return Response(to_json(content), media_type="application/json")


def _check_length(text: str) -> None:
    if len(text) > LONGEST_SHOWN:
        raise InputError(
            f"The text may have at most {LONGEST_SHOWN:,} characters here; it has {len(text):,}.",
            field="text",
        )


def _allowed(wanted: Literal["all"] | list[str], special_tokens: Mapping[str, int]) -> Special:
    if wanted == "all":
        return "all"
    unknown = next((text for text in wanted if text not in special_tokens), None)
    if unknown is not None:
        known = ", ".join(special_tokens) or "none"
        raise InputError(
            f"{unknown[:60]!r} is not a special token of this tokenizer.",
            hint=f"It has {known[:300]}.",
            field="allowed_special",
        )
    return wanted


def _placed(spans: Iterable[TokenSpan], *more: str) -> list[dict[str, Any]]:
    known: dict[int, dict[str, Any]] = {}
    placed = []
    for span in spans:
        if span.id not in known:
            text = span.bytes.decode("utf-8", "replace")
            partial = text.encode() != span.bytes
            known[span.id] = {"id": span.id, "text": text, "bytes": span.bytes.hex(), "partial": partial}
        token = {**known[span.id], "start": span.start, "end": span.end}
        placed.append(token | {name: getattr(span, name) for name in more})
    return placed


def _clipped(texts: Iterable[str], characters: int) -> Iterator[str]:
    left = characters
    for text in texts:
        yield text[:left]
        left -= len(text)


def _suspicious(opened: OpenedTokenizer) -> list[dict[str, Any]]:
    groups = []
    for reason, explanation in REASONS.items():
        found = [token for token in opened.suspicious if reason in token.reasons]
        if found:
            shown = [
                {"id": token.id, "text": token.text, "hex": token.hex} for token in found[:SUSPICIOUS_SHOWN]
            ]
            groups.append(
                {"reason": reason, "explanation": explanation, "count": len(found), "tokens": shown}
            )
    return groups


def _traced(state: AppState, name: str) -> tuple[BPETokenizer, SplitPattern, TrainingTrace]:
    opened = state.tokenizers.get(name)
    tokenizer, trace = opened.tokenizer, opened.trace
    pattern = tokenizer.split_pattern if isinstance(tokenizer, BPETokenizer) else None
    if trace is None or not isinstance(tokenizer, BPETokenizer) or pattern is None:
        raise NotFoundError(
            f"The training of {name} was not recorded, so that it cannot be replayed.",
            hint="Train a tokenizer with trace on.",
            field="tokenizer",
        )
    return tokenizer, pattern, trace


def _merge(found: TrainingTrace, step: TraceStep) -> dict[str, Any]:
    def shown(token: int) -> str:
        value = found.tokens[token]
        try:
            return value.decode()
        except UnicodeDecodeError:
            return " ".join(f"{byte:02X}" for byte in value)

    other = step.runner_up
    runner_up = other and {"left": shown(other[0]), "right": shown(other[1]), "count": step.runner_count}
    left, right = step.pair
    return {
        "left": shown(left),
        "right": shown(right),
        "merged": shown(step.token),
        "count": step.count,
        "runner_up": runner_up,
    }
