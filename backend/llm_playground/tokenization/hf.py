"""Any tokenizer that the library ``tokenizers`` reads, behind the interface of this package."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from llm_playground.core.errors import InputError, NotFoundError, StorageError
from llm_playground.core.files import read_json, write_json_atomic, write_text_atomic
from llm_playground.core.hub import hub_errors
from llm_playground.tokenization.alphabet import from_name
from llm_playground.tokenization.base import Special, TokenSpan
from llm_playground.tokenization.splitting import SURROGATE

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

TOKENIZER_FILE = "tokenizer.json"
CONFIG_FILE = "tokenizer_config.json"
SPECIAL_MAP_FILE = "special_tokens_map.json"
TEMPLATE_FILE = "chat_template.jinja"
MODEL_FILES = ("tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "sentencepiece.model")
ROLES = ("bos", "eos", "pad", "unk")
_BYTE_TOKEN = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_VARIANTS = 4  # sets of allowed special tokens for which a tokenizer of its own is kept


class HFTokenizer:
    """A ``tokenizer.json`` of any kind: BPE, Unigram, WordPiece or WordLevel.

    Ids are those of the library, except in one respect: a special token can never come out of ordinary text.
    (The library's Unigram model makes ``</s>`` of the four characters a person typed, even when it is told
    to encode special tokens as text.) Truncation, padding, dropout and the tokens that a post-processor adds
    at the ends are off.

    Args:
        source: the text of a ``tokenizer.json``.
        chat_template: Jinja template of conversations, or None.
        roles: ``bos``, ``eos``, ``pad`` and ``unk`` -> the text of that token.
        name: what the source is called in messages.

    Raises:
        StorageError: the source is damaged, or of a kind that the library does not know.

    Example::

        tokenizer = HFTokenizer.from_file("bert-base-uncased/")
        tokenizer.encode("playing")  # [2652]
    """

    def __init__(
        self,
        source: str,
        *,
        chat_template: str | None = None,
        roles: Mapping[str, str] | None = None,
        name: str = TOKENIZER_FILE,
    ) -> None:
        self.chat_template = chat_template
        self._name, self._source = name, source
        try:
            data = json.loads(source)
            data |= {"truncation": None, "padding": None, "post_processor": None}
            if "dropout" in data["model"]:
                data["model"]["dropout"] = None
            self._added: dict[int, str] = {
                int(i["id"]): str(i["content"]) for i in data["added_tokens"] or ()
            }
            self.special_tokens: dict[str, int] = {
                str(item["content"]): int(item["id"])
                for item in data["added_tokens"] or ()
                if item["special"]
            }
            self._plan = _DecodePlan(data)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise StorageError(
                f"{name} is damaged: {type(error).__name__} ({error})."[:300],
                hint="It is not a tokenizer.json.",
            ) from None
        self._json = json.dumps(data)
        self._backend = _build(self._json, name)
        self._names = {token: text for text, token in self._backend.get_vocab().items()}
        self._vocab_size = max(self._names, default=-1) + 1
        self._variants: dict[frozenset[str], Any] = {}
        self._special_ids = frozenset(self.special_tokens.values())
        self._bytes: dict[int, bytes] = {}
        self.roles = {role: text for role, text in (roles or {}).items() if self._id_of(text) is not None}
        unknown = data["model"].get("unk_token")
        if data["model"].get("unk_id") is not None:
            unknown = self._names.get(data["model"]["unk_id"])
        if unknown is not None:
            self.roles.setdefault("unk", unknown)

    @classmethod
    def from_file(cls, path: str | Path) -> Self:
        """Read a ``tokenizer.json``, a SentencePiece ``.model``, or a folder that holds one of them.

        From the folder also come the chat template (``chat_template.jinja``, else ``tokenizer_config.json``)
        and the special tokens' roles.

        Raises:
            NotFoundError: there is no such file.
            StorageError: it is damaged.
        """
        path = Path(path)
        names = (TOKENIZER_FILE, *MODEL_FILES) if path.is_dir() else ()
        file = next((path / name for name in names if (path / name).is_file()), path)
        if not file.is_file():
            raise NotFoundError(
                f"There is no tokenizer at {path}.",
                hint=f"A {TOKENIZER_FILE} or a SentencePiece model is needed.",
            )
        roles: dict[str, str] = {}
        if file.suffix == ".model":
            from llm_playground.tokenization.sentencepiece_model import to_tokenizer_json

            data, roles = to_tokenizer_json(file)
            source = json.dumps(data)
        else:
            try:
                source = file.read_text(encoding="utf-8")
            except UnicodeDecodeError as error:
                raise StorageError(f"{file} is damaged: not UTF-8 (byte {error.start}).") from None
        folder = file.parent
        settings = _read_settings(folder / CONFIG_FILE)
        roles = {**roles, **_roles(_read_settings(folder / SPECIAL_MAP_FILE)), **_roles(settings)}
        return cls(source, chat_template=_chat_template(folder, settings), roles=roles, name=str(file))

    @classmethod
    def from_hub(cls, name: str, revision: str | None = None) -> Self:
        """Load a tokenizer by its name on the Hugging Face Hub, from the cache where it is there already.

        Args:
            name: such as ``openai-community/gpt2``; ``hub:`` may stand before it.
            revision: branch, tag or commit.

        Raises:
            NotFoundError: the Hub has no such tokenizer, or is out of reach and the cache does not have it.
        """
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

        name = name.removeprefix("hub:")

        def fetch(file: str) -> Path | None:
            # What is in the cache needs no network, and no waiting for one.
            with suppress(LocalEntryNotFoundError):
                return Path(hf_hub_download(name, file, revision=revision, local_files_only=True))
            try:
                return Path(hf_hub_download(name, file, revision=revision))
            except LocalEntryNotFoundError:  # offline: a kind of EntryNotFoundError, so it comes first
                raise
            except EntryNotFoundError:
                return None

        with hub_errors("tokenizer", name):
            file = next((found for file in (TOKENIZER_FILE, *MODEL_FILES) if (found := fetch(file))), None)
        if file is None:
            raise NotFoundError(f"{name} has no {TOKENIZER_FILE} and no SentencePiece model on the Hub.")
        for extra in (CONFIG_FILE, SPECIAL_MAP_FILE, TEMPLATE_FILE):
            try:
                fetch(extra)
            except LocalEntryNotFoundError:
                continue  # the tokenizer itself is there; what the cache lacks is optional
        return cls.from_file(file)

    @property
    def vocab_size(self) -> int:
        """Number of ids: the greatest plus one."""
        return self._vocab_size

    @property
    def eos_id(self) -> int | None:
        """Id that ends a text, or None."""
        return self._id_of(self.roles.get("eos"))

    @property
    def bos_id(self) -> int | None:
        """Id that begins a text, or None; ``encode`` never adds it."""
        return self._id_of(self.roles.get("bos"))

    @property
    def pad_id(self) -> int | None:
        """Id that fills up a batch, or None."""
        return self._id_of(self.roles.get("pad"))

    @property
    def unk_id(self) -> int | None:
        """Id of whatever the vocabulary cannot write, or None."""
        return self._id_of(self.roles.get("unk"))

    @property
    def model_type(self) -> str:
        """The kind of model: BPE, Unigram, WordPiece or WordLevel."""
        return type(self._backend.model).__name__

    @property
    def adds_space(self) -> bool:
        """Whether a space is put before the text, which decoding takes away again."""
        return self._plan.joins and self._plan.leading > 0

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of everything that decides the ids."""
        return hashlib.sha256(json.dumps(json.loads(self._json), sort_keys=True).encode()).hexdigest()

    def _id_of(self, text: str | None) -> int | None:
        return None if text is None else self._backend.token_to_id(text)

    def encode(
        self, text: str, allowed_special: Special = (), disallowed_special: Special = "all"
    ) -> list[int]:
        """Return the ids of a text; no token is added at its ends.

        Special tokens follow tiktoken's rule: text that spells one raises, unless it is allowed (then it
        becomes that token) or taken out of ``disallowed_special`` (then it is ordinary text). Added tokens
        that are not special are always found.

        Raises:
            InputError: a disallowed special token, a lone surrogate, or text the vocabulary cannot write.
        """
        return list(self._encode(text, allowed_special, disallowed_special).ids)

    def encode_ordinary(self, text: str) -> list[int]:
        """Return the ids of a text in which nothing is special.

        Raises:
            InputError: a lone surrogate, or text that the vocabulary cannot write.
        """
        return self.encode(text, (), ())

    def encode_array(self, text: str) -> NDArray[numpy.int32]:
        """Return the ids of a text in which nothing is special as an array; see :meth:`encode_ordinary`."""
        import numpy

        return numpy.array(self.encode_ordinary(text), dtype=numpy.int32)

    def spans(self, text: str, allowed_special: Special = ()) -> list[TokenSpan]:
        """Return the tokens of a text with their places; special tokens not allowed are ordinary text.

        Byte offsets are exact where the text was not changed before it was cut; where it was (lower case,
        composed characters), tokens get the bytes of the characters that the library names.

        Raises:
            InputError: as for :meth:`encode`.
        """
        encoding = self._encode(text, allowed_special, ())
        ids = encoding.ids
        values = [self.token_bytes(token) for token in ids]
        places = _places(text, encoding.offsets, values)
        return [
            TokenSpan(token, value, *place, token in self._special_ids)
            for token, value, place in zip(ids, values, places, strict=True)
        ]

    def _encode(self, text: str, allowed_special: Special, disallowed_special: Special) -> Any:
        backend = self._backend
        if found := self._find_special(text):
            allowed = found if allowed_special == "all" else found & frozenset(allowed_special)
            barred = found if disallowed_special == "all" else found & frozenset(disallowed_special)
            if barred - allowed:
                raise InputError(
                    f"The text contains the special token {min(barred - allowed, key=text.find)!r}.",
                    hint="Pass it in allowed_special to encode it as that token.",
                    field="text",
                )
            if found - allowed:
                backend = self._variant(frozenset(allowed))
        with _library_errors(f"{self._name} cannot encode this text", text):
            return backend.encode(text, add_special_tokens=False)

    def _find_special(self, text: str) -> frozenset[str]:
        """Return the special tokens that a text spells, those inside others too."""
        return frozenset(token for token in self.special_tokens if token in text)

    def _variant(self, allowed: frozenset[str]) -> Any:
        """Return a tokenizer of the same ids that finds no special token but the allowed ones.

        The others are given names that no text holds, in the model's vocabulary too, as a Unigram or
        WordLevel model would still find them there. In a BPE vocabulary merges decide and keep their names.
        """
        found = self._variants.get(allowed)
        if found is None:
            data = json.loads(self._json)
            mark = f"\U0010fffe{secrets.token_hex(8)}"
            barred = {
                text: f"{mark}{token}"
                for text, token in self.special_tokens.items()
                if text not in allowed and text != self.roles.get("unk")
            }
            model = data["model"]
            if isinstance(model["vocab"], list):
                model["vocab"] = [[barred.get(piece, piece), score] for piece, score in model["vocab"]]
            elif "merges" in model:
                barred = {text: name for text, name in barred.items() if text not in model["vocab"]}
            else:
                model["vocab"] = {barred.get(piece, piece): token for piece, token in model["vocab"].items()}
            for item in data["added_tokens"]:
                if item["special"]:
                    item["special"] = item["content"] not in allowed
                item["content"] = barred.get(item["content"], item["content"])
            found = _build(json.dumps(data), self._name)
            found.encode_special_tokens = True
            for oldest in list(self._variants)[: max(0, len(self._variants) + 1 - _VARIANTS)]:
                self._variants.pop(oldest, None)  # another thread may have been quicker
            self._variants[allowed] = found
        return found

    def token_bytes(self, token: int) -> bytes:
        """Return the bytes of one id (an added token's text in UTF-8).

        Signs of the vocabulary are resolved: GPT-2's byte alphabet, ``<0x0A>``, ``▁`` (a space), ``</w>``
        (a space) and ``##``. Word pieces do not hold the spaces that stand between words.

        Raises:
            InputError: the id is out of range, or no token has it.
        """
        known = self._bytes.get(token)
        if known is None:
            name = self._names.get(token)
            if name is None:
                raise InputError(
                    f"Token id {token} is out of range.",
                    hint=f"Ids are 0 to {self.vocab_size - 1}.",
                    field="ids",
                )
            known = self._bytes[token] = self._plan.bytes_of(name, added=token in self._added)
        return known

    def token_byte_lengths(self) -> list[int]:
        """Return the bytes of text each id stands for, 0 for special tokens: for bits per byte."""
        return [
            0 if token in self._special_ids or token not in self._names else len(self.token_bytes(token))
            for token in range(self.vocab_size)
        ]

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """Return the bytes that ids stand for.

        Where the library's decoder does more than join tokens (word pieces), these are its text's bytes.

        Raises:
            InputError: an id is out of range.
        """
        ids = list(ids)
        values = [self.token_bytes(token) for token in ids]
        return b"".join(values) if self._plan.joins else self._library_decode(ids).encode()

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of ids; bytes that are not UTF-8 become U+FFFD.

        Raises:
            InputError: an id is out of range.
        """
        ids = list(ids)
        data = self.decode_bytes(ids)
        if self._plan.joins and data.startswith(b" "):
            spaces = len(data) - len(data.lstrip(b" "))
            first = next(len(value) for token in ids if (value := self.token_bytes(token)))
            data = data[min(spaces, self._plan.leading, first if self._plan.first_only else spaces) :]
        return data.decode("utf-8", errors="replace")

    def _library_decode(self, ids: Sequence[int]) -> str:
        with _library_errors(f"{self._name} cannot decode these ids", ""):
            return str(self._backend.decode(ids, skip_special_tokens=False))

    def save(self, folder: str | Path) -> None:
        """Write ``tokenizer.json`` as it was read, and ``tokenizer_config.json`` with template and roles."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        write_text_atomic(folder / TOKENIZER_FILE, self._source)
        settings: dict[str, Any] = {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "clean_up_tokenization_spaces": False,
            "model_max_length": 10**9,
            **{f"{role}_token": self.roles[role] for role in ROLES if role in self.roles},
        }
        if self.chat_template is not None:
            settings["chat_template"] = self.chat_template
        write_json_atomic(folder / CONFIG_FILE, settings)


