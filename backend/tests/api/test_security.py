"""Who may talk to the server: hosts, origins, tokens, and how long a request may be."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from llm_playground.api import Settings, create_app
from llm_playground.api.server import address
from llm_playground.core.workspace import Workspace

HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "content-security-policy": "frame-ancestors 'none'; base-uri 'self'; object-src 'none'",
}


def client(workspace: Workspace, base_url: str = "http://127.0.0.1:8000", **settings: Any) -> TestClient:
    app = create_app(workspace, Settings(web=None, **settings))
    return TestClient(app, base_url=base_url, follow_redirects=False)


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "127.0.0.1", "localhost", "LOCALHOST:3000", "[::1]:8000"])
def test_this_machine_is_served(workspace: Workspace, host: str) -> None:
    assert client(workspace).get("/api/v1/health", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example:8000",
        "127.0.0.1:x",
        "",
        "a@127.0.0.1",
    ],
)
@pytest.mark.parametrize("path", ["/", "/docs", "/api/v1/health", "/openapi.json"])
def test_other_hosts_are_refused(workspace: Workspace, host: str, path: str) -> None:
    answer = client(workspace).get(path, headers={"host": host})
    assert answer.status_code == 403
    assert answer.json()["error"] == {
        "message": f"The host {host!r} is not served here.",
        "hint": "Use 127.0.0.1 or localhost, or name the host in LLMP_ALLOWED_HOSTS.",
        "field": None,
    }


def test_a_host_can_be_named(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMP_ALLOWED_HOSTS", "Lab.example, other.example")
    server = client(workspace)
    assert server.get("/api/v1/health", headers={"host": "lab.example:8000"}).status_code == 200
    assert server.get("/api/v1/health", headers={"host": "third.example"}).status_code == 403


@pytest.mark.parametrize("origin", ["http://127.0.0.1:8000", None])
def test_the_own_origin_may_write(workspace: Workspace, origin: str | None) -> None:
    headers = {"origin": origin} if origin else {}
    answer = client(workspace).post("/api/v1/playground/conversations", json={}, headers=headers)
    assert answer.status_code == 201


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "http://127.0.0.1:3000",
        "http://127.0.0.1:8000.evil.example",
        "http://localhost:8000",
        "null",
        "",
        "http://",
        "http://127.0.0.1:8000@evil.example",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS"])
def test_other_origins_may_not_even_read(workspace: Workspace, origin: str, method: str) -> None:
    server = client(workspace)
    answer = server.request(method, "/api/v1/playground/conversations", headers={"origin": origin})
    assert answer.status_code == 403
    assert answer.json()["error"]["message"] == f"Requests from the origin {origin!r} are not allowed."
    assert "access-control-allow-origin" not in answer.headers
    assert server.get("/api/v1/playground/conversations").json() == {"conversations": []}


def test_an_origin_can_be_named(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMP_ALLOWED_ORIGINS", "http://localhost:3000")
    server = client(workspace)
    good = server.get("/api/v1/runs", headers={"origin": "http://localhost:3000"})
    assert good.status_code == 200
    assert server.get("/api/v1/runs", headers={"origin": "http://localhost:3001"}).status_code == 403


def test_a_token_is_made_off_loopback_and_only_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LLMP_TOKEN", raising=False)
    for host in ("127.0.0.1", "localhost", "::1"):
        assert Settings.create(host, 8000).token is None
    first, second = (Settings.create("0.0.0.0", 8000).token for _ in range(2))
    assert first and second and first != second and len(first) >= 32
    monkeypatch.setenv("LLMP_TOKEN", "mine; and yours")
    assert Settings.create("127.0.0.1", 8000).token == "mine; and yours"
    assert address(Settings.create("0.0.0.0", 80)) == "http://127.0.0.1:80/?token=mine%3B%20and%20yours"
    assert (
        address(Settings(host="::", port=80)) == address(Settings(host="::1", port=80)) == "http://[::1]:80"
    )


@pytest.fixture
def guarded(workspace: Workspace) -> TestClient:
    return client(workspace, "http://lab.example:8000", host="0.0.0.0", token="se cret;")


def test_without_the_token_nothing_is_answered(guarded: TestClient) -> None:
    for path in ("/", "/docs", "/api/v1/health", "/openapi.json"):
        answer = guarded.get(path)
        assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"
        assert answer.json()["error"]["message"] == "A token is needed."
    assert guarded.get("/v1/models").json()["error"] == {
        "message": "A token is needed. Open the address with ?token=... as printed at the server's start, "
        "or send it as a bearer.",
        "type": "authentication_error",
        "param": None,
        "code": "invalid_api_key",
    }


@pytest.mark.parametrize(
    ("given", "status"),
    [("Bearer se cret;", 200), ("bearer  se cret;", 200), ("Bearer x", 401), ("Basic se cret;", 401)],
)
def test_the_token_as_a_bearer(guarded: TestClient, given: str, status: int) -> None:
    assert guarded.get("/api/v1/health", headers={"authorization": given}).status_code == status


def test_the_token_in_the_address_becomes_a_cookie_and_leaves_the_address(guarded: TestClient) -> None:
    answer = guarded.get("/runs/?id=a%20b&token=se%20cret%3B")
    assert (answer.status_code, answer.headers["location"]) == (303, "/runs/?id=a+b")
    cookie = answer.headers["set-cookie"]
    assert cookie == "llmp_token=se%20cret%3B; HttpOnly; SameSite=Strict; Path=/"
    assert guarded.get("/api/v1/health").status_code == 200
    guarded.cookies.clear()
    assert guarded.get("/api/v1/health", headers={"cookie": "llmp_token=x"}).status_code == 401
    assert guarded.get("/api/v1/health", headers={"cookie": "\x00;==,"}).status_code == 401
    assert guarded.get("/api/v1/health?token=wrong").status_code == 401


@pytest.mark.parametrize("path", ["//evil.example/x", "/%5Cevil.example", "/%0d%0aset-cookie:a=b"])
def test_the_redirect_leads_nowhere_else(guarded: TestClient, path: str) -> None:
    answer = guarded.get(f"http://lab.example:8000{path}?token=se%20cret%3B")
    location = answer.headers["location"]
    assert answer.status_code == 303
    assert location.startswith("/") and not location.startswith(("//", "/\\")) and "\n" not in location
    assert answer.headers.get_list("set-cookie") == [
        "llmp_token=se%20cret%3B; HttpOnly; SameSite=Strict; Path=/"
    ]


def test_a_wrong_token_in_the_address_does_not_replace_the_good_cookie(guarded: TestClient) -> None:
    answer = guarded.get(
        "/?token=x%3B%20Domain%3Devil.example", headers={"cookie": "llmp_token=se%20cret%3B"}
    )
    assert answer.status_code == 303
    assert answer.headers["set-cookie"].startswith("llmp_token=se%20cret%3B; ")


def test_on_loopback_a_token_does_not_replace_the_check_of_the_host(workspace: Workspace) -> None:
    server = client(workspace, token="t")
    headers = {"authorization": "Bearer t"}
    assert server.get("/api/v1/health", headers=headers).status_code == 200
    assert server.get("/api/v1/health", headers={**headers, "host": "evil.example"}).status_code == 403


def test_a_body_that_is_too_long_is_refused(workspace: Workspace) -> None:
    server = client(workspace, max_body_bytes=1000)
    body = b'{"title": "' + b"x" * 1000 + b'"}'
    headers = {"content-type": "application/json"}
    path = "/api/v1/playground/conversations"
    for content in (body, iter([body[:600], body[600:]])):
        answer = server.post(path, content=content, headers=headers)
        assert answer.status_code == 413
        assert answer.json()["error"]["message"] == "The request is longer than the allowed 1,000 bytes."
    answer = server.post("/v1/chat/completions", content=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "request_too_large")
    assert server.get(path).json() == {"conversations": []}
    assert server.post(path, json={"title": "x" * 100}).status_code == 201


@pytest.mark.parametrize(
    "path", ["/", "/docs", "/openapi.json", "/api/v1/health", "/api/v1/none", "/v1/models"]
)
def test_every_answer_carries_the_security_headers(workspace: Workspace, path: str) -> None:
    answer = client(workspace).get(path)
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
    refused = client(workspace).get(path, headers={"host": "evil.example"})
    assert {name: refused.headers.get(name) for name in HEADERS} == HEADERS


def test_web_sockets_are_not_offered(workspace: Workspace) -> None:
    with pytest.raises(WebSocketDisconnect), client(workspace).websocket_connect("/api/v1/events"):
        pass
