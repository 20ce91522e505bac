"""The metric store: nothing lost, no spike hidden, alive under kill -9 and while being written."""

from __future__ import annotations

import math
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from llm_playground.monitoring import MetricReader, MetricStore


def store_values(path: Path, values: list[float], start: int = 0) -> None:
    store = MetricStore(path, start)
    for offset, value in enumerate(values):
        store.log(start + offset + 1, {"train/loss": value}, tokens=offset * 10)
    store.close()


def test_values_come_back_with_their_steps(tmp_path: Path) -> None:
    path = tmp_path / "metrics.db"
    store = MetricStore(path)
    store.log(1, {"train/loss": 3.5, "train/lr": 0.1}, tokens=100)
    store.log(2, {"train/loss": float("nan")})
    store.log(3, {"train/loss": 2.5})
    store.flush()
    reader = MetricReader(path)
    line, ghosts = reader.series("train/loss")
    assert (line.step, line.value) == ([1, 2, 3], [3.5, None, 2.5])
    assert ghosts.step == []
    assert reader.names() == ["train/loss", "train/lr"]
    assert reader.latest()["train/loss"] == {"step": 3, "value": 2.5}
    rows = reader.rows(0)
    assert [row["name"] for row in rows][:2] == ["train/loss", "train/lr"]
    assert reader.rows(rows[-1]["id"]) == []
    assert reader.last_id() == rows[-1]["id"]
    store.close()


def test_a_file_that_is_not_there_is_empty(tmp_path: Path) -> None:
    reader = MetricReader(tmp_path / "none.db")
    assert reader.names() == [] and reader.rows(0) == [] and reader.last_id() == 0
    assert reader.series("train/loss")[0].step == []


@given(
    values=st.lists(
        st.one_of(st.floats(-1e6, 1e6), st.just(float("nan")), st.just(float("inf"))), max_size=900
    ),
    points=st.integers(5, 60),
)
def test_every_spike_is_inside_a_drawn_bucket(values: list[float], points: int, tmp_path_factory) -> None:
    path = tmp_path_factory.mktemp("metrics") / "metrics.db"
    store_values(path, values)
    line, _ = MetricReader(path).series("train/loss", points)
    assert line.points == len(values)
    assert len(line.step) <= points + 17
    finite = [value for value in values if math.isfinite(value)]
    lows = [value for value in line.low if value is not None]
    highs = [value for value in line.high if value is not None]
    assert (min(lows, default=None), max(highs, default=None)) == (
        min(finite, default=None),
        max(finite, default=None),
    )
    start = 0
    for step, low, high in zip(line.step, line.low, line.high, strict=True):
        inside = [value for value in values[start:step] if math.isfinite(value)]
        assert (low, high) == (min(inside, default=None), max(inside, default=None))
        start = step


def test_a_resumed_run_overrides_what_came_after_its_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "metrics.db"
    store_values(path, [float(step) for step in range(1, 11)])
    store_values(path, [100.0, 101.0], start=6)
    line, ghosts = MetricReader(path).series("train/loss")
    assert line.step == [1, 2, 3, 4, 5, 6, 7, 8]
    assert line.value[-2:] == [100.0, 101.0]
    assert ghosts.step == [7, 8, 9, 10]
    assert [first for _, first in MetricReader(path).segments()] == [0, 6]


def test_readers_see_values_while_the_run_writes(tmp_path: Path) -> None:
    path = tmp_path / "metrics.db"
    store = MetricStore(path)
    reader, seen = MetricReader(path), 0
    for step in range(200):
        store.log(step, {"x": step})
        if step % 50 == 49:
            store.flush()
            rows = reader.rows(seen)
            seen = rows[-1]["id"]
            assert rows[-1]["step"] == step
    store.close()


def test_kill_9_loses_at_most_the_last_moment_and_never_the_file(tmp_path: Path) -> None:
    path = tmp_path / "metrics.db"
    code = (
        "import sys, time, pathlib\n"
        "from llm_playground.monitoring import MetricStore\n"
        f"store = MetricStore(pathlib.Path({str(path)!r}))\n"
        "step = 0\n"
        "while True:\n"
        "    step += 1; store.log(step, {'x': step}); time.sleep(0.001)\n"
        "    if step == 1: print('go', flush=True)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(1.6)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    line, _ = MetricReader(path).series("x", 10**6)
    assert len(line.step) > 50
    assert line.step == list(range(1, len(line.step) + 1))
    assert sqlite3.connect(path).execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_an_error_of_the_disk_does_not_reach_training(tmp_path: Path) -> None:
    path = tmp_path / "metrics.db"
    store = MetricStore(path)
    connection = sqlite3.connect(path)
    connection.execute("DROP TABLE points")
    connection.commit()
    store.log(1, {"x": 1.0})
    store.flush()
    assert store.error is not None and "could not be stored" in store.error
    store.close()
