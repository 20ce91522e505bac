"""The routes about architectures: lists, figures, comparison, and what is said of wrong settings."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, get_args

import pytest
from starlette.testclient import TestClient
from tiny_workspace import Tiny

from llm_playground.api import Settings, create_app
from llm_playground.api.transformer_models import Checkpointing, Optimizer, Precision
from llm_playground.core.workspace import Workspace
from llm_playground.transformer import ModelConfig, TransformerLM, analyze
from llm_playground.transformer.analysis.memory import BYTES, CHECKPOINTING, OPTIMIZERS
from llm_playground.transformer.presets import PRESETS

BASE = "/api/v1/transformer"
SMALL = {"vocab_size": 1024, "context_length": 128, "width": 128, "layers": 4, "heads": 4, "kv_heads": 2}


@pytest.fixture(scope="module")
def place(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A client over the prepared workspace with the built-in artifacts beside its own."""
    mine = tiny.copy(tmp_path_factory.mktemp("architectures") / "workspace")
    workspace = Workspace(mine.workspace.root)
    app = create_app(workspace, Settings(web=None))
    client = TestClient(app, base_url="http://127.0.0.1:8000")
    return SimpleNamespace(client=client, lab=app.state.llmp.lab, tiny=mine, workspace=workspace)


def get(place: SimpleNamespace, path: str) -> Any:
    answer = place.client.get(f"{BASE}/{path}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def post(place: SimpleNamespace, path: str, **body: Any) -> Any:
    answer = place.client.post(f"{BASE}/{path}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def refused(place: SimpleNamespace, path: str, status: int = 422, **body: Any) -> Any:
    answer = place.client.post(f"{BASE}/{path}", json=body)
    assert answer.status_code == status, answer.text
    return answer.json()["error"]


def test_presets_say_what_they_are_and_whether_they_run_here(place: SimpleNamespace) -> None:
    presets = get(place, "presets")["presets"]
    assert {preset["name"] for preset in presets} == set(PRESETS)
    sizes = [preset["parameters"] for preset in presets]
    assert sizes == sorted(sizes)
    by_name = {preset["name"]: preset for preset in presets}
    assert by_name["gpt2-small"]["parameters"] == 124_439_808
    assert by_name["gpt2-small"]["family"] == "gpt2"
    tiny = by_name["tiny-gpt2"]
    assert (tiny["runnable"], tiny["why_not"]) == (True, None)
    assert tiny["config"] == PRESETS["tiny-gpt2"].config.model_dump(mode="json")
    large = by_name["llama-2-7b"]
    assert "llama-7b" in large["aliases"]
    assert not large["runnable"] and large["needs_bytes"] > 4 * large["parameters"]
    assert f"{large['needs_bytes'] / 1e9:.1f} GB" in large["why_not"]


def test_models_are_listed_newest_first_then_presets_that_run(place: SimpleNamespace) -> None:
    models = get(place, "models")["models"]
    own = [model for model in models if not model["builtin"]]
    assert {model["ref"] for model in own} == {place.tiny.base, place.tiny.chat}
    order = [model["ref"] for model in models]
    assert order[: len(own) + 1][-1] == "example"
    presets = models[len(own) + 1 :]
    assert all(model["ref"].startswith("preset:") and model["random"] for model in presets)
    assert all(model["runnable"] and model["why_not"] is None for model in presets)
    assert "preset:tiny-llama" in order and "preset:llama-2-7b" not in order
    mine = next(model for model in models if model["ref"] == place.tiny.base)
    network = TransformerLM.from_pretrained(place.workspace.get(place.tiny.base).path)
    assert mine["parameters"] == network.num_parameters()
    assert (mine["tokenizer"], mine["random"], mine["layers"]) == (place.tiny.base, False, 1)


def test_a_preset_gets_the_tokenizer_that_its_vocabulary_has_room_for(place: SimpleNamespace) -> None:
    models = {model["ref"]: model for model in get(place, "models")["models"]}
    for name, tokenizer in (("tiny-gpt2", "bytes"), ("quickstart", "tinyworld"), ("mini-10m", "prose")):
        entry = models[f"preset:{name}"]
        assert entry["tokenizer"] == tokenizer
        encoded = place.client.post(
            "/api/v1/tokenization/encode", json={"tokenizer": tokenizer, "text": "née 42"}
        ).json()
        assert max(encoded["ids"]) < entry["vocab_size"]


def test_the_schema_has_groups_help_and_bounds(place: SimpleNamespace) -> None:
    schema = get(place, "schema")
    assert set(schema["properties"]) == set(ModelConfig.model_fields)
    assert all(field["group"] and field["description"] for field in schema["properties"].values())
    assert schema["properties"]["width"]["minimum"] == 2


def test_devices_have_figures_and_this_machine_is_one(place: SimpleNamespace) -> None:
    found = get(place, "devices")
    assert {"h100-sxm", "rtx-4090"} <= {device["name"] for device in found["devices"]}
    assert found["this"]["name"] == "this" and found["this"]["flops"]["float32"] > 1e8
    assert found["as_of"] and found["currency"] == "USD"


@pytest.mark.parametrize("body", [{"model": "preset:gpt2-small"}, {"config": SMALL}, {"model": "example"}])
def test_the_analysis_is_that_of_the_module(place: SimpleNamespace, body: dict[str, Any]) -> None:
    found = post(place, "analyze", **body, batch=2, precision="bf16", device="h100-sxm", tokens=10**9)
    config = ModelConfig.model_validate(found["config"])
    expected = analyze(config, batch=2, precision="bf16", device="h100-sxm", tokens=10**9)
    assert found["parameters"] == expected.parameters.to_dict()
    assert found["memory"] == expected.memory.to_dict()
    assert found["flops"] == expected.flops.to_dict()
    assert found["budget"]["seconds"] == expected.budget.seconds
    assert found["hf_config"] == config.to_hf()
    assert (found["family"], found["hf_type"]) == (config.family, config.family)
    assert sum(item["count"] for item in found["parameters"]["by_layer"]) == found["parameters"]["total"]


def test_a_mixture_of_its_own_has_no_type_elsewhere(place: SimpleNamespace) -> None:
    found = post(place, "analyze", config={**SMALL, "positions": "alibi"})
    assert (found["family"], found["hf_type"]) == ("llm_playground", None)
    assert found["hf_config"]["model_type"] == "llm_playground"


def test_architectures_side_by_side(place: SimpleNamespace) -> None:
    architectures = [
        {"model": "preset:gpt2-small"},
        {"label": "Mine", "config": SMALL},
        {"config": {**SMALL, "window": 16}},
    ]
    found = post(place, "compare", architectures=architectures, context=128)
    labels = ["preset:gpt2-small", "Mine", "Configuration 3"]
    assert [item["label"] for item in found["items"]] == labels
    assert [curve["label"] for curve in found["kv_curves"]] == labels
    fields = {field["field"]: field for field in found["fields"]}
    assert fields["window"]["values"] == [None, None, 16] and fields["window"]["differs"]
    assert not fields["dropout"]["differs"] and fields["dropout"]["group"]
    for place_of, item in enumerate(found["items"]):
        counts = sum(delta["parameters"][place_of] for delta in found["deltas"])
        assert counts == item["analysis"]["parameters"]["total"]
        assert item["analysis"]["settings"]["context"] == 128


def test_recommendations_fit(place: SimpleNamespace) -> None:
    for asked in (
        {"memory_bytes": 8 * 10**9, "hours": 1, "flops": 2e11},
        {"memory_bytes": 24 * 10**9, "purpose": "run", "context": 2048},
    ):
        found = post(place, "recommend", **asked)
        assert found["recommendations"] and found["reasons"]
        for item in found["recommendations"]:
            assert item["memory_bytes"] <= asked["memory_bytes"] and item["reasons"]
            assert analyze(ModelConfig.model_validate(item["config"])).parameters.total == item["parameters"]


@pytest.mark.parametrize(
    ("config", "field", "words"),
    [
        ({"heads": 5}, "heads", "must divide the width"),
        ({"kv_heads": 3}, "kv_heads", "must divide the heads"),
        ({"layers": 0}, "layers", "greater than or equal to 1"),
        ({"colour": "red"}, "colour", "not a known setting"),
        ({"rope_scaling": {"type": "linear", "factor": 0.5}}, "rope_scaling.factor", "greater than"),
        ({"rope_scaling": {"type": "stretch", "factor": 2}}, "rope_scaling.type", "'yarn'"),
        ({"window": 4, "full_attention_layers": [9]}, "full_attention_layers", "layer 9"),
    ],
)
def test_a_wrong_setting_is_named(
    place: SimpleNamespace, config: dict[str, Any], field: str, words: str
) -> None:
    error = refused(place, "analyze", config=config)
    assert error["field"] == field and words in error["message"]
    assert error["problems"][0]["field"] == field and words in error["problems"][0]["message"]
    compared = refused(place, "compare", architectures=[{"model": "example"}, {"config": config}])
    assert compared["field"] == f"architectures.1.config.{field}"


def test_all_wrong_settings_are_told_at_once(place: SimpleNamespace) -> None:
    error = refused(place, "analyze", config={"layers": 0, "width": 1, "colour": 1})
    assert {problem["field"] for problem in error["problems"]} == {"layers", "width", "colour"}
    asked = refused(place, "analyze", model="example", batch=0, shards=0)
    assert [problem["field"] for problem in asked["problems"]] == ["batch", "shards"]


@pytest.mark.parametrize(
    ("path", "body", "status", "field", "words"),
    [
        ("analyze", {}, 422, "model", "one of the two"),
        ("analyze", {"model": "example", "config": SMALL}, 422, "model", "one of the two"),
        ("analyze", {"model": "nobody"}, 404, "model", "no model 'nobody'"),
        ("analyze", {"model": "preset:nobody"}, 404, "model", "no model preset"),
        ("analyze", {"model": "example", "context": 129}, 422, "context", "128"),
        ("analyze", {"model": "example", "device": "abacus"}, 404, "device", "abacus"),
        ("analyze", {"model": "example", "precision": "int3"}, 422, "precision", "float32"),
        ("analyze", {"config": SMALL, "sharts": 2}, 422, "sharts", "Extra inputs"),
        ("compare", {"architectures": [{"model": "example"}]}, 422, "architectures", "at least 2"),
        ("compare", {"architectures": [{"model": "example"}, {}]}, 422, "architectures.1.model", "one of"),
        ("recommend", {"memory_bytes": 10}, 422, "memory_bytes", "1000000"),
        ("recommend", {"memory_bytes": 10**6}, 422, "memory_bytes", "smallest"),
        ("recommend", {"memory_bytes": 10**9, "hours": 2}, 422, "hours", "not known"),
        ("recommend", {"memory_bytes": 10**9, "device": "abacus"}, 404, "device", "abacus"),
    ],
)
def test_what_is_wrong_is_named(
    place: SimpleNamespace, path: str, body: dict[str, Any], status: int, field: str, words: str
) -> None:
    error = refused(place, path, status, **body)
    assert error["field"] == field and words in error["message"], error


def test_a_body_that_is_too_long_is_refused(place: SimpleNamespace) -> None:
    refused(place, "analyze", 413, config={"x": "a" * 2_000_001})


def test_the_choices_are_those_of_the_analysis() -> None:
    assert set(get_args(Optimizer)) == set(OPTIMIZERS)
    assert set(get_args(Precision)) == set(BYTES)
    assert set(get_args(Checkpointing)) == set(CHECKPOINTING)
