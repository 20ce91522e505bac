"""The tokenization routes: what they answer, and how they say what is wrong."""

from __future__ import annotations

import inspect
import json
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient
from tiny_workspace import Tiny
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from llm_playground.api import Settings, create_app, tokenization
from llm_playground.core.workspace import Workspace
from llm_playground.tokenization import (
    BPETokenizer,
    HFTokenizer,
    inspect_text,
    load_tokenizer,
    open_tokenizer,
)
from llm_playground.tokenization.cost import load_prices
from llm_playground.tokenization.coverage import analyze_coverage
from llm_playground.tokenization.coverage_samples import SAMPLES
from llm_playground.tokenization.training_trace import TrainingTrace, load_trace, save_trace

BASE = "/api/v1/tokenization"
TEXT = "Mia's dog — née 42 👩‍🚀\n\tsaid <|endoftext|>!"


def keep(workspace: Workspace, name: str, tokenizer: Any) -> str:
    """Put a tokenizer into a workspace; returns its id."""
    with workspace.new_artifact("tokenizer", name=name) as draft:
        tokenizer.save(draft.path)
    return draft.id


def word_pieces() -> HFTokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.Whitespace()
    trainer = trainers.WordPieceTrainer(vocab_size=120, special_tokens=["[UNK]"])
    tokenizer.train_from_iterator(["the quick brown fox jumps over the lazy dog"], trainer)
    return HFTokenizer(tokenizer.to_str())


