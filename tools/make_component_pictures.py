"""Draw the pictures of docs/architecture-components.md: ``python tools/make_component_pictures.py``.

Curves and tables are computed, not sketched: frequencies, masks, norms and cache sizes follow the formulas
that the page gives, and the tests hold them against the package.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

from svg import Axes, Picture

from llm_playground.transformer import ModelConfig

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "images" / "components"
COLOURS = "abcde"


def shapes() -> Picture:
    """Decoder, encoder, and an encoder-decoder, with what a token sees in each."""
    picture = Picture("A decoder, an encoder and an encoder-decoder, each with its mask", 330)
    causal = [[float(key <= query) for key in range(6)] for query in range(6)]
    everything = [[1.0] * 6 for _ in range(6)]

    def stack(x: float, name: str, top: str, cross: bool = False) -> None:
        picture.text(x + 60, 34, name, "title")
        picture.line([(x + 60, 196), (x + 60, 74)], arrow=True)
        picture.text(x + 60, 64, top, "soft")
        picture.box(x, 84, 120, 28, "feed-forward")
        picture.box(x, 116, 120, 28, "cross-attention" if cross else "attention")
        if cross:
            picture.box(x, 148, 120, 28, "attention")
        picture.text(x + 60, 212, "tokens", "soft")

    stack(50, "decoder", "next token")
    picture.cells(71, 226, 13, causal)
    stack(250, "encoder", "hidden token")
    picture.cells(271, 226, 13, everything)
    stack(420, "encoder", "")
    picture.cells(441, 226, 13, everything)
    stack(578, "decoder", "next token", cross=True)
    picture.cells(540, 226, 13, everything)
    picture.cells(626, 226, 13, causal)
    picture.line([(480, 74), (480, 60), (559, 60), (559, 130), (577, 130)], colour="b", arrow=True)
    picture.text(579, 320, "to the encoder", "soft small")
    picture.text(665, 320, "to itself", "soft small")
    return picture


def blocks() -> Picture:
    """The four ways in which norms and sums stand in a block."""
    picture = Picture(
        "A block with norms before, after and around its parts, and with its parts side by side", 392
    )

    def column(x: float, name: str, steps: list[str]) -> None:
        picture.text(x + 62, 34, name, "title")
        picture.line([(x + 18, 366), (x + 18, 52)], arrow=True, width=2)
        y = 340.0
        for step in steps:
            if step == "+":
                picture.line([(x + 90, y + 26), (x + 90, y + 5), (x + 28, y + 5)], arrow=True)
                picture.circle(x + 18, y + 5, 9, "+")
                y -= 18
            elif step == "from":
                picture.line([(x + 18, y + 14), (x + 90, y + 14), (x + 90, y + 2)], arrow=True)
                y -= 28
            elif step == "on":
                picture.box(x - 12, y - 6, 60, 24, "norm")
                y -= 34
            else:
                picture.box(x + 46, y, 88, 26, step, stroke={"attention": "a", "feed-forward": "b"}.get(step))
                y -= 32

    column(28, "pre", ["from", "norm", "attention", "+", "from", "norm", "feed-forward", "+"])
    column(204, "post", ["from", "attention", "+", "on", "from", "feed-forward", "+", "on"])
    column(
        380,
        "sandwich",
        ["from", "norm", "attention", "norm", "+", "from", "norm", "feed-forward", "norm", "+"],
    )
    x = 548.0
    picture.text(x + 80, 34, "parallel", "title")
    picture.line([(x + 14, 366), (x + 14, 52)], arrow=True, width=2)
    for left, part, colour in ((x + 32, "attention", "a"), (x + 92, "feed-fwd", "b")):
        middle = left + 27
        picture.line([(x + 14, 354), (middle, 354), (middle, 330)], arrow=True)
        picture.rect(left, 302, 54, 26)
        picture.text(middle, 319, "norm", "small")
        picture.rect(left, 262, 54, 34, stroke=colour)
        picture.text(middle, 283, part, "small")
        picture.line([(middle, 262), (middle, 232), (x + 24, 232)], arrow=True)
    picture.circle(x + 14, 232, 9, "+")
    return picture


def heads() -> Picture:
    """Eight query heads with eight, two and one key/value heads."""
    picture = Picture(
        "Multi-head, grouped-query and multi-query attention: query heads and what they share", 196
    )
    for place, (name, groups) in enumerate((("kv_heads = 8", 8), ("kv_heads = 2", 2), ("kv_heads = 1", 1))):
        left = 54 + place * 222
        picture.text(left + 94, 32, name, "title mono")
        for head in range(8):
            x = left + head * 24
            group = head * groups // 8
            middle = left + (group + 0.5) * 192 / groups - 3
            picture.line([(x + 9, 78), (middle, 128)])
            picture.rect(x, 56, 18, 24, radius=4, fill="a")
        for group in range(groups):
            middle = left + (group + 0.5) * 192 / groups - 3
            picture.rect(middle - 9, 126, 18, 24, radius=4, fill="b")
        picture.text(left + 94, 176, f"cache: {groups}/8", "soft")
    picture.text(14, 73, "q", "mono", "start")
    picture.text(14, 143, "k, v", "mono", "start")
    return picture


def masks() -> Picture:
    """What a query sees: all before it, a window, both sides, and ALiBi's fading."""
    size = 10
    picture = Picture("Masks of ten tokens: causal, window of four, both sides, and ALiBi", 226)
    tables: list[tuple[str, Callable[[int, int], float]]] = [
        ("causal", lambda q, k: float(k <= q)),
        ("window = 4", lambda q, k: float(q - 4 < k <= q)),
        ("encoder", lambda q, k: 1.0),
        ("alibi, slope 1/4", lambda q, k: math.exp(-(q - k) / 4) if k <= q else 0.0),
    ]
    for place, (name, seen) in enumerate(tables):
        left = 34 + place * 174
        picture.text(left + 65, 32, name, "title")
        picture.cells(left, 46, 13, [[seen(query, key) for key in range(size)] for query in range(size)])
        picture.text(left + 65, 196, "keys", "soft")
    picture.text(20, 116, "q", "mono")
    picture.text(360, 216, "a row is a query; what is coloured enters its softmax", "soft")
    return picture


