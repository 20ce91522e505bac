"""The planner: counted memory against watched memory, time against closed forms, choices, refusals."""

from __future__ import annotations

import datetime
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import torch

from llm_playground.core.device_table import Device, DeviceTable, save_devices
from llm_playground.core.errors import ConfigError, InputError, NotFoundError
from llm_playground.core.protocols import NullContext
from llm_playground.core.workspace import Workspace
from llm_playground.training import TrainingConfig, Workload, check_memory, plan_training
from llm_playground.training.execution import activation_checkpointing
from llm_playground.training.footprint import footprint, kept_activations
from llm_playground.training.precision import autocast
from llm_playground.training.pretrain import PretrainConfig, run
from llm_playground.transformer import ModelConfig, TransformerLM, analyze

SHAPE = ModelConfig(vocab_size=512, context_length=64, width=64, layers=4, heads=4)
SHAPES = {
    "llama": SHAPE,
    "gpt2": SHAPE.model_copy(update={"positions": "learned", "norm": "layernorm", "bias": True}),
    "grouped": SHAPE.model_copy(update={"kv_heads": 2, "tied_embeddings": False, "layers": 3}),
}
CPU: dict[str, Any] = {"device": "cpu", "threads": 1, "sample_every": 0}


def saved_bytes(config: ModelConfig, rows: int, precision: str) -> int:
    """What autograd really saves in a forward pass, each storage once, the model's own tensors aside."""
    model = TransformerLM(config).train()
    own = {tensor.untyped_storage().data_ptr() for tensor in (*model.parameters(), *model.buffers())}
    found: dict[int, torch.UntypedStorage] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            found[storage.data_ptr()] = storage
        return tensor

    ids = torch.zeros(rows, config.context_length, dtype=torch.long)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor), autocast(precision, "cpu"):
        model(ids)
    return sum(storage.nbytes() for storage in found.values())


@pytest.mark.parametrize("precision", ["float32", "bf16"])
@pytest.mark.parametrize("name", SHAPES)
def test_activations_are_those_that_autograd_saves(name: str, precision: str) -> None:
    real = saved_bytes(SHAPES[name], 3, precision)
    kept, again = kept_activations(SHAPES[name], 3, 64, precision, "none")
    assert kept == pytest.approx(real, rel=0.02) and again == 0


def test_a_card_keeps_what_single_operations_keep() -> None:
    kept, _ = kept_activations(SHAPE, 3, 64, "bf16", "none")
    card, _ = kept_activations(SHAPE, 3, 64, "bf16", "none", heap=False)
    assert card == kept_activations(SHAPE, 3, 64, "fp16", "none")[0] != kept


@pytest.mark.parametrize("mode", ["selective", "full"])
@pytest.mark.parametrize("layers", [3, 4])
def test_checkpointing_counts_the_blocks_that_the_engine_recomputes(mode: str, layers: int) -> None:
    config = SHAPE.model_copy(update={"layers": layers})
    model = TransformerLM(config)
    with activation_checkpointing(model, mode):
        redone = sum("forward" in block.__dict__ for block in model.blocks)
    everything, _ = kept_activations(config, 2, 64, "float32", "none")
    kept, again = kept_activations(config, 2, 64, "float32", mode)
    # Of each block that is computed again only the input stays: [2, 64, 64] float32.
    assert everything - kept == redone * again and again > 2 * 64 * 64 * 4


def test_the_parts_are_those_of_the_analysis() -> None:
    for optimizer in ("adamw", "muon", "lion"):
        counted = analyze(SHAPE, batch=4, optimizer=optimizer).memory
        taken = footprint(SHAPE, TrainingConfig(optimizer=optimizer), rows=4, length=64, base=7)
        assert taken.weights == counted.weights and taken.gradients == counted.gradients
        assert taken.optimizer == counted.optimizer and taken.activations == counted.activations
        card = footprint(SHAPE, TrainingConfig(optimizer=optimizer), rows=4, length=64, heap=False)
        assert card.logits == counted.logits and taken.base == 7
        # A processor has the logits of all 256 tokens once, and with them the gradient of the head.
        assert taken.logits == 4 * SHAPE.vocab_size * (256 + SHAPE.width)
        # Not all is there at one time.
        assert taken.peak - taken.holes < counted.total_training
    sgd = footprint(SHAPE, TrainingConfig(optimizer="sgd", momentum=0.0), rows=4, length=64)
    averaged = footprint(SHAPE, TrainingConfig(ema_decay=0.9), rows=4, length=64)
    assert sgd.optimizer == 0 and averaged.average == averaged.weights


@pytest.mark.parametrize("checkpointing", ["none", "full"])
@pytest.mark.parametrize("rows", [1, 64])
def test_the_peak_is_the_sum_of_its_parts(rows: int, checkpointing: str) -> None:
    for optimizer in ("adamw", "muon"):
        settings = TrainingConfig(optimizer=optimizer, ema_decay=0.9, activation_checkpointing=checkpointing)
        how = {"rows": rows, "length": 64, "base": 7, "validation_rows": rows, "shards": 2}
        taken = footprint(SHAPE, settings, **how)
        assert sum(taken.parts.values()) == taken.peak
        same = ("base", "weights", "optimizer", "average", "holes")
        assert [taken.parts[name] for name in same] == [getattr(taken, name) for name in same]
        assert taken.parts["gathered"] == 2 * taken.weights


