"""What happens to a text before merging: normalization, then cutting, as ``tokenizer.json`` describes it.

Both are kept as the JSON that describes them, so that a tokenizer can be saved as it was read, and compiled
into plain functions. Behaviours follow the library ``tokenizers`` (src/normalizers, src/pre_tokenizers).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from llm_playground.core.errors import InputError
from llm_playground.tokenization.alphabet import from_name, to_name
from llm_playground.tokenization.splitting import PATTERNS, SURROGATE, class_ranges, find_pattern

Normalize = Callable[[str], str]
Cut = Callable[[str], list[str]]
META = "\u2581"  # the lower block that SentencePiece writes for a space
_UNICODE = ("NFC", "NFD", "NFKC", "NFKD", "Lowercase")
# Unicode properties in published patterns -> our classes.
_PROPERTIES = {
    "L": "ultmo",
    "Lu": "u",
    "Ll": "l",
    "Lt": "t",
    "Lm": "m",
    "Lo": "o",
    "M": "k",
    "N": "n",
    "P": "p",
    "S": "s",
}
_ASCII_PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")


def unsupported(part: str, what: Any) -> InputError:
    """Return the error for a part of a file that is not understood."""
    return InputError(
        f"{part}: {what!r:.80} is not supported here.",
        hint="HFTokenizer reads it through the library `tokenizers`.",
        field=part,
    )


def compile_normalizer(spec: dict[str, Any] | None) -> Normalize | None:
    """Return the function of a ``normalizer`` section, None for none.

    Raises:
        InputError: a kind that is not supported (named).
    """
    if spec is None:
        return None
    kind = spec.get("type")
    if kind == "Sequence":
        steps = [step for part in spec["normalizers"] if (step := compile_normalizer(part))]

        def all_of_them(text: str) -> str:
            for step in steps:
                text = step(text)
            return text

        return all_of_them
    if kind in _UNICODE:
        return _unicode(kind)
    if kind == "Prepend":
        return lambda text: spec["prepend"] + text if text else text
    if kind == "Replace" and "String" in spec["pattern"]:
        old, new = spec["pattern"]["String"], spec["content"]
        return lambda text: text.replace(old, new)
    if kind == "Replace":
        found, content = compile_regex(spec["pattern"]["Regex"], "normalizer"), spec["content"]
        return lambda text: str(found.sub(lambda _: content, text))
    raise unsupported("normalizer", kind)


def _unicode(kind: str) -> Normalize:
    """Return a normalization as the library has it, whatever version of Unicode this Python knows."""
    from tokenizers import normalizers

    normalize = getattr(normalizers, kind)().normalize_str

    def apply(text: str) -> str:
        if text.isascii() and kind != "Lowercase":
            return text
        strict_utf8(text)
        return str(normalize(text))

    return apply


def compile_cutter(spec: dict[str, Any] | None, *, first: bool = True) -> Cut:
    """Return the function of a ``pre_tokenizer`` section: text to pieces.

    Args:
        spec: the section, None for none.
        first: for a part at the text's beginning; a part behind a special token may be cut otherwise.

    Raises:
        InputError: a kind that is not supported (named).
    """
    if spec is None:
        return _whole
    kind = spec.get("type")
    if kind == "Sequence":
        parts = list(spec["pretokenizers"])
        kinds = [part.get("type") for part in parts]
        inner = kinds.index("ByteLevel") if "ByteLevel" in kinds[:-1] else None
        if inner is not None:  # as in Falcon: what follows cuts the printable names of bytes
            after = _on_names({"type": "Sequence", "pretokenizers": parts[inner + 1 :]}, first)
            parts = parts[: inner + 1]
        cutters = [compile_cutter(part, first=first) for part in parts]
        cutters += [after] if inner is not None else []
        # A ByteLevel without its pattern cuts nothing: most sequences are one cutter and such a last step.
        cutters = [cutter for cutter in cutters if cutter is not _whole] or [_whole]
        return cutters[0] if len(cutters) == 1 else lambda text: _chain(cutters, text)
    if kind == "ByteLevel":
        if spec.get("add_prefix_space"):
            raise unsupported("pre_tokenizer", "ByteLevel with add_prefix_space")
        return PATTERNS["gpt2"].splitter() if spec.get("use_regex", True) else _whole
    if kind == "Split":
        return _compile_split(spec)
    if kind == "Digits":
        return _isolate(re.compile(f"[{class_ranges('n')}]{'' if spec.get('individual_digits') else '+'}"))
    if kind == "Punctuation":
        ascii_marks = re.escape("".join(sorted(_ASCII_PUNCTUATION)))
        found = re.compile(f"[{ascii_marks}{class_ranges('p')}]")
        return _behave(found, str(spec.get("behavior", "Isolated")).lower())
    if kind == "Metaspace":
        return _compile_metaspace(spec, first)
    raise unsupported("pre_tokenizer", kind)


def _whole(text: str) -> list[str]:
    return [text] if text else []


def _on_names(spec: dict[str, Any], first: bool) -> Cut:
    """Return a cutter that sees bytes by their printable names; half characters come out as surrogates.

    They stand for single bytes, as ``errors="surrogateescape"`` has it, and are encoded in the same way.
    """
    cut = compile_cutter(spec, first=first)

    def pieces(text: str) -> list[str]:
        named = to_name(strict_utf8(text))
        return [from_name(part).decode("utf-8", "surrogateescape") for part in cut(named)]

    return pieces


def strict_utf8(text: str) -> bytes:
    """Return a text in UTF-8.

    Raises:
        InputError: it holds a lone surrogate.
    """
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise SURROGATE from None


def _chain(cutters: list[Cut], text: str) -> list[str]:
    pieces = [text]
    for cutter in cutters:
        pieces = [part for piece in pieces for part in cutter(piece)]
    return pieces


def keeps_cuts(spec: dict[str, Any]) -> bool:
    """Say whether a Split section gives what a pattern for every character matches, and nothing else.

    With such a pattern, what is "removed" under ``invert`` are empty gaps.
    """
    behavior = str(spec.get("behavior", "Isolated")).lower()
    return behavior == "isolated" or (behavior == "removed" and bool(spec.get("invert")))


def _compile_split(spec: dict[str, Any]) -> Cut:
    pattern, behavior = spec["pattern"], str(spec.get("behavior", "Isolated")).lower()
    if "Regex" in pattern:
        known = find_pattern(pattern["Regex"])
        if known is not None and keeps_cuts(spec):
            return known.splitter()
        found = compile_regex(pattern["Regex"], "pre_tokenizer")
    else:
        found = re.compile(re.escape(pattern["String"]))
    return _behave(found, behavior, invert=bool(spec.get("invert")))


def _compile_metaspace(spec: dict[str, Any], first: bool) -> Cut:
    mark = spec.get("replacement", META)
    scheme = spec.get("prepend_scheme", "always" if spec.get("add_prefix_space", True) else "never")
    prepends = scheme == "always" or (scheme == "first" and first)
    cuts = re.compile(re.escape(mark)) if spec.get("split", True) else None

    def cut(text: str) -> list[str]:
        text = text.replace(" ", mark)
        if prepends and text and not text.startswith(mark):
            text = mark + text
        return _whole(text) if cuts is None else list(_pieces(cuts, text, "mergedwithnext", False))

    return cut


def _isolate(found: Any) -> Cut:
    return _behave(found, "isolated")


def _behave(found: Any, behavior: str, *, invert: bool = False) -> Cut:
    if behavior not in ("isolated", "removed", "mergedwithprevious", "mergedwithnext", "contiguous"):
        raise unsupported("pre_tokenizer", f"behavior {behavior}")
    return lambda text: list(_pieces(found, text, behavior, invert))


def _pieces(found: Any, text: str, behavior: str, invert: bool) -> Iterator[str]:
    """Cut a text at the matches of a pattern (``SplitDelimiterBehavior`` of the library)."""
    parts: list[tuple[int, int, bool]] = []  # start, end, is a delimiter
    end = 0
    for match in found.finditer(text):
        if match.start() > end:
            parts.append((end, match.start(), invert))
        if match.end() > match.start():
            parts.append((match.start(), match.end(), not invert))
        end = match.end()
    if end < len(text):
        parts.append((end, len(text), invert))
    if behavior == "removed":
        yield from (text[start:stop] for start, stop, delimiter in parts if not delimiter)
    elif behavior == "isolated":
        yield from (text[start:stop] for start, stop, _ in parts)
    else:
        yield from _joined(text, parts, behavior)


def _joined(text: str, parts: list[tuple[int, int, bool]], behavior: str) -> Iterator[str]:
    groups: list[tuple[int, int]] = []
    before: bool | None = None
    for start, stop, delimiter in reversed(parts) if behavior == "mergedwithnext" else parts:
        join = before == delimiter if behavior == "contiguous" else delimiter and not before
        if join and groups:
            first, last = groups[-1]
            groups[-1] = (min(first, start), max(last, stop))
        else:
            groups.append((start, stop))
        before = delimiter
    for start, stop in sorted(groups):
        yield text[start:stop]


def compile_regex(pattern: str, part: str) -> Any:
    """Compile a published pattern with our classes in the place of the library's.

    Raises:
        InputError: it cannot be read, or asks for a property that is not known here (named).
    """
    import regex

    out, position, inside = [], 0, False
    while position < len(pattern):
        character = pattern[position]
        two = pattern[position : position + 2]
        if two in (r"\p", r"\P"):
            match = re.match(r"\{(\^?)(\w+)\}|(\w)", pattern[position + 2 :])
            name = (match[2] or match[3]) if match else ""
            if match is None or name not in _PROPERTIES:
                raise unsupported(part, pattern[position : position + 8])
            negative = (two == r"\P") != (match[1] == "^")
            out.append(_class(_PROPERTIES[name], negative, inside, part))
            position += 2 + match.end()
        elif two in (r"\s", r"\S"):
            out.append(_class("w", two == r"\S", inside, part))
            position += 2
        else:
            out.append(two if character == "\\" else character)
            inside = character == "[" or (inside and character != "]")
            position += 2 if character == "\\" else 1
    try:
        return regex.compile("".join(out))
    except regex.error as error:
        raise InputError(f"{part}: the pattern {pattern!r:.80} is wrong: {error}.", field=part) from None


def _class(names: str, negative: bool, inside: bool, part: str) -> str:
    if not inside:
        return f"[{'^' if negative else ''}{class_ranges(names)}]"
    if negative:  # the complement, spelled out, as it stands within brackets
        return class_ranges("".join(name for name in "ultmoknpswx" if name not in names))
    return class_ranges(names)
