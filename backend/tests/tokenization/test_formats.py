"""Tokenizers from every file that holds one: equal ids from each, and one sentence for each that is wrong."""

from __future__ import annotations

import base64
import gzip
import json
import random
import shutil
import struct
from pathlib import Path
from typing import Any

import pytest
import tiktoken
from tokenizers import Tokenizer

from llm_playground.core.errors import InputError, NotFoundError, StorageError
from llm_playground.core.workspace import Workspace
from llm_playground.tokenization import BPETokenizer, HFTokenizer, load_tokenizer, open_tokenizer
from llm_playground.tokenization.formats.ranks import load_ranks, recover_merges, to_ranks
from llm_playground.tokenization.formats.tokenizer_json import to_json
from llm_playground.tokenization.splitting import PATTERNS

from .families import CORPUS, random_text, sentencepiece

RNG = random.Random(0)
TEXTS = [random_text(RNG) for _ in range(300)]


@pytest.fixture(scope="module")
def tiny() -> BPETokenizer:
    return BPETokenizer.train(CORPUS, 400, pattern="cl100k")


def unpacked(source: Path, target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(gzip.decompress(source.read_bytes()))
    return target


@pytest.fixture(scope="module")
def gpt2_places(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    source, target = test_data / "tokenizers" / "gpt2", tmp_path_factory.mktemp("gpt2")
    unpacked(source / "vocab.bpe.gz", target / "two" / "vocab.bpe")
    unpacked(source / "encoder.json.gz", target / "two" / "encoder.json")
    return {
        "tokenizer.json": unpacked(source / "tokenizer.json.gz", target / "one" / "tokenizer.json").parent,
        "vocab.bpe and encoder.json": target / "two",
        "ranks": unpacked(source / "gpt2.tiktoken.gz", target / "gpt2.tiktoken"),
        "gguf": source / "ggml-vocab-gpt-2.gguf",
    }


def vectors(test_data: Path) -> list[tuple[str, list[int]]]:
    folder = test_data / "tokenizers" / "gpt2"
    texts = (folder / "ggml-vocab-gpt-2.gguf.inp").read_bytes().decode().split("\n__ggml_vocab_test__\n")
    lines = (folder / "ggml-vocab-gpt-2.gguf.out").read_text().split("\n")
    return [(text, [int(token) for token in line.split()]) for text, line in zip(texts, lines, strict=False)]


@pytest.mark.parametrize("form", ["tokenizer.json", "vocab.bpe and encoder.json", "ranks", "gguf"])
def test_gpt2_from_each_of_its_files(form: str, gpt2_places: dict[str, Path], test_data: Path) -> None:
    tokenizer = load_tokenizer(gpt2_places[form])
    assert tokenizer.vocab_size == 50_257 and tokenizer.special_tokens == {"<|endoftext|>": 50_256}
    found = vectors(test_data)
    assert len(found) >= 46
    for text, ids in found:
        assert tokenizer.encode(text, (), ()) == ids, repr(text)
    text = (test_data / "tokenizers" / "lib.rs.txt").read_bytes().decode()
    expected = json.loads((test_data / "tokenizers" / "gpt2" / "tokens_gpt2.json").read_text())
    assert tokenizer.encode(text) == expected


def test_cl100k_is_recognised_by_its_hash_and_equals_tiktoken(test_data: Path, tmp_path: Path) -> None:
    source = test_data / "tokenizers" / "cl100k_base"
    tokenizer = load_tokenizer(
        unpacked(source / "cl100k_base.tiktoken.gz", tmp_path / "cl100k_base.tiktoken")
    )
    assert tokenizer.special_tokens["<|endofprompt|>"] == 100_276 and tokenizer.vocab_size == 100_277
    text = (test_data / "tokenizers" / "lib.rs.txt").read_bytes().decode()
    assert tokenizer.encode(text) == json.loads((source / "tokens_gpt_3.5_turbo.json").read_text())
    ranks = {value: token for token, value in tokenizer.ordinary_tokens.items()}
    theirs = tiktoken.Encoding(
        "cl100k", pat_str=PATTERNS["cl100k"].regex, mergeable_ranks=ranks, special_tokens={}
    )
    for text in TEXTS:
        assert tokenizer.encode_ordinary(text) == theirs.encode_ordinary(text), repr(text)
    every = "".join(map(chr, [*range(0xD800), *range(0xE000, 0x110000)]))
    assert tokenizer.encode_ordinary(every) == theirs.encode_ordinary(every)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_ranks_give_tiktokens_ids(pattern: str, tmp_path: Path) -> None:
    trained = BPETokenizer.train(CORPUS, 420, pattern=pattern)
    file = tmp_path / "own.tiktoken"
    file.write_text(to_ranks(trained))
    with pytest.raises(InputError, match="pattern"):
        load_tokenizer(file)
    mine = open_tokenizer(file, pattern=pattern)
    ranks = {
        base64.b64decode(line.split()[0]): int(line.split()[1]) for line in file.read_text().splitlines()
    }
    theirs = tiktoken.Encoding(
        "own", pat_str=PATTERNS[pattern].regex, mergeable_ranks=ranks, special_tokens={}
    )
    for text in [*TEXTS, "a" * 5_000, "東" * 400]:
        assert mine.encode_ordinary(text) == theirs.encode_ordinary(text), repr(text)


def test_ranks_saved_as_tokenizer_json_give_the_same_ids(tiny: BPETokenizer, tmp_path: Path) -> None:
    file = tmp_path / "own.tiktoken"
    file.write_text(to_ranks(tiny))
    ranked = load_ranks(BPETokenizer, file, "cl100k")
    assert recover_merges(ranked) == (tiny.merges, [])
    ranked.save(tmp_path / "saved")
    theirs = Tokenizer.from_file(str(tmp_path / "saved" / "tokenizer.json"))
    for text in TEXTS:
        assert theirs.encode(text).ids == ranked.encode_ordinary(text), repr(text)


def test_a_token_that_merges_cannot_rebuild_is_reported(tiny: BPETokenizer, tmp_path: Path) -> None:
    file = tmp_path / "own.tiktoken"
    odd = base64.b64encode("qxz東".encode()).decode()
    file.write_text(to_ranks(tiny) + f"{odd} 400\n")
    ranked = load_ranks(BPETokenizer, file, "cl100k")
    assert recover_merges(ranked)[1] == [400]
    assert ranked.encode("qxz東") == [400] and ranked.decode([400]) == "qxz東"


def gguf(pairs: dict[str, Any]) -> bytes:
    """Write metadata as a GGUF file does: strings, numbers, and lists of either."""

    def string(text: str) -> bytes:
        return struct.pack("<Q", len(text.encode())) + text.encode()

    def value(item: Any) -> bytes:
        if isinstance(item, str):
            return struct.pack("<I", 8) + string(item)
        if isinstance(item, bool):
            return struct.pack("<I?", 7, item)
        if isinstance(item, int):
            return struct.pack("<II", 4, item)
        kind = 8 if isinstance(item[0], str) else 6 if isinstance(item[0], float) else 5
        head = struct.pack("<IIQ", 9, kind, len(item))
        if kind == 8:
            return head + b"".join(map(string, item))
        return head + struct.pack(f"<{len(item)}{'f' if kind == 6 else 'i'}", *item)

    body = b"".join(string(key) + value(item) for key, item in pairs.items())
    return b"GGUF" + struct.pack("<IQQ", 3, 0, len(pairs)) + body


def test_a_sentencepiece_vocabulary_by_its_scores(tmp_path: Path) -> None:
    theirs = sentencepiece(None)
    data = json.loads(theirs.to_str())
    vocab = sorted(data["model"]["vocab"], key=data["model"]["vocab"].get)
    ranks = {left + right: rank for rank, (left, right) in enumerate(data["model"]["merges"])}
    kinds = {"<unk>": 2, "<s>": 3, "<|x|>": 3}
    types = [kinds.get(text, 6 if text.startswith("<0x") else 1) for text in vocab]
    file = tmp_path / "spm.gguf"
    file.write_bytes(
        gguf(
            {
                "tokenizer.ggml.model": "llama",
                "tokenizer.ggml.tokens": vocab,
                "tokenizer.ggml.scores": [-float(ranks.get(text, 10_000)) for text in vocab],
                "tokenizer.ggml.token_type": types,
                "tokenizer.ggml.bos_token_id": 1,
            }
        )
    )
    mine = load_tokenizer(file)
    assert mine.bos_id == 1
    for text in TEXTS:
        assert mine.encode(text, "all") == theirs.encode(text, add_special_tokens=False).ids, repr(text)
    mine.save(tmp_path / "saved")
    again = Tokenizer.from_file(str(tmp_path / "saved" / "tokenizer.json"))
    reread = load_tokenizer(tmp_path / "saved")
    for text in TEXTS:
        expected = mine.encode(text, "all")
        assert again.encode(text, add_special_tokens=False).ids == expected, repr(text)
        assert reread.encode(text, "all") == expected


def test_a_wordpiece_vocabulary_comes_through_the_library(tmp_path: Path) -> None:
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "▁play", "ing", "▁the", "er", "▁,"]
    file = tmp_path / "bert.gguf"
    file.write_bytes(
        gguf(
            {
                "tokenizer.ggml.model": "bert",
                "tokenizer.ggml.tokens": tokens,
                "tokenizer.ggml.token_type": [3, 3, 3, 3, 1, 1, 1, 1, 1],
                "tokenizer.ggml.unknown_token_id": 1,
            }
        )
    )
    tokenizer = open_tokenizer(file)
    assert isinstance(tokenizer, HFTokenizer)
    assert tokenizer.encode("Playing, the player zzz") == [4, 5, 8, 6, 4, 7, 1]
    with pytest.raises(InputError, match="bert"):
        load_tokenizer(file)


def test_what_is_not_ours_comes_through_the_library(tmp_path: Path) -> None:
    data = json.loads(sentencepiece(None).to_str())
    data["model"]["dropout"] = 0.0
    data["normalizer"] = {"type": "StripAccents"}
    (tmp_path / "tokenizer.json").write_text(json.dumps(data))
    assert isinstance(open_tokenizer(tmp_path), HFTokenizer)
    with pytest.raises(InputError, match="StripAccents.*HFTokenizer"):
        load_tokenizer(tmp_path)


def test_built_in_tokenizers_open_by_id(workspace: Workspace) -> None:
    for name in ("prose", "code", "tinyworld", "example"):
        assert isinstance(open_tokenizer(name, workspace), BPETokenizer)
    with pytest.raises(NotFoundError, match="nothing-here"):
        open_tokenizer("nothing-here", workspace)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "holds no token"),
        (b"YQ== 0\nYg==\n", "line 2"),
        (b"YQ== 0\n!!! 1\n", "line 2"),
        (b"YQ== 0\nYg== 0\n", "line 2 repeats"),
        (b"YQ== 0\nYQ== 1\n", "occurs twice"),
        (b"YQ== -1\n", "line 1"),
        (b"\xff\xfe\x00", "line 1"),
        (b"YQ== 0\nYg== 1\n", "254 of the 256 bytes"),
    ],
)
def test_broken_rank_files_are_refused(content: bytes, words: str, tmp_path: Path) -> None:
    file = tmp_path / "x.tiktoken"
    file.write_bytes(content)
    with pytest.raises((InputError, StorageError), match=words):
        load_ranks(BPETokenizer, file, "gpt2")


