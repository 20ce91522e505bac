"""Texts of one's own over REST: received whole or not at all, made a data set, deleted and brought back."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anyio
import pytest
from starlette.testclient import TestClient
from tiny_workspace import make

from llm_playground.api import Settings, create_app
from llm_playground.core.workspace import Workspace
from llm_playground.data.documents import read_documents

UPLOAD = "/api/v1/data/upload"
TALE = "".join(f"Scene {number}.\nMia sees a red boat.\nTom is glad.\n\n" for number in range(60))


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace", builtin=None)


@pytest.fixture
def server(place: Workspace) -> TestClient:
    app = create_app(place, Settings(web=None, max_upload_bytes=50_000))
    return TestClient(app, base_url="http://127.0.0.1:8000")


def sent(server: TestClient, name: str, content: bytes | Iterator[bytes], **query: str) -> Any:
    return server.post(UPLOAD, params={"name": name, **query}, content=content)


def left(place: Workspace) -> list[str]:
    """Everything that lies in the folder of uploads."""
    folder = place.root / "uploads"
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_text_is_received_and_becomes_tokens(server: TestClient, place: Workspace) -> None:
    pieces = [TALE.encode()[at : at + 777] for at in range(0, len(TALE), 777)]
    answer = sent(server, "My tale.TXT", iter(pieces))
    assert answer.status_code == 201, answer.text
    upload = answer.json()
    assert upload["files"] == [{"name": "My tale.txt", "size_bytes": len(TALE)}]
    assert (upload["source"], upload["fields"], upload["text_field"]) == ("text", [], None)
    config = {"source": upload["source"], "path": upload["path"], "name": "My tale"}
    prepared = make(place, "data.prepare", config)
    data = place.get(str(prepared.output))
    assert "".join(document.text for document in read_documents(data.path)) == TALE
    steps = [
        {"name": "tokenizer", "stage": "tokenizer.train", "config": {"dataset": data.id, "vocab_size": 300}},
        {
            "name": "tokens",
            "stage": "data.tokenize",
            "config": {"dataset": data.id, "tokenizer": "${tokenizer.output}"},
        },
        {"name": "pretrain", "stage": "pretrain", "config": {"tokens": "${tokens.output}"}},
    ]
    recipe = {"name": "tale", "title": "Tale", "steps": steps}
    seen = server.post("/api/v1/runs/preview", json={"stage": "recipe", "config": recipe}).json()
    assert seen["problems"] == [] and seen["model"]["vocab_size"] == 300
    config = {"tokens": "", "model": seen["model"]}
    plan = server.post(
        "/api/v1/runs/plan", json={"stage": "pretrain", "config": config, "device": "t4"}
    ).json()
    assert plan["fits"] and plan["tokens"] == seen["tokens"]
    tokenizer = make(place, "tokenizer.train", {"dataset": data.id, "vocab_size": 300})
    config = {"dataset": data.id, "tokenizer": str(tokenizer.output)}
    tokens = place.get(str(make(place, "data.tokenize", config).output))
    assert tokens.summary["val_tokens"] > 0 < tokens.summary["train_tokens"]

    assert server.delete(f"/api/v1/data/datasets/{data.id}").json() == {"id": data.id, "restorable": True}
    assert server.get("/api/v1/data/uploads").json() == {"uploads": [], "max_bytes": 50_000}
    assert place.list("dataset") == [] and left(place) == []
    assert server.post(f"/api/v1/data/datasets/{data.id}/restore").status_code == 200
    assert [item["id"] for item in server.get("/api/v1/data/uploads").json()["uploads"]] == [upload["id"]]
    assert [item.id for item in place.list("dataset")] == [data.id]


def test_several_files_come_together_if_they_are_of_one_kind(server: TestClient, place: Workspace) -> None:
    first = sent(server, "a.md", b"one").json()
    again = sent(server, "a.md", "zwei é".encode(), into=first["id"]).json()
    assert [file["name"] for file in again["files"]] == ["a-2.md", "a.md"] and again["id"] == first["id"]
    refused = sent(server, "b.jsonl", b'{"text": "x"}\n', into=first["id"])
    assert (refused.status_code, refused.json()["error"]["field"]) == (400, "name")
    assert refused.json()["error"]["message"] == (
        f"b.jsonl is JSON lines, and the upload {first['id']} is text."
    )
    assert sent(server, "b.txt", b"x", into="nobody").status_code == 404
    assert sent(server, "b.txt", b"x", into="../x").status_code == 400
    assert server.delete(f"/api/v1/data/uploads/{first['id']}").status_code == 200
    assert left(place) == []
    assert server.post(f"/api/v1/data/uploads/{first['id']}/restore").json() == again


def test_the_field_of_json_lines_is_found(server: TestClient) -> None:
    rows = [{"id": 3, "title": "A", "content": "Once."}, {"id": 4, "title": "B", "content": "Twice."}]
    body = "\ufeff\n" + "\n".join(json.dumps(row) for row in rows)
    upload = sent(server, "x.jsonl", body.encode()).json()
    assert (upload["source"], upload["fields"]) == ("jsonl", ["title", "content"])
    assert upload["text_field"] == "content"
    assert sent(server, "y.jsonl", b'{"n": 1, "tale": "Once."}').json()["text_field"] == "tale"
    unclear = sent(server, "z.jsonl", b'{"title": "A", "tale": "Once."}').json()
    assert (unclear["fields"], unclear["text_field"]) == (["title", "tale"], None)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x.pdf", b"%PDF", "The file 'x.pdf' is of a kind that is not read here."),
        ("txt", b"words", "The file 'txt' is of a kind that is not read here."),
        ("x.txt", b"", "The file x.txt is empty."),
        ("x.txt", b"\xef\xbb\xbf \r\n\t", "The file x.txt is empty."),
        ("x.txt", b"ab\xffcd", "x.txt is not UTF-8 text: byte 2 is 0xff."),
        ("x.txt", b"a" * 4_000 + b"\xe2\x82", "x.txt is not UTF-8 text: byte 4000 is 0xe2."),
        ("x.txt", "ab".encode("utf-16-le"), "x.txt is not plain text: there is a zero byte in it."),
        ("x.jsonl", b"words\n", "The first line of x.jsonl is no JSON object with a text in it."),
        ("x.jsonl", b'{"n": 3}\n', "The first line of x.jsonl is no JSON object with a text in it."),
    ],
)
def test_what_is_no_text_is_refused_and_nothing_stays(
    server: TestClient, place: Workspace, name: str, content: bytes, words: str
) -> None:
    for body in (content, iter([content[:3], content[3:]])):
        answer = sent(server, name, body)
        assert (answer.status_code, answer.json()["error"]["message"]) == (400, words)
        assert answer.json()["error"]["field"] == "name"
    assert not (place.root / "uploads").exists() or left(place) == []


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../etc/passwd.txt", "passwd.txt"),
        ("/abs/x.txt", "x.txt"),
        ("C:\\texts\\x.txt", "x.txt"),
        ("...txt", "text.txt"),
        (".hidden.txt", "hidden.txt"),
        ("a\x00b\n\u202ec.txt", "a-b-c.txt"),
        ("é漢 (1).md", "é漢 (1).md"),
        ("漢" * 150 + ".txt", "漢" * 40 + ".txt"),
    ],
)
def test_names_stay_inside_the_upload(server: TestClient, place: Workspace, name: str, kept: str) -> None:
    upload = sent(server, name, b"words").json()
    assert [file["name"] for file in upload["files"]] == [kept]
    assert left(place) == [f"{upload['id']}/{kept}"]
    assert Path(upload["path"]).parent == place.root / "uploads"


async def asked(app: Any, receive: Callable[[], Awaitable[Any]], *headers: tuple[bytes, bytes]) -> list[Any]:
    """Send an upload to the application as a server does; returns what it sent back."""
    scope = {
        "type": "http", "method": "POST", "path": UPLOAD, "raw_path": UPLOAD.encode(), "root_path": "",
        "query_string": b"name=x.txt", "headers": [(b"host", b"127.0.0.1:8000"), *headers],
        "http_version": "1.1", "scheme": "http", "server": ("127.0.0.1", 8000), "client": ("127.0.0.1", 9),
    }  # fmt: skip
    answered: list[Any] = []

    async def send(message: Any) -> None:
        answered.append(message)

    await app(scope, receive, send)
    return answered


def answer_of(*arguments: Any) -> list[Any]:
    """Run :func:`asked` in a thread of its own: a browser test leaves an event loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(anyio.run, asked, *arguments).result()


