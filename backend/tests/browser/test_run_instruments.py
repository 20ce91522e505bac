"""A planted spike followed to its document, and the panels of layers, histograms and the machine."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect
from tiny_workspace import make

from llm_playground.core.workspace import Workspace
from llm_playground.data import Provenance, TokenLoader
from llm_playground.monitoring import MetricReader

if TYPE_CHECKING:
    from conftest import Look, Server, Tab

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser-runs")]

STEPS, ROWS, LENGTH, QUIET = 90, 4, 48, 45


class Planted:
    """A finished run whose loss has one spike, where a document of random letters was read."""

    def __init__(self, server: Server, finished: dict[str, Any], folder: Path) -> None:
        workspace = Workspace(server.folder / "workspace")
        child = {run["stage"]: run for run in server.ask("GET", f"/api/v1/runs/{finished['id']}")["children"]}
        rng = random.Random(0)
        who, what = ("Mia", "Leo", "Kate"), ("ball", "book", "lamp")
        texts = [
            " ".join(f"{rng.choice(who)} gave {rng.choice(who)} the {rng.choice(what)}." for _ in range(8))
            for _ in range(160)
        ]
        words = [
            "".join(rng.choices("abcdefghijklmnopqrstuvwxyzQXZ", k=rng.randint(4, 8))) for _ in range(14)
        ]
        texts.insert(80, " ".join(words))
        file = folder / "town.jsonl"
        file.write_text("\n".join(json.dumps({"text": text}) for text in texts))
        self.document, self.letters = "town.jsonl:81", words[7]
        data = make(workspace, "data.prepare", {"source": "jsonl", "path": str(file), "name": "Noisy town"})
        sources = {"dataset": data.output, "tokenizer": child["tokenizer.train"]["output"]}
        tokens = make(workspace, "data.tokenize", {**sources, "validation_fraction": 0.05})
        seed, self.step = self._late(workspace.get(str(tokens.output)).path)
        training = {"steps": STEPS, "batch_size": ROWS, "eval_every": 30, "eval_batches": 1, "threads": 1}
        more = {"checkpoint_every": 10, "keep_checkpoints": 9, "instruments_every": 3, "sample_every": 0}
        config = {
            "tokens": tokens.output,
            "name": "Noisy",
            "model": {"width": 32, "layers": 3, "heads": 2, "context_length": LENGTH},
            "training": {**training, **more, "warmup_steps": 5, "learning_rate": 0.01},
        }
        self.id = make(workspace, "pretrain", config, seed=seed, name="Noisy town").id
        line, _ = MetricReader(workspace.runs_dir / self.id / "metrics.db").series("train/loss")
        self.losses = dict(zip(line.step, line.value, strict=True))

    def _late(self, folder: Path) -> tuple[int, int]:
        """Return a seed with which most of the letters come late, and the step that reads these."""
        for seed in range(50):
            provenance = Provenance(TokenLoader(folder, "train", LENGTH, seed))
            found: dict[int, int] = {}
            for cursor in range(STEPS * ROWS):
                for part in provenance.sample(cursor).passages:
                    if part.document == self.document:
                        step = cursor // ROWS + 1
                        found[step] = found.get(step, 0) + part.end - part.start
            most = max(found, key=lambda step: found[step])
            if QUIET < most < STEPS - 8 and not {most - 1, most - 2, most - 3} & found.keys():
                return seed, most
        raise AssertionError("no seed brings the letters late")


@pytest.fixture(scope="module")
def planted(server: Server, finished: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Planted:
    return Planted(server, finished, tmp_path_factory.mktemp("planted"))


def click_at_step(tab: Tab, run: Planted, step: int) -> None:
    """Click on the loss chart where a step's value is, halfway up from what is usual."""
    left, top, width, height = tab.box(tab.page.locator(".u-over").first)
    first, last = 0, STEPS  # the axis begins with the validation before the first step
    # The value axis has a margin of 6% at both ends; validation lies within the training's values.
    low, high = min(run.losses.values()), max(run.losses.values())
    low, high = low - 0.06 * (high - low), high + 0.06 * (high - low)
    value = (run.losses[step] + run.losses[step - 1]) / 2
    x = left + width * (step - first) / (last - first)
    tab.page.mouse.click(x, top + height * (high - value) / (high - low))


