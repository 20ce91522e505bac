"""The part of a block that works on each token alone: plain, with a gate, or a mixture of experts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from llm_playground.transformer.config import ModelConfig
from llm_playground.transformer.forward_pass import ForwardPass
from llm_playground.transformer.fused import swiglu
from llm_playground.transformer.fused_bf16 import gelu_tanh, in_bf16
from llm_playground.transformer.linear import Linear


def _gelu_tanh(x: Tensor) -> Tensor:
    if x.dtype == torch.bfloat16 and in_bf16(x):
        return gelu_tanh(x)
    return F.gelu(x, approximate="tanh")


def _relu_squared(x: Tensor) -> Tensor:
    return F.relu(x).square()


# GELU: Hendrycks and Gimpel 2016, arXiv:1606.08415; squared ReLU: So et al. 2021, arXiv:2109.08668; the gates
# (SwiGLU, GeGLU): Shazeer 2020, arXiv:2002.05202.
_CURVES: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "relu2": _relu_squared,
    "gelu": F.gelu,
    "gelu_tanh": _gelu_tanh,
    "swiglu": F.silu,
    "geglu": F.gelu,
    "geglu_tanh": _gelu_tanh,
}


def activation_curve(name: str) -> Callable[[Tensor], Tensor]:
    """Return the function of one number that an activation (with a gate: its gate) applies."""
    return _CURVES[name]


class FeedForward(nn.Module):
    """Two linear layers around an activation, or with a gate ``down(curve(gate(x)) * up(x))``.

    Args:
        config: the model's shape.
        name: of the part in captures (``blocks.0.ffn``).
    """

    def __init__(self, config: ModelConfig, name: str) -> None:
        super().__init__()
        self.name, self.gated = name, config.gated
        self.curve = activation_curve(config.activation)
        hidden = config.hidden_width
        # The gate and up projections read the same input: one matrix product instead of two, gate first.
        self.up = Linear(config.width, 2 * hidden if self.gated else hidden, bias=config.bias)
        self.down = Linear(hidden, config.width, bias=config.bias)

    def forward(self, x: Tensor, shared: ForwardPass | None = None) -> Tensor:
        """Transform each token alone: [B, T, C] -> [B, T, C]; of the pass, only its capture matters."""
        capture = None if shared is None else shared.capture
        if self.gated:
            both = self.up(x)
            if self.curve is F.silu:
                hidden = swiglu(both)  # [B, T, F]
            else:
                gate, up = both.chunk(2, dim=-1)
                hidden = self.curve(gate) * up  # [B, T, F]
        else:
            hidden = self.curve(self.up(x))  # [B, T, F]
        if capture is None:
            return self.down(hidden)
        return capture(f"{self.name}.output", self.down(capture(f"{self.name}.hidden", hidden)))


class MixtureOfExperts(nn.Module):
    """Several feed-forward parts, of which a router picks a few for each token.

    The router's softmax runs over all experts; the greatest k gates are kept and made to sum to 1 (Mixtral:
    Jiang et al. 2024, arXiv:2401.04088, section 2.1). Experts have no biases.

    Args:
        config: the model's shape, with ``experts``.
        name: of the part in captures.

    Attributes:
        balance: load-balancing loss of the last pass in training mode, a scalar; see :meth:`_balance`.
    """

    def __init__(self, config: ModelConfig, name: str) -> None:
        super().__init__()
        assert config.experts is not None
        self.name, self.gated = name, config.gated
        self.curve = activation_curve(config.activation)
        self.experts, self.chosen = config.experts, config.experts_per_token
        hidden = config.hidden_width
        self.router = Linear(config.width, self.experts, bias=False)
        self.up = nn.Parameter(
            torch.empty(self.experts, 2 * hidden if self.gated else hidden, config.width)
        )  # [E, out, C]
        self.down = nn.Parameter(torch.empty(self.experts, config.width, hidden))  # [E, C, F]
        self.balance: Tensor | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave the last pass's loss out of copies: it hangs on a graph that cannot be copied."""
        return {**self.__dict__, "balance": None}

    def forward(self, x: Tensor, shared: ForwardPass | None = None) -> Tensor:
        """Transform each token alone: [B, T, C] -> [B, T, C]; of the pass, only its capture matters."""
        capture = None if shared is None else shared.capture
        gates = self._route(x)  # [B, T, E]
        if capture is not None:
            gates = capture(f"{self.name}.gates", gates)
        tokens, flat = x.reshape(-1, x.shape[-1]), gates.reshape(-1, self.experts)  # [N, C], [N, E]
        mixed = torch.zeros_like(tokens)
        for expert in range(self.experts):
            rows = self._rows(flat[:, expert])
            up = F.linear(tokens[rows], self.up[expert])
            if self.gated:
                gate, up = up.chunk(2, dim=-1)
                hidden = self.curve(gate) * up
            else:
                hidden = self.curve(up)
            made = F.linear(hidden, self.down[expert]) * flat[rows, expert, None]
            mixed = mixed.index_add(0, rows, made.to(mixed.dtype))
        mixed = mixed.view(x.shape)
        return mixed if capture is None else capture(f"{self.name}.output", mixed)

    def _route(self, x: Tensor) -> Tensor:
        """Return each expert's share in each token's output, 0 for those not chosen: [B, T, E]."""
        scores = self.router(x)
        shares = scores.softmax(dim=-1, dtype=None if scores.dtype == torch.float64 else torch.float32)
        best, indices = shares.topk(self.chosen, dim=-1)  # [B, T, k]
        self.balance = self._balance(shares, indices) if self.training else None
        best = best / best.sum(dim=-1, keepdim=True)
        return torch.zeros_like(shares).scatter(-1, indices, best).to(x.dtype)

    def _rows(self, gates: Tensor) -> Tensor:
        """Return which tokens an expert works on, by its gates [N]; on the meta device an equal share."""
        if gates.is_meta:
            return torch.empty(len(gates) * self.chosen // self.experts, dtype=torch.long, device="meta")
        return gates.nonzero().squeeze(-1)

    def _balance(self, shares: Tensor, indices: Tensor) -> Tensor:
        """Return ``E * sum over experts of (share of choices) * (mean router share)``: 1 if all work alike.

        Fedus et al. 2021 (Switch Transformer), arXiv:2101.03961, equations 4 to 6.
        """
        choices = F.one_hot(indices, self.experts).flatten(0, -2).to(shares.dtype).mean(dim=0)  # [E]
        return self.experts * (choices * shares.flatten(0, -2).mean(dim=0)).sum()
