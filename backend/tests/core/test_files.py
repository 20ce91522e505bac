"""Atomic files: whole or absent, also on a full disk; and names that cannot leave their folder."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from safetensors import SafetensorError

from llm_playground.core import InputError, StorageError
from llm_playground.core.files import (
    check_name,
    read_json,
    sha256_file,
    write_bytes_atomic,
    write_json_atomic,
    write_tensors,
    write_text_atomic,
)


def fail_with(number: int):
    def fail(*args: object, **kwargs: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_keeps_the_old_file(
    call: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.json"
    write_json_atomic(file, {"old": True})
    monkeypatch.setattr(os, call, fail_with(number))
    with pytest.raises(StorageError) as caught:
        write_json_atomic(file, {"new": True})
    assert str(caught.value) == (
        f"The disk is full: {file} could not be written. "
        "Free some space; what was complete before is untouched."
    )
    assert read_json(file) == {"old": True}
    assert os.listdir(tmp_path) == ["a.json"]


def test_a_forbidden_folder_is_one_sentence_and_other_errors_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "replace", fail_with(errno.EACCES))
    with pytest.raises(StorageError) as caught:
        write_text_atomic(tmp_path / "a", "x")
    assert str(caught.value) == f"{tmp_path / 'a'} may not be written (permission denied)."
    monkeypatch.setattr(os, "replace", fail_with(errno.EIO))
    with pytest.raises(OSError, match="Input/output error"):
        write_text_atomic(tmp_path / "a", "x")
    assert os.listdir(tmp_path) == []


def test_an_interrupted_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_bytes_atomic(tmp_path / "a", b"x")
    assert os.listdir(tmp_path) == []


LEAVES = st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8"))


@given(value=st.recursive(LEAVES, st.lists))
def test_json_comes_back(value: object, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("json") / "v.json"
    write_json_atomic(file, value, durable=False)
    assert read_json(file) == value


def test_missing_and_damaged_json_are_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError) as caught:
        read_json(tmp_path / "x.json")
    assert str(caught.value) == f"The file {tmp_path / 'x.json'} is missing."
    for data in (b"{", b"\xff", b""):
        (tmp_path / "x.json").write_bytes(data)
        with pytest.raises(StorageError, match="is damaged: not valid JSON"):
            read_json(tmp_path / "x.json")


def test_the_hash_is_sha256(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    assert sha256_file(tmp_path / "x") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_weights_on_a_full_disk_are_told_like_any_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import safetensors.torch

    file, tensors = tmp_path / "w.safetensors", {"w": torch.arange(4)}
    write_tensors(file, tensors)
    assert torch.equal(safetensors.torch.load_file(file)["w"], tensors["w"])

    def full(*args: object, **kwargs: object) -> None:  # the library's own words
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(safetensors.torch, "save_file", full)
    with pytest.raises(StorageError, match=r"^The disk is full: .*w\.safetensors could not be written\."):
        write_tensors(file, tensors)


def test_good_names_pass() -> None:
    for name in ("a", "A1", "tinyworld-0a1b2c3d", "v1.2_x", "9" * 100):
        assert check_name(name) == name


@given(st.text(max_size=120))
@example("..")
@example("a/../b")
@example("a\n")
@example("a\x00")
@example("")
@example("é")
@example("a" * 101)
def test_a_name_that_passes_is_one_part_of_a_path_inside_its_folder(name: str) -> None:
    root = Path("/srv/folder")
    try:
        check_name(name, "run id")
    except InputError as error:
        assert error.message == f"{name[:60]!r} is not a valid run id."
        return
    path = Path(os.path.normpath(root / name))
    assert path.parent == root and path.name == name
    assert not name.startswith(".") and name.isascii() and len(name) <= 100
