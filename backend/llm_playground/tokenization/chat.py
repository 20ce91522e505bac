"""Conversations as token ids: messages, the chat template, and which tokens the assistant wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from pydantic import Field

from llm_playground.core.config import StageConfig
from llm_playground.core.errors import InputError
from llm_playground.tokenization.base import Tokenizer

END_OF_TEXT, IM_START, IM_END, PAD = "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|pad|>"
CHAT_SPECIAL_TOKENS = (END_OF_TEXT, IM_START, IM_END, PAD)

# ChatML; the generation block is what transformers' `return_assistant_tokens_mask` looks at.
CHATML = (
    "{%- for message in messages -%}"
    "{{- '<|im_start|>' + message['role'] + '\\n' -}}"
    "{%- if message['role'] == 'assistant' -%}"
    "{%- generation -%}{{- message['content'] + '<|im_end|>' -}}{%- endgeneration -%}"
    "{%- else -%}{{- message['content'] + '<|im_end|>' -}}{%- endif -%}"
    "{{- '\\n' -}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}"
)


class Message(StageConfig):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"] = Field(description="Who speaks.")
    content: str = Field(description="What is said.")


@dataclass(frozen=True)
class EncodedChat:
    """A conversation as ids.

    Attributes:
        ids: token ids.
        assistant_mask: 1 for tokens the assistant wrote and the marker that ends its turn, else 0.
    """

    ids: list[int]
    assistant_mask: list[int]


def as_messages(messages: Sequence[Message | Mapping[str, Any]]) -> list[Message]:
    """Validate messages.

    Raises:
        InputError: none at all, or one with a wrong role or without text.
    """
    if not messages:
        raise InputError("messages: there is no message.", field="messages")
    result = []
    for index, message in enumerate(messages):
        if isinstance(message, Message):
            result.append(message)
            continue
        role, content = (
            (message.get("role"), message.get("content")) if isinstance(message, Mapping) else (None, None)
        )
        if role not in ("system", "user", "assistant") or not isinstance(content, str):
            raise InputError(
                f"messages.{index}: needs a role (system, user or assistant) and content (text).",
                field=f"messages.{index}",
            )
        result.append(Message(role=role, content=content))
    return result


def render_chat(
    messages: Sequence[Message | Mapping[str, Any]],
    template: str = CHATML,
    add_generation_prompt: bool = False,
) -> str:
    """Return the conversation as text, as the Jinja template writes it (in a sandbox).

    Raises:
        InputError: the messages or the template are wrong.
    """
    text, _ = _render(as_messages(messages), template, add_generation_prompt)
    return text


# Private characters that templates do not write mark where generation blocks begin and end.
_BEGIN, _END = "\ue000\ue001", "\ue001\ue000"


@lru_cache(maxsize=16)
def _compile(template: str) -> Any:
    """Compile a Jinja template in a sandbox: once, for a data set renders it thousands of times."""
    import jinja2
    from jinja2 import nodes
    from jinja2.ext import Extension
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        tags = {"generation"}

        def parse(self, parser: Any) -> Any:
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            return nodes.CallBlock(self.call_method("_mark"), [], [], body).set_lineno(line)

        def _mark(self, caller: Any) -> str:
            return _BEGIN + caller() + _END

    def fail(message: str) -> None:
        raise jinja2.TemplateError(message)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, "jinja2.ext.loopcontrols"]
    )
    environment.globals["raise_exception"] = fail
    return environment.from_string(template)


def _role_tokens(tokenizer: Tokenizer) -> dict[str, str]:
    """Return ``bos_token`` and its like, which templates may write, as far as the tokenizer has them."""
    roles: Mapping[str, str] = getattr(tokenizer, "roles", {})
    return {f"{role}_token": text for role, text in roles.items() if text in tokenizer.special_tokens}


def _render(
    messages: Sequence[Message],
    template: str,
    add_generation_prompt: bool,
    roles: Mapping[str, str] | None = None,
) -> tuple[str, list[tuple[int, int]]]:
    """Render, and return the spans of characters inside generation blocks too."""
    import jinja2

    data = [{"role": message.role, "content": message.content} for message in messages]
    # The same names as in transformers; without tools and documents, which templates may ask about.
    names = {**(roles or {}), "tools": None, "documents": None}
    try:
        marked = _compile(template).render(
            messages=data, add_generation_prompt=add_generation_prompt, **names
        )
    except (jinja2.TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise InputError(f"The chat template cannot be used: {error}.", field="chat_template") from None
    text, spans = "", []
    while _BEGIN in marked:
        before, _, rest = marked.partition(_BEGIN)
        inside, _, marked = rest.partition(_END)
        text += before
        spans.append((len(text), len(text) + len(inside)))
        text += inside
    return text + marked, spans


def encode_chat(
    tokenizer: Tokenizer,
    messages: Sequence[Message | Mapping[str, Any]],
    add_generation_prompt: bool = False,
) -> EncodedChat:
    """Return a conversation as ids, with the assistant's tokens marked.

    Only the template can write special tokens: what people typed is encoded as ordinary text even where it
    spells ``<|im_end|>`` (``transformers`` would turn that into the token).

    Raises:
        InputError: wrong messages, or a tokenizer without a chat template.
    """
    checked = as_messages(messages)
    if tokenizer.chat_template is None:
        raise InputError(
            "This tokenizer has no chat template.", hint="Use a model that was fine-tuned for chat."
        )
    roles = _role_tokens(tokenizer)
    special = tokenizer.special_tokens
    if not any(text in message.content for message in checked for text in special):
        text, spans = _render(checked, tokenizer.chat_template, add_generation_prompt, roles)
        if not spans:  # nothing to mark, nothing to keep apart: in one go, as transformers does
            ids = tokenizer.encode(text, allowed_special="all")
            return EncodedChat(ids, [0] * len(ids))
    # Contents are replaced by placeholders, so that the template's own text can be told from people's.
    slots = [f"\ue002{index}\ue003" for index in range(len(checked))]
    shadow = [Message(role=m.role, content=slot) for m, slot in zip(checked, slots, strict=True)]
    text, spans = _render(shadow, tokenizer.chat_template, add_generation_prompt, roles)
    ids = []
    mask: list[int] = []
    for start, stop, inside in _segments(text, spans):
        for part, is_special in _parts(text[start:stop], checked, special):
            new = [special[part]] if is_special else tokenizer.encode_ordinary(part)
            ids += new
            mask += [int(inside)] * len(new)
    return EncodedChat(ids, mask)


def _segments(text: str, spans: list[tuple[int, int]]) -> list[tuple[int, int, bool]]:
    """Cut the text at the ends of generation blocks."""
    result, place = [], 0
    for start, stop in spans:
        result += [(place, start, False), (start, stop, True)]
        place = stop
    return [*result, (place, len(text), False)]


def _parts(text: str, messages: Sequence[Message], special: Mapping[str, int]) -> list[tuple[str, bool]]:
    """Split template text into special tokens and ordinary runs, contents put back into the latter."""
    import re

    markers = sorted(special, key=len, reverse=True)
    pattern = "(" + "|".join(map(re.escape, markers)) + ")" if markers else "(?!)"
    parts: list[tuple[str, bool]] = []
    for piece in re.split(pattern, text):
        if piece in special:
            parts.append((piece, True))
        elif piece:
            filled = re.sub("\ue002(\\d+)\ue003", lambda match: messages[int(match[1])].content, piece)
            parts.append((filled, False))
    return parts
