"""The web app's files, Swagger without a network, and a plain page where the web app is not built."""

from __future__ import annotations

import html
from os import PathLike, stat_result
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

from llm_playground import __version__

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import Scope

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:3rem auto;padding:0 1rem;color:#1c1f26;"
    "background:#fff}code{background:#eef0f4;padding:.1em .35em;border-radius:4px}a{color:#1f5fbf}"
    "@media(prefers-color-scheme:dark){body{background:#14161b;color:#e6e8ee}code{background:#262a33}"
    "a{color:#8db8ff}}table{border-collapse:collapse}td{padding:.2rem .8rem .2rem 0;vertical-align:top}"
)


class WebApp(StaticFiles):
    """The static export: hashed files are kept by browsers for ever, pages are asked for each time."""

    def file_response(
        self, full_path: str | PathLike[str], stat_result: stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        """Answer with a file and how long it may be kept."""
        response = super().file_response(full_path, stat_result, scope, status_code)
        hashed = "/_next/static/" in str(full_path)
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if hashed else "no-cache"
        return response


def _page(title: str, body: str) -> str:
    return (
        f"<!doctype html><html lang='en'><meta charset='utf-8'><meta name='viewport' "
        f"content='width=device-width'><title>{title}</title><style>{_STYLE}</style><h1>{title}</h1>{body}"
    )


def _api_list(app: FastAPI) -> str:
    """List every operation, for where Swagger's files are not built."""
    rows = []
    for path, methods in app.openapi()["paths"].items():
        for method, operation in methods.items():
            summary = html.escape(operation.get("description", operation.get("summary", "")))
            rows.append(
                f"<tr><td><code>{method.upper()}</code></td><td><code>{html.escape(path)}</code></td>"
                f"<td>{summary}</td></tr>"
            )
    return f"<table>{''.join(rows)}</table>"


def _methods_at(app: FastAPI, address: str) -> list[str]:
    """Return the methods that the API has at an address."""
    for path, methods in app.openapi()["paths"].items():
        if compile_path(path)[0].match(address):
            return [method.upper() for method in methods]
    return []


def install_pages(app: FastAPI, web: Path | None) -> None:
    """Add ``/docs``, the web app at ``/``, and JSON answers for unknown addresses of the API."""
    swagger = web / "swagger" if web is not None else None

    @app.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        if swagger is not None and (swagger / "swagger-ui-bundle.js").is_file():
            from fastapi.openapi.docs import get_swagger_ui_html

            return get_swagger_ui_html(
                openapi_url="/openapi.json",
                title=f"{app.title}: API",
                swagger_js_url="/swagger/swagger-ui-bundle.js",
                swagger_css_url="/swagger/swagger-ui.css",
                swagger_favicon_url="/icon.svg",
            )
        body = (
            "<p>The interactive page comes with the web app, which is not built here. The whole description "
            f"is at <a href='/openapi.json'>/openapi.json</a>.</p>{_api_list(app)}"
        )
        return HTMLResponse(_page(f"LLM Playground {__version__}: API", body))

    @app.api_route(
        "/api/{rest:path}", methods=["GET", "POST", "PUT", "DELETE", "PATCH"], include_in_schema=False
    )
    @app.api_route(
        "/v1/{rest:path}", methods=["GET", "POST", "PUT", "DELETE", "PATCH"], include_in_schema=False
    )
    def unknown(request: Request, rest: str) -> None:
        allowed = _methods_at(app, request.url.path)
        raise HTTPException(405, headers={"Allow": ", ".join(allowed)}) if allowed else HTTPException(404)

    if web is not None:
        app.mount("/", WebApp(directory=web, html=True), name="web")
        return

    @app.get("/", include_in_schema=False)
    def not_built() -> HTMLResponse:
        body = (
            "<p>The server runs, but the web app is not built. In the repository run <code>make web</code> "
            "(it needs Node 20 or newer, or installs one into <code>.venv</code>), then reload this page.</p>"
            "<p>The command line works without it: <code>llmp quickstart</code>, then <code>llmp chat</code>."
            " The <a href='/docs'>REST API</a> does too.</p>"
        )
        return HTMLResponse(_page("LLM Playground", body))
