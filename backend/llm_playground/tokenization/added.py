"""Added tokens: texts that are found before anything else, special ones by tiktoken's rule."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from llm_playground.core.errors import InputError
from llm_playground.tokenization.base import Special
from llm_playground.tokenization.splitting import class_ranges


@dataclass(frozen=True)
class AddedToken:
    """One added token, with the flags of ``tokenizer.json``.

    Attributes:
        text: what it stands for.
        id: its token id.
        special: made from text only where that is allowed.
        lstrip, rstrip: takes the white space before or after it along.
        normalized: is looked for in the normalized text.
    """

    text: str
    id: int
    special: bool = True
    lstrip: bool = False
    rstrip: bool = False
    normalized: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the entry of ``added_tokens``."""
        return {
            "id": self.id,
            "content": self.text,
            "single_word": False,
            "lstrip": self.lstrip,
            "rstrip": self.rstrip,
            "normalized": self.normalized,
            "special": self.special,
        }


class AddedTokens:
    """The added tokens of a tokenizer.

    Args:
        tokens: in the order in which they are saved.

    Raises:
        InputError: an empty text, or a text or id used twice.
    """

    def __init__(self, tokens: Sequence[AddedToken]) -> None:
        self._tokens = sorted(tokens, key=lambda token: token.id)
        self.by_text = {token.text: token for token in self._tokens}
        self.by_id = {token.id: token for token in self._tokens}
        if "" in self.by_text or not len(self._tokens) == len(self.by_text) == len(self.by_id):
            raise InputError("The added tokens are wrong: a text is empty, or a text or an id is used twice.")
        self.special = frozenset(token.text for token in self._tokens if token.special)
        self.always = frozenset(token.text for token in self._tokens if not token.special)
        self._patterns: dict[frozenset[str], re.Pattern[str] | None] = {}

    def __iter__(self) -> Iterator[AddedToken]:
        return iter(self._tokens)

    def _pattern(self, texts: frozenset[str]) -> re.Pattern[str] | None:
        """Return the pattern that finds any of the texts, the longest first, None for none."""
        if texts not in self._patterns:
            if len(self._patterns) > 64:
                self._patterns.clear()
            space = f"[{class_ranges('w')}]*" if texts else ""
            parts = [
                (space if token.lstrip else "") + f"({re.escape(text)})" + (space if token.rstrip else "")
                for text in sorted(texts, key=lambda text: (-len(text), text))
                if (token := self.by_text[text])
            ]
            self._patterns[texts] = re.compile("|".join(parts)) if parts else None
        return self._patterns[texts]

    def split(
        self, text: str, allowed: Special, disallowed: Special
    ) -> Iterator[tuple[str, AddedToken | None, int]]:
        """Yield (part of the text, the added token that it is or None, where it begins), in order.

        Args:
            allowed: special tokens to find.
            disallowed: special tokens that may not occur, less the allowed ones.

        Raises:
            InputError: the text holds one that is disallowed.
        """
        wanted = self.special if allowed == "all" else self.special & frozenset(allowed)
        barred = (self.special if disallowed == "all" else self.special & frozenset(disallowed)) - wanted
        if barred and (pattern := self._pattern(barred)) and (match := pattern.search(text)):
            raise InputError(
                f"The text contains the special token {match[0].strip()!r}.",
                hint="Pass it in allowed_special to encode it as that token.",
                field="text",
            )
        pattern, end = self._pattern(wanted | self.always), 0
        for match in pattern.finditer(text) if pattern is not None else ():
            if match.start() > end:
                yield text[end : match.start()], None, end
            yield match[0], self.by_text[match[match.lastindex or 0]], match.start()
            end = match.end()
        if end < len(text):
            yield text[end:], None, end
