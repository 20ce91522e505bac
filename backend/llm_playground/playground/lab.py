"""The models of the lab: the workspace's and random presets, texts as their tokens, results that are kept.

What a model computes on a text is worked out by ``transformer.lens``, which knows token ids only; here texts
come in, and the last results stay, so that a page may ask for map after map without a pass for each.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, cast

from llm_playground.core.errors import ConfigError, ConflictError, InputError, LLMPError
from llm_playground.playground.lab_catalog import PRESET, Catalog, has_tokenizer
from llm_playground.playground.lab_memory import (
    Kept,
    free_bytes,
    largest_text,
    pass_bytes,
    readable,
    total_bytes,
)
from llm_playground.transformer.preset import Preset

if TYPE_CHECKING:
    from torch import Tensor

    from llm_playground.core.workspace import Artifact, Workspace
    from llm_playground.playground.models import ModelCache
    from llm_playground.playground.tokenizers import TokenizerCache
    from llm_playground.tokenization import Tokenizer
    from llm_playground.transformer import ModelConfig, TransformerLM

SEED = 0  # of the random weights
LARGEST_PASS = 4 * 2**30  # bytes

Result = TypeVar("Result")


@dataclass
class OpenedModel:
    """A model ready to be looked into.

    Attributes:
        ref: what it was asked for as.
        random: its weights are random.
        model: in evaluation mode.
        tokenizer, tokenizer_name: what cuts texts for it, None where it takes ids only.
        lock: held while it works, so that two passes do not fight for the same cores; one thread may
            hold it again, since a result may rest on another.
    """

    ref: str
    random: bool
    model: TransformerLM
    tokenizer: Tokenizer | None
    tokenizer_name: str | None
    lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def config(self) -> ModelConfig:
        """Its shape."""
        return self.model.config

    def tokens(self, ids: Sequence[int], starts: Sequence[tuple[int, int]]) -> list[dict[str, Any]]:
        """Return id, text and place of each token."""
        return [
            {"id": token, "text": self.text_of(token), "start": start, "end": end}
            for token, (start, end) in zip(ids, starts, strict=True)
        ]

    def text_of(self, token: int) -> str:
        """Return a token's text, with U+FFFD where it is a part of a character; ``[id]`` if it has none."""
        if self.tokenizer is None:
            return f"[{token}]"
        try:
            return self.tokenizer.token_bytes(token).decode("utf-8", "replace")
        except LLMPError:  # the vocabulary of the model is wider than the tokenizer's
            return f"[{token}]"


@dataclass(frozen=True)
class Reading:
    """A text as a model reads it.

    Attributes:
        ids: the tokens.
        tokens: id, text, start and end of each.
        text: the text, or the joined texts of ids.
    """

    ids: tuple[int, ...]
    tokens: list[dict[str, Any]]
    text: str

    def position(self, position: int) -> int:
        """Return a position counted from 0; negative ones count from the end.

        Raises:
            ConfigError: there is no such token.
        """
        count = len(self.ids)
        if not -count <= position < count:
            raise ConfigError(
                f"position: {position} is out of range; the text has {count} tokens, 0 to {count - 1}.",
                field="position",
            )
        return position % count


