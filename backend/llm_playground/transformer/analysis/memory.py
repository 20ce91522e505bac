"""Memory in bytes, of training on one device and of running a model.

Training holds weights, gradients, the optimizer's state, activations and the logits with what the loss makes
of them. In half precision the 16-bit weights and gradients are joined by float32 master weights, which are
counted with the optimizer, as Rajbhandari et al. 2020 (ZeRO, arXiv:1910.02054, section 3.1) do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

from llm_playground.core.errors import InputError
from llm_playground.transformer.analysis.activations import saved_activations
from llm_playground.transformer.analysis.skeleton import HEAD, LOOKUPS, Weight, kinds, weights
from llm_playground.transformer.config import ModelConfig

BYTES = MappingProxyType({"float32": 4, "bf16": 2, "fp16": 2})
CHECKPOINTING = ("none", "selective", "full")
# The loss is worked out in float32. At the worst moment, in its backward pass, there are log-probabilities,
# the gradient of those that were picked, and that of the logits; the logits themselves are gone.
_BYTES_PER_LOGIT = 12
_BLOCK = 256  # values that share a scale in 8-bit optimizers
_SMALL = 4096  # tensors below so many elements keep 32-bit states there


def _plain(bytes_each: int) -> Callable[[Weight], int]:
    return lambda weight: bytes_each * weight.numel


def _muon(weight: Weight) -> int:
    """One momentum for matrices of the blocks, AdamW's two for all else (Jordan et al. 2024)."""
    hidden = len(weight.shape) >= 2 and weight.component not in (*LOOKUPS, HEAD)
    return (4 if hidden else 8) * weight.numel


