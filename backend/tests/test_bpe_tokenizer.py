"""The tokenizer against `tokenizers` and `tiktoken`: equal merges, equal ids, and every text comes back."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
import tiktoken
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from llm_playground.core.errors import ConfigError, InputError, StorageError
from llm_playground.tokenization import BPETokenizer, StreamDecoder, load_tokenizer
from llm_playground.tokenization.alphabet import byte_names, from_name, to_name
from llm_playground.tokenization.formats.tokenizer_json import to_json
from llm_playground.tokenization.splitting import PATTERNS

SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|pad|>")
ENGLISH = ["The cat sat on the mat. The cat's hat isn't the dog's.", "low lower lowest newer wider " * 5]
MIXED = [
    *ENGLISH,
    "naïve café — 東京都 привет мир 👩‍👩‍👧 e\u0301",
    "def f(x):\n\treturn x ** 2  # 12345\n\n",
]
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


def referee(texts: list[str], vocab_size: int) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIALS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


@pytest.fixture(scope="module")
def ours() -> BPETokenizer:
    return BPETokenizer.train(MIXED * 3, 400, special_tokens=SPECIALS)


@pytest.fixture(scope="module")
def folder(ours: BPETokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tokenizer")
    ours.save(path)
    return path


@pytest.mark.parametrize(
    ("texts", "size"), [(ENGLISH, 300), (MIXED, 400), (MIXED * 3, 330), (["aaaa aaa"], 280)]
)
def test_training_gives_the_merges_and_ids_of_the_huggingface_trainer(texts: list[str], size: int) -> None:
    mine = BPETokenizer.train(texts, size, special_tokens=SPECIALS)
    theirs = json.loads(referee(texts, size).to_str())["model"]
    saved = to_json(mine)["model"]
    assert [tuple(merge) for merge in theirs["merges"]] == [tuple(merge) for merge in saved["merges"]]
    assert theirs["vocab"] == saved["vocab"]


@given(st.lists(st.text("ab cd'é1\n", max_size=40), min_size=1, max_size=6), st.integers(262, 300))
def test_training_parity_on_random_text(texts: list[str], size: int) -> None:
    if not any(texts):
        return
    theirs = json.loads(referee(texts, size).to_str())["model"]
    saved = to_json(BPETokenizer.train(texts, size, special_tokens=SPECIALS))["model"]
    assert [tuple(merge) for merge in theirs["merges"]] == [tuple(merge) for merge in saved["merges"]]


@given(text=TEXT)
def test_every_text_comes_back_and_ids_equal_the_loaded_tokenizers(
    text: str, ours: BPETokenizer, folder: Path
) -> None:
    ids = ours.encode_ordinary(text)
    assert ours.decode(ids) == text
    assert ids == _loaded(folder).encode(text).ids if not any(s in text for s in SPECIALS) else True
    assert BPETokenizer.load(folder).encode_ordinary(text) == ids


_CACHE: dict[Path, Tokenizer] = {}


def _loaded(folder: Path) -> Tokenizer:
    if folder not in _CACHE:
        _CACHE[folder] = Tokenizer.from_file(str(folder / "tokenizer.json"))
    return _CACHE[folder]


def test_long_pieces_use_the_heap_and_agree(ours: BPETokenizer, folder: Path) -> None:
    for text in ("a" * 3000, "thecatsat" * 100, "the" + " " * 500 + "cat", "東京" * 90):
        assert ours.encode_ordinary(text) == _loaded(folder).encode(text).ids


def test_special_tokens_follow_tiktokens_rule(ours: BPETokenizer) -> None:
    ranks = {ours.token_bytes(i): i for i in range(4, ours.vocab_size)}
    reference = tiktoken.Encoding(
        "ours",
        pat_str=PATTERNS["gpt2"].regex,
        mergeable_ranks=ranks,
        special_tokens=dict(ours.special_tokens),
    )
    text = "the cat<|im_end|> sat<|endoftext|>"
    assert ours.encode(text, allowed_special="all") == reference.encode(text, allowed_special="all")
    assert ours.encode(text, disallowed_special=()) == reference.encode(text, disallowed_special=())
    some = {"<|im_end|>"}
    expected = reference.encode(text, allowed_special=some, disallowed_special=())
    assert ours.encode(text, allowed_special=some, disallowed_special=()) == expected
    with pytest.raises(ValueError):
        reference.encode(text)
    with pytest.raises(InputError, match="im_end"):
        ours.encode(text)


def test_transformers_loads_the_folder_with_equal_ids(ours: BPETokenizer, folder: Path) -> None:
    from transformers import AutoTokenizer

    theirs = AutoTokenizer.from_pretrained(folder)
    text = "The cat's hat<|im_end|> 東京 12345\n"
    ids = ours.encode(text, allowed_special="all")
    assert theirs(text)["input_ids"] == ids
    assert theirs.decode(ids) == ours.decode(ids) == text
    assert (theirs.eos_token_id, theirs.pad_token_id) == (ours.eos_id, ours.pad_id)


@given(text=TEXT)
def test_a_stream_never_breaks_a_character(text: str, ours: BPETokenizer) -> None:
    decoder = StreamDecoder(ours)
    parts = [decoder.push(token) for token in ours.encode_ordinary(text)]
    assert "".join(parts) + decoder.flush() == text
    if "\ufffd" not in text:
        assert all("\ufffd" not in part for part in parts)


def test_byte_names_are_those_of_the_library() -> None:
    assert set(byte_names()) == set(pre_tokenizers.ByteLevel.alphabet())
    assert from_name(to_name(bytes(range(256)))) == bytes(range(256))


def test_both_forms_of_merges_load(folder: Path, tmp_path: Path, ours: BPETokenizer) -> None:
    data = json.loads((folder / "tokenizer.json").read_text())
    data["model"]["merges"] = [" ".join(merge) for merge in data["model"]["merges"]]
    (tmp_path / "tokenizer.json").write_text(json.dumps(data))
    again = load_tokenizer(tmp_path)
    assert again.fingerprint == ours.fingerprint


@pytest.fixture(scope="module")
def gpt2_file(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    packed = test_data / "tokenizers" / "gpt2" / "tokenizer.json.gz"
    file = tmp_path_factory.mktemp("gpt2") / "tokenizer.json"
    file.write_bytes(gzip.decompress(packed.read_bytes()))
    return file


def test_gpt2_reads_as_its_published_ids(gpt2_file: Path, test_data: Path) -> None:
    tokenizer = BPETokenizer.load(gpt2_file)
    assert tokenizer.vocab_size == 50_257 and tokenizer.eos_id == 50_256
    folder = test_data / "tokenizers"
    text = (folder / "lib.rs.txt").read_bytes().decode()
    expected = json.loads((folder / "gpt2" / "tokens_gpt2.json").read_text())
    assert tokenizer.encode(text) == expected and tokenizer.decode(expected) == text
    inputs = (folder / "gpt2" / "ggml-vocab-gpt-2.gguf.inp").read_bytes().decode()
    outputs = (folder / "gpt2" / "ggml-vocab-gpt-2.gguf.out").read_text().split("\n")
    texts = inputs.split("\n__ggml_vocab_test__\n")
    for text, line in zip(texts, outputs, strict=False):
        assert tokenizer.encode(text) == [int(token) for token in line.split()], text
    assert len(texts) > 40


def test_gpt2_saved_again_is_the_same_tokenizer(gpt2_file: Path, tmp_path: Path) -> None:
    tokenizer = BPETokenizer.load(gpt2_file)
    tokenizer.save(tmp_path)
    assert BPETokenizer.load(tmp_path).fingerprint == tokenizer.fingerprint
    theirs = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    for text in (*MIXED, "Hello world! It's 2026.\n\n\n  done", "x" * 300):
        assert theirs.encode(text).ids == tokenizer.encode_ordinary(text)


def test_bad_settings_and_corpora_are_refused_in_one_sentence() -> None:
    with pytest.raises(ConfigError, match="at least 260"):
        BPETokenizer.train(["a"], 259, special_tokens=SPECIALS)
    with pytest.raises(ConfigError, match="tie_break"):
        BPETokenizer.train(["a"], 300, tie_break="coin")
    with pytest.raises(ConfigError, match="pattern"):
        BPETokenizer.train(["a"], 300, pattern="nope")
    with pytest.raises(ConfigError, match="empty"):
        BPETokenizer.train(["a"], 300, special_tokens=[""])
    for texts in ([], [""]):
        with pytest.raises(InputError, match="empty"):
            BPETokenizer.train(texts, 300)
    with pytest.raises(InputError, match="Unicode"):
        BPETokenizer.train(["\ud800"], 300)


def test_bad_text_ids_and_files_are_refused(ours: BPETokenizer, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="surrogate"):
        ours.encode("a\ud83d")
    for token in (-1, ours.vocab_size, 10**9):
        with pytest.raises(InputError, match="out of range"):
            ours.decode([token])
    with pytest.raises(InputError, match="no tokenizer.json"):
        BPETokenizer.load(tmp_path)
    file = tmp_path / "tokenizer.json"
    good = json.loads((folder / "tokenizer.json").read_text())
    file.write_text("{")
    with pytest.raises(StorageError, match="damaged"):
        BPETokenizer.load(file)
    file.write_text("{}")
    with pytest.raises(StorageError, match="model"):
        BPETokenizer.load(file)
    for part, value in (
        ("model", {**good["model"], "type": "Unigram"}),
        ("model.dropout", {**good["model"], "dropout": 0.1}),
        ("normalizer", {"type": "BertNormalizer"}),
        ("pre_tokenizer", {"type": "BertPreTokenizer"}),
        ("added_tokens", [{**good["added_tokens"][0], "single_word": True}]),
    ):
        file.write_text(json.dumps({**good, part.partition(".")[0]: value}))
        with pytest.raises(InputError, match=part):
            BPETokenizer.load(file)
    vocab = dict(list(good["model"]["vocab"].items())[:-40])
    file.write_text(json.dumps({**good, "model": {**good["model"], "vocab": vocab}}))
    with pytest.raises((InputError, StorageError)):
        BPETokenizer.load(file)
