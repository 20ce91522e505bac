"""The loss of each token of a step's rows, by the weights of a checkpoint near that step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from llm_playground.core.errors import ConflictError, NotFoundError, StorageError
from llm_playground.core.files import read_json, sha256_file
from llm_playground.core.workspace import MANIFEST, Workspace
from llm_playground.runs.step_rows import Row, RowSource, StepPlace

if TYPE_CHECKING:
    from torch import Tensor, nn

WEIGHTS = "model.safetensors"
MOST_OPERATIONS = 4e11  # of one answer: two seconds of a processor that does 200 GFLOP/s
_LOGITS = 2**24  # logits at once: 64 MiB

Losses = tuple[float | None, ...]


@dataclass(frozen=True)
class Weights:
    """Where the weights come from that score rows.

    Attributes:
        path: a checkpoint's folder, or the finished model's.
        step: steps they were trained for.
        final: they are the finished model's, for no checkpoint is left.
    """

    path: Path
    step: int
    final: bool = False

    def describe(self, step: int) -> str:
        """Say in words which they are, seen from a step."""
        name = "the finished model" if self.final else f"the checkpoint of step {self.step:,}"
        far = self.step - (step - 1)
        if far == 0:
            return f"{name}, the very weights that the step began with"
        steps = f"{abs(far):,} step{'' if abs(far) == 1 else 's'}"
        return f"{name}, {steps} {'later than' if far > 0 else 'before'} the step"


def choose_weights(workspace: Workspace, place: StepPlace) -> Weights:
    """Choose the newest checkpoint from before the step, else the first after it, else the finished model.

    Raises:
        NotFoundError: the run has none of them.
    """
    from llm_playground.training.checkpoint import list_checkpoints

    found = [
        Weights(checkpoint.path, checkpoint.step)
        for checkpoint in list_checkpoints(place.folder)
        if (checkpoint.path / WEIGHTS).is_file()  # some are kept in parts, for many processes
    ]
    before = [weights for weights in found if weights.step < place.step]
    if before or found:
        return before[-1] if before else found[0]
    if place.record.output is not None:
        try:
            model = workspace.get(place.record.output, "model")
            return Weights(model.path, int(place.record.config["training"]["steps"]), final=True)
        except NotFoundError:
            pass  # deleted: the error below says that nothing is left
    raise NotFoundError(
        f"No checkpoint of the run {place.record.id} is left to score the rows with.",
        hint="Keep more of them with keep_checkpoints, or pin one.",
        field="score",
    )


def check_effort(source: RowSource, rows: Sequence[Row]) -> None:
    """Refuse to score more than takes a moment.

    Raises:
        ConflictError: saying how much it is.
    """
    from llm_playground.transformer.analysis.flops import count_flops

    longest = max(len(row.ids) for row in rows) - 1
    each = count_flops(source.shape, longest).per_token_forward
    operations = each * longest * len(rows)
    if operations > MOST_OPERATIONS:
        single = each * longest <= MOST_OPERATIONS
        raise ConflictError(
            f"Scoring {len(rows):,} row{'' if len(rows) == 1 else 's'} of {longest:,} tokens takes "
            f"{operations:.1e} operations with this model, more than can be done while you wait.",
            hint="One row alone can be scored." if single else "The model is too large for it.",
            field="score",
        )


def score_rows(source: RowSource, weights: Weights, rows: Sequence[Row]) -> list[Losses]:
    """Return for each token of each row -log p(token | those before it) in nats; None where none counts.

    The model is in evaluation mode and float32, as it was kept.

    Raises:
        ConflictError: it would take too long.
        StorageError: the weights are damaged, or were deleted meanwhile.
    """
    import torch

    from llm_playground.transformer.loss import IGNORE, token_logprobs

    check_effort(source, rows)
    model = _load(source, weights)
    found: list[Losses] = []
    size = max(1, _LOGITS // (max(len(row.ids) for row in rows) * source.shape.vocab_size))
    with torch.inference_mode():
        for begin in range(0, len(rows), size):
            part = rows[begin : begin + size]
            length = max(len(row.ids) for row in part) - 1
            inputs = torch.zeros(len(part), length, dtype=torch.long)
            targets = torch.full((len(part), length), IGNORE)
            for place, row in enumerate(part):
                ids = torch.tensor(row.ids)
                inputs[place, : len(ids) - 1] = ids[:-1]
                targets[place, : len(ids) - 1] = ids[1:].masked_fill(~torch.tensor(row.counted[1:]), IGNORE)
            # Padding is at the right and attention is causal: what counts never sees it.
            losses = (-token_logprobs(model(inputs), targets)).tolist()
            found += [_of_row(row, values) for row, values in zip(part, losses, strict=True)]
    return found


def _of_row(row: Row, values: Sequence[float]) -> Losses:
    counted = zip(row.counted[1:], values[: len(row.ids) - 1], strict=True)
    return (None, *(value if counts else None for counts, value in counted))


def _load(source: RowSource, weights: Weights) -> nn.Module:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from llm_playground.transformer import TransformerLM

    if weights.final:
        return TransformerLM.from_pretrained(weights.path).eval()
    file = weights.path / WEIGHTS
    try:
        expected = read_json(weights.path / MANIFEST)["files"][WEIGHTS]["sha256"]
        if sha256_file(file) != expected:
            raise StorageError(f"The checkpoint {weights.path.name} is damaged: {WEIGHTS}.")
        tensors: dict[str, Tensor] = load_file(file)
    except (FileNotFoundError, SafetensorError):
        raise StorageError(
            f"The checkpoint {weights.path.name} was deleted while it was read.", hint="Ask again."
        ) from None
    model = TransformerLM(source.shape)
    model.load_state_dict(tensors)
    return model.eval()
