"""A text at any moment of a training: the tokens that it had after so many merges."""

from __future__ import annotations

from itertools import islice

from llm_playground.core.errors import InputError
from llm_playground.tokenization.alignment import align
from llm_playground.tokenization.base import TokenSpan
from llm_playground.tokenization.merging import ListedPairs, Merger
from llm_playground.tokenization.splitting import SplitPattern
from llm_playground.tokenization.training_trace import TrainingTrace


def spans_at(trace: TrainingTrace, pattern: SplitPattern, text: str, step: int) -> list[TokenSpan]:
    """Return the tokens of a text when only the first ``step`` merges were known; 0 gives single bytes.

    Args:
        trace: the record of the training.
        pattern: what cut its text.
        text: nothing in it is special.
        step: how many merges.

    Raises:
        InputError: there are fewer merges, or the text holds a lone surrogate.
    """
    if not 0 <= step <= len(trace):
        raise InputError(
            f"Step {step} is out of range.",
            hint=f"The training has {len(trace)} steps; 0 is the moment before the first.",
            field="step",
        )
    symbols = {value[0]: token for token, value in islice(trace.tokens.items(), 256)}
    merger = Merger(ListedPairs(trace.merges_at(step)), [*trace.tokens][256:].__getitem__)
    pieces = pattern.splitter()(text)
    ids_of = {piece: merger.merge([symbols[byte] for byte in piece.encode()]) for piece in set(pieces)}
    ids = [token for piece in pieces for token in ids_of[piece]]
    values = [trace.tokens[token] for token in ids]
    places = align(text, pieces, [len(value) for value in values])
    return [TokenSpan(token, value, *place) for token, value, place in zip(ids, values, places, strict=True)]