def test_a_forged_copy_of_a_published_file_is_not_taken_for_it(test_data: Path, tmp_path: Path) -> None:
    file = unpacked(test_data / "tokenizers" / "gpt2" / "gpt2.tiktoken.gz", tmp_path / "gpt2.tiktoken")
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:-1]))
    with pytest.raises(InputError, match="not one of those published"):
        load_tokenizer(file)


def test_broken_gguf_files_are_refused(tmp_path: Path) -> None:
    good = gguf({"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.tokens": ["a"]})
    file = tmp_path / "x.gguf"
    for content, words in (
        (b"", "not a GGUF"),
        (b"GGML" + good[4:], "not a GGUF"),
        (good[:4] + struct.pack("<I", 9) + good[8:], "version 9"),
        (good[:-3], "damaged"),
        (good[:16] + struct.pack("<Q", 2**60) + good[24:], "damaged"),
        (good[:24] + struct.pack("<Q", 2**62) + good[32:], "damaged"),
        (gguf({"tokenizer.ggml.model": "gpt2"}), "no vocabulary"),
        (gguf({"tokenizer.ggml.model": "rwkv", "tokenizer.ggml.tokens": ["a"]}), "rwkv"),
        (
            gguf(
                {
                    "tokenizer.ggml.model": "gpt2",
                    "tokenizer.ggml.pre": "new",
                    "tokenizer.ggml.tokens": ["a"],
                }
            ),
            "pattern",
        ),
    ):
        file.write_bytes(content)
        with pytest.raises((InputError, StorageError), match=words):
            load_tokenizer(file)


