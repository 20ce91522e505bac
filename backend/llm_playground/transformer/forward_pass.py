"""What the layers of one forward pass share: positions, masks, cache, capture, and an encoder's states."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from llm_playground.core.errors import InputError
from llm_playground.transformer.cache import KVCache
from llm_playground.transformer.capture import Capture
from llm_playground.transformer.masks import CrossVisibility, Visibility
from llm_playground.transformer.rotary import Table


@dataclass(slots=True)
class Memory:
    """An encoder's states, as a decoder reads them.

    Attributes:
        states: [B, S, C].
        visibility: which of them are not padding.
        parts: keys and values [B, G, S, D] of each decoder layer, made when it first asks and kept.
    """

    states: Tensor
    visibility: CrossVisibility
    parts: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)


@dataclass(slots=True)
class ForwardPass:
    """What the layers of one pass share.

    Attributes:
        positions: of the tokens, [T] counting up from ``start``, or [B, T] where rows are padded.
        start: tokens before them in the cache.
        length: greatest position plus 1.
        visibility: what each query may see.
        cache: keys and values of the tokens before, extended by the pass.
        capture: what to show and change; None: nothing.
        tables: rotary tables of layers that see everything and of those with a window; None without.
        short_tables: the same in bf16, made for the first layer that asks.
        memory: an encoder's states, for a decoder that reads them.
    """

    positions: Tensor
    start: int
    length: int
    visibility: Visibility
    cache: KVCache | None = None
    capture: Capture | None = None
    tables: tuple[Table, Table] | None = None
    memory: Memory | None = None
    short_tables: dict[bool, Table] = field(default_factory=dict)

    def bf16_table(self, local: bool) -> Table | None:
        """Return the rotary table of layers with a window or of those without in bf16; None without one."""
        if self.tables is None:
            return None
        if local not in self.short_tables:
            cos, sin = self.tables[local]
            self.short_tables[local] = (cos.bfloat16(), sin.bfloat16())
        return self.short_tables[local]


def prepare_pass(
    input_ids: Tensor,
    *,
    context: int,
    causal: bool = True,
    cache: KVCache | None = None,
    attention_mask: Tensor | None = None,
    slopes: Tensor | None = None,
    capture: Capture | None = None,
) -> ForwardPass:
    """Work out positions and visibility of a pass over ids [B, T].

    Padding takes no position: the first real token of a row is at 0.

    Args:
        context: the longest sequence that the model takes.
        causal: whether a token sees only what came before it.
        cache: earlier tokens, with their padding.
        attention_mask: [B, T], 0 for padding; only without a cache.
        slopes: ALiBi's, [H].
        capture: handed on.

    Raises:
        InputError: too many tokens for the context or the cache, or a mask that does not fit.
    """
    batch, time = input_ids.shape
    device = input_ids.device
    start = cache.length if cache is not None else 0
    padding = cache.padding if cache is not None else None
    length = start + time - (int(padding.min()) if padding is not None else 0)
    if attention_mask is not None:
        if cache is not None:
            raise InputError(
                "attention_mask goes without a cache.",
                hint="Give the padding to the cache.",
                field="attention_mask",
            )
        if attention_mask.shape != input_ids.shape:
            raise InputError(
                f"attention_mask has the shape {tuple(attention_mask.shape)}; "
                f"the ids have {tuple(input_ids.shape)}.",
                field="attention_mask",
            )
    positions = torch.arange(start, start + time, device=device)  # [T]
    kept: Tensor | None = None
    if padding is not None:
        kept = torch.arange(start + time, device=device) >= padding[:, None]  # [B, S]
        positions = (positions - padding[:, None]).clamp(min=0)  # [B, T]
    elif attention_mask is not None:
        kept = attention_mask.bool()
        positions = (kept.long().cumsum(-1) - 1).clamp(min=0)  # [B, T]
        length = int(positions.max()) + 1
    if length > context:
        raise InputError(
            f"The sequence is too long: {length} tokens, but the model's context holds {context}."
        )
    if cache is not None:
        cache.reserve(time)
    visibility = Visibility(time, start, causal=causal, kept=kept, slopes=slopes, device=device)
    return ForwardPass(positions, start, length, visibility, cache, capture)
