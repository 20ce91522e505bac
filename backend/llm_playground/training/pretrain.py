"""The stage ``pretrain``: token shards in, a base model out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import Field

from llm_playground.core.config import StageConfig, parse_config
from llm_playground.core.errors import ConfigError
from llm_playground.core.workspace import Artifact
from llm_playground.training.config import TrainingConfig

if TYPE_CHECKING:
    import torch

    from llm_playground.core.protocols import Context
    from llm_playground.data.loader import TokenLoader
    from llm_playground.tokenization import BPETokenizer
    from llm_playground.training.engine import Batch, Term
    from llm_playground.transformer import ModelConfig

TITLE = "Pre-training"


class PretrainConfig(StageConfig):
    """Train a model from random weights to predict the next token."""

    tokens: str = Field(min_length=1, description="Id of the token shards.")
    preset: str = Field("quickstart", description="Named model shape to start from.")
    model: dict[str, Any] = Field(
        default_factory=dict, description="Changes to the preset (width, layers, ...)."
    )
    training: TrainingConfig = Field(default_factory=TrainingConfig, description="How to train.")
    name: str = Field("base model", description="Name of the model.")


CONFIG = PretrainConfig


class NextToken:
    """The objective of pre-training: the mean negative log-probability of every next token.

    Args:
        train: samples to learn from.
        val: samples kept aside.
        eval_batches, batch_size: size of a validation.
        expert_balance: weight of the load-balancing loss that a mixture of experts is trained with; 0: none.
        rows_at_once: rows that a validation scores together; None: batch_size.
    """

    def __init__(
        self,
        train: TokenLoader,
        val: TokenLoader,
        eval_batches: int,
        batch_size: int,
        expert_balance: float = 0.0,
        rows_at_once: int | None = None,
    ) -> None:
        self.train, self.val = train, val
        self.expert_balance = expert_balance
        self.rows_at_once = rows_at_once or batch_size
        self.eval_rows = min(eval_batches * batch_size, val.samples_per_epoch)

    def batch(self, cursor: int, size: int) -> Batch:
        """Return ``inputs`` and ``targets``, each [size, T]."""
        return self._tensors(self.train, cursor, size)

    @staticmethod
    def _tensors(loader: TokenLoader, cursor: int, size: int) -> Batch:
        import torch

        inputs, targets = loader.batch(cursor, size)
        return {"inputs": torch.from_numpy(inputs), "targets": torch.from_numpy(targets)}

    def counts(self, batch: Batch) -> dict[str, int]:
        """Return the number of targets, of each term."""
        names = ("cross_entropy", "expert_balance") if self.expert_balance else ("cross_entropy",)
        return dict.fromkeys(names, batch["targets"].numel())

    def loss(self, model: torch.nn.Module, batch: Batch) -> dict[str, Term]:
        """Return the summed cross-entropy in nats, and in training the balance of experts by tokens.

        The balance is a figure of the micro-batch; over a step it is their mean.
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
        """Return ``val/loss`` (nats per token) and ``val/bits_per_byte`` over the same samples every time."""
        from llm_playground.training.distributed import World

        world = World.current()
        total = count = 0.0
        device = next(model.parameters()).device
        for start in range(0, self.eval_rows, self.rows_at_once)[world.rank :: world.size]:
            batch = self._tensors(self.val, start, min(self.rows_at_once, self.eval_rows - start))
            term = self.loss(model, {name: value.to(device) for name, value in batch.items()})[
                "cross_entropy"
            ]
            total, count = total + float(term.sum), count + term.count
        total, count = world.reduce_sums([total, count])
        loss = total / count
        return {"val/loss": loss, "val/bits_per_byte": loss / math.log(2) / self.val.bytes_per_token}


def changed_preset(preset: str, changes: Mapping[str, Any]) -> ModelConfig:
    """Return a preset's shape with changes to it.

    A preset's own feed-forward width stays, unless what it goes by (the width, the kind) is changed and it is
    not: then it follows them.

    Raises:
        NotFoundError: there is no such preset.
        ConfigError: an unknown setting, or an impossible shape.
    """
    from llm_playground.transformer import ModelConfig

    values = ModelConfig.preset(preset).model_dump()
    if any(changes.get(name, values[name]) != values[name] for name in ("width", "activation")):
        values["ffn_width"] = None
    return parse_config(ModelConfig, values | dict(changes), "model")