def sinusoid(position: int, index: int, width: int) -> float:
    """Return an element of a sinusoidal position (Vaswani et al. 2017): sine at even ones, else cosine."""
    angle = position / 10_000 ** (2 * (index // 2) / width)
    return math.sin(angle) if index % 2 == 0 else math.cos(angle)


def positions() -> Picture:
    """Sinusoidal positions as a table, rotary ones as turning hands."""
    picture = Picture("Sinusoidal positions as a table; rotary positions as pairs that turn", 272)
    picture.text(150, 32, "sinusoidal: added", "title")
    table = [[(sinusoid(position, index, 32) + 1) / 2 for index in range(32)] for position in range(24)]
    picture.cells(30, 46, 7.5, table)
    picture.text(150, 244, "32 elements; a row is a position", "soft")
    picture.text(510, 32, "rope: each pair turns", "title")
    for row, (name, step) in enumerate(
        (("first pair", 1.0), ("pair 8 of 32", 10_000 ** (-8 / 32)), ("last pair", 1e-4))
    ):
        y = 84 + row * 66
        picture.text(308, y + 4, name, "soft", "start")
        for position in range(6):
            x = 418 + position * 50
            angle = position * step
            picture.circle(x, y, 20)
            picture.line(
                [(x, y), (x + 17 * math.cos(angle), y - 17 * math.sin(angle))],
                colour="a",
                width=2,
                arrow=True,
            )
    for position in range(6):
        picture.text(418 + position * 50, 258, str(position), "soft")
    picture.text(308, 258, "position", "soft", "start")
    return picture


ROPE = {"size": 128, "theta": 500_000.0, "factor": 8.0, "original": 8192}


def frequencies(kind: str, sequence: int | None = None) -> list[float]:
    """Return how far each pair of a rotary head turns from one token to the next, in radians.

    Args:
        kind: ``none`` or a type of scaling, at the settings of ``ROPE``.
        sequence: length of the sequence, for ``dynamic``.
    """
    size, factor, original = int(ROPE["size"]), ROPE["factor"], ROPE["original"]
    theta = ROPE["theta"]
    if kind == "dynamic" and sequence is not None and sequence > original:
        theta *= (factor * sequence / original - (factor - 1)) ** (size / (size - 2))
    plain = [theta ** (-2 * pair / size) for pair in range(size // 2)]
    if kind == "linear":
        return [step / factor for step in plain]
    if kind == "llama3":
        return [_llama3(step, factor, original) for step in plain]
    if kind == "yarn":
        first, last = (_yarn_pair(turns, size, original) for turns in (32.0, 1.0))
        low, high = max(math.floor(first), 0), min(math.ceil(last), size - 1)
        kept = [1 - min(1.0, max(0.0, (pair - low) / (high - low))) for pair in range(size // 2)]
        return [step * share + step / factor * (1 - share) for step, share in zip(plain, kept, strict=True)]
    return plain


def _yarn_pair(turns: float, size: int, original: float) -> float:
    return size * math.log(original / (turns * 2 * math.pi)) / (2 * math.log(ROPE["theta"]))


def _llama3(step: float, factor: float, original: float) -> float:
    wave = 2 * math.pi / step
    if wave < original / 4:
        return step
    if wave > original / 1:
        return step / factor
    share = (original / wave - 1) / (4 - 1)
    return (1 - share) * step / factor + share * step


def rope_scaling() -> Picture:
    """How long each pair takes for a whole turn, under each kind of scaling."""
    picture = Picture("Tokens that each rotary pair takes for one turn, under each kind of scaling", 352)
    axes = Axes(picture, (74, 26, 560, 300), (0, 63), (6, 3e8), log_y=True)
    axes.ticks(
        [(pair, str(pair)) for pair in (0, 16, 32, 48, 63)],
        [(10.0**power, f"10^{power}") for power in range(1, 9)],
    )
    for length, name in ((8192, "8,192: trained"), (65_536, "65,536: wanted")):
        y = axes.place(0, length)[1]
        picture.line([(74, y), (560, y)], colour="soft", width=1, dashed=True)
        picture.text(82, y - 5, name, "soft", "start")
    kinds = (("none", "soft"), ("linear", "a"), ("dynamic", "b"), ("yarn", "c"), ("llama3", "d"))
    for place, (kind, colour) in enumerate(kinds):
        waves = [2 * math.pi / step for step in frequencies(kind, 65_536)]
        axes.curve(list(enumerate(waves)), colour, dashed=kind == "none")
        y = 60 + place * 24
        picture.line([(584, y - 4), (606, y - 4)], colour=colour, width=2, dashed=kind == "none")
        picture.text(614, y, kind, "mono", "start")
    picture.text(
        317, 338, "pair of the head (128 elements, base 500,000, factor 8; dynamic at 65,536 tokens)", "soft"
    )
    return picture


def gelu(x: float) -> float:
    """Return x times the normal distribution's share below x."""
    return x * 0.5 * (1 + math.erf(x / math.sqrt(2)))


def activations() -> Picture:
    """The curves of the activations."""
    picture = Picture("The curves of ReLU, squared ReLU, GELU and SiLU from -3 to 3", 302)
    axes = Axes(picture, (60, 24, 560, 254), (-3, 3), (-0.5, 3))
    axes.ticks([(x, str(x)) for x in range(-3, 4)], [(y, str(y)) for y in range(4)])
    functions: list[tuple[str, Callable[[float], float]]] = [
        ("relu", lambda x: max(0.0, x)),
        ("relu2", lambda x: max(0.0, x) ** 2),
        ("gelu", gelu),
        ("silu", lambda x: x / (1 + math.exp(-x))),
    ]
    for place, (name, function) in enumerate(functions):
        axes.curve([(x / 50, function(x / 50)) for x in range(-150, 151)], COLOURS[place])
        y = 60 + place * 24
        picture.line([(584, y - 4), (606, y - 4)], colour=COLOURS[place], width=2)
        picture.text(614, y, name, "mono", "start")
    picture.text(310, 290, "input", "soft")
    return picture


def feed_forward() -> Picture:
    """A plain feed-forward part, a gated one, and a mixture of experts."""
    picture = Picture("A plain feed-forward part, a gated one, and a mixture of experts", 262)
    picture.text(110, 32, "plain", "title")
    for y, name in ((186, "up"), (132, "activation"), (78, "down")):
        picture.box(60, y, 100, 30, name)
    picture.line([(110, 240), (110, 218)], arrow=True)
    picture.line([(110, 186), (110, 164)], arrow=True)
    picture.line([(110, 132), (110, 110)], arrow=True)
    picture.line([(110, 78), (110, 52)], arrow=True)
    picture.text(334, 32, "gated", "title")
    picture.box(240, 186, 88, 30, "gate", stroke="b")
    picture.box(340, 186, 88, 30, "up")
    picture.box(240, 132, 88, 30, "activation")
    picture.circle(334, 116, 10, "×")
    picture.box(284, 62, 100, 30, "down")
    picture.line([(334, 240), (334, 228), (284, 228), (284, 218)], arrow=True)
    picture.line([(334, 228), (384, 228), (384, 218)], arrow=True)
    picture.line([(284, 186), (284, 164)], arrow=True)
    picture.line([(284, 132), (284, 116), (322, 116)], arrow=True)
    picture.line([(384, 186), (384, 116), (346, 116)], arrow=True)
    picture.line([(334, 106), (334, 94)], arrow=True)
    picture.line([(334, 62), (334, 46)], arrow=True)
    picture.text(580, 32, "4 experts, 2 for a token", "title")
    picture.box(534, 200, 92, 28, "router", stroke="b")
    picture.line([(580, 250), (580, 230)], arrow=True)
    for expert in range(4):
        x = 478 + expert * 54
        used = expert in (1, 3)
        picture.rect(x, 126, 44, 36, stroke="a" if used else None)
        picture.text(x + 22, 149, f"E{expert}", "" if used else "soft")
        picture.line([(580, 200), (x + 22, 164)], colour="a" if used else "line", arrow=used, dashed=not used)
        if used:
            picture.line([(x + 22, 126), (580, 86)], colour="a", arrow=True)
            picture.text(x + (46 if expert == 3 else -4), 112, "0.7" if expert == 3 else "0.3", "soft")
    picture.circle(580, 76, 10, "+")
    picture.line([(580, 66), (580, 48)], arrow=True)
    return picture


VECTOR = (2.0, -1.0, 0.5, 3.0, -2.5, 1.0, -0.5, 1.5)


def normalized(kind: str, vector: tuple[float, ...] = VECTOR) -> list[float]:
    """Normalize a token's vector: ``layernorm``, ``rmsnorm``, or ``groupnorm`` with two groups."""
    size = len(vector) // 2 if kind == "groupnorm" else len(vector)
    result: list[float] = []
    for start in range(0, len(vector), size):
        group = vector[start : start + size]
        mean = 0.0 if kind == "rmsnorm" else sum(group) / size
        spread = math.sqrt(sum((x - mean) ** 2 for x in group) / size)
        result += [(x - mean) / spread for x in group]
    return result


def norms() -> Picture:
    """One vector before and after each norm."""
    picture = Picture("One token's vector before and after LayerNorm, RMSNorm and GroupNorm", 216)
    tables: list[tuple[str, list[float]]] = [
        ("input", list(VECTOR)),
        ("layernorm", normalized("layernorm")),
        ("rmsnorm", normalized("rmsnorm")),
        ("groupnorm, 2 groups", normalized("groupnorm")),
    ]
    for place, (name, values) in enumerate(tables):
        left = 28 + place * 172
        picture.text(left + 74, 32, name, "title")
        middle = 118.0
        for element, value in enumerate(values):
            top = middle - 24 * max(value, 0)
            colour = COLOURS[element // 4] if place == 3 else ("soft" if place == 0 else "a")
            picture.rect(left + element * 19, top, 14, max(1, 24 * abs(value)), radius=2, fill=colour)
        picture.line([(left - 4, middle), (left + 152, middle)], width=1)
        mean = sum(values) / len(values)
        power = sum(value**2 for value in values) / len(values)
        picture.text(
            left + 74, 202, f"mean {mean:.2f}, square {power:.2f}".replace("-0.00", "0.00"), "soft small"
        )
    return picture


def softcap() -> Picture:
    """Soft caps of 30 and 50 beside the plain value."""
    picture = Picture("Soft caps of 30 and 50: straight near zero, flat far out", 282)
    axes = Axes(picture, (66, 24, 560, 236), (0, 120), (0, 60))
    axes.ticks([(x, str(x)) for x in range(0, 121, 20)], [(y, str(y)) for y in range(0, 61, 10)])
    axes.curve([(x, float(x)) for x in range(61)], "soft", dashed=True)
    for place, cap in enumerate((30, 50)):
        axes.curve([(x, cap * math.tanh(x / cap)) for x in range(121)], COLOURS[place])
        picture.line([(584, 56 + 24 * place), (606, 56 + 24 * place)], colour=COLOURS[place], width=2)
        picture.text(614, 60 + 24 * place, f"cap {cap}", "mono", "start")
    picture.line([(584, 104), (606, 104)], colour="soft", width=2, dashed=True)
    picture.text(614, 108, "none", "mono", "start")
    picture.text(313, 272, "before", "soft")
    return picture


def ends() -> Picture:
    """From token ids to vectors at one end, from vectors to logits at the other."""
    picture = Picture(
        "Both ends of the model: the table of token vectors, and the head that may share it", 170
    )
    steps = ["ids", "table", "× √width", "+ position", "norm", "blocks", "norm", "head", "soft-cap", "logits"]
    x = 20.0
    for place, step in enumerate(steps):
        width = 46 if step in ("ids", "norm") else 62 if step != "+ position" else 74
        optional = step in ("× √width", "soft-cap") or place == 4
        picture.rect(x, 60, width, 34, stroke="a" if step in ("table", "head") else None)
        picture.text(x + width / 2, 81, step, "small" if not optional else "small soft")
        if step == "table":
            shared = x + width / 2
        if step == "head":
            picture.line(
                [(shared, 94), (shared, 132), (x + width / 2, 132), (x + width / 2, 96)],
                colour="a",
                arrow=True,
            )
            picture.text((shared + x + width / 2) / 2, 150, "tied_embeddings: the same numbers", "soft")
        x += width + 10
        if place < len(steps) - 1:
            picture.line([(x - 10, 77), (x - 1, 77)], arrow=True)
    picture.text(360, 32, "embedding_scale, embedding_norm and logit_softcap are optional", "soft")
    return picture


CACHED = ("llama-2-7b", "llama-3-8b", "mistral-7b", "gemma-3-1b", "qwen2.5-0.5b")


def cache_bytes(config: ModelConfig, context: int, bytes_per_number: int = 2) -> int:
    """Return what keys and values of ``context`` tokens take: two vectors for each layer and head.

    A layer with a window keeps at most its window.
    """
    tokens = sum(min(context, config.layer_window(layer) or context) for layer in range(config.layers))
    return 2 * tokens * config.key_value_heads * config.head_size * bytes_per_number


def kv_cache() -> Picture:
    """Size of the cache over the context, for published models."""
    picture = Picture("Size of the KV cache in 16 bits over the context, for five published models", 352)
    axes = Axes(picture, (78, 26, 540, 296), (256, 32_768), (1e6, 2e10), log_x=True, log_y=True)
    axes.ticks(
        [(256.0 * 2**power, f"{256 * 2**power:,}") for power in range(0, 8, 2)] + [(32_768.0, "32,768")],
        [(1e6, "1 MB"), (1e7, "10 MB"), (1e8, "100 MB"), (1e9, "1 GB"), (1e10, "10 GB")],
    )
    for place, name in enumerate(CACHED):
        config = ModelConfig.preset(name)
        contexts = [round(256 * 2 ** (step / 8)) for step in range(57)]
        axes.curve([(context, float(cache_bytes(config, context))) for context in contexts], COLOURS[place])
        y = 60 + place * 24
        picture.line([(564, y - 4), (586, y - 4)], colour=COLOURS[place], width=2)
        picture.text(594, y, name, "mono", "start")
    picture.text(309, 338, "tokens of one sequence", "soft")
    return picture


PICTURES: dict[str, Callable[[], Picture]] = {
    "shapes": shapes,
    "blocks": blocks,
    "heads": heads,
    "masks": masks,
    "positions": positions,
    "rope-scaling": rope_scaling,
    "activations": activations,
    "feed-forward": feed_forward,
    "norms": norms,
    "softcap": softcap,
    "ends": ends,
    "kv-cache": kv_cache,
}


if __name__ == "__main__":
    for name, draw in PICTURES.items():
        draw().write(FOLDER / f"{name}.svg")
    print(f"{len(PICTURES)} pictures in {FOLDER}")
