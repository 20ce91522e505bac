"""Power laws of the loss, fitted to a few trainings, with intervals.

``L(N, D) = E + A / N^a + B / D^b`` (Hoffmann et al. 2022, arXiv:2203.15556, section 3.3; without the last
term where all trainings read equally many tokens). For given exponents the law is linear in E, A and B, which
must not be negative; so only the exponents are searched for, on a grid that is refined (variable projection:
Golub and Pereyra 1973). Residuals are relative, as those of logarithms are.

Intervals come from a parametric bootstrap: the law is fitted again and again to losses drawn from it, with a
noise whose size is itself drawn, from what the residuals say of it, so that few points give wide intervals.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy
from numpy.typing import NDArray

from llm_playground.core.errors import InputError

Array = NDArray[numpy.float64]
EXPONENTS = (0.02, 2.0)  # bounds of both
_GRID = 25
_REFINEMENTS = 4
_DRAWS = 300
_LEVEL = 0.9
_WILDEST = 2.0  # of a drawn logarithm: with one residual to go by, its noise has no bounds of its own


@dataclass(frozen=True)
class Point:
    """One training.

    Attributes:
        parameters: N, without embeddings.
        tokens: D, read in training.
        loss: nats per token on held-out text.
    """

    parameters: int
    tokens: int
    loss: float


@dataclass(frozen=True)
class Interval:
    """A value with the bounds between which it lies with probability ``level``."""

    value: float
    low: float
    high: float
    level: float = _LEVEL


@dataclass(frozen=True)
class PowerLaw:
    """``loss(N, D) = e + a / N^alpha + b / D^beta``; b is 0 where the tokens were always the same."""

    e: float
    a: float
    alpha: float
    b: float = 0.0
    beta: float = 0.0

    def loss(self, parameters: float, tokens: float) -> float:
        """Return the loss in nats per token."""
        return self.e + self.a / parameters**self.alpha + (self.b / tokens**self.beta if self.b else 0.0)


@dataclass(frozen=True)
class Fit:
    """A fitted law.

    Attributes:
        law: the best one.
        points: what it was fitted to.
        noise: standard deviation of a relative residual; None where there are as many numbers as points.
        draws: laws fitted to drawn losses; none without noise.
        errors: a relative residual drawn with each.
    """

    law: PowerLaw
    points: tuple[Point, ...]
    noise: float | None
    draws: tuple[PowerLaw, ...]
    errors: tuple[float, ...]

    def interval(self, name: str) -> Interval | None:
        """Return one of the law's numbers (``e``, ``a``, ``alpha`` ...) with its interval."""
        return self._interval(getattr(self.law, name), [getattr(law, name) for law in self.draws])

    def predict(self, parameters: float, tokens: float) -> tuple[float, Interval | None]:
        """Return the loss that a training would reach, and where one more measurement would lie."""
        value = self.law.loss(parameters, tokens)
        drawn = [
            law.loss(parameters, tokens) * (1 + error)
            for law, error in zip(self.draws, self.errors, strict=True)
        ]
        return value, self._interval(value, drawn)

    def _interval(self, value: float, drawn: Sequence[float]) -> Interval | None:
        if not drawn:
            return None
        low, high = numpy.quantile(drawn, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
        return Interval(value, float(low), float(high))

    def to_dict(self) -> dict[str, Any]:
        """Return JSON data."""
        names = ("e", "a", "alpha", *(("b", "beta") if self.law.b else ()))
        found = {name: self.interval(name) for name in names}
        return {
            "law": asdict(self.law),
            "intervals": {name: None if value is None else asdict(value) for name, value in found.items()},
            "noise": self.noise,
            "points": [asdict(point) for point in self.points],
        }


def fit_power_law(points: Sequence[Point], *, seed: int = 0, draws: int = _DRAWS) -> Fit:
    """Fit the law to trainings of three sizes or more.

    Args:
        points: the data's term joins in where they have three amounts of tokens or more.
        seed: of the draws.
        draws: how many laws the intervals come from.

    Raises:
        InputError: too few sizes, or a figure that is not above 0.
    """
    sizes = {point.parameters for point in points}
    amounts = {point.tokens for point in points}
    if len(sizes) < 3:
        raise InputError(
            f"A power law needs trainings of three sizes or more, not {len(sizes)}.", field="widths"
        )
    if not all(min(point.parameters, point.tokens, point.loss) > 0 for point in points):
        raise InputError("Parameters, tokens and losses must be above 0 to fit a power law.")
    with_data = len(amounts) >= 3
    counts = numpy.array([point.parameters for point in points], dtype=numpy.float64)
    tokens = numpy.array([point.tokens for point in points], dtype=numpy.float64)
    losses = numpy.array([point.loss for point in points], dtype=numpy.float64)
    law = _fitted(counts, tokens, losses, with_data)
    ideal = numpy.array([law.loss(point.parameters, point.tokens) for point in points])
    freedom = len(points) - (5 if with_data else 3)
    if freedom < 1:
        return Fit(law, tuple(points), None, (), ())
    residual = losses / ideal - 1
    noise = float(numpy.sqrt(numpy.sum(residual**2) / freedom))
    random = numpy.random.Generator(numpy.random.PCG64(seed))
    laws, errors = [], []
    for _ in range(draws):
        width = noise * numpy.sqrt(freedom / random.chisquare(freedom))
        noises = numpy.clip(width * random.standard_normal(len(points) + 1), -_WILDEST, _WILDEST)
        laws.append(_fitted(counts, tokens, ideal * numpy.exp(noises[:-1]), with_data))
        errors.append(float(numpy.expm1(noises[-1])))
    return Fit(law, tuple(points), noise, tuple(laws), tuple(errors))


def _fitted(counts: Array, tokens: Array, losses: Array, with_data: bool) -> PowerLaw:
    """Search the exponents on a grid over their logarithms, finer and finer around the best."""
    low = numpy.log(EXPONENTS[0])
    high = numpy.log(EXPONENTS[1])
    centre, reach = numpy.full(2, (low + high) / 2), (high - low) / 2
    least, alpha, beta, found = numpy.inf, 1.0, 1.0, numpy.zeros(3)
    size = _GRID
    for _ in range(_REFINEMENTS + 1):
        axes = [
            numpy.exp(numpy.clip(middle + reach * numpy.linspace(-1, 1, size), low, high))
            for middle in centre
        ]
        alphas, betas = axes[0], axes[1] if with_data else numpy.ones(1)
        pairs = numpy.array(list(itertools.product(alphas, betas)))
        errors, numbers = _linear(counts, tokens, losses, pairs, with_data)
        place = int(numpy.argmin(errors))
        if errors[place] < least:
            least, found = float(errors[place]), numbers[place]
            alpha, beta = map(float, pairs[place])
        centre, reach, size = numpy.log([alpha, beta]), reach * 2.5 / (size - 1), 9
    scale, spread = float(numpy.median(counts)), float(numpy.median(tokens))
    e, a = float(found[0]), float(found[1]) * scale**alpha
    if not with_data:
        return PowerLaw(e, a, alpha)
    return PowerLaw(e, a, alpha, float(found[2]) * spread**beta, beta)


def _linear(
    counts: Array, tokens: Array, losses: Array, pairs: Array, with_data: bool
) -> tuple[Array, Array]:
    """Return the least squared relative error, and E, A, B of at least 0, for each pair of exponents.

    A and B are those of counts and tokens over their medians, which keeps the equations well-conditioned.
    The best solution with no negative number is the best of those that leave out some of the terms.
    """
    columns = [numpy.ones((len(pairs), len(counts))), (counts / numpy.median(counts)) ** -pairs[:, :1]]
    if with_data:
        columns.append((tokens / numpy.median(tokens)) ** -pairs[:, 1:])
    full = numpy.stack(columns, axis=-1) / losses[:, None]  # [pairs, points, terms]
    terms = full.shape[-1]
    errors = numpy.full(len(pairs), numpy.inf)
    numbers = numpy.zeros((len(pairs), terms))
    for count in range(1, terms + 1):
        for used in itertools.combinations(range(terms), count):
            part = full[:, :, used]
            gram = part.transpose(0, 2, 1) @ part + 1e-12 * numpy.eye(count)
            solved = numpy.linalg.solve(gram, part.sum(axis=1)[..., None])[..., 0]
            error = ((part @ solved[..., None])[..., 0] - 1) ** 2
            better = (solved >= 0).all(axis=1) & (error.sum(axis=1) < errors)
            errors[better] = error.sum(axis=1)[better]
            numbers[better] = 0.0
            numbers[numpy.ix_(better, used)] = solved[better]
    return errors, numbers
