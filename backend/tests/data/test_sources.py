"""Sources of text: what they yield, and one clear sentence for every broken file."""

from __future__ import annotations

import itertools
import json
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_playground.core import ConfigError, InputError, NullContext
from llm_playground.core.config import parse_config
from llm_playground.core.errors import StopRequested
from llm_playground.data.documents import Document, count_documents, read_documents, write_documents
from llm_playground.data.prepare import DataPrepareConfig, run
from llm_playground.data.sources import jsonl_documents, python_documents, text_documents


def refusal(documents) -> InputError:
    with pytest.raises(InputError) as caught:
        list(documents)
    return caught.value


def test_a_folder_of_text_is_read_in_order(tmp_path: Path) -> None:
    for name, data in {"b.txt": b"two", "a/x.md": b"\xef\xbb\xbfone\r\n", "c.py": b"no"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    found = list(text_documents(tmp_path))
    assert found == [Document("a/x.md", "one\r\n", "text"), Document("b.txt", "two", "text")]
    assert list(text_documents(tmp_path / "c.py")) == [Document("c.py", "no", "text")]


def test_missing_and_empty_sources_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_bytes(b" \n\t ")
    assert (
        str(refusal(text_documents(tmp_path / "no.txt"))) == f"The file {tmp_path / 'no.txt'} does not exist."
    )
    error = refusal(text_documents(tmp_path / "empty.txt"))
    assert str(error) == f"The file {tmp_path / 'empty.txt'} is empty." and error.field == "path"
    assert str(refusal(jsonl_documents(tmp_path, "text"))) == (
        f"The folder {tmp_path} holds no .jsonl or .ndjson file."
    )


@pytest.mark.parametrize(
    ("data", "byte", "value"),
    [
        (b"ab\xffcd", 2, "ff"),
        (b"\xef\xbb\xbfab\xff", 5, "ff"),
        ("é".encode("utf-16"), 0, "ff"),
        (b"a\xe2\x82", 1, "e2"),
    ],
)
def test_broken_utf8_is_named_to_the_byte(data: bytes, byte: int, value: str, tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_bytes(data)
    assert str(refusal(text_documents(tmp_path / "x.txt"))) == (
        f"The file {tmp_path / 'x.txt'} is not UTF-8 text: byte {byte} is 0x{value}. "
        "Save it as UTF-8 and try again."
    )


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_a_file_name_that_is_not_utf8_still_names_its_document(tmp_path: Path) -> None:
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/bad\xff.txt"))).write_text("words")
    (document,) = text_documents(tmp_path)
    assert document.id == "bad\\xff.txt"
    write_documents(tmp_path, [document])
    assert list(read_documents(tmp_path)) == [document]


@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1, max_size=5))
def test_every_text_comes_back_from_json_lines(texts: list[str], tmp_path_factory) -> None:
    file = tmp_path_factory.mktemp("jsonl") / "x.jsonl"
    lines = [json.dumps({"body": text}, ensure_ascii=False) for text in texts]
    file.write_text("\n\n".join(lines) + "\n", encoding="utf-8", newline="")
    found = list(jsonl_documents(file, "body"))
    assert [document.text for document in found] == texts
    assert [document.id for document in found] == [f"x.jsonl:{2 * n + 1}" for n in range(len(texts))]


