"""Attention patterns: every score against its definition written out, every label against planted heads."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from llm_playground.core.errors import InputError
from llm_playground.transformer.lens.attention_patterns import (
    HeadPattern,
    PatternMeter,
    label_heads,
    repeated_probe,
)
from llm_playground.transformer.lens.pattern_definitions import LEAST_ROWS, definitions

KNOWN = definitions(("line",))
CASES = 24  # planted heads of each pattern and length


def seen_by(time: int, causal: bool = True, window: int | None = None) -> Tensor:
    offset = torch.arange(time)[:, None] - torch.arange(time)
    seen = offset >= 0 if causal else torch.ones(time, time, dtype=torch.bool)
    return seen if window is None else seen & (offset.abs() < window)


def spread(cells: Tensor, seen: Tensor) -> Tensor:
    """Rows spread evenly over the cells, or over all that is seen where a row has none."""
    cells = cells & seen
    cells = torch.where(cells.any(-1, keepdim=True), cells, seen)
    return cells / cells.sum(-1, keepdim=True)


def softmax_noise(heads: int, seen: Tensor, deviation: float, generator: torch.Generator) -> Tensor:
    scores = deviation * torch.randn(heads, *seen.shape, generator=generator)
    return scores.masked_fill(~seen, -math.inf).softmax(-1)


def some_text(time: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Ids with repetitions as in a text, and lines of 5 to 15 tokens."""
    weights = 1.0 / torch.arange(1, 41)
    ids = torch.multinomial(weights, time, replacement=True, generator=generator)
    lengths = torch.randint(5, 16, (time,), generator=generator)
    return ids, torch.repeat_interleave(torch.arange(time), lengths)[:time]


def planted(time: int, ids: Tensor, lines: Tensor) -> dict[str, Tensor]:
    """One clean map of each pattern that is measured on a text."""
    seen, place = seen_by(time), torch.arange(time)
    offset = place[:, None] - place
    same = (ids[:, None] == ids) & (offset > 0)
    follows = torch.zeros_like(same)
    follows[:, 1:] = same[:, :-1]
    maps = {
        "previous_token": offset == 1,
        "diagonal": offset == 0,
        "first_token": (place == 0).expand(time, time),
        "duplicate_in_text": same,
        "prefix_matching": follows & (offset > 0),
        "segment_line": lines[:, None] == lines,
        "local_4": offset < 4,
        "local_16": offset < 16,
        "local_64": offset < 64,
        "uniform": seen,
    }
    if time < 128 + LEAST_ROWS:  # too few tokens see twice the window
        del maps["local_64"]
    return {name: spread(cells, seen) for name, cells in maps.items()}


def labels(maps: Tensor, ids: Tensor, lines: Tensor) -> list[HeadPattern]:
    found = PatternMeter(ids, segments={"line": lines}).measure(maps)
    return label_heads(0, found, None, KNOWN, text_about="text")


@pytest.mark.parametrize("time", [48, 160])
def test_every_planted_head_gets_its_label(time: int) -> None:
    generator = torch.Generator().manual_seed(time)
    missed: list[tuple[str, str, float]] = []
    for _ in range(CASES):
        ids, lines = some_text(time, generator)
        for name, clean in planted(time, ids, lines).items():
            share = 0.4 * float(torch.rand((), generator=generator))  # of the mass is noise
            noise = softmax_noise(1, seen_by(time), 2.0, generator)[0]
            [head] = labels(((1 - share) * clean + share * noise)[None], ids, lines)
            if head.label != name:
                missed.append((name, head.label, share))
    assert not missed


def pattern_free(heads: int, time: int, generator: torch.Generator) -> dict[str, Tensor]:
    """Maps without a pattern: even, nearly even, noise of growing sharpness, random queries and keys."""
    seen = seen_by(time)
    queries = torch.randn(heads, time, 16, generator=generator) * 2
    keys = torch.randn(heads, time, 16, generator=generator)
    products = (queries @ keys.mT / 4).masked_fill(~seen, -math.inf).softmax(-1)
    draws = torch.rand(heads, time, time, generator=generator)
    flat, dirichlet = draws * seen, -draws.clamp(min=1e-12).log() * seen
    return {
        "even": (seen / seen.sum(-1, keepdim=True)).expand(heads, -1, -1),
        "nearly even": flat / flat.sum(-1, keepdim=True),
        "dirichlet": dirichlet / dirichlet.sum(-1, keepdim=True),
        **{f"noise {d:g}": softmax_noise(heads, seen, d, generator) for d in (1.0, 2.0, 4.0)},
        "queries and keys": products,
    }


FLAT = ("even", "nearly even", "dirichlet")  # these are what "uniform" means


