"""Memory against measurements: what autograd saves, and every byte that lives during a training step."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.checkpoint import CheckpointPolicy, checkpoint, create_selective_checkpoint_contexts

from llm_playground.transformer import ModelConfig, TransformerLM, analyze, cross_entropy_sum
from llm_playground.transformer.analysis.activations import saved_activations

from .architectures import SHAPES, build, inputs, shape

DTYPES = {"float32": torch.float32, "bf16": torch.bfloat16}


def saved_bytes(model: torch.nn.Module, ids: tuple[torch.Tensor, ...]) -> int:
    """Bytes of the storages that autograd keeps after a forward pass, the model's own left out."""
    own = {tensor.untyped_storage()._cdata for tensor in (*model.parameters(), *model.buffers())}
    kept: dict[int, torch.UntypedStorage] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            kept[storage._cdata] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model(*ids)
    return sum(storage.nbytes() for storage in kept.values())


@pytest.mark.parametrize("precision", DTYPES)
@pytest.mark.parametrize("name", SHAPES)
def test_activations_are_what_autograd_keeps(name: str, precision: str) -> None:
    config = shape(name, layers=4)
    for batch, time in ((2, 64), (3, 50)):
        measured = saved_bytes(build(config).to(DTYPES[precision]), inputs(config, batch, time))
        found = saved_activations(config, batch, time, precision)
        # Equal but for LayerNorms in half precision: a CPU keeps their means in 16 bits, other devices in 32.
        assert found.held("none") + found.scores == pytest.approx(measured, rel=0.01)
        assert sum(found.by_component().values()) == found.held("none")


def test_a_vocabulary_as_large_as_a_width_is_not_mistaken_for_it() -> None:
    for more in ({"vocab_size": 64}, {"vocab_size": 192}, {"vocab_size": 64, "logit_softcap": 5.0}):
        config = shape("llama", layers=4, **more)
        measured = saved_bytes(build(config), inputs(config, 2, 32))
        found = saved_activations(config, 2, 32, "float32")
        assert found.held("none") + found.scores == measured
        assert bool(found.scores) == ("logit_softcap" in more)


