"""The one training engine, and pre-training as its first stage."""

from llm_playground.core.lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "Objective": "engine",
        "PretrainConfig": "pretrain",
        "Term": "engine",
        "TrainResult": "engine",
        "TrainingConfig": "config",
        "learning_rate": "schedules",
        "train": "engine",
    },
)
