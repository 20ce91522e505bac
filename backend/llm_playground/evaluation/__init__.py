"""Evaluation: benchmarks, statistics and scores with their uncertainty."""

from llm_playground.core.lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "EvaluateConfig": "heldout",
        "Interval": "statistics",
        "wilson_interval": "statistics",
    },
)
