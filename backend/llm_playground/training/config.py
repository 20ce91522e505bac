"""How long, how fast and how carefully to train: the same settings for every stage."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from llm_playground.core.config import StageConfig

GROUPS = (
    "Length and batch",
    "Optimizer",
    "Learning rate",
    "Precision and memory",
    "Validation and checkpoints",
    "Samples",
    "Machine",
)

OptimizerName = Literal["adamw", "muon", "sgd", "lion"]
ScheduleName = Literal["cosine", "wsd", "linear", "constant", "inverse_sqrt", "cosine_restarts"]
Precision = Literal["float32", "bf16", "fp16", "auto"]
ActivationCheckpointing = Literal["none", "full", "selective"]

MUON_RATE_RULE = 10.0  # Muon's rate over AdamW's: 2e-3 gives the 0.02 that its authors use


def _group(name: str) -> dict[str, Any]:
    """Say in the JSON schema under which heading a form shows a field."""
    return {"group": name}


_LENGTH, _OPTIMIZER, _RATE, _PRECISION, _KEEPING, _SAMPLES, _MACHINE = map(_group, GROUPS)


class TrainingConfig(StageConfig):
    """Settings of the training engine."""

    steps: int = Field(1000, ge=1, le=10_000_000, description="Optimizer steps.", json_schema_extra=_LENGTH)
    batch_size: int = Field(
        16, ge=1, le=65_536, description="Sequences in a step.", json_schema_extra=_LENGTH
    )
    micro_batch_size: int | None = Field(
        None, ge=1, description="Sequences at once; empty: the whole batch.", json_schema_extra=_LENGTH
    )

    optimizer: OptimizerName = Field(
        "adamw",
        description="AdamW; Muon for the matrices of the blocks with AdamW for the rest; SGD; or Lion.",
        json_schema_extra=_OPTIMIZER,
    )
    weight_decay: float = Field(
        0.1,
        ge=0,
        le=10,
        description="Decay of matrices; norms and biases never decay.",
        json_schema_extra=_OPTIMIZER,
    )
    beta1: float = Field(
        0.9, ge=0, lt=1, description="Memory of gradients, for AdamW and Lion.", json_schema_extra=_OPTIMIZER
    )
    beta2: float = Field(
        0.99,
        ge=0,
        lt=1,
        description="AdamW's memory of squared gradients; Lion's of its momentum.",
        json_schema_extra=_OPTIMIZER,
    )
    eps: float = Field(1e-8, gt=0, le=1, description="AdamW's epsilon.", json_schema_extra=_OPTIMIZER)
    momentum: float = Field(
        0.95, ge=0, lt=1, description="Memory of gradients, for Muon and SGD.", json_schema_extra=_OPTIMIZER
    )
    grad_clip: float = Field(
        1.0, gt=0, description="Greatest norm of the gradient.", json_schema_extra=_OPTIMIZER
    )
    ema_decay: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Keep a moving average of the weights with this memory (0.999, say); empty: none.",
        json_schema_extra=_OPTIMIZER,
    )
    use_ema_weights: bool = Field(
        False,
        description="Validate, sample and publish with the averaged weights; needs ema_decay.",
        json_schema_extra=_OPTIMIZER,
    )

    learning_rate: float = Field(2e-3, gt=0, le=1, description="Peak learning rate.", json_schema_extra=_RATE)
    muon_learning_rate: float | None = Field(
        None,
        gt=0,
        le=10,
        description="Peak rate of the matrices that Muon trains; empty: 10 times learning_rate.",
        json_schema_extra=_RATE,
    )
    schedule: ScheduleName = Field(
        "wsd", description="Shape of the learning rate after warm-up.", json_schema_extra=_RATE
    )
    warmup_steps: int = Field(
        50, ge=0, description="Steps over which the learning rate rises.", json_schema_extra=_RATE
    )
    min_lr_ratio: float = Field(
        0.05,
        ge=0,
        le=1,
        description="Lowest learning rate after warm-up, as a share of the peak.",
        json_schema_extra=_RATE,
    )
    decay_fraction: float = Field(
        0.6, gt=0, le=1, description="Share of the steps that decay, for wsd.", json_schema_extra=_RATE
    )
    restarts: int = Field(
        1,
        ge=1,
        le=1000,
        description="Times that cosine_restarts goes back to the peak.",
        json_schema_extra=_RATE,
    )

    precision: Precision = Field(
        "float32",
        description="Format of matrix products; weights stay float32. auto: measures which is fastest.",
        json_schema_extra=_PRECISION,
    )
    tf32: bool = Field(
        False,
        description="Let NVIDIA cards round float32 products to 10 bits of mantissa, for speed.",
        json_schema_extra=_PRECISION,
    )
    compile: bool = Field(
        False,
        description="Compile the model (torch.compile): slow to start, faster after, but not in bf16 on a "
        "processor; needs a C++ compiler.",
        json_schema_extra=_PRECISION,
    )
    activation_checkpointing: ActivationCheckpointing = Field(
        "none",
        description="Recompute blocks in the backward pass to save memory: all, or every second one.",
        json_schema_extra=_PRECISION,
    )

    eval_every: int = Field(100, ge=1, description="Steps between validations.", json_schema_extra=_KEEPING)
    eval_batches: int = Field(8, ge=1, description="Batches of a validation.", json_schema_extra=_KEEPING)
    instruments_every: int = Field(
        0,
        ge=0,
        description="Steps between costly measurements (gradients by layer, activations); 0: none.",
        json_schema_extra=_KEEPING,
    )
    checkpoint_every: int = Field(
        500, ge=1, description="Steps between checkpoints.", json_schema_extra=_KEEPING
    )
    keep_checkpoints: int = Field(
        2, ge=1, le=1000, description="Newest checkpoints kept.", json_schema_extra=_KEEPING
    )
    keep_best: bool = Field(
        True,
        description="Also keep the checkpoint with the lowest validation loss.",
        json_schema_extra=_KEEPING,
    )
    async_checkpoints: bool = Field(
        False,
        description="Write checkpoints while training goes on; needs memory for a copy of all weights.",
        json_schema_extra=_KEEPING,
    )

    sample_every: int = Field(
        250, ge=0, description="Steps between sample texts; 0: none.", json_schema_extra=_SAMPLES
    )
    sample_prompts: tuple[str, ...] = Field(
        (), description="What the model is asked to go on from.", json_schema_extra=_SAMPLES
    )

    device: str = Field("auto", description="auto, cpu, cuda or mps.", json_schema_extra=_MACHINE)
    threads: int | None = Field(
        None,
        ge=1,
        le=1024,
        description="CPU threads of each process; empty: all cores, shared out.",
        json_schema_extra=_MACHINE,
    )
    processes: int = Field(
        1,
        ge=1,
        le=1024,
        description="Processes on a machine that train together; one for each GPU.",
        json_schema_extra=_MACHINE,
    )
    nodes: int = Field(
        1,
        ge=1,
        le=4096,
        description="Machines that train together; they share the workspace's folder.",
        json_schema_extra=_MACHINE,
    )
    parallel: Literal["auto", "ddp", "fsdp"] = Field(
        "auto",
        description="With several processes: ddp copies the model to each, fsdp splits it among them.",
        json_schema_extra=_MACHINE,
    )

    @property
    def matrix_learning_rate(self) -> float:
        """The peak rate of the matrices that Muon trains, by rule where none is given."""
        return self.muon_learning_rate or MUON_RATE_RULE * self.learning_rate

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.micro_batch_size is not None and self.micro_batch_size > self.batch_size:
            raise ValueError(
                f"micro_batch_size ({self.micro_batch_size}) must not exceed batch_size ({self.batch_size})"
            )
        if self.muon_learning_rate is not None and self.optimizer != "muon":
            raise ValueError(f"muon_learning_rate goes with optimizer muon, not {self.optimizer}")
        if self.use_ema_weights and self.ema_decay is None:
            raise ValueError("use_ema_weights needs ema_decay, the memory of the average")
        needed, left = 2 * (self.restarts + 1), max(0, self.steps - self.warmup_steps)
        if self.schedule == "cosine_restarts" and left < needed:
            raise ValueError(
                f"restarts ({self.restarts}) need at least {needed} steps after the warm-up; steps "
                f"({self.steps}) less warmup_steps ({self.warmup_steps}) leaves {left}"
            )
        return self
