"""Texts that people bring: files received piece by piece, checked on the way, kept whole or not at all.

An upload is a folder ``uploads/ID`` of the workspace with one or more files of one kind. A file is written
under a temporary name and gets its own once all of it is there and is UTF-8, so a connection that breaks
leaves nothing. The stage ``data.prepare`` makes a data set of the folder.
"""

from __future__ import annotations

import codecs
import json
import os
import re
import secrets
import shutil
import time
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from llm_playground.core.errors import InputError, NotFoundError, StorageError
from llm_playground.core.files import check_name, fsync_folder, storage_errors
from llm_playground.core.workspace import Artifact, Workspace, slug

FOLDER = "uploads"
SOURCES = {".txt": "text", ".md": "text", ".jsonl": "jsonl", ".ndjson": "jsonl"}
_KINDS = {"text": "text", "jsonl": "JSON lines"}
_TEXT_FIELDS = ("text", "content", "body", "story", "document")  # tried in this order
_LONGEST_NAME = 120  # bytes of UTF-8, without the suffix
_FIRST_LINE = 2**22  # bytes in which the first line of JSON must end
_SPARE = 2**28  # bytes that an upload leaves free on the disk
_ABANDONED_S = 86_400.0


@dataclass(frozen=True)
class Upload:
    """One or more files that came together.

    Attributes:
        id: name of its folder.
        path: the folder.
        source: ``text`` or ``jsonl``, as ``data.prepare`` has it.
        files: names and bytes.
        fields: of JSON lines, those of the first line that hold text.
        text_field: of these, the one that is meant; None for text, and where that is not clear.
        created_at: seconds since 1970.
    """

    id: str
    path: Path
    source: str
    files: tuple[tuple[str, int], ...]
    fields: tuple[str, ...]
    text_field: str | None
    created_at: float

    @property
    def size_bytes(self) -> int:
        """Bytes of all files."""
        return sum(size for _, size in self.files)


