"""Floating-point operations, counted matrix product by matrix product. A multiply-add counts two.

A token costs ``2 * in * out`` for each matrix that it goes through, the head included even where it is tied,
and ``4 * heads * head_size`` for each token that it looks at: half for the scores, half for the mixture.
Sums, norms, activation functions and the softmax are left out, as is usual: they are far below one percent.

How many tokens a token looks at is taken two ways. *Causal*, the default, is what has to be computed: a query
sees itself and what came before, at most its window, on average over the context. *Full* is what papers often
count, and what a kernel computes that masks but does not skip: every query meets every key of the window.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from llm_playground.transformer.analysis.parameters import expert_matrix
from llm_playground.transformer.analysis.skeleton import (
    COMPONENTS,
    HEAD,
    LOOKUPS,
    SCORES,
    depth,
    kinds,
    weights,
)
from llm_playground.transformer.config import ModelConfig


@dataclass(frozen=True)
class Flops:
    """Floating-point operations per token at a context (a multiply-add counts two).

    Attributes:
        context: tokens of a sequence.
        per_token_forward: forward pass, attention as far as each query sees (see the module).
        per_token_training: three times that: the backward pass multiplies twice for each product.
        per_token_forward_full: forward pass with every query against every key of its window.
        recomputed: what full checkpointing computes again: the forward pass of the blocks.
        by_component: the forward pass by component; ``attention scores`` are the products between tokens.
    """

    context: int
    per_token_forward: float
    per_token_training: float
    per_token_forward_full: float
    recomputed: float
    by_component: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON data; components as a list."""
        return {
            "context": self.context,
            "per_token_forward": self.per_token_forward,
            "per_token_training": self.per_token_training,
            "per_token_forward_full": self.per_token_forward_full,
            "recomputed": self.recomputed,
            "by_component": [
                {"component": name, "forward": count} for name, count in self.by_component.items()
            ],
        }


def seen_tokens(context: int, window: int | None) -> float:
    """Return how many tokens a query sees, itself included, on average over a causal sequence.

    The mean of ``min(t + 1, window)`` over t = 0 ... context - 1.
    """
    reach = min(window or context, context)
    return (reach * (reach + 1) / 2 + (context - reach) * reach) / context


def count_flops(config: ModelConfig, context: int) -> Flops:
    """Count the operations of one token in a sequence of ``context`` tokens.

    An encoder and its decoder are counted for a pair of sequences of that length, per token of the pair.
    """
    counts: dict[str, float] = {}
    inside = 0.0
    for weight in weights(config):
        if len(weight.shape) < 2 or weight.component in LOOKUPS:
            continue
        share = config.experts_per_token / weight.shape[0] if expert_matrix(weight) else 1.0
        operations = 2.0 * weight.numel * weight.copies * share
        counts[weight.component] = counts.get(weight.component, 0.0) + operations
        inside += operations if weight.stack else 0.0
    if config.tied_embeddings:
        counts[HEAD] = counts.get(HEAD, 0.0) + 2.0 * config.vocab_size * config.width
    causal, full = _looks(config, context)
    each = 4.0 * config.heads * config.head_size
    counts[SCORES] = each * causal
    forward = sum(counts.values())
    return Flops(
        context=context,
        per_token_forward=forward,
        per_token_training=3 * forward,
        per_token_forward_full=forward + each * (full - causal),
        recomputed=inside + each * causal,
        by_component={name: counts[name] for name in COMPONENTS if name in counts},
    )


def _looks(config: ModelConfig, context: int) -> tuple[float, float]:
    """Return how many tokens one token looks at in all layers together, (causal, full)."""
    if config.architecture == "encoder":
        both = float(config.layers * context)
        return both, both
    causal = sum(count * seen_tokens(context, window) for window, count in kinds(config).items())
    full = float(sum(count * min(window or context, context) for window, count in kinds(config).items()))
    if config.architecture == "encoder-decoder":
        # The encoder's queries and those of cross-attention meet the whole source.
        everything = float((depth(config, "encoder") + config.layers) * context)
        return causal + everything, full + everything
    return causal, full
