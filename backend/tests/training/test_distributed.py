"""Two real processes train as one does: the same numbers, the same end, whatever happens on the way."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from llm_playground.core import ConfigError
from llm_playground.core.devices import usable_cores
from llm_playground.training.checkpoint import list_checkpoints
from llm_playground.training.distributed import World
from llm_playground.training.execution import missing_for_compile

from .counting import Counting, answers, equal, go, numbers

pytestmark = pytest.mark.xdist_group("distributed")  # one worker starts what these tests share
PLAIN = {"dropout": 0.0}


def together(folder: Path, cases: list[dict[str, Any]], processes: int = 2, seconds: float = 280) -> None:
    """Do cases in several processes; see ``together.py``."""
    (folder / "cases.json").write_text(json.dumps(cases))
    script = Path(__file__).with_name("together.py")
    done = subprocess.run(
        [sys.executable, str(script), str(folder), str(processes)],
        capture_output=True,
        text=True,
        timeout=seconds,
        env={**os.environ, "LLMP_DIST_TIMEOUT_S": "300", "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr


SHORT = {"shape": PLAIN, "steps": 8}
CASES: list[dict[str, Any]] = [
    {"name": "ddp", **SHORT, "micro_batch_size": 1},
    {"name": "fsdp", **SHORT, "micro_batch_size": 1, "parallel": "fsdp", "ema_decay": 0.9},
    {"name": "uneven fsdp", **SHORT, "micro_batch_size": 1, "batch_size": 5, "parallel": "fsdp"},
    {"name": "answers fsdp", **SHORT, "micro_batch_size": 2, "answers": True, "parallel": "fsdp"},
    {"name": "muon fsdp", **SHORT, "optimizer": "muon", "parallel": "fsdp"},
    {"name": "lion fsdp", **SHORT, "optimizer": "lion", "learning_rate": 1e-3, "parallel": "fsdp"},
    {"name": "sgd fsdp", **SHORT, "optimizer": "sgd", "learning_rate": 0.3, "parallel": "fsdp"},
    {"name": "experts fsdp", **SHORT, "shape": PLAIN | {"experts": 2}, "parallel": "fsdp"},
    {"name": "fp16 fsdp", **SHORT, "precision": "fp16", "parallel": "fsdp"},
    {"name": "bad step", **SHORT, "bad": [5]},
    {"name": "recomputed fsdp", "activation_checkpointing": "full", "parallel": "fsdp"},
    {"name": "whole ddp"},
    {"name": "cut ddp", "stop_at": 6},
    {"name": "resumed ddp", "folder": "cut ddp"},
    {"name": "whole fsdp", "parallel": "fsdp", "ema_decay": 0.9, "use_ema_weights": True},
    {"name": "cut fsdp", "stop_at": 6, "parallel": "fsdp", "ema_decay": 0.9, "use_ema_weights": True},
    {
        "name": "resumed fsdp",
        "folder": "cut fsdp",
        "parallel": "fsdp",
        "ema_decay": 0.9,
        "use_ema_weights": True,
        "async_checkpoints": True,
    },
    {"name": "half ddp", "shape": PLAIN, "stop_at": 6},
    {"name": "half fsdp", "shape": PLAIN, "stop_at": 6, "parallel": "fsdp", "async_checkpoints": True},
    {"name": "from one", "shape": PLAIN, "parallel": "fsdp"},
    {"name": "full disk", "full_disk": True},
    {"name": "full disk behind", "full_disk": True, "async_checkpoints": True},
    {"name": "full shard", "full_shard": True, "parallel": "fsdp"},
    {"name": "full shard behind", "full_shard": True, "parallel": "fsdp", "async_checkpoints": True},
    {"name": "too small", "batch_size": 1, "micro_batch_size": None},
]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All cases, done by two processes that start once."""
    folder = tmp_path_factory.mktemp("together")
    go(folder / "from one", shape=PLAIN, stop_at=6)
    together(folder, CASES)
    return folder


def outcome(folder: Path, name: str, rank: int = 0) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((folder / f"{name}.{rank}.json").read_text())
    return read


