"""Decoding a stream of ids without ever breaking a character."""

from __future__ import annotations

import codecs

from llm_playground.tokenization.bpe import BPETokenizer


class StreamDecoder:
    """Turn ids into text as they come; bytes of an unfinished character wait for the rest.

    Args:
        tokenizer: whose ids they are.
    """

    def __init__(self, tokenizer: BPETokenizer) -> None:
        self._tokenizer = tokenizer
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def push(self, token: int) -> str:
        """Take an id; return the whole characters that are now known (maybe none)."""
        return self._decoder.decode(self._tokenizer.token_bytes(token))

    def flush(self) -> str:
        """End the stream: bytes that never became a character come out as U+FFFD."""
        return self._decoder.decode(b"", final=True)
