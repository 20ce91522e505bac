"""The configuration: derived sizes, help and groups for a form, and problems named by field."""

from __future__ import annotations

import time
from typing import Any

import pytest
import torch

from llm_playground.core.config import parse_config
from llm_playground.core.errors import ConfigError, NotFoundError
from llm_playground.transformer import EncoderDecoderLM, ModelConfig, TransformerLM
from llm_playground.transformer.config import GROUPS
from llm_playground.transformer.presets import PRESETS

_LLAMA3 = {"type": "llama3", "factor": 8}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"width": 30, "heads": 4}, "heads (4) must divide the width (30)"),
        ({"heads": 4, "kv_heads": 3}, "kv_heads (3) must divide the heads (4)"),
        ({"width": 12, "heads": 4}, "heads (4) must leave an even head size"),
        ({"head_width": 7}, "head_width (7) must be even for rotary positions"),
        ({"rope_share": 0.1}, "rope_share (0.1) must rotate an even number of each head's 32 elements"),
        ({"positions": "alibi", "rope_share": 0.5}, "rope_share needs positions rope, not alibi"),
        ({"rope_scaling": {"type": "ntk", "factor": 2}}, "rope_scaling.type: input should be 'linear'"),
        ({"rope_scaling": {"type": "linear"}}, "rope_scaling.factor: is required"),
        ({"rope_scaling": {"type": "linear", "factor": 0.5}}, "rope_scaling.factor"),
        ({"rope_scaling": {"type": "linear", "factor": 2, "alpha": 1}}, "rope_scaling.alpha: is not a known"),
        ({"positions": "learned", "rope_scaling": _LLAMA3}, "rope_scaling needs positions rope, not learned"),
        (
            {"rope_scaling": {**_LLAMA3, "original_context": 500}},
            "original_context (500) must not exceed context_length (128)",
        ),
        ({"rope_scaling": {**_LLAMA3, "low_freq_factor": 4}}, "low_freq_factor (4) must be below"),
        ({"rope_scaling": {"type": "yarn", "factor": 2, "beta_slow": 40}}, "beta_slow (40) must be below"),
        ({"rope_scaling": {**_LLAMA3, "attention_factor": 2}}, "attention_factor goes with type yarn"),
        ({"rope_scaling": {"type": "dynamic", "factor": 2}, "head_width": 2}, "at least 4 rotated elements"),
        ({"rope_theta_local": 100.0}, "rope_theta_local needs positions rope and a window"),
        ({"architecture": "encoder", "window": 4}, "window needs a decoder"),
        ({"full_attention_layers": [0]}, "full_attention_layers needs a window"),
        ({"window": 4, "full_attention_layers": [4]}, "names layer 4, but the layers are 0 to 3"),
        ({"window": 4, "full_attention_layers": [1, 1]}, "names a layer twice"),
        ({"window": 0}, "window: input should be greater than or equal to 1"),
        ({"experts": 2, "experts_per_token": 3}, "experts_per_token (3) must not exceed experts (2)"),
        ({"experts": 1}, "experts: input should be greater than or equal to 2"),
        ({"norm": "groupnorm", "norm_groups": 3}, "norm_groups (3) must divide the width (128)"),
        ({"norm_groups": 2}, "norm_groups needs norm groupnorm, not rmsnorm"),
        ({"parallel": True, "norm_placement": "post"}, "parallel needs norm_placement pre or sandwich"),
        ({"encoder_layers": 2}, "encoder_layers needs architecture encoder-decoder, not decoder"),
        (
            {"architecture": "encoder-decoder", "segments": 2},
            "segments needs architecture encoder or decoder",
        ),
        ({"attention_softcap": 0}, "attention_softcap: input should be greater than 0"),
        ({"activation": "mish"}, "activation: input should be 'relu'"),
        ({"positions": "t5"}, "positions: input should be 'learned'"),
    ],
)
def test_impossible_shapes_are_refused_by_field(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(ModelConfig, values)
    assert words in str(caught.value)


def test_derived_sizes() -> None:
    config = ModelConfig(width=96, heads=6, kv_heads=2, layers=4)
    assert (config.head_size, config.key_value_heads, config.rotary_size) == (16, 2, 16)
    assert config.score_scale == 0.25 and config.hidden_width == 256 and config.gated
    wide = config.model_copy(update={"head_width": 24, "query_scalar": 64.0, "rope_share": 0.25})
    assert (wide.head_size, wide.rotary_size, wide.score_scale) == (24, 6, 0.125)
    assert ModelConfig(activation="relu2", width=64).hidden_width == 256
    assert ModelConfig(positions="none").rotary_size == 0
    qkv = ModelConfig(bias=True, qkv_bias=False)
    assert not qkv.has_qkv_bias and qkv.has_output_bias
    assert ModelConfig(qkv_bias=True).has_qkv_bias and not ModelConfig(qkv_bias=True).has_output_bias
    windows = ModelConfig(window=8, full_attention_layers=(1, 3))
    assert [windows.layer_window(layer) for layer in range(4)] == [8, None, 8, None]
    both = ModelConfig(architecture="encoder-decoder", layers=3)
    assert both.encoder_depth == 3 and both.model_copy(update={"encoder_layers": 5}).encoder_depth == 5
    assert ModelConfig().encoder_depth == 0 and ModelConfig(architecture="encoder").encoder_depth == 4


def test_each_setting_has_help_and_a_group() -> None:
    schema = ModelConfig.model_json_schema()
    groups = [field["group"] for field in schema["properties"].values()]
    assert all(field["description"] for field in schema["properties"].values())
    assert list(dict.fromkeys(groups)) == list(GROUPS)  # in the form's order, none left out
    assert all(field["description"] for field in schema["$defs"]["RopeScaling"]["properties"].values())


def test_a_configuration_survives_json() -> None:
    config = ModelConfig(
        window=4,
        full_attention_layers=(1,),
        rope_scaling={"type": "yarn", "factor": 4, "original_context": 9},
    )
    assert ModelConfig.model_validate_json(config.model_dump_json()) == config
    assert hash(ModelConfig.model_validate(config.model_dump())) == hash(config)


@pytest.mark.parametrize("name", list(PRESETS))
def test_every_preset_is_built_without_memory(name: str) -> None:
    config = ModelConfig.preset(name)
    kind = EncoderDecoderLM if config.architecture == "encoder-decoder" else TransformerLM
    with torch.device("meta"):
        model = kind(config)
    assert model.num_parameters() > 1000 and model.device.type == "meta"


def test_gpt2_small_is_built_quickly_and_unknown_presets_are_listed() -> None:
    config = ModelConfig.preset("gpt2-small")
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        with torch.device("meta"):
            TransformerLM(config)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.02
    with pytest.raises(NotFoundError, match="gpt2-small"):
        ModelConfig.preset("gpt9")
