"""The architecture page's Attention and Step through, used as a person would, in themes and sizes."""

from __future__ import annotations

import json
import re
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, Request, Response, expect

if TYPE_CHECKING:
    from conftest import Look, Server, Tab

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser-labs")]

TEXT = "Hugo had four plums. He got three more. Now Hugo has"
LONG = " ".join(f"The cat number {index} sat on the mat and looked at the dog." for index in range(22))
ATTENTION = f"/architecture/?tab=attention&text={quote(TEXT)}"
STEPS = f"/architecture/?tab=steps&text={quote(TEXT)}"
VIEWS = {
    "heads": f"{ATTENTION}&model=example",
    "rollout": f"{ATTENTION}&model=example&kind=rollout&layer=2",
    "random": f"{ATTENTION}&model=preset:tiny-encoder",
    "way": f"{STEPS}&model=example",
    "number": f"{STEPS}&model=example&open=3,3a,3f&trail=blocks.3.attention.weights_14_2_1",
    "mixture": f"{STEPS}&model=preset:tiny-mixture&open=0,0a,0f",
}


def settle(tab: Tab) -> None:
    """Wait until nothing is loading any more."""
    page = tab.page
    expect(page.locator("h1")).to_have_count(1)
    expect(page.locator("textarea")).to_be_attached()
    expect(page.locator("main .animate-pulse.bg-surface-2")).to_have_count(0)
    tab.rest()
    page.evaluate("document.fonts.ready")


