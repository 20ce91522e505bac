"""Coverage figures against counts by hand and published formulas; suspicious tokens planted and found."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import numpy
import pytest
import regex
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers

from llm_playground.core.errors import ConfigError, InputError
from llm_playground.core.workspace import BUILTIN
from llm_playground.tokenization.bpe import BPETokenizer
from llm_playground.tokenization.coverage import (
    KINDS,
    SCRIPTS,
    Coverage,
    Figures,
    analyze_coverage,
    content_blocks,
    renyi_entropy,
    script_table,
)
from llm_playground.tokenization.coverage_samples import SAMPLES
from llm_playground.tokenization.hf import HFTokenizer
from llm_playground.tokenization.suspicious import REASONS, suspicious_tokens

BYTES = {value: bytes([value]) for value in range(256)}


def tokenizer_of(*words: str, special: tuple[str, ...] = ()) -> BPETokenizer:
    """The 256 bytes, then each word in turn, merged from its first bytes on (GPT-2's pattern)."""
    tokens, merges = dict(BYTES), []
    ids = {value: token for token, value in tokens.items()}
    for word in words:
        data = word.encode()
        for end in range(2, len(data) + 1):
            if data[:end] not in ids:
                merges.append((ids[data[: end - 1]], ids[data[end - 1 : end]]))
                tokens[len(tokens)] = data[:end]
                ids[data[:end]] = len(tokens) - 1
    return BPETokenizer(tokens, merges, {text: len(tokens) + i for i, text in enumerate(special)})


@pytest.fixture(scope="module")
def prose() -> BPETokenizer:
    return BPETokenizer.load(BUILTIN / "tokenizers" / "prose")


@pytest.fixture(scope="module")
def samples(prose: BPETokenizer) -> Coverage:
    return analyze_coverage(prose, SAMPLES.values())


def named(parts: tuple[Figures, ...], name: str) -> Figures:
    return next(part for part in parts if part.name == name)


def test_figures_agree_with_counts_by_hand() -> None:
    # " cat" is one token (the last merged), "é" is two, each a part of a character.
    tokenizer = tokenizer_of(" cat")
    coverage = analyze_coverage(tokenizer, ["a cat xé"])
    total = coverage.total
    assert (total.tokens, total.bytes, total.characters, total.words) == (6, 9, 8, 3)
    assert (total.single_token_words, total.partial_tokens, total.distinct_tokens) == (2, 2, 6)
    assert total.bytes_per_token == 9 / 6
    assert total.characters_per_token == 8 / 6
    assert total.words_per_token == 3 / 6
    assert total.tokens_per_word == 2
    assert total.single_token_word_share == 2 / 3
    assert total.byte_fallback_rate == 2 / 6
    assert total.unknown_rate == 0
    assert (coverage.used_tokens, coverage.unused_tokens) == (6, 256 + 3 - 6)
    assert coverage.used_share == 6 / 259
    assert coverage.counts == dict.fromkeys([ord("a"), 258, ord(" "), ord("x"), 0xC3, 0xA9], 1)


def test_entropies_are_those_of_the_paper() -> None:
    counts = [8, 4, 2, 1, 1]
    shares = [count / 16 for count in counts]
    shannon = -sum(share * math.log2(share) for share in shares)
    renyi = math.log2(sum(share**2.5 for share in shares)) / (1 - 2.5)
    assert renyi_entropy(counts, 1) == pytest.approx(shannon, rel=1e-12) == 1.875
    assert renyi_entropy(counts) == pytest.approx(renyi, rel=1e-12)
    text = "".join(chr(97 + index) * count for index, count in enumerate(counts))
    total = analyze_coverage(tokenizer_of(), text).total
    assert total.shannon_efficiency == pytest.approx(shannon / 8, rel=1e-12)
    assert total.renyi_efficiency == pytest.approx(renyi / 8, rel=1e-12)


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=30))
def test_renyi_entropy_falls_with_its_order_and_has_its_limits(counts: list[int]) -> None:
    orders = [0.5, 0.999999, 1, 1.000001, 2, 2.5, 10]
    values = [renyi_entropy(counts, order) for order in orders]
    assert all(before >= after - 1e-9 for before, after in zip(values, values[1:], strict=False))
    assert values[1] == pytest.approx(values[2], abs=1e-4) == pytest.approx(values[3], abs=1e-4)
    assert values[-1] >= 0 and values[0] <= math.log2(len(counts)) + 1e-9
    assert renyi_entropy([7] * len(counts), 2.5) == pytest.approx(math.log2(len(counts)), abs=1e-9)


