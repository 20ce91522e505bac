"""Where documents come from: text files, JSON lines, the documentation and code of the running Python."""

from __future__ import annotations

import ast
import importlib
import json
import os
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from llm_playground.core.errors import InputError
from llm_playground.data.documents import Document


def find_files(path: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """Return the file itself, or all files below a folder with one of the suffixes, sorted.

    Raises:
        InputError: nothing is there.
    """
    if path.is_file():
        return [path]
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file() and file.suffix in suffixes)
        if files:
            return files
        raise InputError(f"The folder {path} holds no {' or '.join(suffixes)} file.", field="path")
    raise InputError(f"The file {path} does not exist.", field="path")


def read_text(path: Path) -> str:
    """Read a UTF-8 file, without a byte-order mark.

    Raises:
        InputError: it is empty, or not UTF-8 (the byte is named).
    """
    data = path.read_bytes()
    if not data.strip():
        raise InputError(f"The file {path} is empty.", field="path")
    try:
        return data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise InputError(
            f"The file {path} is not UTF-8 text: byte {error.start} is 0x{data[error.start]:02x}.",
            hint="Save it as UTF-8 and try again.",
            field="path",
        ) from None


def text_documents(path: Path) -> Iterator[Document]:
    """Yield one document for each ``.txt`` or ``.md`` file."""
    for file in find_files(path, (".txt", ".md")):
        yield Document(_place(file, path), read_text(file), "text")


def jsonl_documents(path: Path, field: str) -> Iterator[Document]:
    """Yield one document for each line of ``.jsonl`` files.

    Raises:
        InputError: naming the file and line that is not JSON or lacks the field.
    """
    for file in find_files(path, (".jsonl", ".ndjson")):
        name = _place(file, path)
        for number, line in enumerate(read_text(file).split("\n"), 1):  # a string may hold U+2028
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                reason = error.msg if isinstance(error, json.JSONDecodeError) else "it is beyond all bounds"
                raise InputError(f"{file} line {number} is not JSON: {reason}.", field="path") from None
            text = row.get(field) if isinstance(row, dict) else None
            if not isinstance(text, str):
                raise InputError(
                    f"{file} line {number} has no text in {field!r}.",
                    hint="Name the right field with text_field.",
                    field="text_field",
                )
            if any("\ud800" <= character <= "\udfff" for character in text):
                raise InputError(
                    f"{file} line {number} holds a lone surrogate (half a character).", field="path"
                )
            yield Document(f"{name}:{number}", text, name)


def _place(file: Path, root: Path) -> str:
    """Return where a file lies below ``root`` (its name, if it is the root), valid Unicode in any case."""
    place = file.name if file == root else file.relative_to(root).as_posix()
    return os.fsencode(place).decode(errors="backslashreplace")


def python_documents() -> Iterator[Document]:
    """Yield the documentation inside the running Python: language topics, then docstrings by module.

    Modules are parsed, never imported. The same Python release gives the same documents.
    """
    try:
        topics = dict(importlib.import_module("pydoc_data.topics").topics)
    except ImportError:  # some distributions leave it out
        topics = {}
    for name in sorted(topics):
        yield Document(f"topic:{name}", topics[name].strip(), "python-docs")
    for file, name in _library_files():
        try:
            tree = ast.parse(file.read_bytes())
        except (SyntaxError, ValueError):
            continue  # a few library files hold deliberate errors; they have no documentation to read
        parts = []
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                text = ast.get_docstring(node)
                if text and len(text) > 40:
                    parts.append(text if isinstance(node, ast.Module) else f"{node.name}: {text}")
        text = "\n\n".join(parts)
        if text and not any("\ud800" <= character <= "\udfff" for character in text):
            yield Document(name, text, "python-docs")


def python_sources() -> Iterator[Document]:
    """Yield the source of each module of the standard library, read, never imported.

    The same Python release gives the same documents.
    """
    for file, name in _library_files():
        try:
            yield Document(name, file.read_bytes().decode("utf-8"), "python-code")
        except UnicodeDecodeError:
            continue  # a few library files are kept in an encoding of the past


def _library_files() -> Iterator[tuple[Path, str]]:
    """Yield (file, module name) for the modules of the standard library, tests left out."""
    library = Path(sysconfig.get_paths()["stdlib"])
    skipped = {"test", "tests", "idlelib", "site-packages", "lib2to3", "turtledemo", "__pycache__"}
    for file in sorted(library.rglob("*.py")):
        relative = file.relative_to(library)
        if not skipped & set(relative.parts):
            yield file, relative.with_suffix("").as_posix().replace("/", ".")
