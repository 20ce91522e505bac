"""Lion: steps of one size, by the sign of an interpolated momentum."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor


class Lion(torch.optim.Optimizer):
    """Chen et al. 2023, "Symbolic Discovery of Optimization Algorithms", arXiv:2302.06675, algorithm 2.

    With momentum m and gradient g: ``c = beta1 m + (1 - beta1) g``; ``w -= lr (sign(c) + decay w)``;
    ``m = beta2 m + (1 - beta2) g``. It keeps one number per weight where AdamW keeps two. Every weight moves
    by the same amount, so that the paper takes rates 3 to 10 times smaller than AdamW's, and decays as much
    larger.

    Args:
        params: parameters or groups of them.
        lr: learning rate.
        betas: the interpolation of the step and the memory of the momentum.
        weight_decay: decoupled decay.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update every parameter that has a gradient; the closure, if any, is called first."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            params = [parameter for parameter in group["params"] if parameter.grad is not None]
            if not params:
                continue
            gradients = [parameter.grad for parameter in params]
            for parameter in params:
                if not self.state[parameter]:
                    self.state[parameter]["exp_avg"] = torch.zeros_like(parameter)
            momenta = [self.state[parameter]["exp_avg"] for parameter in params]
            (beta1, beta2), rate = group["betas"], group["lr"]
            updates = torch._foreach_lerp(momenta, gradients, 1 - beta1)
            torch._foreach_sign_(updates)
            if group["weight_decay"]:
                torch._foreach_mul_(params, 1 - rate * group["weight_decay"])
            torch._foreach_add_(params, updates, alpha=-rate)
            torch._foreach_lerp_(momenta, gradients, 1 - beta2)
        return loss
