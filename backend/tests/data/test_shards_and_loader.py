"""Token shards and their loader: every id where it belongs, every window once an epoch, at any world size."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_playground.core import ConfigError, InputError, NullContext, StorageError
from llm_playground.core.errors import StopRequested
from llm_playground.core.files import write_json_atomic
from llm_playground.data import TokenizeConfig, TokenLoader, epoch_order
from llm_playground.data.documents import Document, read_documents, write_documents
from llm_playground.data.loader import sample_at
from llm_playground.data.shards import choose_dtype, run, split_of, write_shards
from llm_playground.tokenization import BPETokenizer

END = "<|endoftext|>"
TOKENIZER = BPETokenizer.train(["some words of a text, some more words"], 290, special_tokens=[END])
TEXTS = st.lists(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30).filter(str.strip),
    min_size=2,
    max_size=12,
)


def shards(folder: Path, documents: list[Document], share: float = 0.3, tokenizer=TOKENIZER) -> dict:
    folder.mkdir(exist_ok=True)
    write_documents(folder, documents)
    return write_shards(folder, folder, tokenizer, share, "uint16")


def numbered(texts: list[str]) -> list[Document]:
    """Documents whose ids put the first two into different splits, then as they come."""
    val = next(f"v{n}" for n in range(1000) if split_of(f"v{n}", 0.3) == "val")
    train = next(f"t{n}" for n in range(1000) if split_of(f"t{n}", 0.3) == "train")
    names = [val, train, *(f"d{n}\n\u2028\\n" for n in range(len(texts)))]
    return [Document(name, text) for name, text in zip(names, texts, strict=False)]


@given(texts=TEXTS)
def test_a_shard_is_each_document_behind_an_end_of_text(texts: list[str], tmp_path_factory) -> None:
    folder, documents = tmp_path_factory.mktemp("shards"), numbered(texts)
    index = shards(folder, documents)
    for split in ("train", "val"):
        mine = [document for document in documents if split_of(document.id, 0.3) == split]
        encoded = [[TOKENIZER.eos_id, *TOKENIZER.encode_ordinary(document.text)] for document in mine]
        stream = numpy.fromfile(folder / f"{split}.bin", dtype=index["dtype"]).tolist()
        assert stream == sum(encoded, [])
        offsets = numpy.load(folder / f"{split}.offsets.npy").tolist()
        assert [stream[a:b] for a, b in zip(offsets, offsets[1:], strict=False)] == encoded
        assert index["splits"][split] | {"sha256": ""} == {
            "tokens": len(stream),
            "documents": len(mine),
            "bytes": sum(len(document.text.encode()) for document in mine),
            "sha256": "",
        }


def test_the_fingerprint_is_that_of_ids_and_tokenizer(tmp_path: Path) -> None:
    documents = numbered(["some words", "more words", "a text"] * 5)
    first = shards(tmp_path / "a", documents)["fingerprint"]
    assert shards(tmp_path / "b", documents)["fingerprint"] == first
    changed = [*documents[:-1], Document(documents[-1].id, "A text")]
    assert shards(tmp_path / "c", changed)["fingerprint"] != first
    assert shards(tmp_path / "d", documents[::-1])["fingerprint"] != first
    other = BPETokenizer.train(["quite another text"], 290, special_tokens=[END])
    assert shards(tmp_path / "e", documents, tokenizer=other)["fingerprint"] != first
    assert TokenLoader(tmp_path / "a", "train", 4).fingerprint == first


def test_the_smallest_type_is_chosen_and_a_vocabulary_beyond_it_refused() -> None:
    assert [choose_dtype(size) for size in (257, 2**16, 2**16 + 1)] == ["uint16", "uint16", "uint32"]
    assert choose_dtype(300, "uint32") == "uint32"
    with pytest.raises(ConfigError) as caught:
        choose_dtype(70_000, "uint16")
    assert str(caught.value) == "dtype: a vocabulary of 70000 does not fit into uint16. Use uint32."
    with pytest.raises(ConfigError, match=r"^dtype: 'int8' is unknown\. Use auto, uint16 or uint32\.$"):
        choose_dtype(300, "int8")


def test_the_largest_id_of_the_type_is_stored_whole(tmp_path: Path) -> None:
    last = 2**16 - 1
    fake = SimpleNamespace(
        eos_id=0, vocab_size=2**16, fingerprint="x", encode_array=lambda text: numpy.array([last, 1, last])
    )
    shards(tmp_path, numbered(["a", "b"]), tokenizer=fake)
    assert numpy.fromfile(tmp_path / "train.bin", dtype="uint16").tolist() == [0, last, 1, last]


def test_a_small_data_set_still_holds_one_document_out(tmp_path: Path) -> None:
    documents = [Document(f"d{n}", f"text {n}") for n in range(3)]
    places = {
        item.id: next(n for n in range(1000) if split_of(item.id, n / 1000) == "val") for item in documents
    }
    index = shards(tmp_path / "low", documents, share=1e-9)
    assert [index["splits"][split]["documents"] for split in ("train", "val")] == [2, 1]
    held = json.loads((tmp_path / "low" / "val.ids.json").read_text())
    assert held == [min(places, key=lambda name: places[name])]
    shards(tmp_path / "high", documents, share=1 - 1e-9)
    trained = json.loads((tmp_path / "high" / "train.ids.json").read_text())
    assert trained == [max(places, key=lambda name: places[name])]


def test_one_document_cannot_be_split(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        shards(tmp_path, [Document("d", "text")])
    assert str(caught.value) == (
        "The data set is too small: it has one document, and of two at least one is held out. "
        "Add documents, or prepare the text with split parts, or hold out its tail."
    )


def test_a_tokenizer_without_an_end_of_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^The tokenizer has no <\|endoftext\|> token to part documents\.$"):
        shards(tmp_path, numbered(["a", "b"]), tokenizer=BPETokenizer.train(["a"], 257))


def test_a_documents_split_depends_on_its_id_alone() -> None:
    ids = [f"story-{n}" for n in range(4000)]
    val = [name for name in ids if split_of(name, 0.1) == "val"]
    assert 320 < len(val) < 480
    assert set(val) <= {name for name in ids if split_of(name, 0.2) == "val"}


def test_the_stage_publishes_the_shards_with_their_tokenizer(road, tmp_path: Path) -> None:
    artifact = road.tokens
    assert artifact.parents == (road.dataset.id, road.tokenizer.id)
    assert BPETokenizer.load(artifact.path).fingerprint == BPETokenizer.load(road.tokenizer.path).fingerprint
    index = json.loads((artifact.path / "index.json").read_text())
    assert index["tokenizer_fingerprint"] == BPETokenizer.load(artifact.path).fingerprint
    assert artifact.summary["documents"] == road.dataset.summary["documents"]
    assert artifact.summary["dtype"] == "uint16"
    (tmp_path / "run").mkdir()
    context = NullContext(tmp_path / "run", road.workspace)
    context.stop = True
    before = len(road.workspace.list())
    with pytest.raises(StopRequested):
        run(TokenizeConfig(dataset=road.dataset.id, tokenizer=road.tokenizer.id), context)
    assert len(road.workspace.list()) == before


# The loader, over a stream that counts: token n is n, so that every window says where it lies.


@pytest.fixture(scope="module")
def counting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("counting")
    stream = numpy.arange(1000, dtype="uint16")
    entry = {"tokens": 1000, "documents": 100, "bytes": 2500, "sha256": ""}
    for split in ("train", "val"):
        stream.tofile(folder / f"{split}.bin")
        numpy.save(folder / f"{split}.offsets.npy", numpy.arange(0, 1001, 10, dtype=numpy.int64))
        write_json_atomic(folder / f"{split}.ids.json", [f"doc {n}" for n in range(100)])
    splits = {"train": entry, "val": entry}
    write_json_atomic(folder / "index.json", {"dtype": "uint16", "fingerprint": "f", "splits": splits})
    return folder


@given(count=st.integers(1, 300), seed=st.integers(0, 2**62), epoch=st.integers(0, 10))
def test_every_epoch_is_a_permutation(count: int, seed: int, epoch: int) -> None:
    order = epoch_order(count, seed, epoch)
    assert sorted(order) == list(range(count))
    seen = [sample_at(epoch * count + place, count, seed) for place in range(count)]
    assert seen == [(epoch, index) for index in order]
    with pytest.raises(ValueError, match="read-only"):
        order[0] = 1


def test_epochs_and_seeds_differ() -> None:
    orders = {tuple(epoch_order(50, seed, epoch)) for seed in range(3) for epoch in range(3)}
    assert len(orders) == 9


@given(length=st.integers(1, 400), seed=st.integers(0, 2**62), epoch=st.integers(0, 3))
def test_an_epoch_reads_windows_that_do_not_overlap(
    length: int, seed: int, epoch: int, counting: Path
) -> None:
    loader = TokenLoader(counting, "train", length, seed)
    count = loader.samples_per_epoch
    inputs, targets = loader.batch(epoch * count, count)
    assert inputs.shape == targets.shape == (count, length)
    assert (targets == inputs + 1).all(), "a target is the token after its input"
    ids = inputs.reshape(-1)
    assert len(set(ids.tolist())) == len(ids)
    assert ids.max() - ids.min() == len(ids) - 1, "no gap between windows"
    assert 1000 - len(ids) <= 2 * length


@given(
    cursor=st.integers(0, 500),
    ranks=st.integers(1, 8),
    rows=st.integers(1, 6),
    shuffle=st.booleans(),
)
def test_the_cursor_means_the_same_at_any_world_size(
    cursor: int, ranks: int, rows: int, shuffle: bool, counting: Path
) -> None:
    loader = TokenLoader(counting, "train", 16, 3, shuffle=shuffle)
    whole, _ = loader.batch(cursor, ranks * rows)
    parts = [loader.batch(cursor + rank * rows, rows)[0] for rank in range(ranks)]
    assert (numpy.concatenate(parts) == whole).all()
    again = TokenLoader(counting, "train", 16, 3, shuffle=shuffle)
    assert (again.batch(cursor, ranks * rows)[0] == whole).all()


def test_validation_is_in_order_and_without_shift(counting: Path) -> None:
    loader = TokenLoader(counting, "val", 100, shuffle=False)
    assert loader.samples_per_epoch == 9
    inputs, targets = loader.batch(0, 9)
    assert inputs.reshape(-1).tolist() == list(range(900)) and targets[-1, -1] == 900
    assert (loader.batch(9, 1)[0] == inputs[:1]).all()
    assert loader.bytes_per_token == 2.5


def test_too_long_a_context_is_refused(counting: Path) -> None:
    assert TokenLoader(counting, "train", 499).samples_per_epoch == 1
    with pytest.raises(InputError) as caught:
        TokenLoader(counting, "train", 500)
    assert str(caught.value) == (
        "The train split has 1000 tokens, too few for a context of 500. Use more text or a shorter context."
    )
    assert caught.value.field == "context_length"
    assert TokenLoader(counting, "val", 999, shuffle=False).samples_per_epoch == 1
    with pytest.raises(InputError):
        TokenLoader(counting, "val", 1000, shuffle=False)


def test_a_flipped_byte_and_a_cut_shard_are_noticed(road, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(road.tokens.path, folder)
    loader = TokenLoader(folder, "train", 16)
    loader.verify()
    data = bytearray((folder / "train.bin").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "train.bin").write_bytes(data)
    with pytest.raises(StorageError) as caught:
        TokenLoader(folder, "train", 16).verify()
    assert str(caught.value) == f"The shard {folder / 'train.bin'} was changed after it was written."
    (folder / "train.bin").write_bytes(data[:-2])
    with pytest.raises(StorageError, match="does not have the size that its index.json tells"):
        TokenLoader(folder, "train", 16)
    (folder / "index.json").unlink()
    with pytest.raises(StorageError, match="index.json is missing"):
        TokenLoader(folder, "train", 16)


def test_documents_are_read_in_order(road) -> None:
    first = next(read_documents(road.dataset.path))
    assert first.id == "story-0000000" and first.source == "tinyworld"


def test_the_tail_of_a_text_can_be_held_out(tmp_path: Path) -> None:
    documents = [Document("a", "some words"), Document("b", "of a text, älso"), Document("c", "more")]
    text = "".join(document.text for document in documents)
    for fraction in (0.1, 0.3, 0.4999):
        folder = tmp_path / str(fraction)
        folder.mkdir()
        write_documents(folder, documents)
        index = write_shards(folder, folder, TOKENIZER, fraction, "uint16", validation="tail")
        read = {}
        for split in ("train", "val"):
            stream = numpy.fromfile(folder / f"{split}.bin", dtype=index["dtype"]).tolist()
            read[split] = TOKENIZER.decode([token for token in stream if token != TOKENIZER.eos_id])
            assert index["splits"][split]["bytes"] == len(read[split].encode())
        assert read["train"] + read["val"] == text
        assert len(read["train"]) == int(len(text) * (1 - fraction))
    ids = [json.loads((tmp_path / "0.3" / f"{split}.ids.json").read_text()) for split in ("train", "val")]
    assert ids == [["a", "b"], ["b", "c"]]  # the border goes through b
