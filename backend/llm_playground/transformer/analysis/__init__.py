"""The arithmetic of architectures: parameters, operations, memory, budgets, comparison, recommendation."""

from llm_playground.core.lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "Analysis": "report",
        "Comparison": "comparison",
        "OPTIMIZERS": "memory",
        "Recommendation": "recommendation",
        "Recommendations": "recommendation",
        "analyze": "report",
        "compare_architectures": "comparison",
        "recommend": "recommendation",
    },
)
