"""W&B's run files, laid out here by the formats' descriptions, and by W&B itself where it is installed."""

from __future__ import annotations

import json
import math
import struct
import zlib
from pathlib import Path

import pytest
from wandb_files import BLOCK, HEAD, log, message, row

from llm_playground.core.errors import InputError
from llm_playground.monitoring.wandb_reader import WandbFile


def read(path: Path, *records: bytes) -> tuple[WandbFile, list[tuple[str, int, float, float]]]:
    path.write_bytes(log(*records))
    file = WandbFile(path)
    return file, [tuple(point) for point in file.scalars()]


def test_rows_settings_and_the_name_are_read(tmp_path: Path) -> None:
    config = message(
        *((1, message((1, key), (16, json.dumps(value)))) for key, value in {"lr": 0.1, "_wandb": {}}.items())
    )
    file, found = read(
        tmp_path / "run-a.wandb",
        message((1, 1), (17, message((1, "a"), (4, config), (8, "my run")))),
        row(0, 5.0, loss=2.5, text="x", done=True, eval__acc=0.5, _runtime=1.0),
        row(1, 6.5, loss=math.nan, picture__path="p.png", picture__size=9, picture___type="image-file"),
        message((1, 9), (5, message((1, message((1, "lr"), (16, "0.2")))))),
    )
    assert found[:2] == [("loss", 0, 5.0, 2.5), ("eval.acc", 0, 5.0, 0.5)]
    assert [point[:3] for point in found[2:]] == [("loss", 1, 6.5)] and math.isnan(found[2][3])
    assert (file.name, file.config) == ("my run", {"lr": 0.2})


def test_values_with_fields_of_their_own_are_read(tmp_path: Path) -> None:
    items = [(1, message((1, name), value)) for name, value in [
        ("_step", (5, 14)), ("_timestamp", (6, 3.0)), ("n", (5, 5)), ("x", (6, 0.25)), ("flag", (4, 1)),
        ("word", (7, "seven")), ("deep", (8, '{"a": 1, "b": {"c": 2.5}}')),
    ]]  # fmt: skip
    _, found = read(tmp_path / "run-a.wandb", message((2, message(*items))))
    expected = [("n", 7, 3.0, -3.0), ("x", 7, 3.0, 0.25), ("deep.a", 7, 3.0, 1.0), ("deep.b.c", 7, 3.0, 2.5)]
    assert found == expected


def test_records_over_several_blocks_and_at_their_ends(tmp_path: Path) -> None:
    rows = [row(step, float(step), loss=step / 8, note="x" * (977 * step % 70_000)) for step in range(120)]
    path = tmp_path / "run-a.wandb"
    _, found = read(path, *rows)
    assert path.stat().st_size > 30 * BLOCK
    assert found == [("loss", step, float(step), step / 8) for step in range(120)]
    data = path.read_bytes()
    path.write_bytes(data[:-5])  # cut off, as when a run was killed
    assert len(list(WandbFile(path).scalars())) == 119


def test_what_is_broken_or_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run-a.wandb"
    for content in (b"", b":W&B", b"event file, perhaps"):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"run-a\.wandb is not a run file of W&B"):
            WandbFile(path)
    whole = log(row(0, 1.0, loss=1.0), row(1, 2.0, loss=2.0))
    broken = bytearray(whole)
    broken[len(whole) // 2 + 20] ^= 1
    path.write_bytes(broken)
    with pytest.raises(InputError, match=r"damaged: the record at byte \d+ has a wrong checksum"):
        list(WandbFile(path).scalars())
    without = message((2, message((1, message((1, "loss"), (16, "1"))))))
    deep = message((2, message((1, message((1, "loss"), (16, "[" * 100_000))))))
    wild = [row(2**64, 1.0, loss=1), row(1, math.inf, loss=1), row(1, 1.0, loss=10**400)]
    for record in (b"\x12\x7f", without, deep, *wild, b"\xff" * 20):
        path.write_bytes(log(record))
        with pytest.raises(InputError, match="the record at byte 7 holds no message"):
            list(WandbFile(path).scalars())
    last = struct.pack("<IH", zlib.crc32(b"\4abc"), 3) + b"\4abc"
    path.write_bytes(HEAD + last)
    with pytest.raises(InputError, match="the record at byte 7 is not the one that belongs there"):
        list(WandbFile(path).scalars())


def test_wandbs_own_file_is_understood(tmp_path: Path) -> None:
    wandb = pytest.importorskip("wandb")
    run = wandb.init(mode="offline", project="p", name="theirs", dir=str(tmp_path), config={"lr": 0.5})
    for step in range(30):
        run.log({"loss": 1 / (step + 1), "deep": {"a": step}, "word": "x"})
    run.finish()
    (path,) = tmp_path.glob("wandb/offline-run-*/run-*.wandb")
    file = WandbFile(path)
    found = [(point.name, point.step, point.value) for point in file.scalars()]
    assert [point for point in found if point[0] == "loss"] == [("loss", n, 1 / (n + 1)) for n in range(30)]
    assert [point for point in found if point[0] == "deep.a"] == [("deep.a", n, n) for n in range(30)]
    assert len(found) == 60 and (file.name, file.config) == ("theirs", {"lr": 0.5})
