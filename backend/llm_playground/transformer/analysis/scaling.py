"""The loss that scaling laws predict, and the sizes they call optimal.

Hoffmann et al. 2022 ("Chinchilla", arXiv:2203.15556) fit ``L(N, D) = E + A / N^alpha + B / D^beta`` in nats
per token to models of 70 million to 16 billion parameters N on up to 500 billion tokens D of their own data
and tokenizer. Besiroglu et al. 2024 (arXiv:2404.10102) read the points off the figures and found the fit to
be another. For a given compute ``C = 6 N D`` each law has a best size.
"""

from __future__ import annotations

from dataclasses import dataclass

TOKENS_PER_PARAMETER = 20  # Chinchilla's rule of thumb: 70 billion parameters, 1.4 trillion tokens
FITTED_FROM = 70_000_000


@dataclass(frozen=True)
class LossLaw:
    """One fit of the law.

    Attributes:
        name: who fitted it.
        source: where it is published.
        e, a, b, alpha, beta: its five numbers.
    """

    name: str
    source: str
    e: float
    a: float
    b: float
    alpha: float
    beta: float

    def loss(self, parameters: float, tokens: float) -> float:
        """Return the loss in nats per token."""
        return self.e + self.a / parameters**self.alpha + self.b / tokens**self.beta

    def optimum(self, flops: float) -> tuple[float, float]:
        """Return (parameters, tokens) of the least loss at ``flops = 6 N D`` (Hoffmann et al., eq. 4)."""
        ratio = (self.alpha * self.a / (self.beta * self.b)) ** (1 / (self.alpha + self.beta))
        parameters = ratio * (flops / 6) ** (self.beta / (self.alpha + self.beta))
        return parameters, flops / 6 / parameters


HOFFMANN = LossLaw("Hoffmann et al. 2022", "arXiv:2203.15556, section 3.3", 1.69, 406.4, 410.7, 0.34, 0.28)
BESIROGLU = LossLaw(
    "Besiroglu et al. 2024", "arXiv:2404.10102, section 3", 1.8172, 482.01, 2085.43, 0.3478, 0.3658
)
LAWS = (HOFFMANN, BESIROGLU)
