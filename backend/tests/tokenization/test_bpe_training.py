"""Training: merges equal to those of four trainers, counts that no block or process changes, the trace."""

from __future__ import annotations

import json
import math
import multiprocessing
import typing
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

from llm_playground.core.errors import ConfigError, InputError, StopRequested, StorageError, TrainingError
from llm_playground.core.protocols import NullContext
from llm_playground.tokenization import BPETokenizer, load_tokenizer, stage
from llm_playground.tokenization.alphabet import from_name, to_name
from llm_playground.tokenization.bpe_training import NUMBERING, TIE_BREAKS, Learned, TieBreak, learn_merges
from llm_playground.tokenization.counting import count_pieces, next_cut
from llm_playground.tokenization.splitting import PATTERNS
from llm_playground.tokenization.training_trace import TrainingTrace, load_trace, save_trace

Bytes = tuple[bytes, bytes]
SPECIALS = ("<|endoftext|>", "<|im_start|>")
CODE = "".join(
    Path(module).read_text(encoding="utf-8") for module in (json.__file__, typing.__file__, __file__)
)
CORPORA = {
    "prose": ["The cat sat on the mat. The cat's hat isn't the dog's; low lower lowest newer wider. " * 3],
    "code": CODE[:120_000].splitlines(keepends=True),
    "unicode": [
        "naïve café — 東京都の東京 привет, приветствую мир! مرحبا بالعالم " * 4,
        "👩\u200d👩\u200d👧 👩\u200d👧 e\u0301e\u0301 \u00a0\u3000 ١٢٣ ½\r\n\t x\u2028y" * 4,
        "ab" * 30 + "aaaa" * 9 + " \n  \n" * 7,
    ],
}
# Few letters and long runs: many ties, and places that overlap.
TIES = st.lists(
    st.lists(st.tuples(st.sampled_from("abcé "), st.integers(1, 7)), max_size=12).map(
        lambda runs: "".join(letter * length for letter, length in runs)
    ),
    min_size=1,
    max_size=6,
)


def contents(learned: Learned) -> list[Bytes]:
    return [(learned.tokens[left], learned.tokens[right]) for left, right in learned.merges]


def learn(texts: list[str], vocab_size: int, **settings: typing.Any) -> Learned:
    return learn_merges(count_pieces(texts).counts, vocab_size, **settings)


def referee(
    texts: list[str],
    vocab_size: int,
    specials: tuple[str, ...] = (),
    pattern: str = "gpt2",
    frequency: int = 0,
) -> tuple[list[Bytes], dict[str, int]]:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERNS[pattern].regex), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=frequency,
        special_tokens=list(specials),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    return [(from_name(left), from_name(right)) for left, right in model["merges"]], model["vocab"]


@pytest.mark.parametrize("frequency", [0, 3])
@pytest.mark.parametrize("pattern", ["gpt2", "cl100k"])
@pytest.mark.parametrize("corpus", CORPORA)
@pytest.mark.parametrize("vocab_size", [258, 300, 700, 2500])
def test_hf_gives_the_merges_and_ids_of_tokenizers(
    corpus: str, vocab_size: int, pattern: str, frequency: int
) -> None:
    texts = CORPORA[corpus]
    merges, vocab = referee(texts, vocab_size, SPECIALS, pattern, frequency)
    learned = learn_merges(count_pieces(texts, pattern).counts, vocab_size, SPECIALS, min_frequency=frequency)
    assert contents(learned) == merges
    names = {to_name(value): token for token, value in learned.tokens.items()}
    assert {**names, **learned.special_tokens} == vocab


@given(TIES, st.integers(257, 330), st.sampled_from([0, 2, 3]))
def test_hf_agrees_where_nearly_every_pair_ties(texts: list[str], vocab_size: int, frequency: int) -> None:
    if any(texts):
        merges, _ = referee(texts, vocab_size, frequency=frequency)
        assert contents(learn(texts, vocab_size, min_frequency=frequency)) == merges


