"""The stage ``sft``: supervised fine-tuning on conversations, with loss on the assistant's tokens alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy
from numpy.typing import NDArray
from pydantic import Field

from llm_playground.core.config import StageConfig
from llm_playground.core.errors import ConfigError, InputError, StopRequested
from llm_playground.core.seeds import derive_seed
from llm_playground.core.workspace import Artifact
from llm_playground.training.config import TrainingConfig

if TYPE_CHECKING:
    import torch

    from llm_playground.core.protocols import Context
    from llm_playground.tokenization import BPETokenizer
    from llm_playground.training.engine import Batch, Term

TITLE = "Fine-tuning"
_POOL = 50  # batches drawn at once and sorted by length, so that a batch holds rows of like length


class SFTConfig(StageConfig):
    """Teach a base model to answer: supervised fine-tuning on a data set's conversations."""

    model: str = Field(min_length=1, description="Id of the model to start from.")
    dataset: str = Field(min_length=1, description="Id of the data set with conversations.")
    validation_fraction: float = Field(
        0.02, gt=0, le=0.5, description="Share of the conversations kept aside."
    )
    chat_template: str | None = Field(
        None, description="Jinja template of a chat; empty: the tokenizer's own, else ChatML."
    )
    training: TrainingConfig = Field(default_factory=TrainingConfig, description="How to train.")
    name: str = Field("chat model", description="Name of the model.")


CONFIG = SFTConfig


class ConversationBatches:
    """Encoded conversations, drawn in an order that is a pure function of (seed, epoch).

    An epoch is a permutation cut into pools of some batches; each pool is sorted by length and its batches
    are shuffled again, so that little is padded and no step sees only short or only long rows.

    Args:
        rows: (ids, assistant_mask) of each conversation, no longer than the context.
        batch_size: rows of a step; a sample's place depends on it, not on how a step is split.
        seed: seed of the order.
        pad_id: id for the empty end of short rows (it never counts).
    """

    def __init__(
        self, rows: Sequence[tuple[list[int], list[int]]], batch_size: int, seed: int, pad_id: int
    ) -> None:
        self.rows = rows
        self.batch_size = batch_size
        self.seed = seed
        self.pad_id = pad_id
        self.lengths = numpy.array([len(ids) for ids, _ in rows], dtype=numpy.int64)
        self._order = lru_cache(maxsize=2)(self._make_order)

    @property
    def tokens_per_row(self) -> float:
        """Mean length of a conversation in tokens."""
        return float(self.lengths.mean())

    def _make_order(self, epoch: int) -> NDArray[numpy.int64]:
        random = numpy.random.Generator(numpy.random.PCG64(derive_seed(self.seed, "sft", epoch)))
        order = random.permutation(len(self.rows))
        size = self.batch_size
        for start in range(0, len(order), _POOL * size):
            pool = order[start : start + _POOL * size]
            pool = pool[numpy.argsort(self.lengths[pool], kind="stable")]
            whole = len(pool) // size * size
            batches = pool[:whole].reshape(-1, size)
            random.shuffle(batches)
            order[start : start + len(pool)] = numpy.concatenate([batches.reshape(-1), pool[whole:]])
        return order

    def index_at(self, cursor: int) -> int:
        """Return which conversation is the ``cursor``-th sample of the run."""
        epoch, place = divmod(cursor, len(self.rows))
        return int(self._order(epoch)[place])

    def batch(self, cursor: int, size: int) -> Batch:
        """Return ``inputs`` and ``targets`` [size, T]; targets other than the assistant's are ``IGNORE``."""
        return self.collate([self.rows[self.index_at(cursor + row)] for row in range(size)])

    def collate(self, rows: Sequence[tuple[list[int], list[int]]]) -> Batch:
        """Pad conversations on the right to the longest of them."""
        import torch

        from llm_playground.transformer.loss import IGNORE

        length = max(len(ids) for ids, _ in rows) - 1
        inputs = numpy.full((len(rows), length), self.pad_id, dtype=numpy.int64)
        targets = numpy.full((len(rows), length), IGNORE, dtype=numpy.int64)
        for row, (ids, mask) in enumerate(rows):
            n = len(ids) - 1
            inputs[row, :n] = ids[:-1]
            targets[row, :n] = numpy.where(numpy.array(mask[1:]) == 1, ids[1:], IGNORE)
        return {"inputs": torch.from_numpy(inputs), "targets": torch.from_numpy(targets)}


