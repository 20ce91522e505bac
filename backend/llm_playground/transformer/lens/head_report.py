"""Every head of a model with its label, measured on a text and on repeated random tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from llm_playground.core.errors import InputError
from llm_playground.transformer.capture import Capture, Edit
from llm_playground.transformer.config import ModelConfig
from llm_playground.transformer.lens.attention_maps import AttentionMaps
from llm_playground.transformer.lens.attention_patterns import (
    HeadPattern,
    Measurement,
    PatternMeter,
    label_heads,
    repeated_probe,
)
from llm_playground.transformer.lens.pattern_definitions import LEAST_ROWS, Definition, definitions
from llm_playground.transformer.lens.running import as_row, block_of, run
from llm_playground.transformer.model import TransformerLM

LONGEST_PROBE = 50  # n, as in common reports of induction heads


@dataclass(frozen=True)
class Probe:
    """The random tokens on which induction is measured.

    Attributes:
        tokens: n, how many different tokens are said twice.
        seed: of their draw.
        ids: the whole sequence.
    """

    tokens: int
    seed: int
    ids: tuple[int, ...]

    def about(self) -> str:
        """What it is, in words."""
        return f"{self.tokens} random tokens, said twice (seed {self.seed})"


@dataclass(frozen=True)
class HeadReport:
    """What every head does.

    Attributes:
        heads: layer by layer, head by head.
        definitions: of all scores.
        probe: None for encoders, and where the context or the window is too short for one.
    """

    heads: tuple[HeadPattern, ...]
    definitions: tuple[Definition, ...]
    probe: Probe | None

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return asdict(self) | {"definitions": [definition.to_dict() for definition in self.definitions]}


def analyze_heads(
    model: TransformerLM,
    ids: Tensor,
    *,
    segments: Mapping[str, Tensor] | None = None,
    seed: int = 0,
    probe_length: int | None = None,
    maps: AttentionMaps | None = None,
    segment_ids: Tensor | None = None,
) -> HeadReport:
    """Measure and label every head; one layer's maps are in memory at a time, unless they are given.

    Args:
        model: a decoder or an encoder.
        ids: the text, [T], at least two tokens.
        segments: kind (``line``, ``sentence``, ``turn``) -> segment of each token, [T] int.
        seed: of the probe.
        probe_length: n of the probe; default as many as fit into context and windows, at most 50.
        maps: those of this text, if they were recorded; the model then runs for the probe only.
        segment_ids: [1, T], for models that tell segments apart.

    Raises:
        InputError: ids, segments or the probe do not fit the model.
    """
    row = as_row(model, ids)
    segments = segments or {}
    text = _measure(
        model,
        row,
        lambda window: PatternMeter(
            row[0], segments=segments, causal=model.config.architecture == "decoder", window=window
        ),
        segment_ids,
        maps,
    )
    probe = _probe(model.config, seed, probe_length)
    repeated: list[Measurement] | None = None
    if probe is not None:
        ids_of = torch.tensor(probe.ids, device=row.device)
        start = len(probe.ids) - 2 * probe.tokens
        repeated = _measure(
            model,
            ids_of[None],
            lambda window: PatternMeter(ids_of, window=window, repeat=(start, probe.tokens)),
        )
    known = definitions(tuple(segments))
    heads: list[HeadPattern] = []
    for layer, found in enumerate(text):
        heads += label_heads(
            layer,
            found,
            repeated[layer] if repeated else None,
            known,
            text_about=f"the text, {row.shape[1]} tokens",
            probe_about=probe.about() if probe else "",
        )
    measured = {name for head in heads for name in head.scores}
    return HeadReport(tuple(heads), tuple(d for d in known if d.name in measured), probe)


def _measure(
    model: TransformerLM,
    row: Tensor,
    make: Callable[[int | None], PatternMeter],
    segment_ids: Tensor | None = None,
    maps: AttentionMaps | None = None,
) -> list[Measurement]:
    """Measure layer by layer while the pass runs; meters are shared by layers with the same window."""
    found: list[Measurement] = []
    meters: dict[int | None, PatternMeter] = {}

    def take(layer: int, weights: Tensor) -> Tensor:
        window = block_of(model, layer).attention.window
        window = None if window is None or window >= row.shape[1] else window
        if window not in meters:
            meters[window] = make(window)
        found.append(meters[window].measure(weights[0]))
        return weights

    if maps is not None:
        for layer, weights in enumerate(maps.weights):
            take(layer, weights[None])
        return found
    edits: dict[str, Edit] = {
        f"blocks.{layer}.attention.weights": partial(take, layer) for layer in range(model.config.layers)
    }
    run(model, row, Capture(edits=edits), segment_ids=segment_ids)
    return found


def _probe(config: ModelConfig, seed: int, length: int | None) -> Probe | None:
    """Choose the probe: as long as context and windows let a head look back n tokens."""
    if config.architecture != "decoder":
        return None
    begin = config.bos_id
    context = config.context_length - (begin is not None)
    windows = [config.layer_window(layer) or context for layer in range(config.layers)]
    # Layers that see only a few tokens cannot do induction worth the name; they do not shorten the probe.
    wide = [window for window in windows if window > LEAST_ROWS] or [max(windows)]
    most = min(context // 2, min(wide) - 1)
    if length is not None and not 2 <= length <= most:
        raise InputError(f"probe_length {length} is out of range: 2 to {most}.", field="probe_length")
    if most < 2:
        return None
    tokens = length or min(LONGEST_PROBE, most)
    ids = repeated_probe(
        tokens,
        config.vocab_size,
        seed=seed,
        first=begin,
        without=frozenset(i for i in (begin, config.eos_id, config.pad_id) if i is not None),
    )
    return Probe(tokens, seed, tuple(ids.tolist()))
