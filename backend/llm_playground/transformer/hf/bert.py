"""BERT with its masked-language-model head (Devlin et al. 2019, arXiv:1810.04805)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llm_playground.transformer.hf.config_file import ConfigFile
from llm_playground.transformer.hf.family import PLAIN_ACTIVATIONS, Family, activation_name, heads_divide
from llm_playground.transformer.hf.names import NameTable, Rows, Same, qkv_sizes

if TYPE_CHECKING:
    from llm_playground.transformer.config import ModelConfig


def _read(file: ConfigFile) -> dict[str, Any]:
    file.only(
        is_decoder=(False,),
        add_cross_attention=(False,),
        position_embedding_type=("absolute", None),
        tie_word_embeddings=(True, None),
    )
    return {
        "architecture": "encoder",
        "vocab_size": file.integer("vocab_size"),
        "context_length": file.integer("max_position_embeddings", 512),
        "width": file.integer("hidden_size"),
        "layers": file.integer("num_hidden_layers"),
        "heads": file.integer("num_attention_heads"),
        "ffn_width": file.integer("intermediate_size"),
        "positions": "learned",
        "segments": file.integer("type_vocab_size", 2),
        "norm": "layernorm",
        "norm_eps": file.number("layer_norm_eps", 1e-12),
        "norm_placement": "post",
        "embedding_norm": True,
        "activation": file.choice("hidden_act", PLAIN_ACTIVATIONS, "gelu"),
        "tied_embeddings": True,
        "head_transform": True,
        "head_bias": True,
        "bias": True,
        "dropout": file.number("hidden_dropout_prob", 0.1),
        "init_std": file.number("initializer_range", 0.02),
    }


def _write(config: ModelConfig) -> dict[str, Any]:
    return {
        "vocab_size": config.vocab_size,
        "hidden_size": config.width,
        "intermediate_size": config.hidden_width,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "max_position_embeddings": config.context_length,
        "type_vocab_size": config.segments,
        "hidden_act": activation_name(config, PLAIN_ACTIVATIONS),
        "layer_norm_eps": config.norm_eps,
        "initializer_range": config.init_std,
        "hidden_dropout_prob": config.dropout,
        "attention_probs_dropout_prob": config.dropout,
        "tie_word_embeddings": config.tied_embeddings,
    }


BERT = Family(
    model_type="bert",
    architecture="BertForMaskedLM",
    read=_read,
    write=_write,
    ids={"bos": None, "eos": None, "pad": 0},
    names=NameTable(
        prefix="bert.",
        top={
            "embedding": Same("bert.embeddings.word_embeddings"),
            "position_embedding": Same("bert.embeddings.position_embeddings"),
            "segment_embedding": Same("bert.embeddings.token_type_embeddings"),
            "embedding_norm": Same("bert.embeddings.LayerNorm"),
            "head_transform.dense": Same("cls.predictions.transform.dense"),
            "head_transform.norm": Same("cls.predictions.transform.LayerNorm"),
            "head_bias": Same("cls.predictions.bias"),
        },
        block="bert.encoder.layer.{i}.",
        parts={
            "attention.qkv": Rows(
                ("attention.self.query", "attention.self.key", "attention.self.value"), qkv_sizes
            ),
            "attention.output": Same("attention.output.dense"),
            "attention_norm": Same("attention.output.LayerNorm"),
            "ffn.up": Same("intermediate.dense"),
            "ffn.down": Same("output.dense"),
            "ffn_norm": Same("output.LayerNorm"),
        },
        head="cls.predictions.decoder.weight",
        aliases={"cls.predictions.bias": ("cls.predictions.decoder.bias",)},
        harmless=(
            r"embeddings\.(position_ids|token_type_ids)",
            r"bert\.pooler\..*",
            r"cls\.seq_relationship\..*",  # the head of next-sentence prediction
            r"cls\.predictions\.bias",  # its decoder's bias once more
        ),
        renamed={"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"},
    ),
    accepts=heads_divide,
)
