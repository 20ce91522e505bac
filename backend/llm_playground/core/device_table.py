"""Devices to plan with: memory, peak rates, power and price, dated, in a table that people can edit.

The table that comes with the program is ``devices.json`` beside this module; a workspace's own
``devices.json`` stands in its place once it is saved.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from llm_playground.core.config import StageConfig
from llm_playground.core.devices import device_info
from llm_playground.core.errors import NotFoundError
from llm_playground.core.tables import PastDate, TableFile

if TYPE_CHECKING:
    from torch import Tensor

    from llm_playground.core.workspace import Workspace

DEVICES_FILE = "devices.json"
SHIPPED = Path(__file__).with_name(DEVICES_FILE)
THIS = "this"
Rate = Annotated[float, Field(gt=0, le=1e21, allow_inf_nan=False)]
Precision = Literal["float32", "tf32", "bf16", "fp16", "fp8"]


class Device(StageConfig):
    """One device. Rates are per second."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*$", max_length=60, description="Short name.")
    title: str = Field(min_length=1, max_length=100, description="Name for people.")
    kind: Literal["gpu", "cpu"] = Field("gpu", description="Graphics card or processor.")
    memory_bytes: int = Field(gt=0, le=10**15, description="Memory as its driver reports it.")
    flops: dict[Precision, Rate] = Field(
        min_length=1, description="Peak operations per second of dense matrix products, by precision."
    )
    bandwidth: Rate = Field(description="Bytes per second between memory and processor.")
    watts: float | None = Field(None, gt=0, le=1e6, description="Power at full load.")
    price_per_hour: float | None = Field(None, ge=0, le=1e6, description="What an hour costs to rent.")
    as_of: PastDate = Field(description="The day for which these figures were right.")
    source: str = Field(min_length=1, max_length=500, description="Where the figures are from.")
    note: str = Field("", max_length=1000, description="Anything else to know.")

    @model_validator(mode="after")
    def _has_float32(self) -> Self:
        if "float32" not in self.flops:
            raise ValueError("flops needs float32, which stands in for precisions that are not listed")
        return self

    def peak(self, precision: str) -> tuple[float, str]:
        """Return (operations per second, their precision): float32 where the asked one is missing."""
        for name, rate in self.flops.items():
            if name == precision:
                return rate, name
        return self.flops["float32"], "float32"


class DeviceTable(StageConfig):
    """Devices, the fastest first."""

    currency: Literal["USD"] = Field("USD", description="Currency of the prices.")
    note: str = Field("", max_length=1000, description="Words for whoever reads the table.")
    devices: tuple[Device, ...] = Field(description="One entry for each device.")

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        names = [device.name for device in self.devices]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"{twice} is listed twice")
        if THIS in names:
            raise ValueError(f"{THIS} stands for the machine at hand and cannot be a device's name")
        return self

    @property
    def as_of(self) -> datetime.date | None:
        """The oldest day for which an entry was right, None for an empty table."""
        return min((device.as_of for device in self.devices), default=None)

    def find(self, name: str) -> Device:
        """Return a device by its name or title, case does not matter; ``this`` is the machine at hand.

        Raises:
            NotFoundError: it is not in the table; the hint lists those that are.
        """
        wanted = name.lower()
        if wanted == THIS:
            return this_device()
        for device in self.devices:
            if wanted in (device.name, device.title.lower()):
                return device
        names = ", ".join([*(device.name for device in self.devices), THIS])
        raise NotFoundError(
            f"The device table has no device {name!r}.", hint=f"Devices: {names}.", field="device"
        )


_FILE = TableFile(DeviceTable, SHIPPED)


def load_devices(workspace: Workspace | None = None) -> DeviceTable:
    """Return the workspace's own device table, else the one that comes with the program.

    Raises:
        StorageError: the file is not JSON.
        ConfigError: an entry is wrong; all problems are listed.
    """
    own = workspace is not None and (workspace.root / DEVICES_FILE).is_file()
    return _FILE.load(workspace) if own else _shipped()


@lru_cache(maxsize=1)
def _shipped() -> DeviceTable:
    return _FILE.load()


def save_devices(workspace: Workspace, table: DeviceTable | Mapping[str, Any]) -> DeviceTable:
    """Check a device table and make it the workspace's own; see :meth:`TableFile.save`."""
    return _FILE.save(workspace, table)


def reset_devices(workspace: Workspace) -> DeviceTable:
    """Forget the workspace's own device table; returns the one that comes with the program."""
    return _FILE.reset(workspace)


@lru_cache(maxsize=1)
def this_device() -> Device:
    """Return the machine at hand, with rates measured in about half a second; the answer is kept.

    A graphics card that the table knows keeps the table's rates, for measuring would disturb who works on it.
    """
    import torch

    # device_info tells the accelerator only once torch is loaded, which it is now.
    info = device_info()
    memory = info.get("memory_total_bytes", 0)
    if info["type"] == "cuda":
        memory = torch.cuda.get_device_properties(0).total_memory
        known = next((entry for entry in _shipped().devices if _same_card(info["name"], entry)), None)
        if known is not None:
            return known.model_copy(update={"name": THIS, "memory_bytes": memory, "price_per_hour": None})
    return Device(
        name=THIS,
        title=str(info["name"])[:100] or "This machine",
        kind="gpu" if info["type"] in ("cuda", "mps") else "cpu",
        memory_bytes=memory,
        flops={"float32": _measured_flops(info["type"])},
        bandwidth=_measured_bandwidth(info["type"]),
        as_of=datetime.date.today(),
        source="Measured: products of 1,024 x 1,024 matrices, a copy of 64 MB",
    )


def _same_card(name: str, entry: Device) -> bool:
    """Say whether a driver's name for a card (``NVIDIA H100 80GB HBM3``) means an entry of the table."""
    words = name.lower().replace("geforce ", "").replace("-", " ").split()
    title = entry.title.lower().split()
    form = "pcie" in words
    size = next((word.removesuffix("gb") for word in words if word.endswith("gb")), None)
    return (
        title[1] in words
        and all(word in words for word in title[2:3] if word.isdigit() and len(word) == 4)
        and ("pcie" in title) == form
        and (size is None or size in title)
    )


def _measured_flops(kind: str) -> float:
    """Return float32 operations per second of the best of a few matrix products."""
    import torch

    size = 1024
    left = torch.randn(size, size, device=kind)
    return 2.0 * size**3 / _best_time(lambda: left @ left, 0.4)


def _measured_bandwidth(kind: str) -> float:
    """Return bytes per second, read and written, of the best of a few copies of 64 MB."""
    import torch

    source = torch.ones(16 * 2**20, device=kind)
    target = torch.empty_like(source)
    return 2.0 * source.nbytes / _best_time(lambda: target.copy_(source), 0.1)


def _best_time(work: Callable[[], Tensor], seconds: float) -> float:
    """Return the shortest time of some work that is done over and over, in seconds."""
    import torch

    best, end = float("inf"), time.perf_counter() + seconds
    with torch.inference_mode():
        while time.perf_counter() < end or best == float("inf"):
            start = time.perf_counter()
            float(work().flatten()[0])  # reading one number waits for all of it
            best = min(best, time.perf_counter() - start)
    return best
