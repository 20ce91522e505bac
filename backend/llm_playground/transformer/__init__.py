"""The model: one decoder from a configuration, its losses, its arithmetic, its Hugging Face format."""

from llm_playground.core.lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "Analysis": "analysis",
        "KVCache": "cache",
        "ModelConfig": "config",
        "TransformerLM": "model",
        "analyze": "analysis",
        "cross_entropy_sum": "loss",
        "token_logprobs": "loss",
    },
)
