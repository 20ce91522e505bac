"""The engine: it learns, stops, resumes bit for bit, and survives damaged files and a full disk."""

from __future__ import annotations

import errno
import math
import os
import random
import shutil
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch

from llm_playground.core import StorageError
from llm_playground.core.errors import TrainingError
from llm_playground.core.protocols import StepState
from llm_playground.training import TrainingConfig
from llm_playground.training.checkpoint import list_checkpoints
from llm_playground.transformer import ModelConfig, TransformerLM

from .counting import SHAPE, Counting, equal, go, numbers, steps


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory):
    return go(tmp_path_factory.mktemp("undisturbed") / "run")


def test_it_learns_and_tells(tmp_path: Path) -> None:
    context, _, result = go(tmp_path, steps=60, batch_size=8, eval_every=30)
    assert result is not None and result.steps == 60 and result.tokens == 60 * 8 * 8
    losses = [value for _, name, value in numbers(context) if name == "train/loss"]
    assert len(losses) == 60 and losses[0] == pytest.approx(math.log(32), abs=0.2)
    assert losses[-1] < 0.5 * losses[0]
    assert [step for step, name, _ in numbers(context) if name == "val/loss"] == [0, 30, 60]
    assert result.best_val_loss == min(value for _, name, value in numbers(context) if name == "val/loss")
    summary = result.summary()
    assert summary["train_loss"] == losses[-1] and summary["val_loss"] == result.metrics["val/loss"]
    assert summary["tokens"] == 3840 and summary["skipped_steps"] == 0 and summary["peak_memory_bytes"] > 0
    last = context.updates[-1]
    assert (last["done"], last["total"], last["unit"], last["eta_s"]) == (60, 60, "steps", 0)
    assert {"train/lr", "train/grad_norm", "perf/tokens_per_second"} <= result.metrics.keys()


def test_the_same_seed_gives_the_same_run(undisturbed, tmp_path: Path) -> None:
    context, weights, _ = go(tmp_path)
    assert numbers(context) == numbers(undisturbed[0]) and equal(weights, undisturbed[1])


def test_a_stop_request_saves_first_and_resuming_is_bit_identical(undisturbed, tmp_path: Path) -> None:
    first, _, result = go(tmp_path, stop_at=6)
    assert result is None and steps(tmp_path) == [4, 6]
    assert first.messages[-1] == "Stopped at step 6, with a checkpoint to resume from."
    assert ("checkpoint", {"step": 6}) in first.events
    second, weights, result = go(tmp_path)
    assert second.messages[0] == "Resumed from the checkpoint of step 6."
    assert numbers(first) + numbers(second) == numbers(undisturbed[0])
    assert equal(weights, undisturbed[1])
    assert result is not None and result.steps == 12 and result.tokens == undisturbed[2].tokens
    assert result.best_val_loss == undisturbed[2].best_val_loss


def test_a_run_killed_after_a_checkpoint_repeats_the_steps_beyond_it(undisturbed, tmp_path: Path) -> None:
    first, _, _ = go(tmp_path, stop_at=7)
    shutil.rmtree(tmp_path / "checkpoints" / "step_00000007")  # a killed run would not have written it
    second, weights, _ = go(tmp_path)
    assert second.messages[0] == "Resumed from the checkpoint of step 4."
    expected = numbers(undisturbed[0])
    assert numbers(second) == [row for row in expected if row[0] > 4]
    assert numbers(first) == [row for row in expected if row[0] <= 7]
    assert equal(weights, undisturbed[1])


def test_a_run_killed_after_its_last_step_gives_the_figures_it_had(undisturbed, tmp_path: Path) -> None:
    go(tmp_path)
    context, weights, result = go(tmp_path)
    assert context.logged == [] and equal(weights, undisturbed[1])
    assert result is not None
    for name in ("steps", "tokens", "train_loss", "val_loss", "best_val_loss"):
        assert result.summary()[name] == undisturbed[2].summary()[name]


