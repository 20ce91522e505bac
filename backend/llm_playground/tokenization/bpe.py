"""Byte-level byte-pair encoding, from scratch: train, encode, decode, save, load."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, Self

import regex

from llm_playground.core.errors import ConfigError, InputError, StorageError
from llm_playground.core.files import read_json, write_json_atomic
from llm_playground.tokenization.bpe_training import Pair, alphabet_order, count_pieces, learn_merges
from llm_playground.tokenization.patterns import PATTERNS, compile_pattern, from_name, to_name

TOKENIZER_FILE = "tokenizer.json"
CONFIG_FILE = "tokenizer_config.json"
TIE_BREAKS = ("hf",)
_CACHE_LIMIT = 100_000  # pieces remembered; a corpus has far fewer common ones


class BPETokenizer:
    """A byte-level BPE tokenizer: every text can be encoded, and decoding gives it back.

    Args:
        tokens: bytes of each ordinary token by id.
        merges: pairs of ids in the order they are applied.
        special_tokens: text -> id; never produced from ordinary text.
        pattern: name of the pattern that cuts text into pieces.
        chat_template: Jinja template of conversations, or None.

    Example::

        tokenizer = BPETokenizer.train(["low lower lowest"], vocab_size=260)
        tokenizer.decode(tokenizer.encode("slow"))  # "slow"
    """

    def __init__(
        self,
        tokens: dict[int, bytes],
        merges: Sequence[Pair],
        special_tokens: dict[str, int] | None = None,
        pattern: str = "gpt2",
        chat_template: str | None = None,
    ) -> None:
        self.pattern = pattern
        self.special_tokens = dict(special_tokens or {})
        self.chat_template = chat_template
        self.merges = list(merges)
        self._bytes = dict(tokens)
        self._special_text = {token: text for text, token in self.special_tokens.items()}
        self._ids = {value: token for token, value in self._bytes.items()}
        if len(self._bytes) + len(self._special_text) != self.vocab_size or set(self._bytes) & set(
            self._special_text
        ):
            raise InputError("The vocabulary is wrong: ids must be 0 to n-1, each used once.")
        self._byte_ids = [self._ids[bytes([value])] for value in range(256)]
        self._ranks = {pair: rank for rank, pair in enumerate(self.merges)}
        self._merged = {pair: self._ids[self._bytes[pair[0]] + self._bytes[pair[1]]] for pair in self.merges}
        self._find = compile_pattern(pattern).findall
        self._special_pattern = (
            regex.compile("(" + "|".join(map(regex.escape, sorted(self.special_tokens, key=len)[::-1])) + ")")
            if self.special_tokens
            else None
        )
        self._cache: dict[str, list[int]] = {}

    @classmethod
    def train(
        cls,
        texts: Iterable[str],
        vocab_size: int,
        pattern: str = "gpt2",
        special_tokens: Sequence[str] = (),
        tie_break: str = "hf",
        *,
        chat_template: str | None = None,
        progress: Any = None,
    ) -> Self:
        """Learn a tokenizer.

        Ids are given as the Hugging Face trainer gives them: special tokens first, then the 256 bytes, then
        merges in order; the merges are the same as that trainer's.

        Args:
            texts: the corpus, read once; memory grows with its distinct pieces.
            vocab_size: ids in all, at least 256 + special tokens; fewer if the text has no more pairs.
            pattern: how text is cut, see ``patterns.PATTERNS``.
            special_tokens: texts that stand for themselves.
            tie_break: which of two equally frequent pairs wins; ``hf``: the one with smaller ids.
            chat_template: kept with the tokenizer.
            progress: called with (merges done, merges wanted).

        Raises:
            ConfigError: a setting is out of range.
            InputError: the corpus is empty.
        """
        specials = list(dict.fromkeys(special_tokens))
        if tie_break not in TIE_BREAKS:
            raise ConfigError(
                f"tie_break: {tie_break!r} is unknown.",
                hint=f"Known: {', '.join(TIE_BREAKS)}.",
                field="tie_break",
            )
        if any(not text for text in specials):
            raise ConfigError("special_tokens: a special token is empty.", field="special_tokens")
        if vocab_size < 256 + len(specials):
            raise ConfigError(
                f"vocab_size: {vocab_size} is too small.",
                hint=f"256 bytes and {len(specials)} special tokens need at least {256 + len(specials)}.",
                field="vocab_size",
            )
        pieces = count_pieces(texts, pattern)
        if not pieces:
            raise InputError("The training text is empty; a tokenizer needs some text to learn from.")
        first = len(specials)
        tokens = {first + index: bytes([byte]) for index, byte in enumerate(alphabet_order())}
        byte_ids = [0] * 256
        for token, value in tokens.items():
            byte_ids[value[0]] = token
        wanted = vocab_size - first - 256
        learned = learn_merges(pieces, wanted, first + 256, byte_ids, progress)
        merges: list[Pair] = []
        ids = {value: token for token, value in tokens.items()}
        # Two different pairs can spell the same bytes; such a merge reuses the id, as Hugging Face does.
        renamed = {token: token for token in tokens}
        for index, (left, right) in enumerate(learned):
            left, right = renamed[left], renamed[right]
            value = tokens[left] + tokens[right]
            token = ids.setdefault(value, first + len(ids))
            tokens[token] = value
            renamed[first + 256 + index] = token
            merges.append((left, right))
        return cls(
            tokens, merges, {text: index for index, text in enumerate(specials)}, pattern, chat_template
        )

    @property
    def vocab_size(self) -> int:
        """Number of ids, special tokens included."""
        return max(max(self._bytes), max(self.special_tokens.values(), default=0)) + 1

    @property
    def eos_id(self) -> int | None:
        """Id of ``<|endoftext|>``, which ends a document, or None."""
        return self.special_tokens.get("<|endoftext|>")

    @property
    def bos_id(self) -> int | None:
        """Id that begins a document: the same as :attr:`eos_id`."""
        return self.eos_id

    @property
    def pad_id(self) -> int | None:
        """Id of ``<|pad|>``, or None."""
        return self.special_tokens.get("<|pad|>")

    @property
    def fingerprint(self) -> str:
        """SHA-256 of everything that decides the ids."""
        content = [
            self.pattern,
            sorted((token, value.hex()) for token, value in self._bytes.items()),
            self.merges,
            sorted(self.special_tokens.items()),
        ]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    def encode(
        self,
        text: str,
        allowed_special: Literal["all"] | Collection[str] = (),
        disallowed_special: Literal["all"] | Collection[str] = "all",
    ) -> list[int]:
        """Return the ids of a text.

        Special tokens follow tiktoken's rule: text that spells one raises, unless it is allowed (then it
        becomes that token) or taken out of ``disallowed_special`` (then it is ordinary text).

        Raises:
            InputError: a disallowed special token, or a lone surrogate.
        """
        allowed = set(self.special_tokens) if allowed_special == "all" else set(allowed_special)
        barred = set(self.special_tokens) if disallowed_special == "all" else set(disallowed_special)
        if self._special_pattern is None:
            return self.encode_ordinary(text)
        ids: list[int] = []
        ordinary = ""
        for part in self._special_pattern.split(text):
            if part not in self.special_tokens:
                ordinary += part
            elif part in allowed:
                ids += self.encode_ordinary(ordinary)
                ids.append(self.special_tokens[part])
                ordinary = ""
            elif part in barred:
                raise InputError(
                    f"The text contains the special token {part!r}.",
                    hint="Pass it in allowed_special to encode it as that token.",
                    field="text",
                )
            else:
                ordinary += part
        return ids + self.encode_ordinary(ordinary)

    def encode_ordinary(self, text: str) -> list[int]:
        """Return the ids of a text in which nothing is special.

        Raises:
            InputError: the text holds a lone surrogate, which UTF-8 cannot write.
        """
        ids: list[int] = []
        cache = self._cache
        for piece in self._find(text):
            known = cache.get(piece)
            if known is None:
                try:
                    known = self._merge([self._byte_ids[byte] for byte in piece.encode()])
                except UnicodeEncodeError:
                    raise InputError(
                        "The text holds a lone surrogate (half of a character), which UTF-8 cannot write.",
                        field="text",
                    ) from None
                if len(cache) < _CACHE_LIMIT and len(piece) <= 64:
                    cache[piece] = known
            ids += known
        return ids

    def _merge(self, ids: list[int]) -> list[int]:
        """Apply the merges to one piece, lowest rank first, leftmost first among equals.

        Long pieces use a heap over a linked list, so that time grows as n log n.
        """
        ranks = self._ranks
        if len(ids) > 64:
            return self._merge_long(ids)
        while len(ids) > 1:
            best = min(
                (ranks.get(pair, len(ranks)), place)
                for place, pair in enumerate(zip(ids, ids[1:], strict=False))
            )
            rank, place = best
            if rank == len(ranks):
                break
            ids[place : place + 2] = [self._merged[self.merges[rank]]]
        return ids

    def _merge_long(self, ids: list[int]) -> list[int]:
        import heapq

        ranks, end = self._ranks, len(ids)
        following, preceding = [*range(1, end), -1], list(range(-1, end - 1))
        alive = [True] * end
        heap = [
            (ranks[pair], place)
            for place, pair in enumerate(zip(ids, ids[1:], strict=False))
            if pair in ranks
        ]
        heapq.heapify(heap)
        while heap:
            rank, place = heapq.heappop(heap)
            right = following[place]
            if not alive[place] or right < 0 or ranks.get((ids[place], ids[right])) != rank:
                continue  # stale: one of the two has been merged since
            ids[place] = self._merged[ids[place], ids[right]]
            alive[right] = False
            following[place] = following[right]
            if following[right] >= 0:
                preceding[following[right]] = place
            for left in (preceding[place], place):
                if left >= 0 and following[left] >= 0:
                    pair = (ids[left], ids[following[left]])
                    if pair in ranks:
                        heapq.heappush(heap, (ranks[pair], left))
        return [token for token, keep in zip(ids, alive, strict=True) if keep]

    def token_bytes(self, token: int) -> bytes:
        """Return the bytes of one id (a special token's text in UTF-8).

        Raises:
            InputError: the id is out of range.
        """
        value = self._bytes.get(token)
        if value is None:
            text = self._special_text.get(token)
            if text is None:
                raise InputError(
                    f"Token id {token} is out of range.",
                    hint=f"Ids are 0 to {self.vocab_size - 1}.",
                    field="ids",
                )
            value = text.encode()
        return value

    def token_byte_lengths(self) -> list[int]:
        """Return the bytes of text each id stands for, 0 for special tokens: for bits per byte."""
        return [len(self._bytes.get(token, b"")) for token in range(self.vocab_size)]

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """Return the bytes that ids stand for."""
        return b"".join(map(self.token_bytes, ids))

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of ids; bytes that are not UTF-8 become U+FFFD."""
        return self.decode_bytes(ids).decode("utf-8", errors="replace")

    def save(self, folder: str | Path) -> None:
        """Write ``tokenizer.json`` and ``tokenizer_config.json``, which Hugging Face loads with equal ids."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        write_json_atomic(folder / TOKENIZER_FILE, self._to_json())
        settings: dict[str, Any] = {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "clean_up_tokenization_spaces": False,
            "model_max_length": 10**9,
            "add_prefix_space": False,
        }
        for key, name in (
            ("bos_token", "<|endoftext|>"),
            ("eos_token", "<|endoftext|>"),
            ("pad_token", "<|pad|>"),
        ):
            if name in self.special_tokens:
                settings[key] = name
        if self.chat_template is not None:
            settings["chat_template"] = self.chat_template
        write_json_atomic(folder / CONFIG_FILE, settings)

    def _to_json(self) -> dict[str, Any]:
        names = {to_name(value): token for token, value in self._bytes.items()}
        vocab = dict(sorted({**names, **self.special_tokens}.items(), key=lambda item: item[1]))
        byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
        return {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": [
                {
                    "id": token,
                    "content": text,
                    "single_word": False,
                    "lstrip": False,
                    "rstrip": False,
                    "normalized": False,
                    "special": True,
                }
                for text, token in sorted(self.special_tokens.items(), key=lambda item: item[1])
            ],
            "normalizer": None,
            "pre_tokenizer": byte_level,
            "post_processor": None,
            "decoder": byte_level,
            "model": {
                "type": "BPE",
                "dropout": None,
                "unk_token": None,
                "continuing_subword_prefix": None,
                "end_of_word_suffix": None,
                "fuse_unk": False,
                "byte_fallback": False,
                "ignore_merges": False,
                "vocab": vocab,
                "merges": [
                    [to_name(self._bytes[left]), to_name(self._bytes[right])] for left, right in self.merges
                ],
            },
        }

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a folder or a ``tokenizer.json`` of GPT-2-style byte-level BPE (both forms of merges).

        Raises:
            InputError: there is none, or it has a part that is not supported (named).
            StorageError: it is damaged.
        """
        path = Path(path)
        file = path / TOKENIZER_FILE if path.is_dir() else path
        if not file.is_file():
            raise InputError(f"There is no {TOKENIZER_FILE} at {path}.")
        data = read_json(file)
        template = None
        settings = file.with_name(CONFIG_FILE)
        if settings.is_file():
            template = read_json(settings).get("chat_template")
        separate = file.with_name("chat_template.jinja")
        if template is None and separate.is_file():
            template = separate.read_text(encoding="utf-8")
        try:
            return cls._from_json(data, template, file)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise StorageError(f"{file} is damaged: {type(error).__name__} at {error}.") from None

    @classmethod
    def _from_json(cls, data: dict[str, Any], template: str | None, file: Path) -> Self:
        def refuse(part: str, value: Any) -> None:
            raise InputError(
                f"{file}: {part} {value!r:.80} is not supported.",
                hint="Byte-level BPE with the GPT-2 pattern is.",
                field=part,
            )

        model = data["model"]
        if model.get("type", "BPE") != "BPE":
            refuse("model", model.get("type"))
        for key in (
            "dropout",
            "continuing_subword_prefix",
            "end_of_word_suffix",
            "byte_fallback",
            "ignore_merges",
        ):
            if model.get(key):
                refuse(f"model.{key}", model[key])
        if data.get("normalizer"):
            refuse("normalizer", data["normalizer"].get("type"))
        cutter = data.get("pre_tokenizer") or {}
        if (
            cutter.get("type") != "ByteLevel"
            or cutter.get("add_prefix_space")
            or not cutter.get("use_regex", True)
        ):
            refuse("pre_tokenizer", cutter.get("type"))
        specials = {item["content"]: int(item["id"]) for item in data.get("added_tokens", [])}
        tokens = {
            int(token): from_name(name) for name, token in model["vocab"].items() if name not in specials
        }
        ids = {value: token for token, value in tokens.items()}
        missing = [byte for byte in range(256) if bytes([byte]) not in ids]
        if missing:
            raise InputError(f"{file}: the vocabulary lacks {len(missing)} of the 256 bytes.", field="vocab")
        merges = []
        for item in model["merges"]:
            left, right = item.split(" ") if isinstance(item, str) else item
            merges.append((ids[from_name(left)], ids[from_name(right)]))
            if from_name(left) + from_name(right) not in ids:
                raise InputError(f"{file}: the merge {left} {right} makes a token outside the vocabulary.")
        return cls(tokens, merges, specials, next(iter(PATTERNS)), template)
