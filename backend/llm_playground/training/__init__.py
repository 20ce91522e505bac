"""The one training engine, and pre-training as its first stage."""

from llm_playground.core.lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "Objective": "engine",
        "Plan": "planner",
        "PretrainConfig": "pretrain",
        "Term": "engine",
        "TrainResult": "engine",
        "TrainingConfig": "config",
        "Workload": "planner",
        "check_memory": "planner",
        "find_learning_rate": "lr_finder",
        "fit_power_law": "power_law",
        "fork_run": "fork",
        "learning_rate": "schedules",
        "make_optimizer": "optimizers",
        "plan_training": "planner",
        "schedule_points": "schedules",
        "train": "engine",
    },
)