def test_tokens_go_to_the_script_of_their_first_real_character() -> None:
    tokenizer = tokenizer_of(" слово", " word")
    coverage = analyze_coverage(tokenizer, "a word слово 12")
    cyrillic, latin = named(coverage.by_script, "Cyrillic"), named(coverage.by_script, "Latin")
    common = named(coverage.by_script, "Common")
    assert (cyrillic.tokens, cyrillic.bytes, cyrillic.characters, cyrillic.words) == (1, 11, 6, 1)
    assert cyrillic.single_token_word_share == 1
    assert (latin.tokens, latin.bytes, latin.words) == (2, 6, 2)
    assert (common.tokens, common.bytes, common.words) == (3, 3, 0)
    assert common.tokens_per_word is None and common.single_token_word_share is None


def test_marks_belong_to_what_they_stand_on_and_joined_emoji_to_no_script() -> None:
    coverage = analyze_coverage(tokenizer_of(), "e\u0301 👩\u200d🚀 か\u3099ー ❤\ufe0f")
    assert {part.name for part in coverage.by_script} == {"Latin", "Common", "Hiragana"}
    assert named(coverage.by_script, "Latin").characters == 2
    assert coverage.total.words == 2


def test_tokens_go_to_one_kind_of_content() -> None:
    text = "Some words here.\n\nx = f(1)\n\n  \t Ⅻ ٣٤ 12.\n"
    coverage = analyze_coverage(tokenizer_of(" words"), text)
    parts = {part.name: part for part in coverage.by_content}
    assert set(parts) == set(KINDS)
    assert parts["code"].characters == len("x=f()")
    assert parts["numbers"].characters == len("1Ⅻ٣٤12")
    assert parts["prose"].characters == len("Some wordshere..")
    assert parts["prose"].words == 3 and parts["code"].words == 2


@pytest.mark.parametrize("parts", ["by_script", "by_content"])
def test_the_parts_add_up_to_the_whole(samples: Coverage, parts: str) -> None:
    listed: tuple[Figures, ...] = getattr(samples, parts)
    for name in (
        "tokens",
        "bytes",
        "characters",
        "words",
        "single_token_words",
        "partial_tokens",
        "unknown_tokens",
    ):
        assert sum(getattr(part, name) for part in listed) == getattr(samples.total, name), name
    assert [part.tokens for part in listed] == sorted((part.tokens for part in listed), reverse=True)


def test_the_whole_is_what_the_text_is(samples: Coverage, prose: BPETokenizer) -> None:
    assert samples.total.bytes == sum(len(text.encode()) for text in SAMPLES.values())
    assert samples.total.characters == sum(map(len, SAMPLES.values()))
    ids = [token for text in SAMPLES.values() for token in prose.encode_ordinary(text)]
    assert samples.counts == Counter(ids)
    assert samples.total.tokens == len(ids)
    special = len(prose.special_tokens)
    assert samples.used_tokens + samples.unused_tokens == prose.vocab_size - special


