"""What every tokenizer offers, whoever wrote it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

Special = Literal["all"] | Collection[str]


@dataclass(frozen=True)
class TokenSpan:
    """One token of an encoded text and where in it the token stands.

    Character offsets never split a character: a token that holds a part of one spans all of it, so that
    neighbors may overlap. Byte offsets partition the text's UTF-8 bytes unless the tokenizer changed the text
    (normalization, an added space) before it cut it.

    Attributes:
        id: the token.
        bytes: what it decodes to.
        start, end: characters of the text, end not included.
        byte_start, byte_end: bytes of the text in UTF-8, end not included.
        special: whether it is a special token.
    """

    id: int
    bytes: bytes
    start: int
    end: int
    byte_start: int
    byte_end: int
    special: bool = False


@runtime_checkable
class Tokenizer(Protocol):
    """Text to ids and back.

    Attributes:
        special_tokens: text -> id of tokens that ordinary text never becomes.
        chat_template: Jinja template of conversations, or None.
    """

    special_tokens: dict[str, int]
    chat_template: str | None

    @property
    def vocab_size(self) -> int:
        """Number of ids: the greatest plus one."""

    @property
    def eos_id(self) -> int | None:
        """Id that ends a text, or None."""

    @property
    def adds_space(self) -> bool:
        """Whether a space is put before the text, which decoding takes away again."""

    def encode(
        self, text: str, allowed_special: Special = (), disallowed_special: Special = "all"
    ) -> list[int]:
        """Return the ids of a text; no token is added at its ends."""

    def encode_ordinary(self, text: str) -> list[int]:
        """Return the ids of a text in which nothing is special."""

    def encode_array(self, text: str) -> NDArray[numpy.int32]:
        """Return the same ids as an array, which costs less for long texts: [N]."""

    def spans(self, text: str, allowed_special: Special = ()) -> list[TokenSpan]:
        """Return the tokens of a text with their places; special tokens not allowed are ordinary text."""

    def token_bytes(self, token: int) -> bytes:
        """Return the bytes of one id."""

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """Return the bytes that ids stand for."""

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of ids; bytes that are not UTF-8 become U+FFFD."""
