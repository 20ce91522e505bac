"""Forks of runs: the same numbers with the same settings, other ones with others, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tiny_workspace import Tiny, WritingSupervisor, ended, make, queue, work_here

from llm_playground.core.errors import ConfigError, InputError, LLMPError, NotFoundError, StorageError
from llm_playground.monitoring import MetricReader
from llm_playground.runs import RunRecord
from llm_playground.runs.forks import inherited_lines, kept_checkpoints, merged, pin_checkpoint
from llm_playground.runs.record import STOP_FILE

pytestmark = pytest.mark.xdist_group("forks")  # one worker makes what these tests share
NAMES = ("train/loss", "val/loss", "train/grad_norm", "train/lr")


@pytest.fixture(scope="module")
def place(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    return tiny.copy(tmp_path_factory.mktemp("forks") / "workspace")


def values(place: Tiny, run_id: str, above: int = 0) -> list[tuple[int, str, float]]:
    rows = MetricReader(place.supervisor.folder(run_id) / "metrics.db").rows(0, 10_000)
    return [
        (row["step"], row["name"], row["value"])
        for row in rows
        if row["name"] in NAMES and row["step"] > above
    ]


def forked(place: Tiny, run_id: str, **more: Any) -> RunRecord:
    """Fork a run and do its work here."""
    record = work_here(place.workspace, WritingSupervisor(place.workspace).fork(run_id, **more).id)
    assert record.state == "finished", record.error
    return record


def test_with_the_same_settings_a_fork_gives_the_numbers_of_its_source(place: Tiny) -> None:
    source = place.runs["base"]
    record = place.supervisor.fork(source, step=14)  # in a process of its own
    assert record.forked_from is not None and record.parent is None and record.id != source
    assert (record.forked_from.run, record.forked_from.step) == (source, 14)
    assert record.name == "Pre-training, from step 14"
    assert record.config == place.supervisor.get(source).config
    done = ended(place.supervisor, record.id)
    assert done.state == "finished" and done.forked_from == record.forked_from, done.error
    assert values(place, record.id) == values(place, source, above=14)
    one, other = (place.workspace.get(str(item), "model") for item in (place.base, done.output))
    assert one.files["model.safetensors"] == other.files["model.safetensors"]  # size and hash


def test_a_finished_fine_tuning_goes_on_with_more_steps_and_other_settings(place: Tiny) -> None:
    changes = {"training.steps": 13, "training": {"learning_rate": 1e-4, "optimizer": "lion"}}
    record = forked(place, place.runs["chat"], changes=changes, name="Longer", seed=5)
    assert (record.name, record.seed, record.summary["steps"]) == ("Longer", 5, 13)
    source = place.supervisor.get(place.runs["chat"])
    assert record.config == merged(source.config, changes)
    assert {step for step, _, _ in values(place, record.id)} == {11, 12, 13}
    events = place.supervisor.events(record.id, kinds=("log",))
    assert any("lion starts without memory" in event["data"]["message"] for event in events)


def test_a_fork_is_resumed_and_outlives_its_source(place: Tiny) -> None:
    source = make(place.workspace, "pretrain", place.pretrain(16), parent="recipe-1", step="pretrain", seed=2)
    supervisor = WritingSupervisor(place.workspace)
    fork = supervisor.fork(source.id, step=14)
    assert (fork.parent, fork.step, fork.seed) == (None, None, 2)
    place.supervisor.delete(source.id)
    stop = place.supervisor.folder(fork.id) / STOP_FILE
    stop.touch()
    assert work_here(place.workspace, fork.id).state == "stopped"
    stop.unlink()
    resumed = work_here(place.workspace, fork.id)
    assert (resumed.state, resumed.forked_from) == ("finished", fork.forked_from)
    place.supervisor.restore(source.id)
    assert values(place, fork.id) == values(place, source.id, above=14)
    again = forked(place, fork.id, changes={"training.steps": 17})  # the name does not grow
    assert again.name == "Pre-training, from step 16"
    lines = inherited_lines(place.workspace.runs_dir, again, ["train/loss", "none"], 500)
    assert set(lines) == {"train/loss"} and set(lines["train/loss"].segment) == {-1}
    assert lines["train/loss"].step == list(range(1, 17))  # both sources, each up to where it was left
    whole = dict((step, value) for step, name, value in values(place, source.id) if name == "train/loss")
    assert lines["train/loss"].value == [whole[step] for step in range(1, 17)]
    part = inherited_lines(place.workspace.runs_dir, again, None, 500, start=13, end=15)
    assert part["train/loss"].step == [13, 14, 15] and "val/loss" not in part
    place.supervisor.delete(source.id)
    left = inherited_lines(place.workspace.runs_dir, again, ["train/loss"], 500)
    assert left["train/loss"].step == [15, 16]


def test_what_auto_came_to_is_taken_over_where_it_is_asked_for_again(place: Tiny) -> None:
    config = place.pretrain(8, precision="auto")
    source = place.supervisor.folder(queue(place.workspace, "pretrain", config, state="stopped"))
    other = place.supervisor.folder(place.runs["base"])
    (source / "resolved.json").write_text('{"precision": "bf16"}')
    (source / "checkpoints").symlink_to(other / "checkpoints")
    supervisor = WritingSupervisor(place.workspace)
    same = supervisor.fork(source.name, step=14, changes={"training.steps": 30})
    assert json.loads((place.supervisor.folder(same.id) / "resolved.json").read_text()) == {
        "precision": "bf16"
    }
    changed = supervisor.fork(
        source.name, step=14, changes={"training.steps": 30, "training.precision": "float32"}
    )
    assert not (place.supervisor.folder(changed.id) / "resolved.json").exists()


def sentence(place: Tiny, name: str, changes: dict[str, Any], **more: Any) -> tuple[type[LLMPError], str]:
    before = sorted(place.workspace.runs_dir.iterdir())
    with pytest.raises(LLMPError) as error:
        WritingSupervisor(place.workspace).fork(place.runs[name], changes=changes, **more)
    assert sorted(place.workspace.runs_dir.iterdir()) == before  # nothing is left behind
    return type(error.value), error.value.message


def test_settings_that_cannot_be_are_refused_by_name(place: Tiny) -> None:
    long = {"training.steps": 99}
    fork_of = f"The configuration in the fork of {place.runs['base']} is wrong: "
    assert sentence(place, "base", {**long, "training.learning_rate": 0, "cake": 1}) == (
        ConfigError,
        f"{fork_of}training.learning_rate: input should be greater than 0 (got 0); "
        "cake: is not a known setting.",
    )
    assert sentence(place, "base", {"tokens.x": 1})[1] == "tokens.x: tokens is not a group of settings."
    assert sentence(place, "base", {}) == (
        ConfigError,
        "training.steps: 20 leaves nothing to do after step 20, where the fork begins.",
    )
    kind, said = sentence(place, "base", {**long, "model.width": 48})
    assert (kind, said) == (
        ConfigError,
        "model.width: the checkpoint of step 20 is of a model of another shape.",
    )
    assert sentence(place, "base", {**long, "preset": "gpt2-small", "model": {"heads": 4}})[1].startswith(
        "model"
    )
    assert "width" in sentence(place, "base", {**long, "model.width": 33})[1]
    assert sentence(place, "chat", {**long, "model": place.chat})[1] == (
        "model: a fork goes on with the weights of the checkpoint of step 10, not with another model."
    )
    assert sentence(place, "chat", {**long, "dataset": "none"}) == (
        NotFoundError,
        "dataset: There is no dataset 'none' in the workspace.",
    )
    assert sentence(place, "base", long, step=3) == (
        NotFoundError,
        f"The run {place.runs['base']} has no checkpoint of step 3.",
    )
    assert sentence(place, "base", long, seed=-1)[1] == "seed: -1 is not between 0 and 2**63 - 1."
    kind, said = sentence(place, "tokens", {})
    assert kind is InputError and said.endswith("(data.tokenize) has no checkpoints to fork from.")


def test_other_tokens_need_the_same_tokenizer_and_other_shapes_need_none(place: Tiny) -> None:
    long = {"training.steps": 21}
    again = {"dataset": place.data, "tokenizer": place.tokenizer, "validation_fraction": 0.2}
    same = make(place.workspace, "data.tokenize", again).output
    record = forked(place, place.runs["base"], changes={**long, "tokens": same, "model.dropout": 0.1})
    assert record.config["tokens"] == same
    assert place.workspace.get(str(record.output)).parents == (same,)
    other = make(place.workspace, "tokenizer.train", {"dataset": place.data, "vocab_size": 401}).output
    tokens = make(place.workspace, "data.tokenize", {**again, "tokenizer": other}).output
    kind, said = sentence(place, "base", {**long, "tokens": tokens})
    assert kind is ConfigError and said.startswith(f"tokens: {tokens} was made with another tokenizer than ")


def test_recipes_and_damaged_checkpoints_are_refused(place: Tiny) -> None:
    steps = [{"name": "a", "stage": "data.prepare", "config": {}}]
    recipe = queue(place.workspace, "recipe", {"name": "r", "title": "R", "steps": steps}, state="stopped")
    supervisor = WritingSupervisor(place.workspace)
    with pytest.raises(InputError, match="is a recipe, which has no checkpoints. Fork one of its steps."):
        supervisor.fork(recipe)
    source = make(place.workspace, "pretrain", place.pretrain(8))
    folder = place.supervisor.folder(source.id)
    file = folder / "checkpoints" / "step_00000007" / "optimizer.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(StorageError, match=r"step_00000007 is damaged: optimizer\.safetensors"):
        supervisor.fork(source.id, step=7)
    rows = kept_checkpoints(folder, verify=True)
    assert [(row.step, row.damaged is not None) for row in rows] == [(7, True), (8, False)]
    assert all(row.damaged is None for row in kept_checkpoints(folder))


def test_the_table_of_checkpoints_says_what_each_is(place: Tiny) -> None:
    run_id = make(place.workspace, "pretrain", place.pretrain(16, keep_checkpoints=9)).id
    folder = place.supervisor.folder(run_id)
    logged = {(step, name): value for step, name, value in values(place, run_id)}
    pin_checkpoint(folder, 7, True)
    rows = kept_checkpoints(folder)
    assert [(row.step, row.newest, row.pinned) for row in rows] == [
        (7, False, True),
        (14, False, False),
        (16, True, False),
    ]
    for row, measured in zip(rows, (0, 10, 16), strict=True):
        assert row.train_loss == logged[row.step, "train/loss"]
        assert row.val_loss == logged.get((measured, "val/loss"), row.val_loss)
        files = (folder / "checkpoints" / f"step_{row.step:08d}").iterdir()
        assert row.size_bytes == sum(path.stat().st_size for path in files if path.name != "manifest.json")
    assert [row.best for row in rows] == [row.val_loss == min(r.val_loss or 9 for r in rows) for row in rows]
    pin_checkpoint(folder, 7, False)
    assert not any(row.pinned for row in kept_checkpoints(folder))
    with pytest.raises(
        NotFoundError, match="has no checkpoint of step 8. It has those of the steps 7, 14, 16."
    ):
        pin_checkpoint(folder, 8, True)
    assert kept_checkpoints(Path(place.supervisor.folder(place.runs["data"]))) == []
