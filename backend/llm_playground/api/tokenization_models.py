"""What the tokenization interface is asked and answers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

LONGEST_SHOWN = 200_000  # characters of a text whose tokens are shown one by one
DECODED_IDS = 1_000_000
SUSPICIOUS_SHOWN = 100  # suspicious tokens of each kind that an answer lists
_GREATEST = 10**12

Name = Annotated[
    str,
    Field(
        min_length=1,
        max_length=210,
        description="Id of a tokenizer, or of a model that holds one; or `hub:ORG/NAME`. Never a path.",
    ),
]
_EXAMPLE = "Hello, world! 👋"


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class TokenizerEntry(BaseModel):
    """A tokenizer, or a model that holds one."""

    id: str
    name: str
    kind: Literal["tokenizer", "model"]
    builtin: bool = Field(description="Comes with the program, read-only.")
    created_at: float
    vocab_size: int = Field(description="Number of ids; 0 where it cannot be opened: `about` says why.")
    pattern: str | None = Field(description="How text is cut, null where it is none of the known patterns.")
    about: str = Field(description="What it is, for people.")
    has_trace: bool = Field(description="Its training was recorded: `trace` and `replay` work.")
    special_tokens: list[str] = Field(description="In the order of their ids.")


class TokenizerList(BaseModel):
    """Tokenizers, newest first, built-in ones last."""

    tokenizers: list[TokenizerEntry]


class EncodeRequest(_Request):
    """Which text, and by which tokenizer."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"tokenizer": "prose", "text": _EXAMPLE, "inspect": True}]}
    )

    tokenizer: Name
    text: str
    allowed_special: Literal["all"] | list[str] = Field(
        default_factory=list,
        description="Special tokens that the text may spell; all others are ordinary text.",
    )
    inspect: bool = Field(
        False, description=f"Also explain every token, of at most {LONGEST_SHOWN:,} characters."
    )


class InspectedToken(BaseModel):
    """One token of a text."""

    id: int
    text: str = Field(description="With U+FFFD where the token holds only a part of a character.")
    bytes: str = Field(description="In hexadecimal.")
    start: int = Field(description="First character (code point) of the text.")
    end: int = Field(description="The character behind the last.")
    byte_start: int
    byte_end: int
    special: bool
    partial: bool = Field(description="Holds only a part of a character.")
    piece: int | None = Field(description="Index of its piece, null for an added token.")
    begins: bool = Field(description="Is the first token of its piece.")


class InspectedMerge(BaseModel):
    """One merge within a piece."""

    rank: int = Field(description="Its order in the vocabulary: lower ones come first.")
    left: str
    right: str
    merged: str
    place: int = Field(description="Index of the left one among the piece's symbols at that moment.")


class InspectedPiece(BaseModel):
    """One piece that the pattern cut; each different one is listed once."""

    text: str
    branch: str | None = Field(description="Which part of the pattern cut it.")
    symbols: list[str] = Field(description="What the merging began with.")
    merges: list[InspectedMerge]
    whole: bool = Field(description="It was a token and needed no merging.")
    tokens: list[int]


class InspectedText(BaseModel):
    """A text under the glass."""

    tokens: list[InspectedToken]
    pieces: list[InspectedPiece] = Field(description="Empty for tokenizers that do not tell them.")
    pattern: str | None


class EncodedText(BaseModel):
    """The tokens of a text."""

    ids: list[int]
    count: int
    characters: int
    bytes: int
    bytes_per_token: float | None
    inspection: InspectedText | None


class DecodeRequest(_Request):
    """Which ids, and by which tokenizer."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"tokenizer": "prose", "ids": [40, 69, 76, 76, 79]}]}
    )

    tokenizer: Name
    ids: list[Annotated[int, Field(strict=True)]] = Field(description=f"At most {DECODED_IDS:,}.")


class DecodedToken(BaseModel):
    """What one id stands for."""

    id: int
    text: str
    bytes: str = Field(description="In hexadecimal.")
    special: bool
    partial: bool


class DecodedText(BaseModel):
    """The text of ids."""

    text: str = Field(description="With U+FFFD where bytes are no text.")
    tokens: list[DecodedToken]


class CompareRequest(_Request):
    """Which text, and by which tokenizers."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"tokenizers": ["prose", "code"], "text": _EXAMPLE}]}
    )

    tokenizers: list[Name] = Field(min_length=2, max_length=6, description="2 to 6 different ones.")
    text: str = Field(description=f"At most {LONGEST_SHOWN:,} characters.")


class PlacedToken(BaseModel):
    """A token and its characters in the text."""

    id: int
    text: str
    bytes: str = Field(description="In hexadecimal.")
    start: int
    end: int
    partial: bool
    special: bool


class ComparedTokenizer(BaseModel):
    """What one tokenizer makes of the text."""

    tokenizer: str
    name: str
    count: int
    bytes_per_token: float | None
    characters_per_token: float | None
    tokens: list[PlacedToken]
    only_here: list[int] = Field(description="Indices of tokens that stand where no other has a token.")


class Comparison(BaseModel):
    """One text, cut by several tokenizers."""

    characters: int
    bytes: int
    words: int = Field(description="Parted by white space.")
    results: list[ComparedTokenizer] = Field(description="In the order asked for.")


