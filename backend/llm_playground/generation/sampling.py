"""Choosing the next token from its scores."""

from __future__ import annotations

from pydantic import Field
from torch import Generator, Tensor

from llm_playground.core.config import StageConfig

_COLDEST = 1e-5  # below it, scores divided by the temperature overflow: the likeliest token is taken


class SamplingParams(StageConfig):
    """How tokens are chosen."""

    temperature: float = Field(0.8, ge=0, le=5, description="0 always takes the likeliest token.")
    top_k: int | None = Field(None, ge=1, description="Only the k likeliest tokens; empty: all.")
    top_p: float | None = Field(
        None, gt=0, le=1, description="Only the likeliest tokens that reach p together."
    )
    max_tokens: int = Field(200, ge=1, le=1_000_000, description="Longest reply in tokens.")
    seed: int | None = Field(None, ge=0, lt=2**63, description="Same seed, same reply; empty: random.")
    stop_ids: tuple[int, ...] = Field((), description="Ids that end the reply.")


def filter_logits(logits: Tensor, params: SamplingParams) -> Tensor:
    """Divide by the temperature, then drop what top-k and top-p leave out (to minus infinity).

    The order and the rules are those of the Hugging Face warpers: top-p keeps the smallest set of likeliest
    tokens whose probabilities sum to at least p (Holtzman et al. 2020, arXiv:1904.09751).

    Args:
        logits: [..., V] float.

    Returns:
        [..., V].
    """
    logits = logits / params.temperature
    if params.top_k is not None and params.top_k < logits.shape[-1]:
        kth = logits.topk(params.top_k, dim=-1).values[..., -1:]
        logits = logits.masked_fill(logits < kth, float("-inf"))
    if params.top_p is not None and params.top_p < 1:
        ordered, order = logits.sort(dim=-1)  # ascending
        below = ordered.softmax(dim=-1).cumsum(dim=-1) <= 1 - params.top_p
        below[..., -1] = False
        logits = logits.masked_fill(below.scatter(-1, order, below), float("-inf"))
    return logits


def choose(logits: Tensor, params: SamplingParams, generator: Generator | None) -> int:
    """Choose the next id from one row of scores [V]."""
    if params.temperature < _COLDEST:
        return int(logits.argmax())
    import torch

    probabilities = filter_logits(logits.float(), params).softmax(dim=-1)
    return int(torch.multinomial(probabilities, 1, generator=generator))
