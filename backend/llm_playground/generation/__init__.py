"""The one generation engine, for chat, evaluation and rollouts."""

from llm_playground.core.lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "GenerationEngine": "engine",
        "SamplingParams": "sampling",
        "TextEvent": "text",
        "TokenEvent": "engine",
        "stream_text": "text",
    },
)
