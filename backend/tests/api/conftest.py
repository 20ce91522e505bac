"""Clients of the API over the prepared tiny workspace."""

from __future__ import annotations

import pytest
import tiny_workspace
from starlette.testclient import TestClient

from llm_playground.api import Settings, create_app


@pytest.fixture(scope="session")
def client(tiny: tiny_workspace.Tiny) -> TestClient:
    """The API over the prepared workspace; for tests that only read."""
    return client_of(tiny)


@pytest.fixture
def own_client(own_tiny: tiny_workspace.Tiny) -> TestClient:
    """The API over a copy of the prepared workspace, in which runs are written down and not started."""
    client = client_of(own_tiny)
    client.app.state.llmp.supervisor = tiny_workspace.WritingSupervisor(own_tiny.workspace)
    return client


def client_of(tiny: tiny_workspace.Tiny) -> TestClient:
    app = create_app(tiny.workspace, Settings(web=None))
    return TestClient(app, base_url="http://127.0.0.1:8000")
