"""Forks: a new run from a step of another one, with other settings of training."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
import torch

from llm_playground.core import ConfigError, NotFoundError, StorageError
from llm_playground.core.errors import ConflictError
from llm_playground.training import TrainingConfig, fork_run, learning_rate

from .counting import SETTINGS, Counting, equal, go, numbers, steps


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("source") / "run-1"
    return folder, *go(folder, keep_checkpoints=9)


def test_with_the_same_settings_it_is_the_same_run(source, tmp_path: Path) -> None:
    folder, whole, weights, _ = source
    checkpoint = fork_run(folder, tmp_path / "fork", TrainingConfig(**SETTINGS), step=4)
    assert checkpoint.step == 4 and steps(tmp_path / "fork") == [4]
    origin = {"run": "run-1", "step": 4, "samples": 4 * SETTINGS["batch_size"]}
    assert json.loads((tmp_path / "fork" / "fork.json").read_text()) == origin
    context, same, _ = go(tmp_path / "fork")
    assert context.messages[0] == "Resumed from the checkpoint of step 4."
    assert numbers(context) == [row for row in numbers(whole) if row[0] > 4] and equal(same, weights)
    assert steps(folder) == [4, 8, 12]


def test_another_learning_rate_holds_from_the_step_on(source, tmp_path: Path) -> None:
    folder, whole, weights, _ = source
    config = TrainingConfig(**{**SETTINGS, "learning_rate": 1e-3, "steps": 16, "schedule": "linear"})
    fork_run(folder, tmp_path / "fork", config, step=8)
    context, changed, result = go(tmp_path / "fork", learning_rate=1e-3, steps=16, schedule="linear")
    rates = {step: value for step, name, value in numbers(context) if name == "train/lr"}
    assert rates == {step + 1: learning_rate(step, config) for step in range(8, 16)}
    first = next(value for step, name, value in numbers(context) if (step, name) == (9, "train/loss"))
    assert (9, "train/loss", first) in numbers(whole)  # the loss before the first other step
    assert not equal(changed, weights) and result is not None and result.steps == 16


def test_another_batch_size_goes_on_in_the_data_where_the_source_had_come(source, tmp_path: Path) -> None:
    class Noting(Counting):
        def batch(self, cursor: int, size: int):
            taken.append((cursor, size))
            return super().batch(cursor, size)

    taken: list[tuple[int, int]] = []
    fork_run(source[0], tmp_path / "fork", TrainingConfig(**{**SETTINGS, "batch_size": 6}), step=8)
    _, _, result = go(tmp_path / "fork", Noting(), batch_size=6, eval_every=100, stop_at=10)
    assert taken == [(32, 6), (38, 6)]
    taken.clear()
    _, _, result = go(tmp_path / "fork", Noting(), batch_size=6, eval_every=100)
    assert taken[:2] == [(44, 6), (50, 6)]
    assert result is not None and result.tokens == 8 * (32 + 4 * 6)


def test_the_newest_checkpoint_is_taken_where_no_step_is_named(source, tmp_path: Path) -> None:
    config = TrainingConfig(**{**SETTINGS, "steps": 13})
    assert fork_run(source[0], tmp_path / "fork", config).step == 12


def test_forks_that_cannot_be_are_refused(source, tmp_path: Path) -> None:
    folder, config = source[0], TrainingConfig(**SETTINGS)
    with pytest.raises(NotFoundError) as missing:
        fork_run(folder, tmp_path / "fork", config, step=5)
    assert str(missing.value) == (
        "The run run-1 has no checkpoint of step 5. It has those of the steps 4, 8, 12."
    )
    with pytest.raises(NotFoundError, match=r"^The run nothing has no checkpoint\.$"):
        fork_run(tmp_path / "nothing", tmp_path / "fork", config)
    with pytest.raises(ConfigError) as done:
        fork_run(folder, tmp_path / "fork", config, step=12)
    assert str(done.value) == (
        "steps: 12 leaves nothing to do after step 12, where the fork begins. Set it above 12."
    )
    fork_run(folder, tmp_path / "fork", config, step=4)
    with pytest.raises(ConflictError, match=r"^The run fork has checkpoints of its own\."):
        fork_run(folder, tmp_path / "fork", config, step=4)


def test_a_damaged_checkpoint_is_not_forked(source, tmp_path: Path) -> None:
    fork_run(source[0], tmp_path / "one", TrainingConfig(**SETTINGS), step=4)
    file = tmp_path / "one" / "checkpoints" / "step_00000004" / "model.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(StorageError, match=r"step_00000004 is damaged: model\.safetensors"):
        fork_run(tmp_path / "one", tmp_path / "two", TrainingConfig(**SETTINGS), step=4)
    assert not os.path.exists(tmp_path / "two")


def test_a_checkpoint_deleted_meanwhile_leaves_nothing(
    source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fork_run(source[0], tmp_path / "one", TrainingConfig(**SETTINGS), step=4)
    copy = shutil.copyfile

    def deleting(path: Path, target: Path) -> None:
        shutil.rmtree(path.parent)
        copy(path, target)

    monkeypatch.setattr(shutil, "copyfile", deleting)
    with pytest.raises(NotFoundError, match=r"^The checkpoint of step 4 was deleted while it was copied\."):
        fork_run(tmp_path / "one", tmp_path / "two", TrainingConfig(**SETTINGS), step=4)
    assert steps(tmp_path / "two") == [] and not (tmp_path / "two" / "fork.json").exists()


def test_other_threads_hold_and_unsaid_ones_are_the_sources(source, tmp_path: Path) -> None:
    used = torch.get_num_threads()
    try:
        for threads, expected in ((2, 2), (None, 1)):
            folder = tmp_path / str(threads)
            settings = {**SETTINGS, "threads": threads}
            fork_run(source[0], folder, TrainingConfig(**settings), step=8)
            go(folder, threads=threads, stop_at=9)
            state = json.loads((folder / "checkpoints" / "step_00000009" / "state.json").read_text())
            assert state["threads"] == expected
    finally:
        torch.set_num_threads(used)
