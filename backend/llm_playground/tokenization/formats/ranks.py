"""Rank files (``*.tiktoken``), each line a token in base64 and its rank; ``vocab.bpe`` with its vocabulary.

A rank file says neither how text is cut nor which special tokens there are. The published ones are recognised
by their SHA-256 (the hashes that tiktoken_ext/openai_public.py pins); any other needs ``pattern=``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from llm_playground.core.errors import InputError, StorageError
from llm_playground.core.files import read_json
from llm_playground.tokenization.alphabet import from_name
from llm_playground.tokenization.merging import NEVER, JoinedPairs, Merger, MergeStep, Pair
from llm_playground.tokenization.splitting import PATTERNS

if TYPE_CHECKING:
    from llm_playground.tokenization.bpe import BPETokenizer

Some = TypeVar("Some", bound="BPETokenizer")


@dataclass(frozen=True)
class Published:
    """What belongs to a published rank file.

    Attributes:
        name: as tiktoken calls it.
        pattern: name of the pattern that cuts its text.
        special_tokens: text -> id.
    """

    name: str
    pattern: str
    special_tokens: Mapping[str, int] = field(default_factory=dict)


_FIM = ("<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>")
PUBLISHED = {
    "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930": Published(
        "r50k_base", "gpt2", {"<|endoftext|>": 50256}
    ),
    "94b5ca7dff4d00767bc256fdd1b27e5b17361d7b8a5f968547f9f23eb70d2069": Published(
        "p50k_base", "gpt2", {"<|endoftext|>": 50256}
    ),
    "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7": Published(
        "cl100k_base",
        "cl100k",
        {
            "<|endoftext|>": 100257,
            **{token: 100258 + index for index, token in enumerate(_FIM)},
            "<|endofprompt|>": 100276,
        },
    ),
    "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d": Published(
        "o200k_base", "o200k", {"<|endoftext|>": 199999, "<|endofprompt|>": 200018}
    ),
}


def load_ranks(cls: type[Some], file: Path, pattern: str | None = None) -> Some:
    """Read a rank file.

    Args:
        pattern: how text is cut; needed unless the file is one of those published.

    Raises:
        InputError: the file is not known and no pattern is given, or the ranks cannot be right.
        StorageError: it is damaged; the line is named.
    """
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        raise InputError(f"The file {file} does not exist.") from None
    known = PUBLISHED.get(hashlib.sha256(data).hexdigest())
    if known is None and pattern is None:
        raise InputError(
            f"{file}: this rank file is not one of those published, and says not how its text is cut.",
            hint=f"Give pattern=..., one of {', '.join(PATTERNS)}.",
            field="pattern",
        )
    tokens: dict[int, bytes] = {}
    for number, line in enumerate(data.splitlines(), 1):
        if not line:
            continue
        try:
            content, rank = line.split()
            value, token = base64.b64decode(content, validate=True), int(rank)
        except (ValueError, binascii.Error):
            raise StorageError(f"{file} is damaged: line {number} is not a token and its rank.") from None
        if token in tokens or token < 0 or not value:
            raise StorageError(f"{file} is damaged: line {number} repeats a rank, or its token is empty.")
        tokens[token] = value
    if len(set(tokens.values())) != len(tokens):
        raise StorageError(f"{file} is damaged: a token occurs twice.")
    if not tokens:
        raise InputError(f"{file} holds no token.")
    specials = known.special_tokens if known is not None and pattern is None else {}
    return cls(tokens, None, specials, pattern or (known.pattern if known else "gpt2"))


def load_vocab_bpe(cls: type[Some], folder: Path, merges_name: str, vocab_name: str) -> Some:
    """Read GPT-2's two files: the merges as text and the vocabulary as JSON.

    Raises:
        InputError: a merge makes a token outside the vocabulary.
        StorageError: one of them is damaged.
    """
    vocab = read_json(folder / vocab_name)
    try:
        lines = (folder / merges_name).read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise StorageError(f"{folder / merges_name} is damaged: it is not UTF-8 text.") from None
    try:
        names = {name: int(token) for name, token in vocab.items() if not name.startswith("<|")}
        tokens = {token: from_name(name) for name, token in names.items()}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise StorageError(f"{folder / vocab_name} is damaged: {error}.") from None
    specials = {name: int(token) for name, token in vocab.items() if name.startswith("<|")}
    merges: list[Pair] = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or (number == 1 and line.startswith("#version")):
            continue
        pair = line.split(" ")
        if len(pair) != 2 or not {*pair, "".join(pair)} <= names.keys():
            raise InputError(
                f"{folder / merges_name} line {number}: {line!r:.60} is no merge of this vocabulary."
            )
        merges.append((names[pair[0]], names[pair[1]]))
    return cls(tokens, merges, specials)


def recover_merges(tokenizer: BPETokenizer) -> tuple[list[Pair], list[int]]:
    """Return (the last merge on the way to each token by rank, the tokens that merges cannot rebuild).

    Each token's bytes are merged with the lower ranks alone; where two parts are left they are its merge.
    """
    tokens = tokenizer.ordinary_tokens
    ranks = {value: token for token, value in tokens.items()}
    pairs = JoinedPairs(tokens, ranks)
    merges: list[Pair] = []
    lost: list[int] = []
    for token in sorted(tokens):
        value = tokens[token]
        if len(value) == 1:
            continue
        steps: list[MergeStep] = []
        merger = Merger(_Below(pairs, token), lambda rank: rank)
        parts = merger.merge([ranks[value[i : i + 1]] for i in range(len(value))], steps)
        if len(parts) == 2:
            merges.append((parts[0], parts[1]))
        else:
            lost.append(token)
    return merges, lost


class _Below(JoinedPairs):
    """Ranks below a limit."""

    def __init__(self, pairs: JoinedPairs, limit: int) -> None:
        dict.__init__(self)
        self._pairs, self._limit = pairs, limit

    def __missing__(self, pair: Pair) -> int:
        rank = self._pairs[pair]
        return rank if rank < self._limit else NEVER


def all_merges(tokenizer: BPETokenizer) -> list[Pair]:
    """Return every pair of tokens that joined are a token, ordered by that token's rank."""
    names = tokenizer.names
    contents: Mapping[int, bytes] = tokenizer.ordinary_tokens
    if names:
        contents = {token: name.encode() for token, name in names.items()}
    ranks = tokenizer.scores or {token: token for token in contents}
    ids = {value: token for token, value in contents.items()}
    merges: list[Pair] = []
    for token in sorted(ranks, key=ranks.__getitem__):
        value = contents[token]
        # -1 stands for no token, and has no rank.
        parts = ((ids.get(value[:cut], -1), ids.get(value[cut:], -1)) for cut in range(1, len(value)))
        found = [(left, right) for left, right in parts if left in ranks and right in ranks]
        merges += sorted(found, key=lambda pair: (ranks[pair[0]], ranks[pair[1]]))
    return merges


def to_ranks(tokenizer: BPETokenizer) -> str:
    """Return a rank file's text; ranks are the ids.

    Raises:
        InputError: the tokenizer's merges are not in the order of its ids, so ranks would give other ids.
    """
    if tokenizer.names:
        raise InputError("Rank files hold byte-level tokenizers only; this one is based on characters.")
    if tokenizer.has_listed_merges:
        tokens = tokenizer.ordinary_tokens
        ids = {value: token for token, value in tokens.items()}
        made = [ids[tokens[left] + tokens[right]] for left, right in tokenizer.merges]
        if made != sorted(set(made)):
            raise InputError("The merges are not in the order of the ids, so that ranks cannot hold them.")
    lines = (
        f"{base64.b64encode(value).decode()} {token}"
        for token, value in sorted(tokenizer.ordinary_tokens.items())
    )
    return "\n".join(lines) + "\n"
