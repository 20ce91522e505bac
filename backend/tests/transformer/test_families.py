"""Every family against transformers: equal logits, padded batches, cached decoding, old config files."""

from __future__ import annotations

import functools
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_playground.core.errors import ConfigError
from llm_playground.transformer import KVCache, ModelConfig, TransformerLM
from llm_playground.transformer.presets import PRESETS

from .hf_models import (
    CLASSES,
    DECODERS,
    FULL,
    SLIDING,
    TIME,
    VARIANTS,
    Theirs,
    left_padded,
    load,
    make,
    random_settings,
    tokens,
)

TOLERANCE = 1e-4
ALL = [pytest.param(*key, id="-".join(key)) for key in VARIANTS]
CAUSAL = [pytest.param(*key, id="-".join(key)) for key in DECODERS if key[1] != "dynamic"]


def ours_from(theirs: Theirs, folder: Path) -> TransformerLM:
    theirs.model.save_pretrained(folder)
    return TransformerLM.from_pretrained(folder)


@functools.cache
def pair(family: str, variant: str) -> tuple[Theirs, TransformerLM]:
    """The model of a variant there and here, made once for the tests that only ask it."""
    theirs = make(family, VARIANTS[family, variant])
    with tempfile.TemporaryDirectory() as folder:
        return theirs, ours_from(theirs, Path(folder))


def segments_for(family: str, theirs: Theirs, ids: torch.Tensor) -> torch.Tensor | None:
    if family != "bert":
        return None
    draw = torch.Generator().manual_seed(3)
    return torch.randint(0, theirs.model.config.type_vocab_size, ids.shape, generator=draw)


def greatest_difference(one: torch.Tensor, other: torch.Tensor, mask: torch.Tensor | None = None) -> float:
    apart = (one - other).abs().amax(-1)
    return float((apart if mask is None else apart[mask.bool()]).max())


@torch.no_grad()
def check_both_ways(family: str, theirs: Theirs, folder: Path) -> TransformerLM:
    """Their folder here, and our folder there: equal logits and counts; returns our model."""
    ids = tokens()
    segments = segments_for(family, theirs, ids)
    expected = theirs.logits(ids, segments=segments)
    model = ours_from(theirs, folder / "theirs")
    assert model.num_parameters() == theirs.model.num_parameters()
    assert greatest_difference(model(ids, segment_ids=segments), expected) <= TOLERANCE
    model.save_pretrained(folder / "ours")
    back = load(folder / "ours", masked=family == "bert")
    assert type(back.model) is type(theirs.model) or model.config.family != family
    assert back.model.num_parameters() == model.num_parameters()
    assert greatest_difference(back.logits(ids, segments=segments), expected) <= TOLERANCE
    again = TransformerLM.from_pretrained(folder / "ours")
    assert again.config == model.config
    assert torch.equal(again(ids, segment_ids=segments), model(ids, segment_ids=segments))
    return model


@pytest.mark.parametrize(("family", "variant"), ALL)
def test_logits_are_equal_both_ways(family: str, variant: str, tmp_path: Path) -> None:
    model = check_both_ways(family, make(family, VARIANTS[family, variant]), tmp_path)
    if (family, variant) != ("mistral", "no-window"):  # which is a Llama
        assert model.config.family == family


@pytest.mark.parametrize(("family", "variant"), ALL)
@torch.no_grad()
def test_left_padded_batches_are_equal(family: str, variant: str) -> None:
    theirs, model = pair(family, variant)
    ids, mask = left_padded()
    found = model(ids, attention_mask=mask)
    assert torch.isfinite(found).all()
    assert greatest_difference(found, theirs.logits(ids, mask), mask) <= TOLERANCE
    if variant != "dynamic":  # where the longest row decides for all
        alone = model(ids[2:, 13:])
        assert greatest_difference(found[2:, 13:], alone) <= TOLERANCE


@pytest.mark.parametrize(("family", "variant"), CAUSAL)
@torch.no_grad()
def test_cached_decoding_equals_the_full_pass(family: str, variant: str) -> None:
    (_, model), ids = pair(family, variant), tokens()
    full = model(ids)
    cache = KVCache(model.config, len(ids), TIME)
    ends = (0, 7, 8, 12, *range(13, TIME + 1))
    parts = [model(ids[:, a:b], cache) for a, b in zip(ends, ends[1:], strict=False)]
    assert greatest_difference(torch.cat(parts, dim=1), full) <= TOLERANCE


