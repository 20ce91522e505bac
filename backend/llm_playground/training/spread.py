"""How a model lies on the processes that train it: whole on one, copied to each, or split among them."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from llm_playground.transformer.blocks import Block

if TYPE_CHECKING:
    from llm_playground.training.distributed import World


class Alone:
    """One process has the model.

    Attributes:
        model: the model itself, whose parameters are trained.
        runner: what a training step calls.
        split: whether a process holds only a part of each parameter.
    """

    split = False

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.runner = model

    def accumulating(self, last: bool) -> AbstractContextManager[object]:
        """Return a context for a micro-batch: gradients travel in the last one of a step only."""
        return nullcontext()

    def whole(self) -> AbstractContextManager[None]:
        """Return a context in which this process can call the model without the others. All enter it."""
        return nullcontext()

    def gathered(self) -> nn.Module | None:
        """Return the model as one process has it; where it is split, to the first process only."""
        return self.model


class Copied(Alone):
    """Each process has the whole model and adds up gradients: PyTorch's DistributedDataParallel."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__(model)
        # Looking for unused parameters also keeps the order in which gradients are packed from changing after
        # the first step. Sums over more than two processes depend on it, and a resumed run must repeat them.
        self.copies = nn.parallel.DistributedDataParallel(
            model, forward_sync_buffers=False, gradient_as_bucket_view=True, find_unused_parameters=True
        )
        self.runner = self.copies

    def accumulating(self, last: bool) -> AbstractContextManager[object]:
        """Return a context for a micro-batch: gradients travel in the last one of a step only."""
        return nullcontext() if last else self.copies.no_sync()


class Split(Alone):
    """Each process has a part of every parameter, and all of a block's only while it runs: FSDP2.

    Zhao et al. 2023, "PyTorch FSDP", arXiv:2304.11277; PyTorch's ``fully_shard`` on each block and on the
    whole, which changes the model in place.
    """

    split = True

    def __init__(self, model: nn.Module, world: World, device: str) -> None:
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import FSDPModule, fully_shard

        super().__init__(model)
        self.world = world
        hollow = {
            id(value): nn.Parameter(torch.empty_like(value, device="meta"), value.requires_grad)
            for value in model.parameters()
        }
        self._skeleton = copy.deepcopy(model, hollow)
        mesh = init_device_mesh(device.partition(":")[0], (world.size,))
        for module in list(model.modules()):
            if isinstance(module, Block):
                fully_shard(module, mesh=mesh, reshard_after_forward=True)
        self.root = fully_shard(model, mesh=mesh, reshard_after_forward=False)
        self.parts = [module for module in model.modules() if isinstance(module, FSDPModule)]

    def accumulating(self, last: bool) -> AbstractContextManager[object]:
        """Return a context for a micro-batch: gradients travel in the last one of a step only."""
        self.root.set_requires_gradient_sync(last)
        return nullcontext()

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Return a context in which this process can call the model without the others. All enter it.

        Every process then holds all weights, as it does where they are copied; without gradients only.
        """
        for part in self.parts:
            part.unshard()
            part.set_reshard_after_forward(False, recurse=False)
        try:
            yield
        finally:
            for part in self.parts:
                part.reshard()
                part.set_reshard_after_forward(part is not self.root, recurse=False)

    def gathered(self) -> nn.Module | None:
        """Return the model as one process has it; where it is split, to the first process only."""
        weights: dict[str, Tensor] = {}
        for name, value in self.model.state_dict().items():
            full = whole(value)  # one at a time
            if self.world.is_main:
                weights[name] = full.cpu()
        if not self.world.is_main:
            return None
        plain = copy.deepcopy(self._skeleton)
        plain.load_state_dict(weights, assign=True)
        return plain


def spread(model: nn.Module, world: World, parallel: str, device: str) -> Alone:
    """Lay a model out over the processes.

    Args:
        parallel: auto, ddp or fsdp; auto copies it.
        device: where the model is.
    """
    if not world.active:
        return Alone(model)
    return Split(model, world, device) if parallel == "fsdp" else Copied(model)


def clip_grad_norm(model: nn.Module, limit: float) -> float:
    """Scale the gradients down to a norm of at most ``limit``; returns the norm that they had, whole."""
    parameters = [parameter for parameter in model.parameters() if parameter.grad is not None]
    norm = nn.utils.get_total_norm(
        [weight.grad for weight in parameters if weight.grad is not None], foreach=True
    )
    size = float(whole(norm))
    if not size + 1e-6 <= limit:  # else PyTorch would multiply every gradient by 1
        nn.utils.clip_grads_with_norm_(parameters, limit, norm, foreach=True)
    return size


def whole(tensor: Tensor) -> Tensor:
    """Return all of a tensor that may be split over processes, which all call this; any other as it is."""
    full = getattr(tensor, "full_tensor", None)
    result: Tensor = tensor if full is None else full()
    return result


def put(target: Tensor, whole: Tensor) -> Tensor:
    """Copy a whole tensor into one that may be split over processes, and return that one."""
    mesh = getattr(target, "device_mesh", None)
    if mesh is not None and not hasattr(whole, "device_mesh"):
        from torch.distributed.tensor import distribute_tensor

        # Each process takes its part of what it has read itself: nothing is sent.
        whole = distribute_tensor(
            whole.to(target.device), mesh, target.placements, src_data_rank=None  # type: ignore[attr-defined]
        )
    with torch.no_grad():
        target.copy_(whole)
    return target
