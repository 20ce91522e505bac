"""The workspace: an artifact is whole or absent, whatever happens while it is made."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from llm_playground.core import (
    Artifact,
    ConflictError,
    InputError,
    NotFoundError,
    StorageError,
    Workspace,
)
from llm_playground.core.workspace import FOLDERS, artifact_json


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace", builtin=None).ensure()


def make(workspace: Workspace, name: str = "Some Text", kind: str = "dataset", **values: object) -> Artifact:
    with workspace.new_artifact(kind, name=name, **values) as draft:  # type: ignore[arg-type]
        (draft.path / "part").mkdir()
        (draft.path / "part" / "a.txt").write_text("one")
        (draft.path / "b.bin").write_bytes(bytes(5))
        draft.summary["rows"] = 2
    assert draft.artifact is not None and draft.path == draft.artifact.path
    return draft.artifact


def everything(workspace: Workspace) -> list[str]:
    return sorted(
        str(path.relative_to(workspace.root)) for path in workspace.root.rglob("*") if path.is_file()
    )


def test_an_artifact_keeps_what_it_was_told(workspace: Workspace) -> None:
    made = make(workspace, parents=["x-1"], config={"a": 1}, card={"about": "é"}, run_id="run-1")
    again = Workspace(workspace.root, builtin=None).get(made.id)
    assert again == made
    assert again.id.startswith("some-text-") and again.path.name == again.id
    assert (again.kind, again.name, again.parents, again.run_id) == (
        "dataset",
        "Some Text",
        ("x-1",),
        "run-1",
    )
    assert again.summary == {"rows": 2} and again.card == {"about": "é"} and again.config == {"a": 1}
    assert sorted(again.files) == ["b.bin", "part/a.txt"] and again.size_bytes == 8
    again.verify()
    data = artifact_json(again)
    assert "path" not in data and data["size_bytes"] == 8 and data["created_at_iso"].endswith("+00:00")


def test_an_error_while_building_leaves_nothing(workspace: Workspace) -> None:
    with pytest.raises(ZeroDivisionError), workspace.new_artifact("model", name="m") as draft:
        (draft.path / "a").write_text("x")
        raise ZeroDivisionError
    assert everything(workspace) == [] and workspace.list() == []


def test_a_full_disk_leaves_nothing_and_says_so(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    old = make(workspace)
    monkeypatch.setattr(os, "fsync", full)
    with (
        pytest.raises(StorageError, match=r"^The disk is full: .* could not be written\. Free some space"),
        workspace.new_artifact("dataset", name="new") as draft,
    ):
        (draft.path / "a").write_text("x")
    assert [item.id for item in workspace.list()] == [old.id]
    assert all(old.id in path for path in everything(workspace))


def test_everything_is_on_the_disk_before_the_artifact_has_its_name(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: set[int] = set()
    missing: list[str] = []
    sync, rename = os.fsync, os.rename

    def watched_sync(descriptor: int) -> None:
        flushed.add(os.fstat(descriptor).st_ino)
        sync(descriptor)

    def watched_rename(source: Path, target: Path) -> None:
        missing.extend(
            str(path) for path in [source, *source.rglob("*")] if path.stat().st_ino not in flushed
        )
        rename(source, target)

    monkeypatch.setattr(os, "fsync", watched_sync)
    monkeypatch.setattr(os, "rename", watched_rename)
    artifact = make(workspace)
    assert missing == [] and artifact.path.parent.stat().st_ino in flushed


KILLED = """
import os, signal, sys
from llm_playground.core import Workspace, workspace as module
workspace = Workspace(sys.argv[1], builtin=None)
def die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[2] == "before the manifest":
    module.write_manifest = die
else:
    module.os.rename = die
with workspace.new_artifact("model", name="m") as draft:
    (draft.path / "weights").write_text("x")
