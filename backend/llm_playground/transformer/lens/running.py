"""Checked ids and a quiet forward pass, for everything that looks into a model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import torch
from torch import Tensor

from llm_playground.core.errors import InputError
from llm_playground.transformer.blocks import Block
from llm_playground.transformer.capture import Capture
from llm_playground.transformer.model import TransformerLM


def as_row(model: TransformerLM, ids: Tensor) -> Tensor:
    """Return ids as one checked row, [1, T] int64 on the model's device.

    Args:
        model: a decoder or an encoder.
        ids: [T] or [1, T].

    Raises:
        InputError: an encoder-decoder, no ids, several rows, an id outside the vocabulary, or more ids than
            the context holds.
    """
    config = model.config
    if not isinstance(model, TransformerLM) or config.architecture == "encoder-decoder":
        raise InputError(
            "This view is for decoders and encoders; the model has both.",
            hint="Choose a decoder, such as a GPT or a Llama.",
            field="model",
        )
    row = torch.as_tensor(ids, dtype=torch.int64, device=model.device)
    if row.dim() == 1:
        row = row[None]
    if row.dim() != 2 or row.shape[0] != 1 or row.shape[1] == 0:
        raise InputError(f"One row of token ids is needed, not the shape {tuple(row.shape)}.", field="ids")
    if row.shape[1] > config.context_length:
        raise InputError(
            f"The text is {row.shape[1]} tokens long; the model's context holds {config.context_length}.",
            field="ids",
        )
    wrong = row[(row < 0) | (row >= config.vocab_size)]
    if len(wrong):
        raise InputError(
            f"Token id {int(wrong[0])} is not among the model's {config.vocab_size} (0 to "
            f"{config.vocab_size - 1}).",
            field="ids",
        )
    return row


def check_index(value: int, count: int, field: str) -> int:
    """Return a layer, head or position as a number from 0; positions may count from the end.

    Raises:
        InputError: it is out of range; the message names the range.
    """
    least = -count if field == "position" else 0
    if not least <= value < count:
        raise InputError(f"{field} {value} is out of range: {least} to {count - 1}.", field=field)
    return value % count


def block_of(model: TransformerLM, layer: int) -> Block:
    """Return a block, counted from 0."""
    return cast(Block, model.blocks[layer])


@contextmanager
def quiet(model: torch.nn.Module) -> Iterator[None]:
    """Run without gradients and without dropout; the model's mode is restored."""
    training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        model.train(training)


def run(
    model: TransformerLM, row: Tensor, capture: Capture | None = None, *, segment_ids: Tensor | None = None
) -> Tensor:
    """Return logits [B, T, V] of one quiet pass over rows of ids [B, T]."""
    with quiet(model):
        extra = {} if segment_ids is None else {"segment_ids": segment_ids}
        return model(row, capture=capture, **extra)
