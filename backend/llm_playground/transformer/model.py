"""The decoder and the encoder: token ids in, logits out."""

from __future__ import annotations

from torch import Tensor, nn

from llm_playground.core.errors import ConfigError, InputError
from llm_playground.transformer.base import LanguageModel
from llm_playground.transformer.blocks import Block
from llm_playground.transformer.cache import KVCache
from llm_playground.transformer.capture import Capture
from llm_playground.transformer.config import ModelConfig


class TransformerLM(LanguageModel):
    """A decoder (as GPT-2, Radford et al. 2019, and Llama, Touvron et al. 2023) or an encoder (as BERT).

    On the meta device it is built without memory and without drawing weights.

    Args:
        config: the shape.

    Raises:
        ConfigError: the architecture is an encoder-decoder, which is :class:`EncoderDecoderLM`.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        if config.architecture == "encoder-decoder":
            raise ConfigError(
                "architecture: an encoder-decoder is built by EncoderDecoderLM, not TransformerLM.",
                field="architecture",
            )
        self.causal = config.architecture == "decoder"
        self._build_embeddings(config)
        self.blocks = nn.ModuleList(
            Block(config, index, causal=self.causal) for index in range(config.layers)
        )
        self._build_head(config)
        self._initialize()

    def hidden(
        self,
        input_ids: Tensor,
        cache: KVCache | None = None,
        attention_mask: Tensor | None = None,
        *,
        segment_ids: Tensor | None = None,
        capture: Capture | None = None,
    ) -> Tensor:
        """Return the last hidden states, normalized (but with post-norm blocks, whose last norm is theirs).

        Args:
            input_ids: [B, T] int64.
            cache: keys and values of earlier tokens; extended in place. Not for an encoder.
            attention_mask: [B, T], 0 for padding (left or right), only without a cache.
            segment_ids: [B, T] int64 below ``config.segments``; None: all 0.
            capture: what to show on the way and what to change; see :class:`Capture`.

        Returns:
            [B, T, C].

        Raises:
            InputError: more tokens than the context length or the cache hold, or an argument that this model
                has no use for.
        """
        if cache is not None and not self.causal:
            raise InputError(
                "The model is an encoder: it sees a whole text at once and does not continue one.",
                hint="Call it without a cache, or take a decoder to generate text.",
                field="architecture",
            )
        shared = self._prepare(
            input_ids, causal=self.causal, cache=cache, attention_mask=attention_mask, capture=capture
        )
        x = self._embed(input_ids, shared, segment_ids)  # [B, T, C]
        for block in self.blocks:
            x = block(x, shared)
        if cache is not None:
            cache.length += input_ids.shape[1]
        if self.final_norm is not None:
            x = self.final_norm(x)
            if capture is not None:
                x = capture("final_norm", x)
        return x

    def forward(
        self,
        input_ids: Tensor,
        cache: KVCache | None = None,
        attention_mask: Tensor | None = None,
        *,
        segment_ids: Tensor | None = None,
        capture: Capture | None = None,
        targets: Tensor | None = None,
    ) -> Tensor:
        """Return logits [B, T, V] for token ids [B, T]; see :meth:`hidden` for the arguments.

        With ``targets`` [B, T] return instead the summed cross-entropy, a scalar; see :meth:`summed_loss`.
        """
        hidden = self.hidden(input_ids, cache, attention_mask, segment_ids=segment_ids, capture=capture)
        if targets is not None:
            return self.summed_loss(hidden, targets, capture)
        return self.logits(hidden, capture)
