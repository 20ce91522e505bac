"""A run put together in the form: from the architecture page to its curve, each problem at its setting."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from conftest import Look, Server, Tab

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser-runs")]

TINY = "width:32,layers:1,heads:2,context_length:64"
TRAINING = "steps:12,batch_size:2,warmup_steps:2,eval_every:6,eval_batches:1,sample_every:0,threads:1"


def test_a_run_is_started_from_the_form(
    server: Server, tab: Tab, finished: dict[str, Any], keep_picture: Callable[..., None]
) -> None:
    page = tab.go(f"/architecture/?set={TINY}")
    page.get_by_role("link", name="Train this").click()
    expect(page).to_have_url(re.compile(r"/runs/new/\?.*width:32"))
    expect(page.get_by_role("textbox", name="Width")).to_have_value("32")
    tab.go(f"/runs/new/?set={TINY}&train={TRAINING}&name=Little+one")
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
    expect(page.get_by_text("Finished", exact=True).first).to_be_visible()
    run = next(run for run in server.runs() if run["id"] in page.url)
    training = run["config"]["training"]
    assert (training["steps"], training["batch_size"], training["warmup_steps"]) == (14, 3, 2)
    assert run["config"]["model"] == {"width": 32, "layers": 1, "heads": 2, "context_length": 64}


def test_a_text_of_ones_own_goes_all_the_way_to_a_model(
    server: Server, tab: Tab, tmp_path: Path, keep_picture: Callable[..., None]
) -> None:
    tale = tmp_path / "My tale.txt"
    tale.write_text("".join(f"Day {day}.\nMia saw {day} birds.\n\n" for day in range(200)))
    query = f"?set={TINY}&train={TRAINING}&vocabulary=300&name=Tale+model"
    page = tab.go(f"/runs/new/{query}")
    page.get_by_label("Files of text").set_input_files(tale)
    text = page.get_by_role("combobox", name="Text", exact=True)
    expect(text.locator("option:checked")).to_have_text(re.compile(r"My tale, 5\.\d.kB"))
    expect(page.get_by_role("button", name="Delete My tale")).to_be_visible()
    memory = page.get_by_role("region", name="Memory", exact=True)
    parts = memory.get_by_role("img", name=re.compile("Memory by part: Weights"))
    expect(parts).to_be_visible()  # the first plan of a server loads torch
    expect(page.get_by_text("Estimated", exact=True)).to_be_visible()
    keep_picture(page, "new-run-own-text")
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page).to_have_url(re.compile(r"/runs/\?id=recipe-"))
    expect(page.get_by_role("heading", level=1, name="Tale model")).to_be_visible()
    expect(page.get_by_text("Finished", exact=True).first).to_be_visible(timeout=90_000)
    (upload,) = (item for item in server.ask("GET", "/api/v1/data/uploads")["uploads"])
    assert [file["name"] for file in upload["files"]] == ["My tale.txt"]

    tab.go(f"/runs/new/?data=dataset:{dataset_of(server, 'My tale')}")
    page.get_by_role("button", name="Delete My tale").click()
    expect(page.get_by_text("Deleted My tale.")).to_be_visible()
    assert server.ask("GET", "/api/v1/data/uploads")["uploads"] == []
    page.get_by_role("button", name="Undo").click()
    expect(text.locator("option:checked")).to_have_text(re.compile("My tale"))
    tab.until(lambda: len(server.ask("GET", "/api/v1/data/uploads")["uploads"]) == 1, "it is back")


def dataset_of(server: Server, name: str) -> str:
    """Return the id of a data set by its name."""
    found = server.ask("GET", "/api/v1/artifacts?kind=dataset")["artifacts"]
    return next(str(item["id"]) for item in found if item["name"] == name)


def test_what_does_not_fit_is_told_and_helped(tab: Tab, finished: dict[str, Any]) -> None:
    train = TRAINING.replace("batch_size:2", "batch_size:40000")
    page = tab.go(f"/runs/new/?set=width:512,layers:8,heads:8&train={train}")
    told = page.get_by_role("status").filter(has_text="This would:")
    expect(told).to_be_visible()
    page.get_by_role("button", name="Train", exact=True).click()
    dialog = page.get_by_role("dialog", name=re.compile("This training (may not|cannot) fit"))
    expect(dialog).to_be_visible()
    dialog.get_by_role("button", name="Use what fits").click()
    expect(told).to_have_count(0)
    expect(page).to_have_url(re.compile("micro_batch_size:"))
    page.get_by_role("combobox", name="On", exact=True).select_option("h100-sxm")
    expect(page.get_by_text(re.compile(r"^As of \d{4}-\d\d-\d\d: "))).to_be_visible()
    expect(page.get_by_text(re.compile(r"^\$\d"))).to_be_visible()


def test_the_page_is_sound(look: Look, finished: dict[str, Any]) -> None:
    for name, query in {"pretrain": "", "new-data": "?data=source:tinyworld", "sft": "?stage=sft"}.items():
        page = look.tab.go(f"/runs/new/{query}")
        expect(page.get_by_role("region", name="Settings as YAML")).to_be_visible()
        expect(page.locator("main .animate-pulse.bg-surface-2")).to_have_count(0)
        look.check(f"new-run-{name}", full_page=True)
