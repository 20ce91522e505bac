"""Every page in both themes and two sizes, the keyboard, the API's page, and a server that goes away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Page, expect

if TYPE_CHECKING:
    from conftest import Look, Server, Tab

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


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
    expect(page.get_by_role("option").first).to_contain_text("Chat")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{tab.url}/chat/")
    expect(page.get_by_role("dialog")).to_have_count(0)

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
    page.wait_for_function("document.documentElement.classList.contains('dark')")
    page.reload()
    assert page.evaluate("document.documentElement.classList.contains('dark')")


def test_the_api_page_needs_no_other_host(tab: Tab) -> None:
    page = tab.go("/docs")
    operations = page.locator(".opblock")
    operations.first.wait_for()
    assert operations.count() > 25
    operations.filter(has_text="/api/v1/health").first.click()
    expect(page.get_by_role("button", name="Try it out").first).to_be_visible()


def test_nothing_moves_while_a_reply_streams(tab: Tab, finished: dict[str, Any]) -> None:
    page = tab.go(f"/chat/?model={finished['output']}")
    settle(page)
    page.get_by_role("button", name="Tell me a story").click()
    page.evaluate("""() => {
      window.shift = 0;
      new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) window.shift += entry.value;
      }).observe({type: 'layout-shift', buffered: false});
    }""")
    log = page.get_by_role("log", name="Messages")
    expect(log).to_have_attribute("aria-busy", "false", timeout=30_000)
    page.wait_for_timeout(200)  # entries are reported a frame later
    assert page.evaluate("window.shift") < 0.1


def test_a_server_that_goes_away_is_said_and_waited_for(server: Server, tab: Tab) -> None:
    tab.expected = (
        "ERR_CONNECTION_REFUSED",
        "ERR_INCOMPLETE_CHUNKED",
        "ERR_EMPTY_RESPONSE",
        "ERR_CONNECTION_RESET",
    )
    page = tab.go("/")
    settle(page)
    expect(page.get_by_role("status", name="Connected to the program")).to_be_visible()
    page.wait_for_timeout(2_000)  # what opens on a key is fetched when the page is at rest
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
