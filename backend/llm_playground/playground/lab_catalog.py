"""What there is to look into: the workspace's models and presets with random weights, and what fits here."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from llm_playground.core.errors import InputError, LLMPError, NotFoundError
from llm_playground.core.files import read_json
from llm_playground.playground.lab_memory import free_bytes, model_bytes, readable
from llm_playground.playground.tokenizers import BYTES
from llm_playground.transformer.preset import Preset

if TYPE_CHECKING:
    from llm_playground.core.workspace import Artifact, Workspace
    from llm_playground.playground.tokenizers import TokenizerCache
    from llm_playground.tokenization import Tokenizer
    from llm_playground.transformer import ModelConfig

PRESET = "preset:"
LARGEST_PRESET = 3 * 2**30  # bytes: larger ones take longer to draw than a reader waits
_TOKENIZERS = ("prose", "tinyworld", BYTES)  # for presets, the largest first
_PLAIN_TOKENS = 128  # a model must have room for a text of so many tokens


@dataclass(frozen=True)
class LabEntry:
    """A model as lists show it; sizes are 0 where its configuration cannot be read, as ``why_not`` then says.

    Attributes:
        ref: an id of the workspace, or ``preset:NAME``.
        random: the weights are random.
        tokenizer: name of what cuts texts for it, None: it takes ids only.
        runnable, why_not: whether it can be opened here, and the reason if not.
    """

    ref: str
    name: str
    random: bool
    builtin: bool
    architecture: str = "decoder"
    layers: int = 0
    heads: int = 0
    kv_heads: int = 0
    width: int = 0
    parameters: int = 0
    context_length: int = 0
    vocab_size: int = 0
    tokenizer: str | None = None
    runnable: bool = False
    why_not: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return JSON data."""
        return asdict(self)


class Catalog:
    """The models of the lab by name, without loading any.

    Args:
        workspace: where models are.
        tokenizers: opened tokenizers.
    """

    def __init__(self, workspace: Workspace, tokenizers: TokenizerCache) -> None:
        self.workspace, self.tokenizers = workspace, tokenizers
        self._configs: dict[str, tuple[Artifact, ModelConfig]] = {}

    def entries(self) -> list[LabEntry]:
        """Return the workspace's models, newest first, built-in ones last; then presets that can be run."""
        from llm_playground.transformer.presets import PRESETS

        own = [self._describe(artifact) for artifact in self.workspace.list("model")]
        presets = [self._preset_entry(name) for name in PRESETS]
        return [*own, *(entry for entry in presets if entry.runnable)]

    def presets(self) -> list[dict[str, Any]]:
        """Return every preset with its configuration, its size, and whether it can be run here."""
        from llm_playground.transformer.presets import PRESETS

        found = []
        for name, preset in PRESETS.items():
            parameters, why_not = _parameters(preset.config), self.why_not(preset.config, drawn=True)
            found.append(
                {
                    "name": name,
                    "aliases": list(preset.aliases),
                    "title": preset.title,
                    "about": preset.about,
                    "family": preset.config.family,
                    "config": preset.config.model_dump(mode="json"),
                    "parameters": parameters,
                    "runnable": why_not is None,
                    "needs_bytes": model_bytes(preset.config, parameters, _PLAIN_TOKENS),
                    "why_not": why_not,
                }
            )
        return sorted(found, key=lambda preset: int(preset["parameters"]))

    def config(self, ref: str) -> ModelConfig:
        """Return the shape of a model without loading it.

        Raises:
            NotFoundError: there is no such model or preset.
            InputError, ConfigError, StorageError: it is no name, or its configuration cannot be read.
        """
        origin = self.find(ref)
        return origin.config if isinstance(origin, Preset) else self._own(origin)

    def find(self, ref: str) -> Artifact | Preset:
        """Return what a name stands for: a model of the workspace, or a preset.

        Raises:
            NotFoundError: there is no such.
            InputError: it is no name.
        """
        from llm_playground.transformer.presets import find_preset

        try:
            if ref.startswith(PRESET):
                return find_preset(ref.removeprefix(PRESET))
            return self.workspace.get(ref, "model")  # also notices a model that was deleted
        except (InputError, NotFoundError) as error:
            raise type(error)(error.message, hint=error.hint, field="model") from None

    def _own(self, artifact: Artifact) -> ModelConfig:
        from llm_playground.transformer import ModelConfig

        known = self._configs.get(artifact.id)
        if known is None or known[0] is not artifact:  # another one of that id since
            known = (artifact, ModelConfig.from_hf(read_json(artifact.path / "config.json")))
            self._configs[artifact.id] = known
        return known[1]

    def _describe(self, artifact: Artifact) -> LabEntry:
        try:
            config = self._own(artifact)
        except LLMPError as error:
            return LabEntry(artifact.id, artifact.name, False, artifact.builtin, why_not=error.message)
        tokenizer = artifact.id if has_tokenizer(artifact) else None
        why_not = self.why_not(config, drawn=False)
        return _entry(config, artifact.id, artifact.name, False, artifact.builtin, tokenizer, why_not)

    def _preset_entry(self, name: str) -> LabEntry:
        from llm_playground.transformer.presets import PRESETS

        preset = PRESETS[name]
        why_not = self.why_not(preset.config, drawn=True)
        tokenizer = self.preset_tokenizer(preset.config)[0]
        return _entry(preset.config, PRESET + name, preset.title, True, True, tokenizer, why_not)

    def why_not(self, config: ModelConfig, *, drawn: bool) -> str | None:
        """Say why a model cannot be run here, None if it can.

        Args:
            config: its shape.
            drawn: the weights would be drawn at random, which takes time as well as memory.
        """
        if config.architecture == "encoder-decoder":
            return "An encoder-decoder reads two texts; here models with one are run."
        parameters = _parameters(config)
        needs = model_bytes(config, parameters, min(config.context_length, _PLAIN_TOKENS))
        if drawn and needs > LARGEST_PRESET:
            return (
                f"Running it takes {readable(needs)} of memory for float32 weights and one pass; with random "
                f"weights at most {readable(LARGEST_PRESET)} are run. Its analysis works."
            )
        limit = free_bytes() // 2
        if needs > limit:
            return (
                f"Running it takes {readable(needs)} of memory for float32 weights and one pass; half of "
                f"what is free here is {readable(limit)}. Its analysis works."
            )
        return None

    def preset_tokenizer(self, config: ModelConfig) -> tuple[str | None, Tokenizer | None]:
        """Return name and tokenizer of the built-in one with the most tokens that the vocabulary holds."""
        for name in _TOKENIZERS:
            try:
                tokenizer = self.tokenizers.get(name).tokenizer
            except NotFoundError:  # a workspace without built-in artifacts
                continue
            if tokenizer.vocab_size <= config.vocab_size:
                return name, tokenizer
        return None, None


def has_tokenizer(artifact: Artifact) -> bool:
    """Return whether a model's folder holds a tokenizer."""
    return (artifact.path / "tokenizer.json").is_file()


def _parameters(config: ModelConfig) -> int:
    from llm_playground.transformer.analysis.parameters import count_parameters

    return count_parameters(config).total


def _entry(
    config: ModelConfig,
    ref: str,
    name: str,
    random: bool,
    builtin: bool,
    tokenizer: str | None,
    why_not: str | None,
) -> LabEntry:
    return LabEntry(
        ref,
        name,
        random,
        builtin,
        config.architecture,
        config.layers,
        config.heads,
        config.key_value_heads,
        config.width,
        _parameters(config),
        config.context_length,
        config.vocab_size,
        tokenizer,
        why_not is None,
        why_not,
    )
