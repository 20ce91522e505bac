"""Putting a model folder into the workspace: checked, copied as it is, and there whole or not at all."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from llm_playground.core.errors import InputError, StorageError
from llm_playground.core.workspace import Artifact, Workspace

if TYPE_CHECKING:
    from llm_playground.tokenization import Tokenizer
    from llm_playground.transformer.hf.loading import ModelFolder

Progress = Callable[[str, int, int], None]  # (what is done, bytes done, bytes in all)
_COPIED = (
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
    "LICENSE*",
    "NOTICE*",
)
# What holds a tokenizer; the pairs are read only together.
_TOKENIZERS = ("tokenizer.json", "*.model", "vocab.json", "vocab.bpe", "*.tiktoken")
_CHUNK = 2**23


@dataclass(frozen=True)
class Imported:
    """What came of an import.

    Attributes:
        artifact: the model in the workspace.
        notes: what its user should know, in sentences.
    """

    artifact: Artifact
    notes: tuple[str, ...]


def import_model(
    source: str | Path,
    workspace: Workspace,
    *,
    name: str | None = None,
    tokenizer: str | None = None,
    progress: Progress | None = None,
) -> Imported:
    """Check a Hugging Face folder and copy it into the workspace.

    Weights stay as they are stored; all of them are read once, so that a file with NaN or infinite ones is
    found now. A folder without a tokenizer is taken too: the model can then be looked at and measured, and
    speaks once it is imported with one.

    Args:
        source: the folder, or ``hub:ORG/NAME``.
        workspace: where it goes.
        name: of the result; default the folder's.
        tokenizer: a tokenizer to use instead of the folder's: a file, folder, id or ``hub:ORG/NAME``.
        progress: told what is done and how far it is.

    Raises:
        InputError, ConfigError, NotFoundError: the folder is none, not supported, or damaged.
        StorageError: the workspace cannot take it (disk full).
    """
    from llm_playground.transformer.hf.loading import check_folder, check_values

    told = progress or (lambda what, done, total: None)
    try:
        folder = check_folder(source)
        opened, notes = _open_tokenizer(folder, tokenizer, workspace)
        check_values(folder, lambda done, total: told("checking", done, total))
    except StorageError as error:  # what was given is wrong, not the workspace
        raise InputError(error.message, hint=error.hint, field=error.field) from None
    text = str(source)
    place = re.split("[:/]", text)[-1] if not Path(source).is_dir() else folder.path.resolve().name
    origin = text if not Path(source).is_dir() else place
    files = [*_files_of(folder, own_tokenizer=tokenizer is None)]
    total = sum(file.stat().st_size for file in files)
    workspace.ensure()
    free = shutil.disk_usage(workspace.root).free
    if free < total:
        raise StorageError(
            f"The disk has no room for the model: {total / 1e9:.1f} GB are needed, "
            f"{free / 1e9:.1f} GB are free."
        )
    config = folder.config
    with workspace.new_artifact(
        "model",
        name=name or place or "model",
        config={"source": origin, "tokenizer": tokenizer, "family": folder.model_type},
        card={"about": " ".join((f"Imported from {origin}.", *notes))},
        summary={
            "parameters": folder.parameters,
            "vocab_size": config.vocab_size,
            "context_length": config.context_length,
            "chat": opened is not None
            and opened.chat_template is not None
            and config.architecture == "decoder",
            "stage": "import",
            "family": folder.model_type,
        },
    ) as draft:
        done = 0
        for file in files:
            for size in _copy(file, draft.path / file.name):
                done += size
                told("copying", done, total)
        if opened is not None and not (draft.path / "tokenizer.json").is_file():
            opened.save(draft.path)
    if draft.artifact is None:
        raise StorageError(f"The model {draft.id} could not be read back from the workspace.")
    return Imported(draft.artifact, notes)


def _open_tokenizer(
    folder: ModelFolder, given: str | None, workspace: Workspace
) -> tuple[Tokenizer | None, tuple[str, ...]]:
    """Return the tokenizer (None if there is none) and what is to be said of it.

    Raises:
        InputError, NotFoundError, StorageError: it cannot be read, or belongs to another model.
    """
    from llm_playground.tokenization import open_tokenizer

    if given is None and not any(path for pattern in _TOKENIZERS for path in folder.path.glob(pattern)):
        return None, ("It came without a tokenizer, so it cannot read or write text.",)
    opened = open_tokenizer(given if given is not None else folder.path, workspace)
    size = folder.config.vocab_size
    beyond = opened.vocab_size - size
    if beyond > 0:
        special = sorted(text for text, token in opened.special_tokens.items() if token >= size)
        if len(special) < beyond:
            raise InputError(
                f"The tokenizer has {opened.vocab_size:,} ids, but the model only {size:,}: they do not "
                "belong together.",
                field="tokenizer",
            )
        return opened, (f"It does not know the special tokens {', '.join(special[:5])}.",)
    return opened, ()


def _files_of(folder: ModelFolder, *, own_tokenizer: bool) -> Iterator[Path]:
    """Yield the files that are copied."""
    from llm_playground.transformer.hf.checkpoint import INDEX_FILE

    index = folder.path / INDEX_FILE
    yield folder.path / "config.json"
    if index.is_file():
        yield index
    for name in folder.shards:
        yield folder.path / name
    for pattern in _COPIED if own_tokenizer else ("generation_config.json", "LICENSE*", "NOTICE*"):
        for path in sorted(folder.path.glob(pattern)):
            if path.is_file():
                yield path


def _copy(source: Path, target: Path) -> Iterator[int]:
    """Copy a file; yields the size of each part as it is written."""
    with source.open("rb") as reader, target.open("xb") as writer:
        while part := reader.read(_CHUNK):
            writer.write(part)
            yield len(part)
