"""``llmp plan``: what it prints, its exit codes, and one sentence for whatever is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny_workspace import Tiny

from llm_playground.cli.main import main
from llm_playground.core.workspace import Workspace
from llm_playground.runs.planning import plan_stage

Capture = pytest.CaptureFixture[str]


def test_a_plan_for_a_named_device_is_printed(capsys: Capture, workspace: Workspace) -> None:
    words = ["plan", "--preset", "gpt2-small", "--training.batch-size", "64", "--training.precision", "bf16"]
    assert main([*words, "--device", "h100-sxm", "--devices", "2", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    values = {"preset": "gpt2-small", "training": {"batch_size": 64, "precision": "bf16"}}
    expected = plan_stage(workspace, "pretrain", values, device="h100-sxm", devices=2)
    assert told == json.loads(json.dumps(expected.to_dict()))
    assert told["parameters"] == 124_439_808 and told["cost"] > 0 and told["energy_kwh"] > 0
    assert main([*words, "--device", "h100-sxm"]) == 0
    shown = capsys.readouterr().out
    for word in ("124,439,808 parameters", "activations kept", "peak", "a step", "cost", "energy"):
        assert word in shown


def test_a_training_that_cannot_fit_says_what_would(capsys: Capture, workspace: Workspace) -> None:
    words = ["plan", "--preset", "gpt2-small", "--training.batch-size", "64", "--device", "rtx-3060"]
    assert main(words) == 1
    shown = capsys.readouterr().out
    assert "that would fit" in shown and "This training needs" in shown and "micro_batch_size" in shown


def test_a_file_and_the_data_of_a_workspace_are_read(capsys: Capture, own_tiny: Tiny, tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text("training:\n  batch_size: 4\n  steps: 10\n")
    words = ["plan", "--config", str(file), "--tokens", own_tiny.tokens, "--model.layers", "1"]
    assert main([*words, "--device", "two-cores", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["tokens"] == 10 * 4 * 128
    words = ["plan", "--stage", "sft", "--model", own_tiny.base, "--dataset", own_tiny.data]
    assert main([*words, "--device", "two-cores", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    full = plan_stage(own_tiny.workspace, "sft", {"model": own_tiny.base}, device="two-cores")
    assert 0 < told["tokens"] < full.tokens


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--stage", "evaluate"], "stage: 'evaluate' cannot be planned. Use pretrain or sft."),
        (["--device", "abacus"], "The device table has no device 'abacus'."),
        (["--devices", "many"], "--devices: 'many' is not a whole number."),
        (["--training.steps", "0"], "training.steps: input should be greater than or equal to 1"),
        (["--preset", "nothing"], "nothing"),
        (["--tokens", "none-such"], "none-such"),
    ],
)
def test_wrong_words_are_told(capsys: Capture, workspace: Workspace, words: list[str], said: str) -> None:
    assert main(["plan", *words]) == 2
    out, err = capsys.readouterr()
    assert out == "" and said in err and err.count("\n") == 1, err
