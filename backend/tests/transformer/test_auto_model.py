"""Models of our own type inside transformers, after the one line that registers them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

import llm_playground.transformer.hf.auto as auto
from llm_playground.core.errors import InputError
from llm_playground.transformer import EncoderDecoderLM, ModelConfig, TransformerLM

from .hf_models import tokens

SHAPE = {"vocab_size": 97, "context_length": 32, "width": 32, "layers": 2, "heads": 4, "init_std": 0.2}
OWN: dict[str, dict[str, Any]] = {
    "rope-layernorm": {"norm": "layernorm", "activation": "gelu"},
    "alibi-softcap": {"positions": "alibi", "logit_softcap": 5.0, "attention_softcap": 4.0},
    "sinusoidal-post": {"positions": "sinusoidal", "norm_placement": "post", "tied_embeddings": False},
    "scaled-windows": {
        "rope_scaling": {"type": "linear", "factor": 2.0},
        "rope_share": 0.5,
        "window": 5,
        "full_attention_layers": (1,),
        "eos_id": 4,
    },
    "mixture-relu2": {"experts": 3, "activation": "relu2", "norm": "groupnorm", "norm_groups": 4},
    "segments": {"segments": 2, "embedding_norm": True, "qk_norm": True, "dropout": 0.1},
}


def saved(folder: Path, **values: Any) -> TransformerLM:
    torch.manual_seed(0)
    config = ModelConfig(**{**SHAPE, **values})
    model = (EncoderDecoderLM if config.architecture == "encoder-decoder" else TransformerLM)(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    assert config.family == "llm_playground"
    model.save_pretrained(folder)
    return model


@pytest.mark.parametrize("name", OWN)
@torch.no_grad()
def test_a_decoder_of_our_own_type_is_equal_there_and_comes_back(name: str, tmp_path: Path) -> None:
    model = saved(tmp_path / "ours", **OWN[name])
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "ours").eval()
    assert type(theirs) is auto.LLMPlaygroundForCausalLM
    mask = torch.ones_like(tokens())
    mask[0, :4] = 0
    for given in (None, mask):
        assert torch.equal(
            theirs(tokens(), attention_mask=given).logits, model(tokens(), attention_mask=given)
        )
    assert theirs.num_parameters() == model.num_parameters()
    assert theirs.config.hidden_size == 32 and theirs.config.shape() == model.config
    theirs.save_pretrained(tmp_path / "theirs")
    again = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "theirs").eval()
    assert torch.equal(again(tokens()).logits, model(tokens()))


@torch.no_grad()
def test_generate_goes_on_greedily(tmp_path: Path) -> None:
    model = saved(tmp_path, **OWN["alibi-softcap"])
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path)
    ids = tokens(1, 6)
    found = theirs.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=8, do_sample=False)
    for _ in range(8):
        ids = torch.cat([ids, model(ids)[:, -1].argmax(-1, keepdim=True)], dim=1)
    assert torch.equal(found, ids)


def test_labels_give_the_loss_of_the_next_token(tmp_path: Path) -> None:
    model = saved(tmp_path, **OWN["rope-layernorm"])
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path)
    loss = theirs(tokens(), labels=tokens()).loss
    chosen = model(tokens())[:, :-1].log_softmax(-1).gather(-1, tokens()[:, 1:, None])
    assert torch.allclose(loss, -chosen.mean(), atol=1e-6)
    loss.backward()
    assert theirs.model.embedding.weight.grad.abs().sum() > 0


@torch.no_grad()
def test_encoders_and_encoder_decoders(tmp_path: Path) -> None:
    model = saved(tmp_path / "encoder", architecture="encoder", positions="alibi", segments=2)
    theirs = transformers.AutoModelForMaskedLM.from_pretrained(tmp_path / "encoder").eval()
    segments = tokens() % 2
    assert torch.equal(
        theirs(tokens(), token_type_ids=segments).logits, model(tokens(), segment_ids=segments)
    )
    with pytest.raises(InputError, match="encoder"):
        transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "encoder")
    both = saved(tmp_path / "both", architecture="encoder-decoder", encoder_layers=1)
    theirs = transformers.AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "both").eval()
    said = tokens(2, 9, seed=5)
    assert torch.equal(theirs(tokens(), decoder_input_ids=said).logits, both(tokens(), said))
    again = EncoderDecoderLM.from_pretrained(tmp_path / "both")
    assert torch.equal(again(tokens(), said), both(tokens(), said))
    with pytest.raises(InputError, match=r"EncoderDecoderLM\.from_pretrained"):
        TransformerLM.from_pretrained(tmp_path / "both")
