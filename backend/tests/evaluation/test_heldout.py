"""The held-out score: what is asked, what counts as right, and what is shown beside it."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet
import pytest
import torch

from llm_playground.core import Artifact, InputError, NotFoundError
from llm_playground.core.errors import StopRequested
from llm_playground.evaluation import EvaluateConfig, heldout, wilson_interval
from llm_playground.evaluation.heldout import ask, first_sentence, load_benchmark, run, score
from llm_playground.tokenization import encode_chat, load_tokenizer
from llm_playground.transformer import ModelConfig, TransformerLM

ITEMS = 24


@pytest.fixture(scope="module")
def model(road: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """An untrained model with the chat tokenizer: it answers nonsense, but really."""
    tokenizer = load_tokenizer(road.tokenizer.path)
    torch.manual_seed(0)
    shape = {"context_length": 192, "width": 32, "layers": 1, "heads": 2, "init_std": 0.3}
    with road.workspace.new_artifact("model", name="nonsense") as draft:
        TransformerLM(ModelConfig(vocab_size=tokenizer.vocab_size, **shape)).save_pretrained(draft.path)
        tokenizer.save(draft.path)
    return draft.artifact


@pytest.fixture
def items(road: SimpleNamespace) -> list[dict[str, Any]]:
    return pyarrow.parquet.read_table(road.dataset.path / "benchmark.parquet").to_pylist()


def scripted(monkeypatch: pytest.MonkeyPatch, replies: dict[str, Any]) -> list[dict[str, Any]]:
    """Let models say given things; returns the list of calls, as they come."""
    calls: list[dict[str, Any]] = []

    def said(folder: Path, questions: list[str], **how: Any) -> list[str]:
        calls.append({"folder": folder, "questions": list(questions), **how})
        return [replies[folder.name](question) for question in questions]

    monkeypatch.setattr(heldout, "ask", said)
    return calls


def results_of(artifact: Artifact) -> dict[str, Any]:
    return json.loads((artifact.path / "results.json").read_text())


def test_exact_answers_are_counted_beside_baseline_and_chance(
    road, model: Artifact, items, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = {item["question"]: item["answer"] for item in items}
    wrong = {item["question"] for item in items[-6:]}
    with road.workspace.new_artifact("model", name="base") as draft:
        (draft.path / "x").write_text("x")
    base = draft.artifact
    calls = scripted(
        monkeypatch,
        {
            model.id: lambda question: "no" if question in wrong else answers[question].lower().rstrip("."),
            base.id: lambda question: answers[question] if question == items[-1]["question"] else "?",
        },
    )
    context = road.context(tmp_path / "run")
    config = EvaluateConfig(model=model.id, dataset=road.dataset.id, baseline=base.id, examples=8)
    artifact = run(config, context)
    results = results_of(artifact)
    assert results["exact_match"] == wilson_interval(18, ITEMS).to_dict()
    assert results["baseline"]["exact_match"] == wilson_interval(1, ITEMS).to_dict()
    assert results["baseline"]["model"] == base.id
    chance = sum(1 / len(json.loads(item["candidates"])) for item in items) / ITEMS
    assert results["chance"] == pytest.approx(chance) == artifact.summary["chance"]
    by_kind = results["by_kind"]
    assert sum(value["count"] for value in by_kind.values()) == ITEMS
    assert sum(value["correct"] for value in by_kind.values()) == 18
    assert set(by_kind) == {item["kind"] for item in items}
    examples = results["examples"]
    assert [row["correct"] for row in examples] == [False] * 6 + [True] * 2, "the wrong ones come first"
    assert {row["question"] for row in examples[:6]} == wrong
    assert all(row["expected"] == answers[row["question"]] for row in examples)
    last = next(row for row in examples if row["id"] == items[-1]["id"])
    assert last["reply"] == "no" and last["baseline_reply"] == last["expected"]
    assert [(call["chat"], call["done"], call["total"]) for call in calls] == [(True, 0, 48), (False, 24, 48)]
    assert artifact.parents == (model.id, road.dataset.id, base.id)
    assert artifact.summary["baseline_exact_match"]["correct"] == 1 and artifact.summary["questions"] == ITEMS
    assert ("eval", dict(artifact.summary)) in context.events
    assert artifact.summary.items() <= context.summary.items()


def test_a_real_model_is_asked_through_its_template_greedily(road, model: Artifact, tmp_path: Path) -> None:
    context = road.context(tmp_path / "run")
    config = EvaluateConfig(model=model.id, dataset=road.dataset.id, limit=3, max_tokens=5, threads=1)
    artifact = run(config, context)
    results = results_of(artifact)
    assert results["exact_match"]["count"] == 3 and "baseline" not in results
    assert artifact.summary["baseline_exact_match"] is None and artifact.summary["baseline"] is None
    tokenizer, subject = load_tokenizer(model.path), TransformerLM.from_pretrained(model.path)
    for row in results["examples"]:
        chat = [{"role": "user", "content": row["question"]}]
        ids = encode_chat(tokenizer, chat, add_generation_prompt=True).ids
        said: list[int] = []
        ends = {tokenizer.eos_id, tokenizer.special_tokens["<|im_end|>"]}
        with torch.no_grad():
            for _ in range(5):
                token = int(subject(torch.tensor([ids + said]))[0, -1].argmax())
                if token in ends:
                    break
                said.append(token)
        assert row["reply"] == tokenizer.decode(said).strip()
        assert row["baseline_reply"] is None
    again = run(config, road.context(tmp_path / "again"))
    assert results_of(again)["examples"] == results["examples"]


def test_a_base_model_goes_on_from_the_plain_question(road, model: Artifact, tmp_path: Path) -> None:
    context = road.context(tmp_path / "run")
    question = "Mia put the ball in the box. Where is the ball?"
    how = {"max_tokens": 6, "context": context, "done": 4, "total": 10}
    (plain,) = ask(model.path, [question], chat=False, **how)  # type: ignore[arg-type]
    tokenizer, subject = load_tokenizer(model.path), TransformerLM.from_pretrained(model.path)
    ids = [tokenizer.eos_id, *tokenizer.encode_ordinary(question)]
    with torch.no_grad():
        for _ in range(6):
            ids.append(int(subject(torch.tensor([ids]))[0, -1].argmax()))
    said = tokenizer.decode(ids[1 + len(tokenizer.encode_ordinary(question)) :])
    assert plain == first_sentence(said)
    assert (context.updates[-1]["done"], context.updates[-1]["total"]) == (5, 10)


def test_what_else_is_asked_does_not_change_a_reply(road, model: Artifact, tmp_path: Path) -> None:
    context = road.context(tmp_path / "run")
    questions = ["Hi", "Where is the ball? " * 8, "Who has the cup now?"]
    how = {"chat": True, "max_tokens": 200, "context": context, "done": 0, "total": 3}
    together = ask(model.path, questions, **how)  # type: ignore[arg-type]
    assert together == [ask(model.path, [question], **how)[0] for question in questions]  # type: ignore[arg-type]


def test_a_first_sentence() -> None:
    assert first_sentence(' "It is red. And blue."') == "It is red."
    assert first_sentence("no end") == "no end"
    assert first_sentence("") == ""


def test_scores_by_kind() -> None:
    items = [{"kind": kind, "answer": "Yes."} for kind in "aab"]
    found = score(items, ["yes", "no", "YES!"])
    assert found["exact_match"] == wilson_interval(2, 3).to_dict()
    assert list(found["by_kind"]) == ["a", "b"]
    assert found["by_kind"]["a"] == wilson_interval(1, 2).to_dict()
    with pytest.raises(ValueError, match="zip"):
        score(items, ["yes"])


def test_fewer_questions_are_drawn_evenly(road) -> None:
    every = [item["id"] for item in load_benchmark(road.dataset.path, 10_000)]
    assert len(every) == ITEMS
    assert [item["id"] for item in load_benchmark(road.dataset.path, 6)] == every[::4]
    assert all(isinstance(item["candidates"], list) for item in load_benchmark(road.dataset.path, 2))


def test_data_without_a_benchmark_and_unknown_ids_are_refused(road, model: Artifact, tmp_path: Path) -> None:
    with road.workspace.new_artifact("dataset", name="plain") as draft:
        (draft.path / "x").write_text("x")
    plain = draft.artifact
    with pytest.raises(InputError) as caught:
        run(EvaluateConfig(model=model.id, dataset=plain.id), road.context(tmp_path / "run"))
    assert caught.value.message == f"The data set {plain.id} has no benchmark."
    assert caught.value.field == "dataset"
    for values in ({"model": "no"}, {"dataset": "no"}, {"baseline": "no"}):
        config = {"model": model.id, "dataset": road.dataset.id, **values}
        with pytest.raises(NotFoundError, match=r"^There is no (model|dataset) 'no' in the workspace\."):
            run(EvaluateConfig(**config), road.context(tmp_path / "run"))
    assert road.workspace.list("evaluation") == [] or all(
        item.parents[0] == model.id for item in road.workspace.list("evaluation")
    )


def test_a_stop_request_publishes_nothing(road, model: Artifact, tmp_path: Path) -> None:
    context = road.context(tmp_path / "run")
    context.stop = True
    before = len(road.workspace.list("evaluation"))
    with pytest.raises(StopRequested):
        run(EvaluateConfig(model=model.id, dataset=road.dataset.id), context)
    assert len(road.workspace.list("evaluation")) == before
