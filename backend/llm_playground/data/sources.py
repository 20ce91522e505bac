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

_WHOLE_FILES = 50  # so many files are documents enough; fewer are cut, that some can be held out
_PARTS = 100  # into which all the text is cut, about
_PART_BYTES = (2**11, 2**16)  # least and most of a part
_LEAST_CUT = 256  # bytes below which a file is never cut
# Where a text may be cut, the best places first; none of these bytes can be inside a character of UTF-8.
_SEAMS = ((b"\n\n", b"\n\r\n"), (b"\n",), (b" ",))


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
    return _decoded(data, path, 0).removeprefix("\ufeff")


def _decoded(data: bytes, path: Path, offset: int) -> str:
    """Decode bytes that begin at ``offset`` of a file; a byte that is not UTF-8 is named by its place."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            f"The file {path} is not UTF-8 text: byte {offset + error.start} is 0x{data[error.start]:02x}.",
            hint="Save it as UTF-8 and try again.",
            field="path",
        ) from None


def text_documents(path: Path, split: str = "files") -> Iterator[Document]:
    """Yield the documents of ``.txt`` and ``.md`` files.

    Args:
        path: a file, or a folder of them.
        split: ``files``: each is one document; ``parts``: each is cut at blank lines, into about a hundred
            parts for all the text, of 2 KiB to 64 KiB; ``auto``: parts if there are fewer than 50 files. A
            part ends at the blank line nearest to where it should, else at a line's end, else at a space.

    Raises:
        InputError: a file is empty or not UTF-8.
    """
    files = find_files(path, (".txt", ".md"))
    if split == "files" or (split == "auto" and len(files) >= _WHOLE_FILES):
        for file in files:
            yield Document(_place(file, path), read_text(file), "text")
        return
    sizes = [file.stat().st_size for file in files]
    least, most = _PART_BYTES
    usual = min(most, max(least, sum(sizes) // _PARTS))
    for file, size in zip(files, sizes, strict=True):
        count = max(round(size / usual), 1 if size < _LEAST_CUT else 2)
        for number, text in enumerate(_parts(file, -(-size // count) or 1), 1):
            yield Document(f"{_place(file, path)}#{number}", text, "text")


def _parts(file: Path, size: int) -> Iterator[str]:
    """Yield a text in parts of about ``size`` bytes, which joined are all of it; at no time is more read."""
    offset, blank, ended, rest = 0, True, False, b""
    with file.open("rb") as stream:
        while not ended or rest:
            while not ended and len(rest) < 2 * size:
                read = stream.read(2 * size)
                ended = not read
                rest += read
            cut = len(rest) if ended and 2 * len(rest) <= 3 * size else _seam(rest, size)
            text = _decoded(rest[:cut], file, offset)
            blank = blank and not text.strip()
            if text:
                yield text.removeprefix("\ufeff") if offset == 0 else text
            offset, rest = offset + cut, rest[cut:]
    if blank:
        raise InputError(f"The file {file} is empty.", field="path")


def _seam(data: bytes, size: int) -> int:
    """Return where to cut: at the best seam that is nearest to ``size``, at most half of it away."""
    low, high = size // 2, size + size // 2
    for seams in _SEAMS:
        found = []
        for seam in seams:
            for place in (data.rfind(seam, low, size), data.find(seam, size, high)):
                if place >= 0:
                    found.append(place + len(seam))
        if found:
            return min(found, key=lambda place: abs(place - size))
    while size > 1 and len(data) > size and data[size] & 0xC0 == 0x80:  # within a character
        size -= 1
    return size


def jsonl_documents(path: Path, field: str) -> Iterator[Document]:
    """Yield one document for each line of ``.jsonl`` files.

    Raises:
        InputError: a file is empty; or naming the file and line that is not JSON or lacks the field.
    """
    for file in find_files(path, (".jsonl", ".ndjson")):
        name = _place(file, path)
        blank = True
        for number, line in _lines(file):
            if not line.strip():
                continue
            blank = False
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
        if blank:
            raise InputError(f"The file {file} is empty.", field="path")


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    """Yield (number, line) of a file; only line feeds part lines, for a text may hold U+2028."""
    offset = 0
    with file.open("rb") as stream:
        for number, data in enumerate(stream, 1):
            line = _decoded(data, file, offset).removesuffix("\n")
            offset += len(data)
            yield number, line.removeprefix("\ufeff") if number == 1 else line


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
