"""The event file of a run: numbers that only grow, and lines that a killed process left half-written."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from llm_playground.runs.events import EventLog, EventTail, read_events


def messages(events: list[dict]) -> list[str]:
    return [event["data"]["message"] for event in events]


def test_events_are_numbered_from_one_and_can_be_asked_for_after_any(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    log = EventLog(path)
    numbers = [log.append(kind, {"message": text}) for kind, text in (("log", "a"), ("sample", "b\n"))]
    log.close()
    log = EventLog(path)
    numbers.append(log.append("log", {"message": "ü 😀"}))
    log.close()
    assert numbers == [1, 2, 3]
    assert [event["type"] for event in read_events(path)] == ["log", "sample", "log"]
    assert messages(read_events(path, after=1)) == ["b\n", "ü 😀"]
    assert messages(read_events(path, kinds=("log",))) == ["a", "ü 😀"]
    assert messages(read_events(path, limit=1)) == ["ü 😀"]
    assert read_events(tmp_path / "none.jsonl") == []


def test_a_half_written_line_is_cut_off_when_the_run_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    log = EventLog(path)
    log.append("log", {"message": "whole"})
    log.close()
    with path.open("ab") as file:
        file.write(b'{"id": 2, "type": "log", "da')
    assert messages(read_events(path)) == ["whole"]
    log = EventLog(path)
    assert log.append("log", {"message": "next"}) == 2
    log.close()
    assert messages(read_events(path)) == ["whole", "next"]
    assert path.read_bytes().count(b"\n") == 2


def test_lines_that_are_no_events_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text('not json\n[1]\n{"id": "x"}\n{"id": 4, "time": 0, "type": "log", "data": {}}\n')
    assert [event["id"] for event in read_events(path)] == [4]
    log = EventLog(path)
    assert log.append("log", {}) == 5
    log.close()


def test_a_tail_misses_nothing_when_a_half_line_is_cut_off_behind_it(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    tail = EventTail(path)
    assert tail.read() == []
    log = EventLog(path)
    log.append("log", {"message": "one"})
    log.close()
    with path.open("ab") as file:
        file.write(b'{"id": 2, "time": 1, "type": "log", "data": {"message": "never ended')
    assert messages(tail.read()) == ["one"]
    log = EventLog(path)
    log.append("log", {"message": "two"})
    log.close()
    assert messages(tail.read()) == ["two"]
    assert tail.read() == [] and tail.after == 2


def test_a_tail_skips_what_was_seen(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "events.jsonl")
    for text in ("a", "b", "c"):
        log.append("log", {"message": text})
    log.close()
    assert messages(EventTail(tmp_path / "events.jsonl", after=2).read()) == ["c"]


@given(
    texts=st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=8),
    cuts=st.lists(st.integers(1, 40), min_size=1, max_size=60),
)
def test_however_the_file_grows_each_event_is_read_once(
    texts: list[str], cuts: list[int], tmp_path_factory
) -> None:
    folder = tmp_path_factory.mktemp("events")
    log = EventLog(folder / "whole.jsonl")
    for text in texts:
        log.append("log", {"message": text})
    log.close()
    data, path = (folder / "whole.jsonl").read_bytes(), folder / "growing.jsonl"
    tail, seen = EventTail(path), []
    for cut in [*cuts, len(data)]:
        with path.open("ab") as file:
            file.write(data[:cut])
        data = data[cut:]
        seen += messages(tail.read())
    assert seen == texts
