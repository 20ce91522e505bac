"""Gemma 2 and the text models of Gemma 3: norms with 1 + w around each part, windows in most layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llm_playground.transformer.hf.config_file import ConfigFile
from llm_playground.transformer.hf.family import GATED_ACTIVATIONS, Family, activation_name, heads_divide
from llm_playground.transformer.hf.llama import (
    ATTENTION,
    FEED_FORWARD,
    FULL,
    HARMLESS,
    SLIDING,
    TOP,
    biases,
    head_width,
    layer_kinds,
    read_windows,
    write_common,
)
from llm_playground.transformer.hf.names import NameTable, Same
from llm_playground.transformer.hf.rope import read_rope, read_scaling, write_scaling

if TYPE_CHECKING:
    from llm_playground.transformer.config import ModelConfig

_LOCAL_THETA, _GLOBAL_THETA = 10_000.0, 1_000_000.0


def _read_common(file: ConfigFile, every: int) -> dict[str, Any]:
    """Read what both have; ``every`` so many layers one sees everything where the file lists no kinds."""
    file.only(use_bidirectional_attention=(False, None))
    width, heads = file.integer("hidden_size"), file.integer("num_attention_heads")
    layers, size = file.integer("num_hidden_layers"), file.integer("head_dim", 256)
    kinds = file.names("layer_types", layers)
    if kinds is None:
        kinds = [SLIDING if (index + 1) % every else FULL for index in range(layers)]
    window = file.integer("sliding_window", None) if "sliding_window" in file.data else 4096
    bias = file.flag("attention_bias", False)
    scalar = file.number("query_pre_attn_scalar", 256)
    return {
        "vocab_size": file.integer("vocab_size"),
        "width": width,
        "layers": layers,
        "heads": heads,
        "kv_heads": file.integer("num_key_value_heads", 4),
        "head_width": head_width(size, width, heads),
        "ffn_width": file.integer("intermediate_size"),
        "positions": "rope",
        **read_windows(file, window, kinds),
        "norm": "rmsnorm_plus_one",
        "norm_eps": file.number("rms_norm_eps", 1e-6),
        "norm_placement": "sandwich",
        "activation": file.choice("hidden_activation", GATED_ACTIVATIONS, "gelu_pytorch_tanh"),
        "tied_embeddings": file.flag("tie_word_embeddings", True),
        "embedding_scale": True,
        "bias": False,
        **biases(bias, bias, False),
        "query_scalar": None if scalar == size else scalar,
        "logit_softcap": None,
        "init_std": file.number("initializer_range", 0.02),
    }


def _write_common(config: ModelConfig) -> dict[str, Any]:
    values = write_common(config)
    del values["hidden_act"]
    return {
        **values,
        "hidden_activation": activation_name(config, GATED_ACTIVATIONS),
        "attention_bias": config.has_qkv_bias,
        "query_pre_attn_scalar": int(config.query_scalar or config.head_size),
        "sliding_window": config.window or 4096,
        "layer_types": layer_kinds(config),
        "final_logit_softcapping": config.logit_softcap,
        "use_bidirectional_attention": False,
    }


def _cap(file: ConfigFile, key: str, default: float | None) -> float | None:
    value: float | None = file.number(key, None) if key in file.data else default
    return value


def _read_gemma2(file: ConfigFile) -> dict[str, Any]:
    return {
        **_read_common(file, 2),
        **read_rope(file, file.integer("max_position_embeddings", 8192)),
        "attention_softcap": _cap(file, "attn_logit_softcapping", 50.0),
        "logit_softcap": _cap(file, "final_logit_softcapping", 30.0),
    }


def _write_gemma2(config: ModelConfig) -> dict[str, Any]:
    return {**_write_common(config), "attn_logit_softcapping": config.attention_softcap}


def _read_gemma3(file: ConfigFile) -> dict[str, Any]:
    # The reference does not apply this setting; with a value in it nobody can say what is meant.
    file.only(attn_logit_softcapping=(None,))
    every = file.integer("sliding_window_pattern", None) or file.integer("_sliding_window_pattern", 6)
    values = _read_common(file, every)
    context = file.integer("max_position_embeddings", 131_072)
    rope = file.section("rope_parameters")
    if rope.data and not {FULL, SLIDING} & rope.data.keys():
        raise file.wrong("rope_parameters", rope.data, f"a mapping with {FULL} and {SLIDING}")
    whole, local = rope.section(FULL), rope.section(SLIDING)
    scaling = ConfigFile({**whole.data, **file.section("rope_scaling").data}, whole.name)
    theta = whole.number("rope_theta", None) or file.number("rope_theta", _GLOBAL_THETA)
    near = local.number("rope_theta", None) or file.number("rope_local_base_freq", _LOCAL_THETA)
    values |= {"rope_theta": theta, **read_scaling(scaling, file, context)}
    alike = read_scaling(local, file, context)["rope_scaling"] == values["rope_scaling"]
    if values["window"] is None or (alike and near == theta):
        near = None
    elif read_scaling(local, file, context)["rope_scaling"] is not None:
        raise local.refused("rope_type", local.get("rope_type"), ("default",))
    return {
        **values,
        "qk_norm": True,
        "rope_theta_local": near,
        "logit_softcap": _cap(file, "final_logit_softcapping", None),
    }


def _write_gemma3(config: ModelConfig) -> dict[str, Any]:
    scaling, local = write_scaling(config), config.rope_theta_local
    near = {**scaling, "rope_theta": config.rope_theta}
    if local is not None:
        near = {"rope_type": "default", "rope_theta": local}
    return {
        **_write_common(config),
        "rope_local_base_freq": near["rope_theta"],
        "rope_parameters": {FULL: {**scaling, "rope_theta": config.rope_theta}, SLIDING: near},
        "attn_logit_softcapping": None,
    }


_IDS = {"bos": 2, "eos": 1, "pad": 0}
_NAMES = NameTable(
    prefix="model.",
    top=TOP,
    block="model.layers.{i}.",
    parts={
        **ATTENTION,
        "attention_post_norm": Same("post_attention_layernorm"),
        "ffn_norm": Same("pre_feedforward_layernorm"),
        **FEED_FORWARD,
        "ffn_post_norm": Same("post_feedforward_layernorm"),
    },
    head="lm_head.weight",
    harmless=HARMLESS,
)
GEMMA2 = Family(
    "gemma2", "Gemma2ForCausalLM", _read_gemma2, _write_gemma2, _IDS, _NAMES, accepts=heads_divide
)
GEMMA3 = Family(
    "gemma3_text", "Gemma3ForCausalLM", _read_gemma3, _write_gemma3, _IDS, _NAMES, accepts=heads_divide
)
