"""Looking at attention: a picture's data on the example model, every head of a GPT-2 small on a long text.

The referee is ``transformers`` asked for its attentions, which gives maps and measures nothing. "Beyond the
pass" is the time of everything less that of plain passes over the same tokens.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch

from benchmarks.measure import Row, alternate
from llm_playground.core.workspace import BUILTIN
from llm_playground.transformer import ModelConfig, TransformerLM
from llm_playground.transformer.lens import analyze_heads, record, record_attention, sweep, trace_token

SHORT, LONG = 64, 1024


def _ids(model: TransformerLM, tokens: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(4, model.config.vocab_size, (tokens,), generator=generator)


def _picture() -> list[Row]:
    """Measure what the pages ask for, on 64 tokens of the example model."""
    from transformers import AutoModelForCausalLM

    folder = BUILTIN / "models" / "example"
    model = TransformerLM.from_pretrained(folder).eval()
    theirs = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").float().eval()
    ids, other = _ids(model, SHORT), _ids(model, SHORT)
    other[SHORT // 2] += 1
    lines = {"line": torch.arange(SHORT) // 10}
    recording = record(model, ids)

    def referee() -> object:
        with torch.inference_mode():
            return theirs(ids[None], output_attentions=True).attentions

    medians = alternate(
        {
            "theirs": referee,
            "maps": lambda: record_attention(model, ids),
            "thumbnails": lambda: record_attention(model, ids).thumbnails("weights", 32),
            "labels": lambda: analyze_heads(model, ids, segments=lines),
            "trace": lambda: trace_token(record(model, ids)),
            "step": lambda: trace_token(recording),
            "sweep": lambda: sweep(model, ids, other, "residual"),
        },
        rounds=9,
    )
    against = "transformers, its maps alone"
    titles = {
        "maps": (f"attention, {SHORT} tokens: maps and value norms of all heads", 1.0),
        "thumbnails": (f"attention, {SHORT} tokens: the same and a small picture of each", None),
        "labels": (f"attention, {SHORT} tokens: patterns and labels of all heads, with the probe", None),
        "trace": (f"steps, {SHORT} tokens: a pass with everything kept, and the way of one token", None),
        "step": (f"steps, {SHORT} tokens: the way of another token", None),
        "sweep": (f"patching, {SHORT} tokens: a sweep over layers and positions", None),
    }
    return [
        Row(claim, medians[name] * 1e3, medians["theirs"] * 1e3, "ms", against, goal=goal)
        for name, (claim, goal) in titles.items()
    ]


def _all_heads() -> list[Row]:
    """Measure the 144 heads of a GPT-2 small on 1,024 tokens."""
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    model = TransformerLM(ModelConfig.preset("gpt2-small")).eval()
    with tempfile.TemporaryDirectory() as name:
        model.save_pretrained(Path(name))
        theirs = AutoModelForCausalLM.from_pretrained(name, attn_implementation="eager").eval()
        fast = AutoModelForCausalLM.from_pretrained(name, attn_implementation="sdpa").eval()
    ids = _ids(model, LONG)
    segments = {"line": torch.arange(LONG) // 12, "sentence": torch.arange(LONG) // 25}
    probe = analyze_heads(model, ids[:16]).probe
    assert probe is not None
    probe_ids = torch.tensor(probe.ids)

    def plain() -> None:
        with torch.inference_mode():
            model(ids[None])
            model(probe_ids[None])

    def referee(side: torch.nn.Module, **asked: bool) -> None:
        with torch.inference_mode():
            side(ids[None], **asked)

    medians = alternate(
        {
            "all": lambda: analyze_heads(model, ids, segments=segments),
            "plain": plain,
            "their maps": lambda: referee(theirs, output_attentions=True),
            "their plain": lambda: referee(fast),
        },
        rounds=3,
    )
    beyond = max(medians["all"] - medians["plain"], 1e-6)
    their_beyond = max(medians["their maps"] - medians["their plain"], 1e-6)
    heads = model.config.layers * model.config.heads
    return [
        Row(
            f"{heads} heads, {LONG:,} tokens: maps, patterns and labels beyond the pass",
            beyond,
            their_beyond,
            "s",
            "transformers, its maps alone beyond the pass",
        ),
        Row(
            f"{heads} heads, {LONG:,} tokens: passes, maps, patterns and labels",
            medians["all"],
            medians["their maps"],
            "s",
            "transformers, pass with maps",
        ),
    ]


def measure() -> list[Row]:
    """Measure a picture's data in milliseconds, and all heads on a long text in seconds."""
    return _picture() + _all_heads()
