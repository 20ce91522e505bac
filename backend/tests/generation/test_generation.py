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
from llm_playground.generation import GenerationEngine, SamplingParams, TokenEvent, stream_text
from llm_playground.generation.sampling import choose, filter_logits
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


def test_rows_of_a_batch_run_to_the_end_of_their_own_context(model: TransformerLM) -> None:
    engine, params = GenerationEngine(model), SamplingParams(temperature=0, max_tokens=1000)
    prompts = [list(range(5, 60)), [9], [3, 200, 7]]
    together = engine.complete(prompts, params)
    assert together == [engine.complete([prompt], params)[0] for prompt in prompts]
    assert [len(reply) for reply in together] == [64 - len(prompt) + 1 for prompt in prompts]


def test_finished_rows_leave_and_the_others_go_on(model: TransformerLM) -> None:
    engine = GenerationEngine(model)
    free = engine.complete(PROMPTS, SamplingParams(temperature=0, max_tokens=10))
    stop = free[2][4]
    found = engine.complete(PROMPTS, SamplingParams(temperature=0, max_tokens=10, stop_ids=(stop,)))
    for reply, whole in zip(found, free, strict=True):
        assert reply == (whole[: whole.index(stop) + 1] if stop in whole else whole)


def test_events_say_which_row_they_continue(model: TransformerLM) -> None:
    events = list(GenerationEngine(model).generate(PROMPTS, SamplingParams(max_tokens=3, seed=0)))
    assert [event.row for event in events] == [0, 1, 2, 3] * 3
    assert [event.finish_reason for event in events] == [None] * 8 + ["length"] * 4


@pytest.mark.parametrize(
    "params",
    [{"top_k": 1}, {"top_p": 1e-9}, {"temperature": 1e-40}, {"temperature": 1e-5}, {"top_k": 1, "top_p": 1}],
)
def test_the_narrowest_filters_take_the_likeliest_token(model: TransformerLM, params: dict) -> None:
    engine = GenerationEngine(model)
    expected = engine.complete(PROMPTS, SamplingParams(temperature=0, max_tokens=8))
    assert engine.complete(PROMPTS, SamplingParams(max_tokens=8, seed=1, **params)) == expected


def test_the_widest_filters_change_nothing(model: TransformerLM) -> None:
    engine = GenerationEngine(model)
    expected = engine.complete(PROMPTS, SamplingParams(max_tokens=8, seed=1))
    wide = SamplingParams(max_tokens=8, seed=1, top_k=10**6, top_p=1.0)
    assert engine.complete(PROMPTS, wide) == expected


@given(
    logits=st.lists(st.floats(-30, 30, width=32), min_size=1, max_size=30),
    top_p=st.floats(0.01, 0.99),
    top_k=st.integers(1, 30),
)
def test_filters_keep_the_smallest_set_that_is_enough(logits: list[float], top_p: float, top_k: int) -> None:
    scores = torch.tensor(logits, dtype=torch.float64)
    kept = torch.isfinite(filter_logits(scores, SamplingParams(temperature=1, top_p=top_p)))
    probabilities = scores.softmax(0)
    assert float(probabilities[kept].sum()) >= top_p - 1e-6
    least = probabilities[kept].min()
    assert (probabilities[~kept] <= least).all()
    assert int(kept.sum()) == 1 or float(probabilities[kept].sum() - least) < top_p + 1e-6
    by_rank = torch.isfinite(filter_logits(scores, SamplingParams(temperature=1, top_k=top_k)))
    assert int(by_rank.sum()) >= min(top_k, len(logits))
    assert (scores[~by_rank] < scores[by_rank].min()).all()


def test_tokens_are_drawn_in_their_shares() -> None:
    scores = torch.tensor([0.0, 1.0, 2.0, -50.0])
    generator = torch.Generator().manual_seed(0)
    draws = [choose(scores, SamplingParams(temperature=2.0, top_k=3), generator) for _ in range(4000)]
    shares = torch.bincount(torch.tensor(draws), minlength=4) / 4000
    expected = torch.cat([(scores[:3] / 2).softmax(0), torch.zeros(1)])
    assert (shares - expected).abs().max() < 0.03


