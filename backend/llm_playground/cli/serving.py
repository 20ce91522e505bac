"""The command ``llmp serve``."""

from __future__ import annotations

import importlib
import os

from llm_playground.cli.options import call
from llm_playground.core.errors import ConfigError


def serve(name: str, arguments: list[str]) -> int:
    """Start the server."""
    try:
        default_port = int(os.environ.get("PORT") or 8000)
    except ValueError:
        raise ConfigError(f"PORT: {os.environ['PORT']!r} is not a number.", field="PORT") from None
    default_host = os.environ.get("HOST") or "127.0.0.1"

    def command(host: str = default_host, port: int = default_port) -> int:
        """Start the web app and the API on one port.

        Args:
            host: address to listen on; any but loopback needs a token, which is printed.
            port: port to listen on, 1 to 65535; 0 takes a free one.
        """
        if not 0 <= port <= 65535:
            raise ConfigError(f"port: {port} is not between 0 and 65535.", field="port")
        # By name, as stages are: the command line and the server are siblings and do not see each other.
        server = importlib.import_module("llm_playground.api.server")
        server.serve(host, port, say=lambda text: print(text, flush=True))
        return 0

    return call(command, name, arguments)
