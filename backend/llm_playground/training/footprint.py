"""The memory that a training takes at its worst moment, told from its settings alone.

``transformer.analysis`` counts the parts (weights, optimizer, what autograd saves); here they are put in the
order in which the engine needs them. They are not all there at one time: gradients come as activations go,
and the logits are gone before the first of them. The peak is the greatest of five moments:

- *loss*: all kept activations, and what the loss makes of the logits;
- *head*: the gradients of the logits and of the head, and all kept activations;
- *recomputing*: with checkpointing, one block's activations on top of what is kept;
- *update*: all gradients, and what the optimizer needs besides;
- *validation*: logits of a batch, without gradients.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from llm_playground.transformer import ModelConfig
from llm_playground.transformer.analysis.activations import Activations, FusedAttention, saved_activations
from llm_playground.transformer.analysis.memory import OPTIMIZERS
from llm_playground.transformer.analysis.skeleton import HEAD, LOOKUPS, Weight, weights

if TYPE_CHECKING:
    import torch

    from llm_playground.training.config import TrainingConfig

_FLOAT = 4  # bytes: weights, gradients and states are float32 in every precision
HEAD_LOGITS = 2**26  # bytes of logits that transformer.fused and fused_bf16 make at once
_HEAD_SCORES = 2**22  # bytes of those that the latter has in float32
_LOSS_BYTES = 12  # for each logit, in the loss's backward pass: see transformer.analysis.memory
_SCORING_BYTES = 8  # without gradients: the logits and their log-probabilities
_MUON_CHUNK = 2**24  # numbers that Muon makes orthogonal at once, in about five copies
# On a processor all tensors lie in the C library's heap (see core.devices.keep_freed_memory), which keeps
# holes between them; share and rest were measured on trainings of 1 to 124 million parameters.
_HOLES = 0.1
_HEAP_REST = 20 * 2**20
_STATES = {"adamw": "adamw", "muon": "muon", "lion": "lion", "sgd": "momentum"}


@dataclass(frozen=True)
class Footprint:
    """Bytes of a training on one device.

    Attributes:
        base: the process before there is a model: libraries, or a card's context.
        weights: float32.
        gradients: as many, once the backward pass is done.
        optimizer: its state.
        average: moving average of the weights, where one is kept.
        activations: what is kept for the backward pass of a micro-batch.
        recomputed: one block's activations again, with checkpointing.
        logits: what the loss makes of a micro-batch's logits.
        holes: what a processor's heap holds beyond the moments: it gives back little of what it once had.
        moments: the five moments of this module, all that is there at each of them.
        parts: what the peak is made of at its moment; the sum of them is the peak. Beside the names above:
            ``gathered`` weights (fsdp) and the optimizer's ``working`` space.
    """

    base: int
    weights: int
    gradients: int
    optimizer: int
    average: int
    activations: int
    recomputed: int
    logits: int
    holes: int
    moments: Mapping[str, int]
    parts: Mapping[str, int]

    @property
    def peak(self) -> int:
        """The most that is there at one time."""
        return max(self.moments.values()) + self.holes

    @property
    def worst(self) -> str:
        """The moment at which it is there."""
        return max(self.moments, key=lambda name: self.moments[name])

    def to_dict(self) -> dict[str, Any]:
        """Return JSON data."""
        return {
            **asdict(self),
            "moments": dict(self.moments),
            "parts": dict(self.parts),
            "peak": self.peak,
            "worst": self.worst,
        }


def footprint(
    config: ModelConfig,
    settings: TrainingConfig,
    *,
    rows: int,
    length: int,
    base: int = 0,
    accumulating: bool = False,
    validation_rows: int = 0,
    checkpointing: str | None = None,
    precision: str | None = None,
    shards: int = 1,
    heap: bool = True,
) -> Footprint:
    """Count the bytes of a training on one device.

    Args:
        config: the model's shape.
        settings: of the training; its optimizer, average, precision and checkpointing count here.
        rows: sequences of a micro-batch.
        length: tokens of each.
        base: bytes of the process before there is a model.
        accumulating: whether gradients are kept from one micro-batch to the next.
        validation_rows: sequences that a validation scores at once.
        checkpointing, precision: instead of those of the settings.
        shards: devices that divide weights, gradients, optimizer and average (fsdp).
        heap: whether tensors lie in a processor's heap, which keeps holes; a card's allocator hardly does.
    """
    checkpointing = checkpointing or settings.activation_checkpointing
    precision = precision or settings.precision
    precision = "float32" if precision == "auto" else precision
    tensors = weights(config)
    total = sum(weight.copies * weight.numel for weight in tensors)
    state = sum(weight.copies * OPTIMIZERS[_STATES[settings.optimizer]](weight) for weight in tensors)
    if settings.optimizer == "sgd" and settings.momentum == 0:
        state = 0
    head = _FLOAT * config.vocab_size * config.width
    kept, again = kept_activations(
        config, rows, length, precision, checkpointing, heap=heap and not settings.compile
    )
    per_device = [-(-part // shards) for part in (_FLOAT * total, _FLOAT * total, state)]
    held, gradients, optimizer = per_device
    average = held if settings.ema_decay is not None else 0
    logits = rows * length * config.vocab_size
    scores = rows * length * config.width * _FLOAT
    before = gradients if accumulating else 0
    loss = {"activations": kept, "logits": _LOSS_BYTES * logits}
    scored = {"activations": kept + scores, "logits": 4 * logits}
    plain_head = config.logit_softcap is None and not config.head_bias and not config.head_transform
    if heap and plain_head and precision in ("float32", "bf16") and not settings.compile:
        # The head's loss is worked out some tokens at a time, with its gradients: see transformer.fused.
        size = _FLOAT if precision == "float32" else 2
        at_once = min(rows * length, max(1, HEAD_LOGITS // (size * config.vocab_size)))
        work = size * at_once * config.vocab_size
        if precision == "bf16":
            scores //= 2
            work += _HEAD_SCORES + head // 2  # the head's gradient, in 16 bits too
        loss = {"activations": kept + scores, "logits": work + head}
        scored = {"activations": kept + 2 * scores, "logits": head}
    lasting = {
        "base": base,
        "weights": held,
        "optimizer": optimizer,
        "average": average,
        "gathered": 2 * held if shards > 1 else 0,
    }
    standing = sum(lasting.values())
    made = {
        "loss": {"gradients": before, **loss},
        "head": {"gradients": before + head, **scored},
        "recomputing": {"gradients": max(before, head), "activations": kept, "recomputed": again},
        "update": {"gradients": gradients, "working": max(_update_bytes(settings, tensors), head)},
        "validation": {
            "activations": _scoring(config, validation_rows, length),
            "logits": _SCORING_BYTES * validation_rows * length * config.vocab_size,
        },
    }
    if checkpointing == "none":
        del made["recomputing"]
    if not validation_rows:
        del made["validation"]
    moments = {name: standing + sum(parts.values()) for name, parts in made.items()}
    holes = 0
    if heap:
        # What the passes had leaves holes that the gradients, and what the update needs, do not all fit into.
        passes = max(sum(loss.values()), head + sum(scored.values()))
        if again:
            widest = _FLOAT * rows * length * max(2 * config.hidden_width, 3 * config.width)
            passes = max(passes, kept + again + 3 * widest)
        whole = standing + round((1 + _HOLES) * passes) + gradients + _update_bytes(settings, tensors)
        holes = max(0, whole + _HEAP_REST - max(moments.values()))
    return Footprint(
        base=base,
        weights=held,
        gradients=gradients,
        optimizer=optimizer,
        average=average,
        activations=kept,
        recomputed=again,
        logits=loss["logits"],
        holes=holes,
        moments=moments,
        parts={**lasting, **made[max(moments, key=moments.__getitem__)], "holes": holes},
    )


def _update_bytes(settings: TrainingConfig, tensors: tuple[Weight, ...]) -> int:
    """Bytes that an optimizer's step needs for a moment beyond its state."""
    if settings.optimizer == "lion":
        return _FLOAT * sum(weight.copies * weight.numel for weight in tensors)
    if settings.optimizer != "muon":
        return 0
    matrices = [
        weight for weight in tensors if len(weight.shape) >= 2 and weight.component not in (*LOOKUPS, HEAD)
    ]
    directions = sum(weight.copies * weight.numel for weight in matrices)
    chunk = max((min(_MUON_CHUNK, weight.copies * weight.numel) for weight in matrices), default=0)
    return _FLOAT * (directions + 5 * chunk)


