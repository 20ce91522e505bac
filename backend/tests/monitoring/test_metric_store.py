"""The metric store: nothing lost, no spike hidden, alive under kill -9 and while being written."""

from __future__ import annotations

import json
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
from llm_playground.monitoring.histograms import BINS


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


@given(
    lengths=st.lists(st.tuples(st.integers(0, 700), st.integers(1, 700)), min_size=1, max_size=3),
    points=st.integers(5, 60),
    spike=st.integers(0, 10**6),
)
def test_no_spike_of_a_resumed_run_is_lost_or_shown_as_a_ghost(
    lengths: list[tuple[int, int]], points: int, spike: int, tmp_path_factory
) -> None:
    """Attempts (first step, values), each begun at a checkpoint of the one before."""
    path, counting = tmp_path_factory.mktemp("metrics") / "metrics.db", {}
    ghosts_expected, reached = 0, 0
    for attempt, (begin, count) in enumerate(lengths):
        start = min(begin, reached)
        values = [float(attempt)] * count
        values[spike % count] = 1000.0 + attempt
        store_values(path, values, start)
        ghosts_expected += len([step for step in counting if step > start])
        counting = {step: value for step, value in counting.items() if step <= start}
        counting |= {start + 1 + place: value for place, value in enumerate(values)}
        reached = start + count
    line, ghosts = MetricReader(path).series("train/loss", points)
    assert line.points == len(counting) and ghosts.points == ghosts_expected
    assert line.step[-1] == reached and line.step == sorted(line.step)
    begin = 0
    for step, low, high in zip(line.step, line.low, line.high, strict=True):
        inside = [value for at, value in counting.items() if begin < at <= step]
        assert (low, high) == (min(inside), max(inside))
        begin = step


def test_a_checkpoint_in_the_middle_of_a_bucket_parts_what_counts_from_the_ghosts(tmp_path: Path) -> None:
    path = tmp_path / "metrics.db"
    values = [0.0] * 1000
    values[300], values[310] = 7.0, 9.0
    store_values(path, values)
    store_values(path, [1.0], start=305)
    line, ghosts = MetricReader(path).series("train/loss", 50)
    assert line.points == 306 and max(value for value in line.high if value is not None) == 7.0
    assert ghosts.points == 695 and max(value for value in ghosts.high if value is not None) == 9.0


def test_a_value_that_is_not_a_number_is_a_gap(tmp_path: Path) -> None:
    path = tmp_path / "metrics.db"
    store_values(path, [1.0, math.nan, math.inf, -math.inf, 2.0])
    reader = MetricReader(path)
    line, _ = reader.series("train/loss")
    assert line.value == line.low == line.high == [1.0, None, None, None, 2.0]
    assert [row["value"] for row in reader.rows(0)] == [1.0, None, None, None, 2.0]
    assert line.to_dict()["points"] == 5 and "NaN" not in json.dumps(line.to_dict())
    wide, _ = reader.series("train/loss", 1)
    assert (wide.value, wide.low, wide.high) == ([2.0], [1.0], [2.0])


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
    limit = time.monotonic() + 60
    while MetricReader(path).last_id() < 60:
        assert time.monotonic() < limit
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    line, _ = MetricReader(path).series("x", 10**6)
    assert len(line.step) > 50
    assert line.step == list(range(1, len(line.step) + 1))
    assert sqlite3.connect(path).execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_what_is_logged_after_a_full_disk_is_stored_under_its_own_name(tmp_path: Path) -> None:
    path = tmp_path / "metrics.db"
    store = MetricStore(path)
    store.log(1, {"before": 1.0})
    store.flush()
    connection = sqlite3.connect(path)
    connection.execute(
        "CREATE TRIGGER full BEFORE INSERT ON points BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
    )
    connection.commit()
    for step in range(2, 22):
        store.log(step, {"lost": 5.0, "before": 1e9})
    store.flush()
    assert store.error == "The metrics of the last 20 steps could not be stored: disk is full."
    connection.execute("DROP TRIGGER full")
    connection.commit()
    connection.close()
    for step in range(22, 62):
        store.log(step, {"other": 2.0, "lost": 3.0, "before": 1.0})
    store.flush()
    assert store.error is None
    store.close()
    reader = MetricReader(path)
    assert reader.names() == ["before", "lost", "other"]
    for name, value, count in (("before", 1.0, 41), ("lost", 3.0, 40), ("other", 2.0, 40)):
        for points in (3, 500):
            line, _ = reader.series(name, points)
            assert set(line.low) == set(line.high) == {value} and line.points == count
            assert line.step[-1] == 61


