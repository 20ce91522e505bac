"""Learning rates: their values at the borders, and that they depend on the step alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_playground.core import ConfigError
from llm_playground.core.config import parse_config
from llm_playground.training import TrainingConfig, learning_rate


def rates(**values: object) -> list[float]:
    config = TrainingConfig(learning_rate=1.0, **values)  # type: ignore[arg-type]
    return [learning_rate(step, config) for step in range(config.steps)]


def test_warm_up_rises_in_equal_steps_and_is_never_zero() -> None:
    found = rates(steps=100, warmup_steps=4, min_lr_ratio=0.1)
    assert found[:5] == [0.25, 0.5, 0.75, 1.0, 1.0]


def test_half_a_cosine_from_the_peak_to_the_floor() -> None:
    found = rates(steps=101, warmup_steps=0, min_lr_ratio=0.2, schedule="cosine")
    assert found[0] == 1.0 and found[-1] == pytest.approx(0.2)
    assert found[50] == pytest.approx(0.6)
    assert found[25] == pytest.approx(0.2 + 0.8 * 0.5 * (1 + 0.5**0.5))


def test_warm_up_then_constant_then_a_straight_line_down() -> None:
    found = rates(steps=100, warmup_steps=10, min_lr_ratio=0.1, schedule="wsd", decay_fraction=0.4)
    assert found[9:61] == [1.0] * 52
    assert found[-1] == pytest.approx(0.1)
    falls = [before - after for before, after in zip(found[60:], found[61:], strict=False)]
    assert falls == pytest.approx([0.9 / 39] * 39)


def test_decay_begins_after_the_warm_up_even_if_it_was_to_begin_before() -> None:
    found = rates(steps=10, warmup_steps=8, min_lr_ratio=0.5, schedule="wsd", decay_fraction=1.0)
    assert found[7:] == pytest.approx([1.0, 1.0, 0.5])


@given(
    steps=st.integers(1, 400),
    warmup=st.integers(0, 500),
    ratio=st.floats(0, 1),
    fraction=st.floats(0.01, 1),
    schedule=st.sampled_from(["cosine", "wsd"]),
)
def test_a_rate_stays_within_bounds_and_only_falls_after_the_warm_up(
    steps: int, warmup: int, ratio: float, fraction: float, schedule: str
) -> None:
    values = {"steps": steps, "warmup_steps": warmup, "min_lr_ratio": ratio}
    found = rates(**values, decay_fraction=fraction, schedule=schedule)
    assert all(0 <= rate <= 1 + 1e-9 for rate in found)
    after = found[warmup:]
    assert all(rate >= ratio - 1e-9 for rate in after)
    assert all(later <= earlier + 1e-9 for earlier, later in zip(after, after[1:], strict=False))
    if len(after) > 1:
        assert after[0] == pytest.approx(1.0) and after[-1] == pytest.approx(ratio, abs=1e-9)
    assert found == rates(**values, decay_fraction=fraction, schedule=schedule)


def test_a_micro_batch_larger_than_the_batch_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(TrainingConfig, {"batch_size": 4, "micro_batch_size": 5})
    assert caught.value.message == (
        "The configuration is wrong: micro_batch_size (5) must not exceed batch_size (4)."
    )
