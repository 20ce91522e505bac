"""The vocabulary of a GGUF file (github.com/ggml-org/ggml, docs/gguf.md); only metadata is read."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from llm_playground.core.errors import InputError, StorageError
from llm_playground.tokenization.added import AddedToken
from llm_playground.tokenization.alphabet import from_name
from llm_playground.tokenization.formats.tokenizer_json import spelled
from llm_playground.tokenization.pipeline import META
from llm_playground.tokenization.splitting import PATTERNS

if TYPE_CHECKING:
    from llm_playground.tokenization.bpe import BPETokenizer

Some = TypeVar("Some", bound="BPETokenizer")
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_MOST = 10_000_000  # entries of an array or bytes of a string that are believed
# llama.cpp's token types (include/llama.h).
_UNKNOWN, _CONTROL, _USER, _BYTE = 2, 3, 4, 6
# tokenizer.ggml.pre -> our pattern; the names are llama.cpp's (src/llama-vocab.cpp).
PRE = {
    "default": "gpt2",
    "gpt-2": "gpt2",
    "gpt2": "gpt2",
    "phi-2": "gpt2",
    "mpt": "gpt2",
    "olmo": "gpt2",
    "jais": "gpt2",
    "llama3": "cl100k",
    "llama-v3": "cl100k",
    "llama-bpe": "cl100k",
    "dbrx": "cl100k",
    "smaug-bpe": "cl100k",
    "qwen2": "qwen2",
    "stablelm2": "qwen2",
    "deepseek-r1-qwen": "qwen2",
    "gpt-4o": "o200k",
    "llama4": "o200k",
}
_DIGITS_FIRST = {"starcoder", "refact", "command-r", "smollm", "codeshell", "exaone", "minerva-7b"}


class _Reader:
    """Little-endian values of a file, one after another."""

    def __init__(self, data: Any, file: Path) -> None:
        self.data, self.file, self.place = data, file, 0

    def take(self, size: int) -> bytes:
        if size > _MOST * 8 or self.place + size > len(self.data):
            raise StorageError(f"{self.file} is damaged: it ends within its metadata.")
        self.place += size
        return bytes(self.data[self.place - size : self.place])

    def scalar(self, code: str) -> Any:
        return struct.unpack("<" + code, self.take(struct.calcsize("<" + code)))[0]

    def string(self) -> str:
        return self.take(self.scalar("Q")).decode("utf-8", errors="replace")

    def value(self, kind: int) -> Any:
        if kind in _SCALARS:
            return self.scalar(_SCALARS[kind])
        if kind == _STRING:
            return self.string()
        if kind != _ARRAY:
            raise StorageError(f"{self.file} is damaged: {kind} is not a type of value.")
        item, count = self.scalar("I"), self.scalar("Q")
        if count > _MOST:
            raise StorageError(f"{self.file} is damaged: an array of {count} entries.")
        if item in _SCALARS:
            size = struct.calcsize("<" + _SCALARS[item])
            return list(struct.unpack(f"<{count}{_SCALARS[item]}", self.take(size * count)))
        return [self.value(item) for _ in range(count)]


def read_metadata(file: Path) -> dict[str, Any]:
    """Return the key/value pairs of a GGUF file.

    Raises:
        InputError: it does not exist, or is not GGUF of version 2 or 3.
        StorageError: it is damaged.
    """
    if not file.is_file():
        raise InputError(f"The file {file} does not exist.")
    if file.stat().st_size < 24:
        raise InputError(f"{file} is not a GGUF file.")
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
        reader = _Reader(data, file)
        if reader.take(4) != b"GGUF":
            raise InputError(f"{file} is not a GGUF file.")
        version = reader.scalar("I")
        if version not in (2, 3):
            raise InputError(f"{file}: GGUF version {version} is not supported; versions 2 and 3 are.")
        reader.scalar("Q")  # number of tensors
        pairs: dict[str, Any] = {}
        for _ in range(reader.scalar("Q")):
            key = reader.string()
            pairs[key] = reader.value(reader.scalar("I"))
        return pairs


def load_gguf(cls: type[Some], file: Path, pattern: str | None = None) -> Some:
    """Read the BPE of a GGUF file: byte-level by ``tokenizer.ggml.pre``, SentencePiece's by its scores.

    Args:
        pattern: how text is cut, where ``pre`` is not known.

    Raises:
        InputError: another kind of tokenizer, or an unknown ``pre`` and no pattern.
        StorageError: the file is damaged.
    """
    data = read_metadata(file)
    kind, tokens = data.get("tokenizer.ggml.model"), data.get("tokenizer.ggml.tokens")
    if not tokens:
        raise InputError(f"{file} holds no vocabulary (tokenizer.ggml.tokens).")
    types = data.get("tokenizer.ggml.token_type") or [1] * len(tokens)
    roles = {
        role: tokens[data[key]]
        for role, name in (("bos", "bos"), ("eos", "eos"), ("pad", "padding"))
        if (key := f"tokenizer.ggml.{name}_token_id") in data and data[key] < len(tokens)
    }
    template = data.get("tokenizer.chat_template")
    if kind == "gpt2":
        return _byte_level(cls, file, data, tokens, types, roles, template, pattern)
    if kind == "llama":
        return _sentencepiece(cls, data, tokens, types, roles, template)
    raise InputError(
        f"{file}: tokenizer.ggml.model {kind!r} is not a BPE.",
        hint="gpt2 and llama are; bert is read as WordPiece by load_tokenizer.",
        field="tokenizer.ggml.model",
    )


def _byte_level(
    cls: type[Some],
    file: Path,
    data: Mapping[str, Any],
    tokens: list[str],
    types: list[int],
    roles: Mapping[str, str],
    template: str | None,
    pattern: str | None,
) -> Some:
    pre = str(data.get("tokenizer.ggml.pre", "default"))
    section = None
    if pattern is None and pre in _DIGITS_FIRST:
        digits = {"type": "Digits", "individual_digits": True}
        byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
        section = {"type": "Sequence", "pretokenizers": [digits, byte_level]}
    elif pattern is None and pre not in PRE:
        raise InputError(
            f"{file}: tokenizer.ggml.pre {pre!r} is not known here.",
            hint=f"Give pattern=..., one of {', '.join(PATTERNS)}.",
            field="pattern",
        )
    added = [
        AddedToken(text, token, special=types[token] == _CONTROL)
        for token, text in enumerate(tokens)
        if types[token] in (_CONTROL, _USER)
    ]
    kept = {token.id for token in added}
    names = {text: token for token, text in enumerate(tokens) if token not in kept}
    try:
        contents = {token: from_name(name) for name, token in names.items()}
        pairs = [tuple(item.split(" ")) for item in data.get("tokenizer.ggml.merges", ())]
        merges = [(names[left], names[right]) for left, right in pairs]
    except (KeyError, ValueError) as error:
        raise StorageError(f"{file} is damaged: {error} is not in its vocabulary.") from None
    return cls(
        contents,
        merges,
        pattern=pattern or PRE.get(pre, "gpt2"),
        chat_template=template,
        added_tokens=added,
        pre_tokenizer=section,
        normalizer={"type": "NFC"} if pre == "qwen2" else None,
        ignore_merges=pre in ("llama3", "llama-v3", "llama-bpe"),
        roles=roles,
    )


def _sentencepiece(
    cls: type[Some],
    data: Mapping[str, Any],
    tokens: list[str],
    types: list[int],
    roles: Mapping[str, str],
    template: str | None,
) -> Some:
    scores = data.get("tokenizer.ggml.scores") or [0.0] * len(tokens)
    added = [
        AddedToken(text, token, special=types[token] != _USER)
        for token, text in enumerate(tokens)
        if types[token] in (_UNKNOWN, _CONTROL, _USER)
    ]
    kept = {token.id for token in added}
    names = {token: text for token, text in enumerate(tokens) if token not in kept}
    mergeable = [token for token in names if types[token] != _BYTE]
    # The greatest score first; equal scores go by id, so that every token has a rank of its own.
    order = sorted(mergeable, key=lambda token: (-scores[token], token))
    adds_space = data.get("tokenizer.ggml.add_space_prefix", True)
    prepend = [{"type": "Prepend", "prepend": META}] if adds_space else []
    replace = {"type": "Replace", "pattern": {"String": " "}, "content": META}
    return cls(
        {token: spelled(name) for token, name in names.items()},
        None,
        chat_template=template,
        added_tokens=added,
        names=names,
        scores={token: rank for rank, token in enumerate(order)},
        normalizer={"type": "Sequence", "normalizers": [*prepend, replace]},
        roles=roles,
    )
