"""Shared fixtures: one thread, no network, a workspace of its own for every test."""

from __future__ import annotations

import os
import re
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

from llm_playground.core.protocols import NullContext
from llm_playground.core.workspace import Workspace

sys.path.insert(0, str(Path(__file__).parent))  # tests share tiny_workspace.py
if TYPE_CHECKING:
    from tiny_workspace import Tiny

hypothesis.settings.register_profile(
    "quick", max_examples=40, deadline=None, derandomize=True, print_blob=True
)
hypothesis.settings.register_profile("fresh", max_examples=400, deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))

_GROUP = re.compile(r'pytest\.mark\.xdist_group\("([^"]+)"\)')


@cache
def _group_of(file: Path) -> str | None:
    """Return the group that a file of tests puts all its tests into, read from its source."""
    found = _GROUP.search(file.read_text(encoding="utf-8"))
    return found[1] if found else None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Send the tests of a group to one worker, the largest groups first.

    pytest-xdist 3.8 writes the group into ``item._nodeid``, which pytest 9.2 no longer reads: left to itself,
    ``--dist loadgroup`` spreads the tests of a group, and each worker makes what they share.
    """
    if config.getoption("dist") != "loadgroup":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class ByGroup(LoadScopeScheduling):  # type: ignore[misc]
        """Tests by the group of their file; others one by one."""

        def _split_scope(self, nodeid: str) -> str:
            return _group_of(config.rootpath / nodeid.partition("::")[0]) or nodeid

    return ByGroup(config, log)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """An empty workspace, also the default one of the code under test."""
    root = tmp_path / "workspace"
    monkeypatch.setenv("LLMP_WORKSPACE", str(root))
    return Workspace(root).ensure()


@pytest.fixture
def stage_context(tmp_path: Path, workspace: Workspace) -> NullContext:
    """A context that keeps what a stage tells it."""
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    return NullContext(run_dir, workspace, seed=0)


@pytest.fixture(scope="session")
def road(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A workspace of its own with a tiny tinyworld: ``workspace``, ``dataset``, ``tokenizer``, ``tokens``.

    Shared by the tests that only read; ``context(folder)`` gives what a stage needs to go on from there.
    """
    from llm_playground.data import prepare, shards
    from llm_playground.tokenization import stage as tokenizer_stage

    root = tmp_path_factory.mktemp("road")
    workspace = Workspace(root / "workspace", builtin=None).ensure()

    def context(folder: Path, seed: int = 0) -> NullContext:
        folder.mkdir(exist_ok=True)
        return NullContext(folder, workspace, seed)

    told = context(root / "run")
    dataset = prepare.run(
        prepare.DataPrepareConfig(documents=200, conversations=120, benchmark_items=24), told
    )
    tokenizer = tokenizer_stage.run(
        tokenizer_stage.TokenizerTrainConfig(dataset=dataset.id, vocab_size=400), told
    )
    tokens = shards.run(
        shards.TokenizeConfig(dataset=dataset.id, tokenizer=tokenizer.id, validation_fraction=0.1), told
    )
    return SimpleNamespace(
        workspace=workspace, dataset=dataset, tokenizer=tokenizer, tokens=tokens, context=context
    )


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of public test data; tests that need it skip where it is absent."""
    default = Path(__file__).resolve().parents[3] / "shared" / "data"
    folder = Path(os.environ.get("LLMP_TEST_DATA", default))
    if not folder.is_dir():
        pytest.skip("public test data is not there (set LLMP_TEST_DATA)")
    return folder


@pytest.fixture(scope="session")
def tiny() -> Tiny:
    """A workspace with a little of everything, made once by real runs; for tests that only read."""
    import tiny_workspace

    return tiny_workspace.tiny()


@pytest.fixture
def own_tiny(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    """A copy of it to change, also the default workspace of the code under test."""
    monkeypatch.setenv("LLMP_WORKSPACE", str(tmp_path / "tiny"))
    return tiny.copy(tmp_path / "tiny")
