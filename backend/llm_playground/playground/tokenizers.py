"""The tokenizers of a workspace: a list of them, and the last few opened, each once however many ask."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from llm_playground.core.errors import InputError, LLMPError, NotFoundError
from llm_playground.core.files import check_name
from llm_playground.core.workspace import Artifact, Workspace

if TYPE_CHECKING:
    from llm_playground.tokenization import Tokenizer
    from llm_playground.tokenization.suspicious import SuspiciousToken
    from llm_playground.tokenization.training_trace import TrainingTrace

_HUB = re.compile(r"hub:(?:[A-Za-z0-9][\w.-]{0,99}/)?[A-Za-z0-9][\w.-]{0,99}", re.ASCII)
_HINT = "Give the id of a tokenizer or model of the workspace, or hub:ORG/NAME; it is no place for a path."
_KINDS = ("tokenizer", "model")
BYTES = "bytes"  # name of the tokenizer that has one token for each byte, for vocabularies that hold no other


@dataclass(frozen=True)
class TokenizerInfo:
    """A tokenizer of the workspace as lists show it.

    Attributes:
        id, name, kind, builtin, created_at: of the artifact, a tokenizer or a model that holds one.
        vocab_size: number of ids; 0 where it cannot be opened (``about`` then says why).
        pattern: name of the pattern that cuts text, None where it is none of the known ones.
        about: words for people.
        has_trace: its training was recorded and can be replayed.
        special_tokens: in the order of their ids.
    """

    id: str
    name: str
    kind: str
    builtin: bool
    created_at: float
    vocab_size: int
    pattern: str | None
    about: str
    has_trace: bool
    special_tokens: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON data."""
        return {**asdict(self), "special_tokens": list(self.special_tokens)}


@dataclass(frozen=True)
class OpenedTokenizer:
    """A tokenizer ready for use.

    Attributes:
        name: for people.
        artifact: what it was opened from, None for one of the Hub.
        tokenizer: the tokenizer.
    """

    name: str
    artifact: Artifact | None
    tokenizer: Tokenizer

    @cached_property
    def trace(self) -> TrainingTrace | None:
        """The record of its training, None if there is none."""
        from llm_playground.tokenization.training_trace import load_trace

        return load_trace(self.artifact.path) if self.artifact is not None else None

    @cached_property
    def suspicious(self) -> list[SuspiciousToken]:
        """Its tokens that a model may never have learned, looked for once."""
        from llm_playground.tokenization.suspicious import suspicious_tokens

        return suspicious_tokens(self.tokenizer)


class TokenizerCache:
    """Opened tokenizers of a workspace, least recently used first to go.

    Args:
        workspace: where the tokenizers are.
        capacity: how many stay open.
    """

    def __init__(self, workspace: Workspace, capacity: int = 8) -> None:
        self.workspace, self.capacity = workspace, capacity
        self._opened: OrderedDict[str, OpenedTokenizer] = OrderedDict()
        self._infos: dict[str, tuple[Artifact, TokenizerInfo]] = {}
        self._opening: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, name: str) -> OpenedTokenizer:
        """Return a tokenizer, opened if needed; while one is being opened the others can be had.

        Args:
            name: id of a tokenizer or of a model that holds one, ``bytes`` or ``hub:ORG/NAME``; never a path.

        Raises:
            InputError: it is no such name.
            NotFoundError: there is none, or not any more.
            StorageError: its files were damaged.
        """
        artifact = None if name == BYTES or _HUB.fullmatch(name) else self._artifact(name)
        with self._lock:
            if (found := self._known(name, artifact)) is not None:
                return found
            gate = self._opening.setdefault(name, threading.Lock())
        with gate:
            with self._lock:
                if (found := self._known(name, artifact)) is not None:
                    return found
            try:
                opened = _open(name, artifact)
            finally:
                with self._lock:
                    self._opening.pop(name, None)
            with self._lock:
                self._opened[name] = opened
                self._opened.move_to_end(name)
                while len(self._opened) > self.capacity:
                    self._opened.popitem(last=False)
            return opened

    def find(self, name: str) -> Tokenizer | None:
        """Return the workspace's tokenizer of that name or id, None if it has none."""
        for artifact in self.workspace.list("tokenizer"):
            if name in (artifact.id, artifact.name):
                return self.get(artifact.id).tokenizer
        return None

    def list(self) -> Sequence[TokenizerInfo]:
        """Return what is said of each tokenizer, newest first, built-in ones last."""
        found = [artifact for kind in _KINDS for artifact in self.workspace.list(kind)]
        infos = {artifact.id: (artifact, self._info(artifact)) for artifact in found if _holds_one(artifact)}
        self._infos = infos
        return sorted(
            (info for _, info in infos.values()), key=lambda info: (info.builtin, -info.created_at, info.id)
        )

    def opened(self) -> Sequence[str]:
        """Return the names of the tokenizers in memory, least recently used first."""
        with self._lock:
            return [*self._opened]

    def _known(self, name: str, artifact: Artifact | None) -> OpenedTokenizer | None:
        found = self._opened.get(name)
        if found is None or found.artifact is not artifact:  # another one of that id since
            return None
        self._opened.move_to_end(name)
        return found

    def _artifact(self, name: str) -> Artifact:
        try:
            check_name(name, "tokenizer id")
        except InputError as error:
            raise InputError(error.message, hint=_HINT, field="tokenizer") from None
        for kind in _KINDS:
            try:
                artifact = self.workspace.get(name, kind)
            except NotFoundError:
                continue
            if _holds_one(artifact):
                return artifact
        with self._lock:
            self._opened.pop(name, None)
        raise NotFoundError(
            f"There is no tokenizer {name!r} in the workspace.",
            hint="`llmp tokenizer list` shows what is there.",
            field="tokenizer",
        )

    def _info(self, artifact: Artifact) -> TokenizerInfo:
        known = self._infos.get(artifact.id)
        return known[1] if known is not None and known[0] is artifact else _describe(artifact)


def _holds_one(artifact: Artifact) -> bool:
    from llm_playground.tokenization.bpe import TOKENIZER_FILE

    return (artifact.path / TOKENIZER_FILE).is_file()


def _open(name: str, artifact: Artifact | None) -> OpenedTokenizer:
    from llm_playground.tokenization import BPETokenizer, open_tokenizer

    if name == BYTES:
        return OpenedTokenizer("Bytes", None, BPETokenizer({byte: bytes([byte]) for byte in range(256)}, []))
    if artifact is None:
        return OpenedTokenizer(name, None, open_tokenizer(name))
    if artifact.kind == "tokenizer":  # a model's weights are its loader's to check
        artifact.verify()
    return OpenedTokenizer(artifact.name, artifact, open_tokenizer(artifact.path))


def _describe(artifact: Artifact) -> TokenizerInfo:
    from llm_playground.tokenization.training_trace import TRACE_FILE

    about, size, pattern, special = str(artifact.card.get("about", "")), 0, None, list[str]()
    try:
        tokenizer = _open(artifact.id, artifact).tokenizer
    except LLMPError as error:
        about = error.message
    else:
        size = tokenizer.vocab_size
        special = sorted(tokenizer.special_tokens, key=tokenizer.special_tokens.__getitem__)
        cut = getattr(tokenizer, "split_pattern", None)
        pattern = cut.name if cut is not None else None
    return TokenizerInfo(
        artifact.id,
        artifact.name,
        artifact.kind,
        artifact.builtin,
        artifact.created_at,
        size,
        pattern,
        about,
        (artifact.path / TRACE_FILE).is_file(),
        tuple(special),
    )
