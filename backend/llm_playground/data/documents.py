"""Documents and the folder that keeps them: parquet, written and read in row groups."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from llm_playground.core.errors import InputError

DOCUMENTS_FILE = "documents.parquet"
_GROUP = 2_000  # documents in memory at once


@dataclass(frozen=True)
class Document:
    """One text.

    Attributes:
        id: unique within its data set.
        text: the text, valid Unicode.
        source: where it comes from.
    """

    id: str
    text: str
    source: str = ""


def write_documents(
    folder: Path, documents: Iterable[Document], report: Callable[[int], None] | None = None
) -> dict[str, int]:
    """Stream documents into ``documents.parquet``.

    Args:
        folder: an existing folder.
        report: called with the number of documents written so far, once a group.

    Returns:
        ``{"documents", "characters", "bytes"}``.

    Raises:
        InputError: there is no document with text in it.
    """
    import pyarrow
    import pyarrow.parquet

    schema = pyarrow.schema(
        [
            ("id", pyarrow.string()),
            ("text", pyarrow.string()),
            ("source", pyarrow.string()),
            ("n_bytes", "int64"),
        ]
    )
    count = characters = size = 0
    group: list[dict[str, object]] = []
    with pyarrow.parquet.ParquetWriter(folder / DOCUMENTS_FILE, schema, compression="zstd") as writer:
        for document in documents:
            if not document.text.strip():
                continue
            n_bytes = len(document.text.encode())
            group.append(
                {"id": document.id, "text": document.text, "source": document.source, "n_bytes": n_bytes}
            )
            count, characters, size = count + 1, characters + len(document.text), size + n_bytes
            if len(group) == _GROUP:
                writer.write_table(pyarrow.Table.from_pylist(group, schema))
                group = []
                if report is not None:
                    report(count)
        if group:
            writer.write_table(pyarrow.Table.from_pylist(group, schema))
    if report is not None:
        report(count)
    if count == 0:
        raise InputError("The source holds no text: every document is empty.")
    return {"documents": count, "characters": characters, "bytes": size}


def read_documents(folder: Path) -> Iterator[Document]:
    """Yield the documents of a data set folder in order.

    Raises:
        InputError: the folder has none.
    """
    import pyarrow.parquet

    for batch in pyarrow.parquet.ParquetFile(_documents_file(folder)).iter_batches(
        _GROUP, columns=["id", "text", "source"]
    ):
        for row in batch.to_pylist():
            yield Document(**row)


def document_ids(folder: Path) -> Iterator[str]:
    """Yield the ids of a data set's documents in order, without their texts.

    Raises:
        InputError: the folder has none.
    """
    import pyarrow.parquet

    for batch in pyarrow.parquet.ParquetFile(_documents_file(folder)).iter_batches(65_536, columns=["id"]):
        yield from batch.column(0).to_pylist()


def _documents_file(folder: Path) -> Path:
    path = folder / DOCUMENTS_FILE
    if not path.is_file():
        raise InputError(f"The data set {folder.name} has no {DOCUMENTS_FILE}.", field="dataset")
    return path


def count_documents(folder: Path) -> int:
    """Return the number of documents without reading them."""
    import pyarrow.parquet

    path = folder / DOCUMENTS_FILE
    return int(pyarrow.parquet.read_metadata(path).num_rows) if path.is_file() else 0