class Looking:
    """A hook that looks, and may draw random numbers of every kind."""

    def __init__(self, draws: bool) -> None:
        self.draws, self.seen = draws, []  # type: ignore[var-annotated]

    def wants(self, step: int, total_steps: int) -> bool:
        return step % 3 == 0

    def __call__(self, state: StepState, context: Any) -> None:
        assert not state.model.training and not torch.is_grad_enabled()
        state.model(torch.zeros(1, 4, dtype=torch.long))
        if self.draws:
            random.random(), numpy.random.rand(), torch.rand(5)
        self.seen.append((state.step, state.last, state.stage))


@pytest.mark.parametrize("draws", [False, True])
def test_hooks_never_change_a_run(draws: bool, undisturbed, tmp_path: Path) -> None:
    hook = Looking(draws)
    context, weights, _ = go(tmp_path, hooks=(hook,))
    assert numbers(context) == numbers(undisturbed[0]) and equal(weights, undisturbed[1])
    assert hook.seen == [(step, step == 12, "test") for step in (0, 3, 6, 9, 12)]


def test_how_often_it_validates_does_not_change_a_run(undisturbed, tmp_path: Path) -> None:
    context, weights, _ = go(tmp_path, eval_every=1)
    assert equal(weights, undisturbed[1])
    assert numbers(context, ("train/",)) == numbers(undisturbed[0], ("train/",))
    assert len([name for _, name, _ in numbers(context) if name == "val/loss"]) == 13


def test_how_often_it_saves_does_not_change_a_run(undisturbed, tmp_path: Path) -> None:
    _, weights, _ = go(tmp_path, checkpoint_every=1, keep_checkpoints=3)
    assert equal(weights, undisturbed[1])
    assert steps(tmp_path) == [10, 11, 12]


def test_only_so_many_checkpoints_are_kept(tmp_path: Path) -> None:
    go(tmp_path, checkpoint_every=2, keep_checkpoints=1)
    assert steps(tmp_path) == [12] and len(os.listdir(tmp_path / "checkpoints")) == 1


def test_a_gradient_that_is_not_finite_is_skipped_and_counted(tmp_path: Path) -> None:
    context, weights, result = go(tmp_path, Counting(bad_steps=(2, 5)))
    assert result is not None and result.skipped_steps == 2 and result.summary()["skipped_steps"] == 2
    assert [message for message in context.messages if "skipped" in message] == [
        "Step 3 was skipped: its gradient is not finite.",
        "Step 6 was skipped: its gradient is not finite.",
    ]
    assert all(torch.isfinite(value).all() for value in weights.values())
    bad = {step for step, name, value in numbers(context) if name == "train/loss" and math.isnan(value)}
    assert bad == {3, 6}


def test_skipped_steps_are_counted_across_a_resume(tmp_path: Path) -> None:
    go(tmp_path, Counting(bad_steps=(2,)), stop_at=6)
    _, _, result = go(tmp_path, Counting(bad_steps=(2, 8)))
    assert result is not None and result.skipped_steps == 2


def test_ten_bad_steps_in_a_row_end_the_run(tmp_path: Path) -> None:
    with pytest.raises(TrainingError) as caught:
        go(tmp_path, Counting(bad_steps=tuple(range(1, 40))), steps=40)
    assert str(caught.value) == (
        "Training diverged: the gradient was not finite for 10 steps in a row. "
        "Lower the learning rate or lengthen the warm-up."
    )
    assert steps(tmp_path)[-1] == 8


def test_a_stop_between_bad_steps_does_not_forgive_them(tmp_path: Path) -> None:
    objective = Counting(bad_steps=tuple(range(1, 40)))
    go(tmp_path, objective, steps=40, stop_at=6)
    with pytest.raises(TrainingError):
        go(tmp_path, objective, steps=40)
    assert steps(tmp_path)[-1] == 8


