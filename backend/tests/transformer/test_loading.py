"""Folders of models: shards, types, what is refused and how it is said, memory, the Hub's cache."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from llm_playground.core.errors import InputError, LLMPError, NotFoundError, StorageError
from llm_playground.transformer import ModelConfig, TransformerLM
from llm_playground.transformer.hf import check_folder
from llm_playground.transformer.hf.generation_file import end_ids
from llm_playground.transformer.hf.saving import save_model

from .hf_models import DECODERS, VARIANTS, load, make, tokens

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"


def llama(folder: Path, **settings: object) -> Path:
    make("llama", settings).model.save_pretrained(folder)
    return folder


def change(folder: Path, edit: Callable[[dict[str, torch.Tensor]], object]) -> None:
    """Rewrite the weights of a folder."""
    weights = load_file(folder / WEIGHTS)
    edit(weights)
    save_file({name: value.contiguous() for name, value in weights.items()}, folder / WEIGHTS)


def edit_config(folder: Path, **changes: object) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def refusal(source: Path | str, kind: type[LLMPError] = StorageError) -> str:
    with pytest.raises(kind) as caught:
        TransformerLM.from_pretrained(source)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def logits(folder: Path) -> torch.Tensor:
    with torch.no_grad():
        return TransformerLM.from_pretrained(folder)(tokens())


def test_all_that_does_not_fit_is_listed_at_once(tmp_path: Path) -> None:
    folder = llama(tmp_path)

    def edit(weights: dict[str, torch.Tensor]) -> None:
        del weights["model.norm.weight"], weights["model.layers.0.mlp.up_proj.weight"]
        del weights["model.layers.1.mlp.up_proj.weight"]
        weights["model.layers.2.self_attn.q_norm.weight"] = torch.ones(8)
        weights["lm_head.weight"] = weights["lm_head.weight"][:90]
        weights["model.layers.1.input_layernorm.weight"] = torch.ones(32, dtype=torch.int8)

    change(folder, edit)
    assert refusal(folder) == (
        "The weights do not fit config.json: "
        "3 missing: model.layers.{0-1}.mlp.up_proj.weight, model.norm.weight; "
        "1 without a place: model.layers.2.self_attn.q_norm.weight; "
        "1 of another shape than config.json says: lm_head.weight is [90, 32], not [97, 32]; "
        "1 of a type that is not read (F64, F32, F16, BF16 are): "
        "model.layers.1.input_layernorm.weight is I8. "
        "Do both files belong to the same model, and was it copied whole?"
    )


@pytest.mark.parametrize(
    ("family", "names"),
    [
        ("llama", ["model.layers.0.self_attn.rotary_emb.inv_freq"]),
        ("gpt2", ["transformer.h.0.attn.bias", "transformer.h.1.attn.masked_bias"]),
        ("gpt_neox", ["gpt_neox.layers.0.attention.bias", "gpt_neox.layers.0.attention.rotary_emb.inv_freq"]),
        (
            "bert",
            [
                "bert.embeddings.position_ids",
                "bert.pooler.dense.weight",
                "cls.seq_relationship.bias",
            ],
        ),
    ],
)
def test_known_leftovers_of_older_versions_are_accepted(
    tmp_path: Path, family: str, names: list[str]
) -> None:
    make(family, {}).model.save_pretrained(tmp_path)
    before = logits(tmp_path)
    change(tmp_path, lambda weights: weights.update({name: torch.ones(1, 4) for name in names}))
    assert torch.equal(logits(tmp_path), before)


def test_checkpoints_without_a_prefix_or_with_old_names_are_understood(tmp_path: Path) -> None:
    make("gpt2", {}).model.save_pretrained(tmp_path / "gpt2")  # as gpt2 itself is published
    before = logits(tmp_path / "gpt2")

    def strip(weights: dict[str, torch.Tensor]) -> None:
        for name in list(weights):
            weights[name.removeprefix("transformer.")] = weights.pop(name)

    change(tmp_path / "gpt2", strip)
    assert torch.equal(logits(tmp_path / "gpt2"), before)
    make("bert", {}).model.save_pretrained(tmp_path / "bert")  # as bert-base-uncased is published
    before = logits(tmp_path / "bert")

    def age(weights: dict[str, torch.Tensor]) -> None:
        for name in list(weights):
            old = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
                "LayerNorm.bias", "LayerNorm.beta"
            )
            weights[old] = weights.pop(name)

    change(tmp_path / "bert", age)
    assert torch.equal(logits(tmp_path / "bert"), before)


def test_a_stored_head_of_a_tied_model(tmp_path: Path) -> None:
    folder = llama(tmp_path, tie_word_embeddings=True)
    before, table = logits(folder), "model.embed_tokens.weight"
    change(folder, lambda weights: weights.update({"lm_head.weight": weights[table].clone()}))
    assert check_folder(folder).config.tied_embeddings
    assert torch.equal(logits(folder), before)
    change(folder, lambda weights: weights.pop(table))  # only the head is stored
    assert check_folder(folder).config.tied_embeddings
    assert torch.equal(logits(folder), before)
    # Another head: untied, as transformers does.
    change(folder, lambda weights: weights.update({table: weights["lm_head.weight"] + 1.0}))
    model = TransformerLM.from_pretrained(folder)
    assert not model.config.tied_embeddings
    with torch.no_grad():
        assert (model(tokens()) - load(folder).logits(tokens())).abs().max() < 1e-4


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_no_numbers_are_named(tmp_path: Path, value: float) -> None:
    folder = llama(tmp_path)

    def edit(weights: dict[str, torch.Tensor]) -> None:
        weights["model.layers.0.self_attn.k_proj.weight"][3, 4] = value
        weights["model.layers.2.self_attn.k_proj.weight"][0, 0] = value

    change(folder, edit)
    assert refusal(folder).startswith(
        "Weights are NaN or infinite: model.layers.{0,2}.self_attn.k_proj.weight. "
    )


def test_weights_too_great_for_the_wanted_type_are_named(tmp_path: Path) -> None:
    folder = llama(tmp_path)
    change(folder, lambda weights: weights["model.norm.weight"].__setitem__(0, 1e5))
    assert TransformerLM.from_pretrained(folder).final_norm.weight[0] == 1e5
    with pytest.raises(StorageError, match=r"model\.norm\.weight \(too great for torch\.float16\)"):
        TransformerLM.from_pretrained(folder, dtype=torch.float16)


@pytest.mark.parametrize("stored", [torch.float64, torch.float16, torch.bfloat16])
def test_any_stored_type_becomes_the_wanted_one(tmp_path: Path, stored: torch.dtype) -> None:
    folder = llama(tmp_path)
    before = logits(folder)
    change(folder, lambda weights: weights.update({n: v.to(stored) for n, v in weights.items()}))
    for wanted in (torch.float32, torch.bfloat16, torch.float64):
        model = TransformerLM.from_pretrained(folder, dtype=wanted)
        assert {parameter.dtype for parameter in model.parameters()} == {wanted}
        with torch.no_grad():
            found = model(tokens())
        assert found.dtype == wanted and torch.isfinite(found).all()
        if torch.bfloat16 not in (stored, wanted):
            assert (found.float() - before).abs().max() < (1e-4 if stored == torch.float64 else 0.5)


def test_pickles_are_refused_with_a_way_to_convert(tmp_path: Path) -> None:
    folder = llama(tmp_path)
    torch.save(load_file(folder / WEIGHTS), folder / "pytorch_model.bin")
    before = logits(folder)  # safetensors beside it are read
    (folder / WEIGHTS).unlink()
    sentence = refusal(folder, InputError)
    assert "pickle (pytorch_model.bin)" in sentence and ".save_pretrained(new_folder)" in sentence
    assert "pickle file" in refusal(folder / "pytorch_model.bin", InputError)
    assert before.shape == (2, 24, 97)


def test_shards_are_read_and_written(tmp_path: Path) -> None:
    theirs = make("llama", {})
    theirs.model.save_pretrained(tmp_path / "theirs", max_shard_size="20KB")
    assert len(list((tmp_path / "theirs").glob("*.safetensors"))) > 2
    model = TransformerLM.from_pretrained(tmp_path / "theirs")
    with torch.no_grad():
        expected = theirs.logits(tokens())
        assert (model(tokens()) - expected).abs().max() < 1e-4
        save_model(model, tmp_path / "ours", shard_bytes=20_000)
        shards = sorted(path.name for path in (tmp_path / "ours").glob("*.safetensors"))
        assert len(shards) > 2 and shards[0] == f"model-00001-of-{len(shards):05}.safetensors"
        sizes = [(tmp_path / "ours" / name).stat().st_size for name in shards]
        assert max(sizes) < 24_000
        index = json.loads((tmp_path / "ours" / INDEX).read_text())
        assert index["metadata"]["total_size"] == 4 * model.num_parameters()
        assert torch.equal(
            load(tmp_path / "ours").logits(tokens()), load(tmp_path / "theirs").logits(tokens())
        )
        assert torch.equal(logits(tmp_path / "ours"), model(tokens()))
        model.save_pretrained(tmp_path / "ours")  # one file takes the place of many
    names = {path.name for path in (tmp_path / "ours").iterdir()}
    assert names == {"config.json", "generation_config.json", WEIGHTS}
    assert torch.equal(logits(tmp_path / "ours"), model(tokens()))


@pytest.mark.parametrize(
    "name", ["../model.safetensors", "/etc/x.safetensors", "a/b.safetensors", "..\\x.safetensors", 3]
)
def test_an_index_that_names_other_folders_is_refused(tmp_path: Path, name: object) -> None:
    folder = llama(tmp_path)
    (folder / INDEX).write_text(json.dumps({"weight_map": {"model.norm.weight": name}}))
    assert "names a file outside its folder" in refusal(folder)


def test_damaged_indexes_and_shards_are_named(tmp_path: Path) -> None:
    folder = llama(tmp_path)
    for content, words in (
        ("{", "not valid JSON"),
        ("[]", "it has no weight_map"),
        ('{"weight_map": {}}', "it has no weight_map"),
        ('{"weight_map": {"a": "model-00002-of-00002.safetensors"}}', "which is missing"),
    ):
        (folder / INDEX).write_text(content)
        assert words in refusal(folder)
    (folder / INDEX).unlink()
    whole = (folder / WEIGHTS).read_bytes()
    for damaged in (b"", whole[:5], whole[:200], whole[:-1], b"\xff" * 100):
        (folder / WEIGHTS).write_bytes(damaged)
        assert "is damaged" in refusal(folder)


def test_two_files_with_the_same_tensor_are_refused(tmp_path: Path) -> None:
    folder = llama(tmp_path)
    (folder / "b.safetensors").write_bytes((folder / WEIGHTS).read_bytes())
    (folder / INDEX).write_text(json.dumps({"weight_map": {"x": "b.safetensors", "y": WEIGHTS}}))
    assert "both hold" in refusal(folder)


def test_what_ends_a_reply_is_kept(tmp_path: Path) -> None:
    folder = llama(tmp_path / "theirs")
    edit_config(folder, eos_token_id=[5, 7], bos_token_id=3)
    (folder / "generation_config.json").unlink()
    model = TransformerLM.from_pretrained(folder)
    assert (model.config.eos_id, model.config.bos_id) == (5, 3)
    assert end_ids(model.generation_defaults, model.config) == (5, 7)
    values = {"eos_token_id": [5, 9, 10_000], "temperature": 0.6, "do_sample": True}
    (folder / "generation_config.json").write_text(json.dumps(values))
    model = TransformerLM.from_pretrained(folder)
    assert end_ids(model.generation_defaults, model.config) == (5, 9)
    model.save_pretrained(tmp_path / "ours")
    back = load(tmp_path / "ours").model.generation_config
    assert back.eos_token_id == [5, 9] and back.temperature == 0.6 and back.bos_token_id == 3
    assert end_ids(TransformerLM.from_pretrained(tmp_path / "ours").generation_defaults, model.config) == (
        5,
        9,
    )
    (folder / "generation_config.json").write_text("[]")
    assert "must hold a mapping" in refusal(folder)


@pytest.mark.parametrize("key", [key for key in DECODERS if key[1] == "plain"], ids="-".join)
def test_a_folder_is_read_by_headers_first(key: tuple[str, str], tmp_path: Path) -> None:
    theirs = make(key[0], VARIANTS[key])
    theirs.model.save_pretrained(tmp_path)
    found = check_folder(tmp_path)
    assert found.model_type == key[0] and found.files == [WEIGHTS]
    assert found.parameters == theirs.model.num_parameters()
    assert 0 < found.size_bytes < (tmp_path / WEIGHTS).stat().st_size


def test_peak_memory_is_that_of_the_model(tmp_path: Path) -> None:
    """Loading 200 MB of float32 from a float16 file: memory of its own never goes much beyond the model."""
    shape = {"vocab_size": 20_000, "width": 640, "layers": 8, "heads": 10, "context_length": 64}
    torch.manual_seed(0)
    TransformerLM(ModelConfig(**shape)).save_pretrained(tmp_path, dtype=torch.float16)
    code = f"""