def test_the_model_is_left_as_it_was(model: TransformerLM) -> None:
    before = {name: value.clone() for name, value in model.state_dict().items()}
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    GenerationEngine(model).complete(PROMPTS, SamplingParams(max_tokens=5, seed=0))
    assert torch.equal(torch.rand(3), expected), "it draws from generators of its own"
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


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

    def __init__(self, ids: list[int], reason: str = "length") -> None:
        self.ids, self.reason = ids, reason

    def generate(self, prompts, params, should_stop=None):
        for place, token in enumerate(self.ids):
            if should_stop is not None and should_stop():
                return
            last = place == len(self.ids) - 1
            yield TokenEvent(0, token, 0.0, self.reason if last else None)  # type: ignore[arg-type]


@given(text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30))
def test_streamed_pieces_are_whole_characters(text: str) -> None:
    tokenizer = BPETokenizer.train(["some text"], 262)
    engine = Scripted(tokenizer.encode_ordinary(text))
    pieces = list(stream_text(engine, tokenizer, [0], SamplingParams()))  # type: ignore[arg-type]
    assert "".join(piece.text for piece in pieces) == text
    assert pieces[-1].finish_reason == "length"
    assert pieces[-1].tokens == len(engine.ids)


@given(
    text=st.text("aé東👩 ", min_size=1, max_size=25),
    stop=st.text("aé東👩 ", min_size=1, max_size=3),
    cut=st.integers(0, 100),
)
def test_stop_strings_of_many_bytes_end_a_reply_that_may_end_anywhere(text: str, stop: str, cut: int) -> None:
    tokenizer = BPETokenizer.train(["aé東 some text"], 262)
    ids = tokenizer.encode_ordinary(text)
    ids = ids[: 1 + cut % len(ids)]
    pieces = list(stream_text(Scripted(ids), tokenizer, [0], SamplingParams(), stop=[stop]))  # type: ignore[arg-type]
    shown, whole = "".join(piece.text for piece in pieces), tokenizer.decode(ids)
    if stop in whole:
        assert shown == whole[: whole.index(stop)] and pieces[-1].finish_reason == "stop"
    else:
        assert shown == whole and pieces[-1].finish_reason == "length"
    assert all("\ufffd" not in piece.text for piece in pieces[:-1])


def test_a_cancelled_reply_keeps_what_was_said() -> None:
    tokenizer = BPETokenizer.train(["x"], 257)
    engine, asked = Scripted(tokenizer.encode_ordinary("Hello. User: hi")), iter([False] * 9 + [True])
    pieces = list(
        stream_text(engine, tokenizer, [0], SamplingParams(), ["User:"], lambda: next(asked))  # type: ignore[arg-type]
    )
    assert "".join(piece.text for piece in pieces) == "Hello. Us"
    assert (pieces[-1].finish_reason, pieces[-1].tokens) == ("cancelled", 9)


def test_a_stop_id_ends_a_reply_without_text_of_its_own() -> None:
    tokenizer = BPETokenizer.train(["x"], 258, special_tokens=["<|endoftext|>"])
    engine = Scripted([*tokenizer.encode_ordinary("Hi"), tokenizer.eos_id], "stop")
    pieces = list(stream_text(engine, tokenizer, [0], SamplingParams()))  # type: ignore[arg-type]
    assert "".join(piece.text for piece in pieces) == "Hi" and pieces[-1].finish_reason == "stop"


def test_a_stop_string_across_tokens_ends_the_reply() -> None:
    tokenizer = BPETokenizer.train(["x"], 257)
    engine = Scripted(tokenizer.encode_ordinary("Hello. User: hi"))
    pieces = list(stream_text(engine, tokenizer, [0], SamplingParams(), stop=["User:"]))  # type: ignore[arg-type]
    assert "".join(piece.text for piece in pieces) == "Hello. "
    assert pieces[-1].finish_reason == "stop"
    with pytest.raises(InputError, match="stop"):
        list(stream_text(engine, tokenizer, [0], SamplingParams(), stop=[""]))  # type: ignore[arg-type]
