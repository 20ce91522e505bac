"""The safetensors of a folder: what is in them, read from their headers alone; one file or several."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_playground.core.errors import InputError, StorageError
from llm_playground.core.files import read_json
from llm_playground.transformer.hf.hub import CONVERT, PICKLES

WEIGHTS_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"
FLOATS = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}  # stored kinds that are read, with their bytes


@dataclass(frozen=True)
class TensorInfo:
    """What a header says of a tensor.

    Attributes:
        file: the file that holds it, within the folder.
        shape: its shape.
        kind: its type as safetensors spells it ("F32", "BF16").
    """

    file: str
    shape: tuple[int, ...]
    kind: str


def shard_names(folder: Path) -> list[str]:
    """Return the names of the files that hold the weights of a folder.

    Raises:
        InputError: it holds no safetensors.
        StorageError: the index is damaged, or names a file outside the folder.
    """
    if (folder / INDEX_FILE).is_file():
        index = read_json(folder / INDEX_FILE)
        places = index.get("weight_map") if isinstance(index, dict) else None
        if not isinstance(places, dict) or not places:
            raise StorageError(f"{folder / INDEX_FILE} is damaged: it has no weight_map.")
        names = set(places.values())
        for name in names:
            if not isinstance(name, str) or not re.fullmatch(r"[^/\\:]+\.safetensors", name):
                raise StorageError(f"{INDEX_FILE} names a file outside its folder: {name!r:.100}.")
        return sorted(names)
    if (folder / WEIGHTS_FILE).is_file():
        return [WEIGHTS_FILE]
    pickles = sorted(path.name for path in folder.iterdir() if path.suffix in PICKLES)
    if pickles:
        raise InputError(
            f"{folder} holds its weights as a pickle ({', '.join(pickles[:3])}), which is not opened; "
            f"{WEIGHTS_FILE} is needed.",
            hint=CONVERT,
        )
    raise InputError(f"{folder} has no {WEIGHTS_FILE}.", hint="Only safetensors are read.")


def read_headers(folder: Path) -> dict[str, TensorInfo]:
    """Return what the files of a folder hold, by name.

    Raises:
        InputError: it holds no safetensors.
        StorageError: a file is missing or damaged, or two hold the same tensor.
    """
    found: dict[str, TensorInfo] = {}
    for file in shard_names(folder):
        if not (folder / file).is_file():
            raise StorageError(f"{INDEX_FILE} names {file}, which is missing in {folder}.")
        with open_weights(folder / file) as handle:
            for name in handle.keys():  # noqa: SIM118  (not a dict)
                part = handle.get_slice(name)
                info = TensorInfo(file, tuple(part.get_shape()), part.get_dtype())
                if found.setdefault(name, info) is not info:
                    raise StorageError(f"{found[name].file} and {file} both hold {name}.")
    return found


def open_weights(path: Path) -> Any:
    """Open a safetensors file; its tensors are read when they are asked for.

    Raises:
        StorageError: it is damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        return safe_open(path, framework="pt", device="cpu")
    except (SafetensorError, OSError) as error:
        raise StorageError(f"{path} is damaged: {error}.") from None


def summarize(names: Iterable[str], shown: int = 12) -> str:
    """List names, those that differ only in a number as one: ``h.{0-11}.attn.bias``."""
    groups: dict[str, list[int]] = {}
    for name in names:
        match = re.search(r"(?<=\.)\d+(?=\.)", name)
        stem = f"{name[: match.start()]}{{}}{name[match.end() :]}" if match else name
        groups.setdefault(stem, []).extend([int(match.group())] if match else [])
    words = [
        _fill(stem, [number for number in numbers if number is not None]) for stem, numbers in groups.items()
    ]
    rest = len(words) - shown
    return ", ".join(words[:shown]) + (f" and {rest} more kinds" if rest > 0 else "")


def _fill(stem: str, numbers: list[int]) -> str:
    if not numbers:
        return stem
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    text = ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)
    return stem.replace("{}", text if text.isdigit() else "{" + text + "}", 1)
