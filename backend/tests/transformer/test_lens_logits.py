"""The logit lens and direct attribution, held against the plain forward pass and sums written out."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from llm_playground.core.errors import InputError
from llm_playground.transformer.capture import Capture
from llm_playground.transformer.lens import attribute_logit, logit_lens, record
from llm_playground.transformer.lens.layer_readings import layer_logits

from .lens_models import DECODERS, MIXTURES, make, some_ids


@pytest.mark.parametrize("mixture", MIXTURES)
def test_the_last_layer_says_what_the_model_says(mixture: str) -> None:
    model = make(mixture)
    ids = some_ids(model)
    found = record(model, ids)
    with torch.no_grad():
        logits = model(ids[None])[0]
    assert torch.equal(layer_logits(found, "blocks.1.output"), found.logits)
    assert torch.allclose(found.logits, logits, atol=1e-5)
    lens = logit_lens(found, top=3)
    assert [layer.title for layer in lens.layers] == ["Embedding", "Layer 0", "Layer 1"]
    last = lens.layers[-1]
    assert torch.equal(last.top_ids[:, 0], found.logits.argmax(-1))
    assert torch.allclose(last.kl_to_final, torch.zeros(len(ids)), atol=1e-6)
    if model.config.architecture == "decoder":
        loss = F.cross_entropy(logits[:-1], ids[1:], reduction="none")
        assert torch.allclose(last.target_probability[:-1], (-loss).exp(), atol=1e-5)
        assert last.to_dict()["positions"][-1]["target_rank"] is None
        assert last.to_dict()["positions"][-1]["target_probability"] is None
    else:
        assert "encoder" in lens.note or "both sides" in lens.note
        own = logits.softmax(-1).gather(-1, ids[:, None])[:, 0]
        assert torch.allclose(last.target_probability, own, atol=1e-5)


@pytest.mark.parametrize("mixture", ["llama", "gemma2", "alibi_post", "neox"])
def test_every_layer_is_read_through_norm_and_head(mixture: str) -> None:
    model = make(mixture)
    ids, config = some_ids(model), model.config
    capture = Capture(["blocks.0.input", "blocks.*.output", "logits"])
    with torch.no_grad():
        model(ids[None], capture=capture)
        final = capture.values["logits"][0].log_softmax(-1)
        lens = logit_lens(record(model, ids), top=4)
        for layer in lens.layers:
            x = capture.values[layer.name][0]
            x = x if model.final_norm is None else model.final_norm(x)
            weight = model.embedding.weight if model.head is None else model.head.weight
            logits = x @ weight.T
            if config.logit_softcap:
                logits = config.logit_softcap * torch.tanh(logits / config.logit_softcap)
            p = logits.softmax(-1)
            assert torch.allclose(layer.top_probabilities, p.topk(4).values, atol=1e-5)
            assert torch.allclose(layer.entropy, torch.special.entr(p).sum(-1), atol=1e-4)
            kl = F.kl_div(p.log(), final, log_target=True, reduction="none").sum(-1)
            assert torch.allclose(layer.kl_to_final, kl, atol=1e-4)
            order = logits[:-1].argsort(-1, descending=True)
            ranks = (order == ids[1:, None]).int().argmax(-1) + 1
            assert torch.equal(layer.target_rank[:-1], ranks) and layer.target_rank[-1] == 0


def test_long_texts_are_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    from llm_playground.transformer.lens import layer_readings as module

    found = record(make("gpt2"), some_ids(make("gpt2")))
    whole = logit_lens(found)
    monkeypatch.setattr(module, "_MOST_LOGITS", 61 * 3)
    for one, other in zip(whole.layers, logit_lens(found).layers, strict=True):
        assert torch.equal(one.top_ids, other.top_ids)
        assert torch.allclose(one.kl_to_final, other.kl_to_final, atol=1e-5)
    with pytest.raises(InputError, match="top 0 is out of range"):
        logit_lens(found, top=0)


@pytest.mark.parametrize("mixture", DECODERS)
@pytest.mark.parametrize("against", [None, 7])
def test_the_components_add_up_to_the_logit(mixture: str, against: int | None) -> None:
    model = make(mixture)
    ids, config = some_ids(model), model.config
    found = record(model, ids)
    for position in (0, 4, -1):
        told = attribute_logit(found, position, target=3, against=against)
        with torch.no_grad():
            logits = model(ids[None])[0, position]
        expected = float(logits[3] - (0 if against is None else logits[against]))
        assert told.logit == pytest.approx(expected, abs=1e-5)
        assert told.sum + told.rest == pytest.approx(told.logit, abs=1e-9)
        assert abs(told.rest) < 1e-4
        assert sum(c.value for c in told.components) == pytest.approx(told.sum)
        heads = [(c.layer, c.head) for c in told.components if c.head is not None]
        assert heads == [(layer, head) for layer in range(config.layers) for head in range(config.heads)]
        assert len([c for c in told.components if c.name.endswith("ffn.output")]) == config.layers
    assert attribute_logit(found).target == int(logits.argmax())


def test_a_component_is_what_its_removal_takes_from_the_frozen_logit() -> None:
    """For RMS norms: with the last norm's deviation held, zeroing a head's write lowers the logit by it."""
    model = make("llama")
    ids = some_ids(model)
    found = record(model, ids)
    told = attribute_logit(found, 6, target=9)
    stream = found.tensor("blocks.1.output", 6).double()
    deviation = (stream.square().mean() + model.config.norm_eps).sqrt()
    mixed = found.tensor("blocks.1.attention.mixed", 6).double()
    size = model.config.head_size
    for head in range(4):
        weight = model.blocks[1].attention.output.weight[:, head * size : (head + 1) * size].double()
        write = weight.detach() @ mixed[head]
        row = model.embedding.weight[9].detach().double() * model.final_norm.weight.detach().double()
        [value] = [c.value for c in told.components if (c.layer, c.head) == (1, head)]
        assert value == pytest.approx(float(row @ (write / deviation)), abs=1e-6)


def test_layernorm_centering_is_part_of_a_share() -> None:
    """What is the same in all channels is taken off by a LayerNorm, and so adds nothing."""
    model = make("gpt2")
    with torch.no_grad():
        model.position_embedding.weight.fill_(5.0)
    told = attribute_logit(record(model, some_ids(model)), 3)
    [share] = [c.value for c in told.components if c.name == "position_embedding"]
    assert share == pytest.approx(0, abs=1e-9) and abs(told.rest) < 1e-4


def test_what_cannot_be_divided_is_refused() -> None:
    bert = record(make("bert"), some_ids(make("bert")))
    with pytest.raises(InputError, match="an activation stands before the head"):
        attribute_logit(bert)
    found = record(make("llama"), some_ids(make("llama")))
    with pytest.raises(InputError, match="target 61 is out of range: 0 to 60"):
        attribute_logit(found, target=61)
    with pytest.raises(InputError, match="position -12 is out of range"):
        attribute_logit(found, -12)
    assert math.isfinite(attribute_logit(found).logit)
