"""GPT-2 (Radford et al. 2019)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llm_playground.transformer.hf.config_file import ConfigFile
from llm_playground.transformer.hf.family import PLAIN_ACTIVATIONS, Family, activation_name
from llm_playground.transformer.hf.names import NameTable, Same

if TYPE_CHECKING:
    from llm_playground.transformer.config import ModelConfig


def _read(file: ConfigFile) -> dict[str, Any]:
    file.only(
        scale_attn_by_inverse_layer_idx=(False,), scale_attn_weights=(True,), add_cross_attention=(False,)
    )
    width = file.integer("n_embd", 768)
    return {
        "vocab_size": file.integer("vocab_size"),
        "context_length": file.integer("n_positions", 1024),
        "width": width,
        "layers": file.integer("n_layer", 12),
        "heads": file.integer("n_head", 12),
        "ffn_width": file.integer("n_inner", None) or 4 * width,
        "positions": "learned",
        "norm": "layernorm",
        "norm_eps": file.number("layer_norm_epsilon", 1e-5),
        "activation": file.choice("activation_function", PLAIN_ACTIVATIONS, "gelu_new"),
        "tied_embeddings": file.flag("tie_word_embeddings", True),
        "bias": True,
        "dropout": file.number("resid_pdrop", 0.1),
        "init_std": file.number("initializer_range", 0.02),
    }


def _write(config: ModelConfig) -> dict[str, Any]:
    return {
        "vocab_size": config.vocab_size,
        "n_positions": config.context_length,
        "n_embd": config.width,
        "n_layer": config.layers,
        "n_head": config.heads,
        "n_inner": config.hidden_width,
        "activation_function": activation_name(config, PLAIN_ACTIVATIONS),
        "layer_norm_epsilon": config.norm_eps,
        "initializer_range": config.init_std,
        "embd_pdrop": config.dropout,
        "attn_pdrop": config.dropout,
        "resid_pdrop": config.dropout,
        "tie_word_embeddings": config.tied_embeddings,
    }


GPT2 = Family(
    model_type="gpt2",
    architecture="GPT2LMHeadModel",
    read=_read,
    write=_write,
    ids={"bos": 50_256, "eos": 50_256, "pad": None},
    names=NameTable(
        prefix="transformer.",
        top={
            "embedding": Same("transformer.wte"),
            "position_embedding": Same("transformer.wpe"),
            "final_norm": Same("transformer.ln_f"),
        },
        block="transformer.h.{i}.",
        parts={
            "attention_norm": Same("ln_1"),
            "attention.qkv": Same("attn.c_attn", transposed=True),
            "attention.output": Same("attn.c_proj", transposed=True),
            "ffn_norm": Same("ln_2"),
            "ffn.up": Same("mlp.c_fc", transposed=True),
            "ffn.down": Same("mlp.c_proj", transposed=True),
        },
        head="lm_head.weight",
        harmless=(r"attn\.(masked_)?bias",),
    ),
)
