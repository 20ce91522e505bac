"""A newcomer's way through the app: press the button, watch a model learn, chat with it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Page, expect

if TYPE_CHECKING:
    from conftest import Server, Tab

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser-runs")]

# Notes how long the reply was at each change of the page, to show that it came in pieces.
WATCH_REPLY = """() => {
  window.lengths = [];
  const note = () => {
    const log = document.querySelector('[role=log][aria-busy=true] li:last-child p');
    if (log) window.lengths.push(log.textContent.length);
  };
  new MutationObserver(note).observe(document.body, {subtree: true, childList: true, characterData: true});
}"""


def clear(server: Server) -> None:
    """Give the workspace back as a newcomer finds it."""
    server.end_runs()
    for run in server.runs():
        server.ask("DELETE", f"/api/v1/runs/{run['id']}")
    for model in server.ask("GET", "/api/v1/models")["models"]:
        if not model["builtin"]:
            server.ask("DELETE", f"/api/v1/models/{model['id']}")


def step_drawn(page: Page) -> int:
    """Return the last step of the loss curve on the screen; 0 while nothing is drawn."""
    curve = page.get_by_role("img", name=re.compile(r"^Loss: "))
    if curve.count() == 0:
        return 0
    found = re.search(r"at step ([\d,]+)", curve.first.get_attribute("aria-label") or "")
    return int(found[1].replace(",", "")) if found else 0


def replied(page: Page) -> str:
    """Wait for the reply's end and return it; a model this small may say nothing, and is asked again."""
    log = page.get_by_role("log", name="Messages")
    for _ in range(4):
        expect(log).to_have_attribute("aria-busy", "false")
        if page.get_by_role("button", name="Another reply").count():
            text = log.get_by_role("listitem").last.locator("p").text_content() or ""
            assert text
            return text
        page.get_by_role("button", name="Ask again").click()
    pytest.fail("the model never said a word")


def test_the_button_trains_a_model_that_one_can_watch_and_chat_with(server: Server, tab: Tab) -> None:
    clear(server)
    page = tab.go("/")
    expect(page.get_by_role("heading", name="Your first model")).to_be_visible()
    expect(page.get_by_text("None yet. Whatever you train is listed here")).to_be_visible()
    road = page.get_by_role("list", name="The road of a model").get_by_role("listitem")
    expect(road).to_have_count(6)
    expect(road.get_by_text("still ahead")).to_have_count(6)

    page.get_by_role("button", name="Train your first model").click()
    expect(page.get_by_role("heading", level=1, name="Train your first model")).to_be_visible()
    expect(page).to_have_url(re.compile(r"/runs/\?id="))

    seen: set[int] = set()
    curve = page.get_by_role("img", name=re.compile(r"^Loss: "))
    failed = page.get_by_role("alert").filter(has_text="The run")
    expect(curve.or_(failed).first).to_be_visible()
    assert failed.count() == 0, failed.inner_text()

    def grown() -> bool:
        seen.add(step_drawn(page))
        return len(seen) >= 4

    tab.until(grown, "the curve grows on the screen, without a reload")
    expect(page.get_by_role("heading", name=re.compile("Pre-training|Fine-tuning"))).to_be_visible()

    page.get_by_label("Step of the recipe").select_option(label="4. Pre-training")
    samples = page.get_by_role("region", name="Samples")
    expect(samples.get_by_text("Mia").first).to_be_visible()
    page.get_by_role("radio", name="Log").click()
    expect(page.get_by_role("region", name="Log", exact=True)).to_contain_text(re.compile(r"\w"))

    score = page.get_by_role("img", name=re.compile(r"^Fine-tuned model: [\d.]+%, 95% interval"))
    expect(score).to_be_visible(timeout=300_000)
    expect(page.get_by_role("img", name=re.compile(r"^Base model: "))).to_be_visible()
    expect(page.get_by_text("Finished", exact=True).first).to_be_visible()

    page.get_by_role("link", name="Chat with this model").click()
    expect(page.get_by_role("heading", name="Small chat")).to_be_visible()
    expect(page.get_by_role("heading", name="What this model knows")).to_be_visible()
    questions = page.get_by_role("heading", name="Try to ask").locator("xpath=following-sibling::ul[1]")
    expect(questions.get_by_role("button")).to_have_count(5)
    page.evaluate(WATCH_REPLY)
    questions.get_by_role("button", name="Tell me a story").click()
    log = page.get_by_role("log", name="Messages")
    replied(page)
    expect(page).to_have_url(re.compile("conversation="))  # it is kept

    def streamed() -> bool:
        """Whether the reply was long and came in pieces; a busy page now and then gets it as one."""
        said, lengths = replied(page), page.evaluate("window.lengths")
        assert lengths == sorted(lengths)
        if len(said) >= 40 and len(set(lengths)) > 2:
            return True
        page.evaluate("window.lengths = []")
        page.get_by_role("button", name="Another reply").click()
        return False

    tab.until(streamed, "a reply comes in pieces")
    # Its speed follows only where the reply took long enough to have one.
    expect(log.get_by_text(re.compile(r"^\d+ tokens"))).to_be_visible()

    page.get_by_role("button", name="Another reply").click()
    replied(page)
    expect(log.get_by_role("listitem")).to_have_count(2)
    page.get_by_label("Temperature").fill("0")
    expect(page.get_by_text("Always the likeliest token.")).to_be_visible()
    page.get_by_role("button", name="Another reply").click()
    greedy = replied(page)
    page.get_by_role("button", name="Another reply").click()
    assert replied(page) == greedy

    saved_in_list = page.get_by_role("complementary", name="Conversations").get_by_role("link")
    expect(saved_in_list).to_contain_text("Tell me a story about Kate.")
    tab.rest()  # it is kept
    tab.reload()
    expect(log.get_by_role("listitem")).to_have_count(2)
    expect(log).to_contain_text("Tell me a story about Kate.")
    expect(log.get_by_role("listitem").last.locator("p")).to_have_text(greedy)
    expect(page.get_by_label("Temperature")).to_have_value("0")


def test_a_finished_model_is_at_home_with_chat_as_the_next_step(finished: dict[str, Any], tab: Tab) -> None:
    page = tab.go("/")
    expect(page.get_by_role("heading", name="Your model is ready")).to_be_visible()
    expect(page.get_by_role("button", name="Train another")).to_be_visible()
    road = page.get_by_role("list", name="The road of a model").get_by_role("listitem")
    expect(road.get_by_text("done")).to_have_count(6)
    page.get_by_role("link", name="Chat with it").click()
    expect(page.get_by_label("Model", exact=True)).to_have_value(finished["output"])


def test_the_built_in_model_answers_at_once(server: Server, tab: Tab) -> None:
    builtin = [model for model in server.ask("GET", "/api/v1/models")["models"] if model["builtin"]]
    if not builtin:
        pytest.skip("no model is built in")
    page = tab.go(f"/chat/?model={builtin[0]['id']}")
    expect(page.get_by_role("heading", name="What this model knows")).to_be_visible()
    page.get_by_role("button", name=re.compile(r"^Mia put the ball in the box\.")).click()
    expect(page.get_by_role("log", name="Messages")).to_contain_text("bag")
    page = tab.go(f"/models/?id={builtin[0]['id']}")
    sheet = page.get_by_role("dialog")
    expect(sheet.get_by_text("Built in")).to_be_visible()
    expect(sheet.get_by_role("button", name="Delete")).to_have_count(0)