class AnalyzeRequest(_Request):
    """Which tokenizer, measured by what; without text and data set by the built-in samples."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"tokenizer": "prose"}]})

    tokenizer: Name
    text: str | None = Field(None, description="Measure by this text.")
    dataset: str | None = Field(None, description="Measure by this data set.")
    characters: int = Field(200_000, ge=1, le=2_000_000, description="Characters of the data set read.")


class CoverageFigures(BaseModel):
    """Counts over some tokens, and the ratios that follow; null where there is nothing to divide."""

    name: str
    tokens: int
    bytes: int
    characters: int
    words: int
    single_token_words: int
    partial_tokens: int
    unknown_tokens: int
    distinct_tokens: int
    shannon_entropy: float
    renyi_entropy: float
    vocab_size: int
    bytes_per_token: float | None
    characters_per_token: float | None
    words_per_token: float | None
    tokens_per_word: float | None
    single_token_word_share: float | None
    byte_fallback_rate: float | None
    unknown_rate: float | None
    shannon_efficiency: float | None
    renyi_efficiency: float | None


class SuspiciousEntry(BaseModel):
    """One token that a model may never have learned."""

    id: int
    text: str
    hex: str


class SuspiciousGroup(BaseModel):
    """Tokens that are suspicious for one reason."""

    reason: str
    explanation: str
    count: int
    tokens: list[SuspiciousEntry] = Field(description=f"The first {SUSPICIOUS_SHOWN}, by id.")


class CoverageReport(BaseModel):
    """How well a vocabulary covers a text."""

    total: CoverageFigures
    by_script: list[CoverageFigures] = Field(description="Unicode scripts, most tokens first.")
    by_content: list[CoverageFigures] = Field(description="Prose, code, numbers and white space.")
    order: float = Field(description="Of the Rényi entropy.")
    used_tokens: int
    unused_tokens: int
    used_share: float | None
    suspicious: list[SuspiciousGroup] = Field(
        description="Found from the tokenizer alone; a token can have several reasons."
    )


class CostRequest(_Request):
    """What is sent (a text or a number of tokens) and what comes back."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "model": "gpt-5-mini",
                    "text": _EXAMPLE,
                    "output_tokens": 200,
                    "cached_share": 0.5,
                    "requests_per_month": 10_000,
                    "tokenizer": "prose",
                }
            ]
        }
    )

    model: str = Field(min_length=1, max_length=310, description="Name in the price table, or PROVIDER/NAME.")
    text: str | None = Field(None, description="Input of one request.")
    tokens: int | None = Field(None, ge=0, le=_GREATEST, description="Its tokens, where you know them.")
    output_tokens: int = Field(0, ge=0, le=_GREATEST, description="Expected, thinking included.")
    cached_share: float = Field(0, ge=0, le=1, description="Share of the input read from the cache.")
    batch: bool = Field(False, description="Use the batch prices.")
    requests_per_month: int | None = Field(None, ge=0, le=_GREATEST, description="Also plan a month.")
    tokenizer: Name | None = Field(None, description="Counts where the model's own is not at hand.")


class CountedTokens(BaseModel):
    """A number of tokens and how far it can be trusted."""

    tokens: int
    exact: bool
    method: Literal["own tokenizer", "other tokenizer", "characters", "given"]
    reason: str


class CostAnswer(BaseModel):
    """What a request costs, and a month of them."""

    provider: str
    model: str
    currency: str
    as_of: str
    source: str
    input: CountedTokens
    cached_tokens: int
    output_tokens: int
    input_cost: float
    cached_cost: float
    output_cost: float
    request_cost: float
    batch: bool
    long: bool
    requests_per_month: int | None
    monthly_cost: float | None
    monthly_input_tokens: int | None
    monthly_output_tokens: int | None
    warnings: list[str]


class RunnerUp(BaseModel):
    """The pair that was next in line."""

    left: str
    right: str
    count: int


class TracedMerge(BaseModel):
    """One merge of a training."""

    left: str = Field(description="Bytes that are no text are shown in hexadecimal.")
    right: str
    merged: str
    count: int = Field(description="How often the pair stood in the corpus at that moment.")
    runner_up: RunnerUp | None


class TracedStep(TracedMerge):
    """One merge with its number."""

    step: int = Field(description="From 1: replay with this step shows the text right after the merge.")


class Trace(BaseModel):
    """Merges of a training, in order."""

    steps_total: int
    tie_break: str
    steps: list[TracedStep]


class ReplayRequest(_Request):
    """Which text, and at which moment of the training."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"text": _EXAMPLE, "step": 100}]})

    text: str = Field(description=f"At most {LONGEST_SHOWN:,} characters.")
    step: int = Field(ge=0, description="After so many merges.")


class ReplayedToken(BaseModel):
    """A token and its characters in the text."""

    id: int
    text: str
    bytes: str = Field(description="In hexadecimal.")
    start: int
    end: int
    partial: bool


class Replay(BaseModel):
    """A text as it was cut at one moment of the training."""

    step: int
    vocab_size: int = Field(description="Number of ids there were.")
    tokens: list[ReplayedToken]
    merge: TracedMerge | None = Field(description="The last merge so far, null before the first.")
