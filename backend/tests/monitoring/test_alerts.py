"""Alerts: every planted event is found, once an episode; plain noisy falling losses raise none."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterable
from pathlib import Path

import numpy
import pytest

from llm_playground.monitoring import Alert, MetricStore, RunWatcher
from llm_playground.monitoring.alerts import (
    DiskLow,
    Divergence,
    NonFinite,
    Overfitting,
    Plateau,
    SilentRanks,
    SlowDown,
    Spike,
    Stalled,
)
from llm_playground.monitoring.heartbeat import Heartbeat, read_beats
from llm_playground.monitoring.watcher import Detector
from llm_playground.monitoring.writer import Entry

STEPS = 3000


def falling(generator: numpy.random.Generator, noise: float) -> tuple[numpy.ndarray, numpy.ndarray]:
    """A power law down to a floor, without and with Gaussian noise relative to it."""
    steps = numpy.arange(STEPS)
    floor, exponent = generator.uniform(1, 3), generator.uniform(0.2, 0.6)
    clean = floor + 6 * (steps + 20.0) ** -exponent
    return clean, clean * (1 + noise * generator.standard_normal(STEPS))


def alerts(detector: Detector, values: Iterable[float]) -> list[Alert]:
    found = (detector.update(step, float(value)) for step, value in enumerate(values))
    return [alert for alert in found if alert is not None]


def steps(detector: Detector, values: Iterable[float]) -> list[int]:
    return [alert.step for alert in alerts(detector, values)]


@pytest.mark.parametrize("noise", [0.003, 0.01, 0.03, 0.1])
def test_noisy_falling_losses_raise_no_alarm(noise: float) -> None:
    for seed in range(5):
        generator = numpy.random.default_rng(seed)
        _, loss = falling(generator, noise)
        norms = numpy.exp(generator.normal(0, 0.3, STEPS))
        times = 100 * numpy.exp(generator.normal(0, 0.1, STEPS))
        assert steps(NonFinite("x"), loss) == steps(Spike("x"), loss) == []
        assert steps(Divergence("x"), loss) == []
        assert steps(Spike("x", log=True), norms) == steps(SlowDown("x"), times) == []


@pytest.mark.parametrize("noise", [0.003, 0.01, 0.03, 0.1])
def test_every_planted_spike_is_found_once(noise: float) -> None:
    for seed in range(5):
        generator = numpy.random.default_rng(seed)
        clean, loss = falling(generator, noise)
        planted = sorted(
            int(step) for step in generator.choice(numpy.arange(60, STEPS, 40), 20, replace=False)
        )
        for step in planted:
            width = int(generator.integers(1, 4))
            loss[step : step + width] = clean[step] * (1 + 10 * noise)
        assert steps(Spike("train/loss"), loss) == planted


def test_spikes_of_gradient_norms_are_judged_by_their_logarithm() -> None:
    generator = numpy.random.default_rng(3)
    norms = numpy.exp(generator.normal(-1, 0.3, STEPS))
    norms[[500, 900, 2500]] *= math.exp(10 * 0.3)
    assert steps(Spike("train/grad_norm", log=True), norms) == [500, 900, 2500]


def test_an_alert_says_what_where_and_what_to_do() -> None:
    values = list(2.02 + 0.01 * numpy.random.default_rng(0).standard_normal(100))
    values[60] = 9.0
    (alert,) = alerts(Spike("train/loss"), values)
    assert re.fullmatch(r"train/loss jumped to 9 at step 60; it was about 2\.0\d*\.", alert.message)
    told = alert.to_dict()
    assert (told["kind"], told["severity"], told["step"], told["value"]) == ("spike", "warning", 60, 9.0)
    assert told["series"] == "train/loss" and told["hint"]


def test_values_that_are_not_finite_are_one_episode_until_they_have_gone() -> None:
    values = [1.0] * 50
    values[10] = values[12] = math.nan
    values[30] = math.inf
    found = alerts(NonFinite("train/loss"), values)
    assert [alert.step for alert in found] == [10, 30]
    assert found[0].to_dict()["value"] is None and found[0].severity == "critical"


@pytest.mark.parametrize("noise", [0.003, 0.01, 0.03, 0.1])
def test_a_loss_that_climbs_back_has_diverged_once(noise: float) -> None:
    for seed in range(5):
        generator = numpy.random.default_rng(seed)
        clean, loss = falling(generator, noise)
        begin = int(generator.integers(1000, 2500))
        rise = max(clean[0] - clean[begin], 4 * noise * clean[begin])
        climb = numpy.minimum(1, numpy.arange(STEPS - begin) / 300)
        loss[begin:] += rise * climb
        found = steps(Divergence("train/loss"), loss)
        assert len(found) == 1 and begin < found[0] < begin + 320


def test_a_single_wild_value_is_no_divergence() -> None:
    _, loss = falling(numpy.random.default_rng(0), 0.02)
    loss[1000:1010] = 1e6
    assert steps(Divergence("train/loss"), loss) == []


def test_a_loss_that_stays_is_a_plateau_and_one_that_falls_is_not() -> None:
    for seed in range(5):
        generator = numpy.random.default_rng(seed)
        noise = generator.standard_normal(STEPS)
        ever_lower = 4.0 * (numpy.arange(STEPS) + 20.0) ** -0.2 * (1 + 0.01 * noise)
        assert steps(Plateau("train/loss"), ever_lower) == []
        stuck = numpy.concatenate([ever_lower[:1000], ever_lower[999] * (1 + 0.01 * noise[1000:])])
        found = alerts(Plateau("train/loss"), stuck)
        assert 1200 < found[0].step < 2400 and found[0].severity == "info"
        assert len(found) == 1


def test_memory_of_a_plateau_is_bounded() -> None:
    detector = Plateau("train/loss")
    loss = 4.0 * (numpy.arange(30_000) + 20.0) ** -0.2
    assert steps(detector, loss) == []
    assert len(detector._blocks) <= 1024


def test_a_validation_loss_that_rises_is_told_of_once() -> None:
    values = [3.0, 2.0, 1.9, 1.905, 1.95, 2.0, 2.1, 2.2, 1.8, 1.79]
    (alert,) = alerts(Overfitting("val/loss"), values)
    assert alert.step == 6 and "1.9 at step 2" in alert.message
    assert alerts(Overfitting("val/loss"), [2.0, 2.1, 1.99, 2.1, 1.98, 2.1, 2.1]) == []


def test_a_slow_down_is_told_of_once_and_again_when_it_comes_back() -> None:
    generator = numpy.random.default_rng(5)
    times = 100 * numpy.exp(generator.normal(0, 0.1, STEPS))
    times[1000:1080] *= 2
    times[2000:2900] *= 1.8
    times[500] = 9000  # one slow step is none
    first, second = steps(SlowDown("perf/step_ms"), times)
    assert 1000 < first < 1030 and 2000 < second < 2030


def test_a_run_without_steps_is_stalled_after_five_minutes_or_twenty_steps() -> None:
    quick = Stalled()
    for step in range(10):
        quick.saw(step, now=10.0 * step)
    assert quick.check(90 + 299) is None
    alert = quick.check(90 + 301)
    assert alert is not None and alert.step == 9 and "301 seconds" in alert.message
    assert quick.check(90 + 900) is None, "once an episode"
    quick.saw(10, now=1000.0)
    assert quick.check(1200.0) is None and quick.check(1400.0) is not None
    slow = Stalled()
    for step in range(10):
        slow.saw(step, now=100.0 * step)
    assert slow.check(900 + 1900) is None and slow.check(900 + 2001) is not None
    assert Stalled().check(1e9) is None, "nothing has begun"


def test_a_rank_without_beats_is_told_of_once() -> None:
    ranks = SilentRanks()
    assert ranks.check(1, {0: 1, 1: 1}, 0.0) == []
    assert ranks.check(2, {0: 2, 1: 1}, 29.0) == []
    (alert,) = ranks.check(3, {0: 3, 1: 1}, 31.0)
    assert alert.kind == "rank_silent" and alert.message.startswith("Rank 1 has given no sign of life for 31")
    assert ranks.check(4, {0: 4, 1: 1}, 60.0) == []
    assert ranks.check(5, {0: 5, 1: 2}, 90.0) == []
    assert ranks.check(5, {0: 6}, 900.0) == [], "a rank that has ended is not silent"


def test_a_full_disk_is_a_warning_then_critical() -> None:
    disk = DiskLow(least=1000)
    assert disk.check(1, 1500) is None
    warning, critical = disk.check(2, 900), disk.check(4, 200)
    assert warning is not None and warning.severity == "warning"
    assert critical is not None and critical.severity == "critical"
    assert disk.check(5, 900) is None and disk.check(6, 1100) is None, "the same episode"
    assert disk.check(7, 1300) is None and disk.check(8, 900) is not None, "the next one"
    assert DiskLow(least=10).check(1, 1500, needed=2000) is not None, "the next checkpoint would not fit"


def test_a_heartbeat_beats_while_its_block_lasts(tmp_path: Path) -> None:
    assert read_beats(tmp_path) == {}
    with Heartbeat(tmp_path, 3, every=0.01):
        seen = set()
        limit = time.monotonic() + 20
        while len(seen) < 3 and time.monotonic() < limit:
            seen |= set(read_beats(tmp_path).items())
            time.sleep(0.005)
    assert len(seen) >= 3 and {rank for rank, _ in seen} == {3}
    assert read_beats(tmp_path) == {}


def test_the_watcher_raises_alerts_from_what_is_logged_and_samples_the_machine(tmp_path: Path) -> None:
    raised: list[Alert] = []
    store = MetricStore(
        tmp_path / "metrics.db", watcher=RunWatcher(tmp_path, raised.append, sample_every=0.0)
    )
    noise = numpy.random.default_rng(0).standard_normal(101)
    for step in range(1, 101):
        loss = 50.0 if step == 80 else 3.0 - 0.01 * step + 0.02 * float(noise[step])
        store.log(step, {"train/loss": loss, "perf/step_ms": 5.0})
    store.log(101, {"train/loss": math.nan, "train/grad_norm": math.inf})
    store.close()
    assert store.error is None
    assert [(alert.kind, alert.step, alert.series) for alert in raised if alert.kind != "disk"] == [
        ("spike", 80, "train/loss"),
        ("non_finite", 101, "train/loss"),
        ("non_finite", 101, "train/grad_norm"),
    ]
    from llm_playground.monitoring import MetricReader

    latest = MetricReader(tmp_path / "metrics.db").latest()
    for name in ("cpu_percent", "memory_rss_bytes", "memory_available_bytes", "disk_free_bytes"):
        assert latest[f"system/{name}"]["value"] >= 0, name
    assert latest["system/memory_rss_bytes"]["value"] > 10**6


def test_an_overflow_of_fp16_is_no_alarm_while_the_loss_scale_can_fall(tmp_path: Path) -> None:
    raised: list[Alert] = []
    watcher = RunWatcher(tmp_path, raised.append)
    watcher.see([Entry(1, 0.0, None, None, {"train/grad_norm": math.inf, "train/loss_scale": 65536.0})])
    assert raised == []
    watcher.see([Entry(2, 0.0, None, None, {"train/grad_norm": math.inf, "train/loss_scale": 1.0})])
    assert [alert.kind for alert in raised] == ["non_finite"]


def test_the_watcher_tells_of_a_stall_and_of_a_silent_rank_by_its_own_clock(tmp_path: Path) -> None:
    moment = [0.0]
    raised: list[Alert] = []
    (tmp_path / "heartbeats").mkdir()
    (tmp_path / "heartbeats" / "rank_5").write_text("left by a killed process of an earlier attempt")
    watcher = RunWatcher(tmp_path, raised.append, clock=lambda: moment[0])
    assert read_beats(tmp_path) == {}
    (tmp_path / "heartbeats" / "rank_1").write_text("1 1")
    watcher.see([Entry(7, 0.0, None, None, {"perf/step_ms": 1.0})])
    for moment[0] in (0.0, 10.0, 40.0, 200.0, 350.0, 700.0):
        watcher.tick(7)
    found = [(alert.kind, alert.step) for alert in raised if alert.kind != "disk"]
    assert found == [("rank_silent", 7), ("stalled", 7)]


def test_a_watcher_that_fails_costs_no_metrics(tmp_path: Path) -> None:
    def fail(alert: Alert) -> None:
        raise OSError("no space")

    store = MetricStore(tmp_path / "metrics.db", watcher=RunWatcher(tmp_path, fail))
    store.log(1, {"train/loss": math.nan})
    store.log(2, {"train/loss": 1.0})
    store.flush()
    assert store.error == "The watch over the metrics failed: OSError: no space."
    store.close()
    from llm_playground.monitoring import MetricReader

    assert MetricReader(tmp_path / "metrics.db").latest()["train/loss"]["step"] == 2
