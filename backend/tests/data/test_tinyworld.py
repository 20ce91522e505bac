"""The embedded world: deterministic, honest about what it holds out, and answerable by its own statements."""

from __future__ import annotations

import json
import re

import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_playground.data.tinyworld import (
    benchmark,
    conversations,
    exact,
    normalize,
    preferences,
    reward,
    stories,
    tasks,
    write_dataset,
)
from llm_playground.data.tinyworld.world import FOODS, NAMES, NUMBERS, THINGS, is_held_out, pairs

THINGS_AND_FOODS = set(THINGS) | set(FOODS)


def held_out_meetings(text: str) -> list[tuple[str, str]]:
    words = set(re.findall(r"[A-Za-z]+", text))
    return [
        (name, thing)
        for name in words & set(NAMES)
        for thing in words & THINGS_AND_FOODS
        if is_held_out(name, thing)
    ]


def test_same_seed_gives_the_same_world_and_another_seed_another() -> None:
    assert list(stories(50, 3)) == list(stories(50, 3))
    assert list(stories(50, 3)) != list(stories(50, 4))
    assert list(stories(10, 3)) == list(stories(50, 3))[:10]
    assert list(conversations(20, 1)) == list(conversations(20, 1))
    assert list(benchmark(30, 1)) == list(benchmark(30, 1))


def test_held_out_pairs_never_meet_in_training_text() -> None:
    for text in stories(3000, 0):
        assert held_out_meetings(text) == [], text
    for rows in (conversations(3000, 0), tasks(500, 0), preferences(500, 0)):
        for item in rows:
            messages = item.get("messages") or item["prompt"]
            text = " ".join(message["content"] for message in messages)
            assert held_out_meetings(text) == [], text


@given(seed=st.integers(0, 2**62))
def test_held_out_pairs_never_meet_whatever_the_seed(seed: int) -> None:
    texts = list(stories(12, seed))
    for item in (*conversations(12, seed), *preferences(6, seed), *tasks(6, seed)):
        messages = item.get("messages") or item["prompt"]
        answers = [item[key] for key in ("chosen", "rejected", "answer") if key in item]
        texts.append(" ".join([*(message["content"] for message in messages), *answers]))
    assert [held_out_meetings(text) for text in texts] == [[]] * len(texts)


def test_about_a_fifth_of_the_pairs_is_held_out() -> None:
    kept, held = pairs(held_out=False), pairs(held_out=True)
    assert len(kept) + len(held) == len(NAMES) * len(THINGS_AND_FOODS) and not set(kept) & set(held)
    assert 0.12 < len(held) / (len(kept) + len(held)) < 0.28
    assert {name for name, _ in held} == {name for name, _ in kept} == set(NAMES)
    assert {thing for _, thing in kept} == THINGS_AND_FOODS


def test_no_question_of_the_benchmark_is_asked_in_training() -> None:
    asked = {
        message["content"]
        for item in (*conversations(2000, 0), *tasks(500, 0))
        for message in item.get("messages") or item["prompt"]
    }
    assert not asked & {item["question"] for item in benchmark(300, 0)}


def test_the_largest_benchmark_has_no_question_twice() -> None:
    assert len({item["question"] for item in benchmark(2000, 0)}) == 2000


@given(seed=st.integers(0, 2**62))
def test_every_answer_passes_its_own_checker_and_no_other_candidate_does(seed: int) -> None:
    for item in benchmark(10, seed):
        right = [answer for answer in item["candidates"] if exact(answer, item["answer"])]
        assert right == [item["answer"]]
    for item in tasks(10, seed):
        assert item["checker"] == "exact" and reward(item["answer"], item["answer"]) == 1.0


def test_every_benchmark_item_is_about_held_out_pairs_and_has_its_answer_among_the_candidates() -> None:
    items = list(benchmark(200, 0))
    assert len({item["question"] for item in items}) == 200
    for item in items:
        assert held_out_meetings(item["question"]), item
        assert item["answer"] in item["candidates"]
        assert len(set(item["candidates"])) == len(item["candidates"]) >= 2


KINDS = ["where", "moved", "who", "color", "found", "gave", "went", "met", "took", "two", "count"]


