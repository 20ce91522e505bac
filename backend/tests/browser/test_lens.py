"""The tabs Logit lens and Patch: what they show is what the model computes, in both themes and two sizes."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlparse

import pytest
from playwright.sync_api import Locator, Page, expect

if TYPE_CHECKING:
    from conftest import Look, Server, Tab

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser-labs")]

COUNTING = "Hugo had four plums. He got three more. Now Hugo has"
OTHER = "Hugo had four plums. He got one more. Now Hugo has"


def address(tab: str, **values: str) -> str:
    """Return the address of a tab, of the built-in model where no other is named: one's own come first."""
    return "/architecture/?" + urlencode({"tab": tab, "model": "example", **values})


def ask(server: Server, path: str, **body: Any) -> Any:
    """Ask the part of the interface that the page uses."""
    return server.ask("POST", f"/api/v1/transformer/{path}", body)


def settle(page: Page) -> None:
    """Wait until nothing is loading any more."""
    expect(page.get_by_role("navigation", name="Architecture").get_by_role("link")).to_have_count(6)
    expect(page.locator("main .animate-pulse.bg-surface-2")).to_have_count(0)
    page.evaluate("document.fonts.ready")


def lens_grid(page: Page) -> Locator:
    """Return the table of guesses."""
    return page.get_by_role("grid", name="Guesses: layers by tokens")


def sweep_grid(page: Page) -> Locator:
    """Return the table of a sweep."""
    return page.get_by_role("grid", name="Sweep: layers by tokens or heads")


def part(page: Page, name: str) -> Locator:
    """Return a part of the picture of the model."""
    return page.get_by_role("group", name="Parts of the model").get_by_role("button", name=name, exact=True)


def expect_edits(page: Page, edits: str) -> None:
    """Wait until the address has these changes."""
    page.wait_for_url(lambda url: parse_qs(urlparse(url).query).get("edits") == [edits], wait_until="commit")


def alert(page: Page) -> Locator:
    """Return what is said of a failure; the page's own announcer is no part of it."""
    return page.get_by_role("main").get_by_role("alert")


def test_both_tabs_are_sound(look: Look) -> None:
    views = {
        "lens": address("lens", text=COUNTING),
        "lens-preset": address("lens", text=COUNTING, model="preset:tiny-gpt2", by="kl"),
        "patch": address("patch", text=COUNTING, other=OTHER, edits="zero-head-0.0,patch-ffn-1@3"),
        "patch-heads": address("patch", text=COUNTING, other=OTHER, part="head"),
        "patch-alone": address("patch", text="Mia", model="preset:tiny-llama"),
    }
    for name, path in views.items():
        page = look.tab.go(path)
        settle(page)
        look.check(name, full_page=True)


def test_the_lens_shows_the_models_own_guesses(tab: Tab, server: Server) -> None:
    answer = ask(server, "lens", model="example", text=COUNTING, top=8)
    page = tab.go(address("lens", text=COUNTING))
    settle(page)
    grid = lens_grid(page)
    last = len(answer["tokens"]) - 1
    for row, layer in enumerate(answer["layers"]):
        guess = layer["positions"][last]["top"][0]["text"].replace(" ", "·").replace("\n", "⏎")
        cell = grid.locator(f'[data-cell="{row}.{last}"]')
        expect(cell).to_have_text(guess)
    final = [layer["positions"][last]["top"][0]["id"] for layer in answer["layers"]]
    first = final.index(final[-1])
    expect(grid.locator(f'[data-cell="{first}.{last}"]')).to_have_attribute("data-mark", "")
    assert "·seven" in (grid.locator(f'[data-cell="{len(final) - 1}.{last}"]').text_content() or "")

    grid.locator(f'[data-cell="1.{last}"]').hover()
    expect(page.get_by_role("heading", name=answer["layers"][1]["title"])).to_be_visible()
    entropy = answer["layers"][1]["positions"][last]["entropy"]
    expect(page.get_by_text(f"{entropy:.2f} nats")).to_be_visible()
    grid.focus()
    page.keyboard.press("Home")
    expect(page.get_by_text("What comes next")).to_be_visible()
    expect(grid.locator('[data-cell="1.0"]')).to_be_in_viewport()


def test_colours_follow_the_chosen_measure(tab: Tab) -> None:
    page = tab.go(address("lens", text=COUNTING))
    settle(page)
    last = lens_grid(page).locator('[data-cell^="4."]')
    colours = "cells => new Set(cells.map((cell) => getComputedStyle(cell).backgroundColor)).size"
    tab.until(lambda: last.evaluate_all(colours) > 1, "the cells have colours of their own")
    page.get_by_role("radio", name="KL to the end").click()
    expect(page).to_have_url(re.compile("by=kl"))
    expect(page.get_by_role("radio", name="KL to the end")).to_be_checked()
    tab.until(lambda: last.evaluate_all(colours) == 1, "at the end a guess is the model's own, and all alike")


