"""One block: attention, in an encoder-decoder's decoder cross-attention, and the feed-forward part."""

from __future__ import annotations

from torch import Tensor, nn

from llm_playground.transformer.attention import Attention, CrossAttention
from llm_playground.transformer.config import ModelConfig
from llm_playground.transformer.feed_forward import FeedForward, MixtureOfExperts
from llm_playground.transformer.forward_pass import ForwardPass
from llm_playground.transformer.norms import make_norm


class Block(nn.Module):
    """The parts of one layer, each added to the residual stream.

    Norms stand before each part (pre), after each sum (post), or before and after each part (sandwich). With
    ``parallel`` all parts read the block's input, else each reads the sum so far.

    Args:
        config: the model's shape.
        index: of the layer in its stack.
        causal: whether it is a decoder's block (only these have windows).
        cross: whether it reads an encoder's states too.
        prefix: before the block's name in captures (``encoder.``).
    """

    def __init__(
        self, config: ModelConfig, index: int, *, causal: bool = True, cross: bool = False, prefix: str = ""
    ) -> None:
        super().__init__()
        self.name = f"{prefix}blocks.{index}"
        self.post, self.parallel = config.norm_placement == "post", config.parallel
        sandwich = config.norm_placement == "sandwich"
        window = config.layer_window(index) if causal else None
        # Before a part it is read by linear layers alone; experts add to what has its format.
        before = config.norm_placement != "post"
        self.attention_norm = make_norm(config, for_products=before)
        self.attention = Attention(config, index, f"{self.name}.attention", window)
        self.attention_post_norm = make_norm(config) if sandwich else None
        self.cross_attention_norm = make_norm(config, for_products=before) if cross else None
        self.cross_attention = (
            CrossAttention(config, index, f"{self.name}.cross_attention") if cross else None
        )
        self.cross_attention_post_norm = make_norm(config) if cross and sandwich else None
        self.ffn_norm = make_norm(config, for_products=before and config.experts is None)
        self.ffn = (FeedForward if config.experts is None else MixtureOfExperts)(config, f"{self.name}.ffn")
        self.ffn_post_norm = make_norm(config) if sandwich else None
        self.drop = nn.Dropout(config.dropout) if config.dropout else nn.Identity()

    def forward(self, x: Tensor, shared: ForwardPass) -> Tensor:
        """Add all parts to the residual stream: [B, T, C] -> [B, T, C]."""
        capture = shared.capture
        if capture is not None:
            x = capture(f"{self.name}.input", x)
        start = x if self.parallel else None
        x = self._add(x, start, self.attention, self.attention_norm, self.attention_post_norm, shared)
        if capture is not None:
            x = capture(f"{self.name}.middle", x)
        if self.cross_attention is not None and self.cross_attention_norm is not None:
            x = self._add(
                x,
                start,
                self.cross_attention,
                self.cross_attention_norm,
                self.cross_attention_post_norm,
                shared,
            )
            if capture is not None:
                x = capture(f"{self.name}.cross_middle", x)
        x = self._add(x, start, self.ffn, self.ffn_norm, self.ffn_post_norm, shared)
        return x if capture is None else capture(f"{self.name}.output", x)

    def _add(
        self,
        x: Tensor,
        start: Tensor | None,
        part: Attention | CrossAttention | FeedForward | MixtureOfExperts,
        norm: nn.Module,
        post_norm: nn.Module | None,
        shared: ForwardPass,
    ) -> Tensor:
        """Add what a part makes of ``start`` (None: of x itself) to the stream x: [B, T, C] -> [B, T, C]."""
        capture = shared.capture
        read = x if start is None else start
        if not self.post:
            read = norm(read)
            if capture is not None:
                read = capture(f"{part.name}_norm", read)
        made = part(read, shared)
        if post_norm is not None:
            made = post_norm(made)
            if capture is not None:
                made = capture(f"{part.name}_post_norm", made)
        x = x + self.drop(made)
        return norm(x) if self.post else x
