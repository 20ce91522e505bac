"""Where the heads of a model look on a text: their patterns, small pictures of all, one map at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from llm_playground.core.errors import ConfigError
from llm_playground.playground.lab import ModelLab, OpenedModel, Reading, check_range, unprocessable
from llm_playground.playground.lab_text import segments

if TYPE_CHECKING:
    from torch import Tensor

    from llm_playground.transformer import TransformerLM
    from llm_playground.transformer.lens.attention_maps import AttentionMaps, Thumbnails

MapKind = Literal["weights", "value_weighted", "rollout"]


def recorded_maps(lab: ModelLab, opened: OpenedModel, reading: Reading) -> AttentionMaps | None:
    """Return the maps of all heads, kept from the first time on; None where they are too large for that."""
    from llm_playground.transformer.lens.attention_maps import maps_bytes, record_attention

    if maps_bytes(opened.config, len(reading.ids)) > lab.kept.limit * 3 // 4:
        return None
    return lab.result(opened, reading, "maps", lambda model, ids: record_attention(model, ids[0]))


def head_patterns(lab: ModelLab, opened: OpenedModel, reading: Reading) -> dict[str, Any]:
    """Return every head with its label and scores, and what they mean.

    Raises:
        ConfigError: the text has only one token.
    """
    import torch

    from llm_playground.transformer.lens import analyze_heads

    if len(reading.ids) < 2:
        raise ConfigError("text: patterns need at least two tokens; this is one.", field="text")
    maps = recorded_maps(lab, opened, reading)

    def compute(model: TransformerLM, ids: Tensor) -> dict[str, Any]:
        parts = {
            kind: torch.tensor(numbers) for kind, numbers in segments(reading.text, reading.tokens).items()
        }
        return analyze_heads(model, ids[0], segments=parts, maps=maps).to_dict()

    report = lab.result(opened, reading, "patterns", compute)
    probe = report["probe"]
    return {
        "layers": opened.config.layers,
        "heads": opened.config.heads,
        "patterns": report["heads"],
        "definitions": report["definitions"],
        "induction_probe": probe and {"tokens": probe["tokens"], "seed": probe["seed"]},
    }


def small_maps(lab: ModelLab, opened: OpenedModel, reading: Reading, kind: MapKind, size: int) -> Thumbnails:
    """Return a picture of every head, at most ``size`` cells wide and not wider than the text has tokens."""
    from llm_playground.transformer.lens import thumbnails

    maps = recorded_maps(lab, opened, reading)

    def compute(model: TransformerLM, ids: Tensor) -> Thumbnails:
        return maps.thumbnails(kind, size) if maps is not None else thumbnails(model, ids[0], kind, size)

    return lab.result(opened, reading, f"thumbnails {kind} {size}", compute)


def attention_map(
    lab: ModelLab,
    opened: OpenedModel,
    reading: Reading,
    layer: int,
    head: int,
    kind: MapKind = "weights",
    *,
    rows: tuple[int, int] | None = None,
    columns: tuple[int, int] | None = None,
) -> Tensor:
    """Return a part of one map, [rows, columns]; a rollout belongs to the layer, not to a head.

    Raises:
        ConfigError: layer, head, rows or columns are out of range; the message names the range.
    """
    from llm_playground.transformer.lens import tile
    from llm_playground.transformer.lens.attention_maps import attention_map as map_of_layer

    check_range(layer, opened.config.layers, "layer")
    if kind != "rollout":
        check_range(head, opened.config.heads, "head")
    maps = recorded_maps(lab, opened, reading)
    if maps is not None:
        found = maps.map(layer, kind, None if kind == "rollout" else head)
    else:
        name = f"map {kind} {layer}"
        of_heads = lab.result(
            opened, reading, name, lambda model, ids: map_of_layer(model, ids[0], layer, kind)
        )
        found = of_heads[0 if kind == "rollout" else head]
    with unprocessable():
        return tile(found, rows, columns)
