"""Parity with `tokenizers`, family by family, on mixed Unicode with a fresh seed each run (it is printed)."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from llm_playground.core.errors import InputError
from llm_playground.tokenization import BPETokenizer, StreamDecoder

from .families import FAMILIES, random_text

SEED = int(os.environ.get("LLMP_FUZZ_SEED") or random.SystemRandom().randrange(10**9))
COUNT = 1_000


@pytest.fixture(scope="module", params=FAMILIES)
def pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[BPETokenizer, Tokenizer, Path]:
    theirs = FAMILIES[request.param]()
    folder = tmp_path_factory.mktemp("family")
    theirs.save(str(folder / "tokenizer.json"))
    return BPETokenizer.load(folder), theirs, folder


def texts(count: int = COUNT) -> list[str]:
    print(f"LLMP_FUZZ_SEED={SEED}")
    rng = random.Random(SEED)
    return [random_text(rng) for _ in range(count)]


def test_ids_are_equal(pair: tuple[BPETokenizer, Tokenizer, Path]) -> None:
    mine, theirs, _ = pair
    for text in texts():
        expected = theirs.encode(text, add_special_tokens=False).ids
        assert mine.encode(text, allowed_special="all") == expected, repr(text)


def test_saved_again_it_is_the_same_for_us_and_for_them(
    pair: tuple[BPETokenizer, Tokenizer, Path], tmp_path: Path
) -> None:
    mine, _, _ = pair
    mine.save(tmp_path)
    again, theirs = BPETokenizer.load(tmp_path), Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert again.fingerprint == mine.fingerprint
    for text in texts(200):
        ids = mine.encode(text, allowed_special="all")
        assert again.encode(text, allowed_special="all") == ids
        assert theirs.encode(text, add_special_tokens=False).ids == ids, repr(text)


def test_tokens_stand_where_their_bytes_are(pair: tuple[BPETokenizer, Tokenizer, Path]) -> None:
    mine, _, _ = pair
    for text in texts(300):
        ids, spans, data = mine.encode(text, (), ()), mine.spans(text), text.encode()
        assert [span.id for span in spans] == ids
        if mine.normalizer is None and not mine.names:
            assert [span.byte_end for span in spans[:-1]] == [span.byte_start for span in spans[1:]]
            assert not spans or (spans[0].byte_start, spans[-1].byte_end) == (0, len(data))
            assert all(data[span.byte_start : span.byte_end] == span.bytes for span in spans)
        for span in spans:
            assert 0 <= span.start <= span.end <= len(text)
            within = text[span.start : span.end].encode()
            assert len(text[: span.start].encode()) <= span.byte_start
            assert span.byte_end <= len(text[: span.start].encode()) + len(within)


def test_texts_come_back_and_streams_agree(pair: tuple[BPETokenizer, Tokenizer, Path]) -> None:
    mine, _, _ = pair
    if mine.normalizer is not None and not mine.names:
        pytest.skip("this family normalizes the text")
    for text in texts(300):
        ids = mine.encode(text, (), ())
        # A space put first cannot be told from one that was there.
        assert mine.decode(ids) in (text, text.removeprefix(" "))
        decoder = StreamDecoder(mine)
        streamed = "".join(map(decoder.push, ids)) + decoder.flush()
        assert streamed == mine.decode(ids)


def test_lone_surrogates_are_refused(pair: tuple[BPETokenizer, Tokenizer, Path]) -> None:
    mine, _, _ = pair
    for text in ("a\ud83d", "\udcff", "é\udfff東"):
        with pytest.raises(InputError, match="surrogate"):
            mine.encode(text)
        with pytest.raises(InputError, match="surrogate"):
            mine.spans(text)


@pytest.mark.parametrize("text", ["a" * 20_000, " " * 20_000, "東" * 5_000, "ab" * 5_000 + "\n" * 5_000])
def test_long_runs_give_the_same_ids(pair: tuple[BPETokenizer, Tokenizer, Path], text: str) -> None:
    mine, theirs, _ = pair
    assert mine.encode_ordinary(text) == theirs.encode(text, add_special_tokens=False).ids


@pytest.mark.parametrize("between", ["", "a", "\u0301"])
def test_composed_characters_are_the_librarys_over_all_code_points(between: str, tmp_path: Path) -> None:
    theirs = FAMILIES["qwen2"]()
    theirs.save(str(tmp_path / "tokenizer.json"))
    mine = BPETokenizer.load(tmp_path)
    every = [chr(code) for code in (*range(0xD800), *range(0xE000, 0x110000))]
    for start in range(0, len(every), 2_000):
        text = between.join(every[start : start + 2_000])
        assert mine.encode_ordinary(text) == theirs.encode(text, add_special_tokens=False).ids, hex(start)
