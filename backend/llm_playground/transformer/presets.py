"""Named shapes: small ones of our own for learning, and published models."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from llm_playground.core.errors import NotFoundError
from llm_playground.transformer.preset import Preset
from llm_playground.transformer.presets_published import PUBLISHED

_OWN = (
    Preset(
        "quickstart",
        "Quickstart",
        "The model of the quickstart: a small Llama that learns tinyworld in minutes on two cores.",
        "own",
        "llama",
        {"vocab_size": 1024, "context_length": 128, "width": 128, "layers": 4, "heads": 4},
    ),
    Preset(
        "tiny-llama",
        "Tiny Llama",
        "Two Llama-style layers with grouped queries: small enough to read every number.",
        "own",
        "llama",
        {"vocab_size": 320, "context_length": 64, "width": 32, "layers": 2, "heads": 4, "kv_heads": 2},
    ),
    Preset(
        "tiny-gpt2",
        "Tiny GPT-2",
        "Two GPT-2-style layers: learned positions, LayerNorm, GELU and biases.",
        "own",
        "gpt2",
        {
            "vocab_size": 320,
            "context_length": 64,
            "width": 32,
            "layers": 2,
            "heads": 4,
            "positions": "learned",
            "norm": "layernorm",
            "activation": "gelu_tanh",
            "bias": True,
            "bos_id": 0,
            "eos_id": 0,
        },
    ),
    Preset(
        "tiny-mixture",
        "Tiny mixture of experts",
        "Two layers with four experts each, of which two work on a token.",
        "own",
        "mixtral",
        {
            "vocab_size": 320,
            "context_length": 64,
            "width": 32,
            "layers": 2,
            "heads": 4,
            "kv_heads": 2,
            "experts": 4,
            "experts_per_token": 2,
        },
    ),
    Preset(
        "tiny-encoder",
        "Tiny encoder",
        "Two BERT-style layers that see both sides of a token.",
        "own",
        "bert",
        {
            "architecture": "encoder",
            "vocab_size": 320,
            "context_length": 64,
            "width": 32,
            "layers": 2,
            "heads": 4,
            "positions": "learned",
            "norm": "layernorm",
            "norm_eps": 1e-12,
            "norm_placement": "post",
            "activation": "gelu",
            "bias": True,
            "embedding_norm": True,
            "segments": 2,
            "head_transform": True,
            "head_bias": True,
            "pad_id": 0,
        },
    ),
    Preset(
        "mini-10m",
        "Mini, 10 million parameters",
        "A Llama-style decoder for a first real text: hours on a laptop, minutes on a graphics card.",
        "own",
        "llama",
        {"vocab_size": 8192, "context_length": 512, "width": 320, "layers": 6, "heads": 5},
    ),
    Preset(
        "mini-30m",
        "Mini, 30 million parameters",
        "Enough to write simple stories; a night on a laptop, an hour on a graphics card.",
        "own",
        "llama",
        {"vocab_size": 16_384, "context_length": 512, "width": 512, "layers": 7, "heads": 8, "kv_heads": 4},
    ),
    Preset(
        "mini-124m",
        "Mini, as large as GPT-2 small",
        "The parts of a Llama in the size of GPT-2 small, to compare the two at equal cost.",
        "own",
        "llama",
        {"vocab_size": 50_304, "context_length": 1024, "width": 768, "layers": 12, "heads": 12},
    ),
)

_ALL = (*_OWN, *PUBLISHED)
PRESETS: Mapping[str, Preset] = MappingProxyType({preset.name: preset for preset in _ALL})
ALIASES: Mapping[str, str] = MappingProxyType(
    {alias: preset.name for preset in _ALL for alias in preset.aliases}
)


def find_preset(name: str) -> Preset:
    """Return a preset by its name or an alias; case does not matter.

    Raises:
        NotFoundError: there is none of that name; the hint lists them.
    """
    known = name.lower()
    known = ALIASES.get(known, known)
    if known not in PRESETS:
        raise NotFoundError(f"There is no model preset {name!r}.", hint=f"Presets: {', '.join(PRESETS)}.")
    return PRESETS[known]
