"""The stage ``data.tokenize``: documents and a tokenizer in, memory-mapped token shards out.

Folder: ``train.bin`` and ``val.bin`` (ids, documents joined by the end-of-text id), ``train.offsets.npy`` and
``val.offsets.npy`` (where each document begins), ``train.ids.json`` and ``val.ids.json`` (which document
it is), ``index.json`` (type, counts, bytes of text, fingerprints).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

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
    validation_fraction: float = Field(
        0.02, gt=0, lt=0.5, description="Share of documents kept aside; one document at least."
    )
    validation: Literal["documents", "tail"] = Field(
        "documents", description="What is kept aside: documents by chance, or the end of the text."
    )
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
    return "val" if _place(document_id) < validation_fraction else "train"


def _place(document_id: str) -> float:
    """Return a number in [0, 1) from a hash of the id."""
    return int.from_bytes(hashlib.sha256(document_id.encode()).digest()[:8], "big") / 2**64


def find_odd_one(document_ids: Iterable[str], validation_fraction: float) -> tuple[str | None, str]:
    """Return (id, split) of the document that leaves its split because the other would have none.

    A small data set may have no document below the fraction: the lowest of at least two is held out then. If
    all are below it, the highest is trained on. The id is None where both splits have documents anyway.
    """
    low, high = (2.0, ""), (-1.0, "")
    for document_id in document_ids:
        place = (_place(document_id), document_id)
        low, high = min(low, place), max(high, place)
    if low[1] == high[1] or low[0] < validation_fraction <= high[0]:
        return None, ""
    return (low[1], "val") if low[0] >= validation_fraction else (high[1], "train")


def _by_documents(dataset: Path, fraction: float) -> Iterator[tuple[str, str, str]]:
    """Yield (split, document's id, text), whole documents."""
    from llm_playground.data.documents import document_ids, read_documents

    odd, its_split = find_odd_one(document_ids(dataset), fraction)
    for document in read_documents(dataset):
        split = its_split if document.id == odd else split_of(document.id, fraction)
        yield split, document.id, document.text


def _by_tail(dataset: Path, fraction: float) -> Iterator[tuple[str, str, str]]:
    """Yield (split, document's id, text): the last ``fraction`` of all characters is for validation."""
    from llm_playground.data.documents import read_documents

    left = int(sum(len(document.text) for document in read_documents(dataset)) * (1 - fraction))
    for document in read_documents(dataset):
        for split, text in (("train", document.text[:left]), ("val", document.text[left:])):
            if text:
                yield split, document.id, text
        left = max(0, left - len(document.text))


def write_shards(
    folder: Path,
    dataset: Path,
    tokenizer: BPETokenizer,
    validation_fraction: float,
    dtype: str,
    context: Context | None = None,
    validation: str = "documents",
) -> dict[str, Any]:
    """Encode every document into the shards below ``folder``; return the index.

    Args:
        validation: ``documents``: kept aside by a hash of their ids; ``tail``: the last share of all
            characters, for which the document at the border is divided.

    Raises:
        InputError: the tokenizer has no end-of-text token, or there is only one document.
    """
    import numpy

    from llm_playground.data.documents import count_documents

    end = tokenizer.eos_id
    if end is None:
        raise InputError("The tokenizer has no <|endoftext|> token to part documents.", field="tokenizer")
    first, total = numpy.array([end], dtype=dtype).tobytes(), count_documents(dataset)
    parts = _by_tail if validation == "tail" else _by_documents
    lists: dict[str, dict[str, Any]] = {
        split: {"offsets": [0], "ids": [], "bytes": 0, "tokens": 0, "hash": hashlib.sha256()}
        for split in SPLITS
    }
    files = {split: (folder / f"{split}.bin").open("wb") for split in SPLITS}
    try:
        for number, (split, document_id, text) in enumerate(parts(dataset, validation_fraction)):
            entry = lists[split]
            data = first + tokenizer.encode_array(text).astype(dtype).tobytes()
            files[split].write(data)
            entry["hash"].update(data)
            entry["tokens"] += len(data) // numpy.dtype(dtype).itemsize
            entry["offsets"].append(entry["tokens"])
            entry["ids"].append(document_id)
            entry["bytes"] += len(text.encode())
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
                "The data set is too small: it has one document, and of two at least one is held out.",
                hint="Add documents, or prepare the text with split parts, or hold out its tail.",
                field="dataset",
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
    whole = repr((index["tokenizer_fingerprint"], [lists[split]["hash"].hexdigest() for split in SPLITS]))
    index["fingerprint"] = hashlib.sha256(whole.encode()).hexdigest()
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
        index = write_shards(
            draft.path,
            dataset.path,
            tokenizer,
            config.validation_fraction,
            dtype,
            context,
            config.validation,
        )
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
