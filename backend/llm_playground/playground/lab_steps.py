"""How a model computes: every tensor on a token's way, and where any of its numbers comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llm_playground.playground.lab import ModelLab, OpenedModel, Reading

if TYPE_CHECKING:
    from llm_playground.transformer.lens.recording import Recording


def recorded(lab: ModelLab, opened: OpenedModel, reading: Reading) -> Recording:
    """Return everything that a pass over the text computed, kept from the first time on."""
    from llm_playground.transformer.lens.recording import record

    return lab.result(opened, reading, "everything", lambda model, ids: record(model, ids[0]))


def trace(lab: ModelLab, opened: OpenedModel, reading: Reading, position: int, top: int) -> dict[str, Any]:
    """Return one token's tensors in the order of computation, and the likeliest next tokens.

    Raises:
        ConfigError: the position is out of range.
    """
    from llm_playground.transformer.lens import trace_token

    place = reading.position(position)
    found = lab.result(
        opened,
        reading,
        f"trace {place} {top}",
        lambda model, ids: trace_token(recorded(lab, opened, reading), place, top=top).to_dict(),
    )
    predictions = [{**item, "text": opened.text_of(item["id"])} for item in found["predictions"]]
    return found | {"predictions": predictions}


def tensor_part(
    lab: ModelLab,
    opened: OpenedModel,
    reading: Reading,
    name: str,
    *,
    position: int | None,
    head: int | None,
    start: int,
    count: int,
) -> dict[str, Any]:
    """Return some numbers of a tensor, row by row, and figures of all that was selected.

    Raises:
        ConfigError: there is no such tensor, position or head.
    """
    from llm_playground.transformer.lens.catalog import describe

    place = None if position is None else reading.position(position)
    value = lab.result(
        opened,
        reading,
        f"tensor {name} {place} {head}",
        lambda model, ids: recorded(lab, opened, reading).tensor(name, place, head).clone(),
    )
    numbers = value.flatten().float()
    return {
        "name": name,
        "shape": list(value.shape),
        "values": numbers[start : start + count].tolist(),
        "minimum": float(numbers.min()),
        "maximum": float(numbers.max()),
        "mean": float(numbers.double().mean()),
        "formula": describe(opened.config, name).formula,
    }


def explain(
    lab: ModelLab,
    opened: OpenedModel,
    reading: Reading,
    name: str,
    position: int,
    index: int,
    head: int | None,
) -> dict[str, Any]:
    """Return a number of the pass as the sum that made it.

    Raises:
        ConfigError: there is no such tensor, position, number or head.
    """
    from llm_playground.transformer.lens import explain_value

    place = reading.position(position)
    return lab.result(
        opened,
        reading,
        f"explain {name} {place} {index} {head}",
        lambda model, ids: explain_value(recorded(lab, opened, reading), name, place, index, head).to_dict(),
    )
