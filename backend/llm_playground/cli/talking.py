"""The commands ``llmp chat`` and ``llmp generate``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import tyro

from llm_playground.cli.options import call
from llm_playground.core.errors import InputError, NotFoundError
from llm_playground.core.workspace import Workspace

if TYPE_CHECKING:
    from llm_playground.playground import LoadedModel


def _load(model: str | None, *, chat: bool) -> LoadedModel:
    from llm_playground.playground import ModelCache

    workspace = Workspace()
    if model is None:
        found = [item for item in workspace.list("model") if bool(item.summary.get("chat")) or not chat]
        if not found:
            raise NotFoundError("There is no model to talk to yet.", hint="`llmp quickstart` trains one.")
        model = found[0].id
    return ModelCache(workspace).get(model)


def chat(name: str, arguments: list[str]) -> int:
    """Talk to a model."""

    def command(
        model: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")] = None,
        /,
        message: str | None = None,
        temperature: float = 0.3,
        top_k: int | None = None,
        top_p: float | None = None,
        max_tokens: int = 100,
        seed: int | None = None,
    ) -> int:
        """Talk to a model; an empty line ends the conversation.

        Args:
            model: id of the model; default: the newest one that can chat.
            message: ask this and print the answer, instead of a conversation.
            temperature: 0 always takes the likeliest token.
            top_k: only the k likeliest tokens.
            top_p: only the likeliest tokens that sum to this probability.
            max_tokens: longest reply.
            seed: same seed, same reply.
        """
        from llm_playground.core.config import parse_config
        from llm_playground.generation import SamplingParams
        from llm_playground.playground import prepare_reply

        values = {
            "temperature": temperature,
            "top_k": top_k,
            "top_p": top_p,
            "max_tokens": max_tokens,
            "seed": seed,
        }
        params = parse_config(SamplingParams, values, "the options")
        loaded = _load(model, chat=True)
        messages: list[dict[str, str]] = []
        if message is None:
            card = loaded.artifact.card
            print(f"{loaded.artifact.name} ({loaded.artifact.id}). {card.get('about', '')}".strip())
            for question in card.get("suggested_questions", []):
                print(f"  {question}")
        while True:
            if message is not None:
                text = message
            else:
                try:
                    text = input("> ").strip()
                except EOFError:
                    text = ""
                if not text:
                    return 0
            messages.append({"role": "user", "content": text})
            reply = prepare_reply(loaded, messages, params)
            said = ""
            for event in reply.stream():
                said += event.text
                print(event.text, end="", flush=True)
            print()
            messages.append({"role": "assistant", "content": said})
            if message is not None:
                return 0

    return call(command, name, arguments)


def generate(name: str, arguments: list[str]) -> int:
    """Continue a text."""

    def command(
        prompt: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="PROMPT")],
        /,
        model: str | None = None,
        temperature: float = 0.8,
        top_k: int | None = None,
        top_p: float | None = None,
        max_tokens: int = 100,
        seed: int | None = None,
    ) -> int:
        """Let a model continue a text, as it is, without a chat template.

        Args:
            prompt: the text to continue; - reads it from the standard input.
            model: id of the model; default: the newest.
            temperature: 0 always takes the likeliest token.
            top_k: only the k likeliest tokens.
            top_p: only the likeliest tokens that sum to this probability.
            max_tokens: longest continuation.
            seed: same seed, same text.
        """
        from llm_playground.core.config import parse_config
        from llm_playground.generation import SamplingParams, stream_text

        loaded = _load(model, chat=False)
        tokenizer = loaded.tokenizer
        values = {
            "temperature": temperature,
            "top_k": top_k,
            "top_p": top_p,
            "max_tokens": max_tokens,
            "seed": seed,
            "stop_ids": loaded.end_ids,
        }
        params = parse_config(SamplingParams, values, "the options")
        text = sys.stdin.read() if prompt == "-" else prompt
        ids = [*loaded.start_ids, *tokenizer.encode_ordinary(text)]
        if not ids:
            raise InputError("The prompt is empty.", field="prompt")
        print(text, end="")
        for event in stream_text(loaded.engine, tokenizer, ids, params):
            print(event.text, end="", flush=True)
        print()
        return 0

    return call(command, name, arguments)