def _adamw_8bit(weight: Weight) -> int:
    """Two bytes and two shared float32 scales for each block (Dettmers et al. 2022, arXiv:2110.02861)."""
    if weight.numel < _SMALL:
        return 8 * weight.numel
    return 2 * (weight.numel + 4 * -(-weight.numel // _BLOCK))


def _adafactor(weight: Weight) -> int:
    """A row and a column of sums for each matrix, no momentum (Shazeer and Stern 2018, arXiv:1804.04235)."""
    if len(weight.shape) < 2:
        return 4 * weight.numel
    *outer, rows, columns = weight.shape
    matrices = 1
    for size in outer:
        matrices *= size
    return 4 * matrices * (rows + columns)


OPTIMIZERS: Mapping[str, Callable[[Weight], int]] = MappingProxyType(
    {
        "adamw": _plain(8),
        "adamw-8bit": _adamw_8bit,
        "adafactor": _adafactor,
        "lion": _plain(4),
        "momentum": _plain(4),
        "muon": _muon,
        "sgd": _plain(0),
    }
)


@dataclass(frozen=True)
class Memory:
    """Bytes on one device.

    Attributes:
        weights: in the precision of the computation.
        gradients: as many.
        optimizer: its state, with the float32 master weights where the precision is half.
        activations: what autograd keeps, under the chosen checkpointing.
        logits: what the loss makes of the logits, as far as it lives at one time, and soft-capped logits.
        gathered: weights that are whole for a while though they are divided among devices.
        total_training: all of the above.
        inference: weights, the cache of a full context for the batch, one row of logits for each sequence.
        kv_cache_per_token: what one more token adds as long as no window is full.
        kv_cache_at_context: at the context, for the batch; windows keep no more than their size.
        activations_by_component: without checkpointing.
    """

    weights: int
    gradients: int
    optimizer: int
    activations: int
    logits: int
    gathered: int
    total_training: int
    inference: int
    kv_cache_per_token: int
    kv_cache_at_context: int
    activations_by_component: dict[str, int]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON data; activations by component as a list."""
        data = asdict(self)
        parts = data.pop("activations_by_component")
        data["activations_by_component"] = [
            {"component": name, "bytes": size} for name, size in parts.items()
        ]
        return data


def count_memory(
    config: ModelConfig,
    context: int,
    *,
    batch: int = 1,
    precision: str = "float32",
    optimizer: str = "adamw",
    checkpointing: str = "none",
    shards: int = 1,
) -> Memory:
    """Count the bytes of training and running.

    Args:
        config: the shape.
        context: tokens of a sequence.
        batch: sequences of one step on one device (of one micro-batch where gradients are accumulated).
        precision: of weights and activations: ``float32``, ``bf16`` or ``fp16``.
        optimizer: one of ``OPTIMIZERS``.
        checkpointing: ``none``, ``selective`` or ``full``; see :meth:`.activations.Activations.held`.
        shards: devices among which weights, gradients and optimizer are divided (ZeRO-3, FSDP).

    Raises:
        InputError: an unknown optimizer, precision or checkpointing, or a number below 1.
    """
    _check(batch, precision, optimizer, checkpointing, shards)
    _check_countable(config, batch, context)
    size = BYTES[precision]
    tensors = weights(config)
    total = sum(weight.copies * weight.numel for weight in tensors)
    state = sum(weight.copies * OPTIMIZERS[optimizer](weight) for weight in tensors)
    master = 4 * total if size < 4 else 0
    found = saved_activations(config, batch, context, precision)
    held = found.held(checkpointing)
    logits = found.scores + batch * context * config.vocab_size * _BYTES_PER_LOGIT
    gathered = _gathered(tensors, size) if shards > 1 else 0
    per_device = [-(-part // shards) for part in (size * total, size * total, state + master)]
    cache = kv_cache_bytes(config, context, precision)
    return Memory(
        weights=per_device[0],
        gradients=per_device[1],
        optimizer=per_device[2],
        activations=held,
        logits=logits,
        gathered=gathered,
        total_training=sum(per_device) + held + logits + gathered,
        inference=inference_bytes(config, context, batch=batch, precision=precision),
        kv_cache_per_token=_per_token(config) * size * _cached_layers(config),
        kv_cache_at_context=batch * cache,
        activations_by_component=found.by_component(),
    )


def inference_bytes(config: ModelConfig, context: int, *, batch: int = 1, precision: str = "float32") -> int:
    """Return the bytes that running takes: weights, and for each sequence the cache and one row of logits."""
    total = sum(weight.copies * weight.numel for weight in weights(config))
    each = kv_cache_bytes(config, context, precision) + 4 * config.vocab_size
    return BYTES[precision] * total + batch * each


def kv_cache_bytes(config: ModelConfig, context: int, precision: str = "float32") -> int:
    """Return the bytes of keys and values of one sequence of ``context`` tokens, 0 for an encoder.

    ``2 * kv_heads * head_size * bytes * min(window, tokens)``, summed over the layers; a decoder that reads
    an encoder also keeps the keys and values of a source as long as the context.
    """
    if config.architecture == "encoder":
        return 0
    tokens = sum(count * min(window or context, context) for window, count in kinds(config).items())
    if config.architecture == "encoder-decoder":
        tokens += config.layers * context
    return _per_token(config) * BYTES[precision] * tokens


def kv_curve(config: ModelConfig, precision: str = "float32") -> list[dict[str, int]]:
    """Return the cache of one sequence up to the model's context, with a point where each window is full."""
    longest = config.context_length
    points = {1, longest, *(window for window in kinds(config) if window is not None and window < longest)}
    points |= {round(longest * step / 24) for step in range(1, 24)}
    return [
        {"context": tokens, "bytes": kv_cache_bytes(config, tokens, precision)}
        for tokens in sorted(points)
        if tokens >= 1
    ]


def _per_token(config: ModelConfig) -> int:
    """Numbers that one layer keeps for one token."""
    return 2 * config.key_value_heads * config.head_size


def _cached_layers(config: ModelConfig) -> int:
    if config.architecture == "encoder":
        return 0
    return config.layers * (2 if config.architecture == "encoder-decoder" else 1)


def _gathered(tensors: tuple[Weight, ...], size: int) -> int:
    """Weights that FSDP holds whole: embeddings and head always, one block at work, the next on its way."""
    outside = sum(weight.numel for weight in tensors if not weight.stack)
    blocks = [
        sum(weight.numel for weight in tensors if weight.stack == stack) for stack in ("encoder", "decoder")
    ]
    return size * (outside + 2 * max(blocks))


def _check(batch: int, precision: str, optimizer: str, checkpointing: str, shards: int) -> None:
    for name, value, known in (
        ("precision", precision, tuple(BYTES)),
        ("optimizer", optimizer, tuple(OPTIMIZERS)),
        ("checkpointing", checkpointing, CHECKPOINTING),
    ):
        if value not in known:
            raise InputError(f"{name}: {value!r} is unknown.", hint=f"Use {', '.join(known)}.", field=name)
    for name, number in (("batch", batch), ("shards", shards)):
        if number < 1:
            raise InputError(f"{name}: {number} is not 1 or more.", field=name)


def _check_countable(config: ModelConfig, batch: int, context: int) -> None:
    """Refuse tensors whose bytes do not fit into the 63 bits in which sizes are counted."""
    scores = config.heads * context  # of one token, where they are written out
    widest = max(config.vocab_size, 2 * config.hidden_width, scores, 3 * config.heads * config.head_size)
    if 8 * batch * context * widest >= 2**63:
        raise InputError(
            f"batch: {batch:,} sequences of {context:,} tokens are more than can be counted for this shape.",
            field="batch",
        )
