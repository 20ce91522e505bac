"""The device table: what comes with the program, what a workspace makes of it, and this machine."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from llm_playground.core import device_table
from llm_playground.core.device_table import (
    Device,
    DeviceTable,
    load_devices,
    reset_devices,
    save_devices,
    this_device,
)
from llm_playground.core.errors import ConfigError, NotFoundError, StorageError
from llm_playground.core.workspace import Workspace


def test_the_shipped_table_is_whole() -> None:
    table = load_devices()
    assert table.as_of is not None and len(table.devices) > 10
    for device in table.devices:
        assert device.source and device.flops["float32"] > 0 and device.bandwidth > 0
        rates = [device.flops.get(name) for name in ("float32", "tf32", "bf16", "fp8")]  # type: ignore[arg-type]
        known = [rate for rate in rates if rate is not None]
        assert known == sorted(known)
    h100 = table.find("H100-SXM")
    assert h100.peak("bf16") == (989.4e12, "bf16")
    assert table.find("nvidia h100 sxm 80 gb") == h100
    assert table.find("t4").peak("bf16") == (8.1e12, "float32")
    with pytest.raises(NotFoundError, match="no device 'abacus'.*this"):
        table.find("abacus")


def test_a_workspace_has_a_table_of_its_own(workspace: Workspace) -> None:
    shipped = load_devices(workspace)
    assert shipped == load_devices()
    dear = shipped.devices[0].model_copy(update={"price_per_hour": 99.0})
    saved = save_devices(workspace, shipped.model_copy(update={"devices": (dear,)}))
    assert load_devices(workspace) == saved and load_devices() == shipped
    assert reset_devices(workspace) == shipped == load_devices(workspace)


def test_wrong_tables_are_refused_with_all_problems(workspace: Workspace) -> None:
    good = load_devices().devices[0].model_dump(mode="json")
    cases = (
        ([{**good, "flops": {"bf16": 1e12}}], "flops needs float32"),
        ([{**good, "flops": {"int3": 1e12, "float32": 1e12}}], "int3"),
        ([{**good, "as_of": "2999-01-01"}], "lies in the future"),
        ([{**good, "memory_bytes": 0}], "memory_bytes"),
        ([{**good, "name": "Two Words"}], "name"),
        ([good, good], "is listed twice"),
        ([{**good, "name": "this"}], "the machine at hand"),
        ([{**good, "colour": "green"}], "colour: is not a known setting"),
    )
    for devices, words in cases:
        with pytest.raises(ConfigError, match=words):
            save_devices(workspace, {"devices": devices})
    assert load_devices(workspace) == load_devices()
    (workspace.root / "devices.json").write_text("{")
    with pytest.raises(StorageError, match=r"devices\.json"):
        load_devices(workspace)
    with pytest.raises(ValidationError):
        DeviceTable(devices=({"name": "x"},))  # type: ignore[arg-type]


def test_this_machine_is_measured_once() -> None:
    here = load_devices().find("this")
    assert here is this_device()
    assert here.name == "this" and here.memory_bytes > 10**8
    assert 1e8 < here.flops["float32"] < 1e16 and 1e7 < here.bandwidth < 1e14


@pytest.mark.parametrize(
    ("driver", "name"),
    [
        ("NVIDIA H100 80GB HBM3", "h100-sxm"),
        ("NVIDIA H100 PCIe", "h100-pcie"),
        ("NVIDIA H200", "h200"),
        ("NVIDIA A100-SXM4-40GB", "a100-40gb"),
        ("NVIDIA A100-SXM4-80GB", "a100-80gb"),
        ("NVIDIA GeForce RTX 4090", "rtx-4090"),
        ("Tesla T4", "t4"),
        ("Tesla V100-SXM2-32GB", "v100"),
        ("NVIDIA A10G", None),
        ("NVIDIA GeForce RTX 2080", None),
    ],
)
def test_cards_are_known_by_what_their_driver_calls_them(
    driver: str, name: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    class Card:
        total_memory = 12_345_678_901

    monkeypatch.setattr(device_table, "device_info", lambda: {"name": driver, "type": "cuda"})
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: Card())
    monkeypatch.setattr(device_table, "_measured_flops", lambda kind: 1e12)
    monkeypatch.setattr(device_table, "_measured_bandwidth", lambda kind: 1e11)
    this_device.cache_clear()
    try:
        found: Device = this_device()
    finally:
        this_device.cache_clear()
    assert found.memory_bytes == 12_345_678_901 and found.name == "this"
    if name is None:
        assert found.title == driver and found.flops == {"float32": 1e12}
    else:
        assert found.flops == load_devices().find(name).flops and found.price_per_hour is None


def test_the_table_is_package_data() -> None:
    assert Path(device_table.__file__).with_name("devices.json") == device_table.SHIPPED
