"""Parameters, operations, cache and budget, against the built module, torch's counter and closed forms."""

from __future__ import annotations

import math
import time
from typing import Any

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from llm_playground.core.device_table import load_devices
from llm_playground.core.errors import InputError, NotFoundError
from llm_playground.transformer import KVCache, ModelConfig, analyze
from llm_playground.transformer.analysis.flops import seen_tokens
from llm_playground.transformer.analysis.scaling import BESIROGLU, HOFFMANN

from .architectures import SHAPES, build, inputs, shape


@pytest.mark.parametrize("name", SHAPES)
def test_parameters_are_those_of_the_built_module(name: str) -> None:
    model, counted = build(shape(name)), analyze(shape(name)).parameters
    assert counted.total == counted.trainable == sum(weight.numel() for weight in model.parameters())
    assert counted.total == sum(counted.by_component.values()) == sum(row.count for row in counted.by_layer)
    names = {
        "embedding": ("embedding.weight",),
        "attention": (".attention.qkv", ".attention.output"),
        "norms": ("_norm.",),
    }
    for component, parts in names.items():
        expected = sum(
            weight.numel()
            for path, weight in model.named_parameters()
            if (path in parts if component == "embedding" else any(part in path for part in parts))
            and not path.startswith("head_transform")
        )
        assert counted.by_component[component] == expected


@pytest.mark.parametrize("name", [name for name in SHAPES if "window" not in SHAPES[name]])
def test_operations_are_those_that_torch_counts(name: str) -> None:
    config = shape(name)
    ids = inputs(config, 2, 32)
    # The plain kernel is made of matrix products that the counter sees; it computes what is masked too.
    with FlopCounterMode(display=False) as counter, torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        build(config)(*ids)
    assert analyze(config, context=32).flops.per_token_forward_full * 64 == counter.get_total_flops()


def test_operations_of_gpt2_small_as_nanogpt_and_palm_count_them() -> None:
    config = ModelConfig.preset("gpt2-small")
    flops = analyze(config).flops
    assert flops.per_token_forward_full * 1024 == 291_648_307_200
    # PaLM, appendix B: without biases, norms' offsets and positions.
    counted = 6 * (124_337_664 - 786_432) + 12 * 12 * 12 * 64 * 1024
    assert counted * 1024 == 875_062_886_400
    assert counted / (3 * flops.per_token_forward_full) == pytest.approx(1.0001, abs=5e-5)
    # On average a query sees half of the context and itself.
    scores = 12 * 4 * 768
    assert flops.per_token_forward_full - flops.per_token_forward == scores * (1024 - 512.5)
    assert flops.by_component["attention scores"] == scores * 512.5
    assert flops.per_token_training == 3 * flops.per_token_forward == 3 * sum(flops.by_component.values())
    assert flops.recomputed == flops.per_token_forward - 2 * 50_257 * 768


@pytest.mark.parametrize(("context", "window"), [(1, None), (7, None), (7, 1), (7, 3), (7, 7), (7, 99)])
def test_how_many_tokens_a_query_sees(context: int, window: int | None) -> None:
    seen = [min(place + 1, window or context) for place in range(context)]
    assert seen_tokens(context, window) == pytest.approx(sum(seen) / context, rel=1e-12)


def test_windows_cost_less() -> None:
    flops = analyze(shape("gemma"), context=64).flops
    mean = (2 * sum(min(place + 1, 8) for place in range(64)) + sum(range(1, 65))) / 64
    assert flops.by_component["attention scores"] == pytest.approx(4 * 4 * 32 * mean)
    assert flops.per_token_forward_full - flops.per_token_forward == pytest.approx(4 * 4 * 32 * (80 - mean))


def test_only_the_experts_that_work_on_a_token_are_counted() -> None:
    mixture, dense = shape("mixture"), shape("llama")
    ffn = analyze(dense).parameters.by_component["feed-forward"]
    counted = analyze(mixture)
    assert counted.parameters.by_component["feed-forward"] == 4 * ffn
    assert counted.parameters.by_component["router"] == 3 * 4 * 64
    assert counted.parameters.active == counted.parameters.total - 2 * ffn
    assert counted.flops.by_component["feed-forward"] == 2 * 2 * ffn
    assert counted.budget.chinchilla_tokens == 20 * counted.parameters.active
    assert any("2 of 4 experts" in note for note in counted.notes)


@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_the_cache_is_that_of_the_engine(name: str) -> None:
    config = shape(name)
    memory = analyze(config, context=40, batch=3, precision="bf16").memory
    assert memory.kv_cache_at_context == KVCache(config, 3, 40, dtype=torch.bfloat16).nbytes
    assert memory.kv_cache_at_context == 3 * 40 * memory.kv_cache_per_token


def test_the_cache_with_windows_bends() -> None:
    config = shape("gemma")
    each = 2 * 2 * 32 * 4
    points = {point["context"]: point["bytes"] for point in analyze(config).kv_curve}
    assert points[8] == 3 * 8 * each and points[64] == (2 * 8 + 64) * each
    assert list(points) == sorted(points) and min(points) == 1 and max(points) == 64
    assert all(point["bytes"] == 0 for point in analyze(shape("bert")).kv_curve)
    pair = analyze(shape("encoder-decoder"), context=10).memory
    assert pair.kv_cache_at_context == 3 * (10 + 10) * 2 * 2 * 16 * 4


