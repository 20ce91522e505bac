"""Llama and its kin: Mistral, Qwen2, Qwen3 and Mixtral differ in biases, windows, norms and experts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llm_playground.transformer.hf.config_file import ConfigFile
from llm_playground.transformer.hf.family import GATED_ACTIVATIONS, Family, activation_name, heads_divide
from llm_playground.transformer.hf.names import (
    EachExpert,
    NameTable,
    Rows,
    Rule,
    Same,
    gate_sizes,
    qkv_sizes,
)
from llm_playground.transformer.hf.rope import read_rope, write_rope

if TYPE_CHECKING:
    from llm_playground.transformer.config import ModelConfig

FULL, SLIDING = "full_attention", "sliding_attention"


def read_common(file: ConfigFile, *, kv_heads: int | None, theta: float = 10_000.0) -> dict[str, Any]:
    """Read what the families around Llama have in common.

    Args:
        file: the ``config.json``.
        kv_heads: key/value heads where the file says none; None for as many as heads.
        theta: base of the rotary frequencies where the file says none.
    """
    file.only(rope_interleaved=(False, None))
    activation = file.choice("hidden_act", GATED_ACTIVATIONS, "silu")
    width, heads = file.integer("hidden_size"), file.integer("num_attention_heads")
    return {
        "vocab_size": file.integer("vocab_size"),
        "width": width,
        "layers": file.integer("num_hidden_layers"),
        "heads": heads,
        "kv_heads": file.integer("num_key_value_heads", kv_heads) or heads,
        "head_width": head_width(file.integer("head_dim", None), width, heads),
        "ffn_width": file.integer("intermediate_size"),
        "positions": "rope",
        **read_rope(file, file.integer("max_position_embeddings", 2048), theta),
        "norm": "rmsnorm",
        "norm_eps": file.number("rms_norm_eps", 1e-6),
        "activation": activation,
        "tied_embeddings": file.flag("tie_word_embeddings", False),
        "bias": False,
        "init_std": file.number("initializer_range", 0.02),
    }


def head_width(size: int | None, width: int, heads: int) -> int | None:
    """Return the head size where it must be told: None where it is width / heads."""
    return None if size is None or size * heads == width else size


def read_windows(file: ConfigFile, window: int | None, kinds: list[str]) -> dict[str, Any]:
    """Return ``window`` and ``full_attention_layers`` for the kind of each layer.

    Raises:
        ConfigError: a kind of layer that this model does not have, or windows without a size.
    """
    for kind in kinds:
        if kind not in (FULL, SLIDING):
            raise file.refused("layer_types", kind, (FULL, SLIDING))
    if SLIDING not in kinds:
        return {"window": None, "full_attention_layers": ()}
    if window is None:
        raise file.wrong("sliding_window", None, f"a whole number, for layer_types names {SLIDING}")
    full = tuple(index for index, kind in enumerate(kinds) if kind == FULL)
    return {"window": window, "full_attention_layers": full}


def layer_kinds(config: ModelConfig) -> list[str]:
    """Return ``layer_types`` of a configuration."""
    return [FULL if config.layer_window(index) is None else SLIDING for index in range(config.layers)]


def write_common(config: ModelConfig) -> dict[str, Any]:
    """Return the keys that the families around Llama have in common."""
    return {
        "vocab_size": config.vocab_size,
        "hidden_size": config.width,
        "intermediate_size": config.hidden_width,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.key_value_heads,
        "head_dim": config.head_size,
        "hidden_act": activation_name(config, GATED_ACTIVATIONS),
        "rms_norm_eps": config.norm_eps,
        "initializer_range": config.init_std,
        **write_rope(config),
        "attention_dropout": 0.0,
        "tie_word_embeddings": config.tied_embeddings,
    }


def _read_llama(file: ConfigFile) -> dict[str, Any]:
    values = read_common(file, kv_heads=None)
    attention, mlp = file.flag("attention_bias", False), file.flag("mlp_bias", False)
    return {**values, "bias": mlp, **biases(attention, attention, mlp)}


def biases(qkv: bool, output: bool, others: bool) -> dict[str, Any]:
    """Return ``qkv_bias`` and ``output_bias``: None where they are as the others."""
    return {
        "qkv_bias": None if qkv == others else qkv,
        "output_bias": None if output == others else output,
    }


def _write_llama(config: ModelConfig) -> dict[str, Any]:
    return {**write_common(config), "attention_bias": config.has_qkv_bias, "mlp_bias": config.bias}


def _read_mistral(file: ConfigFile) -> dict[str, Any]:
    file.only(layer_types=(None,))
    values = read_common(file, kv_heads=8)
    window = file.integer("sliding_window", None) if "sliding_window" in file.data else 4096
    return {**values, **read_windows(file, window, [SLIDING if window else FULL] * values["layers"])}


def _write_mistral(config: ModelConfig) -> dict[str, Any]:
    return {**write_common(config), "sliding_window": config.window}


def _qwen_windows(file: ConfigFile, layers: int) -> dict[str, Any]:
    used = file.flag("use_sliding_window", False)
    window = file.integer("sliding_window", None if "sliding_window" in file.data else 4096) if used else None
    kinds = file.names("layer_types", layers)
    if kinds is None:
        first = file.get("max_window_layers", 28)
        if isinstance(first, bool) or not isinstance(first, int):
            raise file.wrong("max_window_layers", first, "a whole number")
        kinds = [SLIDING if window is not None and index >= first else FULL for index in range(layers)]
    elif not used and SLIDING in kinds:
        raise file.refused("layer_types", SLIDING, (f"{FULL} in all layers, or use_sliding_window = true",))
    return read_windows(file, window, kinds)


def _write_qwen_windows(config: ModelConfig) -> dict[str, Any]:
    kinds = layer_kinds(config)
    used = SLIDING in kinds
    return {
        "use_sliding_window": used,
        "sliding_window": config.window if used else None,
        "max_window_layers": kinds.index(SLIDING) if used else config.layers,
        "layer_types": kinds,
    }


def _read_qwen2(file: ConfigFile) -> dict[str, Any]:
    values = read_common(file, kv_heads=32)
    values["head_width"] = None  # the family has no setting for it
    return {**values, **biases(True, False, False), **_qwen_windows(file, values["layers"])}


def _write_qwen2(config: ModelConfig) -> dict[str, Any]:
    values = write_common(config)
    del values["head_dim"]
    return {**values, **_write_qwen_windows(config)}


def _read_qwen3(file: ConfigFile) -> dict[str, Any]:
    values = read_common(file, kv_heads=32)
    size = file.integer("head_dim", 128)
    values["head_width"] = head_width(size, values["width"], values["heads"])
    bias = file.flag("attention_bias", False)
    return {
        **values,
        "qk_norm": True,
        **biases(bias, bias, False),
        **_qwen_windows(file, values["layers"]),
    }


def _write_qwen3(config: ModelConfig) -> dict[str, Any]:
    return {
        **write_common(config),
        "attention_bias": config.has_qkv_bias,
        **_write_qwen_windows(config),
    }


def _read_mixtral(file: ConfigFile) -> dict[str, Any]:
    values = read_common(file, kv_heads=8, theta=1_000_000.0)
    window = file.integer("sliding_window", None)
    return {
        **values,
        "norm_eps": file.number("rms_norm_eps", 1e-5),
        **read_windows(file, window, [SLIDING if window else FULL] * values["layers"]),
        "experts": file.integer("num_local_experts", 8),
        "experts_per_token": file.integer("num_experts_per_tok", 2),
        "expert_balance": file.number("router_aux_loss_coef", 0.001),
    }


def _write_mixtral(config: ModelConfig) -> dict[str, Any]:
    return {
        **write_common(config),
        "sliding_window": config.window,
        "num_local_experts": config.experts,
        "num_experts_per_tok": config.experts_per_token,
        "router_aux_loss_coef": config.expert_balance,
        "output_router_logits": False,
    }


TOP: dict[str, Rule] = {
    "embedding": Same("model.embed_tokens"),
    "final_norm": Same("model.norm"),
}
ATTENTION: dict[str, Rule] = {
    "attention_norm": Same("input_layernorm"),
    "attention.qkv": Rows(("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"), qkv_sizes),
    "attention.q_norm": Same("self_attn.q_norm"),
    "attention.k_norm": Same("self_attn.k_norm"),
    "attention.output": Same("self_attn.o_proj"),
}
FEED_FORWARD: dict[str, Rule] = {
    "ffn.up": Rows(("mlp.gate_proj", "mlp.up_proj"), gate_sizes),
    "ffn.down": Same("mlp.down_proj"),
}
HARMLESS = (r"rotary_emb\.inv_freq",)
NAMES = NameTable(
    prefix="model.",
    top=TOP,
    block="model.layers.{i}.",
    parts={**ATTENTION, "ffn_norm": Same("post_attention_layernorm"), **FEED_FORWARD},
    head="lm_head.weight",
    harmless=HARMLESS,
)
MIXTURE_NAMES = NameTable(
    prefix="model.",
    top=TOP,
    block="model.layers.{i}.",
    parts={
        **ATTENTION,
        "ffn_norm": Same("post_attention_layernorm"),
        "ffn.router": Same("block_sparse_moe.gate"),
        "ffn.up": EachExpert(
            ("block_sparse_moe.experts.{e}.w1.weight", "block_sparse_moe.experts.{e}.w3.weight"), gate_sizes
        ),
        "ffn.down": EachExpert(("block_sparse_moe.experts.{e}.w2.weight",), lambda config: (config.width,)),
    },
    head="lm_head.weight",
    harmless=HARMLESS,
)

_LLAMA_IDS = {"bos": 1, "eos": 2, "pad": None}
_NO_IDS: dict[str, int | None] = {"bos": None, "eos": None, "pad": None}
LLAMA = Family(
    "llama", "LlamaForCausalLM", _read_llama, _write_llama, _LLAMA_IDS, NAMES, accepts=heads_divide
)
MISTRAL = Family("mistral", "MistralForCausalLM", _read_mistral, _write_mistral, _LLAMA_IDS, NAMES)
QWEN2 = Family("qwen2", "Qwen2ForCausalLM", _read_qwen2, _write_qwen2, _NO_IDS, NAMES)
QWEN3 = Family("qwen3", "Qwen3ForCausalLM", _read_qwen3, _write_qwen3, _NO_IDS, NAMES)
MIXTRAL = Family("mixtral", "MixtralForCausalLM", _read_mixtral, _write_mixtral, _LLAMA_IDS, MIXTURE_NAMES)
