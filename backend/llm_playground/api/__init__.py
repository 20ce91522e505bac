"""The REST and OpenAI-compatible interfaces, and the web app, from one process on one port."""

from llm_playground.core.lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__, {"Settings": "settings", "create_app": "app", "serve": "server"}
)