import re, torch
from llm_playground.transformer import TransformerLM
from llm_playground.transformer.hf.loading import load_model
def own():
    status = open("/proc/self/status").read()
    return int(re.search(r"RssAnon:\\s+(\\d+) kB", status)[1]) * 1024
before = own()
peak = [0]
model = load_model(TransformerLM, {str(tmp_path)!r}, progress=lambda a, b: peak.append(own()))
size = sum(p.numel() * p.element_size() for p in model.parameters())
print(size, max(max(peak), own()) - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    size, peak = map(int, done.stdout.split())
    assert size > 200e6
    assert peak < 1.1 * size + 20e6


def test_offline_the_hub_gives_one_clear_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    for name in ("hub:some-org/some-model", "some-org/some-model"):
        assert refusal(name, NotFoundError) == (
            "The model some-org/some-model is not in the cache, and the Hugging Face Hub cannot be reached. "
            "Load it once with a network, or give a folder."
        )
    assert "not a name" in refusal("hub:not/a/name", NotFoundError)
    for name in ("nowhere", "./some-org/some-model", "/nowhere/x"):
        assert "does not exist" in refusal(name, InputError)


def test_what_the_hub_cached_is_used_offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    commit, place = "0" * 40, tmp_path / "models--some-org--some-model"
    folder = place / "snapshots" / commit
    llama(folder)
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text(commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    model = TransformerLM.from_pretrained("hub:some-org/some-model")
    with torch.no_grad():
        assert torch.equal(model(tokens()), logits(folder))
    (folder / WEIGHTS).unlink()  # its tokenizer alone had been fetched
    assert "not in the cache" in refusal("some-org/some-model", NotFoundError)
