"""Fine-tuning: loss on the assistant's tokens only, batches in a fixed order, the road to a chat model."""

from __future__ import annotations

import json
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy
import pyarrow
import pyarrow.parquet
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from llm_playground.core import Artifact, ConfigError, InputError, NullContext
from llm_playground.core.errors import StopRequested
from llm_playground.post_training import SFTConfig
from llm_playground.post_training.sft import (
    AnswerTokens,
    ConversationBatches,
    chat_tokenizer,
    encode_conversations,
    read_conversations,
    run,
)
from llm_playground.tokenization import BPETokenizer, encode_chat, load_tokenizer
from llm_playground.tokenization.chat import CHAT_SPECIAL_TOKENS, CHATML
from llm_playground.training import pretrain
from llm_playground.transformer import ModelConfig, TransformerLM
from llm_playground.transformer.loss import IGNORE

TOKENIZER = BPETokenizer.train(
    ["user\nassistant\n Where is the ball? The ball is in the box."] * 3,
    330,
    special_tokens=CHAT_SPECIAL_TOKENS,
    chat_template=CHATML,
)
CHATS = [
    [
        {"role": "user", "content": "Where is the ball?"},
        {"role": "assistant", "content": "The ball is in the box."},
        {"role": "user", "content": "The box?"},
        {"role": "assistant", "content": "The ball."},
    ],
    [{"role": "user", "content": "Is the ball?"}, {"role": "assistant", "content": "In."}],
]
MODEL = {"layers": 1, "width": 32, "heads": 2, "context_length": 96}
TRAINING: dict[str, Any] = {
    "steps": 12,
    "batch_size": 8,
    "eval_every": 6,
    "warmup_steps": 2,
    "learning_rate": 5e-3,
    "threads": 1,
    "device": "cpu",
}


def rows_of(chats: list[list[dict[str, str]]]) -> list[tuple[list[int], list[int]]]:
    return [(chat.ids, chat.assistant_mask) for chat in (encode_chat(TOKENIZER, item) for item in chats)]


def model() -> TransformerLM:
    torch.manual_seed(0)
    shape = {"vocab_size": TOKENIZER.vocab_size, "context_length": 96, "width": 16, "layers": 1, "heads": 2}
    return TransformerLM(ModelConfig(**shape, init_std=0.2)).eval()


def test_targets_are_what_the_assistant_says_and_nothing_else() -> None:
    batch = ConversationBatches(rows_of(CHATS), 2, 0, TOKENIZER.pad_id).collate(rows_of(CHATS))
    said = [TOKENIZER.decode(row[row != IGNORE].tolist()) for row in batch["targets"]]
    assert said == ["The ball is in the box.<|im_end|>The ball.<|im_end|>", "In.<|im_end|>"]
    for row, (ids, _) in enumerate(rows_of(CHATS)):
        assert batch["inputs"][row, : len(ids) - 1].tolist() == ids[:-1]
        assert set(batch["inputs"][row, len(ids) - 1 :].tolist()) <= {TOKENIZER.pad_id}
        assert set(batch["targets"][row, len(ids) - 1 :].tolist()) <= {IGNORE}


def test_the_loss_is_the_mean_over_the_assistants_tokens_taken_by_hand() -> None:
    rows = rows_of(CHATS)
    objective = AnswerTokens(ConversationBatches(rows, 2, 0, 0), rows, 2)
    subject, total, count = model(), 0.0, 0
    for ids, mask in rows:  # each alone: no padding at all
        with torch.no_grad():
            logprobs = subject(torch.tensor([ids[:-1]])).log_softmax(-1)[0]
        for place in range(1, len(ids)):
            if mask[place]:
                total, count = total - float(logprobs[place - 1, ids[place]]), count + 1
    with torch.no_grad():
        assert objective.evaluate(subject)["val/loss"] == pytest.approx(total / count, rel=1e-5)
    term = objective.loss(subject, objective.batch(0, 2))["cross_entropy"]
    assert term.count == count == objective.counts(objective.batch(0, 2))["cross_entropy"]
    assert float(term.sum.detach()) == pytest.approx(total, rel=1e-5)


