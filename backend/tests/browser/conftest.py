"""A real server on a free port, Chromium, and tabs that report every fault of the page."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import pytest
from playwright.sync_api import Browser, Locator, Page, Request, expect

REPOSITORY = Path(__file__).resolve().parents[3]
RECIPES = Path(__file__).with_name("recipes")
AXE = REPOSITORY / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
]
PATIENCE = 90  # seconds: many times what a busy machine needs, and only a test that fails waits so long
expect.set_options(timeout=1000 * PATIENCE)
PORTS = range(15_000, 32_000)  # below those that systems give to the near ends of connections
DESKTOP, PHONE = (1440, 900), (390, 844)
LOOKS = [
    pytest.param(("light", DESKTOP), id="light-1440"),
    pytest.param(("dark", PHONE), id="dark-390"),
    pytest.param(("dark", DESKTOP), id="dark-1440", marks=pytest.mark.slow),
    pytest.param(("light", PHONE), id="light-390", marks=pytest.mark.slow),
]
ALIVE = ("queued", "running", "stopping")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give a browser test the time that a slow machine needs: the first one also trains what others share."""
    for item in items:
        if item.get_closest_marker("browser") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(600))


def until(
    holds: Callable[[], Any],
    what: str,
    seconds: float = PATIENCE,
    pause: Callable[[float], object] = time.sleep,
) -> Any:
    """Ask again, a tenth of a second later, until the answer is true; fail in words when it never is."""
    end = time.monotonic() + seconds
    while not (answer := holds()):
        if time.monotonic() > end:
            pytest.fail(f"waited {seconds:.0f} s in vain: {what}")
        pause(0.1)
    return answer


def free_port() -> int:
    """Return a port that nobody listens at, of those that no connection and no other test is given."""
    for port in random.SystemRandom().sample(PORTS, 100):
        with socket.socket() as tried, contextlib.suppress(OSError):
            tried.bind(("127.0.0.1", port))
            return port
    raise OSError("no port is free")


