"""Optimizers against PyTorch's own and against formulas written out in float64; which weights get what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy
import pytest
import torch
from torch import Tensor, nn

from llm_playground.core import ConfigError
from llm_playground.core.config import parse_config
from llm_playground.training import TrainingConfig
from llm_playground.training.optimizers import Lion, Muon, make_optimizer, orthogonalize
from llm_playground.transformer import ModelConfig, TransformerLM

SHAPE = {"vocab_size": 32, "context_length": 16, "width": 16, "layers": 2, "heads": 2, "kv_heads": 1}


def gradients(shapes: list[tuple[int, ...]], steps: int, seed: int = 1) -> list[list[Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    return [[torch.randn(shape, generator=generator) for shape in shapes] for _ in range(steps)]


def starts(shapes: list[tuple[int, ...]]) -> list[Tensor]:
    return gradients(shapes, 1, seed=2)[0]


def run(
    shapes: list[tuple[int, ...]],
    make: Callable[[list[nn.Parameter]], torch.optim.Optimizer],
    steps: int = 5,
) -> list[Tensor]:
    """Return the parameters after some steps with random gradients."""
    parameters = [nn.Parameter(start.clone()) for start in starts(shapes)]
    optimizer = make(parameters)
    for step in gradients(shapes, steps):
        for parameter, gradient in zip(parameters, step, strict=True):
            parameter.grad = gradient.clone()
        optimizer.step()
    return [parameter.detach() for parameter in parameters]


def newton_schulz(matrix: numpy.ndarray, steps: int = 5) -> numpy.ndarray:
    x = matrix / (numpy.linalg.norm(matrix) + 1e-7)
    for _ in range(steps):
        gram = x @ x.T
        x = 3.4445 * x - 4.7750 * gram @ x + 2.0315 * gram @ gram @ x
    return x


def muon_by_hand(
    start: Tensor,
    steps: list[Tensor],
    *,
    rate: float,
    momentum: float,
    decay: float,
    rows: tuple[int, ...] | None = None,
) -> numpy.ndarray:
    """Muon of one matrix in float64, its parts (of so many rows) each on their own."""
    weight, memory = start.double().numpy().copy(), numpy.zeros(start.shape)
    cuts = numpy.cumsum(rows or (start.shape[0],))[:-1]
    for tensor in steps:
        gradient = tensor.double().numpy()
        memory = momentum * memory + gradient
        parts = numpy.split(gradient + momentum * memory, cuts)
        update = numpy.concatenate(
            [newton_schulz(part) * max(1.0, part.shape[0] / part.shape[1]) ** 0.5 for part in parts]
        )
        weight = weight * (1 - rate * decay) - rate * update
    return weight


@pytest.mark.parametrize("shape", [(6, 9), (9, 6), (8, 8), (3, 40), (40, 3)])
def test_muon_is_the_papers_formula(shape: tuple[int, int]) -> None:
    shapes: list[tuple[int, ...]] = [shape, shape, (5, 7)]  # two of one shape are worked on together
    found = run(
        shapes,
        lambda p: Muon([{"params": p, "muon": True}], lr=0.02, momentum=0.9, weight_decay=0.3),
    )
    for index, start in enumerate(starts(shapes)):
        steps = [step[index] for step in gradients(shapes, 5)]
        wanted = muon_by_hand(start, steps, rate=0.02, momentum=0.9, decay=0.3)
        assert numpy.abs(found[index].numpy() - wanted).max() < 1e-5


def test_stacked_matrices_and_fused_ones_are_matrices_of_their_own() -> None:
    shapes: list[tuple[int, ...]] = [(3, 8, 6), (12, 5)]
    found = run(
        shapes,
        lambda p: Muon([{"params": p, "muon": True}], lr=0.1, splits={p[0]: (4, 4), p[1]: (6, 3, 3)}),
    )
    for expert in range(3):
        wanted = muon_by_hand(
            starts(shapes)[0][expert],
            [step[0][expert] for step in gradients(shapes, 5)],
            rate=0.1,
            momentum=0.95,
            decay=0.0,
            rows=(4, 4),
        )
        assert numpy.abs(found[0][expert].numpy() - wanted).max() < 3e-5
    wanted = muon_by_hand(
        starts(shapes)[1],
        [step[1] for step in gradients(shapes, 5)],
        rate=0.1,
        momentum=0.95,
        decay=0.0,
        rows=(6, 3, 3),
    )
    assert numpy.abs(found[1].numpy() - wanted).max() < 3e-5


def test_orthogonalizing_keeps_the_singular_vectors_and_brings_their_values_near_one() -> None:
    matrix = torch.randn(20, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    inside = u.mT @ orthogonalize(matrix) @ v.mT
    values = inside.diagonal()
    assert (inside - torch.diag(values)).abs().max() < 1e-9
    assert float(values.min()) > 0.65 and float(values.max()) < 1.25


def test_muon_gives_all_other_weights_to_torchs_adamw() -> None:
    shapes: list[tuple[int, ...]] = [(6, 4), (7, 5), (9,)]
    options = {"betas": (0.8, 0.9), "eps": 1e-7}

    def make(p: list[nn.Parameter]) -> Muon:
        groups = [
            {"params": [p[0]], "muon": True},
            {"params": [p[1]], "lr": 0.03, "weight_decay": 0.2},
            {"params": [p[2]], "lr": 0.03},
        ]
        return Muon(groups, **options)  # type: ignore[arg-type]

    def reference(p: list[nn.Parameter]) -> torch.optim.AdamW:
        groups = [{"params": [p[1]], "weight_decay": 0.2}, {"params": [p[2]], "weight_decay": 0.0}]
        return torch.optim.AdamW(groups, lr=0.03, fused=True, **options)  # type: ignore[arg-type]

    found, wanted = run(shapes, make), run(shapes, reference)
    assert torch.equal(found[1], wanted[1]) and torch.equal(found[2], wanted[2])
    assert not torch.equal(found[0], starts(shapes)[0])


def test_lion_is_the_papers_algorithm() -> None:
    shapes: list[tuple[int, ...]] = [(4, 3), (5,)]
    found = run(shapes, lambda p: Lion(p, lr=0.01, betas=(0.9, 0.95), weight_decay=0.5))
    for index, start in enumerate(starts(shapes)):
        weight, memory = start.double(), torch.zeros_like(start).double()
        for step in gradients(shapes, 5):
            gradient = step[index].double()
            update = torch.sign(0.9 * memory + 0.1 * gradient)
            weight = weight - 0.01 * (update + 0.5 * weight)
            memory = 0.95 * memory + 0.05 * gradient
        assert (found[index] - weight).abs().max() < 1e-6


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_adamw_and_sgd_are_torchs(name: str) -> None:
    """Bit for bit the fused kernels, and within rounding PyTorch's plainest loop over the weights."""
    config = TrainingConfig(
        optimizer=name, momentum=0.8, beta1=0.7, beta2=0.9, eps=1e-6, weight_decay=0.3  # type: ignore[arg-type]
    )
    model = nn.Sequential(nn.Linear(5, 4), nn.LayerNorm(4))
    shapes = [tuple(parameter.shape) for parameter in model.parameters()]

    def mine(p: list[nn.Parameter]) -> torch.optim.Optimizer:
        return make_optimizer(nn.ParameterList(p), config)

    def theirs(p: list[nn.Parameter], **options: Any) -> torch.optim.Optimizer:
        groups = [
            {"params": [x for x in p if x.dim() == 2], "weight_decay": 0.3},
            {"params": [x for x in p if x.dim() < 2], "weight_decay": 0.0},
        ]
        if name == "adamw":
            return torch.optim.AdamW(groups, lr=2e-3, betas=(0.7, 0.9), eps=1e-6, **options)
        return torch.optim.SGD(groups, lr=2e-3, momentum=0.8, **options)

    found = run(shapes, mine)
    for parameter, other in zip(found, run(shapes, lambda p: theirs(p, fused=True)), strict=True):
        assert torch.equal(parameter, other)
    for parameter, other in zip(found, run(shapes, lambda p: theirs(p, foreach=False)), strict=True):
        torch.testing.assert_close(parameter, other)


