"""The prepared tiny workspace, shared, and a copy of it for tests that change it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "runs"))

import tiny_workspace


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
