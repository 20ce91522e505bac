"""One text through several tokenizers: how many tokens each makes, and which cuts are its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from llm_playground.tokenization.base import Tokenizer, TokenSpan


@dataclass(frozen=True)
class Compared:
    """What one of the tokenizers made of the text.

    Attributes:
        spans: its tokens in order.
        only_here: places in ``spans`` of the tokens that stand where no other tokenizer has a token.
        bytes_per_token, characters_per_token: of the text; None for an empty one.
    """

    spans: list[TokenSpan]
    only_here: list[int]
    bytes_per_token: float | None
    characters_per_token: float | None


def compare_tokenizers(tokenizers: Sequence[Tokenizer], text: str) -> list[Compared]:
    """Return what each tokenizer makes of a text, in which nothing is special.

    Raises:
        InputError: the text holds a lone surrogate, or something that a vocabulary cannot write.
    """
    made = [tokenizer.spans(text) for tokenizer in tokenizers]
    places = [[(span.byte_start, span.byte_end) for span in spans] for spans in made]
    holders = Counter(place for found in places for place in set(found))
    size = len(text.encode())
    return [
        Compared(
            spans,
            [index for index, place in enumerate(found) if holders[place] == 1],
            size / len(spans) if spans else None,
            len(text) / len(spans) if spans else None,
        )
        for spans, found in zip(made, places, strict=True)
    ]
