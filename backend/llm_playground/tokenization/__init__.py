"""Tokenizers: text to ids and back, training them, and chat templates."""

from llm_playground.core.lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "BPETokenizer": "bpe",
        "EncodedChat": "chat",
        "Message": "chat",
        "StreamDecoder": "streaming",
        "encode_chat": "chat",
        "load_tokenizer": "loading",
        "render_chat": "chat",
    },
)
