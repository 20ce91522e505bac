"""Optimizers, and which weights each of them gets."""

from llm_playground.core.lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "Lion": "lion",
        "Muon": "muon",
        "make_optimizer": "build",
        "orthogonalize": "muon",
    },
)
