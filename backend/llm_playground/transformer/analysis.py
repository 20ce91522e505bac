"""Arithmetic of a model: parameters, operations and memory, derived from the module that would be built."""

from __future__ import annotations

from dataclasses import dataclass

from llm_playground.transformer.config import ModelConfig


@dataclass(frozen=True)
class Parameters:
    """Parameter counts.

    Attributes:
        total: all of them, a tied head once.
        by_component: embedding, positions, attention, feed-forward, norms, head.
    """

    total: int
    by_component: dict[str, int]


@dataclass(frozen=True)
class Flops:
    """Floating-point operations per token at the full context (a multiply-add counts two)."""

    per_token_forward: float
    per_token_training: float


@dataclass(frozen=True)
class Memory:
    """Bytes in float32: what training holds whatever the batch, and the KV cache of one token."""

    weights: int
    gradients: int
    optimizer: int
    kv_cache_per_token: int


@dataclass(frozen=True)
class Analysis:
    """What :func:`analyze` returns."""

    parameters: Parameters
    flops: Flops
    memory: Memory


_COMPONENTS = {
    "embedding": "embedding",
    "position_embedding": "positions",
    "attention": "attention",
    "ffn": "feed-forward",
    "attention_norm": "norms",
    "ffn_norm": "norms",
    "final_norm": "norms",
    "head": "head",
}


def analyze(config: ModelConfig) -> Analysis:
    """Count parameters on the meta device (no memory is spent) and derive operations and memory.

    Forward operations per token are ``2 * (parameters in matrix products) + 4 * layers * width * T / 2``
    (scores and mixture over on average half the context T); training takes three times as many
    (Kaplan et al. 2020, arXiv:2001.08361, section 2.1, here with the causal half).
    """
    import torch

    from llm_playground.transformer.model import TransformerLM

    with torch.device("meta"):
        model = TransformerLM(config)
    counts: dict[str, int] = {}
    matrices = 0
    for name, parameter in model.named_parameters():
        parts = name.split(".")
        component = _COMPONENTS[parts[2] if parts[0] == "blocks" else parts[0]]
        counts[component] = counts.get(component, 0) + parameter.numel()
        if parameter.dim() == 2 and component not in ("embedding", "positions"):
            matrices += parameter.numel()
    if config.tied_embeddings:
        matrices += config.vocab_size * config.width
    total = sum(counts.values())
    forward = 2.0 * matrices + 2.0 * config.layers * config.width * config.context_length
    cache = 2 * config.layers * config.key_value_heads * config.head_size * 4
    return Analysis(
        Parameters(total, counts),
        Flops(forward, 3 * forward),
        Memory(4 * total, 4 * total, 8 * total, cache),
    )
