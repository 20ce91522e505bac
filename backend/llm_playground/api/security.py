"""Who may talk to the server: Host and Origin are checked, a token is asked for off loopback.

A page of any web site can make a browser send requests to 127.0.0.1. Checking ``Origin`` stops those that
write; checking ``Host`` stops DNS rebinding, by which a site's own name is made to point here.
"""

from __future__ import annotations

import json
import secrets
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from llm_playground.api.settings import Settings

COOKIE = "llmp_token"
UPLOAD_PATH = "/api/v1/data/upload"
"""The one address whose body is a file, and may be as long as one."""
HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"content-security-policy", b"frame-ancestors 'none'; base-uri 'self'; object-src 'none'"),
)


class BodyTooLarge(Exception):
    """The request's body is longer than allowed."""


class Guard:
    """ASGI middleware that refuses what it must before any handler runs.

    Args:
        app: the application behind it.
        settings: hosts, origins, token and the bodies' limits.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app, self.settings = app, settings
        names = ("127.0.0.1", "localhost", "::1", settings.host, *settings.allowed_hosts)
        self.hosts = {name.lower() for name in names}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check the request, then hand it on."""
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close"})  # none is offered
                return
            await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        problem = self._problem(scope, headers)
        if problem is not None:
            await _refuse(send, scope, *problem)
            return
        if scope["method"] == "GET" and self._token_in_query(scope) is not None:
            await self._store_token(scope, send)
            return

        async def guarded_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *HEADERS]}
            await send(message)

        received, limit = 0, self._limit(scope)

        async def guarded_receive() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise BodyTooLarge(_too_large(limit))
            return message

        await self.app(scope, guarded_receive, guarded_send)

    def _limit(self, scope: Scope) -> int:
        """Return the most bytes that a request's body may have."""
        settings = self.settings
        return settings.max_upload_bytes if scope["path"] == UPLOAD_PATH else settings.max_body_bytes

    def _problem(self, scope: Scope, headers: dict[str, str]) -> tuple[int, str, str | None] | None:
        settings = self.settings
        host = headers.get("host", "")
        if settings.token is None or settings.is_loopback:
            name = urlsplit(f"//{host}").hostname if _is_netloc(host) else None
            if name is None or name not in self.hosts:
                return (
                    403,
                    f"The host {host[:100]!r} is not served here.",
                    "Use 127.0.0.1 or localhost, or name the host in LLMP_ALLOWED_HOSTS.",
                )
        origin = headers.get("origin")
        if origin is not None and origin not in settings.allowed_origins:
            parts = urlsplit(origin) if _is_netloc(origin.partition("://")[2]) else None
            if parts is None or parts.netloc != host:
                return (
                    403,
                    f"Requests from the origin {origin[:100]!r} are not allowed.",
                    "Name it in LLMP_ALLOWED_ORIGINS if it is yours.",
                )
        if settings.token is not None and not self._has_token(scope, headers):
            return (
                401,
                "A token is needed.",
                "Open the address with ?token=... as printed at the server's start, or send it as a bearer.",
            )
        length = headers.get("content-length", "0")
        limit = self._limit(scope)
        if length.isdecimal() and int(length) > limit:
            return 413, _too_large(limit), None
        return None

    def _has_token(self, scope: Scope, headers: dict[str, str]) -> bool:
        expected = (self.settings.token or "").encode()
        candidates = [self._token_in_query(scope)]
        kind, _, bearer = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            candidates.append(bearer.strip())
        cookies: SimpleCookie = SimpleCookie()
        try:
            cookies.load(headers.get("cookie", ""))
        except Exception:  # a malformed cookie is no token
            cookies = SimpleCookie()
        if COOKIE in cookies:
            candidates.append(unquote(cookies[COOKIE].value))
        return any(secrets.compare_digest((item or "").encode(), expected) for item in candidates)

    def _token_in_query(self, scope: Scope) -> str | None:
        if self.settings.token is None:
            return None
        return dict(parse_qsl(scope.get("query_string", b"").decode("latin-1"))).get("token")

    async def _store_token(self, scope: Scope, send: Send) -> None:
        """Answer ``?token=...`` with a cookie and the same address without the token."""
        query = [
            (name, value)
            for name, value in parse_qsl(scope["query_string"].decode("latin-1"))
            if name != "token"
        ]
        # A path that begins with two slashes would lead to another host.
        path = "/" + quote(scope["path"].lstrip("/"))
        target = path + ("?" + urlencode(query) if query else "")
        token = quote(self.settings.token or "", safe="")
        cookie = f"{COOKIE}={token}; HttpOnly; SameSite=Strict; Path=/"
        await send(
            {
                "type": "http.response.start",
                "status": 303,
                "headers": [
                    (b"location", target.encode("ascii")),
                    (b"set-cookie", cookie.encode("ascii")),
                    *HEADERS,
                ],
            }
        )
        await send({"type": "http.response.body", "body": b""})


def _too_large(limit: int) -> str:
    return f"The request is longer than the allowed {limit:,} bytes."


def _is_netloc(text: str) -> bool:
    try:
        parts = urlsplit(f"//{text}")
        whole = parts.netloc == text and parts.username is None
        return whole and bool(parts.hostname) and (parts.port is None or parts.port >= 0)
    except ValueError:
        return False


def error_body(path: str, status: int, message: str, hint: str | None, field: str | None = None) -> Any:
    """Return the JSON body of an error: OpenAI's shape below ``/v1``, our own elsewhere."""
    if path.startswith("/v1/"):
        text = f"{message} {hint}" if hint else message
        kind = "authentication_error" if status == 401 else "invalid_request_error"
        if status >= 500:
            kind = "server_error"
        codes = {401: "invalid_api_key", 413: "request_too_large"}
        code = "model_not_found" if status == 404 and "model" in message else codes.get(status)
        return {"error": {"message": text, "type": kind, "param": field, "code": code}}
    return {"error": {"message": message, "hint": hint, "field": field}}


async def _refuse(send: Send, scope: Scope, status: int, message: str, hint: str | None) -> None:
    body = json.dumps(error_body(scope["path"], status, message, hint)).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        *HEADERS,
    ]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
