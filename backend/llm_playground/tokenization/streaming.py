"""Decoding a stream of ids without ever breaking a character."""

from __future__ import annotations

import codecs

from llm_playground.tokenization.base import Tokenizer


class StreamDecoder:
    """Turn ids into text as they come; bytes of an unfinished character wait for the rest.

    The parts joined are what ``tokenizer.decode`` gives for all the ids.

    Args:
        tokenizer: whose ids they are.
        continues: the ids go on from other text, so that a first space belongs to them; else it is the one
            that some tokenizers put before a text, and is left out.
    """

    def __init__(self, tokenizer: Tokenizer, *, continues: bool = False) -> None:
        self._tokenizer = tokenizer
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._drop_space = tokenizer.adds_space and not continues

    def push(self, token: int) -> str:
        """Take an id; return the whole characters that are now known (maybe none)."""
        return self._shown(self._decoder.decode(self._tokenizer.token_bytes(token)))

    def flush(self) -> str:
        """End the stream: bytes that never became a character come out as U+FFFD."""
        return self._shown(self._decoder.decode(b"", final=True))

    def _shown(self, text: str) -> str:
        if self._drop_space and text:
            self._drop_space = False
            return text.removeprefix(" ")
        return text
