"""What text costs at paid models: a dated price table that people can edit, token counts, and monthly plans.

For one request with I input tokens, of which the share c is read from the provider's cache, and O output
tokens, prices being per million tokens:

    cost = ((1 - c) I * input + c I * cached_input + O * output) * batch / 1,000,000

``batch`` is 1, or the batch factor where batch prices were asked for. Beyond ``long.above`` input tokens the
long prices hold for the whole request. A month is that times the requests. Writing to a cache, storage,
images, tools and thinking tokens that were not counted as output are left out, and taxes too.

The table that comes with the program is ``prices.json`` beside this module; a workspace's own ``prices.json``
stands in its place once it is saved.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from llm_playground.core.config import StageConfig
from llm_playground.core.errors import InputError, NotFoundError
from llm_playground.core.tables import PastDate, TableFile
from llm_playground.tokenization.base import Tokenizer
from llm_playground.tokenization.pipeline import strict_utf8

if TYPE_CHECKING:
    from llm_playground.core.workspace import Workspace

PRICES_FILE = "prices.json"
SHIPPED = Path(__file__).with_name(PRICES_FILE)
CHARACTERS_PER_TOKEN = 4
MILLION = 1_000_000
FindTokenizer = Callable[[str], Tokenizer | None]
Dollars = Annotated[float, Field(ge=0, le=100_000, allow_inf_nan=False)]


class LongPrice(StageConfig):
    """Prices of requests with more input than a limit; they hold for the whole request."""

    above: int = Field(gt=0, description="These prices hold for more input tokens than so many.")
    input: Dollars = Field(description="USD per million input tokens.")
    cached_input: Dollars | None = Field(None, description="USD per million input tokens from cache.")
    output: Dollars = Field(description="USD per million output tokens.")


class Price(StageConfig):
    """What one model costs at one provider."""

    provider: str = Field(min_length=1, max_length=100, description="Who sells it.")
    model: str = Field(min_length=1, max_length=200, description="The model's name in the provider's API.")
    input: Dollars = Field(description="USD per million input tokens.")
    cached_input: Dollars | None = Field(
        None, description="USD per million input tokens from the provider's cache; null: no discount."
    )
    output: Dollars = Field(description="USD per million output tokens.")
    batch: float | None = Field(
        None, gt=0, le=1, description="Factor on all prices in batch mode; null: no batch mode."
    )
    long: LongPrice | None = Field(None, description="Prices of long requests, where they differ.")
    context: int | None = Field(None, gt=0, description="Tokens of input and output together.")
    tokenizer: str | None = Field(
        None, max_length=200, description="Name of the model's own tokenizer; null: it is not published."
    )
    as_of: PastDate = Field(description="The day for which these figures were right.")
    source: str = Field(min_length=1, max_length=500, description="Where the figures are from.")
    note: str = Field("", max_length=1000, description="Anything else to know.")


class PriceTable(StageConfig):
    """Prices per million tokens."""

    currency: Literal["USD"] = Field("USD", description="Currency of all figures.")
    note: str = Field("", max_length=1000, description="Words for whoever reads the table.")
    prices: tuple[Price, ...] = Field(description="One entry for each model and provider.")

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        keys = [(price.provider.lower(), price.model.lower()) for price in self.prices]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            raise ValueError(f"{twice[0]}/{twice[1]} is listed twice")
        return self

    def find(self, model: str) -> Price:
        """Return the price of a model by its name, or as ``provider/model``; case does not matter.

        Raises:
            NotFoundError: it is not in the table.
            InputError: several providers sell it.
        """
        wanted = model.lower()
        found = [price for price in self.prices if f"{price.provider}/{price.model}".lower() == wanted]
        found = found or [price for price in self.prices if price.model.lower() == wanted]
        if not found:
            raise NotFoundError(
                f"The price table has no model {model!r}.",
                hint="Add it to the table, or choose one of those that are listed.",
            )
        if len(found) > 1:
            names = ", ".join(f"{price.provider}/{price.model}" for price in found)
            raise InputError(
                f"Several providers sell {model}.", hint=f"Choose one of {names}.", field="model"
            )
        return found[0]


@dataclass(frozen=True)
class TokenCount:
    """A number of tokens and how far it can be trusted.

    Attributes:
        tokens: how many.
        exact: whether the model's own tokenizer counted them.
        method: ``own tokenizer``, ``other tokenizer``, ``characters`` or ``given``.
        reason: one sentence for people.
    """

    tokens: int
    exact: bool
    method: Literal["own tokenizer", "other tokenizer", "characters", "given"]
    reason: str


@dataclass(frozen=True)
class CostEstimate:
    """What :func:`estimate` found; money is in ``currency``.

    Attributes:
        provider, model, currency, as_of, source: from the price table.
        input: the input tokens of one request, exact or not.
        cached_tokens: those of them that are read from cache.
        output_tokens: expected output tokens of one request.
        input_cost, cached_cost, output_cost, request_cost: of one request.
        batch, long: whether batch prices and whether the prices of long requests were used.
        requests_per_month, monthly_cost, monthly_input_tokens, monthly_output_tokens: of the plan, or None.
        warnings: sentences that a person should read before relying on the figures.
    """

    provider: str
    model: str
    currency: str
    as_of: str
    source: str
    input: TokenCount
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
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON data."""
        return asdict(self)


