"""What a shape must fulfil beyond the bounds of each field; each problem is one clause naming its field."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llm_playground.transformer.config import ModelConfig


def check_shape(config: ModelConfig) -> None:
    """Check that the settings go together.

    Raises:
        ValueError: they do not; the message names the field and what would be right.
    """
    _check_attention(config)
    _check_positions(config)
    _check_parts(config)
    for name in ("bos_id", "eos_id", "pad_id"):
        value = getattr(config, name)
        if value is not None and value >= config.vocab_size:
            raise ValueError(f"{name} ({value}) must be below vocab_size ({config.vocab_size})")


def _check_attention(config: ModelConfig) -> None:
    if config.head_width is None and config.width % config.heads:
        raise ValueError(f"heads ({config.heads}) must divide the width ({config.width})")
    if config.heads % config.key_value_heads:
        raise ValueError(f"kv_heads ({config.kv_heads}) must divide the heads ({config.heads})")
    if config.window is not None and config.architecture == "encoder":
        raise ValueError("window needs a decoder: an encoder sees all tokens on both sides")
    if config.full_attention_layers and config.window is None:
        raise ValueError("full_attention_layers needs a window: without one all layers see everything")
    for index in config.full_attention_layers:
        if not 0 <= index < config.layers:
            raise ValueError(
                f"full_attention_layers names layer {index}, but the layers are 0 to {config.layers - 1}"
            )
    if len(set(config.full_attention_layers)) != len(config.full_attention_layers):
        raise ValueError("full_attention_layers names a layer twice")


def _check_positions(config: ModelConfig) -> None:
    rope = config.positions == "rope"
    size = config.rotary_size
    if rope and (size < 2 or size % 2):
        if config.rope_share < 1:
            raise ValueError(
                f"rope_share ({config.rope_share:g}) must rotate an even number of each head's "
                f"{config.head_size} elements, it gives {size}"
            )
        if config.head_width is not None:
            raise ValueError(f"head_width ({size}) must be even for rotary positions")
        raise ValueError(
            f"heads ({config.heads}) must leave an even head size for rotary positions, "
            f"width / heads is {size}"
        )
    if config.rope_share < 1 and not rope:
        raise ValueError(f"rope_share needs positions rope, not {config.positions}")
    if config.rope_theta_local is not None and not (rope and config.window is not None):
        raise ValueError("rope_theta_local needs positions rope and a window")
    if config.rope_scaling is None:
        return
    if not rope:
        raise ValueError(f"rope_scaling needs positions rope, not {config.positions}")
    original = config.rope_scaling.original_context
    if original is not None and original > config.context_length:
        raise ValueError(
            f"rope_scaling.original_context ({original}) must not exceed "
            f"context_length ({config.context_length})"
        )
    if config.rope_scaling.type == "dynamic" and size < 4:
        raise ValueError(f"rope_scaling dynamic needs at least 4 rotated elements in each head, not {size}")
    if config.rope_scaling.type == "yarn" and config.rope_theta <= 1:
        raise ValueError(f"rope_scaling yarn needs rope_theta above 1, not {config.rope_theta:g}")


def _check_parts(config: ModelConfig) -> None:
    if config.encoder_layers is not None and config.architecture != "encoder-decoder":
        raise ValueError(
            f"encoder_layers needs architecture encoder-decoder, not {config.architecture}, "
            "whose depth is layers"
        )
    if config.segments and config.architecture == "encoder-decoder":
        raise ValueError("segments needs architecture encoder or decoder, not encoder-decoder")
    if config.experts is not None and config.experts_per_token > config.experts:
        raise ValueError(
            f"experts_per_token ({config.experts_per_token}) must not exceed experts ({config.experts})"
        )
    if config.norm_groups > 1 and config.norm != "groupnorm":
        raise ValueError(f"norm_groups needs norm groupnorm, not {config.norm}")
    if config.width % config.norm_groups:
        raise ValueError(f"norm_groups ({config.norm_groups}) must divide the width ({config.width})")
    if config.parallel and config.norm_placement == "post":
        raise ValueError("parallel needs norm_placement pre or sandwich: post norms stand after each sum")
