"""From a stage's settings to a plan: which shape, how long its sequences are, how much it reads."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from llm_playground.core.config import StageConfig, parse_config
from llm_playground.core.errors import InputError
from llm_playground.core.files import read_json
from llm_playground.post_training.sft import SFTConfig
from llm_playground.training.pretrain import PretrainConfig

if TYPE_CHECKING:
    from llm_playground.core.workspace import Workspace
    from llm_playground.training.planner import Plan, Workload
    from llm_playground.transformer import ModelConfig

_SAMPLED = 200  # conversations whose length stands for all


class PretrainPlanConfig(PretrainConfig):
    """Settings of a pre-training to plan; without tokens the preset's own vocabulary counts."""

    tokens: str = Field("", description="Id of the token shards; empty: the preset's vocabulary.")


class SFTPlanConfig(SFTConfig):
    """Settings of a fine-tuning to plan; without a data set every conversation fills the context."""

    dataset: str = Field("", description="Id of the data set; empty: conversations as long as the context.")


PLANNED: Mapping[str, type[PretrainPlanConfig] | type[SFTPlanConfig]] = {
    "pretrain": PretrainPlanConfig,
    "sft": SFTPlanConfig,
}


def plan_config(stage: str) -> type[StageConfig]:
    """Return the settings of a stage that can be planned.

    Raises:
        InputError: it cannot be.
    """
    if stage not in PLANNED:
        raise InputError(
            f"stage: {stage!r} cannot be planned.", hint=f"Use {' or '.join(PLANNED)}.", field="stage"
        )
    return PLANNED[stage]


def plan_stage(workspace: Workspace, stage: str, values: Mapping[str, Any], **options: Any) -> Plan:
    """Predict what a stage takes.

    Args:
        workspace: where its data and models are, and the device table.
        stage: ``pretrain`` or ``sft``.
        values: its settings; those that name data may be left out.
        options: ``device``, ``devices``, ``utilization``, ``measure``, ``remembered`` and ``clock`` of
            :func:`~llm_playground.training.planner.plan_training`.

    Raises:
        InputError, ConfigError, NotFoundError: settings, ids or options are wrong.
        TrainingError: measuring failed.
    """
    from llm_playground.training.planner import plan_training

    config = parse_config(plan_config(stage), values)
    if isinstance(config, PretrainPlanConfig):
        shape, workload = _pretraining(workspace, config)
    else:
        assert isinstance(config, SFTPlanConfig)
        shape, workload = _fine_tuning(workspace, config)
    return plan_training(shape, config.training, workload, workspace=workspace, **options)


def _pretraining(workspace: Workspace, config: PretrainPlanConfig) -> tuple[ModelConfig, Workload]:
    from llm_playground.tokenization import load_tokenizer
    from llm_playground.training.planner import Workload
    from llm_playground.training.pretrain import changed_preset, resolve_model

    if config.tokens:
        artifact = workspace.get(config.tokens, "tokens")
        shape = resolve_model(config, load_tokenizer(artifact.path))
        read = (artifact.path / "train.bin").stat().st_size
    else:
        shape, read = changed_preset(config.preset, config.model), 0
    length = shape.context_length
    return shape, Workload(length, float(length), read)


def _fine_tuning(workspace: Workspace, config: SFTPlanConfig) -> tuple[ModelConfig, Workload]:
    from llm_playground.training.planner import Workload
    from llm_playground.transformer import ModelConfig

    source = workspace.get(config.model, "model")
    shape = ModelConfig.from_hf(read_json(source.path / "config.json"))
    context = shape.context_length
    if not config.dataset:
        return shape, Workload(context, float(context))
    dataset = workspace.get(config.dataset, "dataset")
    lengths = _lengths(source.path, dataset.path, config.chat_template)
    usable = [length for length in lengths if 1 <= length <= context]
    if not usable:
        raise InputError(
            f"No conversation of {dataset.id} that was looked at fits the context of {context} tokens.",
            field="dataset",
        )
    return shape, Workload(max(usable), sum(usable) / len(usable))


@lru_cache(maxsize=16)
def _lengths(model: Path, dataset: Path, template: str | None) -> tuple[int, ...]:
    """Return the tokens of some of a data set's conversations; neither folder ever changes."""
    from llm_playground.post_training.sft import chat_tokenizer, read_conversations
    from llm_playground.tokenization import encode_chat

    tokenizer = chat_tokenizer(model, template)
    conversations = read_conversations(dataset)
    stride = max(1, len(conversations) // _SAMPLED)
    return tuple(len(encode_chat(tokenizer, messages).ids) - 1 for messages in conversations[::stride])
