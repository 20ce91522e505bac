"""Ablation, patching and sweeps, held against passes whose weights or values are changed by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from llm_playground.core.errors import InputError
from llm_playground.transformer import TransformerLM
from llm_playground.transformer.capture import Capture
from llm_playground.transformer.lens import Intervention, patch, sweep
from llm_playground.transformer.lens.patching import tensor_name

from .lens_models import DECODERS, make, some_ids


def plain(model: TransformerLM, ids: Tensor, **edits: object) -> Tensor:
    with torch.no_grad():
        return model(ids[None], capture=Capture(edits=edits["edits"]) if edits else None)[0]  # type: ignore


@pytest.mark.parametrize("mixture", DECODERS)
def test_zeroing_a_head_is_zeroing_its_columns_of_the_output_projection(mixture: str) -> None:
    model, without = make(mixture), make(mixture)
    ids = some_ids(model)
    size = model.config.head_size
    with torch.no_grad():
        without.blocks[1].attention.output.weight[:, 2 * size : 3 * size] = 0
    found = patch(model, ids, [Intervention("head", 1, "zero", head=2)])
    assert torch.allclose(found.before, plain(model, ids)[-1], atol=1e-5)
    assert torch.allclose(found.after, plain(without, ids)[-1], atol=1e-4)
    p, q = found.before.softmax(-1).double(), found.after.softmax(-1).double()
    assert found.kl == pytest.approx(float((p * (p / q).log()).sum()), abs=1e-5)


def test_zeroing_all_parts_leaves_the_embedding() -> None:
    model = make("llama")
    ids = some_ids(model)
    changes = [Intervention(part, layer, "zero") for layer in range(2) for part in ("attention", "ffn")]
    found = patch(model, ids, changes, position=4)
    with torch.no_grad():
        expected = model.logits(model.final_norm(model.embedding(ids)))[4]
    assert torch.allclose(found.after, expected, atol=1e-5)


@pytest.mark.parametrize("part", ["attention", "ffn", "residual"])
@pytest.mark.parametrize("position", [None, 3, -4])
def test_means_are_over_the_text_and_only_where_asked(part: str, position: int | None) -> None:
    model = make("gpt2")
    ids, name = some_ids(model), tensor_name(part, 1)
    capture = Capture([name])
    with torch.no_grad():
        model(ids[None], capture=capture)
    own = capture.values[name]
    new = own.clone()
    where = slice(None) if position is None else position
    new[:, where] = own.mean(1, keepdim=True).expand_as(own)[:, where]
    found = patch(model, ids, [Intervention(part, 1, "mean", position=position)])
    expected = plain(model, ids, edits={name: lambda value: new})
    assert torch.allclose(found.after, expected[-1], atol=1e-5)


def test_the_mean_of_a_head_is_its_own() -> None:
    model = make("gpt2")
    ids, name = some_ids(model), "blocks.0.attention.mixed"
    capture = Capture([name])
    with torch.no_grad():
        model(ids[None], capture=capture)
    new = capture.values[name].clone()
    new[0, 1] = new[0, 1].mean(0)
    found = patch(model, ids, [Intervention("head", 0, "mean", head=1)])
    assert torch.allclose(found.after, plain(model, ids, edits={name: lambda value: new})[-1], atol=1e-5)


@pytest.mark.parametrize("mixture", DECODERS)
def test_patching_the_whole_stream_brings_the_other_text(mixture: str) -> None:
    model = make(mixture)
    ids, other = some_ids(model), some_ids(model, seed=2)
    found = patch(model, ids, [Intervention("residual", 0, "patch")], source_ids=other)
    assert torch.allclose(found.before, plain(model, ids)[-1], atol=1e-5)
    assert torch.allclose(found.after, plain(model, other)[-1], atol=1e-4)


def test_nothing_changed_is_nothing_said() -> None:
    model = make("neox")
    found = patch(model, some_ids(model), [])
    assert torch.equal(found.before, found.after) and found.kl == 0


def test_changes_are_made_in_order() -> None:
    model = make("llama")
    ids, other = some_ids(model), some_ids(model, seed=2)
    zero, take = Intervention("ffn", 0, "zero"), Intervention("ffn", 0, "patch", position=5)
    both = patch(model, ids, [zero, take], source_ids=other)
    only = patch(model, ids, [take, zero], source_ids=other)
    assert torch.allclose(only.after, patch(model, ids, [zero]).after, atol=1e-6)
    assert not torch.allclose(both.after, only.after, atol=1e-4)


def pair(model: TransformerLM) -> tuple[Tensor, Tensor]:
    clean = some_ids(model, 10)
    corrupted = clean.clone()
    corrupted[[3, 5]] = (corrupted[[3, 5]] + 11) % model.config.vocab_size
    return clean, corrupted


@pytest.mark.parametrize("part", ["residual", "attention", "ffn", "head"])
@pytest.mark.parametrize("mixture", ["llama", "gemma2", "alibi_post", "bert"])
def test_a_sweep_is_its_patches_one_by_one(mixture: str, part: str) -> None:
    model = make(mixture)
    clean, corrupted = pair(model)
    found = sweep(model, clean, corrupted, part, position=-2, answer=4, wrong=9)
    a, b = plain(model, clean)[-2], plain(model, corrupted)[-2]
    assert found.clean == pytest.approx(float(a[4] - a[9]), abs=1e-4)
    assert found.corrupted == pytest.approx(float(b[4] - b[9]), abs=1e-4)
    columns = 4 if part == "head" else 10
    assert found.values.shape == (2, columns) and len(found.columns) == columns
    for layer in range(2):
        for column in range(columns):
            place = {"head": column} if part == "head" else {"position": column}
            change = Intervention(part, layer, "patch", **place)
            after = patch(model, corrupted, [change], source_ids=clean, position=-2).after
            effect = (float(after[4] - after[9]) - found.corrupted) / (found.clean - found.corrupted)
            assert float(found.values[layer, column]) == pytest.approx(effect, abs=2e-3)


def test_sweeps_choose_answers_and_go_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    from llm_playground.transformer.lens import patch_sweep as module

    model = make("gpt2")
    clean, corrupted = pair(model)
    found = sweep(model, clean, corrupted, "residual")
    a, b = plain(model, clean)[-1], plain(model, corrupted)[-1]
    assert found.answer == int(a.argmax())
    assert found.wrong == (int(b.argmax()) if b.argmax() != a.argmax() else None)
    monkeypatch.setattr(module, "_TOKENS_AT_ONCE", 30)
    again = sweep(model, clean, corrupted, "residual")
    assert torch.allclose(found.values, again.values, atol=1e-4)
    assert bool((found.values[:, :3] == 0).all())  # before the texts differ there is nothing to bring back


def test_without_a_wrong_answer_the_metric_is_a_log_probability() -> None:
    model = make("llama")
    clean = some_ids(model, 10)
    corrupted = clean.clone()
    corrupted[0] = (corrupted[0] + 1) % 61
    answer = int(plain(model, corrupted)[-1].argmax())
    found = sweep(model, clean, corrupted, "ffn", answer=answer)
    assert found.wrong is None and found.metric == f"log-probability of token {answer}"
    assert found.clean == pytest.approx(float(plain(model, clean)[-1].log_softmax(-1)[answer]), abs=1e-5)


def test_equal_texts_have_no_effects() -> None:
    model = make("llama")
    ids = some_ids(model)
    found = sweep(model, ids, ids, "residual", answer=1, wrong=2)
    assert found.clean == pytest.approx(found.corrupted)
    assert all(math.isnan(value) for value in found.values.flatten().tolist())


def test_wrong_interventions_are_named() -> None:
    model = make("llama")
    ids = some_ids(model)
    for change, message in [
        (Intervention("head", 0, "zero"), "Say which head: 0 to 3"),
        (Intervention("head", 0, "zero", head=4), "head 4 is out of range: 0 to 3"),
        (Intervention("ffn", 0, "zero", head=1), "head goes with the part head, not ffn"),
        (Intervention("ffn", 2, "zero"), "layer 2 is out of range: 0 to 1"),
        (Intervention("ffn", 0, "zero", position=11), "position 11 is out of range"),
        (Intervention("ffn", 0, "patch"), "needs a source text"),
        (Intervention("nose", 0, "zero"), "no part 'nose'"),
        (Intervention("ffn", 0, "double"), "no kind 'double'"),
    ]:
        with pytest.raises(InputError, match=message):
            patch(model, ids, [change])
    with pytest.raises(InputError, match="source text has 4 tokens, the text has 11"):
        patch(model, ids, [Intervention("ffn", 0, "patch")], source_ids=ids[:4])
    with pytest.raises(InputError, match="source text has 4 tokens"):
        sweep(model, ids, ids[:4], "ffn")
    with pytest.raises(InputError, match="wrong 61 is out of range"):
        sweep(model, ids, some_ids(model, seed=3), "ffn", answer=1, wrong=61)
    with pytest.raises(InputError, match="wrong is the same token as answer"):
        sweep(model, ids, some_ids(model, seed=3), "ffn", answer=1, wrong=1)