def test_heads_without_a_pattern_are_labelled_no_more_often_than_stated() -> None:
    generator = torch.Generator().manual_seed(1)
    wrong = {d.name: 0 for d in KNOWN}
    count = {d.name: 0 for d in KNOWN}
    for time in (32, 64, 128):
        for _ in range(12):
            ids, lines = some_text(time, generator)
            for kind, maps in pattern_free(12, time, generator).items():
                for head in labels(maps, ids, lines):
                    for name in wrong:
                        if name == "uniform" and kind in FLAT:
                            continue
                        count[name] += 1
                        wrong[name] += name in head.labels
    stated = {d.name: d.false_positive_rate for d in KNOWN if d.measured_on == "text"}
    for name, rate in stated.items():
        if rate is not None:
            assert wrong[name] / count[name] <= rate, name
    assert all(f"{d.false_positive_rate:.1%}" in d.false_positives for d in KNOWN if d.threshold is not None)


@pytest.mark.parametrize("name", ["induction", "duplicate_token"])
def test_planted_induction_and_duplicates_on_the_probe(name: str) -> None:
    generator = torch.Generator().manual_seed(2)
    n = 24
    ids = repeated_probe(n, 100, seed=5, first=0, without=frozenset({0}))
    time = len(ids)
    offset = torch.arange(time)[:, None] - torch.arange(time)
    meter = PatternMeter(ids, repeat=(1, n))
    text = PatternMeter(ids[: n + 1])
    other = text.measure(softmax_noise(CASES, seen_by(n + 1), 2.0, generator))
    clean = spread(offset == n - (name == "induction"), seen_by(time))
    share = 0.4 * torch.rand(CASES, 1, 1, generator=generator)
    maps = (1 - share) * clean + share * softmax_noise(CASES, seen_by(time), 2.0, generator)
    heads = label_heads(0, other, meter.measure(maps), KNOWN, text_about="text", probe_about="probe")
    assert {(head.label, head.measured_on) for head in heads} == {(name, "probe")}
    free = torch.cat([maps for maps in pattern_free(300, time, generator).values()])
    strengths = meter.measure(free).strengths
    stated = {d.name: d for d in KNOWN}
    for pattern, values in strengths.items():
        limit = stated[pattern]
        assert limit.threshold is not None and limit.false_positive_rate is not None
        assert (values >= limit.threshold).float().mean() <= limit.false_positive_rate


@pytest.mark.parametrize(("causal", "window"), [(True, None), (True, 7), (False, None)])
def test_scores_are_their_definitions_written_out(causal: bool, window: int | None) -> None:
    generator = torch.Generator().manual_seed(3)
    time = 24
    ids, lines = some_text(time, generator)
    seen = seen_by(time, causal, window)
    maps = softmax_noise(2, seen, 1.5, generator)
    meter = PatternMeter(ids, segments={"line": lines}, causal=causal, window=window)
    found = meter.measure(maps)
    for head in range(2):
        a = maps[head].double()
        expected = written_out(a, ids.tolist(), lines.tolist(), seen)
        for name, value in expected.items():
            assert found.scores[name][head].item() == pytest.approx(value, abs=2e-6, nan_ok=True), name
        for k in range(17):
            values = [float(a[i, i - k]) for i in range(k, time)]
            assert found.offsets[head, k].item() == pytest.approx(sum(values) / len(values), abs=1e-6)
    assert ("next_token" in found.scores) is not causal


