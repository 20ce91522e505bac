"""The pre-training stage from shards to a folder that transformers reads, and the shapes it refuses."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from llm_playground.core import Artifact, ConfigError, InputError, NotFoundError, StorageError
from llm_playground.core.errors import StopRequested
from llm_playground.data import TokenLoader, read_documents
from llm_playground.tokenization import load_tokenizer
from llm_playground.training import PretrainConfig
from llm_playground.training.pretrain import changed_preset, run
from llm_playground.transformer import ModelConfig, TransformerLM

MODEL = {"layers": 1, "width": 32, "heads": 2, "context_length": 32}
TRAINING: dict[str, Any] = {
    "steps": 20,
    "batch_size": 8,
    "eval_every": 10,
    "warmup_steps": 4,
    "learning_rate": 1e-2,
    "threads": 1,
    "device": "cpu",
}


def configured(
    road: SimpleNamespace, preset: str = "quickstart", model: dict[str, Any] | None = None, **training: Any
):
    return PretrainConfig(
        tokens=road.tokens.id, preset=preset, model=MODEL | (model or {}), training={**TRAINING, **training}
    )


@pytest.fixture(scope="module", params=["quickstart", "tiny-gpt2"])
def trained(request: pytest.FixtureRequest, road: SimpleNamespace, tmp_path_factory) -> tuple[Artifact, Any]:
    context = road.context(tmp_path_factory.mktemp("pretrain") / "run")
    return run(configured(road, request.param), context), context


def test_the_published_folder_loads_in_transformers_with_equal_logits_and_ids(trained, road) -> None:
    artifact, _ = trained
    artifact.verify()
    theirs = AutoModelForCausalLM.from_pretrained(artifact.path).eval()
    mine = TransformerLM.from_pretrained(artifact.path)
    their_tokenizer, tokenizer = AutoTokenizer.from_pretrained(artifact.path), load_tokenizer(artifact.path)
    texts = [document.text for _, document in zip(range(20), read_documents(road.dataset.path), strict=False)]
    for text in (*texts, "naïve 東京  \n\n 'tis"):
        ids = tokenizer.encode_ordinary(text)
        assert their_tokenizer(text)["input_ids"] == ids
        assert their_tokenizer.decode(ids) == text
        window = torch.tensor([ids[:32]])
        with torch.no_grad():
            assert (theirs(window).logits - mine(window)).abs().max() < 2e-5
    assert theirs.num_parameters() == mine.num_parameters() == artifact.summary["parameters"]
    assert len(their_tokenizer) == mine.config.vocab_size == tokenizer.vocab_size
    assert theirs.config.eos_token_id == their_tokenizer.eos_token_id == tokenizer.eos_id
    assert their_tokenizer.pad_token_id == tokenizer.pad_id


def test_it_learned_and_says_how_well(trained, road) -> None:
    artifact, context = trained
    losses = [values["train/loss"] for _, values in context.logged if "train/loss" in values]
    assert len(losses) == 20 and losses[0] == pytest.approx(math.log(400), abs=0.3)
    assert losses[-1] < losses[0] - 0.7
    summary = artifact.summary
    assert summary["train_loss"] == losses[-1] and summary["steps"] == 20 and summary["tokens"] == 20 * 8 * 32
    val = TokenLoader(road.tokens.path, "val", 32, shuffle=False)
    assert summary["bits_per_byte"] == pytest.approx(
        summary["val_loss"]
        / math.log(2)
        * val.index["splits"]["val"]["tokens"]
        / val.index["splits"]["val"]["bytes"]
    )
    assert (summary["stage"], summary["chat"], summary["skipped_steps"]) == ("pretrain", False, 0)
    assert artifact.parents == (road.tokens.id,) and artifact.run_id == context.run_id
    assert artifact.card["suggested_questions"] and artifact.summary.items() <= context.summary.items()
    assert artifact.config["training"]["steps"] == 20


def test_the_validation_loss_is_that_of_the_published_weights(trained, road) -> None:
    artifact, _ = trained
    model = TransformerLM.from_pretrained(artifact.path)
    loader = TokenLoader(road.tokens.path, "val", 32, shuffle=False)
    rows = min(8 * 8, loader.samples_per_epoch)
    inputs, targets = (torch.from_numpy(part) for part in loader.batch(0, rows))
    with torch.no_grad():
        loss = torch.nn.functional.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())
    assert artifact.summary["val_loss"] == pytest.approx(float(loss), abs=1e-5)


def test_a_mixture_of_experts_is_trained_to_use_all_of_them(road, tmp_path: Path) -> None:
    logged = {}
    for weight in (0.0, 1.0):
        context = road.context(tmp_path / str(weight))
        changes = {"experts": 4, "experts_per_token": 1, "expert_balance": weight}
        artifact = run(configured(road, model=changes), context)
        logged[weight] = [values for _, values in context.logged if "train/loss" in values]
        assert artifact.summary["val_loss"] < math.log(400) - 0.3
    assert all("train/expert_balance" not in values for values in logged[0.0])
    first, last = logged[1.0][0], logged[1.0][-1]
    assert first["train/expert_balance"] >= 1.0  # 1 in its one layer if all experts work alike
    assert last["train/expert_balance"] < 1.2
    assert last["train/loss"] == pytest.approx(last["train/cross_entropy"] + last["train/expert_balance"])


def test_a_stopped_stage_publishes_nothing_and_resumes_to_the_same_weights(road, tmp_path: Path) -> None:
    config = configured(road)
    whole = run(config, road.context(tmp_path / "whole"))
    context = road.context(tmp_path / "cut")
    count = len(road.workspace.list("model"))
    context.should_stop = lambda: bool(context.updates) and context.updates[-1]["done"] >= 9
    with pytest.raises(StopRequested):
        run(config, context)
    assert len(road.workspace.list("model")) == count
    resumed = run(config, road.context(tmp_path / "cut"))
    assert resumed.files["model.safetensors"] == whole.files["model.safetensors"]
    other = run(config, road.context(tmp_path / "other", seed=1))
    assert other.files["model.safetensors"] != whole.files["model.safetensors"]


@pytest.mark.parametrize(
    ("model", "message", "hint"),
    [
        ({"heads": 5}, "The configuration in model is wrong: heads (5) must divide the width (32).", None),
        (
            {"heads": 4, "kv_heads": 3},
            "The configuration in model is wrong: kv_heads (3) must divide the heads (4).",
            None,
        ),
        (
            {"width": 6, "heads": 2},
            "The configuration in model is wrong: heads (2) must leave an even head size for rotary "
            "positions, width / heads is 3.",
            None,
        ),
        (
            {"vocab_size": 300, "bos_id": None, "eos_id": None, "pad_id": None},
            "model.vocab_size: 300 is too small.",
            "The tokenizer has 400 ids.",
        ),
        (
            {"architecture": "encoder"},
            "model.architecture: pre-training predicts the next token and needs a decoder, not encoder.",
            None,
        ),
        (
            {"layers": 0, "width": 0},
            "The configuration in model is wrong: width: input should be greater than or equal to 2 (got 0); "
            "layers: input should be greater than or equal to 1 (got 0).",
            None,
        ),
    ],
)
def test_impossible_shapes_are_refused_before_anything_is_built(
    model: dict[str, Any], message: str, hint: str | None, road, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        run(configured(road, model=model), road.context(tmp_path / "run"))
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_wrong_names_and_too_long_contexts_are_refused(road, tmp_path: Path) -> None:
    context = road.context(tmp_path / "run")
    with pytest.raises(NotFoundError, match=r"^There is no tokens 'nothing' in the workspace\."):
        run(configured(road).model_copy(update={"tokens": "nothing"}), context)
    with pytest.raises(
        NotFoundError, match=r"^There is no model preset 'huge'\. Presets: quickstart, tiny-llama"
    ):
        run(configured(road, "huge"), context)
    with pytest.raises(
        ConfigError, match=r"deepth: is not a known setting\. Known settings here: architecture"
    ):
        run(configured(road, model={"deepth": 3}), context)
    with pytest.raises(
        InputError, match=r"^The train split has \d+ tokens, too few for a context of 65536\."
    ):
        run(configured(road, model={"context_length": 65_536}), context)
    with pytest.raises(ConfigError, match=r"^device: 'gpu' is unknown\."):
        run(configured(road, device="gpu"), context)


def test_shards_that_were_changed_are_refused(road, tmp_path: Path) -> None:
    file = road.tokens.path / "train.bin"
    data = file.read_bytes()
    try:
        file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        with pytest.raises(StorageError, match="was changed after it was written"):
            run(configured(road), road.context(tmp_path / "run"))
    finally:
        file.write_bytes(data)


def test_a_presets_feed_forward_width_stays_unless_its_width_is_changed() -> None:
    own = ModelConfig.preset("smollm2-135m")
    assert changed_preset("smollm2-135m", {"layers": 2}).ffn_width == own.ffn_width == 1536
    assert changed_preset("smollm2-135m", {"width": own.width}).ffn_width == 1536
    narrow = changed_preset("smollm2-135m", {"width": 288, "heads": 9, "head_width": 32})
    assert narrow.ffn_width is None and narrow.hidden_width == 768
    assert changed_preset("smollm2-135m", {"width": 288, "ffn_width": 100, "head_width": 32}).ffn_width == 100
