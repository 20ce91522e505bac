"""The shape of a model, checked before any memory is spent, and its Hugging Face form."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from llm_playground.core.config import StageConfig, parse_config
from llm_playground.core.errors import ConfigError, NotFoundError

OWN_MODEL_TYPE = "llm_playground"


class ModelConfig(StageConfig):
    """The shape of one decoder-only transformer.

    ``learned`` positions, ``layernorm``, ``gelu_tanh`` and biases make a GPT-2; ``rope``, ``rmsnorm``,
    ``swiglu`` without biases make a Llama. Every other mixture works too, and is saved under a type of
    its own.
    """

    vocab_size: int = Field(1024, ge=2, le=2**31 - 1, description="Number of token ids.")
    context_length: int = Field(128, ge=2, le=2**20, description="Longest sequence in tokens.")
    width: int = Field(128, ge=2, le=65_536, description="Size of each token's vector (d_model).")
    layers: int = Field(4, ge=1, le=1024, description="Number of blocks.")
    heads: int = Field(4, ge=1, le=1024, description="Attention heads; must divide the width.")
    kv_heads: int | None = Field(None, ge=1, description="Key/value heads (GQA); empty: as many as heads.")
    ffn_width: int | None = Field(None, ge=1, description="Hidden size of the feed-forward part.")
    positions: Literal["learned", "rope"] = Field("rope", description="How positions are told.")
    rope_theta: float = Field(10_000.0, gt=0, description="Base of the rotary frequencies.")
    norm: Literal["layernorm", "rmsnorm"] = Field("rmsnorm", description="Kind of normalization.")
    norm_eps: float = Field(1e-5, gt=0, le=1e-2, description="Added to the variance.")
    activation: Literal["gelu", "gelu_tanh", "swiglu"] = Field("swiglu", description="Feed-forward kind.")
    tied_embeddings: bool = Field(True, description="The output head shares the token embeddings.")
    bias: bool = Field(False, description="Biases in the linear layers and LayerNorms.")
    dropout: float = Field(0.0, ge=0, lt=1, description="Share of activations dropped in training.")
    init_std: float = Field(0.02, gt=0, le=1, description="Standard deviation of the initial weights.")
    bos_id: int | None = Field(None, ge=0, description="Id that begins a document.")
    eos_id: int | None = Field(None, ge=0, description="Id that ends a document or a reply.")
    pad_id: int | None = Field(None, ge=0, description="Id that fills up a batch.")

    @model_validator(mode="after")
    def _check_shape(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"heads ({self.heads}) must divide the width ({self.width})")
        if self.heads % self.key_value_heads:
            raise ValueError(f"kv_heads ({self.kv_heads}) must divide the heads ({self.heads})")
        if self.positions == "rope" and self.head_size % 2:
            raise ValueError(f"rotary positions need an even head size, width / heads is {self.head_size}")
        for name in ("bos_id", "eos_id", "pad_id"):
            value = getattr(self, name)
            if value is not None and value >= self.vocab_size:
                raise ValueError(f"{name} ({value}) must be below vocab_size ({self.vocab_size})")
        return self

    @property
    def head_size(self) -> int:
        """Size of one head's query, key and value."""
        return self.width // self.heads

    @property
    def key_value_heads(self) -> int:
        """Number of key/value heads."""
        return self.kv_heads or self.heads

    @property
    def hidden_width(self) -> int:
        """Hidden size of the feed-forward part: 4 x width, or for SwiGLU 8/3 x width rounded up to 32.

        8/3 keeps the parameter count of a 4 x width GELU layer (Shazeer 2020, arXiv:2002.05202).
        """
        if self.ffn_width is not None:
            return self.ffn_width
        if self.activation == "swiglu":
            return -(-8 * self.width // 3 // 32) * 32
        return 4 * self.width

    @property
    def family(self) -> str:
        """``gpt2`` or ``llama`` if ``transformers`` knows this mixture, else ``llm_playground``."""
        if (
            self.positions == "learned"
            and self.norm == "layernorm"
            and self.activation in ("gelu", "gelu_tanh")
            and self.bias
            and self.tied_embeddings
            and self.key_value_heads == self.heads
        ):
            return "gpt2"
        if (
            self.positions == "rope"
            and self.norm == "rmsnorm"
            and self.activation == "swiglu"
            and not self.bias
            and self.dropout == 0
        ):
            return "llama"
        return OWN_MODEL_TYPE

    @classmethod
    def preset(cls, name: str) -> Self:
        """Return a named configuration.

        Raises:
            NotFoundError: there is no preset of that name; the message lists them.
        """
        if name not in PRESETS:
            raise NotFoundError(
                f"There is no model preset {name!r}.", hint=f"Presets: {', '.join(sorted(PRESETS))}."
            )
        return cls(**PRESETS[name])

    @classmethod
    def from_hf(cls, config: dict[str, Any]) -> Self:
        """Read a Hugging Face ``config.json`` of type gpt2, llama or our own.

        Raises:
            ConfigError: another type, or an option that this model does not have (named).
        """
        kind = config.get("model_type")
        ids = {f"{name}_id": config.get(f"{name}_token_id") for name in ("bos", "eos", "pad")}
        if isinstance(ids["eos_id"], list):
            ids["eos_id"] = ids["eos_id"][0]
        vocab_size = config.get("vocab_size")
        ids = {
            key: value
            for key, value in ids.items()
            if isinstance(value, int) and isinstance(vocab_size, int) and value < vocab_size
        }
        if kind == OWN_MODEL_TYPE:
            known = {key: config[key] for key in cls.model_fields if key in config}
            return parse_config(cls, known, "config.json")
        readers = {"gpt2": _from_gpt2, "llama": _from_llama}
        if kind in readers:
            try:
                values = readers[kind](config)
            except KeyError as error:
                raise ConfigError(
                    f"config.json: {error.args[0]} is missing.", field=str(error.args[0])
                ) from None
            return parse_config(cls, values | ids, "config.json")
        raise ConfigError(
            f"config.json: model_type {kind!r} is not supported.",
            hint=f"Supported: gpt2, llama and {OWN_MODEL_TYPE}.",
            field="model_type",
        )

    def to_hf(self) -> dict[str, Any]:
        """Return the ``config.json`` that ``transformers`` reads (or our own type's)."""
        ids = {f"{name}_token_id": getattr(self, f"{name}_id") for name in ("bos", "eos", "pad")}
        if self.family == "gpt2":
            return {
                "model_type": "gpt2",
                "architectures": ["GPT2LMHeadModel"],
                "vocab_size": self.vocab_size,
                "n_positions": self.context_length,
                "n_embd": self.width,
                "n_layer": self.layers,
                "n_head": self.heads,
                "n_inner": self.hidden_width,
                "activation_function": "gelu_new" if self.activation == "gelu_tanh" else "gelu",
                "layer_norm_epsilon": self.norm_eps,
                "initializer_range": self.init_std,
                "embd_pdrop": self.dropout,
                "attn_pdrop": self.dropout,
                "resid_pdrop": self.dropout,
                "tie_word_embeddings": True,
                "torch_dtype": "float32",
                **ids,
            }
        if self.family == "llama":
            return {
                "model_type": "llama",
                "architectures": ["LlamaForCausalLM"],
                "vocab_size": self.vocab_size,
                "max_position_embeddings": self.context_length,
                "hidden_size": self.width,
                "intermediate_size": self.hidden_width,
                "num_hidden_layers": self.layers,
                "num_attention_heads": self.heads,
                "num_key_value_heads": self.key_value_heads,
                "head_dim": self.head_size,
                "hidden_act": "silu",
                "rms_norm_eps": self.norm_eps,
                "initializer_range": self.init_std,
                "rope_theta": self.rope_theta,
                "rope_parameters": {"rope_type": "default", "rope_theta": self.rope_theta},
                "attention_bias": False,
                "mlp_bias": False,
                "attention_dropout": 0.0,
                "tie_word_embeddings": self.tied_embeddings,
                "torch_dtype": "float32",
                **ids,
            }
        return {"model_type": OWN_MODEL_TYPE, **self.model_dump(mode="json")}


def _refuse(config: dict[str, Any], allowed: dict[str, tuple[Any, ...]]) -> None:
    for key, values in allowed.items():
        if key in config and config[key] not in values:
            raise ConfigError(
                f"config.json: {key} = {config[key]!r} is not supported.",
                hint=f"Supported: {', '.join(map(repr, values))}.",
                field=key,
            )


def _from_gpt2(config: dict[str, Any]) -> dict[str, Any]:
    _refuse(
        config,
        {
            "activation_function": ("gelu_new", "gelu_pytorch_tanh", "gelu"),
            "scale_attn_by_inverse_layer_idx": (False,),
            "scale_attn_weights": (True,),
            "add_cross_attention": (False,),
            "tie_word_embeddings": (True,),
        },
    )
    return {
        "vocab_size": config["vocab_size"],
        "context_length": config.get("n_positions", 1024),
        "width": config.get("n_embd", 768),
        "layers": config.get("n_layer", 12),
        "heads": config.get("n_head", 12),
        "ffn_width": config.get("n_inner") or 4 * config.get("n_embd", 768),
        "positions": "learned",
        "norm": "layernorm",
        "norm_eps": config.get("layer_norm_epsilon", 1e-5),
        "activation": "gelu" if config.get("activation_function") == "gelu" else "gelu_tanh",
        "tied_embeddings": True,
        "bias": True,
        "dropout": config.get("resid_pdrop", 0.0),
        "init_std": config.get("initializer_range", 0.02),
    }


def _from_llama(config: dict[str, Any]) -> dict[str, Any]:
    _refuse(config, {"hidden_act": ("silu",), "attention_bias": (False,), "mlp_bias": (False,)})
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    _refuse(rope, {"rope_type": ("default",), "type": ("default",)})
    width, heads = config["hidden_size"], config["num_attention_heads"]
    _refuse(config, {"head_dim": (None, width // max(1, heads))})
    return {
        "vocab_size": config["vocab_size"],
        "context_length": config.get("max_position_embeddings", 2048),
        "width": width,
        "layers": config["num_hidden_layers"],
        "heads": heads,
        "kv_heads": config.get("num_key_value_heads"),
        "ffn_width": config["intermediate_size"],
        "positions": "rope",
        "rope_theta": rope.get("rope_theta", config.get("rope_theta", 10_000.0)),
        "norm": "rmsnorm",
        "norm_eps": config.get("rms_norm_eps", 1e-6),
        "activation": "swiglu",
        "tied_embeddings": config.get("tie_word_embeddings", False),
        "bias": False,
        "init_std": config.get("initializer_range", 0.02),
    }


_GPT2 = {
    "vocab_size": 50_257,
    "context_length": 1024,
    "positions": "learned",
    "norm": "layernorm",
    "activation": "gelu_tanh",
    "bias": True,
    "bos_id": 50_256,
    "eos_id": 50_256,
}
PRESETS: dict[str, dict[str, Any]] = {
    "quickstart": {"vocab_size": 1024, "context_length": 128, "width": 128, "layers": 4, "heads": 4},
    "tiny-llama": {
        "vocab_size": 320,
        "context_length": 64,
        "width": 32,
        "layers": 2,
        "heads": 4,
        "kv_heads": 2,
    },
    "tiny-gpt2": {
        **_GPT2,
        "vocab_size": 320,
        "context_length": 64,
        "width": 32,
        "layers": 2,
        "heads": 4,
        "bos_id": 0,
        "eos_id": 0,
    },
    "gpt2-small": {**_GPT2, "width": 768, "layers": 12, "heads": 12},
}
