"""What a named shape is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from llm_playground.core.config import parse_config

if TYPE_CHECKING:
    from llm_playground.transformer.config import ModelConfig


@dataclass(frozen=True)
class Preset:
    """One named shape.

    Attributes:
        name: what it is called here.
        title: what it is called elsewhere.
        about: one or two sentences for a reader.
        source: where the numbers are from.
        family: the Hugging Face family that it belongs to, or ``llm_playground``.
        values: settings of :class:`ModelConfig` that differ from its defaults.
        aliases: other names for it.
    """

    name: str
    title: str
    about: str
    source: str
    family: str
    values: Mapping[str, Any]
    aliases: tuple[str, ...] = ()

    @cached_property
    def config(self) -> ModelConfig:
        """The shape, checked."""
        from llm_playground.transformer.config import ModelConfig

        return parse_config(ModelConfig, dict(self.values), f"preset {self.name}")
