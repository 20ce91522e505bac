"""A tokenizer as a file for other programs, offered only after it was read back and gave the same ids.

The check encodes texts of single tokens, and random mixtures of tokens, of characters of all planes, of white
space and digits, with a fresh seed each time. A ``tokenizer.json`` is read back twice: by this package and by
the library ``tokenizers``.
"""

from __future__ import annotations

import random
import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pydantic_core

from llm_playground.core.errors import InputError, LLMPError
from llm_playground.tokenization.base import Tokenizer
from llm_playground.tokenization.bpe import TOKENIZER_FILE, BPETokenizer
from llm_playground.tokenization.formats.ranks import all_merges, load_ranks, recover_merges, to_ranks
from llm_playground.tokenization.formats.tokenizer_json import to_json
from llm_playground.tokenization.hf import HFTokenizer

ExportFormat = Literal["tokenizer.json", "tiktoken"]
FORMATS: dict[ExportFormat, str] = {"tokenizer.json": "application/json", "tiktoken": "text/plain"}
_TOKENS, _MIXTURES = 20_000, 400  # texts to compare, at most
_PARTS = (" ", "  ", "\n", "\r\n", "\t", "\u00a0", "0", "123", "12345", "'s", "'LL", "});", "é", "e\u0301")
_PLANES = ((0x20, 0x7F), (0x80, 0x800), (0x800, 0xD800), (0xE000, 0x10000), (0x10000, 0x20000), (0, 0xD800))
# What makes parts of characters whole: first bytes, as scripts have them, and last ones.
_FIRST = (
    "c3 c2 ce d0 d1 d7 d8 d9 e0a4 e0b8 e2 e280 e3 e381 e382 e4 e4b8 e5 ec ec9d f0 f09f f09f98 f09f99 f09f91"
)
_LAST = "80 90 a0 a9 b0 8080 9080 a080 a480 b880 808080 908080 9f9880"
_BEFORE = (b"", *map(bytes.fromhex, _FIRST.split()))
_AFTER = (b"", *map(bytes.fromhex, _LAST.split()))
_HINT = "Export it as tokenizer.json."


@dataclass(frozen=True)
class Exported:
    """A file that gives the tokenizer's ids.

    Attributes:
        format: of the file.
        data: its content.
        checked: how many texts had the same ids when the file was read back.
        lost: ids of tokens that merges cannot rebuild; text becomes them only as a whole piece, if at all.
    """

    format: ExportFormat
    data: bytes
    checked: int
    lost: tuple[int, ...]


def export_tokenizer(tokenizer: Tokenizer, format: ExportFormat, seed: int | None = None) -> Exported:
    """Write a tokenizer as a file and check it.

    Args:
        format: ``tokenizer.json``, or ``tiktoken``: ranks, without special tokens and the pattern.
        seed: of the texts compared; fresh by default.

    Raises:
        InputError: the format cannot hold this tokenizer.
    """
    seed = secrets.randbits(32) if seed is None else seed
    data = _ranks(tokenizer) if format == "tiktoken" else _json(tokenizer)
    special = () if format == "tiktoken" else tuple(tokenizer.special_tokens)
    texts = [*fuzz_texts(tokenizer, random.Random(seed), special)]
    expected = [_ids(tokenizer, text, special) for text in texts]
    for reader in _read_back(tokenizer, format, data):
        for text, ids in zip(texts, expected, strict=True):
            if _ids(reader, text, special) != ids:
                raise InputError(
                    f"{format} cannot hold this tokenizer: read back, it gives other ids for {text!r:.80}.",
                    hint=f"The seed of this check was {seed}.",
                    field="format",
                )
    return Exported(format, data, len(texts), lost_tokens(tokenizer))


def lost_tokens(tokenizer: Tokenizer) -> tuple[int, ...]:
    """Return the tokens of a BPE that its merges cannot rebuild; none for other kinds."""
    if not isinstance(tokenizer, BPETokenizer):
        return ()
    if not tokenizer.has_listed_merges and not tokenizer.names:
        return tuple(recover_merges(tokenizer)[1])
    tokens = tokenizer.ordinary_tokens
    contents = tokenizer.names or tokens
    merges = tokenizer.merges if tokenizer.has_listed_merges else all_merges(tokenizer)
    made = {contents[left] + contents[right] for left, right in merges}  # type: ignore[operator]
    return tuple(
        token
        for token, content in sorted(contents.items())
        if content not in made and len(content) > 1 and len(tokens[token]) > 1
    )


