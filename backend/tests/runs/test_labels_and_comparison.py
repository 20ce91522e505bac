"""Labels that outlive the writer of ``run.json``, and runs held against each other."""

from __future__ import annotations

import pytest
from tiny_workspace import Tiny, queue, training, work_here

from llm_playground.core.errors import InputError
from llm_playground.runs.comparison import differences, figures, flatten
from llm_playground.runs.labels import LABELS_FILE, change_labels


def test_labels_survive_the_runs_own_process(own_tiny: Tiny) -> None:
    run_id = queue(own_tiny.workspace, "pretrain", own_tiny.pretrain(5))
    folder = own_tiny.supervisor.folder(run_id)
    change_labels(folder, name="Wide", tags=[" a ", "b", "a"], notes="First try.")
    record = work_here(own_tiny.workspace, run_id)
    assert (record.state, record.name, record.tags, record.notes) == (
        "finished", "Wide", ["a", "b"], "First try.",
    )  # fmt: skip
    change_labels(folder, tags=[])
    record = own_tiny.supervisor.get(run_id)
    assert (record.name, record.tags, record.notes) == ("Wide", [], "First try.")
    assert '"tags"' not in (folder / "run.json").read_text()
    own_tiny.supervisor.delete(run_id)
    assert own_tiny.supervisor.restore(run_id).notes == "First try."
    (folder / LABELS_FILE).write_text("{")
    assert own_tiny.supervisor.get(run_id).tags == []  # a broken file of labels loses no run


@pytest.mark.parametrize("tag", ["", " ", "a,b", "x" * 41, "a\nb"])
def test_a_tag_that_is_none_is_refused(own_tiny: Tiny, tag: str) -> None:
    with pytest.raises(InputError, match="is not a tag"):
        change_labels(own_tiny.supervisor.folder(own_tiny.runs["base"]), tags=[tag])


def test_runs_side_by_side(own_tiny: Tiny) -> None:
    wide = {**own_tiny.pretrain(20, sample_every=10, sample_prompts=["Mia"]), "name": "Tiny base"}
    wide["training"] = {**wide["training"], "learning_rate": 0.5}
    other = work_here(own_tiny.workspace, queue(own_tiny.workspace, "pretrain", wide, seed=3))
    base = own_tiny.supervisor.get(own_tiny.runs["base"])
    found = {item.field: item.values for item in differences([base, other])}
    assert found == {"seed": [0, 3], "training.learning_rate": [0.002, 0.5]}
    chat = own_tiny.supervisor.get(own_tiny.runs["chat"])
    assert {item.field: item.values for item in differences([base, chat])}["tokens"] == [
        own_tiny.tokens,
        None,
    ]
    rows = figures([base, other], [own_tiny.supervisor.folder(item.id) for item in (base, other)])
    numbers = {item.name: item.values for item in rows}
    assert numbers["parameters"][0] == numbers["parameters"][1] == base.summary["parameters"]
    assert None not in numbers["train/loss"] and numbers["train/loss"][0] != numbers["train/loss"][1]
    assert numbers["val/loss, lowest"][0] <= numbers["val/loss"][0]  # type: ignore[operator]
    assert training(3)["steps"] == 3 and flatten({"a": {"b": 1, "c": {}}}) == {"a.b": 1, "a.c": {}}
