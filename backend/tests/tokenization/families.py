"""Tiny tokenizers of the published families, made by the library `tokenizers`, and random text for them."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from typing import Any

from tokenizers import Regex, Tokenizer, models, normalizers, trainers
from tokenizers import pre_tokenizers as pre

from llm_playground.tokenization.splitting import PATTERNS

CORPUS = [
    "The quick brown fox's den; it's 12345 miles — naïve café!\n\n  def f(x):\n\treturn x+1\n" * 3,
    "привет мир 東京都に行く 한국어 مرحبا שלום नमस्ते ภาษาไทย 🙂👩‍👩‍👧 e\u0301 ½ Ⅷ ２０ ﬁ Å",
    "I'LL DON'T we've  HTTPServer camelCase snake_case /* // */ https://a.b/c?d=e\r\n\r\n   x",
]
SPECIALS = ["<s>", "<|x|>"]
_EVERY = [chr(code) for code in (*range(0xD800), *range(0xE000, 0x110000))]
# What the patterns tell apart, often: contractions in every case, odd spaces, marks, digits of other scripts.
_POOL = [
    *" \t\n\r\x0b\x0c\x1c\x85\xa0'sStTdDmMrReEvVlL/019aZéßſKΑб中日ー々ǅʰ\u0301\u0308ः½٣🙂!?.-_",
    *"\u2028\u3000\u200b\u200d\x01\x02",
    *("the", " The", "ing", "  ", "   ", "return", "東京", "привет", *SPECIALS),
]


def random_text(rng: random.Random, longest: int = 30) -> str:
    """Draw a short text of what is easily got wrong."""
    return "".join(
        rng.choice(_POOL) if rng.random() < 0.9 else rng.choice(_EVERY) for _ in range(rng.randrange(longest))
    )


def byte_level(
    before: Sequence[Any] = (), *, use_regex: bool = False, ignore_merges: bool = False, nfc: bool = False
) -> Tokenizer:
    """Return a byte-level BPE that cuts by ``before`` first."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    last = pre.ByteLevel(add_prefix_space=False, use_regex=use_regex)
    tokenizer.pre_tokenizer = (
        pre.Sequence([*before, last]) if before else pre.ByteLevel(add_prefix_space=False)
    )
    if nfc:
        tokenizer.normalizer = normalizers.NFC()
    return _train(tokenizer)


def falcon() -> Tokenizer:
    """Return a tokenizer that cuts the printable names of bytes after it has made them."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre.Sequence(
        [
            pre.Punctuation("contiguous"),
            pre.ByteLevel(add_prefix_space=False, use_regex=True),
            pre.Digits(individual_digits=False),
            pre.Split(Regex("[0-9][0-9][0-9]"), "isolated"),
        ]
    )
    return _train(tokenizer)


def _train(tokenizer: Tokenizer) -> Tokenizer:
    trainer = trainers.BpeTrainer(
        vocab_size=500,
        special_tokens=SPECIALS,
        initial_alphabet=pre.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def sentencepiece(scheme: str | None) -> Tokenizer:
    """Return a BPE on characters with byte fallback; ``scheme``: how a space is put first (None: Llama 2)."""
    model = models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>")
    trained = Tokenizer(model)
    trained.pre_tokenizer = pre.Metaspace()
    trainer = trainers.BpeTrainer(
        vocab_size=700,
        special_tokens=["<unk>", *SPECIALS, *(f"<0x{value:02X}>" for value in range(256))],
        limit_alphabet=60,
        show_progress=False,
    )
    trained.train_from_iterator(CORPUS, trainer)
    cutter = Tokenizer(models.BPE())
    if scheme is None:
        cutter.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    else:
        cutter.pre_tokenizer = pre.Metaspace(prepend_scheme=scheme, split=False)
    data, parts = json.loads(trained.to_str()), json.loads(cutter.to_str())
    data |= {key: parts[key] for key in ("normalizer", "pre_tokenizer")}
    data["added_tokens"] = [item for item in data["added_tokens"] if not item["content"].startswith("<0x")]
    return Tokenizer.from_str(json.dumps(data))


def _split(name: str) -> Any:
    return pre.Split(Regex(PATTERNS[name].regex), "isolated")


_DEEPSEEK = ("[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥ࠀ-一가-퟿]+")
FAMILIES: dict[str, Callable[[], Tokenizer]] = {
    "gpt2": byte_level,
    "cl100k": lambda: byte_level([_split("cl100k")]),
    "llama3": lambda: byte_level([_split("cl100k")], ignore_merges=True),
    "qwen2": lambda: byte_level([_split("qwen2")], nfc=True),
    "o200k": lambda: byte_level([_split("o200k")]),
    "starcoder": lambda: byte_level([pre.Digits(individual_digits=True)], use_regex=True),
    "falcon": falcon,
    "deepseek": lambda: byte_level(
        [*(pre.Split(Regex(part), "isolated") for part in _DEEPSEEK), pre.Digits(individual_digits=True)]
    ),
    "space with the word before": lambda: byte_level([pre.Split(" ", "merged_with_previous")]),
    "space with the word after": lambda: byte_level([pre.Split(" ", "merged_with_next")]),
    "numbers together": lambda: byte_level([pre.Split(Regex(r"\p{N}"), "contiguous")]),
    "llama2": lambda: sentencepiece(None),
    "mistral": lambda: sentencepiece("first"),
    "metaspace always": lambda: sentencepiece("always"),
    "metaspace never": lambda: sentencepiece("never"),
}