class Server:
    """``llmp serve`` with a workspace of its own."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.folder = folder
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Server:
        """Start it and wait until it answers."""
        environment = {
            **os.environ,
            "LLMP_WORKSPACE": str(self.folder / "workspace"),
            "LLMP_RECIPES_DIR": str(RECIPES),
            "OMP_NUM_THREADS": "1",
        }
        command = [str(Path(sys.executable).with_name("llmp")), "serve", "--port", str(self.port)]
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)

        def answers() -> bool:
            if self.process is not None and self.process.poll() is not None:
                pytest.fail(f"the server ended: {(self.folder / 'server.log').read_text()}")
            with contextlib.suppress(OSError):
                self.ask("GET", "/api/v1/health")
                return True
            return False

        until(answers, "the server answers")
        return self

    def stop(self) -> None:
        """Stop it; runs go on."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Send one request and return the JSON of its answer."""
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.loads(answer.read() or b"null")

    def runs(self) -> list[dict[str, Any]]:
        """Return the runs, newest first."""
        found: list[dict[str, Any]] = self.ask("GET", "/api/v1/runs")["runs"]
        return found

    def start_quickstart(self) -> str:
        """Start the short quickstart and return its run's id."""
        recipe = self.ask("GET", "/api/v1/recipes/quickstart")
        body = {"stage": "recipe", "name": recipe["title"], "config": recipe["config"]}
        run_id: str = self.ask("POST", "/api/v1/runs", body)["id"]
        return run_id

    def wait_for(self, run_id: str) -> dict[str, Any]:
        """Wait until a run has finished and return it; fail with its error where it ends otherwise."""

        def ended() -> dict[str, Any] | None:
            run: dict[str, Any] = self.ask("GET", f"/api/v1/runs/{run_id}")
            return None if run["state"] in ALIVE else run

        run: dict[str, Any] = until(ended, f"{run_id} ends", 5 * PATIENCE)
        assert run["state"] == "finished", run["error"]
        return run

    def end_runs(self) -> None:
        """Stop what still runs, by force where it does not listen."""
        for run in self.runs():
            if run["state"] in ALIVE:
                with contextlib.suppress(urllib.error.HTTPError):
                    self.ask("POST", f"/api/v1/runs/{run['id']}/stop")
        end = time.monotonic() + PATIENCE
        while alive := [run for run in self.runs() if run["state"] in ALIVE]:
            if time.monotonic() > end:
                for run in alive:
                    if run["pid"]:
                        with contextlib.suppress(ProcessLookupError):
                            os.kill(run["pid"], signal.SIGKILL)
                return
            time.sleep(0.2)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's path; without one the tests are skipped, in capitals."""
    spec = importlib.util.spec_from_file_location(
        "ensure_browser", REPOSITORY / "tools" / "ensure_browser.py"
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: str | None = module.find()
    if found is None:
        pytest.skip("NO BROWSER: the web app was NOT tested. Install chromium or set LLMP_CHROMIUM.")
    return found


@pytest.fixture(scope="session")
def browser_type_launch_args(chromium: str) -> dict[str, Any]:
    return {"executable_path": chromium, "args": ARGUMENTS}


@pytest.fixture(scope="session")
def server(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with the built web app."""
    from llm_playground.api.settings import web_folder

    if web_folder() is None:
        pytest.skip("NO WEB APP: it is not built, so it was NOT tested. Build it with `make web`.")
    started = Server(tmp_path_factory.mktemp("browser")).start()
    yield started
    started.end_runs()
    started.stop()


@pytest.fixture(scope="module")
def finished(server: Server) -> dict[str, Any]:
    """The newest finished quickstart of that server; made here where no test has made one yet."""

    def found() -> dict[str, Any] | None:
        made = (run for run in server.runs() if run["output"] and run["state"] == "finished")
        return next((run for run in made if run["config"].get("name") == "quickstart"), None)

    if found() is None:
        until(lambda: not any(run["state"] in ALIVE for run in server.runs()), "no other run is at work")
        server.wait_for(server.start_quickstart())
    run = found()
    assert run is not None
    return run


def _is_question(sent: Request) -> bool:
    """Whether a request asks the interface something; the stream of news never ends."""
    return "/api/" in sent.url and sent.resource_type != "eventsource"


@dataclass
class Tab:
    """One page, with what went wrong on it."""

    page: Page
    url: str
    faults: list[str] = field(default_factory=list)
    expected: tuple[str, ...] = ()
    """Parts of faults that belong to the test."""
    asked: set[Request] = field(default_factory=set)
    """Requests to the interface that are on their way."""

    def __post_init__(self) -> None:
        """Keep count of the requests."""
        page, asked = self.page, self.asked
        page.on("request", lambda sent: _is_question(sent) and asked.add(sent))
        page.on("requestfinished", lambda sent: asked.discard(sent))
        page.on("requestfailed", lambda sent: asked.discard(sent))

    def go(self, path: str) -> Page:
        """Open a page of the app and wait until it listens."""
        self.asked.clear()
        self.page.goto(self.url + path)
        return self._listening()

    def reload(self) -> Page:
        """Load the page once more and wait until it listens."""
        self.asked.clear()
        self.page.reload()
        return self._listening()

    def _listening(self) -> Page:
        """Wait for the answer to a page's first question: it is asked when clicks and keys are heard."""
        self.page.wait_for_function("""() => performance.getEntriesByType("resource")
            .some((entry) => entry.name.endsWith("/api/v1/health") && entry.responseEnd > 0)""")
        return self.page

    def until(self, holds: Callable[[], Any], what: str) -> Any:
        """Ask again, while the page goes on, until the answer is true."""
        return until(holds, what, pause=lambda seconds: self.page.wait_for_timeout(1000 * seconds))

    def rest(self) -> None:
        """Wait until nothing is asked any more for longer than the page waits for someone who types."""
        idle: list[bool] = []

        def quiet() -> bool:
            idle.append(not self.asked)
            return idle[-4:] == [True] * 4

        self.until(quiet, "the page asks no more")

    def box(self, place: Locator) -> tuple[float, float, float, float]:
        """Return left, top, width and height of what is in view and has stopped to move."""
        seen: list[tuple[float, float, float, float]] = []

        def still() -> bool:
            place.scroll_into_view_if_needed()
            if (box := place.bounding_box()) is None:  # it is drawn anew
                return False
            seen.append((box["x"], box["y"], box["width"], box["height"]))
            return seen[-2:] == [seen[-1]] * 2

        self.until(still, "it stands still")
        return seen[-1]

    def unexpected(self) -> list[str]:
        """Return the faults that no test asked for."""
        return [fault for fault in self.faults if not any(part in fault for part in self.expected)]


@pytest.fixture
def open_tab(browser: Browser, server: Server) -> Iterator[Callable[..., Tab]]:
    """Opens tabs; each must end without console errors, crashes or requests to other hosts."""
    tabs: list[Tab] = []

    def make(width: int = 1440, height: int = 900, theme: str = "light") -> Tab:
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=theme, reduced_motion="reduce"
        )
        context.set_default_timeout(1000 * PATIENCE)
        tab = Tab(context.new_page(), server.url)
        tab.page.on("pageerror", lambda error: tab.faults.append(f"error: {error}"))
        tab.page.on(
            "console",
            lambda said: said.type == "error"
            and tab.faults.append(f"console: {said.text} {said.location['url']}"),
        )
        tab.page.on(
            "request",
            lambda sent: urlparse(sent.url).hostname not in ("127.0.0.1", None)
            and tab.faults.append(f"other host: {sent.url}"),
        )
        tabs.append(tab)
        return tab

    yield make
    faults = [fault for tab in tabs for fault in tab.unexpected()]
    for tab in tabs:
        tab.page.context.close()
    assert faults == []


@pytest.fixture
def tab(open_tab: Callable[..., Tab]) -> Tab:
    """A tab in the usual size and theme."""
    return open_tab()


@pytest.fixture
def phone(open_tab: Callable[..., Tab]) -> Tab:
    """A dark tab in the size of a phone."""
    return open_tab(*PHONE, "dark")


@pytest.fixture
def keep_picture(tmp_path: Path) -> Callable[..., None]:
    """Keeps a screenshot under a name, in the folder LLMP_PICTURES where that is given."""

    def keep(page: Page, name: str, *, full_page: bool = True) -> None:
        file = Path(os.environ.get("LLMP_PICTURES", tmp_path)) / f"{name}.png"
        page.screenshot(path=file, full_page=full_page)
        assert file.stat().st_size > 5_000, f"{name} is an empty picture"

    return keep


@dataclass
class Look:
    """A tab in one size and theme, whose pages are held to what every page must be."""

    tab: Tab
    name: str
    dark: bool
    audit: Callable[[Page], list[str]]
    keep_picture: Callable[..., None]

    def check(self, name: str, *, full_page: bool = False) -> None:
        """The theme is on, nothing sticks out at the side, axe finds nothing serious; keep a screenshot."""
        page = self.tab.page
        assert page.evaluate("document.documentElement.classList.contains('dark')") == self.dark
        overflow = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert overflow <= 0, f"{name} is {overflow} px too wide"
        self.keep_picture(page, f"{name}-{self.name}", full_page=full_page)
        assert not (found := self.audit(page)), f"{name}: {found}"


@pytest.fixture(params=LOOKS)
def look(
    request: pytest.FixtureRequest,
    open_tab: Callable[..., Tab],
    audit: Callable[[Page], list[str]],
    keep_picture: Callable[..., None],
) -> Look:
    """Both sizes and both themes; two of the four only where slow tests run."""
    theme, size = request.param
    return Look(open_tab(*size, theme), f"{theme}-{size[0]}", theme == "dark", audit, keep_picture)


@pytest.fixture(scope="session")
def audit() -> Callable[[Page], list[str]]:
    """Runs axe-core on a page and returns what is serious or critical."""
    if not AXE.is_file():
        pytest.skip("axe-core is not installed (make setup)")
    source = AXE.read_text()

    def run(page: Page) -> list[str]:
        page.evaluate(source)
        found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{item['id']} ({item['impact']}): {[node['html'][:160] for node in item['nodes']]}"
            for item in found["violations"]
            if item["impact"] in ("serious", "critical")
        ]

    return run