def test_what_is_too_large_is_refused_before_it_is_read(server: TestClient, place: Workspace) -> None:
    received = 0

    async def endless() -> dict[str, Any]:
        nonlocal received
        received += 6_000
        assert received < 100_000, "it reads on"
        return {"type": "http.request", "body": b"words " * 1_000, "more_body": True}

    answered = answer_of(server.app, endless)
    assert answered[0]["status"] == 413 and received == 54_000
    answered = answer_of(server.app, endless, (b"content-length", b"50001"))
    assert answered[0]["status"] == 413 and received == 54_000
    error = json.loads(answered[1]["body"])["error"]
    assert error["message"] == "The request is longer than the allowed 50,000 bytes."
    assert left(place) == []
    assert sent(server, "x.txt", b"x" * 50_000).status_code == 201
    assert server.post("/api/v1/runs/preview", content=b"x" * 2_000_001).status_code == 413


def test_a_sender_that_hangs_up_leaves_nothing(place: Workspace) -> None:
    messages = [{"type": "http.request", "body": b"words " * 300_000, "more_body": True}] * 2
    seen: list[list[str]] = []

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop()
        seen.append(left(place))
        return {"type": "http.disconnect"}

    app = create_app(place, Settings(web=None))
    answer_of(app, receive, (b"content-length", b"4000000"))
    assert len(seen[0]) == 1 and seen[0][0].startswith(".receiving-")
    assert left(place) == []


def test_a_full_disk_is_told_before_anything_is_sent(
    server: TestClient, monkeypatch: pytest.MonkeyPatch, place: Workspace
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 2**28 + 9}))
    answer = sent(server, "x.txt", b"0123456789")
    assert answer.status_code == 507 and "The disk has no room for x.txt" in answer.json()["error"]["message"]
    assert left(place) == []
    assert sent(server, "x.txt", b"012345678").status_code == 201
