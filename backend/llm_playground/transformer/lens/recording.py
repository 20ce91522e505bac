"""One pass with everything that arose on the way, to be looked at as often as wanted."""

from __future__ import annotations

import re
from dataclasses import dataclass

from torch import Tensor

from llm_playground.core.errors import InputError
from llm_playground.transformer.capture import Capture, Edit
from llm_playground.transformer.config import ModelConfig
from llm_playground.transformer.lens.attention_maps import maps_bytes
from llm_playground.transformer.lens.running import as_row, check_index, run
from llm_playground.transformer.model import TransformerLM

PROBABILITIES = "probabilities"  # softmax of the logits, which no capture has a name for
MOST_MAP_BYTES = 256 * 2**20  # scores and weights beyond this are not kept, but made again when asked for

# Which numbers of a token a part has beside its position: of heads, or none.
_OF_QUERY_HEADS = ("q", "q_rotated", "scores", "weights", "mixed")
_OF_KEY_HEADS = ("k", "v", "k_rotated")
_NAME = re.compile(r"blocks\.(\d+)\.(.+)")


def split_name(name: str) -> tuple[int | None, str]:
    """Return (layer, part) of a capture's name: ``blocks.2.attention.q`` -> (2, ``attention.q``)."""
    match = _NAME.fullmatch(name)
    return (int(match[1]), match[2]) if match else (None, name)


def heads_of(config: ModelConfig, name: str) -> int | None:
    """Return how many heads a captured tensor has, None where it has no axis of heads."""
    part = split_name(name)[1].removeprefix("attention.")
    if part in _OF_QUERY_HEADS:
        return config.heads
    return config.key_value_heads if part in _OF_KEY_HEADS else None


@dataclass
class Recording:
    """What one pass over one row of ids computed.

    Attributes:
        model: that ran.
        ids: [T] int64.
        values: capture name -> tensor without the batch axis, in order of computation.
        logits: [T, V].
        segment_ids: [1, T], if they were given.
        names: all that can be asked for, in order of computation; ``probabilities`` last.
    """

    model: TransformerLM
    ids: Tensor
    values: dict[str, Tensor]
    logits: Tensor
    segment_ids: Tensor | None = None
    names: tuple[str, ...] = ()

    @property
    def time(self) -> int:
        """Number of tokens T."""
        return len(self.ids)

    def value(self, name: str) -> Tensor:
        """Return a tensor of the pass, [T, ...] or [heads, T, ...].

        Scores and weights that were too large to keep are made again, layer by layer.

        Raises:
            InputError: the pass has no tensor of that name; the message names some that it has.
        """
        if name in self.values:
            return self.values[name]
        if name == PROBABILITIES:
            return self.logits.float().softmax(-1)
        if name not in self.names:
            layer, part = split_name(name)
            like = [n for n in self.names if split_name(n)[0] == (None if layer is None else 0)]
            raise InputError(
                f"The pass has no tensor {name!r}"
                + (
                    f": layers are 0 to {self.model.config.layers - 1}."
                    if layer is not None and f"blocks.0.{part}" in self.names
                    else "."
                ),
                hint=f"There are {', '.join(like)}.",
                field="name",
            )
        capture = Capture([name])
        run(self.model, self.ids[None], capture, segment_ids=self.segment_ids)
        return capture.values[name][0]

    def map_rows(self, position: int) -> dict[str, Tensor]:
        """Return the row of one token, [heads, T], in each of the maps that were too large to keep.

        One pass makes them all, with one layer's maps in memory at a time.

        Args:
            position: of the token, from 0.
        """
        rows: dict[str, Tensor] = {}

        def taker(name: str) -> Edit:
            def take(value: Tensor) -> Tensor:
                rows[name] = value[0, :, position].clone()
                return value

            return take

        missing = [name for name in self.names if name not in self.values and name != PROBABILITIES]
        if missing:
            capture = Capture(edits={name: taker(name) for name in missing})
            run(self.model, self.ids[None], capture, segment_ids=self.segment_ids)
        return rows

    def tensor(self, name: str, position: int | None = None, head: int | None = None) -> Tensor:
        """Return a tensor, or the part of it that belongs to a token and a head.

        Args:
            name: of the capture.
            position: of the token, negative from the end; None: all tokens.
            head: for tensors with heads; None: all.

        Raises:
            InputError: unknown name, a position or head out of range, or a head for a tensor without heads.
        """
        if name == PROBABILITIES and position is not None and head is None:  # one row of a large table
            return self.logits[check_index(position, self.time, "position")].float().softmax(-1)
        value = self.value(name)
        count = heads_of(self.model.config, name)
        if head is not None:
            if count is None:
                raise InputError(f"{name} has no heads.", hint="Leave head out.", field="head")
            value = value[check_index(head, count, "head")]
        if position is None:
            return value
        position = check_index(position, self.time, "position")
        axis = 1 if count is not None and head is None else 0
        return value.select(axis, position)


def record(model: TransformerLM, ids: Tensor, *, segment_ids: Tensor | None = None) -> Recording:
    """Run the model once and keep what arises on the way.

    Args:
        model: a decoder or an encoder.
        ids: [T].
        segment_ids: [1, T], for models that tell segments apart.

    Raises:
        InputError: ids do not fit the model.
    """
    row = as_row(model, ids)
    keep_maps = 2 * maps_bytes(model.config, row.shape[1]) <= MOST_MAP_BYTES
    capture = _Everything(keep_maps)
    logits = run(model, row, capture, segment_ids=segment_ids)
    values = {name: value[0] for name, value in capture.values.items()}
    names: list[str] = []
    for name in capture.met:
        if not keep_maps and name.endswith(".attention.mixed"):
            names += [f"{name[: -len('mixed')]}scores", f"{name[: -len('mixed')]}weights"]
        names.append(name)
    names.append(PROBABILITIES)
    return Recording(model, row[0], values, logits[0], segment_ids, tuple(names))


class _Everything(Capture):
    """Keeps all names, or all but the maps, and remembers their order."""

    def __init__(self, maps: bool) -> None:
        super().__init__(["*"])
        self.maps = maps
        self.met: list[str] = []

    def wants(self, *names: str) -> bool:
        return any(self._keeps(name) for name in names)

    def __call__(self, name: str, value: Tensor) -> Tensor:
        if not self._keeps(name):
            return value
        self.met.append(name)
        return super().__call__(name, value)

    def _keeps(self, name: str) -> bool:
        return self.maps or not name.endswith((".attention.scores", ".attention.weights"))
