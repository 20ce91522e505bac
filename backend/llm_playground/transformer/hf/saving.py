"""Writing a model's folder so that ``transformers`` reads it with equal results."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from llm_playground.core.files import storage_errors, write_json_atomic, write_tensors
from llm_playground.transformer.hf.checkpoint import INDEX_FILE, WEIGHTS_FILE
from llm_playground.transformer.hf.config_file import CONFIG_FILE
from llm_playground.transformer.hf.families import family_of, stored_tensors, write_config
from llm_playground.transformer.hf.generation_file import GENERATION_FILE, write_generation
from llm_playground.transformer.hf.names import Stored

if TYPE_CHECKING:
    from llm_playground.transformer.base import LanguageModel

SHARD_BYTES = 5_000_000_000  # as the Hub advises


def save_model(
    model: LanguageModel, folder: Path, dtype: torch.dtype | None = None, shard_bytes: int = SHARD_BYTES
) -> None:
    """Write ``config.json``, ``generation_config.json`` and the weights below a folder.

    Args:
        model: what to write.
        folder: created if missing; weights of an earlier model in it are replaced.
        dtype: type of the stored weights; default as they are.
        shard_bytes: weights beyond so many bytes are divided over several files with an index.

    Raises:
        StorageError: the disk is full, or the folder may not be written.
    """
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    state = {name: value.detach() for name, value in model.state_dict().items()}
    stored = stored_tensors(model.config, list(state), family_of(model.config))
    shards = _divide(stored, state, dtype, shard_bytes)
    names = [
        f"model-{number:05}-of-{len(shards):05}.safetensors" if len(shards) > 1 else WEIGHTS_FILE
        for number in range(1, len(shards) + 1)
    ]
    for name, shard in zip(names, shards, strict=True):
        tensors = {item.name: _take(item, state[item.ours], dtype) for item in shard}
        temporary = folder / f".{name}.{secrets.token_hex(4)}.tmp"
        try:
            write_tensors(temporary, tensors, {"format": "pt"})
            os.replace(temporary, folder / name)
        finally:
            temporary.unlink(missing_ok=True)
    if len(shards) > 1:
        total = sum(_size(item, state, dtype) for item in stored)
        places = {item.name: name for name, shard in zip(names, shards, strict=True) for item in shard}
        write_json_atomic(folder / INDEX_FILE, {"metadata": {"total_size": total}, "weight_map": places})
    _remove_others(folder, names)
    config = write_config(model.config)
    first = dtype or next(iter(state.values())).dtype
    config["dtype"] = str(first).removeprefix("torch.")
    if model.config.architecture == "decoder":
        defaults = write_generation(model.generation_defaults, model.config)
        write_json_atomic(folder / GENERATION_FILE, defaults)
    write_json_atomic(folder / CONFIG_FILE, config)


def _take(item: Stored, ours: Tensor, dtype: torch.dtype | None) -> Tensor:
    view = item.view(ours)
    return view.to("cpu", dtype or view.dtype).reshape(item.shape(ours)).contiguous()


def _size(item: Stored, state: Mapping[str, Tensor], dtype: torch.dtype | None) -> int:
    ours = state[item.ours]
    return item.view(ours).numel() * (dtype or ours.dtype).itemsize


def _divide(
    stored: list[Stored], state: Mapping[str, Tensor], dtype: torch.dtype | None, limit: int
) -> list[list[Stored]]:
    """Divide tensors, in their order, into files of at most ``limit`` bytes (or one tensor)."""
    shards: list[list[Stored]] = [[]]
    filled = 0
    for item in stored:
        size = _size(item, state, dtype)
        if shards[-1] and filled + size > limit:
            shards.append([])
            filled = 0
        shards[-1].append(item)
        filled += size
    return shards


def _remove_others(folder: Path, names: list[str]) -> None:
    """Remove the files of a model that was in the folder before: an old index would be read first."""
    index = folder / INDEX_FILE
    old = {path.name for path in folder.glob("model-*-of-*.safetensors")} | {WEIGHTS_FILE}
    if len(names) == 1 and index.is_file():
        with suppress(OSError, ValueError, AttributeError):
            old |= {Path(str(name)).name for name in json.loads(index.read_text())["weight_map"].values()}
        index.unlink()
    for name in old - set(names):
        (folder / name).unlink(missing_ok=True)
