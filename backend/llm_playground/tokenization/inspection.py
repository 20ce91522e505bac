"""What happened to a text: each token with its place, and the way that merging took to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from llm_playground.tokenization.base import Special, Tokenizer, TokenSpan
from llm_playground.tokenization.bpe import BPETokenizer, PieceTrace


@dataclass(frozen=True)
class InspectedToken:
    """One token of a text.

    Attributes:
        id: the token.
        text: its bytes as text, with U+FFFD where it holds a part of a character.
        bytes: its bytes in hexadecimal.
        start, end: characters of the text, end not included.
        byte_start, byte_end: bytes of the text, end not included.
        special: whether it is a special token.
        partial: whether it holds only a part of a character.
        piece: index of the piece it belongs to, None for an added token and where pieces are not known.
        begins: whether it is the first token of its piece.
    """

    id: int
    text: str
    bytes: str
    start: int
    end: int
    byte_start: int
    byte_end: int
    special: bool
    partial: bool
    piece: int | None
    begins: bool


@dataclass(frozen=True)
class InspectedMerge:
    """One merge within a piece.

    Attributes:
        rank: its order in the vocabulary.
        left, right, merged: the tokens' texts.
        place: index of the left one among the piece's symbols at that moment.
    """

    rank: int
    left: str
    right: str
    merged: str
    place: int


@dataclass(frozen=True)
class InspectedPiece:
    """One piece that the pattern cut.

    Attributes:
        text: the piece.
        branch: which part of the pattern cut it, None where it is not known.
        symbols: what the merging began with.
        merges: the merges in their order.
        whole: the piece was a token and needed no merging.
        tokens: ids of its tokens.
    """

    text: str
    branch: str | None
    symbols: tuple[str, ...]
    merges: tuple[InspectedMerge, ...]
    whole: bool
    tokens: tuple[int, ...]


@dataclass(frozen=True)
class Inspection:
    """A text under the glass.

    Attributes:
        tokens: in order.
        pieces: the different ones in the order in which they occur first; empty for tokenizers that do not
            tell them.
        pattern: name of the pattern that cut the text, if it is a known one.
    """

    tokens: tuple[InspectedToken, ...]
    pieces: tuple[InspectedPiece, ...]
    pattern: str | None

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        pieces = [{**vars(piece), "merges": [vars(step) for step in piece.merges]} for piece in self.pieces]
        return {"tokens": [vars(token) for token in self.tokens], "pieces": pieces, "pattern": self.pattern}


def inspect_text(
    tokenizer: Tokenizer, text: str, allowed_special: Special = (), *, merges: bool = True
) -> Inspection:
    """Return each token of a text, and for our own BPE each piece with its merges.

    Args:
        allowed_special: special tokens to recognise; others are ordinary text.
        merges: also tell the pieces and their merges.

    Raises:
        InputError: the text holds a lone surrogate.
    """
    spans = tokenizer.spans(text, allowed_special)
    pieces: list[InspectedPiece] = []
    owners: list[tuple[int | None, bool]] = [(None, True)] * len(spans)
    pattern = None
    if merges and isinstance(tokenizer, BPETokenizer):
        trace: list[PieceTrace] = []
        tokenizer.encode(text, allowed_special, (), trace=trace)
        # Within a text a piece that recurs is one and the same object, so that identity tells them apart.
        different = {id(item): item for item in trace}
        numbers = {key: number for number, key in enumerate(different)}
        pieces = [_piece(tokenizer, item) for item in different.values()]
        places = iter([(numbers[id(item)], not at) for item in trace for at in range(len(item.ids))])
        added = tokenizer.added.by_id
        owners = [(None, True) if span.id in added else next(places) for span in spans]
        known = tokenizer.split_pattern
        pattern = known.name if known is not None else None
    tokens = tuple(_token(span, *owner) for span, owner in zip(spans, owners, strict=True))
    return Inspection(tokens, tuple(pieces), pattern)


def _token(span: TokenSpan, piece: int | None, begins: bool) -> InspectedToken:
    text = span.bytes.decode("utf-8", errors="replace")
    return InspectedToken(
        span.id,
        text,
        span.bytes.hex(),
        span.start,
        span.end,
        span.byte_start,
        span.byte_end,
        span.special,
        text.encode() != span.bytes,
        piece,
        begins,
    )


def _piece(tokenizer: BPETokenizer, item: PieceTrace) -> InspectedPiece:
    def shown(token: int) -> str:
        value = tokenizer.token_bytes(token)
        try:
            return value.decode()
        except UnicodeDecodeError:  # a part of a character: its bytes, as in a hex dump
            return " ".join(f"{byte:02X}" for byte in value)

    steps = tuple(
        InspectedMerge(step.rank, shown(step.left), shown(step.right), shown(step.merged), step.place)
        for step in item.steps
    )
    piece = item.piece.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return InspectedPiece(piece, item.branch, tuple(map(shown, item.symbols)), steps, item.whole, item.ids)
