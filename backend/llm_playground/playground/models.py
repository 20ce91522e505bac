"""The cache of loaded models: the last few stay in memory, each loaded once however many ask for it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from llm_playground.core.errors import InputError
from llm_playground.core.workspace import Artifact, Workspace

if TYPE_CHECKING:
    from llm_playground.generation import GenerationEngine
    from llm_playground.tokenization import Tokenizer


@dataclass
class LoadedModel:
    """A model ready to speak.

    Attributes:
        artifact: what it was loaded from.
        engine: generates token ids.
        tokenizer: with the chat template, if there is one.
        lock: held while it generates, so that two replies do not fight for the same cores.
    """

    artifact: Artifact
    engine: GenerationEngine
    tokenizer: Tokenizer
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def is_chat(self) -> bool:
        """Whether it was taught to answer (else it continues text)."""
        return bool(self.artifact.summary.get("chat")) and self.tokenizer.chat_template is not None

    @property
    def start_ids(self) -> list[int]:
        """What a text begins with: the model's first token, or else the one that ends texts."""
        begin = self.engine.model.config.bos_id
        chosen = self.tokenizer.eos_id if begin is None else begin
        return [] if chosen is None else [chosen]

    @property
    def end_ids(self) -> tuple[int, ...]:
        """The ids that end a reply: the tokenizer's, ChatML's, and those of the model's own files."""
        from llm_playground.transformer.hf.generation_file import end_ids

        model = self.engine.model
        known = (self.tokenizer.eos_id, self.tokenizer.special_tokens.get("<|im_end|>"))
        ids = [*known, *end_ids(model.generation_defaults, model.config)]
        return tuple(dict.fromkeys(id for id in ids if id is not None))

    @property
    def context_length(self) -> int:
        """Tokens that prompt and reply may have together."""
        return self.engine.model.config.context_length


class ModelCache:
    """Loaded models of a workspace, least recently used first to go.

    Args:
        workspace: where the models are.
        capacity: how many stay loaded.
    """

    def __init__(self, workspace: Workspace, capacity: int = 2) -> None:
        self.workspace = workspace
        self.capacity = capacity
        self._models: OrderedDict[str, LoadedModel] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, model_id: str) -> LoadedModel:
        """Return a model, loading it if needed.

        Raises:
            NotFoundError: there is no such model.
            InputError: it has no tokenizer, or is no decoder.
            StorageError: its files were damaged.
        """
        with self._lock:
            artifact = self.workspace.get(model_id, "model")  # also notices a model that was deleted
            loaded = self._models.get(artifact.id)
            if loaded is None:
                loaded = self._load(artifact)
                self._models[artifact.id] = loaded
            self._models.move_to_end(artifact.id)
            while len(self._models) > self.capacity:
                self._models.popitem(last=False)
            return loaded

    @staticmethod
    def _load(artifact: Artifact) -> LoadedModel:
        from llm_playground.core.devices import pick_device
        from llm_playground.generation import GenerationEngine
        from llm_playground.tokenization import open_tokenizer
        from llm_playground.transformer import TransformerLM

        artifact.verify()
        if not (artifact.path / "tokenizer.json").is_file():
            raise InputError(
                f"The model {artifact.id} has no tokenizer, so it cannot read or write text.",
                hint="Import it again with a tokenizer: llmp model import FOLDER --tokenizer NAME.",
            )
        tokenizer = open_tokenizer(artifact.path)
        model = TransformerLM.from_pretrained(artifact.path, device=pick_device())
        if model.config.architecture != "decoder":
            raise InputError(f"The model {artifact.id} is an encoder: it fills gaps, it does not write on.")
        return LoadedModel(artifact, GenerationEngine(model), tokenizer)

    def loaded(self) -> list[str]:
        """Return the ids of the models in memory."""
        with self._lock:
            return list(self._models)
