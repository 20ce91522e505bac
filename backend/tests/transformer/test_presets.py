"""Named shapes: totals to the unit, and their configurations against transformers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers

from llm_playground.core.errors import NotFoundError
from llm_playground.transformer import EncoderDecoderLM, ModelConfig, TransformerLM, analyze
from llm_playground.transformer.presets import ALIASES, PRESETS, find_preset

PUBLISHED = {
    "gpt2-small": 124_439_808,
    "gpt2-medium": 354_823_168,
    "gpt2-large": 774_030_080,
    "gpt2-xl": 1_557_611_200,
    "llama-2-7b": 6_738_415_616,
    "llama-2-13b": 13_015_864_320,
    "llama-3-8b": 8_030_261_248,
    "llama-3.2-1b": 1_235_814_400,
    "mistral-7b": 7_241_732_096,
    "mistral-7b-v0.3": 7_248_023_552,
    "mixtral-8x7b": 46_702_792_704,
    "tinyllama-1.1b": 1_100_048_384,
    "smollm2-135m": 134_515_008,
    "smollm2-360m": 361_821_120,
    "qwen2.5-0.5b": 494_032_768,
    "qwen2.5-7b": 7_615_616_512,
    "qwen3-0.6b": 596_049_920,
    "gemma-2-2b": 2_614_341_888,
    "gemma-3-270m": 268_098_176,
    "gemma-3-1b": 999_885_952,
    "pythia-70m": 70_426_624,
    "pythia-160m": 162_322_944,
    "bert-base": 109_514_298,
}
GPT2_BLOCKS_AND_NORM = {
    "gpt2-small": 85_056_000,
    "gpt2-medium": 302_311_424,
    "gpt2-large": 708_390_400,
    "gpt2-xl": 1_475_561_600,
}
CACHE_BYTES_PER_TOKEN = {  # in half precision
    "llama-2-7b": 524_288,
    "llama-2-13b": 819_200,
    "llama-3-8b": 131_072,
    "llama-3.2-1b": 32_768,
    "mistral-7b": 131_072,
    "tinyllama-1.1b": 22_528,
    "smollm2-135m": 23_040,
    "smollm2-360m": 40_960,
    "qwen2.5-0.5b": 12_288,
    "qwen2.5-7b": 57_344,
    "qwen3-0.6b": 114_688,
    "gemma-3-270m": 18_432,
    "gemma-3-1b": 26_624,
}


def build(config: ModelConfig) -> torch.nn.Module:
    kind = EncoderDecoderLM if config.architecture == "encoder-decoder" else TransformerLM
    with torch.device("meta"):
        return kind(config)


@pytest.mark.parametrize("name", PRESETS)
def test_the_total_is_that_of_the_whole_model_and_the_published_one(name: str) -> None:
    config = ModelConfig.preset(name)
    counted = analyze(config, context=16).parameters
    assert counted.total == sum(weight.numel() for weight in build(config).parameters())
    assert counted.total == PUBLISHED.get(name, counted.total)
    assert counted.total == sum(counted.by_component.values()) == sum(row.count for row in counted.by_layer)


def test_every_published_preset_has_a_published_total() -> None:
    # The Transformer of 2017 was published with a rounded total of 65 million and a rounded vocabulary.
    published = {name for name, preset in PRESETS.items() if preset.source != "own"}
    assert published - {"transformer-base"} == set(PUBLISHED)
    assert analyze(ModelConfig.preset("transformer-base")).parameters.total == pytest.approx(65e6, rel=0.04)


@pytest.mark.parametrize("name", GPT2_BLOCKS_AND_NORM)
def test_what_gpt2_has_in_blocks_and_final_norm(name: str) -> None:
    assert analyze(ModelConfig.preset(name), context=16).parameters.without_embeddings == (
        GPT2_BLOCKS_AND_NORM[name]
    )


@pytest.mark.parametrize("name", CACHE_BYTES_PER_TOKEN)
def test_the_cache_of_a_token(name: str) -> None:
    memory = analyze(ModelConfig.preset(name), context=16, precision="fp16").memory
    assert memory.kv_cache_per_token == CACHE_BYTES_PER_TOKEN[name]
    assert memory.kv_cache_at_context == 16 * CACHE_BYTES_PER_TOKEN[name]


@pytest.mark.parametrize("name", [name for name in PRESETS if name != "transformer-base"])
def test_transformers_builds_as_many_parameters_from_the_exported_configuration(name: str) -> None:
    preset = PRESETS[name]
    values: dict[str, Any] = preset.config.to_hf()
    theirs = transformers.AutoConfig.for_model(**values)
    assert theirs.model_type == preset.family
    auto = (
        transformers.AutoModelForMaskedLM
        if preset.config.architecture == "encoder"
        else transformers.AutoModelForCausalLM
    )
    with torch.device("meta"):
        model = auto.from_config(theirs)
    assert model.num_parameters() == analyze(preset.config, context=16).parameters.total


def test_details_of_the_published_configurations() -> None:
    gemma = ModelConfig.preset("gemma-3-1b")
    defaults = transformers.Gemma3TextConfig(num_hidden_layers=26)
    windows = [
        "full_attention" if gemma.layer_window(layer) is None else "sliding_attention" for layer in range(26)
    ]
    assert windows == defaults.layer_types
    gemma2 = ModelConfig.preset("gemma-2-2b")
    expected = transformers.Gemma2Config(num_hidden_layers=26).layer_types
    found = [
        "full_attention" if gemma2.layer_window(layer) is None else "sliding_attention" for layer in range(26)
    ]
    assert found == expected
    llama = ModelConfig.preset("llama-3.2-1b").rope_scaling
    assert llama is not None and (llama.type, llama.factor, llama.original_context) == ("llama3", 32.0, 8192)
    assert ModelConfig.preset("qwen3-0.6b").head_size * 16 == 2048


def test_names_aliases_and_words() -> None:
    assert ModelConfig.preset("llama-7b") == ModelConfig.preset("llama-2-7b")
    assert find_preset("GPT2").name == "gpt2-small"
    assert not set(ALIASES) & set(PRESETS) and set(ALIASES.values()) <= set(PRESETS)
    for name, preset in PRESETS.items():
        assert preset.name == name == name.lower()
        assert preset.title and preset.about.endswith(".") and preset.source
        assert preset.config.family == preset.family
    with pytest.raises(NotFoundError, match="no model preset 'gpt9'.*gpt2-small"):
        find_preset("gpt9")