def resolve_model(config: PretrainConfig, tokenizer: BPETokenizer) -> ModelConfig:
    """Return the model's shape: the preset, the changes, and the tokenizer's vocabulary.

    Raises:
        ConfigError: an unknown setting, an impossible shape, or a vocabulary that is too small.
    """
    shape = changed_preset(
        config.preset,
        {
            "vocab_size": tokenizer.vocab_size,
            "bos_id": tokenizer.bos_id,
            "eos_id": tokenizer.eos_id,
            "pad_id": tokenizer.pad_id,
            **config.model,
        },
    )
    if shape.architecture != "decoder":
        raise ConfigError(
            "model.architecture: pre-training predicts the next token and needs a decoder, "
            f"not {shape.architecture}.",
            field="model.architecture",
        )
    if shape.vocab_size < tokenizer.vocab_size:
        raise ConfigError(
            f"model.vocab_size: {shape.vocab_size} is too small.",
            hint=f"The tokenizer has {tokenizer.vocab_size} ids.",
            field="model.vocab_size",
        )
    return shape


def run(config: PretrainConfig, context: Context) -> Artifact | None:
    """Pre-train and publish the base model as a Hugging Face folder; the first process returns it.

    Raises:
        NotFoundError, ConfigError, InputError: ids, shape or data are wrong.
        StopRequested: the user asked to stop.
    """
    from llm_playground.core.seeds import seed_everything
    from llm_playground.data.loader import TokenLoader
    from llm_playground.tokenization import load_tokenizer
    from llm_playground.training.balance import balance_weight
    from llm_playground.training.distributed import World
    from llm_playground.training.engine import train
    from llm_playground.training.planner import check_memory
    from llm_playground.transformer import TransformerLM

    tokens = context.workspace.get(config.tokens, "tokens")
    tokenizer = load_tokenizer(tokens.path)
    shape = resolve_model(config, tokenizer)
    settings = config.training
    length = shape.context_length
    loader = TokenLoader(tokens.path, "train", length, context.seed)
    loader.verify()
    objective = NextToken(
        loader,
        TokenLoader(tokens.path, "val", length, shuffle=False),
        settings.eval_batches,
        settings.batch_size,
        balance_weight(shape),
        settings.micro_batch_size,
    )
    check_memory(shape, settings, length, context, ranks=World.current().local_size)
    seed_everything(context.seed)
    model = TransformerLM(shape)
    context.log(f"A model of {model.num_parameters():,} parameters, family {shape.family}.")
    result = train(
        model, objective, settings, context, tokens_per_row=length, stage="pretrain", tokenizer=tokenizer
    )
    return publish_model(
        context,
        result.model,
        tokenizer,
        name=config.name,
        parents=[tokens.id],
        config=config,
        card=dict(tokens.card),
        figures={**result.summary(), "chat": False, "stage": "pretrain"},
    )


def publish_model(
    context: Context,
    model: Any,
    tokenizer: BPETokenizer,
    *,
    name: str,
    parents: list[str],
    config: StageConfig,
    card: dict[str, Any],
    figures: dict[str, Any],
) -> Artifact | None:
    """Write a trained model with its tokenizer as an artifact of the workspace.

    Of several processes only the first one does; the others return None.
    """
    from llm_playground.training.distributed import World

    if not World.current().is_main:
        return None
    summary = {
        "parameters": model.num_parameters(),
        "vocab_size": model.config.vocab_size,
        "context_length": model.config.context_length,
        **figures,
    }
    context.set_summary(**summary)
    with context.workspace.new_artifact(
        "model",
        name=name,
        parents=parents,
        config=config.model_dump(mode="json"),
        card=card,
        summary=summary,
        run_id=context.run_id,
    ) as draft:
        model.save_pretrained(draft.path)
        tokenizer.save(draft.path)
    assert draft.artifact is not None
    return draft.artifact
