"""Conversations for fine-tuning and the held-out benchmark: questions with one checkable answer each."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from llm_playground.core.seeds import derive_seed
from llm_playground.data.tinyworld.narration import story_about
from llm_playground.data.tinyworld.scenes import SCENES, Question, fact_questions, introduction, scene
from llm_playground.data.tinyworld.small_talk import outside_question, small_talk
from llm_playground.data.tinyworld.world import NAMES

UNKNOWN = "I don't know that."
_REQUESTS = (
    "Tell me a story about {name}.",
    "Can you tell me a story about {name}?",
    "Please tell a story about {name}.",
    "A story about {name}, please.",
)
_INTRODUCTIONS = ("Who is {name}?", "Tell me about {name}.", "Do you know {name}?", "Who's {name}?")


def asked(statements: tuple[str, ...], question: Question) -> str:
    """Return the user's message: the scene, then the question."""
    return " ".join([*statements, question.text])


def conversation(rng: random.Random) -> dict[str, Any]:
    """Draw one training conversation.

    Returns:
        ``{"kind": str, "messages": [{"role", "content"}, ...]}``; never with a held-out pair.
    """
    draw = rng.random()
    if draw < 0.66:
        told = scene(rng)
        first, *others = rng.sample(told.questions, rng.randint(1, len(told.questions)))
        turns = [(asked(told.statements, first), first.answer)]
        turns += [(question.text, question.answer) for question in others]
        return _messages(first.kind, turns)
    if draw < 0.80:
        name = rng.choice(NAMES)
        turns = [(item.text, item.answer) for item in rng.sample(fact_questions(name), rng.choice((1, 1, 2)))]
        if rng.random() < 0.25:
            turns.insert(0, (rng.choice(_INTRODUCTIONS).format(name=name), introduction(name)))
        return _messages("fact", turns)
    if draw < 0.86:
        name = rng.choice(NAMES)
        return _messages("story", [(rng.choice(_REQUESTS).format(name=name), story_about(rng, name))])
    if draw < 0.93:
        return _messages("unknown", [(outside_question(rng), UNKNOWN)])
    return _messages("small talk", [small_talk(rng) for _ in range(rng.choice((1, 1, 2)))])


def _messages(kind: str, turns: list[tuple[str, str]]) -> dict[str, Any]:
    messages = []
    for user, assistant in turns:
        messages += [{"role": "user", "content": user}, {"role": "assistant", "content": assistant}]
    return {"kind": kind, "messages": messages}


def conversations(count: int, seed: int) -> Iterator[dict[str, Any]]:
    """Yield ``count`` training conversations; the i-th depends on (seed, i) alone."""
    for index in range(count):
        yield conversation(random.Random(derive_seed(seed, "conversation", index)))


def benchmark(count: int, seed: int) -> Iterator[dict[str, Any]]:
    """Yield held-out questions, scenes in the shares of training, all about pairs never seen in training.

    Returns:
        items ``{"id", "kind", "question", "answer", "candidates"}``.
    """
    seen: set[str] = set()
    index = 0
    while len(seen) < count:
        rng = random.Random(derive_seed(seed, "benchmark", index))
        told = SCENES[index % len(SCENES)](rng, held_out=True)
        question = rng.choice(told.questions)
        text = asked(told.statements, question)
        index += 1
        if text not in seen:
            seen.add(text)
            yield {
                "id": f"tinyworld-{len(seen) - 1:04d}",
                "kind": question.kind,
                "question": text,
                "answer": question.answer,
                "candidates": list(question.candidates),
            }
