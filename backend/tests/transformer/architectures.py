"""Small architectures of every kind, for tests of what is counted."""

from __future__ import annotations

from typing import Any

import torch

from llm_playground.transformer import EncoderDecoderLM, ModelConfig, TransformerLM

BASE = {"vocab_size": 97, "context_length": 64, "width": 64, "layers": 3, "heads": 4, "kv_heads": 2}
GPT2 = {"positions": "learned", "norm": "layernorm", "activation": "gelu_tanh", "bias": True, "kv_heads": 4}
GEMMA = {
    "norm": "rmsnorm_plus_one",
    "norm_placement": "sandwich",
    "qk_norm": True,
    "activation": "geglu_tanh",
    "head_width": 32,
    "window": 8,
    "full_attention_layers": (1,),
    "rope_theta_local": 100.0,
}
BERT = {
    **GPT2,
    "architecture": "encoder",
    "norm_placement": "post",
    "embedding_norm": True,
    "segments": 2,
    "head_transform": True,
    "head_bias": True,
}
SHAPES: dict[str, dict[str, Any]] = {
    "llama": {},
    "gpt2": GPT2,
    "untied": {"tied_embeddings": False, "qkv_bias": True},
    "gemma": GEMMA,
    "gemma-capped": {**GEMMA, "qk_norm": False, "attention_softcap": 5.0, "logit_softcap": 3.0},
    "neox": {"parallel": True, "rope_share": 0.25, "norm": "layernorm", "activation": "gelu", "bias": True},
    "alibi": {"positions": "alibi", "activation": "relu2", "norm": "groupnorm", "norm_groups": 4},
    "mixture": {"experts": 4},
    "bert": BERT,
    "encoder-decoder": {"architecture": "encoder-decoder", "positions": "sinusoidal", "encoder_layers": 2},
    "encoder-decoder-post": {**GPT2, "architecture": "encoder-decoder", "norm_placement": "post"},
}


def shape(name: str, **more: Any) -> ModelConfig:
    return ModelConfig(**{**BASE, **SHAPES[name], **more})


def build(config: ModelConfig) -> torch.nn.Module:
    torch.manual_seed(0)
    return (EncoderDecoderLM if config.architecture == "encoder-decoder" else TransformerLM)(config)


def inputs(config: ModelConfig, batch: int, time: int) -> tuple[torch.Tensor, ...]:
    ids = torch.randint(0, config.vocab_size, (batch, time), generator=torch.Generator().manual_seed(1))
    return (ids, ids) if config.architecture == "encoder-decoder" else (ids,)
