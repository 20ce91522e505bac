"""A fork started from a checkpoint on the page of a run, and the lineage that then shows it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from conftest import Look, Server, Tab

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser-runs")]


@pytest.fixture
def trained(server: Server, finished: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The pre-training of the finished quickstart."""
    steps = server.ask("GET", f"/api/v1/runs/{finished['id']}")["children"]
    yield next(step for step in steps if step["stage"] == "pretrain")
    server.end_runs()
    for run in server.runs():
        if run["name"] == "Slower":
            server.ask("DELETE", f"/api/v1/runs/{run['id']}")


def test_a_run_is_forked_from_a_checkpoint(
    server: Server, tab: Tab, trained: dict[str, Any], keep_picture: Callable[..., None]
) -> None:
    page = tab.go(f"/runs/?id={trained['id']}")
    table = page.get_by_role("region", name="Table of checkpoints")
    row = table.get_by_role("row", name=re.compile(r"^320\b"))
    pin = row.get_by_role("button", name="Pin step 320")
    pin.click()
    expect(pin).to_have_attribute("aria-pressed", "true")
    row.get_by_role("button", name="Fork from here, step 320").click()
    expect(page).to_have_url(re.compile("fork=320"))
    sheet = page.get_by_role("dialog", name="Fork from step 320")
    sheet.get_by_label("Name", exact=True).fill("Slower")
    sheet.get_by_role("textbox", name="Learning rate", exact=True).fill("0.0005")
    sheet.get_by_role("textbox", name="Steps", exact=True).fill("1000000")
    sheet.get_by_role("button", name="Validation and checkpoints").click()
    sheet.get_by_role("textbox", name="Checkpoint every", exact=True).fill("1000000")  # 320 stays the newest
    changes = sheet.get_by_role("list", name="What is changed")
    expect(changes).to_contain_text("Learning rate0.002→0.0005")
    keep_picture(page, "fork", full_page=False)
    sheet.get_by_role("button", name="Start the fork").click()
    expect(page.get_by_role("heading", level=1, name="Slower")).to_be_visible()
    origin = page.get_by_role("link", name="forked from Pre-training at step 320")
    expect(origin).to_have_attribute("href", f"/runs/?id={trained['id']}")
    page.get_by_role("img", name=re.compile(r"^Loss: .* at step (3[2-9]\d|[4-9]\d\d|\d+,\d+)\.")).wait_for()
    expect(page.get_by_role("row", name=re.compile(r"^320 newest"))).to_be_visible()
    fork = next(run for run in server.runs() if run["name"] == "Slower")
    assert fork["config"]["training"]["learning_rate"] == 0.0005
    found = server.ask("GET", f"/api/v1/runs/{fork['id']}/metrics")
    assert found["series"]["train/loss"]["step"][0] == 321
    server.ask("DELETE", f"/api/v1/runs/{trained['id']}/checkpoints/320/pin")


def test_the_lineage_leads_from_the_text_to_the_score(
    tab: Tab, trained: dict[str, Any], tmp_path: Path
) -> None:
    page = tab.go(f"/runs/?id={trained['id']}")
    lineage = page.get_by_role("region", name="Lineage", exact=True)
    text = lineage.get_by_role("img", name=re.compile("^Data set: Small town"))
    text.focus()
    facts = lineage.get_by_role("status")
    expect(facts).to_contain_text("400 texts")
    with page.expect_download() as saved:
        lineage.get_by_role("button", name="Save the lineage as a picture").click()
    drawn = Path(saved.value.path()).read_text()
    assert "Small chat" in drawn and "Held-out score" in drawn and "class=" not in drawn
    lineage.get_by_role("button", name="Lineage as a list").click()
    items = lineage.get_by_role("list", name="Lineage, the oldest first").get_by_role("listitem")
    expect(items.filter(has_text="Model: Small chat")).to_contain_text("from run Fine-tuning")
    lineage.get_by_role("button", name="Lineage as a list").click()
    model = lineage.get_by_role("link", name=re.compile("^Model: Small chat"))
    model.press("Enter")
    expect(page).to_have_url(re.compile(r"/models/\?id=small-chat"))


def test_the_fork_and_the_lineage_are_sound(look: Look, trained: dict[str, Any]) -> None:
    page = look.tab.go(f"/runs/?id={trained['id']}&fork=400")
    sheet = page.get_by_role("dialog", name="Fork from step 400")
    expect(sheet.get_by_role("list", name="What is changed")).to_contain_text("Steps400→800")
    expect(sheet.get_by_role("img", name=re.compile("^Learning rate"))).to_be_visible()
    look.check("fork-sheet")
    page.keyboard.press("Escape")
    expect(sheet).to_have_count(0)
    page.get_by_role("region", name="Lineage", exact=True).scroll_into_view_if_needed()
    expect(page.get_by_role("link", name=re.compile("^Data: |^Run, Data"))).to_be_visible()
    look.check("lineage")
