"""Tokens that a model may never have learned: found from the tokenizer, from counts, and from embeddings.

The idea and the classes are those of Land and Bartolo 2024, "Fishing for Magikarp" (arXiv:2405.05417): a
token that no text becomes, or that the training text did not hold, keeps about the embedding it was
initialized with, and a model that meets it may do anything.
"""

from __future__ import annotations

import codecs
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy
from numpy.typing import NDArray

from llm_playground.core.errors import ConfigError, InputError
from llm_playground.tokenization.base import Tokenizer

REASONS = {
    "special": "a special token: text never becomes it, only the program writes it",
    "looks_special": "spelled like a special token, but text can become it",
    "partial": "holds only a part of a character, so that it cannot stand alone",
    "impossible": "its bytes occur in no UTF-8 text",
    "unreachable": "encoding its own text gives other tokens, whatever stands before it",
    "empty": "no token has this id, or it stands for nothing",
    "unseen": "does not occur in the texts that were counted",
    "low_norm": "its embedding is among the shortest, as of tokens that were never trained",
}
NORM_SHARE = 0.02  # Land and Bartolo look at the lowest 2 %
_SPECIAL_LOOKS = re.compile(
    r"\s?(?:<\|[^|<>]*\|>|</?s>|\[(?:UNK|PAD|MASK|CLS|SEP|BOS|EOS|unused\d+)\]"
    r"|</?(?:unk|pad|mask|bos|eos|sep|cls|unused|reserved|extra_id|special|start_of|end_of|fim)[^<>\s]*>)"
)
# What is put before a token's text, so that tokens which only continue a word, or follow one, can show up.
_BEFORE = ("a", ".", "\n", "1", "q", "zz", "é", "ж")


@dataclass(frozen=True)
class SuspiciousToken:
    """One token and why it is suspicious.

    Attributes:
        id: the token.
        text: what it stands for; bytes that are not UTF-8 show as U+FFFD.
        hex: its bytes in hexadecimal digits.
        reasons: keys of ``REASONS``.
        count: how often it was met in the texts that were counted, None without counts.
        norm: length of its embedding, None without embeddings.
    """

    id: int
    text: str
    hex: str
    reasons: tuple[str, ...]
    count: int | None = None
    norm: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return JSON data, the reasons in words too."""
        explained = [REASONS[reason] for reason in self.reasons]
        return {**vars(self), "reasons": list(self.reasons), "explanations": explained}


def suspicious_tokens(
    tokenizer: Tokenizer,
    counts: Mapping[int, int] | None = None,
    embeddings: Any = None,
    norm_share: float = NORM_SHARE,
) -> list[SuspiciousToken]:
    """List the tokens of a vocabulary that have at least one of ``REASONS``, by id.

    Args:
        tokenizer: whose vocabulary is looked at, token by token (some 30 microseconds each).
        counts: id -> occurrences in much text, such as ``Coverage.counts``; without, none is ``unseen``.
        embeddings: the input embeddings of a model, [ids, width]: a numpy array or a torch tensor.
        norm_share: the share of embeddings that counts as the shortest.

    Raises:
        InputError: the embeddings do not fit the vocabulary.
        ConfigError: ``norm_share`` is not between 0 and 1.
    """
    if not 0 <= norm_share <= 1:
        raise ConfigError(f"norm_share: {norm_share} is not between 0 and 1.", field="norm_share")
    norms = None if embeddings is None else _norms(embeddings, tokenizer.vocab_size)
    shortest: set[int] = set()
    if norms is not None:
        shortest = set(numpy.argsort(norms, kind="stable")[: math.ceil(norm_share * len(norms))].tolist())
    special = set(tokenizer.special_tokens.values())
    found = []
    for token in range(tokenizer.vocab_size):
        try:
            value = tokenizer.token_bytes(token)
        except InputError:
            value = b""
        reasons = _look(tokenizer, token, value, token in special)
        if counts is not None and not counts.get(token) and token not in special:
            reasons.append("unseen")
        if token in shortest:
            reasons.append("low_norm")
        if reasons:
            count = None if counts is None else int(counts.get(token, 0))
            norm = None if norms is None else float(norms[token])
            text = value.decode("utf-8", errors="replace")
            found.append(SuspiciousToken(token, text, value.hex(), tuple(reasons), count, norm))
    return found


def _look(tokenizer: Tokenizer, token: int, value: bytes, special: bool) -> list[str]:
    """Return the reasons that the tokenizer itself gives."""
    if special:
        return ["special"]
    if not value:
        return ["empty"]
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return ["partial"] if _can_occur(value) else ["partial", "impossible"]
    reasons = ["looks_special"] if _SPECIAL_LOOKS.fullmatch(text) else []
    return reasons if _reachable(tokenizer, token, text) else [*reasons, "unreachable"]


def _reachable(tokenizer: Tokenizer, token: int, text: str) -> bool:
    if tokenizer.encode_ordinary(text) == [token]:
        return True
    for before in _BEFORE:
        place = len(before.encode())
        if any(span.id == token and span.byte_end > place for span in tokenizer.spans(before + text)):
            return True
    return False


def _can_occur(value: bytes) -> bool:
    """Say whether some UTF-8 text holds these bytes: the end of a character, whole ones, and a beginning."""
    tail = value.lstrip(bytes(range(0x80, 0xC0)))
    if len(value) - len(tail) > 3:
        return False
    try:
        codecs.getincrementaldecoder("utf-8")().decode(tail)
    except UnicodeDecodeError:
        return False
    return True


def _norms(embeddings: Any, vocab_size: int) -> NDArray[numpy.float64]:
    if hasattr(embeddings, "detach"):
        embeddings = embeddings.detach().float().cpu().numpy()
    matrix = numpy.asarray(embeddings, dtype=numpy.float64)
    if matrix.ndim != 2 or len(matrix) < vocab_size:
        raise InputError(
            f"The embeddings have the shape {list(matrix.shape)}; {vocab_size} rows are needed, one an id.",
            field="embeddings",
        )
    return numpy.asarray(numpy.linalg.norm(matrix[:vocab_size], axis=1))