def close(one: dict[str, Tensor], other: dict[str, Tensor], tolerance: float = 2e-5) -> bool:
    return one.keys() == other.keys() and all(
        torch.allclose(one[name], other[name], rtol=0, atol=tolerance) for name in one
    )


def same_numbers(found: list[Any], expected: list[Any], tolerance: float) -> None:
    assert [(step, name) for step, name, _ in found] == [(step, name) for step, name, _ in expected]
    for (step, name, value), (_, _, wanted) in zip(found, expected, strict=True):
        assert value == pytest.approx(wanted, rel=tolerance, nan_ok=True), (step, name)


@pytest.mark.parametrize("case", CASES[:10], ids=lambda case: case["name"])
def test_two_processes_give_what_one_gives(case: dict[str, Any], done: Path, tmp_path: Path) -> None:
    settings = {
        key: value for key, value in case.items() if key not in ("name", "answers", "bad", "parallel")
    }
    objective: Any = answers() if case.get("answers") else Counting(tuple(case.get("bad", ())))
    context, weights, result = go(tmp_path, objective, **settings | {"micro_batch_size": None})
    assert result is not None
    found, beside = outcome(done, case["name"]), outcome(done, case["name"], 1)
    tolerance = 2e-3 if case.get("precision") else 1e-4
    same_numbers(found["numbers"], numbers(context), tolerance)
    # Muon's five steps make much of a rounding where a gradient is nearly zero.
    close_enough = 2e-3 if case.get("precision") or case.get("optimizer") == "muon" else 2e-5
    assert close(load_file(done / f"{case['name']}.safetensors"), weights, close_enough)
    assert found["skipped"] == result.skipped_steps == beside["skipped"]
    assert found["whole"] and beside["whole"] == (case.get("parallel") != "fsdp")
    assert [step for step, _ in found["hook"]] == [0, 4, 8] and beside["hook"] == []
    assert beside["numbers"] == found["numbers"]  # all decide on the same figures


@pytest.mark.parametrize("kind", ["ddp", "fsdp"])
def test_a_resumed_training_is_bit_identical(kind: str, done: Path) -> None:
    whole, cut, resumed = (outcome(done, f"{part} {kind}") for part in ("whole", "cut", "resumed"))
    assert cut["stopped"] and outcome(done, f"cut {kind}", 1)["stopped"]
    assert resumed["messages"][0] == "Resumed from the checkpoint of step 6."
    assert cut["numbers"] + resumed["numbers"] == whole["numbers"]
    mine, other = (load_file(done / f"{part} {kind}.safetensors") for part in ("resumed", "whole"))
    assert equal(mine, other)
    assert ["checkpoint", {"step": 12}] in resumed["events"]
    without = outcome(done, "half ddp")["numbers"]
    assert whole["numbers"][: len(without)] != without  # dropout was at work


def test_recomputing_changes_nothing_where_the_model_is_split(done: Path) -> None:
    plain = [number for number in outcome(done, "whole fsdp")["numbers"] if number[1].startswith("train/")]
    redone = [
        number for number in outcome(done, "recomputed fsdp")["numbers"] if number[1].startswith("train/")
    ]
    assert redone == plain


@pytest.mark.parametrize("kind", ["ddp", "fsdp"])
def test_one_process_goes_on_with_what_two_have_written(kind: str, done: Path, tmp_path: Path) -> None:
    folder = done / f"half {kind}"
    assert (folder / "checkpoints" / "step_00000006" / "shards").is_dir() == (kind == "fsdp")
    whole, weights, _ = go(tmp_path, shape=PLAIN)
    context, resumed, result = go(folder, shape=PLAIN)
    assert result is not None and result.steps == 12
    assert context.messages == [
        "Resumed from the checkpoint of step 6.",
        "Processes: 2 when the checkpoint was written, 1 now. The data goes on in its order, random numbers "
        "are drawn anew.",
    ]
    after = [number for number in numbers(whole) if number[0] > 6]
    same_numbers(numbers(context), after, 1e-4)
    assert close(resumed, weights)


def test_two_processes_go_on_with_what_one_has_written(done: Path, tmp_path: Path) -> None:
    whole, weights, _ = go(tmp_path, shape=PLAIN)
    found = outcome(done, "from one")
    assert found["messages"][1].startswith("Processes: 1 when the checkpoint was written, 2 now.")
    same_numbers(found["numbers"], [number for number in numbers(whole) if number[0] > 6], 1e-4)
    assert close(load_file(done / "from one.safetensors"), weights)


