"""The cache of opened tokenizers: what it keeps, what it opens once, what it says of damaged ones."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import llm_playground.tokenization as package
from llm_playground.core.errors import NotFoundError, StorageError
from llm_playground.core.workspace import Workspace
from llm_playground.playground import TokenizerCache
from llm_playground.tokenization import BPETokenizer

Place = tuple[Workspace, Callable[[str], str]]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A workspace, and a function that puts a tokenizer into it and returns its id."""
    workspace = Workspace(tmp_path / "cache", builtin=None)
    tokenizer = BPETokenizer.train(["aaa bbb"], 260)

    def make(name: str) -> str:
        with workspace.new_artifact("tokenizer", name=name) as draft:
            tokenizer.save(draft.path)
        assert draft.artifact is not None
        return draft.artifact.id

    return workspace, make


def test_the_last_tokenizers_stay_open(place: Place) -> None:
    workspace, make = place
    one, two, three = make("one"), make("two"), make("three")
    cache = TokenizerCache(workspace, capacity=2)
    first = cache.get(one)
    cache.get(two)
    assert cache.get(one) is first and list(cache.opened()) == [two, one]
    cache.get(three)
    assert list(cache.opened()) == [one, three]
    assert cache.get(two) is not first and list(cache.opened()) == [three, two]
    assert first.name == "one" and first.trace is None


def test_a_tokenizer_that_many_ask_for_is_opened_once(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace, make = place
    names = [make("one"), make("two")]
    opened, open_one, gate = [], package.open_tokenizer, threading.Barrier(8)

    def slowly(path: Path) -> Any:
        opened.append(Path(path).name)
        return open_one(path)

    monkeypatch.setattr(package, "open_tokenizer", slowly, raising=False)
    cache = TokenizerCache(workspace)
    found: list[Any] = []

    def ask(number: int) -> None:
        gate.wait()
        found.append(cache.get(names[number % 2]))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(opened) == sorted(names)
    assert len(found) == 8 and len({id(item) for item in found}) == 2


def test_a_deleted_tokenizer_is_gone_and_a_restored_one_is_opened_again(
    place: Place,
) -> None:
    workspace, make = place
    name = make("one")
    cache = TokenizerCache(workspace)
    first = cache.get(name)
    workspace.delete(name)
    with pytest.raises(NotFoundError, match=f"There is no tokenizer '{name}' in the workspace."):
        cache.get(name)
    assert list(cache.opened()) == [] and list(cache.list()) == []
    workspace.restore(name)
    again = cache.get(name)
    assert again is not first and again.artifact == first.artifact
    assert [info.id for info in cache.list()] == [name]


def test_a_damaged_tokenizer_is_listed_with_what_is_wrong(
    place: Place,
) -> None:
    workspace, make = place
    good, bad = make("good"), make("bad")
    (workspace.get(bad).path / "tokenizer.json").write_text("{")
    cache = TokenizerCache(workspace)
    said = f"tokenizer {bad} is damaged: the file tokenizer.json was changed."
    with pytest.raises(StorageError, match=said):
        cache.get(bad)
    infos = {info.id: info for info in cache.list()}
    assert (infos[bad].vocab_size, infos[bad].about) == (0, said)
    assert (infos[good].vocab_size, infos[good].about) == (260, "")
    assert cache.find("good") is cache.get(good).tokenizer and cache.find("nobody") is None
