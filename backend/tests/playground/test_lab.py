"""The lab's models, readings and memory."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_workspace import Tiny

from llm_playground.core.errors import ConfigError, ConflictError, NotFoundError, StorageError
from llm_playground.core.workspace import Workspace
from llm_playground.playground import ModelCache, ModelLab, TokenizerCache, lab_catalog, lab_memory
from llm_playground.playground import lab as lab_module
from llm_playground.playground.lab_attention import attention_map, recorded_maps
from llm_playground.playground.lab_memory import Kept, largest_text, pass_bytes, readable, tensor_bytes
from llm_playground.playground.lab_text import segments
from llm_playground.transformer import ModelConfig, TransformerLM


def lab_of(workspace: Workspace, **options: Any) -> ModelLab:
    return ModelLab(workspace, ModelCache(workspace), TokenizerCache(workspace), **options)


@pytest.fixture(scope="module")
def lab(tiny: Tiny) -> ModelLab:
    """A lab over the prepared workspace; for tests that only read."""
    return lab_of(tiny.workspace)


def keep(workspace: Workspace, name: str, **config: Any) -> str:
    """Put a model with random weights and without a tokenizer into a workspace; returns its id."""
    shape = {"vocab_size": 300, "context_length": 16, "width": 16, "layers": 1, "heads": 2, **config}
    with workspace.new_artifact("model", name=name) as draft:
        TransformerLM(ModelConfig.model_validate(shape)).save_pretrained(draft.path)
    return draft.id


def test_a_model_of_the_chat_is_shared_and_loaded_once(lab: ModelLab, tiny: Tiny) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: lab.open(tiny.base), range(4)))
    assert all(item is found[0] for item in found)
    assert found[0].model is lab.models.get(tiny.base).engine.model
    assert (found[0].random, found[0].tokenizer_name) == (False, tiny.base)


def test_the_least_used_model_goes_and_its_results_with_it(own_tiny: Tiny) -> None:
    lab = lab_of(own_tiny.workspace, capacity=1)
    opened = lab.open("preset:tiny-llama")
    recorded_maps(lab, opened, lab.read(opened, "some text"))
    assert lab.kept.size > 0
    del opened
    lab.open("preset:tiny-gpt2")
    assert lab.opened() == ["preset:tiny-gpt2"] and lab.kept.size == 0


def test_names_of_presets_are_told_in_full(lab: ModelLab) -> None:
    assert lab.open("preset:TINY-LLAMA") is lab.open("preset:tiny-llama")
    with pytest.raises(NotFoundError, match="no model preset 'none'"):
        lab.open("preset:none")


def test_a_model_without_tokenizer_reads_ids(own_tiny: Tiny) -> None:
    lab = lab_of(own_tiny.workspace)
    opened = lab.open(keep(own_tiny.workspace, "Bare"))
    with pytest.raises(ConfigError, match="has no tokenizer") as caught:
        lab.read(opened, "text")
    assert caught.value.field == "text" and "token ids" in str(caught.value)
    reading = lab.read(opened, None, [5, 299])
    assert [token["text"] for token in reading.tokens] == ["[5]", "[299]"]
    assert [(token["start"], token["end"]) for token in reading.tokens] == [(0, 3), (3, 8)]
    entry = next(item for item in lab.catalog.entries() if item.ref == opened.ref)
    assert entry.tokenizer is None and entry.runnable


def test_encoders_can_be_looked_into_and_pairs_cannot(own_tiny: Tiny) -> None:
    lab = lab_of(own_tiny.workspace)
    opened = lab.open("preset:tiny-encoder")
    reading = lab.read(opened, "both sides")
    found = attention_map(lab, opened, reading, 0, 0)
    assert bool((found > 0).all())  # the future is seen too
    pair = lab.catalog.why_not(ModelConfig(architecture="encoder-decoder"), drawn=False)
    assert pair is not None and "two texts" in pair


def test_a_model_that_was_deleted_or_damaged_is_noticed(own_tiny: Tiny) -> None:
    lab = lab_of(own_tiny.workspace)
    gone, damaged = keep(own_tiny.workspace, "Gone"), keep(own_tiny.workspace, "Damaged")
    lab.open(gone)
    own_tiny.workspace.delete(gone)
    with pytest.raises(NotFoundError, match="no model"):
        lab.open(gone)
    weights = own_tiny.workspace.get(damaged).path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"oops")
    with pytest.raises(StorageError, match=r"model\.safetensors was changed"):
        lab.open(damaged)


def test_a_model_whose_configuration_cannot_be_read_is_listed_with_the_reason(own_tiny: Tiny) -> None:
    with own_tiny.workspace.new_artifact("model", name="Strange") as draft:
        (draft.path / "config.json").write_text(json.dumps({"model_type": "strange"}))
    entry = next(item for item in lab_of(own_tiny.workspace).catalog.entries() if item.ref == draft.id)
    assert not entry.runnable and entry.why_not is not None and "strange" in entry.why_not


def test_what_does_not_fit_into_memory_is_refused(own_tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = lab_of(own_tiny.workspace)
    opened = lab.open("preset:tiny-llama")
    needs = pass_bytes(opened.config, 60)
    for module in (lab_catalog, lab_module):
        monkeypatch.setattr(module, "free_bytes", lambda: 4 * needs - 4)
    with pytest.raises(ConfigError, match="looking into 60 tokens takes") as caught:
        lab.read(opened, "a" * 60)
    assert caught.value.field == "text" and "Up to 59 tokens fit" in str(caught.value)
    lab.read(opened, "a" * 59)
    for module in (lab_catalog, lab_module):
        monkeypatch.setattr(module, "free_bytes", lambda: 1000)
    with pytest.raises(ConflictError, match="cannot be run here") as refusal:
        lab.open("preset:tiny-gpt2")
    assert "half of what is free here" in str(refusal.value)
    assert lab.open("preset:tiny-llama") is opened  # it is there already


def test_maps_too_large_to_keep_are_the_same_maps(own_tiny: Tiny) -> None:
    small, large = lab_of(own_tiny.workspace, kept_bytes=10_000), lab_of(own_tiny.workspace)
    for kind in ("weights", "value_weighted", "rollout"):
        found = []
        for lab in (small, large):
            opened = lab.open("preset:tiny-llama")
            reading = lab.read(opened, "the same text, twice the same")
            assert (recorded_maps(lab, opened, reading) is None) == (lab is small)
            found.append(attention_map(lab, opened, reading, 1, 2, kind))
        assert torch.allclose(*found, atol=1e-6)
    assert small.kept.size <= 10_000


def test_a_result_is_computed_once_for_each_text(lab: ModelLab) -> None:
    opened, calls = lab.open("preset:tiny-gpt2"), []

    def compute(model: TransformerLM, ids: torch.Tensor) -> torch.Tensor:
        assert torch.is_inference_mode_enabled()
        calls.append(ids.tolist())
        return model(ids)

    first, second = lab.read(opened, "one"), lab.read(opened, "two")
    results = [lab.result(opened, reading, "logits", compute) for reading in (first, first, second, first)]
    assert results[0] is results[1] is results[3] and results[2] is not results[0]
    assert calls == [[list(first.ids)], [list(second.ids)]]
    assert lab.result(opened, first, "others", compute) is not results[0]


def test_the_memory_of_results_has_a_limit() -> None:
    @dataclass
    class Owner:
        name: str

    owner, kept = Owner("a"), Kept(1000)
    for number in range(4):
        kept.put(number, owner, {"x": torch.zeros(100)})  # 400 bytes
    assert [kept.get(number, owner) is not None for number in range(4)] == [False, False, True, True]
    kept.get(2, owner)
    kept.put(4, owner, torch.zeros(100))
    assert kept.get(2, owner) is not None and kept.get(3, owner) is None  # the least used one went
    kept.put(5, owner, torch.zeros(1000))
    assert kept.get(5, owner) is None and kept.get(4, owner) is not None
    assert kept.get(4, Owner("a")) is None  # another model in the same place


def test_sizes_are_those_of_the_tensors() -> None:
    base = torch.zeros(100)
    assert tensor_bytes([base, base[:10], (base.view(10, 10),)]) == 400  # one storage
    assert tensor_bytes({"a": base, "b": torch.zeros(2, dtype=torch.uint8)}) == 402
    assert (readable(3_221_225_472), readable(935_040)) == ("3.2 GB", "1 MB")


def test_the_longest_text_that_fits() -> None:
    config = ModelConfig(context_length=64, vocab_size=320, width=32, layers=2, heads=4)
    for tokens in (1, 17, 63, 64):
        assert largest_text(config, pass_bytes(config, tokens)) == tokens
    assert largest_text(config, 0) == 0
    assert lab_memory.free_bytes() <= lab_memory.total_bytes()


def test_positions_count_from_both_ends(lab: ModelLab) -> None:
    reading = lab.read(lab.open("preset:tiny-gpt2"), "abc")
    assert [reading.position(place) for place in (0, 2, -1, -3)] == [0, 2, 2, 0]
    for wrong in (3, -4):
        with pytest.raises(ConfigError, match="0 to 2"):
            reading.position(wrong)


def test_lines_sentences_and_turns() -> None:
    def of(text: str) -> dict[str, list[int]]:
        return segments(text, [{"start": place, "end": place + 1} for place in range(len(text))])

    assert of("one two") == {}
    assert of("a\nb") == {"line": [0, 0, 1]}
    assert of("Hi. Go!") == {"sentence": [0, 0, 0, 1, 1, 1, 1]}
    assert of("3.14 is pi") == {}
    turns = of("<|im_start|>a<|im_start|>b")["turn"]
    assert turns == [0] * 13 + [1] * 13
    words = [{"start": 0, "end": 3}, {"start": 3, "end": 6}, {"start": 6, "end": 7}]
    assert segments("Hi. Go!", words) == {"sentence": [0, 1, 1]}


def test_bytes_can_be_opened_as_a_tokenizer(workspace: Workspace, tmp_path: Path) -> None:
    tokenizer = TokenizerCache(workspace).get("bytes").tokenizer
    text = "née\n👩‍🚀"
    assert tokenizer.encode(text) == list(text.encode())
    assert tokenizer.decode(tokenizer.encode(text)) == text
    spans = tokenizer.spans(text)
    assert [(span.start, span.end) for span in spans[:4]] == [(0, 1), (1, 2), (1, 2), (2, 3)]
