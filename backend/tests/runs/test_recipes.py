"""Recipes: checked as a whole before they start, killed and resumed without doing a step twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tiny_workspace import SHAPE, ended, kill, make, queue, training, until, work_here

from llm_playground.core.config import parse_config, to_yaml
from llm_playground.core.errors import ConfigError, ConflictError, InputError, LLMPError, NotFoundError
from llm_playground.core.workspace import Workspace
from llm_playground.runs import RecipeConfig, Supervisor, list_recipes, load_recipe
from llm_playground.runs.recipe import fill, references
from llm_playground.runs.recipe_files import named_recipe

WHOLE = {
    "name": "whole",
    "title": "The whole road",
    "exclusive": True,
    "output": "chat",
    "steps": [
        {
            "name": "data",
            "stage": "data.prepare",
            "config": {"documents": 100, "conversations": 40, "benchmark_items": 10},
        },
        {
            "name": "tokenizer",
            "stage": "tokenizer.train",
            "config": {"dataset": "${data.output}", "vocab_size": 400},
        },
        {
            "name": "tokens",
            "stage": "data.tokenize",
            "config": {
                "dataset": "${data.output}",
                "tokenizer": "${tokenizer.output}",
                "validation_fraction": 0.2,
            },
        },
        {
            "name": "base",
            "stage": "pretrain",
            "title": "Reading",
            "config": {"tokens": "${tokens.output}", "model": SHAPE, "training": training(12)},
        },
        {
            "name": "chat",
            "stage": "sft",
            "config": {"model": "${base.output}", "dataset": "${data.output}", "training": training(6)},
        },
        {
            "name": "score",
            "stage": "evaluate",
            "config": {
                "model": "${chat.output}",
                "dataset": "${data.output}",
                "baseline": "${base.output}",
                "max_tokens": 4,
                "threads": 1,
            },
        },
    ],
}


def test_a_killed_recipe_goes_on_and_does_no_step_twice(workspace: Workspace) -> None:
    supervisor = Supervisor(workspace)
    run_id = supervisor.start("recipe", WHOLE, seed=4).id

    def base_step() -> Any:
        return [record for record in supervisor.children(run_id) if record.step == "base" and record.pid]

    until(base_step, 90, lambda: supervisor.log_tail(run_id))
    with pytest.raises(ConflictError) as second:
        supervisor.start("recipe", WHOLE)
    assert second.value.message == f"The recipe 'whole' is already running ({run_id})."
    assert second.value.hint == "Open that run, or stop it first."
    died = kill(supervisor, run_id)
    assert died.state == "died" and died.resumable
    done = {record.step: record for record in supervisor.children(run_id)}
    assert list(done) == ["data", "tokenizer", "tokens", "base"]

    supervisor.resume(run_id)
    record = ended(supervisor, run_id, 200)
    assert record.state == "finished", (record.error, supervisor.log_tail(run_id))
    steps = supervisor.children(run_id)
    assert [step.step for step in steps] == [step["name"] for step in WHOLE["steps"]]
    assert all(step.state == "finished" and step.seed == 4 and step.parent == run_id for step in steps)
    for step in steps[:4]:
        assert (step.id, step.attempt) == (done[step.step].id, 1)
    assert steps[3].name == "Reading" and steps[3].config["tokens"] == steps[2].output
    assert record.output == steps[4].output
    assert workspace.get(record.output, "model").summary["chat"] is True
    assert set(record.summary["steps"]) == {step.step for step in steps}
    assert record.summary["exact_match"]["count"] == 10
    assert record.summary["baseline_exact_match"]["count"] == 10
    assert 0 < record.summary["chance"] < 1 and record.summary["parameters"] > 10_000
    assert record.summary["peak_memory_bytes"] >= steps[3].peak_memory_bytes / 2
    assert record.summary["seconds"] == pytest.approx(
        sum(step.finished_at - step.started_at for step in steps)
    )
    made = [artifact.kind for artifact in workspace.list() if not artifact.builtin]
    assert sorted(made) == ["dataset", "evaluation", "model", "model", "tokenizer", "tokens"]


def one(config: dict[str, Any], name: str = "one") -> dict[str, Any]:
    return {"name": name, "title": "One", "steps": [{"name": "first", "stage": "data.prepare", **config}]}


def test_a_stopped_recipe_stops_its_step_and_a_resumed_one_goes_on_with_it(workspace: Workspace) -> None:
    supervisor = Supervisor(workspace)
    run_id = supervisor.start("recipe", one({"config": {"documents": 2_000_000}})).id
    until(lambda: [step for step in supervisor.children(run_id) if step.progress.done])
    assert supervisor.stop(run_id).state == "stopping"
    record = ended(supervisor, run_id)
    assert (record.state, record.error, record.output) == ("stopped", None, None)
    (step,) = supervisor.children(run_id)
    assert step.state == "stopped"
    assert [artifact for artifact in workspace.list() if not artifact.builtin] == []
    steps = [event["data"]["state"] for event in supervisor.events(run_id, kinds=("step",))]
    assert steps == ["running", "stopped"]


def test_a_step_that_fails_is_named_in_one_sentence(workspace: Workspace, tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.txt")
    title = {"title": "Reading a file", "config": {"source": "text", "path": missing}}
    record = work_here(workspace, queue(workspace, "recipe", one(title)))
    (step,) = Supervisor(workspace).children(record.id)
    assert step.state == "failed" and missing in step.error.message
    assert record.state == "failed" and record.output is None
    assert record.error.message == f"The step 'first' (Reading a file) failed: {step.error.message}"
    assert record.error.hint == step.error.hint


def test_finished_steps_are_kept_and_one_whose_result_was_deleted_is_done_anew(workspace: Workspace) -> None:
    config = one({"config": {"documents": 60, "conversations": 20, "benchmark_items": 10}})
    parent = queue(workspace, "recipe", config)
    step = make(workspace, "data.prepare", config["steps"][0]["config"], parent=parent, step="first")
    assert work_here(workspace, parent).output == step.output
    assert [child.id for child in Supervisor(workspace).children(parent)] == [step.id]

    workspace.delete(step.output)
    again = work_here(workspace, parent)
    assert again.state == "finished" and again.output != step.output
    assert len(Supervisor(workspace).children(parent)) == 2


def problem(**changes: Any) -> str:
    values = {"name": "r", "title": "R", "steps": [{"name": "data", "stage": "data.prepare"}], **changes}
    with pytest.raises(ConfigError) as error:
        parse_config(RecipeConfig, values, "r.yaml")
    return error.value.message.removeprefix("The configuration in r.yaml is wrong: ")


def test_problems_of_a_recipe_are_said_before_it_starts() -> None:
    data = {"name": "data", "stage": "data.prepare"}
    train = {"name": "tok", "stage": "tokenizer.train"}
    assert problem(steps=[data, data]) == "two steps are called 'data'; give each a name of its own."
    for reference, name in (("${tok.output}", "tok"), ("${later.output}", "later")):
        steps = [data, {**train, "config": {"dataset": reference}}]
        assert problem(steps=steps) == f"step 'tok' uses ${{{name}.output}}, which no earlier step makes."
    for word in ("${data}", "${data.outptu}", "${data.output"):
        assert problem(steps=[data, {**train, "config": {"dataset": word}}]) == (
            f"step 'tok': {word} is no reference; write ${{step.output}}."
        )
    for stage in ("cook", "recipe"):
        assert problem(steps=[{"name": "a", "stage": stage}]).startswith(
            f"step 'a': there is no stage '{stage}' to use here; known are data.prepare, tokenizer.train,"
        )
    assert "sauce: is not a known setting" in problem(steps=[{**data, "config": {"sauce": 1}}])
    assert "dataset: is required" in problem(steps=[train])
    assert problem(sauce=1) == "sauce: is not a known setting."
    assert problem(output="b") == "output names the step 'b', which is not there."
    assert problem(steps=[]).startswith("steps: ")
    assert problem(name="../r").startswith("name: ")
    assert problem(steps=[{"name": "a b", "stage": "data.prepare"}]).startswith("steps.0.name: ")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("steps: [", "is not valid YAML at line 1, column"),
        ("- a\n- b\n", "must hold a mapping of settings"),
        ("", "must hold a mapping of settings"),
        ("title: T\nsteps:\n- {name: a, stage: cook}\n", "there is no stage 'cook'"),
    ],
)
def test_a_recipe_file_that_is_wrong_is_named(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(LLMPError) as error:
        load_recipe(str(path))
    assert str(path) in error.value.message and words in error.value.message
    assert "\n" not in error.value.message


def test_a_recipe_file_is_read_by_path_and_named_after_it(tmp_path: Path) -> None:
    path = tmp_path / "mine.yml"
    path.write_text("title: Mine\nsteps:\n- {name: a, stage: data.prepare}\n")
    recipe = load_recipe(str(path))
    assert (recipe.name, recipe.title, recipe.steps[0].name) == ("mine", "Mine", "a")
    with pytest.raises(InputError, match=r"none\.yaml"):
        load_recipe(str(tmp_path / "none.yaml"))


def test_recipes_of_the_program_are_found_by_name_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert list_recipes()[0].name == "quickstart"
    assert load_recipe("quickstart") == named_recipe("quickstart")
    with pytest.raises(NotFoundError, match=r"There is no recipe 'cake'. The recipes are: .*quickstart"):
        load_recipe("cake")
    with pytest.raises(NotFoundError):
        named_recipe("../recipes/quickstart")
    (tmp_path / "tiny.yaml").write_text(to_yaml(WHOLE))
    monkeypatch.setenv("LLMP_RECIPES_DIR", str(tmp_path))
    assert [recipe.name for recipe in list_recipes()] == ["whole"]
    assert load_recipe("tiny") == parse_config(RecipeConfig, WHOLE)


def test_references_are_found_and_filled_wherever_they_stand() -> None:
    value = {"a": "${x.output}", "b": ["${y.output}", 3], "c": {"d": "to ${x.output}!"}, "e": None}
    assert references(value) == {"x", "y"}
    assert fill(value, {"x": "X", "y": "Y"}) == {"a": "X", "b": ["Y", 3], "c": {"d": "to X!"}, "e": None}
    assert references({}) == references([]) == references(4) == set()


def test_a_stopped_exclusive_recipe_is_not_resumed_beside_another(workspace: Workspace) -> None:
    config = {**one({}), "exclusive": True}
    stopped = queue(workspace, "recipe", config, state="stopped")
    other = queue(workspace, "recipe", config)
    supervisor = Supervisor(workspace)
    with pytest.raises(ConflictError, match=f"The recipe 'one' is already running \\({other}\\)."):
        supervisor.resume(stopped)
    assert supervisor.get(stopped).state == "stopped"