class _DecodePlan:
    """What the decoder of a ``tokenizer.json`` makes of a token, as far as it can be said token by token.

    Attributes:
        joins: whether the text is the tokens' bytes joined, but for spaces at its beginning.
        leading: how many spaces the decoder takes from the beginning at most.
        first_only: whether it takes them from the first token only.
    """

    def __init__(self, data: Mapping[str, Any]) -> None:
        model, decoder = data["model"], data.get("decoder")
        self._steps = list(_flatten(decoder, "decoders"))
        cutters = _flatten(data.get("pre_tokenizer"), "pretokenizers")
        kinds = {step["type"] for step in self._steps}
        self._byte_level = "ByteLevel" in kinds or any(step["type"] == "ByteLevel" for step in cutters)
        self._prefix = model.get("continuing_subword_prefix") or ""
        self._suffix = model.get("end_of_word_suffix") or ""
        self._fallback = bool(model.get("byte_fallback")) or "ByteFallback" in kinds
        self.joins = bool(self._steps) and not self._prefix
        self.leading, self.first_only = 0, False
        fused = False
        for step in self._steps:
            kind = step["type"]
            if kind == "Fuse":
                fused = True
            elif kind == "Strip":
                self.joins &= step["content"] == " " and not step["stop"] and fused
                self.leading = step["start"]
            elif kind == "Metaspace":
                if step.get("prepend_scheme", "always") != "never":
                    self.leading, self.first_only = 1 << 30, True
            elif kind == "Replace":
                self.joins &= "String" in step["pattern"]
            elif kind not in ("ByteLevel", "ByteFallback"):
                self.joins = False

    def bytes_of(self, name: str, *, added: bool) -> bytes:
        """Return the bytes of a token by its name in the vocabulary."""
        if self._byte_level:
            try:
                return name.encode() if added else from_name(name)
            except KeyError:
                return name.encode()
        if self._fallback and not added and (match := _BYTE_TOKEN.fullmatch(name)):
            return bytes([int(match[1], 16)])
        if not added:
            name = name.removeprefix(self._prefix)
            if self._suffix and name.endswith(self._suffix):
                name = name.removesuffix(self._suffix) + " "
        for step in self._steps:
            if step["type"] == "Metaspace":
                name = name.replace(step.get("replacement", "\u2581"), " ")
            elif step["type"] == "Replace" and "String" in step["pattern"]:
                name = name.replace(step["pattern"]["String"], step["content"])
        return name.encode()