def recount(
    pieces: list[bytes], wanted: int, choose: Callable[[dict[Bytes, int], dict[bytes, int]], Bytes]
) -> list[Bytes]:
    """Learn as a textbook does: count all pairs of the whole corpus anew before each merge."""
    words = [[bytes([value]) for value in piece] for piece in pieces]
    ids = {bytes([value]): value for value in range(256)}
    merges: list[Bytes] = []
    while len(merges) < wanted:
        counts: dict[Bytes, int] = {}
        for word in words:
            for pair in pairwise(word):
                counts[pair] = counts.get(pair, 0) + 1
        if not counts:
            break
        left, right = choose(counts, ids)
        merges.append((left, right))
        assert left + right not in ids, "no two merges spell the same"
        ids[left + right] = len(ids)
        for word in words:
            place = 0
            while place < len(word) - 1:
                if (word[place], word[place + 1]) == (left, right):
                    word[place : place + 2] = [left + right]
                place += 1
    return merges


RULES: dict[str, Callable[[dict[Bytes, int], dict[bytes, int]], Bytes]] = {
    "rustbpe": lambda counts, ids: min(counts, key=lambda p: (-counts[p], ids[p[0]], ids[p[1]])),
    "cs336": lambda counts, ids: max(counts, key=lambda pair: (counts[pair], pair)),
    "first-seen": lambda counts, ids: max(counts, key=counts.__getitem__),  # max keeps the first of equals
}


@pytest.mark.parametrize("rule", RULES)
@given(texts=TIES, wanted=st.integers(1, 40))
def test_each_rule_gives_what_recounting_by_it_gives(rule: str, texts: list[str], wanted: int) -> None:
    split = PATTERNS["gpt2"].splitter()
    pieces = [piece.encode() for text in texts for piece in split(text)]
    if pieces:
        expected = recount(pieces, wanted, RULES[rule])
        assert contents(learn(texts, 256 + wanted, tie_break=rule)) == expected


@pytest.mark.parametrize("rule", RULES)
def test_each_rule_gives_what_recounting_gives_on_real_text(rule: str) -> None:
    texts = ["".join(CORPORA["code"])[:6000], *CORPORA["unicode"]]
    split = PATTERNS["gpt2"].splitter()
    pieces = [piece.encode() for text in texts for piece in split(text)]
    assert contents(learn(texts, 256 + 120, tie_break=rule)) == recount(pieces, 120, RULES[rule])


def test_cs336_equals_the_published_merges_and_vocabulary(test_data: Path) -> None:
    folder = test_data / "tokenizers" / "bpe_train"
    pieces = count_pieces([folder / "corpus.en"], special_tokens=["<|endoftext|>"])
    learned = learn_merges(pieces.counts, 500, ["<|endoftext|>"], tie_break="cs336")
    lines = (folder / "train-bpe-reference-merges.txt").read_text(encoding="utf-8").splitlines()
    expected = [tuple(map(from_name, line.split(" "))) for line in lines]
    assert contents(learned) == expected and len(expected) == 243
    names = {to_name(value): token for token, value in learned.tokens.items()}
    published = json.loads((folder / "train-bpe-reference-vocab.json").read_text(encoding="utf-8"))
    assert {**names, **learned.special_tokens} == published


def test_the_rules_are_four_and_break_a_tie_differently() -> None:
    assert TIE_BREAKS == typing.get_args(TieBreak) == tuple(NUMBERING)
    first = {rule: contents(learn(["xy ¡¢ ab"], 257, tie_break=rule))[0] for rule in TIE_BREAKS}
    assert first == {
        "hf": (b"a", b"b"),  # smallest names
        "rustbpe": (b" ", b"a"),  # smallest values
        "cs336": (b"\xc2", b"\xa2"),  # greatest values
        "first-seen": (b"x", b"y"),
    }


