"""Costly measurements in a training run, every so many steps: gradients, updates, weights, activations."""

from llm_playground.core.lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "Instruments": "session",
        "activation_statistics": "activations",
        "histogram_counts": "counting",
        "layer_norms": "layers",
        "layer_of": "layers",
    },
)
