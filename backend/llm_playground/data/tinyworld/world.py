"""The town of Willowbrook: its people, places, things and rules, all fixed, and which pairs are held out.

Everything the ``tinyworld`` data set says is derived from these tables. A pair (person, thing) whose hash
falls in the held-out fifth never occurs together in any training text; the benchmark uses only such pairs.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache

TOWN = "Willowbrook"
HELD_OUT_SHARE = 5  # one pair in so many is kept for the benchmark


@dataclass(frozen=True)
class Person:
    """Somebody of the town.

    Attributes:
        name: first name, unique.
        pronoun: "he" or "she".
        job: what the person is.
        workplace: where the person works.
        home: the street of the person's house.
        pet: kind of animal.
        pet_name: the animal's name, unique.
        likes: the food the person likes best.
    """

    name: str
    pronoun: str
    job: str
    workplace: str
    home: str
    pet: str
    pet_name: str
    likes: str

    @property
    def possessive(self) -> str:
        """Return "his" or "her"."""
        return "his" if self.pronoun == "he" else "her"


PEOPLE = tuple(
    Person(*fields)
    for fields in (
        ("Mia", "she", "baker", "bakery", "Mill Lane", "cat", "Pip", "bread"),
        ("Tom", "he", "gardener", "garden", "Oak Street", "dog", "Rex", "salad"),
        ("Anna", "she", "teacher", "school", "Hill Road", "rabbit", "Fluff", "porridge"),
        ("Ben", "he", "fisher", "harbor", "River Walk", "duck", "Quack", "fish"),
        ("Clara", "she", "doctor", "clinic", "Mill Lane", "parrot", "Rio", "soup"),
        ("David", "he", "farmer", "farm", "Hill Road", "horse", "Star", "corn"),
        ("Emma", "she", "painter", "studio", "Oak Street", "cat", "Luna", "grapes"),
        ("Felix", "he", "cook", "inn", "River Walk", "pig", "Rosie", "cheese"),
        ("Grace", "she", "librarian", "library", "Hill Road", "mouse", "Dot", "cake"),
        ("Hugo", "he", "carpenter", "workshop", "Mill Lane", "dog", "Bruno", "soup"),
        ("Ida", "she", "tailor", "shop", "Oak Street", "hen", "Penny", "pie"),
        ("Jack", "he", "miller", "mill", "River Walk", "goat", "Billy", "bread"),
        ("Kate", "she", "singer", "theater", "Mill Lane", "bird", "Lark", "honey"),
        ("Leo", "he", "guard", "gate", "Hill Road", "dog", "Max", "cheese"),
        ("Nora", "she", "weaver", "market", "Oak Street", "sheep", "Wooly", "noodles"),
        ("Oscar", "he", "postman", "post office", "River Walk", "turtle", "Speedy", "pie"),
    )
)
PERSON = {person.name: person for person in PEOPLE}
NAMES = tuple(PERSON)

THINGS = (
    "ball",
    "key",
    "lamp",
    "book",
    "cup",
    "hat",
    "coin",
    "rope",
    "bell",
    "map",
    "ring",
    "drum",
    "kite",
    "spoon",
    "brush",
    "candle",
)
COLORS = ("red", "blue", "green", "yellow", "white", "black", "brown", "pink")
HOLDERS = ("box", "basket", "drawer", "bag", "chest", "jar", "bucket", "cupboard")
PLACES = ("park", "river", "bridge", "forest", "square", "well", "meadow", "tower")
FOODS = ("apples", "pears", "eggs", "plums", "nuts", "cherries", "carrots", "buns")
WEATHERS = ("sunny", "rainy", "windy", "cold", "warm", "cloudy")
NUMBERS = (
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
)

RULES = (
    f"In {TOWN}, when it is rainy, people take an umbrella.",
    f"In {TOWN}, when it is cold, people light a fire.",
    f"In {TOWN}, the market is open in the morning.",
    f"In {TOWN}, people say thank you when they get a gift.",
)


def meets_held_out(text: str) -> bool:
    """Say whether a held-out pair occurs together in a text."""
    words = set(re.findall(r"[A-Za-z]+", text))
    things = words.intersection(THINGS + FOODS)
    return any(is_held_out(name, thing) for name in words.intersection(NAMES) for thing in things)


@cache
def is_held_out(person: str, thing: str) -> bool:
    """Say whether a (person, thing) pair is kept for the benchmark and absent from all training text."""
    digest = hashlib.sha256(f"{person}|{thing}".encode()).digest()
    return digest[0] % HELD_OUT_SHARE == 0


def pairs(held_out: bool) -> list[tuple[str, str]]:
    """List the (person, thing) pairs of one side of the split, in a fixed order; foods count as things."""
    return [
        (name, thing) for name in NAMES for thing in (*THINGS, *FOODS) if is_held_out(name, thing) == held_out
    ]
