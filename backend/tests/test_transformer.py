"""The model against transformers: equal logits both ways, equal counts, exact cached decoding."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from llm_playground.core.config import parse_config
from llm_playground.core.errors import ConfigError, InputError, NotFoundError, StorageError
from llm_playground.transformer import KVCache, ModelConfig, TransformerLM, analyze

SHAPES = {
    "gpt2": {"positions": "learned", "norm": "layernorm", "activation": "gelu_tanh", "bias": True},
    "gpt2-exact-gelu": {"positions": "learned", "norm": "layernorm", "activation": "gelu", "bias": True},
    "llama-tied": {},
    "llama-untied": {"tied_embeddings": False},
    "llama-gqa": {"kv_heads": 2},
    "llama-mqa": {"kv_heads": 1, "tied_embeddings": False},
    "own-rope-layernorm": {"norm": "layernorm", "activation": "gelu", "bias": True},
    "own-learned-rmsnorm": {"positions": "learned", "activation": "swiglu"},
}


def make(name: str, **extra: object) -> TransformerLM:
    torch.manual_seed(0)
    shape = {"vocab_size": 97, "context_length": 32, "width": 32, "layers": 2, "heads": 4} | SHAPES[name]
    config = ModelConfig(**{**shape, "init_std": 0.2, **extra})
    model = TransformerLM(config).eval()
    for parameter in model.parameters():  # biases and gains too, so that none hides behind its zero
        parameter.data += 0.1 * torch.randn_like(parameter)
    return model


def ids(batch: int = 3, time: int = 20) -> torch.Tensor:
    return torch.randint(0, 97, (batch, time), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", [name for name in SHAPES if not name.startswith("own")])
def test_a_saved_folder_has_equal_logits_in_transformers(name: str, tmp_path: Path) -> None:
    model = make(name)
    model.save_pretrained(tmp_path)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    with torch.no_grad():
        assert (theirs(ids()).logits - model(ids())).abs().max() < 2e-5
    assert theirs.num_parameters() == model.num_parameters()


@pytest.mark.parametrize("name", list(SHAPES))
def test_saving_and_loading_is_exact(name: str, tmp_path: Path) -> None:
    model = make(name)
    model.save_pretrained(tmp_path)
    again = TransformerLM.from_pretrained(tmp_path)
    assert again.config.model_dump(exclude={"ffn_width", "kv_heads"}) == model.config.model_dump(
        exclude={"ffn_width", "kv_heads"}
    )
    assert torch.equal(again(ids()), model(ids()))


def test_half_precision_folders_load_as_float32(tmp_path: Path) -> None:
    model = make("llama-tied", init_std=0.02)
    model.save_pretrained(tmp_path, dtype=torch.float16)
    again = TransformerLM.from_pretrained(tmp_path)
    assert again.embedding.weight.dtype == torch.float32
    assert (again(ids()) - model(ids())).abs().max() < 0.05


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_their_folder_has_equal_logits_here(kind: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    if kind == "gpt2":
        theirs = GPT2LMHeadModel(GPT2Config(vocab_size=97, n_positions=32, n_embd=32, n_layer=2, n_head=4))
    else:
        theirs = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=97,
                hidden_size=32,
                intermediate_size=48,
                num_hidden_layers=2,
                num_attention_heads=4,
                num_key_value_heads=2,
                max_position_embeddings=32,
                rope_parameters={"rope_type": "default", "rope_theta": 500.0},
            )
        )
    theirs = theirs.eval()
    theirs.save_pretrained(tmp_path)
    model = TransformerLM.from_pretrained(tmp_path)
    with torch.no_grad():
        assert (theirs(ids()).logits - model(ids())).abs().max() < 2e-5
    assert theirs.num_parameters() == model.num_parameters()


@pytest.mark.parametrize("name", list(SHAPES))
def test_cached_decoding_equals_the_full_pass(name: str) -> None:
    model, tokens = make(name), ids()
    with torch.no_grad():
        full = model(tokens)
        cache = KVCache(model.config, 3, 20)
        parts = [model(tokens[:, a:b], cache) for a, b in ((0, 7), (7, 8), (8, 12), (12, 20))]
    assert (torch.cat(parts, dim=1) - full).abs().max() < 1e-4


@pytest.mark.parametrize("name", ["gpt2", "llama-gqa"])
def test_left_padded_rows_equal_single_rows(name: str) -> None:
    model, tokens = make(name), ids(batch=1)
    padded = torch.cat([torch.zeros(1, 5, dtype=torch.long), tokens[:, :10]], dim=1)
    other = ids(batch=2, time=15)[1:]
    batch = torch.cat([padded, other])
    with torch.no_grad():
        cache = KVCache(model.config, 2, 20, padding=torch.tensor([5, 0]))
        first = model(batch, cache)
        then = model(torch.cat([tokens[:, 10:12], tokens[:, 2:4]]), cache)
        alone = model(tokens[:, :12])
        other_alone = model(torch.cat([other, tokens[:, 2:4]], dim=1))
        mask = torch.ones_like(batch)
        mask[0, :5] = 0
        masked = model(batch, attention_mask=mask)
    assert (first[0, 5:] - alone[0, :10]).abs().max() < 1e-4
    assert (then[0] - alone[0, 10:]).abs().max() < 1e-4
    assert (then[1] - other_alone[0, 15:]).abs().max() < 1e-4
    assert (masked[0, 5:] - alone[0, :10]).abs().max() < 1e-4
    assert torch.isfinite(first).all()


def test_the_number_of_parameters_of_gpt2_small() -> None:
    analysis = analyze(ModelConfig.preset("gpt2-small"))
    assert analysis.parameters.total == 124_439_808
    assert sum(analysis.parameters.by_component.values()) == 124_439_808
    assert analysis.memory.weights == 4 * 124_439_808
    assert analysis.flops.per_token_training == 3 * analysis.flops.per_token_forward


@pytest.mark.parametrize("name", list(SHAPES))
def test_analysis_counts_what_is_built(name: str) -> None:
    model = make(name)
    assert analyze(model.config).parameters.total == model.num_parameters()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"width": 30, "heads": 4}, "heads (4) must divide the width (30)"),
        ({"heads": 4, "kv_heads": 3}, "kv_heads (3) must divide the heads (4)"),
        ({"width": 12, "heads": 4}, "even head size"),
        ({"vocab_size": 100, "eos_id": 100}, "eos_id (100) must be below vocab_size (100)"),
        ({"deepth": 4}, "deepth: is not a known setting"),
        ({"vocab_size": 2**40}, "vocab_size"),
        ({"layers": 0}, "layers"),
    ],
)
def test_impossible_shapes_are_refused_in_one_sentence(values: dict, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(ModelConfig, values)
    assert words in str(caught.value)


def test_too_long_sequences_and_unknown_presets_are_refused() -> None:
    model = make("llama-tied")
    with pytest.raises(InputError, match="33 tokens"):
        model(torch.zeros(1, 33, dtype=torch.long))
    with pytest.raises(InputError, match="room for 4"):
        model(torch.zeros(1, 5, dtype=torch.long), KVCache(model.config, 1, 4))
    with pytest.raises(NotFoundError, match="gpt2-small"):
        ModelConfig.preset("gpt9")


def test_bad_folders_are_refused_with_the_file_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        TransformerLM.from_pretrained(tmp_path / "nothing")
    with pytest.raises(InputError, match="config.json"):
        TransformerLM.from_pretrained(tmp_path)
    model = make("llama-tied")
    model.save_pretrained(tmp_path)
    weights = tmp_path / "model.safetensors"
    data = weights.read_bytes()
    weights.write_bytes(data[: len(data) // 2])
    with pytest.raises(StorageError, match="damaged"):
        TransformerLM.from_pretrained(tmp_path)
    weights.unlink()
    (tmp_path / "pytorch_model.bin").write_bytes(b"x")
    with pytest.raises(InputError, match="safetensors"):
        TransformerLM.from_pretrained(tmp_path)
    with pytest.raises(ConfigError, match="falcon"):
        ModelConfig.from_hf({"model_type": "falcon"})
    with pytest.raises(ConfigError, match="hidden_act"):
        ModelConfig.from_hf({"model_type": "llama", "hidden_act": "relu", "hidden_size": 8})


def test_a_config_that_lacks_something_is_refused_by_name() -> None:
    whole = ModelConfig.preset("tiny-llama").to_hf()
    for name in ("hidden_size", "num_attention_heads", "vocab_size", "intermediate_size"):
        with pytest.raises(ConfigError) as caught:
            ModelConfig.from_hf({key: value for key, value in whole.items() if key != name})
        assert str(caught.value) == f"config.json: {name} is missing." and caught.value.field == name
    with pytest.raises(ConfigError, match="vocab_size"):
        ModelConfig.from_hf({**whole, "vocab_size": None})
    with pytest.raises(ConfigError, match="heads"):
        ModelConfig.from_hf({**whole, "num_attention_heads": 0, "head_dim": None})
    assert ModelConfig.from_hf({**whole, "head_dim": 16}).head_size == 16
    with pytest.raises(ConfigError, match="must be even"):
        ModelConfig.from_hf({**whole, "head_dim": 7})


def test_damaged_config_and_index_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(StorageError, match=r"config\.json is damaged: it must hold a mapping\."):
        TransformerLM.from_pretrained(tmp_path)
    make("llama-tied").save_pretrained(tmp_path)
    for content, words in (("{", "not valid JSON"), ("{}", "it has no weight_map")):
        (tmp_path / "model.safetensors.index.json").write_text(content)
        with pytest.raises(StorageError, match=words):
            TransformerLM.from_pretrained(tmp_path)


def test_sharded_weights_load_and_a_shard_outside_the_folder_does_not(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    model = make("llama-untied")
    model.save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    (tmp_path / "model.safetensors").unlink()
    names = {name: f"part-{number % 2}.safetensors" for number, name in enumerate(sorted(weights))}
    for part in set(names.values()):
        save_file({name: weights[name] for name in names if names[name] == part}, tmp_path / part)
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": names}))
    assert torch.equal(TransformerLM.from_pretrained(tmp_path)(ids()), model(ids()))
    index.write_text(json.dumps({"weight_map": {name: "../x.safetensors" for name in names}}))
    with pytest.raises(StorageError, match="outside its folder"):
        TransformerLM.from_pretrained(tmp_path)


def test_a_missing_and_a_misshapen_weight_are_named(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    make("llama-tied").save_pretrained(tmp_path)
    file = tmp_path / "model.safetensors"
    weights = load_file(file)
    short = {**weights, "model.norm.weight": torch.ones(5)}
    save_file(short, file)
    with pytest.raises(StorageError, match=r"model\.norm\.weight is \[5\], not \[32\]"):
        TransformerLM.from_pretrained(tmp_path)
    save_file({name: value for name, value in weights.items() if name != "model.norm.weight"}, file)
    with pytest.raises(StorageError, match=r"1 missing: model\.norm\.weight\."):
        TransformerLM.from_pretrained(tmp_path)


def test_a_token_sees_only_what_came_before_it() -> None:
    for name in SHAPES:
        model, tokens = make(name), ids(batch=1)
        changed = tokens.clone()
        changed[0, 12:] = (changed[0, 12:] + 1) % 97
        with torch.no_grad():
            before, after = model(tokens), model(changed)
        assert torch.allclose(before[0, :12], after[0, :12], atol=1e-6)
        assert not torch.allclose(before[0, 12:], after[0, 12:], atol=1e-3)