def test_ids_are_those_of_the_trainer() -> None:
    numbers = {}
    for rule in TIE_BREAKS:
        learned = learn(["low lower lowest"], 262, special_tokens=SPECIALS, tie_break=rule)
        assert sorted([*learned.tokens, *learned.special_tokens.values()]) == list(range(262))
        ids = {value: token for token, value in learned.tokens.items()}
        numbers[rule] = (ids[b"!"], ids[b"\0"], ids[b"low"], learned.special_tokens["<|im_start|>"])
    assert numbers["hf"] == numbers["cs336"] == (2, 190, numbers["hf"][2], 1)
    assert numbers["rustbpe"] == numbers["first-seen"] == (33, 0, numbers["rustbpe"][2], 261)
    assert numbers["hf"][2] >= 258 and 256 <= numbers["rustbpe"][2] < 260


@pytest.mark.parametrize("rule", TIE_BREAKS)
def test_the_trace_replays_every_moment(rule: str) -> None:
    texts = [*CORPORA["unicode"], CODE[:4000]]
    trace = TrainingTrace()
    whole = learn(texts, 420, special_tokens=SPECIALS, tie_break=rule, trace=trace)
    assert whole == learn(texts, 420, special_tokens=SPECIALS, tie_break=rule)
    assert trace.tie_break == rule and len(trace) == len(whole.merges) == 420 - 258
    for steps in range(0, len(trace) + 1, 9):
        then = learn(texts, 258 + steps, special_tokens=SPECIALS, tie_break=rule)
        assert (trace.merges_at(steps), trace.tokens_at(steps)) == (then.merges, then.tokens)
    words = Counter({piece: count for piece, count in count_pieces(texts).counts.items()})
    parts = {piece: [bytes([value]) for value in piece] for piece in words}
    tokens = whole.tokens
    for step in trace:  # the figures are those of a recount
        counts: Counter[Bytes] = Counter()
        for piece, word in parts.items():
            for pair in pairwise(word):
                counts[pair] += words[piece]
        left, right = (tokens[token] for token in step.pair)
        assert counts[left, right] == step.count == max(counts.values())
        assert step.runner_up is not None
        other = (tokens[step.runner_up[0]], tokens[step.runner_up[1]])
        assert other != (left, right) and counts[other] == step.runner_count
        assert step.runner_count == sorted(counts.values())[-2]
        assert step.merged == left + right == tokens[step.token]
        for word in parts.values():
            place = 0
            while place < len(word) - 1:
                if (word[place], word[place + 1]) == (left, right):
                    word[place : place + 2] = [left + right]
                place += 1


def test_the_last_pair_of_all_has_no_runner_up() -> None:
    trace = TrainingTrace()
    learn(["ab"], 300, trace=trace)
    assert len(trace) == 1 and trace[0].runner_up is None and trace[-1].runner_count == 0
    assert (trace[0].merged, trace[0].count, trace[0].token) == (b"ab", 1, 256)
    with pytest.raises(IndexError):
        trace[1]


def test_a_trace_is_saved_small_and_read_back(tmp_path: Path) -> None:
    assert load_trace(tmp_path) is None
    trace = TrainingTrace()
    learn(CORPORA["code"], 1500, special_tokens=SPECIALS, trace=trace)
    save_trace(trace, tmp_path)
    again = load_trace(tmp_path)
    assert again is not None
    assert (list(again), again.tokens, again.tie_break) == (list(trace), trace.tokens, "hf")
    assert (tmp_path / "training_trace.json").stat().st_size < 40 * len(trace)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("version", 9),
        ("alphabet", [0] * 256),
        ("alphabet", [300]),
        ("count", []),
        ("left", None),
        ("right", [10**6] * 3),
        ("first_id", "x"),
    ],
)
def test_a_damaged_trace_is_told(tmp_path: Path, key: str, value: object) -> None:
    trace = TrainingTrace()
    learn(["abcd"], 259, trace=trace)
    data = json.loads(trace.to_json())
    (tmp_path / "training_trace.json").write_text(json.dumps({**data, key: value}))
    with pytest.raises(StorageError, match="training trace is damaged"):
        load_trace(tmp_path)
    (tmp_path / "training_trace.json").write_bytes(b'{"version": \xff')
    with pytest.raises(StorageError, match="damaged: not UTF-8"):
        load_trace(tmp_path)


