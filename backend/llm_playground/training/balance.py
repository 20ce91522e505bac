"""The load-balancing loss of a mixture of experts as a term of a training loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from llm_playground.transformer.base import LanguageModel

if TYPE_CHECKING:
    from llm_playground.transformer import ModelConfig


def balance_weight(config: ModelConfig) -> float:
    """Return the weight that a model's load balancing has in its loss, 0 for one without experts."""
    return config.expert_balance if config.experts is not None else 0.0


def balance_loss(model: nn.Module) -> Tensor | None:
    """Return the balance of a model's last pass in training mode, whatever the model is wrapped in.

    None in evaluation mode and without experts; see :attr:`LanguageModel.balance_loss`.
    """
    for module in model.modules():
        if isinstance(module, LanguageModel):
            return module.balance_loss
    return None