def numbers(server: Server, path: str, body: dict[str, Any], dtype: str = "<f2") -> np.ndarray:
    """Ask for an answer in bytes and return it in its shape."""
    request = urllib.request.Request(
        f"{server.url}/api/v1/transformer/{path}",
        data=json.dumps(body).encode(),
        headers={"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=90) as answer:
        shape = [int(size) for size in answer.headers["x-shape"].split(",")]
        return np.frombuffer(answer.read(), dtype=dtype).reshape(shape)


def the_map(page: Page) -> Locator:
    """Return the large map."""
    return page.get_by_role("application", name=re.compile("^Attention map"))


def tokens(page: Page) -> Locator:
    """Return the tokens of the text above the map."""
    return page.get_by_role("listbox", name=re.compile("^Choose a token")).get_by_role("option")


def head(page: Page, layer: int, index: int) -> Locator:
    """Return one head of the grid."""
    return page.get_by_role("button", name=re.compile(f"^Layer {layer}, head {index}:"))


def way(page: Page) -> Locator:
    """Return the picture of the token's way."""
    return page.get_by_role("list", name="The way of the token")


def test_every_view_is_sound(look: Look) -> None:
    for name, path in VIEWS.items():
        look.tab.go(path)
        settle(look.tab)
        look.check(name)


@pytest.mark.parametrize(
    "model", ["example", "preset:tiny-encoder", pytest.param("preset:tiny-gpt2", marks=pytest.mark.slow)]
)
def test_what_is_read_off_the_map_is_what_the_program_computed(model: str, server: Server, tab: Tab) -> None:
    text = "Mia has a dog. Mia has a"
    page = tab.go(f"/architecture/?tab=attention&model={model}&layer=1&head=2&text={quote(text)}")
    settle(tab)
    expect(page.get_by_role("heading", name="Layer 1, head 2")).to_be_visible()
    body = {"model": model, "text": text, "layer": 1, "head": 2, "kind": "weights"}
    weights = numbers(server, "attention/map", body)
    count = len(weights)
    expect(tokens(page)).to_have_count(count)
    page.get_by_role("radio", name="Looks at", exact=True).click()
    the_map(page).focus()
    for row, column in ((count - 1, 0), (count // 2, 1), (3, 3)):
        tab.go(f"{page.url.removeprefix(tab.url).split('&token')[0]}&token={row}")
        settle(tab)
        the_map(page).focus()
        the_map(page).press("Home")
        for _ in range(column):
            the_map(page).press("ArrowRight")
        value = float(weights[row, column])
        shown = "0" if value == 0 else f"{value:.3f}" if value >= 0.001 else None
        if shown is not None:
            expect(page.locator("p", has_text="looks at").get_by_text(shown, exact=True)).to_be_visible()


def test_heads_are_reached_by_key_and_only_what_is_looked_at_travels(tab: Tab) -> None:
    asked: list[tuple[int, int]] = []

    def note(request: Request) -> None:
        if request.url.endswith("/attention/map"):
            body = json.loads(request.post_data or "{}")
            asked.append((body["layer"], body["head"]))

    tab.page.on("request", note)
    page = tab.go(f"{ATTENTION}&model=example&layer=0&head=0")
    settle(tab)
    head(page, 0, 0).focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("heading", name="Layer 1, head 1")).to_be_visible()
    expect(head(page, 1, 1)).to_be_focused()
    settle(tab)
    tab.until(lambda: asked[-1] == (1, 1), "the last head is asked for")
    assert asked[0] == (0, 0) and len(asked) <= 3
    expect(page).to_have_url(re.compile("layer=1&head=1"))
    tab.reload()
    expect(page.get_by_role("heading", name="Layer 1, head 1")).to_be_visible()


def test_pointing_at_a_token_or_a_cell_lights_both_pictures(tab: Tab) -> None:
    page = tab.go(f"{ATTENTION}&model=example&layer=1&head=0")
    settle(tab)
    lit = page.locator("[data-part=row-name]")
    tokens(page).filter(has_text="plums").hover()
    expect(lit).to_have_text("·plums")
    expect(tokens(page).filter(has_text="plums")).to_have_attribute("data-at", "")
    expect(page.get_by_text("looks most at")).to_be_visible()

    _, _, width, height = tab.box(the_map(page))
    the_map(page).hover(position={"x": width - 6, "y": height - 6})
    expect(lit).to_have_text("·has")
    expect(page.locator("[data-part=column-name]")).to_have_text("·has")
    expect(tokens(page).last).to_have_attribute("data-to", "")
    page.get_by_role("radio", name="Looked at by").click()
    tokens(page).first.hover()
    expect(page.get_by_text("is looked at most by")).to_be_visible()


def test_many_moves_of_the_pointer_are_one_move_of_the_light(tab: Tab) -> None:
    page = tab.go(f"{ATTENTION}&model=example&layer=1&head=0")
    settle(tab)
    moves = the_map(page).evaluate("""async (map) => {
            const place = map.querySelector("[data-part=cell]");
            const box = map.getBoundingClientRect();
            let moves = 0;
            new MutationObserver(() => (moves += 1)).observe(place, { attributes: true });
            const frame = () => new Promise(requestAnimationFrame);
            await frame();
            for (let at = 0; at < 50; at += 1) {
                const where = { clientX: box.right - 10 - 4 * at, clientY: box.bottom - 10 };
                const move = { bubbles: true, pointerType: "mouse", ...where };
                map.dispatchEvent(new PointerEvent("pointermove", move));
                await null;
            }
            await frame();
            await frame();
            return moves;
        }""")
    assert moves == 1


def test_the_map_follows_the_theme(tab: Tab) -> None:
    page = tab.go(f"{ATTENTION}&model=example&layer=1&head=0")
    settle(tab)
    corner = """(map) => {
        const canvas = map.querySelector("canvas");
        const pen = canvas.getContext("2d");
        const [red, green, blue] = pen.getImageData(canvas.width - 8, canvas.height / 3, 1, 1).data;
        return (red + green + blue) / 3;
    }"""
    tab.until(lambda: the_map(page).evaluate(corner) > 200, "the map is drawn light")
    page.emulate_media(color_scheme="dark")
    expect(page.locator("html")).to_have_class(re.compile("dark"))
    tab.until(lambda: the_map(page).evaluate(corner) < 60, "the map is drawn dark")


def test_a_pattern_picks_out_its_heads_and_its_definition_can_be_read(server: Server, tab: Tab) -> None:
    report = server.ask("POST", "/api/v1/transformer/attention", {"model": "example", "text": TEXT})
    labels = [pattern["label"] for pattern in report["patterns"]]
    page = tab.go(f"{ATTENTION}&model=example")
    settle(tab)
    chips = page.get_by_role("group", name="Patterns").get_by_role("button")
    expect(chips).to_have_count(1 + len(set(labels)))
    page.get_by_role("radio", name="Table of scores").click()
    rows = page.get_by_role("region", name="Scores of all heads").get_by_role("row")
    expect(rows).to_have_count(1 + len(labels))
    chips.nth(1).click()
    expect(rows).to_have_count(1 + max(labels.count(label) for label in labels))

    page.get_by_role("button", name="Definitions").click()
    sheet = page.get_by_role("dialog", name="How heads are labelled")
    expect(sheet.get_by_text("arXiv:2209.11895").first).to_be_visible()
    expect(sheet.get_by_text(f"{report['induction_probe']['tokens']} random tokens")).to_be_visible()


def test_the_map_is_saved_as_picture_and_as_numbers(server: Server, tab: Tab, tmp_path: Path) -> None:
    page = tab.go(f"{ATTENTION}&model=example&layer=1&head=0")
    settle(tab)
    for item, name in (("Picture (PNG)", "attention.png"), ("Numbers (CSV)", "attention.csv")):
        page.get_by_role("button", name="Save the map").click()
        with page.expect_download() as download:
            page.get_by_role("menuitem", name=item).click()
        download.value.save_as(tmp_path / name)
    assert (tmp_path / "attention.png").read_bytes()[:4] == b"\x89PNG"
    lines = (tmp_path / "attention.csv").read_text().splitlines()
    body = {"model": "example", "text": TEXT, "layer": 1, "head": 0, "kind": "weights"}
    weights = numbers(server, "attention/map", body)
    last = [float(cell) for cell in lines[-1].rsplit('",', 1)[1].split(",")]
    np.testing.assert_allclose(last, weights[-1], rtol=1e-3)


def test_hundreds_of_tokens_are_seen_a_part_at_a_time(tab: Tab) -> None:
    got: list[Response] = []
    tab.page.on("response", lambda answer: answer.url.endswith("/attention/map") and got.append(answer))
    page = tab.go(f"/architecture/?tab=attention&model=preset:mini-10m&text={quote(LONG)}")
    settle(tab)
    expect(tokens(page).nth(300)).to_be_attached()
    count = tokens(page).count()
    seen = page.get_by_text(re.compile("looking at"))
    expect(seen).to_contain_text(f"of {count}")
    before = seen.inner_text()
    the_map(page).focus()
    the_map(page).press("Home")
    the_map(page).press("End")
    expect(seen).not_to_have_text(before)
    page.get_by_role("button", name="Show fewer tokens, larger").click()
    settle(tab)
    assert got and max(len(answer.body()) for answer in got) <= 2 * 192 * 192


def test_a_random_model_is_named_so_and_a_text_too_long_is_said(tab: Tab) -> None:
    tab.expected = ("422",)
    page = tab.go(f"/architecture/?tab=attention&model=preset:tiny-gpt2&text={quote('x' * 30)}")
    settle(tab)
    expect(page.get_by_role("button", name="Random weights")).to_be_visible()
    page.get_by_role("textbox", name="Text", exact=True).fill("x" * 100)
    expect(page.get_by_text("This model reads at most 64 tokens")).to_be_visible()
    expect(page.get_by_role("alert").filter(has_text="could not be computed")).to_contain_text("64")


def test_the_way_of_a_token_opens_level_by_level_and_its_numbers_are_real(server: Server, tab: Tab) -> None:
    page = tab.go(f"{STEPS}&model=example")
    settle(tab)
    trace = server.ask("POST", "/api/v1/transformer/trace", {"model": "example", "text": TEXT})
    best = trace["predictions"][0]
    expect(way(page).get_by_role("button", name=re.compile("^Layer"))).to_have_count(4)
    expect(way(page).get_by_text(f"{best['probability']:.1%}", exact=True)).to_be_visible()
    way(page).get_by_role("button", name=re.compile("^Layer 1")).click()
    way(page).get_by_role("button", name=re.compile("^Attention of layer 1")).click()
    way(page).get_by_role("button", name="Attention weights").click()
    grid = page.get_by_role("application", name=re.compile("attention weights, [0-9]+ numbers$"))
    expect(grid).to_be_visible()
    expect(page).to_have_url(re.compile(r"at=blocks\.1\.attention\.weights"))
    body = {
        "model": "example",
        "text": TEXT,
        "name": "blocks.1.attention.weights",
        "position": len(trace["tokens"]) - 1,
    }
    tensor = server.ask("POST", "/api/v1/transformer/trace/tensor", body)
    heads, seen = tensor["shape"]
    grid.focus()
    for _ in range(heads - 1):
        grid.press("ArrowDown")
    grid.press("End")
    expect(page.get_by_text(f"head {heads - 1}, to")).to_be_visible()
    value = tensor["values"][heads * seen - 1]
    expect(page.get_by_text(f"{value:.4g}"[:6]).first).to_be_visible()
    tab.reload()
    expect(way(page).get_by_role("button", name="Attention weights")).to_have_attribute(
        "aria-pressed", "true"
    )


def test_a_guess_is_walked_back_to_the_embedding_number_by_number(tab: Tab) -> None:
    page = tab.go(f"{STEPS}&model=example")
    settle(tab)
    way(page).get_by_title(re.compile("where does its logit come from")).first.click()
    where = page.get_by_role("region", name="Where the number comes from")
    crumbs = where.get_by_role("navigation", name="Numbers on the way").get_by_role("listitem")
    expect(crumbs).to_have_count(1)
    steps = 0
    while "embedding" not in (crumbs.last.inner_text()) and steps < 40:
        steps += 1
        link = where.get_by_title(re.compile("where does it come from")).last
        link.click()
        expect(crumbs).to_have_count(1 + steps)
        expect(where.locator(".opacity-50")).to_have_count(0)
        expect(where.get_by_role("row", name=re.compile("^sum"))).to_be_visible()
    assert "embedding" in crumbs.last.inner_text()
    where.get_by_role("button", name="Back").click()
    expect(crumbs).to_have_count(steps)
    crumbs.first.get_by_role("button").click()
    expect(crumbs).to_have_count(1)


@pytest.mark.parametrize(
    "model",
    [
        "preset:tiny-mixture",
        "preset:tiny-encoder",
        pytest.param("preset:tiny-gpt2", marks=pytest.mark.slow),
        pytest.param("preset:tiny-llama", marks=pytest.mark.slow),
    ],
)
def test_every_step_of_every_kind_of_model_can_be_opened(model: str, tab: Tab) -> None:
    page = tab.go(f"/architecture/?tab=steps&model={model}&text=Mia%20has%20a%20dog")
    settle(tab)
    page.get_by_role("button", name="Open all").click()
    steps = way(page).locator("[data-step]")
    expect(steps.nth(24)).to_be_attached()
    names = steps.evaluate_all("(found) => found.map((item) => item.dataset.step)")
    inside = [name for name in names if not name.startswith("blocks.1.")]
    assert len(inside) > 12
    for name in inside:
        step = way(page).locator(f'[data-step="{name}"]')
        step.click()
        expect(step).to_have_attribute("aria-pressed", "true")
        expect(page.locator("code + p .font-mono")).to_have_text(name)
        page.get_by_role("application", name=re.compile(", [0-9,]+ numbers$")).press("Enter")
        where = page.get_by_role("region", name="Where the number comes from")
        expect(where.get_by_role("row", name=re.compile("^sum"))).to_be_visible()
    expect(page.get_by_role("alert").filter(has_text="could not")).to_have_count(0)


def test_on_a_phone_a_step_opens_in_a_sheet_and_another_token_can_be_followed(
    phone: Tab,
) -> None:
    page = phone.go(f"{STEPS}&model=example")
    settle(phone)
    followed = page.get_by_role("listbox", name="The token to follow").get_by_role("option")
    followed.filter(has_text="plums").click()
    expect(page.get_by_text("“·plums”, token 3 of 15")).to_be_visible()
    way(page).get_by_role("button", name=re.compile("^Final norm")).click()
    sheet = page.get_by_role("dialog", name="Final norm")
    expect(sheet.get_by_role("application")).to_be_visible()
    _, top, _, height = phone.box(sheet)
    assert top + height <= 845
    page.keyboard.press("Escape")
    expect(sheet).to_have_count(0)
