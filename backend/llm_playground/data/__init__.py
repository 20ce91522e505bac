"""Data: sources, documents, token shards and the loader."""

from llm_playground.core.lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "DataPrepareConfig": "prepare",
        "Document": "documents",
        "Provenance": "provenance",
        "TokenLoader": "loader",
        "TokenizeConfig": "shards",
        "epoch_order": "loader",
        "read_documents": "documents",
    },
)
