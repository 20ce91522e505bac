"""Maps of where attention goes: weights, weights times what they carry, rollout; small pictures and tiles.

One pass gives :class:`AttentionMaps`, from which everything else is made without the model. For long texts,
whose maps would not all fit into memory, :func:`thumbnails` and :func:`attention_map` go layer by layer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from llm_playground.core.errors import InputError
from llm_playground.transformer.capture import Capture, Edit
from llm_playground.transformer.config import ModelConfig
from llm_playground.transformer.lens.running import as_row, block_of, check_index, run
from llm_playground.transformer.model import TransformerLM

MapKind = Literal["weights", "value_weighted", "rollout"]
LARGEST_THUMBNAIL = 64


@dataclass(frozen=True)
class Thumbnails:
    """Small pictures of all heads.

    Attributes:
        values: [L, H, S, S] uint8 (H is 1 for a rollout); a value is ``values / 255 * scales``.
        scales: [L, H] float32, the value that 255 stands for.
    """

    values: Tensor
    scales: Tensor

    @property
    def scale(self) -> float:
        """The greatest of the scales: the only one, unless pictures were scaled head by head."""
        return float(self.scales.max())

    def floats(self) -> Tensor:
        """Return the values, [L, H, S, S] float32, exact to half a 255th of the scale."""
        return self.values.float() / 255 * self.scales[:, :, None, None]


@dataclass(frozen=True)
class AttentionMaps:
    """The attention of every layer on one text, as one pass had it.

    Attributes:
        weights: of each layer, [H, T, T]: rows look, columns are looked at, rows sum to 1.
        norms: of each layer, [H, T]: lengths of what each token hands on, ``||v_j W_O||``.
    """

    weights: tuple[Tensor, ...]
    norms: tuple[Tensor, ...]

    def map(self, layer: int, kind: MapKind = "weights", head: int | None = None) -> Tensor:
        """Return the maps of a layer, [H, T, T], or of one head of it, [T, T]; a rollout is always [T, T].

        Raises:
            InputError: layer or head is out of range.
        """
        layer = check_index(layer, len(self.weights), "layer")
        if kind == "rollout":
            return rollout(self.weights[: layer + 1])
        maker = _Maker(kind)
        if head is None:
            return maker(self.weights[layer], self.norms[layer])
        head = check_index(head, len(self.norms[layer]), "head")
        return maker(self.weights[layer][head, None], self.norms[layer][head, None])[0]

    def thumbnails(
        self, kind: MapKind = "weights", size: int = 32, *, head_by_head: bool = False
    ) -> Thumbnails:
        """Return small pictures of every head; see :func:`thumbnails`."""
        small = _size(size, self.weights[0].shape[-1])
        maker = _Maker(kind)
        pictures = [_shrink(maker(*layer), small) for layer in zip(self.weights, self.norms, strict=True)]
        return _quantize(pictures, head_by_head)


class _Maker:
    """Turns the weights of one layer after the other into maps of a kind."""

    def __init__(self, kind: MapKind) -> None:
        if kind not in ("weights", "value_weighted", "rollout"):
            raise InputError(
                f"There is no map {kind!r}.", hint="weights, value_weighted or rollout.", field="kind"
            )
        self.kind = kind
        self._rolled: Tensor | None = None

    def __call__(self, weights: Tensor, norms: Tensor | None) -> Tensor:
        """Return maps [H, T, T], or [1, T, T] for a rollout."""
        if self.kind == "rollout":
            mixed = weights.float().mean(dim=0) / 2
            mixed.diagonal().add_(0.5)
            self._rolled = mixed if self._rolled is None else mixed @ self._rolled
            return self._rolled[None]
        if self.kind == "value_weighted":
            assert norms is not None
            return weights.float() * norms[:, None].float()
        return weights.float()


def rollout(maps: Iterable[Tensor]) -> Tensor:
    """Return how much of each token of the input is in each token after the last map, [T, T]; rows sum to 1.

    Each layer hands on half of what attention brings and half of the token itself: ``R = M_L ... M_1`` with
    ``M = (mean over heads of A + I) / 2`` (Abnar and Zuidema 2020, arXiv:2005.00928, section 3).

    Args:
        maps: weights [H, T, T] of the layers from the first on.

    Raises:
        InputError: no maps.
    """
    maker, found = _Maker("rollout"), None
    for weights in maps:
        found = maker(weights, None)[0]
    if found is None:
        raise InputError("A rollout needs the maps of at least one layer.")
    return found


def value_norms(model: TransformerLM, layer: int, values: Tensor) -> Tensor:
    """Return the length of what each token hands on through each head, ``||v_j W_O||``, [H, T].

    Kobayashi et al. 2020, arXiv:2004.10102, section 3: v holds its bias, that of the output is left out.

    Args:
        model: whose output projection is used.
        layer: counted from 0.
        values: ``blocks.{layer}.attention.v`` of one row, [G, T, D].
    """
    config = model.config
    output = block_of(model, layer).attention.output.weight.detach()  # [C, H * D]
    each = output.view(config.width, config.heads, config.head_size).permute(1, 2, 0)  # [H, D, C]
    shared = values.repeat_interleave(config.heads // config.key_value_heads, dim=0)  # [H, T, D]
    return torch.linalg.vector_norm((shared @ each).float(), dim=-1)


def maps_bytes(config: ModelConfig, tokens: int) -> int:
    """Return the bytes of the maps of all layers on so many tokens in float32."""
    return config.layers * config.heads * tokens * (tokens + 1) * 4


def record_attention(
    model: TransformerLM, ids: Tensor, *, segment_ids: Tensor | None = None
) -> AttentionMaps:
    """Run the model once and keep the attention of every layer (:func:`maps_bytes` says how much that is).

    Args:
        model: a decoder or an encoder.
        ids: [T].
        segment_ids: [1, T], for models that tell segments apart.

    Raises:
        InputError: ids do not fit the model.
    """
    row = as_row(model, ids)
    capture = Capture(["blocks.*.attention.weights", "blocks.*.attention.v"])
    run(model, row, capture, segment_ids=segment_ids)
    layers = range(model.config.layers)
    values = [capture.values[f"blocks.{layer}.attention.v"][0] for layer in layers]
    return AttentionMaps(
        tuple(capture.values[f"blocks.{layer}.attention.weights"][0] for layer in layers),
        tuple(value_norms(model, layer, value) for layer, value in enumerate(values)),
    )


def attention_map(
    model: TransformerLM,
    ids: Tensor,
    layer: int,
    kind: MapKind = "weights",
    *,
    segment_ids: Tensor | None = None,
) -> Tensor:
    """Run the model and return the maps of one layer, [H, T, T]; of a rollout [1, T, T].

    Only that layer writes its softmax out (for a rollout all up to it, one at a time).

    Raises:
        InputError: ids or layer do not fit the model.
    """
    last = check_index(layer, model.config.layers, "layer")
    found: list[Tensor] = []

    def keep(maps: Tensor) -> None:
        found[:] = [maps]

    _layer_by_layer(model, ids, kind, range(last + 1) if kind == "rollout" else (last,), keep, segment_ids)
    return found[0]


def thumbnails(
    model: TransformerLM,
    ids: Tensor,
    kind: MapKind = "weights",
    size: int = 32,
    *,
    head_by_head: bool = False,
    segment_ids: Tensor | None = None,
) -> Thumbnails:
    """Run the model and return small pictures of every head, one layer's maps in memory at a time.

    A cell is the mean of the map over the area that it covers.

    Args:
        model: a decoder or an encoder.
        ids: [T].
        kind: which map.
        size: rows and columns of each, at most 64; and at most T.
        head_by_head: scale each picture by its own greatest cell, so that even heads show their shape; else
            all by the greatest of all, so that pictures can be compared.
        segment_ids: [1, T], for models that tell segments apart.

    Raises:
        InputError: ids do not fit the model, or the size is out of range.
    """
    small = _size(size, as_row(model, ids).shape[1])
    pictures: list[Tensor] = []
    _layer_by_layer(
        model,
        ids,
        kind,
        range(model.config.layers),
        lambda maps: pictures.append(_shrink(maps, small)),
        segment_ids,
    )
    return _quantize(pictures, head_by_head)


def _layer_by_layer(
    model: TransformerLM,
    ids: Tensor,
    kind: MapKind,
    layers: Iterable[int],
    keep: Callable[[Tensor], None],
    segment_ids: Tensor | None,
) -> None:
    """Hand the maps of each layer on as the pass meets them."""
    row = as_row(model, ids)
    maker = _Maker(kind)
    norms: dict[int, Tensor] = {}

    def take_values(layer: int, values: Tensor) -> Tensor:
        norms[layer] = value_norms(model, layer, values[0])
        return values

    def take_weights(layer: int, weights: Tensor) -> Tensor:
        keep(maker(weights[0], norms.pop(layer, None)))
        return weights

    edits: dict[str, Edit] = {}
    for layer in layers:
        name = f"blocks.{layer}.attention"
        edits[f"{name}.weights"] = partial(take_weights, layer)
        if kind == "value_weighted":
            edits[f"{name}.v"] = partial(take_values, layer)
    run(model, row, Capture(edits=edits), segment_ids=segment_ids)


def _size(size: int, tokens: int) -> int:
    if not 1 <= size <= LARGEST_THUMBNAIL:
        raise InputError(f"size {size} is out of range: 1 to {LARGEST_THUMBNAIL}.", field="size")
    return min(size, tokens)


def _shrink(maps: Tensor, size: int) -> Tensor:
    """Return means over equal areas, [H, T, T] -> [H, size, size]; a token may be shared by two cells."""
    time = maps.shape[-1]
    if size == time:
        return maps
    edges = torch.linspace(0, time, size + 1, dtype=torch.float64)
    place = torch.arange(time, dtype=torch.float64)
    inside = torch.minimum(edges[1:, None], place + 1) - torch.maximum(edges[:-1, None], place)
    share = (inside.clamp(min=0) * (size / time)).to(maps)  # [size, T], of each cell; rows sum to 1
    return share @ maps @ share.T


def _quantize(pictures: list[Tensor], head_by_head: bool) -> Thumbnails:
    cells = torch.stack(pictures)  # [L, H, S, S]
    greatest = cells.amax(dim=(2, 3)) if head_by_head else cells.amax().expand(cells.shape[:2])
    scales = greatest.clamp(min=1e-30).contiguous()
    return Thumbnails((cells / scales[:, :, None, None] * 255).round().to(torch.uint8), scales)


def tile(
    matrix: Tensor, rows: tuple[int, int] | None = None, columns: tuple[int, int] | None = None
) -> Tensor:
    """Cut rows ``a`` to ``b - 1``, and columns likewise, out of a map [T, S]; all by default.

    Raises:
        InputError: a range is empty or outside the map; the message names the range.
    """
    cut = []
    for field, span, count in (("rows", rows, matrix.shape[0]), ("columns", columns, matrix.shape[1])):
        first, end = span or (0, count)
        if not 0 <= first < end <= count:
            raise InputError(
                f"{field} {first} to {end} are out of range: 0 to {count}, the second greater.", field=field
            )
        cut.append(slice(first, end))
    return matrix[cut[0], cut[1]]