class Uploads:
    """The uploads of a workspace.

    Args:
        workspace: where they are.
    """

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.folder = workspace.root / FOLDER

    def list(self) -> Sequence[Upload]:
        """Return the uploads, newest first."""
        if not self.folder.is_dir():
            return []
        names = [entry.name for entry in os.scandir(self.folder) if entry.is_dir() and entry.name[0] != "."]
        found = [upload for name in names if (upload := self._read(name)) is not None]
        return sorted(found, key=lambda upload: (-upload.created_at, upload.id))

    def get(self, upload_id: str) -> Upload:
        """Return an upload.

        Raises:
            InputError: not a valid id.
            NotFoundError: there is none.
        """
        found = self._read(check_name(upload_id, "upload id"))
        if found is None:
            raise NotFoundError(f"There is no upload {upload_id!r}.", field="into")
        return found

    def receive(self, name: str, *, into: str | None = None, length: int | None = None) -> Receiver:
        """Begin to receive a file.

        Args:
            name: as the sender has it; folders in it are dropped, odd characters replaced.
            into: an upload that the file joins; None begins one.
            length: bytes to come, where that is known.

        Raises:
            InputError: it has a suffix that is not read, or another kind than the upload that it joins.
            NotFoundError: there is no such upload.
            StorageError: the disk has no room for it.
        """
        name, source = safe_name(name)
        joined = None if into is None else self.get(into)
        if joined is not None and joined.source != source:
            raise InputError(
                f"{name} is {_KINDS[source]}, and the upload {joined.id} is {_KINDS[joined.source]}.",
                hint="Upload them apart: each makes a data set of its own.",
                field="name",
            )
        with storage_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        self._remove_abandoned()
        free = shutil.disk_usage(self.folder).free
        if length is not None and length > free - _SPARE:
            raise StorageError(
                f"The disk has no room for {name}: {length:,} bytes are to come, and {free:,} are free.",
                hint="Free some space.",
            )
        return Receiver(self, name, source, joined.id if joined else None)

    def delete(self, upload_id: str) -> None:
        """Move an upload to the trash.

        Raises:
            NotFoundError: there is none.
        """
        upload = self.get(upload_id)
        target = self.workspace.trash_dir / FOLDER / upload.id
        with storage_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            os.rename(upload.path, target)

    def restore(self, upload_id: str) -> Upload:
        """Bring a deleted upload back.

        Raises:
            NotFoundError: the trash holds none of that id.
        """
        source = self.workspace.trash_dir / FOLDER / check_name(upload_id, "upload id")
        if not source.is_dir():
            raise NotFoundError(f"The trash holds no upload {upload_id!r}.")
        self.folder.mkdir(parents=True, exist_ok=True)
        os.rename(source, self.folder / upload_id)
        return self.get(upload_id)

    def delete_dataset(self, dataset_id: str) -> None:
        """Move a data set to the trash, and the upload that it was made of.

        Raises:
            NotFoundError: there is none.
            ConflictError: it comes with the program.
        """
        artifact = self.workspace.get(dataset_id, "dataset")
        self.workspace.delete(dataset_id, "dataset")
        upload = self._upload_of(artifact)
        if upload is not None and self._read(upload) is not None:
            self.delete(upload)

    def restore_dataset(self, dataset_id: str) -> Artifact:
        """Bring back a data set that was deleted, and its upload.

        Raises:
            NotFoundError: the trash holds none of that id.
        """
        artifact = self.workspace.restore(dataset_id, "dataset")
        upload = self._upload_of(artifact)
        if upload is not None and (self.workspace.trash_dir / FOLDER / upload).is_dir():
            self.restore(upload)
        return artifact

    def _upload_of(self, artifact: Artifact) -> str | None:
        """Return the id of the upload that a data set was made of, None for other data sets."""
        path = Path(str(artifact.config.get("path") or ""))
        return path.name if path.parent == self.folder else None

    def _read(self, upload_id: str) -> Upload | None:
        path = self.folder / upload_id
        if not path.is_dir():
            return None
        names = sorted(entry.name for entry in os.scandir(path) if entry.name[0] != "." and entry.is_file())
        names = [name for name in names if Path(name).suffix in SOURCES]
        if not names:
            return None
        source = SOURCES[Path(names[0]).suffix]
        fields = _text_fields(path / names[0]) if source == "jsonl" else ()
        only = fields[0] if len(fields) == 1 else None
        likely = next((name for name in _TEXT_FIELDS if name in fields), only)
        files = tuple((name, (path / name).stat().st_size) for name in names)
        return Upload(upload_id, path, source, files, fields, likely, path.stat().st_mtime)

    def _remove_abandoned(self) -> None:
        """Delete what processes that were killed left half received."""
        for path in self.folder.glob(".receiving-*"):
            with suppress(FileNotFoundError):  # its receiver has just ended
                if time.time() - path.stat().st_mtime > _ABANDONED_S:
                    path.unlink()


