"""Files that are either whole or absent: write to a temporary name, fsync, rename."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from llm_playground.core.errors import InputError, StorageError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn a full disk or a forbidden folder into one clear sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageError(
                f"The disk is full: {path} could not be written.",
                hint="Free some space; what was complete before is untouched.",
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise StorageError(f"{path} may not be written (permission denied).") from error
        raise


def check_name(name: str, what: str = "id") -> str:
    """Return ``name`` if it is safe as one path part, else raise ``InputError``."""
    if not _NAME.fullmatch(name):
        raise InputError(
            f"{name[:60]!r} is not a valid {what}.",
            hint="Use 1 to 100 letters, digits, '.', '-' or '_', starting with a letter or digit.",
        )
    return name


def fsync_folder(folder: Path) -> None:
    """Make a rename inside ``folder`` lasting."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync_tree(folder: Path) -> None:
    """Flush every file below ``folder``, and the folders themselves, to the disk."""
    for path in sorted(folder.rglob("*")):
        if path.is_dir():
            fsync_folder(path)
        elif path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    fsync_folder(folder)


def write_bytes_atomic(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Write ``data`` so that readers see the old file or the new one, never a part.

    Args:
        durable: also survive a power cut (fsync); off for files rewritten many times a minute.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with storage_errors(path):
            with temporary.open("wb") as file:
                file.write(data)
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            os.replace(temporary, path)
            if durable:
                fsync_folder(path.parent)
    except BaseException:
        with suppress(FileNotFoundError):
            temporary.unlink()
        raise


def write_text_atomic(path: Path, text: str, *, durable: bool = True) -> None:
    """Write UTF-8 text whole or not at all."""
    write_bytes_atomic(path, text.encode("utf-8"), durable=durable)


def write_json_atomic(path: Path, value: Any, *, durable: bool = True) -> None:
    """Write indented JSON whole or not at all."""
    write_text_atomic(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n", durable=durable)


def write_tensors(path: Path, tensors: Mapping[str, Any], metadata: dict[str, str] | None = None) -> None:
    """Write a safetensors file; its library hides the system's error number in the text of its own error."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    with storage_errors(path):
        try:
            save_file(dict(tensors), path, metadata)
        except SafetensorError as error:
            number = re.search(r"os error (\d+)", str(error))
            if number is None:
                raise
            raise OSError(int(number[1]), str(error)) from error


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        StorageError: it is missing or damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StorageError(f"The file {path} is missing.") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise StorageError(f"The file {path} is damaged: not valid JSON ({error}).") from None


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
