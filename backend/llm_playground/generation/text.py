"""Text around the engine: whole characters, and stop strings that never leak."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from llm_playground.core.errors import InputError
from llm_playground.generation.engine import FinishReason, GenerationEngine
from llm_playground.generation.sampling import SamplingParams
from llm_playground.tokenization import StreamDecoder, Tokenizer


@dataclass(frozen=True)
class TextEvent:
    """A piece of a reply.

    Attributes:
        text: new whole characters, maybe none.
        tokens: tokens made so far.
        finish_reason: set on the last event.
    """

    text: str
    tokens: int
    finish_reason: FinishReason | None = None


class StopMatcher:
    """Hold back text that might become a stop string.

    Args:
        stops: strings that end a reply; none may be empty.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        if any(not stop for stop in stops):
            raise InputError("stop: a stop string is empty.", field="stop")
        self._stops = tuple(stops)
        self._held = ""

    def push(self, text: str) -> tuple[str, bool]:
        """Take text; return (what can be shown, whether a stop string was met)."""
        self._held += text
        found = [place for stop in self._stops if (place := self._held.find(stop)) >= 0]
        if found:
            shown, self._held = self._held[: min(found)], ""
            return shown, True
        keep = 0
        for stop in self._stops:
            for length in range(min(len(stop) - 1, len(self._held)), keep, -1):
                if self._held.endswith(stop[:length]):
                    keep = length
                    break
        cut = len(self._held) - keep
        shown, self._held = self._held[:cut], self._held[cut:]
        return shown, False

    def flush(self) -> str:
        """Return what was held back, at the end of the stream."""
        shown, self._held = self._held, ""
        return shown


def stream_text(
    engine: GenerationEngine,
    tokenizer: Tokenizer,
    prompt_ids: Sequence[int],
    params: SamplingParams,
    stop: Sequence[str] = (),
    should_stop: Callable[[], bool] | None = None,
) -> Iterator[TextEvent]:
    """Yield a reply as text.

    Pieces hold whole characters only; a stop string, and what follows it, is never shown, even where it
    spans tokens. Ids in ``params.stop_ids`` end the reply without text of their own.

    Raises:
        InputError: an empty stop string or a prompt that does not fit.
    """
    decoder, matcher = StreamDecoder(tokenizer), StopMatcher(stop)
    count = 0
    finish: FinishReason = "cancelled"
    for event in engine.generate([prompt_ids], params, should_stop):
        count += 1
        ended = event.finish_reason == "stop"
        text = "" if ended else _text_of(event.id, decoder)
        shown, met = matcher.push(text)
        if met:
            yield TextEvent(shown, count, "stop")
            return
        if event.finish_reason is not None:
            finish = event.finish_reason
            last, met = matcher.push(decoder.flush())
            tail = shown + last + ("" if met else matcher.flush())
            yield TextEvent(tail, count, "stop" if met else finish)
            return
        yield TextEvent(shown, count)
    yield TextEvent(matcher.flush() + decoder.flush(), count, finish)


def _text_of(token: int, decoder: StreamDecoder) -> str:
    """Return the text of a token; nothing for an id of the model that its tokenizer has no token for.

    Many published models have such ids, for their tables of embeddings are rounded up.
    """
    try:
        return decoder.push(token)
    except InputError:
        return ""
