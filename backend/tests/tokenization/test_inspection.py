"""Looking into an encoding: what is told is what happened, and says where in the text it did."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_playground.core.errors import InputError
from llm_playground.tokenization import BPETokenizer, inspect_text
from llm_playground.tokenization.alignment import align
from llm_playground.tokenization.bpe import PieceTrace
from llm_playground.tokenization.merging import JoinedPairs, ListedPairs, Merger, MergeStep, merge_by_rank

from .families import CORPUS

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@pytest.fixture(scope="module")
def tokenizer() -> BPETokenizer:
    return BPETokenizer.train(CORPUS, 420, pattern="cl100k", special_tokens=["<|end|>"])


def test_a_text_under_the_glass(tokenizer: BPETokenizer) -> None:
    text = "the fox's é<|end|> the"
    found = inspect_text(tokenizer, text, "all")
    assert found.pattern == "cl100k"
    assert [text[token.start : token.end] for token in found.tokens if not token.partial] == [
        token.text for token in found.tokens if not token.partial
    ]
    special = [token for token in found.tokens if token.special]
    assert [(token.text, token.piece) for token in special] == [("<|end|>", None)]
    assert [piece.text for piece in found.pieces] == ["the", " fox", "'s", " é", " the"]
    assert [piece.branch for piece in found.pieces[:3]] == ["letters", "letters", "contraction"]
    half = [token for token in found.tokens if token.partial]
    assert all((token.start, token.end) == (10, 11) for token in half) and len(half) in (0, 2)
    assert found.to_dict()["tokens"][0]["id"] == found.tokens[0].id


@given(text=TEXT)
def test_the_merge_path_ends_in_the_tokens(text: str, tokenizer: BPETokenizer) -> None:
    trace: list[PieceTrace] = []
    ids = tokenizer.encode(text, (), (), trace=trace)
    assert [token for item in trace for token in item.ids] == ids == tokenizer.encode_ordinary(text)
    for item in trace:
        symbols = list(item.symbols)
        for step in item.steps:
            assert (symbols[step.place], symbols[step.place + 1]) == (step.left, step.right)
            assert tokenizer.merges[step.rank] == (step.left, step.right)
            symbols[step.place : step.place + 2] = [step.merged]
        assert item.whole or tuple(symbols) == item.ids


@given(text=TEXT)
def test_inspected_tokens_partition_the_bytes(text: str, tokenizer: BPETokenizer) -> None:
    found, data = inspect_text(tokenizer, text), text.encode()
    assert b"".join(bytes.fromhex(token.bytes) for token in found.tokens) == data
    assert [token.byte_start for token in found.tokens[1:]] == [token.byte_end for token in found.tokens[:-1]]
    begun = [found.pieces[token.piece].text for token in found.tokens if token.begins]
    assert "".join(begun) == text


@given(text=st.text("aeAnÅ\u0301\u030a\u0327한ᄒ\u1161\u11ab 1", max_size=30))
def test_offsets_hold_where_normalization_changed_the_text(text: str) -> None:
    changed = unicodedata.normalize("NFC", text)
    lengths = [1] * len(changed.encode())
    places = list(align(text, [changed], lengths))
    assert len(places) == len(lengths)
    for start, end, low, high in places:
        assert 0 <= start <= end <= len(text) and 0 <= low <= high <= len(text.encode())
    if places:
        assert places[0][0] == 0 and places[-1][1] == len(text)
    if changed == text:
        assert [(low, high) for _, _, low, high in places] == [(i, i + 1) for i in range(len(lengths))]


def test_an_added_space_has_no_place_of_its_own() -> None:
    assert list(align("ab", ["\u2581ab"], [3, 1, 1])) == [(0, 0, 0, 0), (0, 1, 0, 1), (1, 2, 1, 2)]
    assert list(align(" s", ["\u2581\u2581s"], [3, 4])) == [(0, 0, 0, 0), (0, 2, 0, 2)]
    assert list(align("a b", ["\u2581a", "\u2581b"], [4, 4])) == [(0, 1, 0, 1), (1, 3, 1, 3)]


@given(
    st.lists(st.integers(0, 2), max_size=200),
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=12, unique=True),
)
def test_short_and_long_pieces_are_merged_alike(symbols: list[int], pairs: list[tuple[int, int]]) -> None:
    # Merge i makes token 3 + i, which later pairs may use; pairs of tokens that are never made do nothing.
    merger = Merger(ListedPairs(pairs), lambda rank: 3 + rank)
    steps: list[MergeStep] = []
    short = list(symbols)
    expected = _naive(short, pairs)
    assert merger.merge(list(symbols), steps) == expected
    assert merger._merge_long(list(symbols), None) == expected
    replayed = list(symbols)
    for step in steps:
        replayed[step.place : step.place + 2] = [step.merged]
    assert replayed == expected


def _naive(ids: list[int], pairs: list[tuple[int, int]]) -> list[int]:
    ranks = {pair: rank for rank, pair in enumerate(pairs)}
    while True:
        found = [
            (ranks[pair], place)
            for place, pair in enumerate(zip(ids, ids[1:], strict=False))
            if pair in ranks
        ]
        if not found:
            return ids
        rank, place = min(found)
        ids = [*ids[:place], 3 + rank, *ids[place + 2 :]]


@given(
    st.binary(max_size=60).map(lambda data: bytes(value % 3 for value in data)),
    st.lists(st.binary(min_size=2, max_size=6).map(lambda data: bytes(value % 3 for value in data))),
)
def test_merging_slices_by_rank_is_merging_pairs(data: bytes, tokens: list[bytes]) -> None:
    contents = dict(enumerate(dict.fromkeys([bytes([value]) for value in range(256)] + tokens)))
    ranks = {value: token for token, value in contents.items()}
    merger = Merger(JoinedPairs(contents, ranks), lambda rank: rank)
    assert merge_by_rank(data, ranks) == merger.merge(list(data))


class _Counted(JoinedPairs):
    """Joined pairs that count how often a rank is asked for."""

    asked = 0

    def __getitem__(self, pair: tuple[int, int]) -> int:
        self.asked += 1
        return super().__getitem__(pair)


@pytest.mark.parametrize("text", [b"a" * 100_000, b" " * 100_000, bytes(range(256)) * 400])
def test_the_work_on_long_pieces_grows_no_worse_than_n_log_n(text: bytes) -> None:
    contents = {value: bytes([value]) for value in range(256)}
    for power in range(1, 17):
        contents[255 + power] = b"a" * 2**power
    ranks = {value: token for token, value in contents.items()}
    counts = []
    for size in (len(text) // 10, len(text)):
        pairs = _Counted(contents, ranks)
        Merger(pairs, lambda rank: rank).merge(list(text[:size]))
        counts.append(pairs.asked)
    assert counts[1] < 10 * 1.5 * counts[0]


def test_the_path_of_a_long_piece_is_told_as_it_was_taken(tokenizer: BPETokenizer) -> None:
    trace: list[PieceTrace] = []
    tokenizer.encode("the" * 5_000, (), (), trace=trace)
    symbols = list(trace[0].symbols)
    for step in trace[0].steps:
        assert (symbols[step.place], symbols[step.place + 1]) == (step.left, step.right)
        symbols[step.place : step.place + 2] = [step.merged]
    assert tuple(symbols) == trace[0].ids


def test_lone_surrogates_are_refused(tokenizer: BPETokenizer) -> None:
    with pytest.raises(InputError, match="surrogate"):
        inspect_text(tokenizer, "a\ud800")