def written_out(a: Tensor, ids: list[int], lines: list[int], seen: Tensor) -> dict[str, float]:
    """Every score by plain loops over the rows and columns of one map."""
    time = len(ids)
    n = [int(seen[i].sum()) for i in range(time)]
    rows = [i for i in range(1, time) if n[i] > 1]
    columns = [[j for j in range(time) if seen[i, j]] for i in range(time)]

    def mean(values: list[float]) -> float:
        return sum(values) / len(values) if values else math.nan

    def on(pattern: list[tuple[int, list[int]]]) -> dict[str, float]:
        """Mass on the pattern, and the part of the mass off column 0 that is on it."""
        kept = [(i, cells) for i, cells in pattern if cells and i in rows]
        mass = mean([sum(float(a[i, j]) for j in cells) for i, cells in kept])
        away = sum(1 - float(a[i, 0]) for i, _ in kept)
        rest = sum(float(a[i, j]) for i, cells in kept for j in cells if j > 0)
        return {"": mass, "_without_first": rest / away if kept else math.nan}

    def cells(rule: object) -> list[tuple[int, list[int]]]:
        return [(i, [j for j in columns[i] if rule(i, j)]) for i in range(time)]  # type: ignore[operator]

    entropy = [-sum(float(a[i, j]) * math.log(float(a[i, j])) for j in columns[i]) for i in range(time)]
    own = [
        (i, [j for j in columns[i] if lines[j] == lines[i]])
        for i in rows
        if any(lines[j] != lines[i] for j in columns[i])
    ]
    patterns = {
        "previous_token": cells(lambda i, j: i - j == 1),
        "diagonal": cells(lambda i, j: i == j),
        "duplicate_in_text": cells(lambda i, j: j < i and ids[i] == ids[j]),
        "prefix_matching": cells(lambda i, j: 0 < j < i and ids[j - 1] == ids[i]),
        "segment_line": own,
        "local_4": [(i, [j for j in columns[i] if abs(i - j) < 4]) for i in rows if n[i] >= 8],
    }
    expected = {name + end: value for name, found in patterns.items() for end, value in on(found).items()}
    expected["segment_line"] -= mean([len(cells) / n[i] for i, cells in own])
    return expected | {
        "first_token": mean([float(a[i, 0]) for i in rows if seen[i, 0]]),
        "uniform": mean([entropy[i] / math.log(n[i]) for i in rows]),
        "effective_share": mean([math.exp(entropy[i]) / n[i] for i in rows]),
        "confidence": mean([float(a[i].max()) for i in rows]),
        "mean_distance": mean(
            [
                sum(float(a[i, j]) * abs(i - j) for j in columns[i])
                / (sum(abs(i - j) for j in columns[i]) / n[i])
                for i in rows
            ]
        ),
    }


def test_an_even_head_is_the_zero_of_every_strength() -> None:
    ids, lines = some_text(64, torch.Generator().manual_seed(4))
    found = PatternMeter(ids, segments={"line": lines}).measure(spread(seen_by(64), seen_by(64))[None])
    strengths = {name: value.item() for name, value in found.strengths.items()}
    assert strengths.pop("uniform") == pytest.approx(1, abs=1e-5)
    assert all(math.isnan(value) or value <= 1e-5 for value in strengths.values())
    assert found.scores["mean_distance"].item() == pytest.approx(1, abs=1e-5)
    assert found.scores["uniform"].item() == pytest.approx(1, abs=1e-5)
    assert found.scores["segment_line"].item() == pytest.approx(0, abs=1e-6)


def test_a_head_that_knows_only_distances_is_no_segment_head() -> None:
    """Without the baseline by distance, lines would be "found" by every head that looks nearby."""
    ids, lines = some_text(64, torch.Generator().manual_seed(5))
    offset = torch.arange(64)[:, None] - torch.arange(64)
    slope = (-0.5 * offset.float()).masked_fill(offset < 0, -math.inf).softmax(-1)  # as ALiBi has it
    [head] = labels(slope[None], ids, lines)
    assert head.label == "local_4" and "segment_line" not in head.labels
    assert head.scores["segment_line"] is not None and head.scores["segment_line"] > 0.3


def test_short_texts_have_scores_and_no_labels() -> None:
    ids = torch.arange(LEAST_ROWS)  # row 0 does not count: one row too few
    found = PatternMeter(ids).measure(torch.eye(LEAST_ROWS)[None])
    [head] = label_heads(3, found, None, KNOWN, text_about="text")
    assert (head.layer, head.label, head.scores["diagonal"]) == (3, "mixed", 1.0)
    assert head.scores["duplicate_in_text"] is None


def test_the_probe_has_distinct_tokens_said_twice() -> None:
    probe = repeated_probe(10, 30, seed=1, first=2, without=frozenset({2, 7}))
    assert probe[0] == 2 and torch.equal(probe[1:11], probe[11:]) and len(set(probe[1:11].tolist())) == 10
    assert not {2, 7} & set(probe[1:].tolist())
    assert torch.equal(probe, repeated_probe(10, 30, seed=1, first=2, without=frozenset({2, 7})))
    assert not torch.equal(probe, repeated_probe(10, 30, seed=2, first=2, without=frozenset({2, 7})))
    assert len(repeated_probe(10, 3, seed=1, first=None, without=frozenset())) == 20


def test_wrong_shapes_are_named() -> None:
    with pytest.raises(InputError, match="at least two tokens"):
        PatternMeter(torch.tensor([1]))
    with pytest.raises(InputError, match="'line' have 3 entries for 4 tokens"):
        PatternMeter(torch.arange(4), segments={"line": torch.arange(3)})
    with pytest.raises(InputError, match=r"\[heads, 4, 4\] is needed"):
        PatternMeter(torch.arange(4)).measure(torch.zeros(2, 5, 5))
