"""The command ``llmp model import``."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated, Any

import tyro

from llm_playground.cli.options import call
from llm_playground.core.workspace import Workspace

_OPTIONAL: Any = {"constructor": str, "help_behavior_hint": "(optional)"}  # a value may be the word None
Given = Annotated[str | None, tyro.conf.arg(**_OPTIONAL)]
_EVERY_S = 0.2


def import_(name: str, arguments: list[str]) -> int:
    """Import a model."""

    def command(
        folder: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER")],
        /,
        name: Given = None,
        tokenizer: Given = None,
    ) -> int:
        """Put a model folder into the workspace, where chat, generate and the web app find it.

        A folder of the Hugging Face kind: config.json, safetensors and tokenizer.json, of the types gpt2,
        llama, mistral, mixtral, qwen2, qwen3, gemma2, gemma3_text, gpt_neox, bert or our own. It is checked
        first; its weights are copied as they are.

        Args:
            folder: the folder, or hub:ORG/NAME.
            name: name of the result; default: the folder's.
            tokenizer: use this one instead of the folder's: a file, a folder, an id or hub:ORG/NAME.
        """
        from llm_playground.playground import import_model

        source = folder if folder.startswith("hub:") or not Path(folder).is_dir() else Path(folder)
        line = _Line()
        try:
            imported = import_model(source, Workspace(), name=name, tokenizer=tokenizer, progress=line.show)
        finally:
            line.clear()
        for note in imported.notes:
            print(note, file=sys.stderr)
        print(imported.artifact.id)
        return 0

    return call(command, name, arguments)


class _Line:
    """How far it is, on one line of a terminal that is written over."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._next, self._width = 0.0, 0

    def show(self, what: str, done: int, total: int) -> None:
        """Show the state, a few times a second."""
        if not self._live or (time.monotonic() < self._next and done < total):
            return
        self._next = time.monotonic() + _EVERY_S
        text = f"{what}  {done / 1e6:,.0f} of {total / 1e6:,.0f} MB  {done / max(total, 1):4.0%}"
        print(f"\r{text:<{self._width}}", end="", file=sys.stderr, flush=True)
        self._width = len(text)

    def clear(self) -> None:
        """Take the line away."""
        if self._width:
            print(f"\r{'':<{self._width}}\r", end="", file=sys.stderr, flush=True)