def a_device(memory: int) -> Device:
    return Device(
        name="box",
        title="Box",
        memory_bytes=memory,
        flops={"float32": 1e12, "bf16": 4e12},
        bandwidth=1e11,
        watts=500.0,
        price_per_hour=2.0,
        as_of=datetime.date(2026, 1, 1),
        source="test",
    )


@pytest.fixture
def box(workspace: Workspace):
    """Plan a training on an invented card with so much memory."""

    def plan(memory: int, settings: TrainingConfig, config: ModelConfig = SHAPE, **more: Any):
        save_devices(workspace, DeviceTable(devices=(a_device(memory),)))
        length = config.context_length
        return plan_training(
            config, settings, Workload(length, float(length)), device="box", workspace=workspace, **more
        )

    return plan


def test_time_energy_and_cost_on_a_named_device_follow_from_operations(box) -> None:
    settings = TrainingConfig(steps=100, batch_size=8, eval_every=50, eval_batches=2, precision="bf16")
    plan = box(16 * 2**30, settings, utilization=0.25)
    each = analyze(SHAPE, context=64).flops
    step = 8 * 64 * each.per_token_training / (4e12 * 0.25)
    validation = 2 * 8 * 64 * each.per_token_forward / (4e12 * 0.25)
    assert plan.fits and plan.suggested is None and plan.time is not None
    assert plan.time.step == pytest.approx(step) and plan.time.utilization == pytest.approx(0.25)
    assert plan.time.total == pytest.approx(100 * step + 3 * validation)
    assert plan.tokens == 100 * 8 * 64 and plan.tokens_per_second == pytest.approx(8 * 64 / step)
    hours = plan.time.total / 3600
    assert plan.energy_kwh == pytest.approx(hours * 0.5) and plan.cost == pytest.approx(hours * 2)
    pair = box(16 * 2**30, settings, utilization=0.25, devices=2)
    assert pair.time.step == pytest.approx(step / 2) and pair.cost == pytest.approx(plan.cost)
    again = box(16 * 2**30, settings.model_copy(update={"activation_checkpointing": "full"}))
    assert again.time.recomputed == pytest.approx(8 * 64 * each.recomputed / (4e12 * 0.4))


def test_settings_that_fit_are_found_and_are_the_largest_that_do(box) -> None:
    config = SHAPE.model_copy(update={"layers": 8, "width": 256, "context_length": 64})
    settings = TrainingConfig(batch_size=256, precision="float32")
    roomy = box(2**40, settings, config)
    assert roomy.fits and roomy.configured.micro_batch_size == 256 and roomy.configured.accumulation == 1
    memory = roomy.configured.footprint.peak // 2
    tight = box(memory, settings, config)
    assert not tight.fits and tight.suggested is not None
    found = tight.suggested
    assert found.footprint.peak <= memory and found.micro_batch_size * found.accumulation >= 256
    twice = settings.model_copy(update={"micro_batch_size": 2 * found.micro_batch_size})
    assert found.checkpointing == "none" and not box(memory, twice, config).fits
    (said,) = tight.warnings
    assert "needs" in said and f"micro_batch_size {found.micro_batch_size} would need" in said
    # Recomputing comes in where a micro-batch would be too small to keep the device busy.
    how = {"rows": 32, "length": 64, "validation_rows": 32, "accumulating": True, "heap": False}
    base = found.footprint.base
    just = footprint(config, settings, base=base, checkpointing="full", **how).peak
    sparing = box(just, settings, config)
    assert sparing.suggested is not None and sparing.suggested.checkpointing != "none"
    assert sparing.suggested.micro_batch_size * 64 >= 2048
    hopeless = box(base + 2**20, settings, config)
    assert hopeless.suggested is None and hopeless.time is None
    assert "no micro-batch fits" in hopeless.warnings[0]


def test_devices_that_divide_the_weights_hold_a_part_of_them(box) -> None:
    settings = TrainingConfig(batch_size=8)
    alone = box(2**40, settings, devices=4).configured.footprint
    divided = box(2**40, settings.model_copy(update={"parallel": "fsdp"}), devices=4).configured.footprint
    assert divided.optimizer == alone.optimizer / 4 and divided.weights == alone.weights / 4


def test_processes_share_a_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, 8 * 2**30, 4 * 2**30)
    load = Workload(64, 64.0)
    settings = TrainingConfig(batch_size=8, **CPU)
    alone = plan_training(SHAPE, settings, load, measure=False)
    two = settings.model_copy(update={"processes": 2, "nodes": 3})
    with pytest.raises(InputError, match="processes: 12 is not between 1 and batch_size"):
        plan_training(SHAPE, two.model_copy(update={"nodes": 6}), load, measure=False)
    shared = plan_training(SHAPE, two, load, measure=False)
    assert (alone.devices, shared.devices) == (1, 6)
    assert (alone.memory_bytes, shared.memory_bytes) == (4 * 2**30, 2 * 2**30)
    assert shared.configured.micro_batch_size == 2 and shared.configured.accumulation == 1
    assert alone.time is not None and shared.time is not None
    assert shared.time.step == pytest.approx(alone.time.step / 3)  # three machines, each shared by two
    assert any("2 processes share this machine" in note for note in shared.notes)


