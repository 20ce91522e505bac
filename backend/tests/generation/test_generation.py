"""Generation against transformers, and its promises: batches do not mix, stops hold."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM
from transformers.generation.logits_process import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from llm_playground.core.errors import InputError
from llm_playground.generation import GenerationEngine, SamplingParams, stream_text
from llm_playground.generation.sampling import filter_logits
from llm_playground.generation.text import StopMatcher
from llm_playground.tokenization import BPETokenizer
from llm_playground.transformer import ModelConfig, TransformerLM


@pytest.fixture(scope="module", params=["tiny-llama", "tiny-gpt2"])
def model(request: pytest.FixtureRequest) -> TransformerLM:
    torch.manual_seed(0)
    config = ModelConfig.preset(request.param).model_copy(update={"init_std": 0.3})
    return TransformerLM(config).eval()


PROMPTS = [[5, 6, 7, 8], [9], [10, 11, 12, 13, 14, 15, 16, 17], [3, 200]]


def test_greedy_equals_transformers(model: TransformerLM, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    engine = GenerationEngine(model)
    for prompt in PROMPTS:
        expected = theirs.generate(
            torch.tensor([prompt]), max_new_tokens=20, do_sample=False, eos_token_id=None, pad_token_id=0
        )[0, len(prompt) :].tolist()
        assert engine.complete([prompt], SamplingParams(temperature=0, max_tokens=20)) == [expected]


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_what_else_is_in_the_batch_does_not_change_a_row(model: TransformerLM, temperature: float) -> None:
    engine = GenerationEngine(model)
    params = SamplingParams(temperature=temperature, max_tokens=15, seed=3, top_k=50, stop_ids=(1,))
    together = engine.complete(PROMPTS, params)
    assert engine.complete(PROMPTS[:1], params)[0] == together[0]
    assert engine.complete(PROMPTS[:3], params) == together[:3]


def test_the_same_seed_gives_the_same_tokens(model: TransformerLM) -> None:
    engine = GenerationEngine(model)
    first = engine.complete(PROMPTS, SamplingParams(seed=1, max_tokens=12))
    assert first == engine.complete(PROMPTS, SamplingParams(seed=1, max_tokens=12))
    assert first != engine.complete(PROMPTS, SamplingParams(seed=2, max_tokens=12))


def test_logprobs_are_those_of_the_full_pass(model: TransformerLM) -> None:
    engine = GenerationEngine(model)
    events = list(engine.generate([PROMPTS[0]], SamplingParams(temperature=1.5, seed=0, max_tokens=6)))
    ids = PROMPTS[0] + [event.id for event in events]
    with torch.no_grad():
        logprobs = model(torch.tensor([ids])).log_softmax(-1)[0]
    for place, event in enumerate(events):
        assert event.logprob == pytest.approx(float(logprobs[3 + place, event.id]), abs=1e-4)


def test_it_ends_at_a_stop_id_at_the_budget_and_at_the_context(model: TransformerLM) -> None:
    engine = GenerationEngine(model)
    free = engine.complete([[5, 6]], SamplingParams(temperature=0, max_tokens=8))[0]
    events = list(engine.generate([[5, 6]], SamplingParams(temperature=0, max_tokens=8, stop_ids=(free[3],))))
    assert events[-1].finish_reason == "stop" and events[-1].id == free[3]
    assert len(events) <= 4
    long = list(engine.generate([[5, 6]], SamplingParams(temperature=0, max_tokens=10_000)))
    assert len(long) == model.config.context_length - 2 + 1
    assert long[-1].finish_reason == "length"
    count = 0

    def stop() -> bool:
        nonlocal count
        count += 1
        return count > 3

    assert len(list(engine.generate([[5]], SamplingParams(), stop))) == 3


@given(
    logits=st.lists(st.floats(-20, 20, width=32), min_size=2, max_size=40, unique=True),
    temperature=st.floats(0.1, 3),
    top_k=st.one_of(st.none(), st.integers(1, 50)),
    top_p=st.one_of(st.none(), st.floats(0.05, 1.0)),
)
def test_filters_equal_the_transformers_warpers(
    logits: list[float], temperature: float, top_k: int | None, top_p: float | None
) -> None:
    scores = torch.tensor([logits])
    expected = TemperatureLogitsWarper(temperature)(None, scores)
    if top_k is not None:
        expected = TopKLogitsWarper(top_k)(None, expected)
    if top_p is not None and top_p < 1:
        expected = TopPLogitsWarper(top_p)(None, expected)
    mine = filter_logits(scores, SamplingParams(temperature=temperature, top_k=top_k, top_p=top_p))
    assert torch.equal(mine, expected)


@pytest.mark.parametrize(
    ("prompt", "words"), [([], "empty"), ([0] * 64, "64 tokens"), ([320], "vocabulary"), ([-1], "vocabulary")]
)
def test_impossible_prompts_are_refused(prompt: list[int], words: str) -> None:
    engine = GenerationEngine(TransformerLM(ModelConfig.preset("tiny-llama")))
    with pytest.raises(InputError, match=words):
        engine.complete([prompt], SamplingParams())


def test_no_prompts_give_no_replies(model: TransformerLM) -> None:
    assert GenerationEngine(model).complete([], SamplingParams()) == []


@given(text=st.text("abc<|>", max_size=40), cuts=st.lists(st.integers(1, 5), max_size=30))
def test_stop_strings_never_leak(text: str, cuts: list[int]) -> None:
    stops = ["<|>", "cab"]
    matcher, shown, rest, met = StopMatcher(stops), "", text, False
    for cut in [*cuts, len(text) + 1]:
        piece, rest = rest[:cut], rest[cut:]
        new, met = matcher.push(piece)
        shown += new
        if met:
            break
    if not met:
        shown += matcher.flush()
    places = [text.find(stop) for stop in stops if stop in text]
    assert shown == (text[: min(places)] if places else text)


class Scripted:
    """An engine that says given ids, to test the text around it."""

    def __init__(self, ids: list[int]) -> None:
        self.ids = ids

    def generate(self, prompts, params, should_stop=None):
        from llm_playground.generation import TokenEvent

        for place, token in enumerate(self.ids):
            last = place == len(self.ids) - 1
            yield TokenEvent(0, token, 0.0, "length" if last else None)


@given(text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30))
def test_streamed_pieces_are_whole_characters(text: str) -> None:
    tokenizer = BPETokenizer.train(["some text"], 262)
    engine = Scripted(tokenizer.encode_ordinary(text))
    pieces = list(stream_text(engine, tokenizer, [0], SamplingParams()))  # type: ignore[arg-type]
    assert "".join(piece.text for piece in pieces) == text
    assert pieces[-1].finish_reason == "length"
    assert pieces[-1].tokens == len(engine.ids)


def test_a_stop_string_across_tokens_ends_the_reply() -> None:
    tokenizer = BPETokenizer.train(["x"], 257)
    engine = Scripted(tokenizer.encode_ordinary("Hello. User: hi"))
    pieces = list(stream_text(engine, tokenizer, [0], SamplingParams(), stop=["User:"]))  # type: ignore[arg-type]
    assert "".join(piece.text for piece in pieces) == "Hello. "
    assert pieces[-1].finish_reason == "stop"
    with pytest.raises(InputError, match="stop"):
        list(stream_text(engine, tokenizer, [0], SamplingParams(), stop=[""]))  # type: ignore[arg-type]
