"""The commands of ``llmp tokenizer``: what they print and write, and one sentence for whatever is wrong."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from tiny_workspace import Tiny
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from llm_playground.cli.main import main
from llm_playground.core.workspace import Workspace
from llm_playground.tokenization import BPETokenizer, inspect_text, load_tokenizer, open_tokenizer
from llm_playground.tokenization.cost import load_prices
from llm_playground.tokenization.coverage import analyze_coverage
from llm_playground.tokenization.coverage_samples import SAMPLES

Capture = pytest.CaptureFixture[str]
TEXT = "Mia's née  42\n\t👩‍🚀"


def run(*words: str) -> int:
    try:
        return main(["tokenizer", *words])
    except SystemExit as exit:
        return int(exit.code or 0)


def printed(capsys: Capture, *words: str) -> str:
    assert run(*words) == 0, capsys.readouterr()
    return capsys.readouterr().out


def told(capsys: Capture, *words: str) -> Any:
    return json.loads(printed(capsys, *words, "--json"))


def refused(capsys: Capture, *words: str) -> str:
    """The one sentence that a wrong command line gets, without the word ``llmp:``."""
    assert run(*words) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("llmp: ") and err.count("\n") == 1, (out, err)
    return err.removeprefix("llmp: ").rstrip("\n")


def typed(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


@pytest.fixture
def mine(own_tiny: Tiny) -> BPETokenizer:
    """The tokenizer of the workspace that the commands see."""
    return load_tokenizer(own_tiny.tokenizer, own_tiny.workspace)


@pytest.fixture(scope="module")
def plain() -> BPETokenizer:
    return BPETokenizer.train(["the lazy dog, the quick fox"], 270, pattern="o200k")


def test_a_text_is_encoded_and_decoded(
    capsys: Capture,
    own_tiny: Tiny,
    mine: BPETokenizer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected = mine.encode(TEXT)
    line = printed(capsys, "encode", own_tiny.tokenizer, TEXT)
    assert line == " ".join(map(str, expected)) + "\n"
    assert told(capsys, "encode", own_tiny.tokenizer, TEXT) == expected
    (tmp_path / "text").write_bytes(b"a\r\n" + TEXT.encode())
    from_file = told(capsys, "encode", own_tiny.tokenizer, "--file", str(tmp_path / "text"))
    assert from_file == mine.encode("a\r\n" + TEXT)
    for words in ((), ("-",), ("--file", "-")):
        typed(monkeypatch, b"a\r\nb")
        assert told(capsys, "encode", own_tiny.tokenizer, *words) == mine.encode("a\r\nb")
    assert told(capsys, "encode", own_tiny.tokenizer, "None") == mine.encode("None")
    assert printed(capsys, "decode", own_tiny.tokenizer, *line.split()) == TEXT + "\n"
    assert printed(capsys, "decode", own_tiny.tokenizer, json.dumps(expected)) == TEXT + "\n"
    typed(monkeypatch, line.encode())
    answer = told(capsys, "decode", own_tiny.tokenizer)
    assert answer["text"] == TEXT and [token["id"] for token in answer["tokens"]] == expected
    assert b"".join(bytes.fromhex(token["bytes"]) for token in answer["tokens"]) == TEXT.encode()


def test_special_tokens_are_text_unless_they_are_asked_for(
    capsys: Capture, own_tiny: Tiny, mine: BPETokenizer
) -> None:
    text = "a<|endoftext|>"
    assert told(capsys, "encode", own_tiny.tokenizer, text) == mine.encode(text, (), ())
    assert told(capsys, "encode", own_tiny.tokenizer, text, "--special") == mine.encode(text, "all")


def test_an_inspection_is_a_table(capsys: Capture, own_tiny: Tiny, mine: BPETokenizer) -> None:
    assert told(capsys, "encode", own_tiny.tokenizer, TEXT, "--inspect") == json.loads(
        json.dumps(inspect_text(mine, TEXT).to_dict())
    )
    out = printed(
        capsys, "encode", own_tiny.tokenizer, f"{TEXT}<|endoftext|>\x1b[0m", "--inspect", "--special"
    )
    head, _, *rows = [line for line in out.splitlines() if line.strip()]
    assert head.rstrip().endswith("  cut as")
    end = mine.special_tokens["<|endoftext|>"]
    assert any(row.split()[1:3] == [str(end), "<|endoftext|>"] and "special token" in row for row in rows)
    assert any("·" in row for row in rows) and any("⏎" in row for row in rows)
    assert "\x1b" not in out and any("\\u{1b}" in row for row in rows)
    tokens = mine.encode(f"{TEXT}<|endoftext|>\x1b[0m", "all")
    assert len(rows) == len(tokens) + 1 and rows[-1].startswith(f"{len(tokens)} tokens, 35 characters, ")


def test_a_file_or_folder_is_a_tokenizer_too(capsys: Capture, workspace: Workspace, tmp_path: Path) -> None:
    tokenizer = BPETokenizer.train(["the lazy dog"], 262)
    tokenizer.save(tmp_path / "folder")
    for place in (tmp_path / "folder", tmp_path / "folder" / "tokenizer.json"):
        assert told(capsys, "encode", str(place), "the") == tokenizer.encode("the")
    assert told(capsys, "encode", "prose", "the") == load_tokenizer("prose", workspace).encode("the")


def test_a_comparison_marks_what_only_one_has(
    capsys: Capture, own_tiny: Tiny, mine: BPETokenizer, plain: BPETokenizer, tmp_path: Path
) -> None:
    plain.save(tmp_path / "plain")
    names = (own_tiny.tokenizer, str(tmp_path / "plain"))
    answer = told(capsys, "compare", *names, "--text", "the lazy dog")
    assert (answer["characters"], answer["bytes"]) == (12, 12)
    for name, tokenizer, result in zip(names, (mine, plain), answer["results"], strict=True):
        assert result["tokenizer"] == name and result["vocab_size"] == tokenizer.vocab_size
        assert [token["id"] for token in result["tokens"]] == tokenizer.encode("the lazy dog")
        assert result["bytes_per_token"] == 12 / result["count"]
    out = printed(capsys, "compare", *names, "--text", "the lazy dog")
    lines = out.splitlines()
    for name, tokenizer, result in zip(names, (mine, plain), answer["results"], strict=True):
        spans = tokenizer.spans("the lazy dog")
        parts = [span.bytes.decode().replace(" ", "·") for span in spans]
        shown = [f"‹{part}›" if i in result["only_here"] else part for i, part in enumerate(parts)]
        assert lines[lines.index(name) + 1] == "|".join(shown)
        row = next(line for line in lines if line.strip().startswith(name) and line.strip() != name)
        assert row.split()[1:3] == [str(tokenizer.vocab_size), str(len(spans))]
    assert any(result["only_here"] for result in answer["results"])


def test_a_vocabulary_is_measured(
    capsys: Capture, own_tiny: Tiny, mine: BPETokenizer, tmp_path: Path
) -> None:
    expected = analyze_coverage(mine, SAMPLES.values())
    assert told(capsys, "analyze", own_tiny.tokenizer) == json.loads(json.dumps(expected.to_dict()))
    out = printed(capsys, "analyze", own_tiny.tokenizer, "--suspicious")
    for figures in (*expected.by_script, *expected.by_content):
        row = next(line for line in out.splitlines() if line.strip().startswith(f"{figures.name}  "))
        assert f" {figures.tokens:,} " in row and f" {figures.bytes_per_token:.2f} " in row
    assert f"{expected.used_tokens:,} of 396 tokens used; Rényi efficiency" in out
    assert "4 special (a special token: text never becomes it, only the program writes it): 0:<|endof" in out
    assert "partial (holds only a part of a character" in out
    (tmp_path / "text").write_text("мир 42")
    answer = told(capsys, "analyze", own_tiny.tokenizer, "--file", str(tmp_path / "text"), "--suspicious")
    assert {item["name"] for item in answer["by_script"]} == {"Cyrillic", "Common"}
    assert {"special", "partial"} <= {reason for item in answer["suspicious"] for reason in item["reasons"]}
    data = told(capsys, "analyze", own_tiny.tokenizer, "--dataset", own_tiny.data, "--characters", "500")
    assert data["total"]["characters"] >= 500 and data["by_script"][0]["name"] == "Latin"


def test_costs_are_a_table(capsys: Capture, workspace: Workspace) -> None:
    prices = load_prices()
    assert told(capsys, "cost") == prices.model_dump(mode="json")
    out = printed(capsys, "cost")
    assert all(price.model in out for price in prices.prices) and "USD per million tokens." in out
    price = next(item for item in prices.prices if not item.long)
    name = f"{price.provider}/{price.model}"
    words = ("cost", name, "--tokens", "1000000", "--output-tokens", "1000", "--requests-per-month", "3")
    answer = told(capsys, *words)
    expected = price.input + price.output / 1000
    assert answer["request_cost"] == pytest.approx(expected)
    assert answer["monthly_cost"] == pytest.approx(3 * expected)
    out = printed(capsys, *words)
    assert f"{expected:,.6f}" in out and f"{3 * expected:,.6f}" in out
    assert "Exact: " not in out and "Approximate: The number of tokens was given, not counted." in out
    counted = told(capsys, "cost", name, "--text", "the lazy dog", "--tokenizer", "prose")["input"]
    assert counted["tokens"] == len(load_tokenizer("prose", workspace).encode("the lazy dog"))
    assert (counted["exact"], counted["method"]) == (False, "other tokenizer")


def test_tokenizers_are_listed(capsys: Capture, own_tiny: Tiny) -> None:
    rows = {row.split()[0]: row.split()[1:] for row in printed(capsys, "list").splitlines() if row.strip()}
    assert rows[own_tiny.tokenizer] == ["tokenizer", "400", "gpt2", "traced", "tokenizer"]
    assert rows[own_tiny.chat][:3] == ["model", "400", "gpt2"]
    assert rows["prose"][-3:] == ["built", "in", "Prose"]
    listed = told(capsys, "list")
    assert [item["builtin"] for item in listed] == sorted(item["builtin"] for item in listed)
    found = next(item for item in listed if item["id"] == own_tiny.tokenizer)
    assert found["has_trace"] is True and found["special_tokens"][0] == "<|endoftext|>"


def test_a_tokenizer_is_exported_and_imported(
    capsys: Capture, own_tiny: Tiny, mine: BPETokenizer, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    assert f"{folder / 'tokenizer.json'}: read back, it gave the same ids for" in printed(
        capsys, "export", own_tiny.tokenizer, str(folder)
    )
    read = load_tokenizer(folder)
    assert read.encode(TEXT) == mine.encode(TEXT) and read.chat_template == mine.chat_template
    file = tmp_path / "deep" / "own.tiktoken"
    printed(capsys, "export", own_tiny.tokenizer, str(file), "--format", "tiktoken")
    printed(capsys, "export", own_tiny.tokenizer, str(tmp_path), "--format", "tiktoken")
    assert (tmp_path / f"{own_tiny.tokenizer}.tiktoken").read_bytes() == file.read_bytes()
    assert refused(capsys, "export", own_tiny.tokenizer, str(folder)) == (
        f"{folder / 'tokenizer.json'} exists already. --overwrite replaces it."
    )
    printed(capsys, "export", own_tiny.tokenizer, str(folder), "--overwrite")
    made = printed(capsys, "import", str(file), "--pattern", "gpt2").strip()
    artifact = Workspace().get(made, "tokenizer")
    assert (artifact.name, artifact.card["about"]) == ("own", "Imported from own.tiktoken.")
    assert artifact.summary == {"vocab_size": 400}
    assert load_tokenizer(made).encode_ordinary(TEXT) == mine.encode_ordinary(TEXT)
    named = printed(capsys, "import", str(folder), "--name", "From folder").strip()
    assert Workspace().get(named).name == "From folder" and named.startswith("from-folder-")
    assert load_tokenizer(named).chat_template == mine.chat_template


def test_a_tokenizer_of_another_kind_is_imported(
    capsys: Capture, workspace: Workspace, tmp_path: Path
) -> None:
    words = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.WordPieceTrainer(vocab_size=60, special_tokens=["[UNK]"], show_progress=False)
    words.train_from_iterator(["the quick brown fox"], trainer)
    words.save(str(tmp_path / "words.json"))
    made = printed(capsys, "import", str(tmp_path / "words.json")).strip()
    assert made.startswith("words-")
    assert open_tokenizer(made, workspace).encode("quick fox") == words.encode("quick fox").ids
    assert refused(capsys, "export", made, str(tmp_path / "x.tiktoken"), "--format", "tiktoken") == (
        "A rank file cannot hold this tokenizer, as it is not a byte-level BPE. Export it as tokenizer.json."
    )
    assert not (tmp_path / "x.tiktoken").exists()


def test_tokens_that_merges_cannot_rebuild_are_named(
    capsys: Capture, workspace: Workspace, plain: BPETokenizer, tmp_path: Path
) -> None:
    odd = {**plain.ordinary_tokens, **{number: f"q{number}".encode() for number in range(300, 310)}}
    BPETokenizer(odd, plain.merges, pattern="o200k").save(tmp_path / "odd")
    out = printed(capsys, "export", str(tmp_path / "odd"), str(tmp_path / "out"))
    assert "\n10 tokens cannot be rebuilt by merges: 300, 301, 302, 303, 304, 305, 306, 307, ...\n" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            "encode nobody a",
            "There is no tokenizer 'nobody'. Give a folder, a file or an id of the workspace.",
        ),
        ("encode", "Missing from llmp tokenizer encode: TOKENIZER"),
        ("encode prose a --odd", "Unrecognized options: --odd"),
        ("encode prose a --file FILE", "Give a text or --file, not both."),
        (
            "encode prose --file nothing.txt",
            "The file nothing.txt cannot be read: No such file or directory.",
        ),
        ("encode prose --file .", ". is a folder; a text file is needed."),
        ("encode prose --file FILE", "The file FILE is not UTF-8 text (byte 1)."),
        ("encode prose a\udcff", "The text holds a lone surrogate"),
        ("encode FILE a", "FILE: this rank file is not one of those published, and says not how its text is"),
        ("encode FILE a --pattern gpt2", "FILE is damaged: line 1 is not a token and its rank."),
        ("encode prose a --pattern none", "pattern: 'none' is unknown. Known: gpt2, "),
        ("decode prose 1 x2", "'x2' is not a token id."),
        ("decode prose 1 4096", "Token id 4096 is out of range. Ids are 0 to 4095."),
        (f"decode prose {'9' * 5_000}", f"'{'9' * 40}' is not a token id."),
        ("compare prose --text a", "2 to 6 tokenizers can be compared; 1 were given."),
        (f"compare {'prose ' * 7} --text a", "2 to 6 tokenizers can be compared; 7 were given."),
        ("compare prose nobody --text a", "There is no tokenizer 'nobody'."),
        ("analyze prose --text a --file FILE", "Give one of --text, --file and --dataset."),
        ("analyze prose --text=", "There is no text to measure."),
        ("analyze prose --dataset nobody", "There is no dataset 'nobody' in the workspace."),
        ("analyze prose --characters 0", "--characters: 0 is not 1 or more."),
        ("cost gpt-0 --tokens 1", "The price table has no model 'gpt-0'."),
        ("cost gpt-5", "Give one of --text, --file and --tokens."),
        ("cost gpt-5 --text a --tokens 1", "Give one of --text, --file and --tokens."),
        ("cost gpt-5 --tokens -1", "tokens: -1 is negative."),
        ("cost gpt-5 --tokens 1 --cached-share 2", "cached_share: 2.0 is not between 0 and 1."),
        ("cost gpt-5 --tokens many", "Error parsing --tokens"),
        ("export prose FILE/x.json", "FILE cannot be made: "),
        ("export prose FILE", "FILE exists already. --overwrite replaces it."),
        ("export prose out --format gguf", "invalid choice 'gguf' for argument '--format'."),
        ("import nothing.json", "There is no file or folder nothing.json."),
        ("import FILE", "FILE: this rank file is not one of those published"),
    ],
)
def test_wrong_words_get_one_sentence(
    capsys: Capture,
    workspace: Workspace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: str,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("damaged.txt").write_bytes(b"a\xff")
    said = refused(capsys, *words.replace("FILE", "damaged.txt").split())
    assert said.startswith(message.replace("FILE", "damaged.txt"))


def test_a_damaged_file_is_not_imported(capsys: Capture, workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text('{"model": {"type": "BPE"')
    assert "tokenizer.json" in refused(capsys, "import", str(tmp_path))
    (tmp_path / "tokenizer.json").write_text(
        '{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}, "pre_tokenizer": {"type": "ByteLevel"}}'
    )
    assert "lacks 255 of the 256 bytes" in refused(capsys, "import", str(tmp_path))
    assert [item.id for item in workspace.list("tokenizer") if not item.builtin] == []
