"""Finding a checkpoint's tensors for a model: missing, left-over and misshapen ones are listed together."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llm_playground.core.errors import StorageError
from llm_playground.transformer.hf.checkpoint import FLOATS, TensorInfo, summarize
from llm_playground.transformer.hf.family import Family
from llm_playground.transformer.hf.names import Stored

if TYPE_CHECKING:
    from torch import Tensor

    from llm_playground.transformer.config import ModelConfig


@dataclass(frozen=True)
class Match:
    """A stored tensor and its place.

    Attributes:
        name: its name in the file.
        info: what the file's header says of it.
        stored: where it belongs.
    """

    name: str
    info: TensorInfo
    stored: Stored

    @property
    def size_bytes(self) -> int:
        """Its bytes in the file."""
        return FLOATS[self.info.kind] * math.prod(self.info.shape)


def match_tensors(
    stored: Sequence[Stored],
    ours: Mapping[str, Tensor],
    headers: Mapping[str, TensorInfo],
    family: Family | None,
    config: ModelConfig,
) -> list[Match]:
    """Find every tensor that a model needs.

    Args:
        stored: what a checkpoint of this configuration holds.
        ours: our parameters, for their shapes.
        headers: what the files hold.
        family: whose checkpoint it is, None for our own type.
        config: the model's shape.

    Raises:
        StorageError: tensors are missing, have no place, or have another shape or type; all are listed.
    """
    prefix = family.names.prefix if family is not None else ""
    bare = bool(prefix) and not any(name.startswith(prefix) for name in headers)
    today = {_today(name, family): name for name in headers}
    matches, missing, misshapen, kinds = [], [], [], []
    used: set[str] = set()
    for item in stored:
        options = [*item.aliases, item.name]
        if item.ours == "embedding.weight" and family is not None and config.tied_embeddings:
            options += [family.names.head, *family.names.head_aliases]  # tied either way round
        if bare:
            options = [option.removeprefix(prefix) for option in options]
        name = next((today[option] for option in options if option in today), None)
        if name is None:
            missing.append(item.name)
            continue
        used.add(name)
        info, shape = headers[name], item.shape(ours[item.ours])
        if info.shape != shape:
            misshapen.append(f"{name} is {list(info.shape)}, not {list(shape)}")
        elif info.kind not in FLOATS:
            kinds.append(f"{name} is {info.kind}")
        else:
            matches.append(Match(name, info, item))
    extra = [name for name in headers if name not in used and not _is_harmless(name, family, config)]
    problems = [
        f"{len(names)} {words}: {listed}"
        for names, words, listed in (
            (missing, "missing", summarize(missing)),
            (extra, "without a place", summarize(extra)),
            (misshapen, "of another shape than config.json says", "; ".join(misshapen)),
            (kinds, f"of a type that is not read ({', '.join(FLOATS)} are)", "; ".join(kinds)),
        )
        if names
    ]
    if problems:
        raise StorageError(
            f"The weights do not fit config.json: {'; '.join(problems)}.",
            hint="Do both files belong to the same model, and was it copied whole?",
        )
    return matches


def _today(name: str, family: Family | None) -> str:
    for old, new in ((family.names.renamed if family is not None else None) or {}).items():
        name = name.replace(old, new)
    return name


def _is_harmless(name: str, family: Family | None, config: ModelConfig) -> bool:
    if family is None:
        return False
    names = family.names
    if config.tied_embeddings and name in (names.head, *names.head_aliases):
        return True  # the embedding once more: it was compared
    return any(re.fullmatch(rf"(.*\.)?{pattern}", name) for pattern in names.harmless)
