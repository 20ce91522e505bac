"""What the interface to a model at work is asked and answers: attention, steps, lens, patching."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from llm_playground.api.transformer_models import LabRequest, ModelRef

LONGEST_TEXT = 100_000  # characters; the model's context is shorter
MOST_IDS = 16_384
_EXAMPLE: JsonDict = {"model": "example", "text": "Mia has a dog. The dog is in the garden."}
_BACK: JsonDict = {"model": "example", "text": "Mia has a dog. Leo has a"}

TokenId = Annotated[int, Field(strict=True, ge=0, lt=2**31)]
Layer = Annotated[int, Field(ge=0, le=1023, description="Counted from 0.")]
Head = Annotated[int, Field(ge=0, le=1023, description="Counted from 0.")]
Position = Annotated[
    int,
    Field(ge=-MOST_IDS, lt=MOST_IDS, description="Index of a token; negative ones count from the end."),
]
MapKind = Literal["weights", "value_weighted", "rollout"]


class TextRequest(LabRequest):
    """Which model, and what it reads: a text or token ids, one of the two."""

    model: ModelRef
    text: str | None = Field(
        None,
        max_length=LONGEST_TEXT,
        description="Special tokens that it spells are special. It must fit into the model's context.",
    )
    ids: list[TokenId] | None = Field(None, max_length=MOST_IDS, description="In place of a text.")


class LabToken(BaseModel):
    """A token and its characters in the text."""

    id: int
    text: str = Field(description="With U+FFFD where the token holds only a part of a character.")
    start: int = Field(description="First character (code point) of the text, or of the ids' text.")
    end: int = Field(description="The character behind the last.")


class Looked(BaseModel):
    """What was looked into."""

    model: str
    random: bool = Field(description="The weights are random: nothing was learned.")
    tokenizer: str | None = Field(description="What cut the text.")
    tokens: list[LabToken]


class AttentionRequest(TextRequest):
    """Whose heads, on which text."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})


class HeadPattern(BaseModel):
    """What one head does on this text."""

    layer: int
    head: int
    label: str = Field(description="Name of the pattern, or `mixed`.")
    score: float = Field(description="Of that pattern; for `mixed` the greatest strength of any.")
    strength: float = Field(description="What the label rests on: the score beyond chance, 1 at most.")
    labels: list[str] = Field(description="All patterns that are strong enough, the label first.")
    measured_on: str
    scores: dict[str, float | None] = Field(
        description="By the definitions' names; null where the text has nothing to measure it on."
    )
    offsets: list[float] = Field(description="Mean weight on the token k before, for k from 0.")


class PatternDefinition(BaseModel):
    """What a pattern is, exactly."""

    name: str
    title: str
    formula: str
    source: str
    measured_on: Literal["text", "probe"]
    threshold: float | None = Field(description="Least strength for the label; null: never a label.")
    false_positives: str


class InductionProbe(BaseModel):
    """Random tokens, said twice, on which induction is measured."""

    tokens: int
    seed: int


class AttentionAnswer(Looked):
    """Every head with its pattern."""

    layers: int
    heads: int
    patterns: list[HeadPattern]
    definitions: list[PatternDefinition]
    induction_probe: InductionProbe | None


class ThumbnailRequest(TextRequest):
    """Pictures of all heads, small."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**_EXAMPLE, "kind": "weights", "size": 32}]})

    kind: MapKind = "weights"
    size: int = Field(32, ge=4, le=64, description="Rows and columns of each; at most the tokens'.")


class MapRequest(TextRequest):
    """One head's map, or a part of it."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{**_EXAMPLE, "layer": 1, "head": 0, "kind": "weights"}]}
    )

    layer: Layer
    head: Head = 0
    kind: MapKind = Field("weights", description="A rollout is of the whole layer: it has no heads.")
    rows: tuple[int, int] | None = Field(None, description="First row, and the row behind the last.")
    columns: tuple[int, int] | None = Field(None, description="First column, and the one behind the last.")


