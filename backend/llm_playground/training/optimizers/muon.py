"""Muon: momentum whose matrices are made orthogonal before they are applied; AdamW for all other weights."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from llm_playground.training.spread import put, whole

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # the quintic whose slope at 0 is steep: Jordan et al. 2024
NEWTON_SCHULZ_STEPS = 5
_CHUNK = 2**24  # numbers orthogonalized at once, which bounds the memory of the intermediates


def orthogonalize(matrices: Tensor, steps: int = NEWTON_SCHULZ_STEPS) -> Tensor:
    """Push all singular values of each matrix towards 1, keeping its singular vectors.

    ``X = a X + (b A + c A A) X`` with ``A = X X^T``, from ``X = G / |G|`` (Frobenius norm). Five steps bring
    the singular values to about 0.7 to 1.2, which trains as well as 1 does (Jordan et al. 2024, "Muon: An
    optimizer for hidden layers in neural networks", https://kellerjordan.github.io/posts/muon/).

    Args:
        matrices: [..., R, C], each made orthogonal alone.
        steps: Newton-Schulz iterations.

    Returns:
        the same shape and type.
    """
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.reshape(-1, *matrices.shape[-2:])
    x = x.mT if tall else x  # the smaller side's Gram matrix is the cheaper one
    if x.is_cuda:
        x = x.bfloat16()  # the iteration forgives rounding; tensor cores do these products far faster
    x = (x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)).contiguous()
    wide = x.shape[-1] > 1.5 * x.shape[-2] and x.dtype != torch.bfloat16
    x = _iterate_on_gram(x, steps) if wide else _iterate(x, steps)
    return (x.mT if tall else x).reshape(matrices.shape).to(matrices.dtype)


def _iterate(x: Tensor, steps: int) -> Tensor:
    """Do the iterations as they are written, on [N, R, C] with R no larger than C."""
    a, b, c = NEWTON_SCHULZ
    for _ in range(steps):
        gram = torch.bmm(x, x.mT)
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x


def _iterate_on_gram(x: Tensor, steps: int) -> Tensor:
    """Do the same on the small matrix ``A = X X^T`` alone, and touch the wide one twice.

    With ``P = a I + b A + c A A`` a step is ``X = P X``, so that ``A = P A P``, and all steps together are
    the product of the P. For C = 4 R that is a little over half the operations.
    """
    a, b, c = NEWTON_SCHULZ
    gram = torch.bmm(x, x.mT)
    product: Tensor | None = None
    for step in range(steps):
        factor = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        factor.diagonal(dim1=-2, dim2=-1).add_(a)
        product = factor if product is None else torch.bmm(factor, product)
        if step < steps - 1:
            gram = torch.bmm(torch.bmm(factor, gram), factor)
    return x if product is None else torch.bmm(product, x)


class Muon(torch.optim.Optimizer):
    """Muon for the groups marked ``muon``, PyTorch's fused AdamW for the others.

    For each matrix with gradient G and momentum M: ``M = mu M + (1 - mu) G``; the direction is Nesterov's
    ``mu M + (1 - mu) G``, orthogonalized and scaled by ``sqrt(max(1, rows / columns))``, so that outputs move
    alike whatever the shape; decay is decoupled as AdamW's (Jordan et al. 2024; Liu et al. 2025,
    arXiv:2502.16982, for the decay). Stacked matrices [E, R, C] are E matrices. Matrices of one shape are
    worked on together.

    Args:
        groups: parameter groups; those with ``"muon": True`` hold matrices only.
        lr: learning rate of groups that name none.
        momentum: memory of the gradients.
        betas, eps: AdamW's.
        weight_decay: of groups that name none.
        splits: for a parameter that holds several matrices one below the other, the rows of each.
    """

    def __init__(
        self,
        groups: Sequence[dict[str, Any]],
        lr: float = 0.02,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.99),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        splits: Mapping[Tensor, Sequence[int]] | None = None,
    ) -> None:
        defaults = {"lr": lr, "momentum": momentum, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(groups, {**defaults, "muon": False})
        self.splits = dict(splits or {})
        others = [group for group in self.param_groups if not group["muon"]]
        self._adamw = torch.optim.AdamW([dict(group) for group in others], fused=True) if others else None
        if self._adamw is not None:
            for mine, its in zip(others, self._adamw.param_groups, strict=True):
                mine.update({key: value for key, value in its.items() if key not in mine})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update every parameter that has a gradient; the closure, if any, is called first."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            if group["muon"]:
                self._step_matrices(group)
        if self._adamw is not None:
            # One state and one set of groups, so that rates and checkpoints need not know of the two parts.
            self._adamw.state = self.state
            self._adamw.param_groups = [group for group in self.param_groups if not group["muon"]]
            self._adamw.step()
        return loss

    def _step_matrices(self, group: dict[str, Any]) -> None:
        params = [parameter for parameter in group["params"] if parameter.grad is not None]
        if not params:
            return
        gradients = [parameter.grad for parameter in params]
        for parameter in params:
            if not self.state[parameter]:
                self.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
        momenta = [self.state[parameter]["momentum_buffer"] for parameter in params]
        mu, rate = group["momentum"], group["lr"]
        torch._foreach_lerp_(momenta, gradients, 1 - mu)
        directions = self._orthogonalized(params, torch._foreach_lerp(gradients, momenta, mu))
        if group["weight_decay"]:
            torch._foreach_mul_(params, 1 - rate * group["weight_decay"])
        torch._foreach_add_(params, directions, alpha=-rate)

    def _orthogonalized(self, params: Sequence[Tensor], directions: Sequence[Tensor]) -> list[Tensor]:
        """Return the directions made orthogonal; where they are split, each process works on whole ones."""
        wholes = [whole(direction) for direction in directions]
        self._orthogonalize_all(params, wholes)
        return [
            put(direction, made) if hasattr(direction, "device_mesh") else made
            for direction, made in zip(directions, wholes, strict=True)
        ]

    def _orthogonalize_all(self, params: Sequence[Tensor], directions: Sequence[Tensor]) -> None:
        """Replace the directions by orthogonal, scaled ones; matrices of one shape go in one batch."""
        by_shape: dict[tuple[Any, ...], list[Tensor]] = defaultdict(list)
        for parameter, direction in zip(params, directions, strict=True):
            rows = self.splits.get(parameter)
            for part in direction.split(list(rows), dim=-2) if rows else (direction,):  # views
                for matrix in part.unbind(0) if part.dim() == 3 else (part,):
                    by_shape[matrix.shape, matrix.device].append(matrix)
        for (shape, _), matrices in by_shape.items():
            scale = max(1.0, shape[0] / shape[1]) ** 0.5
            size = max(1, _CHUNK // shape.numel())
            for start in range(0, len(matrices), size):
                chunk = matrices[start : start + size]
                made = orthogonalize(torch.stack(chunk)).mul_(scale)
                torch._foreach_copy_(chunk, list(made.unbind(0)))
