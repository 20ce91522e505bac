"""The command, the server, and the API while a run trains: absolute times, each against its limit."""

from __future__ import annotations

import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from benchmarks.measure import Row

_TRAINING = {"steps": 100_000, "batch_size": 8, "sample_every": 0}


def free_port() -> int:
    """Return a port that nobody uses now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def ask(port: int, path: str, body: dict[str, Any] | None = None) -> Any:
    """Send a request to the server under test and return the JSON of its answer."""
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", data, {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def finished(port: int, stage: str, config: dict[str, Any]) -> str:
    """Run a stage to its end; returns the id of what it made."""
    run = ask(port, "/api/v1/runs", {"stage": stage, "config": config})
    while run["state"] in ("queued", "running"):
        time.sleep(0.1)
        run = ask(port, f"/api/v1/runs/{run['id']}")
    if run["state"] != "finished":
        raise RuntimeError(f"{stage} {run['state']}: {run['error']}")
    output: str = run["output"]
    return output


def help_seconds() -> float:
    """Return the median seconds of ``llmp --help``."""
    command, times = [sys.executable, "-m", "llm_playground.cli.main", "--help"], []
    for _ in range(7):
        begin = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def measure() -> list[Row]:
    """Measure the start of command and server, and the slowest answers while a run trains."""
    rows = [Row("llmp --help", help_seconds(), 1.0, "s", "limit")]
    port = free_port()
    with tempfile.TemporaryDirectory() as name:
        environment = {**os.environ, "LLMP_WORKSPACE": str(Path(name) / "workspace")}
        environment.pop("OMP_NUM_THREADS", None)
        begin = time.perf_counter()
        server = subprocess.Popen(
            [sys.executable, "-m", "llm_playground.cli.main", "serve", "--port", str(port)],
            env=environment,
            stdout=subprocess.DEVNULL,
        )
        run_id = None
        try:
            while True:
                try:
                    ask(port, "/api/v1/health")
                    break
                except urllib.error.URLError:
                    time.sleep(0.02)
            rows.append(Row("server ready", time.perf_counter() - begin, 5.0, "s", "limit"))
            data = finished(port, "data.prepare", {"documents": 2000, "conversations": 50})
            tokenizer = finished(port, "tokenizer.train", {"dataset": data, "vocab_size": 512})
            tokens = finished(port, "data.tokenize", {"dataset": data, "tokenizer": tokenizer})
            run_id = ask(
                port,
                "/api/v1/runs",
                {"stage": "pretrain", "config": {"tokens": tokens, "training": _TRAINING}},
            )["id"]
            while not ask(port, f"/api/v1/runs/{run_id}")["progress"]["done"]:
                time.sleep(0.1)
            times = []
            for _ in range(60):
                for path in ("/api/v1/runs", f"/api/v1/runs/{run_id}", f"/api/v1/runs/{run_id}/metrics"):
                    begin = time.perf_counter()
                    ask(port, path)
                    times.append(1e3 * (time.perf_counter() - begin))
                time.sleep(0.1)
            times.sort()
            rows.append(Row("API while training, median", statistics.median(times), 200.0, "ms", "limit"))
            rows.append(
                Row("API while training, 99th percentile", times[len(times) * 99 // 100], 200, "ms", "limit")
            )
        finally:
            if run_id is not None:
                os.kill(ask(port, f"/api/v1/runs/{run_id}")["pid"], signal.SIGKILL)
            server.terminate()
            server.wait(timeout=20)
    return rows
