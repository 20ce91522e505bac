"""How long, how fast and how carefully to train: the same settings for every stage."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from llm_playground.core.config import StageConfig


class TrainingConfig(StageConfig):
    """Settings of the training engine."""

    steps: int = Field(1000, ge=1, le=10_000_000, description="Optimizer steps.")
    batch_size: int = Field(16, ge=1, le=65_536, description="Sequences in a step.")
    micro_batch_size: int | None = Field(None, ge=1, description="Sequences at once; empty: the whole batch.")
    learning_rate: float = Field(2e-3, gt=0, le=1, description="Peak learning rate.")
    min_lr_ratio: float = Field(0.05, ge=0, le=1, description="Last learning rate as a share of the peak.")
    schedule: Literal["cosine", "wsd"] = Field("wsd", description="Shape of the learning rate after warm-up.")
    warmup_steps: int = Field(50, ge=0, description="Steps over which the learning rate rises.")
    decay_fraction: float = Field(0.6, gt=0, le=1, description="Share of the steps that decay, for wsd.")
    weight_decay: float = Field(0.1, ge=0, le=10, description="AdamW's decay of matrices.")
    beta1: float = Field(0.9, ge=0, lt=1, description="AdamW's memory of gradients.")
    beta2: float = Field(0.99, ge=0, lt=1, description="AdamW's memory of squared gradients.")
    eps: float = Field(1e-8, gt=0, le=1, description="AdamW's epsilon.")
    grad_clip: float = Field(1.0, gt=0, description="Greatest norm of the gradient.")
    eval_every: int = Field(100, ge=1, description="Steps between validations.")
    eval_batches: int = Field(8, ge=1, description="Batches of a validation.")
    checkpoint_every: int = Field(500, ge=1, description="Steps between checkpoints.")
    keep_checkpoints: int = Field(2, ge=1, le=1000, description="Checkpoints kept.")
    sample_every: int = Field(250, ge=0, description="Steps between sample texts; 0: none.")
    sample_prompts: tuple[str, ...] = Field((), description="What the model is asked to go on from.")
    device: str = Field("auto", description="auto, cpu, cuda or mps.")
    threads: int | None = Field(None, ge=1, le=1024, description="CPU threads; empty: all cores.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.micro_batch_size is not None and self.micro_batch_size > self.batch_size:
            raise ValueError(
                f"micro_batch_size ({self.micro_batch_size}) must not exceed batch_size ({self.batch_size})"
            )
        return self