class AnswerTokens:
    """The objective of fine-tuning: the mean negative log-probability of the assistant's tokens.

    Args:
        train: conversations to learn from.
        validation: encoded conversations kept aside.
        eval_rows: how many of them a validation reads.
        expert_balance: weight of the load-balancing loss that a mixture of experts is trained with; 0: none.
        rows_at_once: rows that a validation scores together; None: those of a batch.
    """

    def __init__(
        self,
        train: ConversationBatches,
        validation: Sequence[tuple[list[int], list[int]]],
        eval_rows: int,
        expert_balance: float = 0.0,
        rows_at_once: int | None = None,
    ) -> None:
        self.train = train
        self.rows_at_once = rows_at_once or train.batch_size
        self.expert_balance = expert_balance
        self.validation = sorted(validation[:eval_rows], key=lambda row: len(row[0]))

    def batch(self, cursor: int, size: int) -> Batch:
        """Return ``inputs`` and ``targets``, each [size, T]."""
        return self.train.batch(cursor, size)

    def counts(self, batch: Batch) -> dict[str, int]:
        """Return the number of the assistant's tokens, of each term."""
        from llm_playground.transformer.loss import IGNORE

        names = ("cross_entropy", "expert_balance") if self.expert_balance else ("cross_entropy",)
        return dict.fromkeys(names, int((batch["targets"] != IGNORE).sum()))

    def loss(self, model: torch.nn.Module, batch: Batch) -> dict[str, Term]:
        """Return the summed cross-entropy in nats of the assistant's tokens, and the balance of experts.

        Rows are padded on the right and attention is causal, so that no counted position sees padding. The
        balance is that of all tokens that experts worked on, padding too; a micro-batch weighs in it by its
        assistant's tokens.
        """
        from llm_playground.training.balance import balance_loss
        from llm_playground.training.engine import Term
        from llm_playground.transformer.loss import count_targets

        total = model(batch["inputs"], targets=batch["targets"])
        count = count_targets(batch["targets"])
        terms = {"cross_entropy": Term(total, count)}
        balance = balance_loss(model) if self.expert_balance else None
        if balance is not None:
            terms["expert_balance"] = Term(balance * count, count, self.expert_balance)
        return terms

    def evaluate(self, model: torch.nn.Module) -> dict[str, float]:
        """Return ``val/loss`` in nats per assistant's token, over the same conversations every time."""
        from llm_playground.training.distributed import World

        world = World.current()
        total = count = 0.0
        device = next(model.parameters()).device
        size = self.rows_at_once
        for start in range(0, len(self.validation), size)[world.rank :: world.size]:
            batch = self.train.collate(self.validation[start : start + size])
            term = self.loss(model, {name: value.to(device) for name, value in batch.items()})[
                "cross_entropy"
            ]
            total, count = total + float(term.sum), count + term.count
        total, count = world.reduce_sums([total, count])
        return {"val/loss": total / count} if count else {}


def read_conversations(folder: Path) -> list[list[dict[str, str]]]:
    """Return the conversations of a data set, each a list of messages.

    Raises:
        InputError: the data set has none, or one is not a list of messages.
    """
    import pyarrow.parquet

    path = folder / "conversations.parquet"
    if not path.is_file():
        raise InputError(
            f"The data set {folder.name} has no conversations.",
            hint="The embedded tinyworld has some; see `llmp data prepare --help`.",
            field="dataset",
        )
    column = pyarrow.parquet.read_table(path, columns=["messages"]).column("messages")
    try:
        return [json.loads(item) for item in column.to_pylist()]
    except (TypeError, json.JSONDecodeError) as error:
        raise InputError(f"A conversation of {folder.name} is not JSON: {error}.", field="dataset") from None


def encode_conversations(
    conversations: Sequence[Sequence[dict[str, str]]],
    tokenizer: BPETokenizer,
    longest: int,
    context: Context,
) -> tuple[list[tuple[list[int], list[int]]], int]:
    """Encode conversations with the tokenizer's chat template.

    Args:
        longest: conversations with more tokens are left out.
        context: told the progress, asked whether to stop.

    Returns:
        (ids, assistant_mask) of each, and how many were left out.
    """
    from llm_playground.tokenization import encode_chat

    rows, dropped = [], 0
    for number, messages in enumerate(conversations, 1):
        encoded = encode_chat(tokenizer, messages)
        if len(encoded.ids) <= longest and any(encoded.assistant_mask):
            rows.append((encoded.ids, encoded.assistant_mask))
        else:
            dropped += 1
        if number % 500 == 0:
            if context.should_stop():
                raise StopRequested
            context.progress.update(number, len(conversations), unit="conversations", message="encoding")
    return rows, dropped


