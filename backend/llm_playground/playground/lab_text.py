"""Parts of a text by its tokens: lines, sentences and turns, against which attention is measured."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

_SENTENCE_END = re.compile(r"[.!?…。！？]+[\"'”’)\]]*(?=\s|$)|\n{2,}")
_TURNS = re.compile(
    r"<\|im_start\|>|<\|start_header_id\|>|<start_of_turn>|\[INST\]|<\|(?:user|assistant|system)\|>"
)


def segments(text: str, tokens: Sequence[Mapping[str, Any]]) -> dict[str, list[int]]:
    """Return which line, sentence and turn of a conversation each token is in, counted from 0.

    A token belongs to where its last character stands, so that a space before a word goes with the word. A
    kind of which the text has only one is left out, for nothing can be told apart by it.

    Args:
        text: the text.
        tokens: start and end of each.

    Returns:
        ``line``, ``sentence``, ``turn`` -> number for each token.

    Example::

        segments("Hi. Go!", [{"start": 0, "end": 3}, {"start": 3, "end": 6}, {"start": 6, "end": 7}])
        # {"sentence": [0, 1, 1]}
    """
    cuts = {
        "line": [match.end() for match in re.finditer("\n", text)],
        "sentence": [match.end() for match in _SENTENCE_END.finditer(text)],
        "turn": [match.start() for match in _TURNS.finditer(text)],
    }
    last = [max(int(token["start"]), int(token["end"]) - 1) for token in tokens]
    found = {}
    for kind, places in cuts.items():
        begins = [0] * (len(text) + 1)
        for place in places:
            begins[place] += 1
        number = list(accumulate(begins))
        of_tokens = [number[min(place, len(text))] for place in last]
        kinds = {value: order for order, value in enumerate(dict.fromkeys(of_tokens))}
        if len(kinds) > 1:
            found[kind] = [kinds[value] for value in of_tokens]
    return found
