"""The graph around a run: what it was made from, what was made from it, and what of that is gone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tiny_workspace import Tiny, WritingSupervisor, queue, work_here

from llm_playground.core.errors import NotFoundError
from llm_playground.runs.lineage import Lineage, lineage


def kinds(graph: Lineage) -> dict[str, str]:
    return {node.id: node.kind for node in graph.nodes}


def test_from_text_to_score(tiny: Tiny) -> None:
    runs = tiny.runs
    graph = lineage(tiny.supervisor, runs["base"])
    road = [
        (runs["data"], tiny.data),
        (tiny.data, runs["tokenizer"]),
        (runs["tokenizer"], tiny.tokenizer),
        (tiny.data, runs["tokens"]),
        (tiny.tokenizer, runs["tokens"]),
        (runs["tokens"], tiny.tokens),
        (tiny.tokens, runs["base"]),
        (runs["base"], tiny.base),
        (tiny.base, runs["chat"]),
        (tiny.data, runs["chat"]),
        (runs["chat"], tiny.chat),
        (tiny.base, runs["score"]),
        (tiny.chat, runs["score"]),
        (tiny.data, runs["score"]),
        (runs["score"], tiny.score),
    ]
    assert sorted(graph.edges) == sorted(road)
    assert [node.id for node in graph.nodes if node.marked] == [runs["base"]]
    assert not any(node.deleted or node.builtin for node in graph.nodes)
    found = {node.id: node for node in graph.nodes}
    base, summary = found[tiny.base], tiny.workspace.get(tiny.base).summary
    assert (base.kind, base.name) == ("model", "Tiny base")
    assert base.figures["val_loss"] == summary["val_loss"] and base.figures["parameters"] == 26_208
    run = found[runs["base"]]
    assert (run.kind, run.stage, run.state, run.attempt) == ("run", "pretrain", "finished", 1)
    score = tiny.workspace.get(tiny.score).summary["exact_match"]
    assert found[tiny.score].figures == {"exact_match": score["value"]}
    assert [node.created_at for node in graph.nodes] == sorted(node.created_at or 0 for node in graph.nodes)


def test_a_run_in_the_middle_shows_its_past_and_its_future_but_not_its_siblings(tiny: Tiny) -> None:
    graph = lineage(tiny.supervisor, tiny.runs["tokenizer"])
    assert tiny.runs["data"] in kinds(graph) and tiny.score in kinds(graph)
    graph = lineage(tiny.supervisor, tiny.runs["score"])
    assert tiny.runs["tokens"] in kinds(graph)
    graph = lineage(tiny.supervisor, tiny.runs["data"])
    assert len(graph.nodes) == 12


def test_forks_resumed_runs_and_what_was_deleted(own_tiny: Tiny) -> None:
    place, runs = own_tiny, own_tiny.runs
    writing = WritingSupervisor(place.workspace)
    fork = work_here(place.workspace, writing.fork(runs["base"], step=14).id)
    assert fork.output is not None
    other = queue(place.workspace, "pretrain", place.pretrain(9), state="stopped", attempt=3)
    mark = f"{runs['base']}@14"
    graph = lineage(place.supervisor, fork.id)
    assert {(runs["base"], mark), (mark, fork.id), (fork.id, fork.output)} <= set(graph.edges)
    assert runs["chat"] not in kinds(graph) and other not in kinds(graph)  # of the source, not of the fork
    node = next(node for node in graph.nodes if node.id == mark)
    assert (node.kind, node.name, node.run, node.deleted) == ("checkpoint", "step 14", runs["base"], False)
    assert fork.id in kinds(lineage(place.supervisor, runs["base"]))
    spare = writing.fork(runs["base"], changes={"training.steps": 30})
    place.supervisor.stop(spare.id)
    assert work_here(place.workspace, spare.id).state == "stopped"
    added = {spare.id, f"{runs['base']}@20"}
    assert added <= kinds(lineage(place.supervisor, runs["base"])).keys()
    place.supervisor.delete(spare.id)  # nothing came of it
    assert not added & kinds(lineage(place.supervisor, runs["base"])).keys()
    alone = lineage(place.supervisor, other)
    assert [node.attempt for node in alone.nodes if node.marked] == [3]

    place.supervisor.delete(runs["base"])
    place.workspace.delete(place.tokens)
    graph = lineage(place.supervisor, fork.id)
    gone = {node.id: node.name for node in graph.nodes if node.deleted}
    assert gone == {runs["base"]: "Pre-training", place.tokens: "tokens", mark: "step 14"}
    shutil.rmtree(place.workspace.trash_dir)
    gone = {
        node.id: (node.kind, node.name) for node in lineage(place.supervisor, fork.id).nodes if node.deleted
    }
    assert gone == {
        runs["base"]: ("run", "Pre-training"),
        place.tokens: ("tokens", place.tokens),
        mark: ("checkpoint", "step 14"),
    }
    with pytest.raises(NotFoundError):
        lineage(place.supervisor, runs["base"])


def test_a_recipes_lineage_is_that_of_its_steps_and_names_from_elsewhere_are_not_deleted(
    own_tiny: Tiny,
) -> None:
    place = own_tiny
    steps = [{"name": "a", "stage": "data.prepare", "config": {}}]
    recipe = queue(place.workspace, "recipe", {"name": "r", "title": "R", "steps": steps}, output=place.data)
    sources = {"dataset": place.data, "tokenizer": "hub:org/name"}
    child = queue(place.workspace, "data.tokenize", sources, parent=recipe, state="stopped")
    graph = lineage(place.supervisor, recipe)
    assert {node.id for node in graph.nodes if node.marked} == {child}
    assert kinds(graph)["hub:org/name"] == "tokenizer" and recipe not in kinds(graph)
    assert not any(node.deleted for node in graph.nodes)
    (Path(place.workspace.runs_dir) / "strange").mkdir()
    assert lineage(place.supervisor, recipe) == graph