def test_files_of_one_name_in_two_folders_keep_their_documents_apart(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.jsonl").write_text('{"text": "one"}\r\n{"text": "two"}\r\n')
    ids = [document.id for document in jsonl_documents(tmp_path, "text")]
    assert ids == ["a/x.jsonl:1", "a/x.jsonl:2", "b/x.jsonl:1", "b/x.jsonl:2"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"text": "a', "is not JSON: Unterminated string starting at."),
        ("nonsense", "is not JSON: Expecting value."),
        ("[" * 100_000, "is not JSON: it is beyond all bounds."),
        ('{"text": "a", "n": ' + "1" * 5000 + "}", "is not JSON: it is beyond all bounds."),
        ('"just a text"', "has no text in 'text'. Name the right field with text_field."),
        ('{"body": "a"}', "has no text in 'text'. Name the right field with text_field."),
        ('{"text": 3}', "has no text in 'text'. Name the right field with text_field."),
        ('{"text": "half \\ud83d of one"}', "holds a lone surrogate (half a character)."),
    ],
)
def test_a_broken_json_line_is_named(line: str, words: str, tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    file.write_text('{"text": "fine"}\n\n' + line + "\n")
    assert str(refusal(jsonl_documents(file, "text"))) == f"{file} line 3 {words}"


def test_python_tells_of_itself_and_always_the_same() -> None:
    from pydoc_data.topics import topics

    found = list(itertools.islice(python_documents(), len(topics) + 12))
    assert found == list(itertools.islice(python_documents(), len(topics) + 12))
    assert len({document.id for document in found}) == len(found)
    modules = {document.id: document.text for document in found[len(topics) :]}
    assert "phased-in incompatible language changes" in modules["__future__"]
    assert all(document.source == "python-docs" and document.text.strip() for document in found)


def test_documents_come_back_from_their_folder_and_blank_ones_are_left_out(tmp_path: Path) -> None:
    documents = [Document(str(n), f"text é {n}", "s") for n in range(4500)]
    told: list[int] = []
    figures = write_documents(tmp_path, [*documents, Document("blank", " \n")], told.append)
    characters = sum(len(document.text) for document in documents)
    assert figures == {"documents": 4500, "characters": characters, "bytes": characters + 4500}
    assert told == [2000, 4000, 4500]
    assert list(read_documents(tmp_path)) == documents and count_documents(tmp_path) == 4500


def test_a_source_without_any_text_is_refused_and_nothing_is_listed(
    stage_context: NullContext, tmp_path: Path
) -> None:
    (tmp_path / "x.jsonl").write_text('{"text": ""}\n{"text": "  "}\n')
    config = DataPrepareConfig(source="jsonl", path=str(tmp_path / "x.jsonl"))
    with pytest.raises(InputError) as caught:
        run(config, stage_context)
    assert str(caught.value) == "The source holds no text: every document is empty."
    assert stage_context.workspace.list("dataset") == []
    with pytest.raises(InputError, match=r"^The data set .+ has no documents\.parquet\.$"):
        list(read_documents(tmp_path.parent))


def test_text_becomes_a_data_set(stage_context: NullContext, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("words")
    artifact = run(DataPrepareConfig(source="text", path=str(tmp_path / "a.txt"), name="mine"), stage_context)
    assert artifact.name == "mine" and artifact.config["source"] == "text"
    assert {"source": "text", "documents": 1, "characters": 5, "bytes": 5}.items() <= artifact.summary.items()
    assert [document.text for document in read_documents(artifact.path)] == ["words"]
    assert stage_context.summary == artifact.summary and stage_context.updates[-1]["done"] == 1


@given(
    text=st.text(st.sampled_from("ab é漢\n\r"), min_size=1).filter(str.strip),
    copies=st.integers(1, 400),
)
def test_parts_of_a_text_are_all_of_it(text: str, copies: int, tmp_path_factory) -> None:
    file = tmp_path_factory.mktemp("parts") / "x.txt"
    whole = text * copies
    file.write_text(whole, encoding="utf-8", newline="")
    size = len(whole.encode())
    parts = [document.text for document in text_documents(file, "parts")]
    assert "".join(parts) == whole
    assert len(parts) == 1 if size < 256 else 2 <= len(parts) <= max(3, size // 1024)


def test_parts_end_at_blank_lines_where_they_can(tmp_path: Path) -> None:
    scenes = [f"Scene {n}.\n" + "words of it\n" * 70 + "\n" for n in range(200)]
    (tmp_path / "play.txt").write_text("".join(scenes))
    parts = list(text_documents(tmp_path, "auto"))
    assert [part.id for part in parts[:2]] == ["play.txt#1", "play.txt#2"] and 80 <= len(parts) <= 105
    assert all(part.text.startswith("Scene") and part.text.endswith("\n\n") for part in parts)
    sizes = [len(part.text) for part in parts]
    assert max(sizes) <= 1.5 * sum(sizes) / len(sizes)


def test_many_files_stay_whole_and_few_do_not(tmp_path: Path) -> None:
    for number in range(50):
        (tmp_path / f"{number}.txt").write_text("a line of words\n" * 40)
    assert len(list(text_documents(tmp_path, "auto"))) == 50
    (tmp_path / "0.txt").unlink()
    assert len(list(text_documents(tmp_path, "auto"))) == 49 * 2
    assert len(list(text_documents(tmp_path, "files"))) == 49


def test_a_broken_byte_deep_in_a_text_that_is_cut_is_named_by_its_place(tmp_path: Path) -> None:
    for name, line in {"x.txt": b"a line of words\n", "x.jsonl": b'{"text": "a"}\n\n'}.items():
        good = line * 20_000
        (tmp_path / name).write_bytes(good + b"\xc3(\n" + good)
    words = f"byte {20_000 * 16} is 0xc3"
    assert words in str(refusal(text_documents(tmp_path / "x.txt", "parts")))
    words = f"byte {20_000 * 15} is 0xc3"
    assert words in str(refusal(jsonl_documents(tmp_path / "x.jsonl", "text")))


def test_a_stop_request_leaves_no_data_set(stage_context: NullContext) -> None:
    stage_context.stop = True
    with pytest.raises(StopRequested):
        run(DataPrepareConfig(documents=60, conversations=20), stage_context)
    assert stage_context.workspace.list("dataset") == []


def test_a_path_is_asked_for_where_it_is_needed() -> None:
    with pytest.raises(ConfigError, match="path is required for the source 'jsonl'"):
        parse_config(DataPrepareConfig, {"source": "jsonl"})
