"""Run the benchmarks and print their table: ``make bench``, or ``python -m benchmarks.run training``."""

from __future__ import annotations

import importlib
import os
import platform
import sys

os.environ |= {
    "OMP_WAIT_POLICY": "PASSIVE",
    "GOMP_SPINCOUNT": "1000",
}  # as the program's own processes have it
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

from benchmarks.measure import Row
from llm_playground.core.devices import cpu_name, usable_cores

BENCHMARKS = (
    "training",
    "shakespeare",
    "ranks",
    "generation",
    "tokenization",
    "tokenizer_training",
    "attention",
    "server",
    "metrics",
    "planner",
)


def number(value: float) -> str:
    """Write a figure with about three digits."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def line(row: Row) -> str:
    """Return a row of the Markdown table."""
    goal = "" if row.goal is None else f" (goal {row.goal:g})"
    return (
        f"| {row.claim} | {number(row.ours)} {row.unit} | {number(row.referee)} {row.unit} "
        f"| {row.against} | {row.ratio:.2f}{goal} |"
    )


def main() -> int:
    """Measure what is asked for, all by default; returns 2 for an unknown name."""
    wanted = sys.argv[1:] or list(BENCHMARKS)
    unknown = [name for name in wanted if name not in BENCHMARKS]
    if unknown:
        print(f"There is no benchmark {unknown[0]!r}; there are {', '.join(BENCHMARKS)}.", file=sys.stderr)
        return 2
    print(f"{cpu_name()}, {usable_cores()} cores, Python {platform.python_version()}\n")
    print("| what | ours | other | against | times better |")
    print("|---|---|---|---|---|")
    for name in wanted:
        for row in importlib.import_module(f"benchmarks.{name}").measure():
            print(line(row), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
