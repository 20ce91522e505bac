"""The shape of a model, checked before any memory is spent, and its Hugging Face form."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from llm_playground.core.config import StageConfig
from llm_playground.transformer.checks import check_shape

OWN_MODEL_TYPE = "llm_playground"
GROUPS = (
    "Size",
    "Positions",
    "Attention",
    "Feed-forward",
    "Normalization",
    "Embeddings and head",
    "Training",
    "Special tokens",
)


def _group(name: str) -> dict[str, Any]:
    """Say in the JSON schema under which heading a form shows a field."""
    return {"group": name}


_SIZE, _POSITIONS, _ATTENTION, _FEED_FORWARD, _NORM, _ENDS, _TRAINING, _SPECIAL = map(_group, GROUPS)


class RopeScaling(StageConfig):
    """How rotary frequencies are changed so that a model reads further than it was trained.

    ``linear`` divides all frequencies by the factor (Chen et al. 2023, arXiv:2306.15595); ``dynamic`` raises
    the base as the sequence outgrows the trained context (NTK-aware scaling); ``yarn`` slows only the low
    frequencies and sharpens attention (Peng et al. 2023, arXiv:2309.00071); ``llama3`` slows the low ones by
    the factor with a smooth passage (Llama 3.1).
    """

    type: Literal["linear", "dynamic", "yarn", "llama3"] = Field(description="Kind of scaling.")
    factor: float = Field(ge=1, le=1e6, description="How many times further than the trained context.")
    original_context: int | None = Field(
        None, ge=2, description="Context of the training before scaling; empty: context_length."
    )
    low_freq_factor: float = Field(
        1.0, gt=0, description="llama3: waves longer than original_context / this are divided by factor."
    )
    high_freq_factor: float = Field(
        4.0, gt=0, description="llama3: waves shorter than original_context / this are left alone."
    )
    beta_fast: float = Field(32.0, gt=0, description="yarn: pairs turning more often than this are left.")
    beta_slow: float = Field(1.0, gt=0, description="yarn: pairs turning less often than this are slowed.")
    attention_factor: float | None = Field(
        None, gt=0, description="yarn: factor on cosine and sine; empty: 0.1 ln(factor) + 1."
    )

    @model_validator(mode="after")
    def _check_bounds(self) -> Self:
        if self.type == "llama3" and self.low_freq_factor >= self.high_freq_factor:
            raise ValueError(
                f"low_freq_factor ({self.low_freq_factor:g}) must be below "
                f"high_freq_factor ({self.high_freq_factor:g})"
            )
        if self.type == "yarn" and self.beta_slow >= self.beta_fast:
            raise ValueError(f"beta_slow ({self.beta_slow:g}) must be below beta_fast ({self.beta_fast:g})")
        if self.type != "yarn" and self.attention_factor is not None:
            raise ValueError(f"attention_factor goes with type yarn, not {self.type}")
        return self


class ModelConfig(StageConfig):
    """The shape of one transformer: a decoder, an encoder, or an encoder and a decoder that reads it.

    ``learned`` positions, ``layernorm``, ``gelu_tanh`` and biases make a GPT-2; ``rope``, ``rmsnorm``,
    ``swiglu`` without biases make a Llama. Every other mixture works too; those that no published family
    has are saved under a type of their own.
    """

    architecture: Literal["decoder", "encoder", "encoder-decoder"] = Field(
        "decoder",
        description="Decoder (predicts the next token), encoder (sees both sides), or both.",
        json_schema_extra=_SIZE,
    )
    vocab_size: int = Field(
        1024, ge=2, le=2**31 - 1, description="Number of token ids.", json_schema_extra=_SIZE
    )
    context_length: int = Field(
        128, ge=2, le=2**20, description="Longest sequence in tokens.", json_schema_extra=_SIZE
    )
    width: int = Field(
        128, ge=2, le=65_536, description="Size of each token's vector (d_model).", json_schema_extra=_SIZE
    )
    layers: int = Field(4, ge=1, le=1024, description="Number of blocks.", json_schema_extra=_SIZE)
    encoder_layers: int | None = Field(
        None,
        ge=1,
        le=1024,
        description="Blocks of the encoder of an encoder-decoder; empty: as layers.",
        json_schema_extra=_SIZE,
    )

    positions: Literal["learned", "sinusoidal", "rope", "alibi", "none"] = Field(
        "rope", description="How positions are told.", json_schema_extra=_POSITIONS
    )
    rope_theta: float = Field(
        10_000.0, gt=0, description="Base of the rotary frequencies.", json_schema_extra=_POSITIONS
    )
    rope_theta_local: float | None = Field(
        None,
        gt=0,
        description="Base in layers with a window, unscaled (Gemma 3); empty: as the other layers.",
        json_schema_extra=_POSITIONS,
    )
    rope_share: float = Field(
        1.0, gt=0, le=1, description="Share of each head that is rotated.", json_schema_extra=_POSITIONS
    )
    rope_scaling: RopeScaling | None = Field(
        None,
        description="How rotary positions reach past the trained context; empty: not.",
        json_schema_extra=_POSITIONS,
    )

    heads: int = Field(
        4,
        ge=1,
        le=1024,
        description="Attention heads; must divide the width unless head_width is set.",
        json_schema_extra=_ATTENTION,
    )
    kv_heads: int | None = Field(
        None,
        ge=1,
        description="Key/value heads (GQA; 1: MQA); empty: as many as heads.",
        json_schema_extra=_ATTENTION,
    )
    head_width: int | None = Field(
        None,
        ge=1,
        le=65_536,
        description="Size of one head; empty: width / heads.",
        json_schema_extra=_ATTENTION,
    )
    window: int | None = Field(
        None,
        ge=1,
        le=2**20,
        description="Tokens a query sees, itself included (sliding window); empty: all before it.",
        json_schema_extra=_ATTENTION,
    )
    full_attention_layers: tuple[int, ...] = Field(
        (),
        description="Layers, from 0, that see everything though a window is set.",
        json_schema_extra=_ATTENTION,
    )
    qk_norm: bool = Field(
        False, description="RMSNorm over each head of queries and keys.", json_schema_extra=_ATTENTION
    )
    qkv_bias: bool | None = Field(
        None, description="Biases of queries, keys, values; empty: as bias.", json_schema_extra=_ATTENTION
    )
    output_bias: bool | None = Field(
        None, description="Bias of attention's output; empty: as bias.", json_schema_extra=_ATTENTION
    )
    query_scalar: float | None = Field(
        None,
        gt=0,
        description="Scores are divided by its square root; empty: the head size.",
        json_schema_extra=_ATTENTION,
    )
    attention_softcap: float | None = Field(
        None,
        gt=0,
        description="Scores are squeezed between minus and plus this.",
        json_schema_extra=_ATTENTION,
    )

    activation: Literal["relu", "relu2", "gelu", "gelu_tanh", "swiglu", "geglu", "geglu_tanh"] = Field(
        "swiglu", description="Feed-forward kind.", json_schema_extra=_FEED_FORWARD
    )
    ffn_width: int | None = Field(
        None,
        ge=1,
        description="Hidden size of the feed-forward part; empty: 4 x width, gated 8/3 x width.",
        json_schema_extra=_FEED_FORWARD,
    )
    experts: int | None = Field(
        None,
        ge=2,
        le=1024,
        description="Experts in place of each feed-forward part (mixture); empty: none.",
        json_schema_extra=_FEED_FORWARD,
    )
    experts_per_token: int = Field(
        2, ge=1, le=1024, description="Experts that work on a token.", json_schema_extra=_FEED_FORWARD
    )
    expert_balance: float = Field(
        0.01, ge=0, le=10, description="Weight of the load-balancing loss.", json_schema_extra=_FEED_FORWARD
    )

    norm: Literal["layernorm", "rmsnorm", "rmsnorm_plus_one", "groupnorm"] = Field(
        "rmsnorm", description="Kind of normalization.", json_schema_extra=_NORM
    )
    norm_eps: float = Field(
        1e-5, gt=0, le=1e-2, description="Added to the variance.", json_schema_extra=_NORM
    )
    norm_groups: int = Field(
        1, ge=1, le=65_536, description="Groups of channels (groupnorm).", json_schema_extra=_NORM
    )
    norm_placement: Literal["pre", "post", "sandwich"] = Field(
        "pre", description="Norms before each part, after the sum, or around.", json_schema_extra=_NORM
    )
    parallel: bool = Field(
        False, description="Attention and feed-forward read the same input.", json_schema_extra=_NORM
    )

    tied_embeddings: bool = Field(
        True, description="The output head shares the token embeddings.", json_schema_extra=_ENDS
    )
    embedding_scale: bool = Field(
        False, description="Token vectors are multiplied by the root of the width.", json_schema_extra=_ENDS
    )
    embedding_norm: bool = Field(False, description="Norm after the embeddings.", json_schema_extra=_ENDS)
    segments: int = Field(
        0, ge=0, le=1024, description="Kinds of segments told apart; 0: none.", json_schema_extra=_ENDS
    )
    head_transform: bool = Field(
        False, description="Linear layer, activation and norm before the head.", json_schema_extra=_ENDS
    )
    head_bias: bool = Field(False, description="Bias of the output head.", json_schema_extra=_ENDS)
    logit_softcap: float | None = Field(
        None, gt=0, description="Logits are squeezed between minus and plus this.", json_schema_extra=_ENDS
    )

    bias: bool = Field(
        False, description="Biases in the linear layers and norms.", json_schema_extra=_TRAINING
    )
    dropout: float = Field(
        0.0, ge=0, lt=1, description="Share of activations dropped in training.", json_schema_extra=_TRAINING
    )
    init_std: float = Field(
        0.02,
        gt=0,
        le=1,
        description="Standard deviation of the initial weights.",
        json_schema_extra=_TRAINING,
    )

    bos_id: int | None = Field(
        None, ge=0, description="Id that begins a document.", json_schema_extra=_SPECIAL
    )
    eos_id: int | None = Field(
        None, ge=0, description="Id that ends a document or a reply.", json_schema_extra=_SPECIAL
    )
    pad_id: int | None = Field(
        None, ge=0, description="Id that fills up a batch.", json_schema_extra=_SPECIAL
    )

    @model_validator(mode="after")
    def _check_shape(self) -> Self:
        check_shape(self)
        return self

    @property
    def head_size(self) -> int:
        """Size of one head's query, key and value."""
        return self.head_width or self.width // self.heads

    @property
    def key_value_heads(self) -> int:
        """Number of key/value heads."""
        return self.kv_heads or self.heads

    @property
    def rotary_size(self) -> int:
        """Leading elements of each head that are rotated, 0 without rotary positions."""
        return int(self.head_size * self.rope_share) if self.positions == "rope" else 0

    @property
    def score_scale(self) -> float:
        """What the products of queries and keys are multiplied by."""
        return float((self.query_scalar or self.head_size) ** -0.5)

    @property
    def has_qkv_bias(self) -> bool:
        """Whether queries, keys and values have biases."""
        return self.bias if self.qkv_bias is None else self.qkv_bias

    @property
    def has_output_bias(self) -> bool:
        """Whether the projection after attention has a bias."""
        return self.bias if self.output_bias is None else self.output_bias

    @property
    def gated(self) -> bool:
        """Whether the feed-forward part has a gate."""
        return self.activation in ("swiglu", "geglu", "geglu_tanh")

    @property
    def hidden_width(self) -> int:
        """Hidden size of the feed-forward part: 4 x width, or with a gate 8/3 x width rounded up to 32.

        8/3 keeps the parameter count of a 4 x width GELU layer (Shazeer 2020, arXiv:2002.05202).
        """
        if self.ffn_width is not None:
            return self.ffn_width
        if self.gated:
            return -(-8 * self.width // 3 // 32) * 32
        return 4 * self.width

    @property
    def encoder_depth(self) -> int:
        """Blocks of the encoder: 0 for a decoder."""
        if self.architecture == "decoder":
            return 0
        return self.encoder_layers or self.layers

    def layer_window(self, index: int) -> int | None:
        """Return how many tokens a query of layer ``index`` sees, itself included; None for all."""
        return None if index in self.full_attention_layers else self.window

    def layer_rope_theta(self, index: int) -> float:
        """Return the base of the rotary frequencies of layer ``index``."""
        if self.rope_theta_local is not None and self.layer_window(index) is not None:
            return self.rope_theta_local
        return self.rope_theta

    @property
    def family(self) -> str:
        """The ``model_type`` of ``transformers`` that is this mixture (gpt2, llama, ...), else our own."""
        from llm_playground.transformer.hf.families import family_of

        return family_of(self)

    @classmethod
    def preset(cls, name: str) -> Self:
        """Return a named configuration.

        Raises:
            NotFoundError: there is no preset of that name; the message lists them.
        """
        from llm_playground.transformer.presets import find_preset

        return cls.model_validate(dict(find_preset(name).values))

    @classmethod
    def from_hf(cls, config: dict[str, Any]) -> Self:
        """Read a Hugging Face ``config.json`` of a family that is known here, or of our own type.

        Raises:
            ConfigError: another type, an option that this model does not have, or a wrong value (named).
        """
        from llm_playground.transformer.hf.families import read_config

        return read_config(cls, config)

    def to_hf(self) -> dict[str, Any]:
        """Return the ``config.json`` that ``transformers`` reads (or our own type's)."""
        from llm_playground.transformer.hf.families import write_config

        return write_config(self)
