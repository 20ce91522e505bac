"""Measure what a training's parts take on this machine, in a process of its own.

``python -m llm_playground.training.probe`` reads a JSON request and writes a JSON answer. A process of its
own starts from the same memory as a run, disturbs no server, and may be given up after a while.

What is timed is the real code: a few blocks of the very model, the embedding with the head and the loss, and
the optimizer on the weights of both, each for a micro-batch as large as the time allows. From these
:mod:`.planner` composes a step of the whole model.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from llm_playground.core.config import parse_config
from llm_playground.core.errors import TrainingError
from llm_playground.transformer import ModelConfig
from llm_playground.transformer.analysis.flops import count_flops
from llm_playground.transformer.analysis.skeleton import HEAD, kinds, weights

if TYPE_CHECKING:
    from torch import Tensor, nn

    from llm_playground.training.config import TrainingConfig

CLOCKS = ("wall", "process")
_VOCABULARY = 64  # of the model whose blocks are timed: its own head and embedding should cost nothing
_PASSES = 5
_BUDGET_S = 1.2  # for the timed passes of one part; at least two are made
_PASS_FLOPS = 2e10  # a timed pass does about so many operations at most
_CARD_PASSES = 100  # so many times more on a graphics card, which a short pass leaves idle
_SHORTEST = 256  # tokens to which a long sequence may be cut for timing
_SHARE = 0.25  # of the memory that is free, the most that timing may take
_TIMEOUT_S = 120.0
_REMEMBERED = 64
_ANSWERS: dict[str, Probe] = {}  # by question, the oldest first


@dataclass(frozen=True)
class Probe:
    """What was measured.

    Attributes:
        base_bytes: resident memory of a process that has the engine loaded and has trained next to nothing.
        peak_flops: float32 operations per second of the best of a few products of 1,024 x 1,024 matrices.
        blocks_s: forward and backward of all blocks for a micro-batch.
        blocks_forward_s: their forward pass alone.
        outside_s: embedding, head and loss, forward and backward.
        update_s: clipping and the optimizer's step, for all weights.
        engine_s: what the engine adds to a step.
        timed: False where the parts are too large to be timed here; the times are 0 then.
        rows, length: of the timed micro-batch, to which it was cut.
        clock: ``wall``, or ``process``: seconds of processor time for each thread.
    """

    base_bytes: int
    peak_flops: float
    blocks_s: float
    blocks_forward_s: float
    outside_s: float
    update_s: float
    engine_s: float
    timed: bool
    rows: int
    length: int
    clock: str = "wall"


def probe(
    config: ModelConfig,
    settings: TrainingConfig,
    *,
    rows: int,
    length: int,
    precision: str,
    clock: str = "wall",
    ask: bool = True,
) -> Probe | None:
    """Measure in a process of its own; equal questions are answered from memory for as long as this one runs.

    Args:
        config: the model's shape.
        settings: decides optimizer, threads and device.
        rows, length: of a micro-batch.
        precision: of the products.
        clock: ``wall``, or ``process`` where other work on the machine should not count.
        ask: whether to measure what is not in memory; off, None is returned then.

    Raises:
        TrainingError: the process failed or did not answer.
    """
    kept = ("optimizer", "momentum", "ema_decay", "device", "threads", "tf32")
    question = {
        "config": config.model_dump(mode="json"),
        "training": {name: getattr(settings, name) for name in kept},
        "rows": rows,
        "length": length,
        "precision": precision,
        "clock": clock,
    }
    request = json.dumps(question)
    if request not in _ANSWERS and ask:
        found = _asked(request)
        while len(_ANSWERS) >= _REMEMBERED:
            _ANSWERS.pop(next(iter(_ANSWERS)), None)
        _ANSWERS[request] = found
    return _ANSWERS.get(request)


def best_peak() -> float:
    """Return the highest rate that was found on this machine so far, 0 where nothing was measured yet.

    A rate that was measured while something else ran is too low, so the best of several is the truest.
    """
    return max((found.peak_flops for found in [*_ANSWERS.values()]), default=0.0)


def _asked(request: str) -> Probe:
    """Let a process of its own measure.

    Raises:
        TrainingError: it failed or did not answer.
    """
    from llm_playground.core.devices import THREAD_ENVIRONMENT

    command = [sys.executable, "-m", "llm_playground.training.probe"]
    try:
        done = subprocess.run(
            command,
            input=request,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            env={**THREAD_ENVIRONMENT, **os.environ},
        )
    except subprocess.TimeoutExpired:
        raise TrainingError(
            f"Measuring this shape took longer than {_TIMEOUT_S:.0f} seconds.",
            hint="Plan without measuring, or when the machine has less to do.",
        ) from None
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise TrainingError(f"Measuring this shape failed: {last}", hint="Plan without measuring.")
    return Probe(**json.loads(done.stdout.strip().splitlines()[-1]))


def block_flops(config: ModelConfig, length: int) -> float:
    """Return the operations of one token in all blocks, forward."""
    counted = count_flops(config, length)
    return counted.per_token_forward - counted.by_component.get(HEAD, 0.0)


def resident_bytes() -> int:
    """Return this process's resident memory in bytes."""
    import psutil

    memory: int = psutil.Process().memory_info().rss
    return memory


