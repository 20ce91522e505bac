"""The stage ``data.tokenize``: documents and a tokenizer in, memory-mapped token shards out.

Folder: ``train.bin`` and ``val.bin`` (ids, documents joined by the end-of-text id), ``train.offsets.npy`` and
``val.offsets.npy`` (where each document begins), ``train.ids.json`` and ``val.ids.json`` (which document
it is), ``index.json`` (type, counts, bytes of text, fingerprints).
"""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from llm_playground.core.config import StageConfig
from llm_playground.core.errors import ConfigError, InputError, StopRequested
from llm_playground.core.files import write_json_atomic
from llm_playground.core.workspace import Artifact

if TYPE_CHECKING:
    from llm_playground.core.protocols import Context
    from llm_playground.tokenization import BPETokenizer

TITLE = "Tokens"
SPLITS = ("train", "val")
_LIMITS = {"uint16": 2**16, "uint32": 2**32}


class TokenizeConfig(StageConfig):
    """Encode a data set into token shards."""

    dataset: str = Field(min_length=1, description="Id of the data set.")
    tokenizer: str = Field(min_length=1, description="Id of the tokenizer.")
    validation_fraction: float = Field(0.02, gt=0, lt=0.5, description="Share of documents kept aside.")
    dtype: str = Field("auto", description="Type of an id: auto, uint16 or uint32.")
    name: str = Field("tokens", description="Name of the result.")


CONFIG = TokenizeConfig


def choose_dtype(vocab_size: int, asked: str = "auto") -> str:
    """Return the smallest type that holds every id.

    Raises:
        ConfigError: an unknown type, or a vocabulary beyond it.
    """
    if asked == "auto":
        return "uint16" if vocab_size <= _LIMITS["uint16"] else "uint32"
    if asked not in _LIMITS:
        raise ConfigError(f"dtype: {asked!r} is unknown.", hint="Use auto, uint16 or uint32.", field="dtype")
    if vocab_size > _LIMITS[asked]:
        raise ConfigError(
            f"dtype: a vocabulary of {vocab_size} does not fit into {asked}.",
            hint="Use uint32.",
            field="dtype",
        )
    return asked


def split_of(document_id: str, validation_fraction: float) -> str:
    """Say which split a document belongs to, from a hash of its id alone."""
    value = int.from_bytes(hashlib.sha256(document_id.encode()).digest()[:8], "big") / 2**64
    return "val" if value < validation_fraction else "train"


def write_shards(
    folder: Path,
    dataset: Path,
    tokenizer: BPETokenizer,
    validation_fraction: float,
    dtype: str,
    context: Context | None = None,
) -> dict[str, Any]:
    """Encode every document into the shards below ``folder``; return the index.

    Raises:
        InputError: the tokenizer has no end-of-text token, or one split would be empty.
    """
    import numpy

    from llm_playground.data.documents import count_documents, read_documents

    end = tokenizer.eos_id
    if end is None:
        raise InputError("The tokenizer has no <|endoftext|> token to part documents.", field="tokenizer")
    total = count_documents(dataset)
    lists: dict[str, dict[str, Any]] = {
        split: {"offsets": [0], "ids": [], "bytes": 0, "tokens": 0, "hash": hashlib.sha256()}
        for split in SPLITS
    }
    files = {split: (folder / f"{split}.bin").open("wb") for split in SPLITS}
    try:
        for number, document in enumerate(read_documents(dataset)):
            entry = lists[split_of(document.id, validation_fraction)]
            data = numpy.array([end, *tokenizer.encode_ordinary(document.text)], dtype=dtype).tobytes()
            files[split_of(document.id, validation_fraction)].write(data)
            entry["hash"].update(data)
            entry["tokens"] += len(data) // numpy.dtype(dtype).itemsize
            entry["offsets"].append(entry["tokens"])
            entry["ids"].append(document.id)
            entry["bytes"] += len(document.text.encode())
            if context is not None and number % 500 == 0:
                if context.should_stop():
                    raise StopRequested
                context.progress.update(number, total, unit="documents", message="encoding")
    finally:
        for file in files.values():
            file.close()
    for split in SPLITS:
        if not lists[split]["ids"]:
            raise InputError(
                f"The data set is too small: the {split} split got none of its {total} documents.",
                hint="Add documents, or change validation_fraction.",
                field="validation_fraction",
            )
        numpy.save(folder / f"{split}.offsets.npy", numpy.array(lists[split]["offsets"], dtype=numpy.int64))
        write_json_atomic(folder / f"{split}.ids.json", lists[split]["ids"])
    index = {
        "version": 1,
        "dtype": dtype,
        "vocab_size": tokenizer.vocab_size,
        "tokenizer_fingerprint": tokenizer.fingerprint,
        "splits": {
            split: {
                "tokens": entry["tokens"],
                "documents": len(entry["ids"]),
                "bytes": entry["bytes"],
                "sha256": entry["hash"].hexdigest(),
            }
            for split, entry in lists.items()
        },
    }
    text = repr((index["tokenizer_fingerprint"], [lists[split]["hash"].hexdigest() for split in SPLITS]))
    index["fingerprint"] = hashlib.sha256(text.encode()).hexdigest()
    write_json_atomic(folder / "index.json", index)
    return index


def run(config: TokenizeConfig, context: Context) -> Artifact:
    """Encode the data set and publish the shards, with the tokenizer beside them.

    Raises:
        NotFoundError: an id names nothing.
        ConfigError, InputError: the vocabulary does not fit the type, or the data set is too small.
    """
    from llm_playground.tokenization import load_tokenizer

    started = time.time()
    dataset = context.workspace.get(config.dataset, "dataset")
    source = context.workspace.get(config.tokenizer, "tokenizer")
    tokenizer = load_tokenizer(source.path)
    dtype = choose_dtype(tokenizer.vocab_size, config.dtype)
    with context.workspace.new_artifact(
        "tokens",
        name=config.name,
        parents=[dataset.id, source.id],
        config=config.model_dump(mode="json"),
        card=dict(dataset.card),
        run_id=context.run_id,
    ) as draft:
        index = write_shards(draft.path, dataset.path, tokenizer, config.validation_fraction, dtype, context)
        tokenizer.save(draft.path)
        train, val = index["splits"]["train"], index["splits"]["val"]
        draft.summary = {
            "train_tokens": train["tokens"],
            "val_tokens": val["tokens"],
            "documents": train["documents"] + val["documents"],
            "vocab_size": index["vocab_size"],
            "bytes_per_token": round(train["bytes"] / train["tokens"], 3),
            "dtype": dtype,
            "seconds": round(time.time() - started, 2),
        }
        context.set_summary(**draft.summary)
    assert draft.artifact is not None
    return draft.artifact