@pytest.mark.parametrize(("family", "variant"), CAUSAL)
@torch.no_grad()
def test_left_padded_cached_decoding_equals_the_full_pass(family: str, variant: str) -> None:
    _, model = pair(family, variant)
    ids, mask = left_padded()
    full = model(ids, attention_mask=mask)
    cache = KVCache(model.config, len(ids), TIME, padding=TIME - mask.sum(-1))
    ends = (0, 15, *range(16, TIME + 1))
    parts = [model(ids[:, a:b], cache) for a, b in zip(ends, ends[1:], strict=False)]
    assert greatest_difference(torch.cat(parts, dim=1), full, mask) <= TOLERANCE


@torch.no_grad()
def test_dynamic_scaling_with_a_cache_does_what_transformers_does(tmp_path: Path) -> None:
    theirs = make("llama", VARIANTS["llama", "dynamic"])
    model, ids = ours_from(theirs, tmp_path), tokens()
    cache, past = KVCache(model.config, len(ids), TIME), None
    for start, end in ((0, 7), (7, 8), (8, 15), *((n, n + 1) for n in range(15, TIME))):
        found = model(ids[:, start:end], cache)
        answer = theirs.model(ids[:, start:end], past_key_values=past, use_cache=True)
        past = answer.past_key_values
        assert greatest_difference(found, answer.logits) <= TOLERANCE
    # Within the trained context it is the full pass; past it, older keys keep the turns they got.
    within = model(ids[:, :16])
    cache = KVCache(model.config, len(ids), TIME)
    parts = [model(ids[:, a:b], cache) for a, b in ((0, 7), (7, 16))]
    assert greatest_difference(torch.cat(parts, 1), within) <= TOLERANCE


def test_a_window_shorter_than_the_text_matters(tmp_path: Path) -> None:
    theirs, ids = make("mistral", {}), tokens(1)
    model = ours_from(theirs, tmp_path)
    assert model.config.window == 6 < TIME
    changed = ids.clone()
    changed[0, 0] = (changed[0, 0] + 1) % 97
    with torch.no_grad():
        apart = (model(ids) - model(changed)).abs().amax(-1)[0]
    reach = 3 * (6 - 1)  # each of three layers passes news on to the next five tokens
    assert (apart[: reach + 1] > 1e-4).sum() > 6 and apart[reach + 1 :].max() < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("family", CLASSES)
@settings(max_examples=12)
@given(seed=st.integers(0, 2**32))
def test_random_members_of_a_family_are_equal(
    tmp_path_factory: pytest.TempPathFactory, family: str, seed: int
) -> None:
    theirs = make(family, random_settings(family, seed), seed)
    folder = tmp_path_factory.mktemp("member")
    model = check_both_ways(family, theirs, folder)
    ids, mask = left_padded()
    with torch.no_grad():
        padded = model(ids, attention_mask=mask)
        assert greatest_difference(padded, theirs.logits(ids, mask), mask) <= TOLERANCE
        if family != "bert":
            cache = KVCache(model.config, len(ids), TIME)
            parts = [model(ids[:, a:b], cache) for a, b in ((0, 9), (9, 10), (10, 17), (17, TIME))]
            assert greatest_difference(torch.cat(parts, 1), model(ids)) <= TOLERANCE


