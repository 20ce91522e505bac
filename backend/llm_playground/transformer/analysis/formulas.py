"""The formulas behind the figures, in words a page can show beside each of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Formula:
    """How a figure is worked out, and who says so.

    Attributes:
        name: which figure: the name of its attribute.
        formula: how it is worked out.
        source: a paper, or where it is read from.
    """

    name: str
    formula: str
    source: str


_MODULE = "counted on the module that this configuration builds, without its memory"

FORMULAS = (
    Formula(
        "parameters",
        "Sum of the sizes of all tensors of parameters, a tied head once.",
        _MODULE,
    ),
    Formula(
        "per_token_forward",
        "2 x in x out for each matrix that a token goes through, the head included; and for each layer "
        "4 x heads x head size x tokens seen. On average over T tokens a query sees "
        "mean(min(t + 1, window)) = (T + 1) / 2 without a window. Experts count as far as they work.",
        "Kaplan et al. 2020, arXiv:2001.08361, section 2.1; Chowdhery et al. 2022, arXiv:2204.02311, "
        "appendix B; matrices " + _MODULE,
    ),
    Formula(
        "per_token_training",
        "3 x forward: for each matrix product the backward pass has two, one for the input's gradient and "
        "one for the weight's.",
        "Kaplan et al. 2020, arXiv:2001.08361, section 2.1",
    ),
    Formula(
        "kv_cache",
        "2 x key/value heads x head size x bytes x min(window, tokens), summed over the layers.",
        "Shazeer 2019, arXiv:1911.02150; groups: Ainslie et al. 2023, arXiv:2305.13245",
    ),
    Formula(
        "weights",
        "4 bytes for each parameter in float32, 2 in bf16 or fp16, divided by the number of shards.",
        "Rajbhandari et al. 2020, arXiv:1910.02054, section 3.1",
    ),
    Formula("gradients", "As many bytes as the weights.", "Rajbhandari et al. 2020, arXiv:1910.02054"),
    Formula(
        "optimizer",
        "For each parameter: AdamW 8 bytes, Lion and momentum 4, Muon 4 for the blocks' matrices and 8 for "
        "the rest, 8-bit AdamW about 2, Adafactor a row and a column of each matrix, plain SGD none; in half "
        "precision 4 more for the float32 master weights.",
        "Rajbhandari et al. 2020, arXiv:1910.02054, section 3.1; the optimizers' papers",
    ),
    Formula(
        "activations",
        "What autograd saves in one forward pass, each storage once, under fused attention (no scores). Full "
        "checkpointing: each block's input, and one block computed again; selective: also the results of "
        "matrix products and attention.",
        _MODULE + "; Korthikanti et al. 2022, arXiv:2205.05198; Chen et al. 2016, arXiv:1604.06174",
    ),
    Formula(
        "logits",
        "Batch x tokens x vocabulary x 12 bytes: in the loss's backward pass the log-probabilities, the "
        "gradient of those picked and that of the logits live together, in float32.",
        "what the loss computes",
    ),
    Formula(
        "gathered",
        "With shards: embeddings, head and two blocks are whole while they are used.",
        "Zhao et al. 2023, arXiv:2304.11277",
    ),
    Formula(
        "inference",
        "Weights, the cache of a full context for each sequence, one row of float32 logits for each.",
        "sum of the parts",
    ),
    Formula(
        "chinchilla_tokens",
        "20 tokens for each parameter that works on a token.",
        "Hoffmann et al. 2022, arXiv:2203.15556, table 3",
    ),
    Formula("training_flops", "per_token_training x tokens.", "product of the parts"),
    Formula(
        "seconds",
        "Operations, with what is computed again, / (devices x peak rate x utilization).",
        "Chowdhery et al. 2022, arXiv:2204.02311, section 4.1",
    ),
    Formula("cost", "Hours x devices x price of an hour.", "the device table, dated"),
    Formula(
        "energy_kwh",
        "Hours x devices x watts at full load / 1000; cooling and the rest of the computer not counted.",
        "the device table, dated",
    ),
    Formula(
        "predicted_loss",
        "L(N, D) = 1.69 + 406.4 / N^0.34 + 410.7 / D^0.28, nats per token.",
        "Hoffmann et al. 2022, arXiv:2203.15556, section 3.3",
    ),
    Formula(
        "predicted_loss_replication",
        "L(N, D) = 1.8172 + 482.01 / N^0.3478 + 2085.43 / D^0.3658, nats per token.",
        "Besiroglu et al. 2024, arXiv:2404.10102",
    ),
)
