"""The prepared tiny workspace, shared or copied, and clients of the API over it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from starlette.testclient import TestClient

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "runs"))

import tiny_workspace

from llm_playground.api import Settings, create_app


@pytest.fixture(scope="session")
def tiny() -> tiny_workspace.Tiny:
    return tiny_workspace.tiny()


@pytest.fixture
def own_tiny(
    tiny: tiny_workspace.Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tiny_workspace.Tiny:
    """A copy to change, also the default workspace of the code under test."""
    monkeypatch.setenv("LLMP_WORKSPACE", str(tmp_path / "tiny"))
    return tiny.copy(tmp_path / "tiny")


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
