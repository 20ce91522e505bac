"""Decoding piece by piece, with windows and left padding, equals one pass over everything."""

from __future__ import annotations

import pytest
import torch

from llm_playground.core.errors import InputError
from llm_playground.generation import GenerationEngine, SamplingParams
from llm_playground.transformer import KVCache

from .mixtures import CONTEXT, DECODERS, build, configure, ids


@pytest.mark.parametrize("name", list(DECODERS))
@pytest.mark.parametrize("cuts", [(9, 1, 1, 4, 1, 20, 4), (1,) * CONTEXT])
def test_cached_decoding_equals_the_full_pass(name: str, cuts: tuple[int, ...]) -> None:
    model, tokens = build(name), ids(2, CONTEXT)
    cache = KVCache(model.config, 2, CONTEXT)
    with torch.no_grad():
        full = model(tokens)
        parts = [model(part, cache) for part in tokens.split(cuts, dim=1)]
    assert (torch.cat(parts, dim=1) - full).abs().max() < 1e-4
    assert cache.length == CONTEXT


@pytest.mark.parametrize("name", list(DECODERS))
def test_left_padded_rows_equal_rows_alone(name: str) -> None:
    model = build(name)
    rows = [ids(1, 20, seed=5), ids(1, 13, seed=6), ids(1, 19, seed=7)]
    padding = torch.tensor([20 - row.shape[1] for row in rows])
    batch = torch.zeros(3, 20, dtype=torch.long)
    for place, row in enumerate(rows):
        batch[place, padding[place] :] = row
    cache = KVCache(model.config, 3, 20, padding=padding)
    mask = (torch.arange(20) >= padding[:, None]).long()
    with torch.no_grad():
        parts = torch.cat([model(part, cache) for part in batch.split((9, 1, 3, 1, 1, 5), dim=1)], dim=1)
        masked = model(batch, attention_mask=mask)
        for place, row in enumerate(rows):
            alone = model(row)[0]
            assert (parts[place, padding[place] :] - alone).abs().max() < 1e-4
            assert (masked[place, padding[place] :] - alone).abs().max() < 1e-4
    assert torch.isfinite(parts).all() and torch.isfinite(masked).all()


@pytest.mark.parametrize("name", ["llama", "gemma2", "alibi"])
def test_right_padding_changes_nothing_before_it(name: str) -> None:
    model, tokens = build(name), ids(2, 12)
    mask = torch.ones_like(tokens)
    mask[0, 7:] = 0
    with torch.no_grad():
        assert (model(tokens, attention_mask=mask)[0, :7] - model(tokens[:1, :7])[0]).abs().max() < 1e-4


@pytest.mark.parametrize("name", ["mistral", "gemma3", "alibi-odd-heads-window"])
def test_a_long_sequence_slides_through_a_windows_memory(name: str) -> None:
    # Longer than window plus slack, so that the memory is shifted, in single steps and in large ones.
    model, tokens = build(name, context_length=400), ids(2, 400)
    padding = torch.tensor([0, 3])
    cache, padded = KVCache(model.config, 2, 400), KVCache(model.config, 2, 400, padding=padding)
    cuts = (70, 1, 1, 90, *[1] * 130, 68, *[1] * 40)
    mask = (torch.arange(400) >= padding[:, None]).long()
    with torch.no_grad():
        parts = torch.cat([model(part, cache) for part in tokens.split(cuts, dim=1)], dim=1)
        rows = torch.cat([model(part, padded) for part in tokens.split(cuts, dim=1)], dim=1)
        full, masked = model(tokens), model(tokens, attention_mask=mask)
    assert (parts - full).abs().max() < 1e-4
    assert (rows[0] - full[0]).abs().max() < 1e-4
    assert (rows[1, 3:] - masked[1, 3:]).abs().max() < 1e-4


def test_a_windowed_layer_keeps_only_what_can_be_seen_later() -> None:
    config = configure("gemma3", context_length=4000)
    cache, whole = KVCache(config, 1, 4000), KVCache(config.model_copy(update={"window": None}), 1, 4000)
    assert [memory.shape[2] for memory in cache.keys] == [68, 68, 4000]
    assert cache.capacity == whole.capacity == 4000
    assert cache.nbytes < 0.4 * whole.nbytes


def test_rows_leave_a_windowed_cache() -> None:
    model, tokens = build("mistral"), ids(3, 30)
    cache = KVCache(model.config, 3, 30)
    with torch.no_grad():
        model(tokens[:, :12], cache)
        cache.keep(torch.tensor([2, 0]))
        after = model(tokens[[2, 0], 12:], cache)
        full = model(tokens[[2, 0]])
    assert (after - full[:, 12:]).abs().max() < 1e-4


@pytest.mark.parametrize("name", ["mistral", "gemma3", "alibi", "mixture"])
def test_the_engine_writes_what_full_passes_would_choose(name: str) -> None:
    model = build(name)
    prompts = [ids(1, length, seed=length)[0].tolist() for length in (3, 9, 6)]
    replies = GenerationEngine(model).complete(prompts, SamplingParams(temperature=0, max_tokens=15))
    for prompt, reply in zip(prompts, replies, strict=True):
        sequence = list(prompt)
        with torch.no_grad():
            for _ in range(15):
                sequence.append(int(model(torch.tensor([sequence]))[0, -1].argmax()))
        assert reply == sequence[len(prompt) :]


def test_dynamic_scaling_is_exact_up_to_the_trained_context() -> None:
    scaling = {"type": "dynamic", "factor": 4.0, "original_context": 15}
    model, tokens = build("dynamic", rope_scaling=scaling), ids(2, 15)
    cache = KVCache(model.config, 2, 15)
    with torch.no_grad():
        parts = torch.cat([model(part, cache) for part in tokens.split((6, 1, 8), dim=1)], dim=1)
        assert (parts - model(tokens)).abs().max() < 1e-4


def test_wrong_uses_are_refused() -> None:
    model = build("llama")
    with pytest.raises(InputError, match=rf"{CONTEXT + 1} tokens, but the model's context holds {CONTEXT}"):
        model(ids(1, CONTEXT + 1))
    with pytest.raises(InputError, match="attention_mask goes without a cache"):
        model(ids(1, 3), KVCache(model.config, 1, 3), torch.ones(1, 3))
    with pytest.raises(InputError, match=r"attention_mask has the shape \(1, 4\); the ids have \(1, 3\)"):
        model(ids(1, 3), attention_mask=torch.ones(1, 4))
    with pytest.raises(InputError, match="sees a whole text at once"):
        encoder = build("bert")
        encoder(ids(1, 3), KVCache(encoder.config, 1, 3))
    with pytest.raises(InputError, match="tells no segments apart"):
        model(ids(1, 3), segment_ids=torch.zeros(1, 3, dtype=torch.long))


def test_a_table_made_while_generating_serves_training_afterwards() -> None:
    model = build("llama")
    with torch.inference_mode():
        model(ids(1, 8))
    model.train()
    torch.nn.functional.cross_entropy(model(ids(2, 8)).flatten(0, 1), ids(2, 8).flatten()).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