def test_a_budget_on_a_device() -> None:
    config = ModelConfig.preset("gpt2-small")
    device = load_devices().find("h100-sxm")
    one = analyze(config, tokens=10**9, device="h100-sxm", precision="bf16", utilization=0.5).budget
    assert one.training_flops == one.hardware_flops == 1e9 * analyze(config).flops.per_token_training
    assert one.seconds == pytest.approx(one.training_flops / (0.5 * 989.4e12))
    assert device.price_per_hour is not None and device.watts is not None
    assert one.cost == pytest.approx(one.seconds / 3600 * device.price_per_hour)
    assert one.energy_kwh == pytest.approx(one.seconds / 3600 * device.watts / 1000)
    eight = analyze(config, tokens=10**9, device=device, precision="bf16", utilization=0.5, shards=8).budget
    assert eight.seconds == pytest.approx(one.seconds / 8) and eight.cost == pytest.approx(one.cost)
    again = analyze(
        config, tokens=10**9, device=device, precision="bf16", utilization=0.5, checkpointing="full"
    )
    assert again.budget.hardware_flops == pytest.approx(one.training_flops + 1e9 * again.flops.recomputed)
    assert again.budget.seconds == pytest.approx(again.budget.hardware_flops / (0.5 * 989.4e12))
    nowhere = analyze(config).budget
    assert (nowhere.seconds, nowhere.cost, nowhere.energy_kwh, nowhere.device) == (None,) * 4
    assert nowhere.tokens == nowhere.chinchilla_tokens == 20 * 124_439_808


def test_the_loss_laws() -> None:
    assert HOFFMANN.loss(70e9, 1.4e12) == pytest.approx(1.69 + 406.4 / 70e9**0.34 + 410.7 / 1.4e12**0.28)
    assert pytest.approx(1.937, abs=1e-3) == HOFFMANN.loss(70e9, 1.4e12)
    for law in (HOFFMANN, BESIROGLU):
        parameters, tokens = law.optimum(6 * 70e9 * 1.4e12)
        assert 6 * parameters * tokens == pytest.approx(6 * 70e9 * 1.4e12)
        least = law.loss(parameters, tokens)
        assert all(law.loss(parameters * x, tokens / x) > least for x in (0.5, 0.9, 1.1, 2.0))
    # The replication finds about twenty tokens for each parameter at Chinchilla's compute.
    parameters, tokens = BESIROGLU.optimum(6 * 70e9 * 1.4e12)
    assert 15 < tokens / parameters < 30


def test_the_loss_curve_has_the_chosen_and_the_chinchilla_point() -> None:
    budget = analyze(ModelConfig.preset("gpt2-small"), tokens=10**10).budget
    curve = {point.tokens: point for point in budget.loss_curve}
    assert curve[1e10].loss == budget.predicted_loss
    assert curve[1e10].loss_replication == budget.predicted_loss_replication
    assert float(budget.chinchilla_tokens) in curve
    losses = [curve[tokens].loss for tokens in sorted(curve)]
    assert losses == sorted(losses, reverse=True)
    assert [optimum.law for optimum in budget.optima] == ["Hoffmann et al. 2022", "Besiroglu et al. 2024"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"context": 0}, "context: 0 is not between 1 and the model's 64."),
        ({"context": 65}, "context: 65 is not between 1 and the model's 64."),
        ({"batch": 0}, "batch: 0 is not 1 or more."),
        (
            {"batch": 10**16},
            "batch: 10,000,000,000,000,000 sequences of 64 tokens are more than can be counted",
        ),
        ({"shards": 0}, "shards: 0 is not 1 or more."),
        ({"tokens": 0}, "tokens: 0 is not 1 or more."),
        ({"utilization": 0.0}, "utilization: 0 is not above 0 and at most 1."),
        ({"utilization": math.nan}, "utilization: nan"),
        ({"precision": "int8"}, "precision: 'int8' is unknown."),
        ({"optimizer": "magic"}, "optimizer: 'magic' is unknown."),
        ({"checkpointing": "some"}, "checkpointing: 'some' is unknown."),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as caught:
        analyze(shape("llama"), **options)
    assert caught.value.message.startswith(words) and caught.value.field == next(iter(options))


def test_an_unknown_device_is_refused_and_notes_tell_what_to_know() -> None:
    with pytest.raises(NotFoundError, match="no device 'abacus'.*h100-sxm"):
        analyze(shape("llama"), device="abacus")
    big = analyze(ModelConfig.preset("llama-2-7b"), precision="bf16", device="t4").notes
    assert any("no rate for bf16; that of float32" in note for note in big)
    assert any("Training needs" in note and "T4" in note for note in big)
    assert any("70 million" in note for note in analyze(shape("llama")).notes)


def test_json_data_is_whole_and_plain() -> None:
    import json

    for name in SHAPES:
        data = analyze(shape(name), device="rtx-4090").to_dict()
        assert json.loads(json.dumps(data)) == data
        assert sum(row["share"] for row in data["parameters"]["by_component"]) == pytest.approx(1)
        assert [row["count"] for row in data["parameters"]["by_layer"] if row["layer"] is not None]
        assert all(formula["formula"] and formula["source"] for formula in data["formulas"])


def test_an_analysis_of_a_large_model_takes_a_moment() -> None:
    config = ModelConfig.preset("llama-2-7b")
    analyze(config)  # the first one loads parts of torch
    times = []
    for number in range(5):
        other = config.model_copy(update={"ffn_width": 11_000 + number})  # nothing of it is remembered
        start = time.process_time()
        analyze(other, context=2048, device="h100-sxm")
        times.append(time.process_time() - start)
    assert min(times) < 0.05  # 8 to 12 ms where nothing else runs