class ModelLab:
    """Models to look into, and the last results.

    Args:
        workspace: where models are.
        models: loaded models, shared with the chat.
        tokenizers: opened tokenizers.
        kept_bytes: how much memory the results of the last passes may take; default an eighth of the
            machine's, 2 GiB at most.
        capacity: how many models stay open beside those of the chat.
    """

    def __init__(
        self,
        workspace: Workspace,
        models: ModelCache,
        tokenizers: TokenizerCache,
        *,
        kept_bytes: int | None = None,
        capacity: int = 2,
    ) -> None:
        self.workspace, self.models = workspace, models
        self.catalog = Catalog(workspace, tokenizers)
        self.capacity = capacity
        self.kept = Kept(min(2**31, total_bytes() // 8) if kept_bytes is None else kept_bytes)
        self._opened: OrderedDict[str, tuple[Artifact | Preset, OpenedModel]] = OrderedDict()
        self._gates: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()
        self._drawing = threading.Lock()

    # Models

    def open(self, ref: str) -> OpenedModel:
        """Return a model, loaded if needed; each is loaded once however many ask.

        Raises:
            NotFoundError: there is no such model or preset.
            ConflictError: it is too large for this machine; the message says how much memory it takes.
            StorageError: its files were damaged.
        """
        origin = self.catalog.find(ref)
        if isinstance(origin, Preset):
            ref = PRESET + origin.name
        with self._gate(ref):
            with self._lock:
                known = self._opened.get(ref)
                if known is not None and known[0] is origin:
                    self._opened.move_to_end(ref)
                    return known[1]
            opened = self._preset(origin) if isinstance(origin, Preset) else self._model(origin)
            with self._lock:
                self._opened[ref] = (origin, opened)
                self._opened.move_to_end(ref)
                while len(self._opened) > self.capacity:
                    self._opened.popitem(last=False)
                del known
            self.kept.forget_gone()
            return opened

    def opened(self) -> list[str]:
        """Return the models in memory, least recently used first."""
        with self._lock:
            return list(self._opened)

    @contextmanager
    def _gate(self, ref: str) -> Iterator[None]:
        """Let one in at a time for each model."""
        with self._lock:
            gate = self._gates.setdefault(ref, threading.Lock())
        with gate:
            yield

    def _model(self, artifact: Artifact) -> OpenedModel:
        from llm_playground.core.devices import pick_device
        from llm_playground.tokenization import open_tokenizer
        from llm_playground.transformer import TransformerLM

        config = self.catalog.config(artifact.id)
        cuts = has_tokenizer(artifact)
        if artifact.id not in self.models.loaded():
            _check_room(artifact.name, self.catalog.why_not(config, drawn=False))
        name = artifact.id if cuts else None
        if config.architecture == "decoder" and cuts:  # the chat can speak with it: share the weights
            loaded = self.models.get(artifact.id)
            return OpenedModel(artifact.id, False, loaded.engine.model, loaded.tokenizer, name)
        artifact.verify()
        model = TransformerLM.from_pretrained(artifact.path, device=pick_device()).eval()
        tokenizer = open_tokenizer(artifact.path) if cuts else None
        return OpenedModel(artifact.id, False, model, tokenizer, name)

    def _preset(self, preset: Preset) -> OpenedModel:
        import torch

        from llm_playground.core.devices import pick_device
        from llm_playground.transformer import TransformerLM

        config, ref = preset.config, PRESET + preset.name
        _check_room(ref, self.catalog.why_not(config, drawn=True))
        # Weights are drawn from the global generator: one model at a time, and its state is put back.
        with self._drawing, torch.random.fork_rng():
            torch.manual_seed(SEED)
            model = TransformerLM(config).to(pick_device()).eval()
        name, tokenizer = self.catalog.preset_tokenizer(config)
        return OpenedModel(ref, True, model, tokenizer, name)

    # Texts

    def read(
        self, opened: OpenedModel, text: str | None, ids: Sequence[int] | None = None, name: str = "text"
    ) -> Reading:
        """Return a text (special tokens that it spells are special) or token ids as the model reads them.

        Raises:
            ConfigError: both or neither are given, the text is empty, too long for the context or for the
                memory here, an id is not in the vocabulary, or the model has no tokenizer.
        """
        if (text is None) == (ids is None):
            raise ConfigError("Give a text or token ids, one of the two.", field=name)
        if text is not None:
            if opened.tokenizer is None:
                raise ConfigError(
                    f"{opened.ref} has no tokenizer.", hint="Give token ids in place of a text.", field=name
                )
            spans = opened.tokenizer.spans(text, "all")
            found = [span.id for span in spans]
            places = [(span.start, span.end) for span in spans]
        else:
            name = name.replace("text", "ids")
            found, places = list(ids or ()), []
        vocabulary, context = opened.config.vocab_size, opened.config.context_length
        if not found:
            raise ConfigError(f"{name}: nothing to read: at least one token is needed.", field=name)
        if len(found) > context:
            raise ConfigError(
                f"{name}: too long: {len(found):,} tokens, but {context:,} fit into the context of "
                f"{opened.ref}.",
                field=name,
            )
        wrong = next((token for token in found if not 0 <= token < vocabulary), None)
        if wrong is not None:
            raise ConfigError(
                f"{name}: the id {wrong} is not in the vocabulary of {opened.ref}, 0 to {vocabulary - 1}.",
                field=name,
            )
        limit = min(LARGEST_PASS, free_bytes() // 4)
        needs = pass_bytes(opened.config, len(found))
        if needs > limit:
            fits = largest_text(opened.config, limit)
            raise ConfigError(
                f"{name}: too long: looking into {len(found):,} tokens takes {readable(needs)}, while "
                f"{readable(limit)} are free for it.",
                hint=f"Up to {fits:,} tokens fit.",
                field=name,
            )
        if text is None:
            texts = [opened.text_of(token) for token in found]
            text, places = "".join(texts), _laid_out(texts)
        return Reading(tuple(found), opened.tokens(found, places), text)

    def result(
        self,
        opened: OpenedModel,
        reading: Reading,
        kind: str,
        compute: Callable[[TransformerLM, Tensor], Result],
    ) -> Result:
        """Return what a model gives for a text, computed if it is not kept from before.

        Args:
            opened: the model; one result is computed at a time.
            reading: what it reads.
            kind: what is computed, so that different results of one text do not get mixed up.
            compute: gets the model and the ids [1, T] and returns the result; runs without gradients.
        """
        import torch

        key = (id(opened), kind, reading.ids)
        with opened.lock:
            found = self.kept.get(key, opened)
            if found is not None:
                return cast(Result, found)
            with torch.inference_mode(), unprocessable():
                made = compute(opened.model, torch.tensor([reading.ids], device=opened.model.device))
            self.kept.put(key, opened, made)
        return made


@contextmanager
def unprocessable() -> Iterator[None]:
    """Let what is wrong with a request be told as a problem of its settings."""
    try:
        yield
    except InputError as error:
        raise ConfigError(error.message, hint=error.hint, field=error.field) from None


def check_range(value: int, count: int, name: str) -> int:
    """Return a layer or head, counted from 0.

    Raises:
        ConfigError: there is no such; the message names the range.
    """
    if not 0 <= value < count:
        raise ConfigError(
            f"{name}: {value} is out of range; there are {count}, 0 to {count - 1}.", field=name
        )
    return value


def _laid_out(texts: Sequence[str]) -> list[tuple[int, int]]:
    """Return the place of each text if they stand one behind the other."""
    places, start = [], 0
    for text in texts:
        places.append((start, start + len(text)))
        start += len(text)
    return places


def _check_room(name: str, why_not: str | None) -> None:
    if why_not is not None:
        raise ConflictError(f"{name} cannot be run here.", hint=why_not, field="model")
