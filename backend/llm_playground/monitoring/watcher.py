"""Watches a run from the thread that writes its metrics: raises alerts, reads the machine's figures.

The training loop pays nothing for it: values come from the queue that ``log`` fills.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from llm_playground.monitoring.alerts import (
    Alert,
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
from llm_playground.monitoring.heartbeat import clear_beats, read_beats
from llm_playground.monitoring.system import SystemSampler
from llm_playground.monitoring.writer import Entry

Detector = NonFinite | Spike | Divergence | Plateau | Overfitting | SlowDown


class RunWatcher:
    """A :class:`llm_playground.monitoring.store.Watcher` for one run.

    Args:
        run_dir: the run's folder.
        emit: called with each alert, on the writing thread.
        sample_every: seconds between readings of the machine's figures.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        run_dir: Path,
        emit: Callable[[Alert], None],
        *,
        sample_every: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.run_dir, self.emit, self.sample_every, self.clock = run_dir, emit, sample_every, clock
        self._detectors: dict[str, tuple[Detector, ...]] = {
            "train/loss": (
                NonFinite("train/loss"),
                Spike("train/loss"),
                Divergence("train/loss"),
                Plateau("train/loss"),
            ),
            "train/grad_norm": (NonFinite("train/grad_norm"), Spike("train/grad_norm", log=True)),
            "val/loss": (NonFinite("val/loss"), Overfitting("val/loss")),
            "perf/step_ms": (SlowDown("perf/step_ms"),),
        }
        self._stalled, self._ranks, self._disk = Stalled(), SilentRanks(), DiskLow()
        self._sampler = SystemSampler(run_dir)
        self._next_sample = clock()
        clear_beats(run_dir)

    def see(self, entries: Sequence[Entry]) -> None:
        """Show new values to the detectors."""
        stepped = None
        for entry in entries:
            values = entry.values
            # An overflow of fp16 is how its loss scale is found, no trouble until nothing is left to halve.
            scaling = values.get("train/loss_scale", 1.0) > 1.0
            for name, value in values.items():
                for detector in self._detectors.get(name, ()):
                    if scaling and name == "train/grad_norm" and isinstance(detector, NonFinite):
                        continue
                    self._raise(detector.update(entry.step, float(value)))
            if "perf/step_ms" in values:
                stepped = entry.step
        if stepped is not None:
            self._stalled.saw(stepped, self.clock())

    def tick(self, last_step: int) -> Mapping[str, float]:
        """Look for stalled processes; every few seconds also return the machine's figures."""
        now = self.clock()
        self._raise(self._stalled.check(now))
        if now < self._next_sample:
            return {}
        self._next_sample = now + self.sample_every
        for alert in self._ranks.check(last_step, read_beats(self.run_dir), now):
            self._raise(alert)
        values = self._sampler.sample()
        needed = 2.0 * _newest_checkpoint_bytes(self.run_dir)
        self._raise(self._disk.check(last_step, values["system/disk_free_bytes"], needed))
        return values

    def _raise(self, alert: Alert | None) -> None:
        if alert is not None:
            self.emit(alert)


def _newest_checkpoint_bytes(run_dir: Path) -> int:
    """Return the size of the newest checkpoint, 0 without any."""
    try:
        folders = sorted((run_dir / "checkpoints").glob("step_*"))
        return sum(file.stat().st_size for file in folders[-1].rglob("*")) if folders else 0
    except FileNotFoundError:
        return 0  # it was removed for a newer one meanwhile
