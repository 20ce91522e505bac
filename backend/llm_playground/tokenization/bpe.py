"""Byte-pair encoding, from scratch: train, encode, decode, explain, save, load."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy
from numpy.typing import NDArray

from llm_playground.core.errors import InputError
from llm_playground.tokenization.added import AddedToken, AddedTokens
from llm_playground.tokenization.alignment import align
from llm_playground.tokenization.base import Special, TokenSpan
from llm_playground.tokenization.merging import (
    SHORT,
    JoinedPairs,
    ListedPairs,
    Merger,
    MergeStep,
    Pair,
    merge_by_rank,
)
from llm_playground.tokenization.pipeline import (
    META,
    compile_cutter,
    compile_normalizer,
    keeps_cuts,
    strict_utf8,
)
from llm_playground.tokenization.splitting import SURROGATE, SplitPattern, find_pattern, get_pattern
from llm_playground.tokenization.words import WordMemory

if TYPE_CHECKING:
    from llm_playground.tokenization.bpe_training import Learned
    from llm_playground.tokenization.training_trace import TrainingTrace

TOKENIZER_FILE = "tokenizer.json"
CONFIG_FILE = "tokenizer_config.json"
_CACHE_LIMIT = 200_000  # pieces remembered; a corpus has far fewer common ones
_LONGEST_CACHED = 64  # characters of a piece that is remembered
_LONG = 3000  # characters of a text from which looking up all its words at once is faster

_ROLES = {"bos": "<|endoftext|>", "eos": "<|endoftext|>", "pad": "<|pad|>"}


@dataclass(frozen=True)
class PieceTrace:
    """How one piece became tokens: what ``encode(..., trace=...)`` gives.

    Attributes:
        piece: the piece as it was cut, after normalization.
        branch: what part of the pattern cut it, None where the cut has no named parts.
        symbols: ids that the merging began with.
        steps: the merges in their order.
        ids: the tokens.
        whole: the piece is itself a token and was taken without merging.
    """

    piece: str
    branch: str | None
    symbols: tuple[int, ...]
    steps: tuple[MergeStep, ...]
    ids: tuple[int, ...]
    whole: bool


class _Pieces(dict[str, tuple[int, ...]]):
    """Ids of the pieces met so far; a new one is merged, a full memory is begun anew.

    Tuples, for they are read twice as fast as lists, and the garbage collector soon leaves them alone.
    """

    def __init__(self, encode: Callable[[str], list[int]]) -> None:
        super().__init__()
        self._encode = encode

    def __missing__(self, piece: str) -> tuple[int, ...]:
        ids = tuple(self._encode(piece))
        if len(piece) <= _LONGEST_CACHED:
            if len(self) >= _CACHE_LIMIT:
                self.clear()
            self[piece] = ids
        return ids


class BPETokenizer:
    """A BPE tokenizer: every text can be encoded, and decoding gives it back.

    Symbols are bytes, or characters with bytes for those outside the vocabulary (as SentencePiece has it:
    ``names`` is given then). Merges are listed, or (``merges=None``) two neighbors merge when their bytes
    joined are a token, the lowest id first, as in tiktoken.

    Args:
        tokens: bytes of each ordinary token by id.
        merges: pairs of ids in the order they are applied, or None.
        special_tokens: text -> id; never produced from ordinary text.
        pattern: name of the pattern that cuts text into pieces; see ``splitting.PATTERNS``.
        chat_template: Jinja template of conversations, or None.
        added_tokens: further tokens that are found before anything else, and special ones with their flags.
        normalizer, pre_tokenizer: sections of a ``tokenizer.json`` instead of the pattern.
        names: token texts by id as a character-based vocabulary spells them (``▁the``, ``<0x0A>``).
        scores: rank of each token where ``merges`` is None; default its id.
        ignore_merges: a piece that is a token is taken whole, without merging (Llama 3).
        roles: "bos", "eos", "pad" -> special token.

    Example::

        tokenizer = BPETokenizer.train(["low lower lowest"], vocab_size=260)
        tokenizer.decode(tokenizer.encode("slow"))  # "slow"
    """

    def __init__(
        self,
        tokens: Mapping[int, bytes],
        merges: Sequence[Pair] | None,
        special_tokens: Mapping[str, int] | None = None,
        pattern: str = "gpt2",
        chat_template: str | None = None,
        *,
        added_tokens: Sequence[AddedToken] = (),
        normalizer: dict[str, Any] | None = None,
        pre_tokenizer: dict[str, Any] | None = None,
        names: Mapping[int, str] | None = None,
        scores: Mapping[int, int] | None = None,
        ignore_merges: bool = False,
        roles: Mapping[str, str] | None = None,
    ) -> None:
        known = {token.text for token in added_tokens}
        plain = [AddedToken(text, id) for text, id in (special_tokens or {}).items() if text not in known]
        self.added = AddedTokens([*added_tokens, *plain])
        self.special_tokens = {token.text: token.id for token in self.added if token.special}
        self.chat_template = chat_template
        self.ignore_merges, self.names, self.scores = ignore_merges, dict(names or {}) or None, scores
        self.roles = {**_ROLES, **(roles or {})}
        self.normalizer = normalizer
        self.pre_tokenizer = pre_tokenizer or (None if self.names else _pattern_section(get_pattern(pattern)))
        self.pattern = pattern if pre_tokenizer is None and not self.names else ""
        sections = (self.pre_tokenizer or {}).get("pretokenizers", ())
        cuts_bytes = any(section.get("type") == "ByteLevel" for section in sections[:-1])
        self._surrogates = "surrogateescape" if cuts_bytes else "strict"
        self._tokens = dict(tokens)
        self._listed = list(merges) if merges is not None else None
        self._check()
        # A rank file's tokens are taken whole, as tiktoken does; listed merges decide unless ignored.
        self._takes_whole = self.ignore_merges or (self._listed is None and not self.names)
        self._vocab_size = max(max(self._tokens), max((token.id for token in self.added), default=0)) + 1
        self._ids = self._content_ids()
        self._merger = self._make_merger()
        self._symbols = self._character_symbols() if self.names else self._byte_symbols()
        self._normalize = compile_normalizer(normalizer)
        self._cut = self._make_cutter(first=True)
        self._cut_later = self._make_cutter(first=False)
        self._pieces = _Pieces(self._piece_encoder())
        # Words can be told apart where one of the known patterns cuts, with nothing else around it.
        cuts = self.split_pattern
        self._words = WordMemory(self._encode_word, cuts.name) if cuts is not None else None

    def _check(self) -> None:
        overlap = {token.id for token in self.added} & set(self._tokens)
        if not self._tokens or min(self._tokens) < 0 or overlap:
            raise InputError("The vocabulary is wrong: every id must be 0 or more and used once.")

    def _content_ids(self) -> dict[bytes, int]:
        """Return bytes -> id of the tokens that merging can make."""
        if not self.names:
            return {value: token for token, value in self._tokens.items()}
        return {name.encode(): token for token, name in self.names.items()}

    def _make_merger(self) -> Merger:
        if self._listed is not None:
            contents = self._contents()
            merged = [self._ids[contents[left] + contents[right]] for left, right in self._listed]
            return Merger(ListedPairs(self._listed), merged.__getitem__)
        by_rank = self.scores or {token: token for token in self._tokens}
        ids = {rank: token for token, rank in by_rank.items()}
        ranks = {value: by_rank[token] for value, token in self._ids.items() if token in by_rank}
        return Merger(JoinedPairs(self._contents(), ranks), ids.__getitem__)

    def _contents(self) -> dict[int, bytes]:
        return {token: name.encode() for token, name in self.names.items()} if self.names else self._tokens

    def _byte_symbols(self) -> Callable[[str], list[int]]:
        missing = [value for value in range(256) if bytes([value]) not in self._ids]
        if missing:
            raise InputError(f"The vocabulary lacks {len(missing)} of the 256 bytes.", field="vocab")
        byte_ids, utf8 = [self._ids[bytes([value])] for value in range(256)], self._utf8
        return lambda piece: [byte_ids[value] for value in utf8(piece)]

    def _utf8(self, piece: str) -> bytes:
        """Return a piece's bytes; some cutters cut within characters and leave single bytes as surrogates."""
        try:
            return piece.encode("utf-8", self._surrogates)
        except UnicodeEncodeError:
            raise SURROGATE from None

    def _character_symbols(self) -> Callable[[str], list[int]]:
        ids = {name: token for token, name in (self.names or {}).items()}
        missing = [value for value in range(256) if f"<0x{value:02X}>" not in ids]
        if missing:
            raise InputError(f"The vocabulary lacks {len(missing)} of the 256 fallback bytes.", field="vocab")
        fallback = [ids[f"<0x{value:02X}>"] for value in range(256)]

        def symbols(piece: str) -> list[int]:
            found: list[int] = []
            for character in piece:
                token = ids.get(character)
                if token is not None:
                    found.append(token)
                    continue
                found += [fallback[value] for value in self._utf8(character)]
            return found

        return symbols

    def _make_cutter(self, *, first: bool) -> Callable[[str], list[str]]:
        cut = compile_cutter(self.pre_tokenizer, first=first)
        if not self.names:
            return cut
        # Where no token has a space mark behind another character, no merge crosses the beginning of a run of
        # marks: cutting there changes nothing, and pieces that recur need to be merged only once.
        if any(re.search(f"[^{META}]{META}", name) for name in self.names.values()):
            return cut
        words = re.compile(f"{META}+[^{META}]*|[^{META}]+").findall
        return lambda text: [word for piece in cut(text) for word in words(piece)]

    @classmethod
    def train(
        cls,
        texts: Iterable[str],
        vocab_size: int,
        pattern: str = "gpt2",
        special_tokens: Sequence[str] = (),
        tie_break: str = "hf",
        *,
        min_frequency: int = 0,
        chat_template: str | None = None,
        trace: TrainingTrace | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Self:
        """Learn a tokenizer; see :mod:`bpe_training` for the rules and whose merges each of them gives.

        Args:
            texts: the corpus, read once; memory grows with its distinct pieces.
            vocab_size: ids in all, at least 256 + special tokens; fewer if the text has no more pairs.
            pattern: how text is cut, see ``splitting.PATTERNS``.
            special_tokens: texts that stand for themselves.
            tie_break: which of two equally frequent pairs wins: hf, rustbpe, cs336 or first-seen.
            min_frequency: pairs that are rarer are not merged.
            chat_template: kept with the tokenizer.
            trace: a ``TrainingTrace`` that gets every merge, or None.
            progress: called with (merges done, merges wanted).

        Raises:
            ConfigError: a setting is out of range.
            InputError: the corpus is empty.
        """
        from llm_playground.tokenization.bpe_training import check_settings, learn_merges
        from llm_playground.tokenization.counting import count_pieces

        check_settings(vocab_size, special_tokens, tie_break)
        pieces = count_pieces(texts, pattern, special_tokens=special_tokens)
        learned = learn_merges(
            pieces.counts,
            vocab_size,
            special_tokens,
            tie_break=tie_break,
            min_frequency=min_frequency,
            trace=trace,
            progress=progress,
        )
        return cls.learned(learned, pattern, chat_template)

    @classmethod
    def learned(cls, learned: Learned, pattern: str = "gpt2", chat_template: str | None = None) -> Self:
        """Return the tokenizer that a training gave."""
        return cls(learned.tokens, learned.merges, learned.special_tokens, pattern, chat_template)

    @property
    def vocab_size(self) -> int:
        """Number of ids, added tokens included: the greatest plus one."""
        return self._vocab_size

    @property
    def ordinary_tokens(self) -> Mapping[int, bytes]:
        """Bytes of each token by id, without the added ones."""
        return self._tokens

    @property
    def has_listed_merges(self) -> bool:
        """Whether the merges are listed; else ranks decide."""
        return self._listed is not None

    @property
    def merges(self) -> list[Pair]:
        """The merges in their order; for ranks those that :func:`recover_merges` finds."""
        if self._listed is not None:
            return self._listed
        from llm_playground.tokenization.formats.ranks import recover_merges

        return recover_merges(self)[0]

    @property
    def split_pattern(self) -> SplitPattern | None:
        """The known pattern that cuts the text, or None where the cutter is another."""
        if self.pattern:
            return get_pattern(self.pattern)
        section = self.pre_tokenizer or {}
        parts = section.get("pretokenizers", [section])
        if parts and parts[0].get("type") == "ByteLevel" and parts[0].get("use_regex", True):
            return get_pattern("gpt2") if len(parts) == 1 else None
        if len(parts) == 2 and "Regex" in parts[0].get("pattern", {}) and not parts[1].get("use_regex", True):
            return find_pattern(parts[0]["pattern"]["Regex"]) if keeps_cuts(parts[0]) else None
        return None

    def role_id(self, role: Literal["bos", "eos", "pad"]) -> int | None:
        """Return the id of a special token by its role, or None."""
        return self.special_tokens.get(self.roles[role])

    @property
    def eos_id(self) -> int | None:
        """Id that ends a document, or None."""
        return self.role_id("eos")

    @property
    def bos_id(self) -> int | None:
        """Id that begins a document, or None; ``encode`` never adds it."""
        return self.role_id("bos")

    @property
    def pad_id(self) -> int | None:
        """Id that fills up a batch, or None."""
        return self.role_id("pad")

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of everything that decides the ids."""
        content = [
            self.normalizer,
            self.pre_tokenizer,
            sorted((token, value.hex()) for token, value in self._contents().items()),
            self._listed,
            sorted((self.scores or {}).items()),
            self.ignore_merges,
            [token.to_json() for token in self.added],
        ]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    def encode(
        self,
        text: str,
        allowed_special: Special = (),
        disallowed_special: Special = "all",
        *,
        trace: list[PieceTrace] | None = None,
    ) -> list[int]:
        """Return the ids of a text.

        Special tokens follow tiktoken's rule: text that spells one raises, unless it is allowed (then it
        becomes that token) or taken out of ``disallowed_special`` (then it is ordinary text). Added tokens
        that are not special are always found.

        Args:
            trace: gets one entry for each piece: its branch of the pattern and its merges.

        Raises:
            InputError: a disallowed special token, or a lone surrogate.
        """
        ids: list[int] = []
        for part, token, start in self.added.split(text, allowed_special, disallowed_special):
            if token is not None:
                ids.append(token.id)
                continue
            part = self._normalized(part)
            cut = self._cut if start == 0 else self._cut_later
            ids += self._encode_part(part, cut)
            if trace is not None:
                trace += self._trace(cut(part))
        return ids

    def encode_ordinary(self, text: str) -> list[int]:
        """Return the ids of a text in which nothing is special.

        Raises:
            InputError: the text holds a lone surrogate, which UTF-8 cannot write.
        """
        if self.added.always:
            return self.encode(text, (), ())
        return self._encode_part(self._normalized(text), self._cut)

    def encode_array(self, text: str) -> NDArray[numpy.int32]:
        """Return the ids of a text in which nothing is special as an array; see :meth:`encode_ordinary`."""
        if self.added.always:
            return numpy.array(self.encode(text, (), ()), dtype=numpy.int32)
        text = self._normalized(text)
        found = self._look_up(text)
        return numpy.array(self._encode_part(text, self._cut), dtype=numpy.int32) if found is None else found

    def _normalized(self, text: str) -> str:
        return text if self._normalize is None else self._normalize(text)

    def _cut_part(self, text: str, *, first: bool) -> list[str]:
        return (self._cut if first else self._cut_later)(self._normalized(text))

    def _encode_part(self, text: str, cut: Callable[[str], list[str]]) -> list[int]:
        """Return the ids of a normalized text without added tokens."""
        found = self._look_up(text)
        if found is None:
            return list(chain.from_iterable(map(self._pieces.__getitem__, cut(text))))
        ids: list[int] = found.tolist()
        return ids

    def _look_up(self, text: str) -> NDArray[numpy.int32] | None:
        """Return the ids of a normalized text that is better looked up word by word, None for any other."""
        if len(text) < _LONG or self._words is None:
            return None
        return self._words.encode(strict_utf8(text))

    def _encode_word(self, word: str) -> Sequence[int]:
        pieces = self._cut(word)
        if len(pieces) == 1:
            return self._pieces[word]
        return list(chain.from_iterable(map(self._pieces.__getitem__, pieces)))

    def _piece_encoder(self) -> Callable[[str], list[int]]:
        """Return the function that encodes a piece: as a whole where that may be, else by merging."""
        ids, utf8, symbols, merge = self._ids, self._utf8, self._symbols, self._merger.merge
        if not self._takes_whole:
            return lambda piece: merge(symbols(piece))
        by_rank = self._listed is None and self.scores is None

        def encode(piece: str) -> list[int]:
            data = utf8(piece)
            token = ids.get(data)
            if token is not None:
                return [token]
            return merge_by_rank(data, ids) if by_rank and len(data) <= SHORT else merge(symbols(piece))

        return encode

    def _whole(self, piece: str) -> int | None:
        """Return the token that the piece is, where it may be taken without merging."""
        return self._ids.get(self._utf8(piece)) if self._takes_whole else None

    def _trace(self, pieces: Sequence[str]) -> Iterator[PieceTrace]:
        pattern = self.split_pattern
        branches: Sequence[int | None] = [None] * len(pieces)
        if pattern is not None:
            branches = pattern.branch_of("".join(pieces))
        known: dict[tuple[str, int | None], PieceTrace] = {}  # a piece that recurs is explained once
        for piece, branch in zip(pieces, branches, strict=True):
            if (piece, branch) not in known:
                whole = self._whole(piece)
                symbols, steps = self._symbols(piece), list[MergeStep]()
                ids = [whole] if whole is not None else self._merger.merge(list(symbols), steps)
                named = pattern.branches[branch] if pattern is not None and branch is not None else None
                known[piece, branch] = PieceTrace(
                    piece, named, tuple(symbols), tuple(steps), tuple(ids), whole is not None
                )
            yield known[piece, branch]

    def spans(self, text: str, allowed_special: Special = ()) -> list[TokenSpan]:
        """Return the tokens of a text with their places; special tokens not allowed are ordinary text.

        Raises:
            InputError: the text holds a lone surrogate.
        """
        found: list[TokenSpan] = []
        byte = 0
        for part, token, start in self.added.split(text, allowed_special, ()):
            size = len(strict_utf8(part))
            if token is not None:
                place = (start, start + len(part), byte, byte + size)
                found.append(TokenSpan(token.id, self.token_bytes(token.id), *place, token.special))
            else:
                pieces = self._cut_part(part, first=start == 0)
                ids = list(chain.from_iterable(map(self._pieces.__getitem__, pieces)))
                lengths = [len(self._source(token)) for token in ids]
                for token_id, place in zip(ids, align(part, pieces, lengths), strict=True):
                    first, last, low, high = place
                    found.append(
                        TokenSpan(
                            token_id,
                            self.token_bytes(token_id),
                            start + first,
                            start + last,
                            byte + low,
                            byte + high,
                        )
                    )
            byte += size
        return found

    def _source(self, token: int) -> bytes:
        """Return what a token stands for in the text as it is cut, where a space may still be a mark."""
        if self.names and not _is_fallback(self.names[token]):
            return self.names[token].encode()
        return self._tokens[token]

    def token_bytes(self, token: int) -> bytes:
        """Return the bytes of one id (an added token's text in UTF-8).

        Raises:
            InputError: the id is out of range.
        """
        value = self._tokens.get(token)
        if value is None or token in self.added.by_id:
            added = self.added.by_id.get(token)
            if added is None:
                raise InputError(
                    f"Token id {token} is out of range.",
                    hint=f"Ids are 0 to {self.vocab_size - 1}.",
                    field="ids",
                )
            return added.text.encode()
        return value

    def token_byte_lengths(self) -> list[int]:
        """Return the bytes of text each id stands for, 0 for special tokens: for bits per byte."""
        special = set(self.special_tokens.values())
        return [
            0 if token in special else len(self._tokens.get(token, b"")) for token in range(self.vocab_size)
        ]

    @cached_property
    def adds_space(self) -> bool:
        """Whether a space is put before the text, which decoding takes away again."""
        return bool(self.names) and self._cut_part("a", first=True)[0][:1] == META

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """Return the bytes that ids stand for."""
        return b"".join(map(self.token_bytes, ids))

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of ids; bytes that are not UTF-8 become U+FFFD."""
        text = self.decode_bytes(ids).decode("utf-8", errors="replace")
        return text.removeprefix(" ") if self.adds_space else text

    def save(self, folder: str | Path) -> None:
        """Write ``tokenizer.json`` and ``tokenizer_config.json``, which Hugging Face loads with equal ids."""
        from llm_playground.tokenization.formats.tokenizer_json import save

        save(self, Path(folder))

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a folder or a ``tokenizer.json`` of any BPE (both forms of merges).

        Raises:
            InputError: there is none, or it has a part that is not supported (named).
            StorageError: it is damaged.
        """
        from llm_playground.tokenization.formats.tokenizer_json import load

        return load(cls, Path(path))


def _is_fallback(name: str) -> bool:
    return len(name) == 6 and name.startswith("<0x") and name.endswith(">")


def _pattern_section(pattern: SplitPattern) -> dict[str, Any]:
    """Return the ``pre_tokenizer`` section that cuts by a pattern."""
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
    if pattern.name == "gpt2":
        return {**byte_level, "use_regex": True}
    split = {
        "type": "Split",
        "pattern": {"Regex": pattern.regex},
        "behavior": "Isolated",
        "invert": False,
    }
    return {"type": "Sequence", "pretokenizers": [split, {**byte_level, "use_regex": False}]}
