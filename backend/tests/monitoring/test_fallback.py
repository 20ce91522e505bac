"""Where SQLite's WAL cannot be, metrics go to JSON lines, and every reader finds them there."""

from __future__ import annotations

import json
import math
import resource
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from llm_playground.monitoring import MetricReader, MetricStore
from llm_playground.monitoring.histograms import BINS
from llm_playground.monitoring.system import file_system


def without_wal(folder: Path) -> Path:
    """A metric file whose shared memory cannot be made: a folder has its name."""
    path = folder / "metrics.db"
    (folder / "metrics.db-shm").mkdir()
    return path


def log(path: Path, values: list[float], start: int = 0) -> MetricStore:
    store = MetricStore(path, start)
    for place, value in enumerate(values, start + 1):
        store.log(place, {"train/loss": value}, tokens=10 * place, flops=1e3 * place)
    store.flush()
    return store


def test_values_come_back_where_wal_cannot_be(tmp_path: Path) -> None:
    path = without_wal(tmp_path)
    store = log(path, [3.0, math.nan, math.inf, 1.5])
    store.histograms(4, {"weights/all": [1] * BINS})
    store.flush()
    assert store.in_json_lines and store.error is None
    for line in (tmp_path / "metrics.jsonl").read_text().splitlines():
        json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    reader = MetricReader(path)
    line, ghosts = reader.series("train/loss")
    assert (line.step, line.value) == ([1, 2, 3, 4], [3.0, None, None, 1.5]) and ghosts.step == []
    assert line.tokens == [10, 20, 30, 40] and line.flops == [1e3, 2e3, 3e3, 4e3]
    assert reader.names() == ["train/loss"] and reader.latest()["train/loss"]["value"] == 1.5
    assert [row["counts"] for row in reader.histograms("weights/all")] == [[1] * BINS]
    seen = reader.last_id()
    store.log(5, {"train/loss": 1.0, "bad": "x"})  # type: ignore[dict-item]
    store.close()
    assert store.error is not None and "'x' is no number" in store.error
    assert [(row["step"], row["value"]) for row in reader.rows(seen)] == [(5, 1.0)]


def test_a_resumed_run_stays_with_json_lines_and_keeps_its_ghosts(tmp_path: Path) -> None:
    path = without_wal(tmp_path)
    log(path, [1.0] * 10).close()
    with (tmp_path / "metrics.jsonl").open("ab") as file:
        file.write(b'{"step": 11, "ti')  # a killed process left half a line
    (tmp_path / "metrics.db-shm").rmdir()  # WAL could be again
    store = log(path, [2.0] * 3, start=6)
    store.close()
    assert store.in_json_lines
    line, ghosts = MetricReader(path).series("train/loss")
    assert line.value == [1.0] * 6 + [2.0] * 3 and ghosts.step == [7, 8, 9, 10]


def test_an_earlier_attempts_sqlite_file_is_read_before_the_lines(tmp_path: Path) -> None:
    path = tmp_path / "metrics.db"
    log(path, [5.0] * 400).close()
    (tmp_path / "metrics.jsonl").touch()
    log(path, [4.0] * 20, start=300).close()
    for points in (500, 20):
        line, ghosts = MetricReader(path).series("train/loss", points)
        assert line.points == 320 and ghosts.points == 100
        assert line.value[0] == 5.0 and line.value[-1] == 4.0


def test_long_runs_have_their_pyramid_in_json_lines_too(tmp_path: Path) -> None:
    values = [0.0] * 5000
    values[1234] = 9.0
    path = without_wal(tmp_path)
    log(path, values).close()
    line, _ = MetricReader(path).series("train/loss", 50)
    assert len(line.step) <= 51 and max(high for high in line.high if high is not None) == 9.0


@pytest.mark.parametrize(("kind", "lines"), [("nfs4", True), ("fuse.sshfs", True), ("ext4", False)])
def test_network_file_systems_get_json_lines_at_once(
    kind: str, lines: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = [
        SimpleNamespace(mountpoint="/", fstype="ext4"),
        SimpleNamespace(mountpoint=str(tmp_path.resolve()), fstype=kind),
        SimpleNamespace(mountpoint=str(tmp_path.resolve()) + "other", fstype="tmpfs"),
    ]
    monkeypatch.setattr(psutil, "disk_partitions", lambda all=False: mounts)
    assert file_system(tmp_path) == kind and file_system(Path("/")) == "ext4"
    store = log(tmp_path / "metrics.db", [1.0])
    store.close()
    assert store.in_json_lines == lines
    assert MetricReader(tmp_path / "metrics.db").latest()["train/loss"]["value"] == 1.0


def test_a_folder_that_cannot_be_written_does_not_end_training(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    store = MetricStore(folder / "metrics.db")  # the folder is not there
    store.log(1, {"x": 1.0})
    store.flush()
    assert store.error is not None and "could not be stored" in store.error
    folder.mkdir()
    store.log(2, {"x": 2.0})
    store.close()
    assert store.error is None and MetricReader(folder / "metrics.db").latest()["x"]["step"] == 2


def test_a_disk_that_fills_up_leaves_whole_lines(tmp_path: Path) -> None:
    path = without_wal(tmp_path)
    store = log(path, [1.0] * 5)
    lines = tmp_path / "metrics.jsonl"
    whole = lines.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) + 30, hard))  # a part of a line fits
    try:
        store.log(6, {"train/loss": 2.0})
        store.flush()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert store.error is not None and "could not be stored" in store.error
    assert lines.read_bytes() == whole
    store.log(7, {"train/loss": 3.0})
    store.close()
    assert store.error is None
    assert MetricReader(path).series("train/loss")[0].step == [1, 2, 3, 4, 5, 7]
