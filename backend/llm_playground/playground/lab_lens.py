"""What the layers of a model would say, which parts bring an answer about, and what changing them does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from llm_playground.core.errors import ConfigError
from llm_playground.playground.lab import ModelLab, OpenedModel, Reading
from llm_playground.playground.lab_steps import recorded

if TYPE_CHECKING:
    from torch import Tensor

    from llm_playground.transformer import TransformerLM
    from llm_playground.transformer.lens.patch_sweep import Sweep
    from llm_playground.transformer.lens.patching import Intervention, Part, PatchResult

MOST_OPERATIONS = 3e13  # of a sweep: some two minutes on two cores


def layers_say(lab: ModelLab, opened: OpenedModel, reading: Reading, top: int) -> dict[str, Any]:
    """Return what each layer would say after each token, with the texts of the likeliest tokens."""
    from llm_playground.transformer.lens import logit_lens

    def compute(model: TransformerLM, ids: Tensor) -> dict[str, Any]:
        found = logit_lens(recorded(lab, opened, reading), top=min(top, opened.config.vocab_size))
        layers = [layer.to_dict() for layer in found.layers]
        texts: dict[int, str] = {}
        for layer in layers:
            for position in layer["positions"]:
                for guess in position["top"]:
                    token = guess["id"]
                    guess["text"] = texts.setdefault(token, opened.text_of(token))
        return {"layers": layers, "note": found.note}

    return lab.result(opened, reading, f"lens {top}", compute)


def attribute(
    lab: ModelLab,
    opened: OpenedModel,
    reading: Reading,
    position: int,
    target: int | None,
    against: int | None,
) -> dict[str, Any]:
    """Return a logit, or the difference of two, as the sum of what the parts of the model add.

    Raises:
        ConfigError: position or ids are out of range, or the model's head does not read the residual stream.
    """
    from llm_playground.transformer.lens import attribute_logit

    place = reading.position(position)
    found = lab.result(
        opened,
        reading,
        f"attribution {place} {target} {against}",
        lambda model, ids: attribute_logit(recorded(lab, opened, reading), place, target, against).to_dict(),
    )
    return found | {
        "target_text": opened.text_of(found["target"]),
        "against_text": None if found["against"] is None else opened.text_of(found["against"]),
    }


def patch_parts(
    lab: ModelLab,
    opened: OpenedModel,
    reading: Reading,
    source: Reading | None,
    interventions: Sequence[Intervention],
    *,
    position: int,
    targets: Sequence[int],
    top: int,
) -> dict[str, Any]:
    """Return the likeliest next tokens before and after changes within the model.

    Args:
        reading: the text.
        source: another text of as many tokens, whose values ``patch`` takes.
        interventions: the changes, in order.
        position: where the outcome is looked at, negative from the end.
        targets: tokens to report as well.
        top: how many of the likeliest.

    Raises:
        ConfigError: an intervention, position or target is out of range, or the source does not fit.
    """
    import torch

    from llm_playground.transformer.lens import patch

    place = reading.position(position)
    vocabulary = opened.config.vocab_size
    for token in targets:
        if token >= vocabulary:
            raise ConfigError(
                f"targets: the id {token} is out of range, 0 to {vocabulary - 1}.", field="targets"
            )

    def compute(model: TransformerLM, ids: Tensor) -> PatchResult:
        source_ids = None if source is None else torch.tensor(source.ids)
        return patch(model, ids[0], interventions, source_ids=source_ids, position=place)

    kind = f"patch {place} {source.ids if source else None} {interventions}"
    found = lab.result(opened, reading, kind, compute)
    before, after = (logits.float().softmax(-1) for logits in (found.before, found.after))
    return {
        "position": place,
        "source_tokens": None if source is None else source.tokens,
        "before": _likeliest(opened, found.before, top),
        "after": _likeliest(opened, found.after, top),
        "kl": found.kl,
        "targets": [
            {
                "id": token,
                "text": opened.text_of(token),
                "before": float(before[token]),
                "after": float(after[token]),
            }
            for token in targets
        ],
    }


def sweep_parts(
    lab: ModelLab,
    opened: OpenedModel,
    reading: Reading,
    source: Reading,
    part: Part,
    *,
    position: int,
    answer: int | None,
    wrong: int | None,
) -> dict[str, Any]:
    """Return how much of the clean text's answer each place brings back into the corrupted text.

    Raises:
        ConfigError: the texts differ in length, there are too many places to try, or a position or token is
            out of range.
    """
    import torch

    from llm_playground.transformer.lens import sweep

    place = reading.position(position)
    _check_work(opened, len(reading.ids), part)

    def compute(model: TransformerLM, ids: Tensor) -> Sweep:
        corrupted = torch.tensor(source.ids)
        return sweep(model, ids[0], corrupted, part, position=place, answer=answer, wrong=wrong)

    found = lab.result(opened, reading, f"sweep {part} {place} {answer} {wrong} {source.ids}", compute)
    return {
        "source_tokens": source.tokens,
        "position": place,
        "answer": found.answer,
        "answer_text": opened.text_of(found.answer),
        "wrong": found.wrong,
        "wrong_text": None if found.wrong is None else opened.text_of(found.wrong),
        "rows": found.rows,
        "columns": found.columns,
        "values": found.values.tolist(),
        "metric": found.metric,
        "clean": found.clean,
        "corrupted": found.corrupted,
    }


def _check_work(opened: OpenedModel, tokens: int, part: Part) -> None:
    """Refuse a sweep that nobody would wait for: each place takes a pass, two operations for each weight."""
    config = opened.config
    places = config.layers * (config.heads if part == "head" else tokens)
    operations = 2.0 * opened.model.num_parameters() * tokens * places
    if operations > MOST_OPERATIONS:
        raise ConfigError(
            f"text: too long for a sweep: {places:,} places take a pass over {tokens:,} tokens each, "
            f"{operations:.0e} operations in all, while {MOST_OPERATIONS:.0e} are the most.",
            hint="Give shorter texts, or choose a smaller model.",
            field="text",
        )


def _likeliest(opened: OpenedModel, logits: Tensor, top: int) -> list[dict[str, Any]]:
    chances = logits.float().softmax(-1)
    best = chances.topk(min(top, len(chances))).indices.tolist()
    return [
        {
            "id": token,
            "text": opened.text_of(token),
            "logit": float(logits[token]),
            "probability": float(chances[token]),
        }
        for token in best
    ]
