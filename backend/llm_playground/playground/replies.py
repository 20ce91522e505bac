"""From messages to a streamed reply."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llm_playground.core.errors import InputError

if TYPE_CHECKING:
    from llm_playground.generation import SamplingParams
    from llm_playground.generation.text import TextEvent
    from llm_playground.playground.models import LoadedModel

_LEAST_ROOM = 16  # tokens of the context that a reply must have


@dataclass(frozen=True)
class Reply:
    """A reply about to be generated.

    Attributes:
        model: who speaks.
        prompt_ids: the conversation as token ids, ending where the reply begins.
        dropped: how many of the oldest messages did not fit into the context and were left out.
        params: how tokens are chosen.
        stop: strings that end the reply.
    """

    model: LoadedModel
    prompt_ids: list[int]
    dropped: int
    params: SamplingParams
    stop: tuple[str, ...] = ()

    def stream(self, should_stop: Callable[[], bool] | None = None) -> Iterator[TextEvent]:
        """Yield the reply's text as it is made.

        Args:
            should_stop: asked before each token; True ends the stream.
        """
        from llm_playground.generation import stream_text

        with self.model.lock:
            yield from stream_text(
                self.model.engine,
                self.model.tokenizer,
                self.prompt_ids,
                self.params,
                self.stop,
                should_stop,
            )


def prepare_reply(
    model: LoadedModel,
    messages: Sequence[Mapping[str, Any]],
    params: SamplingParams,
    stop: Sequence[str] = (),
) -> Reply:
    """Turn a conversation into a prompt that fits the model's context.

    Where it is too long, the oldest messages are left out (a system message stays). A base model, which was
    never taught to answer, is given the last message as a text to continue.

    Raises:
        InputError: no message, an unknown role, or a last message that alone is too long.
    """
    from llm_playground.tokenization.chat import as_messages, encode_chat

    tokenizer = model.tokenizer
    checked = as_messages(messages)
    if not checked:
        raise InputError("messages: at least one message is needed.", field="messages")
    room = model.context_length - min(params.max_tokens, max(_LEAST_ROOM, model.context_length // 4))
    if not model.is_chat:
        ids = [*model.start_ids, *tokenizer.encode_ordinary(checked[-1].content)] or [0]
        dropped = len(checked) - 1
    else:
        system = [message for message in checked[:1] if message.role == "system"]
        turns = checked[len(system) :]
        dropped = 0
        while True:
            ids = encode_chat(tokenizer, [*system, *turns[dropped:]], add_generation_prompt=True).ids
            if len(ids) <= room or dropped >= len(turns) - 1:
                break
            dropped += 1
            while dropped < len(turns) - 1 and turns[dropped].role == "assistant":
                dropped += 1  # never begin with an answer whose question is gone
    if len(ids) >= model.context_length:
        raise InputError(
            f"The message is too long: {len(ids)} tokens, while the context of this model holds "
            f"{model.context_length} with the reply.",
            field="messages",
        )
    return Reply(model, ids, dropped, params.model_copy(update={"stop_ids": model.end_ids}), tuple(stop))