class Receiver:
    """A file on its way; see :meth:`Uploads.receive`. Either :meth:`finish` or :meth:`discard` ends it."""

    def __init__(self, uploads: Uploads, name: str, source: str, into: str | None) -> None:
        self._uploads, self._source, self._into = uploads, source, into
        self.name = name
        self._path = uploads.folder / f".receiving-{secrets.token_hex(8)}"
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._size, self._blank = 0, True
        with storage_errors(self._path):
            self._file = self._path.open("xb")

    def write(self, data: bytes) -> None:
        """Take the next piece.

        Raises:
            InputError: it is not UTF-8 text; the byte is named.
            StorageError: the disk is full.
        """
        self._check(data, final=False)
        with storage_errors(self._path):
            self._file.write(data)
        self._size += len(data)

    def finish(self) -> Upload:
        """Put the file in its place once all of it has been written.

        Raises:
            InputError: it is empty, not UTF-8, or JSON lines whose first is no object with a text in it.
            StorageError: the disk is full.
        """
        self._check(b"", final=True)
        if self._blank:
            raise InputError(f"The file {self.name} is empty.", field="name")
        with storage_errors(self._path):
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
        if self._source == "jsonl" and not _text_fields(self._path):
            raise InputError(
                f"The first line of {self.name} is no JSON object with a text in it.",
                hint='Each line should be like {"text": "Once upon a time ..."}.',
                field="name",
            )
        stem = Path(self.name).stem
        upload_id = self._into or f"{slug(stem)}-{secrets.token_hex(4)}"
        folder = self._uploads.folder / upload_id
        with storage_errors(folder):
            folder.mkdir(exist_ok=True)
            os.replace(self._path, _new_file(folder, self.name))
            fsync_folder(folder)
            fsync_folder(folder.parent)
        return self._uploads.get(upload_id)

    def discard(self) -> None:
        """Forget what has come so far; after :meth:`finish` this does nothing."""
        self._file.close()
        with suppress(FileNotFoundError):
            self._path.unlink()

    def _check(self, data: bytes, *, final: bool) -> None:
        """Decode a piece, which may end within a character."""
        waiting = len(self._decoder.getstate()[0])
        try:
            text = self._decoder.decode(data, final)
        except UnicodeDecodeError as error:
            place = self._size - waiting + error.start
            said = f"{self.name} is not UTF-8 text: byte {place} is 0x{error.object[error.start]:02x}."
            raise InputError(said, hint="Save it as UTF-8 and try again.", field="name") from None
        if "\0" in text:
            raise InputError(
                f"{self.name} is not plain text: there is a zero byte in it.",
                hint="Save it as UTF-8 text and try again.",
                field="name",
            )
        self._blank = self._blank and not text.strip("\ufeff \t\r\n\f\v")


def safe_name(name: str) -> tuple[str, str]:
    """Return (a name that is safe as a file of any folder, ``text`` or ``jsonl``) for the name of a file.

    Raises:
        InputError: its suffix is none that is read.
    """
    plain = unicodedata.normalize("NFC", name).replace("\\", "/").rsplit("/", 1)[-1]
    stem, dot, suffix = plain.rpartition(".")
    suffix = f".{suffix.lower()}" if dot else ""
    if suffix not in SOURCES:
        shown = plain[:60].encode("utf-8", "replace").decode()
        raise InputError(
            f"The file {shown!r} is of a kind that is not read here.",
            hint=f"Files may end in {', '.join(SOURCES)}.",
            field="name",
        )
    stem = re.sub(r"[^\w .()+-]+", "-", stem).strip(" .-")
    stem = stem.encode("utf-8", "ignore")[:_LONGEST_NAME].decode("utf-8", "ignore").strip(" .-") or "text"
    return stem + suffix, SOURCES[suffix]


def _new_file(folder: Path, name: str) -> Path:
    """Create an empty file of a name that the folder does not have: ``a.txt``, ``a-2.txt``, ..."""
    stem, suffix = os.path.splitext(name)
    for number in range(1, 100_000):
        path = folder / (name if number == 1 else f"{stem}-{number}{suffix}")
        try:
            path.open("xb").close()
        except FileExistsError:
            continue
        return path
    raise InputError(f"There are too many files called {name}.", field="name")


def _text_fields(path: Path) -> tuple[str, ...]:
    """Return the fields of a file's first line that hold text; none where it is no JSON object."""
    with path.open("rb") as file:
        for _ in range(1000):  # blank lines may come first
            line = file.readline(_FIRST_LINE)
            text = line.decode("utf-8", "replace").removeprefix("\ufeff").strip()
            if text or not line:
                break
    try:
        row = json.loads(text)
    except (ValueError, RecursionError):
        return ()
    if not isinstance(row, dict):
        return ()
    return tuple(str(name) for name, value in row.items() if name and isinstance(value, str))
