"""Reading a model's folder: every tensor goes from the file straight into its place."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor

from llm_playground.core.errors import InputError, StorageError
from llm_playground.core.files import read_json
from llm_playground.transformer.config import OWN_MODEL_TYPE, ModelConfig
from llm_playground.transformer.hf.checkpoint import (
    FLOATS,
    TensorInfo,
    open_weights,
    read_headers,
    shard_names,
    summarize,
)
from llm_playground.transformer.hf.config_file import CONFIG_FILE
from llm_playground.transformer.hf.families import FAMILIES, stored_tensors
from llm_playground.transformer.hf.generation_file import read_generation
from llm_playground.transformer.hf.hub import find_folder
from llm_playground.transformer.hf.matching import Match, match_tensors

if TYPE_CHECKING:
    from llm_playground.transformer.base import LanguageModel

Model = TypeVar("Model", bound="LanguageModel")
Progress = Callable[[int, int], None]  # (bytes read, bytes in all)


@dataclass(frozen=True)
class ModelFolder:
    """A folder whose configuration and tensors fit each other.

    Attributes:
        path: the folder.
        config: its shape; the embeddings are untied where the stored head is another matrix.
        model_type: the word in its ``config.json``.
        matches: the stored tensors and where they belong.
        generation: its generation defaults, with the ids that end a reply.
        parameters: number of parameters, a tied head once.
    """

    path: Path
    config: ModelConfig
    model_type: str
    matches: tuple[Match, ...]
    generation: Mapping[str, Any]
    parameters: int

    @property
    def files(self) -> list[str]:
        """The names of the files with weights that are read."""
        return sorted({match.info.file for match in self.matches})

    @property
    def shards(self) -> list[str]:
        """The names of all its files with weights."""
        return shard_names(self.path)

    @property
    def size_bytes(self) -> int:
        """Bytes of the tensors that are read."""
        return sum(match.size_bytes for match in self.matches)


def check_folder(source: str | Path) -> ModelFolder:
    """Read a folder's configuration and the headers of its weights, and check that they fit.

    Nothing but headers is read, except where a tied head is stored too: it is compared with the embedding,
    and if it differs the model is untied, as ``transformers`` does.

    Args:
        source: a folder, ``hub:ORG/NAME`` or ``ORG/NAME``.

    Raises:
        InputError: no model is there, or it is a pickle.
        ConfigError: its configuration is not supported (the setting is named).
        StorageError: a file is damaged, or tensors are missing, left over or misshapen (all are listed).
    """
    folder = find_folder(source)
    raw = read_raw_config(folder)
    config = ModelConfig.from_hf(raw)
    kind = str(raw["model_type"])
    headers = read_headers(folder)
    if config.tied_embeddings and kind != OWN_MODEL_TYPE and _head_differs(folder, headers, config, kind):
        config = config.model_copy(update={"tied_embeddings": False})
    expected = build_empty(config).state_dict()
    stored = stored_tensors(config, list(expected), kind)
    matches = match_tensors(stored, expected, headers, FAMILIES.get(kind), config)
    count = sum(value.numel() for value in expected.values())
    return ModelFolder(folder, config, kind, tuple(matches), read_generation(folder, raw), count)


def read_raw_config(folder: Path) -> dict[str, Any]:
    """Return the ``config.json`` of a folder.

    Raises:
        InputError: there is none.
        StorageError: it is damaged.
    """
    if not (folder / CONFIG_FILE).is_file():
        raise InputError(f"{folder} is not a model folder: it has no {CONFIG_FILE}.")
    raw = read_json(folder / CONFIG_FILE)
    if not isinstance(raw, dict):
        raise StorageError(f"{folder / CONFIG_FILE} is damaged: it must hold a mapping.")
    return raw


def build_empty(config: ModelConfig) -> LanguageModel:
    """Return the model of a configuration on the meta device: shapes without memory."""
    with torch.device("meta"):
        return model_class(config)(config)


def model_class(config: ModelConfig) -> type[LanguageModel]:
    """Return the class that a configuration's architecture asks for."""
    if config.architecture == "encoder-decoder":
        from llm_playground.transformer.encoder_decoder import EncoderDecoderLM

        return EncoderDecoderLM
    from llm_playground.transformer.model import TransformerLM

    return TransformerLM