@pytest.fixture(scope="module")
def lab(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A workspace with tokenizers of several kinds and a client of the API over it."""
    mine = tiny.copy(tmp_path_factory.mktemp("lab") / "workspace")
    traced = load_tokenizer(mine.workspace.get(mine.tokenizer).path)
    plain = BPETokenizer.train(["the lazy dog, the quick fox"], 270, pattern="o200k")
    composed = BPETokenizer(plain.ordinary_tokens, plain.merges, normalizer={"type": "NFC"})
    ids = {
        "traced": mine.tokenizer,
        "plain": keep(mine.workspace, "Plain", plain),
        "composed": keep(mine.workspace, "Composed", composed),
        "words": keep(mine.workspace, "Words", word_pieces()),
    }
    client = TestClient(create_app(mine.workspace, Settings(web=None)), base_url="http://127.0.0.1:8000")
    return SimpleNamespace(
        tiny=mine, workspace=mine.workspace, client=client, tokenizer=traced, plain_tokenizer=plain, **ids
    )


def post(lab: SimpleNamespace, path: str, **body: Any) -> Any:
    answer = lab.client.post(f"{BASE}/{path}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def get(lab: SimpleNamespace, path: str, **query: Any) -> Any:
    answer = lab.client.get(f"{BASE}/{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def refused(answer: Any, status: int) -> dict[str, Any]:
    """The error of an answer; its message is one sentence."""
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert list(error)[:3] == ["message", "hint", "field"]
    assert error["message"].endswith(".") and "\n" not in error["message"]
    return error


def test_tokenizers_and_models_that_hold_one_are_listed(lab: SimpleNamespace) -> None:
    listed = get(lab, "tokenizers")["tokenizers"]
    assert [item["created_at"] for item in listed] == sorted(
        (item["created_at"] for item in listed), reverse=True
    )
    found = {item["id"]: item for item in listed}
    assert set(found) == {lab.traced, lab.plain, lab.composed, lab.words, lab.tiny.base, lab.tiny.chat}
    assert {"kind": "model", "vocab_size": 400, "has_trace": False}.items() <= found[lab.tiny.chat].items()
    assert found[lab.traced] == {
        "id": lab.traced,
        "name": "tokenizer",
        "kind": "tokenizer",
        "builtin": False,
        "created_at": lab.workspace.get(lab.traced).created_at,
        "vocab_size": 400,
        "pattern": "gpt2",
        "about": "",
        "has_trace": True,
        "special_tokens": list(lab.tokenizer.special_tokens),
    }
    assert found[lab.plain]["pattern"] == "o200k" and found[lab.plain]["special_tokens"] == []
    assert found[lab.words]["pattern"] is None and found[lab.words]["special_tokens"] == ["[UNK]"]


def test_built_in_tokenizers_come_last_and_tell_what_they_are(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    own = keep(workspace, "Own", BPETokenizer.train(["ab"], 257))
    client = TestClient(create_app(workspace, Settings(web=None)), base_url="http://127.0.0.1:8000")
    listed = client.get(f"{BASE}/tokenizers").json()["tokenizers"]
    assert listed[0]["id"] == own and [item["builtin"] for item in listed[:2]] == [False, True]
    assert {"prose", "code", "tinyworld"} <= {item["id"] for item in listed if item["about"]}


def test_encoding_gives_the_tokenizers_ids(lab: SimpleNamespace) -> None:
    ids = lab.tokenizer.encode(TEXT, (), ())
    size = len(TEXT.encode())
    assert post(lab, "encode", tokenizer=lab.traced, text=TEXT) == {
        "ids": ids,
        "count": len(ids),
        "characters": len(TEXT),
        "bytes": size,
        "bytes_per_token": size / len(ids),
        "inspection": None,
    }
    empty = post(lab, "encode", tokenizer=lab.traced, text="", inspect=True)
    assert (empty["ids"], empty["count"], empty["bytes_per_token"]) == ([], 0, None)
    assert empty["inspection"]["tokens"] == empty["inspection"]["pieces"] == []
    assert post(lab, "encode", tokenizer=lab.tiny.chat, text="Mia")["ids"] == lab.tokenizer.encode("Mia")


def test_an_inspection_explains_every_token(lab: SimpleNamespace) -> None:
    answer = post(lab, "encode", tokenizer=lab.traced, text=TEXT, inspect=True)
    inspection = answer["inspection"]
    assert inspection == json.loads(json.dumps(inspect_text(lab.tokenizer, TEXT).to_dict()))
    assert answer["ids"] == [token["id"] for token in inspection["tokens"]]
    assert answer["ids"] == lab.tokenizer.encode(TEXT, (), ())
    assert inspection["pattern"] == "gpt2"
    data = b"".join(bytes.fromhex(token["bytes"]) for token in inspection["tokens"])
    assert data == TEXT.encode()
    assert {token["partial"] for token in inspection["tokens"]} == {True, False}
    words = post(lab, "encode", tokenizer=lab.words, text="The DOG", inspect=True)["inspection"]
    assert words["pieces"] == [] and words["pattern"] is None
    assert [(token["start"], token["end"]) for token in words["tokens"]][0] == (0, 3)


def test_special_tokens_in_a_text_are_text_unless_they_are_allowed(lab: SimpleNamespace) -> None:
    text = "a<|endoftext|>b<|im_start|>"
    special = lab.tokenizer.special_tokens

    def ids(**more: Any) -> list[int]:
        return post(lab, "encode", tokenizer=lab.traced, text=text, **more)["ids"]

    assert not {*special.values()} & {*ids()}
    assert ids(allowed_special="all") == lab.tokenizer.encode(text, "all")
    some = ids(allowed_special=["<|endoftext|>"])
    assert special["<|endoftext|>"] in some and special["<|im_start|>"] not in some
    tokens = post(lab, "encode", tokenizer=lab.traced, text=text, allowed_special="all", inspect=True)[
        "inspection"
    ]["tokens"]
    assert [token["text"] for token in tokens if token["special"]] == ["<|endoftext|>", "<|im_start|>"]
    assert all(token["piece"] is None for token in tokens if token["special"])


@given(text=st.text(max_size=60))
def test_decoding_what_was_encoded_gives_the_text(lab: SimpleNamespace, text: str) -> None:
    ids = post(lab, "encode", tokenizer=lab.traced, text=text)["ids"]
    decoded = post(lab, "decode", tokenizer=lab.traced, ids=ids)
    assert decoded["text"] == text
    assert b"".join(bytes.fromhex(token["bytes"]) for token in decoded["tokens"]) == text.encode()


def test_decoding_tells_what_each_id_stands_for(lab: SimpleNamespace) -> None:
    end = lab.tokenizer.special_tokens["<|endoftext|>"]
    first, second, *_ = lab.tokenizer.encode("é")
    answer = post(lab, "decode", tokenizer=lab.traced, ids=[first, end, first, second])
    assert answer["text"] == "\ufffd<|endoftext|>é"
    assert answer["tokens"][:2] == [
        {"id": first, "text": "\ufffd", "bytes": "c3", "special": False, "partial": True},
        {
            "id": end,
            "text": "<|endoftext|>",
            "bytes": b"<|endoftext|>".hex(),
            "special": True,
            "partial": False,
        },
    ]
    assert post(lab, "decode", tokenizer=lab.traced, ids=[]) == {"text": "", "tokens": []}


def test_comparing_marks_the_cuts_that_only_one_has(lab: SimpleNamespace) -> None:
    text = "the lazy é"
    answer = post(lab, "compare", tokenizers=[lab.traced, lab.plain, lab.words], text="the lazy dog")
    assert (answer["characters"], answer["bytes"], answer["words"]) == (12, 12, 3)
    assert [result["tokenizer"] for result in answer["results"]] == [lab.traced, lab.plain, lab.words]
    assert [result["name"] for result in answer["results"]] == ["tokenizer", "Plain", "Words"]
    places = [{(t["start"], t["end"]) for t in result["tokens"]} for result in answer["results"]]
    for index, result in enumerate(answer["results"]):
        others = set().union(*(found for other, found in enumerate(places) if other != index))
        alone = [i for i, t in enumerate(result["tokens"]) if (t["start"], t["end"]) not in others]
        assert result["only_here"] == alone
        assert result["count"] == len(result["tokens"])
        assert result["bytes_per_token"] == result["characters_per_token"] == 12 / result["count"]
    assert any(result["only_here"] for result in answer["results"])
    last = post(lab, "compare", tokenizers=[lab.traced, lab.plain], text=text)["results"][0]["tokens"][-1]
    assert last == {**last, "text": "\ufffd", "start": 9, "end": 10, "partial": True, "special": False}
    nothing = post(lab, "compare", tokenizers=[lab.traced, lab.plain], text="")
    assert nothing["results"][0] == {
        **nothing["results"][0],
        "count": 0,
        "bytes_per_token": None,
        "characters_per_token": None,
        "tokens": [],
        "only_here": [],
    }


def test_a_vocabulary_is_measured_by_samples_a_text_or_a_data_set(lab: SimpleNamespace) -> None:
    answer = post(lab, "analyze", tokenizer=lab.traced)
    suspicious = answer.pop("suspicious")
    assert answer == json.loads(json.dumps(analyze_coverage(lab.tokenizer, SAMPLES.values()).to_dict()))
    groups = {group["reason"]: group for group in suspicious}
    assert groups["special"]["count"] == len(lab.tokenizer.special_tokens)
    assert groups["partial"]["count"] >= 128 and len(groups["partial"]["tokens"]) == 100
    assert groups["special"]["tokens"][0] == {
        "id": 0,
        "text": "<|endoftext|>",
        "hex": b"<|endoftext|>".hex(),
    }
    text = post(lab, "analyze", tokenizer=lab.traced, text="мир and 42")
    assert {item["name"] for item in text["by_script"]} == {"Cyrillic", "Latin", "Common"}
    assert text["total"]["characters"] == 10
    data = post(lab, "analyze", tokenizer=lab.traced, dataset=lab.tiny.data, characters=1_234)
    assert data["total"]["characters"] == 1_234
    assert data["total"]["bytes_per_token"] > answer["total"]["bytes_per_token"]


def test_prices_are_shown_changed_and_reset(lab: SimpleNamespace) -> None:
    shipped = get(lab, "prices")
    assert shipped == load_prices().model_dump(mode="json")
    own = {**shipped, "note": "Ours.", "prices": shipped["prices"][:1]}
    assert lab.client.put(f"{BASE}/prices", json=own).json() == own == get(lab, "prices")
    assert load_prices(lab.workspace).note == "Ours."
    wrong = json.loads(json.dumps(own))
    wrong["prices"][0] |= {"input": -1, "as_of": "someday", "colour": "red"}
    error = refused(lab.client.put(f"{BASE}/prices", json=wrong), 422)
    assert all(f"prices.0.{name}: " in error["message"] for name in ("input", "as_of", "colour"))
    twice = {**own, "prices": own["prices"] * 2}
    assert "is listed twice" in refused(lab.client.put(f"{BASE}/prices", json=twice), 422)["message"]
    assert get(lab, "prices") == own
    assert lab.client.delete(f"{BASE}/prices").json() == shipped == get(lab, "prices")


def test_costs_say_whether_their_count_is_exact(lab: SimpleNamespace) -> None:
    prices = load_prices()
    price = next(item for item in prices.prices if item.tokenizer and not item.long)
    model = f"{price.provider}/{price.model}"
    text = "the lazy dog " * 20
    guess = post(lab, "cost", model=model, text=text)
    assert guess["input"]["method"] == "characters" and guess["input"]["tokens"] == len(text) / 4
    assert guess["monthly_cost"] is None and guess["as_of"] == price.as_of.isoformat()
    other = post(lab, "cost", model=model, text=text, tokenizer=lab.plain)["input"]
    assert (other["tokens"], other["exact"]) == (len(lab.plain_tokenizer.encode(text)), False)
    known = keep(lab.workspace, str(price.tokenizer), lab.plain_tokenizer)
    own = post(lab, "cost", model=model, text=text)["input"]
    assert (own["exact"], own["method"], own["tokens"]) == (True, "own tokenizer", other["tokens"])
    lab.workspace.delete(known)
    plan = post(
        lab,
        "cost",
        model=model,
        tokens=1_000_000,
        output_tokens=500_000,
        cached_share=0.25,
        requests_per_month=10,
    )
    cached = price.input if price.cached_input is None else price.cached_input
    expected = 0.75 * price.input + 0.25 * cached + 0.5 * price.output
    assert plan["request_cost"] == pytest.approx(expected)
    assert plan["monthly_cost"] == pytest.approx(10 * expected)
    assert plan["input"]["method"] == "given" and plan["cached_tokens"] == 250_000
    assert date.fromisoformat(plan["as_of"]) == price.as_of


def test_a_training_is_told_merge_by_merge(lab: SimpleNamespace) -> None:
    recorded = load_trace(lab.workspace.get(lab.traced).path)
    assert recorded is not None
    whole = get(lab, f"{lab.traced}/trace", count=5_000)
    assert whole["steps_total"] == len(whole["steps"]) == len(recorded) == 400 - 256 - 4
    assert whole["tie_break"] == "hf"
    assert [step["step"] for step in whole["steps"]] == [*range(1, len(recorded) + 1)]
    assert all(step["left"] + step["right"] == step["merged"] for step in whole["steps"])
    counts = [step["count"] for step in whole["steps"]]
    assert counts == sorted(counts, reverse=True) == [step.count for step in recorded]
    first = whole["steps"][0]["runner_up"]
    assert list(first) == ["left", "right", "count"] and first["count"] == recorded[0].runner_count
    assert get(lab, f"{lab.traced}/trace")["steps"] == whole["steps"][:200]
    part = get(lab, f"{lab.traced}/trace", start=7, count=3)
    assert part["steps"] == whole["steps"][7:10]
    assert get(lab, f"{lab.traced}/trace", start=10**20)["steps"] == []


def test_bytes_that_are_no_text_are_told_in_hexadecimal(lab: SimpleNamespace, tmp_path: Path) -> None:
    trace = TrainingTrace()
    tokenizer = BPETokenizer.train(["ééé éé"], 258, trace=trace)
    with lab.workspace.new_artifact("tokenizer", name="accents") as draft:
        tokenizer.save(draft.path)
        save_trace(trace, draft.path)
    steps = get(lab, f"{draft.id}/trace")["steps"]
    assert (steps[0]["left"], steps[0]["right"], steps[0]["merged"]) == ("C3", "A9", "é")
    lab.workspace.delete(draft.id)


def test_a_text_is_seen_at_every_moment_of_a_training(lab: SimpleNamespace) -> None:
    recorded = load_trace(lab.workspace.get(lab.traced).path)
    assert recorded is not None
    steps = get(lab, f"{lab.traced}/trace", count=5_000)["steps"]
    for step in (0, 1, 2, 17, 80, len(recorded)):
        answer = post(lab, f"{lab.traced}/replay", text=TEXT, step=step)
        then = BPETokenizer(recorded.tokens_at(step), recorded.merges_at(step), pattern="gpt2")
        spans = then.spans(TEXT)
        assert [token["id"] for token in answer["tokens"]] == [span.id for span in spans]
        assert [(t["start"], t["end"]) for t in answer["tokens"]] == [(s.start, s.end) for s in spans]
        assert answer["vocab_size"] == 260 + step and answer["step"] == step
        told = {name: value for name, value in steps[step - 1].items() if name != "step"}
        assert answer["merge"] == (told if step else None)
    assert [token["id"] for token in answer["tokens"]] == lab.tokenizer.encode(TEXT, (), ())


def test_an_export_is_a_file_that_gives_the_same_ids(lab: SimpleNamespace, tmp_path: Path) -> None:
    answer = lab.client.get(f"{BASE}/{lab.traced}/export")
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/json"
    assert answer.headers["content-disposition"] == 'attachment; filename="tokenizer.json"'
    assert int(answer.headers["x-checked-texts"]) > 500 and answer.headers["x-unmergeable-tokens"] == "0"
    theirs = Tokenizer.from_str(answer.text)
    assert theirs.encode(TEXT).ids == lab.tokenizer.encode(TEXT, "all")
    ranks = lab.client.get(f"{BASE}/{lab.traced}/export", params={"format": "tiktoken"})
    assert ranks.headers["content-type"].startswith("text/plain")
    assert ranks.headers["content-disposition"] == f'attachment; filename="{lab.traced}.tiktoken"'
    (tmp_path / "own.tiktoken").write_bytes(ranks.content)
    read = open_tokenizer(tmp_path / "own.tiktoken", pattern="gpt2")
    assert read.encode_ordinary(TEXT) == lab.tokenizer.encode_ordinary(TEXT)
    words = lab.client.get(f"{BASE}/{lab.words}/export")
    assert Tokenizer.from_str(words.text).get_vocab_size() == words_size(lab)


def words_size(lab: SimpleNamespace) -> int:
    found = get(lab, "tokenizers")["tokenizers"]
    return next(item["vocab_size"] for item in found if item["id"] == lab.words)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("words", "A rank file cannot hold this tokenizer, as it is not a byte-level BPE."),
        ("composed", "A rank file cannot hold this tokenizer, as it changes the text before it is cut."),
    ],
)
def test_an_export_that_cannot_be_is_refused(lab: SimpleNamespace, name: str, message: str) -> None:
    answer = lab.client.get(f"{BASE}/{getattr(lab, name)}/export", params={"format": "tiktoken"})
    assert refused(answer, 400) == {
        "message": message,
        "hint": "Export it as tokenizer.json.",
        "field": "format",
    }
    answer = lab.client.get(f"{BASE}/{lab.traced}/export", params={"format": "gguf"})
    assert refused(answer, 422)["field"] == "format"


@pytest.mark.parametrize(
    ("path", "body", "status", "message", "field"),
    [
        ("encode", {}, 422, "The request is wrong: tokenizer: Field required; text: Field", "tokenizer"),
        ("encode", {"text": "a", "x": 1}, 422, "The request is wrong: x: Extra inputs are not", "x"),
        ("encode", {"text": 5}, 422, "The request is wrong: text: Input should be a valid string", "text"),
        (
            "encode",
            {"text": "a", "allowed_special": ["<|x|>"]},
            400,
            "'<|x|>' is not a special token of this tokenizer.",
            "allowed_special",
        ),
        ("encode", {"text": "a", "allowed_special": "some"}, 422, "The request is wrong: ", None),
        ("encode", {"text": "a\ud800"}, 400, "The text holds a lone surrogate", "text"),
        ("encode", {"text": "a\ud800", "inspect": True}, 400, "The text holds a lone surrogate", "text"),
        ("encode", {"text": "x" * 200_001, "inspect": True}, 400, "The text may have at most", "text"),
        ("decode", {"ids": [1, 400]}, 400, "Token id 400 is out of range.", "ids"),
        ("decode", {"ids": [-1]}, 400, "Token id -1 is out of range.", "ids"),
        ("decode", {"ids": [10**30]}, 400, f"Token id {10**30} is out of range.", "ids"),
        ("decode", {"ids": ["7"]}, 422, "The request is wrong: ids.0: Input should be a valid", "ids.0"),
        ("decode", {"ids": [True]}, 422, "The request is wrong: ids.0: Input should be a valid", "ids.0"),
        ("decode", {"ids": 7}, 422, "The request is wrong: ids: Input should be a valid list", "ids"),
        ("compare", {"text": "a"}, 422, "The request is wrong: tokenizers: List should have", "tokenizers"),
        ("compare", {"text": "a\udfff", "more": 1}, 400, "The text holds a lone surrogate", "text"),
        ("compare", {"text": "a", "more": 6}, 422, "The request is wrong: tokenizers: List", "tokenizers"),
        ("compare", {"text": "a", "twice": True}, 400, "A tokenizer is named twice", "tokenizers"),
        (
            "compare",
            {"text": "é" * 200_001, "more": 1},
            400,
            "The text may have at most 200,000 characters here; it has 200,001.",
            "text",
        ),
        ("analyze", {"text": "a", "dataset": "b"}, 400, "Give a text or a data set, not both.", "dataset"),
        ("analyze", {"text": ""}, 400, "There is no text to measure.", "texts"),
        ("analyze", {"text": "\ud800"}, 400, "The text holds a lone surrogate", "text"),
        ("analyze", {"dataset": "nobody"}, 404, "There is no dataset 'nobody' in the workspace.", None),
        ("analyze", {"dataset": "../x"}, 400, "'../x' is not a valid artifact id.", None),
        ("analyze", {"characters": 0}, 422, "The request is wrong: characters: Input", "characters"),
        ("cost", {"model": "gpt-5"}, 400, "Give a text or a number of tokens, one of the two.", "text"),
        ("cost", {"model": "gpt-5", "text": "a", "tokens": 1}, 400, "Give a text or a number", "text"),
        ("cost", {"model": "gpt-0", "tokens": 1}, 404, "The price table has no model 'gpt-0'.", None),
        ("cost", {"model": "gpt-5", "tokens": -1}, 422, "The request is wrong: tokens: ", "tokens"),
        ("cost", {"model": "gpt-5", "tokens": 10**400}, 422, "The request is wrong: tokens: ", "tokens"),
        (
            "cost",
            {"model": "gpt-5", "tokens": 1, "cached_share": 1.5},
            422,
            "The request is wrong: cached_share: ",
            "cached_share",
        ),
        (
            "cost",
            {"model": "gpt-5", "text": "\ud800", "tokenizer": "TRACED"},
            400,
            "The text holds a lone surrogate",
            "text",
        ),
        ("TRACED/replay", {"text": "a", "step": 141}, 400, "Step 141 is out of range.", "step"),
        ("TRACED/replay", {"text": "a", "step": -1}, 422, "The request is wrong: step: Input", "step"),
        ("TRACED/replay", {"text": "\ud800", "step": 9}, 400, "The text holds a lone surrogate", "text"),
        ("TRACED/replay", {"text": "a" * 200_001, "step": 9}, 400, "The text may have at most", "text"),
    ],
)
def test_wrong_requests_get_one_sentence(
    lab: SimpleNamespace, path: str, body: dict[str, Any], status: int, message: str, field: str | None
) -> None:
    body = {name: lab.traced if value == "TRACED" else value for name, value in body.items()}
    if path == "compare":
        others = [lab.plain, lab.words, lab.composed, lab.tiny.base, lab.tiny.chat, lab.traced]
        more = others[: body.pop("more", 0)] + [lab.traced] * body.pop("twice", False)
        body["tokenizers"] = [lab.traced, *more]
    elif path != "cost" and body and "replay" not in path:
        body["tokenizer"] = lab.traced
    sent = json.dumps(body, ensure_ascii=True).encode()
    headers = {"content-type": "application/json"}
    answer = lab.client.post(f"{BASE}/{path.replace('TRACED', lab.traced)}", content=sent, headers=headers)
    error = refused(answer, status)
    assert error["message"].startswith(message)
    assert field is None or error["field"] == field


@pytest.mark.parametrize(
    ("name", "status", "message"),
    [
        ("nobody", 404, "There is no tokenizer 'nobody' in the workspace."),
        ("../../etc/passwd", 400, "'../../etc/passwd' is not a valid tokenizer id."),
        ("/etc/hostname", 400, "'/etc/hostname' is not a valid tokenizer id."),
        ("tokenizer.json", 404, "There is no tokenizer 'tokenizer.json' in the workspace."),
        ("..", 400, "'..' is not a valid tokenizer id."),
        ("hub:../x", 400, "'hub:../x' is not a valid tokenizer id."),
        ("hub:a/b/c", 400, "'hub:a/b/c' is not a valid tokenizer id."),
        ("a\0b", 400, "'a\\x00b' is not a valid tokenizer id."),
        ("hub:nobody/nothing", 404, "The tokenizer nobody/nothing is not in the cache, and"),
    ],
)
def test_only_ids_and_names_of_the_hub_are_tokenizers(
    lab: SimpleNamespace,
    name: str,
    status: int,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    lab.tokenizer.save(tmp_path)  # a path that the command line would take
    for path, body in [
        ("encode", {"tokenizer": name, "text": "a"}),
        ("decode", {"tokenizer": name, "ids": [1]}),
        ("compare", {"tokenizers": [lab.traced, name], "text": "a"}),
        ("analyze", {"tokenizer": name}),
        ("cost", {"model": "gpt-5", "text": "a", "tokenizer": name}),
    ]:
        answer = lab.client.post(f"{BASE}/{path}", json=body)
        assert refused(answer, status)["message"].startswith(message), path
    escaped = "".join(f"%{byte:02X}" for byte in name.encode())
    for path in ("trace", "export"):
        answer = lab.client.get(f"{BASE}/{escaped}/{path}")
        assert refused(answer, status)["message"].startswith(message), path
    answer = lab.client.post(f"{BASE}/{escaped}/replay", json={"text": "a", "step": 1})
    assert refused(answer, status)["message"].startswith(message)


def test_a_data_set_or_an_untraced_tokenizer_is_not_replayed(lab: SimpleNamespace) -> None:
    for name in (lab.plain, lab.words, lab.tiny.chat):
        expected = f"The training of {name} was not recorded, so that it cannot be replayed."
        for answer in (
            lab.client.get(f"{BASE}/{name}/trace"),
            lab.client.post(f"{BASE}/{name}/replay", json={"text": "a", "step": 0}),
        ):
            error = refused(answer, 404)
            assert error["message"] == expected
            assert error["hint"] == "Train a tokenizer with trace on."
    answer = lab.client.post(f"{BASE}/encode", json={"tokenizer": lab.tiny.data, "text": "a"})
    assert refused(answer, 404)["field"] == "tokenizer"


@pytest.mark.parametrize("path", ["encode", "decode", "compare", "analyze", "cost", "TRACED/replay"])
def test_bodies_beyond_the_limit_are_refused(lab: SimpleNamespace, path: str) -> None:
    body = {"text": "x" * 2_000_001}
    answer = lab.client.post(f"{BASE}/{path.replace('TRACED', lab.traced)}", json=body)
    assert refused(answer, 413)["message"] == "The request is longer than the allowed 2,000,000 bytes."


def test_a_text_up_to_the_limit_is_encoded(lab: SimpleNamespace) -> None:
    text = "the lazy dog\n" * 140_000
    answer = post(lab, "encode", tokenizer=lab.traced, text=text)
    assert answer["characters"] == len(text) and answer["count"] == len(answer["ids"])


def test_more_than_a_million_ids_are_refused(lab: SimpleNamespace) -> None:
    settings = Settings(web=None, max_body_bytes=5_000_000)
    client = TestClient(create_app(lab.workspace, settings), base_url="http://127.0.0.1:8000")
    body = {"tokenizer": lab.traced, "ids": [7] * 1_000_001}
    error = refused(client.post(f"{BASE}/decode", json=body), 400)
    assert error["message"] == "At most 1,000,000 ids are decoded at once; these are 1,000,001."
    assert error["field"] == "ids"


def test_no_handler_holds_up_the_event_loop() -> None:
    endpoints = [route.endpoint for route in tokenization.router.routes]  # type: ignore[attr-defined]
    assert len(endpoints) == 12
    assert not any(inspect.iscoroutinefunction(endpoint) for endpoint in endpoints)


def test_a_damaged_tokenizer_is_refused_in_words(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "damaged", builtin=None)
    bad = keep(workspace, "bad", BPETokenizer.train(["aaa bbb"], 260))
    (workspace.get(bad).path / "tokenizer.json").write_text("{")
    client = TestClient(create_app(workspace, Settings(web=None)), base_url="http://127.0.0.1:8000")
    answer = client.post(f"{BASE}/encode", json={"tokenizer": bad, "text": "a"})
    said = f"tokenizer {bad} is damaged: the file tokenizer.json was changed."
    assert refused(answer, 507)["message"] == said
