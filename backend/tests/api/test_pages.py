"""Pages: the web app's files, the API's documentation without a network, and a plain page without either."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from llm_playground.api import Settings, create_app
from llm_playground.api.settings import web_folder
from llm_playground.core.workspace import Workspace


@pytest.fixture
def built(tmp_path: Path) -> Path:
    web = tmp_path / "web"
    for name, text in {
        "index.html": "<title>Home</title>",
        "404.html": "<title>Nothing here</title>",
        "chat/index.html": "<title>Chat</title>",
        "_next/static/a1b2.js": "1",
        "swagger/swagger-ui-bundle.js": "2",
        "swagger/swagger-ui.css": "3",
        "icon.svg": "<svg/>",
    }.items():
        path = web / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "secret.txt").write_text("secret")
    return web


def open_app(workspace: Workspace, web: Path | None) -> TestClient:
    return TestClient(create_app(workspace, Settings(web=web)), base_url="http://127.0.0.1:8000")


def links(page: str) -> list[str]:
    return re.findall(r"""(?:src|href|url)\s*[=:]\s*['"]([^'"]+)""", page)


def test_the_web_app_is_served_with_the_right_age(workspace: Workspace, built: Path) -> None:
    server = open_app(workspace, built)
    home = server.get("/")
    assert home.text == "<title>Home</title>" and home.headers["cache-control"] == "no-cache"
    assert server.get("/chat/?id=3").text == "<title>Chat</title>"
    assert server.get("/_next/static/a1b2.js").headers["cache-control"] == (
        "public, max-age=31536000, immutable"
    )
    missing = server.get("/nothing")
    assert (missing.status_code, missing.text) == (404, "<title>Nothing here</title>")
    assert server.get("/api/v1/health").json()["web_app"] is True
    for path in (
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/chat/%2e%2e/%2e%2e/secret.txt",
    ):
        assert "secret" not in server.get(path).text


def test_the_documentation_needs_no_other_host(workspace: Workspace, built: Path) -> None:
    server = open_app(workspace, built)
    page = server.get("/docs")
    assert page.status_code == 200 and "SwaggerUIBundle" in page.text
    assert not re.findall(r"https?://(?!127\.0\.0\.1)", page.text)
    found = [link for link in links(page.text) if link.startswith("/")]
    assert {"/swagger/swagger-ui-bundle.js", "/swagger/swagger-ui.css", "/openapi.json"} <= set(found)
    for link in found:
        assert server.get(link).status_code == 200, link


def test_the_documentation_without_the_web_app_lists_every_operation(workspace: Workspace) -> None:
    server = open_app(workspace, None)
    page = server.get("/docs").text
    assert not re.findall(r"https?://", page)
    for path, methods in server.get("/openapi.json").json()["paths"].items():
        for method in methods:
            assert f"<code>{method.upper()}</code></td><td><code>{path}</code>" in page


def test_without_the_web_app_a_page_says_how_to_build_it(workspace: Workspace) -> None:
    server = open_app(workspace, None)
    page = server.get("/")
    assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")
    assert "the web app is not built" in page.text and "<code>make web</code>" in page.text
    assert "/docs" in links(page.text)
    assert json.loads(server.get("/nothing").text)["error"]["message"] == "There is nothing at /nothing."


def test_unknown_addresses_of_the_api_are_json_beside_the_web_app(workspace: Workspace, built: Path) -> None:
    server = open_app(workspace, built)
    assert server.get("/api/v2/x").json()["error"]["message"] == "There is nothing at /api/v2/x."
    assert server.get("/v1/x").json()["error"]["type"] == "invalid_request_error"


def test_long_answers_are_packed(workspace: Workspace) -> None:
    server = open_app(workspace, None)
    assert server.get("/openapi.json").headers["content-encoding"] == "gzip"
    assert "content-encoding" not in server.get("/api/v1/runs").headers


def test_the_folder_of_the_web_app_can_be_chosen(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMP_WEB_DIR", str(built))
    assert web_folder() == built
    monkeypatch.setenv("LLMP_WEB_DIR", str(built / "chat" / "none"))
    assert web_folder() is None
