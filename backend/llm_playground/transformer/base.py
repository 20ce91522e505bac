"""What decoders, encoders and encoder-decoders share: the way in, the way out, and their start."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from llm_playground.core.errors import InputError
from llm_playground.transformer.cache import KVCache
from llm_playground.transformer.capture import Capture
from llm_playground.transformer.config import ModelConfig
from llm_playground.transformer.feed_forward import MixtureOfExperts, activation_curve
from llm_playground.transformer.forward_pass import ForwardPass, prepare_pass
from llm_playground.transformer.linear import Embedding, Linear
from llm_playground.transformer.loss import cross_entropy_sum, head_cross_entropy_sum
from llm_playground.transformer.norms import make_norm
from llm_playground.transformer.positions import Sinusoids, alibi_slopes
from llm_playground.transformer.rotary import Rotary


class HeadTransform(nn.Module):
    """What BERT does before its head: a linear layer, the activation and a norm, [..., C] -> [..., C]."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.dense = Linear(config.width, config.width, bias=config.bias)
        self.curve = activation_curve(config.activation)
        self.norm = make_norm(config)

    def forward(self, x: Tensor) -> Tensor:
        """Transform each token alone."""
        return self.norm(self.curve(self.dense(x)))


class LanguageModel(nn.Module):
    """The common base; subclasses build their blocks between the embeddings and the head.

    Attributes:
        config: the shape.
        generation_defaults: settings for generation that came with the weights, if any.
    """

    generation_defaults: Mapping[str, Any]
    embedding: nn.Embedding
    final_norm: nn.Module | None

    def _build_embeddings(self, config: ModelConfig) -> None:
        self.config = config
        self.generation_defaults = {}
        self.embedding = Embedding(config.vocab_size, config.width)
        learned = config.positions == "learned"
        self.position_embedding = Embedding(config.context_length, config.width) if learned else None
        self.segment_embedding = Embedding(config.segments, config.width) if config.segments else None
        self.embedding_norm = make_norm(config) if config.embedding_norm else None
        self.drop = nn.Dropout(config.dropout) if config.dropout else nn.Identity()
        # Tables of positions are worked out when needed: they are no weights and take no time to build.
        self.rotary = Rotary(config) if config.positions == "rope" else None
        sinusoidal = config.positions == "sinusoidal"
        self.sinusoids = Sinusoids(config.width, config.context_length) if sinusoidal else None
        self.slopes = alibi_slopes(config.heads) if config.positions == "alibi" else None

    def _build_head(self, config: ModelConfig) -> None:
        self.final_norm = None if config.norm_placement == "post" else make_norm(config, for_products=True)
        self.head_transform = HeadTransform(config) if config.head_transform else None
        self.head = None if config.tied_embeddings else Linear(config.width, config.vocab_size, bias=False)
        self.head_bias = nn.Parameter(torch.zeros(config.vocab_size)) if config.head_bias else None

    def _initialize(self) -> None:
        """Draw weights from N(0, init_std), those that write to the residual stream by 1/sqrt(parts) less.

        The scaling is GPT-2's (Radford et al. 2019, section 2.3); parts counts what is added to the stream.
        Nothing is drawn on the meta device.
        """
        if self.embedding.weight.is_meta:
            return
        std = self.config.init_std
        for name, module in self.named_modules():
            if isinstance(module, nn.Linear):
                writes = name.endswith((".output", ".down"))
                nn.init.normal_(module.weight, std=std / self._residual_growth(name) if writes else std)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=std)
            elif isinstance(module, MixtureOfExperts):
                nn.init.normal_(module.up, std=std)
                nn.init.normal_(module.down, std=std / self._residual_growth(name))

    def _residual_growth(self, name: str) -> float:
        """Return the square root of how many parts write to the residual stream that a module writes to."""
        return math.sqrt(2 * self.config.layers)

    def num_parameters(self) -> int:
        """Count the parameters (a tied head once)."""
        return sum(parameter.numel() for parameter in self.parameters())

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return self.embedding.weight.device

    @property
    def balance_loss(self) -> Tensor | None:
        """Load-balancing loss of the last pass in training mode, summed over layers; None without experts.

        It is 1 for each layer whose experts are all used alike (Fedus et al. 2021, arXiv:2101.03961); a
        training adds it times ``config.expert_balance`` to its loss.
        """
        losses = [
            module.balance
            for module in self.modules()
            if isinstance(module, MixtureOfExperts) and module.balance is not None
        ]
        return torch.stack(losses).sum() if losses else None

    def _prepare(
        self,
        input_ids: Tensor,
        *,
        causal: bool,
        cache: KVCache | None = None,
        attention_mask: Tensor | None = None,
        capture: Capture | None = None,
    ) -> ForwardPass:
        """Return what the layers of a pass over ids [B, T] share."""
        slopes = None if self.slopes is None else torch.tensor(self.slopes, device=input_ids.device)
        shared = prepare_pass(
            input_ids,
            context=self.config.context_length,
            causal=causal,
            cache=cache,
            attention_mask=attention_mask,
            slopes=slopes,
            capture=capture,
        )
        if self.rotary is not None:
            dtype = self.embedding.weight.dtype
            shared.tables = self.rotary.tables(shared.positions, shared.start, shared.length, dtype)
        return shared

    def _embed(
        self, input_ids: Tensor, shared: ForwardPass, segment_ids: Tensor | None = None, prefix: str = ""
    ) -> Tensor:
        """Return the vectors that enter the first block: [B, T] -> [B, T, C]."""
        capture = shared.capture
        x = self.embedding(input_ids)  # [B, T, C]
        if self.config.embedding_scale:
            x = x * self.config.width**0.5
        if capture is not None:
            x = capture(f"{prefix}embedding", x)
        positions: Tensor | None = None  # [T, C] or [B, T, C]
        if self.position_embedding is not None:
            positions = self.position_embedding(shared.positions)
        elif self.sinusoids is not None:
            positions = self.sinusoids(shared.positions, shared.length).to(x.dtype)
        if positions is not None:
            if capture is not None:
                positions = capture(f"{prefix}position_embedding", positions.expand_as(x))
            x = x + positions
        if self.segment_embedding is not None:
            segments = self.segment_embedding(
                torch.zeros_like(input_ids) if segment_ids is None else segment_ids
            )  # [B, T, C]
            if capture is not None:
                segments = capture(f"{prefix}segment_embedding", segments)
            x = x + segments
        elif segment_ids is not None:
            raise InputError(
                "segment_ids: the model tells no segments apart.",
                hint="Its configuration has segments = 0.",
                field="segment_ids",
            )
        if self.embedding_norm is not None:
            x = self.embedding_norm(x)
            if capture is not None:
                x = capture(f"{prefix}embedding_norm", x)
        return self.drop(x)

    def logits(self, hidden: Tensor, capture: Capture | None = None) -> Tensor:
        """Return scores over the vocabulary: [..., C] -> [..., V]."""
        if self.head_transform is not None:
            hidden = self.head_transform(hidden)
            if capture is not None:
                hidden = capture("head_transform", hidden)
        weight = self.embedding.weight if self.head is None else self.head.weight
        logits = F.linear(hidden, weight, self.head_bias)
        cap = self.config.logit_softcap
        if cap is not None:
            logits = cap * torch.tanh(logits / cap)
        return logits if capture is None else capture("logits", logits)

    def summed_loss(self, hidden: Tensor, targets: Tensor, capture: Capture | None = None) -> Tensor:
        """Return the sum of -log p(target) in nats over the targets that are not ``IGNORE``, a scalar.

        Args:
            hidden: [B, T, C], as :meth:`logits` takes it.
            targets: [B, T] ids.
            capture: of the pass; whoever looks at the logits gets them all.
        """
        weight = self.embedding.weight if self.head is None else self.head.weight
        plain = self.head_transform is None and self.head_bias is None and self.config.logit_softcap is None
        if plain and capture is None:
            return head_cross_entropy_sum(hidden, weight, targets)
        return cross_entropy_sum(self.logits(hidden, capture), targets)[0]

    @classmethod
    def from_pretrained(
        cls, folder: str | Path, *, device: str = "cpu", dtype: torch.dtype = torch.float32
    ) -> Self:
        """Load a Hugging Face folder or Hub model (``hub:ORG/NAME``) from safetensors.

        Raises:
            InputError, ConfigError, StorageError: the folder, its configuration or its weights are wrong.
        """
        from llm_playground.transformer.hf.loading import load_model

        return load_model(cls, folder, device=device, dtype=dtype)

    def save_pretrained(self, folder: str | Path, dtype: torch.dtype | None = None) -> None:
        """Write ``config.json`` and safetensors that ``transformers`` reads with equal logits.

        Args:
            folder: created if missing.
            dtype: type of the stored weights; default as they are.
        """
        from llm_playground.transformer.hf.saving import save_model

        save_model(self, Path(folder), dtype)