# What published files of each family say: today's keys are not in them.
PUBLISHED: dict[str, tuple[dict[str, Any], int]] = {
    "tinyllama-1.1b": (
        {
            "architectures": ["LlamaForCausalLM"],
            "attention_bias": False,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "hidden_act": "silu",
            "hidden_size": 2048,
            "initializer_range": 0.02,
            "intermediate_size": 5632,
            "max_position_embeddings": 2048,
            "model_type": "llama",
            "num_attention_heads": 32,
            "num_hidden_layers": 22,
            "num_key_value_heads": 4,
            "pretraining_tp": 1,
            "rms_norm_eps": 1e-05,
            "rope_scaling": None,
            "rope_theta": 10000.0,
            "tie_word_embeddings": False,
            "torch_dtype": "bfloat16",
            "use_cache": True,
            "vocab_size": 32000,
        },
        1_100_048_384,
    ),
    "llama-3.2-1b": (
        {
            "architectures": ["LlamaForCausalLM"],
            "attention_bias": False,
            "attention_dropout": 0.0,
            "bos_token_id": 128000,
            "eos_token_id": [128001, 128008, 128009],
            "head_dim": 64,
            "hidden_act": "silu",
            "hidden_size": 2048,
            "intermediate_size": 8192,
            "max_position_embeddings": 131072,
            "mlp_bias": False,
            "model_type": "llama",
            "num_attention_heads": 32,
            "num_hidden_layers": 16,
            "num_key_value_heads": 8,
            "rms_norm_eps": 1e-05,
            "rope_scaling": {
                "factor": 32.0,
                "high_freq_factor": 4.0,
                "low_freq_factor": 1.0,
                "original_max_position_embeddings": 8192,
                "rope_type": "llama3",
            },
            "rope_theta": 500000.0,
            "tie_word_embeddings": True,
            "torch_dtype": "bfloat16",
            "vocab_size": 128256,
        },
        1_235_814_400,
    ),
    "mistral-7b": (
        {
            "architectures": ["MistralForCausalLM"],
            "bos_token_id": 1,
            "eos_token_id": 2,
            "hidden_act": "silu",
            "hidden_size": 4096,
            "intermediate_size": 14336,
            "max_position_embeddings": 32768,
            "model_type": "mistral",
            "num_attention_heads": 32,
            "num_hidden_layers": 32,
            "num_key_value_heads": 8,
            "rms_norm_eps": 1e-05,
            "rope_theta": 10000.0,
            "sliding_window": 4096,
            "tie_word_embeddings": False,
            "torch_dtype": "bfloat16",
            "vocab_size": 32000,
        },
        7_241_732_096,
    ),
    "qwen2.5-0.5b": (
        {
            "architectures": ["Qwen2ForCausalLM"],
            "attention_dropout": 0.0,
            "bos_token_id": 151643,
            "eos_token_id": 151643,
            "hidden_act": "silu",
            "hidden_size": 896,
            "intermediate_size": 4864,
            "max_position_embeddings": 32768,
            "max_window_layers": 24,
            "model_type": "qwen2",
            "num_attention_heads": 14,
            "num_hidden_layers": 24,
            "num_key_value_heads": 2,
            "rms_norm_eps": 1e-06,
            "rope_theta": 1000000.0,
            "sliding_window": 32768,
            "tie_word_embeddings": True,
            "torch_dtype": "bfloat16",
            "use_mrope": False,
            "use_sliding_window": False,
            "vocab_size": 151936,
        },
        494_032_768,
    ),
    "qwen3-0.6b": (
        {
            "architectures": ["Qwen3ForCausalLM"],
            "attention_bias": False,
            "bos_token_id": 151643,
            "eos_token_id": 151645,
            "head_dim": 128,
            "hidden_act": "silu",
            "hidden_size": 1024,
            "intermediate_size": 3072,
            "max_position_embeddings": 40960,
            "max_window_layers": 28,
            "model_type": "qwen3",
            "num_attention_heads": 16,
            "num_hidden_layers": 28,
            "num_key_value_heads": 8,
            "rms_norm_eps": 1e-06,
            "rope_scaling": None,
            "rope_theta": 1000000,
            "sliding_window": None,
            "tie_word_embeddings": True,
            "use_sliding_window": False,
            "vocab_size": 151936,
        },
        596_049_920,
    ),
    "gemma-3-1b": (
        {
            "architectures": ["Gemma3ForCausalLM"],
            "attention_bias": False,
            "attn_logit_softcapping": None,
            "bos_token_id": 2,
            "cache_implementation": "hybrid",
            "eos_token_id": [1, 106],
            "final_logit_softcapping": None,
            "head_dim": 256,
            "hidden_activation": "gelu_pytorch_tanh",
            "hidden_size": 1152,
            "intermediate_size": 6912,
            "max_position_embeddings": 32768,
            "model_type": "gemma3_text",
            "num_attention_heads": 4,
            "num_hidden_layers": 26,
            "num_key_value_heads": 1,
            "pad_token_id": 0,
            "query_pre_attn_scalar": 256,
            "rms_norm_eps": 1e-06,
            "rope_local_base_freq": 10000,
            "rope_scaling": None,
            "rope_theta": 1000000,
            "sliding_window": 512,
            "sliding_window_pattern": 6,
            "vocab_size": 262144,
        },
        999_885_952,
    ),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_files_give_the_published_model(name: str) -> None:
    file, total = PUBLISHED[name]
    config = ModelConfig.from_hf(file)
    with torch.device("meta"):
        assert TransformerLM(config).num_parameters() == total
    assert config.family == file["model_type"]
    shape = {"init_std", "bos_id", "eos_id", "pad_id", "query_scalar", "kv_heads", "ffn_width"}
    assert config.model_dump(exclude=shape) == ModelConfig.preset(name).model_dump(exclude=shape)
    assert config.eos_id == (
        file["eos_token_id"] if isinstance(file["eos_token_id"], int) else 128001 if "llama" in name else 1
    )


def saved(family: str, settings: dict[str, Any], folder: Path) -> tuple[Theirs, dict[str, Any]]:
    theirs = make(family, settings)
    theirs.model.save_pretrained(folder)
    return theirs, json.loads((folder / "config.json").read_text())


OLDER: dict[str, tuple[str, dict[str, Any], tuple[str, ...], dict[str, Any]]] = {
    # name -> family, settings, keys that older files lack, keys that they have instead
    "llama-linear-type": (
        "llama",
        {"rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 300.0}},
        ("rope_parameters", "head_dim", "attention_bias", "mlp_bias", "num_key_value_heads"),
        {"rope_scaling": {"type": "linear", "factor": 2.0}, "rope_theta": 300.0, "torch_dtype": "float32"},
    ),
    "llama-dynamic-type": (
        "llama",
        {
            "rope_parameters": {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10_000.0},
            "max_position_embeddings": 16,
        },
        ("rope_parameters",),
        {"rope_scaling": {"type": "dynamic", "factor": 2.0}},
    ),
    "mistral-without-head-dim": ("mistral", {}, ("rope_parameters", "head_dim"), {"rope_theta": 10_000.0}),
    "qwen2-without-layer-types": (
        "qwen2",
        {"use_sliding_window": True, "sliding_window": 6, "max_window_layers": 2},
        ("rope_parameters", "layer_types"),
        {"rope_theta": 10_000.0},
    ),
    "gemma2-without-layer-types": (
        "gemma2",
        {},
        ("rope_parameters", "layer_types", "attention_bias", "tie_word_embeddings"),
        {"rope_theta": 10_000.0, "hidden_act": "gelu_pytorch_tanh"},
    ),
    "gemma3-pattern": (
        "gemma3_text",
        {
            "layer_types": [SLIDING, FULL, SLIDING],
            "rope_parameters": {
                FULL: {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
                SLIDING: {"rope_type": "default", "rope_theta": 1e4},
            },
        },
        ("rope_parameters", "layer_types", "_sliding_window_pattern"),
        {
            "rope_theta": 1e6,
            "rope_local_base_freq": 1e4,
            "rope_scaling": {"rope_type": "linear", "factor": 8.0},
            "sliding_window_pattern": 2,
        },
    ),
    "neox-rotary-pct": (
        "gpt_neox",
        {"rope_parameters": {"rope_type": "default", "rope_theta": 500.0, "partial_rotary_factor": 0.5}},
        ("rope_parameters", "attention_bias"),
        {"rotary_pct": 0.5, "rotary_emb_base": 500, "rope_scaling": None},
    ),
}


@pytest.mark.parametrize("name", OLDER)
def test_files_of_older_versions_are_understood(name: str, tmp_path: Path) -> None:
    family, settings, without, instead = OLDER[name]
    theirs, config = saved(family, settings, tmp_path)
    older = {key: value for key, value in config.items() if key not in (*without, "dtype")} | instead
    assert ModelConfig.from_hf(older) == ModelConfig.from_hf(config)
    (tmp_path / "config.json").write_text(json.dumps(older))
    with torch.no_grad():
        found = TransformerLM.from_pretrained(tmp_path)(tokens())
    assert greatest_difference(found, theirs.logits(tokens())) <= TOLERANCE
    assert greatest_difference(load(tmp_path).logits(tokens()), theirs.logits(tokens())) <= TOLERANCE


REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "llama-activation": ("llama", {"hidden_act": "mish"}, "hidden_act = 'mish'"),
    "llama-rope": ("llama", {"rope_scaling": {"type": "su", "factor": 2.0}}, "rope_type = 'su'"),
    "llama-rope-key": (
        "llama",
        {"rope_scaling": {"type": "default", "mrope_section": [1, 1]}},
        "mrope_section",
    ),
    "llama-rope-factor": ("llama", {"rope_scaling": {"type": "linear"}}, "factor is missing"),
    "llama-rope-text": ("llama", {"rope_scaling": "linear"}, "rope_scaling must be a mapping"),
    "llama-yarn-truncate": (
        "llama",
        {"rope_scaling": {"type": "yarn", "factor": 2.0, "truncate": False}},
        "truncate = False",
    ),
    "llama-quantized": ("llama", {"quantization_config": {"bits": 4}}, "quantization_config"),
    "llama-text-width": ("llama", {"hidden_size": "32"}, "hidden_size must be a whole number"),
    "llama-flag": ("llama", {"attention_bias": 1}, "attention_bias must be true or false"),
    "llama-heads": ("llama", {"num_key_value_heads": 3}, "kv_heads (3)"),
    "gpt2-cross": ("gpt2", {"add_cross_attention": True}, "add_cross_attention = True"),
    "gpt2-scale": ("gpt2", {"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx"),
    "qwen2-kinds": ("qwen2", {"layer_types": ["linear_attention"] * 3}, "layer_types = 'linear_attention'"),
    "qwen2-few-kinds": ("qwen2", {"layer_types": [FULL]}, "layer_types must be a list of 3 words"),
    "qwen2-no-window": ("qwen2", {"layer_types": [SLIDING] * 3}, "use_sliding_window"),
    "gemma3-cap": ("gemma3_text", {"attn_logit_softcapping": 3.0}, "attn_logit_softcapping"),
    "gemma2-both-sides": (
        "gemma2",
        {"use_bidirectional_attention": True},
        "use_bidirectional_attention = True",
    ),
    "bert-decoder": ("bert", {"is_decoder": True}, "is_decoder = True"),
    "bert-positions": ("bert", {"position_embedding_type": "relative_key"}, "position_embedding_type"),
    "bert-untied": ("bert", {"tie_word_embeddings": False}, "tie_word_embeddings = False"),
    "mixtral-experts": ("mixtral", {"num_experts_per_tok": 9}, "experts_per_token (9)"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_options_that_we_do_not_have_are_refused_by_name(name: str) -> None:
    family, change, words = REFUSED[name]
    config_class, _, common = CLASSES[family]
    whole = config_class(**common).to_dict()
    assert ModelConfig.from_hf(whole).vocab_size == 97
    with pytest.raises(ConfigError) as caught:
        ModelConfig.from_hf({**whole, **change})
    assert words in str(caught.value)
    assert str(caught.value).count("\n") == 0


def test_what_no_family_can_say_is_of_our_own_type() -> None:
    llama = ModelConfig()
    assert llama.family == "llama"
    for change in (
        {"dropout": 0.1},
        {"positions": "alibi"},
        {"activation": "relu2"},
        {"norm": "layernorm"},
        {"norm_placement": "post"},
        {"parallel": True},
        {"embedding_scale": True},
        {"logit_softcap": 3.0},
        {"qkv_bias": True, "window": 8, "output_bias": True},
        {"rope_share": 0.5},
    ):
        config = ModelConfig(**change)
        assert config.family == "llm_playground", change
        assert ModelConfig.from_hf(config.to_hf()) == config
    same = ModelConfig(kv_heads=4, head_width=32, qkv_bias=False, experts_per_token=3, query_scalar=32.0)
    assert same.family == "llama"


@pytest.mark.parametrize(
    "name", [name for name, preset in PRESETS.items() if preset.family != "llm_playground"]
)
def test_presets_are_the_same_model_in_transformers(name: str) -> None:
    config = ModelConfig.preset(name)
    settings = config.to_hf()
    theirs_config = transformers.AutoConfig.for_model(**settings)
    kind = transformers.AutoModelForMaskedLM if config.family == "bert" else transformers.AutoModelForCausalLM
    with torch.device("meta"):
        theirs = kind.from_config(theirs_config)
        assert theirs.num_parameters() == TransformerLM(config).num_parameters()
    assert type(theirs).__name__ == settings["architectures"][0]
    # What transformers writes of it is the same configuration again.
    assert ModelConfig.from_hf(theirs_config.to_dict()) == ModelConfig.from_hf(settings)
