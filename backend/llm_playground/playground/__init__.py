"""Talking to models: the cache of loaded ones, replies, stored conversations, imports."""

from llm_playground.core.lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "Conversations": "conversations",
        "Imported": "importing",
        "LoadedModel": "models",
        "ModelCache": "models",
        "ModelLab": "lab",
        "OpenedTokenizer": "tokenizers",
        "Reply": "replies",
        "TokenizerCache": "tokenizers",
        "TokenizerInfo": "tokenizers",
        "import_model": "importing",
        "prepare_reply": "replies",
    },
)