@pytest.mark.parametrize("kind", KINDS)
def test_answers_follow_from_the_statements(kind: str) -> None:
    items = [item for item in benchmark(600, 5) if item["kind"] == kind]
    assert items
    for item in items:
        *told, _ = re.split(r"(?<=\.) ", item["question"])
        answer = item["answer"].rstrip(".").split()
        if kind in ("where", "moved"):
            thing, place = answer[1], answer[-1]
            last = [sentence for sentence in told if f" the {thing} " in sentence][-1]
            assert last.endswith(f"{place}.")
        elif kind == "color":
            assert f"a {answer[-1]} {answer[1]} " in told[0]
        elif kind == "gave":
            assert told[1].endswith(f"to {answer[0]}.")
        elif kind == "met":
            assert told[0].startswith(answer[0]) and told[1].endswith(f"{answer[-1]}.")
        elif kind in ("who", "took", "two"):
            assert item["answer"] in told
        elif kind == "went":
            assert told[0].startswith(answer[0])
            assert any(sentence.endswith(f"to the {answer[-1]}.") for sentence in told)
        elif kind == "found":
            assert told[0].startswith(answer[0]) and told[0].endswith(f"{answer[-1]}.")
        else:
            start = NUMBERS.index(told[0].split()[2])
            change = next(NUMBERS.index(w.strip(".")) for w in told[1].split() if w.strip(".") in NUMBERS)
            sign = 1 if "more" in told[1] else -1
            assert NUMBERS[start + sign * change] == answer[2]


def test_what_a_scene_mentions_is_what_chance_is_taken_over() -> None:
    for item in benchmark(300, 2):
        if item["kind"] in ("moved", "gave", "met", "two"):
            assert len(item["candidates"]) == 2
        else:
            assert len(item["candidates"]) >= 8


def test_preferences_prefer_the_right_answer() -> None:
    for item in preferences(200, 0):
        assert not exact(item["rejected"], item["chosen"])
        if item["flaw"] == "wordy":
            assert item["rejected"] == f"{item['chosen']} {item['chosen']}"
    assert {item["flaw"] for item in preferences(200, 0)} == {"wrong", "evasive", "wordy"}


def test_the_checkers() -> None:
    assert exact(" the ball is in the box", "The ball is in the box.")
    assert not exact("The ball is in the bag.", "The ball is in the box.")
    assert reward("The ball is in the box.", "The ball is in the box.") == 1.0
    assert 0 < reward("The ball is in the bag.", "The ball is in the box.") < 1
    assert reward("", "The ball is in the box.") == 0.0
    assert reward("The ball is in the bag.", "The ball is in the box.") == pytest.approx(0.5 * 5 / 6)
    assert reward("The ball " * 50, "The ball is in the box.") < 0.02, "talking much must not pay"


@given(given_answer=st.text(max_size=40), expected=st.text("abc .", max_size=20))
def test_a_reward_is_within_zero_and_one_and_full_only_for_exact_answers(
    given_answer: str, expected: str
) -> None:
    value = reward(given_answer, expected)
    assert 0 <= value <= 1 and (value == 1) == exact(given_answer, expected)
    assert normalize(normalize(given_answer)) == normalize(given_answer)
    assert exact(f"  {expected.upper()} ", expected)


def test_the_data_set_is_written_whole(tmp_path) -> None:
    seen: list[tuple[int, int]] = []
    summary = write_dataset(
        tmp_path, documents=120, seed=1, progress=lambda *a: seen.append(a), dialogues=60, items=30
    )
    assert summary["documents"] == 120 and summary["benchmark_items"] == 30
    assert seen[-1][0] == seen[-1][1]
    assert pyarrow.parquet.read_table(tmp_path / "documents.parquet").num_rows == 120
    chats = pyarrow.parquet.read_table(tmp_path / "conversations.parquet").to_pylist()
    assert len(chats) == 60
    assert json.loads(chats[0]["messages"])[0]["role"] == "user"
    card = json.loads((tmp_path / "card.json").read_text())
    assert len(card["suggested_questions"]) == 5
    rows = pyarrow.parquet.read_table(tmp_path / "benchmark.parquet").to_pylist()
    chance = sum(1 / len(json.loads(row["candidates"])) for row in rows) / len(rows)
    assert card["chance"] == summary["chance"] == pytest.approx(chance) and 0 < chance < 0.6
    for name in ("preferences", "tasks"):
        assert pyarrow.parquet.read_table(tmp_path / f"{name}.parquet").num_rows == summary[name] == 100


def test_writing_twice_gives_the_same_files(tmp_path) -> None:
    files = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_dataset(tmp_path / name, documents=80, seed=4, dialogues=30, items=12)
        files.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert files[0] == files[1] and len(files[0]) == 6
