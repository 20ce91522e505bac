"""How a model is run, not what it gives: recomputing blocks to save memory, and compiling for speed."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from llm_playground.core.errors import ConfigError
from llm_playground.transformer.blocks import Block


@contextmanager
def activation_checkpointing(model: nn.Module, mode: str) -> Iterator[None]:
    """Let a model's blocks keep only their input in training, and redo the rest in the backward pass.

    Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost", arXiv:1604.06174. ``full``: every
    block, at the cost of one more forward pass; ``selective``: the first, third, fifth ... block, at half
    that cost. Dropout draws the same numbers both times. Blocks that read an encoder are left as they are:
    they share its keys and values.

    Args:
        mode: none, full or selective.

    Raises:
        ConfigError: the model has no blocks to recompute.
    """
    if mode == "none":
        yield
        return
    blocks = [
        module for module in model.modules() if isinstance(module, Block) and module.cross_attention is None
    ]
    if not blocks:
        raise ConfigError(
            "activation_checkpointing: this model has no blocks to recompute.",
            hint="Set it to none.",
            field="activation_checkpointing",
        )
    chosen = blocks if mode == "full" else blocks[::2]
    for block in chosen:
        block.forward = partial(_recomputed, block, block.forward)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for block in chosen:
            del block.__dict__["forward"]


def _recomputed(block: Block, forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    if not (block.training and torch.is_grad_enabled()):
        return forward(*args, **kwargs)
    return checkpoint(forward, *args, use_reentrant=False, **kwargs)


def compiled(model: nn.Module, device: str) -> nn.Module:
    """Return the model compiled by ``torch.compile``; the given one keeps its names and runs as before.

    Raises:
        ConfigError: what the compiler needs is not on this machine.
    """
    missing = missing_for_compile(device)
    if missing is not None:
        raise ConfigError(
            f"compile: torch.compile needs {missing}, which this machine lacks.",
            hint="Install it, or set compile to false.",
            field="compile",
        )
    made: nn.Module = torch.compile(model)  # type: ignore[assignment]
    return made


def missing_for_compile(device: str) -> str | None:
    """Return what ``torch.compile`` lacks on this machine for a device, None if nothing."""
    if device.startswith("cuda"):
        return None if importlib.util.find_spec("triton") else "the package triton"
    if not device.startswith("cpu"):
        return None
    compiler = os.environ.get("CXX") or ("clang++" if sys.platform == "darwin" else "g++")
    if shutil.which(compiler) is None:
        return f"the C++ compiler {compiler}"
    if not (Path(sysconfig.get_paths()["include"]) / "Python.h").is_file():
        return "the Python headers (Python.h)"
    return None
