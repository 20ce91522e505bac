"""A run described before it is started: problems at their settings, and a command line that says the same."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
import yaml
from tiny_workspace import Tiny

from llm_playground.cli.options import read_config
from llm_playground.core.config import parse_config
from llm_playground.core.errors import NotFoundError
from llm_playground.runs.preview import preview
from llm_playground.runs.stages import get_stage
from llm_playground.training.config import TrainingConfig
from llm_playground.training.schedules import learning_rate


def problems(tiny: Tiny, config: dict[str, Any], stage: str = "pretrain") -> dict[str, str]:
    return dict(preview(tiny.workspace, stage, config).problems)


def test_the_schedule_is_that_of_the_training_and_the_model_that_of_the_stage(tiny: Tiny) -> None:
    config = tiny.pretrain(50, schedule="cosine")
    found = preview(tiny.workspace, "pretrain", config)
    assert found.problems == []
    training = TrainingConfig(**config["training"])
    assert found.schedule == [(step, learning_rate(step, training)) for step in range(50)]
    assert found.model is not None
    assert (found.model["vocab_size"], found.model["width"]) == (400, 32)  # the tokenizer's, and the asked
    assert found.tokens == 50 * 4 * 192
    trained = tiny.workspace.get(tiny.tokens).summary["train_tokens"]
    assert found.epochs == pytest.approx(found.tokens / trained)


@pytest.mark.parametrize(
    ("stage", "more", "seed"),
    [
        ("pretrain", {"model": {"width": 64, "rope_scaling": {"type": "linear", "factor": 2.0}}}, 0),
        ("pretrain", {"model": {"full_attention_layers": [0, 2], "tied_embeddings": False}}, 7),
        ("pretrain", {"name": "it's --a", "training": {"sample_prompts": ["A day", "Mia"], "eps": 1e-9}}, 0),
        ("pretrain", {"name": "12", "training": {"ema_decay": 0.99, "use_ema_weights": True}}, 0),
        ("sft", {"chat_template": "{{ x }}"}, 3),
    ],
)  # fmt: skip
def test_file_and_command_say_the_same_run(tiny: Tiny, stage: str, more: dict[str, Any], seed: int) -> None:
    needed = {"tokens": tiny.tokens} if stage == "pretrain" else {"model": tiny.base, "dataset": tiny.data}
    found = preview(tiny.workspace, stage, {**needed, **more}, seed)
    config_class = get_stage(stage).config_class
    wanted = parse_config(config_class, {**needed, **more})
    assert parse_config(config_class, yaml.safe_load(found.yaml)) == wanted
    program, name, *words = shlex.split(found.command)
    assert (program, name) == ("llmp", stage)
    if seed:
        assert words[-2:] == ["--seed", str(seed)]
        words = words[:-2]
    assert read_config(config_class, stage, words, None) == wanted


def test_every_problem_is_told_at_its_setting(tiny: Tiny) -> None:
    wrong = {"training": {"steps": 0, "schedule": "stairs"}, "colour": 1}
    assert set(problems(tiny, wrong)) == {"tokens", "training.steps", "training.schedule", "colour"}
    assert "there is no" in problems(tiny, {"tokens": "nobody"})["tokens"].lower()
    unfit = {"tokens": tiny.tokens, "model": {"width": 30, "heads": 4}}
    assert any(name.startswith("model") for name in problems(tiny, unfit))
    assert set(problems(tiny, {"tokens": tiny.tokens, "preset": "nobody"})) == {"preset"}
    long = {"tokens": tiny.tokens, "model": {"context_length": 1_000_000}}
    assert "too few for a context" in problems(tiny, long)["model.context_length"]
    assert set(problems(tiny, {"model": "nobody", "dataset": "none"}, "sft")) == {"model", "dataset"}
    with pytest.raises(NotFoundError):
        preview(tiny.workspace, "cook", {})


def test_a_recipe_is_looked_at_step_by_step(tiny: Tiny) -> None:
    def recipe(**training: Any) -> dict[str, Any]:
        return {
            "name": "mine",
            "title": "Mine",
            "steps": [
                {"name": "tokenizer", "stage": "tokenizer.train",
                 "config": {"dataset": tiny.data, "vocab_size": 300}},
                {"name": "tokens", "stage": "data.tokenize",
                 "config": {"dataset": tiny.data, "tokenizer": "${tokenizer.output}"}},
                {"name": "pretrain", "stage": "pretrain",
                 "config": {"tokens": "${tokens.output}", "training": training}},
            ],
        }  # fmt: skip

    found = preview(tiny.workspace, "recipe", recipe(steps=30))
    assert found.problems == [] and len(found.schedule) == 30
    assert found.model is not None and found.model["vocab_size"] == 300
    assert found.command == "llmp run mine.yaml"
    again = parse_config(get_stage("recipe").config_class, yaml.safe_load(found.yaml))
    assert again == parse_config(get_stage("recipe").config_class, recipe(steps=30))
    assert problems(tiny, recipe(steps=0), "recipe").keys() == {"pretrain.training.steps"}
    broken = {**recipe(), "steps": recipe()["steps"][1:]}
    assert "no earlier step makes" in problems(tiny, broken, "recipe")[""]
    assert problems(tiny, {"name": "x", "steps": 3}, "recipe").keys() == {"title", "steps"}
    assert problems(
        tiny, {"name": "x", "title": "X", "steps": [{"stage": "pretrain", "config": 3}]}, "recipe"
    )
