"""What the interface to architectures is asked and answers: presets, analysis, comparison, recommendation."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from llm_playground.api.plain import PlainObject
from llm_playground.core.device_table import Device

Precision = Literal["float32", "bf16", "fp16"]
Optimizer = Literal["adamw", "adamw-8bit", "adafactor", "lion", "momentum", "muon", "sgd"]
Checkpointing = Literal["none", "full", "selective"]
_LONGEST_CONTEXT = 2**20

ModelRef = Annotated[
    str,
    Field(
        min_length=1,
        max_length=210,
        description="Id of a model of the workspace, or `preset:NAME` (random weights from a fixed seed).",
    ),
]
_SMALL: JsonDict = {
    "vocab_size": 1024,
    "context_length": 128,
    "width": 128,
    "layers": 4,
    "heads": 4,
    "kv_heads": 2,
}


class LabRequest(BaseModel):
    """Base of requests: unknown settings are an error."""

    model_config = ConfigDict(extra="forbid")


class PresetEntry(BaseModel):
    """A named architecture."""

    name: str
    aliases: list[str]
    title: str
    about: str
    family: str = Field(description="Model type in the Hugging Face world, or `llm_playground`.")
    config: dict[str, Any]
    parameters: int
    runnable: bool = Field(description="Small enough to run here with random weights.")
    needs_bytes: int = Field(description="Memory that running it takes: float32 weights and one pass.")
    why_not: str | None = Field(description="Why it cannot be run here, null where it can.")


class PresetList(BaseModel):
    """Named architectures, smallest first."""

    presets: list[PresetEntry]


class DeviceList(BaseModel):
    """Devices to plan with."""

    devices: list[Device] = Field(description="The fastest first.")
    this: Device = Field(description="The machine that the server runs on, measured.")
    as_of: str | None = Field(description="The oldest day for which an entry was right.")
    currency: str
    note: str = Field(description="Words for whoever reads the table.")


class LabModel(BaseModel):
    """A model to look into."""

    ref: str = Field(description="What requests call it: an id, or `preset:NAME`.")
    name: str
    random: bool = Field(description="Its weights are random: nothing was learned.")
    builtin: bool = Field(description="Comes with the program.")
    architecture: Literal["decoder", "encoder", "encoder-decoder"]
    layers: int
    heads: int
    kv_heads: int
    width: int
    parameters: int
    context_length: int
    vocab_size: int
    tokenizer: str | None = Field(description="Cuts texts for it; null: give ids.")
    runnable: bool
    why_not: str | None


class LabModelList(BaseModel):
    """Models of the workspace, newest first and built-in ones last; then presets."""

    models: list[LabModel]


class Planned(LabRequest):
    """How an architecture is to be trained and run."""

    context: int | None = Field(
        None, ge=1, le=_LONGEST_CONTEXT, description="Tokens of a sequence; default the model's context."
    )
    batch: int = Field(1, ge=1, le=1_000_000, description="Sequences of a training step on one device.")
    precision: Precision = Field("float32", description="Of weights and activations.")
    optimizer: Optimizer = Field("adamw", description="Decides what is kept for each weight.")
    checkpointing: Checkpointing = Field("none", description="Activations that are computed twice.")
    shards: int = Field(
        1, ge=1, le=65_536, description="Devices among which weights, gradients and optimizer are divided."
    )
    tokens: int | None = Field(
        None, ge=1, le=10**16, description="Tokens to train on; default twenty for each parameter."
    )
    device: str | None = Field(None, max_length=100, description="Device of the table, for time and cost.")
    utilization: float = Field(0.4, gt=0, le=1, description="Share of the device's peak that is reached.")


class ArchitectureRequest(Planned):
    """Which architecture (`model` or `config`, one of the two), and how it is trained and run."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"model": "preset:gpt2-small", "batch": 8, "precision": "bf16"},
                {"config": _SMALL, "context": 128, "tokens": 1_000_000_000},
            ]
        }
    )

    model: ModelRef | None = None
    config: PlainObject | None = Field(None, description="Settings as in `schema`; others have defaults.")


class ComponentCount(BaseModel):
    """Parameters of one component."""

    component: str
    count: int
    share: float


class LayerCount(BaseModel):
    """Parameters of one layer, or of what lies outside the layers."""

    name: str = Field(description="`embedding`, `layer 0`, `final norm and head` and so on.")
    layer: int | None
    count: int
    by_component: dict[str, int]


class ParameterCounts(BaseModel):
    """Parameters, a tied head once."""

    total: int
    trainable: int
    active: int = Field(description="Those that work on one token: fewer where experts are chosen.")
    without_embeddings: int
    by_component: list[ComponentCount]
    by_layer: list[LayerCount]


class ComponentFlops(BaseModel):
    """Operations of one component for one token."""

    component: str
    forward: float


class FlopCounts(BaseModel):
    """Floating-point operations per token at the context asked for; a multiply-add counts two."""

    context: int
    per_token_forward: float
    per_token_training: float
    per_token_forward_full: float = Field(description="If every token saw all others.")
    recomputed: float = Field(description="What full checkpointing adds.")
    by_component: list[ComponentFlops]


class ComponentBytes(BaseModel):
    """Bytes of one component."""

    component: str
    bytes: int


class MemoryBytes(BaseModel):
    """Memory of one device in bytes."""

    weights: int
    gradients: int
    optimizer: int
    activations: int
    logits: int
    gathered: int = Field(description="Weights that are whole for a while though they are divided.")
    total_training: int
    inference: int
    kv_cache_per_token: int
    kv_cache_at_context: int
    activations_by_component: list[ComponentBytes]


