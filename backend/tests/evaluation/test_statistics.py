"""Wilson's interval against published figures and its own properties."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_playground.evaluation import Interval, wilson_interval


@pytest.mark.parametrize(
    ("correct", "count", "low", "high"),
    [
        # Newcombe 1998, Statistics in Medicine 17, 857-872, table I, method 3 (score without correction).
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_published_intervals(correct: int, count: int, low: float, high: float) -> None:
    interval = wilson_interval(correct, count)
    assert (round(interval.low, 4), round(interval.high, 4)) == (low, high)
    assert interval.value == correct / count


SHARES = st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(SHARES, st.floats(0.01, 0.999))
def test_it_holds_the_share_within_zero_and_one(share: tuple[int, int], confidence: float) -> None:
    interval = wilson_interval(*share, confidence)
    assert 0 <= interval.low <= interval.value <= interval.high <= 1


@given(SHARES)
def test_right_and_wrong_mirror_each_other(share: tuple[int, int]) -> None:
    correct, count = share
    right, wrong = wilson_interval(correct, count), wilson_interval(count - correct, count)
    assert right.low == pytest.approx(1 - wrong.high, abs=1e-12)
    assert right.high == pytest.approx(1 - wrong.low, abs=1e-12)


@given(SHARES)
def test_its_ends_are_where_the_score_test_turns(share: tuple[int, int]) -> None:
    correct, count = share
    interval = wilson_interval(correct, count)
    for end in (interval.low, interval.high):
        if 1e-9 < end < 1 - 1e-9:
            z = (interval.value - end) / math.sqrt(end * (1 - end) / count)
            assert abs(z) == pytest.approx(1.959964, abs=1e-4)


@given(SHARES)
def test_more_confidence_is_wider_and_more_questions_are_narrower(share: tuple[int, int]) -> None:
    correct, count = share
    some, sure = wilson_interval(correct, count, 0.8), wilson_interval(correct, count, 0.99)
    assert sure.low <= some.low and some.high <= sure.high
    more = wilson_interval(4 * correct, 4 * count)
    plain = wilson_interval(correct, count)
    assert more.high - more.low < plain.high - plain.low


@pytest.mark.parametrize(("correct", "count"), [(0, 0), (-1, 5), (6, 5)])
def test_impossible_counts_are_refused(correct: int, count: int) -> None:
    with pytest.raises(ValueError, match=f"got {correct} of {count}"):
        wilson_interval(correct, count)


def test_it_becomes_json() -> None:
    assert Interval(0.5, 0.1, 0.9, 1, 2).to_dict() == {
        "value": 0.5,
        "low": 0.1,
        "high": 0.9,
        "correct": 1,
        "count": 2,
    }
