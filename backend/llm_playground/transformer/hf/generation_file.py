"""``generation_config.json``: which ids end a reply, and the defaults its makers chose."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_playground.core.errors import StorageError
from llm_playground.core.files import read_json

if TYPE_CHECKING:
    from llm_playground.transformer.config import ModelConfig

GENERATION_FILE = "generation_config.json"


def read_generation(folder: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the generation defaults of a folder; a list of end ids in ``config.json`` counts as one.

    Args:
        folder: the model's folder.
        config: its parsed ``config.json``.

    Raises:
        StorageError: the file is damaged.
    """
    values: dict[str, Any] = {}
    if (folder / GENERATION_FILE).is_file():
        values = read_json(folder / GENERATION_FILE)
        if not isinstance(values, dict):
            raise StorageError(f"{folder / GENERATION_FILE} is damaged: it must hold a mapping.")
    if "eos_token_id" not in values and isinstance(config.get("eos_token_id"), list):
        values = {**values, "eos_token_id": config["eos_token_id"]}
    return values


def end_ids(defaults: Mapping[str, Any], config: ModelConfig) -> tuple[int, ...]:
    """Return the ids that end a reply: the configuration's, then those of the generation defaults."""
    given = defaults.get("eos_token_id")
    listed = given if isinstance(given, list) else [given]
    ids = [config.eos_id, *listed]
    whole = [id for id in ids if isinstance(id, int) and not isinstance(id, bool)]
    return tuple(dict.fromkeys(id for id in whole if 0 <= id < config.vocab_size))


def write_generation(defaults: Mapping[str, Any], config: ModelConfig) -> dict[str, Any]:
    """Return the content of the file for a decoder: its makers' defaults with the configuration's ids."""
    ends = end_ids(defaults, config)
    result = {**defaults, "bos_token_id": config.bos_id, "pad_token_id": config.pad_id}
    result["eos_token_id"] = list(ends) if len(ends) > 1 else config.eos_id
    if not defaults:
        result["_from_model_config"] = True
    return {key: value for key, value in result.items() if value is not None}