class TraceRequest(TextRequest):
    """Which token is followed."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**_EXAMPLE, "position": -1, "top": 10}]})

    position: Position = -1
    top: int = Field(10, ge=1, le=100, description="Likeliest next tokens.")


class TracedTensor(BaseModel):
    """One tensor on the way."""

    name: str = Field(description="Name by which its numbers can be asked for.")
    title: str
    layer: int | None
    shape: list[int] = Field(description="Of the token's part: `[width]`, or `[heads, size]`.")
    formula: str
    source: str
    norm: float
    mean: float
    std: float
    preview: list[float] = Field(description="The first numbers, row by row, 32 at most.")


class Prediction(BaseModel):
    """A possible next token."""

    id: int
    text: str
    logit: float
    probability: float


class TraceAnswer(Looked):
    """One token's way through the model."""

    position: int
    steps: list[TracedTensor]
    predictions: list[Prediction]


class TensorRequest(TextRequest):
    """Which numbers of a tensor."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{**_EXAMPLE, "name": "blocks.0.attention.q", "position": -1, "head": 0}]
        }
    )

    name: str = Field(min_length=1, max_length=100, description="As in the steps of a trace.")
    position: Position | None = Field(None, description="Of the token; null: all of them.")
    head: Head | None = None
    start: int = Field(0, ge=0, lt=2**40, description="Leave out so many numbers.")
    count: int = Field(4096, ge=1, le=4096, description="How many numbers.")


class TensorAnswer(BaseModel):
    """Numbers of a tensor, row by row; the figures are of all that was selected."""

    name: str
    shape: list[int]
    values: list[float]
    minimum: float
    maximum: float
    mean: float
    formula: str


class ExplainRequest(TextRequest):
    """Which number is to be worked out."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {**_EXAMPLE, "name": "blocks.0.attention.scores", "position": -1, "index": 3, "head": 0}
            ]
        }
    )

    name: str = Field(min_length=1, max_length=100)
    position: Position
    index: int = Field(ge=0, lt=2**31, description="Of the number in the token's vector.")
    head: Head | None = None


class NumberPlace(BaseModel):
    """Where a number stands among the tensors of the pass."""

    name: str
    position: int
    index: int
    head: int | None


class Term(BaseModel):
    """One product of a sum."""

    label: str
    factor_a: float
    factor_b: float
    product: float
    source: NumberPlace | None = Field(
        description="The number that `factor_a` is, to be explained in turn; null where it is a weight."
    )
    source_b: NumberPlace | None = Field(description="The same of `factor_b`.")


class ExplainAnswer(BaseModel):
    """A number as the sum that made it."""

    name: str
    position: int
    index: int
    head: int | None
    title: str = Field(description="Which number it is, in words.")
    operation: str = Field(description="Kind of computation that made it.")
    value: float = Field(description="As the model computed it.")
    terms: list[Term] = Field(description="The 32 largest.")
    rest: float = Field(description="Sum of all others.")
    count: int = Field(description="Number of terms, the others too.")
    bias: float
    sum: float = Field(description="Terms, rest and bias: the value but for rounding.")
    formula: str


class LensRequest(TextRequest):
    """What each layer would say."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**_EXAMPLE, "top": 5}]})

    top: int = Field(5, ge=1, le=20, description="Likeliest tokens at each place.")


class LensGuess(BaseModel):
    """A token and how likely it is."""

    id: int
    text: str
    probability: float


class LensPosition(BaseModel):
    """What one layer would say after one token."""

    top: list[LensGuess]
    entropy: float = Field(description="In nats.")
    target_rank: int | None = Field(
        description="Of the token that follows (of an encoder: that is there), 1 is the likeliest."
    )
    target_probability: float | None
    kl_to_final: float = Field(description="From the last layer's distribution, in nats.")


class LensLayer(BaseModel):
    """What one layer would say."""

    name: str
    title: str
    positions: list[LensPosition]


class LensAnswer(Looked):
    """What the model would say if it stopped after each layer."""

    layers: list[LensLayer] = Field(description="The embedding, then each layer.")
    note: str = Field(description="What the target is, and what is special about this model.")


class AttributionRequest(TextRequest):
    """Whose logit is divided among the components."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**_BACK, "position": -1}]})

    position: Position = -1
    target: TokenId | None = Field(None, description="Default: the likeliest next token.")
    against: TokenId | None = Field(None, description="Divide the difference to this token's logit.")


