"""Finding a tokenizer by path, by id in the workspace, or by name on the Hub."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from llm_playground.core.errors import InputError, NotFoundError
from llm_playground.tokenization.bpe import TOKENIZER_FILE, BPETokenizer
from llm_playground.tokenization.formats.gguf import load_gguf, read_metadata
from llm_playground.tokenization.formats.ranks import load_ranks, load_vocab_bpe

if TYPE_CHECKING:
    from llm_playground.core.workspace import Workspace
    from llm_playground.tokenization.base import Tokenizer

_PAIRS = (("vocab.bpe", "encoder.json"), ("merges.txt", "vocab.json"))


def load_tokenizer(path: str | Path, workspace: Workspace | None = None) -> BPETokenizer:
    """Return the BPE tokenizer of a folder or file, or of a tokenizer or model in the workspace.

    Args:
        path: folder, ``tokenizer.json``, ``*.tiktoken``, ``vocab.bpe`` with ``encoder.json``, ``*.gguf``, or
            an artifact id.
        workspace: where ids are looked up; default the user's.

    Raises:
        NotFoundError: it is none of these.
        InputError, StorageError: it cannot be read, or is not a BPE (see :func:`open_tokenizer`).
    """
    place = find_tokenizer(path, workspace)
    return load_bpe(place)


def open_tokenizer(
    name: str | Path, workspace: Workspace | None = None, pattern: str | None = None
) -> Tokenizer:
    """Return any tokenizer: ours where it is a BPE we know, else the library's behind the same interface.

    Args:
        name: as for :func:`load_tokenizer`, or ``hub:ORG/NAME``, or a SentencePiece ``.model``.
        pattern: how text is cut, for files that do not say.

    Raises:
        NotFoundError: there is none of that name.
        InputError, StorageError: it cannot be read.
    """
    from llm_playground.tokenization.hf import HFTokenizer

    if str(name).startswith("hub:"):
        return HFTokenizer.from_hub(str(name).removeprefix("hub:"))
    place = find_tokenizer(name, workspace)
    holds_model = place.is_dir() and not (place / TOKENIZER_FILE).is_file() and any(place.glob("*.model"))
    if place.suffix == ".model" or holds_model:
        return HFTokenizer.from_file(place)
    try:
        return load_bpe(place, pattern)
    except InputError as error:
        if error.field == "tokenizer.ggml.model" and read_metadata(place)["tokenizer.ggml.model"] == "bert":
            from llm_playground.tokenization.formats.wordpiece import load_gguf_wordpiece

            return load_gguf_wordpiece(place)
        # A part that is not ours names itself as "not supported here": the library may read it.
        if "not supported here" not in error.message:
            raise
        return HFTokenizer.from_file(place)


def find_tokenizer(name: str | Path, workspace: Workspace | None = None) -> Path:
    """Return the file or folder that a name stands for.

    Raises:
        NotFoundError: there is none.
    """
    path = Path(name)
    if path.exists():
        return path
    if workspace is None:
        from llm_playground.core.workspace import Workspace

        workspace = Workspace()
    for kind in ("tokenizer", "model"):
        for artifact in workspace.list(kind):
            if artifact.id == str(name) and (artifact.path / TOKENIZER_FILE).is_file():
                return artifact.path
    raise NotFoundError(
        f"There is no tokenizer {str(name)!r}.",
        hint="Give a folder, a file or an id of the workspace.",
    )


def load_bpe(path: Path, pattern: str | None = None) -> BPETokenizer:
    """Read a BPE from whichever file holds it.

    Raises:
        InputError: nothing is there, a part is not supported, or a pattern is needed.
        StorageError: it is damaged.
    """
    if path.is_dir():
        if (path / TOKENIZER_FILE).is_file():
            return BPETokenizer.load(path)
        for merges, vocab in _PAIRS:
            if (path / merges).is_file() and (path / vocab).is_file():
                return load_vocab_bpe(BPETokenizer, path, merges, vocab)
        files = sorted([*path.glob("*.tiktoken"), *path.glob("*.gguf")])
        if len(files) == 1:
            return load_bpe(files[0], pattern)
        raise InputError(
            f"The folder {path} holds no tokenizer.",
            hint="It may hold tokenizer.json, vocab.bpe with encoder.json, a *.tiktoken or a *.gguf.",
        )
    if path.suffix == ".gguf":
        return load_gguf(BPETokenizer, path, pattern)
    for merges, vocab in _PAIRS:
        if path.name in (merges, vocab):
            missing = next((name for name in (merges, vocab) if not (path.parent / name).is_file()), None)
            if missing:
                raise InputError(f"{path} needs {missing} beside it.")
            return load_vocab_bpe(BPETokenizer, path.parent, merges, vocab)
    if path.suffix == ".json":
        return BPETokenizer.load(path)
    return load_ranks(BPETokenizer, path, pattern)