AWKWARD = st.lists(
    st.sampled_from(
        ["a", "Z", "7", "'s", "'", " ", "  ", "\n", "\r\n", "\t", "/", "//", ";", ");", "é", "東京", "\u0301"]
        + [
            "\u00a0",
            "\u3000",
            "\u2028",
            "\x1c",
            "\x85",
            "ſ",
            "ǅ",
            "١",
            "👩\u200d👧",
            "<|end|>",
            "<|",
            "one two",
        ]
    ),
    max_size=120,
).map("".join)


@pytest.mark.parametrize("pattern", PATTERNS)
@given(text=AWKWARD, size=st.integers(1, 12))
def test_blocks_change_no_count(pattern: str, text: str, size: int) -> None:
    for specials in ((), ("<|end|>", "one two")):
        whole = count_pieces([text], pattern, special_tokens=specials)
        blocks = count_pieces([text], pattern, special_tokens=specials, block_size=size)
        assert list(blocks.counts.items()) == list(whole.counts.items())


@pytest.mark.parametrize("pattern", PATTERNS)
@given(text=AWKWARD)
def test_every_cut_is_between_pieces(pattern: str, text: str) -> None:
    split, start = PATTERNS[pattern].splitter(), 0
    while (cut := next_cut(text, start)) is not None:
        assert split(text[:cut]) + split(text[cut:]) == split(text)
        start = cut + 1


@given(text=AWKWARD, size=st.integers(1, 12), pattern=st.sampled_from(sorted(PATTERNS)))
def test_a_file_counts_like_its_text(
    tmp_path_factory: pytest.TempPathFactory, text: str, size: int, pattern: str
) -> None:
    file = tmp_path_factory.getbasetemp() / "corpus.txt"
    file.write_bytes(text.encode())
    specials = ("<|end|>", "one two")
    whole = count_pieces([text], pattern, special_tokens=specials)
    assert count_pieces([file], pattern, special_tokens=specials, block_size=size) == whole


def test_processes_and_long_windows_change_no_count(tmp_path: Path) -> None:
    files = []
    for number, part in enumerate(
        [CODE, "東京。\n京都 " * 9000, "x" * 200_000 + " y\n", "\r\n".join("abc" * 99)]
    ):
        files.append(tmp_path / f"{number}.txt")
        files[-1].write_bytes(part.encode())
    sources = [*files, *CORPORA["unicode"], "an end<|end|>of text"]
    alone = count_pieces(sources, "o200k", special_tokens=["<|end|>"])
    seen: list[int] = []
    many = count_pieces(
        sources, "o200k", special_tokens=["<|end|>"], processes=2, block_size=3000, progress=seen.append
    )
    assert list(many.counts.items()) == list(alone.counts.items())
    assert many.occurrences == alone.occurrences == sum(alone.counts.values()) == seen[-1]
    assert len(seen) > 20 and seen == sorted(seen)
    bad = tmp_path / "bad.txt"
    bad.write_bytes(b"word " * 4000 + b"\xff" + b" word" * 4000)
    for processes in (1, 2):
        with pytest.raises(InputError, match=r"bad.txt is not UTF-8 text \(byte 20000\)"):
            count_pieces([bad], processes=processes, block_size=1000)
        with pytest.raises(InputError, match="holds a lone surrogate"):
            count_pieces(["a b " * 500, "\udc80"], processes=processes, block_size=1000)


def test_a_process_that_is_ended_from_outside_is_told_in_one_sentence() -> None:
    def end_the_others(_: int) -> None:
        for child in multiprocessing.active_children():
            child.kill()

    texts = (f"word{number} " * 2000 for number in range(200))
    with pytest.raises(TrainingError, match="A process that counted pieces was ended"):
        count_pieces(texts, processes=2, block_size=5000, progress=end_the_others)


