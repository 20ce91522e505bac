"""Figures of the machine that a run works on: processor, memory, disk and graphics card."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

import psutil


def file_system(folder: Path) -> str:
    """Return the type of the file system that a folder is on (``ext4``, ``nfs4``), "" where it is unknown."""
    try:
        place = str(folder.resolve())
        mounts = psutil.disk_partitions(all=True)
    except OSError:
        return ""
    best = ("", "")
    for mount in mounts:
        point = mount.mountpoint
        inside = place == point or place.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best[0]):
            best = (point, mount.fstype)
    return best[1]


class SystemSampler:
    """Reads the machine's figures as series ``system/...``.

    Percentages are means since the last call. Figures that the machine does not tell are left out.

    Args:
        folder: on the disk whose free space is told.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._process = psutil.Process(os.getpid())
        psutil.cpu_percent()
        self._process.cpu_percent()

    def sample(self) -> dict[str, float]:
        """Return the figures now: percent of 0 to 100 (a process: 100 for each busy core), and bytes."""
        memory = psutil.virtual_memory()
        values = {
            "system/cpu_percent": psutil.cpu_percent(),
            "system/process_cpu_percent": self._process.cpu_percent(),
            "system/memory_rss_bytes": float(self._process.memory_info().rss),
            "system/memory_available_bytes": float(memory.available),
            "system/disk_free_bytes": float(psutil.disk_usage(str(self.folder)).free),
        }
        return values | _gpu()


def _gpu() -> dict[str, float]:
    """Return figures of the current CUDA device, where this process has begun to use one."""
    torch = sys.modules.get("torch")
    if torch is None or getattr(torch.__spec__, "_initializing", False) or not torch.cuda.is_initialized():
        return {}
    free, total = torch.cuda.mem_get_info()
    values = {
        "system/gpu_memory_bytes": float(total - free),
        "system/gpu_memory_allocated_bytes": float(torch.cuda.memory_allocated()),
    }
    # torch reads it through NVIDIA's library, where that is installed.
    with suppress(ModuleNotFoundError, RuntimeError):
        values["system/gpu_percent"] = float(torch.cuda.utilization())
    return values
