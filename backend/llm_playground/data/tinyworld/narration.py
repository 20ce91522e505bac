"""Stories of the town for pre-training: simple, varied, consistent English."""

from __future__ import annotations

import random
from collections.abc import Iterator

from llm_playground.core.seeds import derive_seed
from llm_playground.data.tinyworld.scenes import Scene, scene
from llm_playground.data.tinyworld.world import (
    NAMES,
    PEOPLE,
    PERSON,
    PLACES,
    RULES,
    TOWN,
    WEATHERS,
    meets_held_out,
)

_OPENINGS = (
    "It was a {weather} day in {town}.",
    "One {weather} morning in {town}, something happened.",
    "On a {weather} day, people met at the {place}.",
    "It was {weather} at the {place}.",
)
_CLOSINGS = (
    "It was a good day.",
    "Then they all went home.",
    "Everybody was happy.",
    "In the evening they told the story again.",
    "They laughed and said good night.",
)


def facts(rng: random.Random) -> list[str]:
    """Say some true things about one person of the town, in changing words and order."""
    person = rng.choice(PEOPLE)
    article = "an" if person.job[0] in "aeiou" else "a"
    subject, own = person.name, f"{person.name}'s"
    sentences = [
        rng.choice((f"{subject} is {article} {person.job}.", f"{subject}, the {person.job}, is well known.")),
        rng.choice(
            (
                f"{subject} works at the {person.workplace}.",
                f"Every day {subject} works at the {person.workplace}.",
            )
        ),
        rng.choice(
            (
                f"{subject} lives on {person.home}.",
                f"The house of {subject} is on {person.home}. " f"{subject} lives on {person.home}.",
            )
        ),
        rng.choice(
            (
                f"{own} {person.pet} is called {person.pet_name}.",
                f"{subject} has a {person.pet}. {own} {person.pet} is called {person.pet_name}.",
            )
        ),
        rng.choice(
            (f"{subject} likes {person.likes} best.", f"At dinner {subject} likes {person.likes} best.")
        ),
    ]
    rng.shuffle(sentences)
    return sentences[: rng.randint(3, 5)]


def told_questions(rng: random.Random, told: Scene) -> list[str]:
    """Let somebody ask about the scene and somebody answer, as direct speech, one to all of its questions.

    People whom the scene must not meet (a held-out pair) do not speak.
    """
    text = " ".join(told.statements)
    speakers = [name for name in NAMES if not meets_held_out(f"{name} {text}")]
    count = rng.randint(1, len(told.questions))
    lines = []
    for question in rng.sample(told.questions, count):
        if rng.random() < 0.5:
            lines.append(f"{question.text} {question.answer}")
        else:
            asker = rng.choice(speakers or ["a child"])
            lines.append(f'"{question.text}" asked {asker}. "{question.answer}"')
    return lines


def story(rng: random.Random) -> str:
    """Tell one story: an opening, one scene with a question, perhaps facts, and a closing."""
    draw = rng.random()
    if draw < 0.25:
        body = facts(rng)
        if rng.random() < 0.2:
            body.append(rng.choice(RULES))
        return " ".join(body)
    parts = []
    if rng.random() < 0.6:
        opening = rng.choice(_OPENINGS)
        parts.append(opening.format(weather=rng.choice(WEATHERS), town=TOWN, place=rng.choice(PLACES)))
    told = scene(rng)
    parts += told.statements
    parts += told_questions(rng, told)
    if rng.random() < 0.5:
        parts.append(rng.choice(_CLOSINGS))
    return " ".join(parts)


def stories(count: int, seed: int) -> Iterator[str]:
    """Yield ``count`` stories; the i-th depends on (seed, i) alone."""
    for index in range(count):
        yield story(random.Random(derive_seed(seed, "story", index)))


def story_about(rng: random.Random, name: str) -> str:
    """Tell a short story in which ``name`` acts, for the chat request "Tell me a story about ..."."""
    for _ in range(200):
        told = scene(rng)
        if any(name in statement.split() for statement in told.statements):
            break
    else:
        return f"{name} sat in the sun all day. {rng.choice(_CLOSINGS)}"
    weather = rng.choice(WEATHERS)
    opening = f"It was a {weather} day in {TOWN}."
    he = PERSON[name].pronoun.capitalize()
    feeling = rng.choice(("happy", "tired", "proud", "glad"))
    return " ".join([opening, *told.statements, f"{he} was {feeling}.", rng.choice(_CLOSINGS)])
