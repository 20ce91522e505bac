"""The metric store: every number of a run, by step, kept for good and quick to draw."""

from llm_playground.core.lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "Alert": "alerts",
        "MetricReader": "reader",
        "MetricStore": "store",
        "RunWatcher": "watcher",
        "SystemSampler": "system",
        "export_metrics": "export",
    },
)