def test_the_best_validation_is_a_finite_one(tmp_path: Path) -> None:
    _, _, result = go(tmp_path, Counting(evaluations=[math.nan, 2.0, 1.0, math.inf]))
    assert result is not None and result.best_val_loss == 1.0


@pytest.mark.parametrize(
    "name", ["model.safetensors", "optimizer.safetensors", "state.json", "manifest.json"]
)
@pytest.mark.parametrize("keep", [1, 2])
def test_of_a_damaged_checkpoint_the_one_before_is_used(
    name: str, keep: int, undisturbed, tmp_path: Path
) -> None:
    go(tmp_path, stop_at=6)
    file = tmp_path / "checkpoints" / "step_00000006" / name
    data = bytearray(file.read_bytes())
    file.write_bytes(data[: len(data) // 2])
    context, weights, _ = go(tmp_path, checkpoint_every=5, keep_checkpoints=keep)
    assert "step_00000006" in context.messages[0] and "damaged" in context.messages[0]
    assert context.messages[0].endswith("It was removed, and the one before it is used.")
    assert context.messages[1] == "Resumed from the checkpoint of step 4."
    assert equal(weights, undisturbed[1])
    assert steps(tmp_path) == [5, 10, 12][-keep:]


def test_with_every_checkpoint_damaged_it_begins_anew(undisturbed, tmp_path: Path) -> None:
    go(tmp_path, stop_at=6)
    for checkpoint in list_checkpoints(tmp_path):
        (checkpoint.path / "state.json").unlink()
    context, weights, _ = go(tmp_path)
    assert len(context.messages) == 2 and "damaged: state.json" in context.messages[0]
    assert equal(weights, undisturbed[1]) and numbers(context) == numbers(undisturbed[0])


def test_a_checkpoint_half_written_by_a_killed_run_is_not_read(undisturbed, tmp_path: Path) -> None:
    go(tmp_path, stop_at=6)
    base = tmp_path / "checkpoints"
    shutil.copytree(base / "step_00000006", base / ".building-step_00000008")
    (base / "step_00000008").mkdir()
    shutil.copy(base / "step_00000006" / "model.safetensors", base / "step_00000008")
    assert steps(tmp_path) == [4, 6]
    context, weights, _ = go(tmp_path)
    assert context.messages[0] == "Resumed from the checkpoint of step 6." and equal(weights, undisturbed[1])
    assert sorted(os.listdir(base)) == ["step_00000008", "step_00000012"]


@pytest.mark.parametrize("call", ["fsync", "mkdir", "save_file"])
def test_a_full_disk_while_saving_keeps_the_earlier_checkpoint(
    call: str, undisturbed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import safetensors.torch

    go(tmp_path, stop_at=4)

    def full(*args: Any, **kwargs: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def full_for_weights(*args: Any, **kwargs: Any) -> None:
        raise safetensors.SafetensorError("I/O error: No space left on device (os error 28)")

    with monkeypatch.context() as patch, pytest.raises(StorageError) as caught:
        if call == "save_file":
            patch.setattr(safetensors.torch, "save_file", full_for_weights)
        else:
            patch.setattr(os, call, full)
        go(tmp_path)
    assert caught.value.message.startswith("The disk is full: ") and caught.value.hint is not None
    assert os.listdir(tmp_path / "checkpoints") == ["step_00000004"]
    context, weights, _ = go(tmp_path)
    assert context.messages[0] == "Resumed from the checkpoint of step 4." and equal(weights, undisturbed[1])


def test_matrices_decay_and_vectors_do_not(tmp_path: Path) -> None:
    from llm_playground.training.engine import make_optimizer

    model = TransformerLM(ModelConfig(**{**SHAPE, "norm": "layernorm", "bias": True}))
    groups = make_optimizer(model, TrainingConfig(weight_decay=0.3)).param_groups
    assert {group["weight_decay"]: {p.dim() for p in group["params"]} for group in groups} == {
        0.3: {2},
        0.0: {1},
    }
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))
