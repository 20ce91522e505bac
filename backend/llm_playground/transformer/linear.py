"""Linear layers and embeddings that leave the drawing of their weights to the model they are in."""

from __future__ import annotations

from torch import nn


class Linear(nn.Linear):
    """``nn.Linear`` whose weights are not drawn when it is built.

    A model draws all its weights once, at its end: drawing them twice would double the time a large model
    takes to build, and on the meta device there is nothing to draw.
    """

    def reset_parameters(self) -> None:
        """Leave the memory as it is."""


class Embedding(nn.Embedding):
    """``nn.Embedding`` whose weights are not drawn when it is built; see :class:`Linear`."""

    def reset_parameters(self) -> None:
        """Leave the memory as it is."""
