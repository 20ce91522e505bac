"""What attention heads do: how much of their mass lies on written-down patterns, and a label for each.

Almost all scores are linear in the map, so one matrix product of all heads' maps with the patterns' cells
measures them together; 144 heads on 1,024 tokens take a fraction of a second.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from llm_playground.core.errors import InputError
from llm_playground.transformer.lens.pattern_definitions import (
    LEAST_ROOM,
    LEAST_ROWS,
    LOCAL_WINDOWS,
    MIXED,
    OFFSETS,
    SEGMENT,
    Definition,
)

_BLOCK = 128  # rows whose entropy is worked out at once: they stay in the processor's cache
_WITHOUT_FIRST = "_without_first"
_WITH_FIRST = ("first_token", "mean_distance")  # their scores have no such variant


class _Cells(NamedTuple):
    """A pattern as cells of the map, weighted so that the weighted sum over a map is the score."""

    name: str
    weights: Tensor  # [T, T]: cells / number of rows
    rows: Tensor  # [T] bool
    by_distance: bool  # also compare with what the head's spread over distances explains


@dataclass(frozen=True)
class Measurement:
    """What was measured on H maps.

    Attributes:
        scores: name -> [H]; NaN where the text has nothing to measure it on.
        strengths: name -> [H], the score beyond its baseline, 1 at most; NaN where it would say nothing.
        offsets: [H, K + 1], mean of A[i, i - k] for k = 0..K.
    """

    scores: dict[str, Tensor]
    strengths: dict[str, Tensor]
    offsets: Tensor


class PatternMeter:
    """Measures maps of one length, seen set and text; made once, used for every layer.

    Memory: about one [T, T] float32 for each pattern, some twenty, as much as the maps of one layer.

    Args:
        ids: the text's token ids, [T].
        segments: kind (``line``, ``sentence``, ``turn``) -> segment of each token, [T] int.
        causal: whether tokens see only themselves and what came before.
        window: how many tokens each sees, itself included; None: all.
        repeat: if the text is a probe: (first position, n) of n tokens that are said twice from there. Only
            ``induction`` and ``duplicate_token`` are then measured.

    Raises:
        InputError: fewer than two tokens, or segments of another length.
    """

    def __init__(
        self,
        ids: Tensor,
        *,
        segments: Mapping[str, Tensor] | None = None,
        causal: bool = True,
        window: int | None = None,
        repeat: tuple[int, int] | None = None,
    ) -> None:
        self.time, self.causal = len(ids), causal
        if self.time < 2:
            raise InputError("Patterns need at least two tokens.", field="ids")
        self._device = ids.device
        place = torch.arange(self.time, device=ids.device)
        self._offset = place[:, None] - place  # [T, T]: i - j
        seen = self._offset >= 0 if causal else torch.ones_like(self._offset, dtype=torch.bool)
        if window is not None:
            seen = seen & (self._offset.abs() < window)
        self._seen, self._choice = seen, seen.sum(-1)  # [T, T], [T]
        self._even = seen / self._choice[:, None]  # the map of a head that spreads evenly
        self._probe = repeat is not None
        found = self._probe_cells(*repeat) if repeat else self._text_cells(ids, segments or {})
        self._cells = [cells for cells in found if bool(cells.rows.any())]
        self._names = [cells.name for cells in found]
        self._chance = torch.tensor([float((c.weights * self._even).sum()) for c in self._cells])
        columns = [c.weights.flatten() for c in self._cells]
        columns += [self._by_distance(c).flatten() for c in self._cells if c.by_distance]
        self._matrix = torch.stack(columns) if columns else seen.new_zeros(0, self.time**2)  # [M, T * T]

    def _pattern(
        self, name: str, cells: Tensor, rows: Tensor | None = None, *, by_distance: bool = False
    ) -> _Cells:
        cells = cells & self._seen
        rows = cells.any(-1) if rows is None else rows & cells.any(-1)
        rows = rows & (torch.arange(self.time, device=self._device) > 0) & (self._choice > 1)
        weights = (cells & rows[:, None]) / rows.sum().clamp(min=1)
        return _Cells(name, weights, rows, by_distance)

    def _probe_cells(self, start: int, length: int) -> list[_Cells]:
        place = torch.arange(self.time, device=self._device)
        second = (place >= start + length) & (place < start + 2 * length)
        return [
            self._pattern("induction", self._offset == length - 1, second),
            self._pattern("duplicate_token", self._offset == length, second),
        ]

    def _text_cells(self, ids: Tensor, segments: Mapping[str, Tensor]) -> list[_Cells]:
        offset, seen = self._offset, self._seen
        same = (ids[:, None] == ids) & (offset > 0)  # [T, T]: j is an earlier copy of i
        follows = torch.zeros_like(same)
        follows[:, 1:] = same[:, :-1]
        found = [
            self._pattern("previous_token", offset == 1),
            self._pattern("diagonal", offset == 0),
            self._pattern("prefix_matching", follows & (offset > 0), by_distance=True),
            self._pattern("duplicate_in_text", same, by_distance=True),
            self._pattern("first_token", (offset == offset[:, :1]).expand_as(seen)),
        ]
        if not self.causal:
            found.insert(1, self._pattern("next_token", offset == -1))
        for kind, numbers in segments.items():
            if len(numbers) != self.time:
                raise InputError(
                    f"The segments {kind!r} have {len(numbers)} entries for {self.time} tokens.",
                    field=f"segments.{kind}",
                )
            numbers = torch.as_tensor(numbers, device=self._device)
            own = numbers[:, None] == numbers
            others = (seen & ~own).any(-1)
            found.append(self._pattern(f"{SEGMENT}{kind}", own, others, by_distance=True))
        for window in LOCAL_WINDOWS:
            near = offset.abs() < window
            found.append(self._pattern(f"local_{window}", near, self._choice >= 2 * window))
        distance = offset.abs() * seen
        rows = self._choice > 1
        relative = distance / (distance * self._even).sum(-1, keepdim=True).clamp(min=1e-9)
        rows = rows & (torch.arange(self.time, device=self._device) > 0)
        found.append(_Cells("mean_distance", relative * rows[:, None] / rows.sum().clamp(min=1), rows, False))
        return found

    def _by_distance(self, cells: _Cells) -> Tensor:
        """Replace each cell by the share of cells at its distance that belong to the pattern, [T, T]."""
        counted = (self._seen & cells.rows[:, None]).float()
        number = (self._offset + self.time - 1).flatten()  # of the diagonal
        inside = torch.zeros(2 * self.time - 1, device=self._device)
        inside = inside.index_add(0, number, (cells.weights > 0).float().flatten())
        of = torch.zeros_like(inside).index_add(0, number, counted.flatten())
        return (inside / of.clamp(min=1))[number].view_as(counted) * counted / cells.rows.sum()

    def measure(self, maps: Tensor) -> Measurement:
        """Measure maps [H, T, T] of one layer.

        Raises:
            InputError: maps of another length.
        """
        if maps.dim() != 3 or maps.shape[1:] != (self.time, self.time):
            raise InputError(
                f"The maps have the shape {tuple(maps.shape)}; [heads, {self.time}, {self.time}] is needed."
            )
        maps = maps.detach().float()
        heads = maps.shape[0]
        linear = maps.reshape(heads, -1) @ self._matrix.T.float()  # [H, M]
        first = maps[:, :, 0]  # [H, T]
        nothing = maps.new_full((heads,), math.nan)
        strengths = dict.fromkeys(self._names, nothing)
        scores = strengths | {f"{n}{_WITHOUT_FIRST}": nothing for n in self._names if n not in _WITH_FIRST}
        extra = len(self._cells)
        for index, cells in enumerate(self._cells):
            score, baseline = linear[:, index], self._chance[index].to(linear)
            if cells.by_distance:
                baseline = torch.maximum(baseline, linear[:, extra])
                extra += 1
            scores[cells.name] = score
            if cells.name == "mean_distance":
                continue
            if int(cells.rows.sum()) >= LEAST_ROWS:
                room = 1 - baseline
                strength = (score - baseline) / room
                strengths[cells.name] = torch.where(room >= LEAST_ROOM, strength, math.nan)
            if cells.name not in _WITH_FIRST:
                away = ((1 - first) * cells.rows).sum(-1) / cells.rows.sum()  # mass not on the first token
                rest = (score - first @ cells.weights[:, 0]) / away
                scores[cells.name + _WITHOUT_FIRST] = torch.where(away >= 0.01, rest, math.nan)
            if cells.name.startswith(SEGMENT):
                scores[cells.name] = score - self._chance[index].to(linear)
        strengths.pop("mean_distance", None)
        if not self._probe:
            self._measure_spread(maps, scores, strengths)
        profile = [maps.diagonal(-k, 1, 2).mean(-1) for k in range(min(OFFSETS, self.time - 1) + 1)]
        return Measurement(scores, strengths, torch.stack(profile, dim=-1))

    def _measure_spread(self, maps: Tensor, scores: dict[str, Tensor], strengths: dict[str, Tensor]) -> None:
        entropy = maps.new_empty(maps.shape[:2])
        for begin in range(0, self.time, _BLOCK):
            end = min(begin + _BLOCK, self.time)
            part = maps[:, begin:end, : end if self.causal else self.time]
            # The tiny floor makes 0 ln 0 zero, which is its limit.
            entropy[:, begin:end] = -(part * part.clamp(min=1e-30).log_()).sum(-1)
        rows = self._choice > 1
        rows[0] = False
        choice = self._choice[rows].float()
        nan = maps.new_full((maps.shape[0],), math.nan)
        if not bool(rows.any()):
            scores |= {"uniform": nan, "effective_share": nan, "confidence": nan}
            return
        share = (entropy[:, rows].exp() / choice).mean(-1)
        scores["uniform"] = (entropy[:, rows] / choice.log()).mean(-1)
        scores["effective_share"] = share
        scores["confidence"] = maps.amax(-1)[:, rows].mean(-1)
        strengths["uniform"] = share if int(rows.sum()) >= LEAST_ROWS else nan


@dataclass(frozen=True)
class HeadPattern:
    """What one head does.

    Attributes:
        layer, head: counted from 0.
        label: name of the pattern, or ``mixed``.
        score: of that pattern; for ``mixed`` the greatest strength that any pattern reaches.
        strength: what the label rests on.
        labels: all patterns whose threshold is reached, the label first.
        measured_on: what the label's score was measured on, in words.
        scores: name -> score, None where there was nothing to measure it on.
        offsets: mean of A[i, i - k] for k = 0..K.
    """

    layer: int
    head: int
    label: str
    score: float
    strength: float
    labels: tuple[str, ...]
    measured_on: str
    scores: dict[str, float | None]
    offsets: tuple[float, ...]


def label_heads(
    layer: int,
    text: Measurement,
    probe: Measurement | None,
    known: tuple[Definition, ...],
    *,
    text_about: str,
    probe_about: str = "",
) -> list[HeadPattern]:
    """Give each head of a layer its label.

    Args:
        layer: counted from 0.
        text, probe: what was measured on the text and on the repeated random tokens.
        known: definitions with thresholds and ranks.
        text_about, probe_about: what they are, in words.
    """
    scores = text.scores | (probe.scores if probe else {})
    strengths = text.strengths | (probe.strengths if probe else {})
    order = sorted((d for d in known if d.threshold is not None), key=lambda d: d.rank)
    columns = {name: values.tolist() for name, values in scores.items()}
    reached = {d.name: strengths[d.name].tolist() for d in order if d.name in strengths}
    profile = text.offsets.tolist()
    heads = []
    for head in range(len(profile)):
        value = {name: column[head] for name, column in reached.items()}
        passing = [d for d in order if d.threshold is not None and value.get(d.name, math.nan) >= d.threshold]
        # Among equals in rank the stronger comes first; of the windows the smallest that suffices.
        passing.sort(key=lambda d: (d.rank, 0 if d.name.startswith("local_") else -value[d.name]))
        if passing:
            best = passing[0]
            label, score, strength = best.name, columns[best.name][head], value[best.name]
            about = probe_about if best.measured_on == "probe" else text_about
        else:
            known_strengths = [number for number in value.values() if not math.isnan(number)]
            label, about = MIXED, text_about
            score = strength = max(known_strengths, default=0.0)
        heads.append(
            HeadPattern(
                layer,
                head,
                label,
                score,
                strength,
                tuple(d.name for d in passing),
                about,
                {
                    name: None if math.isnan(column[head]) else column[head]
                    for name, column in columns.items()
                },
                tuple(profile[head]),
            )
        )
    return heads


def repeated_probe(
    length: int, vocabulary: int, *, seed: int, first: int | None, without: frozenset[int]
) -> Tensor:
    """Return random token ids said twice, after ``first`` if given: [2 n] or [1 + 2 n] int64.

    The ids are drawn without repetition where the vocabulary has enough of them.

    Args:
        length: n.
        vocabulary: number of ids.
        seed: of the draw.
        first: id put before, such as the one that begins documents.
        without: ids not to draw, such as special tokens.
    """
    allowed = torch.tensor([i for i in range(vocabulary) if i not in without] or list(range(vocabulary)))
    generator = torch.Generator().manual_seed(seed)
    if len(allowed) >= length:
        chosen = allowed[torch.randperm(len(allowed), generator=generator)[:length]]
    else:
        chosen = allowed[torch.randint(len(allowed), (length,), generator=generator)]
    start = [] if first is None else [first]
    return torch.cat((torch.tensor(start, dtype=torch.int64), chosen, chosen))
