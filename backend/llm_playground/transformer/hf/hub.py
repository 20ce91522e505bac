"""Where a model's folder is: on this machine, or on the Hugging Face Hub and then in its cache."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from llm_playground.core.errors import InputError, NotFoundError
from llm_playground.core.hub import hub_errors, out_of_reach
from llm_playground.transformer.hf.config_file import CONFIG_FILE

PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
CONVERT = (
    "A pickle can run code when it is opened. Where you trust it, convert it once: "
    "transformers' AutoModelForCausalLM.from_pretrained(folder).save_pretrained(new_folder) "
    "writes safetensors."
)
# What a model folder may hold that is of use here; weights in other formats are not fetched.
WANTED = (
    "config.json",
    "generation_config.json",
    "*.safetensors",
    "model.safetensors.index.json",
    "tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.*",
    "merges.txt",
    "spiece.model",
    "sentencepiece*.model",
    "chat_template.jinja",
)
_HUB_NAME = re.compile(r"(?:hub:)?(?:[A-Za-z0-9][\w.-]{0,95}/)?[A-Za-z0-9][\w.-]{0,95}", re.ASCII)


def find_folder(source: str | Path, revision: str | None = None) -> Path:
    """Return the folder of a model.

    Args:
        source: a folder, ``hub:ORG/NAME``, or ``ORG/NAME`` where there is no folder of that name.
        revision: branch, tag or commit on the Hub.

    Raises:
        InputError: there is no such folder, or it is a file.
        NotFoundError: the Hub has no such model, or is out of reach and the cache does not have it.
    """
    path = Path(source)
    if path.is_dir():
        return path
    if path.exists():
        pickle = path.suffix in PICKLES
        raise InputError(
            f"{path} is {'a pickle file' if pickle else 'a file'}; the folder of a model is needed.",
            hint=CONVERT if pickle else f"It holds {CONFIG_FILE} and model.safetensors.",
        )
    name = str(source)
    if isinstance(source, str) and (
        name.startswith("hub:") or (name.count("/") == 1 and name[0] not in "./~")
    ):
        return fetch(name, revision)
    raise InputError(
        f"The model folder {path} does not exist.", hint="A model of the Hub is named hub:ORG/NAME."
    )


def fetch(name: str, revision: str | None = None) -> Path:
    """Return the folder of a model of the Hub, from the cache where it is there already.

    Raises:
        NotFoundError: the Hub has no such model, or is out of reach and the cache does not have it.
    """
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    if not _HUB_NAME.fullmatch(name):
        raise NotFoundError(f"{name!r} is not a name of the Hugging Face Hub.", hint="Such as hub:ORG/NAME.")
    name = name.removeprefix("hub:")
    with suppress(LocalEntryNotFoundError):
        folder = Path(
            snapshot_download(name, revision=revision, allow_patterns=[*WANTED], local_files_only=True)
        )
        if _is_whole(folder):
            return folder
    with hub_errors("model", name):
        folder = Path(snapshot_download(name, revision=revision, allow_patterns=[*WANTED]))
    if _is_whole(folder):
        return folder
    if constants.HF_HUB_OFFLINE:  # then what little the cache has is returned
        raise out_of_reach("model", name)
    raise NotFoundError(f"{name} has no {CONFIG_FILE} with safetensors on the Hub.", hint=CONVERT)


def _is_whole(folder: Path) -> bool:
    """Say whether a cached snapshot has the weights too: its tokenizer alone may have been fetched before."""
    from llm_playground.transformer.hf.checkpoint import INDEX_FILE, WEIGHTS_FILE, shard_names

    if not (folder / CONFIG_FILE).is_file():
        return False
    if (folder / INDEX_FILE).is_file():
        return all((folder / name).is_file() for name in shard_names(folder))
    return (folder / WEIGHTS_FILE).is_file()
