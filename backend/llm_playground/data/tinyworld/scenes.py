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
        kind: where, moved, who, color, found, gave, went, met, took, count, two; job, home, pet...
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


def _forms(template: str, mentioned: tuple[str, ...], every: tuple[str, ...]) -> tuple[str, ...]:
    """Return the candidate answers: the values the scene mentions, or all of their kind if it mentions one.

    Chance is taken over these, so a scene that offers two places is a harder thing to beat by luck than a
    scene from which only one could come.
    """
    return tuple(template.format(value) for value in (mentioned if len(mentioned) > 1 else every))


def _companion(rng: random.Random, name: str, thing: str) -> str:
    """Choose somebody else who may meet the thing in training text."""
    return rng.choice([other for other in NAMES if other != name and not is_held_out(other, thing)])


def where_scene(rng: random.Random, held_out: bool) -> Scene:
    """Somebody puts a thing into a holder, and may move it, or go somewhere, afterwards."""
    ((name, thing),) = choose_pairs(rng, 1, held_out, THINGS)
    holder, second = rng.sample(HOLDERS, 2)
    he = PERSON[name].pronoun
    statements = [f"{name} put the {thing} in the {holder}."]
    questions = [
        Question(
            "who",
            f"Who put the {thing} in the {holder}?",
            f"{name} put the {thing} in the {holder}.",
            _forms(f"{{}} put the {thing} in the {holder}.", (), NAMES),
        )
    ]
    mentioned: tuple[str, ...] = (holder,)
    kind, now = "where", holder
    draw = rng.random()
    if draw < 0.4:
        statements.append(f"Then {he} moved the {thing} to the {second}.")
        kind, now, mentioned = "moved", second, (holder, second)
    elif draw < 0.7:
        place = rng.choice(PLACES)
        statements.append(f"Then {he} went to the {place}.")
        questions.append(_went(name, place))
    questions.append(
        Question(
            kind,
            f"Where is the {thing}?",
            f"The {thing} is in the {now}.",
            _forms(f"The {thing} is in the {{}}.", mentioned, HOLDERS),
        )
    )
    return Scene(tuple(statements), tuple(questions))


def _went(name: str, place: str) -> Question:
    """Ask where somebody went."""
    return Question(
        "went",
        f"Where did {name} go?",
        f"{name} went to the {place}.",
        _forms(f"{name} went to the {{}}.", (), PLACES),
    )


def found_scene(rng: random.Random, held_out: bool) -> Scene:
    """Somebody finds a thing of some color somewhere, and may give it to somebody else."""
    ((name, thing),) = choose_pairs(rng, 1, held_out, THINGS)
    color, place = rng.choice(COLORS), rng.choice(PLACES)
    he = PERSON[name].pronoun.capitalize()
    statements = [f"{name} found a {color} {thing} at the {place}."]
    questions = [
        Question(
            "color",
            f"What color is the {thing}?",
            f"The {thing} is {color}.",
            _forms(f"The {thing} is {{}}.", (), COLORS),
        ),
        Question(
            "found",
            f"Where did {name} find the {thing}?",
            f"{name} found the {thing} at the {place}.",
            _forms(f"{name} found the {thing} at the {{}}.", (), PLACES),
        ),
    ]
    if rng.random() < 0.5:
        other = _companion(rng, name, thing)
        statements.append(f"{he} gave the {thing} to {other}.")
        questions.append(
            Question(
                "gave",
                f"Who has the {thing} now?",
                f"{other} has the {thing} now.",
                _forms(f"{{}} has the {thing} now.", (name, other), NAMES),
            )
        )
    return Scene(tuple(statements), tuple(questions))


def went_scene(rng: random.Random, held_out: bool) -> Scene:
    """Somebody takes a thing to a place and meets somebody there."""
    ((name, thing),) = choose_pairs(rng, 1, held_out, THINGS)
    place, other = rng.choice(PLACES), _companion(rng, name, thing)
    statements = (f"{name} took the {thing} to the {place}.", f"There {PERSON[name].pronoun} met {other}.")
    questions = (
        _went(name, place),
        Question(
            "met",
            f"Whom did {name} meet?",
            f"{name} met {other}.",
            _forms(f"{name} met {{}}.", (name, other), NAMES),
        ),
        Question(
            "took",
            f"What did {name} take to the {place}?",
            f"{name} took the {thing} to the {place}.",
            _forms(f"{name} took the {{}} to the {place}.", (), THINGS),
        ),
    )
    return Scene(statements, questions)


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
        _forms(f"{name} has {{}} {food}.", (), NUMBERS[2:]),
    )
    return Scene((f"{name} had {NUMBERS[start]} {food}.", deed), (question,))


def two_scene(rng: random.Random, held_out: bool) -> Scene:
    """Two people have a thing each: the only scene in which who and what must be bound to each other."""
    pairs = choose_pairs(rng, 2, held_out, THINGS)
    names, things = tuple(name for name, _ in pairs), tuple(thing for _, thing in pairs)
    questions = []
    for name, thing in pairs:
        answer = f"{name} has the {thing}."
        which, who = _forms(f"{name} has the {{}}.", things, THINGS), _forms(
            f"{{}} has the {thing}.", names, NAMES
        )
        questions.append(Question("two", f"What does {name} have?", answer, which))
        questions.append(Question("two", f"Who has the {thing}?", answer, who))
    return Scene(tuple(f"{name} has the {thing}." for name, thing in pairs), tuple(questions))


# The last kind needs a circuit that a model of a million parameters is slow to grow: it gets a smaller share.
SCENES = (
    *(where_scene, found_scene, went_scene, count_scene),
    *(where_scene, found_scene, went_scene, count_scene),
    two_scene,
)


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

    return [
        question("job", f"What does {name} do?", f"{name} is {_article(person.job)} {{}}.", "job"),
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


def introduction(name: str) -> str:
    """Say in one sentence who a person of the town is.

    >>> introduction("Leo").startswith("Leo is a")
    True
    """
    person = PERSON[name]
    return f"{name} is {_article(person.job)} {person.job} and lives on {person.home}."


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"
