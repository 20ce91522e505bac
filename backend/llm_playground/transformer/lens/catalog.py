"""What each tensor of a pass is: a title, the formula that made it, where the formula comes from."""

from __future__ import annotations

from typing import NamedTuple

from llm_playground.transformer.config import ModelConfig
from llm_playground.transformer.lens.recording import split_name

_VASWANI = "Vaswani et al. 2017, arXiv:1706.03762"
_HE = "residual connections: He et al. 2015, arXiv:1512.03385"
_NORMS = {
    "layernorm": (
        "(x - mean(x)) / sqrt(var(x) + eps) * gain + bias",
        "LayerNorm: Ba et al. 2016, arXiv:1607.06450",
    ),
    "rmsnorm": (
        "x / sqrt(mean(x^2) + eps) * gain",
        "RMSNorm: Zhang and Sennrich 2019, arXiv:1910.07467",
    ),
    "rmsnorm_plus_one": (
        "x / sqrt(mean(x^2) + eps) * (1 + gain)",
        "RMSNorm: Zhang and Sennrich 2019, arXiv:1910.07467; the gain as in Gemma, arXiv:2403.08295",
    ),
    "groupnorm": (
        "(x - mean(group)) / sqrt(var(group) + eps) * gain + bias",
        "GroupNorm: Wu and He 2018, arXiv:1803.08494",
    ),
}
_CURVES = {
    "relu": ("relu(u)", "ReLU: Nair and Hinton 2010"),
    "relu2": ("relu(u)^2", "squared ReLU: So et al. 2021, arXiv:2109.08668"),
    "gelu": ("u Phi(u)", "GELU: Hendrycks and Gimpel 2016, arXiv:1606.08415"),
    "gelu_tanh": (
        "u (1 + tanh(sqrt(2 / pi) (u + 0.044715 u^3))) / 2",
        "GELU, tanh form: Hendrycks and Gimpel 2016, arXiv:1606.08415",
    ),
    "swiglu": ("g sigmoid(g) * u", "SwiGLU: Shazeer 2020, arXiv:2002.05202"),
    "geglu": ("g Phi(g) * u", "GeGLU: Shazeer 2020, arXiv:2002.05202"),
    "geglu_tanh": ("gelu_tanh(g) * u", "GeGLU: Shazeer 2020, arXiv:2002.05202"),
}


class Entry(NamedTuple):
    """Words for a tensor."""

    title: str
    formula: str
    source: str


def describe(config: ModelConfig, name: str) -> Entry:
    """Return title, formula and source of a tensor of a pass; titles of blocks begin with their layer.

    Args:
        config: the model's shape.
        name: of the capture, or ``probabilities``.

    Raises:
        KeyError: no such tensor.
    """
    layer, part = split_name(name)
    entry = (_ends if layer is None else _block)(config, part)
    return entry if layer is None else Entry(f"Layer {layer}, {entry.title}", *entry[1:])


def _norm(config: ModelConfig, title: str, of: str) -> Entry:
    formula, source = _NORMS[config.norm]
    return Entry(title, f"{formula}, x = {of}", source)


def _ends(config: ModelConfig, part: str) -> Entry:
    last = "output of the last layer"
    if part == "embedding":
        scale = "sqrt(C) " if config.embedding_scale else ""
        return Entry("Token embedding", f"{scale}E[token]", f"{_VASWANI}, section 3.4")
    if part == "position_embedding":
        if config.positions == "learned":
            return Entry("Position embedding", "P[position]", "Gehring et al. 2017, arXiv:1705.03122")
        return Entry(
            "Position, sinusoidal",
            "sin(p / 10000^(2i / C)), cos(p / 10000^(2i / C)) in turn",
            f"{_VASWANI}, section 3.5",
        )
    if part == "segment_embedding":
        return Entry("Segment embedding", "S[segment]", "Devlin et al. 2018, arXiv:1810.04805")
    if part == "embedding_norm":
        return _norm(config, "Norm of the embeddings", "sum of the embeddings")
    if part == "final_norm":
        return _norm(config, "Final norm", last)
    if part == "head_transform":
        return Entry(
            "Transform before the head",
            f"norm(activation(W x + b)), x = {'final norm' if config.norm_placement != 'post' else last}",
            "Devlin et al. 2018, arXiv:1810.04805",
        )
    if part == "logits":
        formula = "W_head x" + (" + b" if config.head_bias else "")
        if config.logit_softcap is not None:
            formula = f"c tanh(({formula}) / c), c = {config.logit_softcap:g}"
        tied = "; shared with the embedding: Press and Wolf 2016, arXiv:1608.05859"
        return Entry("Logits", formula, f"{_VASWANI}, section 3.4{tied if config.tied_embeddings else ''}")
    if part == "probabilities":
        return Entry("Probabilities", "exp(z) / sum of exp(z) over the vocabulary", "softmax")
    raise KeyError(part)


