"""How a step's batch is split must not change its loss or its gradients."""

from __future__ import annotations

import math
import random
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from llm_playground.post_training.sft import AnswerTokens, ConversationBatches
from llm_playground.training import Term
from llm_playground.training.engine import accumulate
from llm_playground.training.pretrain import NextToken
from llm_playground.transformer import ModelConfig, TransformerLM
from llm_playground.transformer.loss import IGNORE

ROWS = 8


def pretraining() -> NextToken:
    ids = torch.randint(0, 60, (ROWS, 25), generator=torch.Generator().manual_seed(2)).numpy()
    loader = SimpleNamespace(
        batch=lambda cursor, size: (ids[cursor : cursor + size, :-1], ids[cursor : cursor + size, 1:]),
        samples_per_epoch=ROWS,
        bytes_per_token=2.0,
    )
    return NextToken(loader, loader, 1, ROWS)  # type: ignore[arg-type]


def fine_tuning() -> AnswerTokens:
    """Conversations of 3 to 30 tokens, of which one token to nearly all are the assistant's."""
    rng = random.Random(4)
    rows = []
    for length in (3, 30, 5, 17, 4, 24, 9, 12):
        answer = rng.randint(1, length - 1)
        rows.append(([rng.randrange(60) for _ in range(length)], [0] * (length - answer) + [1] * answer))
    return AnswerTokens(ConversationBatches(rows, ROWS, 0, pad_id=0), rows, ROWS)


def make(dtype: torch.dtype) -> TransformerLM:
    torch.manual_seed(0)
    shape = {"vocab_size": 60, "context_length": 32, "width": 32, "layers": 2, "heads": 4, "init_std": 0.1}
    return TransformerLM(ModelConfig(**shape)).to(dtype)


def step(objective, dtype: torch.dtype, micro: int | None) -> tuple[dict[str, float], dict[str, Tensor]]:
    model = make(dtype)
    means = accumulate(model, objective, objective.batch(0, ROWS), micro)
    return means, {name: parameter.grad for name, parameter in model.named_parameters()}


def difference(mine: Tensor, other: Tensor) -> float:
    return float((mine - other).norm() / other.norm())


@pytest.mark.parametrize("make_objective", [pretraining, fine_tuning])
@pytest.mark.parametrize(("dtype", "bound"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
@pytest.mark.parametrize("micro", [1, 2, 3, 4, 5])
def test_any_split_of_a_batch_gives_the_same_loss_and_gradients(
    make_objective, dtype: torch.dtype, bound: float, micro: int
) -> None:
    means, gradients = step(make_objective(), dtype, micro)
    whole_means, whole = step(make_objective(), dtype, None)
    assert means["loss"] == pytest.approx(whole_means["loss"], rel=bound, abs=0)
    assert gradients.keys() == whole.keys()
    for name, gradient in gradients.items():
        assert gradient.dtype == dtype and float(whole[name].norm()) > 0
        assert difference(gradient, whole[name]) < bound, name


@pytest.mark.parametrize("make_objective", [pretraining, fine_tuning])
def test_the_gradient_is_that_of_the_mean_over_all_counted_tokens(make_objective) -> None:
    objective, model = make_objective(), make(torch.float64)
    batch = objective.batch(0, ROWS)
    logprobs = model(batch["inputs"]).log_softmax(-1)
    counted = batch["targets"] != IGNORE
    picked = logprobs.gather(-1, batch["targets"].clamp(min=0).unsqueeze(-1)).squeeze(-1)
    loss = -picked[counted].mean()
    loss.backward()
    means, gradients = step(objective, torch.float64, 2)
    assert means["cross_entropy"] == means["loss"] == pytest.approx(loss.item(), rel=1e-12)
    for name, parameter in model.named_parameters():
        assert difference(gradients[name], parameter.grad) < 1e-10, name


class TwoTerms:
    """Terms with counts and weights of their own; the second counts only some rows."""

    def batch(self, cursor: int, size: int) -> dict[str, Tensor]:
        values = torch.arange(1.0, 1 + size, dtype=torch.float64)
        return {"x": values, "chosen": values % 3 == 0}

    def counts(self, batch: dict[str, Tensor]) -> dict[str, int]:
        return {"all": len(batch["x"]), "some": int(batch["chosen"].sum())}

    def loss(self, model, batch: dict[str, Tensor]) -> dict[str, Term]:
        values = batch["x"] * model.weight
        some = (values * batch["chosen"]).square().sum()
        return {"all": Term(values.sum(), len(values)), "some": Term(some, int(batch["chosen"].sum()), 0.5)}


@pytest.mark.parametrize("micro", [1, 2, 3, 7, 8, None])
def test_terms_are_divided_by_their_own_counts_and_weighted(micro: int | None) -> None:
    model = torch.nn.Module()
    model.weight = torch.nn.Parameter(torch.tensor(2.0, dtype=torch.float64))
    means = accumulate(model, TwoTerms(), TwoTerms().batch(0, 8), micro)  # type: ignore[arg-type]
    assert means == pytest.approx({"all": 9.0, "some": 90.0, "loss": 54.0})
    assert float(model.weight.grad) == pytest.approx(4.5 + 0.5 * 2 * 2 * 45 / 2)


def test_a_batch_without_anything_to_count_has_loss_zero() -> None:
    rows = [([1, 2, 3], [0, 0, 0])] * ROWS
    objective = AnswerTokens(ConversationBatches(rows, ROWS, 0, 0), [], 0)
    means, gradients = step(objective, torch.float32, 4)
    assert means["loss"] == 0.0 and not math.isnan(means["loss"])
    assert all(float(gradient.norm()) == 0 for gradient in gradients.values())
    assert objective.evaluate(make(torch.float32)) == {}
