"""The embedded world: a small town that the package generates itself, deterministically."""

from llm_playground.core.lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "benchmark": "questions",
        "card": "dataset",
        "conversations": "questions",
        "exact": "checkers",
        "normalize": "checkers",
        "preferences": "alignment",
        "reward": "checkers",
        "stories": "narration",
        "tasks": "alignment",
        "write_dataset": "dataset",
    },
)
