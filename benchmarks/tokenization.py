"""Encoding and training of the byte-level BPE beside ``tokenizers`` and ``tiktoken``, one thread each.

The text is the documentation inside the running Python, so that every machine has it.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from benchmarks.measure import Row, alternate
from llm_playground.data.sources import python_documents
from llm_playground.tokenization import BPETokenizer
from llm_playground.tokenization.splitting import PATTERNS

VOCABULARY = 4096
_TRAIN_CHARACTERS, _ENCODE_CHARACTERS = 3_000_000, 1_000_000


def texts(characters: int) -> list[str]:
    """Return documents of so many characters in all."""
    found: list[str] = []
    for document in python_documents():
        found.append(document.text)
        characters -= len(document.text)
        if characters <= 0:
            break
    return found


def measure() -> list[Row]:
    """Measure megabytes a second, encoding warm and cold, and training."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    os.environ["RAYON_NUM_THREADS"] = "1"
    import tiktoken
    import tokenizers

    corpus, sample = texts(_TRAIN_CHARACTERS), texts(_ENCODE_CHARACTERS)
    corpus_mb, sample_mb = (sum(len(text.encode()) for text in part) / 1e6 for part in (corpus, sample))

    def train_theirs() -> None:
        fast = tokenizers.Tokenizer(tokenizers.models.BPE())
        fast.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
        trainer = tokenizers.trainers.BpeTrainer(
            vocab_size=VOCABULARY,
            show_progress=False,
            initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        )
        fast.train_from_iterator(corpus, trainer)

    training = alternate(
        {"ours": lambda: BPETokenizer.train(corpus, VOCABULARY), "theirs": train_theirs}, rounds=3
    )
    tokenizer = BPETokenizer.train(corpus, VOCABULARY)
    with tempfile.TemporaryDirectory() as name:
        tokenizer.save(name)
        fast = tokenizers.Tokenizer.from_file(str(Path(name) / "tokenizer.json"))

        def cold() -> None:
            fresh = BPETokenizer.load(Path(name))
            for text in sample:
                fresh.encode_ordinary(text)

        def loading() -> None:
            BPETokenizer.load(Path(name))

        cold_s = alternate({"cold": cold, "load": loading}, rounds=5)
    ranks = {tokenizer.token_bytes(token): token for token in range(tokenizer.vocab_size)}
    reference = tiktoken.Encoding("ours", pat_str=PATTERNS["gpt2"].regex, mergeable_ranks=ranks, special_tokens={})
    assert all(reference.encode_ordinary(text) == tokenizer.encode_ordinary(text) for text in sample[:50])
    warm = alternate(
        {
            "ours": lambda: [tokenizer.encode_ordinary(text) for text in sample],
            "tiktoken": lambda: [reference.encode_ordinary(text) for text in sample],
            "tokenizers": lambda: fast.encode_batch_fast(sample, add_special_tokens=False),
        }
    )
    speed = {name: sample_mb / seconds for name, seconds in warm.items()}
    return [
        Row("encoding, warm", speed["ours"], speed["tiktoken"], "MB/s", "tiktoken"),
        Row("encoding, warm", speed["ours"], speed["tokenizers"], "MB/s", "tokenizers"),
        Row(
            "encoding, empty cache",
            sample_mb / (cold_s["cold"] - cold_s["load"]),
            speed["tiktoken"],
            "MB/s",
            "tiktoken",
        ),
        Row(
            f"training, {VOCABULARY:,} tokens",
            corpus_mb / training["ours"],
            corpus_mb / training["theirs"],
            "MB/s",
            "tokenizers BpeTrainer",
        ),
    ]
