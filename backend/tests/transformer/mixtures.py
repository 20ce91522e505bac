"""Small models of every mixture, with weights drawn wide enough that no part hides behind another."""

from __future__ import annotations

from typing import Any

import torch

from llm_playground.transformer import EncoderDecoderLM, ModelConfig, TransformerLM

VOCAB, CONTEXT = 61, 40
_SIZES: dict[str, Any] = {
    "vocab_size": VOCAB,
    "context_length": CONTEXT,
    "width": 24,
    "layers": 3,
    "heads": 4,
    "init_std": 0.25,
}
_GPT2 = {"positions": "learned", "norm": "layernorm", "activation": "gelu_tanh", "bias": True}
_GEMMA3 = {
    "norm": "rmsnorm_plus_one",
    "norm_placement": "sandwich",
    "qk_norm": True,
    "kv_heads": 2,
    "head_width": 8,
    "window": 5,
    "full_attention_layers": (2,),
    "rope_theta_local": 100.0,
    "rope_scaling": {"type": "linear", "factor": 4.0},
    "query_scalar": 20.0,
    "activation": "geglu_tanh",
    "embedding_scale": True,
}

DECODERS: dict[str, dict[str, Any]] = {
    "gpt2": _GPT2,
    "llama": {"kv_heads": 2, "tied_embeddings": False},
    "one-key-head": {"kv_heads": 1},
    "mistral": {"kv_heads": 2, "window": 6},
    "window-of-one": {"window": 1},
    "qwen2": {"kv_heads": 2, "qkv_bias": True},
    "qwen3": {"kv_heads": 2, "head_width": 10, "qk_norm": True},
    "gemma2": {
        "norm": "rmsnorm_plus_one",
        "norm_placement": "sandwich",
        "kv_heads": 2,
        "window": 5,
        "full_attention_layers": (1,),
        "attention_softcap": 3.0,
        "logit_softcap": 4.0,
        "activation": "geglu_tanh",
        "embedding_scale": True,
    },
    "gemma3": _GEMMA3,
    "neox": {
        "norm": "layernorm",
        "bias": True,
        "parallel": True,
        "activation": "gelu",
        "head_width": 8,
        "rope_share": 0.5,
    },
    "parallel-sandwich": {"parallel": True, "norm_placement": "sandwich", "activation": "relu2"},
    "alibi": {"positions": "alibi", "activation": "relu", "norm": "layernorm"},
    "alibi-odd-heads-window": {"positions": "alibi", "heads": 6, "window": 7, "kv_heads": 3},
    "alibi-softcap": {"positions": "alibi", "attention_softcap": 2.0},
    "sinusoids": {"positions": "sinusoidal", "activation": "geglu", "norm_placement": "post"},
    "no-positions": {"positions": "none", "norm": "groupnorm", "norm_groups": 4, "bias": True},
    "post-norm": {**_GPT2, "norm_placement": "post", "embedding_norm": True},
    "linear": {"rope_scaling": {"type": "linear", "factor": 4.0}, "head_width": 8},
    "dynamic": {"rope_scaling": {"type": "dynamic", "factor": 2.0}, "head_width": 8},
    "yarn": {"rope_scaling": {"type": "yarn", "factor": 4.0, "original_context": 10}, "head_width": 8},
    "llama3": {"rope_scaling": {"type": "llama3", "factor": 8.0, "original_context": 20}, "head_width": 8},
    "mixture": {"experts": 4, "experts_per_token": 2},
    "mixture-plain": {"experts": 3, "experts_per_token": 1, "activation": "gelu"},
    "all-of-the-head": {"head_transform": True, "head_bias": True, "segments": 3, "bias": True},
}
ENCODERS: dict[str, dict[str, Any]] = {
    "bert": {
        **_GPT2,
        "architecture": "encoder",
        "activation": "gelu",
        "norm_placement": "post",
        "embedding_norm": True,
        "segments": 2,
        "head_transform": True,
        "head_bias": True,
    },
    "rope-encoder": {"architecture": "encoder", "kv_heads": 2},
    "alibi-encoder": {"architecture": "encoder", "positions": "alibi"},
}
BOTH: dict[str, dict[str, Any]] = {
    "vaswani": {
        **_GPT2,
        "architecture": "encoder-decoder",
        "positions": "sinusoidal",
        "activation": "relu",
        "norm_placement": "post",
        "embedding_scale": True,
        "encoder_layers": 2,
    },
    "modern": {
        "architecture": "encoder-decoder",
        "kv_heads": 2,
        "qk_norm": True,
        "window": 4,
        "norm_placement": "sandwich",
    },
    "alibi-parallel": {
        "architecture": "encoder-decoder",
        "positions": "alibi",
        "parallel": True,
        "attention_softcap": 2.0,
        "experts": 3,
    },
}
MIXTURES = {**DECODERS, **ENCODERS, **BOTH}


def configure(name: str, **changes: Any) -> ModelConfig:
    """Return the configuration of a mixture."""
    return ModelConfig(**{**_SIZES, **MIXTURES[name], **changes})


def build(name: str, **changes: Any) -> Any:
    """Return a mixture's model with random weights, gains and biases, in evaluation mode."""
    torch.manual_seed(0)
    config = configure(name, **changes)
    model = EncoderDecoderLM(config) if name in BOTH else TransformerLM(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return model.eval()


def ids(rows: int, time: int, seed: int = 1) -> torch.Tensor:
    """Return random token ids [rows, time]."""
    return torch.randint(0, VOCAB, (rows, time), generator=torch.Generator().manual_seed(seed))
