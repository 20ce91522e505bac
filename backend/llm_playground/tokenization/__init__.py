"""Tokenizers: text to ids and back, training them, and chat templates."""

from llm_playground.core.lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "BPETokenizer": "bpe",
        "EncodedChat": "chat",
        "HFTokenizer": "hf",
        "Message": "chat",
        "StreamDecoder": "streaming",
        "TokenSpan": "base",
        "Tokenizer": "base",
        "analyze_coverage": "coverage",
        "encode_chat": "chat",
        "estimate": "cost",
        "inspect_text": "inspection",
        "load_prices": "cost",
        "load_tokenizer": "loading",
        "open_tokenizer": "loading",
        "prune_vocabulary": "pruning",
        "remap_embeddings": "pruning",
        "render_chat": "chat",
        "save_prices": "cost",
        "suspicious_tokens": "suspicious",
        "verify_pruning": "pruning",
    },
)
