"""What a forward pass keeps for the backward pass, seen by watching one.

The model's own code runs on the meta device (shapes only, no memory, no arithmetic) with one block of each
kind, and every tensor that autograd saves is counted once by its storage. What a block saves of its own is
multiplied by the layers of that kind; what was made outside of the blocks, such as a table of rotations, is
shared. So the figure follows the code: a part that saves more is seen to save more.

Attention is taken to be the fused kernel, which saves queries, keys, values, its output and one number for
each query and head, but no scores (Dao et al. 2022, arXiv:2205.14135); the layers whose scores are
soft-capped do without that kernel and do save them. Experts are taken to get equally many tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from llm_playground.transformer.analysis.skeleton import (
    ATTENTION,
    EMBEDDING,
    build,
    component_of,
    kinds,
    stack_of,
)
from llm_playground.transformer.config import ModelConfig

DTYPES = {"float32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_PRODUCTS = frozenset(
    {
        F.linear,
        torch.matmul,
        torch.bmm,
        torch.addmm,
        torch.baddbmm,
        torch.einsum,
        Tensor.matmul,
        Tensor.__matmul__,
        Tensor.bmm,
    }
)


@dataclass
class Saved:
    """Bytes saved in one place.

    Attributes:
        by_component: what autograd keeps.
        input: the block's input.
        products: results of matrix products and attention: what selective checkpointing keeps.
    """

    by_component: dict[str, int] = field(default_factory=dict)
    input: int = 0
    products: int = 0

    @property
    def total(self) -> int:
        """All that autograd keeps."""
        return sum(self.by_component.values())


@dataclass(frozen=True)
class Activations:
    """Bytes that autograd saves in one forward pass.

    Attributes:
        outside: before, after and shared by the blocks.
        blocks: (how many layers of a kind there are, what each saves).
        scores: saved tensors as large as the logits, such as those of a soft-cap.
    """

    outside: Saved
    blocks: tuple[tuple[int, Saved], ...]
    scores: int

    def by_component(self) -> dict[str, int]:
        """Return the bytes of all layers together, by component."""
        totals = dict(self.outside.by_component)
        for count, block in self.blocks:
            for name, size in block.by_component.items():
                totals[name] = totals.get(name, 0) + count * size
        return totals

    def held(self, checkpointing: str) -> int:
        """Return the bytes held when the backward pass begins its hungriest block.

        ``none`` keeps all. ``full`` keeps each block's input and computes one block again at a time (Chen et
        al. 2016, arXiv:1604.06174). ``selective`` also keeps the results of matrix products and of attention,
        and computes only what is cheap again: norms, rotations, activation functions (Korthikanti et al.
        2022, arXiv:2205.05198, in the form that PyTorch's selective checkpointing takes).
        """
        if checkpointing == "none":
            return self.outside.total + sum(count * block.total for count, block in self.blocks)
        selective = checkpointing == "selective"
        kept = [block.input + (block.products if selective else 0) for _, block in self.blocks]
        again = max(
            (max(0, block.total - keep) for (_, block), keep in zip(self.blocks, kept, strict=True)),
            default=0,
        )
        return (
            self.outside.total
            + sum(count * keep for (count, _), keep in zip(self.blocks, kept, strict=True))
            + again
        )


def saved_activations(config: ModelConfig, batch: int, context: int, precision: str) -> Activations:
    """Watch one forward pass of ``batch`` sequences of ``context`` tokens (of source and target alike)."""
    counts = kinds(config)
    outside, blocks, scores = _watch(_blocks_each(config, list(counts)), batch, context, precision)
    layers = list(counts.values())
    if config.architecture == "encoder-decoder":
        layers.insert(0, config.encoder_depth)
    return Activations(outside, tuple(zip(layers, blocks, strict=True)), scores)


def _blocks_each(config: ModelConfig, windows: Sequence[int | None]) -> ModelConfig:
    """Return the shape with one layer of each kind, and without what plays no part here.

    With ALiBi the first layer of a kind makes a bias that the others share, so that it takes a second one to
    see what a layer costs.
    """
    windows = [*windows, *windows] if config.positions == "alibi" else windows
    encoder = (2 if config.positions == "alibi" else 1) if config.architecture == "encoder-decoder" else None
    window = next((size for size in windows if size is not None), None)
    everything = tuple(index for index, size in enumerate(windows) if size is None)
    return config.model_copy(
        update={
            "layers": len(windows),
            "encoder_layers": encoder,
            "window": window,
            "full_attention_layers": everything if window is not None else (),
            "init_std": 1.0,
            "bos_id": None,
            "eos_id": None,
            "pad_id": None,
        }
    )


@lru_cache(maxsize=256)
def _watch(config: ModelConfig, batch: int, context: int, precision: str) -> tuple[Saved, list[Saved], int]:
    """Return what is saved outside of the blocks, in one block of each kind, and in capped logits."""
    model = build(config).to(DTYPES[precision]).train()
    recorder = _Recorder(model, config, batch * context)
    ids = torch.zeros(batch, context, dtype=torch.long, device="meta")
    inputs = (ids, ids) if config.architecture == "encoder-decoder" else (ids,)
    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(recorder.pack, _unpack), recorder:
        model(*inputs)
    return recorder.outside, recorder.blocks(), recorder.scores


class FusedAttention(torch.autograd.Function):
    """Stands for the fused kernel: the shapes it returns, and what it saves.

    Queries, keys, values, the output, the mask, and one float32 for each query and head (Dao et al. 2022,
    arXiv:2205.14135, the sums of the softmax). Only what is saved is looked at; nothing goes backward.
    """

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        """Return the shape [B, H, T, D] of the output and save what the kernel saves."""
        out = torch.empty_like(query)  # the kernels keep the layout of the queries
        ctx.save_for_backward(
            query, key, value, out, query.new_empty(query.shape[:3], dtype=torch.float32), mask
        )
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        """Refuse: nothing was computed."""
        raise NotImplementedError("It stands for its forward pass alone.")


class _Recorder(TorchFunctionMode):
    """Counts saved storages by the block and the component that is at work."""

    def __init__(self, model: nn.Module, config: ModelConfig, tokens: int) -> None:
        super().__init__()
        self.config, self.tokens = config, tokens
        self.outside, self.scores = Saved(), 0
        self._places: dict[str, Saved] = {}  # by the name of the block, in order of computation
        self._place, self._components = self.outside, [EMBEDDING]
        # What is there anyway costs nothing more; storages are held, so that no address is used twice.
        self._seen = {
            tensor.untyped_storage()._cdata: tensor.untyped_storage()
            for tensor in (*model.parameters(), *model.buffers())
        }
        self._made_in: dict[int, tuple[Saved, torch.UntypedStorage]] = {}
        for name, module in model.named_modules():
            if stack_of(name, config) and name.rpartition(".")[2].isdecimal():
                module.register_forward_pre_hook(self._enter_block(name))
                module.register_forward_hook(self._leave_block())
            elif name:
                try:
                    component = component_of(name)
                except KeyError:  # a list of blocks, dropout: it works for whoever calls it
                    continue
                module.register_forward_pre_hook(self._enter(component))
                module.register_forward_hook(self._leave())

    def _enter_block(self, name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: tuple[Any, ...]) -> None:
            self._place = self._places.setdefault(name, Saved())
            self._place.input = inputs[0].nbytes
            # Each block has an input of its own, whoever made it.
            storage = inputs[0].untyped_storage()
            self._made_in[storage._cdata] = (self._place, storage)

        return hook

    def _leave_block(self) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
            self._place = self.outside

        return hook

    def _enter(self, component: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: tuple[Any, ...]) -> None:
            self._components.append(component)

        return hook

    def _leave(self) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
            self._components.pop()

        return hook

    @property
    def _at_the_end(self) -> bool:
        """Whether capped logits are being made: no module is at work and the blocks are done."""
        done = bool(self._places) and self._place is self.outside and len(self._components) == 1
        return done and self.config.logit_softcap is not None

    def pack(self, tensor: Tensor) -> Tensor:
        """Count a tensor that autograd saves, once for its storage."""
        storage = tensor.untyped_storage()
        if storage._cdata in self._seen:
            return tensor
        self._seen[storage._cdata] = storage
        if self._at_the_end and tensor.numel() == self.tokens * self.config.vocab_size:
            self.scores += storage.nbytes()
            return tensor
        made_in = self._made_in.get(storage._cdata, (self._place,))[0]
        place = self._place if made_in is self._place else self.outside  # else it is shared
        counts = place.by_component
        counts[self._components[-1]] = counts.get(self._components[-1], 0) + storage.nbytes()
        return tensor

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is F.scaled_dot_product_attention:
            return self._attention(*args, **kwargs)
        result = func(*args, **kwargs)
        if func in _PRODUCTS:
            self._place.products += result.nbytes
        for tensor in result if isinstance(result, tuple) else (result,):
            if isinstance(tensor, Tensor):
                self._made_in.setdefault(
                    tensor.untyped_storage()._cdata, (self._place, tensor.untyped_storage())
                )
        return result

    def _attention(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> Tensor:
        if attn_mask is not None and attn_mask.dtype == torch.bool:
            # Kernels add masks: one that says yes or no is made into numbers first, in each layer.
            attn_mask = attn_mask.new_empty(attn_mask.shape, dtype=query.dtype)
        self._components.append(ATTENTION if self._components[-1] == EMBEDDING else self._components[-1])
        out: Tensor = FusedAttention.apply(query, key, value, attn_mask)
        self._components.pop()
        self._place.products += out.nbytes + 4 * out[..., 0].numel()
        return out

    def blocks(self) -> list[Saved]:
        """Return what each kind saves; encoder first, and windows in the order of the layers."""
        stacks: dict[str, list[Saved]] = {}
        for name, saved in self._places.items():
            stacks.setdefault(name.rpartition(".")[0], []).append(saved)
        found = []
        for blocks in stacks.values():
            if self.config.positions != "alibi":
                found += blocks
                continue
            half = len(blocks) // 2
            for first, second in zip(blocks[:half], blocks[half:], strict=True):
                found.append(second)
                for component, size in first.by_component.items():
                    shared = size - second.by_component.get(component, 0)
                    counts = self.outside.by_component
                    counts[component] = counts.get(component, 0) + shared
        return found


def _unpack(tensor: Tensor) -> Tensor:
    return tensor
