"""The families that ``transformers`` knows, and which of them a configuration belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from llm_playground.core.config import parse_config
from llm_playground.core.errors import ConfigError
from llm_playground.transformer.config import OWN_MODEL_TYPE, ModelConfig
from llm_playground.transformer.hf.bert import BERT
from llm_playground.transformer.hf.config_file import ConfigFile
from llm_playground.transformer.hf.family import Family
from llm_playground.transformer.hf.gemma import GEMMA2, GEMMA3
from llm_playground.transformer.hf.gpt2 import GPT2
from llm_playground.transformer.hf.gpt_neox import GPT_NEOX
from llm_playground.transformer.hf.llama import LLAMA, MISTRAL, MIXTRAL, QWEN2, QWEN3
from llm_playground.transformer.hf.names import Stored
from llm_playground.transformer.hf.own import OWN_ARCHITECTURES

if TYPE_CHECKING:
    from collections.abc import Sequence

Config = TypeVar("Config", bound=ModelConfig)
# Where several can say the same, the first one is written.
FAMILIES = {
    family.model_type: family
    for family in (GPT2, LLAMA, MISTRAL, QWEN2, QWEN3, GEMMA2, GEMMA3, GPT_NEOX, BERT, MIXTRAL)
}
_ROLES = ("bos", "eos", "pad")


def read_config(cls: type[Config], data: Mapping[str, Any]) -> Config:
    """Make a configuration of a ``config.json``.

    Args:
        cls: the class of the result.
        data: the parsed file; today's keys and those of older versions are understood.

    Raises:
        ConfigError: a type we do not have, an option that it does not have (named), or a wrong value.
    """
    kind = data.get("model_type")
    if kind == OWN_MODEL_TYPE:
        known = {key: data[key] for key in cls.model_fields if key in data}
        return parse_config(cls, known, "config.json")
    if not isinstance(kind, str) or kind not in FAMILIES:
        raise ConfigError(
            f"config.json: model_type {kind!r} is not supported.",
            hint=_other_types(kind),
            field="model_type",
        )
    if data.get("quantization_config"):
        raise ConfigError(
            "config.json: quantization_config is not supported: the weights are quantized.",
            hint="Use the folder of the model before it was quantized.",
            field="quantization_config",
        )
    family, file = FAMILIES[kind], ConfigFile(data)
    values = family.read(file)
    return parse_config(cls, values | _read_ids(file, family, values["vocab_size"]), "config.json")


def _other_types(kind: Any) -> str:
    if kind == "gemma3":
        return "This one reads pictures too; the text models are of type gemma3_text."
    return f"Supported: {', '.join(FAMILIES)} and {OWN_MODEL_TYPE}."


def _read_ids(file: ConfigFile, family: Family, vocab_size: int) -> dict[str, int | None]:
    ids: dict[str, int | None] = {}
    for role in _ROLES:
        value = file.get(f"{role}_token_id", family.ids[role])
        if isinstance(value, list | tuple):  # several that end a reply: the first
            value = value[0] if value else None
        valid = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < vocab_size
        ids[f"{role}_id"] = value if valid else None
    return ids


def write_config(config: ModelConfig) -> dict[str, Any]:
    """Return the ``config.json`` of a configuration: its family's, or our own type's."""
    ids = {f"{role}_token_id": getattr(config, f"{role}_id") for role in _ROLES}
    name = family_of(config)
    if name == OWN_MODEL_TYPE:
        own = {"model_type": name, "architectures": [OWN_ARCHITECTURES[config.architecture]]}
        return {**own, **config.model_dump(mode="json"), **ids, "dtype": "float32"}
    family = FAMILIES[name]
    head = {"model_type": name, "architectures": [family.architecture]}
    return {**head, **family.write(config), **ids, "dtype": "float32"}


@lru_cache(maxsize=1024)
def family_of(config: ModelConfig) -> str:
    """Return the ``model_type`` under which a configuration is saved.

    That is the first family in whose ``config.json`` nothing of it is lost: what is written, read again,
    describes the same model. Where there is none, it is our own type.
    """
    same = _essence(config)
    for name, family in FAMILIES.items():
        if not family.accepts(config):
            continue
        try:
            again = read_config(ModelConfig, {"model_type": name, **family.write(config)})
        except ConfigError:
            continue
        if _essence(again) == same:
            return name
    return OWN_MODEL_TYPE


def stored_tensors(config: ModelConfig, names: Sequence[str], family: str) -> list[Stored]:
    """Return the tensors of a checkpoint of a family, for our parameter names."""
    if family == OWN_MODEL_TYPE:
        return [Stored(name, name) for name in names]
    return FAMILIES[family].names.stored(names, config)


def _essence(config: ModelConfig) -> dict[str, Any]:
    """Return what decides a model's parameters and results, the same for all ways to say it."""
    layers = range(config.layers)
    values = config.model_dump(
        exclude={
            "bos_id",
            "eos_id",
            "pad_id",
            "window",
            "full_attention_layers",
            "rope_theta",
            "rope_theta_local",
            "rope_scaling",
            "encoder_layers",
        }
    )
    values |= {
        "kv_heads": config.key_value_heads,
        "head_width": config.head_size,
        "ffn_width": config.hidden_width,
        "qkv_bias": config.has_qkv_bias,
        "output_bias": config.has_output_bias,
        "query_scalar": config.query_scalar or config.head_size,
        "windows": [config.layer_window(index) for index in layers],
        "encoder_depth": config.encoder_depth,
    }
    if config.positions == "rope":
        values["rope"] = [_layer_rope(config, index) for index in layers]
    if config.experts is None:
        values |= {"experts_per_token": None, "expert_balance": None}
    return values


def _layer_rope(config: ModelConfig, index: int) -> tuple[Any, ...]:
    theta, scaling = config.layer_rope_theta(index), config.rope_scaling
    local = config.rope_theta_local is not None and config.layer_window(index) is not None
    if scaling is None or local:
        return (theta,)
    original = scaling.original_context or config.context_length
    details = {
        "linear": (),
        "dynamic": (original,),
        "llama3": (original, scaling.low_freq_factor, scaling.high_freq_factor),
        "yarn": (original, scaling.beta_fast, scaling.beta_slow, scaling.attention_factor),
    }
    return theta, scaling.type, scaling.factor, *details[scaling.type]
