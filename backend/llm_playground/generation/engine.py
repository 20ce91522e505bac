"""Token ids in, token events out. The engine knows no text; ``text.py`` wraps it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from llm_playground.core.errors import InputError
from llm_playground.core.seeds import derive_seed
from llm_playground.generation.sampling import SamplingParams, choose
from llm_playground.transformer import KVCache, TransformerLM

FinishReason = Literal["stop", "length", "cancelled"]


@dataclass(frozen=True)
class TokenEvent:
    """One new token of one row.

    Attributes:
        row: which prompt it continues.
        id: the token.
        logprob: its log-probability in nats under the model, before temperature and filters.
        finish_reason: set on the row's last event: "stop" (a stop id), "length" (no room or budget left).
    """

    row: int
    id: int
    logprob: float
    finish_reason: FinishReason | None = None


class GenerationEngine:
    """Continue prompts with a model, in batches, with a cache of keys and values.

    Args:
        model: a model in evaluation mode; the engine does not change it.
    """

    def __init__(self, model: TransformerLM) -> None:
        self.model = model.eval()

    @torch.inference_mode()
    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        params: SamplingParams,
        should_stop: Callable[[], bool] | None = None,
    ) -> Iterator[TokenEvent]:
        """Yield events as tokens are chosen; rows advance together, finished ones leave the batch.

        Every row draws from a generator of its own, seeded by (seed, row), so that what else is in the batch
        does not change a row's tokens.

        Args:
            prompts: token ids of each row, at least one id, shorter than the model's context.
            params: how tokens are chosen, the same for all rows.
            should_stop: asked before each token; True ends the stream.

        Raises:
            InputError: an empty or too long prompt, or an id outside the vocabulary.
        """
        config = self.model.config
        for prompt in prompts:
            if not prompt:
                raise InputError("A prompt is empty; the model needs at least one token to go on from.")
            if len(prompt) >= config.context_length:
                raise InputError(
                    f"The prompt has {len(prompt)} tokens; the model's context holds {config.context_length} "
                    "with the reply.",
                    field="prompt",
                )
            if min(prompt) < 0 or max(prompt) >= config.vocab_size:
                raise InputError(f"A prompt holds ids outside the vocabulary of {config.vocab_size}.")
        if not prompts:
            return
        seed = params.seed if params.seed is not None else secrets.randbits(62)
        generators = [
            torch.Generator().manual_seed(derive_seed(seed, "row", row)) for row in range(len(prompts))
        ]
        device = self.model.device
        longest = max(map(len, prompts))
        pads = [longest - len(prompt) for prompt in prompts]
        padding = torch.tensor(pads, device=device)
        batch = torch.zeros(len(prompts), longest, dtype=torch.long, device=device)
        for row, prompt in enumerate(prompts):
            batch[row, longest - len(prompt) :] = torch.tensor(list(prompt), device=device)
        cache = KVCache(
            config,
            len(prompts),
            min(config.context_length + max(pads), longest + params.max_tokens),
            padding if any(pads) else None,
            device=device,
            dtype=self.model.embedding.weight.dtype,
        )
        rows = list(range(len(prompts)))
        stop_ids, made = set(params.stop_ids), 0
        inputs: Tensor = batch
        while rows:
            if should_stop is not None and should_stop():
                return
            hidden = self.model.hidden(inputs, cache)[:, -1]
            logits = self.model.logits(hidden).float().cpu()  # [rows, V]
            logprobs = logits.log_softmax(dim=-1)
            made += 1
            kept, chosen = [], []
            for place, row in enumerate(rows):
                token = choose(logits[place], params, generators[row])
                full = made >= params.max_tokens or cache.length - pads[row] >= config.context_length
                reason: FinishReason | None = "stop" if token in stop_ids else "length" if full else None
                yield TokenEvent(row, token, float(logprobs[place, token]), reason)
                if reason is None:
                    kept.append(place)
                    chosen.append(token)
            if len(kept) < len(rows):
                cache.keep(torch.tensor(kept, dtype=torch.long, device=device))
                rows = [rows[place] for place in kept]
            inputs = torch.tensor(chosen, dtype=torch.long, device=device).unsqueeze(1)

    def complete(self, prompts: Sequence[Sequence[int]], params: SamplingParams) -> list[list[int]]:
        """Return the whole continuation of each prompt (a final stop id included)."""
        replies: list[list[int]] = [[] for _ in prompts]
        for event in self.generate(prompts, params):
            replies[event.row].append(event.id)
        return replies
