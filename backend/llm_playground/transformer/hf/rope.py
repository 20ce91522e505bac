"""Rotary positions in a ``config.json``: today's ``rope_parameters`` and the older ``rope_scaling``."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from llm_playground.transformer.hf.config_file import ConfigFile

if TYPE_CHECKING:
    from llm_playground.transformer.config import ModelConfig

_TYPES = ("default", "linear", "dynamic", "yarn", "llama3")
_KNOWN = {
    "rope_type",
    "type",
    "rope_theta",
    "partial_rotary_factor",
    "factor",
    "original_max_position_embeddings",
    "low_freq_factor",
    "high_freq_factor",
    "beta_fast",
    "beta_slow",
    "attention_factor",
    "mscale",
    "mscale_all_dim",
    "truncate",
    "finetuned",  # a remark of old YaRN files
}
_LONGEST = 2**20  # the greatest context_length


def read_rope(file: ConfigFile, context: int, theta: float = 10_000.0) -> dict[str, Any]:
    """Return ``rope_theta``, ``rope_scaling`` and ``context_length`` of a file.

    Args:
        file: the whole ``config.json``.
        context: its ``max_position_embeddings``.
        theta: the family's base where the file says none.
    """
    params = file.section("rope_scaling" if file.get("rope_scaling") else "rope_parameters")
    return {
        "rope_theta": params.number("rope_theta", None) or file.number("rope_theta", theta),
        **read_scaling(params, file, context),
    }


def read_share(file: ConfigFile, key: str, default: float) -> float:
    """Return the share of each head that is rotated, from ``rope_parameters`` or a key of its own."""
    params = file.section("rope_scaling" if file.get("rope_scaling") else "rope_parameters")
    return float(params.number("partial_rotary_factor", None) or file.number(key, default))


def read_scaling(params: ConfigFile, file: ConfigFile, context: int) -> dict[str, Any]:
    """Return ``rope_scaling`` and ``context_length`` of one set of rotary parameters.

    With ``dynamic`` scaling ``max_position_embeddings`` is the trained context, and the model reads
    ``factor`` times as far; with the other kinds it is already the longest.

    Raises:
        ConfigError: a kind or setting of scaling that is not supported, or one that is missing.
    """
    for key in params.data:
        if key not in _KNOWN:
            raise params.refused(key, params.data[key], sorted(_KNOWN))
    kind = params.get("rope_type") or params.get("type") or "default"
    if kind not in _TYPES:
        raise params.refused("rope_type", kind, _TYPES)
    if kind == "default":
        return {"rope_scaling": None, "context_length": context}
    original = file.integer("original_max_position_embeddings", None) or params.integer(
        "original_max_position_embeddings", context
    )
    scaling: dict[str, Any] = {"type": kind}
    if kind == "yarn":
        params.only(truncate=(True, None))
        factor = params.number("factor", None) or context / original
        scaling |= {
            "original_context": original,
            "beta_fast": params.number("beta_fast", None) or 32.0,
            "beta_slow": params.number("beta_slow", None) or 1.0,
            "attention_factor": _attention_factor(params, factor),
        }
    else:
        factor = params.number("factor")
        if kind == "llama3":
            scaling |= {
                "original_context": original,
                "low_freq_factor": params.number("low_freq_factor"),
                "high_freq_factor": params.number("high_freq_factor"),
            }
        elif kind == "dynamic":
            scaling["original_context"] = context
            context = min(_LONGEST, round(context * factor)) if math.isfinite(factor) else context
    return {"rope_scaling": {**scaling, "factor": factor}, "context_length": context}


def _attention_factor(params: ConfigFile, factor: float) -> float | None:
    """Return YaRN's factor on attention: given, or DeepSeek's ratio of two, or None for the paper's."""
    given = params.number("attention_factor", None)
    above, below = params.number("mscale", None), params.number("mscale_all_dim", None)
    if given is not None or not (above and below) or factor <= 1:
        return given
    return (0.1 * above * math.log(factor) + 1) / (0.1 * below * math.log(factor) + 1)


def write_rope(config: ModelConfig) -> dict[str, Any]:
    """Return the rotary keys of a ``config.json``, in today's form and in the one before."""
    params = write_scaling(config)
    result: dict[str, Any] = {
        "max_position_embeddings": trained_context(config),
        "rope_theta": config.rope_theta,
        "rope_parameters": {**params, "rope_theta": config.rope_theta},
    }
    if config.rope_scaling is not None:
        result["rope_scaling"] = params
    return result


def trained_context(config: ModelConfig) -> int:
    """Return ``max_position_embeddings``: what dynamic scaling calls the trained context."""
    scaling = config.rope_scaling
    if scaling is not None and scaling.type == "dynamic" and scaling.original_context is not None:
        return scaling.original_context
    return config.context_length


def write_scaling(config: ModelConfig) -> dict[str, Any]:
    """Return the ``rope_type`` of a configuration and what belongs to it, without the base."""
    scaling = config.rope_scaling
    if scaling is None:
        return {"rope_type": "default"}
    result: dict[str, Any] = {"rope_type": scaling.type, "factor": scaling.factor}
    if scaling.type in ("yarn", "llama3"):
        result["original_max_position_embeddings"] = scaling.original_context or config.context_length
    if scaling.type == "llama3":
        result["low_freq_factor"] = scaling.low_freq_factor
        result["high_freq_factor"] = scaling.high_freq_factor
    if scaling.type == "yarn":
        result["beta_fast"], result["beta_slow"] = scaling.beta_fast, scaling.beta_slow
        if scaling.attention_factor is not None:
            result["attention_factor"] = scaling.attention_factor
    return result