_FILE = TableFile(PriceTable, SHIPPED)


def load_prices(workspace: Workspace | None = None) -> PriceTable:
    """Return the workspace's own price table, else the one that comes with the program.

    Raises:
        StorageError: the file is not JSON.
        ConfigError: an entry is wrong; all problems are listed.
    """
    return _FILE.load(workspace)


def save_prices(workspace: Workspace, table: PriceTable | Mapping[str, Any]) -> PriceTable:
    """Check a price table and make it the workspace's own; see :meth:`TableFile.save`."""
    return _FILE.save(workspace, table)


def reset_prices(workspace: Workspace) -> PriceTable:
    """Forget the workspace's own price table; returns the one that comes with the program."""
    return _FILE.reset(workspace)


def parse_prices(values: Any, source: str = "") -> PriceTable:
    """Check plain data.

    Raises:
        ConfigError: an entry is wrong; all problems are listed.
    """
    return _FILE.parse(values, source)


def count_tokens(
    text: str, price: Price, find_tokenizer: FindTokenizer | None = None, stand_in: Tokenizer | None = None
) -> TokenCount:
    """Count a text's tokens as well as can be done here.

    Args:
        text: what is sent. The few tokens by which a provider wraps each message are not counted.
        price: of the model.
        find_tokenizer: returns a tokenizer by its name, or None where it is not at hand.
        stand_in: another tokenizer, used where the model's own is not at hand.

    Raises:
        InputError: the text holds a lone surrogate.
    """
    own = price.tokenizer
    tokenizer = find_tokenizer(own) if own is not None and find_tokenizer is not None else None
    if own is not None and tokenizer is not None:
        count = len(tokenizer.encode_ordinary(text))
        return TokenCount(count, True, "own tokenizer", f"Counted with {own}, the model's own tokenizer.")
    why = f"{own}, the model's own, is not at hand" if own else "the model's own is not published"
    if stand_in is not None:
        count = len(stand_in.encode_ordinary(text))
        return TokenCount(count, False, "other tokenizer", f"Counted with another tokenizer; {why}.")
    strict_utf8(text)
    return TokenCount(
        math.ceil(len(text) / CHARACTERS_PER_TOKEN),
        False,
        "characters",
        f"One token for every {CHARACTERS_PER_TOKEN} characters, a rule for English that is far too low for "
        f"many other languages; no tokenizer was used: {why}.",
    )


