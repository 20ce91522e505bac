"""Stored conversations, in the workspace's SQLite file (WAL, so readers never wait for the writer)."""

from __future__ import annotations

import json
import sqlite3
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from llm_playground.core.errors import NotFoundError, StorageError
from llm_playground.core.files import storage_errors

_SCHEMA = """
CREATE TABLE IF NOT EXISTS conversations (
    id TEXT PRIMARY KEY, title TEXT NOT NULL, model TEXT, params TEXT NOT NULL, messages TEXT NOT NULL,
    created_at REAL NOT NULL, updated_at REAL NOT NULL, deleted_at REAL
);
CREATE INDEX IF NOT EXISTS conversations_updated ON conversations (updated_at);
"""
_COLUMNS = ("id", "title", "model", "params", "messages", "created_at", "updated_at")
_KEEP_DELETED_S = 7 * 86_400


class Conversations:
    """Conversations of a workspace.

    Args:
        path: the SQLite file, created if missing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ready = False

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with storage_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            connection = sqlite3.connect(self.path, timeout=10)
        except sqlite3.OperationalError as error:
            raise StorageError(f"The file {self.path} cannot be opened: {error}.") from None
        try:
            if not self._ready:
                connection.execute("PRAGMA journal_mode=WAL")
                connection.executescript(_SCHEMA)
                self._ready = True
            with connection:  # commits, or rolls back when the block raises
                yield connection
        except sqlite3.DatabaseError as error:
            if "full" in str(error):
                raise StorageError("The disk is full: the conversation was not stored.") from error
            raise StorageError(f"The file {self.path} cannot be used: {error}.") from error
        finally:
            connection.close()

    def list(self) -> list[dict[str, Any]]:
        """Return all conversations without their messages, the newest first."""
        with self._open() as connection:
            rows = connection.execute(
                "SELECT id, title, model, created_at, updated_at, json_array_length(messages) "
                "FROM conversations WHERE deleted_at IS NULL ORDER BY updated_at DESC, id"
            ).fetchall()
        keys = ("id", "title", "model", "created_at", "updated_at", "message_count")
        return [dict(zip(keys, row, strict=True)) for row in rows]

    def get(self, conversation_id: str) -> dict[str, Any]:
        """Return one conversation.

        Raises:
            NotFoundError: there is none of that id.
        """
        with self._open() as connection:
            row = connection.execute(
                f"SELECT {', '.join(_COLUMNS)} FROM conversations WHERE id = ? AND deleted_at IS NULL",
                (conversation_id,),
            ).fetchone()
        if row is None:
            raise NotFoundError(f"There is no conversation {conversation_id[:80]!r}.")
        found = dict(zip(_COLUMNS, row, strict=True))
        return {
            **found,
            "params": json.loads(found["params"]),
            "messages": json.loads(found["messages"]),
        }

    def create(
        self, title: str, model: str | None, messages: Any = (), params: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Store a new conversation and return it."""
        now, new_id = time.time(), uuid.uuid4().hex
        values = (new_id, title, model, json.dumps(params or {}), json.dumps(list(messages)), now, now)
        with self._open() as connection:
            connection.execute(
                "DELETE FROM conversations WHERE deleted_at IS NOT NULL AND deleted_at < ?",
                (now - _KEEP_DELETED_S,),
            )
            connection.execute(
                f"INSERT INTO conversations ({', '.join(_COLUMNS)}) VALUES (?, ?, ?, ?, ?, ?, ?)", values
            )
        return self.get(new_id)

    def update(self, conversation_id: str, changes: dict[str, Any]) -> dict[str, Any]:
        """Change title, model, params or messages; returns the conversation.

        Raises:
            NotFoundError: there is none of that id.
        """
        current = self.get(conversation_id) | changes
        values = (
            current["title"],
            current["model"],
            json.dumps(current["params"]),
            json.dumps(current["messages"]),
            time.time(),
            conversation_id,
        )
        with self._open() as connection:
            connection.execute(
                "UPDATE conversations SET title = ?, model = ?, params = ?, messages = ?, updated_at = ? "
                "WHERE id = ? AND deleted_at IS NULL",
                values,
            )
        return self.get(conversation_id)

    def delete(self, conversation_id: str) -> None:
        """Put a conversation aside; :meth:`restore` brings it back for a week.

        Raises:
            NotFoundError: there is none of that id.
        """
        self.get(conversation_id)
        with self._open() as connection:
            connection.execute(
                "UPDATE conversations SET deleted_at = ? WHERE id = ?", (time.time(), conversation_id)
            )

    def restore(self, conversation_id: str) -> dict[str, Any]:
        """Bring a deleted conversation back.

        Raises:
            NotFoundError: there is none of that id.
        """
        with self._open() as connection:
            connection.execute("UPDATE conversations SET deleted_at = NULL WHERE id = ?", (conversation_id,))
        return self.get(conversation_id)
