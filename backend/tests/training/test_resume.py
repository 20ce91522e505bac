"""A run that was stopped gives the same numbers as one that was not, whatever its options."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from llm_playground.core import ConfigError
from llm_playground.training.precision import LossScaler

from .counting import equal, go, numbers

OPTIONS: dict[str, dict[str, Any]] = {
    "muon": {"optimizer": "muon"},
    "muon of experts": {"optimizer": "muon", "shape": {"experts": 2}},
    "sgd": {"optimizer": "sgd", "learning_rate": 0.3},
    "sgd without momentum": {"optimizer": "sgd", "momentum": 0.0},
    "lion": {"optimizer": "lion", "learning_rate": 1e-3},
    "average": {"ema_decay": 0.9},
    "judged by the average": {"ema_decay": 0.9, "use_ema_weights": True},
    "bf16": {"precision": "bf16"},
    "bf16 without dropout": {"precision": "bf16", "shape": {"dropout": 0.0}},
    "fp16": {"precision": "fp16"},
    "recomputed": {"activation_checkpointing": "full"},
    "restarts": {"schedule": "cosine_restarts", "restarts": 2},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_resuming_is_bit_identical(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LossScaler, "growth_interval", 4)  # so that the scale changes after the stop
    whole, weights, _ = go(tmp_path / "whole", **OPTIONS[name])
    first, _, result = go(tmp_path / "cut", stop_at=6, **OPTIONS[name])
    assert result is None
    second, resumed, _ = go(tmp_path / "cut", **OPTIONS[name])
    assert second.messages[0] == "Resumed from the checkpoint of step 6."
    assert numbers(first) + numbers(second) == numbers(whole)
    assert equal(resumed, weights)
    again, published, _ = go(tmp_path / "cut", **OPTIONS[name])  # finished: nothing is left to do
    assert again.logged == [] and equal(published, weights)


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("adamw", {"step", "exp_avg", "exp_avg_sq"}),
        ("muon", {"step", "exp_avg", "exp_avg_sq", "momentum_buffer"}),
        ("sgd", {"momentum_buffer"}),
        ("lion", {"exp_avg"}),
    ],
)
def test_a_checkpoint_names_the_optimizers_state_by_weight(name: str, keys: set[str], tmp_path: Path) -> None:
    _, weights, _ = go(tmp_path, optimizer=name)
    folder = tmp_path / "checkpoints" / "step_00000012"
    owners = {entry.rpartition("/")[0] for entry in load_file(folder / "optimizer.safetensors")}
    assert owners == weights.keys()
    assert {e.rpartition("/")[2] for e in load_file(folder / "optimizer.safetensors")} == keys
    state = json.loads((folder / "state.json").read_text())
    assert state["optimizer"] == name and state["samples"] == 48


def test_another_optimizer_goes_on_from_the_weights_alone(tmp_path: Path) -> None:
    go(tmp_path, stop_at=6)
    context, _, result = go(tmp_path, optimizer="lion", learning_rate=1e-3)
    assert context.messages[:2] == [
        "Resumed from the checkpoint of step 6.",
        "The checkpoint was written with adamw: lion starts without memory of earlier gradients.",
    ]
    assert result is not None and result.steps == 12


def test_a_checkpoint_from_before_there_was_a_choice_is_read(tmp_path: Path) -> None:
    whole, weights, _ = go(tmp_path / "whole")
    go(tmp_path / "cut", stop_at=6)
    folder = tmp_path / "cut" / "checkpoints" / "step_00000006"
    state = json.loads((folder / "state.json").read_text())
    for name in ("samples", "scaler", "optimizer"):
        del state[name]
    text = json.dumps(state)
    (folder / "state.json").write_text(text)
    manifest = json.loads((folder / "manifest.json").read_text())
    from llm_playground.core.files import sha256_file

    manifest["files"]["state.json"] |= {"sha256": sha256_file(folder / "state.json"), "bytes": len(text)}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    context, resumed, _ = go(tmp_path / "cut")
    assert context.messages == ["Resumed from the checkpoint of step 6."] and equal(resumed, weights)


def test_a_checkpoint_of_another_shape_is_refused_and_kept(tmp_path: Path) -> None:
    go(tmp_path, stop_at=6)
    with pytest.raises(ConfigError) as caught:
        go(tmp_path, shape={"width": 24})
    assert caught.value.message.startswith(
        "The checkpoint step_00000006 is of a model of another shape: blocks.0.attention.output.weight is "
        "[16, 16], and [24, 24] in this model."
    )
    with pytest.raises(ConfigError, match=r"blocks\.1\.attention\.\S+ is not there, and \["):
        go(tmp_path, shape={"layers": 2})
    assert (tmp_path / "checkpoints" / "step_00000006" / "manifest.json").is_file()
