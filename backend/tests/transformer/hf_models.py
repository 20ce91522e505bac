"""Tiny random models of every family, made by transformers, in the variants that published ones have."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import transformers

transformers.utils.logging.disable_progress_bar()
VOCAB, CONTEXT, TIME = 97, 64, 24
FULL, SLIDING = "full_attention", "sliding_attention"
DYNAMIC = {"rope_type": "dynamic", "factor": 4.0, "rope_theta": 10_000.0}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16, "rope_theta": 10_000.0}
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
    "rope_theta": 500.0,
}
_SIZES = {
    "vocab_size": VOCAB,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": CONTEXT,
    "initializer_range": 0.2,
}
_GPT2 = {"vocab_size": VOCAB, "n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": CONTEXT}
_GEMMA = {**_SIZES, "num_key_value_heads": 2, "head_dim": 16, "sliding_window": 5}
_QWEN_WINDOWS = {"use_sliding_window": True, "sliding_window": 6, "max_window_layers": 1}

# family -> (configuration class, model class, settings common to its variants)
CLASSES: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "gpt2": (
        transformers.GPT2Config,
        transformers.GPT2LMHeadModel,
        {**_GPT2, "initializer_range": 0.2, "bos_token_id": 0, "eos_token_id": 0},
    ),
    "llama": (transformers.LlamaConfig, transformers.LlamaForCausalLM, _SIZES),
    "mistral": (
        transformers.MistralConfig,
        transformers.MistralForCausalLM,
        {**_SIZES, "num_key_value_heads": 2, "sliding_window": 6},
    ),
    "qwen2": (
        transformers.Qwen2Config,
        transformers.Qwen2ForCausalLM,
        {**_SIZES, "num_key_value_heads": 2},
    ),
    "qwen3": (
        transformers.Qwen3Config,
        transformers.Qwen3ForCausalLM,
        {**_SIZES, "num_key_value_heads": 2, "head_dim": 16},
    ),
    "gemma2": (transformers.Gemma2Config, transformers.Gemma2ForCausalLM, _GEMMA),
    "gemma3_text": (
        transformers.Gemma3TextConfig,
        transformers.Gemma3ForCausalLM,
        {**_GEMMA, "query_pre_attn_scalar": 16, "layer_types": [SLIDING, SLIDING, FULL]},
    ),
    "gpt_neox": (transformers.GPTNeoXConfig, transformers.GPTNeoXForCausalLM, _SIZES),
    "bert": (transformers.BertConfig, transformers.BertForMaskedLM, _SIZES),
    "mixtral": (
        transformers.MixtralConfig,
        transformers.MixtralForCausalLM,
        {**_SIZES, "num_key_value_heads": 2, "num_local_experts": 4},
    ),
}
# (family, variant) -> further settings
VARIANTS: dict[tuple[str, str], dict[str, Any]] = {
    ("gpt2", "plain"): {},
    ("gpt2", "exact-gelu"): {"activation_function": "gelu", "n_inner": 40},
    ("gpt2", "relu-untied"): {"activation_function": "relu", "tie_word_embeddings": False},
    ("llama", "plain"): {},
    ("llama", "grouped-tied"): {"num_key_value_heads": 2, "tie_word_embeddings": True},
    ("llama", "one-kv-head"): {"num_key_value_heads": 1},
    ("llama", "attention-bias"): {"attention_bias": True},
    ("llama", "mlp-bias"): {"mlp_bias": True},
    ("llama", "all-biases"): {"attention_bias": True, "mlp_bias": True},
    ("llama", "wide-heads"): {"head_dim": 12},
    ("llama", "gelu-gate"): {"hidden_act": "gelu"},
    ("llama", "linear"): {"rope_parameters": {"rope_type": "linear", "factor": 2.5, "rope_theta": 300.0}},
    ("llama", "dynamic"): {"rope_parameters": DYNAMIC, "max_position_embeddings": 16},
    ("llama", "yarn"): {"rope_parameters": YARN},
    ("llama", "yarn-told"): {
        "rope_parameters": {**YARN, "attention_factor": 1.3, "beta_fast": 20.0, "beta_slow": 2.0}
    },
    ("llama", "yarn-mscale"): {"rope_parameters": {**YARN, "mscale": 0.7, "mscale_all_dim": 1.0}},
    ("llama", "llama3"): {"rope_parameters": LLAMA3},
    ("mistral", "window"): {},
    ("mistral", "no-window"): {"sliding_window": None},
    ("mistral", "head-dim-tied"): {"head_dim": 10, "tie_word_embeddings": True},
    ("mistral", "yarn"): {"rope_parameters": YARN},
    ("qwen2", "plain"): {},
    ("qwen2", "tied"): {"tie_word_embeddings": True},
    ("qwen2", "windows"): _QWEN_WINDOWS,
    ("qwen2", "layer-types"): {
        "use_sliding_window": True,
        "sliding_window": 6,
        "layer_types": [SLIDING, FULL, SLIDING],
    },
    ("qwen3", "plain"): {},
    ("qwen3", "bias-tied"): {"attention_bias": True, "tie_word_embeddings": True},
    ("qwen3", "windows"): _QWEN_WINDOWS,
    ("qwen3", "yarn"): {"rope_parameters": YARN},
    ("gemma2", "plain"): {},
    ("gemma2", "caps-and-scalar"): {
        "query_pre_attn_scalar": 24,
        "attn_logit_softcapping": 3.0,
        "final_logit_softcapping": 5.0,
    },
    ("gemma2", "no-caps-bias"): {
        "attn_logit_softcapping": None,
        "final_logit_softcapping": None,
        "attention_bias": True,
    },
    ("gemma3_text", "plain"): {},
    ("gemma3_text", "scaled-capped"): {
        "final_logit_softcapping": 4.0,
        "attention_bias": True,
        "rope_parameters": {
            FULL: {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
            SLIDING: {"rope_type": "default", "rope_theta": 700.0},
        },
    },
    ("gemma3_text", "untied-all-full"): {"tie_word_embeddings": False, "layer_types": [FULL] * 3},
    ("gpt_neox", "plain"): {
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": 0.25}
    },
    ("gpt_neox", "half-sequential"): {
        "rope_parameters": {"rope_type": "default", "rope_theta": 500.0, "partial_rotary_factor": 0.5},
        "use_parallel_residual": False,
    },
    ("gpt_neox", "no-bias-tied"): {
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": 1.0},
        "attention_bias": False,
        "tie_word_embeddings": True,
        "hidden_act": "gelu_new",
    },
    ("gpt_neox", "linear"): {
        "rope_parameters": {
            "rope_type": "linear",
            "factor": 2.0,
            "rope_theta": 1e4,
            "partial_rotary_factor": 0.5,
        }
    },
    ("bert", "plain"): {},
    ("bert", "three-segments"): {"type_vocab_size": 3, "hidden_act": "gelu_new"},
    ("bert", "relu"): {"hidden_act": "relu", "layer_norm_eps": 1e-6},
    ("mixtral", "plain"): {},
    ("mixtral", "window-one-expert"): {"sliding_window": 6, "num_experts_per_tok": 1},
    ("mixtral", "three-experts-tied"): {"num_experts_per_tok": 3, "tie_word_embeddings": True},
}
DECODERS = [key for key in VARIANTS if key[0] != "bert"]


@dataclass(frozen=True)
class Theirs:
    """A model of transformers: asked for logits it answers as if for the first time."""

    model: Any

    def logits(
        self, ids: torch.Tensor, mask: torch.Tensor | None = None, segments: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Logits [B, T, V]; positions count from the first token that is kept."""
        more: dict[str, Any] = {}
        if mask is not None:
            more = {"attention_mask": mask, "position_ids": (mask.cumsum(-1) - 1).clamp(min=0)}
        if segments is not None:
            more["token_type_ids"] = segments
        with torch.no_grad():  # a copy, for dynamic scaling remembers what it has seen
            return copy.deepcopy(self.model)(ids, **more).logits


