"""Seeds that never change, random numbers that can be put back, and devices that are there."""

from __future__ import annotations

import json
import random
import subprocess
import sys

import numpy
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from llm_playground.core import ConfigError
from llm_playground.core.devices import (
    configure_threads,
    device_info,
    peak_memory_bytes,
    pick_device,
    usable_cores,
)
from llm_playground.core.seeds import capture_rng, derive_seed, preserve_rng, restore_rng, seed_everything


def draw() -> tuple[object, ...]:
    return (
        random.random(),
        random.gauss(0, 1),
        numpy.random.rand(3).tolist(),
        float(numpy.random.standard_normal()),
        torch.rand(3).tolist(),
        torch.randn(1).item(),
    )


def test_derived_seeds_never_change() -> None:
    # The first 8 bytes that sha256sum gives for "0" and for "0", "data", "3" parted by 0x1f, halved.
    assert derive_seed(0) == 0x5FECEB66FFC86F38 >> 1
    assert derive_seed(0, "data", 3) == 0xB9D4D9446E1BA582 >> 1


@given(st.integers(0, 2**63), st.lists(st.one_of(st.integers(), st.text("abc", max_size=3)), max_size=3))
def test_derived_seeds_differ_and_fit_a_generator(seed: int, labels: list[object]) -> None:
    value = derive_seed(seed, *labels)
    assert 0 <= value < 2**63
    assert value != derive_seed(seed + 1, *labels)
    assert value != derive_seed(seed, *labels, 0)


@given(st.integers(0, 2**63 - 1), st.integers(0, 5))
def test_random_numbers_go_on_exactly_where_they_were_captured(seed: int, used: int) -> None:
    with preserve_rng():
        seed_everything(seed)
        for _ in range(used):
            random.gauss(0, 1)
            numpy.random.standard_normal()
        state = json.loads(json.dumps(capture_rng()))
        expected = [draw(), draw()]
        restore_rng(state)
        assert [draw(), draw()] == expected


def test_a_block_leaves_the_random_numbers_as_they_were() -> None:
    seed_everything(1)
    expected = draw()
    seed_everything(1)
    with pytest.raises(ValueError, match="inside"), preserve_rng():
        draw()
        raise ValueError("inside")
    assert draw() == expected


@pytest.mark.parametrize("name", ["gpu", "", "CPU", "cuda:x", "auto:0", "cpu:", "tpu:0"])
def test_an_unknown_device_is_refused(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        pick_device(name)
    assert str(caught.value) == f"device: {name!r} is unknown. Use auto, cpu, cuda or mps."
    assert caught.value.field == "device"


def test_a_device_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert pick_device() == pick_device("cpu") == "cpu"
    for name in ("cuda", "cuda:1", "mps"):
        with pytest.raises(ConfigError) as caught:
            pick_device(name)
        assert str(caught.value) == f"device: this machine has no {name} device. Use auto or cpu."
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert pick_device() == "cuda" and pick_device("cuda:1") == "cuda:1"


def test_the_machine_is_described() -> None:
    before = torch.get_num_threads()
    try:
        assert configure_threads(2) == 2 == torch.get_num_threads()
    finally:
        torch.set_num_threads(before)
    info = device_info()
    assert info["name"] and info["cores"] == usable_cores() >= 1
    assert 0 < info["memory_available_bytes"] <= info["memory_total_bytes"]
    assert 10**6 < peak_memory_bytes() < 10**13


def test_a_process_has_a_peak_of_its_own_and_not_that_of_its_parent() -> None:
    held = bytearray(400 * 2**20)
    held[::4096] = b"x" * len(held[::4096])  # touch every page
    assert peak_memory_bytes() > len(held)
    code = "from llm_playground.core.devices import peak_memory_bytes; print(peak_memory_bytes())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 2**20 < int(done.stdout) < 200 * 2**20