def test_activations_of_gpt2_by_hand() -> None:
    config, tokens = ModelConfig.preset("gpt2-small"), 8 * 1024
    # In numbers for each token: two norms keep input, mean, spread and output; q, k and v; attention's output
    # and one number for each head; the hidden layer before and after its curve.
    block = 2 * (768 + 2 + 768) + 3 * 768 + 768 + 12 + 2 * 4 * 768
    ends = 768 + 2 + 768
    ids = 8 * tokens + 8 * 1024
    memory = analyze(config, batch=8).memory
    assert memory.activations == 4 * tokens * (12 * block + ends) + ids
    full = analyze(config, batch=8, checkpointing="full").memory
    assert full.activations == 4 * tokens * (12 * 768 + (block - 768) + ends) + ids


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of all tensors that live, and their greatest sum."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._known: set[int] = set()

    def add(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key in self._known:
            return
        self._known.add(key)
        self.now += size
        self.peak = max(self.peak, self.now)

        def gone() -> None:
            self.now -= size
            self._known.discard(key)

        weakref.finalize(storage, gone)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(out):
            if isinstance(leaf, torch.Tensor):
                self.add(leaf)
        return out


def keep_products(context: Any, op: Any, *args: Any, **kwargs: Any) -> CheckpointPolicy:
    aten = torch.ops.aten
    products = (aten.mm.default, aten.addmm.default, aten._scaled_dot_product_flash_attention_for_cpu.default)
    return CheckpointPolicy.MUST_SAVE if op in products else CheckpointPolicy.PREFER_RECOMPUTE


def peak_of_a_step(
    config: ModelConfig, batch: int, checkpointing: str, optimizer: Callable[..., torch.optim.Optimizer]
) -> int:
    """Most bytes that live while gradients are added up by one more forward and backward pass."""
    torch.manual_seed(0)
    model = TransformerLM(config)
    for block in model.blocks if checkpointing != "none" else ():
        more: dict[str, Any] = {}
        if checkpointing == "selective":
            more["context_fn"] = functools.partial(create_selective_checkpoint_contexts, keep_products)
        block.forward = functools.partial(checkpoint, block.forward, use_reentrant=False, **more)
    steps = optimizer(model.parameters(), lr=1e-3, foreach=False)
    ids = torch.randint(0, config.vocab_size, (batch, config.context_length))

    def step() -> None:
        total, count = cross_entropy_sum(model(ids), ids)
        (total / count).backward()

    step()
    steps.step()
    live = LiveBytes()
    with live:
        held = [*model.parameters(), *(weight.grad for weight in model.parameters())]
        held += [value for state in steps.state.values() for value in state.values()]
        for tensor in held:
            if isinstance(tensor, torch.Tensor):
                live.add(tensor)
        step()
    return live.peak


@pytest.mark.parametrize("checkpointing", ["none", "selective", "full"])
@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_a_training_step_takes_what_was_predicted(name: str, checkpointing: str) -> None:
    config = shape(name, layers=8, width=128, context_length=128, kv_heads=4)
    predicted = analyze(config, batch=4, checkpointing=checkpointing).memory.total_training
    assert peak_of_a_step(config, 4, checkpointing, torch.optim.AdamW) == pytest.approx(predicted, rel=0.03)


@pytest.mark.parametrize(
    ("optimizer", "kind"),
    [("sgd", torch.optim.SGD), ("momentum", functools.partial(torch.optim.SGD, momentum=0.9))],
)
def test_so_does_one_with_a_large_vocabulary(optimizer: str, kind: Any) -> None:
    config = shape("gpt2", vocab_size=4096, layers=2)
    predicted = analyze(config, batch=8, optimizer=optimizer).memory.total_training
    assert peak_of_a_step(config, 8, "none", kind) == pytest.approx(predicted, rel=0.03)


def test_bytes_for_each_parameter() -> None:
    config = shape("untied")
    total = analyze(config).parameters.total

    def fixed(**options: Any) -> int:
        memory = analyze(config, **options).memory
        return memory.weights + memory.gradients + memory.optimizer

    assert fixed() == fixed(precision="bf16") == fixed(precision="fp16") == 16 * total
    assert fixed(optimizer="lion") == fixed(optimizer="momentum") == 12 * total
    assert fixed(optimizer="sgd") == 8 * total and fixed(optimizer="sgd", precision="bf16") == 8 * total
    assert analyze(config).memory.weights == 4 * total
    model = build(config)
    hidden = sum(
        weight.numel() for path, weight in model.named_parameters() if "blocks" in path and weight.dim() == 2
    )
    assert fixed(optimizer="muon") == 16 * total - 4 * hidden
    states = sum(
        4 * (sum(weight.shape[-2:]) if weight.dim() > 1 else weight.numel()) for weight in model.parameters()
    )
    assert fixed(optimizer="adafactor") == 8 * total + states
    eight = sum(
        2 * (weight.numel() + 4 * -(-weight.numel() // 256)) if weight.numel() >= 4096 else 8 * weight.numel()
        for weight in model.parameters()
    )
    assert fixed(optimizer="adamw-8bit") == 8 * total + eight


def test_shards_divide_what_is_kept_and_gather_what_is_used() -> None:
    config = shape("llama")
    one, four = analyze(config).memory, analyze(config, shards=4).memory
    for part in ("weights", "gradients", "optimizer"):
        assert getattr(four, part) == -(-getattr(one, part) // 4)
    assert four.activations == one.activations and one.gathered == 0
    model = build(config)
    block = sum(weight.numel() for weight in model.blocks[0].parameters())
    outside = sum(weight.numel() for weight in model.parameters()) - 3 * block
    assert four.gathered == 4 * (outside + 2 * block)


def test_running_takes_weights_cache_and_a_row_of_logits() -> None:
    config = shape("llama")
    memory = analyze(config, batch=2, context=64, precision="bf16").memory
    assert memory.inference == memory.weights + memory.kv_cache_at_context + 2 * 4 * 97
    sharded = analyze(config, batch=2, context=64, precision="bf16", shards=8).memory
    assert sharded.inference == memory.inference
