"""Start the server: check the port, print the address, serve until told to stop."""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import Callable
from urllib.parse import quote

from llm_playground.api.settings import Settings
from llm_playground.core.devices import set_thread_environment
from llm_playground.core.errors import ConflictError, InputError
from llm_playground.core.workspace import Workspace


def bind(host: str, port: int) -> socket.socket:
    """Open the listening socket.

    Raises:
        ConflictError: the port is taken or may not be used.
        InputError: the address is not one of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror:
        raise InputError(f"The host {host!r} is not an address.", field="host") from None
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen()  # two servers may bind one port, but only one may listen at it
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise ConflictError(
                f"The port {port} is taken.",
                hint=f"Stop what uses it, or choose another: PORT={port + 1} make run, "
                f"or llmp serve --port {port + 1}.",
                field="port",
            ) from None
        if error.errno in (errno.EACCES, errno.EPERM):
            raise ConflictError(f"The port {port} may not be used.", hint="Use one above 1023.") from None
        raise InputError(f"The server cannot listen on {host}:{port}: {error.strerror}.") from None
    return listener


def address(settings: Settings) -> str:
    """Return the address to open in a browser."""
    host = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    host = f"[{host}]" if ":" in host else host
    query = f"/?token={quote(settings.token, safe='')}" if settings.token else ""
    return f"http://{host}:{settings.port}{query}"


def serve(host: str = "127.0.0.1", port: int = 8000, *, say: Callable[[str], None] = print) -> None:
    """Serve the workspace of ``LLMP_WORKSPACE`` until interrupted.

    Raises:
        ConflictError: the port is taken.
        StorageError: the workspace cannot be used.
    """
    set_thread_environment()  # before torch is loaded for the first reply
    settings = Settings.create(host, port)
    listener = bind(host, port)
    settings = Settings(host=host, port=listener.getsockname()[1], token=settings.token)
    workspace = Workspace().ensure()
    workspace.remove_leftovers()

    import uvicorn

    from llm_playground.api.app import create_app

    logging.basicConfig(level=logging.WARNING)
    config = uvicorn.Config(
        create_app(workspace, settings),
        log_level="warning",
        timeout_graceful_shutdown=3,
        access_log=False,
    )
    say(f"LLM Playground is at {address(settings)}")
    say(f"Everything is kept in {workspace.root}. Stop with Ctrl-C; runs go on.")
    if settings.web is None:
        say("The web app is not built: `make web` builds it.")
    uvicorn.Server(config).run(sockets=[listener])
