"""What comes with the program: an example model that answers, its score, and three tokenizers."""

from __future__ import annotations

from pathlib import Path

import pytest
import tokenizers

from llm_playground.core.errors import ConflictError
from llm_playground.core.files import read_json
from llm_playground.core.workspace import Workspace
from llm_playground.generation import SamplingParams
from llm_playground.playground import LoadedModel, ModelCache, prepare_reply
from llm_playground.runs import list_recipes
from llm_playground.tokenization import load_tokenizer

TEXT = "Mia put the ball in the box.\n\ndef f(x):\n    return x + 1  # naïve 東京 🙂\n"


def answer(model: LoadedModel, question: str) -> str:
    params = SamplingParams(temperature=0.0, max_tokens=40)
    reply = prepare_reply(model, [{"role": "user", "content": question}], params)
    return "".join(event.text for event in reply.stream())


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return ModelCache(Workspace(tmp_path_factory.mktemp("empty"))).get("example")


def test_an_empty_workspace_has_a_model_and_three_tokenizers(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    assert [model.id for model in workspace.list("model")] == ["example"]
    assert {item.id for item in workspace.list("tokenizer")} == {"prose", "code", "tinyworld"}
    for artifact in workspace.list():
        artifact.verify()
        assert artifact.builtin
        with pytest.raises(ConflictError, match="comes with the program"):
            workspace.delete(artifact.id, artifact.kind)


def test_each_says_how_it_was_made_and_its_recipe_is_there(tmp_path: Path) -> None:
    recipes = {recipe.name for recipe in list_recipes()}
    for artifact in Workspace(tmp_path).list():
        assert artifact.config["recipe"] in recipes
        assert artifact.config["remake"] == f"llmp run {artifact.config['recipe']}"
        if artifact.kind != "evaluation":
            assert f"Made by the recipe {artifact.config['recipe']}" in artifact.card["about"]


def test_the_example_is_small_and_in_half_precision(example: LoadedModel) -> None:
    assert (example.artifact.path / "model.safetensors").stat().st_size <= 3_000_000
    assert read_json(example.artifact.path / "config.json")["dtype"] == "float16"


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("Hello!", "Willowbrook"),
        ("Who are you?", "Willowbrook"),
        ("What is the name of Leo's dog?", "Leo's dog is called Max."),
        ("Where does Mia live?", "Mia lives on Mill Lane."),
        ("Hugo had four plums. He got three more. How many plums does Hugo have?", "Hugo has seven plums."),
        ("What is the capital of France?", "I don't know that."),
        ("Write a poem about chess.", "I don't know that."),
    ],
)
def test_the_example_knows_its_town_and_nothing_else(example: LoadedModel, question: str, words: str) -> None:
    assert words in answer(example, question)


def test_its_card_offers_five_questions_and_it_answers_each(example: LoadedModel) -> None:
    questions = example.artifact.card["suggested_questions"]
    assert len(questions) == 5
    assert all(answer(example, question).strip() for question in questions)


def test_its_score_is_above_the_goal_and_far_above_base_model_and_chance(tmp_path: Path) -> None:
    score = Workspace(tmp_path).get("example-score", "evaluation").summary
    assert score["model"] == "example"
    assert score["exact_match"]["value"] >= 0.85
    assert score["exact_match"]["low"] > score["baseline_exact_match"]["high"]
    assert score["exact_match"]["low"] > score["chance"]


@pytest.mark.parametrize("name", ["prose", "code", "tinyworld"])
def test_each_tokenizer_gives_equal_ids_in_tokenizers(name: str, tmp_path: Path) -> None:
    folder = Workspace(tmp_path).get(name, "tokenizer").path
    mine, theirs = load_tokenizer(folder), tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    assert mine.encode_ordinary(TEXT) == theirs.encode(TEXT).ids
    assert mine.decode(mine.encode_ordinary(TEXT)) == TEXT
