"""Prices and estimates: the shipped table, a workspace's own, counts exact or not, and money to the cent."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_playground.core.errors import ConfigError, InputError, NotFoundError, StorageError
from llm_playground.core.workspace import BUILTIN, Workspace
from llm_playground.tokenization.base import Tokenizer
from llm_playground.tokenization.bpe import BPETokenizer
from llm_playground.tokenization.cost import (
    PriceTable,
    TokenCount,
    count_tokens,
    estimate,
    estimate_file,
    load_prices,
    parse_prices,
    reset_prices,
    save_prices,
    workspace_tokenizers,
)

ENTRY: dict[str, Any] = {
    "provider": "Acme",
    "model": "acme-1",
    "input": 2.0,
    "cached_input": 0.5,
    "output": 8.0,
    "batch": 0.5,
    "long": {"above": 1000, "input": 4.0, "cached_input": 1.0, "output": 12.0},
    "context": 2000,
    "tokenizer": "prose",
    "as_of": "2026-01-31",
    "source": "made up",
}
OTHER = {"provider": "Other", "model": "plain", "input": 1, "output": 1, "as_of": "2026-01-31", "source": "x"}


def table(**changes: Any) -> PriceTable:
    return parse_prices({"prices": [{**ENTRY, **changes}, OTHER]})


@pytest.fixture(scope="module")
def prose() -> BPETokenizer:
    return BPETokenizer.load(BUILTIN / "tokenizers" / "prose")


def test_the_shipped_table_is_right_in_itself() -> None:
    prices = load_prices()
    assert "Check before you rely on it" in prices.note and prices.currency == "USD"
    assert {price.provider for price in prices.prices} >= {
        "OpenAI",
        "Anthropic",
        "Google",
        "Mistral",
        "DeepSeek",
    }
    for price in prices.prices:
        assert 0 < price.input <= price.output
        assert price.cached_input is None or price.cached_input < price.input
        assert datetime.date(2025, 1, 1) <= price.as_of <= datetime.date.today()
        assert price.source and price.context is not None
        assert price.long is None or (price.long.input > price.input and price.long.above < price.context)
        assert prices.find(f"{price.provider}/{price.model}") is price


def test_a_request_costs_what_the_formula_says() -> None:
    found = estimate(800, "acme-1", table(), expected_output=100, cached_share=0.25)
    assert (found.cached_tokens, found.output_tokens, found.long) == (200, 100, False)
    assert found.input_cost == pytest.approx(600 * 2 / 1e6)
    assert found.cached_cost == pytest.approx(200 * 0.5 / 1e6)
    assert found.output_cost == pytest.approx(100 * 8 / 1e6)
    assert found.request_cost == pytest.approx(0.0021)
    assert (found.monthly_cost, found.monthly_input_tokens) == (None, None)
    assert found.warnings == ("Prices as of 2026-01-31: check before you rely on them.",)


def test_a_month_in_batch_mode() -> None:
    found = estimate(800, "acme-1", table(), expected_output=100, batch=True, requests_per_month=30_000)
    assert found.batch and found.request_cost == pytest.approx((800 * 2 + 100 * 8) / 2e6)
    assert found.monthly_cost == pytest.approx(36.0)
    assert (found.monthly_input_tokens, found.monthly_output_tokens) == (24_000_000, 3_000_000)


def test_long_requests_cost_more_as_a_whole() -> None:
    assert not estimate(1000, "acme-1", table()).long
    found = estimate(1001, "acme-1", table(), expected_output=10)
    assert found.long and found.request_cost == pytest.approx((1001 * 4 + 10 * 12) / 1e6)
    assert found.warnings[0] == "Beyond 1,000 input tokens the whole request costs more."


def test_what_the_table_lacks_is_warned_of() -> None:
    found = estimate(10, "plain", table(), cached_share=0.5, batch=True)
    assert found.warnings[:2] == (
        "plain has no price for cached input; the full price is used.",
        "plain has no batch price; the full price is used.",
    )
    assert not found.batch and found.request_cost == pytest.approx(10 / 1e6)
    found = estimate(1900, "acme-1", table(long=None), expected_output=101)
    assert found.warnings[0] == "Input and output are 2,001 tokens together; acme-1 takes 2,000 at most."


@given(tokens=st.integers(0, 10**6), share=st.floats(0, 1), output=st.integers(0, 10**5))
def test_caching_never_costs_more_and_months_are_sums(tokens: int, share: float, output: int) -> None:
    prices = table()
    plain = estimate(tokens, "acme-1", prices, expected_output=output, requests_per_month=7)
    cached = estimate(tokens, "acme-1", prices, expected_output=output, cached_share=share)
    assert cached.request_cost <= plain.request_cost + 1e-12
    assert plain.monthly_cost == pytest.approx(7 * plain.request_cost)
    assert cached.input_cost + cached.cached_cost + cached.output_cost == pytest.approx(cached.request_cost)
    json.dumps(cached.to_dict())


def test_the_models_own_tokenizer_counts_exactly(prose: BPETokenizer) -> None:
    def find(name: str) -> Tokenizer | None:
        return prose if name == "prose" else None

    price = table().find("acme-1")
    text = "Hello there, <|endoftext|> world."
    counted = count_tokens(text, price, find)
    assert counted == TokenCount(
        len(prose.encode_ordinary(text)),
        True,
        "own tokenizer",
        "Counted with prose, the model's own tokenizer.",
    )
    assert estimate(text, "acme-1", table(), find_tokenizer=find).input == counted


def test_a_stand_in_counts_approximately_and_says_why(prose: BPETokenizer) -> None:
    text = "Hello there."
    counted = count_tokens(text, table().find("acme-1"), lambda name: None, prose)
    assert (counted.tokens, counted.exact) == (len(prose.encode_ordinary(text)), False)
    assert counted.reason == "Counted with another tokenizer; prose, the model's own, is not at hand."
    assert count_tokens(text, table().find("plain"), None, prose).reason == (
        "Counted with another tokenizer; the model's own is not published."
    )


@pytest.mark.parametrize(
    ("text", "tokens"), [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2), ("日本語です", 2)]
)
def test_without_a_tokenizer_characters_are_divided_by_four(text: str, tokens: int) -> None:
    counted = count_tokens(text, table().find("plain"))
    assert (counted.tokens, counted.exact, counted.method) == (tokens, False, "characters")
    assert "One token for every 4 characters" in counted.reason


def test_given_counts_are_used_as_they_are() -> None:
    assert estimate(5, "plain", table()).input.method == "given"
    mine = TokenCount(9, True, "own tokenizer", "Counted elsewhere.")
    assert estimate(mine, "plain", table()).input is mine


def test_a_workspaces_tokenizer_is_found_by_its_name(workspace: Workspace, prose: BPETokenizer) -> None:
    with workspace.new_artifact("tokenizer", name="acme") as draft:
        prose.save(draft.path)
    assert draft.artifact is not None
    find = workspace_tokenizers(workspace)
    for name in ("acme", draft.artifact.id):
        found = find(name)
        assert found is not None and found.encode("some words") == prose.encode("some words")
    assert find("o200k_base") is None


def test_a_text_file_is_estimated(tmp_path: Path) -> None:
    file = tmp_path / "prompt.txt"
    file.write_text("abcd" * 100, encoding="utf-8")
    assert estimate_file(file, "plain", table(), expected_output=1).input.tokens == 100
    file.write_bytes(b"abc\xff")
    with pytest.raises(InputError, match=r"is not UTF-8 text \(byte 3\)"):
        estimate_file(file, "plain", table())
    with pytest.raises(InputError, match="does not exist"):
        estimate_file(tmp_path / "none.txt", "plain", table())
    with pytest.raises(InputError, match="is a folder"):
        estimate_file(tmp_path, "plain", table())


def test_models_are_found_by_name_and_provider() -> None:
    prices = parse_prices({"prices": [ENTRY, {**ENTRY, "provider": "Bcme", "input": 3}, OTHER]})
    assert prices.find("PLAIN").provider == "Other"
    assert prices.find("bcme/acme-1").input == 3
    with pytest.raises(InputError) as ambiguous:
        prices.find("acme-1")
    assert str(ambiguous.value) == ("Several providers sell acme-1. Choose one of Acme/acme-1, Bcme/acme-1.")
    with pytest.raises(NotFoundError, match="The price table has no model 'nothing'"):
        prices.find("nothing")


def test_a_workspaces_own_table_stands_in_for_the_shipped_one(workspace: Workspace) -> None:
    shipped = load_prices(workspace)
    assert shipped == load_prices()
    saved = save_prices(workspace, {"note": "mine", "prices": [ENTRY]})
    assert load_prices(workspace) == saved and saved.find("acme-1").as_of == datetime.date(2026, 1, 31)
    assert save_prices(workspace, saved) == saved
    assert json.loads((workspace.root / "prices.json").read_text())["prices"][0]["as_of"] == "2026-01-31"
    assert load_prices() == shipped
    assert reset_prices(workspace) == shipped == reset_prices(workspace)


def test_all_problems_of_a_table_are_told_and_nothing_is_written(workspace: Workspace) -> None:
    wrong = {"prices": [{**ENTRY, "input": -1, "extra": 1}, {"provider": "x", "as_of": "2999-01-01"}]}
    with pytest.raises(ConfigError) as raised:
        save_prices(workspace, wrong)
    message = raised.value.message
    for part in (
        "prices.0.input: input should be greater than or equal to 0 (got -1)",
        "prices.0.extra: is not a known setting",
        "prices.1.model: is required",
        "prices.1.output: is required",
        "prices.1.as_of: 2999-01-01 lies in the future",
    ):
        assert part in message
    assert not (workspace.root / "prices.json").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch": 0}, "prices.0.batch: input should be greater than 0"),
        ({"output": float("inf")}, "prices.0.output"),
        ({"long": {"above": 5}}, "prices.0.long.input: is required"),
        ({"provider": "Other", "model": "PLAIN"}, "other/plain is listed twice"),
    ],
)
def test_entries_are_checked(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        table(**changes)
    assert message in raised.value.message


def test_a_damaged_table_is_named(workspace: Workspace) -> None:
    file = workspace.root / "prices.json"
    file.write_text("{")
    with pytest.raises(StorageError, match="is damaged: not valid JSON"):
        load_prices(workspace)
    file.write_text("[]")
    with pytest.raises(ConfigError, match=f"The configuration in {file} is wrong"):
        load_prices(workspace)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"source": -1}, "tokens: -1 is negative."),
        ({"expected_output": -2}, "expected_output: -2 is negative."),
        ({"requests_per_month": -3}, "requests_per_month: -3 is negative."),
        ({"cached_share": 1.5}, "cached_share: 1.5 is not between 0 and 1."),
        ({"cached_share": float("nan")}, "cached_share: nan is not between 0 and 1."),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as raised:
        estimate(**{"source": 1, "model": "plain", "prices": table(), **arguments})
    assert raised.value.message == message
