"""What a stage gets beside its configuration, backed by the run's folder."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_playground.core.devices import peak_memory_bytes
from llm_playground.core.errors import LLMPError
from llm_playground.runs.events import EVENTS_FILE, EventLog
from llm_playground.runs.record import STOP_FILE, RunProgress, RunRecord, save_record

if TYPE_CHECKING:
    from llm_playground.core.protocols import MetricLog, Progress, StepHook
    from llm_playground.core.workspace import Workspace
    from llm_playground.monitoring import Alert, MetricStore

METRICS_FILE = "metrics.db"
_BEAT_S = 1.0


class RunMetrics:
    """The run's metric file, opened by the first value, so that stages without metrics have none.

    A resumed run opens a new segment: what an earlier attempt logged beyond the checkpoint becomes a ghost.

    Args:
        path: the SQLite file.
        on_alert: called with each alert, on the store's thread.
    """

    def __init__(self, path: Path, on_alert: Callable[[Alert], None]) -> None:
        self.path = path
        self.on_alert = on_alert
        self._store: MetricStore | None = None

    def log(
        self, step: int, values: Mapping[str, float], *, tokens: int | None = None, flops: float | None = None
    ) -> None:
        """Record named values at a step."""
        self._opened(step).log(step, values, tokens=tokens, flops=flops)

    def histograms(self, step: int, counts: Mapping[str, Sequence[int]]) -> None:
        """Record named histograms at a step."""
        self._opened(step).histograms(step, counts)

    def _opened(self, step: int) -> MetricStore:
        if self._store is None:
            from llm_playground.monitoring import MetricStore, RunWatcher

            watcher = RunWatcher(self.path.parent, self.on_alert)
            self._store = MetricStore(self.path, start_step=max(0, step - 1), watcher=watcher)
        return self._store

    def flush(self) -> None:
        """Return once everything is stored."""
        if self._store is not None:
            self._store.flush()

    def close(self) -> None:
        """Store everything and close the file."""
        if self._store is not None:
            self._store.close()


class SilentContext:
    """The context of a run's further processes: what they tell goes nowhere, the first one tells it too.

    Args:
        run_dir: the run's folder.
        record: its record; it is only read.
        workspace: where artifacts are.
        hooks: those of the run, which say when all processes must wait for the first one.
    """

    def __init__(
        self, run_dir: Path, record: RunRecord, workspace: Workspace, hooks: Sequence[StepHook] = ()
    ) -> None:
        self.run_id, self.run_dir, self.workspace, self.seed = record.id, run_dir, workspace, record.seed
        self.hooks: Sequence[StepHook] = hooks
        self.metrics: MetricLog = self
        self.progress: Progress = self

    def should_stop(self) -> bool:
        """Return False: the first process is asked, and tells the others."""
        return False

    def log(self, *what: Any, **more: Any) -> None:
        """Drop a metric or a message."""

    def histograms(self, step: int, counts: Mapping[str, Sequence[int]]) -> None:
        """Drop histograms."""

    def flush(self) -> None:
        """Return at once."""

    def update(
        self, done: float, total: float | None, *, unit: str = "", message: str = "", **details: Any
    ) -> None:
        """Drop the progress."""

    def event(self, kind: str, data: Mapping[str, Any]) -> None:
        """Drop an event."""

    def set_summary(self, **figures: Any) -> None:
        """Drop the figures."""


class RunContext:
    """The context of a run in its own process.

    A thread writes ``run.json`` once a second (heartbeat and progress) and touches nothing else.

    Args:
        run_dir: the run's folder.
        record: its record; this process alone writes it from now on.
        workspace: where artifacts go.
        hooks: step hooks for training stages.
    """

    def __init__(
        self, run_dir: Path, record: RunRecord, workspace: Workspace, hooks: Sequence[StepHook] = ()
    ) -> None:
        self.run_id, self.run_dir, self.workspace, self.seed = record.id, run_dir, workspace, record.seed
        self.record = record
        self.hooks: Sequence[StepHook] = hooks
        self.events = EventLog(run_dir / EVENTS_FILE)
        self.run_metrics = RunMetrics(run_dir / METRICS_FILE, self._alert)
        self.metrics: MetricLog = self.run_metrics
        self.progress: Progress = self
        self._stop_file = run_dir / STOP_FILE
        self._stop = threading.Event()
        self._lock = threading.RLock()
        self._done = threading.Event()
        self._beat = threading.Thread(target=self._beat_loop, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Say that the run is running, and begin the heartbeat."""
        self.record.state = "running"
        self.save()
        self.event("state", {"state": "running", "attempt": self.record.attempt})
        self._beat.start()

    def close(self) -> None:
        """End heartbeat, metrics and events; the record's last state has been saved by then."""
        self._done.set()
        if self._beat.is_alive():
            self._beat.join(timeout=5)
        self.run_metrics.close()
        self.events.close()

    def save(self, *, durable: bool = True) -> None:
        """Write ``run.json``."""
        with self._lock:
            self.record.heartbeat_at = time.time()
            self.record.peak_memory_bytes = peak_memory_bytes()
            save_record(self.run_dir, self.record, durable=durable)

    def _beat_loop(self) -> None:
        while not self._done.wait(_BEAT_S):
            try:
                self.save(durable=False)
            except (LLMPError, OSError):
                continue  # a full disk must not end the run: the next beat tries again

    def request_stop(self) -> None:
        """Ask the stage to stop, from a signal handler or a test."""
        self._stop.set()

    def should_stop(self) -> bool:
        """Say whether the run was asked to stop."""
        return self._stop.is_set() or self._stop_file.exists()

    def update(
        self, done: float, total: float | None, *, unit: str = "", message: str = "", **details: Any
    ) -> None:
        """Keep how far the work is; it reaches the disk with the next heartbeat."""
        eta = details.pop("eta_s", None)
        with self._lock:
            self.record.progress = RunProgress(
                done=done, total=total, unit=unit, message=message, eta_s=eta, details=details
            )

    def log(self, message: str, level: str = "info") -> None:
        """Add a line to the log, and to the event stream."""
        print(f"{time.strftime('%H:%M:%S')} {level:7} {message}", flush=True)
        self.event("log", {"level": level, "message": message})

    def event(self, kind: str, data: Mapping[str, Any]) -> None:
        """Add an event to the run's stream."""
        with self._lock:
            self.events.append(kind, data)

    def _alert(self, alert: Alert) -> None:
        self.event("alert", alert.to_dict())

    def set_summary(self, **figures: Any) -> None:
        """Set figures shown at the run's end."""
        with self._lock:
            self.record.summary = {**self.record.summary, **figures}