def estimate(
    source: str | int | TokenCount,
    model: str,
    prices: PriceTable | None = None,
    *,
    expected_output: int = 0,
    cached_share: float = 0.0,
    batch: bool = False,
    requests_per_month: int | None = None,
    find_tokenizer: FindTokenizer | None = None,
    stand_in: Tokenizer | None = None,
) -> CostEstimate:
    """Estimate what a request costs, and a month of them.

    Args:
        source: the input of one request: a text, or a number of tokens.
        model: name in the table, or ``provider/model``.
        prices: default those that come with the program.
        expected_output: output tokens of one request, thinking tokens included.
        cached_share: share of the input tokens that is read from the provider's cache, 0 to 1.
        batch: use the batch prices.
        requests_per_month: also plan a month.
        find_tokenizer, stand_in: see :func:`count_tokens`.

    Raises:
        NotFoundError: the model is not in the table.
        InputError: an argument is out of range, or the text holds a lone surrogate.
    """
    for name, value in (
        ("expected_output", expected_output),
        ("requests_per_month", requests_per_month or 0),
    ):
        if value < 0:
            raise InputError(f"{name}: {value} is negative.", field=name)
    if not 0 <= cached_share <= 1:
        raise InputError(f"cached_share: {cached_share} is not between 0 and 1.", field="cached_share")
    table = load_prices() if prices is None else prices
    price = table.find(model)
    count = _counted(source, price, find_tokenizer, stand_in)
    warnings: list[str] = []
    rates: Price | LongPrice = price
    is_long = price.long is not None and count.tokens > price.long.above
    if price.long is not None and is_long:
        rates = price.long
        warnings.append(f"Beyond {price.long.above:,} input tokens the whole request costs more.")
    cached_rate = rates.cached_input
    if cached_rate is None:
        cached_rate = rates.input
        if cached_share:
            warnings.append(f"{price.model} has no price for cached input; the full price is used.")
    factor = price.batch if batch and price.batch is not None else 1.0
    if batch and price.batch is None:
        warnings.append(f"{price.model} has no batch price; the full price is used.")
    if price.context is not None and count.tokens + expected_output > price.context:
        warnings.append(
            f"Input and output are {count.tokens + expected_output:,} tokens together; "
            f"{price.model} takes {price.context:,} at most."
        )
    cached = round(count.tokens * cached_share)
    input_cost = (count.tokens - cached) * rates.input * factor / MILLION
    cached_cost = cached * cached_rate * factor / MILLION
    output_cost = expected_output * rates.output * factor / MILLION
    request_cost = input_cost + cached_cost + output_cost
    warnings.append(f"Prices as of {price.as_of}: check before you rely on them.")
    month = requests_per_month
    return CostEstimate(
        provider=price.provider,
        model=price.model,
        currency=table.currency,
        as_of=price.as_of.isoformat(),
        source=price.source,
        input=count,
        cached_tokens=cached,
        output_tokens=expected_output,
        input_cost=input_cost,
        cached_cost=cached_cost,
        output_cost=output_cost,
        request_cost=request_cost,
        batch=batch and price.batch is not None,
        long=is_long,
        requests_per_month=month,
        monthly_cost=None if month is None else request_cost * month,
        monthly_input_tokens=None if month is None else count.tokens * month,
        monthly_output_tokens=None if month is None else expected_output * month,
        warnings=tuple(warnings),
    )


def estimate_file(
    path: str | Path, model: str, prices: PriceTable | None = None, **options: Any
) -> CostEstimate:
    """Estimate what sending a text file costs; options are those of :func:`estimate`.

    Raises:
        InputError: the file does not exist, or is not UTF-8 text.
        NotFoundError: the model is not in the table.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"The file {path} does not exist.") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder; a text file is needed.") from None
    except UnicodeDecodeError as error:
        raise InputError(f"The file {path} is not UTF-8 text (byte {error.start}).") from None
    return estimate(text, model, prices, **options)


def workspace_tokenizers(workspace: Workspace) -> FindTokenizer:
    """Return the ``find_tokenizer`` that looks among a workspace's tokenizers, by name or id."""

    def find(name: str) -> Tokenizer | None:
        from llm_playground.tokenization.loading import open_tokenizer

        for artifact in workspace.list("tokenizer"):
            if name in (artifact.id, artifact.name):
                return open_tokenizer(artifact.path)
        return None

    return find


def _counted(
    source: str | int | TokenCount, price: Price, find: FindTokenizer | None, stand_in: Tokenizer | None
) -> TokenCount:
    if isinstance(source, TokenCount):
        return source
    if isinstance(source, str):
        return count_tokens(source, price, find, stand_in)
    if source < 0:
        raise InputError(f"tokens: {source} is negative.", field="tokens")
    return TokenCount(source, False, "given", "The number of tokens was given, not counted.")