def _reads(config: ModelConfig, part: str) -> str:
    """What attention or the feed-forward part reads, in words."""
    if config.norm_placement != "post":
        return f"norm before {'attention' if part == 'attention' else 'feed-forward'}"
    return "residual after attention" if part == "ffn" else "input of the layer"


def _block(config: ModelConfig, part: str) -> Entry:
    if part == "input":
        return Entry("input", "what the layer before, or the embedding, handed on", _HE)
    if part == "attention_norm":
        return _norm(config, "norm before attention", "input of the layer")
    if part == "ffn_norm":
        of = "input of the layer" if config.parallel else "residual after attention"
        return _norm(config, "norm before feed-forward", of)
    if part in ("attention_post_norm", "ffn_post_norm"):
        which = "attention" if part == "attention_post_norm" else "feed-forward"
        return _norm(config, f"norm after {which}", f"output of {which}")
    if part in ("middle", "output"):
        return _sum(config, part)
    return (_attention if part.startswith("attention.") else _ffn)(config, part)


def _sum(config: ModelConfig, part: str) -> Entry:
    title, formula = (
        ("residual after attention", "input + attention")
        if part == "middle"
        else ("output", "residual after attention + feed-forward")
    )
    if config.norm_placement == "post":
        return _norm(config, title, formula)
    return Entry(title, formula, _HE)


def _attention(config: ModelConfig, part: str) -> Entry:
    kind = part.removeprefix("attention.")
    shared = "" if config.key_value_heads == config.heads else ", each shared by several heads"
    grouped = _VASWANI if not shared else "Ainslie et al. 2023, arXiv:2305.13245"
    if kind in ("q", "k", "v"):
        title = {"q": "queries", "k": f"keys{shared}", "v": f"values{shared}"}[kind]
        formula = f"W_{kind} x{' + b' if config.has_qkv_bias else ''}, x = {_reads(config, 'attention')}"
        source = _VASWANI if kind == "q" else grouped
        if config.qk_norm and kind != "v":
            formula = f"RMSNorm over the head of {formula}"
            source = "Henry et al. 2020, arXiv:2010.04245"
        return Entry(title, formula, source)
    if kind in ("q_rotated", "k_rotated"):
        what = "queries" if kind == "q_rotated" else "keys"
        return Entry(
            f"{what}, rotated",
            "pair (x_i, x_(i + R/2)) turned by position * frequency_i",
            "Su et al. 2021, arXiv:2104.09864",
        )
    if kind == "scores":
        formula = f"q k / sqrt({config.query_scalar or config.head_size:g})"
        source = _VASWANI
        if config.attention_softcap is not None:
            formula = f"c tanh(({formula}) / c), c = {config.attention_softcap:g}"
            source += "; soft-cap: Gemma 2, arXiv:2408.00118"
        if config.positions == "alibi":
            formula += " - slope * distance"
            source += "; ALiBi: Press et al. 2021, arXiv:2108.12409"
        return Entry("scores", formula, source)
    if kind == "weights":
        return Entry("attention weights", "exp(score) / sum of exp(score) over what is seen", _VASWANI)
    if kind == "mixed":
        return Entry("mixed values", "sum over tokens of weight * value", _VASWANI)
    if kind == "output":
        bias = " + b" if config.has_output_bias else ""
        return Entry("output of attention", f"W_O (mixed values of all heads){bias}", _VASWANI)
    raise KeyError(part)


def _ffn(config: ModelConfig, part: str) -> Entry:
    curve, source = _CURVES[config.activation]
    reads = _reads(config, "ffn")
    bias = " + b" if config.bias else ""
    mixture = "Jiang et al. 2024, arXiv:2401.04088"
    if part == "ffn.hidden":
        gate = f"g = W_gate x{bias}, " if config.gated else ""
        return Entry("hidden units of feed-forward", f"{curve}, {gate}u = W_up x{bias}, x = {reads}", source)
    if part == "ffn.gates":
        return Entry(
            "shares of the experts",
            f"exp(r) / sum of exp(r) over the {config.experts_per_token} greatest, r = W_router x, "
            f"x = {reads}",
            mixture,
        )
    if part == "ffn.output":
        if config.experts is not None:
            return Entry("output of feed-forward", "sum over experts of share * expert(x)", mixture)
        return Entry("output of feed-forward", f"W_down (hidden units){bias}", f"{_VASWANI}, section 3.3")
    raise KeyError(part)
