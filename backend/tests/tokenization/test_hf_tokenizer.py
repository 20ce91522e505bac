"""Every kind of tokenizer.json and SentencePiece models behind the package's interface."""

from __future__ import annotations

import gzip
import json
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

from llm_playground.core.errors import InputError, NotFoundError, StorageError
from llm_playground.tokenization.base import Tokenizer as TokenizerProtocol
from llm_playground.tokenization.bpe import BPETokenizer
from llm_playground.tokenization.hf import HFTokenizer
from llm_playground.tokenization.streaming import StreamDecoder

CORPUS = [
    "The quick brown fox jumps over the lazy dog, and the dog sleeps on.",
    "Playing, played, player; unhappiness and happiness are words.",
    "Größe, façade, naïve. 你好，世界。 Привет, мир! 12345 67",
    "def f(x):\n    return x + 1\n",
] * 3
SPECIALS = ["<pad>", "<s>", "</s>", "<unk>"]
TEXTS = [
    "The dog plays.",
    " two  spaces ",
    "Größe 你好 🙂‍↔️ e\u0301",
    "\n\tindented\r\n",
    "unseen ŷŵ",
    "",
]


def byte_level() -> Tokenizer:
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.post_processor = processors.ByteLevel(trim_offsets=True)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=360, special_tokens=["<|endoftext|>", "<|user|>"], initial_alphabet=alphabet
    )
    made.train_from_iterator(CORPUS, trainer)
    return made


