"""Greedy generation with a cache beside ``transformers``' ``generate`` on the same weights."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch

from benchmarks.measure import Row, alternate
from llm_playground.generation import GenerationEngine, SamplingParams
from llm_playground.transformer import ModelConfig, TransformerLM

PROMPT, NEW = 16, 96


def measure() -> list[Row]:
    """Measure new tokens a second, for one row and for a batch of sixteen."""
    from transformers import AutoModelForCausalLM, GenerationConfig

    config = ModelConfig.preset("quickstart")
    torch.manual_seed(0)
    model = TransformerLM(config)
    with tempfile.TemporaryDirectory() as name:
        model.save_pretrained(Path(name))
        theirs = AutoModelForCausalLM.from_pretrained(name).eval()
    engine = GenerationEngine(model)
    # No token ends a reply, so that both sides write the same number.
    params = SamplingParams(temperature=0.0, max_tokens=NEW)
    settings = GenerationConfig(max_new_tokens=NEW, min_new_tokens=NEW, do_sample=False, pad_token_id=0)
    rows = []
    for batch in (1, 16):
        ids = torch.randint(4, config.vocab_size, (batch, PROMPT), generator=torch.Generator().manual_seed(1))
        prompts = ids.tolist()
        with torch.inference_mode():
            medians = alternate(
                {
                    "ours": lambda p=prompts: engine.complete(p, params),
                    "theirs": lambda i=ids: theirs.generate(
                        i, attention_mask=torch.ones_like(i), generation_config=settings
                    ),
                },
                rounds=5,
            )
        rows.append(
            Row(
                f"generation, {batch} row{'s' if batch > 1 else ''}",
                batch * NEW / medians["ours"],
                batch * NEW / medians["theirs"],
                "tokens/s",
                "transformers generate",
                goal=1.0,
            )
        )
    return rows
