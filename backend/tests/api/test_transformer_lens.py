"""The routes that look into a model: every number is that of a plain pass, and what is wrong is said."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from starlette.testclient import TestClient

from llm_playground.api import Settings, create_app
from llm_playground.core.workspace import Workspace
from llm_playground.playground.lab import ModelLab
from llm_playground.transformer import TransformerLM
from llm_playground.transformer.capture import Capture

BASE = "/api/v1/transformer"
TEXT = "Hugo had six buns.\nHe got one more. née"
MODELS = ("example", "preset:tiny-gpt2", "preset:tiny-llama")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """A client over a workspace that has the built-in models only, and its lab."""
    workspace = Workspace(tmp_path_factory.mktemp("lens") / "workspace")
    app = create_app(workspace, Settings(web=None))
    client = TestClient(app, base_url="http://127.0.0.1:8000")
    yield SimpleNamespace(client=client, lab=app.state.llmp.lab, workspace=workspace)


def post(place: SimpleNamespace, path: str, **body: Any) -> Any:
    answer = place.client.post(f"{BASE}/{path}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def numbers(place: SimpleNamespace, path: str, dtype: str, **body: Any) -> tuple[np.ndarray, Any]:
    """The numbers of a binary answer in their shape, and its headers."""
    answer = place.client.post(f"{BASE}/{path}", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/octet-stream"
    shape = tuple(map(int, answer.headers["x-shape"].split(",")))
    return np.frombuffer(answer.content, dtype).reshape(shape).astype(np.float64), answer.headers


def refused(place: SimpleNamespace, path: str, status: int = 422, **body: Any) -> Any:
    answer = place.client.post(f"{BASE}/{path}", json=body)
    assert answer.status_code == status, answer.text
    return answer.json()["error"]


def plain_pass(place: SimpleNamespace, model: str, ids: list[int]) -> tuple[TransformerLM, Any, torch.Tensor]:
    """The model, what a pass of its own shows, and the logits [T, V]."""
    opened = place.lab.open(model)
    capture = Capture(["*"])
    with torch.inference_mode():
        logits = opened.model(torch.tensor([ids]), capture=capture)
    return opened.model, {name: value[0] for name, value in capture.values.items()}, logits[0]


def ids_of(answer: Any) -> list[int]:
    return [token["id"] for token in answer["tokens"]]


@pytest.mark.parametrize("model", MODELS)
def test_heads_are_labelled_and_tokens_lie_where_they_stand(place: SimpleNamespace, model: str) -> None:
    found = post(place, "attention", model=model, text=TEXT)
    config = place.lab.catalog.config(model)
    assert (found["model"], found["random"]) == (model, model != "example")
    assert found["tokenizer"] == ("example" if model == "example" else "bytes")
    assert (found["layers"], found["heads"]) == (config.layers, config.heads)
    places = [(layer, head) for layer in range(config.layers) for head in range(config.heads)]
    assert [(item["layer"], item["head"]) for item in found["patterns"]] == places
    known = {definition["name"] for definition in found["definitions"]}
    assert all(item["label"] in known | {"mixed"} for item in found["patterns"])
    assert {"segment_line", "segment_sentence"} <= known and "segment_turn" not in known
    for token in found["tokens"]:
        whole = TEXT[token["start"] : token["end"]]
        assert token["text"] == whole or ("\ufffd" in token["text"] and not whole.isascii())
    assert (found["tokens"][0]["start"], found["tokens"][-1]["end"]) == (0, len(TEXT))


@pytest.mark.parametrize("model", MODELS)
def test_scores_are_those_of_the_maps(place: SimpleNamespace, model: str) -> None:
    found = post(place, "attention", model=model, text=TEXT)
    _, values, _ = plain_pass(place, model, ids_of(found))
    for item in found["patterns"]:
        weights = values[f"blocks.{item['layer']}.attention.weights"][item["head"]].double()
        expected = weights.diagonal(-1).mean()
        assert item["scores"]["previous_token"] == pytest.approx(float(expected), abs=1e-5)
        assert item["offsets"][:3] == pytest.approx(
            [float(weights.diagonal(-k).mean()) for k in range(3)], abs=1e-5
        )


@pytest.mark.parametrize("model", MODELS)
def test_maps_are_those_of_a_plain_pass(place: SimpleNamespace, model: str) -> None:
    ids = ids_of(post(place, "attention", model=model, text=TEXT))
    network, values, _ = plain_pass(place, model, ids)
    config = network.config
    layer, head = config.layers - 1, config.heads - 1
    asked = {"model": model, "text": TEXT, "layer": layer, "head": head}
    weights = values[f"blocks.{layer}.attention.weights"][head].double()
    found, _ = numbers(place, "attention/map", "<f2", **asked)
    assert found.shape == (len(ids), len(ids))
    assert np.abs(found - weights.numpy()).max() < 5e-4  # half precision

    # What flows from j to i through a head has the length A[i, j] ||v_j W_O|| (Kobayashi et al. 2020).
    group = head // (config.heads // config.key_value_heads)
    size = config.head_size
    output = network.blocks[layer].attention.output.weight.double()[:, head * size : (head + 1) * size]
    carried = values[f"blocks.{layer}.attention.v"][group].double() @ output.T
    expected = (weights * carried.norm(dim=-1)).detach()
    found, _ = numbers(place, "attention/map", "<f2", **asked, kind="value_weighted")
    assert np.abs(found - expected.numpy()).max() < 1e-3 * float(expected.max())

    rolled = torch.eye(len(ids), dtype=torch.float64)  # Abnar and Zuidema 2020
    for index in range(layer + 1):
        mean = values[f"blocks.{index}.attention.weights"].double().mean(0)
        rolled = (mean + torch.eye(len(ids))) / 2 @ rolled
    found, _ = numbers(place, "attention/map", "<f2", **{**asked, "head": 999}, kind="rollout")
    assert np.abs(found - rolled.numpy()).max() < 5e-4

    part, _ = numbers(place, "attention/map", "<f2", **asked, rows=[3, 9], columns=[0, 4])
    assert part.shape == (6, 4)
    assert np.abs(part - weights[3:9, :4].numpy()).max() < 5e-4


@pytest.mark.parametrize("model", MODELS)
def test_thumbnails_are_means_over_equal_areas(place: SimpleNamespace, model: str) -> None:
    ids = ids_of(post(place, "attention", model=model, text=TEXT))
    _, values, _ = plain_pass(place, model, ids)
    config = place.lab.catalog.config(model)
    whole, headers = numbers(
        place, "attention/thumbnails", "u1", model=model, text=TEXT, kind="weights", size=64
    )
    assert whole.shape == (config.layers, config.heads, len(ids), len(ids))  # not larger than the text
    expected = torch.stack([values[f"blocks.{i}.attention.weights"] for i in range(config.layers)])
    scale = float(headers["x-scale"])
    assert scale == pytest.approx(float(expected.max()))
    assert np.abs(whole / 255 * scale - expected.numpy()).max() <= scale / 510 + 1e-6
    small, headers = numbers(
        place, "attention/thumbnails", "u1", model=model, text=TEXT, kind="weights", size=4
    )
    assert small.shape[2:] == (4, 4)
    means = small.mean((2, 3)) / 255 * float(headers["x-scale"])
    assert np.abs(means - expected.mean((2, 3)).numpy()).max() < 1e-2
    assert (small[:, :, 0, 2:] == 0).all()  # the future is not seen
    rolled, _ = numbers(place, "attention/thumbnails", "u1", model=model, text=TEXT, kind="rollout", size=4)
    assert rolled.shape == (config.layers, 1, 4, 4)


@pytest.mark.parametrize("model", MODELS)
def test_a_trace_shows_the_pass(place: SimpleNamespace, model: str) -> None:
    found = post(place, "trace", model=model, text=TEXT, position=-2, top=5)
    ids = ids_of(found)
    _, values, logits = plain_pass(place, model, ids)
    position = len(ids) - 2
    assert found["position"] == position
    names = [step["name"] for step in found["steps"]]
    assert set(values) <= set(names)
    for step in found["steps"]:
        if step["name"] not in values:
            continue
        value = values[step["name"]]
        part = value[position] if value.dim() == 2 else value[:, position]
        assert step["shape"] == list(part.shape)
        assert step["preview"] == pytest.approx(part.flatten()[:32].tolist(), abs=1e-4)
        assert step["norm"] == pytest.approx(float(part.double().norm()), rel=1e-4)
    chances = logits[position].softmax(-1)
    best = chances.topk(5)
    assert [item["id"] for item in found["predictions"]] == best.indices.tolist()
    assert [item["probability"] for item in found["predictions"]] == pytest.approx(
        best.values.tolist(), abs=1e-5
    )
    opened = place.lab.open(model)
    assert all(item["text"] == opened.text_of(item["id"]) for item in found["predictions"])


@pytest.mark.parametrize("model", MODELS)
def test_any_tensor_can_be_read_in_parts(place: SimpleNamespace, model: str) -> None:
    asked = {"model": model, "text": TEXT}
    ids = ids_of(post(place, "trace", **asked))
    _, values, _ = plain_pass(place, model, ids)
    query = values["blocks.1.attention.q"]
    whole = post(place, "trace/tensor", **asked, name="blocks.1.attention.q", position=3)
    assert whole["shape"] == [query.shape[0], query.shape[2]]
    assert whole["values"] == pytest.approx(query[:, 3].flatten().tolist(), abs=1e-5)
    one = post(
        place, "trace/tensor", **asked, name="blocks.1.attention.q", position=3, head=2, start=2, count=3
    )
    assert one["shape"] == [query.shape[2]]
    assert one["values"] == pytest.approx(query[2, 3, 2:5].tolist(), abs=1e-5)
    assert (one["minimum"], one["maximum"]) == pytest.approx(
        (float(query[2, 3].min()), float(query[2, 3].max())), abs=1e-5
    )
    last = post(place, "trace/tensor", **asked, name="logits", start=320 * len(ids) * 9)
    assert last["values"] == [] and last["formula"]


@pytest.mark.parametrize("model", MODELS)
def test_a_number_is_the_sum_that_made_it(place: SimpleNamespace, model: str) -> None:
    asked = {"model": model, "text": TEXT, "position": 5}
    steps = post(place, "trace", **asked)["steps"]
    for step in steps:
        heads = {"head": 1} if len(step["shape"]) == 2 else {}
        found = post(place, "trace/explain", **asked, name=step["name"], index=2, **heads)
        tensor = post(place, "trace/tensor", **asked, name=step["name"], **heads)
        assert found["value"] == pytest.approx(tensor["values"][2], abs=1e-6)
        assert found["sum"] == pytest.approx(found["value"], rel=1e-3, abs=1e-4)
        total = sum(term["product"] for term in found["terms"]) + found["rest"] + found["bias"]
        assert total == pytest.approx(found["sum"], rel=1e-6, abs=1e-8)
        assert len(found["terms"]) <= 32 and found["operation"] and found["title"]
        for term in found["terms"][:2]:  # the number that it came from is that number
            if term["source"] is None or found["operation"] == "softmax":  # whose terms are exponentials
                continue
            origin = post(place, "trace/explain", model=model, text=TEXT, **term["source"])
            assert origin["value"] == pytest.approx(term["factor_a"], rel=1e-4, abs=1e-5)


def test_ids_are_read_as_a_text_is(place: SimpleNamespace) -> None:
    by_text = post(place, "attention", model="example", text=TEXT)
    by_ids = post(place, "attention", model="example", ids=ids_of(by_text))
    assert by_ids["patterns"][0]["scores"]["first_token"] == pytest.approx(
        by_text["patterns"][0]["scores"]["first_token"]
    )
    assert "".join(token["text"] for token in by_ids["tokens"]).startswith("Hugo had six buns.\n")


def test_special_tokens_are_special(place: SimpleNamespace) -> None:
    text = "<|im_start|>user\nWhere is Mia?<|im_end|>\n<|im_start|>assistant\n"
    found = post(place, "attention", model="example", text=text)
    texts = [token["text"] for token in found["tokens"]]
    assert texts[0] == "<|im_start|>" and "<|im_end|>" in texts
    assert "segment_turn" in {definition["name"] for definition in found["definitions"]}


def test_a_preset_has_the_same_random_weights_each_time(place: SimpleNamespace) -> None:
    state = torch.get_rng_state()
    other = ModelLab(place.workspace, place.lab.models, place.lab.catalog.tokenizers)
    again = other.open("preset:tiny-gpt2").model.state_dict()
    assert torch.equal(state, torch.get_rng_state())
    for name, value in place.lab.open("preset:tiny-gpt2").model.state_dict().items():
        assert torch.equal(value, again[name]), name


@pytest.mark.parametrize(
    ("path", "more", "field", "words"),
    [
        ("attention", {"text": ""}, "text", "at least one token"),
        ("attention", {"text": "a"}, "text", "at least two tokens"),
        ("attention", {"text": "no " * 400}, "text", "801 tokens, but 128 fit"),
        ("attention", {}, "text", "one of the two"),
        ("attention", {"text": "a b", "ids": [1, 2]}, "text", "one of the two"),
        ("attention", {"ids": []}, "ids", "at least one token"),
        ("attention", {"ids": [3, 1024]}, "ids", "0 to 1023"),
        ("attention", {"text": TEXT, "wrong": 1}, "wrong", "Extra inputs"),
        ("attention/map", {"text": TEXT, "layer": 4, "head": 0}, "layer", "0 to 3"),
        ("attention/map", {"text": TEXT, "layer": 0, "head": 4}, "head", "0 to 3"),
        ("attention/map", {"text": TEXT, "layer": 0, "rows": [2, 2]}, "rows", "out of range"),
        ("attention/map", {"text": TEXT, "layer": 0, "columns": [0, 99]}, "columns", "out of range"),
        ("attention/thumbnails", {"text": TEXT, "size": 65}, "size", "64"),
        ("trace", {"text": TEXT, "position": 99}, "position", "out of range"),
        ("trace", {"text": TEXT, "position": -99}, "position", "out of range"),
        ("trace/tensor", {"text": TEXT, "name": "nothing"}, "name", "no tensor"),
        ("trace/tensor", {"text": TEXT, "name": "blocks.9.input"}, "name", "0 to 3"),
        ("trace/tensor", {"text": TEXT, "name": "logits", "count": 5000}, "count", "4096"),
        ("trace/tensor", {"text": TEXT, "name": "blocks.0.attention.q", "head": 4}, "head", "0 to 3"),
        (
            "trace/explain",
            {"text": TEXT, "name": "logits", "position": 0, "index": 1024},
            "index",
            "0 to 1023",
        ),
    ],
)
def test_what_is_wrong_is_named(
    place: SimpleNamespace, path: str, more: dict[str, Any], field: str, words: str
) -> None:
    error = refused(place, path, model="example", **more)
    assert error["field"] == field and words in error["message"], error


def test_unknown_models_and_those_too_large(place: SimpleNamespace) -> None:
    for model in ("nobody", "preset:nobody"):
        error = refused(place, "trace", 404, model=model, text="a b")
        assert error["field"] == "model" and "nobody" in error["message"]
    assert refused(place, "trace", 400, model="../secret", text="a b")["field"] == "model"
    error = refused(place, "trace", 409, model="preset:llama-7b", text="a b")
    assert error["field"] == "model" and "preset:llama-2-7b cannot be run here" in error["message"]
    assert "28." in error["hint"] and "GB" in error["hint"] and "analysis works" in error["hint"]


def test_a_body_that_is_too_long_is_refused(place: SimpleNamespace) -> None:
    refused(place, "attention", 413, model="example", text="a" * 2_000_001)


def test_maps_come_from_memory_and_the_server_answers_meanwhile(
    place: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes = []
    hidden = TransformerLM.hidden

    def counted(self: TransformerLM, *arguments: Any, **options: Any) -> Any:
        passes.append(1)
        time.sleep(0.5)  # a large model
        return hidden(self, *arguments, **options)

    monkeypatch.setattr(TransformerLM, "hidden", counted)
    asked = {"model": "preset:tiny-llama", "text": "Not seen before.", "layer": 0}
    first = threading.Thread(target=post_map, args=(place, asked))
    first.start()
    start = time.perf_counter()
    assert place.client.get("/api/v1/health").status_code == 200
    assert time.perf_counter() - start < 0.4  # while the pass takes longer
    first.join()
    assert len(passes) == 1
    for layer, head in ((0, 1), (1, 0), (1, 3)):
        numbers(place, "attention/map", "<f2", **{**asked, "layer": layer, "head": head})
    numbers(place, "attention/thumbnails", "u1", model=asked["model"], text=asked["text"])
    assert len(passes) == 1


def post_map(place: SimpleNamespace, asked: dict[str, Any]) -> None:
    numbers(place, "attention/map", "<f2", **asked)


CLEAN, CORRUPTED = "Mia has a dog. Leo has a", "Mia has a cat. Leo has a"


def with_edits(place: SimpleNamespace, model: str, ids: list[int], edits: dict[str, Any]) -> torch.Tensor:
    """Logits at the last position of a plain pass in which something is changed."""
    with torch.inference_mode():
        return place.lab.open(model).model(torch.tensor([ids]), capture=Capture(edits=edits))[0, -1]


@pytest.mark.parametrize("model", MODELS)
def test_the_lens_reads_each_layer_through_norm_and_head(place: SimpleNamespace, model: str) -> None:
    found = post(place, "lens", model=model, text=CLEAN, top=3)
    ids = ids_of(found)
    network, values, logits = plain_pass(place, model, ids)
    config = network.config
    names = ["blocks.0.input", *(f"blocks.{layer}.output" for layer in range(config.layers))]
    assert [layer["name"] for layer in found["layers"]] == names
    final = logits.double().log_softmax(-1)
    for layer in found["layers"]:
        with torch.inference_mode():
            here = network.logits(network.final_norm(values[layer["name"]])).double().log_softmax(-1)
        for position, said in enumerate(layer["positions"]):
            best = here[position].topk(3)
            assert [guess["probability"] for guess in said["top"]] == pytest.approx(
                best.values.exp().tolist(), abs=1e-4
            )
            entropy = -(here[position].exp() * here[position]).sum()
            assert said["entropy"] == pytest.approx(float(entropy), abs=1e-3)
            kl = (final[position].exp() * (final[position] - here[position])).sum()
            assert said["kl_to_final"] == pytest.approx(float(kl), abs=1e-3)
            if position == len(ids) - 1:
                assert said["target_rank"] is None and said["target_probability"] is None
                continue
            chance = float(here[position, ids[position + 1]].exp())
            assert said["target_probability"] == pytest.approx(chance, abs=1e-4)
            assert said["target_rank"] == 1 + int((here[position] > here[position, ids[position + 1]]).sum())
    assert [guess["text"] for guess in found["layers"][-1]["positions"][0]["top"]] == [
        place.lab.open(model).text_of(guess["id"]) for guess in found["layers"][-1]["positions"][0]["top"]
    ]


@pytest.mark.parametrize("model", MODELS)
def test_attribution_adds_up_to_the_logit(place: SimpleNamespace, model: str) -> None:
    found = post(place, "attribution", model=model, text=CLEAN)
    network, _, logits = plain_pass(place, model, ids_of(found))
    best = int(logits[-1].argmax())
    assert (found["target"], found["against"]) == (best, None)
    assert found["target_text"] == place.lab.open(model).text_of(best)
    assert found["logit"] == pytest.approx(float(logits[-1, best]), abs=1e-4)
    total = sum(item["value"] for item in found["components"])
    assert total == pytest.approx(found["logit"], abs=1e-3)
    heads = [item for item in found["components"] if item["head"] is not None]
    assert len(heads) == network.config.layers * network.config.heads
    other = post(place, "attribution", model=model, text=CLEAN, target=5, against=7, position=-2)
    assert other["logit"] == pytest.approx(float(logits[-2, 5] - logits[-2, 7]), abs=1e-4)
    assert (other["target_text"], other["against_text"]) == tuple(
        place.lab.open(model).text_of(token) for token in (5, 7)
    )


@pytest.mark.parametrize("model", MODELS)
def test_patches_are_those_of_an_edited_pass(place: SimpleNamespace, model: str) -> None:
    nothing = post(place, "patch", model=model, text=CLEAN, interventions=[])
    ids = ids_of(nothing)
    _, _, logits = plain_pass(place, model, ids)
    assert nothing["before"] == nothing["after"] and nothing["kl"] == 0
    best = logits[-1].softmax(-1).topk(10)
    assert [item["id"] for item in nothing["before"]] == best.indices.tolist()

    zeroed = post(
        place,
        "patch",
        model=model,
        text=CLEAN,
        interventions=[{"part": "head", "layer": 1, "head": 2, "kind": "zero"}],
        targets=[5, 9],
    )

    def zero_head(mixed: torch.Tensor) -> torch.Tensor:
        changed = mixed.clone()
        changed[:, 2] = 0
        return changed

    after = with_edits(place, model, ids, {"blocks.1.attention.mixed": zero_head}).double().log_softmax(-1)
    before = logits[-1].double().log_softmax(-1)
    assert zeroed["kl"] == pytest.approx(float((before.exp() * (before - after)).sum()), abs=1e-5)
    for target in zeroed["targets"]:
        assert target["before"] == pytest.approx(float(before[target["id"]].exp()), abs=1e-5)
        assert target["after"] == pytest.approx(float(after[target["id"]].exp()), abs=1e-5)

    everything = {"part": "residual", "layer": 0, "kind": "patch"}
    whole = post(place, "patch", model=model, text=CLEAN, source_text=CORRUPTED, interventions=[everything])
    source_ids = [token["id"] for token in whole["source_tokens"]]
    _, _, corrupted = plain_pass(place, model, source_ids)
    chances = corrupted[-1].softmax(-1)
    for item in whole["after"]:  # the whole stream replaced: the source's own prediction
        assert item["probability"] == pytest.approx(float(chances[item["id"]]), abs=1e-5)


@pytest.mark.parametrize("model", MODELS)
def test_a_sweep_is_one_patched_pass_for_each_place(place: SimpleNamespace, model: str) -> None:
    asked = {"model": model, "text": CLEAN, "source_text": CORRUPTED, "answer": 5, "wrong": 9}
    found = post(place, "patch/sweep", **asked)
    ids, source = ids_of(found), [token["id"] for token in found["source_tokens"]]
    network, values, clean = plain_pass(place, model, ids)
    _, _, corrupted = plain_pass(place, model, source)
    assert found["clean"] == pytest.approx(float(clean[-1, 5] - clean[-1, 9]), abs=1e-4)
    assert found["corrupted"] == pytest.approx(float(corrupted[-1, 5] - corrupted[-1, 9]), abs=1e-4)
    span = found["clean"] - found["corrupted"]
    assert np.shape(found["values"]) == (network.config.layers, len(ids))
    assert (len(found["rows"]), len(found["columns"])) == (network.config.layers, len(ids))
    differs = next(place for place, pair in enumerate(zip(ids, source, strict=True)) if pair[0] != pair[1])
    for layer, position in ((0, differs), (1, differs), (1, len(ids) - 1)):
        name = f"blocks.{layer}.input"

        def put(stream: torch.Tensor, name: str = name, position: int = position) -> torch.Tensor:
            changed = stream.clone()
            changed[:, position] = values[name][position]
            return changed

        patched = with_edits(place, model, source, {name: put})
        effect = (float(patched[5] - patched[9]) - found["corrupted"]) / span
        assert found["values"][layer][position] == pytest.approx(effect, abs=1e-2)
    by_head = post(place, "patch/sweep", **asked, part="head")
    assert np.shape(by_head["values"]) == (network.config.layers, network.config.heads)
    same = post(place, "patch/sweep", model=model, text=CLEAN, source_text=CLEAN)
    assert {value for row in same["values"] for value in row} == {None}


@pytest.mark.parametrize(
    ("path", "more", "field", "words"),
    [
        ("lens", {"top": 0}, "top", "greater than or equal to 1"),
        ("attribution", {"target": 1024}, "target", "0 to 1023"),
        ("attribution", {"against": -1}, "against", "greater than or equal to 0"),
        ("patch", {"interventions": [{"part": "head", "layer": 0, "kind": "zero"}]}, "head", "0 to 3"),
        (
            "patch",
            {"interventions": [{"part": "head", "layer": 0, "head": 4, "kind": "zero"}]},
            "head",
            "0 to 3",
        ),
        ("patch", {"interventions": [{"part": "ffn", "layer": 4, "kind": "zero"}]}, "layer", "0 to 3"),
        (
            "patch",
            {"interventions": [{"part": "ffn", "layer": 0, "kind": "patch"}]},
            "source_text",
            "source text",
        ),
        (
            "patch",
            {"interventions": [{"part": "ffn", "layer": 0, "kind": "patch"}], "source_text": "Mia"},
            "source_text",
            "1 tokens, the text has 8",
        ),
        ("patch", {"interventions": [], "targets": [1024]}, "targets", "0 to 1023"),
        ("patch", {"interventions": [{"part": "ffn", "kind": "zero"}]}, "interventions.0.layer", "required"),
        ("patch/sweep", {}, "source_text", "needed"),
        ("patch/sweep", {"source_text": "Mia"}, "source_text", "1 tokens, the text has 8"),
        ("patch/sweep", {"source_text": CORRUPTED, "source_ids": [1]}, "source_text", "one of the two"),
        ("patch/sweep", {"source_text": CORRUPTED, "answer": 5, "wrong": 5}, "wrong", "same token"),
        ("patch/sweep", {"source_text": CORRUPTED, "part": "all"}, "part", "residual"),
    ],
)
def test_what_is_wrong_with_a_change_is_named(
    place: SimpleNamespace, path: str, more: dict[str, Any], field: str, words: str
) -> None:
    error = refused(place, path, model="example", text=CLEAN, **more)
    assert error["field"] == field and words in error["message"], error


def test_a_sweep_that_nobody_would_wait_for_is_refused(
    place: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from llm_playground.playground import lab_lens

    monkeypatch.setattr(lab_lens, "MOST_OPERATIONS", 1e6)
    error = refused(place, "patch/sweep", model="example", text=CLEAN, source_text="Leo has a cat. Leo has a")
    assert error["field"] == "text" and "32 places take a pass over 8 tokens" in error["message"]


@pytest.mark.parametrize("model", MODELS)
def test_a_trace_without_room_for_the_maps_is_the_same(
    place: SimpleNamespace, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from llm_playground.transformer.lens import recording

    asked = {"model": model, "position": 4}
    text = "Leo had a red ball."
    whole = post(place, "trace", text=text, **asked)
    monkeypatch.setattr(recording, "MOST_MAP_BYTES", 0)
    lab = ModelLab(place.workspace, place.lab.models, place.lab.catalog.tokenizers)
    monkeypatch.setattr(place.client.app.state.llmp, "lab", lab)
    passes = []
    hidden = TransformerLM.hidden
    monkeypatch.setattr(
        TransformerLM, "hidden", lambda *given, **more: passes.append(1) or hidden(*given, **more)
    )
    bare = post(place, "trace", text=text, **asked)
    assert len(passes) == 2  # one for everything else, one for the rows of all maps
    assert [step["name"] for step in bare["steps"]] == [step["name"] for step in whole["steps"]]
    for one, other in zip(bare["steps"], whole["steps"], strict=True):
        assert one["preview"] == pytest.approx(other["preview"], abs=1e-5), one["name"]
