"""The load balancing of experts as part of the loss."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from llm_playground.post_training.sft import AnswerTokens, ConversationBatches
from llm_playground.training.balance import balance_loss, balance_weight
from llm_playground.training.engine import accumulate
from llm_playground.training.execution import activation_checkpointing
from llm_playground.training.pretrain import NextToken
from llm_playground.transformer import ModelConfig, TransformerLM
from llm_playground.transformer.loss import cross_entropy_sum

SHAPE = {"vocab_size": 40, "context_length": 16, "width": 16, "layers": 2, "heads": 2, "init_std": 0.3}
WEIGHT = 0.25


def experts() -> TransformerLM:
    torch.manual_seed(0)
    return TransformerLM(
        ModelConfig(**{**SHAPE, "experts": 3, "expert_balance": WEIGHT})  # type: ignore[arg-type]
    ).double()


def pretraining(weight: float) -> NextToken:
    ids = torch.randint(0, 40, (8, 9), generator=torch.Generator().manual_seed(2)).numpy()
    loader = SimpleNamespace(
        batch=lambda cursor, size: (ids[cursor : cursor + size, :-1], ids[cursor : cursor + size, 1:]),
        samples_per_epoch=8,
        bytes_per_token=1.0,
    )
    return NextToken(loader, loader, 1, 8, weight)  # type: ignore[arg-type]


def fine_tuning(weight: float) -> AnswerTokens:
    rows = [
        ([1 + (3 * row + place) % 39 for place in range(6 + row)], [0, 0] + [1] * (4 + row))
        for row in range(8)
    ]
    return AnswerTokens(ConversationBatches(rows, 8, 0, pad_id=0), rows, 8, weight)


@pytest.mark.parametrize("make_objective", [pretraining, fine_tuning])
@pytest.mark.parametrize("micro", [None, 3])
def test_it_is_added_with_its_weight_and_micro_batches_weigh_by_their_tokens(make_objective, micro) -> None:
    objective, model = make_objective(WEIGHT), experts()
    batch = objective.batch(0, 8)
    total = objective.counts(batch)["cross_entropy"]
    wanted, balance = torch.zeros((), dtype=torch.float64), 0.0
    for start in range(0, 8, micro or 8):
        part = {name: value[start : start + (micro or 8)] for name, value in batch.items()}
        summed, count = cross_entropy_sum(model(part["inputs"]), part["targets"])
        assert model.balance_loss is not None
        wanted = wanted + summed / total + WEIGHT * model.balance_loss * count / total
        balance += float(model.balance_loss.detach()) * count / total
    gradients = torch.autograd.grad(wanted, list(model.parameters()))
    means = accumulate(model, objective, batch, micro)
    assert means["loss"] == pytest.approx(float(wanted), rel=1e-12)
    assert means["expert_balance"] == pytest.approx(balance, rel=1e-12)
    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)


@pytest.mark.parametrize("make_objective", [pretraining, fine_tuning])
def test_without_a_weight_there_is_no_such_term_and_validation_has_none(make_objective) -> None:
    objective, model = make_objective(0.0), experts()
    means = accumulate(model, objective, objective.batch(0, 8), None)
    assert means.keys() == {"cross_entropy", "loss"} and means["loss"] == means["cross_entropy"]
    weighted = make_objective(WEIGHT)
    with torch.no_grad():
        assert weighted.evaluate(model.eval()) == objective.evaluate(model)


def test_it_is_found_in_whatever_the_model_is_wrapped_in() -> None:
    model = experts()
    wrapped = nn.Sequential(model)
    assert balance_loss(wrapped) is None
    wrapped(torch.zeros(1, 4, dtype=torch.long))
    assert balance_loss(wrapped) is not None and float(balance_loss(wrapped)) == float(model.balance_loss)  # type: ignore[arg-type]
    assert balance_weight(model.config) == WEIGHT
    assert balance_weight(ModelConfig(**SHAPE)) == 0.0  # type: ignore[arg-type]


def test_recomputed_blocks_have_the_same_balance_and_gradients() -> None:
    objective, found = pretraining(WEIGHT), []
    for mode in ("none", "full"):
        model = experts()
        with activation_checkpointing(model, mode):
            means = accumulate(model, objective, objective.batch(0, 8), 4)
        found.append((means, [parameter.grad for parameter in model.parameters()]))
    assert found[0][0] == found[1][0]
    for mine, other in zip(found[0][1], found[1][1], strict=True):
        torch.testing.assert_close(mine, other, rtol=0, atol=0)
