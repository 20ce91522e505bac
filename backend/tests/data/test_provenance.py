"""From a sample back to its documents: exactly those tokens, without gaps, in the shuffled order too."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_playground.core import StorageError
from llm_playground.data import Provenance, TokenLoader
from llm_playground.data.documents import Document, read_documents, write_documents
from llm_playground.data.shards import split_of, write_shards
from llm_playground.tokenization import BPETokenizer, load_tokenizer

END = "<|endoftext|>"


@given(cursor=st.integers(0, 400), length=st.integers(1, 90), shuffle=st.booleans())
def test_the_passages_of_a_sample_are_the_documents_tokens(road, cursor: int, length: int, shuffle: bool):
    loader = TokenLoader(road.tokens.path, "train", length, 1, shuffle=shuffle)
    tokenizer = load_tokenizer(road.tokens.path)
    texts = {document.id: document.text for document in read_documents(road.dataset.path)}
    sample = Provenance(loader).sample(cursor)
    inputs, targets = loader.batch(cursor, 1)
    assert sample.ids == (*inputs[0].tolist(), int(targets[0, -1]))
    assert sample.epoch == cursor // loader.samples_per_epoch and sample.start == loader.start_of(cursor)
    ends = [0, *(passage.end for passage in sample.passages)]
    assert [passage.start for passage in sample.passages] == ends[:-1] and ends[-1] == length + 1
    for passage in sample.passages:  # the document, encoded here once more, has these very tokens there
        whole = [tokenizer.eos_id, *tokenizer.encode_ordinary(texts[passage.document])]
        assert passage.length == len(whole)
        after = passage.offset + passage.end - passage.start
        assert list(sample.ids[passage.start : passage.end]) == whole[passage.offset : after]


def test_documents_keep_their_names_whatever_is_in_them(tmp_path: Path) -> None:
    val = next(f"v{n}" for n in range(1000) if split_of(f"v{n}", 0.3) == "val")
    names = [val, *(f"d{n}\n\u2028\\n" for n in range(11))]
    write_documents(tmp_path, [Document(name, "some words of a text") for name in names])
    tokenizer = BPETokenizer.train(["some words of a text"], 270, special_tokens=[END])
    write_shards(tmp_path, tmp_path, tokenizer, 0.3, "uint16")
    provenance = Provenance(TokenLoader(tmp_path, "train", 8, shuffle=False))
    found = {p.document for cursor in range(4) for p in provenance.sample(cursor).passages}
    assert found <= set(names) and any("\u2028" in name for name in found)


def test_lists_that_are_not_of_these_tokens_are_refused(road, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(road.tokens.path, folder)
    loader = TokenLoader(folder, "train", 16)
    names = json.loads((folder / "train.ids.json").read_text())
    (folder / "train.ids.json").write_text(json.dumps(names[:-1]))
    with pytest.raises(StorageError, match=r"^The documents listed in .* are not those of its tokens\.$"):
        Provenance(loader)
    (folder / "train.ids.json").write_text(json.dumps(names))
    offsets = numpy.load(folder / "train.offsets.npy")
    numpy.save(folder / "train.offsets.npy", offsets - 1)
    with pytest.raises(StorageError, match="are not those of its tokens"):
        Provenance(loader)
    (folder / "train.offsets.npy").unlink()
    with pytest.raises(StorageError, match=r"train\.offsets\.npy is missing"):
        Provenance(loader)
