"""Devices: which one to use, what it is called, how much memory was used."""

from __future__ import annotations

import os
import platform
import resource
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

from llm_playground.core.errors import ConfigError

DEVICES = ("auto", "cpu", "cuda", "mps")
# How threads of torch wait for one another, read by OpenMP when torch is loaded. Waiting ones must sleep, for
# spinning ones starve whatever else runs on a busy core; but a thousand looks before sleeping (microseconds)
# spare the small model's many short waits most of the cost of waking up.
THREAD_ENVIRONMENT = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "1000"}

_HEAP_STEP = 64 * 2**20  # bytes by which a training's heap grows


def pick_device(name: str = "auto") -> str:
    """Resolve ``auto`` to the best device here, and refuse one that is not there.

    Raises:
        ConfigError: an unknown name, or a device this machine lacks.
    """
    import torch

    kind, _, index = name.partition(":")
    if kind not in DEVICES or (name != kind and (kind == "auto" or not index.isdecimal())):
        raise ConfigError(f"device: {name!r} is unknown.", hint="Use auto, cpu, cuda or mps.", field="device")
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return next(best for best, there in available.items() if there)
    if not available[kind]:
        raise ConfigError(
            f"device: this machine has no {name} device.", hint="Use auto or cpu.", field="device"
        )
    return name


def set_thread_environment() -> None:
    """Put ``THREAD_ENVIRONMENT`` into this process's environment, where it says nothing else yet."""
    for name, value in THREAD_ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def usable_cores() -> int:
    """Return the number of CPU cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        return os.cpu_count() or 1


def configure_threads(threads: int | None = None) -> int:
    """Set PyTorch's CPU threads (default: every usable core) and return the number."""
    import torch

    count = threads or usable_cores()
    torch.set_num_threads(count)
    return count


@lru_cache(maxsize=1)
def keep_freed_memory() -> bool:
    """Let the C library keep the memory that tensors give back, for a process that trains; True where it can.

    By default glibc maps each large block anew and returns it when it is freed, so that every step of a
    training meets its memory for the first time again: the system clears page after page, which took a tenth
    to a sixth of the step. The memory goes back when the process ends.
    """
    if sys.platform != "linux":
        return False
    import ctypes

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # other C libraries have none
    if mallopt is None:
        return False
    trim_threshold, top_pad, mmap_max = -1, -2, -4  # names of the options in malloc.h
    answers = [mallopt(mmap_max, 0), mallopt(trim_threshold, -1), mallopt(top_pad, _HEAP_STEP)]
    return all(answer == 1 for answer in answers)


def peak_memory_bytes() -> int:
    """Return this process's peak resident memory in bytes."""
    if sys.platform == "linux":
        # Not getrusage: there a process begins with the peak of the one that started it, such as a server's.
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


@lru_cache(maxsize=1)
def cpu_name() -> str:
    """Return the processor's name as the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass  # no Linux: the platform's own word below
    return platform.processor() or platform.machine()


def device_info() -> dict[str, Any]:
    """Describe this machine without importing torch: processor, cores, total and free memory in bytes.

    The accelerator is added only once torch has been loaded by something else, so that asking is cheap.
    """
    import psutil

    memory = psutil.virtual_memory()
    info: dict[str, Any] = {
        "name": cpu_name(),
        "type": "cpu",
        "cores": usable_cores(),
        "memory_total_bytes": memory.total,
        "memory_available_bytes": memory.available,
    }
    torch = sys.modules.get("torch")
    # While another thread is still importing it, it is there but not whole.
    if torch is not None and not getattr(torch.__spec__, "_initializing", False):
        if torch.cuda.is_available():
            info |= {"name": torch.cuda.get_device_name(0), "type": "cuda"}
        elif torch.backends.mps.is_available():
            info["type"] = "mps"
    return info
