"""Exports that give the same ids or are refused; texts at moments of a training; comparisons."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from llm_playground.core.errors import InputError
from llm_playground.tokenization import BPETokenizer, HFTokenizer, open_tokenizer
from llm_playground.tokenization import export as export_module
from llm_playground.tokenization.comparison import compare_tokenizers
from llm_playground.tokenization.export import export_tokenizer, fuzz_texts, lost_tokens
from llm_playground.tokenization.formats.ranks import to_ranks
from llm_playground.tokenization.formats.tokenizer_json import to_json
from llm_playground.tokenization.replay import spans_at
from llm_playground.tokenization.training_trace import TrainingTrace

from .families import CORPUS, FAMILIES, random_text

TEXTS = [random_text(random.Random(1)) for _ in range(200)]


@pytest.fixture(scope="module")
def trained() -> tuple[BPETokenizer, TrainingTrace]:
    trace = TrainingTrace()
    return BPETokenizer.train(CORPUS, 420, "cl100k", ("<|x|>",), trace=trace), trace


@pytest.fixture(scope="module")
def tokenizer(trained: tuple[BPETokenizer, TrainingTrace]) -> BPETokenizer:
    return trained[0]


def refused(tokenizer: Any, format: Any = "tiktoken") -> str:
    with pytest.raises(InputError) as error:
        export_tokenizer(tokenizer, format)
    assert error.value.field == "format"
    return error.value.message


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_exported_as_tokenizer_json(family: str, tmp_path: Path) -> None:
    file = tmp_path / "tokenizer.json"
    file.write_text(FAMILIES[family]().to_str())
    opened = open_tokenizer(file)
    exported = export_tokenizer(opened, "tokenizer.json")
    assert exported.format == "tokenizer.json" and exported.checked > 500 and exported.lost == ()
    theirs = Tokenizer.from_str(exported.data.decode())
    for text in TEXTS:
        assert theirs.encode(text, add_special_tokens=False).ids == opened.encode(text, "all"), repr(text)


def test_ranks_are_those_of_the_tokenizer(tokenizer: BPETokenizer, tmp_path: Path) -> None:
    exported = export_tokenizer(tokenizer, "tiktoken", seed=3)
    assert exported.data == to_ranks(tokenizer).encode() and exported.lost == ()
    assert exported.checked == export_tokenizer(tokenizer, "tiktoken", seed=3).checked
    (tmp_path / "x.tiktoken").write_bytes(exported.data)
    again = open_tokenizer(tmp_path / "x.tiktoken", pattern="cl100k")
    assert isinstance(again, BPETokenizer)
    assert [again.encode_ordinary(text) for text in TEXTS] == [
        tokenizer.encode_ordinary(text) for text in TEXTS
    ]
    assert export_tokenizer(again, "tokenizer.json").lost == ()


def test_texts_to_compare_hold_every_token_and_follow_their_seed(tokenizer: BPETokenizer) -> None:
    texts = list(fuzz_texts(tokenizer, random.Random(5), ("<|x|>",)))
    assert texts == list(fuzz_texts(tokenizer, random.Random(5), ("<|x|>",)))
    assert texts != list(fuzz_texts(tokenizer, random.Random(6), ("<|x|>",)))
    joined = "\n".join(texts).encode()
    possible = [value for value in tokenizer.ordinary_tokens.values() if len(value) > 1 or value < b"\x80"]
    assert all(value in joined for value in possible)
    assert any("<|x|>" in text for text in texts)
    assert not any("<|x|>" in text for text in fuzz_texts(tokenizer, random.Random(5)))


def test_tokens_that_merges_cannot_rebuild_are_reported(tokenizer: BPETokenizer, tmp_path: Path) -> None:
    odd = {**tokenizer.ordinary_tokens, 500: "qxz東".encode(), 501: b"zzzz"}
    listed = BPETokenizer(odd, tokenizer.merges, pattern="cl100k")
    assert lost_tokens(listed) == (500, 501)
    assert export_tokenizer(listed, "tokenizer.json").lost == (500, 501)
    ranked = BPETokenizer(odd, None, pattern="cl100k")
    assert lost_tokens(ranked) == (500, 501)
    assert export_tokenizer(ranked, "tiktoken").lost == (500, 501)
    # A rank file takes a piece that is a token whole, which listed merges do not.
    assert "read back, it gives other ids for" in refused(listed)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"normalizer": {"type": "NFC"}}, "as it changes the text before it is cut"),
        (
            {"pre_tokenizer": {"type": "Digits", "individual_digits": True}},
            "as it cuts text by no pattern that has a name",
        ),
    ],
)
def test_what_ranks_cannot_hold_is_named(
    tokenizer: BPETokenizer, change: dict[str, Any], message: str
) -> None:
    level = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False}
    if "pre_tokenizer" in change:
        change = {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [*change.values(), level]}}
    other = BPETokenizer(tokenizer.ordinary_tokens, tokenizer.merges, pattern="cl100k", **change)
    assert refused(other) == f"A rank file cannot hold this tokenizer, {message}."


def test_ranks_cannot_hold_other_kinds_orders_and_added_tokens(
    tokenizer: BPETokenizer, tmp_path: Path
) -> None:
    library = HFTokenizer(json.dumps(to_json(tokenizer)))
    assert refused(library) == "A rank file cannot hold this tokenizer, as it is not a byte-level BPE."
    (tmp_path / "tokenizer.json").write_text(FAMILIES["mistral"]().to_str())
    assert refused(open_tokenizer(tmp_path)) == (
        "Rank files hold byte-level tokenizers only; this one is based on characters."
    )
    backwards = BPETokenizer(tokenizer.ordinary_tokens, tokenizer.merges[:20][::-1][10:], pattern="cl100k")
    assert refused(backwards).startswith("The merges are not in the order of the ids")
    data = to_json(tokenizer)
    data["added_tokens"].append({**data["added_tokens"][0], "id": 900, "content": "plain", "special": False})
    (tmp_path / "tokenizer.json").write_text(json.dumps(data))
    added = open_tokenizer(tmp_path)
    assert refused(added) == (
        "A rank file cannot hold this tokenizer, as it has added tokens that are not special."
    )
    assert export_tokenizer(added, "tokenizer.json").lost == ()


@pytest.mark.parametrize("lost", [0, 40, 99, 162])
def test_a_file_that_gives_other_ids_is_not_offered(
    tokenizer: BPETokenizer, monkeypatch: pytest.MonkeyPatch, lost: int
) -> None:
    def fewer(tokenizer: BPETokenizer) -> dict[str, Any]:
        data = to_json(tokenizer)
        del data["model"]["merges"][lost]
        return data

    monkeypatch.setattr(export_module, "to_json", fewer)
    with pytest.raises(InputError, match="tokenizer.json cannot hold this tokenizer: read back") as error:
        export_tokenizer(tokenizer, "tokenizer.json", seed=11)
    assert error.value.hint == "The seed of this check was 11."
    monkeypatch.setattr(export_module, "to_json", lambda _: {"model": {}})
    assert refused(tokenizer, "tokenizer.json") == (
        "tokenizer.json cannot hold this tokenizer: the file that was written cannot be read back."
    )


def test_special_tokens_survive_the_export(tokenizer: BPETokenizer) -> None:
    exported = export_tokenizer(tokenizer, "tokenizer.json")
    theirs = Tokenizer.from_str(exported.data.decode())
    assert theirs.encode("a<|x|>b").ids == tokenizer.encode("a<|x|>b", "all")


@given(text=st.text(max_size=50), step=st.integers(0, 163))
def test_a_replay_is_the_encoding_with_the_first_merges(
    trained: tuple[BPETokenizer, TrainingTrace], text: str, step: int
) -> None:
    tokenizer, trace = trained
    assert tokenizer.split_pattern is not None and len(trace) == 163
    then = BPETokenizer(trace.tokens_at(step), trace.merges_at(step), pattern="cl100k")
    assert spans_at(trace, tokenizer.split_pattern, text, step) == then.spans(text)


@pytest.mark.parametrize("step", [-1, 164])
def test_a_replay_stays_within_the_training(trained: tuple[BPETokenizer, TrainingTrace], step: int) -> None:
    tokenizer, trace = trained
    assert tokenizer.split_pattern is not None
    with pytest.raises(InputError, match=f"Step {step} is out of range.") as error:
        spans_at(trace, tokenizer.split_pattern, "a", step)
    assert error.value.hint == "The training has 163 steps; 0 is the moment before the first."


@given(text=st.text(max_size=50))
def test_a_comparison_of_equals_finds_no_difference(tokenizer: BPETokenizer, text: str) -> None:
    bytes_only = BPETokenizer(dict(enumerate(map(bytes, zip(range(256), strict=True)))), [])
    one, two, three = compare_tokenizers([tokenizer, tokenizer, bytes_only], text)
    assert one == two and one.only_here == []
    single = {(span.byte_start, span.byte_end) for span in one.spans}
    assert three.only_here == [index for index in range(len(three.spans)) if (index, index + 1) not in single]
    assert three.bytes_per_token == (1 if text else None)
