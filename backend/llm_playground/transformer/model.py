"""The decoder: token ids in, logits out."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from llm_playground.core.errors import InputError
from llm_playground.transformer.cache import KVCache
from llm_playground.transformer.config import ModelConfig
from llm_playground.transformer.layers import Block, Rotary, make_norm


class TransformerLM(nn.Module):
    """A decoder-only language model (GPT-2: Radford et al. 2019; Llama: Touvron et al. 2023).

    Args:
        config: the shape.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocab_size, config.width)
        learned = config.positions == "learned"
        self.position_embedding = nn.Embedding(config.context_length, config.width) if learned else None
        self.rotary = None if learned else Rotary(config)
        self.drop = nn.Dropout(config.dropout) if config.dropout else nn.Identity()
        self.blocks = nn.ModuleList(Block(config, index) for index in range(config.layers))
        self.final_norm = make_norm(config)
        self.head = None if config.tied_embeddings else nn.Linear(config.width, config.vocab_size, bias=False)
        self._initialize()

    def _initialize(self) -> None:
        """Draw weights from N(0, init_std), those that write to the residual stream by 1/sqrt(2 layers) less.

        The scaling is GPT-2's (Radford et al. 2019, section 2.3).
        """
        std = self.config.init_std
        for name, module in self.named_modules():
            if isinstance(module, nn.Linear):
                writes = name.endswith((".output", ".down"))
                nn.init.normal_(module.weight, std=std / math.sqrt(2 * self.config.layers) if writes else std)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=std)

    def num_parameters(self) -> int:
        """Count the parameters (a tied head once)."""
        return sum(parameter.numel() for parameter in self.parameters())

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return self.embedding.weight.device

    def hidden(
        self, input_ids: Tensor, cache: KVCache | None = None, attention_mask: Tensor | None = None
    ) -> Tensor:
        """Return the normalized last hidden states.

        Args:
            input_ids: [B, T] int64.
            cache: keys and values of earlier tokens; extended in place.
            attention_mask: [B, T], 0 for padding (left or right), only without a cache.

        Returns:
            [B, T, C].

        Raises:
            InputError: more tokens than the context length or the cache hold.
        """
        batch, time = input_ids.shape
        start = cache.length if cache is not None else 0
        padded = int(cache.padding.min()) if cache is not None and cache.padding is not None else 0
        if start + time - padded > self.config.context_length:
            raise InputError(
                f"The sequence is too long: {start + time - padded} tokens, but the model's context holds "
                f"{self.config.context_length}."
            )
        if cache is not None:
            cache.reserve(time)
        positions = torch.arange(start, start + time, device=input_ids.device)  # [T]
        mask: Tensor | None = None
        if cache is not None and cache.padding is not None:
            columns = torch.arange(start + time, device=input_ids.device)
            seen = (columns[None, None] <= positions[None, :, None]) & (
                columns[None, None] >= cache.padding[:, None, None]
            )  # [B, T, S]
            # A padding query sees itself, for a softmax over nothing would be NaN.
            mask = (seen | (columns[None, None] == positions[None, :, None])).unsqueeze(1)
            positions = (positions[None] - cache.padding[:, None]).clamp(min=0)  # [B, T]
        elif cache is not None and start > 0 and time > 1:
            columns = torch.arange(start + time, device=input_ids.device)
            mask = (columns[None] <= positions[:, None])[None, None]  # [1, 1, T, S]
        elif attention_mask is not None:
            kept = attention_mask.bool()
            causal = torch.ones(time, time, dtype=torch.bool, device=input_ids.device).tril()
            itself = torch.eye(time, dtype=torch.bool, device=input_ids.device)
            mask = ((causal & kept[:, None]) | itself).unsqueeze(1)  # [B, 1, T, T]
            positions = (kept.long().cumsum(-1) - 1).clamp(min=0)  # [B, T]
        x = self.embedding(input_ids)  # [B, T, C]
        if self.position_embedding is not None:
            x = x + self.position_embedding(positions)
        x = self.drop(x)
        table = self.rotary.table(positions) if self.rotary is not None else None
        for block in self.blocks:
            x = block(x, table, mask, cache)
        if cache is not None:
            cache.length += time
        return self.final_norm(x)

    def logits(self, hidden: Tensor) -> Tensor:
        """Return scores over the vocabulary: [..., C] -> [..., V]."""
        return F.linear(hidden, self.embedding.weight if self.head is None else self.head.weight)

    def forward(
        self, input_ids: Tensor, cache: KVCache | None = None, attention_mask: Tensor | None = None
    ) -> Tensor:
        """Return logits [B, T, V] for token ids [B, T]; see :meth:`hidden` for the arguments."""
        return self.logits(self.hidden(input_ids, cache, attention_mask))

    @classmethod
    def from_pretrained(
        cls, folder: str | Path, *, device: str = "cpu", dtype: torch.dtype = torch.float32
    ) -> Self:
        """Load a Hugging Face folder (gpt2, llama, or our own type) from safetensors.

        Raises:
            InputError, ConfigError, StorageError: the folder, its configuration or its weights are wrong.
        """
        from llm_playground.transformer.hf_format import load_model

        return load_model(cls, Path(folder), device=device, dtype=dtype)

    def save_pretrained(self, folder: str | Path, dtype: torch.dtype | None = None) -> None:
        """Write ``config.json`` and ``model.safetensors`` that ``transformers`` reads with equal logits.

        Args:
            folder: created if missing.
            dtype: type of the stored weights; default as they are.
        """
        from llm_playground.transformer.hf_format import save_model

        save_model(self, Path(folder), dtype)
