"""``llmp run``: a recipe as it is, and with other settings."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from llm_playground.cli.main import main
from llm_playground.runs import load_recipe

Capture = pytest.CaptureFixture[str]


def printed(capsys: Capture, *words: str) -> dict[str, Any]:
    """The recipe that a command line would run, by step."""
    assert main(["run", *words, "--print-config"]) == 0
    recipe = yaml.safe_load(capsys.readouterr().out)
    return {step["name"]: step["config"] for step in recipe["steps"]}


def refused(capsys: Capture, *words: str) -> str:
    assert main(["run", *words]) == 2
    return capsys.readouterr().err.rstrip("\n")


def test_settings_of_steps_can_be_changed(capsys: Capture) -> None:
    as_written = printed(capsys, "shakespeare-char")
    changed = printed(
        capsys,
        "shakespeare-char",
        "--data.path=plays/all of them.txt",
        *("--pretrain.training.steps", "7", "--pretrain.training.sample-prompts", "A", "B: c"),
        *("--pretrain.model.layers", "2", "--seed", "3"),
    )
    assert changed["data"] == as_written["data"] | {"path": "plays/all of them.txt"}
    training = as_written["pretrain"]["training"] | {"steps": 7, "sample_prompts": ["A", "B: c"]}
    assert changed["pretrain"]["training"] == training
    assert changed["pretrain"]["model"] == as_written["pretrain"]["model"] | {"layers": 2}
    assert changed["tokens"] == as_written["tokens"] and changed["tokenizer"] == as_written["tokenizer"]
    assert load_recipe("shakespeare-char").steps[0].config["path"] == "input.txt"


def test_a_change_that_cannot_be_made_is_said(capsys: Capture) -> None:
    assert refused(capsys, "shakespeare-char", "--dat.path", "x") == (
        "llmp: --dat.path: the recipe 'shakespeare-char' has no step 'dat'. "
        "Its steps are data, tokenizer, tokens, pretrain."
    )
    assert refused(capsys, "shakespeare-char", "--data.pat", "x").endswith(": pat: is not a known setting.")
    assert "steps" in refused(capsys, "quickstart", "--sft.training.steps", "0")
    assert "one value is needed" in refused(capsys, "quickstart", "--data.documents")


def test_help_tells_how(capsys: Capture) -> None:
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    assert "--STEP.SETTING VALUE" in capsys.readouterr().out