class Measurement:
    """The timing of one shape; see :class:`Probe`.

    Args:
        config, settings, rows, length, precision, clock: as for :func:`probe`.
    """

    def __init__(
        self,
        config: ModelConfig,
        settings: TrainingConfig,
        rows: int,
        length: int,
        precision: str,
        clock: str = "wall",
    ) -> None:
        from llm_playground.core.devices import configure_threads, pick_device

        self.config, self.settings, self.precision = config, settings, precision
        self.wanted = (rows, length)
        self.device = pick_device(settings.device)
        self.threads = configure_threads(settings.threads)
        self.clock = clock

    def run(self) -> Probe:
        """Measure everything; takes some seconds."""
        engine_s = self._engine_overhead()
        base = resident_bytes()
        peak = self.peak_flops()
        rows, length, layers = self._cut()
        if not self._affordable(rows, length, layers):
            return Probe(base, peak, 0, 0, 0, 0, engine_s, False, rows, length, self.clock)
        blocks = self._blocks(layers)
        small = blocks.config
        share = rows * length * block_flops(small, length)
        wanted_rows, wanted_length = self.wanted
        scale = wanted_rows * wanted_length * block_flops(self.config, wanted_length) / share
        both, forward, update = self._timed(blocks, _VOCABULARY, rows, length)
        heads = self._outside()
        tokens = wanted_rows * wanted_length / (rows * length)
        outside, _, other_update = self._timed(heads, self.config.vocab_size, rows, length)
        peak = max(peak, self.peak_flops())
        inside = [sum(w.copies * w.numel for w in weights(c) if w.stack) for c in (self.config, small)]
        return Probe(
            base_bytes=base,
            peak_flops=peak,
            blocks_s=both * scale,
            blocks_forward_s=forward * scale,
            outside_s=outside * tokens,
            update_s=update * inside[0] / inside[1] + other_update,
            engine_s=engine_s,
            timed=True,
            rows=rows,
            length=length,
            clock=self.clock,
        )

    def _now(self) -> float:
        """Return seconds of the chosen clock, once the device has done what it was given."""
        import torch

        if self.device.startswith("cuda"):
            torch.cuda.synchronize()
        return time.process_time() / self.threads if self.clock == "process" else time.perf_counter()

    def _cut(self) -> tuple[int, int, int]:
        """Return (rows, length, layers) of a micro-batch that is not too much to be timed."""
        rows, length = self.wanted
        layers = self._whole_pattern()
        per_token = 3 * block_flops(self._blocks_config(layers), length)
        per_token = max(per_token, 6.0 * self.config.vocab_size * self.config.width)
        enough = _PASS_FLOPS * (_CARD_PASSES if self.device.startswith("cuda") else 1)
        tokens = max(1.0, enough / per_token)
        rows = max(1, min(rows, round(tokens / length)))
        if rows == 1:
            length = max(min(length, _SHORTEST), min(length, round(tokens)))
        if rows * length * per_token < enough / 8:  # a small model: time more of it
            layers = min(self.config.layers, max(layers, 4))
        return rows, length, layers

    def _whole_pattern(self) -> int:
        """Return how many of the first layers have all kinds of blocks among them, two at least."""
        windows = [self.config.layer_window(index) for index in range(self.config.layers)]
        wanted = len(kinds(self.config))
        for count in range(min(2, len(windows)), len(windows)):
            if len(set(windows[:count])) == wanted:
                return count
        return len(windows)

    def _blocks_config(self, layers: int) -> ModelConfig:
        everything = tuple(index for index in self.config.full_attention_layers if index < layers)
        return self.config.model_copy(
            update={
                "layers": layers,
                "vocab_size": _VOCABULARY,
                "tied_embeddings": True,
                "full_attention_layers": everything,
            }
            | dict.fromkeys(("bos_id", "eos_id", "pad_id"))
        )

    def _affordable(self, rows: int, length: int, layers: int) -> bool:
        """Say whether timing takes a small part of the free memory."""
        import psutil
        import torch

        from llm_playground.training.footprint import footprint

        card = self.device.startswith("cuda")
        free = torch.cuda.mem_get_info()[0] if card else psutil.virtual_memory().available
        parts = [
            footprint(self._blocks_config(layers), self.settings, rows=rows, length=length).peak,
            16 * 2 * self.config.vocab_size * self.config.width,
        ]
        return max(parts) <= _SHARE * free

    def _blocks(self, layers: int) -> Any:
        from llm_playground.transformer import TransformerLM

        return TransformerLM(self._blocks_config(layers)).to(self.device)

    def _outside(self) -> nn.Module:
        """Return a model that is all embedding and head."""
        import torch
        from torch import nn

        from llm_playground.transformer.linear import Embedding, Linear
        from llm_playground.transformer.loss import head_cross_entropy_sum

        class Outside(nn.Module):
            def __init__(self, vocabulary: int, width: int, tied: bool, std: float) -> None:
                super().__init__()
                self.embedding = Embedding(vocabulary, width)
                self.head = Linear(width, vocabulary, bias=False)
                if tied:
                    self.head.weight = self.embedding.weight
                # As a model's: the exponentials of wide scores underflow, which a processor is slow at.
                for weight in self.parameters():
                    nn.init.normal_(weight, std=std)

            def forward(self, ids: Tensor, targets: Tensor | None = None) -> Tensor:
                hidden: Tensor = self.embedding(ids)
                if targets is not None:
                    return head_cross_entropy_sum(hidden, self.head.weight, targets)
                scores: Tensor = self.head(hidden)
                return scores

        config = self.config
        with torch.no_grad():
            return Outside(config.vocab_size, config.width, config.tied_embeddings, config.init_std).to(
                self.device
            )

    def _timed(self, model: nn.Module, vocabulary: int, rows: int, length: int) -> tuple[float, float, float]:
        """Return the median seconds of (forward and backward, forward alone, update) of a model."""
        import torch
        from torch import nn

        from llm_playground.training.engine import accumulate
        from llm_playground.training.optimizers import make_optimizer
        from llm_playground.training.precision import autocast, tf32

        objective = RandomTokens(vocabulary, length)
        settings = self.settings
        if settings.optimizer == "muon" and not hasattr(model, "config"):
            settings = settings.model_copy(update={"optimizer": "adamw"})  # as Muon does outside of blocks
        optimizer = make_optimizer(model, settings)
        model.train()
        batch = objective.batch(0, rows)
        inputs = batch["inputs"].to(self.device)
        both, forward, update = [], [], []
        begin_all = time.perf_counter()
        with tf32(settings.tf32):
            for trial in range(_PASSES + 1):
                begin = self._now()
                accumulate(model, objective, batch, None, self.device, precision=self.precision)
                passed = self._now()
                nn.utils.clip_grad_norm_(model.parameters(), 1.0, foreach=True)
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
                updated = self._now()
                with autocast(self.precision, self.device):
                    kept = model(inputs)
                ahead = self._now()
                del kept
                if trial:  # the first one also makes states and plans
                    both.append(passed - begin)
                    update.append(updated - passed)
                    forward.append(ahead - updated)
                if trial >= 2 and time.perf_counter() - begin_all > _BUDGET_S:
                    break
        del optimizer
        if self.device.startswith("cuda"):
            torch.cuda.empty_cache()
        return median(both), median(forward), median(update)

    def peak_flops(self) -> float:
        """Return operations per second of the best of a few products, over 0.4 seconds."""
        import torch

        size = 1024
        left = torch.randn(size, size, device=self.device)
        best, end = float("inf"), time.perf_counter() + 0.4
        with torch.inference_mode():
            while time.perf_counter() < end or best == float("inf"):
                begin = self._now()
                left @ left
                best = min(best, max(1e-9, self._now() - begin))
        return 2.0 * size**3 / best

    def _engine_overhead(self) -> float:
        """Return the median seconds of a step of the engine whose model is a few numbers."""
        import torch

        from llm_playground.core.protocols import NullContext
        from llm_playground.core.workspace import Workspace
        from llm_playground.training.config import TrainingConfig
        from llm_playground.training.engine import train
        from llm_playground.transformer import TransformerLM
        from llm_playground.transformer.loss import cross_entropy_sum

        shape = ModelConfig(vocab_size=16, context_length=8, width=8, layers=1, heads=1)
        few = 12
        more = {"device": self.settings.device, "threads": self.settings.threads}
        settings = TrainingConfig(
            steps=few, batch_size=1, eval_every=few, checkpoint_every=few, sample_every=0, **more
        )

        class Bag(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.table = torch.nn.Embedding(16, 16)

            def forward(self, ids: Tensor, targets: Tensor) -> Tensor:
                return cross_entropy_sum(self.table(ids), targets)[0]

        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            # A block too, so that what its kernels bring into memory is there when the base is read.
            train(
                TransformerLM(shape),
                RandomTokens(16, 8),
                settings,
                NullContext(folder / "first", Workspace(folder / "workspace")),
                tokens_per_row=8,
                stage="probe",
            )
            context = NullContext(folder / "second", Workspace(folder / "workspace"))
            train(Bag(), RandomTokens(16, 8), settings, context, tokens_per_row=8, stage="probe")
        times = [values["perf/step_ms"] for _, values in context.logged if "perf/step_ms" in values]
        return median(times[2:]) / 1e3


class RandomTokens:
    """An objective over random ids, the same at every step."""

    def __init__(self, vocabulary: int, length: int) -> None:
        self.vocabulary, self.length = vocabulary, length

    def batch(self, cursor: int, size: int) -> dict[str, Tensor]:
        """Return inputs and targets [size, T]."""
        import torch

        generator = torch.Generator().manual_seed(0)
        ids = torch.randint(0, self.vocabulary, (size, self.length + 1), generator=generator)
        return {"inputs": ids[:, :-1], "targets": ids[:, 1:]}

    def counts(self, batch: dict[str, Tensor]) -> dict[str, int]:
        """Return the number of targets."""
        return {"cross_entropy": batch["targets"].numel()}

    def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> dict[str, Any]:
        """Return the summed cross-entropy."""
        from llm_playground.training.engine import Term

        targets = batch["targets"]
        return {"cross_entropy": Term(model(batch["inputs"], targets=targets), targets.numel())}

    def evaluate(self, model: nn.Module) -> dict[str, float]:
        """Return nothing: only steps are timed."""
        return {}


def _quietly(work: Callable[[], Probe]) -> Probe:
    """Do the work with everything that libraries print sent to standard error."""
    out = sys.stdout
    sys.stdout = sys.stderr
    try:
        return work()
    finally:
        sys.stdout = out


def main() -> int:
    """Answer the request on standard input."""
    from llm_playground.training.config import TrainingConfig

    request = json.loads(sys.stdin.read())
    measurement = Measurement(
        parse_config(ModelConfig, request["config"], "model"),
        parse_config(TrainingConfig, request["training"], "training"),
        request["rows"],
        request["length"],
        request["precision"],
        request["clock"],
    )
    print(json.dumps(asdict(_quietly(measurement.run))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
