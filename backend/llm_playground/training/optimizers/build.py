"""From the training settings to an optimizer: which weights decay, and which ones Muon trains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from llm_playground.core.errors import ConfigError
from llm_playground.training.config import TrainingConfig
from llm_playground.training.optimizers.lion import Lion
from llm_playground.training.optimizers.muon import Muon
from llm_playground.transformer.attention import Attention, CrossAttention
from llm_playground.transformer.blocks import Block
from llm_playground.transformer.feed_forward import FeedForward, MixtureOfExperts


def make_optimizer(model: nn.Module, config: TrainingConfig) -> torch.optim.Optimizer:
    """Return the optimizer that the settings name, over the model's trainable parameters.

    Matrices decay, vectors (norms, biases) do not. Each group carries ``peak_lr``, the highest point of its
    schedule. AdamW: Loshchilov and Hutter 2019, arXiv:1711.05101, PyTorch's fused kernel; SGD with momentum:
    PyTorch's, whose decay is added to the gradient; Muon and Lion: see :class:`Muon` and :class:`Lion`.

    Raises:
        ConfigError: Muon is asked for, but the model has no matrices in blocks.
    """
    if config.optimizer == "muon":
        return _make_muon(model, config)
    groups = _decay_groups([p for p in model.parameters() if p.requires_grad], config)
    if config.optimizer == "adamw":
        return torch.optim.AdamW(
            groups,
            lr=config.learning_rate,
            betas=(config.beta1, config.beta2),
            eps=config.eps,
            fused=True,
        )
    if config.optimizer == "lion":
        return Lion(groups, lr=config.learning_rate, betas=(config.beta1, config.beta2))
    split = any(hasattr(p, "device_mesh") for p in model.parameters())  # PyTorch's fused SGD takes them whole
    return torch.optim.SGD(groups, lr=config.learning_rate, momentum=config.momentum, fused=not split)


def _decay_groups(parameters: Sequence[Tensor], config: TrainingConfig) -> list[dict[str, Any]]:
    matrices = [parameter for parameter in parameters if parameter.dim() >= 2]
    others = [parameter for parameter in parameters if parameter.dim() < 2]
    groups: list[dict[str, Any]] = [
        {"params": matrices, "weight_decay": config.weight_decay, "peak_lr": config.learning_rate},
        {"params": others, "weight_decay": 0.0, "peak_lr": config.learning_rate},
    ]
    return [group for group in groups if group["params"]]


def _make_muon(model: nn.Module, config: TrainingConfig) -> Muon:
    inside: dict[Tensor, None] = {}
    for module in model.modules():
        if isinstance(module, Block):
            inside |= dict.fromkeys(p for p in module.parameters() if p.dim() >= 2 and p.requires_grad)
    if not inside:
        raise ConfigError(
            "optimizer: muon trains the matrices of a model's blocks, and this model has none to train.",
            hint="Use adamw.",
            field="optimizer",
        )
    rate = config.matrix_learning_rate
    matrices = {
        "params": list(inside),
        "muon": True,
        "lr": rate,
        "peak_lr": rate,
        "weight_decay": config.weight_decay,
    }
    others = [p for p in model.parameters() if p.requires_grad and p not in inside]
    return Muon(
        [matrices, *_decay_groups(others, config)],
        lr=config.learning_rate,
        momentum=config.momentum,
        betas=(config.beta1, config.beta2),
        eps=config.eps,
        splits=_fused_rows(model),
    )


def _fused_rows(model: nn.Module) -> dict[Tensor, tuple[int, ...]]:
    """Return the rows of the matrices that share a parameter for speed: q, k and v; gate and up."""
    splits: dict[Tensor, tuple[int, ...]] = {}
    for module in model.modules():
        if isinstance(module, Attention):
            splits[module.qkv.weight] = module.split
        elif isinstance(module, CrossAttention):
            splits[module.kv.weight] = (module.kv.out_features // 2,) * 2
        elif isinstance(module, FeedForward | MixtureOfExperts) and module.gated:
            weight = module.up.weight if isinstance(module, FeedForward) else module.up
            splits[weight] = (weight.shape[-2] // 2,) * 2
    return splits
