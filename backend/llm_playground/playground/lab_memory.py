"""How much memory looking into a model takes, and the memory in which the last results are kept."""

from __future__ import annotations

import dataclasses
import threading
import weakref
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llm_playground.transformer import ModelConfig


def free_bytes() -> int:
    """Return the memory that is free for new things on this machine."""
    import psutil

    return int(psutil.virtual_memory().available)


def total_bytes() -> int:
    """Return the memory of this machine."""
    import psutil

    return int(psutil.virtual_memory().total)


def pass_bytes(config: ModelConfig, tokens: int) -> int:
    """Return the bytes that looking into one pass takes, in float32.

    These are the maps of one layer (scores, mask and softmax) and some thirty patterns that maps are measured
    against, the vectors of every layer, and logits with their softmax.

    Args:
        config: the model's shape.
        tokens: T of the text.
    """
    maps = (4 * config.heads + 30) * tokens
    qkv = 2 * config.head_size * (config.heads + 2 * config.key_value_heads)  # and the rotated ones
    vectors = config.layers * (8 * config.width + qkv + config.hidden_width)
    return 4 * tokens * (maps + vectors + 3 * config.vocab_size)


def largest_text(config: ModelConfig, limit: int) -> int:
    """Return the greatest number of tokens whose pass takes no more than ``limit`` bytes."""
    low, high = 0, config.context_length
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if pass_bytes(config, middle) <= limit else (low, middle - 1)
    return low


def model_bytes(config: ModelConfig, parameters: int, tokens: int) -> int:
    """Return the bytes of float32 weights and of one pass over so many tokens."""
    return 4 * parameters + pass_bytes(config, tokens)


def readable(count: int) -> str:
    """Write bytes for people: ``readable(3_221_225_472)`` gives ``3.2 GB``."""
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.0f} MB"


class Kept:
    """Results of the last passes, least recently used first to go.

    A result belongs to a model and goes when that is gone. Its size is that of the tensors in it (in
    dataclasses, mappings and sequences); one larger than the whole memory is not kept.

    Args:
        limit: bytes of all of them.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._results: OrderedDict[Hashable, tuple[weakref.ref[Any], int, Any]] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """Bytes in use."""
        with self._lock:
            return sum(size for _, size, _ in self._results.values())

    def get(self, key: Hashable, owner: object) -> Any:
        """Return the result kept under a key for a model, None if there is none."""
        with self._lock:
            found = self._results.get(key)
            if found is None or found[0]() is not owner:
                return None
            self._results.move_to_end(key)
            return found[2]

    def forget_gone(self) -> None:
        """Let go of the results of models that are gone."""
        with self._lock:
            for old in [name for name, (whose, *_) in self._results.items() if whose() is None]:
                del self._results[old]

    def put(self, key: Hashable, owner: object, result: Any) -> None:
        """Keep a result; the oldest ones make room."""
        self.forget_gone()
        size = tensor_bytes(result)
        with self._lock:
            if size > self.limit:
                return
            self._results[key] = (weakref.ref(owner), size, result)
            self._results.move_to_end(key)
            total = sum(entry[1] for entry in self._results.values())
            while total > self.limit:
                total -= self._results.popitem(last=False)[1][1]


def tensor_bytes(value: Any) -> int:
    """Return the bytes of the tensors in a value, shared ones once, and a few for everything else."""
    seen: dict[int, int] = {}
    others = 0
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if hasattr(item, "untyped_storage"):
            storage = item.untyped_storage()
            seen[storage.data_ptr()] = int(storage.nbytes())
        elif dataclasses.is_dataclass(item) and not isinstance(item, type):
            waiting += [getattr(item, field.name) for field in dataclasses.fields(item)]
        elif isinstance(item, Mapping):
            waiting += item.values()
        elif isinstance(item, list | tuple):
            waiting += item
        else:
            others += 64
    return sum(seen.values()) + others
