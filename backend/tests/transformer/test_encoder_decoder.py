"""The encoder-decoder: against torch's own transformer, cached decoding, padding, gradients."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from llm_playground.core.errors import ConfigError, InputError
from llm_playground.transformer import Capture, EncoderDecoderLM, KVCache, ModelConfig, TransformerLM

from .mixtures import BOTH, CONTEXT, VOCAB, build, configure, ids


@pytest.mark.parametrize("name", list(BOTH))
def test_decoding_piece_by_piece_equals_one_pass(name: str) -> None:
    model, source, target = build(name), ids(2, 13), ids(2, 20, seed=2)
    mask = torch.ones_like(source)
    mask[0, 9:] = 0
    with torch.no_grad():
        full = model(source, target, mask)
        memory, cache = model.encode(source, mask), KVCache(model.config, 2, 20)
        parts = [model.decode(part, memory, cache) for part in target.split((1, 7, 1, 1, 10), dim=1)]
    assert (torch.cat(parts, dim=1) - full).abs().max() < 1e-4
    assert sorted(memory.parts) == [0, 1, 2]


@pytest.mark.parametrize("name", list(BOTH))
def test_the_source_is_read_once_and_its_keys_are_made_once(name: str) -> None:
    model, calls = build(name), {"encoder": 0, "kv": 0}
    model.encoder.register_forward_hook(lambda *_: calls.update(encoder=calls["encoder"] + 1))
    for block in model.blocks:
        block.cross_attention.kv.register_forward_hook(lambda *_: calls.update(kv=calls["kv"] + 1))
    replies = model.greedy(ids(2, 9), start_id=0, max_tokens=12)
    assert [len(reply) for reply in replies] == [12, 12]
    assert calls == {"encoder": 1, "kv": len(model.blocks)}


@pytest.mark.parametrize("name", list(BOTH))
def test_greedy_writes_what_full_passes_would_choose(name: str) -> None:
    model, source = build(name), ids(3, 8)
    mask = torch.ones_like(source)
    mask[1, :3] = 0
    written = []
    with torch.no_grad():
        for row in range(3):
            target = [5]
            for _ in range(10):
                logits = model(source[row : row + 1], torch.tensor([target]), mask[row : row + 1])
                target.append(int(logits[0, -1].argmax()))
            written.append(target[1:])
    assert model.greedy(source, start_id=5, max_tokens=10, source_mask=mask) == written
    stop = written[0][3]
    stopped = model.greedy(source, start_id=5, max_tokens=10, source_mask=mask, stop_id=stop)
    right = [row[: row.index(stop) + 1] if stop in row else row for row in written]
    assert stopped == right and len(stopped[0]) <= 4


@pytest.mark.parametrize("name", list(BOTH))
def test_padding_of_source_and_target_changes_nothing(name: str) -> None:
    model, source, target = build(name), ids(1, 8), ids(1, 6, seed=2)
    pad = torch.zeros(1, 3, dtype=torch.long)
    ones, none = torch.ones_like, torch.zeros_like
    with torch.no_grad():
        alone = model(source, target)
        for order in (1, -1):  # padding at the right, then at the left
            wide = torch.cat([source, pad][::order], dim=1)
            mask = torch.cat([ones(source), none(pad)][::order], dim=1)
            assert (model(wide, target, mask) - alone).abs().max() < 1e-4
        wide, mask = torch.cat([pad, target], dim=1), torch.cat([none(pad), ones(target)], dim=1)
        assert (model(source, wide, attention_mask=mask)[:, 3:] - alone).abs().max() < 1e-4


def test_it_equals_torchs_own_transformer() -> None:
    model = build("vaswani", encoder_layers=3)
    config = model.config
    theirs = nn.Transformer(
        config.width,
        config.heads,
        config.encoder_depth,
        config.layers,
        config.hidden_width,
        dropout=0.0,
        activation="relu",
        layer_norm_eps=config.norm_eps,
        batch_first=True,
    ).eval()
    # theirs ends each stack with one more norm, the original has none
    theirs.encoder.norm = theirs.decoder.norm = None
    pairs = [("encoder", model.encoder.blocks), ("decoder", model.blocks)]
    with torch.no_grad():
        for stack, blocks in pairs:
            for block, layer in zip(blocks, getattr(theirs, stack).layers, strict=True):
                layer.self_attn.in_proj_weight.copy_(block.attention.qkv.weight)
                layer.self_attn.in_proj_bias.copy_(block.attention.qkv.bias)
                layer.self_attn.out_proj.load_state_dict(block.attention.output.state_dict())
                layer.linear1.load_state_dict(block.ffn.up.state_dict())
                layer.linear2.load_state_dict(block.ffn.down.state_dict())
                norms = [block.attention_norm, block.ffn_norm]
                if stack == "decoder":
                    cross = block.cross_attention
                    layer.multihead_attn.in_proj_weight.copy_(torch.cat([cross.q.weight, cross.kv.weight]))
                    layer.multihead_attn.in_proj_bias.copy_(torch.cat([cross.q.bias, cross.kv.bias]))
                    layer.multihead_attn.out_proj.load_state_dict(cross.output.state_dict())
                    norms.insert(1, block.cross_attention_norm)
                for number, norm in enumerate(norms, 1):
                    getattr(layer, f"norm{number}").load_state_dict(norm.state_dict())
        source, target = ids(2, 9), ids(2, 7, seed=3)
        capture = Capture(["*embedding"])
        ours = model(source, target, capture=capture)
        seen = capture.values
        right = theirs(
            seen["encoder.embedding"] + seen["encoder.position_embedding"],
            seen["embedding"] + seen["position_embedding"],
            tgt_mask=nn.Transformer.generate_square_subsequent_mask(7),
            tgt_is_causal=True,
        )
    assert (ours - right @ model.embedding.weight.T).abs().max() < 1e-4


def test_it_learns_to_reverse() -> None:
    torch.manual_seed(0)
    changes = {"positions": "learned", "norm_placement": "pre", "embedding_scale": False, "init_std": 0.1}
    sizes = {"layers": 1, "encoder_layers": 1, "width": 32, "vocab_size": 12}
    model = EncoderDecoderLM(configure("vaswani", **changes, **sizes)).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    generator = torch.Generator().manual_seed(0)
    for _ in range(150):
        source = torch.randint(2, 12, (32, 4), generator=generator)
        target = source.flip(1)
        inputs = torch.cat([torch.ones(32, 1, dtype=torch.long), target[:, :-1]], dim=1)
        loss = nn.functional.cross_entropy(model(source, inputs).flatten(0, 1), target.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    source = torch.randint(2, 12, (20, 4), generator=generator)
    replies = model.eval().greedy(source, start_id=1, max_tokens=4)
    assert sum(reply == row for reply, row in zip(replies, source.flip(1).tolist(), strict=True)) >= 19


def test_wrong_uses_are_refused() -> None:
    model = build("modern")
    with pytest.raises(ConfigError, match="EncoderDecoderLM needs encoder-decoder, not decoder"):
        EncoderDecoderLM(ModelConfig())
    with pytest.raises(ConfigError, match="built by EncoderDecoderLM"):
        TransformerLM(model.config)
    with pytest.raises(InputError, match=f"{CONTEXT + 1} tokens"):
        model(ids(1, CONTEXT + 1), ids(1, 2))
    with pytest.raises(InputError, match=f"{CONTEXT + 1} tokens"):
        model(ids(1, 2), ids(1, CONTEXT + 1))
    with pytest.raises(InputError, match="a row is all padding"):
        model(ids(2, 3), ids(2, 3), torch.tensor([[1, 1, 1], [0, 0, 0]]))
    with pytest.raises(InputError, match=f"max_tokens must be 1 to {CONTEXT}, not {CONTEXT + 1}"):
        model.greedy(ids(1, 3), start_id=0, max_tokens=CONTEXT + 1)
    assert model(ids(1, 3), ids(1, 2)).shape == (1, 2, VOCAB)
