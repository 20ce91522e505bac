"""``tokenizer.json`` of the library ``tokenizers``, with ``tokenizer_config.json`` beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from llm_playground.core.errors import InputError, StorageError
from llm_playground.core.files import read_json, write_json_atomic
from llm_playground.tokenization.added import AddedToken
from llm_playground.tokenization.alphabet import from_name, to_name
from llm_playground.tokenization.pipeline import META, compile_cutter, compile_normalizer, unsupported

if TYPE_CHECKING:
    from llm_playground.tokenization.bpe import BPETokenizer

Some = TypeVar("Some", bound="BPETokenizer")
TOKENIZER_FILE, CONFIG_FILE, TEMPLATE_FILE = "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"
_UNSUPPORTED = ("dropout", "continuing_subword_prefix", "end_of_word_suffix")


def read_settings(file: Path) -> tuple[str | None, dict[str, str]]:
    """Return (chat template, special token by role) from the files beside a tokenizer file.

    Raises:
        StorageError: one of them is damaged.
    """
    template, roles = None, {}
    settings = file.with_name(CONFIG_FILE)
    if settings.is_file():
        data = read_json(settings)
        template = data.get("chat_template")
        if isinstance(template, list):  # several named ones: the default
            template = next((item["template"] for item in template if item.get("name") == "default"), None)
        for role in ("bos", "eos", "pad"):
            value = data.get(f"{role}_token")
            text = value.get("content") if isinstance(value, dict) else value
            if isinstance(text, str):
                roles[role] = text
    separate = file.with_name(TEMPLATE_FILE)
    if template is None and separate.is_file():
        template = separate.read_text(encoding="utf-8")
    return template, roles


def load(cls: type[Some], path: Path) -> Some:
    """Read a folder or a ``tokenizer.json``.

    Raises:
        InputError: there is none, or it has a part that is not supported (named).
        StorageError: it is damaged.
    """
    file = path / TOKENIZER_FILE if path.is_dir() else path
    if not file.is_file():
        raise InputError(f"There is no {TOKENIZER_FILE} at {path}.")
    data = read_json(file)
    try:
        template, roles = read_settings(file)
        return from_json(cls, data, template, roles)
    except InputError as error:
        raise InputError(f"{file}: {error.message}", hint=error.hint, field=error.field) from None
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise StorageError(f"{file} is damaged: {type(error).__name__} at {error}.") from None


def from_json(
    cls: type[Some], data: Mapping[str, Any], template: str | None, roles: Mapping[str, str]
) -> Some:
    """Make a tokenizer of the content of a ``tokenizer.json``.

    Raises:
        InputError: a part is not supported (named).
        KeyError, TypeError, ValueError: the content is damaged.
    """
    model = data["model"]
    if model.get("type", "BPE") != "BPE":
        raise unsupported("model", model.get("type"))
    for key in _UNSUPPORTED:
        if model.get(key):
            raise unsupported(f"model.{key}", model[key])
    normalizer, cutter = data.get("normalizer"), data.get("pre_tokenizer")
    compile_normalizer(normalizer)  # so that an unknown kind is named before what follows from it
    compile_cutter(cutter)
    added = [_added(item, normalizer) for item in data.get("added_tokens") or ()]
    texts = {token.text for token in added}
    vocab = {int(token): name for name, token in model["vocab"].items() if name not in texts}
    by_bytes = _has_byte_level(cutter)
    if not by_bytes and not model.get("byte_fallback"):
        raise unsupported("model", "BPE on characters without byte_fallback")
    tokens = {token: from_name(name) if by_bytes else spelled(name) for token, name in vocab.items()}
    ids = {name: token for token, name in vocab.items()}
    merges = []
    for item in model["merges"]:
        left, right = item.split(" ") if isinstance(item, str) else item
        if not {left, right, left + right} <= ids.keys():
            raise InputError(
                f"model.merges: the merge {left} {right} uses or makes a token outside the vocabulary.",
                field="model.merges",
            )
        merges.append((ids[left], ids[right]))
    return cls(
        tokens,
        merges,
        chat_template=template,
        added_tokens=added,
        normalizer=normalizer,
        pre_tokenizer=cutter,
        names=None if by_bytes else vocab,
        ignore_merges=bool(model.get("ignore_merges")),
        roles=roles,
    )


def spelled(name: str) -> bytes:
    """Return the bytes that a token of a character-based vocabulary stands for.

    >>> spelled("▁the"), spelled("<0x0A>")
    (b' the', b'\\n')
    """
    if len(name) == 6 and name.startswith("<0x") and name.endswith(">"):
        return bytes([int(name[3:5], 16)])
    return name.replace(META, " ").encode()


def _added(item: Mapping[str, Any], normalizer: Any) -> AddedToken:
    if item.get("single_word"):
        raise unsupported("added_tokens", f"{item['content']} with single_word")
    if item.get("normalized") and normalizer is not None:
        raise unsupported("added_tokens", f"{item['content']} with normalized")
    return AddedToken(
        item["content"],
        int(item["id"]),
        bool(item.get("special", True)),
        bool(item.get("lstrip")),
        bool(item.get("rstrip")),
        bool(item.get("normalized")),
    )


def _has_byte_level(cutter: Any) -> bool:
    parts = (cutter or {}).get("pretokenizers", [cutter or {}])
    return any(part.get("type") == "ByteLevel" for part in parts)


def to_json(tokenizer: BPETokenizer) -> dict[str, Any]:
    """Return the content of a ``tokenizer.json``.

    A tokenizer of ranks gets every way to spell a token as a merge, ordered by rank, and ``ignore_merges``,
    which together give the ids of the rank rule (transformers' converter does the same).
    """
    from llm_playground.tokenization.formats.ranks import all_merges

    names = tokenizer.names or {token: to_name(value) for token, value in tokenizer.ordinary_tokens.items()}
    by_ranks = not tokenizer.has_listed_merges
    merges = all_merges(tokenizer) if by_ranks else tokenizer.merges
    vocab = {**names, **{token.id: token.text for token in tokenizer.added}}
    decoder: dict[str, Any] = {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": True,
        "use_regex": True,
    }
    if tokenizer.names:
        decoder = {
            "type": "Sequence",
            "decoders": [
                {"type": "Replace", "pattern": {"String": META}, "content": " "},
                {"type": "ByteFallback"},
                {"type": "Fuse"},
                *([{"type": "Strip", "content": " ", "start": 1, "stop": 0}] * tokenizer.adds_space),
            ],
        }
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [token.to_json() for token in tokenizer.added],
        "normalizer": tokenizer.normalizer,
        "pre_tokenizer": tokenizer.pre_tokenizer,
        "post_processor": None,
        "decoder": decoder,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": bool(tokenizer.names),
            "ignore_merges": tokenizer.ignore_merges or (by_ranks and not tokenizer.names),
            "vocab": {name: token for token, name in sorted(vocab.items())},
            "merges": [[names[left], names[right]] for left, right in merges],
        },
    }


def save(tokenizer: BPETokenizer, folder: Path) -> None:
    """Write ``tokenizer.json`` and ``tokenizer_config.json`` into a folder, created if missing."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json_atomic(folder / TOKENIZER_FILE, to_json(tokenizer))
    settings: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,
        "model_max_length": 10**9,
        "add_prefix_space": False,
    }
    for role, text in tokenizer.roles.items():
        if text in tokenizer.special_tokens:
            settings[f"{role}_token"] = text
    if tokenizer.chat_template is not None:
        settings["chat_template"] = tokenizer.chat_template
    write_json_atomic(folder / CONFIG_FILE, settings)
