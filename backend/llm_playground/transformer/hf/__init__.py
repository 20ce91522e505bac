"""Models of the Hugging Face world: families, their configurations and tensor names, loading and saving."""

from llm_playground.core.lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "FAMILIES": "families",
        "Family": "families",
        "check_folder": "loading",
        "family_of": "families",
        "find_folder": "hub",
        "load_model": "loading",
        "read_config": "families",
        "save_model": "saving",
        "write_config": "families",
    },
)