def held_aside(count: int, fraction: float) -> int:
    """Return how many of so many usable conversations, the first ones, are kept aside for validation."""
    return max(1, round(fraction * count))


def chat_tokenizer(folder: Path, template: str | None) -> BPETokenizer:
    """Load the tokenizer of a model, made ready for chat.

    Raises:
        ConfigError: it lacks the special tokens that the template writes, or that marks no assistant's turn.
        InputError: the template cannot be used.
    """
    from llm_playground.tokenization import encode_chat, load_tokenizer
    from llm_playground.tokenization.chat import CHATML

    tokenizer = load_tokenizer(folder)
    tokenizer.chat_template = template or tokenizer.chat_template or CHATML
    missing = [
        token
        for token in ("<|im_start|>", "<|im_end|>")
        if token in tokenizer.chat_template and token not in tokenizer.special_tokens
    ]
    if missing:
        raise ConfigError(
            f"The tokenizer of {folder.name} has no {' or '.join(missing)}, which the chat template needs.",
            hint="Train the tokenizer with these special tokens.",
            field="model",
        )
    trial = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    if not any(encode_chat(tokenizer, trial).assistant_mask):
        raise ConfigError(
            "chat_template: it does not mark what the assistant says.",
            hint="Put {% generation %} and {% endgeneration %} around it.",
            field="chat_template",
        )
    return tokenizer


def run(config: SFTConfig, context: Context) -> Artifact | None:
    """Fine-tune and publish the chat model as a Hugging Face folder with its chat template.

    Of several processes the first one returns it.

    Raises:
        NotFoundError, ConfigError, InputError: ids, template or data are wrong.
        StopRequested: the user asked to stop.
    """
    from llm_playground.core.files import read_json
    from llm_playground.core.seeds import seed_everything
    from llm_playground.training.balance import balance_weight
    from llm_playground.training.distributed import World
    from llm_playground.training.engine import train
    from llm_playground.training.planner import check_memory
    from llm_playground.training.pretrain import publish_model
    from llm_playground.transformer import TransformerLM

    workspace = context.workspace
    source, dataset = workspace.get(config.model, "model"), workspace.get(config.dataset, "dataset")
    source.verify()
    tokenizer = chat_tokenizer(source.path, config.chat_template)
    model = TransformerLM.from_pretrained(source.path)
    if model.config.architecture != "decoder":
        raise InputError(
            f"The model {source.id} is an {model.config.architecture}; fine-tuning to chat needs a decoder.",
            field="model",
        )
    settings = config.training
    rows, dropped = encode_conversations(
        read_conversations(dataset.path), tokenizer, model.config.context_length + 1, context
    )
    held = held_aside(len(rows), config.validation_fraction)
    if len(rows) - held < settings.batch_size:
        raise InputError(
            f"The data set {dataset.id} has {len(rows)} usable conversations, fewer than batch_size "
            f"({settings.batch_size}) and the {held} kept aside need together.",
            field="training.batch_size",
        )
    if dropped:
        context.log(
            f"{dropped:,} conversations were left out: they are longer than the context of "
            f"{model.config.context_length} tokens, or the assistant says nothing in them.",
            "warning",
        )
    seed_everything(context.seed)
    pad = tokenizer.pad_id if tokenizer.pad_id is not None else 0
    batches = ConversationBatches(rows[held:], settings.batch_size, context.seed, pad)
    longest, weights = int(batches.lengths.max()) - 1, 4 * model.num_parameters()
    ranks = World.current().local_size
    check_memory(model.config, settings, longest, context, ranks=ranks, loaded_bytes=weights)
    objective = AnswerTokens(
        batches,
        rows[:held],
        settings.eval_batches * settings.batch_size,
        balance_weight(model.config),
        settings.micro_batch_size,
    )
    result = train(
        model,
        objective,
        settings,
        context,
        tokens_per_row=batches.tokens_per_row,
        stage="sft",
        tokenizer=tokenizer,
    )
    card_file = dataset.path / "card.json"
    card = dict(source.card) | dict(dataset.card) | (read_json(card_file) if card_file.is_file() else {})
    return publish_model(
        context,
        result.model,
        tokenizer,
        name=config.name,
        parents=[source.id, dataset.id],
        config=config,
        card={key: card[key] for key in ("about", "knows", "suggested_questions") if key in card},
        figures={**result.summary(), "chat": True, "stage": "sft", "conversations": len(rows)},
    )
