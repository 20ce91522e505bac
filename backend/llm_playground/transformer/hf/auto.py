"""Our own type of model inside ``transformers``: importing this module registers it.

    import llm_playground.transformer.hf.auto
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)

After that line ``AutoConfig`` and the ``AutoModelFor...`` classes read folders of type ``llm_playground``,
with the very modules of this package inside, so that logits are the same. It is the one module that imports
``transformers``, which the extra ``[hf]`` installs.
"""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    GenerationMixin,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.modeling_outputs import CausalLMOutput, MaskedLMOutput, Seq2SeqLMOutput

from llm_playground.core.errors import InputError
from llm_playground.transformer.config import OWN_MODEL_TYPE, ModelConfig
from llm_playground.transformer.hf.loading import model_class
from llm_playground.transformer.loss import IGNORE


class LLMPlaygroundConfig(PreTrainedConfig):
    """The settings of a :class:`ModelConfig` as attributes, beside those of every ``transformers`` model."""

    model_type = OWN_MODEL_TYPE
    attribute_map = {
        "hidden_size": "width",
        "num_hidden_layers": "layers",
        "num_attention_heads": "heads",
        "max_position_embeddings": "context_length",
    }

    vocab_size: int = ModelConfig.model_fields["vocab_size"].default
    rope_scaling: dict[str, Any] | None = None  # ours: the base class would turn it into its own form
    tie_word_embeddings: bool = False  # the modules share the matrix themselves
    bos_token_id: int | None = None
    eos_token_id: int | list[int] | None = None
    pad_token_id: int | None = None

    def __post_init__(self, **kwargs: Any) -> None:
        """Check our settings, and fill in the defaults of those that are not given."""
        own = {name: kwargs.pop(name) for name in [*kwargs] if name in ModelConfig.model_fields}
        super().__post_init__(**kwargs)
        own |= {"vocab_size": self.vocab_size, "rope_scaling": self.rope_scaling}
        shape = ModelConfig.from_hf({"model_type": OWN_MODEL_TYPE, **own})
        for name, value in shape.model_dump(mode="json").items():
            setattr(self, name, value)
        self.is_encoder_decoder = shape.architecture == "encoder-decoder"

    def shape(self) -> ModelConfig:
        """Return the settings as a :class:`ModelConfig`."""
        names = ModelConfig.model_fields
        return ModelConfig.from_hf(
            {"model_type": OWN_MODEL_TYPE, **{name: getattr(self, name) for name in names}}
        )


class LLMPlaygroundModel(PreTrainedModel):
    """What the classes for each architecture have in common: our module as ``model``."""

    config_class = LLMPlaygroundConfig
    base_model_prefix = "model"
    architecture = "decoder"

    def __init__(self, config: LLMPlaygroundConfig) -> None:
        super().__init__(config)
        shape = config.shape()
        if shape.architecture != self.architecture:
            raise InputError(
                f"The folder holds an {shape.architecture}; {type(self).__name__} is for {self.architecture} "
                "models.",
                field="architecture",
            )
        self.model: Any = model_class(shape)(shape)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        """Do nothing: our modules draw their weights themselves, and keep no tables among their buffers."""

    def get_input_embeddings(self) -> nn.Module:
        """Return the token embeddings."""
        return self.model.embedding

    def get_output_embeddings(self) -> None:
        """Return None: a tied head is no module of its own."""
        return None


def _loss(logits: Tensor, labels: Tensor | None) -> Tensor | None:
    """Return the mean cross-entropy over labels that are not -100, None without labels."""
    if labels is None:
        return None
    return F.cross_entropy(logits.flatten(0, -2).float(), labels.flatten(), ignore_index=IGNORE)


class LLMPlaygroundForCausalLM(LLMPlaygroundModel, GenerationMixin):
    """A decoder; ``generate`` runs the whole text for each token (our own engine has the cache)."""

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        labels: Tensor | None = None,
        **unused: Any,
    ) -> CausalLMOutput:
        """Return logits [B, T, V], and with labels [B, T] the loss of predicting each next one."""
        logits = self.model(input_ids, attention_mask=attention_mask, segment_ids=token_type_ids)
        shifted = None if labels is None else F.pad(labels[:, 1:], (0, 1), value=IGNORE)
        return CausalLMOutput(loss=_loss(logits, shifted), logits=logits)

    def prepare_inputs_for_generation(  # type: ignore[override]
        self, input_ids: Tensor, attention_mask: Tensor | None = None, **unused: Any
    ) -> dict[str, Any]:
        """Return what each step of ``generate`` passes on: all tokens so far."""
        return {"input_ids": input_ids, "attention_mask": attention_mask}


class LLMPlaygroundForMaskedLM(LLMPlaygroundModel):
    """An encoder with its head."""

    architecture = "encoder"

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        labels: Tensor | None = None,
        **unused: Any,
    ) -> MaskedLMOutput:
        """Return logits [B, T, V], and with labels [B, T] the loss at those that are not -100."""
        logits = self.model(input_ids, attention_mask=attention_mask, segment_ids=token_type_ids)
        return MaskedLMOutput(loss=_loss(logits, labels), logits=logits)


class LLMPlaygroundForConditionalGeneration(LLMPlaygroundModel):
    """An encoder-decoder."""

    architecture = "encoder-decoder"

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        labels: Tensor | None = None,
        **unused: Any,
    ) -> Seq2SeqLMOutput:
        """Return logits [B, T, V] for decoder ids [B, T], and with labels [B, T] their loss."""
        if decoder_input_ids is None:
            raise InputError("decoder_input_ids are needed.", field="decoder_input_ids")
        logits = self.model(input_ids, decoder_input_ids, source_mask=attention_mask)
        return Seq2SeqLMOutput(loss=_loss(logits, labels), logits=logits)


def register() -> None:
    """Make ``transformers`` know our type; safe to call again."""
    AutoConfig.register(OWN_MODEL_TYPE, LLMPlaygroundConfig, exist_ok=True)
    for auto, own in (
        (AutoModelForCausalLM, LLMPlaygroundForCausalLM),
        (AutoModelForMaskedLM, LLMPlaygroundForMaskedLM),
        (AutoModelForSeq2SeqLM, LLMPlaygroundForConditionalGeneration),
    ):
        auto.register(LLMPlaygroundConfig, own, exist_ok=True)


register()
