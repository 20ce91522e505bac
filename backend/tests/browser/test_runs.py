"""Runs in the browser: stop, resume, delete with undo, and a second quickstart while one runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from conftest import Server, Tab

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser-runs")]


@pytest.fixture
def long_run(server: Server, finished: dict[str, Any]) -> Iterator[str]:
    """A pre-training run that would take hours."""
    tokens = server.ask("GET", "/api/v1/artifacts?kind=tokens")["artifacts"][0]["id"]
    training = {"steps": 1_000_000, "batch_size": 2, "checkpoint_every": 20, "threads": 1}
    model = {"vocab_size": 320, "width": 32, "layers": 1, "heads": 2}
    config = {"tokens": tokens, "model": model, "name": "Long", "training": training}
    body = {"stage": "pretrain", "name": "Long one", "config": config}
    yield server.ask("POST", "/api/v1/runs", body)["id"]
    server.end_runs()


def test_a_run_is_stopped_and_resumed_on_its_page(tab: Tab, long_run: str) -> None:
    page = tab.go(f"/runs/?id={long_run}")
    head = page.get_by_role("heading", level=1).locator("xpath=..")  # other cards tell of the state too
    curve = page.get_by_role("img", name=re.compile(r"^Loss: .* at step [\d,]+"))
    curve.wait_for()
    expect(page.get_by_role("link", name=re.compile("^Long one .*at work"))).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("The run was stopped")).to_be_visible()
    expect(head.get_by_text("Stopped", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name=re.compile("at work, open"))).to_have_count(0)
    page.get_by_role("button", name="Resume").click()
    expect(head.get_by_text("attempt 2", exact=True)).to_be_visible()
    expect(head.get_by_text("Running", exact=True)).to_be_visible()
    expect(page.get_by_text("The run was stopped")).to_have_count(0)
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("The run was stopped")).to_be_visible()

    page.get_by_role("button", name="Delete").click()
    expect(page).to_have_url(f"{tab.url}/runs/")
    entry = page.get_by_role("link", name="Long one")
    expect(entry).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(entry).to_have_count(1)


def test_a_second_quickstart_is_refused_in_one_sentence(
    server: Server, tab: Tab, finished: dict[str, Any]
) -> None:
    tab.expected = ("409", "ERR_FAILED")
    page = tab.page
    page.route("**/api/v1/events*", lambda route: route.abort())  # this tab does not hear of the other start
    tab.go("/")
    button = page.get_by_role("button", name="Train another")
    expect(button).to_be_visible()
    running = server.start_quickstart()
    try:
        button.click()
        said = page.locator("[data-sonner-toast] [data-title]")
        expect(said).to_have_text(re.compile(r"^[^.]*is already running[^.]*\.$"))
        page.get_by_role("link", name="Open the running quickstart").click()
        expect(page).to_have_url(re.compile(running))
    finally:
        server.end_runs()