def load_model(
    cls: type[Model],
    source: str | Path,
    *,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
    progress: Progress | None = None,
) -> Model:
    """Build a model of the folder's shape and fill it from its safetensors.

    The only memory spent is the model itself: each tensor is mapped from its file and copied, converted on
    the way, into the part of the parameter that it fills.

    Args:
        cls: the class to build.
        source: a folder, ``hub:ORG/NAME`` or ``ORG/NAME``.
        device: where the weights go.
        dtype: type of the weights in memory, whatever the stored one.
        progress: told (bytes read, bytes in all) after each tensor.

    Raises:
        InputError, ConfigError, StorageError: as :func:`check_folder`; also for weights that are NaN or
            infinite (named), and for an architecture that is another class's.
    """
    folder = check_folder(source)
    needed = model_class(folder.config)
    if not issubclass(cls, needed):
        raise InputError(
            f"{folder.path} holds an {folder.config.architecture} model.",
            hint=f"Load it by {needed.__name__}.from_pretrained.",
        )
    with torch.device("meta"):
        model = cls(folder.config).to(dtype)
    model.to_empty(device=device)
    fill(folder, model.state_dict(), progress)
    model.generation_defaults = folder.generation
    return model.eval()


def fill(folder: ModelFolder, state: Mapping[str, Tensor], progress: Progress | None = None) -> None:
    """Copy the stored tensors into the parameters of a state dict.

    Raises:
        StorageError: a file is damaged, or weights are NaN or infinite (all such tensors are named).
    """
    bad: list[str] = []
    done, total = 0, folder.size_bytes
    with torch.no_grad():
        for match, tensor in read_tensors(folder):
            place = match.stored.view(state[match.stored.ours])
            greatest = greatest_size(tensor)
            if not math.isfinite(greatest):
                bad.append(match.name)
            elif greatest > torch.finfo(place.dtype).max:
                bad.append(f"{match.name} (too great for {place.dtype})")
            place.copy_(tensor.view(place.shape))
            done += match.size_bytes
            if progress is not None:
                progress(done, total)
    refuse_unusable(bad)


def check_values(folder: ModelFolder, progress: Progress | None = None) -> None:
    """Read all weights once and check that each is a number.

    Raises:
        StorageError: as :func:`fill`.
    """
    bad: list[str] = []
    done, total = 0, folder.size_bytes
    for match, tensor in read_tensors(folder):
        if not math.isfinite(greatest_size(tensor)):
            bad.append(match.name)
        done += match.size_bytes
        if progress is not None:
            progress(done, total)
    refuse_unusable(bad)


def refuse_unusable(names: list[str]) -> None:
    """Raise the error of weights that are not numbers, if there are any."""
    if names:
        raise StorageError(
            f"Weights are NaN or infinite: {summarize(names)}.",
            hint="The training that made them went wrong, or the file is damaged.",
        )


def read_tensors(folder: ModelFolder) -> Iterator[tuple[Match, Tensor]]:
    """Yield each stored tensor, mapped from its file, file by file.

    Raises:
        StorageError: a file is damaged.
    """
    from safetensors import SafetensorError

    for file in folder.files:
        with open_weights(folder.path / file) as handle:
            for match in folder.matches:
                if match.info.file == file:
                    try:
                        yield match, handle.get_tensor(match.name)
                    except (SafetensorError, OSError) as error:
                        raise StorageError(f"{folder.path / file} is damaged: {error}.") from None


def greatest_size(tensor: Tensor) -> float:
    """Return the greatest absolute value, NaN if any number is; no second tensor is made for it."""
    if not tensor.numel():
        return 0.0
    low, high = (float(bound) for bound in torch.aminmax(tensor))
    return math.nan if math.isnan(low) else max(-low, high)


def _head_differs(folder: Path, headers: Mapping[str, TensorInfo], config: ModelConfig, kind: str) -> bool:
    """Say whether a head is stored beside the embedding that it should be tied to, and is another matrix."""
    names = FAMILIES[kind].names
    embedding = names.stored(["embedding.weight"], config)[0].name
    found = [
        next((name for name in options if name in headers), None)
        for options in ((names.head, *names.head_aliases), (embedding, embedding.removeprefix(names.prefix)))
    ]
    if None in found or found[0] == found[1]:
        return False
    head, table = (str(name) for name in found)
    if headers[head].shape != headers[table].shape:
        return headers[head].shape == (config.vocab_size, config.width)
    if headers[head].kind not in FLOATS or headers[table].kind not in FLOATS:
        return False
    with (
        open_weights(folder / headers[head].file) as one,
        open_weights(folder / headers[table].file) as other,
    ):
        return not torch.equal(one.get_tensor(head), other.get_tensor(table))
