"""Better and worse answers for preference training, and tasks whose reward can be verified."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from llm_playground.core.seeds import derive_seed
from llm_playground.data.tinyworld.questions import UNKNOWN, asked
from llm_playground.data.tinyworld.scenes import scene
from llm_playground.data.tinyworld.world import meets_held_out


def preferences(count: int, seed: int) -> Iterator[dict[str, Any]]:
    """Yield ``count`` pairs ``{"prompt": messages, "chosen", "rejected", "flaw"}`` without held-out pairs.

    The chosen answer is right and to the point. The rejected one is wrong (another candidate), evasive
    (says it does not know), or wordy (right, but told twice).
    """
    for index in range(count):
        rng = random.Random(derive_seed(seed, "preference", index))
        told = scene(rng)
        question = rng.choice(told.questions)
        flaw = rng.choice(("wrong", "wrong", "evasive", "wordy"))
        prompt = asked(told.statements, question)
        wrong = rng.choice(
            [
                item
                for item in question.candidates
                if item != question.answer and not meets_held_out(f"{prompt} {item}")
            ]
        )
        rejected = {
            "wrong": wrong,
            "evasive": UNKNOWN,
            "wordy": f"{question.answer} {question.answer}",
        }[flaw]
        yield {
            "prompt": [{"role": "user", "content": prompt}],
            "chosen": question.answer,
            "rejected": rejected,
            "flaw": flaw,
        }


def tasks(count: int, seed: int) -> Iterator[dict[str, Any]]:
    """Yield ``count`` tasks ``{"prompt": messages, "answer", "checker", "kind"}`` for RL."""
    for index in range(count):
        rng = random.Random(derive_seed(seed, "task", index))
        told = scene(rng)
        question = rng.choice(told.questions)
        yield {
            "prompt": [{"role": "user", "content": asked(told.statements, question)}],
            "answer": question.answer,
            "checker": "exact",
            "kind": question.kind,
        }
