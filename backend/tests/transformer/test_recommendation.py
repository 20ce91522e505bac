"""Recommendations: each one's own analysis fits the budget it was made for."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_playground.core.errors import ConfigError, InputError, NotFoundError
from llm_playground.transformer import analyze
from llm_playground.transformer.analysis import Recommendation, recommend
from llm_playground.transformer.presets import PRESETS

GIB = 2**30


def taken(item: Recommendation) -> tuple[int, float]:
    """Memory and operations of a recommended training, analysed anew."""
    found = analyze(
        item.config,
        batch=item.batch,
        precision=item.precision,
        checkpointing=item.checkpointing,
        optimizer=item.optimizer,
        tokens=item.tokens,
    )
    return found.memory.total_training, found.budget.hardware_flops


@settings(max_examples=8)
@given(
    memory=st.integers(64 * 2**20, 200 * GIB),
    device=st.sampled_from([None, "h100-sxm", "t4", "laptop-cpu"]),
    hours=st.none() | st.floats(1e-3, 1e4),
    optimizer=st.sampled_from(["adamw", "lion", "muon"]),
    vocab_size=st.sampled_from([None, 1000, 50_257]),
)
def test_every_recommended_training_fits(
    memory: int, device: str | None, hours: float | None, optimizer: str, vocab_size: int | None
) -> None:
    flops = None if device else 2e11
    found = recommend(
        memory, device=device, hours=hours, flops=flops, optimizer=optimizer, vocab_size=vocab_size
    )
    assert 1 <= len(found.recommendations) <= 3 and found.reasons
    for item in found.recommendations:
        bytes_taken, operations = taken(item)
        assert bytes_taken == item.memory_bytes <= 0.9 * memory
        assert operations == item.training_flops
        assert item.seconds is not None and item.reasons and item.predicted_loss
        assert item.parameters == analyze(item.config, context=8).parameters.total
        if hours is not None:
            assert item.seconds <= hours * 3600 * (1 + 1e-9)
        if vocab_size is not None:
            assert item.config.vocab_size == vocab_size
    sizes = [item.parameters for item in found.recommendations]
    assert len(set(sizes)) == len(sizes)


def test_more_compute_makes_it_larger_and_so_does_more_memory() -> None:
    def best(**budget: float) -> int:
        return recommend(int(budget.pop("memory", 64 * GIB)), **budget).recommendations[0].parameters

    by_time = [best(flops=1e13, hours=hours) for hours in (0.1, 1, 10, 100, 1000)]
    assert by_time == sorted(by_time) and len(set(by_time)) == 5
    by_memory = [best(memory=memory * GIB) for memory in (1, 4, 16, 64, 256)]
    assert by_memory == sorted(by_memory) and len(set(by_memory)) == 5


def test_the_first_has_twenty_tokens_for_each_parameter_and_the_next_size_would_not() -> None:
    first, longer, larger = recommend(16 * GIB, flops=1e13, hours=10).recommendations
    assert first.tokens is not None and first.tokens >= 20 * first.parameters
    assert longer.tokens is not None and longer.tokens >= 100 * longer.parameters
    assert larger.tokens is not None and 5 * larger.parameters <= larger.tokens < 20 * larger.parameters
    assert longer.parameters < first.parameters < larger.parameters
    assert any("few" in warning for warning in larger.warnings)
    assert first.predicted_loss is not None and longer.predicted_loss is not None


def test_where_memory_is_what_is_short_the_rest_goes_into_tokens() -> None:
    first = recommend(GIB, flops=1e15, hours=1000).recommendations[0]
    assert "largest shape that the memory holds" in first.reasons[0]
    assert first.training_flops == pytest.approx(1e15 * 1000 * 3600, rel=1e-6)


def test_too_little_compute_is_told() -> None:
    (only,) = recommend(GIB, flops=1e9, hours=0.001).recommendations
    assert "compute allows no more" in only.reasons[0]
    assert any("few" in warning for warning in only.warnings)


def test_published_models_to_run() -> None:
    found = recommend(24 * GIB, device="rtx-4090", purpose="run", context=4096)
    names = [item.name for item in found.recommendations]
    assert names[0] == "llama-3-8b" and len(names) == 3
    for item in found.recommendations:
        assert item.name is not None and item.config == PRESETS[item.name].config
        memory = analyze(item.config, context=4096, precision=item.precision).memory
        assert memory.inference == item.memory_bytes <= 0.9 * 24 * GIB
        assert item.precision == "bf16" and item.tokens is None
        assert "tokens a second" in item.reasons[1]
    small = recommend(GIB, purpose="run", context=1024)
    assert all(item.parameters < 250_000_000 for item in small.recommendations)
    data = found.to_dict()
    assert json.loads(json.dumps(data)) == data


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"memory_bytes": 0}, "memory_bytes: 0 is not above 0."),
        ({"memory_bytes": 10**6}, "memory_bytes: the smallest shape takes"),
        ({"memory_bytes": 10**6, "purpose": "run"}, "memory_bytes: the smallest published model takes"),
        ({"memory_bytes": GIB, "hours": -1.0}, "hours: -1 is not above 0."),
        ({"memory_bytes": GIB, "hours": 1.0}, "hours: how much is computed in that time is not known."),
        ({"memory_bytes": GIB, "purpose": "sell"}, "purpose: 'sell' is unknown."),
        ({"memory_bytes": GIB, "purpose": "run", "context": 10**6}, "context: no published model here reads"),
    ],
)
def test_impossible_budgets_are_named(options: dict, words: str) -> None:
    with pytest.raises(InputError) as caught:
        recommend(**options)
    assert caught.value.message.startswith(words) and caught.value.field in options


def test_impossible_shapes_and_unknown_devices_are_named() -> None:
    with pytest.raises(ConfigError, match="vocab_size"):
        recommend(GIB, vocab_size=1)
    with pytest.raises(NotFoundError, match="no device 'abacus'"):
        recommend(GIB, device="abacus")