class CurvePoint(BaseModel):
    """KV cache of one sequence."""

    context: int
    bytes: int


class LossPoint(BaseModel):
    """Loss that scaling laws predict."""

    tokens: float
    loss: float
    loss_replication: float


class Optimum(BaseModel):
    """The best split of a training's compute by one fit of the law."""

    law: str
    source: str
    parameters: float
    tokens: float
    loss: float


class Budget(BaseModel):
    """What a training takes; null where the device, its price or its power is not known."""

    tokens: int
    chinchilla_tokens: int = Field(description="Twenty for each parameter (Hoffmann et al. 2022).")
    tokens_per_parameter: float
    training_flops: float
    hardware_flops: float = Field(description="With what checkpointing computes again.")
    device: str | None
    devices: int
    rate: float | None = Field(description="Operations per second reached by all devices together.")
    seconds: float | None
    cost: float | None
    currency: str
    energy_kwh: float | None
    predicted_loss: float = Field(description="By Hoffmann et al. 2022, nats per token.")
    predicted_loss_replication: float = Field(description="By Besiroglu et al. 2024.")
    loss_curve: list[LossPoint]
    optima: list[Optimum]


class Formula(BaseModel):
    """How a figure is worked out, and who says so."""

    name: str
    formula: str
    source: str


class PlanSettings(BaseModel):
    """How the architecture is trained and run."""

    context: int
    batch: int
    precision: str
    optimizer: str
    checkpointing: str
    shards: int
    utilization: float


class ArchitectureAnalysis(BaseModel):
    """Parameters, operations, memory and budget of an architecture."""

    config: dict[str, Any]
    family: str
    hf_type: str | None = Field(description="Model type in `transformers`, null where it has none.")
    hf_config: dict[str, Any] = Field(description="The `config.json` that an export would have.")
    settings: PlanSettings
    parameters: ParameterCounts
    flops: FlopCounts
    memory: MemoryBytes
    kv_curve: list[CurvePoint]
    budget: Budget
    notes: list[str]
    formulas: list[Formula]


class ArchitectureChoice(LabRequest):
    """One of the architectures: `model` or `config`, one of the two."""

    label: str | None = Field(None, min_length=1, max_length=100, description="Default: its name.")
    model: ModelRef | None = None
    config: PlainObject | None = None


class CompareArchitecturesRequest(Planned):
    """Which architectures, and how each is trained and run."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "architectures": [
                        {"model": "preset:gpt2-small"},
                        {"label": "Small and narrow", "config": _SMALL},
                    ],
                    "context": 128,
                }
            ]
        }
    )

    architectures: list[ArchitectureChoice] = Field(min_length=2, max_length=6)


class ComparedArchitecture(BaseModel):
    """One architecture and its figures."""

    label: str
    analysis: ArchitectureAnalysis


class ComparedField(BaseModel):
    """One setting, side by side."""

    field: str
    group: str
    values: list[Any] = Field(description="In the order asked for.")
    differs: bool


class ComponentDelta(BaseModel):
    """One component, side by side."""

    component: str
    parameters: list[int]
    share: list[float]
    flops: list[float] = Field(description="Forward operations for one token.")


class MemoryDelta(BaseModel):
    """One part of the memory, side by side."""

    part: str
    bytes: list[int]


class KVCurve(BaseModel):
    """KV cache of one architecture over the context."""

    label: str
    points: list[CurvePoint]


class ArchitectureComparison(BaseModel):
    """Architectures side by side."""

    items: list[ComparedArchitecture]
    fields: list[ComparedField]
    deltas: list[ComponentDelta]
    memory: list[MemoryDelta]
    kv_curves: list[KVCurve]
    notes: list[str]


class RecommendRequest(LabRequest):
    """What there is to work with."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"memory_bytes": 8_000_000_000, "hours": 2, "flops": 2e11, "purpose": "train"},
                {"memory_bytes": 24_000_000_000, "purpose": "run", "context": 8192},
            ]
        }
    )

    memory_bytes: int = Field(ge=1_000_000, le=10**15, description="Memory of the device.")
    device: str | None = Field(None, max_length=100, description="Device of the table.")
    hours: float | None = Field(None, gt=0, le=1e6, description="Time to train.")
    flops: float | None = Field(
        None, gt=0, le=1e22, description="Operations per second reached; default from the device."
    )
    purpose: Literal["train", "run"] = "train"
    vocab_size: int | None = Field(None, ge=2, le=2**31 - 1)
    context: int | None = Field(None, ge=2, le=_LONGEST_CONTEXT)


class Recommendation(BaseModel):
    """An architecture that fits, and why."""

    name: str | None = Field(description="Preset, null for one made to measure.")
    config: dict[str, Any]
    parameters: int
    tokens: int | None = Field(description="Tokens to train on within the budget; null for running.")
    batch: int
    precision: str
    checkpointing: str
    optimizer: str
    memory_bytes: int = Field(description="What that takes.")
    training_flops: float | None
    seconds: float | None = Field(description="Of the whole training; null where the rate is not known.")
    predicted_loss: float | None
    reasons: list[str]
    warnings: list[str]


class Recommendations(BaseModel):
    """Architectures that fit, the best first."""

    recommendations: list[Recommendation]
    reasons: list[str] = Field(description="How they were found.")
