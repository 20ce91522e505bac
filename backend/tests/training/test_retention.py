"""Which checkpoints stay: the newest, the best, and the pinned ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llm_playground.core.errors import NotFoundError, StorageError
from llm_playground.training.checkpoint import list_checkpoints
from llm_playground.training.retention import best_checkpoint, read_pins, set_pin, surplus

from .counting import Counting, go, steps

LOSSES = [5.0, 3.0, 1.0, 2.0, 1.0, 1.5, 4.0]  # of the steps 0, 2, 4, ... 12


def trained(folder: Path, **settings: object) -> list[int]:
    go(folder, Counting(evaluations=[*LOSSES]), eval_every=2, checkpoint_every=2, **settings)
    return steps(folder)


def test_the_best_stays_beside_the_newest(tmp_path: Path) -> None:
    assert trained(tmp_path / "both", keep_checkpoints=2) == [4, 10, 12]
    assert trained(tmp_path / "newest", keep_checkpoints=2, keep_best=False) == [10, 12]
    best = best_checkpoint(list_checkpoints(tmp_path / "both"))
    assert best is not None and best.step == 4  # the older of equals


def test_a_checkpoint_has_the_validation_loss_measured_last(tmp_path: Path) -> None:
    go(tmp_path, Counting(evaluations=[5.0, 1.0, 2.0, 3.0]), checkpoint_every=3, keep_checkpoints=1)
    assert steps(tmp_path) == [6, 12]  # 1.0 was measured at step 4; step 3 has only that of step 0


def test_without_a_validation_loss_there_is_no_best(tmp_path: Path) -> None:
    trained(tmp_path, keep_checkpoints=9)
    checkpoints = list_checkpoints(tmp_path)
    for checkpoint, loss in zip(checkpoints, (None, float("nan"), "1", True, [], {}), strict=True):
        file = checkpoint.path / "state.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), "metrics": {"val/loss": loss}}))
    assert best_checkpoint(checkpoints) is None and best_checkpoint([]) is None
    (checkpoints[0].path / "state.json").write_text("{")
    assert best_checkpoint(checkpoints) is None
    assert [item.step for item in surplus(checkpoints, 2, True, frozenset({6}))] == [2, 4, 8]


def test_a_pin_set_while_it_trains_holds_and_one_taken_away_does_not(tmp_path: Path) -> None:
    def at(step: int, pins: dict[int, bool]) -> object:
        class Pinning(Counting):
            def batch(self, cursor: int, size: int):
                if cursor == 4 * step:
                    for checkpoint in list_checkpoints(tmp_path):
                        if checkpoint.step in pins:
                            set_pin(checkpoint, pins[checkpoint.step])
                return super().batch(cursor, size)

        return Pinning()

    go(tmp_path, at(5, {2: True, 4: True}), checkpoint_every=2, keep_best=False, stop_at=8)  # type: ignore[arg-type]
    assert steps(tmp_path) == [2, 4, 6, 8]
    assert read_pins(tmp_path / "checkpoints") == {2, 4}
    go(tmp_path, at(9, {2: False}), checkpoint_every=2, keep_best=False)  # type: ignore[arg-type]
    assert steps(tmp_path) == [4, 10, 12]
    assert json.loads((tmp_path / "checkpoints" / "pinned.json").read_text()) == [4]


def test_what_is_gone_is_not_pinned_and_a_damaged_list_costs_nothing(tmp_path: Path) -> None:
    trained(tmp_path, keep_checkpoints=2)
    gone = list_checkpoints(tmp_path)[0]
    (gone.path / "manifest.json").unlink()
    with pytest.raises(NotFoundError, match=r"^The checkpoint of step 4 is no longer there\.$"):
        set_pin(gone, True)
    file = tmp_path / "checkpoints" / "pinned.json"
    for text in ("{}", '["a"]', "["):
        file.write_text(text)
        with pytest.raises(StorageError, match=r"pinned\.json is damaged"):
            read_pins(file.parent)
    go(tmp_path, steps=16, checkpoint_every=1, keep_checkpoints=1)
    assert steps(tmp_path) == [10, 12, 13, 14, 15, 16]
