"""Exports: every point in CSV, JSON lines and TensorBoard's files, read back by other means; W&B's calls."""

from __future__ import annotations

import csv
import io
import json
import math
import struct
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from llm_playground.core import LLMPError
from llm_playground.core.errors import ConflictError, InputError
from llm_playground.monitoring import MetricReader, MetricStore, export_metrics
from llm_playground.monitoring.event_files import crc32c
from llm_playground.monitoring.histograms import BINS, edges
from llm_playground.monitoring.wandb_reader import WandbFile


@pytest.fixture
def reader(tmp_path: Path) -> MetricReader:
    """Two attempts: steps 1 to 5, then from step 3 again."""
    path = tmp_path / "metrics.db"
    for start, count in ((0, 5), (3, 4)):
        store = MetricStore(path, start)
        for step in range(start + 1, start + count + 1):
            value = math.nan if step == 2 else 1 / step + start
            store.log(step, {"train/loss": value, "train/lr": 1e-3}, tokens=8 * step, flops=3.0 * step)
        store.histograms(start + count, {"weights/head": [0] * 100 + [7, 2] + [0] * (BINS - 102)})
        store.close()
    return MetricReader(path)


def expected(name: str = "train/loss") -> list[tuple[int, int, float, bool]]:
    """(segment, step, value, ghost) as logged."""
    rows = []
    for segment, start, count in ((1, 0, 5), (2, 3, 4)):
        for step in range(start + 1, start + count + 1):
            value = math.nan if step == 2 else 1 / step + start
            rows.append((segment, step, value if name == "train/loss" else 1e-3, segment == 1 and step > 3))
    return rows


def same(found: list[Any], wanted: list[Any]) -> bool:
    return repr(found) == repr(wanted)  # NaN is not equal to itself


def test_csv_has_every_point_to_the_last_bit(reader: MetricReader, tmp_path: Path) -> None:
    assert export_metrics(reader, "csv", tmp_path / "out.csv", run_id="r") == 18
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out.csv").read_text())))
    found = [
        (int(row["segment"]), int(row["step"]), float(row["value"]), row["ghost"] == "1")
        for row in rows
        if row["series"] == "train/loss"
    ]
    assert same(found, expected())
    assert {int(row["tokens"]) / int(row["step"]) for row in rows} == {8.0}
    assert {float(row["flops"]) / int(row["step"]) for row in rows} == {3.0}


def test_json_lines_have_every_point(reader: MetricReader, tmp_path: Path) -> None:
    export_metrics(reader, "jsonl", tmp_path / "new" / "out.jsonl", run_id="r")
    lines = [json.loads(line) for line in (tmp_path / "new" / "out.jsonl").read_text().splitlines()]
    found = [
        (line["segment"], line["step"], float(line["value"]), line.get("ghost", False))
        for line in lines
        if line["series"] == "train/lr"
    ]
    assert same(found, expected("train/lr"))


def bitwise_crc(data: bytes) -> int:
    """CRC-32C bit by bit, as its polynomial says."""
    crc = 0xFFFFFFFF
    for byte in data:
        for bit in range(8):
            low = (crc ^ byte >> bit) & 1
            crc = crc >> 1 ^ (0x82F63B78 if low else 0)
    return crc ^ 0xFFFFFFFF


def fields(data: bytes) -> list[tuple[int, Any]]:
    """Read a protocol message: (field, number or bytes)."""
    found, at = [], 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        key = varint()
        kind = key & 7
        if kind == 0:
            value: Any = varint()
        elif kind == 2:
            size = varint()
            value, at = data[at : at + size], at + size
        else:
            size, code = {1: (8, "<d"), 5: (4, "<f")}[kind]
            value, at = struct.unpack(code, data[at : at + size])[0], at + size
        found.append((key >> 3, value))
    return found


def records(path: Path) -> list[dict[int, Any]]:
    """Read an event file, checking both checksums of every record."""
    data, at, events = path.read_bytes(), 0, []
    while at < len(data):
        head = data[at : at + 8]
        (size,) = struct.unpack("<Q", head)
        body = data[at + 12 : at + 12 + size]
        for part, place in ((head, at + 8), (body, at + 12 + size)):
            crc = bitwise_crc(part)
            masked = ((crc >> 15 | crc << 17 & 0xFFFFFFFF) + 0xA282EAD8) % 2**32
            assert struct.unpack("<I", data[place : place + 4])[0] == masked
        events.append(dict(fields(body)))
        at += 16 + size
    return events


