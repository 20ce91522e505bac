"""How many parameters a model has, by component and by layer."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from llm_playground.transformer.analysis.skeleton import COMPONENTS, EMBEDDING, HEAD, LOOKUPS, Weight, weights
from llm_playground.transformer.config import ModelConfig


@dataclass(frozen=True)
class LayerCount:
    """Parameters of one layer, or of what lies outside of the layers.

    Attributes:
        name: ``embedding``, ``layer 0``, ``encoder layer 0``, ``final norm and head``.
        layer: its number from 0, None outside of the layers.
        count: parameters.
        by_component: the same by component.
    """

    name: str
    layer: int | None
    count: int
    by_component: dict[str, int]


@dataclass(frozen=True)
class Parameters:
    """Parameter counts.

    Attributes:
        total: all of them, a tied head once.
        by_component: embedding, positions, segments, attention, cross-attention, feed-forward, router, norms,
            head: those that the model has.
        by_layer: the same in the order of computation.
        active: those that work on one token: fewer than all where experts are chosen.
    """

    total: int
    by_component: dict[str, int]
    by_layer: tuple[LayerCount, ...]
    active: int

    @property
    def trainable(self) -> int:
        """All parameters are trained; tables of sinusoids and rotations are not parameters."""
        return self.total

    @property
    def without_embeddings(self) -> int:
        """Blocks, final norm and what the head has of its own besides a matrix of the vocabulary."""
        return self.total - sum(self.by_component.get(name, 0) for name in (*LOOKUPS, HEAD))

    def to_dict(self) -> dict[str, Any]:
        """Return JSON data; components as a list with shares."""
        return {
            "total": self.total,
            "trainable": self.trainable,
            "active": self.active,
            "without_embeddings": self.without_embeddings,
            "by_component": [
                {"component": name, "count": count, "share": count / self.total}
                for name, count in self.by_component.items()
            ],
            "by_layer": [asdict(layer) for layer in self.by_layer],
        }


def count_parameters(config: ModelConfig) -> Parameters:
    """Count the parameters of what a configuration builds."""
    tensors = weights(config)
    everything = _by_component(tensors, copies=True)
    idle = 0
    for weight in tensors:
        if expert_matrix(weight) and config.experts:
            unused = config.experts - config.experts_per_token
            idle += weight.copies * weight.numel // config.experts * unused
    total = sum(everything.values())
    return Parameters(total, everything, tuple(_layers(config, tensors)), total - idle)


def expert_matrix(weight: Weight) -> bool:
    """Say whether a tensor holds one matrix for each expert, [E, out, in]."""
    return len(weight.shape) == 3


def _by_component(tensors: tuple[Weight, ...], *, copies: bool) -> dict[str, int]:
    counts: dict[str, int] = {}
    for weight in tensors:
        times = weight.copies if copies else 1
        counts[weight.component] = counts.get(weight.component, 0) + times * weight.numel
    return {name: counts[name] for name in COMPONENTS if name in counts}


def _layers(config: ModelConfig, tensors: tuple[Weight, ...]) -> list[LayerCount]:
    outside = tuple(weight for weight in tensors if not weight.stack)
    first = tuple(weight for weight in outside if _is_input(weight))
    last = tuple(weight for weight in outside if not _is_input(weight))
    rows: list[tuple[str, int | None, dict[str, int]]] = [
        ("embedding", None, _by_component(first, copies=False))
    ]
    for stack in ("encoder", "decoder"):
        block = tuple(weight for weight in tensors if weight.stack == stack)
        if not block:
            continue
        counts = _by_component(block, copies=False)
        word = f"{stack} layer" if config.architecture == "encoder-decoder" else "layer"
        rows += [(f"{word} {index}", index, counts) for index in range(block[0].copies)]
    if last:
        rows.append(("final norm and head", None, _by_component(last, copies=False)))
    return [LayerCount(name, layer, sum(counts.values()), counts) for name, layer, counts in rows]


def _is_input(weight: Weight) -> bool:
    """Say whether a tensor outside of the blocks works before them."""
    return weight.component in LOOKUPS or weight.name.split(".")[0].startswith(EMBEDDING)
