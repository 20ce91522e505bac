"""Checkers: whether an answer is right, decided by rules alone."""

from __future__ import annotations

import re
import unicodedata


def normalize(text: str) -> str:
    """Lower the case, drop punctuation at word edges, and join words by single spaces.

    >>> normalize("  The ball is in the  BOX. ")
    'the ball is in the box'
    """
    words = unicodedata.normalize("NFC", text).lower().split()
    stripped = (re.sub(r"^\W+|\W+$", "", word) for word in words)
    return " ".join(word for word in stripped if word)


def exact(answer: str, expected: str) -> bool:
    """Say whether two answers are the same sentence, but for case, spacing and punctuation at word edges."""
    return normalize(answer) == normalize(expected)


def reward(answer: str, expected: str) -> float:
    """Return the verifiable reward in [0, 1]: 1 if exact, else the share of a right answer's words, halved.

    The partial part lets reinforcement learning start from a model that is not yet right.
    """
    if exact(answer, expected):
        return 1.0
    given, wanted = normalize(answer).split(), normalize(expected).split()
    if not given or not wanted:
        return 0.0
    same = sum(a == b for a, b in zip(given, wanted, strict=False))
    return 0.5 * same / max(len(given), len(wanted))
