"""Learning rates: their values at the borders, and that they depend on the step alone."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_playground.core import ConfigError
from llm_playground.core.config import parse_config
from llm_playground.training import TrainingConfig, learning_rate, schedule_points


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


def test_a_straight_line_from_the_peak_to_the_floor() -> None:
    found = rates(steps=50, warmup_steps=10, min_lr_ratio=0.1, schedule="linear")
    assert found[10:] == pytest.approx([1 - 0.9 * step / 39 for step in range(40)])


def test_a_constant_rate_stays_at_the_peak() -> None:
    found = rates(steps=20, warmup_steps=4, schedule="constant")
    assert found == pytest.approx([0.25, 0.5, 0.75] + [1.0] * 17)


@pytest.mark.parametrize("warmup", [0, 1, 25])
def test_the_inverse_square_root_of_the_steps_since_the_start(warmup: int) -> None:
    found = rates(steps=400, warmup_steps=warmup, min_lr_ratio=0.1, schedule="inverse_sqrt")
    width = max(1, warmup)
    wanted = [max(0.1, math.sqrt(width / (width + step))) for step in range(400 - warmup)]
    assert found[warmup:] == pytest.approx(wanted)
    assert found[warmup] == 1.0 and (warmup or found[-1] == 0.1)


def test_cosines_that_start_again_at_the_peak() -> None:
    found = rates(steps=90, warmup_steps=10, min_lr_ratio=0.2, schedule="cosine_restarts", restarts=3)
    cycle = [0.2 + 0.8 * 0.5 * (1 + math.cos(math.pi * step / 19)) for step in range(20)]
    assert found[10:] == pytest.approx(cycle * 4)


@given(steps=st.integers(4, 300), warmup=st.integers(0, 200), restarts=st.integers(1, 60))
def test_every_cycle_goes_from_the_peak_to_the_floor(steps: int, warmup: int, restarts: int) -> None:
    steps += warmup + 2 * restarts
    found = rates(
        steps=steps, warmup_steps=warmup, min_lr_ratio=0.1, schedule="cosine_restarts", restarts=restarts
    )[warmup:]
    tops = [step for step, rate in enumerate(found) if rate > 1 - 1e-12]
    lows = [step for step, rate in enumerate(found) if rate < 0.1 + 1e-12]
    assert len(tops) == len(lows) == restarts + 1 and tops[0] == 0 and lows[-1] == len(found) - 1
    assert [step + 1 for step in lows[:-1]] == tops[1:]
    lengths = [low - top for top, low in zip(tops, lows, strict=True)]
    assert max(lengths) - min(lengths) <= 1


def test_another_peak_only_scales_the_schedule() -> None:
    config = TrainingConfig(steps=40, warmup_steps=5, schedule="cosine", learning_rate=0.01)
    for step in range(40):
        assert learning_rate(step, config, 0.2) == pytest.approx(20 * learning_rate(step, config))


@pytest.mark.parametrize(
    ("changes", "corners"),
    [
        ({"schedule": "cosine"}, {0, 29, 30, 999}),
        ({"schedule": "wsd", "decay_fraction": 0.25}, {0, 29, 30, 750, 999}),
        ({"schedule": "cosine_restarts", "restarts": 1}, {0, 29, 30, 514, 515, 999}),
        ({"schedule": "linear", "warmup_steps": 5000}, {0, 999}),
    ],
)
def test_a_picture_has_the_rates_of_its_steps_and_all_corners(changes: dict, corners: set[int]) -> None:
    config = TrainingConfig(**{"steps": 1000, "warmup_steps": 30, **changes})
    points = schedule_points(config, 20)
    steps = [step for step, _ in points]
    assert corners <= set(steps) and steps == sorted(set(steps)) and 20 <= len(steps) <= 26
    assert all(rate == learning_rate(step, config) for step, rate in points)


def test_a_picture_of_a_short_run_has_each_step_once() -> None:
    config = TrainingConfig(steps=3, warmup_steps=0)
    assert [step for step, _ in schedule_points(config, 200)] == [0, 1, 2]
    assert schedule_points(TrainingConfig(steps=1), 200) == [(0, pytest.approx(2e-3 / 50))]
    with pytest.raises(ValueError, match="at least 2"):
        schedule_points(config, 1)


@given(
    steps=st.integers(1, 400),
    warmup=st.integers(0, 500),
    ratio=st.floats(0, 1),
    fraction=st.floats(0.01, 1),
    schedule=st.sampled_from(["cosine", "wsd", "linear"]),
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