def test_what_the_user_says_is_read_but_never_learned() -> None:
    """Gradients at the states of the user's tokens are zero; their words still matter for the answer."""
    rows = rows_of(CHATS)
    objective, subject = AnswerTokens(ConversationBatches(rows, 2, 0, 0), [], 0), model()
    batch = ConversationBatches(rows, 2, 0, 0).collate(rows)
    states = subject.hidden(batch["inputs"]).detach().requires_grad_()

    def head(inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return subject.summed_loss(states, targets)

    objective.loss(head, batch)["cross_entropy"].sum.backward()  # type: ignore[arg-type]
    learned = states.grad.abs().sum(-1) > 0
    assert torch.equal(learned, batch["targets"] != IGNORE)
    first = objective.loss(subject, batch)["cross_entropy"].sum
    place = int((batch["targets"][0] != IGNORE).nonzero()[0]) - 2
    batch["inputs"][0, place] = (batch["inputs"][0, place] + 1) % TOKENIZER.vocab_size
    assert objective.loss(subject, batch)["cross_entropy"].sum != first


def test_changing_the_labels_of_the_users_tokens_changes_nothing() -> None:
    rows = rows_of(CHATS)
    subject = model()
    batches = ConversationBatches(rows, 2, 0, 0)
    objective = AnswerTokens(batches, [], 0)
    expected = objective.loss(subject, batches.collate(rows))["cross_entropy"].sum
    # The last token of a conversation is a target only: a newline that the template writes.
    changed = [([*ids[:-1], 5], mask) for ids, mask in rows]
    assert torch.equal(objective.loss(subject, batches.collate(changed))["cross_entropy"].sum, expected)
    answered = [(ids[:-1], mask[:-1]) for ids, mask in rows]
    longer = [([*ids[:-1], 5], mask) for ids, mask in answered]
    assert objective.loss(subject, batches.collate(longer))["cross_entropy"].sum != expected


ROWS = [([1] * n, [0] + [1] * (n - 1)) for n in random.Random(0).choices(range(2, 60), k=97)]


@given(seed=st.integers(0, 2**62), size=st.integers(1, 20), epoch=st.integers(0, 3))
def test_every_epoch_reads_every_conversation_once(seed: int, size: int, epoch: int) -> None:
    batches = ConversationBatches(ROWS, size, seed, 0)
    places = range(epoch * 97, epoch * 97 + 97)
    order = [batches.index_at(cursor) for cursor in places]
    assert sorted(order) == list(range(97))
    again = ConversationBatches(ROWS, size, seed, 0)
    assert [again.index_at(cursor) for cursor in reversed(places)] == order[::-1]


def test_a_batch_holds_rows_of_like_length_in_no_order_of_length() -> None:
    batches = ConversationBatches(ROWS, 8, 0, 0)
    lengths = numpy.array([len(ROWS[batches.index_at(cursor)][0]) for cursor in range(96)]).reshape(12, 8)
    assert (lengths.max(1) - lengths.min(1)).mean() < 8
    means = lengths.mean(1).tolist()
    assert means != sorted(means) and batches.tokens_per_row == numpy.mean([len(ids) for ids, _ in ROWS])
    other = ConversationBatches(ROWS, 8, 1, 0)
    assert any(other.index_at(n) != batches.index_at(n) for n in range(96))


def test_a_batch_is_the_same_however_it_is_asked_for() -> None:
    batches = ConversationBatches(ROWS, 8, 3, 0)
    whole = batches.batch(90, 8)  # across the end of an epoch
    parts = [batches.batch(90 + n, 1)["inputs"][0] for n in range(8)]
    for row, part in zip(whole["inputs"], parts, strict=True):
        assert torch.equal(row[: len(part)], part)


def test_too_long_conversations_are_dropped(stage_context: NullContext) -> None:
    longest = len(rows_of(CHATS)[1][0])
    silent = [{"role": "user", "content": "Is"}]
    rows, dropped = encode_conversations([*CHATS, silent], TOKENIZER, longest, stage_context)
    assert rows == [rows_of(CHATS)[1]] and dropped == 2
    rows, dropped = encode_conversations(CHATS, TOKENIZER, longest - 1, stage_context)
    assert rows == [] and dropped == 2


def test_encoding_can_be_stopped(stage_context: NullContext) -> None:
    stage_context.stop = True
    with pytest.raises(StopRequested):
        encode_conversations(CHATS * 250, TOKENIZER, 100, stage_context)


def test_a_tokenizer_without_the_chat_markers_is_refused(tmp_path: Path) -> None:
    BPETokenizer.train(["text"], 260, special_tokens=["<|endoftext|>"]).save(tmp_path / "plain")
    with pytest.raises(ConfigError) as caught:
        chat_tokenizer(tmp_path / "plain", None)
    assert str(caught.value) == (
        "The tokenizer of plain has no <|im_start|> or <|im_end|>, which the chat template needs. "
        "Train the tokenizer with these special tokens."
    )
    free = "{% for m in messages %}{% generation %}{{ m['content'] }}{% endgeneration %}{% endfor %}"
    assert chat_tokenizer(tmp_path / "plain", free).chat_template == free


def test_a_template_that_marks_no_answer_or_is_broken_is_refused(tmp_path: Path) -> None:
    TOKENIZER.save(tmp_path / "t")
    assert chat_tokenizer(tmp_path / "t", None).chat_template == CHATML
    with pytest.raises(ConfigError) as caught:
        chat_tokenizer(tmp_path / "t", "{% for m in messages %}{{ m['content'] }}{% endfor %}")
    assert str(caught.value) == (
        "chat_template: it does not mark what the assistant says. "
        "Put {% generation %} and {% endgeneration %} around it."
    )
    with pytest.raises(InputError, match=r"^The chat template cannot be used: "):
        chat_tokenizer(tmp_path / "t", "{% for %}")


def test_data_without_conversations_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=rf"^The data set {tmp_path.name} has no conversations\. The embedded"
    ):
        read_conversations(tmp_path)
    table = pyarrow.Table.from_pylist([{"messages": "not json"}])
    pyarrow.parquet.write_table(table, tmp_path / "conversations.parquet")
    with pytest.raises(InputError, match="is not JSON"):
        read_conversations(tmp_path)


