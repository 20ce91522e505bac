"""The steps of a token and the origin of every number, held against the plain forward pass."""

from __future__ import annotations

import random

import pytest
import torch

from llm_playground.core.errors import InputError
from llm_playground.transformer.capture import Capture
from llm_playground.transformer.lens import recording as recording_module
from llm_playground.transformer.lens.explain import Place, explain_value
from llm_playground.transformer.lens.recording import Recording, heads_of, record
from llm_playground.transformer.lens.trace import trace_token

from .lens_models import DECODERS, MIXTURES, make, some_ids


def recorded(name: str) -> Recording:
    model = make(name)
    ids = some_ids(model)
    segments = torch.arange(len(ids))[None] // 6 if model.config.segments else None
    return record(model, ids, segment_ids=segments)


def places(found: Recording, name: str, count: int, draw: random.Random) -> list[Place]:
    heads = heads_of(found.model.config, name)
    chosen = []
    for _ in range(count):
        position = draw.randrange(found.time)
        head = None if heads is None else draw.randrange(heads)
        size = len(found.tensor(name, position, head))
        chosen.append(Place(name, position, draw.randrange(size), head))
    return chosen


def number(found: Recording, place: Place) -> float:
    return float(found.tensor(place.name, place.position, place.head)[place.index])


@pytest.mark.parametrize("mixture", MIXTURES)
def test_every_number_is_the_sum_of_what_made_it(mixture: str) -> None:
    found, draw = recorded(mixture), random.Random(3)
    for name in found.names:
        for place in places(found, name, 6, draw):
            told = explain_value(found, place.name, place.position, place.index, place.head)
            value = float(found.tensor(name, place.position, place.head)[place.index])
            assert told.value == value
            assert told.sum == pytest.approx(value, rel=1e-4, abs=2e-5), (place, told)
            parts = sum(term.factor_a * term.factor_b for term in told.terms) + told.rest + told.bias
            assert parts == pytest.approx(told.sum, abs=1e-9)
            assert [abs(term.product) for term in told.terms] == sorted(
                (abs(term.product) for term in told.terms), reverse=True
            )


@pytest.mark.parametrize("mixture", MIXTURES)
def test_sources_are_the_factors_they_say(mixture: str) -> None:
    """A factor with a source is that number of the pass (but for softmax, which raises e to it)."""
    found, draw = recorded(mixture), random.Random(4)
    for name in found.names:
        for place in places(found, name, 3, draw):
            told = explain_value(found, place.name, place.position, place.index, place.head)
            if told.operation in ("softmax", "masked"):
                continue
            for term in told.terms:
                if term.source is not None:
                    assert term.factor_a == pytest.approx(number(found, term.source), abs=1e-6)
            # The second factor is a number of the pass, too, in scores (scaled) and in mixed values.
            others = [(t.factor_b, number(found, t.source_b)) for t in told.terms if t.source_b is not None]
            assert bool(others) == name.endswith((".scores", ".mixed"))
            if others:
                scale = others[0][0] / others[0][1]
                assert [b for b, _ in others] == pytest.approx([scale * v for _, v in others], rel=1e-4)
                assert name.endswith(".scores") or scale == pytest.approx(1)


def test_a_logit_walks_back_to_the_embedding() -> None:
    found = recorded("gemma2")
    place: Place | None = Place("logits", 8, 5)
    seen = []
    while place is not None:
        told = explain_value(found, place.name, place.position, place.index, place.head)
        seen.append(place.name)
        place = told.terms[0].source if told.terms else None
    assert seen[0] == "logits" and seen[-1] == "embedding"
    assert told.operation == "lookup"


@pytest.mark.parametrize("mixture", MIXTURES)
def test_steps_have_the_numbers_of_the_pass(mixture: str) -> None:
    found = recorded(mixture)
    model, ids = found.model, found.ids
    trace = trace_token(found, -3, top=4)
    assert trace.position == found.time - 3
    capture = Capture([step.name for step in trace.steps if step.name != "probabilities"])
    with torch.no_grad():
        logits = model(ids[None], capture=capture, segment_ids=found.segment_ids)
        plain = model(ids[None], segment_ids=found.segment_ids)[0]
    assert torch.allclose(found.logits, plain, atol=1e-5)
    order = list(capture.values)
    assert [step.name for step in trace.steps][:-1] == order
    for step in trace.steps[:-1]:
        value = capture.values[step.name][0]
        value = value[:, -3] if heads_of(model.config, step.name) else value[-3]
        assert step.shape == tuple(value.shape)
        assert step.preview == pytest.approx(value.flatten()[:32].tolist())
        assert step.norm == pytest.approx(float(value.norm()), rel=1e-5)
        assert step.std == pytest.approx(float(value.std(correction=0)), rel=1e-4, abs=1e-6)
        assert step.title and step.formula and step.source
    chances = logits[0, -3].softmax(-1)
    assert [p.id for p in trace.predictions] == chances.topk(4).indices.tolist()
    assert [p.probability for p in trace.predictions] == pytest.approx(chances.topk(4).values.tolist())
    assert trace.predictions[0].logit == pytest.approx(float(logits[0, -3].max()))


@pytest.mark.parametrize("mixture", ["llama", "gemma2"])
def test_maps_too_large_to_keep_are_made_again(mixture: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = recorded(mixture)
    monkeypatch.setattr(recording_module, "MOST_MAP_BYTES", 0)
    lean = recorded(mixture)
    assert lean.names == whole.names
    assert "blocks.1.attention.weights" not in lean.values
    for name in ("blocks.1.attention.weights", "blocks.0.attention.scores"):
        assert torch.allclose(lean.value(name), whole.value(name), atol=1e-6)
    told = explain_value(lean, "blocks.1.attention.weights", 6, 2, 1)
    assert told.sum == pytest.approx(float(whole.value("blocks.1.attention.weights")[1, 6, 2]), abs=1e-6)


def test_what_is_asked_wrongly_is_named() -> None:
    found = recorded("llama")
    for arguments, message in [
        (("blocks.0.attention.q", 0, 0), "4 heads: say which. head is 0 to 3"),
        (("blocks.0.attention.k", 0, 0, 2), "head 2 is out of range: 0 to 1"),
        (("blocks.7.output", 0, 0), "layers are 0 to 1"),
        (("nonsense", 0, 0), "no tensor 'nonsense'"),
        (("final_norm", 11, 0), "position 11 is out of range: -11 to 10"),
        (("final_norm", 0, 24), "index 24 is out of range: 0 to 23"),
        (("final_norm", 0, 0, 0), "final_norm has no heads"),
    ]:
        with pytest.raises(InputError, match=message.replace(".", r"\.")):
            explain_value(found, *arguments)
    with pytest.raises(InputError, match="11 is out of range"):
        trace_token(found, 11)
    model = found.model
    for ids, message in [
        (torch.zeros(25, dtype=torch.long), "25 tokens long; the model's context holds 24"),
        (torch.tensor([3, 61]), "Token id 61 is not among the model's 61"),
        (torch.zeros(0, dtype=torch.long), "One row of token ids"),
        (torch.zeros(2, 3, dtype=torch.long), "One row of token ids"),
    ]:
        with pytest.raises(InputError, match=message):
            record(model, ids)


def test_looking_leaves_the_model_as_it_was() -> None:
    model = make(DECODERS[0])
    model.train()
    state = {key: value.clone() for key, value in model.state_dict().items()}
    found = record(model, some_ids(model))
    explain_value(found, "logits", 0, 0)
    assert model.training
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
