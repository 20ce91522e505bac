"""Charts of a run at work and of a finished one, the table of runs, and two runs over each other."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Page, expect

if TYPE_CHECKING:
    from conftest import Look, Server, Tab

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser-runs")]

ALL_AGAIN = "Show all of it again"


@pytest.fixture(scope="module")
def pair(server: Server, finished: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """A pre-training that goes on for hours, and the finished one of the quickstart."""
    steps = server.ask("GET", f"/api/v1/runs/{finished['id']}")["children"]
    done = next(step for step in steps if step["stage"] == "pretrain")
    training = {"steps": 1_000_000, "batch_size": 2, "checkpoint_every": 20, "threads": 1, "eval_every": 50}
    model = {"width": 32, "layers": 1, "heads": 2}
    config = {"tokens": done["config"]["tokens"], "model": model, "name": "Going on", "training": training}
    body = {"stage": "pretrain", "name": "Going on", "config": config}
    yield server.ask("POST", "/api/v1/runs", body)["id"], done["id"]
    server.end_runs()


def drag(tab: Tab, start: float, end: float) -> None:
    """Drag over a share of the first chart; again where an alert came meanwhile and pushed it away."""
    mouse, shown = tab.page.mouse, tab.page.get_by_role("button", name=ALL_AGAIN).first
    area = tab.page.locator(".u-over").first

    def done() -> bool:
        box = left, top, width, height = tab.box(area)
        middle = top + height / 2
        mouse.move(left + start * width, middle)
        mouse.down()
        mouse.move(left + end * width, middle, steps=5)
        mouse.up()
        if tab.box(area) == box:  # it stood still, so it felt the drag
            expect(shown).to_be_visible()
        return shown.is_visible()

    tab.until(done, "the chart stands still for a drag")


def draw_over(page: Page, before: str, axis: str) -> None:
    """Choose what the first chart is drawn over."""
    page.get_by_role("button", name=f"By {before}").click()
    page.get_by_role("menuitem", name=axis).click()


def test_notes_and_tags_are_kept_and_found(tab: Tab, finished: dict[str, Any]) -> None:
    page = tab.go(f"/runs/?id={finished['id']}&tab=notes")
    page.get_by_label("Tags").fill("keeper")
    page.get_by_label("Tags").press("Enter")
    expect(page.get_by_role("button", name="Take the tag keeper away")).to_be_visible()
    page.get_by_label("Notes").fill("The first that talks.")
    with page.expect_response(lambda got: got.request.method == "PATCH") as kept:
        page.get_by_role("button", name="Keep notes").click()
    assert kept.value.ok
    expect(page.get_by_role("button", name="Keep notes")).to_be_disabled()
    page = tab.go("/runs/?q=keeper")
    expect(page.get_by_text("The first that talks.")).to_be_visible()
    expect(page.get_by_role("row")).to_have_count(2)


def test_a_live_and_a_finished_run(
    tab: Tab, pair: tuple[str, str], keep_picture: Callable[..., None]
) -> None:
    live, done = pair
    page = tab.go(f"/runs/?id={live}")
    chart = page.get_by_role("img", name=re.compile(r"^Loss: .* at step [\d,]+"))
    expect(chart).not_to_have_attribute("aria-label", str(chart.get_attribute("aria-label")))
    drag(tab, 0.1, 0.6)
    step = page.locator("dl > div").filter(has=page.get_by_text("Step", exact=True)).locator("dd")
    for _ in range(2):  # values go on coming, and the stretch stays
        expect(step).not_to_have_text(step.inner_text())
    expect(page.get_by_role("button", name=ALL_AGAIN).first).to_be_visible()
    page.get_by_role("button", name=re.compile("^System")).click()
    step_time = page.get_by_role("img", name=re.compile("^Step time: Step "))
    before = step_time.get_attribute("aria-label")
    expect(step_time).not_to_have_attribute("aria-label", str(before))

    page = tab.go(f"/runs/?id={done}")
    chart = page.get_by_role("img", name=re.compile(r"^Loss: .* at step 400\."))
    chart.wait_for()
    asked: list[str] = []
    page.on("request", lambda sent: "start=" in sent.url and asked.append(sent.url))
    drag(tab, 0.25, 0.5)
    expect(page.get_by_role("button", name=ALL_AGAIN)).to_have_count(4)  # all charts show the same stretch
    expect(page.get_by_role("img", name=re.compile(r"^Loss: .* at step (1|2)\d\d\."))).to_be_visible()
    assert asked and re.search(r"start=\d+&end=\d+", asked[0])
    page.get_by_role("button", name=ALL_AGAIN).first.click()
    expect(page.get_by_role("button", name=ALL_AGAIN)).to_have_count(0)
    draw_over(page, "step", "Tokens")
    expect(page.get_by_role("img", name=re.compile(r"^Loss: .* tokens\. The table"))).to_be_visible()
    draw_over(page, "tokens", "Time")
    page.get_by_role("button", name="Log values").click()
    page.get_by_role("button", name="Smooth").click()
    expect(page.get_by_role("img", name=re.compile(r"^Loss: "))).to_be_visible()
    keep_picture(page, "run-finished-time-log")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save Loss").click()
        page.get_by_role("menuitem", name="Numbers (CSV)").click()
    lines = Path(saved.value.path()).read_text().splitlines()
    assert lines[0] == "seconds,train/loss,val/loss" and len(lines) > 400


def test_two_runs_over_each_other(
    server: Server, tab: Tab, pair: tuple[str, str], keep_picture: Callable[..., None]
) -> None:
    page = tab.go("/runs/")
    for name in ("Going on", "Train your first model"):
        page.get_by_role("checkbox", name=f"Choose {name}").first.check()
    keep_picture(page, "runs-chosen")
    expect(page.get_by_role("link", name="Compare")).to_have_attribute("href", re.compile("ids=.+,.+"))
    page = tab.go(f"/runs/compare/?ids={','.join(pair)}")
    chart = page.get_by_role("img", name=re.compile(r"^train.loss: Going on [\d.]+, Pre-training [\d.]+"))
    chart.wait_for()
    differs = page.get_by_role("region", name="Settings that differ")
    expect(differs.get_by_role("row", name=re.compile(r"^training\.steps 1000000 400"))).to_be_visible()
    expect(page.get_by_role("region", name="What came of each")).to_contain_text("val/bits_per_byte")
    page.get_by_label("Metric").select_option("val/loss")
    expect(page.get_by_role("img", name=re.compile("^val.loss: "))).to_be_visible()
    draw_over(page, "step", "FLOPs")
    expect(page.get_by_role("img", name=re.compile(r"^val.loss: .*[GTP]FLOP\. The table"))).to_be_visible()
    keep_picture(page, "compare")


def test_the_pages_are_sound(look: Look, pair: tuple[str, str]) -> None:
    paths = {
        "runs": "/runs/",
        "run": f"/runs/?id={pair[1]}&tab=notes",
        "compare": f"/runs/compare/?ids={','.join(pair)}",
    }
    for name, path in paths.items():
        page = look.tab.go(path)
        expect(page.locator("main .animate-pulse.bg-surface-2")).to_have_count(0)
        if name != "runs":
            expect(page.get_by_role("img", name=re.compile("loss", re.I)).first).to_be_visible()
        look.check(name, full_page=True)