def test_a_plan_says_whether_the_stage_would_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = TrainingConfig(batch_size=512, **CPU)
    need = plan_training(SHAPE, settings, Workload(64, 64.0), measure=False).configured.footprint.peak
    for total, free, said in [
        (2**40, need, "fits"),
        (need, need // 2, "tight"),
        (need // 2, 2**28, "refused"),
    ]:
        machine(monkeypatch, total, free)
        plan = plan_training(SHAPE, settings, Workload(64, 64.0), measure=False)
        assert (plan.fits, plan.refused) == (said == "fits", said == "refused")


def test_bad_questions_are_refused(box, workspace: Workspace) -> None:
    settings = TrainingConfig(batch_size=8)
    with pytest.raises(InputError, match="devices: 9 is not between 1 and batch_size"):
        box(2**40, settings, devices=9)
    with pytest.raises(InputError, match="utilization: 1.5"):
        box(2**40, settings, utilization=1.5)
    with pytest.raises(InputError, match="length: 65 is not between 1 and the context of 64"):
        plan_training(SHAPE, settings, Workload(65, 65.0), device="box", workspace=workspace)
    with pytest.raises(NotFoundError, match="no device 'abacus'"):
        plan_training(SHAPE, settings, Workload(64, 64.0), device="abacus", workspace=workspace)


def test_this_machine_is_timed_part_by_part() -> None:
    settings = TrainingConfig(batch_size=4, **CPU)
    plan = plan_training(SHAPE, settings, Workload(64, 64.0))
    taken = plan.time
    assert taken is not None and taken.method == "measured" and plan.fits
    parts = (taken.blocks, taken.outside, taken.update, taken.engine)
    assert all(part > 0 for part in parts) and sum(parts) == pytest.approx(taken.step)
    assert 0 < taken.utilization < 1 and plan.cost is None
    assert 100 * 2**20 < plan.configured.footprint.base < 2**30
    longer = settings.model_copy(update={"steps": 3})
    known = plan_training(SHAPE, longer, Workload(64, 64.0), measure=False, remembered=True)
    assert known.time is not None and known.time.step == taken.step
    forgotten = plan_training(SHAPE, longer, Workload(64, 64.0), measure=False)
    wider = plan_training(SHAPE, longer, Workload(32, 32.0), measure=False, remembered=True)
    assert [plan.time.method for plan in (forgotten, wider) if plan.time] == ["rate", "rate"]
    half = plan_training(SHAPE, settings, Workload(64, 32.0))  # the same measurement, shorter sequences
    assert half.time is not None and half.time.outside == pytest.approx(taken.outside / 2)


def machine(monkeypatch: pytest.MonkeyPatch, total: int, available: int) -> None:
    memory = psutil.virtual_memory()._replace(total=total, available=available)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)


def test_a_stage_warns_where_memory_may_not_do(
    stage_context: NullContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = TrainingConfig(batch_size=512, **CPU)
    check_memory(SHAPE, settings, 64, stage_context)
    assert stage_context.messages == []
    need = footprint(SHAPE, settings, rows=512, length=64).peak
    machine(monkeypatch, 2**40, need // 4)
    check_memory(SHAPE, settings, 64, stage_context)
    (said,) = stage_context.messages
    assert said.startswith("this training needs") and "free; micro_batch_size" in said


def test_a_stage_refuses_what_cannot_fit(road: SimpleNamespace, tmp_path: Path) -> None:
    context = road.context(tmp_path / "run")
    huge = {"layers": 300, "width": 16384, "heads": 128}
    config = PretrainConfig(tokens=road.tokens.id, model=huge, training={**CPU, "batch_size": 1})
    with pytest.raises(ConfigError, match=r"this training needs [\d.]+ TiB, and this machine has") as told:
        run(config, context)
    assert "smaller model" in str(told.value) and told.value.field == "training.micro_batch_size"


@pytest.mark.slow
def test_peak_memory_is_predicted_within_a_tenth() -> None:
    root = Path(__file__).resolve().parents[3]
    words = [sys.executable, "-c", _COMPARE]
    done = subprocess.run(words, cwd=root, capture_output=True, text=True, check=True)
    predicted, measured = map(float, done.stdout.split()[-2:])
    assert predicted == pytest.approx(measured, rel=0.1)


_COMPARE = """
from benchmarks.planner import in_a_process, configured
from llm_playground.training import Workload, plan_training
name = "GPT-2 of 4 M, batch 8"
config, settings = configured(name)
length = config.context_length
plan = plan_training(config, settings, Workload(length, length))
print(plan.configured.footprint.peak, in_a_process(name)["peak_bytes"])
"""
