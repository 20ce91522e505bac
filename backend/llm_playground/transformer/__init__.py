"""The model: decoder, encoder or both from one configuration, its losses, arithmetic and pictures."""

from llm_playground.core.lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "Analysis": "analysis",
        "Capture": "capture",
        "EncoderDecoderLM": "encoder_decoder",
        "KVCache": "cache",
        "ModelConfig": "config",
        "RopeScaling": "config",
        "TransformerLM": "model",
        "analyze": "analysis",
        "cross_entropy_sum": "loss",
        "token_logprobs": "loss",
    },
)