class AttributedComponent(BaseModel):
    """What one component adds."""

    name: str
    title: str
    layer: int | None
    head: int | None
    value: float


class AttributionAnswer(Looked):
    """A logit as the sum of what the components add."""

    position: int
    target: int
    target_text: str
    against: int | None
    against_text: str | None
    logit: float = Field(description="Of the target, or its difference to `against`.")
    components: list[AttributedComponent]
    sum: float = Field(description="Of the components.")
    rest: float = Field(description="What the logit has beyond it.")
    note: str


class PatchIntervention(LabRequest):
    """One change within the model."""

    part: Literal["head", "attention", "ffn", "residual"]
    layer: Layer
    head: Head | None = Field(None, description="Needed for `head`.")
    position: Position | None = Field(None, description="Only at this token; null: at all.")
    kind: Literal["zero", "mean", "patch"] = Field(
        description="Nothing, the mean over the text, or the value from `source_text`."
    )


class PatchRequest(TextRequest):
    """What is changed, and where the outcome is looked at."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {**_BACK, "interventions": [{"part": "head", "layer": 1, "head": 0, "kind": "zero"}]}
            ]
        }
    )

    interventions: list[PatchIntervention] = Field(max_length=64, description="None: nothing changes.")
    source_text: str | None = Field(
        None, max_length=LONGEST_TEXT, description="Where `patch` takes values from; as many tokens."
    )
    source_ids: list[TokenId] | None = Field(None, max_length=MOST_IDS, description="In its place.")
    position: Position = -1
    targets: list[TokenId] | None = Field(None, max_length=32, description="Tokens to report as well.")
    top: int = Field(10, ge=1, le=100, description="Likeliest next tokens before and after.")


class PatchTarget(BaseModel):
    """How likely a token was and is."""

    id: int
    text: str
    before: float
    after: float


class PatchAnswer(Looked):
    """What the changes do to the next token."""

    position: int
    source_tokens: list[LabToken] | None
    before: list[Prediction]
    after: list[Prediction]
    kl: float = Field(description="From before to after, in nats.")
    targets: list[PatchTarget]


class SweepRequest(TextRequest):
    """Two texts of as many tokens; each place of the first is put into the second."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "model": "example",
                    "text": "Mia has a dog. Leo has a cat. Mia has a",
                    "source_text": "Mia has a cat. Leo has a dog. Mia has a",
                    "part": "residual",
                }
            ]
        }
    )

    source_text: str | None = Field(None, max_length=LONGEST_TEXT, description="The corrupted text.")
    source_ids: list[TokenId] | None = Field(None, max_length=MOST_IDS, description="In its place.")
    part: Literal["residual", "attention", "ffn", "head"] = "residual"
    position: Position = -1
    answer: TokenId | None = Field(None, description="Default: the likeliest after the clean text.")
    wrong: TokenId | None = Field(None, description="Default: the likeliest after the corrupted text.")


class SweepAnswer(Looked):
    """How much of the clean answer each place brings back: 0 as corrupted, 1 as clean."""

    source_tokens: list[LabToken]
    position: int
    answer: int
    answer_text: str
    wrong: int | None = Field(description="Null where both texts have the same likeliest token.")
    wrong_text: str | None
    rows: list[str]
    columns: list[str]
    values: list[list[float | None]]
    metric: str
    clean: float
    corrupted: float