def test_other_wrong_places_are_refused(tiny: BPETokenizer, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="There is no tokenizer"):
        load_tokenizer(tmp_path / "nothing", Workspace(tmp_path / "w"))
    with pytest.raises(InputError, match="holds no tokenizer"):
        load_tokenizer(tmp_path)
    (tmp_path / "vocab.bpe").write_text("#version: 0.2\nt h\n")
    with pytest.raises(InputError, match=r"needs encoder\.json"):
        load_tokenizer(tmp_path / "vocab.bpe")
    (tmp_path / "encoder.json").write_text("{")
    with pytest.raises(StorageError, match=r"encoder\.json"):
        load_tokenizer(tmp_path)
    vocab = {name: token for name, token in to_json(tiny)["model"]["vocab"].items() if len(name) == 1}
    (tmp_path / "encoder.json").write_text(json.dumps(vocab))
    with pytest.raises(InputError, match="line 2"):
        load_tokenizer(tmp_path)


def test_ranks_refuse_what_they_cannot_hold(tmp_path: Path) -> None:
    folder = tmp_path / "spm"
    folder.mkdir()
    sentencepiece(None).save(str(folder / "tokenizer.json"))
    with pytest.raises(InputError, match="characters"):
        to_ranks(BPETokenizer.load(folder))
    shutil.rmtree(folder)
