"""A SentencePiece ``.model`` as a ``tokenizer.json``: the file is read here, without that library.

The file is one protobuf message (``sentencepiece_model.proto``), of which these fields decide the ids: pieces
(1: text 1, score 2, type 3), trainer (2: model_type 3, byte_fallback 35, and the ids 40 to 43), normalizer
(3: precompiled_charsmap 2, add_dummy_prefix 3, remove_extra_whitespaces 4, escape_whitespaces 5).

Ids are those of sentencepiece 0.2.3: seven models (Unigram and BPE, with and without byte fallback,
user-defined pieces and normalization) agreed on 21,016 texts each. Known to differ: with a compiled
normalization, a combining mark behind a character that it changes (``tokenizers`` normalizes by grapheme);
in BPE with an added first space, text behind a user-defined piece (it gets such a space too).
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from llm_playground.core.errors import InputError, StorageError
from llm_playground.core.wire import BYTES, FIXED_64, read_fields

SPACE = "\u2581"
_NORMAL, _UNKNOWN, _CONTROL, _USER_DEFINED, _UNUSED, _BYTE = range(1, 7)
_UNIGRAM, _BPE = 1, 2
Field = int | float | bytes


def to_tokenizer_json(path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Read a model file: the data of a ``tokenizer.json`` and the texts of bos, eos, pad and unk.

    Raises:
        StorageError: it is damaged.
        InputError: it holds a model of words or characters, which this program does not read.
    """
    try:
        message = _message(path.read_bytes())
        pieces = [_piece(_message(_bytes(piece))) for piece in message.get(1, ())]
        trainer, normalizer = (_message(_bytes(message.get(number, [b""])[-1])) for number in (2, 3))
        if not pieces or 2 not in message or 3 not in message:
            raise ValueError("it holds no pieces or no settings")
        texts = [text for text, _, _ in pieces]
        if len(set(texts)) != len(texts):
            raise ValueError("a piece occurs twice")
        kind = _number(trainer, 3, _UNIGRAM)
        if kind not in (_UNIGRAM, _BPE):
            raise InputError(f"{path} holds a SentencePiece model of words or characters, not of subwords.")
        dummy = bool(_number(normalizer, 3, 1))
        model = _unigram(pieces, trainer) if kind == _UNIGRAM else _bpe(pieces, trainer)
        data = {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": list(_added(pieces, kind, dummy)),
            "normalizer": _normalizer(normalizer, dummy),
            "pre_tokenizer": None,
            "post_processor": None,
            "decoder": _decoder(dummy),
            "model": model,
        }
        names = {"unk": 40, "bos": 41, "eos": 42, "pad": 43}
        defaults = {"unk": 0, "bos": 1, "eos": 2, "pad": -1}
        ids = {role: _signed(_number(trainer, field, defaults[role])) for role, field in names.items()}
        return data, {role: texts[token] for role, token in ids.items() if 0 <= token < len(texts)}
    except (ValueError, IndexError, TypeError, struct.error) as error:
        raise StorageError(f"{path} is damaged: not a SentencePiece model ({error}).") from None


def _piece(message: dict[int, list[Field]]) -> tuple[str, float, int]:
    score = float(message.get(2, [0.0])[-1])
    return _bytes(message[1][-1] if 1 in message else b"").decode(), score, _number(message, 3, _NORMAL)


def _unigram(pieces: list[tuple[str, float, int]], trainer: dict[int, list[Field]]) -> dict[str, Any]:
    # A piece that the user defined always wins: the library scores it as its length times the best score.
    best = max((score for _, score, kind in pieces if kind == _NORMAL), default=0.0)
    vocab = [
        [text, len(text.encode()) * best - 0.1 if kind == _USER_DEFINED else score]
        for text, score, kind in pieces
    ]
    unknown = next((index for index, piece in enumerate(pieces) if piece[2] == _UNKNOWN), None)
    return {
        "type": "Unigram",
        "unk_id": unknown,
        "vocab": vocab,
        "byte_fallback": bool(_number(trainer, 35, 0)),
    }


def _bpe(pieces: list[tuple[str, float, int]], trainer: dict[int, list[Field]]) -> dict[str, Any]:
    """Two neighbors merge when they joined are a piece, the best score first: every such pair is a merge."""
    scores = {text: score for text, score, kind in pieces if kind in (_NORMAL, _UNUSED)}
    vocab = {text: index for index, (text, _, _) in enumerate(pieces)}
    merges = [
        (score, vocab[text], text[:cut], text[cut:])
        for text, score in scores.items()
        for cut in range(1, len(text))
        if text[:cut] in scores and text[cut:] in scores
    ]
    merges.sort(key=lambda merge: (-merge[0], merge[1], len(merge[2])))
    unknown = next((text for text, _, kind in pieces if kind == _UNKNOWN), None)
    return {
        "type": "BPE",
        "dropout": None,
        "unk_token": unknown,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": True,
        "byte_fallback": bool(_number(trainer, 35, 0)),
        "ignore_merges": False,
        "vocab": vocab,
        "merges": [[left, right] for _, _, left, right in merges],
    }


def _added(pieces: list[tuple[str, float, int]], kind: int, dummy: bool) -> Iterator[dict[str, Any]]:
    for index, (text, _, piece_kind) in enumerate(pieces):
        special = piece_kind in (_UNKNOWN, _CONTROL)
        if special or (piece_kind == _USER_DEFINED and kind == _BPE):
            yield {
                "id": index,
                "content": text,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": not special and not dummy,
                "special": special,
            }


def _normalizer(spec: dict[int, list[Field]], dummy: bool) -> dict[str, Any]:
    steps: list[dict[str, Any]] = []
    if charsmap := _bytes(spec.get(2, [b""])[-1]):
        steps.append({"type": "Precompiled", "precompiled_charsmap": base64.b64encode(charsmap).decode()})
    if _number(spec, 4, 1):
        steps += [_replace({"Regex": r"\A +| +\z"}, ""), _replace({"Regex": " {2,}"}, " ")]
    if dummy:
        steps.append({"type": "Prepend", "prepend": " "})
    if _number(spec, 5, 1):
        steps.append(_replace({"String": " "}, SPACE))
    return {"type": "Sequence", "normalizers": steps}


def _replace(pattern: dict[str, str], content: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": pattern, "content": content}


def _decoder(dummy: bool) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [
        _replace({"String": SPACE}, " "),
        {"type": "ByteFallback"},
        {"type": "Fuse"},
    ]
    if dummy:
        steps.append({"type": "Strip", "content": " ", "start": 1, "stop": 0})
    return {"type": "Sequence", "decoders": steps}


def _message(data: bytes) -> dict[int, list[Field]]:
    """Read one protobuf message: field number -> its values in order."""
    fields: dict[int, list[Field]] = {}
    for number, kind, content in read_fields(data):
        value: Field = content
        if isinstance(content, bytes) and kind != BYTES:
            (value,) = struct.unpack("<d" if kind == FIXED_64 else "<f", content)
        fields.setdefault(number, []).append(value)
    return fields


def _number(message: dict[int, list[Field]], field: int, default: int) -> int:
    value = message.get(field, [default])[-1]
    if not isinstance(value, int):
        raise ValueError(f"field {field} is not a number")
    return value


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


def _bytes(value: Field) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError("a message was expected")
    return value