def test_the_parts_add_up_to_the_logit_and_heads_open_the_attention_tab(tab: Tab, server: Server) -> None:
    answer = ask(server, "attribution", model="example", text=COUNTING, position=-1)
    page = tab.go(address("lens", text=COUNTING))
    settle(page)
    expect(page.get_by_text(re.compile("from all parts"))).to_contain_text(f"+{answer['logit']:.2f}.")
    strongest = max(answer["components"], key=lambda item: abs(float(item["value"])))
    parts = page.get_by_role("list", name="Parts by strength").get_by_role("listitem")
    expect(parts.first).to_contain_text(strongest["title"])
    expect(parts.first).to_contain_text(f"{strongest['value']:+.2f}")
    assert sum(item["value"] for item in answer["components"]) == pytest.approx(answer["sum"], abs=1e-3)

    page.get_by_role("combobox", name="Against").select_option(index=1)
    expect(page.get_by_text(re.compile("from all parts"))).to_contain_text(" over ")
    head = parts.get_by_role("link").first
    name = head.text_content() or ""
    layer, number = re.findall(r"\d+", name)
    head.click()
    expect(page).to_have_url(re.compile(f"tab=attention.*layer={layer}&head={number}"))


def test_the_lens_is_saved_as_a_table_and_a_picture(tab: Tab) -> None:
    page = tab.go(address("lens", text=COUNTING))
    settle(page)
    with page.expect_download() as table:
        page.get_by_role("button", name="CSV").first.click()
    rows = list(csv.reader(io.StringIO(Path(table.value.path()).read_text(encoding="utf-8"))))
    assert len(rows) == 1 + 5 * 15 and rows[0][:2] == ["layer", "position"]
    with page.expect_download() as picture:
        page.get_by_role("button", name="PNG").click()
    data = Path(picture.value.path()).read_bytes()
    assert data.startswith(b"\x89PNG") and len(data) > 10_000


def test_a_text_beyond_the_context_is_refused_in_words(tab: Tab) -> None:
    tab.expected = ("422",)
    page = tab.go(address("lens", text="Mia has a dog. " * 60))
    expect(alert(page)).to_contain_text(re.compile(r"\d+ tokens"))
    expect(alert(page)).to_contain_text("128")


def test_a_part_is_changed_undone_and_the_change_is_a_link(tab: Tab, server: Server) -> None:
    page = tab.go(address("patch", text=COUNTING))
    settle(page)
    guesses = page.get_by_role("list", name="Guesses before and after").get_by_role("listitem")
    expect(guesses.first).to_contain_text("·seven")
    part(page, "Layer 0, head 0").click()
    expect(page.get_by_text("KL divergence")).to_be_visible()
    expect_edits(page, "zero-head-0.0")
    change = {"part": "head", "layer": 0, "head": 0, "kind": "zero", "position": None}
    answer = ask(server, "patch", model="example", text=COUNTING, interventions=[change])
    expect(page.get_by_text(f"{answer['kl']:.2f} nats")).to_be_visible()
    top = answer["after"][0]["text"].replace(" ", "·")
    expect(guesses.filter(has_text=top).first).to_be_visible()

    page.get_by_role("group", name="Parts of the model").get_by_role("button", pressed=True).press("End")
    page.keyboard.press("Enter")
    expect_edits(page, "zero-head-0.0,zero-ffn-0")
    tab.reload()
    settle(page)
    expect(page.get_by_role("list", name="Changes").get_by_role("listitem")).to_have_count(2)
    page.get_by_role("button", name="Take out Layer 0, head 0").click()
    expect(page.get_by_role("list", name="Changes").get_by_role("listitem")).to_have_count(1)
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("list", name="Changes").get_by_role("listitem")).to_have_count(2)


