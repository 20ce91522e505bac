"""GPT-NeoX (Black et al. 2022, arXiv:2204.06745) and Pythia: partly rotated heads, parallel parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llm_playground.transformer.hf.config_file import ConfigFile
from llm_playground.transformer.hf.family import PLAIN_ACTIVATIONS, Family, activation_name, heads_divide
from llm_playground.transformer.hf.llama import biases
from llm_playground.transformer.hf.names import Interleaved, NameTable, Same
from llm_playground.transformer.hf.rope import read_rope, read_share, write_rope

if TYPE_CHECKING:
    from llm_playground.transformer.config import ModelConfig


def _read(file: ConfigFile) -> dict[str, Any]:
    file.only(is_decoder=(False, True))  # it is a decoder whatever the file says
    attention = file.flag("attention_bias", True)
    return {
        "vocab_size": file.integer("vocab_size"),
        "width": file.integer("hidden_size"),
        "layers": file.integer("num_hidden_layers"),
        "heads": file.integer("num_attention_heads"),
        "ffn_width": file.integer("intermediate_size"),
        "positions": "rope",
        **read_rope(
            file,
            file.integer("max_position_embeddings", 2048),
            file.number("rotary_emb_base", 10_000.0),
        ),
        "rope_share": read_share(file, "rotary_pct", 0.25),
        "norm": "layernorm",
        "norm_eps": file.number("layer_norm_eps", 1e-5),
        "parallel": file.flag("use_parallel_residual", True),
        "activation": file.choice("hidden_act", PLAIN_ACTIVATIONS, "gelu"),
        "tied_embeddings": file.flag("tie_word_embeddings", False),
        "bias": True,
        **biases(attention, attention, True),
        "dropout": file.number("hidden_dropout", 0.0),
        "init_std": file.number("initializer_range", 0.02),
    }


def _write(config: ModelConfig) -> dict[str, Any]:
    rope = write_rope(config)
    rope["rope_parameters"]["partial_rotary_factor"] = config.rope_share
    if "rope_scaling" in rope:
        rope["rope_scaling"] = rope["rope_parameters"]
    del rope["rope_theta"]
    return {
        "vocab_size": config.vocab_size,
        "hidden_size": config.width,
        "intermediate_size": config.hidden_width,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "hidden_act": activation_name(config, PLAIN_ACTIVATIONS),
        "layer_norm_eps": config.norm_eps,
        "initializer_range": config.init_std,
        **rope,
        "rotary_emb_base": config.rope_theta,
        "rotary_pct": config.rope_share,
        "use_parallel_residual": config.parallel,
        "attention_bias": config.has_qkv_bias,
        "attention_dropout": config.dropout,
        "hidden_dropout": config.dropout,
        "tie_word_embeddings": config.tied_embeddings,
    }


GPT_NEOX = Family(
    model_type="gpt_neox",
    architecture="GPTNeoXForCausalLM",
    read=_read,
    write=_write,
    ids={"bos": 0, "eos": 2, "pad": None},
    names=NameTable(
        prefix="gpt_neox.",
        top={
            "embedding": Same("gpt_neox.embed_in"),
            "final_norm": Same("gpt_neox.final_layer_norm"),
        },
        block="gpt_neox.layers.{i}.",
        parts={
            "attention_norm": Same("input_layernorm"),
            "attention.qkv": Interleaved("attention.query_key_value"),
            "attention.output": Same("attention.dense"),
            "ffn_norm": Same("post_attention_layernorm"),
            "ffn.up": Same("mlp.dense_h_to_4h"),
            "ffn.down": Same("mlp.dense_4h_to_h"),
        },
        head="embed_out.weight",
        head_aliases=("lm_head.weight",),
        harmless=(r"attention\.(masked_)?bias", r"rotary_emb\.inv_freq"),
    ),
    accepts=heads_divide,
)
