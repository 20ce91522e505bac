"""The ground floor: configuration base, errors, workspace and artifacts, devices, seeds."""

from llm_playground.core.lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "Artifact": "workspace",
        "Workspace": "workspace",
        "StageConfig": "config",
        "Context": "protocols",
        "MetricLog": "protocols",
        "NullContext": "protocols",
        "Progress": "protocols",
        "StepHook": "protocols",
        "StepState": "protocols",
        "LLMPError": "errors",
        "ConfigError": "errors",
        "InputError": "errors",
        "NotFoundError": "errors",
        "ConflictError": "errors",
        "StorageError": "errors",
    },
)
