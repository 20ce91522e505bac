"""Losses as sums: equal to the formula, blind to what is left out, and to how a batch is split."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from llm_playground.transformer.loss import IGNORE, cross_entropy_sum, token_logprobs


def example(seed: int = 0, dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(4, 6, 11, generator=generator, dtype=torch.float64)
    targets = torch.randint(0, 11, (4, 6), generator=generator)
    targets[torch.rand(4, 6, generator=generator) < 0.4] = IGNORE
    return logits.to(dtype), targets


def by_hand(logits: torch.Tensor, targets: torch.Tensor) -> list[float]:
    scores = logits.double().exp()
    return [
        float((scores[row, column, target] / scores[row, column].sum()).log()) if target != IGNORE else 0.0
        for row in range(len(targets))
        for column, target in enumerate(targets[row].tolist())
    ]


@pytest.mark.parametrize(
    ("dtype", "bound"), [(torch.float64, 1e-12), (torch.float32, 1e-5), (torch.bfloat16, 1e-5)]
)
def test_log_probabilities_and_their_sum_are_those_of_the_formula(dtype: torch.dtype, bound: float) -> None:
    logits, targets = example(dtype=dtype)
    expected = by_hand(logits, targets)
    found = token_logprobs(logits, targets)
    assert found.shape == targets.shape and found.flatten().tolist() == pytest.approx(expected, abs=bound)
    total, count = cross_entropy_sum(logits, targets)
    assert total.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert float(total) == pytest.approx(-sum(expected), rel=bound) and count == int(
        (targets != IGNORE).sum()
    )


@given(seed=st.integers(0, 1000), cut=st.integers(1, 3))
def test_parts_add_up_to_the_whole(seed: int, cut: int) -> None:
    logits, targets = example(seed)
    whole, count = cross_entropy_sum(logits, targets)
    first, second = cross_entropy_sum(logits[:cut], targets[:cut]), cross_entropy_sum(
        logits[cut:], targets[cut:]
    )
    assert float(first[0] + second[0]) == pytest.approx(float(whole), abs=1e-10)
    assert first[1] + second[1] == count


def test_what_is_left_out_has_no_loss_and_no_gradient() -> None:
    logits, targets = example()
    logits.requires_grad_()
    cross_entropy_sum(logits, targets)[0].backward()
    assert torch.equal(logits.grad.abs().sum(-1) > 0, targets != IGNORE)
    nothing = torch.full_like(targets, IGNORE)
    total, count = cross_entropy_sum(logits.detach(), nothing)
    assert (float(total), count) == (0.0, 0)
    assert token_logprobs(logits.detach(), nothing).abs().sum() == 0