def test_a_planted_spike_is_followed_to_its_document(
    tab: Tab, planted: Planted, keep_picture: Callable[..., None]
) -> None:
    page = tab.go(f"/runs/?id={planted.id}")
    alert = page.get_by_role("listitem").filter(has_text=re.compile(f"step {planted.step}\\b"))
    alert.get_by_role("button", name="Show its batch").first.click()
    sheet = page.get_by_role("dialog", name=f"Step {planted.step}")
    expect(sheet).to_contain_text(f"{planted.losses[planted.step]:.3f}")
    sheet.get_by_role("button", name="Score rows").click()
    expect(sheet).to_contain_text("Highest loss first: by the checkpoint of step")
    worst = sheet.get_by_role("list", name="Rows").get_by_role("button").first
    expect(worst).to_contain_text(planted.document)
    worst.click()
    letters = sheet.get_by_role("region", name=f"Document {planted.document}")
    expect(letters).to_contain_text(planted.letters)
    keep_picture(page, "spike-followed", full_page=False)
    address = page.url

    page = tab.go(address.removeprefix(tab.url))  # the step can be shared
    expect(page.get_by_role("region", name=f"Document {planted.document}")).to_contain_text(planted.letters)
    page.get_by_role("button", name="Close").click()
    expect(page).to_have_url(re.compile(rf"id={planted.id}$"))
    expect(page.get_by_role("dialog")).to_have_count(0)
    tab.rest()
    click_at_step(tab, planted, planted.step)
    sheet = page.get_by_role("dialog", name=f"Step {planted.step}")
    expect(sheet.get_by_role("list", name="Rows")).to_have_attribute("aria-busy", "false")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("dialog", name=f"Step {planted.step + 1}")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    points = page.get_by_role("slider", name="Points of Loss")
    for key, step in (("End", STEPS), ("ArrowLeft", STEPS - 1)):
        points.press(key)
        expect(points).to_have_attribute("aria-valuetext", re.compile(f"^step {step};"))
    points.press("Enter")
    expect(page.get_by_role("dialog", name=f"Step {STEPS - 1}")).to_be_visible()


def test_layers_histograms_and_machine(tab: Tab, planted: Planted) -> None:
    page = tab.go(f"/runs/?id={planted.id}")
    for name in ("Layers", "Histograms", "System"):
        page.get_by_role("button", name=re.compile(f"^{name}")).click()
    expect(
        page.get_by_role("img", name=re.compile(r"^Gradient norm by layer: embedding [\d.]+"))
    ).to_be_visible()
    page.get_by_label("What to show of each layer").select_option("update_ratio")
    expect(
        page.get_by_role("img", name=re.compile("^Update to weight ratio by layer: .*block 3"))
    ).to_be_visible()
    page.get_by_role("button", name="By step").click()
    page.get_by_role("menuitem", name="FLOPs").click()
    expect(page.get_by_role("img", name=re.compile(r"^Update to weight .*[GT]FLOP\. The"))).to_be_visible()
    heat = page.get_by_role("img", name=re.compile("^Weights of embedding: 30 histograms, from step 3 to 90"))
    pointed = page.get_by_text(re.compile(r"^step \d+: .* values"))
    tab.rest()
    tab.box(heat)  # what stands above it has come
    heat.hover()
    expect(pointed).to_be_visible()
    page.get_by_role("radio", name="Gradients").click()
    page.get_by_role("button", name="Gradients of embedding as a table").click()
    table = page.get_by_role("region", name="Gradients of embedding, table")
    expect(table.get_by_role("row")).to_have_count(31)
    for name in ("Memory of the run: Memory", "Step time: Step", "Share of peak rate: MFU"):
        expect(page.get_by_role("img", name=re.compile(f"^{name} "))).to_be_visible()
    tab.reload()  # what was unfolded stays so
    expect(page.get_by_role("img", name=re.compile("^Gradient norm by layer"))).to_be_visible()


def test_the_panels_are_sound(look: Look, planted: Planted) -> None:
    page = look.tab.page
    opened = json.dumps({"layers": True, "histograms": True, "system": True})
    page.add_init_script(f"localStorage.setItem('llmp-run-sections', '{opened}')")
    look.tab.go(f"/runs/?id={planted.id}")
    expect(page.locator("main .animate-pulse.bg-surface-2")).to_have_count(0)
    expect(page.get_by_role("img", name=re.compile("^Share of peak rate"))).to_be_visible()
    look.check("run-instruments", full_page=True)
    look.tab.go(f"/runs/?id={planted.id}&batch={planted.step}&score=1&row=0")
    expect(page.get_by_role("region", name=re.compile("^Document ")).first).to_be_visible()
    expect(page.get_by_text("Highest loss first")).to_be_visible()
    look.check("run-batch")