# The stage, end to end.


@pytest.fixture(scope="module")
def base(road: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    config = pretrain.PretrainConfig(tokens=road.tokens.id, model=MODEL, training={**TRAINING, "steps": 4})
    return pretrain.run(config, road.context(tmp_path_factory.mktemp("base") / "run"))


def configured(road: SimpleNamespace, base: Artifact, **training: Any) -> SFTConfig:
    settings = {**TRAINING, **training}
    return SFTConfig(model=base.id, dataset=road.dataset.id, validation_fraction=0.1, training=settings)


@pytest.fixture(scope="module")
def tuned(road: SimpleNamespace, base: Artifact, tmp_path_factory) -> tuple[Artifact, Any]:
    context = road.context(tmp_path_factory.mktemp("sft") / "run")
    return run(configured(road, base), context), context


def test_the_result_is_a_chat_model_that_transformers_can_talk_to(tuned, road, base: Artifact) -> None:
    artifact, _ = tuned
    artifact.verify()
    assert artifact.parents == (base.id, road.dataset.id)
    assert artifact.summary["chat"] is True and artifact.summary["stage"] == "sft"
    assert len(artifact.card["suggested_questions"]) == 5
    assert json.loads((artifact.path / "tokenizer_config.json").read_text())["chat_template"] == CHATML
    chat = [{"role": "user", "content": "Where is the ball?"}]
    theirs = AutoTokenizer.from_pretrained(artifact.path)
    ids = theirs.apply_chat_template(chat, add_generation_prompt=True, return_dict=True)["input_ids"]
    assert encode_chat(load_tokenizer(artifact.path), chat, add_generation_prompt=True).ids == list(ids)


def test_it_learned_from_where_the_base_model_was(tuned, base: Artifact, road) -> None:
    artifact, context = tuned
    losses = [values["val/loss"] for _, values in context.logged if "val/loss" in values]
    assert len(losses) == 3 and losses[-1] < losses[0] - 0.3
    chats = read_conversations(road.dataset.path)
    tokenizer = chat_tokenizer(base.path, None)
    rows, dropped = encode_conversations(chats, tokenizer, 97, context)
    warned = [message for message in context.messages if "left out" in message]
    assert artifact.summary["conversations"] == len(rows) and dropped == len(chats) - len(rows)
    assert warned == (
        [
            f"{dropped} conversations were left out: they are longer than the context of 96 tokens, "
            "or the assistant says nothing in them."
        ]
        if dropped
        else []
    )
    kept = rows[: round(0.1 * len(rows))]
    objective = AnswerTokens(ConversationBatches(rows, 8, 0, 0), kept, 64)
    with torch.no_grad():
        begin = objective.evaluate(TransformerLM.from_pretrained(base.path))
        end = objective.evaluate(TransformerLM.from_pretrained(artifact.path))
    assert begin["val/loss"] == pytest.approx(losses[0], rel=1e-5)
    assert end["val/loss"] == pytest.approx(losses[-1], rel=1e-5) == artifact.summary["val_loss"]


def test_it_resumes_to_the_same_weights(tuned, road, base: Artifact, tmp_path: Path) -> None:
    context = road.context(tmp_path / "run")
    context.should_stop = lambda: any(
        item.get("message") == "training" and item["done"] >= 5 for item in context.updates
    )
    with pytest.raises(StopRequested):
        run(configured(road, base), context)
    resumed = run(configured(road, base), road.context(tmp_path / "run"))
    assert resumed.files["model.safetensors"] == tuned[0].files["model.safetensors"]


def test_too_few_conversations_are_refused(road, base: Artifact, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        run(configured(road, base, batch_size=4096), road.context(tmp_path / "run"))
    assert caught.value.message.startswith(f"The data set {road.dataset.id} has ")
    assert "usable conversations, fewer than batch_size (4096) and the " in caught.value.message
    assert caught.value.field == "training.batch_size"


def test_an_encoder_is_refused(road, tmp_path: Path) -> None:
    tokenizer = load_tokenizer(road.tokens.path)
    shape = {"architecture": "encoder", "width": 16, "heads": 2, "layers": 1}
    with road.workspace.new_artifact("model", name="encoder") as draft:
        TransformerLM(ModelConfig(vocab_size=tokenizer.vocab_size, **shape)).save_pretrained(draft.path)
        tokenizer.save(draft.path)
    assert draft.artifact is not None
    with pytest.raises(InputError, match="is an encoder; fine-tuning to chat needs a decoder"):
        run(configured(road, draft.artifact), road.context(tmp_path / "run"))