def llama_like() -> Tokenizer:
    """SentencePiece-style BPE with byte fallback, as Llama 2's file has it."""
    learned = Tokenizer(models.BPE(unk_token="<unk>"))
    learned.pre_tokenizer = pre_tokenizers.Metaspace()
    learned.train_from_iterator(
        CORPUS, trainers.BpeTrainer(vocab_size=120, special_tokens=["<unk>", "<s>", "</s>"])
    )
    model = json.loads(learned.to_str())["model"]
    vocab = dict(model["vocab"])
    for value in range(256):
        vocab[f"<0x{value:02X}>"] = len(vocab)
    merges = [tuple(pair) for pair in model["merges"]]
    made = Tokenizer(models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    made.normalizer = normalizers.Sequence(
        [normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]
    )
    made.decoder = decoders.Sequence(
        [
            decoders.Replace("\u2581", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    made.add_special_tokens(["<unk>", "<s>", "</s>"])
    return made


def unigram() -> Tokenizer:
    made = Tokenizer(models.Unigram())
    made.normalizer = normalizers.NFKC()
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.decoder = decoders.Metaspace()
    made.train_from_iterator(
        CORPUS, trainers.UnigramTrainer(vocab_size=150, special_tokens=SPECIALS, unk_token="<unk>")
    )
    return made


def wordpiece() -> Tokenizer:
    made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.decoder = decoders.WordPiece()
    made.train_from_iterator(
        CORPUS,
        trainers.WordPieceTrainer(
            vocab_size=200, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]"], min_frequency=1
        ),
    )
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return made


def wordlevel() -> Tokenizer:
    made = Tokenizer(models.WordLevel({"[UNK]": 0, "</s>": 1, "the": 2, "dog": 3, ".": 4}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.add_special_tokens(["[UNK]", "</s>"])
    return made


MAKERS = {
    "byte-level": byte_level,
    "llama": llama_like,
    "unigram": unigram,
    "wordpiece": wordpiece,
    "wordlevel": wordlevel,
}


@pytest.fixture(scope="module")
def made() -> dict[str, Tokenizer]:
    return {name: maker() for name, maker in MAKERS.items()}


@pytest.fixture(scope="module")
def wrapped(made: dict[str, Tokenizer]) -> dict[str, HFTokenizer]:
    return {name: HFTokenizer(library.to_str(), name=name) for name, library in made.items()}


@pytest.mark.parametrize("kind", MAKERS)
def test_ids_are_those_of_the_library_without_tokens_at_the_ends(
    made: dict[str, Tokenizer], wrapped: dict[str, HFTokenizer], kind: str
) -> None:
    for text in [*TEXTS, *CORPUS]:
        ids = made[kind].encode(text, add_special_tokens=False).ids
        assert wrapped[kind].encode(text) == ids == wrapped[kind].encode_ordinary(text)
        assert [span.id for span in wrapped[kind].spans(text)] == ids
    assert isinstance(wrapped[kind], TokenizerProtocol)


@pytest.mark.parametrize("kind", MAKERS)
def test_decoding_is_the_librarys_where_that_loses_nothing(
    made: dict[str, Tokenizer], wrapped: dict[str, HFTokenizer], kind: str
) -> None:
    for text in [*TEXTS, *CORPUS]:
        ids = wrapped[kind].encode(text)
        assert wrapped[kind].decode(ids) == made[kind].decode(ids, skip_special_tokens=False)


@pytest.mark.parametrize("kind", ["byte-level", "llama"])
@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_survives_and_its_bytes_are_partitioned(
    wrapped: dict[str, HFTokenizer], kind: str, text: str
) -> None:
    tokenizer = wrapped[kind]
    assert tokenizer.decode(tokenizer.encode_ordinary(text)) == text
    data, end = text.encode(), 0
    for span in tokenizer.spans(text):
        assert span.byte_start == end
        end = span.byte_end
        assert span.bytes.endswith(data[span.byte_start : span.byte_end])
        covered = text[span.start : span.end].encode()
        assert data[span.byte_start : span.byte_end] in covered
        assert len(covered) - (span.byte_end - span.byte_start) <= 6  # at most two characters are split
    assert end == len(data)


@given(ids=st.lists(st.integers(0, 350), max_size=20))
def test_any_ids_decode_as_in_the_library(
    made: dict[str, Tokenizer], wrapped: dict[str, HFTokenizer], ids: list[int]
) -> None:
    for kind in ("byte-level", "llama"):
        expected = made[kind].decode(ids, skip_special_tokens=False)
        if "\ufffd" not in expected:
            assert wrapped[kind].decode(ids) == expected


def test_character_offsets_are_the_librarys(wrapped: dict[str, HFTokenizer]) -> None:
    spans = wrapped["byte-level"].spans("Größe 🙂")
    assert [(span.start, span.end) for span in spans if span.bytes == b" "] == [(5, 6)]
    emoji = [span for span in spans if span.start == 6]
    assert {(span.start, span.end) for span in emoji} == {(6, 7)}
    assert b"".join(span.bytes for span in emoji) == "🙂".encode()
    assert [span.byte_start for span in emoji] == list(range(8, 8 + len(emoji)))


def test_an_added_space_takes_no_bytes_of_the_text(wrapped: dict[str, HFTokenizer]) -> None:
    first, *rest = wrapped["llama"].spans("\nx")
    assert (first.bytes, first.start, first.end, first.byte_start, first.byte_end) == (b" ", 0, 0, 0, 0)
    assert [(span.bytes, span.byte_start, span.byte_end) for span in rest] == [(b"\n", 0, 1), (b"x", 1, 2)]


def test_changed_text_keeps_the_places_of_its_characters(wrapped: dict[str, HFTokenizer]) -> None:
    spans = wrapped["wordpiece"].spans("The FAÇADE")
    assert (spans[0].bytes, spans[0].start, spans[0].end) == (b"the", 0, 3)
    assert (spans[-1].end, spans[-1].byte_end) == (10, 11)


def test_token_bytes_resolve_the_signs_of_each_vocabulary(
    made: dict[str, Tokenizer], wrapped: dict[str, HFTokenizer]
) -> None:
    def value(kind: str, name: str) -> bytes:
        token = made[kind].token_to_id(name)
        assert token is not None, name
        return wrapped[kind].token_bytes(token)

    assert value("byte-level", "\u0120the") == b" the"
    assert value("byte-level", "\u010a") == b"\n"
    assert value("byte-level", "<|endoftext|>") == b"<|endoftext|>"
    assert value("llama", "<0x0A>") == b"\n"
    assert value("llama", "<0xE4>") == b"\xe4"
    assert value("llama", "\u2581the") == b" the"
    assert value("llama", "</s>") == b"</s>"
    assert value("unigram", "\u2581") == b" "
    assert value("wordpiece", "##s") == b"s"
    assert value("wordpiece", "[UNK]") == b"[UNK]"


def test_an_end_of_word_mark_is_a_space() -> None:
    made = Tokenizer(models.BPE({"lo": 0, "w</w>": 1, "w": 2}, [], end_of_word_suffix="</w>"))
    made.decoder = decoders.BPEDecoder("</w>")
    tokenizer = HFTokenizer(made.to_str())
    assert tokenizer.token_bytes(1) == b"w "
    assert tokenizer.decode([0, 1]) == made.decode([0, 1])


def test_word_pieces_decode_with_the_spaces_between_words(wrapped: dict[str, HFTokenizer]) -> None:
    tokenizer = wrapped["wordpiece"]
    ids = tokenizer.encode("The happy players")
    assert tokenizer.decode(ids) == "the happy players"
    assert tokenizer.decode_bytes(ids) == b"the happy players"


def test_special_tokens_in_text_follow_tiktokens_rule(wrapped: dict[str, HFTokenizer]) -> None:
    tokenizer = wrapped["byte-level"]
    end, user = tokenizer.special_tokens["<|endoftext|>"], tokenizer.special_tokens["<|user|>"]
    with pytest.raises(InputError) as raised:
        tokenizer.encode("a<|user|>b")
    assert raised.value.message == "The text contains the special token '<|user|>'."
    assert raised.value.hint == "Pass it in allowed_special to encode it as that token."
    assert raised.value.field == "text"
    assert user in tokenizer.encode("a<|user|>b", allowed_special="all")
    ordinary = tokenizer.encode("a<|user|>b", disallowed_special=())
    assert ordinary == tokenizer.encode_ordinary("a<|user|>b") and user not in ordinary
    assert tokenizer.decode(ordinary) == "a<|user|>b"
    mixed = tokenizer.encode("<|endoftext|><|user|>", {"<|user|>"}, disallowed_special=())
    assert user in mixed and end not in mixed
    assert tokenizer.decode(mixed) == "<|endoftext|><|user|>"
    with pytest.raises(InputError, match="'<|endoftext|>'"):
        tokenizer.encode("<|user|><|endoftext|>", {"<|user|>"})
    spans = tokenizer.spans("a<|user|>", {"<|user|>"})
    assert [(span.special, span.bytes) for span in spans] == [(False, b"a"), (True, b"<|user|>")]


@pytest.mark.parametrize("kind", ["unigram", "wordlevel", "llama", "wordpiece"])
def test_ordinary_text_never_becomes_a_special_token(wrapped: dict[str, HFTokenizer], kind: str) -> None:
    tokenizer = wrapped[kind]
    for text in tokenizer.special_tokens:
        ids = tokenizer.encode_ordinary(f"the {text} dog")
        assert not (set(ids) & set(tokenizer.special_tokens.values())) - {tokenizer.unk_id}
        assert tokenizer.special_tokens[text] in tokenizer.encode(f"the {text} dog", {text})


def test_added_tokens_that_are_not_special_are_always_found() -> None:
    made = byte_level()
    made.add_tokens([AddedToken("<think>", special=False, normalized=False)])
    tokenizer = HFTokenizer(made.to_str())
    token = made.token_to_id("<think>")
    assert "<think>" not in tokenizer.special_tokens
    assert token in tokenizer.encode("a <think> b") and token in tokenizer.encode_ordinary("<think><|user|>")
    assert tokenizer.token_bytes(token) == b"<think>"


def test_truncation_padding_and_dropout_are_off() -> None:
    made = byte_level()
    plain = HFTokenizer(made.to_str()).encode(CORPUS[0])
    made.enable_truncation(3)
    made.enable_padding(length=100)
    made.model.dropout = 0.9
    assert HFTokenizer(made.to_str()).encode(CORPUS[0]) == plain


def test_a_folder_gives_template_and_roles_and_is_saved_as_it_was(tmp_path: Path) -> None:
    source, copy = tmp_path / "source", tmp_path / "copy"
    source.mkdir()
    unigram().save(str(source / "tokenizer.json"))
    settings = {
        "bos_token": {"content": "<s>", "lstrip": False},
        "eos_token": "</s>",
        "pad_token": "<pad>",
        "unk_token": "<not there>",
        "chat_template": [
            {"name": "tools", "template": "no"},
            {"name": "default", "template": "{{ messages }}"},
        ],
    }
    (source / "tokenizer_config.json").write_text(json.dumps(settings))
    tokenizer = HFTokenizer.from_file(source)
    roles = (tokenizer.pad_id, tokenizer.bos_id, tokenizer.eos_id, tokenizer.unk_id)
    assert roles == (0, 1, 2, 3)
    assert tokenizer.chat_template == "{{ messages }}"
    assert tokenizer.model_type == "Unigram"
    tokenizer.save(copy)
    again = HFTokenizer.from_file(copy)
    assert again.fingerprint == tokenizer.fingerprint
    assert (again.roles, again.chat_template) == (tokenizer.roles, tokenizer.chat_template)
    (source / "chat_template.jinja").write_text("of its own")
    assert HFTokenizer.from_file(source / "tokenizer.json").chat_template == "of its own"


def test_roles_are_none_where_nothing_names_them(wrapped: dict[str, HFTokenizer]) -> None:
    tokenizer = wrapped["byte-level"]
    assert (tokenizer.eos_id, tokenizer.bos_id, tokenizer.pad_id, tokenizer.unk_id) == (None,) * 4


def test_byte_lengths_count_no_special_token(wrapped: dict[str, HFTokenizer]) -> None:
    tokenizer = wrapped["byte-level"]
    lengths = tokenizer.token_byte_lengths()
    assert len(lengths) == tokenizer.vocab_size == 360
    assert lengths[0] == 0
    text = CORPUS[2]
    assert sum(lengths[token] for token in tokenizer.encode(text)) == len(text.encode())


def test_a_stream_never_breaks_a_character(wrapped: dict[str, HFTokenizer]) -> None:
    tokenizer: Any = wrapped["byte-level"]
    stream = StreamDecoder(tokenizer)
    parts = [stream.push(token) for token in tokenizer.encode("你好 🙂")]
    assert "".join(parts) + stream.flush() == "你好 🙂"
    assert "\ufffd" not in "".join(parts)


def test_our_own_tokenizer_reads_the_same_from_its_folder(tmp_path: Path) -> None:
    ours = BPETokenizer.train(CORPUS, 320, special_tokens=["<|endoftext|>"])
    ours.save(tmp_path)
    library = HFTokenizer.from_file(tmp_path)
    for text in [*TEXTS, *CORPUS]:
        assert library.encode(text) == ours.encode(text)
        assert library.spans(text) == ours.spans(text)
    assert library.eos_id == ours.eos_id


@pytest.mark.parametrize(
    "damage",
    [
        "",
        "{",
        "[]",
        "null",
        "{}",
        '{"model": {}}',
        '{"added_tokens": [{"id": 1}], "model": {}}',
        '{"version": "1.0", "added_tokens": [], "model": {"type": "Rope"}}',
        '{"version": "1.0", "added_tokens": [], "model": {"type": "WordLevel", "vocab": 3}}',
        "[" * 100_000,
    ],
)
def test_a_damaged_file_is_named_in_one_sentence(tmp_path: Path, damage: str) -> None:
    file = tmp_path / "tokenizer.json"
    file.write_text(damage)
    with pytest.raises(StorageError) as raised:
        HFTokenizer.from_file(file)
    assert str(file) in raised.value.message and "\n" not in str(raised.value)


def test_a_file_that_is_not_text_is_damaged(tmp_path: Path) -> None:
    file = tmp_path / "tokenizer.json"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(StorageError, match="is damaged: not UTF-8"):
        HFTokenizer.from_file(file)


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError) as raised:
        HFTokenizer.from_file(tmp_path)
    assert raised.value.message == f"There is no tokenizer at {tmp_path}."


def test_offline_the_hub_gives_one_clear_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(NotFoundError) as raised:
        HFTokenizer.from_hub("hub:some-org/some-model")
    assert raised.value.message == (
        "The tokenizer some-org/some-model is not in the cache, and the Hugging Face Hub cannot be reached."
    )
    with pytest.raises(NotFoundError, match="has no not/a/name"):
        HFTokenizer.from_hub("not/a/name")


def test_what_the_hub_cached_is_used_offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    snapshot = tmp_path / "models--some-org--some-model" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    refs = tmp_path / "models--some-org--some-model" / "refs"
    refs.mkdir()
    (refs / "main").write_text("abc")
    byte_level().save(str(snapshot / "tokenizer.json"))
    (snapshot / "tokenizer_config.json").write_text('{"eos_token": "<|endoftext|>"}')
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert HFTokenizer.from_hub("some-org/some-model").eos_id == 0


@pytest.mark.parametrize("token", [-1, 360, 2**40])
def test_ids_out_of_range_are_refused(wrapped: dict[str, HFTokenizer], token: int) -> None:
    for call in (wrapped["byte-level"].token_bytes, lambda id: wrapped["byte-level"].decode([id])):
        with pytest.raises(InputError) as raised:
            call(token)
        assert str(raised.value) == f"Token id {token} is out of range. Ids are 0 to 359."
    with pytest.raises(InputError, match="out of range"):
        wrapped["wordpiece"].decode([token + 10**6])


@pytest.mark.parametrize("kind", MAKERS)
def test_a_lone_surrogate_is_refused(wrapped: dict[str, HFTokenizer], kind: str) -> None:
    for call in (wrapped[kind].encode, wrapped[kind].encode_ordinary, wrapped[kind].spans):
        with pytest.raises(InputError, match="lone surrogate"):
            call("a\ud800b")


def test_text_that_the_vocabulary_cannot_write_is_refused() -> None:
    made = Tokenizer(models.WordLevel({"a": 0}, unk_token="[UNK]"))
    with pytest.raises(InputError, match="tiny cannot encode this text"):
        HFTokenizer(made.to_str(), name="tiny").encode("b")


def test_gpt2s_own_file_gives_its_published_ids(test_data: Path) -> None:
    folder = test_data / "tokenizers" / "gpt2"
    tokenizer = HFTokenizer(gzip.decompress((folder / "tokenizer.json.gz").read_bytes()).decode())
    texts = (folder / "ggml-vocab-gpt-2.gguf.inp").read_text(encoding="utf-8")
    lines = (folder / "ggml-vocab-gpt-2.gguf.out").read_text().splitlines()
    for text, line in zip(texts.split("\n__ggml_vocab_test__\n"), lines, strict=False):
        assert tokenizer.encode_ordinary(text) == [int(token) for token in line.split()]
        assert tokenizer.decode(tokenizer.encode_ordinary(text)) == text


# SentencePiece models: one is written here byte by byte, another is the public test model.


def field(number: int, value: int | float | bytes) -> bytes:
    if isinstance(value, float):
        return bytes([number << 3 | 5]) + struct.pack("<f", value)
    kind = 2 if isinstance(value, bytes) else 0
    body = varint(len(value)) + value if isinstance(value, bytes) else varint(value)
    return varint(number << 3 | kind) + body


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def sentencepiece(model_type: int, *, dummy: bool = True) -> bytes:
    pieces = [("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("</s>", 0.0, 3)]
    pieces += [(f"<0x{value:02X}>", 0.0, 6) for value in range(256)]
    words = ["\u2581", "a", "b", "c", "ab", "\u2581ab", "abc", "<", "/", "s", ">"]
    pieces += [(word, -float(rank + 1), 1) for rank, word in enumerate(words)]
    data = b"".join(
        field(1, field(1, text.encode()) + field(2, score) + field(3, kind)) for text, score, kind in pieces
    )
    trainer = field(3, model_type) + field(35, 1)
    normalizer = field(1, b"identity") + field(3, int(dummy)) + field(4, 0) + field(5, 1)
    return data + field(2, trainer) + field(3, normalizer)


@pytest.mark.parametrize("model_type", [1, 2])
@pytest.mark.parametrize("dummy", [True, False])
def test_a_sentencepiece_model_round_trips_any_text(tmp_path: Path, model_type: int, dummy: bool) -> None:
    (tmp_path / "tokenizer.model").write_bytes(sentencepiece(model_type, dummy=dummy))
    tokenizer = HFTokenizer.from_file(tmp_path)
    assert tokenizer.model_type == {1: "Unigram", 2: "BPE"}[model_type]
    assert (tokenizer.unk_id, tokenizer.bos_id, tokenizer.eos_id, tokenizer.pad_id) == (0, 1, 2, None)
    for text in ["ab abc", "  ab", "</s>", "ab\n\n é🙂 ", " "]:
        ids = tokenizer.encode(text, disallowed_special=())
        assert tokenizer.decode(ids) == text and 2 not in ids
    assert tokenizer.encode("</s>", allowed_special="all") == [2]
    tokenizer.save(tmp_path / "saved")
    assert HFTokenizer.from_file(tmp_path / "saved").encode("ab abc") == tokenizer.encode("ab abc")


def test_bpe_of_sentencepiece_merges_the_best_score_first(tmp_path: Path) -> None:
    file = tmp_path / "spiece.model"
    file.write_bytes(sentencepiece(2))
    tokenizer = HFTokenizer.from_file(file)
    names = [tokenizer.token_bytes(token) for token in tokenizer.encode("ab abc")]
    assert names == [b" ab", b" ab", b"c"]  # "ab" before "abc"; then the space's merge has the better score


def test_the_public_sentencepiece_model_is_read(test_data: Path) -> None:
    tokenizer = HFTokenizer.from_file(test_data / "tokenizers" / "sentencepiece" / "test_model.model")
    assert (tokenizer.vocab_size, tokenizer.model_type) == (1000, "Unigram")
    # What the library sentencepiece 0.2.3 gives.
    assert tokenizer.encode("Hello world") == [151, 88, 21, 887]
    assert tokenizer.decode(tokenizer.encode("I saw a girl  with a telescope.")) == (
        "I saw a girl with a telescope."
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        b"\x0a\xff\xff",
        b"not a model at all",
        sentencepiece(1)[:2000],
        sentencepiece(2)[:-5],
        b"\xff" * 40,
    ],
)
def test_a_damaged_sentencepiece_model_is_named(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "broken.model"
    file.write_bytes(data)
    with pytest.raises(StorageError, match="is damaged: not a SentencePiece model"):
        HFTokenizer.from_file(file)


def test_a_model_of_words_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "words.model"
    file.write_bytes(sentencepiece(3))
    with pytest.raises(InputError, match="of words or characters, not of subwords"):
        HFTokenizer.from_file(file)