def test_a_damaged_shard_is_found_by_its_hash(done: Path) -> None:
    folder = done / "whole fsdp"
    older, newest = list_checkpoints(folder)[-2:]
    shard = next((newest.path / "shards").glob("*.distcp"))
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    context, _, result = go(folder, ema_decay=0.9, use_ema_weights=True)
    assert result is not None and result.steps == 12
    assert context.messages[:2] == [
        f"The checkpoint step_00000012 is damaged: shards/{shard.name}. It was removed, and the one before "
        "it is used.",
        f"Resumed from the checkpoint of step {older.step}.",
    ]


def test_shards_of_a_model_of_another_shape_are_refused(done: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"is of a model of another shape: blocks\.0\.attention\.output\.weight"
    ):
        go(done / "cut fsdp", shape={"width": 24})


@pytest.mark.parametrize("name", ["full disk", "full disk behind", "full shard", "full shard behind"])
def test_a_full_disk_of_one_process_ends_all(name: str, done: Path) -> None:
    for rank in (0, 1):
        error = outcome(done, name, rank)["error"]
        assert error.startswith("StorageError: The disk is full: ") and error.endswith("is untouched.")
    assert list_checkpoints(done / name) == []


def test_a_batch_with_fewer_rows_than_processes_is_refused(done: Path) -> None:
    for rank in (0, 1):
        assert outcome(done, "too small", rank)["error"] == (
            "ConfigError: batch_size: 1 rows cannot be shared by 2 processes. Set it to at least 2."
        )


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_rows_are_shared_out_in_order(size: int) -> None:
    parts = [World(rank, size).rows(17) for rank in range(size)]
    assert [row for part in parts for row in range(17)[part]] == list(range(17))
    lengths = [part.stop - part.start for part in parts]
    assert max(lengths) - min(lengths) <= 1 and World(0, size).most_rows(17) == max(lengths)


def test_cores_are_shared_out() -> None:
    before = torch.get_num_threads()
    try:
        assert World(0, 2, 0, 2).configure_threads(None) == max(1, usable_cores() // 2)
        assert World(0, 2, 0, 2).configure_threads(3) == torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_more_processes_than_cards_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ConfigError) as caught:
        World(0, 2, 0, 2, group=object()).device("cuda")
    assert str(caught.value) == (
        "training.processes: 2 processes need as many GPUs, and this machine has 1. Set it to at most 1, or "
        "device to cpu."
    )
    with pytest.raises(ConfigError, match="cuda:0 is one card, and each of 2 processes takes its own"):
        World(0, 2, 0, 2, group=object()).device("cuda:0")


def test_a_checkpoint_in_the_background_is_that_of_its_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from llm_playground.training import saver

    whole, weights, _ = go(tmp_path / "whole")
    real, threads = saver.write_snapshot, []

    def slow(*arguments: Any) -> Any:
        threads.append(threading.current_thread())
        time.sleep(0.2)  # training goes on meanwhile
        return real(*arguments)

    monkeypatch.setattr(saver, "write_snapshot", slow)
    settings = {"async_checkpoints": True, "keep_checkpoints": 9}
    context, same, result = go(tmp_path / "cut", **settings)
    assert result is not None and numbers(context) == numbers(whole) and equal(same, weights)
    assert threading.main_thread() not in threads
    found = list_checkpoints(tmp_path / "cut")
    assert [item.step for item in found] == [4, 8, 12]
    assert [data["step"] for kind, data in context.events if kind == "checkpoint"] == [4, 8, 12]
    for later in found[1:]:
        shutil.rmtree(later.path)
    context, same, _ = go(tmp_path / "cut", **settings)
    assert context.messages == ["Resumed from the checkpoint of step 4."]
    assert numbers(context) == [number for number in numbers(whole) if number[0] > 4] and equal(same, weights)