def fuzz_texts(tokenizer: Tokenizer, rng: random.Random, special: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield texts to compare tokenizers by: single tokens, and mixtures of tokens and characters.

    Args:
        rng: where chance comes from.
        special: special tokens that mixtures may hold.
    """
    tokens = range(tokenizer.vocab_size)
    for token in rng.sample(tokens, min(len(tokens), _TOKENS)):
        yield from _texts(tokenizer, token)
    for _ in range(_MIXTURES):
        yield "".join(_part(tokenizer, rng, special) for _ in range(rng.randint(1, 40)))


def _part(tokenizer: Tokenizer, rng: random.Random, special: tuple[str, ...]) -> str:
    kind = rng.random()
    if kind < 0.4:
        return rng.choice(_texts(tokenizer, rng.randrange(tokenizer.vocab_size)) or [""])
    if kind < 0.7:
        return rng.choice(_PARTS) * rng.choice((1, 1, 1, 2, 7))
    if kind < 0.75 and special:
        return rng.choice(special)
    low, high = rng.choice(_PLANES)
    return "".join(chr(rng.randrange(low, high)) for _ in range(rng.randint(1, 4)))


def _texts(tokenizer: Tokenizer, token: int) -> list[str]:
    """Return texts that hold an ordinary token: its own, or those that make its parts of characters whole."""
    try:
        value = tokenizer.token_bytes(token)
    except InputError:
        return []
    if not value or (len(value) == 1 and value >= b"\x80"):  # bytes of characters, which mixtures hold
        return []
    found = []
    for before in _BEFORE if 0x80 <= value[0] < 0xC0 else _BEFORE[:1]:
        for after in _AFTER if value[-1] >= 0x80 else _AFTER[:1]:
            with suppress(UnicodeDecodeError):
                found.append((before + value + after).decode())
    return [text for text in found if text and text not in tokenizer.special_tokens]


def _ids(tokenizer: Tokenizer, text: str, special: tuple[str, ...]) -> list[int] | None:
    """Return the ids of a text, None where the vocabulary cannot write it."""
    try:
        return tokenizer.encode(text, special, ())
    except InputError:
        return None


def _json(tokenizer: Tokenizer) -> bytes:
    if isinstance(tokenizer, BPETokenizer):
        return pydantic_core.to_json(to_json(tokenizer), indent=2)
    assert isinstance(tokenizer, HFTokenizer)
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save(folder)
        return (Path(folder) / TOKENIZER_FILE).read_bytes()


def _ranks(tokenizer: Tokenizer) -> bytes:
    if not isinstance(tokenizer, BPETokenizer):
        raise _cannot("is not a byte-level BPE")
    if tokenizer.normalizer is not None:
        raise _cannot("changes the text before it is cut")
    if tokenizer.added.always:
        raise _cannot("has added tokens that are not special")
    if tokenizer.split_pattern is None and not tokenizer.names:
        raise _cannot("cuts text by no pattern that has a name")
    try:
        return to_ranks(tokenizer).encode()
    except InputError as error:
        raise InputError(error.message, hint=_HINT, field="format") from None


def _cannot(why: str) -> InputError:
    return InputError(f"A rank file cannot hold this tokenizer, as it {why}.", hint=_HINT, field="format")


def _read_back(tokenizer: Tokenizer, format: ExportFormat, data: bytes) -> Iterator[Tokenizer]:
    """Yield what readers make of the file."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / ("ranks.tiktoken" if format == "tiktoken" else TOKENIZER_FILE)
        file.write_bytes(data)
        readers: list[Callable[[], Tokenizer]] = [lambda: HFTokenizer.from_file(file)]
        if isinstance(tokenizer, BPETokenizer):
            readers.insert(0, lambda: BPETokenizer.load(file))
            if format == "tiktoken":
                pattern = tokenizer.split_pattern
                name = pattern.name if pattern is not None else None
                readers = [lambda: load_ranks(BPETokenizer, file, name)]
        for read in readers:
            try:
                yield read()
            except LLMPError as error:
                raise InputError(
                    f"{format} cannot hold this tokenizer: the file that was written cannot be read back.",
                    hint=error.message.replace(str(file), file.name),
                    field="format",
                ) from None