def test_a_value_that_is_no_number_is_dropped_and_told(tmp_path: Path) -> None:
    store = MetricStore(tmp_path / "metrics.db")
    store.log(1, {"x": "many"})  # type: ignore[dict-item]
    store.flush()
    assert store.error is not None and "could not be stored" in store.error
    store.log(2, {"x": 2.0})
    store.flush()
    assert store.error is None
    store.close()
    store.close()
    assert MetricReader(tmp_path / "metrics.db").latest() == {"x": {"step": 2, "value": 2.0}}


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


@given(
    count=st.integers(1, 1500),
    points=st.integers(5, 60),
    window=st.tuples(st.integers(0, 1500), st.integers(0, 1500)),
    spike=st.integers(0, 10**6),
)
def test_a_closer_look_has_finer_buckets_and_every_spike(
    count: int, points: int, window: tuple[int, int], spike: int, tmp_path_factory
) -> None:
    path = tmp_path_factory.mktemp("metrics") / "metrics.db"
    values = [float(step % 7) for step in range(1, count + 1)]
    values[spike % count] = 1000.0
    store_values(path, values)
    start, end = min(window), max(window)
    line, _ = MetricReader(path).series("train/loss", points, start=start, end=end)
    inside = {step: value for step, value in enumerate(values, 1) if start <= step <= end}
    assert line.points == len(inside) and len(line.step) <= points + 2
    assert line.step == sorted(line.step)
    begin = start - 1
    for step, low, high in zip(line.step, line.low, line.high, strict=True):
        part = [value for at, value in inside.items() if begin < at <= step]
        assert (low, high) == (min(part), max(part))
        begin = step
    if len(inside) <= points:
        assert line.step == list(inside) and line.value == list(inside.values())


def test_tokens_flops_and_time_go_with_every_bucket(tmp_path: Path) -> None:
    store = MetricStore(tmp_path / "metrics.db")
    before = time.time()
    for step in range(1, 5001):
        store.log(step, {"x": 1.0}, tokens=8 * step, flops=2.5 * step)
    store.close()
    line, _ = MetricReader(tmp_path / "metrics.db").series("x", 40)
    assert len(line.step) <= 41
    assert line.tokens == [8 * step for step in line.step] and line.flops == [
        2.5 * step for step in line.step
    ]
    assert before <= line.time[0] <= line.time[-1] <= time.time() and line.time == sorted(line.time)


def test_histograms_through_time_leave_out_what_was_done_again(tmp_path: Path) -> None:
    path = tmp_path / "metrics.db"
    for start in (0, 40):
        store = MetricStore(path, start)
        for step in range(start + 10, start + 70, 10):
            store.histograms(step, {"weights/a": [step + start] * BINS})
        store.histograms(start + 1, {"weights/a": [1, 2]})
        store.close()
        assert store.error is not None and "a histogram has 225 counts" in store.error
    reader = MetricReader(path)
    assert reader.histogram_names() == ["weights/a"]
    rows = reader.histograms("weights/a")
    assert [row["step"] for row in rows] == [10, 20, 30, 40, 50, 60, 70, 80, 90, 100]
    assert rows[4]["counts"] == [90] * BINS and rows[4]["segment"] == 2
    assert [row["step"] for row in reader.histograms("weights/a", limit=4)] == [10, 40, 70, 100]


def test_files_from_before_there_were_histograms_are_read(tmp_path: Path) -> None:
    path = tmp_path / "metrics.db"
    store_values(path, [1.0, 2.0])
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE histograms")
    connection.close()
    reader = MetricReader(path)
    assert reader.histogram_names() == [] and reader.series("train/loss")[0].value == [1.0, 2.0]


def test_points_come_in_the_order_of_logging_with_their_ghosts_marked(tmp_path: Path) -> None:
    path = tmp_path / "metrics.db"
    store_values(path, [1.0, math.nan, 3.0])
    store_values(path, [9.0], start=2)
    points = list(MetricReader(path).points())
    assert [(point.segment, point.step, point.ghost) for point in points] == [
        (1, 1, False),
        (1, 2, False),
        (1, 3, True),
        (2, 3, False),
    ]
    assert [point.id for point in points] == [1, 2, 3, 4] and math.isnan(points[1].value)