def _flatten(section: Mapping[str, Any] | None, key: str) -> Iterator[Mapping[str, Any]]:
    """Yield the steps of a section, those of sequences one by one."""
    if section is None:
        return
    if section["type"] == "Sequence":
        for part in section[key]:
            yield from _flatten(part, key)
    else:
        yield section


@contextmanager
def _library_errors(what: str, text: str) -> Iterator[None]:
    """Turn what the library raises, its panics too, into one clear sentence."""
    try:
        yield
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        if isinstance(error, TypeError) and not _is_utf8(text):
            raise SURROGATE from None
        raise InputError(f"{what}: {error}."[:300], field="text") from None


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _build(source: str, name: str) -> Any:
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_str(source)
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise StorageError(
            f"{name} cannot be read by the library tokenizers: {error}."[:300],
            hint="It is damaged, or of a newer kind.",
        ) from None


def _read_settings(file: Path) -> dict[str, Any]:
    if not file.is_file():
        return {}
    settings = read_json(file)
    if not isinstance(settings, dict):
        raise StorageError(f"{file} is damaged: it does not hold settings.")
    return settings


def _roles(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return role -> token text of a ``tokenizer_config.json`` (texts, or added tokens with their flags)."""
    found = {}
    for role in ROLES:
        value = settings.get(f"{role}_token")
        value = value.get("content") if isinstance(value, Mapping) else value
        if isinstance(value, str):
            found[role] = value
    return found


def _chat_template(folder: Path, settings: Mapping[str, Any]) -> str | None:
    """Return the template of its own file, else of the settings (of several, the one named default)."""
    if (folder / TEMPLATE_FILE).is_file():
        return (folder / TEMPLATE_FILE).read_text(encoding="utf-8")
    template = settings.get("chat_template")
    if isinstance(template, Collection) and not isinstance(template, str):
        named = {item["name"]: item["template"] for item in template if isinstance(item, Mapping)}
        template = named.get("default", next(iter(named.values()), None))
    return template if isinstance(template, str) else None


def _places(
    text: str, offsets: Sequence[tuple[int, int]], values: Sequence[bytes]
) -> list[tuple[int, int, int, int]]:
    """Return (start, end, byte_start, byte_end) of each token.

    The library names characters. Tokens whose characters overlap share them out by their bytes, where
    these joined are the text's (an added space in front counts as no text).
    """
    at = [
        0,
        *accumulate(1 if c < "\x80" else 2 if c < "\u0800" else 3 if c < "\U00010000" else 4 for c in text),
    ]
    places = [(start, end, at[start], at[end]) for start, end in offsets]
    first = 0
    while first < len(places):
        last, reach = first + 1, offsets[first][1]
        while last < len(places) and offsets[last][0] < reach:
            reach, last = max(reach, offsets[last][1]), last + 1
        start = offsets[first][0]
        if last > first + 1:
            joined, wanted = b"".join(values[first:last]), text[start:reach].encode()
            added = len(joined) - len(wanted)
            if added >= 0 and joined.endswith(wanted) and not joined[:added].strip(b" "):
                byte = at[start] - added
                for index in range(first, last):
                    low, byte = max(byte, at[start]), byte + len(values[index])
                    high = max(byte, at[start])
                    begin, end = offsets[index] if high > low else (start, start)
                    places[index] = (begin, end, low, high)
        first = last
    return places