@pytest.mark.parametrize("value", ["0", "soon", "-1"])
def test_a_time_out_must_be_a_number(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from llm_playground.training import distributed

    monkeypatch.setenv("LLMP_DIST_TIMEOUT_S", value)
    with pytest.raises(
        ConfigError, match=f"LLMP_DIST_TIMEOUT_S: '{value}' is not a number of seconds above 0"
    ):
        distributed._timeout()


@pytest.mark.slow
def test_three_processes_resume_bit_for_bit(tmp_path: Path) -> None:
    """With more than two the order of sums matters: it must not change between the first steps."""
    shape = {"width": 64, "layers": 2}
    settings: dict[str, Any] = {"batch_size": 7, "micro_batch_size": 2, "shape": shape}
    names = {"ddp": {}, "fsdp": {"parallel": "fsdp"}}
    cases = []
    for kind, more in names.items():
        cases += [
            {"name": f"whole {kind}", **settings, **more},
            {"name": f"cut {kind}", "stop_at": 6, **settings, **more},
            {"name": f"resumed {kind}", "folder": f"cut {kind}", **settings, **more},
            {"name": f"plain {kind}", **settings, **more, "shape": {**shape, **PLAIN}},
        ]
    together(tmp_path, cases, processes=3)
    context, weights, _ = go(tmp_path / "one", **settings | {"shape": {**shape, **PLAIN}})
    for kind in names:
        whole, cut, resumed = (outcome(tmp_path, f"{part} {kind}") for part in ("whole", "cut", "resumed"))
        assert cut["numbers"] + resumed["numbers"] == whole["numbers"]
        mine, other = (load_file(tmp_path / f"{part} {kind}.safetensors") for part in ("resumed", "whole"))
        assert equal(mine, other)
        same_numbers(outcome(tmp_path, f"plain {kind}")["numbers"], numbers(context), 1e-4)
        assert close(load_file(tmp_path / f"plain {kind}.safetensors"), weights)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(missing_for_compile("cpu") is not None, reason="torch.compile has no compiler here")
def test_compiled_processes_give_what_one_gives(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"shape": PLAIN, "steps": 4, "compile": True}
    kinds = {"ddp": {}, "fsdp": {"parallel": "fsdp"}}
    together(tmp_path, [{"name": kind, **settings, **more} for kind, more in kinds.items()], seconds=800)
    context, weights, _ = go(tmp_path / "one", **settings | {"compile": False})
    for kind in kinds:
        same_numbers(outcome(tmp_path, kind)["numbers"], numbers(context), 1e-4)
        assert close(load_file(tmp_path / f"{kind}.safetensors"), weights)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA card")
def test_cuda_a_group_of_one_gives_what_one_process_gives(tmp_path: Path) -> None:
    """One process that goes all the ways of several, with nccl."""
    settings: dict[str, Any] = {"device": "cuda", "shape": PLAIN, "micro_batch_size": 1}
    kinds: dict[str, dict[str, Any]] = {
        "ddp": {},
        "fsdp": {"parallel": "fsdp", "ema_decay": 0.9},
        "ddp bf16": {"precision": "bf16"},
        "fsdp muon": {"parallel": "fsdp", "optimizer": "muon"},
    }
    resuming = {**settings, "parallel": "fsdp", "async_checkpoints": True, "shape": {}}
    cases = [{"name": name, **settings, **more} for name, more in kinds.items()]
    cases += [
        {"name": "whole", **resuming},
        {"name": "cut", "stop_at": 6, **resuming},
        {"name": "resumed", "folder": "cut", **resuming},
        {"name": "auto", **settings, "precision": "auto"},
    ]
    together(tmp_path, cases, processes=1)
    for name, more in kinds.items():
        context, weights, _ = go(tmp_path / f"one {name}", **settings | more)
        tolerance = 2e-2 if len(name) > 4 else 1e-4
        same_numbers(outcome(tmp_path, name)["numbers"], numbers(context), tolerance)
        held = {key: value.cpu() for key, value in weights.items()}
        assert close(load_file(tmp_path / f"{name}.safetensors"), held, tolerance)
    whole, cut, resumed = (outcome(tmp_path, name) for name in ("whole", "cut", "resumed"))
    assert cut["numbers"] + resumed["numbers"] == whole["numbers"]
    assert "chosen" in outcome(tmp_path, "auto")["messages"][0]
