"""Stored conversations: found again, deleted with undo, and clear words where they cannot be stored."""

from __future__ import annotations

import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_playground.core.errors import NotFoundError, StorageError
from llm_playground.playground import Conversations

MESSAGES = [{"role": "user", "content": "Hello! 👋"}, {"role": "assistant", "content": "Hi."}]
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture
def store(tmp_path: Path) -> Conversations:
    return Conversations(tmp_path / "folder" / "app.db")


def test_a_conversation_is_found_again_by_another_process_or_object(store: Conversations) -> None:
    made = store.create("Greeting", "m", MESSAGES, {"temperature": 0.5})
    assert (made["title"], made["model"], made["messages"]) == ("Greeting", "m", MESSAGES)
    assert made["params"] == {"temperature": 0.5} and made["created_at"] == made["updated_at"]
    assert Conversations(store.path).get(made["id"]) == made


def test_changes_keep_what_they_do_not_name_and_bring_a_conversation_to_the_top(
    store: Conversations,
) -> None:
    first, second = store.create("First", None), store.create("Second", None)
    changed = store.update(first["id"], {"messages": MESSAGES})
    assert changed == {**first, "messages": MESSAGES, "updated_at": changed["updated_at"]}
    assert changed["updated_at"] > first["updated_at"]
    listed = store.list()
    assert [item["id"] for item in listed] == [first["id"], second["id"]]
    assert listed[0]["message_count"] == 2 and "messages" not in listed[0]


def test_a_deleted_conversation_is_gone_until_it_is_restored(store: Conversations) -> None:
    made = store.create("Greeting", None)
    store.delete(made["id"])
    assert store.list() == []
    calls: list[Any] = [store.get, store.delete, lambda one: store.update(one, {"title": "x"})]
    for call in calls:
        with pytest.raises(NotFoundError, match=f"There is no conversation '{made['id']}'"):
            call(made["id"])
    assert store.restore(made["id"]) == made
    with pytest.raises(NotFoundError, match="There is no conversation 'none'"):
        store.restore("none")


def test_after_a_week_a_deleted_conversation_is_gone_for_good(
    store: Conversations, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, kept = store.create("Old", None), store.create("Kept", None)
    store.delete(old["id"])
    later = time.time() + 8 * 86_400
    monkeypatch.setattr(time, "time", lambda: later)
    store.create("New", None)
    with pytest.raises(NotFoundError):
        store.restore(old["id"])
    assert store.get(kept["id"])["title"] == "Kept"


def test_many_writers_at_once_lose_nothing(store: Conversations) -> None:
    store.list()
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda number: store.create(str(number), None), range(24)))
    assert {item["id"] for item in store.list()} == {item["id"] for item in made}


@given(
    title=TEXT,
    messages=st.lists(st.fixed_dictionaries({"role": TEXT, "content": TEXT}), max_size=3),
    params=st.dictionaries(TEXT, JSON, max_size=3),
)
def test_whatever_is_stored_comes_back_equal(
    title: str, messages: list[Any], params: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    store = Conversations(tmp_path_factory.getbasetemp() / "equal.db")
    made = store.create(title, None, messages, params)
    assert (made["title"], made["messages"], made["params"]) == (title, messages, params)


def test_a_file_that_is_no_database_is_named(store: Conversations) -> None:
    store.path.parent.mkdir()
    store.path.write_bytes(b"no database at all " * 100)
    with pytest.raises(StorageError) as error:
        store.list()
    assert error.value.message == f"The file {store.path} cannot be used: file is not a database."


def test_a_folder_in_the_way_is_named(store: Conversations) -> None:
    store.path.mkdir(parents=True)
    with pytest.raises(StorageError) as error:
        store.list()
    assert error.value.message == f"The file {store.path} cannot be opened: unable to open database file."


def test_a_full_disk_is_said_and_leaves_what_was_stored(
    store: Conversations, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = store.create("Kept", None)
    connect = sqlite3.connect

    def small(*args: Any, **options: Any) -> sqlite3.Connection:
        connection = connect(*args, **options)
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count={pages}")
        return connection

    monkeypatch.setattr(sqlite3, "connect", small)
    with pytest.raises(StorageError) as error:
        store.update(made["id"], {"messages": [{"role": "user", "content": "x" * 100_000}]})
    assert error.value.message == "The disk is full: the conversation was not stored."
    monkeypatch.undo()
    assert store.get(made["id"]) == made
