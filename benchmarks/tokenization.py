"""Encoding beside ``tiktoken`` and ``tokenizers`` on one thread: prose, code and text that is not ASCII.

The texts are the documentation and the source inside the running Python, so that every machine has them; the
vocabulary is learned from both. "Empty cache" begins with no piece known; "warm" has met every piece once, as
in a long-running server or the second megabyte of a corpus.
"""

from __future__ import annotations

import gc
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.measure import Row, alternate
from llm_playground.data.documents import Document
from llm_playground.data.sources import python_documents, python_sources
from llm_playground.tokenization import BPETokenizer, inspect_text
from llm_playground.tokenization.formats.ranks import load_ranks, to_ranks

VOCABULARY = 16_384
PATTERN = "cl100k"
# As tiktoken writes it, with possessive quantifiers: the form that is fastest there.
TIKTOKEN_PATTERN = (
    r"""'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|"""
    r"""\s++$|\s*[\r\n]|\s+(?!\S)|\s"""
)
_CHARACTERS = 1_500_000
_ACCENTS = str.maketrans("aeiou", "áéíóú")


def texts(documents: Iterator[Document], characters: int = _CHARACTERS) -> list[str]:
    """Return documents of so many characters in all."""
    found: list[str] = []
    for document in documents:
        found.append(document.text)
        characters -= len(document.text)
        if characters <= 0:
            break
    return found


def measure() -> list[Row]:
    """Measure megabytes a second of encoding, and the seconds of looking into 10 kB."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    os.environ["RAYON_NUM_THREADS"] = "1"
    import tiktoken
    import tokenizers

    corpora = {"prose": texts(python_documents()), "code": texts(python_sources())}
    corpora["prose with accents"] = [text.translate(_ACCENTS) for text in corpora["prose"]]
    everything = [text for part in corpora.values() for text in part]
    tokenizer = BPETokenizer.train(everything, VOCABULARY, pattern=PATTERN)
    with tempfile.TemporaryDirectory() as name:
        tokenizer.save(name)
        fast = tokenizers.Tokenizer.from_file(str(Path(name) / "tokenizer.json"))
        (Path(name) / "ranks.tiktoken").write_text(to_ranks(tokenizer))
        ranked = load_ranks(BPETokenizer, Path(name) / "ranks.tiktoken", PATTERN)
        fresh = _fresh(Path(name) / "ranks.tiktoken")
    ranks = {value: token for token, value in ranked.ordinary_tokens.items()}
    theirs = tiktoken.Encoding("own", pat_str=TIKTOKEN_PATTERN, mergeable_ranks=ranks, special_tokens={})
    rows: list[Row] = []
    for label, sample in corpora.items():
        assert all(theirs.encode_ordinary(text) == ranked.encode_ordinary(text) for text in sample[:40])
        size = sum(len(text.encode()) for text in sample) / 1e6
        seconds = alternate(
            {
                "warm": lambda s=sample: [ranked.encode_ordinary(text) for text in s],
                "tiktoken": lambda s=sample: [theirs.encode_ordinary(text) for text in s],
                "tokenizers": lambda s=sample: fast.encode_batch_fast(s, add_special_tokens=False),
                "cold": lambda s=sample: fresh(s),
            },
            rounds=5,
        )
        speed = {name: size / value for name, value in seconds.items()}
        goals = (1.0, 4.0, 0.5) if label != "prose with accents" else (0.3, None, None)
        pairs = (("warm", "tiktoken"), ("warm", "tokenizers"), ("empty cache", "tiktoken"))
        for (state, referee), goal in zip(pairs, goals, strict=True):
            mine = speed["warm" if state == "warm" else "cold"]
            rows.append(Row(f"encoding {label}, {state}", mine, speed[referee], "MB/s", referee, goal))
    text = "\n\n".join(corpora["prose"])[:10_000]
    looking = alternate({"inspect": lambda: inspect_text(ranked, text).to_dict()})["inspect"]
    rows.append(Row("inspecting 10 kB", 1e3 * looking, 50.0, "ms", "limit"))
    return rows


def _fresh(file: Path) -> Callable[[list[str]], None]:
    """Return a function that encodes with a tokenizer that has met nothing yet; loading is not measured."""
    waiting = [load_ranks(BPETokenizer, file, PATTERN) for _ in range(3 * 6)]
    # Idle tokenizers are no part of the question: the garbage collector is not to walk through them.
    gc.freeze()

    def encode(sample: list[str]) -> None:
        tokenizer = waiting.pop()
        for text in sample:
            tokenizer.encode_ordinary(text)

    return encode