@given(text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_text_adds_up(prose: BPETokenizer, text: str) -> None:
    coverage = analyze_coverage(prose, text)
    for parts in (coverage.by_script, coverage.by_content):
        assert sum(part.bytes for part in parts) == len(text.encode()) == coverage.total.bytes
        assert sum(part.tokens for part in parts) == coverage.total.tokens
        assert sum(part.words for part in parts) == coverage.total.words
    assert coverage.total.single_token_words <= coverage.total.words


def test_scripts_of_the_samples_are_met(samples: Coverage) -> None:
    met = {part.name for part in samples.by_script}
    assert met >= {"Latin", "Cyrillic", "Greek", "Arabic", "Hebrew", "Devanagari", "Thai", "Han", "Hangul"}
    assert met >= {"Hiragana", "Katakana", "Common"} and "Unknown" not in met and "Inherited" not in met
    latin, thai = named(samples.by_script, "Latin"), named(samples.by_script, "Thai")
    assert latin.bytes_per_token is not None and thai.bytes_per_token is not None
    assert latin.bytes_per_token > 2 > thai.bytes_per_token
    assert any("\u200d" in text for text in SAMPLES.values())


def test_tokens_for_what_the_vocabulary_lacks_are_counted() -> None:
    made = Tokenizer(models.WordLevel({"[UNK]": 0, "dog": 1}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    total = analyze_coverage(HFTokenizer(made.to_str()), "dog cat dog").total
    assert (total.tokens, total.unknown_tokens, total.unknown_rate) == (3, 1, 1 / 3)
    assert (total.words, total.single_token_words) == (3, 3)


def test_the_dictionary_holds_every_figure_and_no_counts(samples: Coverage) -> None:
    data = samples.to_dict()
    assert "counts" not in data
    assert data["total"]["bytes_per_token"] == samples.total.bytes_per_token
    assert data["total"]["renyi_efficiency"] == samples.total.renyi_efficiency
    assert [part["name"] for part in data["by_script"]] == [part.name for part in samples.by_script]
    assert data["order"] == 2.5 and data["used_share"] == samples.used_share


@pytest.mark.parametrize("order", [0, -1, math.inf, math.nan])
def test_an_impossible_order_is_refused(prose: BPETokenizer, order: float) -> None:
    with pytest.raises(ConfigError) as raised:
        analyze_coverage(prose, "a", order)
    assert raised.value.message == f"order: {order} is not a positive number."


@pytest.mark.parametrize("texts", [[], "", ["", ""]])
def test_no_text_is_refused(prose: BPETokenizer, texts: list[str] | str) -> None:
    with pytest.raises(InputError, match="There is no text to measure"):
        analyze_coverage(prose, texts)


def test_a_lone_surrogate_is_refused(prose: BPETokenizer) -> None:
    with pytest.raises(InputError, match="lone surrogate"):
        analyze_coverage(prose, "\ud800")


def test_blocks_are_code_or_prose_by_their_lines() -> None:
    text = (
        "He said (twice) that x is odd.\nNothing more.\n\n"
        "for a in b:\n    print(a)\n\n```\nplain words\n```\n\nEnd"
    )
    blocks = [(text[start:end].strip(), code) for start, end, code in content_blocks(text)]
    assert [block for block in blocks if block[0]] == [
        ("He said (twice) that x is odd.\nNothing more.", False),
        ("for a in b:\n    print(a)", True),
        ("```\nplain words\n```", True),
        ("End", False),
    ]
    for name, expected in (("Python", True), ("C", True), ("JSON", True), ("English", False)):
        assert {
            code for start, end, code in content_blocks(SAMPLES[name]) if SAMPLES[name][start:end].strip()
        } == {expected}


@given(text=st.text(st.sampled_from(" \n\tab(){};`\r\u2028")))
def test_blocks_cover_the_text(text: str) -> None:
    end = 0
    for start, stop, _ in content_blocks(text):
        assert start == end < stop
        end = stop
    assert end == len(text)


def test_most_python_is_code_and_most_stories_are_prose() -> None:
    package = Path(analyze_coverage.__code__.co_filename).parent
    sources = [file.read_text(encoding="utf-8") for file in sorted(package.glob("*.py"))[:8]]
    code = sum(end - start for text in sources for start, end, code in content_blocks(text) if code)
    assert code > 0.6 * sum(map(len, sources))  # docstrings are prose
    story = "\n\n".join(SAMPLES[name] for name in ("English", "German", "Russian", "Chinese"))
    assert not any(code for _, _, code in content_blocks(story))


def test_the_script_table_covers_every_code_point() -> None:
    table = script_table()
    assert len(table) == 0x110000
    for character, script in {
        "a": "Latin",
        "ж": "Cyrillic",
        "の": "Hiragana",
        "中": "Han",
        "한": "Hangul",
    }.items():
        assert SCRIPTS[table[ord(character)]] == script


def test_the_script_table_is_that_of_the_module_it_was_made_from() -> None:
    everything = "".join(map(chr, range(0x110000)))
    for script in ("Latin", "Common", "Inherited", "Han", "Cyrillic"):
        found = numpy.zeros(0x110000, dtype=bool)
        for match in regex.finditer(rf"\p{{Script={script}}}+", everything):
            found[match.start() : match.end()] = True
        differing = int((found != (script_table() == SCRIPTS.index(script))).sum())
        assert differing <= 2000, script  # another version of Unicode may have added some


# Suspicious tokens.


def test_planted_tokens_are_found_with_their_reasons() -> None:
    tokenizer = tokenizer_of(" the", "<|planted|>", special=("<|end|>",))
    tokens = dict(tokenizer.ordinary_tokens)
    lost = len(tokens)
    tokens[lost] = b"unreachable"  # no merge makes it
    planted = BPETokenizer(tokens, tokenizer.merges, {"<|end|>": lost + 1})
    found = {token.id: token for token in suspicious_tokens(planted)}
    ids = {value: token for token, value in tokens.items()}
    assert found[lost].reasons == ("unreachable",) and found[lost].text == "unreachable"
    assert found[lost + 1].reasons == ("special",)
    assert found[0xC3].reasons == ("partial",)
    assert found[0xFF].reasons == found[0xC0].reasons == ("partial", "impossible")
    assert ids[b" the"] not in found and ids[b" th"] not in found
    assert found[0xC3].hex == "c3" and found[0xC3].count is None
    assert all(set(token.reasons) <= set(REASONS) for token in found.values())


def test_tokens_that_look_special_are_named() -> None:
    tokens = {**BYTES, 256: b"<|im_start|>", 257: b"[PAD]", 258: b"<unused7>", 259: b"<div>"}
    tokenizer = BPETokenizer(tokens, [], {})
    found = {token.id: token.reasons for token in suspicious_tokens(tokenizer)}
    for token in (256, 257, 258):
        assert found[token] == ("looks_special", "unreachable")
    assert found[259] == ("unreachable",)


def test_tokens_that_only_continue_or_follow_are_reachable() -> None:
    vocab = {"[UNK]": 0, "a": 1, "q": 2, "##s": 3, "##zzz": 4, ".": 5}
    made = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.add_special_tokens(["[UNK]"])
    found = {token.id: token.reasons for token in suspicious_tokens(HFTokenizer(made.to_str()))}
    assert found == {0: ("special",)}


def test_unseen_tokens_need_counts(prose: BPETokenizer, samples: Coverage) -> None:
    found = suspicious_tokens(prose, samples.counts)
    unseen = {token.id for token in found if "unseen" in token.reasons}
    assert len(unseen) == samples.unused_tokens
    assert not unseen & samples.counts.keys()
    assert all(token.count == samples.counts.get(token.id, 0) for token in found)


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_the_shortest_embeddings_are_named(prose: BPETokenizer, kind: str) -> None:
    generator = numpy.random.default_rng(0)
    matrix = generator.normal(size=(prose.vocab_size + 8, 16)).astype(numpy.float32)
    short = [300, 301, 302]
    matrix[short] *= 1e-3
    matrix[prose.vocab_size :] = 0  # padding is not looked at
    given = matrix if kind == "numpy" else torch.nn.Parameter(torch.from_numpy(matrix).bfloat16())
    share = len(short) / prose.vocab_size
    found = [token for token in suspicious_tokens(prose, None, given, share) if "low_norm" in token.reasons]
    assert [token.id for token in found] == short
    assert all(token.norm is not None and token.norm < 0.1 for token in found)
    assert found[0].to_dict()["explanations"][-1] == REASONS["low_norm"]


def test_embeddings_that_do_not_fit_are_refused(prose: BPETokenizer) -> None:
    with pytest.raises(InputError, match=rf"shape \[3, 4\]; {prose.vocab_size} rows are needed"):
        suspicious_tokens(prose, embeddings=numpy.zeros((3, 4)))
    with pytest.raises(ConfigError, match="norm_share: 2 is not between 0 and 1"):
        suspicious_tokens(prose, norm_share=2)


def test_a_trained_vocabulary_has_no_unreachable_token(prose: BPETokenizer) -> None:
    reasons = Counter(reason for token in suspicious_tokens(prose) for reason in token.reasons)
    assert reasons["unreachable"] == 0
    assert reasons["impossible"] == 13  # bytes that UTF-8 never holds: C0, C1, F5 to FF
    assert reasons["special"] == len(prose.special_tokens)
