"""The WordPiece vocabulary of a GGUF file (BERT and its kin), read into the library's WordPiece."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from llm_playground.core.errors import InputError
from llm_playground.tokenization.formats.gguf import read_metadata
from llm_playground.tokenization.pipeline import META

if TYPE_CHECKING:
    from llm_playground.tokenization.hf import HFTokenizer

_NORMAL = 1  # llama.cpp's token type of ordinary tokens


def load_gguf_wordpiece(file: Path) -> HFTokenizer:
    """Read a GGUF vocabulary of ``tokenizer.ggml.model`` bert.

    llama.cpp's converter writes the beginning of a word with a space mark and its continuation plainly; the
    library has them the other way round (``##`` for a continuation).

    Raises:
        InputError: it has no token for unknown words.
        StorageError: the file is damaged.
    """
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

    from llm_playground.tokenization.hf import HFTokenizer

    data = read_metadata(file)
    tokens: list[str] = data["tokenizer.ggml.tokens"]
    types = data.get("tokenizer.ggml.token_type") or [_NORMAL] * len(tokens)
    unknown = data.get("tokenizer.ggml.unknown_token_id", 100)
    if unknown >= len(tokens):
        raise InputError(f"{file} has no token for unknown words.", field="tokenizer.ggml.unknown_token_id")
    vocab = {}
    for token, text in enumerate(tokens):
        special = types[token] != _NORMAL or (text.startswith("[") and text.endswith("]"))
        plain = text.removeprefix(META)
        vocab[text if special else plain if text.startswith(META) else f"##{text}"] = token
    tokenizer = Tokenizer(models.WordPiece(vocab, unk_token=tokens[unknown]))
    # A vocabulary without capitals belongs to a model that reads small letters.
    ordinary = (text for text, kind in zip(tokens, types, strict=True) if kind == _NORMAL)
    lowercase = all(text == text.lower() for text in ordinary)
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens([text for text, kind in zip(tokens, types, strict=True) if kind != _NORMAL])
    return HFTokenizer(tokenizer.to_str(), chat_template=data.get("tokenizer.chat_template"), name=file.name)
