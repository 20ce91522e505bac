"""The cache of loaded models, and prompts that fit the context of a model."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tiny_workspace import Tiny

from llm_playground.core.errors import InputError, NotFoundError, StorageError
from llm_playground.generation import SamplingParams
from llm_playground.playground import LoadedModel, ModelCache, prepare_reply
from llm_playground.tokenization.chat import encode_chat
from llm_playground.transformer import TransformerLM

PARAMS = SamplingParams(temperature=0, max_tokens=8)


@pytest.fixture(scope="module")
def chat(tiny: Tiny) -> LoadedModel:
    return ModelCache(tiny.workspace).get(tiny.chat)


@pytest.fixture(scope="module")
def base(tiny: Tiny) -> LoadedModel:
    return ModelCache(tiny.workspace).get(tiny.base)


def said(role: str, text: str) -> dict[str, str]:
    return {"role": role, "content": text}


def test_the_least_used_model_goes_first(own_tiny: Tiny) -> None:
    cache = ModelCache(own_tiny.workspace, capacity=1)
    first = cache.get(own_tiny.base)
    assert cache.get(own_tiny.base) is first and cache.loaded() == [own_tiny.base]
    cache.get(own_tiny.chat)
    assert cache.loaded() == [own_tiny.chat]
    assert cache.get(own_tiny.base) is not first
    both = ModelCache(own_tiny.workspace)
    for model in (own_tiny.base, own_tiny.chat, own_tiny.base):
        both.get(model)
    assert both.loaded() == [own_tiny.chat, own_tiny.base]


def test_however_many_ask_at_once_a_model_is_loaded_once(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    loads, load = [], TransformerLM.from_pretrained
    together = threading.Barrier(6)

    def counted(folder: Any, **options: Any) -> TransformerLM:
        loads.append(folder)
        return load(folder, **options)

    monkeypatch.setattr(TransformerLM, "from_pretrained", counted)
    cache = ModelCache(tiny.workspace)

    def ask(_: int) -> LoadedModel:
        together.wait()
        return cache.get(tiny.chat)

    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(ask, range(6)))
    assert len(loads) == 1 and len({id(model) for model in found}) == 1


def test_a_deleted_model_is_not_given_from_memory(own_tiny: Tiny) -> None:
    cache = ModelCache(own_tiny.workspace)
    cache.get(own_tiny.chat)
    own_tiny.workspace.delete(own_tiny.chat)
    with pytest.raises(NotFoundError, match=f"There is no model '{own_tiny.chat}'"):
        cache.get(own_tiny.chat)


def test_a_damaged_model_is_refused_and_not_kept(own_tiny: Tiny) -> None:
    (own_tiny.workspace.get(own_tiny.chat).path / "tokenizer.json").unlink()
    cache = ModelCache(own_tiny.workspace)
    with pytest.raises(StorageError, match=r"is damaged: the file tokenizer\.json is missing\."):
        cache.get(own_tiny.chat)
    assert cache.loaded() == []


def test_a_conversation_that_fits_is_kept_whole(chat: LoadedModel) -> None:
    assert chat.is_chat and chat.context_length == 192
    messages = [said("user", "Hello!"), said("assistant", "Hi."), said("user", "Who are you?")]
    reply = prepare_reply(chat, messages, PARAMS)
    assert reply.dropped == 0
    assert reply.prompt_ids == encode_chat(chat.tokenizer, messages, add_generation_prompt=True).ids
    special = chat.tokenizer.special_tokens
    assert reply.params.stop_ids == (chat.tokenizer.eos_id, special["<|im_end|>"])
    assert PARAMS.stop_ids == ()
    events = list(reply.stream())
    assert events[-1].finish_reason in ("stop", "length") and events[-1].tokens <= 8


def test_a_long_conversation_loses_its_oldest_turns_but_not_the_system_message(chat: LoadedModel) -> None:
    system = said("system", "Be kind.")
    turns = [said(role, "word " * 10) for _ in range(8) for role in ("user", "assistant")]
    last = said("user", "And now?")
    reply = prepare_reply(chat, [system, *turns, last], PARAMS)
    kept = [*turns, last][reply.dropped :]
    assert 0 < reply.dropped < len(turns) and kept[0]["role"] == "user"
    assert reply.prompt_ids == encode_chat(chat.tokenizer, [system, *kept], add_generation_prompt=True).ids
    assert len(reply.prompt_ids) + PARAMS.max_tokens <= chat.context_length
    more = [*turns, last][reply.dropped - 2 :]
    longer = encode_chat(chat.tokenizer, [system, *more], add_generation_prompt=True).ids
    assert len(longer) + PARAMS.max_tokens > chat.context_length


def test_a_message_that_is_alone_too_long_is_refused(chat: LoadedModel, base: LoadedModel) -> None:
    for model in (chat, base):
        with pytest.raises(InputError) as error:
            prepare_reply(model, [said("user", "word " * 300)], PARAMS)
        count = error.value.message.split(":")[1].split()[0]
        assert error.value.message == (
            f"The message is too long: {count} tokens, while the context of this model holds 192 with the "
            "reply."
        )
        assert int(count) >= 192 and error.value.field == "messages"


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([], "messages: there is no message."),
        ([said("robot", "x")], r"messages\.0: needs a role"),
        ([said("user", "x"), {"role": "user"}], r"messages\.1: needs a role"),
    ],
)
def test_wrong_messages_are_refused(chat: LoadedModel, messages: list[Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        prepare_reply(chat, messages, PARAMS)


def test_a_base_model_continues_the_last_message(base: LoadedModel) -> None:
    assert not base.is_chat
    messages = [said("user", "Hello!"), said("assistant", "Hi."), said("user", "Mia had")]
    reply = prepare_reply(base, messages, PARAMS)
    tokenizer = base.tokenizer
    assert reply.prompt_ids == [tokenizer.eos_id, *tokenizer.encode_ordinary("Mia had")]
    assert reply.dropped == 2
    assert list(reply.stream())[-1].tokens > 0


def test_what_people_type_is_never_a_special_token(chat: LoadedModel) -> None:
    end = chat.tokenizer.special_tokens["<|im_end|>"]
    plain = prepare_reply(chat, [said("user", "x")], PARAMS).prompt_ids.count(end)
    typed = prepare_reply(chat, [said("user", "<|im_end|>")], PARAMS).prompt_ids.count(end)
    assert typed == plain == 1


def test_a_reply_can_be_stopped(chat: LoadedModel) -> None:
    reply = prepare_reply(chat, [said("user", "Hello!")], PARAMS.model_copy(update={"max_tokens": 100}))
    asked = iter([False, False, True])
    events = list(reply.stream(lambda: next(asked, True)))
    assert events[-1].tokens <= 2
    assert not chat.lock.locked()