def test_special_tokens_are_never_counted() -> None:
    text = "one<|end|> two<|end|>three<|end|>"
    counts = count_pieces([text], special_tokens=["<|end|>", "<|end|> t"]).counts
    assert counts == {b"one": 1, b"wo": 1, b"three": 1}  # the longer special token is found first
    assert sum(count_pieces([text]).counts.values()) > 3


def test_rare_pieces_can_be_left_out_and_that_is_told() -> None:
    texts = [f" the cat{number} the" for number in range(500)]
    every = count_pieces(texts)
    assert (every.dropped, every.note) == (0, "")
    frequent = count_pieces(texts, minimum=2)
    kept = {piece: count for piece, count in every.counts.items() if count > 1}
    assert frequent.counts == kept and frequent.dropped == len(every.counts) - len(kept)
    assert frequent.occurrences == every.occurrences
    once = count_pieces([f" the x{'y' * number}" for number in range(300)], minimum=2)
    assert once.counts == {b" the": 300} and once.dropped == once.dropped_occurrences == 300
    assert once.note == "300 rare pieces were left out: 50.00% of all that occur."
    for processes in (1, 2):
        few = count_pieces(texts, limit=50, block_size=200, processes=processes)
        assert len(few.counts) <= 50 and few.counts[b" the"] == 1000 and few.counts[b" cat"] == 500
        assert sum(few.counts.values()) + few.dropped_occurrences == every.occurrences
    assert count_pieces(texts, limit=10**6) == every
    assert len(count_pieces(["".join(f" {chr(97 + n)}" for n in range(26))] * 9, limit=4).counts) <= 4


@pytest.mark.parametrize("rule", TIE_BREAKS)
def test_work_on_one_long_piece_grows_no_worse_than_n_log_n(rule: str) -> None:
    for length in (1000, 100_000):
        for text in ("a" * length, "ab" * (length // 2), " " * length, "é" * (length // 2)):
            trace = TrainingTrace()
            learned = learn([text], 256 + 60, tie_break=rule, trace=trace)
            assert max(map(len, learned.tokens.values())) >= length / 8
            assert trace.symbols_read <= length * math.log2(length)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"vocab_size": 255},
            "vocab_size: 255 is too small. 256 bytes and 0 special tokens need at least 256.",
        ),
        (
            {"vocab_size": 257, "special_tokens": SPECIALS},
            "vocab_size: 257 is too small. 256 bytes and 2 special tokens need at least 258.",
        ),
        ({"vocab_size": 2_000_000}, "vocab_size: 2000000 is too large. At most 1,000,000 ids are possible."),
        ({"tie_break": "coin"}, "tie_break: 'coin' is unknown. Known: hf, rustbpe, cs336, first-seen."),
        ({"min_frequency": -1}, "min_frequency: -1 is negative."),
        ({"special_tokens": ["<|end|>", ""]}, "special_tokens: a special token is empty."),
        (
            {"special_tokens": ["a"]},
            "special_tokens: 'a' is the name of a single byte. Use a longer text, such as <|end|>.",
        ),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, typing.Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        learn_merges({b"ab": 1}, **{"vocab_size": 300, **settings})
    assert str(caught.value) == message and caught.value.field == message.partition(":")[0]


def test_counting_refuses_what_it_cannot_count(tmp_path: Path) -> None:
    for settings, message in (
        ({"processes": 0}, "processes: 0 is too small."),
        ({"minimum": 0}, "minimum: 0 is too small."),
        ({"block_size": 0}, "block_size: 0 is too small."),
        ({"limit": 1}, "limit: 1 is too small."),
        ({"pattern": "nope"}, "pattern: 'nope' is unknown."),
        ({"special_tokens": [""]}, "special_tokens: a special token is empty."),
    ):
        with pytest.raises(ConfigError) as caught:
            count_pieces(["a"], **settings)  # type: ignore[arg-type]
        assert caught.value.message == message
    for text in ("\ud83d", "a\udc80b", "\ud800" * 3):
        with pytest.raises(InputError) as refused:
            count_pieces([text])
        assert str(refused.value) == (
            "The training text holds a lone surrogate (half of a character), which is not valid Unicode."
        )
    with pytest.raises(InputError, match="gone.txt does not exist"):
        count_pieces([tmp_path / "gone.txt"])
    with pytest.raises(InputError, match="is a folder; a text file is needed"):
        count_pieces([tmp_path])


