"""Scenes: a few statements with a state behind them, from which stories are told and questions asked.

A scene is the smallest thing in which something is true: who put what where, who has what, how many there
are. Stories string scenes together; questions are asked about the same scenes, so that what pre-training
reads and what fine-tuning asks is one language.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from llm_playground.data.tinyworld.world import (
    COLORS,
    FOODS,
    HOLDERS,
    NAMES,
    NUMBERS,
    PERSON,
    PLACES,
    THINGS,
    is_held_out,
)


@dataclass(frozen=True)
class Question:
    """A question with its checkable answer.

    Attributes:
        kind: where, moved, who, color, count, went, pet...
        text: the question itself.
        answer: the one right answer, a full sentence.
        candidates: answers that would have the right form; their number gives chance.
    """

    kind: str
    text: str
    answer: str
    candidates: tuple[str, ...]


@dataclass(frozen=True)
class Scene:
    """Statements and the questions they answer.

    Attributes:
        statements: sentences in order.
        questions: what can be asked afterwards.
    """

    statements: tuple[str, ...]
    questions: tuple[Question, ...]


def choose_pairs(
    rng: random.Random, count: int, held_out: bool, pool: tuple[str, ...]
) -> list[tuple[str, str]]:
    """Choose (person, thing) pairs with all persons and all things different, all on one side of the split.

    Besides the pairs themselves, every cross pair of a training scene must be a training pair too, so that a
    held-out pair never meets in one scene by accident.
    """
    while True:
        names, things = rng.sample(NAMES, count), rng.sample(pool, count)
        if held_out:
            if all(is_held_out(name, thing) for name, thing in zip(names, things, strict=True)):
                return list(zip(names, things, strict=True))
        elif not any(is_held_out(name, thing) for name in names for thing in things):
            return list(zip(names, things, strict=True))


def where_scene(rng: random.Random, held_out: bool) -> Scene:
    """Two people put two things into two holders; one of the things may be moved afterwards."""
    (first, thing_a), (second, thing_b) = choose_pairs(rng, 2, held_out, THINGS)
    holder_a, holder_b, holder_c = rng.sample(HOLDERS, 3)
    verb = rng.choice(("put", "hid", "left"))
    statements = [f"{first} {verb} the {thing_a} in the {holder_a}."]
    statements.append(f"{second} {verb} the {thing_b} in the {holder_b}.")
    if rng.random() < 0.5:
        statements.reverse()
    places = {thing_a: holder_a, thing_b: holder_b}
    kind = "where"
    if rng.random() < 0.4:
        mover, moved = rng.choice(((first, thing_a), (second, thing_b)))
        statements.append(f"Then {mover} moved the {moved} to the {holder_c}.")
        places[moved] = holder_c
        kind = "moved"
    holders = tuple(dict.fromkeys((holder_a, holder_b, *([holder_c] if kind == "moved" else []))))
    questions = [
        Question(
            kind,
            f"Where is the {thing}?",
            f"The {thing} is in the {place}.",
            tuple(f"The {thing} is in the {holder}." for holder in holders),
        )
        for thing, place in places.items()
    ]
    questions += [
        Question(
            "who",
            f"Who {verb} the {thing} in the {holder}?",
            f"{name} {verb} the {thing} in the {holder}.",
            tuple(f"{other} {verb} the {thing} in the {holder}." for other in (first, second)),
        )
        for name, thing, holder in ((first, thing_a, holder_a), (second, thing_b, holder_b))
    ]
    return Scene(tuple(statements), tuple(questions))


def has_scene(rng: random.Random, held_out: bool) -> Scene:
    """Two people have a thing of some color each; one may give it to the other."""
    (first, thing_a), (second, thing_b) = choose_pairs(rng, 2, held_out, THINGS)
    color_a, color_b = rng.sample(COLORS, 2)
    verb = rng.choice(("has", "found", "bought"))
    statements = [f"{first} {verb} a {color_a} {thing_a}.", f"{second} {verb} a {color_b} {thing_b}."]
    if rng.random() < 0.5:
        statements.reverse()
    questions = [
        Question(
            "color",
            f"What color is the {thing}?",
            f"The {thing} is {color}.",
            tuple(f"The {thing} is {other}." for other in (color_a, color_b)),
        )
        for thing, color in ((thing_a, color_a), (thing_b, color_b))
    ]
    questions += [
        Question(
            "who",
            f"Who {verb} the {thing}?",
            f"{name} {verb} the {thing}.",
            tuple(f"{other} {verb} the {thing}." for other in (first, second)),
        )
        for name, thing in ((first, thing_a), (second, thing_b))
    ]
    return Scene(tuple(statements), tuple(questions))


def went_scene(rng: random.Random, held_out: bool) -> Scene:
    """Two people carry two things to two places."""
    (first, thing_a), (second, thing_b) = choose_pairs(rng, 2, held_out, THINGS)
    place_a, place_b = rng.sample(PLACES, 2)
    statements = [
        f"{first} took the {thing_a} to the {place_a}.",
        f"{second} took the {thing_b} to the {place_b}.",
    ]
    if rng.random() < 0.5:
        statements.reverse()
    questions = []
    for name, thing, place in ((first, thing_a, place_a), (second, thing_b, place_b)):
        questions.append(
            Question(
                "went",
                f"Where did {name} go?",
                f"{name} went to the {place}.",
                tuple(f"{name} went to the {other}." for other in (place_a, place_b)),
            )
        )
        questions.append(
            Question(
                "where",
                f"Where is the {thing}?",
                f"The {thing} is at the {place}.",
                tuple(f"The {thing} is at the {other}." for other in (place_a, place_b)),
            )
        )
    return Scene(tuple(statements), tuple(questions))


def count_scene(rng: random.Random, held_out: bool) -> Scene:
    """Somebody has some food, and gets more or gives some away: the sum is two to ten."""
    ((name, food),) = choose_pairs(rng, 1, held_out, FOODS)
    start, change = rng.randint(2, 6), rng.randint(1, 4)
    he = PERSON[name].pronoun.capitalize()
    if rng.random() < 0.5 or start - change < 2:
        total = start + change
        deed = rng.choice((f"{he} got {NUMBERS[change]} more.", f"{he} found {NUMBERS[change]} more."))
    else:
        total = start - change
        deed = rng.choice((f"{he} ate {NUMBERS[change]}.", f"{he} gave away {NUMBERS[change]}."))
    question = Question(
        "count",
        f"How many {food} does {name} have?",
        f"{name} has {NUMBERS[total]} {food}.",
        tuple(f"{name} has {number} {food}." for number in NUMBERS[2:]),
    )
    return Scene((f"{name} had {NUMBERS[start]} {food}.", deed), (question,))


SCENES = (where_scene, where_scene, has_scene, has_scene, went_scene, count_scene)


def scene(rng: random.Random, held_out: bool = False) -> Scene:
    """Draw a scene of any kind."""
    return rng.choice(SCENES)(rng, held_out)


def fact_questions(name: str) -> list[Question]:
    """List what can be asked about a person of the town without any scene: job, place, home, pet, food."""
    from llm_playground.data.tinyworld.world import PEOPLE

    person = PERSON[name]

    def question(kind: str, text: str, template: str, attribute: str) -> Question:
        values = dict.fromkeys(getattr(other, attribute) for other in PEOPLE)
        return Question(
            kind,
            text,
            template.format(getattr(person, attribute)),
            tuple(template.format(value) for value in values),
        )

    article = "an" if person.job[0] in "aeiou" else "a"
    return [
        question("job", f"What does {name} do?", f"{name} is {article} {{}}.", "job"),
        question("workplace", f"Where does {name} work?", f"{name} works at the {{}}.", "workplace"),
        question("home", f"Where does {name} live?", f"{name} lives on {{}}.", "home"),
        question(
            "pet",
            f"What is the name of {name}'s {person.pet}?",
            f"{name}'s {person.pet} is called {{}}.",
            "pet_name",
        ),
        question("food", f"What does {name} like to eat?", f"{name} likes {{}} best.", "likes"),
    ]