def test_the_checksum_is_the_published_one() -> None:
    assert crc32c(b"123456789") == bitwise_crc(b"123456789") == 0xE3069283  # RFC 3720, appendix B.4
    assert crc32c(bytes(32)) == 0x8A9136AA


def test_event_files_hold_every_scalar_and_histogram(reader: MetricReader, tmp_path: Path) -> None:
    assert export_metrics(reader, "tensorboard", tmp_path / "tb", run_id="r") == 18
    found: list[tuple[int, int, float, bool]] = []
    for segment in (1, 2):
        (file,) = (tmp_path / "tb" / f"attempt-{segment}").glob("events.out.tfevents.*")
        first, *events = records(file)
        assert first[3] == b"brain.Event:2" and first[1] > 1e9
        histograms = []
        for event in events:
            for _, value in fields(event[5]):
                summary = dict(fields(value))
                if summary[1] == b"train/loss":
                    step = event[2]
                    found.append((segment, step, summary[2], segment == 1 and step > 3))
                if summary[1] == b"weights/head":
                    histograms.append(dict(fields(summary[5])))
        if segment == 1:
            assert histograms == []  # step 5 of the first attempt was done again
            continue
        (histogram,) = histograms
        assert struct.unpack("<2d", histogram[7]) == (7.0, 2.0) and histogram[3] == 9.0
        assert struct.unpack("<2d", histogram[6]) == edges()[101:103] and histogram[1] == edges()[100]
    wanted = [(a, b, struct.unpack("<f", struct.pack("<f", value))[0], d) for a, b, value, d in expected()]
    assert same(found, wanted)


def test_one_attempt_is_one_folder(tmp_path: Path) -> None:
    store = MetricStore(tmp_path / "metrics.db")
    store.log(1, {"x": 1e300})
    store.close()
    export_metrics(MetricReader(tmp_path / "metrics.db"), "tensorboard", tmp_path / "tb", run_id="r")
    (file,) = (tmp_path / "tb").iterdir()
    _, event = records(file)
    assert dict(fields(dict(fields(event[5]))[1]))[2] == math.inf


def test_without_wandb_the_sentence_says_what_to_install(
    reader: MetricReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(InputError) as caught:
        export_metrics(reader, "wandb", tmp_path / "wb", run_id="r")
    assert caught.value.message == "The format wandb needs the package wandb, which is not installed."
    assert "pip install wandb" in str(caught.value) and not (tmp_path / "wb").exists()


def test_wandb_gets_the_points_that_count_in_order_and_offline(
    reader: MetricReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: dict[str, Any] = {"rows": []}

    class Run:
        def log(self, row: dict[str, float], step: int) -> None:
            calls["rows"].append((step, row))

        def finish(self) -> None:
            calls["finished"] = True

    def init(**settings: Any) -> Run:
        calls.update(settings)
        return Run()

    stand_in = SimpleNamespace(
        init=init, Settings=lambda **_: None, teardown=lambda: calls.update(torn_down=calls["finished"])
    )
    monkeypatch.setitem(sys.modules, "wandb", stand_in)
    count = export_metrics(reader, "wandb", tmp_path / "wb", run_id="r", config={"steps": 5})
    assert count == 14 and calls["mode"] == "offline" and calls["torn_down"]
    assert calls["id"] == "r" and calls["config"] == {"steps": 5} and calls["dir"] == str(tmp_path / "wb")
    found = [(int(row["segment"]), step, row["train/loss"], False) for step, row in calls["rows"]]
    assert same(found, [row for row in expected() if not row[3]])
    assert calls["rows"][-1][1]["tokens"] == 56


def test_wandb_writes_an_offline_run(reader: MetricReader, tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    export_metrics(reader, "wandb", tmp_path / "wb", run_id="r")
    (file,) = (tmp_path / "wb").glob("wandb/offline-run-*/run-r.wandb")
    points = [(point.step, point.value) for point in WandbFile(file).scalars() if point.name == "train/loss"]
    assert same(points, [row[1:3] for row in expected() if not row[3]])


def test_what_is_there_is_never_written_over(reader: MetricReader, tmp_path: Path) -> None:
    (tmp_path / "out.csv").write_text("mine")
    with pytest.raises(ConflictError, match="is there already"):
        export_metrics(reader, "csv", tmp_path / "out.csv", run_id="r")
    assert (tmp_path / "out.csv").read_text() == "mine"
    with pytest.raises(LLMPError, match="format: 'xml' is unknown"):
        export_metrics(reader, "xml", tmp_path / "out.xml", run_id="r")  # type: ignore[arg-type]