@pytest.mark.parametrize("name", ["adamw", "muon", "sgd", "lion"])
@pytest.mark.parametrize("changes", [{"norm": "layernorm", "bias": True}, {"experts": 2}])
def test_every_weight_is_in_one_group_and_only_matrices_decay(name: str, changes: dict[str, Any]) -> None:
    model = TransformerLM(ModelConfig(**{**SHAPE, **changes}))  # type: ignore[arg-type]
    groups = make_optimizer(
        model, TrainingConfig(optimizer=name, weight_decay=0.3)  # type: ignore[arg-type]
    ).param_groups
    held = [parameter for group in groups for parameter in group["params"]]
    assert len(held) == len(set(held)) == len(list(model.parameters()))
    for group in groups:
        assert {parameter.dim() >= 2 for parameter in group["params"]} == {group["weight_decay"] > 0}


def test_muon_trains_the_blocks_matrices_alone_at_a_rate_of_their_own() -> None:
    model = TransformerLM(ModelConfig(**{**SHAPE, "tied_embeddings": False}))  # type: ignore[arg-type]
    names = {parameter: name for name, parameter in model.named_parameters()}
    optimizer = make_optimizer(model, TrainingConfig(optimizer="muon", learning_rate=3e-3))
    assert isinstance(optimizer, Muon)
    chosen = {names[p] for group in optimizer.param_groups if group["muon"] for p in group["params"]}
    parts = ("attention.qkv", "attention.output", "ffn.up", "ffn.down")
    assert chosen == {f"blocks.{layer}.{part}.weight" for layer in range(2) for part in parts}
    assert {group["peak_lr"] for group in optimizer.param_groups} == {3e-2, 3e-3}
    assert {names[p]: rows for p, rows in optimizer.splits.items()} == {
        f"blocks.{layer}.{part}.weight": rows
        for layer in range(2)
        for part, rows in (("attention.qkv", (16, 8, 8)), ("ffn.up", (model.config.hidden_width,) * 2))
    }
    given = TrainingConfig(optimizer="muon", muon_learning_rate=0.05)
    assert make_optimizer(model, given).param_groups[0]["peak_lr"] == 0.05


