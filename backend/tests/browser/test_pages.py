"""Every page in both themes and two sizes, the keyboard, the API's page, and a server that goes away."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Page, expect

from llm_playground.api.settings import web_folder

if TYPE_CHECKING:
    from conftest import Look, Server, Tab

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser-runs")]


def settle(page: Page) -> None:
    """Wait until nothing is loading any more."""
    expect(page.locator("h1")).to_have_count(1)
    expect(page.locator("main .animate-pulse.bg-surface-2")).to_have_count(0)
    page.evaluate("document.fonts.ready")


def test_every_page_is_sound(look: Look, finished: dict[str, Any]) -> None:
    run, model = finished["id"], finished["output"]
    paths = {
        "home": "/",
        "runs": "/runs/",
        "training": f"/runs/?id={run}&step=pretrain",
        "score": f"/runs/?id={run}&step=score&tab=config",
        "chat": f"/chat/?model={model}",
        "models": "/models/",
        "model": f"/models/?id={model}",
        "nowhere": "/nowhere/",
    }
    look.tab.expected = ("404",)  # the page that is not there
    for name, path in paths.items():
        page = look.tab.go(path)
        settle(page)
        look.check(name)
    assert all("404" in fault for fault in look.tab.faults) and len(look.tab.faults) <= 1


def test_the_keyboard_reaches_everything(tab: Tab, finished: dict[str, Any]) -> None:
    page = tab.go("/")
    settle(page)
    tab.rest()  # what comes later must not be where the key leads
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to content")
    expect(skip).to_be_focused()
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert skip.bounding_box() is not None
    for _ in range(4):
        page.keyboard.press("Tab")
        width = page.evaluate("parseFloat(getComputedStyle(document.activeElement).outlineWidth)")
        assert width >= 2, page.evaluate("document.activeElement.outerHTML")

    page.keyboard.press("Control+k")
    field = page.get_by_role("combobox")
    expect(field).to_be_focused()
    page.keyboard.type("talk with a mod")
    first = page.get_by_role("option").first
    expect(first).to_contain_text("Chat")
    expect(first).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{tab.url}/chat/")
    expect(page.get_by_role("dialog")).to_have_count(0)

    expect(page.get_by_role("combobox", name="Model", exact=True)).to_be_visible()
    page.locator("body").click(position={"x": 700, "y": 30})
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(dialog).to_contain_text("Find a page, run, model or action")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    page.keyboard.press("g")
    page.keyboard.press("r")
    expect(page).to_have_url(f"{tab.url}/runs/")


def test_a_theme_is_chosen_and_kept(tab: Tab) -> None:
    page = tab.go("/")
    page.get_by_role("button", name="Theme").click()
    page.get_by_role("menuitem", name="Dark").click()
    expect(page.locator("html")).to_have_class(re.compile(r"\bdark\b"))
    tab.reload()
    expect(page.locator("html")).to_have_class(re.compile(r"\bdark\b"))


def test_the_api_page_needs_no_other_host(tab: Tab) -> None:
    page = tab.page
    page.goto(f"{tab.url}/docs")
    operations = page.locator(".opblock")
    expect(operations.nth(25)).to_be_visible()
    operations.filter(has_text="/api/v1/health").first.click()
    expect(page.get_by_role("button", name="Try it out").first).to_be_visible()


def test_the_icon_is_where_browsers_look_while_a_page_names_none(tab: Tab) -> None:
    answer = tab.page.request.get(f"{tab.url}/favicon.ico")
    assert answer.ok and answer.headers["content-type"].startswith("image/")


def test_nothing_moves_while_a_reply_streams(tab: Tab, finished: dict[str, Any]) -> None:
    page = tab.go(f"/chat/?model={finished['output']}")
    settle(page)
    page.get_by_role("button", name=re.compile("^Tell me a story")).click()
    page.evaluate("""() => {
      window.shift = 0;
      window.add = (entries) => { for (const entry of entries) window.shift += entry.value; };
      window.watch = new PerformanceObserver((list) => window.add(list.getEntries()));
      window.watch.observe({type: 'layout-shift', buffered: false});
    }""")
    log = page.get_by_role("log", name="Messages")
    expect(log).to_have_attribute("aria-busy", "false")
    expect(page.get_by_role("button", name=re.compile("^(Another reply|Ask again)$"))).to_be_visible()
    shift = page.evaluate("""async () => {
      for (let frame = 0; frame < 2; frame += 1) await new Promise(requestAnimationFrame);
      window.add(window.watch.takeRecords());
      return window.shift;
    }""")
    assert shift < 0.1


def test_a_server_that_goes_away_is_said_and_waited_for(server: Server, tab: Tab) -> None:
    tab.expected = ("net::ERR_",)
    page = tab.go("/")
    settle(page)
    expect(page.get_by_role("status", name="Connected to the program")).to_be_visible()
    folder = web_folder()
    assert folder is not None
    parts = [file.name for file in folder.rglob("*.js") if "Nothing of that name." in file.read_text()]
    assert parts
    page.wait_for_function(  # what opens on a key is fetched when the page is at rest
        """parts => parts.some((part) => performance.getEntriesByType("resource")
            .some((entry) => entry.name.endsWith(part) && entry.responseEnd > 0))""",
        arg=parts,
    )
    server.stop()
    try:
        gone = page.get_by_role("alert").filter(has_text="The program does not answer.")
        expect(gone).to_contain_text("make run; this page goes on by itself")
        page.keyboard.press("Control+k")
        page.get_by_role("option", name="Train your first model", exact=True).click()
        expect(page.get_by_text("The run could not be started.")).to_be_visible()
    finally:
        server.start()
    expect(gone).to_have_count(0)
    expect(page.get_by_role("status", name="Connected to the program")).to_be_visible()
