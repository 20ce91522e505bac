"""Words between sure cuts: what the patterns cut whole and in parts, and what is remembered."""

from __future__ import annotations

import os
import random
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import numpy
import pytest
import tiktoken

from llm_playground.tokenization import BPETokenizer
from llm_playground.tokenization.splitting import PATTERNS
from llm_playground.tokenization.words import WordMemory, sure_cuts

from .families import CORPUS, random_text
from .test_splitting import TIKTOKEN

SEED = int(os.environ.get("LLMP_FUZZ_SEED") or random.SystemRandom().randrange(10**9))
# One of each kind that a pattern or a cut tells apart; é shares its last byte with a white-space character.
_KINDS = " \t\n1.'s/Z\xa0\x01é"


def words(text: str, pattern: str) -> list[str]:
    data = text.encode()
    bounds = [0, *sure_cuts(data, pattern).tolist(), len(data)]
    return [data[start:end].decode() for start, end in zip(bounds, bounds[1:], strict=False)]


def long_texts(count: int, parts: int) -> list[str]:
    print(f"LLMP_FUZZ_SEED={SEED}")
    rng = random.Random(SEED)
    return ["".join(random_text(rng) for _ in range(parts)) for _ in range(count)]


def plain(text: str) -> list[int]:
    """A tokenizer whose tokens are the characters' code points."""
    return [ord(character) for character in text]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_words_are_cut_alone_as_within_all_short_texts(pattern: str) -> None:
    split = PATTERNS[pattern].splitter()
    for length in range(1, 5):
        for characters in product(_KINDS, repeat=length):
            text = "".join(characters)
            assert [piece for word in words(text, pattern) for piece in split(word)] == split(text), repr(
                text
            )


@pytest.mark.parametrize("pattern", PATTERNS)
def test_words_are_cut_alone_as_within_long_texts(pattern: str) -> None:
    split = PATTERNS[pattern].splitter()
    for text in [*long_texts(200, 20), *CORPUS]:
        assert [piece for word in words(text, pattern) for piece in split(word)] == split(text), repr(text)


@pytest.mark.parametrize("pattern", TIKTOKEN)
def test_ids_of_long_texts_are_tiktokens_the_first_time_and_later(pattern: str) -> None:
    mine = BPETokenizer.train(CORPUS, 400, pattern=pattern)
    theirs = tiktoken.Encoding(
        "ours",
        pat_str=TIKTOKEN[pattern],
        mergeable_ranks={value: token for token, value in mine.ordinary_tokens.items()},
        special_tokens={},
    )
    for text in [text for text in long_texts(60, 300) for _ in range(2)]:
        ids = mine.encode_ordinary(text)
        assert ids == theirs.encode_ordinary(text)
        assert mine.encode(text, (), ()) == mine.encode_array(text).tolist() == ids


def test_short_and_long_texts_give_equal_arrays() -> None:
    mine = BPETokenizer.train(CORPUS, 400)
    for text in ("", "one", CORPUS[0] * 80):
        ids = mine.encode_array(text)
        assert ids.dtype == numpy.int32 and ids.tolist() == mine.encode_ordinary(text)
        assert mine.decode(ids.tolist()) == text


def test_a_full_memory_is_begun_anew_and_long_words_are_not_kept() -> None:
    memory = WordMemory(plain, "gpt2", limit=300)
    rng = random.Random(7)
    for turn in range(40):
        names = [f"w{rng.randrange(5000)}" for _ in range(100)]
        text = " ".join([*names, "x" * (60 + turn), "end" * turn, *names])
        assert memory.encode(text.encode()).tolist() == plain(text)
        assert len(memory) <= 300 + 202
    known = len(memory)
    assert memory.encode(b"a b c d " + b"z" * 65).tolist() == plain("a b c d " + "z" * 65)
    assert len(memory) <= known + 5


def test_parts_end_where_words_do_however_long_the_text() -> None:
    memory = WordMemory(plain, "cl100k")
    for text in ("word, " * 60_000, "x" * 400_000, "x" * 300_000 + " y" * 10_000, "東京" * 90_000 + " a"):
        assert memory.encode(text.encode()).tolist() == plain(text)


def test_an_error_while_words_are_encoded_leaves_nothing_wrong_behind() -> None:
    def failing(word: str) -> list[int]:
        if "!" in word:
            raise ValueError(word)
        return plain(word)

    memory = WordMemory(failing, "gpt2")
    with pytest.raises(ValueError):
        memory.encode(b"one two three ! four")
    for text in ("one two", "four three two one two"):
        assert memory.encode(text.encode()).tolist() == plain(text)


def test_threads_share_a_memory() -> None:
    memory = WordMemory(plain, "gpt2", limit=500)
    texts = [" ".join(f"w{(31 * turn + n) % 900}" for n in range(400)) for turn in range(60)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda text: memory.encode(text.encode()).tolist(), texts))
    assert found == [plain(text) for text in texts]
