"""What the model would say if it stopped after a layer: final norm and head on every layer's output.

The idea is nostalgebraist's (2020, "interpreting GPT: the logit lens"); Belrose et al. 2023,
arXiv:2303.08112, measure it by the divergence from the final distribution.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from llm_playground.core.errors import InputError
from llm_playground.transformer.lens.recording import Recording
from llm_playground.transformer.lens.running import quiet

_MOST_LOGITS = 2**24  # worked on at once, so that long texts and large vocabularies stay within memory

_DECODER_NOTE = "The target is the token that follows; the last position has none."
_ENCODER_NOTE = (
    "The model sees both sides and tells no next token: the target is the token at the position itself."
)
_POST_NOTE = " Its layers end with a norm of their own, which stands for the final norm."


@dataclass(frozen=True)
class LensLayer:
    """What the model would say after one layer, at every position.

    Attributes:
        name: of the tensor that is read, such as ``blocks.0.output``.
        title: ``Embedding``, ``Layer 0``, ...
        top_ids: [T, k] likeliest tokens, the likeliest first.
        top_probabilities: [T, k].
        entropy: [T] in nats.
        target_rank: [T] int64, 1 is the likeliest (equal logits share the better rank); 0: no target.
        target_probability: [T]; NaN: no target.
        kl_to_final: [T], ``sum of p_final (ln p_final - ln p_here)`` in nats.
    """

    name: str
    title: str
    top_ids: Tensor
    top_probabilities: Tensor
    entropy: Tensor
    target_rank: Tensor
    target_probability: Tensor
    kl_to_final: Tensor

    def to_dict(self) -> dict[str, Any]:
        """Return name, title and positions as plain values, as the interface has them."""
        columns = zip(
            self.top_ids.tolist(),
            self.top_probabilities.tolist(),
            self.entropy.tolist(),
            self.target_rank.tolist(),
            self.target_probability.tolist(),
            self.kl_to_final.tolist(),
            strict=True,
        )
        return {
            "name": self.name,
            "title": self.title,
            "positions": [
                {
                    "top": [{"id": i, "probability": p} for i, p in zip(ids, chances, strict=True)],
                    "entropy": entropy,
                    "target_rank": rank or None,
                    "target_probability": chance if rank else None,
                    "kl_to_final": kl,
                }
                for ids, chances, entropy, rank, chance, kl in columns
            ],
        }


@dataclass(frozen=True)
class LogitLens:
    """What every layer would say.

    Attributes:
        layers: from the embedding to the last block, which is what the model does say.
        note: what the target is, and what is special about this model.
    """

    layers: tuple[LensLayer, ...]
    note: str


def layer_logits(recording: Recording, name: str, begin: int = 0, end: int | None = None) -> Tensor:
    """Return the final norm and the head on a tensor of the residual stream, [end - begin, V].

    With post-norm blocks there is no final norm. For the last block these are the model's own logits.

    Args:
        recording: the pass.
        name: such as ``blocks.0.output``.
        begin, end: positions.
    """
    model = recording.model
    with quiet(model):
        x = recording.value(name)[None, begin:end]  # [1, N, C]
        return model.logits(x if model.final_norm is None else model.final_norm(x))[0]


def logit_lens(recording: Recording, *, top: int = 5) -> LogitLens:
    """Read every layer's output through the final norm and the head.

    Args:
        recording: the pass.
        top: how many tokens to name at each position.

    Raises:
        InputError: ``top`` is not between 1 and the vocabulary's size.
    """
    config = recording.model.config
    if not 1 <= top <= config.vocab_size:
        raise InputError(f"top {top} is out of range: 1 to {config.vocab_size}.", field="top")
    names = ["blocks.0.input", *(f"blocks.{layer}.output" for layer in range(config.layers))]
    titles = ["Embedding", *(f"Layer {layer}" for layer in range(config.layers))]
    decoder = config.architecture == "decoder"
    targets = torch.full_like(recording.ids, -1)
    if decoder:
        targets[:-1] = recording.ids[1:]
    else:
        targets = recording.ids
    step = max(1, _MOST_LOGITS // config.vocab_size)
    parts: list[list[tuple[Tensor, ...]]] = [[] for _ in names]
    for begin in range(0, recording.time, step):
        span = slice(begin, begin + step)
        final = recording.logits[span].float().log_softmax(-1)
        for part, name in zip(parts, names, strict=True):
            logits = layer_logits(recording, name, begin, begin + step)
            part.append(_read(logits.float(), final, targets[span], top))
    layers = tuple(
        LensLayer(name, title, *(torch.cat(column) for column in zip(*part, strict=True)))
        for name, title, part in zip(names, titles, parts, strict=True)
    )
    note = _DECODER_NOTE if decoder else _ENCODER_NOTE
    return LogitLens(layers, note + (_POST_NOTE if config.norm_placement == "post" else ""))


def _read(logits: Tensor, final: Tensor, targets: Tensor, top: int) -> tuple[Tensor, ...]:
    """Return the columns of a :class:`LensLayer` for some positions, [N, V] -> [N, ...] each."""
    logs = logits.log_softmax(-1)
    chances = logs.exp()
    best = logits.topk(top, dim=-1).indices
    known = targets >= 0
    target = targets.clamp(min=0)[:, None]
    of_target = logits.gather(-1, target)
    rank = ((logits > of_target).sum(-1) + 1) * known
    chance = torch.where(known, chances.gather(-1, target)[:, 0], torch.nan)
    return (
        best,
        chances.gather(-1, best),
        -(chances * logs).sum(-1),
        rank,
        chance,
        (final.exp() * (final - logs)).sum(-1).clamp(min=0),
    )
