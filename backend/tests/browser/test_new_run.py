"""A run put together in the form: from the architecture page to its curve, each problem at its setting."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from conftest import Look, Server, Tab

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

TINY = "width:32,layers:1,heads:2,context_length:64"
TRAINING = "steps:12,batch_size:2,warmup_steps:2,eval_every:6,eval_batches:1,sample_every:0,threads:1"


def test_a_run_is_started_from_the_form(
    server: Server, tab: Tab, finished: dict[str, Any], keep_picture: Callable[..., None]
) -> None:
    page = tab.go(f"/architecture/?set={TINY}")
    page.get_by_role("link", name="Train this").click()
    expect(page).to_have_url(re.compile(r"/runs/new/\?.*width:32"))
    expect(page.get_by_role("textbox", name="Width")).to_have_value("32")
    page.goto(f"{tab.url}/runs/new/?set={TINY}&train={TRAINING}&name=Little+one")
    train = page.get_by_role("button", name="Train", exact=True)
    expect(train).to_be_enabled()
    page.get_by_role("textbox", name="Steps", exact=True).fill("14")
    page.get_by_role("textbox", name="Warmup steps").fill("9000000000")
    expect(page.get_by_role("region", name="Command")).to_contain_text("--training.warmup_steps 9000000000")
    page.get_by_role("textbox", name="Batch size", exact=True).fill("70000")
    expect(page.get_by_text("1 setting is not right yet")).to_be_visible()
    expect(train).to_be_disabled()
    page.get_by_role("textbox", name="Batch size", exact=True).fill("3")
    page.get_by_role("textbox", name="Warmup steps").fill("2")
    expect(page.get_by_role("region", name="Command")).to_contain_text("--training.steps 14")
    expect(train).to_be_enabled()
    keep_picture(page, "new-run")
    train.click()
    expect(page).to_have_url(re.compile(r"/runs/\?id=pretrain-"))
    expect(page.get_by_role("heading", level=1, name="Little one")).to_be_visible()
    expect(page.get_by_text("Finished", exact=True).first).to_be_visible(timeout=60_000)
    run = next(run for run in server.runs() if run["name"] == "Little one")
    training = run["config"]["training"]
    assert (training["steps"], training["batch_size"], training["warmup_steps"]) == (14, 3, 2)
    assert run["config"]["model"] == {"width": 32, "layers": 1, "heads": 2, "context_length": 64}


def test_the_page_is_sound(look: Look, finished: dict[str, Any]) -> None:
    for name, query in {"pretrain": "", "new-data": "?data=source:tinyworld", "sft": "?stage=sft"}.items():
        page = look.tab.go(f"/runs/new/{query}")
        expect(page.get_by_role("region", name="Settings as YAML")).to_be_visible()
        expect(page.locator("main .animate-pulse.bg-surface-2")).to_have_count(0)
        look.check(f"new-run-{name}", full_page=True)
