"""Talking to models: the cache of loaded ones, replies, stored conversations."""

from llm_playground.core.lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "Conversations": "conversations",
        "LoadedModel": "models",
        "ModelCache": "models",
        "OpenedTokenizer": "tokenizers",
        "Reply": "replies",
        "TokenizerCache": "tokenizers",
        "TokenizerInfo": "tokenizers",
        "prepare_reply": "replies",
    },
)
