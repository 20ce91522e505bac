"""Tiny models of every mixture that the views into a model must get right."""

from __future__ import annotations

import torch

from llm_playground.transformer import ModelConfig, TransformerLM

SIZE = {"vocab_size": 61, "context_length": 24, "width": 24, "layers": 2, "heads": 4, "init_std": 0.25}
MIXTURES: dict[str, dict[str, object]] = {
    "llama": {"kv_heads": 2},
    "gpt2": {"positions": "learned", "norm": "layernorm", "activation": "gelu_tanh", "bias": True},
    "gemma2": {
        "norm": "rmsnorm_plus_one",
        "norm_placement": "sandwich",
        "activation": "geglu_tanh",
        "embedding_scale": True,
        "attention_softcap": 5.0,
        "logit_softcap": 3.0,
        "query_scalar": 10.0,
        "window": 5,
        "full_attention_layers": (1,),
        "head_width": 8,
        "kv_heads": 1,
    },
    "qwen3": {"qk_norm": True, "head_width": 8, "qkv_bias": True, "rope_theta_local": 100.0, "window": 6},
    "gemma_qk": {
        "norm": "rmsnorm_plus_one",
        "qk_norm": True,
        "activation": "geglu",
        "tied_embeddings": False,
    },
    "neox": {
        "parallel": True,
        "rope_share": 0.5,
        "head_width": 8,
        "norm": "layernorm",
        "bias": True,
        "activation": "gelu",
        "tied_embeddings": False,
    },
    "alibi_post": {
        "positions": "alibi",
        "norm_placement": "post",
        "norm": "layernorm",
        "bias": True,
        "activation": "relu",
    },
    "sinusoidal_group": {
        "positions": "sinusoidal",
        "norm": "groupnorm",
        "norm_groups": 3,
        "activation": "relu2",
        "bias": True,
        "output_bias": False,
    },
    "sandwich_parallel": {"positions": "none", "norm_placement": "sandwich", "parallel": True},
    "experts": {"experts": 4, "experts_per_token": 2},
    "experts_plain": {
        "experts": 3,
        "experts_per_token": 1,
        "activation": "gelu",
        "norm_placement": "sandwich",
    },
    "scaled": {
        "rope_scaling": {"type": "yarn", "factor": 2.0, "original_context": 8},
        "context_length": 24,
        "head_bias": True,
    },
    "bert": {
        "architecture": "encoder",
        "positions": "learned",
        "norm": "layernorm",
        "norm_placement": "post",
        "activation": "gelu",
        "bias": True,
        "segments": 2,
        "embedding_norm": True,
        "head_transform": True,
        "head_bias": True,
    },
}
DECODERS = [name for name in MIXTURES if name != "bert"]


def make(name: str, seed: int = 0) -> TransformerLM:
    """Build a mixture with random weights, gains and biases."""
    torch.manual_seed(seed)
    model = TransformerLM(ModelConfig.model_validate(SIZE | MIXTURES[name])).eval()
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if parameter.dim() == 1:  # gains and biases, which would all be 1 or 0
                parameter.add_(0.3 * torch.randn_like(parameter))
            assert torch.isfinite(parameter).all(), key
    return model


def some_ids(model: TransformerLM, count: int = 11, seed: int = 1) -> torch.Tensor:
    """Return random ids, [count]."""
    return torch.randint(model.config.vocab_size, (count,), generator=torch.Generator().manual_seed(seed))
