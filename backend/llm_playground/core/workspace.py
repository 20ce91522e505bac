"""The workspace: immutable artifact folders, each made valid by a manifest that is written last.

A folder without a readable ``manifest.json`` does not exist for anyone. Artifacts are built under a
temporary name, flushed, and renamed, so a crash at any moment leaves either the whole artifact or none.
Example models and tokenizers that come with the package are listed beside the workspace's own, read-only.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from llm_playground import __version__
from llm_playground.core.errors import ConflictError, NotFoundError, StorageError
from llm_playground.core.files import (
    check_name,
    fsync_folder,
    fsync_tree,
    read_json,
    sha256_file,
    storage_errors,
    write_json_atomic,
)

FOLDERS = {
    "dataset": "datasets",
    "tokenizer": "tokenizers",
    "tokens": "tokens",
    "model": "models",
    "evaluation": "evaluations",
    "measurement": "measurements",
}
MANIFEST = "manifest.json"
BUILTIN = Path(__file__).resolve().parent.parent / "assets"


@dataclass(frozen=True)
class Artifact:
    """One immutable folder and what its manifest says.

    Attributes:
        id: unique name, also the folder's name.
        kind: dataset, tokenizer, tokens, model, evaluation or measurement.
        name: the name people gave it.
        path: the folder.
        created_at: seconds since 1970.
        parents: ids of the artifacts it was made from.
        config: the configuration that made it.
        files: relative path -> {"size": bytes, "sha256": hex}.
        card: words for people (about, knows, suggested_questions).
        summary: small figures for lists (parameters, documents, ...).
        run_id: the run that made it, or None.
        builtin: shipped with the package, read-only.
    """

    id: str
    kind: str
    name: str
    path: Path
    created_at: float
    parents: tuple[str, ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    card: Mapping[str, Any] = field(default_factory=dict)
    summary: Mapping[str, Any] = field(default_factory=dict)
    run_id: str | None = None
    code_version: str = __version__
    builtin: bool = False

    @property
    def size_bytes(self) -> int:
        """Total size of the files in bytes."""
        return sum(int(entry["size"]) for entry in self.files.values())

    def verify(self) -> None:
        """Check every file against its recorded size and hash.

        Raises:
            StorageError: naming the first file that is missing or changed.
        """
        for name, entry in self.files.items():
            path = self.path / name
            if not path.is_file():
                raise StorageError(f"{self.kind} {self.id} is damaged: the file {name} is missing.")
            if path.stat().st_size != entry["size"] or sha256_file(path) != entry["sha256"]:
                raise StorageError(f"{self.kind} {self.id} is damaged: the file {name} was changed.")


@dataclass
class Draft:
    """An artifact being built: write files under ``path``; ``artifact`` is set once it is published."""

    path: Path
    id: str
    card: dict[str, Any]
    summary: dict[str, Any]
    artifact: Artifact | None = None


def slug(name: str) -> str:
    """Make a name safe for a folder: lower case, dashes, at most 60 characters."""
    return re.sub(r"[^a-z0-9._]+", "-", name.lower()).strip("-._")[:60] or "unnamed"


def write_manifest(folder: Path, **values: Any) -> dict[str, Any]:
    """Hash the files of ``folder`` and write its manifest, last of all.

    Args:
        folder: an artifact folder, complete but for the manifest.
        values: id, kind, name, parents, config, card, summary, run_id.

    Returns:
        the manifest as JSON data.
    """
    files = {
        path.relative_to(folder).as_posix(): {"size": path.stat().st_size, "sha256": sha256_file(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MANIFEST
    }
    manifest = {"created_at": time.time(), "code_version": __version__, **values, "files": files}
    write_json_atomic(folder / MANIFEST, manifest)
    return manifest


class Workspace:
    """The folder that holds everything a user makes.

    Args:
        root: default ``$LLMP_WORKSPACE``, else ``~/.llm-playground``. Created when first written to.
        builtin: folder of artifacts that come with the package.
    """

    def __init__(self, root: str | Path | None = None, *, builtin: Path | None = BUILTIN) -> None:
        chosen = root or os.environ.get("LLMP_WORKSPACE") or Path.home() / ".llm-playground"
        self.root = Path(chosen).expanduser().resolve()
        self.builtin = builtin
        self._cache: dict[Path, tuple[int, Artifact]] = {}

    @property
    def runs_dir(self) -> Path:
        """Folder of the runs."""
        return self.root / "runs"

    @property
    def trash_dir(self) -> Path:
        """Folder of deleted things that can still be restored."""
        return self.root / ".trash"

    @property
    def app_db(self) -> Path:
        """SQLite file of conversations, prompts and connections."""
        return self.root / "app.db"

    def ensure(self) -> Workspace:
        """Create the workspace's folders; returns itself.

        Raises:
            StorageError: the place cannot be written.
        """
        for name in (*FOLDERS.values(), "runs", ".trash"):
            folder = self.root / name
            with storage_errors(folder):
                try:
                    folder.mkdir(parents=True, exist_ok=True)
                except (FileExistsError, NotADirectoryError):
                    raise StorageError(
                        f"The workspace {self.root} cannot be used: a file is in the way of {folder}.",
                        hint="Set LLMP_WORKSPACE to a folder of your own.",
                    ) from None
        return self

    def folder(self, kind: str) -> Path:
        """Return the folder for one kind of artifact."""
        return self.root / FOLDERS[kind]

    @contextmanager
    def new_artifact(
        self,
        kind: str,
        *,
        name: str,
        parents: Sequence[str] = (),
        config: Mapping[str, Any] | None = None,
        card: Mapping[str, Any] | None = None,
        summary: Mapping[str, Any] | None = None,
        run_id: str | None = None,
    ) -> Iterator[Draft]:
        """Build an artifact: it appears whole when the block ends, or not at all when it raises.

        Yields:
            a draft; write files below ``draft.path``, fill ``draft.summary`` and ``draft.card``.
        """
        self.ensure()
        artifact_id = f"{slug(name)}-{secrets.token_hex(4)}"
        final = self.folder(kind) / artifact_id
        temporary = self.folder(kind) / f".building-{artifact_id}"
        draft = Draft(temporary, artifact_id, dict(card or {}), dict(summary or {}))
        try:
            with storage_errors(final):
                temporary.mkdir()
                yield draft
                write_manifest(
                    temporary,
                    id=artifact_id,
                    kind=kind,
                    name=name,
                    parents=list(parents),
                    config=dict(config or {}),
                    card=draft.card,
                    summary=draft.summary,
                    run_id=run_id,
                )
                fsync_tree(temporary)
                os.rename(temporary, final)
                fsync_folder(final.parent)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        draft.path = final
        draft.artifact = self.get(artifact_id, kind)

    def get(self, artifact_id: str, kind: str | None = None) -> Artifact:
        """Return an artifact by id.

        Raises:
            InputError: the id is not a valid name.
            NotFoundError: there is none (a folder without a valid manifest does not exist).
        """
        check_name(artifact_id, "artifact id")
        for candidate in [kind] if kind else list(FOLDERS):
            for base in self._bases(candidate):
                artifact = self._read(base / artifact_id, candidate)
                if artifact is not None:
                    return artifact
        raise NotFoundError(
            f"There is no {kind or 'artifact'} {artifact_id!r} in the workspace.",
            hint="`llmp models list` or the Models page shows what is there.",
        )

    def list(self, kind: str | None = None) -> Sequence[Artifact]:
        """Return the artifacts of one kind (or all), newest first, built-in ones last."""
        found: dict[str, Artifact] = {}
        for candidate in [kind] if kind else list(FOLDERS):
            for base in self._bases(candidate):
                if not base.is_dir():
                    continue
                for entry in os.scandir(base):
                    if entry.is_dir() and not entry.name.startswith("."):
                        artifact = self._read(Path(entry.path), candidate)
                        if artifact is not None:
                            found.setdefault(artifact.id, artifact)
        return sorted(found.values(), key=lambda item: (item.builtin, -item.created_at, item.id))

    def delete(self, artifact_id: str, kind: str | None = None) -> None:
        """Move an artifact to the trash, from where :meth:`restore` brings it back.

        Raises:
            ConflictError: it is built in.
            NotFoundError: there is none.
        """
        artifact = self.get(artifact_id, kind)
        if artifact.builtin:
            raise ConflictError(f"{artifact_id} comes with the program and cannot be deleted.")
        target = self.trash_dir / FOLDERS[artifact.kind] / artifact.id
        target.parent.mkdir(parents=True, exist_ok=True)
        os.rename(artifact.path, target)
        self._cache.pop(artifact.path, None)

    def restore(self, artifact_id: str, kind: str | None = None) -> Artifact:
        """Bring a deleted artifact back.

        Raises:
            NotFoundError: the trash holds none of that id.
        """
        check_name(artifact_id, "artifact id")
        for candidate in [kind] if kind else list(FOLDERS):
            source = self.trash_dir / FOLDERS[candidate] / artifact_id
            if source.is_dir():
                os.rename(source, self.folder(candidate) / artifact_id)
                return self.get(artifact_id, candidate)
        raise NotFoundError(f"The trash holds nothing called {artifact_id!r}.")

    def remove_leftovers(self, older_than_s: float = 86_400) -> int:
        """Delete half-built folders left by killed processes; returns how many.

        Args:
            older_than_s: only those untouched for so many seconds, so that living builders are safe.
        """
        count = 0
        for base in (self.folder(kind) for kind in FOLDERS):
            for path in base.glob(".building-*"):
                with suppress(FileNotFoundError):  # its builder has just published it
                    if time.time() - path.stat().st_mtime > older_than_s:
                        shutil.rmtree(path, ignore_errors=True)
                        count += 1
        return count

    def _bases(self, kind: str) -> Sequence[Path]:
        own = self.folder(kind)
        return [own, self.builtin / FOLDERS[kind]] if self.builtin else [own]

    def _read(self, folder: Path, kind: str) -> Artifact | None:
        manifest_path = folder / MANIFEST
        try:
            stamp = manifest_path.stat().st_mtime_ns
        except (FileNotFoundError, NotADirectoryError):
            return None
        cached = self._cache.get(folder)
        if cached is not None and cached[0] == stamp:
            return cached[1]
        try:
            data = read_json(manifest_path)
            artifact = Artifact(
                id=str(data["id"]),
                kind=str(data["kind"]),
                name=str(data["name"]),
                path=folder,
                created_at=float(data["created_at"]),
                parents=tuple(data.get("parents", ())),
                config=data.get("config", {}),
                files=data.get("files", {}),
                card=data.get("card", {}),
                summary=data.get("summary", {}),
                run_id=data.get("run_id"),
                code_version=str(data.get("code_version", "")),
                builtin=self.builtin is not None and folder.is_relative_to(self.builtin),
            )
        except (StorageError, KeyError, TypeError, ValueError):
            return None  # not a valid manifest: by contract the folder does not exist
        if artifact.kind != kind or artifact.id != folder.name:
            return None
        self._cache[folder] = (stamp, artifact)
        return artifact


def artifact_json(artifact: Artifact) -> dict[str, Any]:
    """Return an artifact as JSON data, with its time as ISO 8601 and without the folder's path."""
    data = asdict(artifact)
    del data["path"]
    data["size_bytes"] = artifact.size_bytes
    data["created_at_iso"] = datetime.fromtimestamp(artifact.created_at, UTC).isoformat()
    return json.loads(json.dumps(data))
