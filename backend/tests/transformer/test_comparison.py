"""Architectures side by side: every figure is that of the architecture's own analysis."""

from __future__ import annotations

import json

import pytest

from llm_playground.core.errors import InputError
from llm_playground.transformer import ModelConfig, analyze
from llm_playground.transformer.analysis import compare_architectures

from .architectures import shape

PAIR = [("one", shape("llama")), ("other", shape("gpt2", layers=5))]


def test_settings_are_compared_by_what_they_come_to() -> None:
    found = {field.field: field for field in compare_architectures(PAIR).fields}
    assert list(found) == list(ModelConfig.model_fields)
    assert found["layers"].values == (3, 5) and found["layers"].differs and found["layers"].group == "Size"
    assert found["width"].values == (64, 64) and not found["width"].differs
    assert found["kv_heads"].values == (2, 4)
    assert found["ffn_width"].values == (192, 256)
    assert found["head_width"].values == (16, 16) and not found["head_width"].differs
    assert found["qkv_bias"].values == (False, True)
    assert all(field.group for field in found.values())


def test_figures_are_those_of_each_analysis() -> None:
    found = compare_architectures(PAIR, context=32, batch=2, precision="bf16")
    alone = [analyze(config, context=32, batch=2, precision="bf16") for _, config in PAIR]
    assert [item.analysis for item in found.items] == alone
    for delta in found.deltas:
        for place, analysis in enumerate(alone):
            count = analysis.parameters.by_component.get(delta.component, 0)
            assert delta.parameters[place] == count
            assert delta.share[place] == pytest.approx(count / analysis.parameters.total)
            assert delta.flops[place] == analysis.flops.by_component.get(delta.component, 0)
    for place, analysis in enumerate(alone):
        assert sum(delta.parameters[place] for delta in found.deltas) == analysis.parameters.total
        assert sum(delta.flops[place] for delta in found.deltas) == analysis.flops.per_token_forward
    memory = {row.part: row.bytes for row in found.memory}
    assert memory["total_training"] == tuple(analysis.memory.total_training for analysis in alone)
    assert "gathered" not in memory  # nothing is divided here
    assert [curve["points"] for curve in found.kv_curves] == [analysis.kv_curve for analysis in alone]
    data = found.to_dict()
    assert json.loads(json.dumps(data)) == data


def test_a_component_that_one_lacks_is_zero() -> None:
    deltas = {delta.component: delta for delta in compare_architectures(PAIR).deltas}
    assert deltas["positions"].parameters == (0, 64 * 64)
    mixed = compare_architectures([("dense", shape("llama")), ("mixture", shape("mixture"))])
    assert next(row for row in mixed.deltas if row.component == "router").parameters == (0, 3 * 4 * 64)


def test_contexts_and_labels() -> None:
    short, long = shape("llama"), shape("llama", context_length=256)
    found = compare_architectures([("a", short), ("a", long), ("b", long)], context=128)
    assert [item.label for item in found.items] == ["a (1)", "a (2)", "b"]
    assert [item.analysis.settings.context for item in found.items] == [64, 128, 128]
    assert found.notes == ("a (1) is measured at its own context of 64 tokens.",)
    own = compare_architectures([("a", short), ("b", long)])
    assert own.notes == ("Each architecture is measured at its own context.",)


def test_wrong_numbers_of_architectures_and_options_are_named() -> None:
    with pytest.raises(InputError, match="2 to 6 architectures can be compared; 1 were given"):
        compare_architectures(PAIR[:1])
    with pytest.raises(InputError, match="7 were given"):
        compare_architectures([PAIR[0]] * 7)
    with pytest.raises(InputError, match="context: 0 is not 1 or more"):
        compare_architectures(PAIR, context=0)
    with pytest.raises(InputError, match="precision: 'int3'"):
        compare_architectures(PAIR, precision="int3")
