"""Where the server listens and whom it answers."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from llm_playground.core.errors import ConfigError

_PACKAGE = Path(__file__).resolve().parent.parent
_MAX_UPLOAD_BYTES = 2_000_000_000
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def _names(variable: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in os.environ.get(variable, "").split(",") if name.strip())


def _upload_limit() -> int:
    """Return ``LLMP_MAX_UPLOAD_BYTES``, 2 GB where it is not given.

    Raises:
        ConfigError: it is no number of bytes.
    """
    text = os.environ.get("LLMP_MAX_UPLOAD_BYTES", "").strip() or str(_MAX_UPLOAD_BYTES)
    if not text.isdecimal() or int(text) < 1:
        raise ConfigError(
            f"LLMP_MAX_UPLOAD_BYTES: {text[:60]!r} is no number of bytes.",
            hint="Use a whole number such as 2000000000.",
        )
    return int(text)


def web_folder() -> Path | None:
    """Return the folder of the built web app: ``LLMP_WEB_DIR``, the package's, the repository's, or None."""
    chosen = os.environ.get("LLMP_WEB_DIR")
    folders = [Path(chosen)] if chosen else [_PACKAGE / "web", _PACKAGE.parent.parent / "frontend" / "out"]
    return next((folder for folder in folders if (folder / "index.html").is_file()), None)


@dataclass(frozen=True)
class Settings:
    """Settings of the server.

    Attributes:
        host: address to listen on.
        port: port to listen on.
        token: asked of every request where set; needed on any address but loopback.
        allowed_hosts: further names that requests may be addressed to (``LLMP_ALLOWED_HOSTS``).
        allowed_origins: further web origins that may call (``LLMP_ALLOWED_ORIGINS``).
        web: folder of the built web app, or None.
        max_body_bytes: longest request body.
        max_upload_bytes: longest file that is uploaded (``LLMP_MAX_UPLOAD_BYTES``).
    """

    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    allowed_hosts: tuple[str, ...] = field(default_factory=lambda: _names("LLMP_ALLOWED_HOSTS"))
    allowed_origins: tuple[str, ...] = field(default_factory=lambda: _names("LLMP_ALLOWED_ORIGINS"))
    web: Path | None = field(default_factory=web_folder)
    max_body_bytes: int = 2_000_000
    max_upload_bytes: int = field(default_factory=_upload_limit)

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the address."""
        return self.host in LOOPBACK

    @classmethod
    def create(cls, host: str, port: int) -> Settings:
        """Return settings with ``LLMP_TOKEN``, or a new token where others can reach the address."""
        token = os.environ.get("LLMP_TOKEN") or None
        if token is None and host not in LOOPBACK:
            token = secrets.token_urlsafe(24)
        return cls(host=host, port=port, token=token)
