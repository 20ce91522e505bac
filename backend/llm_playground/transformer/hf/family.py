"""What a family is: how its ``config.json`` is read and written, and how its tensors are called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llm_playground.transformer.hf.config_file import ConfigFile
from llm_playground.transformer.hf.names import NameTable

if TYPE_CHECKING:
    from llm_playground.transformer.config import ModelConfig

# Their word for an activation -> ours. The first word for each of ours is the one that is written.
PLAIN_ACTIVATIONS = {
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu": "gelu",
    "gelu_python": "gelu",
    "relu": "relu",
    "relu2": "relu2",
}
GATED_ACTIVATIONS = {
    "silu": "swiglu",
    "swish": "swiglu",
    "gelu_pytorch_tanh": "geglu_tanh",
    "gelu_new": "geglu_tanh",
    "gelu": "geglu",
}


def activation_name(config: ModelConfig, names: Mapping[str, str]) -> str | None:
    """Return a family's word for our activation, None if it has none."""
    return next((theirs for theirs, ours in names.items() if ours == config.activation), None)


def heads_divide(config: ModelConfig) -> bool:
    """Say whether the heads divide the width, which some families ask for even with a head size given."""
    return config.width % config.heads == 0


@dataclass(frozen=True)
class Family:
    """A kind of model that ``transformers`` knows.

    Attributes:
        model_type: the word in ``config.json``.
        architecture: the class of ``transformers`` with a language-model head.
        read: their file -> settings of ours; raises ConfigError for an option we do not have.
        write: ours -> their keys; what it cannot say is lost, which :func:`families.family_of` notices.
        ids: bos, eos and pad where the file does not mention them.
        names: how tensors are called.
        accepts: further conditions under which ``transformers`` takes what ``write`` says.
    """

    model_type: str
    architecture: str
    read: Callable[[ConfigFile], dict[str, Any]]
    write: Callable[[ModelConfig], dict[str, Any]]
    ids: Mapping[str, int | None]
    names: NameTable
    accepts: Callable[[ModelConfig], bool] = lambda config: True
