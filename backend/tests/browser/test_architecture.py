"""The architecture page's Configurator and Compare, used as a person would, in both themes and two sizes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Locator, Page, expect

if TYPE_CHECKING:
    from conftest import Look, Server, Tab

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser-labs")]

VIEWS = {
    "own": "/architecture/",
    "windows": "/architecture/?from=preset:gemma-3-270m&for=device:h100-sxm",
    "compare": "/architecture/?tab=compare&with=preset:gpt2-small,preset:llama-3.2-1b,preset:gemma-3-270m",
}
PART = re.compile(r": ([\d,]+) parameters(?:, in each of ([\d,]+))?$")


def settle(page: Page) -> None:
    """Wait until nothing is loading any more."""
    expect(page.locator("h1")).to_have_count(1)
    expect(page.get_by_role("navigation", name="Architecture").get_by_role("link")).to_have_count(6)
    expect(page.locator("main .animate-pulse.bg-surface-2")).to_have_count(0)
    expect(page.get_by_role("heading", name=re.compile("^(Settings|Side by side)$")).first).to_be_visible()
    page.evaluate("document.fonts.ready")


def total(page: Page) -> Locator:
    """Return the first figure of the totals."""
    return page.get_by_label("Totals", exact=True).locator("dd").first


def picture(page: Page) -> Locator:
    """Return the drawing of the model."""
    return page.get_by_role("group", name="The model, drawn to scale")


def number(text: str) -> int:
    """Read "1,234"."""
    return int(text.replace(",", ""))


def test_both_tabs_are_sound(look: Look) -> None:
    for name, path in VIEWS.items():
        page = look.tab.go(path)
        settle(page)
        look.check(name, full_page=True)


def test_the_parts_of_the_picture_add_up_to_what_the_program_counts(server: Server, tab: Tab) -> None:
    for preset in ("gpt2-small", "llama-3-8b", "qwen2.5-0.5b", "gemma-3-1b", "tiny-mixture", "tiny-encoder"):
        page = tab.go(f"/architecture/?from=preset:{preset}")
        settle(page)
        counted = server.ask("POST", "/api/v1/transformer/analyze", {"model": f"preset:{preset}"})
        expect(total(page)).to_have_text(f"{counted['parameters']['total']:,}")
        parts = picture(page).get_by_role("button")
        expect(parts.first).to_be_visible()
        labels = parts.evaluate_all("items => items.map((item) => item.getAttribute('aria-label'))")
        weights = [
            (number(found[1]), number(found[2] or "1")) for label in labels if (found := PART.search(label))
        ]
        assert sum(count * times for count, times in weights) == counted["parameters"]["total"], preset


def test_a_change_is_followed_linked_and_taken_back(tab: Tab) -> None:
    page = tab.go("/architecture/?from=preset:gpt2-small")
    settle(page)
    expect(total(page)).to_have_text("124,439,808")
    page.get_by_role("textbox", name="Layers", exact=True).fill("6")
    expect(total(page)).to_have_text("81,912,576")
    expect(picture(page)).to_contain_text("×6")
    expect(page).to_have_url(f"{tab.url}/architecture/?from=preset:gpt2-small&set=layers:6")
    tab.reload()
    settle(page)
    expect(page.get_by_role("textbox", name="Layers", exact=True)).to_have_value("6")
    expect(total(page)).to_have_text("81,912,576")

    page.get_by_role("textbox", name="KV heads", exact=True).fill("1")
    expect(page.get_by_label("Part", exact=True)).to_contain_text("All 12 heads share one set")
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_label("Part", exact=True)).to_contain_text("Every head has keys and values of its own")
    page.get_by_role("button", name="Take back 1 change").click()
    expect(total(page)).to_have_text("124,439,808")
    expect(page).to_have_url(f"{tab.url}/architecture/?from=preset:gpt2-small")


def test_what_does_not_go_together_is_said_at_its_field(tab: Tab) -> None:
    tab.expected = ("422",)
    page = tab.go("/architecture/?from=preset:gpt2-small")
    settle(page)
    heads = page.get_by_role("textbox", name="Heads", exact=True)
    heads.fill("7")
    said = page.get_by_text(re.compile(r"^Heads \(7\) must divide the width \(768\)"))
    expect(said).to_be_visible()
    expect(heads).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_text("does not go together yet")).to_be_visible()
    expect(total(page)).to_have_text("124,439,808")
    heads.fill("6")
    expect(said).to_have_count(0)
    page.get_by_role("button", name=re.compile("^Positions")).click()
    page.get_by_role("switch", name="RoPE scaling").click()
    expect(page.get_by_text(re.compile("RoPE scaling needs positions rope"))).to_be_visible()
    page.get_by_role("combobox", name="Positions", exact=True).select_option("rope")
    expect(page.get_by_text(re.compile("RoPE scaling needs"))).to_have_count(0)


def test_the_picture_follows_the_options_and_opens_part_by_part(tab: Tab) -> None:
    page = tab.go("/architecture/?from=preset:gpt2-small")
    settle(page)
    drawing, part = picture(page), page.get_by_label("Part", exact=True)
    drawing.get_by_role("button", name=re.compile("^Up")).hover()
    expect(part).to_contain_text("768 × 3,072")
    page.get_by_role("combobox", name="Activation", exact=True).select_option("swiglu")
    expect(drawing.get_by_role("button", name=re.compile("^Gate"))).to_be_visible()
    page.get_by_role("textbox", name="Experts", exact=True).fill("4")
    expect(drawing.get_by_role("button", name=re.compile("^Router, 768 × 4"))).to_be_visible()
    page.get_by_role("switch", name="QK norm").click()
    expect(drawing.get_by_role("button", name=re.compile("^Norm of queries and keys"))).to_be_visible()

    keys = drawing.get_by_role("button", name=re.compile("^Keys"))
    keys.focus()
    keys.press("Enter")
    expect(keys).to_have_attribute("aria-pressed", "true")
    keys.press("ArrowDown")
    expect(drawing.get_by_role("button", name=re.compile("^Values"))).to_be_focused()
    part.get_by_role("button", name="KV heads").click()
    expect(page.get_by_role("textbox", name="KV heads", exact=True)).to_be_focused()


def test_context_and_device_move_the_figures(tab: Tab) -> None:
    page = tab.go("/architecture/?from=preset:gpt2-small")
    settle(page)
    cache = page.get_by_label("Totals", exact=True).locator("dd").last
    expect(cache).to_have_text(re.compile(r"^37\.7.MB$"))
    slider = page.get_by_role("slider", name="Context")
    slider.focus()
    slider.press("ArrowLeft")
    expect(slider).to_have_attribute("aria-valuetext", "512 tokens")
    expect(cache).to_have_text(re.compile(r"^18\.9.MB$"))
    page.get_by_label("Device", exact=True).select_option(value="h100-sxm")
    expect(page.get_by_text(re.compile(r"^\$[\d.]+$")).first).to_be_visible()
    expect(page).to_have_url(re.compile(r"for=context:512,device:h100-sxm"))
    page.get_by_text("How these figures are worked out").click()
    expect(page.get_by_text("Kaplan et al. 2020", exact=False).first).to_be_visible()


def test_what_fits_is_recommended_and_used(tab: Tab) -> None:
    page = tab.go("/architecture/")
    settle(page)
    page.get_by_role("button", name="What fits?").click()
    panel = page.get_by_label("What fits", exact=True)
    panel.get_by_label("On", exact=True).select_option(value="h100-sxm")
    panel.get_by_label("In", exact=True).fill("1")
    use = panel.get_by_role("button", name="Use this").first
    expect(use).to_be_visible()
    use.click()
    expect(panel).to_have_count(0)
    expect(page).to_have_url(re.compile(r"device:h100-sxm"))
    expect(total(page)).not_to_have_text("935,040")


def test_a_model_of_the_workspace_is_a_beginning_too(server: Server, tab: Tab) -> None:
    models = server.ask("GET", "/api/v1/transformer/models")["models"]
    model = next(item for item in models if not item["random"])
    page = tab.go("/architecture/")
    settle(page)
    page.get_by_label("Start from").select_option(model["ref"])
    expect(total(page)).to_have_text(f"{model['parameters']:,}")
    page.get_by_role("button", name="Export").click()
    expect(
        page.get_by_role("menuitem", name=re.compile(re.escape(f"llmp model show {model['ref']}")))
    ).to_be_visible()


def test_architectures_are_compared_with_ones_own_among_them(tab: Tab) -> None:
    page = tab.go("/architecture/?from=preset:gpt2-small&set=layers:6")
    settle(page)
    page.get_by_role("navigation", name="Architecture").get_by_role("link", name="Compare").click()
    expect(page.get_by_role("img", name=re.compile(r"^Your configuration: 81\.9M"))).to_be_visible()
    settings = page.get_by_role("region", name="Settings, table")
    expect(settings.get_by_role("row", name=re.compile("^Layers"))).to_be_visible()
    rows = settings.get_by_role("row").count()
    page.get_by_role("switch", name="Only differences").click()
    expect(settings.get_by_role("row", name=re.compile("^Dropout"))).to_be_visible()
    assert settings.get_by_role("row").count() > rows

    page.get_by_role("button", name="Add an architecture").click()
    expect(page.get_by_label("Architecture D")).to_be_visible()
    page.get_by_label("Architecture D").select_option("preset:llama-3-8b")
    expect(page.get_by_role("img", name=re.compile(r"^Llama 3 8B: 8\.03B"))).to_be_visible()
    page.get_by_role("radio", name="Memory to run").click()
    expect(page.get_by_role("img", name=re.compile(r"^Llama 3 8B: .*KV cache"))).to_be_visible()
    page.get_by_role("button", name="Take B out").click()
    expect(page.get_by_label("Architecture D")).to_have_count(0)
    expect(page).to_have_url(re.compile(r"with=mine,preset:[a-z0-9.-]+,preset:llama-3-8b"))
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save CSV").click()
    lines = Path(saved.value.path()).read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("group,name,Your configuration,")
    assert any(line.startswith("Figures,parameters,81912576,") for line in lines)


def test_on_a_phone_a_part_opens_in_a_sheet_and_leads_to_its_setting(phone: Tab) -> None:
    page = phone.go("/architecture/?from=preset:llama-3.2-1b")
    settle(page)
    picture(page).get_by_role("button", name=re.compile("^Keys")).click()
    sheet = page.get_by_role("dialog")
    expect(sheet).to_contain_text("2,048 × 512")
    sheet.get_by_role("button", name="KV heads").click()
    expect(sheet).to_have_count(0)
    expect(page.get_by_role("textbox", name="KV heads", exact=True)).to_be_visible()
