"""Finding a tokenizer by path, id or name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from llm_playground.core.errors import NotFoundError
from llm_playground.tokenization.bpe import TOKENIZER_FILE, BPETokenizer

if TYPE_CHECKING:
    from llm_playground.core.workspace import Workspace


def load_tokenizer(path_or_name: str | Path, workspace: Workspace | None = None) -> BPETokenizer:
    """Load a tokenizer from a folder or file, or by the id of a tokenizer or model in the workspace.

    Raises:
        NotFoundError: it is neither.
        InputError, StorageError: it cannot be read.
    """
    path = Path(path_or_name)
    if path.exists():
        return BPETokenizer.load(path)
    if workspace is None:
        from llm_playground.core.workspace import Workspace

        workspace = Workspace()
    for kind in ("tokenizer", "model"):
        for artifact in workspace.list(kind):
            if artifact.id == str(path_or_name) and (artifact.path / TOKENIZER_FILE).is_file():
                return BPETokenizer.load(artifact.path)
    raise NotFoundError(
        f"There is no tokenizer {str(path_or_name)!r}.",
        hint="Give a folder, a file or an id of the workspace.",
    )
