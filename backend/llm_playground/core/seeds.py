"""Random numbers that can be told apart, captured and put back."""

from __future__ import annotations

import base64
import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def derive_seed(seed: int, *labels: object) -> int:
    """Derive an independent 63-bit seed from a seed and labels (SHA-256, so it never changes).

    >>> derive_seed(0, "data", 3) == derive_seed(0, "data", 3)
    True
    """
    text = "\x1f".join([str(seed), *map(str, labels)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def seed_everything(seed: int) -> None:
    """Seed Python's, NumPy's and PyTorch's generators (CUDA and MPS included)."""
    import numpy
    import torch

    random.seed(seed)
    numpy.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def capture_rng() -> dict[str, Any]:
    """Return the state of all generators as JSON data (bytes as base64)."""
    import numpy
    import torch

    version, internal, gauss = random.getstate()
    generator: tuple[Any, ...] = numpy.random.get_state(legacy=True)  # type: ignore[assignment]
    name, keys, position, has_gauss, cached = generator
    state: dict[str, Any] = {
        "python": [version, list(internal), gauss],
        "numpy": [name, keys.tolist(), position, has_gauss, cached],
        "torch": _to_text(torch.get_rng_state()),
    }
    if torch.cuda.is_available():
        state["cuda"] = [_to_text(torch.cuda.get_rng_state(card)) for card in _own_cards()]
    return state


def restore_rng(state: dict[str, Any]) -> None:
    """Put back a state that :func:`capture_rng` returned."""
    import numpy
    import torch

    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    name, keys, position, has_gauss, cached = state["numpy"]
    numpy.random.set_state((name, numpy.array(keys, dtype=numpy.uint32), position, has_gauss, cached))
    torch.set_rng_state(_to_tensor(state["torch"]))
    saved = state.get("cuda")
    cards = _own_cards() if saved and torch.cuda.is_available() else []
    if saved and len(saved) == len(cards):
        for card, item in zip(cards, saved, strict=True):
            torch.cuda.set_rng_state(_to_tensor(item), card)


@contextmanager
def preserve_rng() -> Iterator[None]:
    """Run a block (sampling, evaluation) that leaves the run's random numbers as they were."""
    state = capture_rng()
    try:
        yield
    finally:
        restore_rng(state)


def _own_cards() -> list[int]:
    """Return the cards whose generators are this process's: of several processes, each has one card."""
    import torch

    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return [torch.cuda.current_device()]
    return list(range(torch.cuda.device_count()))


def _to_text(tensor: Any) -> str:
    return base64.b64encode(tensor.numpy().tobytes()).decode("ascii")


def _to_tensor(text: str) -> Any:
    import torch

    return torch.frombuffer(bytearray(base64.b64decode(text)), dtype=torch.uint8)