def test_frozen_weights_get_no_optimizer() -> None:
    model = TransformerLM(ModelConfig(**SHAPE))  # type: ignore[arg-type]
    model.embedding.weight.requires_grad_(False)
    for name in ("adamw", "muon"):
        groups = make_optimizer(model, TrainingConfig(optimizer=name)).param_groups  # type: ignore[arg-type]
        assert all(p is not model.embedding.weight for group in groups for p in group["params"])


def test_muon_without_blocks_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        make_optimizer(nn.Linear(3, 3), TrainingConfig(optimizer="muon"))
    assert str(caught.value) == (
        "optimizer: muon trains the matrices of a model's blocks, and this model has none to train. "
        "Use adamw."
    )
    assert caught.value.field == "optimizer"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"muon_learning_rate": 0.02}, "muon_learning_rate goes with optimizer muon, not adamw"),
        ({"use_ema_weights": True}, "use_ema_weights needs ema_decay, the memory of the average"),
        (
            {"schedule": "cosine_restarts", "restarts": 4, "steps": 20, "warmup_steps": 12},
            "restarts (4) need at least 10 steps after the warm-up; "
            "steps (20) less warmup_steps (12) leaves 8",
        ),
        ({"ema_decay": 1.0}, "ema_decay: input should be less than 1 (got 1.0)"),
        (
            {"optimizer": "adam"},
            "optimizer: input should be 'adamw', 'muon', 'sgd' or 'lion' (got 'adam')",
        ),
    ],
)
def test_settings_that_do_not_go_together_are_named(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(TrainingConfig, values)
    assert caught.value.message == f"The configuration is wrong: {message}."


def test_every_setting_stands_under_a_heading_of_the_form() -> None:
    from llm_playground.training.config import GROUPS

    properties = TrainingConfig.model_json_schema()["properties"]
    assert {entry["group"] for entry in properties.values()} == set(GROUPS)
    assert all(entry["description"] for entry in properties.values())
