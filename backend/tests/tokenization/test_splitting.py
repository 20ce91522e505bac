"""Cutting: classes and cuts against tiktoken's and tokenizers' engines, over all code points and by fuzz."""

from __future__ import annotations

import os
import random

import pytest
import tiktoken
from tokenizers import Regex, pre_tokenizers

from llm_playground.core.errors import ConfigError
from llm_playground.tokenization.splitting import (
    CLASS_NAMES,
    PATTERNS,
    class_ranges,
    class_table,
    find_pattern,
    get_pattern,
)

from .families import random_text

SEED = int(os.environ.get("LLMP_FUZZ_SEED") or random.SystemRandom().randrange(10**9))
EVERY = "".join(map(chr, [*range(0xD800), *range(0xE000, 0x110000)]))
# The patterns as tiktoken writes them today; older spellings are the `regex` of ours.
TIKTOKEN = {
    "gpt2": r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s""",
    "cl100k": r"""'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s""",  # noqa: E501
}
PROPERTIES = {"u": r"\p{Lu}", "l": r"\p{Ll}", "t": r"\p{Lt}", "m": r"\p{Lm}", "o": r"\p{Lo}"}
PROPERTIES |= {"k": r"\p{M}", "n": r"\p{N}", "p": r"\p{P}", "s": r"\p{S}", "w": r"\s"}


@pytest.mark.parametrize("name", PROPERTIES)
def test_each_class_is_tiktokens_over_all_code_points(name: str) -> None:
    ranks = {bytes([value]): value for value in range(256)}
    engine = tiktoken.Encoding("c", pat_str=PROPERTIES[name], mergeable_ranks=ranks, special_tokens={})
    expected = bytes(engine.encode_ordinary(EVERY)).decode()
    table = class_table()
    assert "".join(c for c in EVERY if CLASS_NAMES[table[ord(c)]] == name) == expected


@pytest.mark.parametrize("name", PATTERNS)
def test_cuts_are_those_of_tokenizers(name: str) -> None:
    print(f"LLMP_FUZZ_SEED={SEED}")
    pattern, rng = PATTERNS[name], random.Random(SEED)
    theirs = pre_tokenizers.Split(Regex(pattern.regex), "isolated")
    split = pattern.splitter()
    for text in [random_text(rng) for _ in range(3_000)]:
        assert split(text) == [part for part, _ in theirs.pre_tokenize_str(text)], repr(text)


@pytest.mark.parametrize("name", PATTERNS)
def test_all_code_points_are_cut_as_tokenizers_does(name: str) -> None:
    theirs = pre_tokenizers.Split(Regex(PATTERNS[name].regex), "isolated")
    for before, after in (("", ""), ("a", "b"), ("1", " "), ("'", "s"), ("\n", "!")):
        # Apart, so that each code point meets the same neighbors.
        text = "".join(f"{before}{character}{after}" for character in EVERY[:: 97 if before else 1])
        assert PATTERNS[name].splitter()(text) == [part for part, _ in theirs.pre_tokenize_str(text)]


@pytest.mark.parametrize("name", PATTERNS)
def test_pieces_join_to_the_text_and_each_has_a_branch(name: str) -> None:
    pattern, rng = PATTERNS[name], random.Random(0)
    assert len(pattern.branches) == len(pattern.alternatives)
    for text in [random_text(rng) for _ in range(500)]:
        pieces = pattern.splitter()(text)
        assert "".join(pieces) == text
        assert len(pattern.branch_of(text)) == len(pieces)


def test_branches_say_what_cut() -> None:
    pattern = get_pattern("llama3")
    text = "I'll pay 12345!\n\n  ok  "
    named = [pattern.branches[branch] for branch in pattern.branch_of(text)]
    assert list(zip(pattern.splitter()(text), named, strict=True)) == [
        ("I", "letters"),
        ("'ll", "contraction"),
        (" pay", "letters"),
        (" ", "white space"),
        ("123", "up to three digits"),
        ("45", "up to three digits"),
        ("!\n\n", "other characters"),
        (" ", "white space, its last left to the word"),
        (" ok", "letters"),
        ("  ", "white space, its last left to the word"),
    ]


def test_published_spellings_are_recognised() -> None:
    for name, regex in TIKTOKEN.items():
        assert find_pattern(regex) is PATTERNS[name]
    assert find_pattern(PATTERNS["o200k"].regex) is PATTERNS["o200k"]
    assert find_pattern(r"\w+") is None
    with pytest.raises(ConfigError, match="cl100k"):
        get_pattern("nope")


def test_class_ranges_are_the_members() -> None:
    assert class_ranges("w").startswith("\\U00000009-\\U0000000D\\U00000020-\\U00000020")
