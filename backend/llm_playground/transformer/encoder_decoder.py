"""The encoder-decoder of Vaswani et al. 2017 (arXiv:1706.03762): a source in, logits of a target out."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from llm_playground.core.errors import ConfigError, InputError
from llm_playground.transformer.base import LanguageModel
from llm_playground.transformer.blocks import Block
from llm_playground.transformer.cache import KVCache
from llm_playground.transformer.capture import Capture
from llm_playground.transformer.config import ModelConfig
from llm_playground.transformer.forward_pass import ForwardPass, Memory
from llm_playground.transformer.masks import CrossVisibility
from llm_playground.transformer.norms import make_norm

_PREFIX = "encoder."


class Encoder(nn.Module):
    """The encoder's stack: blocks that see both sides, and a norm at the end (but in post placement)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            Block(config, index, causal=False, prefix=_PREFIX) for index in range(config.encoder_depth)
        )
        self.final_norm = None if config.norm_placement == "post" else make_norm(config)

    def forward(self, x: Tensor, shared: ForwardPass) -> Tensor:
        """Transform the source's vectors: [B, S, C] -> [B, S, C]."""
        for block in self.blocks:
            x = block(x, shared)
        if self.final_norm is not None:
            x = self.final_norm(x)
            if shared.capture is not None:
                x = shared.capture(f"{_PREFIX}final_norm", x)
        return x


class EncoderDecoderLM(LanguageModel):
    """An encoder that reads a source and a decoder that writes a target while it looks at the source.

    Both share the token (and position) embeddings; windows concern the decoder alone.

    Args:
        config: the shape, with architecture ``encoder-decoder``.

    Raises:
        ConfigError: another architecture.

    Example::

        model = EncoderDecoderLM(config)
        logits = model(source_ids, target_ids)  # [B, T, V]
        replies = model.greedy(source_ids, start_id=0, max_tokens=20, stop_id=1)
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        if config.architecture != "encoder-decoder":
            raise ConfigError(
                f"architecture: EncoderDecoderLM needs encoder-decoder, not {config.architecture}.",
                field="architecture",
            )
        self._build_embeddings(config)
        self.encoder = Encoder(config)
        self.blocks = nn.ModuleList(Block(config, index, cross=True) for index in range(config.layers))
        self._build_head(config)
        self._initialize()

    def _residual_growth(self, name: str) -> float:
        if name.startswith(_PREFIX):
            return math.sqrt(2 * self.config.encoder_depth)
        return math.sqrt(3 * self.config.layers)

    def encode(
        self, source_ids: Tensor, source_mask: Tensor | None = None, *, capture: Capture | None = None
    ) -> Memory:
        """Read a source once, for any number of :meth:`decode` calls.

        Args:
            source_ids: [B, S] int64.
            source_mask: [B, S], 0 for padding (left or right).
            capture: names of the encoder begin with ``encoder.``.

        Raises:
            InputError: a source that is too long, or all padding.
        """
        if source_mask is not None and not source_mask.bool().any(dim=-1).all():
            raise InputError("source_mask: a row is all padding.", field="source_mask")
        shared = self._prepare(source_ids, causal=False, attention_mask=source_mask, capture=capture)
        states = self.encoder(self._embed(source_ids, shared, prefix=_PREFIX), shared)  # [B, S, C]
        return Memory(states, CrossVisibility(None if source_mask is None else source_mask.bool()))

    def hidden(
        self,
        input_ids: Tensor,
        memory: Memory,
        cache: KVCache | None = None,
        attention_mask: Tensor | None = None,
        *,
        capture: Capture | None = None,
    ) -> Tensor:
        """Return the decoder's last hidden states [B, T, C] for target ids [B, T]; see :meth:`decode`."""
        shared = self._prepare(
            input_ids, causal=True, cache=cache, attention_mask=attention_mask, capture=capture
        )
        shared.memory = memory
        x = self._embed(input_ids, shared)  # [B, T, C]
        for block in self.blocks:
            x = block(x, shared)
        if cache is not None:
            cache.length += input_ids.shape[1]
        if self.final_norm is not None:
            x = self.final_norm(x)
            if capture is not None:
                x = capture("final_norm", x)
        return x

    def decode(
        self,
        input_ids: Tensor,
        memory: Memory,
        cache: KVCache | None = None,
        attention_mask: Tensor | None = None,
        *,
        capture: Capture | None = None,
    ) -> Tensor:
        """Return logits [B, T, V] for target ids [B, T].

        Args:
            memory: the source, from :meth:`encode`; keys and values made of it are kept there.
            cache: keys and values of earlier target tokens; extended in place.
            attention_mask: [B, T], 0 for padding of the target, only without a cache.
            capture: what to show on the way and what to change.

        Raises:
            InputError: more tokens than the context length or the cache hold.
        """
        hidden = self.hidden(input_ids, memory, cache, attention_mask, capture=capture)
        return self.logits(hidden, capture)

    def forward(
        self,
        source_ids: Tensor,
        input_ids: Tensor,
        source_mask: Tensor | None = None,
        attention_mask: Tensor | None = None,
        *,
        capture: Capture | None = None,
    ) -> Tensor:
        """Return logits [B, T, V] for target ids [B, T] after sources [B, S]; masks hold 0 for padding."""
        memory = self.encode(source_ids, source_mask, capture=capture)
        return self.decode(input_ids, memory, attention_mask=attention_mask, capture=capture)

    @torch.inference_mode()
    def greedy(
        self,
        source_ids: Tensor,
        *,
        start_id: int,
        max_tokens: int,
        stop_id: int | None = None,
        source_mask: Tensor | None = None,
    ) -> list[list[int]]:
        """Write a target for each source, always with the likeliest token; the source is read once.

        Args:
            source_ids: [B, S] int64.
            start_id: what every target begins with; not returned.
            max_tokens: longest target.
            stop_id: ends a target and is its last id.
            source_mask: [B, S], 0 for padding.

        Raises:
            InputError: a source or ``max_tokens`` that exceeds the context.
        """
        if not 1 <= max_tokens <= self.config.context_length:
            raise InputError(
                f"max_tokens must be 1 to {self.config.context_length}, not {max_tokens}.", field="max_tokens"
            )
        memory = self.encode(source_ids, source_mask)
        rows = len(source_ids)
        cache = KVCache(self.config, rows, max_tokens, device=self.device, dtype=self.embedding.weight.dtype)
        replies: list[list[int]] = [[] for _ in range(rows)]
        ended = [False] * rows
        inputs = torch.full((rows, 1), start_id, dtype=torch.long, device=self.device)
        for _ in range(max_tokens):
            inputs = self.decode(inputs, memory, cache)[:, -1].argmax(dim=-1, keepdim=True)  # [B, 1]
            for row, token in enumerate(inputs.squeeze(-1).tolist()):
                if not ended[row]:
                    replies[row].append(token)
                    ended[row] = token == stop_id
            if all(ended):
                break
        return replies
