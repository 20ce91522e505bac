"""The tokenizer page: each tab used as a person would, in both themes and two sizes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Locator, Page, expect

if TYPE_CHECKING:
    from conftest import Look, Server, Tab

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser-labs")]

TABS = ("inspect", "compare", "coverage", "cost", "train")
STORIES = {"source": "tinyworld", "documents": 100, "conversations": 20, "benchmark_items": 10}


def tokens(page: Page, name: str = "Tokens") -> Locator:
    """Return the tokens of a painted text."""
    return page.get_by_role("listbox", name=name).get_by_role("option")


def settle(page: Page) -> None:
    """Wait until nothing is loading any more."""
    expect(page.locator("h1")).to_have_count(1)
    expect(page.get_by_role("navigation", name="Tokenizer").get_by_role("link")).to_have_count(5)
    expect(page.locator("main .animate-pulse.bg-surface-2")).to_have_count(0)
    page.evaluate("document.fonts.ready")


@pytest.fixture(scope="module")
def traced(server: Server) -> str:
    """A tokenizer of that server whose training can be replayed."""
    steps = [
        {"name": "data", "stage": "data.prepare", "config": {**STORIES, "name": "A few stories"}},
        {
            "name": "tokenizer",
            "stage": "tokenizer.train",
            "config": {"dataset": "${data.output}", "vocab_size": 300, "name": "Replayed"},
        },
    ]
    config = {"name": "tokenizer", "title": "Tokenizer", "steps": steps}
    run = server.ask("POST", "/api/v1/runs", {"stage": "recipe", "name": "Replayed", "config": config})
    made: str = server.wait_for(run["id"])["output"]
    return made


def test_every_tab_is_sound(look: Look, traced: str) -> None:
    for name in TABS:
        page = look.tab.go(f"/tokenizer/?tab={name}")
        settle(page)
        look.check(f"tokenizer-{name}")


def test_text_becomes_tokens_as_one_types_and_each_can_be_opened(tab: Tab) -> None:
    page = tab.go("/tokenizer/?text=Hello")
    settle(page)
    page.get_by_role("textbox", name="Text").fill("Unbelievable tokenization ")
    expect(tokens(page).filter(has_text="·token")).to_have_count(1)
    page.get_by_role("textbox", name="Text").press_sequentially("again")
    expect(tokens(page).last).to_contain_text("again")
    opened = page.get_by_text(re.compile(r"^\d+ of \d+$"))

    tokens(page).filter(has_text="·token").hover()
    picture = page.get_by_role("img", name=re.compile(r"^After \d+ of \d+ merges: ·token ization$"))
    expect(picture).to_be_visible()
    expect(page.get_by_text("by its branch for letters")).to_be_visible()
    slider = page.get_by_role("slider", name="Merge")
    tokens(page).filter(has_text="·token").click()
    slider.focus()
    slider.press("Home")
    expect(page.get_by_role("img", name=re.compile("merges: · t o k e n i z"))).to_be_visible()
    slider.press("ArrowRight")
    expect(page.get_by_text(re.compile(r"^Merge 1 of \d+: .* Of all neighbours"))).to_be_visible()

    listed = page.get_by_role("listbox", name="Tokens")
    listed.focus()
    listed.press("Home")
    expect(opened).to_have_text(re.compile("^1 of"))
    listed.press("ArrowRight")
    expect(opened).to_have_text(re.compile("^2 of"))
    page.get_by_role("radio", name="Ids").click()
    expect(tokens(page).first).to_have_text(re.compile(r"^\d+$"))


def test_special_tokens_are_found_only_when_asked_for(tab: Tab) -> None:
    page = tab.go("/tokenizer/?text=a<|endoftext|>b")
    settle(page)
    expect(tokens(page).filter(has_text="<|endoftext|>")).to_have_count(0)
    page.get_by_role("switch", name="Special tokens").click()
    special = tokens(page).filter(has_text="<|endoftext|>")
    expect(special).to_have_count(1)
    special.click()
    expect(page.get_by_text("Special token", exact=True)).to_be_visible()
    expect(page.get_by_text("found in the text before anything is cut")).to_be_visible()


def test_an_emoji_in_parts_stands_whole_and_arabic_runs_from_the_right(tab: Tab) -> None:
    page = tab.go("/tokenizer/")
    settle(page)
    page.get_by_role("button", name="Emoji", exact=True).click()
    astronaut = page.get_by_role("group", name="parts of 👩")
    expect(astronaut.first.get_by_role("option")).to_have_text(["F0", "9F", "91", "A9"])
    astronaut.first.get_by_role("option").first.click()
    expect(page.get_by_text("Part of 👩")).to_be_visible()

    page.get_by_role("button", name="Arabic", exact=True).click()
    first, second = page.get_by_role("group", name="parts of ي"), page.get_by_role("group", name="parts of ق")
    expect(first.first).to_be_visible()
    assert tab.box(second.first)[0] < tab.box(first.first)[0]


def test_on_a_phone_a_token_opens_in_a_sheet_at_hand(phone: Tab) -> None:
    page = phone.go("/tokenizer/")
    settle(page)
    tokens(page).nth(3).click()
    sheet = page.get_by_role("dialog", name="Token")
    expect(sheet.get_by_text(re.compile("^4 of"))).to_be_visible()
    sheet.get_by_role("button", name="Next token").click()
    expect(sheet.get_by_text(re.compile("^5 of"))).to_be_visible()
    _, top, _, height = phone.box(sheet)
    assert top + height <= 845
    page.keyboard.press("Escape")
    expect(sheet).to_have_count(0)


def test_a_long_text_is_painted_and_stays_at_hand(tab: Tab) -> None:
    page = tab.go("/tokenizer/")
    settle(page)
    text = "A tokenizer counts which neighbours meet most often, and joins them. " * 145
    page.get_by_role("textbox", name="Text").fill(text[:10_000])
    expect(page.locator("[data-i]").last).to_be_attached()
    page.wait_for_function("document.querySelectorAll('[data-i]').length > 2000")
    listed = page.get_by_role("listbox", name="Tokens")
    listed.focus()
    listed.press("End")
    expect(tokens(page).last).to_have_attribute("aria-selected", "true")
    expect(tokens(page).last).to_be_in_viewport()


def test_tokenizers_stand_side_by_side_with_their_own_cuts_underlined(tab: Tab) -> None:
    page = tab.go("/tokenizer/?tab=compare&with=prose,code&text=Unbelievable%20patience%20again")
    settle(page)
    bars = page.get_by_role("img", name=re.compile(r"^(Prose|Code): \d+ tokens$"))
    expect(bars).to_have_count(2)
    underlined = page.locator(".tok.only")
    expect(underlined.first).to_be_visible()
    tokens(page, "Tokens of A").first.hover()
    expect(page.get_by_role("listbox", name="Tokens of B").locator("[data-near]").first).to_be_visible()
    page.get_by_role("button", name="Add a tokenizer").click()
    expect(page.get_by_role("listbox", name="Tokens of C")).to_be_visible()
    expect(page).to_have_url(re.compile("with=prose%2Ccode%2C"))
    page.get_by_role("button", name="Take B out").click()
    expect(page.get_by_role("listbox", name=re.compile("Tokens of"))).to_have_count(2)


def test_coverage_is_measured_by_samples_and_by_ones_own_text(tab: Tab) -> None:
    page = tab.go("/tokenizer/?tab=coverage&tokenizer=prose")
    settle(page)
    expect(page.get_by_role("img", name=re.compile(r"^Latin: \d\.\d\d$"))).to_be_visible()
    expect(page.get_by_role("img", name=re.compile(r"^Cyrillic: 1\.00$"))).to_be_visible()
    page.get_by_role("button", name="What is bytes per token?").first.click()
    expect(page.get_by_role("tooltip")).to_contain_text("UTF-8 bytes of the text divided by its tokens.")
    page.get_by_role("radio", name="Table").click()
    expect(page.get_by_role("region", name="By script").get_by_role("row")).not_to_have_count(0)
    listed = page.get_by_role("region", name="Suspicious tokens")
    expect(listed.get_by_role("row")).not_to_have_count(0)
    page.get_by_role("radio", name=re.compile("^Special")).click()
    expect(listed).to_contain_text("<|endoftext|>")

    page.get_by_role("radio", name="My text").click()
    page.get_by_role("textbox", name="Text").fill("Нет ничего")
    page.get_by_role("button", name="Measure").click()
    expect(page.get_by_role("region", name="By script").get_by_role("row")).to_have_count(4)
    expect(page.get_by_role("region", name="By script")).to_contain_text("Cyrillic")


def test_cost_follows_the_plan_and_the_prices_can_be_changed(server: Server, tab: Tab) -> None:
    page = tab.go("/tokenizer/?tab=cost")
    settle(page)
    expect(page.get_by_text("Approximate", exact=True)).to_be_visible()
    page.get_by_role("radio", name="A number of tokens").click()
    page.get_by_label("Input tokens").fill("1000000")
    page.get_by_label("Output tokens").fill("0")
    page.get_by_label("Requests per month").fill("10")
    price = server.ask("GET", "/api/v1/tokenization/prices")["prices"][0]
    rate = price["long"]["input"] if price["long"] else price["input"]
    expect(page.get_by_text(f"${10 * rate:,.2f}", exact=True)).to_be_visible()
    expect(page.get_by_text("As given", exact=True)).to_be_visible()
    expect(page.get_by_text(f"Prices as of {price['as_of']}")).to_be_visible()

    page.get_by_role("button", name="Edit").click()
    page.get_by_label(f"Output price of {price['model']}", exact=True).fill("12.5")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("button", name="Edit")).to_be_visible()
    saved = server.ask("GET", "/api/v1/tokenization/prices")["prices"][0]
    assert saved["output"] == 12.5 and saved["input"] == price["input"]
    page.get_by_role("button", name="Reset").click()
    expect(page.get_by_text("those that came with the program")).to_be_visible()
    assert server.ask("GET", "/api/v1/tokenization/prices")["prices"][0] == price


def test_wrong_prices_are_refused_in_words(tab: Tab) -> None:
    tab.expected = ("400 (Bad Request)", "422")
    page = tab.go("/tokenizer/?tab=cost")
    settle(page)
    page.get_by_role("button", name="Edit").click()
    page.get_by_role("button", name="Add a model").click()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert").filter(has_text="The prices were not saved.")).to_contain_text(
        "provider"
    )
    page.get_by_role("button", name="Discard").click()
    expect(page.get_by_role("button", name="Edit")).to_be_visible()


def test_a_tokenizer_is_trained_and_its_training_is_replayed(traced: str, tab: Tab) -> None:
    page = tab.go("/tokenizer/?tab=train")
    settle(page)
    page.get_by_label("Text", exact=True).select_option(label="A few stories")
    page.get_by_label("Vocabulary size").fill("290")
    page.get_by_label("Name", exact=True).fill("Fresh one")
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.get_by_label("Tokenizer to replay").locator("option:checked")).to_have_text(
        "Fresh one (290)", timeout=60_000
    )
    expect(page).not_to_have_url(re.compile("run="))

    page.get_by_label("Sentence", exact=True).fill("the other")
    slider = page.get_by_role("slider", name="Merge")
    slider.focus()
    slider.press("Home")
    sentence = tokens(page, "The sentence at this moment")
    expect(sentence).to_have_count(len("the other"))
    expect(page.get_by_text("Nothing yet: the tokens are the 256 bytes.")).to_be_visible()
    slider.press("ArrowRight")
    expect(slider).to_have_attribute("aria-valuetext", re.compile("^1 of "))
    expect(page.get_by_text(re.compile(r"^[\d,]+ times$")).first).to_be_visible()
    slider.press("End")
    page.wait_for_function(
        "document.querySelectorAll('[role=listbox] [role=option]').length < 'the other'.length"
    )
    row = page.get_by_role("row").filter(has=page.get_by_role("button", name="Go to merge 28", exact=True))
    row.get_by_role("button").click()
    expect(slider).to_have_attribute("aria-valuetext", re.compile("^28 of "))
    expect(row).to_have_attribute("aria-current", "step")


def test_a_tab_has_its_own_address_and_the_text_goes_along(tab: Tab) -> None:
    page = tab.go("/tokenizer/?tokenizer=code")
    settle(page)
    page.get_by_role("textbox", name="Text").fill("carried along")
    page.get_by_role("navigation", name="Tokenizer").get_by_role("link", name="Cost").click()
    expect(page).to_have_url(re.compile(r"tab=cost&tokenizer=code"))
    expect(page.get_by_role("textbox", name="Text", exact=True)).to_have_value("carried along")
    page.go_back()
    expect(page.get_by_role("listbox", name="Tokens")).to_have_text("carried·along")
    tab.reload()
    settle(page)
    expect(page.get_by_label("Tokenizer", exact=True).locator("option:checked")).to_contain_text("Code")