def test_every_example_shows_what_is_said_of_it(tab: Tab, server: Server) -> None:
    page = tab.go(address("patch"))
    settle(page)
    said: dict[str, Any] = {}
    buttons = page.get_by_role("group", name="Examples").first.get_by_role("button")
    expect(buttons).to_have_text(["What colour?", "Where is it?", "How many?", "Whose dog?"])
    for button in buttons.all():
        name = button.inner_text()
        button.click()
        expect(button).to_have_attribute("aria-pressed", "true")
        expect(page.get_by_text("What one sees:")).to_be_visible()
        own = page.get_by_role("textbox", name="Text", exact=True).input_value()
        other = page.get_by_role("textbox", name="Other text").input_value()
        said[name] = {
            kind: ask(server, "patch/sweep", model="example", text=other, source_text=own, part=kind)
            for kind in ("residual", "head", "attention", "ffn")
        }

    colour = said["What colour?"]
    assert (colour["residual"]["answer_text"], colour["residual"]["wrong_text"]) == (" pink", " green")
    word = [token["text"] for token in colour["residual"]["tokens"]].index(" pink")
    assert all(row[word] > 0.8 for row in colour["residual"]["values"]), "it rests at its own word"
    assert colour["attention"]["values"][3][-1] > 0.8, "the last layer fetches it"
    assert strongest(colour["head"]) == (3, 2)

    place = said["Where is it?"]
    texts = [token["text"] for token in place["residual"]["tokens"]]
    start = len(texts) - 1 - texts[::-1].index("<|im_start|>")
    assert strongest(place["residual"])[0] == 0 and texts[strongest(place["residual"])[1]] == " bag"
    assert (
        start <= strongest(place["attention"], rows=[0])[1] < texts.index("The")
    ), "the turn's tokens hold it"
    assert place["attention"]["values"][2][-1] > 0.8, "layer 2 fetches it"

    number = said["How many?"]
    assert number["head"]["values"][0][0] > 0.95 and number["ffn"]["values"][0][-1] > 0.95
    dog = said["Whose dog?"]
    assert dog["attention"]["values"][0][-1] > 0.9 and dog["ffn"]["values"][0][-1] > 0.9


def strongest(sweep: dict[str, Any], rows: list[int] | None = None) -> tuple[int, int]:
    """Return the cell of a sweep that brings most of the other answer."""
    chosen = rows if rows is not None else range(len(sweep["values"]))
    return max(
        ((row, column) for row in chosen for column in range(len(sweep["columns"]))),
        key=lambda cell: sweep["values"][cell[0]][cell[1]],
    )


def test_a_cell_of_the_sweep_is_put_in_and_changes_the_guess(tab: Tab, server: Server) -> None:
    page = tab.go(address("patch", text=COUNTING, other=OTHER, part="head"))
    settle(page)
    answer = ask(server, "patch/sweep", model="example", text=OTHER, source_text=COUNTING, part="head")
    best = strongest(answer)
    cell = sweep_grid(page).locator(f'[data-cell="{best[0]}.{best[1]}"]')
    expect(cell).to_have_text(f"{answer['values'][best[0]][best[1]]:.2f}")
    expect(page.get_by_text(f"logit of {answer['answer_text'].replace(' ', '·')} minus")).to_be_visible()
    page.get_by_role("button", name="Put it in").click()
    expect(cell).to_have_attribute("data-mark", "")
    guesses = page.get_by_role("list", name="Guesses before and after").get_by_role("listitem")
    expect(guesses.filter(has_text=answer["answer_text"].replace(" ", "·")).first).to_have_attribute(
        "aria-label", re.compile(r": .* before, \d+% after")
    )
    patched = ask(
        server,
        "patch",
        model="example",
        text=COUNTING,
        source_text=OTHER,
        interventions=[
            {"part": "head", "layer": best[0], "head": best[1], "kind": "patch", "position": None}
        ],
    )
    assert patched["after"][0]["text"] == answer["answer_text"]
    expect(page.get_by_text(f"{patched['kl']:.2f} nats")).to_be_visible()


def test_texts_of_other_lengths_are_said_in_words(tab: Tab) -> None:
    tab.expected = ("422",)
    page = tab.go(address("patch", text=COUNTING, other=COUNTING + " it"))
    expect(alert(page)).to_contain_text("as many are needed")


def test_on_a_phone_a_tap_opens_the_guesses(phone: Tab) -> None:
    page = phone.go(address("lens", text=COUNTING))
    settle(page)
    lens_grid(page).locator('[data-cell="4.14"]').click()
    sheet = page.get_by_role("dialog", name="Guess")
    expect(sheet.get_by_role("list", name="Best guesses").get_by_role("listitem").first).to_contain_text(
        "·seven"
    )
    page.keyboard.press("Escape")
    expect(sheet).to_have_count(0)


def test_a_preset_says_that_its_weights_are_random(tab: Tab, server: Server) -> None:
    page = tab.go(address("lens", text="Mia has a dog.", model="preset:tiny-gpt2"))
    settle(page)
    expect(page.get_by_text("Random weights").first).to_be_visible()
    answer = ask(server, "lens", model="preset:tiny-gpt2", text="Mia has a dog.", top=1)
    assert answer["random"] is True
    expect(lens_grid(page).get_by_role("rowheader")).to_have_count(len(answer["layers"]) + 1)