def test_an_empty_corpus_and_a_name_that_is_learned_are_refused() -> None:
    for texts in ([], [""], ["<|end|>"]):
        with pytest.raises(InputError, match="^The training text is empty"):
            learn_merges(count_pieces(texts, special_tokens=["<|end|>"]).counts, 300)
    with pytest.raises(InputError, match="The special token 'Ġthe' is spelled like a token learned"):
        learn([" the"] * 9, 300, special_tokens=["Ġthe"])


def test_training_ends_when_no_pair_is_left_or_frequent_enough() -> None:
    done: list[tuple[int, int]] = []
    learned = learn(["abab"], 999, progress=lambda *numbers: done.append(numbers))
    assert contents(learned) == [(b"a", b"b"), (b"ab", b"ab")] and done == [(2, 743)]
    assert learn(["x"], 300).merges == []
    assert contents(learn(["abab cd"], 999, min_frequency=2)) == [(b"a", b"b")]


def test_the_stage_trains_by_every_rule_and_leaves_a_trace(road: SimpleNamespace, tmp_path: Path) -> None:
    context: NullContext = road.context(tmp_path / "run")
    config = stage.TokenizerTrainConfig(
        dataset=road.dataset.id,
        vocab_size=350,
        pattern="cl100k",
        tie_break="first-seen",
        special_tokens=("<|tool|>",),
        characters=60_000,
        min_piece_count=2,
        processes=2,
    )
    made = stage.run(config, context)
    tokenizer = load_tokenizer(made.path)
    assert tokenizer.special_tokens["<|tool|>"] == 349 and tokenizer.vocab_size == 350
    assert tokenizer.encode("<|tool|>", allowed_special="all") == [349]
    texts = list(stage.dataset_texts(road.dataset.path, 60_000))
    specials = list(tokenizer.special_tokens)
    pieces = count_pieces(texts, "cl100k", special_tokens=specials, minimum=2)
    learned = learn_merges(pieces.counts, 350, specials, tie_break="first-seen")
    assert isinstance(tokenizer, BPETokenizer) and tokenizer.merges == learned.merges
    trace = load_trace(made.path)
    assert trace is not None and trace.merges_at(len(trace)) == learned.merges
    assert made.summary["distinct_pieces"] == len(pieces.counts) and made.summary["merges"] == 350 - 261
    assert any("rare pieces were left out" in message for message in context.messages)
    assert {update["message"] for update in context.updates} == {"counting pieces", "learning merges"}


def test_the_stage_can_do_without_a_trace_and_stops_when_asked(road: SimpleNamespace, tmp_path: Path) -> None:
    context: NullContext = road.context(tmp_path / "run")
    config = stage.TokenizerTrainConfig(dataset=road.dataset.id, vocab_size=300, trace=False, processes=1)
    made = stage.run(config, context)
    assert load_trace(made.path) is None and not (made.path / "training_trace.json").exists()
    context.stop = True
    with pytest.raises(StopRequested):
        stage.run(config, context)
    too_small = config.model_copy(update={"vocab_size": 258})
    with pytest.raises(ConfigError, match="vocab_size: 258 is too small"):
        stage.run(too_small, context)


def test_the_stage_says_when_the_text_has_too_few_pairs(road: SimpleNamespace, tmp_path: Path) -> None:
    context: NullContext = road.context(tmp_path / "run")
    config = stage.TokenizerTrainConfig(
        dataset=road.dataset.id, vocab_size=2000, characters=5000, min_frequency=9, processes=1
    )
    made = stage.run(config, context)
    size = made.summary["vocab_size"]
    assert f"The text has no pairs that occur 9 times: {size} tokens instead of 2000." in context.messages
