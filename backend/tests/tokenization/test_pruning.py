"""Pruned vocabularies: nothing that is kept changes, and everything that is kept can be reached."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from llm_playground.core.errors import ConfigError, InputError
from llm_playground.core.workspace import BUILTIN
from llm_playground.tokenization.added import AddedToken
from llm_playground.tokenization.bpe import BPETokenizer
from llm_playground.tokenization.coverage import analyze_coverage
from llm_playground.tokenization.coverage_samples import SAMPLES
from llm_playground.tokenization.pruning import (
    PrunedVocabulary,
    prune_vocabulary,
    remap_embeddings,
    verify_pruning,
)
from llm_playground.tokenization.suspicious import suspicious_tokens

KEEP = [SAMPLES["English"], SAMPLES["Python"], SAMPLES["German"]]


@pytest.fixture(scope="module")
def prose() -> BPETokenizer:
    return BPETokenizer.load(BUILTIN / "tokenizers" / "prose")


@pytest.fixture(scope="module")
def pruned(prose: BPETokenizer) -> PrunedVocabulary:
    return prune_vocabulary(prose, KEEP, 500)


def ranks_of(tokenizer: BPETokenizer) -> BPETokenizer:
    """The same tokens as ranks, as in a ``*.tiktoken`` file."""
    return BPETokenizer(tokenizer.ordinary_tokens, None, tokenizer.special_tokens)


def test_size_ids_and_special_tokens_are_as_asked(prose: BPETokenizer, pruned: PrunedVocabulary) -> None:
    tokenizer, id_map = pruned
    assert tokenizer.vocab_size == len(id_map) == 500
    assert sorted(id_map.values()) == list(range(500))
    assert all(id_map[left] < id_map[right] for left, right in pairwise(sorted(id_map)))
    for old, new in id_map.items():
        assert tokenizer.token_bytes(new) == prose.token_bytes(old)
    assert tokenizer.special_tokens == {text: id_map[token] for text, token in prose.special_tokens.items()}
    assert tokenizer.chat_template == prose.chat_template
    assert tokenizer.eos_id is not None and tokenizer.token_bytes(tokenizer.eos_id) == b"<|endoftext|>"


def test_every_kept_token_can_be_reached(pruned: PrunedVocabulary) -> None:
    assert not [token for token in suspicious_tokens(pruned.tokenizer) if "unreachable" in token.reasons]


@pytest.mark.parametrize("ranks", [False, True])
@given(text=st.text(st.characters(exclude_categories=["Cs"])) | st.lists(st.sampled_from(KEEP)).map("".join))
def test_decoding_is_unchanged_and_kept_text_encodes_the_same(
    prose: BPETokenizer, ranks: bool, text: str
) -> None:
    before = ranks_of(prose) if ranks else prose
    tokenizer, id_map = prune_vocabulary(before, KEEP, 420)
    assert tokenizer.decode(tokenizer.encode_ordinary(text)) == text
    for part in [text, *text.split()]:
        old = before.encode_ordinary(part)
        if set(old) <= id_map.keys():
            assert tokenizer.encode_ordinary(part) == [id_map[token] for token in old]


def test_the_proof_counts_what_it_checked(prose: BPETokenizer, pruned: PrunedVocabulary) -> None:
    proof = verify_pruning(prose, *pruned, [*SAMPLES.values(), ""])
    assert proof.holds and proof.texts == len(SAMPLES) + 1
    assert proof.unchanged > 250
    assert proof.tokens_before == sum(len(prose.encode_ordinary(text)) for text in SAMPLES.values())
    assert proof.tokens_after >= proof.tokens_before
    assert proof.to_dict()["holds"] is True


def test_the_proof_fails_where_ids_are_mixed_up(prose: BPETokenizer, pruned: PrunedVocabulary) -> None:
    tokenizer, id_map = pruned
    wrong = {**id_map, prose.encode("e")[0]: 0}
    proof = verify_pruning(prose, tokenizer, wrong, ["e e"])
    assert not proof.holds and "e" in proof.encode_failures and not proof.decode_failures
    lower = BPETokenizer(
        {token: bytes([token]) for token in range(256)}, [], normalizer={"type": "Lowercase"}
    )
    proof = verify_pruning(prose, lower, {}, ["É e"])
    assert proof.decode_failures == ("É e", "É") and proof.unchanged == 0 and not proof.holds


def test_the_most_used_tokens_stay_with_their_ancestors() -> None:
    tokens = {value: bytes([value]) for value in range(256)}
    tokens |= {256: b"ab", 257: b"abc", 258: b"xy", 259: b"xyz", 260: b"qq"}
    merges = [(97, 98), (256, 99), (120, 121), (258, 122), (113, 113)]
    tokenizer = BPETokenizer(tokens, merges, {"<|end|>": 261})
    kept, id_map = prune_vocabulary(tokenizer, {257: 5, 259: 9, 260: 1}, 259)
    assert [kept.token_bytes(token) for token in range(256, 259)] == [b"xy", b"xyz", b"<|end|>"]
    assert kept.merges == [(120, 121), (256, 122)]
    assert id_map[261] == 258
    # One place is left, too few for "abc" with "ab": the next that fits takes it.
    kept, _ = prune_vocabulary(tokenizer, {257: 5, 259: 9, 260: 1}, 260)
    assert [kept.token_bytes(token) for token in range(256, 260)] == [b"xy", b"xyz", b"qq", b"<|end|>"]
    kept, id_map = prune_vocabulary(tokenizer, {}, 262)
    assert id_map == {token: token for token in range(262)} and kept.merges == merges


def test_counts_of_an_analysis_can_be_given(prose: BPETokenizer, pruned: PrunedVocabulary) -> None:
    assert prune_vocabulary(prose, analyze_coverage(prose, KEEP).counts, 500).id_map == pruned.id_map


def test_a_token_that_no_merge_makes_is_kept_alone() -> None:
    tokens = {**{value: bytes([value]) for value in range(256)}, 256: b"ab", 257: b"abcd"}
    tokenizer = BPETokenizer(tokens, [(97, 98)], ignore_merges=True)
    kept, id_map = prune_vocabulary(tokenizer, ["abcd"], 257)
    assert id_map[257] == 256 and kept.encode("abcd") == [256] and kept.encode("ab") == [97, 98]


def test_normalizer_cutter_and_added_tokens_come_along() -> None:
    plain = BPETokenizer.train(KEEP, 300, pattern="cl100k")
    tokenizer = BPETokenizer(
        plain.ordinary_tokens,
        plain.merges,
        pattern="cl100k",
        added_tokens=[AddedToken("<think>", 300, special=False), AddedToken("</s>", 301)],
        normalizer={"type": "NFC"},
        roles={"eos": "</s>"},
    )
    kept, id_map = prune_vocabulary(tokenizer, KEEP, 270)
    assert (kept.pattern, kept.normalizer, kept.eos_id) == ("cl100k", {"type": "NFC"}, 269)
    assert kept.encode("e\u0301<think>") == [*kept.encode("é"), id_map[300]]


def test_a_pruned_vocabulary_is_saved_and_loaded(tmp_path: Path, pruned: PrunedVocabulary) -> None:
    pruned.tokenizer.save(tmp_path)
    again = BPETokenizer.load(tmp_path)
    for text in SAMPLES.values():
        assert again.encode(text) == pruned.tokenizer.encode(text)


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_embeddings_follow_their_tokens(prose: BPETokenizer, pruned: PrunedVocabulary, kind: str) -> None:
    rows = numpy.arange(prose.vocab_size + 3, dtype=numpy.float32)[:, None].repeat(4, axis=1)
    matrix = rows if kind == "numpy" else torch.from_numpy(rows)
    new = remap_embeddings(matrix, pruned.id_map)
    assert type(new) is type(matrix) and new.shape == (500, 4)
    for old, token in pruned.id_map.items():
        assert float(new[token, 0]) == old


def test_wrong_sizes_ids_and_matrices_are_refused(prose: BPETokenizer, pruned: PrunedVocabulary) -> None:
    least = 256 + len(prose.special_tokens)
    with pytest.raises(ConfigError) as raised:
        prune_vocabulary(prose, KEEP, least - 1)
    assert raised.value.message == f"size: {least - 1} is too small."
    assert raised.value.hint == f"The bytes and the added tokens need {least} ids."
    assert prune_vocabulary(prose, KEEP, least).tokenizer.vocab_size == least
    with pytest.raises(ConfigError, match=f"is more than the {prose.vocab_size} ids"):
        prune_vocabulary(prose, KEEP, prose.vocab_size + 1)
    with pytest.raises(InputError, match="Token id -1 is out of range"):
        prune_vocabulary(prose, {-1: 3}, 500)
    with pytest.raises(InputError, match="The matrix has 3 rows"):
        remap_embeddings(numpy.zeros((3, 2)), pruned.id_map)


def test_a_vocabulary_of_characters_is_refused() -> None:
    names = {value: f"<0x{value:02X}>" for value in range(256)}
    tokens = {value: bytes([value]) for value in range(256)}
    with pytest.raises(InputError, match="Only byte-level BPE can be pruned"):
        prune_vocabulary(BPETokenizer(tokens, [], names=names), KEEP, 256)
