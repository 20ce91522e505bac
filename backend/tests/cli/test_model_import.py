"""``llmp model import``: a folder comes in whole, speaks, and whatever is wrong leaves nothing behind."""

from __future__ import annotations

import errno
import json
from collections import namedtuple
from pathlib import Path

import pytest
import torch
import transformers
from tokenizers import Tokenizer, models, normalizers, processors
from tokenizers import decoders as decode

from llm_playground.cli.main import main
from llm_playground.core.workspace import Artifact, Workspace
from llm_playground.generation import SamplingParams
from llm_playground.playground import ModelCache, TokenizerCache, prepare_reply
from llm_playground.tokenization import BPETokenizer, encode_chat
from llm_playground.transformer import TransformerLM

transformers.utils.logging.disable_progress_bar()
Capture = pytest.CaptureFixture[str]
TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}[{{ m['role'] }}] {{ m['content'] | trim }}{{ eos_token }}"
    "{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}"
)
TEXTS = ["The cat sat on the mat. [user] Where is the cat? [assistant] On the mat. [system]"] * 2


def make_model(folder: Path, vocab_size: int = 320, **settings: object) -> Path:
    """A tiny Llama made by transformers, without a tokenizer."""
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=vocab_size,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=128,
        **{"bos_token_id": 301, "eos_token_id": 300, **settings},
    )
    transformers.LlamaForCausalLM(config).save_pretrained(folder, max_shard_size="40KB")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model with a byte-level tokenizer, a chat template, shards and two ids that end a reply."""
    folder = make_model(tmp_path / "tiny-chat-llama")
    special = {"</s>": 300, "<s>": 301, "<end>": 302}
    learned = BPETokenizer.train(TEXTS, 300)
    tokens = {token: learned.token_bytes(token) for token in range(learned.vocab_size)}
    tokenizer = BPETokenizer(
        tokens,
        learned.merges,
        special,
        chat_template=TEMPLATE,
        roles={"bos": "<s>", "eos": "</s>", "pad": "</s>"},
    )
    tokenizer.save(folder)
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [300, 302]}))
    (folder / "README.md").write_text("about")
    (folder / "LICENSE").write_text("free")
    return folder


def imported(capsys: Capture, workspace: Workspace, *words: str) -> tuple[Artifact, str]:
    assert main(["model", "import", *words]) == 0, capsys.readouterr()
    out, err = capsys.readouterr()
    return workspace.get(out.strip(), "model"), err


def refused(capsys: Capture, workspace: Workspace, *words: str, code: int = 2) -> str:
    assert main(["model", "import", *words]) == code
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1, err
    assert list(workspace.folder("model").iterdir()) == []  # nothing half made either
    return err


def test_a_folder_comes_in_as_it_is(capsys: Capture, workspace: Workspace, folder: Path) -> None:
    model, notes = imported(capsys, workspace, str(folder))
    assert notes == ""
    assert (model.name, model.parents, model.run_id) == ("tiny-chat-llama", (), None)
    assert model.card["about"] == "Imported from tiny-chat-llama."
    parameters = transformers.AutoModelForCausalLM.from_pretrained(folder).num_parameters()
    assert model.summary == {
        "parameters": parameters,
        "vocab_size": 320,
        "context_length": 128,
        "chat": True,
        "stage": "import",
        "family": "llama",
    }
    shards = [path.name for path in folder.glob("*.safetensors")]
    assert len(shards) > 1 and set(shards) < set(model.files)
    assert set(model.files) == {path.name for path in folder.iterdir()} - {"README.md"}
    for name in model.files:
        assert (model.path / name).read_bytes() == (folder / name).read_bytes()
    model.verify()
    ids = torch.arange(20)[None]
    with torch.no_grad():
        expected = transformers.AutoModelForCausalLM.from_pretrained(folder)(ids).logits
        assert (TransformerLM.from_pretrained(model.path)(ids) - expected).abs().max() < 1e-4
    assert model.id in [info.id for info in TokenizerCache(workspace).list()]


def test_it_speaks(capsys: Capture, workspace: Workspace, folder: Path) -> None:
    model, _ = imported(capsys, workspace, str(folder), "--name", "My Llama")
    assert model.name == "My Llama" and model.id.startswith("my-llama-")
    words = ["--temperature", "0", "--max-tokens", "5"]
    assert main(["generate", "The cat", "--model", model.id, *words]) == 0
    said = capsys.readouterr().out
    theirs = transformers.AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = BPETokenizer.load(folder)
    ids = torch.tensor([[301, *tokenizer.encode("The cat")]])
    found = theirs.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=5, do_sample=False)
    assert (
        said == tokenizer.decode([token for token in found[0, 1:].tolist() if token not in (300, 302)]) + "\n"
    )
    assert main(["chat", model.id, "--message", "Where is the cat?", *words]) == 0
    capsys.readouterr()
    loaded = ModelCache(workspace).get(model.id)
    assert loaded.is_chat and loaded.end_ids == (300, 302) and loaded.start_ids == [301]
    reply = prepare_reply(loaded, [{"role": "user", "content": " Where?\n"}], SamplingParams(max_tokens=4))
    expected = transformers.AutoTokenizer.from_pretrained(folder).apply_chat_template(
        [{"role": "user", "content": " Where?\n"}], add_generation_prompt=True, return_dict=True
    )
    assert reply.prompt_ids == list(expected["input_ids"]) and reply.prompt_ids[0] == 301
    assert reply.params.stop_ids == (300, 302)


def sentencepiece(folder: Path) -> None:
    """Write a character BPE as Llama 2 has it: a space put first, special tokens by name."""
    words = ["▁", "c", "a", "t", "s", "o", "n", "?", "[", "]", "u", "e", "r", "i", "▁c", "at", "▁cat"]
    vocab = {"<unk>": 0, "<s>": 1, "</s>": 2}
    vocab |= {f"<0x{byte:02X}>": 3 + byte for byte in range(256)}
    vocab |= {word: 259 + number for number, word in enumerate(words)}
    merges = [("▁", "c"), ("a", "t"), ("▁c", "at")]
    tokenizer = Tokenizer(models.BPE(vocab, merges, byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decode.Sequence(
        [decode.Replace("▁", " "), decode.ByteFallback(), decode.Fuse(), decode.Strip(" ", 1, 0)]
    )
    tokenizer.add_special_tokens(["<unk>", "<s>", "</s>"])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "chat_template": TEMPLATE}
    settings["tokenizer_class"] = "PreTrainedTokenizerFast"
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def test_a_sentencepiece_model_speaks_as_transformers_has_it(
    capsys: Capture, workspace: Workspace, tmp_path: Path
) -> None:
    folder = make_model(tmp_path / "two", 280, bos_token_id=1, eos_token_id=2)
    sentencepiece(folder)
    model, _ = imported(capsys, workspace, str(folder))
    loaded = ModelCache(workspace).get(model.id)
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    for chat in (
        [{"role": "user", "content": "cats on cat"}],
        [
            {"role": "user", "content": "  cat"},
            {"role": "assistant", "content": "on cats"},
            {"role": "user", "content": "cat?"},
        ],
    ):
        expected = theirs.apply_chat_template(chat, add_generation_prompt=True, return_dict=True)
        assert encode_chat(loaded.tokenizer, chat, True).ids == list(expected["input_ids"])
        assert main(["chat", model.id, "--message", "cat", "--max-tokens", "3"]) == 0
    typed = encode_chat(loaded.tokenizer, [{"role": "user", "content": "a</s>b"}], True).ids
    assert typed.count(2) == 1  # the template's own


def test_without_a_tokenizer_it_comes_in_with_a_note(
    capsys: Capture, workspace: Workspace, tmp_path: Path, folder: Path
) -> None:
    bare = make_model(tmp_path / "bare")
    model, note = imported(capsys, workspace, str(bare))
    assert note == "It came without a tokenizer, so it cannot read or write text.\n"
    assert model.summary["chat"] is False and "without a tokenizer" in model.card["about"]
    assert main(["generate", "x", "--model", model.id]) == 2
    assert "has no tokenizer" in capsys.readouterr().err
    model, note = imported(capsys, workspace, str(bare), "--tokenizer", str(folder))
    assert note == "" and model.summary["chat"] is True
    assert main(["generate", "x", "--model", model.id, "--max-tokens", "2"]) == 0


def test_a_tokenizer_of_another_model_is_refused(
    capsys: Capture, workspace: Workspace, tmp_path: Path
) -> None:
    bare = make_model(tmp_path / "bare")
    sentence = refused(capsys, workspace, str(bare), "--tokenizer", "prose")
    assert "only 320: they do not belong together." in sentence


def test_special_tokens_beyond_the_model_are_noted(
    capsys: Capture, workspace: Workspace, folder: Path
) -> None:
    file = folder / "tokenizer.json"
    data = json.loads(file.read_text())
    data["added_tokens"].append({**data["added_tokens"][0], "id": 320, "content": "<image>"})
    file.write_text(json.dumps(data))
    for number in range(303, 320):  # no gap: the library counts up
        data["added_tokens"].insert(-1, {**data["added_tokens"][0], "id": number, "content": f"<{number}>"})
    file.write_text(json.dumps(data))
    _, note = imported(capsys, workspace, str(folder))
    assert note == "It does not know the special tokens <image>.\n"


def test_ids_that_the_tokenizer_lacks_have_no_text(
    capsys: Capture, workspace: Workspace, folder: Path
) -> None:
    model, _ = imported(capsys, workspace, str(folder))  # 320 ids, of which the tokenizer knows 303
    for seed in ("1", "2", "3"):
        words = ["--temperature", "5", "--max-tokens", "60", "--seed", seed]
        assert main(["generate", "The cat", "--model", model.id, *words]) == 0


def test_a_model_of_the_hub_comes_from_its_cache(
    capsys: Capture, workspace: Workspace, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    assert "cannot be reached" in refused(capsys, workspace, "hub:some-org/tiny")
    place = tmp_path / "hub" / "models--some-org--tiny"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text("0" * 40)
    (place / "snapshots").mkdir()
    folder.rename(place / "snapshots" / ("0" * 40))
    model, _ = imported(capsys, workspace, "hub:some-org/tiny")
    assert model.name == "tiny" and model.card["about"] == "Imported from hub:some-org/tiny."
    assert main(["generate", "x", "--model", model.id, "--max-tokens", "2"]) == 0


def test_what_is_wrong_with_a_folder_is_said(
    capsys: Capture, workspace: Workspace, tmp_path: Path, folder: Path
) -> None:
    assert "does not exist" in refused(capsys, workspace, str(tmp_path / "nowhere"))
    (tmp_path / "empty").mkdir()
    assert "it has no config.json" in refused(capsys, workspace, str(tmp_path / "empty"))
    (folder / "tokenizer.json").write_text("{}")
    assert "tokenizer.json" in refused(capsys, workspace, str(folder))
    (folder / "tokenizer.json").unlink()
    shard = next(folder.glob("*.safetensors"))
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-3])
    assert f"{shard} is damaged" in refused(capsys, workspace, str(folder))
    shard.write_bytes(whole[:-4] + b"\xff\xff\xff\xff")  # the last number is NaN
    assert "Weights are NaN or infinite" in refused(capsys, workspace, str(folder))
    shard.write_bytes(whole)
    (folder / "config.json").write_text(json.dumps({"model_type": "falcon"}))
    assert "model_type 'falcon' is not supported" in refused(capsys, workspace, str(folder))


def test_a_full_disk_leaves_nothing(
    capsys: Capture, workspace: Workspace, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        usage = namedtuple("usage", "total used free")
        patch.setattr("llm_playground.playground.importing.shutil.disk_usage", lambda _: usage(9, 9, 100))
        assert "no room for the model" in refused(capsys, workspace, str(folder), code=1)

    def full(source: Path, target: Path) -> object:
        if source.suffix == ".safetensors":
            target.write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        target.write_bytes(source.read_bytes())
        return iter([1])

    monkeypatch.setattr("llm_playground.playground.importing._copy", full)
    assert "The disk is full" in refused(capsys, workspace, str(folder), code=1)


def test_an_encoder_comes_in_but_does_not_write_on(
    capsys: Capture, workspace: Workspace, tmp_path: Path, folder: Path
) -> None:
    config = transformers.BertConfig(
        vocab_size=320, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=24
    )
    transformers.BertForMaskedLM(config).save_pretrained(tmp_path / "bert")
    model, _ = imported(capsys, workspace, str(tmp_path / "bert"), "--tokenizer", str(folder))
    assert model.summary["family"] == "bert" and model.summary["chat"] is False
    assert main(["generate", "x", "--model", model.id]) == 2
    assert "is an encoder" in capsys.readouterr().err