"""


@pytest.mark.parametrize("moment", ["before the manifest", "before the rename"])
def test_a_kill_while_building_leaves_nothing_listed(workspace: Workspace, moment: str) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(workspace.root), moment], check=False)
    assert done.returncode == -signal.SIGKILL
    assert workspace.list() == []
    (leftover,) = workspace.folder("model").iterdir()
    with pytest.raises(InputError):
        workspace.get(leftover.name)
    assert workspace.remove_leftovers() == 0, "a living builder must be safe"
    assert workspace.remove_leftovers(older_than_s=-1) == 1
    assert list(workspace.folder("model").iterdir()) == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "",
        lambda text: "[]",
        lambda text: text.replace('"kind"', '"kin"'),
        lambda text: text.replace('"dataset"', '"model"'),
        lambda text: text.replace('"id": "', '"id": "x'),
        lambda text: json.dumps({**json.loads(text), "created_at": "noon"}),
        lambda text: "\udcff",
    ],
)
def test_a_folder_with_a_damaged_manifest_does_not_exist(workspace: Workspace, damage) -> None:
    artifact = make(workspace)
    manifest = artifact.path / "manifest.json"
    manifest.write_bytes(damage(manifest.read_text()).encode(errors="surrogateescape"))
    os.utime(manifest, ns=(1, 1))
    assert workspace.list() == []
    with pytest.raises(NotFoundError, match=f"There is no dataset '{artifact.id}' in the workspace"):
        workspace.get(artifact.id, "dataset")
    manifest.unlink()
    assert workspace.list("dataset") == []


def test_verifying_names_the_file(workspace: Workspace) -> None:
    artifact = make(workspace)
    (artifact.path / "b.bin").write_bytes(bytes(4) + b"x")
    with pytest.raises(StorageError) as caught:
        artifact.verify()
    assert str(caught.value) == f"dataset {artifact.id} is damaged: the file b.bin was changed."
    (artifact.path / "b.bin").write_bytes(bytes(5))
    (artifact.path / "part" / "a.txt").unlink()
    with pytest.raises(StorageError) as caught:
        artifact.verify()
    assert str(caught.value) == f"dataset {artifact.id} is damaged: the file part/a.txt is missing."


def test_what_was_deleted_can_be_restored(workspace: Workspace) -> None:
    first, second = make(workspace), make(workspace, "Other", "model")
    workspace.delete(first.id)
    assert [item.id for item in workspace.list()] == [second.id]
    with pytest.raises(NotFoundError):
        workspace.get(first.id)
    with pytest.raises(NotFoundError):
        workspace.delete(first.id)
    assert workspace.restore(first.id) == first
    first.verify()
    with pytest.raises(NotFoundError, match="The trash holds nothing called"):
        workspace.restore(first.id)


def test_ids_that_leave_the_workspace_are_refused(workspace: Workspace) -> None:
    for name in ("../x", "a/b", ".hidden", "", "a" * 200):
        for call in (workspace.get, workspace.delete, workspace.restore):
            with pytest.raises(InputError, match="is not a valid artifact id"):
                call(name)


def test_what_comes_with_the_program_is_listed_last_and_cannot_be_deleted(tmp_path: Path) -> None:
    source = Workspace(tmp_path / "assets", builtin=None).ensure()
    shipped = make(source, "shipped", "model")
    workspace = Workspace(tmp_path / "own", builtin=tmp_path / "assets").ensure()
    own = make(workspace, "own", "model")
    assert [(item.id, item.builtin) for item in workspace.list("model")] == [
        (own.id, False),
        (shipped.id, True),
    ]
    with pytest.raises(ConflictError) as caught:
        workspace.delete(shipped.id)
    assert str(caught.value) == f"{shipped.id} comes with the program and cannot be deleted."
    assert workspace.get(shipped.id).builtin


def test_newest_first_and_by_kind(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    from llm_playground.core import workspace as module

    now = 1e9
    monkeypatch.setattr(module.time, "time", lambda: now)
    names = {}
    for kind in FOLDERS:
        now += 1
        names[kind] = make(workspace, kind, kind).id
    assert [item.kind for item in workspace.list()] == list(reversed(FOLDERS))
    assert [item.id for item in workspace.list("tokens")] == [names["tokens"]]
    with pytest.raises(NotFoundError):
        workspace.get(names["tokens"], "model")


def test_names_of_any_language_make_safe_ids(workspace: Workspace) -> None:
    for name in ("../../etc", "東京", "", "a b/c", "x" * 300, ".hidden", "-"):
        artifact = make(workspace, name)
        assert artifact.path.parent == workspace.folder("dataset")
        assert workspace.get(artifact.id).name == name


def test_a_workspace_that_cannot_be_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError) as caught:
        Workspace(tmp_path / "file").ensure()
    assert str(caught.value).startswith(
        f"The workspace {tmp_path / 'file'} cannot be used: a file is in the way"
    )
    assert caught.value.hint == "Set LLMP_WORKSPACE to a folder of your own."


def test_the_workspace_is_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMP_WORKSPACE", str(tmp_path / "here"))
    assert Workspace().root == tmp_path / "here"
    monkeypatch.delenv("LLMP_WORKSPACE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Workspace().root == tmp_path / ".llm-playground"
    assert not (tmp_path / "here").exists(), "nothing is made before it is needed"