def make(family: str, settings: dict[str, Any], seed: int = 0) -> Theirs:
    """A random model in float32, its norms and biases too, so that none hides behind its one or zero."""
    config_class, model_class, common = CLASSES[family]
    torch.manual_seed(seed)
    config = config_class(**copy.deepcopy({**common, **settings}))
    config._attn_implementation = config._experts_implementation = "eager"
    model = model_class(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return Theirs(model)


def load(folder: Any, *, masked: bool = False) -> Theirs:
    """What transformers makes of a folder."""
    kind = transformers.AutoModelForMaskedLM if masked else transformers.AutoModelForCausalLM
    more = {"attn_implementation": "eager", "experts_implementation": "eager"}
    return Theirs(kind.from_pretrained(folder, **more).eval())


def tokens(batch: int = 2, time: int = TIME, seed: int = 1) -> torch.Tensor:
    """Random ids [B, T]."""
    return torch.randint(0, VOCAB, (batch, time), generator=torch.Generator().manual_seed(seed))


def left_padded() -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and mask [3, T], rows that begin after 0, 5 and 13 tokens of padding."""
    ids = tokens(3)
    mask = torch.ones_like(ids)
    for row, padding in enumerate((0, 5, 13)):
        mask[row, :padding] = 0
    return ids, mask


def random_settings(family: str, seed: int) -> dict[str, Any]:
    """Settings of a random member of a family."""
    draw = random.Random(seed)
    head = draw.choice([4, 8, 12])
    heads = draw.choice([1, 2, 4, 6])
    layers = draw.randint(1, 4)
    sizes: dict[str, Any] = {
        "hidden_size": head * heads,
        "num_attention_heads": heads,
        "num_hidden_layers": layers,
        "intermediate_size": draw.randint(3, 70),
        "tie_word_embeddings": draw.random() < 0.5,
    }
    grouped = {"num_key_value_heads": draw.choice([n for n in range(1, heads + 1) if heads % n == 0])}
    theta = {"rope_type": "default", "rope_theta": draw.choice([100.0, 1e4, 1e6])}
    scaled = draw.choice([theta, {**theta, "rope_type": "linear", "factor": 3.0}, YARN, LLAMA3])
    window = draw.choice([1, 2, 7, 30])
    own_head = {"head_dim": draw.choice([4, 6, 16])}
    kinds = [draw.choice([FULL, SLIDING]) for _ in range(layers)]
    windows = {"use_sliding_window": True, "sliding_window": window, "layer_types": kinds}
    bias = {"attention_bias": draw.random() < 0.5}
    gated = {"hidden_act": draw.choice(["silu", "gelu", "gelu_pytorch_tanh"])}
    caps = {"final_logit_softcapping": draw.choice([None, 3.0])}
    makers: dict[str, Callable[[], dict[str, Any]]] = {
        "gpt2": lambda: {
            "n_embd": head * heads,
            "n_head": heads,
            "n_layer": layers,
            "n_inner": draw.choice([None, 20]),
            "activation_function": draw.choice(["gelu_new", "gelu", "relu"]),
            "tie_word_embeddings": sizes["tie_word_embeddings"],
        },
        "llama": lambda: {
            **sizes,
            **grouped,
            **bias,
            **own_head,
            **gated,
            "rope_parameters": scaled,
            "mlp_bias": draw.random() < 0.5,
        },
        "mistral": lambda: {
            **sizes,
            **grouped,
            **own_head,
            "sliding_window": draw.choice([None, window]),
            "rope_parameters": scaled,
        },
        "qwen2": lambda: {**sizes, **grouped, **draw.choice([{}, windows]), "rope_parameters": scaled},
        "qwen3": lambda: {
            **sizes,
            **grouped,
            **bias,
            **own_head,
            **draw.choice([{}, windows]),
            "rope_parameters": scaled,
        },
        "gemma2": lambda: {
            **sizes,
            **grouped,
            **bias,
            **own_head,
            **caps,
            "sliding_window": window,
            "layer_types": kinds,
            "attn_logit_softcapping": draw.choice([None, 2.0]),
            "query_pre_attn_scalar": draw.choice([8, 16]),
        },
        "gemma3_text": lambda: {
            **sizes,
            **grouped,
            **bias,
            **own_head,
            **caps,
            "sliding_window": window,
            "layer_types": kinds,
            "query_pre_attn_scalar": draw.choice([8, 16]),
            "rope_parameters": {
                FULL: draw.choice([theta, {**theta, "rope_type": "linear", "factor": 8.0}]),
                SLIDING: {"rope_type": "default", "rope_theta": draw.choice([100.0, 1e4])},
            },
        },
        "gpt_neox": lambda: {
            **sizes,
            **bias,
            "use_parallel_residual": draw.random() < 0.5,
            "hidden_act": draw.choice(["gelu", "gelu_new", "relu"]),
            "rope_parameters": {**theta, "partial_rotary_factor": draw.choice([0.5, 1.0])},
        },
        "bert": lambda: {
            **sizes,
            "tie_word_embeddings": True,
            "type_vocab_size": draw.randint(1, 4),
            "hidden_act": draw.choice(["gelu", "relu"]),
        },
        "mixtral": lambda: {
            **sizes,
            **grouped,
            "sliding_window": draw.choice([None, window]),
            **own_head,
            "num_local_experts": draw.choice([2, 3, 5]),
            "num_experts_per_tok": draw.choice([1, 2]),
            "rope_parameters": scaled,
        },
    }
    return makers[family]()
