"""Power laws: planted ones are recovered, and the intervals cover what they should."""

from __future__ import annotations

import numpy
import pytest

from llm_playground.core.errors import InputError
from llm_playground.training.power_law import Point, PowerLaw, fit_power_law

SIZES = (10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000, 10_000_000)
TOKENS = 50_000_000


def drawn(law: PowerLaw, noise: float, seed: int, amounts: tuple[int, ...] = (TOKENS,)) -> list[Point]:
    random = numpy.random.default_rng(seed)
    return [
        Point(size, tokens, law.loss(size, tokens) * (1 + noise * random.standard_normal()))
        for size in SIZES
        for tokens in amounts
    ]


@pytest.mark.parametrize("alpha", [0.1, 0.34, 0.7])
def test_a_law_without_noise_is_found(alpha: float) -> None:
    law = PowerLaw(1.7, 2.5 * 100_000**alpha, alpha)
    found = fit_power_law(drawn(law, 0.0, 0)).law
    assert found.alpha == pytest.approx(alpha, rel=0.02) and found.e == pytest.approx(1.7, rel=0.02)
    for size in (10_000, 30_000_000):
        assert found.loss(size, TOKENS) == pytest.approx(law.loss(size, TOKENS), rel=1e-3)


def test_a_law_of_sizes_and_data_is_found() -> None:
    law = PowerLaw(1.69, 406.4, 0.34, 410.7, 0.28)  # Hoffmann et al. 2022
    found = fit_power_law(drawn(law, 0.0, 0, (10**7, 10**8, 10**9, 10**10))).law
    assert (found.alpha, found.beta) == pytest.approx((0.34, 0.28), rel=0.03)
    assert found.loss(70e9, 1.4e12) == pytest.approx(law.loss(70e9, 1.4e12), rel=0.01)


def test_intervals_cover_the_planted_law_as_often_as_they_say() -> None:
    law, trials = PowerLaw(1.8, 60.0, 0.35), 30
    covered = {"alpha": 0, "prediction": 0}
    for seed in range(trials):
        fit = fit_power_law(drawn(law, 0.004, seed), seed=seed, draws=100)
        alpha = fit.interval("alpha")
        _, next_one = fit.predict(30_000_000, TOKENS)
        assert alpha is not None and next_one is not None and alpha.level == 0.9
        noisy = law.loss(30_000_000, TOKENS) * (1 + 0.004 * numpy.random.default_rng(10**6 + seed).normal())
        covered["alpha"] += alpha.low <= law.alpha <= alpha.high
        covered["prediction"] += next_one.low <= noisy <= next_one.high
    # 27 of 30 are meant; 22 or fewer would have a chance of 1%.
    assert min(covered.values()) >= 23, covered


def test_few_points_give_no_false_certainty() -> None:
    law = PowerLaw(1.8, 60.0, 0.35)
    points = drawn(law, 0.004, 1)
    exact = fit_power_law(points[:3])
    assert exact.noise is None and exact.predict(10**7, TOKENS)[1] is None
    four, seven = fit_power_law(points[:4]), fit_power_law(points)
    wide, narrow = four.interval("e"), seven.interval("e")
    assert wide is not None and narrow is not None and wide.high - wide.low > narrow.high - narrow.low
    assert fit_power_law(points) == seven, "draws repeat"


def test_what_no_law_can_be_fitted_to_is_refused() -> None:
    with pytest.raises(InputError, match="three sizes or more, not 2"):
        fit_power_law([Point(1, 1, 2.0), Point(2, 1, 1.5), Point(2, 2, 1.4)])
    with pytest.raises(InputError, match="must be above 0"):
        fit_power_law([Point(1, 1, 2.0), Point(2, 1, 1.5), Point(3, 1, -1.0)])