def _scoring(config: ModelConfig, rows: int, length: int) -> int:
    """Bytes of the tensors that a block has at one time when nothing is kept: residual, hidden, queries."""
    widest = max(3 * config.hidden_width, 4 * config.heads * config.head_size)
    return _FLOAT * rows * length * (2 * config.width + widest)


def kept_activations(
    config: ModelConfig, rows: int, length: int, precision: str, checkpointing: str, *, heap: bool = True
) -> tuple[int, int]:
    """Return the bytes (kept for the backward pass, computed again at one time).

    ``full`` keeps each block's input, ``selective`` that of every second block, the first one included, and
    all of the others': what :func:`.execution.activation_checkpointing` does. ``heap``: on a processor, which
    has its own way to train in bf16.
    """
    found = _activations(config, rows, length, precision, heap)
    outside = found.outside.total + found.scores
    if checkpointing == "none":
        return outside + sum(count * block.total for count, block in found.blocks), 0
    kept = outside
    for count, block in found.blocks:
        redone = count if checkpointing == "full" else -(-count // 2)
        kept += redone * block.input + (count - redone) * block.total
    return kept, max(max(0, block.total - block.input) for _, block in found.blocks)


def _activations(config: ModelConfig, rows: int, length: int, precision: str, heap: bool) -> Activations:
    if precision == "float32":
        return saved_activations(config, rows, length, precision)
    # Under autocast some tensors are float32 and some are 16 bits: two watched models tell how much a block
    # saves in that mixture, and the shares of the kinds of blocks are those of float32.
    plain = saved_activations(config, rows, length, "float32")
    # What a card keeps is seen in fp16, which has no way of its own on a processor and takes as many bytes.
    watched = precision if heap else "fp16"
    one, two = (_watched(config, layers, rows, length, watched) for layers in (1, 2))
    reference = saved_activations(_plain_blocks(config, 1), rows, length, "float32").blocks[0][1].total
    share = (two - one) / reference
    first = saved_activations(_plain_blocks(config, 1), rows, length, "float32").outside.total
    blocks = []
    for count, block in plain.blocks:
        parts = {name: round(size * share) for name, size in block.by_component.items()}
        blocks.append((count, type(block)(parts, block.input, block.products)))
    outside = {"embedding": max(0, one - (two - one)) + plain.outside.total - first}
    return Activations(type(plain.outside)(outside), tuple(blocks), plain.scores)


def _plain_blocks(config: ModelConfig, layers: int) -> ModelConfig:
    return config.model_copy(
        update={"layers": layers, "window": None, "full_attention_layers": (), "init_std": 1.0}
        | dict.fromkeys(("bos_id", "eos_id", "pad_id"))
    )


@lru_cache(maxsize=64)
def _watched(config: ModelConfig, layers: int, rows: int, length: int, precision: str) -> int:
    """Return the bytes that autograd saves under autocast, seen on a model that has shapes only."""
    import torch

    from llm_playground.transformer.model import TransformerLM

    with torch.device("meta"):
        model = TransformerLM(_plain_blocks(config, layers)).train()
        ids = torch.zeros(rows, length, dtype=torch.long)
    own = {
        tensor.untyped_storage()._cdata: tensor.untyped_storage()
        for tensor in (*model.parameters(), *model.buffers())
    }
    known = dict(own)

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        known.setdefault(tensor.untyped_storage()._cdata, tensor.untyped_storage())
        return tensor

    dtype = torch.bfloat16 if precision == "bf16" else torch.float16
    # Autocast itself leaves tensors without numbers alone; parts of the model ask whether it is on.
    told = torch.autocast("cpu", dtype=dtype)
    hooks = torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor)
    with hooks, told, _cast_products(dtype):
        model(ids)
    return sum(storage.nbytes() for key, storage in known.items() if key not in own)


@contextmanager
def _cast_products(dtype: torch.dtype) -> Iterator[None]:
    """Do to tensors without numbers what autocast does: products in 16 bits, each weight cast once.

    For attention stands what its fused kernel saves.
    """
    import torch
    import torch.nn.functional as F
    from torch import Tensor
    from torch.overrides import TorchFunctionMode

    products = {F.linear, torch.matmul, torch.bmm, torch.einsum, Tensor.matmul, Tensor.__matmul__, Tensor.bmm}
    casts: dict[int, Tensor] = {}

    def cast(value: Any) -> Any:
        if not isinstance(value, Tensor) or value.dtype != torch.float32:
            return value
        if isinstance(value, torch.nn.Parameter):
            return casts.setdefault(id(value), value.to(dtype))
        return value.to(dtype)

    class Casting(TorchFunctionMode):
        def __torch_function__(
            self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
        ) -> Any:
            if func is F.scaled_dot_product_attention:
                mask = args[3] if len(args) > 3 else (kwargs or {}).get("attn_mask")
                return FusedAttention.apply(*(cast(value) for value in (*args[:3], mask)))
            if func in products:
                return func(*(cast(value) for value in args), **(kwargs or {}))
            return func(*args, **(kwargs or {}))

    with Casting():
        yield
