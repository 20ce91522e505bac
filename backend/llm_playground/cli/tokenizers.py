"""Commands of ``llmp tokenizer``: encode, decode, compare, measure, price, list, export and import."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from llm_playground.cli.options import call
from llm_playground.cli.tables import print_table
from llm_playground.core.errors import InputError, NotFoundError, StorageError
from llm_playground.core.workspace import Workspace

if TYPE_CHECKING:
    from llm_playground.tokenization import Tokenizer
    from llm_playground.tokenization.cost import CostEstimate, PriceTable
    from llm_playground.tokenization.coverage import Figures

Name = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="TOKENIZER")]
# With a constructor of its own a value may be the word None.
_OPTIONAL: Any = {"constructor": str, "help_behavior_hint": "(optional)"}
Given = Annotated[str | None, tyro.conf.arg(**_OPTIONAL)]
AsJson = Annotated[bool, tyro.conf.arg(name="json")]
_TARGET = tyro.conf.arg(metavar="FOLDER|FILE")
_SIGNS = {" ": "·", "\n": "⏎", "\t": "→", "\r": "␍"}
_SHOWN = 2_000  # characters of a text whose tokens `compare` prints


def encode(name: str, arguments: list[str]) -> int:
    """Turn a text into token ids."""

    def command(
        tokenizer: Name,
        text: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="TEXT", **_OPTIONAL)] = None,
        /,
        file: Given = None,
        special: bool = False,
        inspect: bool = False,
        pattern: Given = None,
        as_json: AsJson = False,
    ) -> int:
        """Turn a text into token ids.

        Args:
            tokenizer: id of a tokenizer or model, hub:ORG/NAME, or a file or folder.
            text: the text; without it and --file, or as -, the standard input.
            file: read the text from this file.
            special: special tokens in the text become those tokens; else they are ordinary text.
            inspect: print a table that explains each token.
            pattern: how text is cut, for rank files that are not known.
            as_json: print JSON.
        """
        from llm_playground.tokenization import inspect_text

        opened, content = _open(tokenizer, pattern), _content(text, file)
        allowed: Literal["all"] | tuple[str, ...] = "all" if special else ()
        if not inspect:
            ids = opened.encode(content, allowed, ())
            print(json.dumps(ids) if as_json else " ".join(map(str, ids)))
            return 0
        found = inspect_text(opened, content, allowed)
        if as_json:
            print(json.dumps(found.to_dict(), ensure_ascii=False))
            return 0
        rows: list[Sequence[Any]] = []
        for number, token in enumerate(found.tokens):
            branch = found.pieces[token.piece].branch if token.piece is not None else None
            what = "special token" if token.special else branch or ""
            place = f"{token.start}-{token.end}"
            rows.append((number, token.id, _visible(token.text), token.bytes, place, what))
        print_table(("", "id", "text", "bytes", "characters", "cut as"), rows, left=(2, 3, 5))
        size = len(content.encode())
        print(f"{len(rows)} tokens, {len(content)} characters, {size} bytes")
        return 0

    return call(command, name, arguments)


def decode(name: str, arguments: list[str]) -> int:
    """Turn token ids into text."""

    def command(
        tokenizer: Name,
        ids: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="ID")] = (),
        /,
        pattern: Given = None,
        as_json: AsJson = False,
    ) -> int:
        """Turn token ids into text.

        Args:
            tokenizer: id of a tokenizer or model, hub:ORG/NAME, or a file or folder.
            ids: the ids, with spaces or commas between; without them, the standard input.
            pattern: how text is cut, for rank files that are not known.
            as_json: print JSON: the text, and each token's bytes.
        """
        opened = _open(tokenizer, pattern)
        numbers = _numbers(" ".join(ids) if ids else _content(None, None))
        text = opened.decode(numbers)
        if as_json:
            tokens = [{"id": token, "bytes": opened.token_bytes(token).hex()} for token in numbers]
            print(json.dumps({"text": text, "tokens": tokens}, ensure_ascii=False))
        else:
            print(text)
        return 0

    return call(command, name, arguments)


def compare(name: str, arguments: list[str]) -> int:
    """Compare tokenizers."""

    def command(
        tokenizers: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="TOKENIZER")],
        /,
        text: Given = None,
        file: Given = None,
        as_json: AsJson = False,
    ) -> int:
        """Cut one text with several tokenizers; tokens that stand where no other has one are in ‹ ›.

        Args:
            tokenizers: 2 to 6 ids, hub:ORG/NAME, files or folders.
            text: the text; without it and --file, the standard input.
            file: read the text from this file.
            as_json: print JSON.
        """
        from llm_playground.tokenization.comparison import compare_tokenizers

        if not 2 <= len(tokenizers) <= 6:
            raise InputError(
                f"2 to 6 tokenizers can be compared; {len(tokenizers)} were given.", field="tokenizers"
            )
        opened = [_open(item) for item in tokenizers]
        content = _content(text, file)
        compared = compare_tokenizers(opened, content)
        if as_json:
            results = [
                {
                    "tokenizer": item,
                    "vocab_size": tokenizer.vocab_size,
                    "count": len(found.spans),
                    "bytes_per_token": found.bytes_per_token,
                    "characters_per_token": found.characters_per_token,
                    "tokens": [{"id": span.id, "start": span.start, "end": span.end} for span in found.spans],
                    "only_here": found.only_here,
                }
                for item, tokenizer, found in zip(tokenizers, opened, compared, strict=True)
            ]
            counts = {"characters": len(content), "bytes": len(content.encode())}
            print(json.dumps({**counts, "results": results}, ensure_ascii=False))
            return 0
        rows = [
            (
                item,
                f"{tokenizer.vocab_size:,}",
                f"{len(found.spans):,}",
                _ratio(found.bytes_per_token),
                _ratio(found.characters_per_token),
                f"{len(found.only_here):,}",
            )
            for item, tokenizer, found in zip(tokenizers, opened, compared, strict=True)
        ]
        heads = ("tokenizer", "ids", "tokens", "bytes / token", "characters / token", "only here")
        print_table(heads, rows, left=(0,))
        if len(content) <= _SHOWN:
            for item, found in zip(tokenizers, compared, strict=True):
                texts = [span.bytes.decode("utf-8", "replace") for span in found.spans]
                _print_marked(item, texts, set(found.only_here))
        return 0

    return call(command, name, arguments)


def analyze(name: str, arguments: list[str]) -> int:
    """Measure a tokenizer."""

    def command(
        tokenizer: Name,
        /,
        text: Given = None,
        file: Given = None,
        dataset: Given = None,
        characters: Annotated[int, tyro.conf.arg(metavar="N")] = 200_000,
        suspicious: bool = False,
        pattern: Given = None,
        as_json: AsJson = False,
    ) -> int:
        """Measure how a vocabulary covers a text, by script and by kind of content.

        Args:
            tokenizer: id of a tokenizer or model, hub:ORG/NAME, or a file or folder.
            text: measure by this text; without a text, by the built-in samples.
            file: measure by this file (- is the standard input).
            dataset: measure by this data set of the workspace.
            characters: characters of the data set that are read.
            suspicious: also list the tokens that a model may never have learned.
            pattern: how text is cut, for rank files that are not known.
            as_json: print JSON.
        """
        from llm_playground.tokenization.coverage import analyze_coverage
        from llm_playground.tokenization.coverage_samples import SAMPLES
        from llm_playground.tokenization.stage import dataset_texts
        from llm_playground.tokenization.suspicious import REASONS, suspicious_tokens

        if sum(given is not None for given in (text, file, dataset)) > 1:
            raise InputError("Give one of --text, --file and --dataset.")
        if characters < 1:
            raise InputError(f"--characters: {characters} is not 1 or more.", field="characters")
        opened = _open(tokenizer, pattern)
        texts: Iterable[str] = SAMPLES.values()
        if dataset is not None:
            texts = dataset_texts(Workspace().get(dataset, "dataset").path, characters)
        elif text is not None or file is not None:
            texts = [_content(text, file)]
        found = analyze_coverage(opened, texts)
        odd = suspicious_tokens(opened) if suspicious else []
        if as_json:
            more = {"suspicious": [token.to_dict() for token in odd]} if suspicious else {}
            print(json.dumps({**found.to_dict(), **more}, ensure_ascii=False))
            return 0
        _coverage_table("script", [*found.by_script, found.total])
        _coverage_table("content", found.by_content)
        print(
            f"{found.used_tokens:,} of {found.used_tokens + found.unused_tokens:,} tokens used; "
            f"Rényi efficiency {_ratio(found.total.renyi_efficiency)} (order {found.order:g})"
        )
        for reason, why in REASONS.items():
            tokens = [token for token in odd if reason in token.reasons]
            if tokens:
                some = " ".join(f"{token.id}:{_visible(token.text)}" for token in tokens[:8])
                print(f"{len(tokens):,} {reason} ({why}): {some}{' ...' if len(tokens) > 8 else ''}")
        return 0

    return call(command, name, arguments)


def cost(name: str, arguments: list[str]) -> int:
    """Estimate costs."""

    def command(
        model: Annotated[
            str | None, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL", **_OPTIONAL)
        ] = None,
        /,
        text: Given = None,
        file: Given = None,
        tokens: int | None = None,
        output_tokens: int = 0,
        cached_share: float = 0.0,
        batch: bool = False,
        requests_per_month: int | None = None,
        tokenizer: Given = None,
        as_json: AsJson = False,
    ) -> int:
        """Estimate what a text costs at a paid model; without a model, print the price table.

        Args:
            model: name in the price table, or PROVIDER/NAME.
            text: what is sent with one request.
            file: read it from this file (- is the standard input).
            tokens: its number of tokens, where you know it.
            output_tokens: tokens of the answer, thinking included.
            cached_share: share of the input that is read from the provider's cache, 0 to 1.
            batch: use the batch prices.
            requests_per_month: also plan a month.
            tokenizer: counts where the model's own tokenizer is not at hand.
            as_json: print JSON.
        """
        from llm_playground.tokenization.cost import estimate, load_prices, workspace_tokenizers

        workspace = Workspace()
        prices = load_prices(workspace)
        if model is None:
            _print_prices(prices, as_json)
            return 0
        if sum(given is not None for given in (text, file, tokens)) != 1:
            raise InputError("Give one of --text, --file and --tokens.")
        found = estimate(
            tokens if tokens is not None else _content(text, file),
            model,
            prices,
            expected_output=output_tokens,
            cached_share=cached_share,
            batch=batch,
            requests_per_month=requests_per_month,
            find_tokenizer=workspace_tokenizers(workspace),
            stand_in=_open(tokenizer) if tokenizer is not None else None,
        )
        if as_json:
            print(json.dumps(found.to_dict(), ensure_ascii=False))
        else:
            _print_estimate(found)
        return 0

    return call(command, name, arguments)


def list_all(name: str, arguments: list[str]) -> int:
    """List tokenizers."""

    def command(as_json: AsJson = False) -> int:
        """List the tokenizers of the workspace, and the models that hold one.

        Args:
            as_json: print JSON.
        """
        from llm_playground.playground import TokenizerCache

        found = TokenizerCache(Workspace()).list()
        if as_json:
            print(json.dumps([info.to_dict() for info in found], indent=2, ensure_ascii=False))
            return 0
        rows = [
            (
                info.id,
                info.kind,
                f"{info.vocab_size:,}",
                info.pattern or "",
                "traced" if info.has_trace else "",
                "built in" if info.builtin else "",
                info.name,
            )
            for info in found
        ]
        print_table(("id", "kind", "ids", "pattern", "training", "", "name"), rows, left=(0, 1, 3, 4, 5, 6))
        return 0

    return call(command, name, arguments)


def export(name: str, arguments: list[str]) -> int:
    """Export a tokenizer."""

    def command(
        tokenizer: Name,
        target: Annotated[Path, tyro.conf.Positional, _TARGET],
        /,
        format: Literal["tokenizer.json", "tiktoken"] = "tokenizer.json",
        pattern: Given = None,
        overwrite: bool = False,
    ) -> int:
        """Write a tokenizer as a file for other programs, after it was read back and gave the same ids.

        Args:
            tokenizer: id of a tokenizer or model, hub:ORG/NAME, or a file or folder.
            target: a folder (which also gets the chat template), or the file.
            format: tokenizer.json, or tiktoken: ranks alone, without special tokens.
            pattern: how text is cut, for rank files that are not known.
            overwrite: replace what is there.
        """
        from llm_playground.core.files import write_bytes_atomic
        from llm_playground.tokenization.export import export_tokenizer

        opened = _open(tokenizer, pattern)
        is_folder = target.is_dir() or not target.suffix
        stem = Path(tokenizer).stem if Path(tokenizer).exists() else re.split("[:/]", tokenizer)[-1]
        file = target / (f"{stem}.tiktoken" if format == "tiktoken" else format) if is_folder else target
        if file.exists() and not overwrite:
            raise InputError(f"{file} exists already.", hint="--overwrite replaces it.", field="target")
        exported = export_tokenizer(opened, format)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{file.parent} cannot be made: {error.strerror}.", field="target") from None
        if is_folder and format == "tokenizer.json":
            opened.save(target)
        write_bytes_atomic(file, exported.data)
        print(f"{file}: read back, it gave the same ids for {exported.checked:,} texts.")
        if exported.lost:
            some = ", ".join(map(str, exported.lost[:8])) + (", ..." if len(exported.lost) > 8 else "")
            print(f"{len(exported.lost):,} tokens cannot be rebuilt by merges: {some}")
        return 0

    return call(command, name, arguments)


def import_(name: str, arguments: list[str]) -> int:
    """Import a tokenizer."""

    def command(
        path: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="PATH")],
        /,
        name: Given = None,
        pattern: Given = None,
    ) -> int:
        """Put a tokenizer file into the workspace.

        Args:
            path: a folder, a file (tokenizer.json, *.tiktoken, vocab.bpe, *.gguf, *.model), or hub:ORG/NAME.
            name: name of the result; default: the file's.
            pattern: how text is cut, for rank files that are not known.
        """
        from llm_playground.tokenization.export import export_tokenizer

        source = Path(path)
        if not path.startswith("hub:") and not source.exists():
            raise NotFoundError(f"There is no file or folder {path}.", field="path")
        opened = _open(path, pattern)
        export_tokenizer(opened, "tokenizer.json")
        origin = path if path.startswith("hub:") else source.resolve().name
        with Workspace().new_artifact(
            "tokenizer",
            name=name or re.split("[:/]", origin.removesuffix(source.suffix))[-1] or "tokenizer",
            config={"source": origin, "pattern": pattern},
            card={"about": f"Imported from {origin}."},
            summary={"vocab_size": opened.vocab_size},
        ) as draft:
            opened.save(draft.path)
        print(draft.id)
        return 0

    return call(command, name, arguments)


def _open(name: str, pattern: str | None = None) -> Tokenizer:
    from llm_playground.tokenization import open_tokenizer
    from llm_playground.tokenization.splitting import get_pattern

    if pattern is not None:
        get_pattern(pattern)  # a wrong name is said, also where the file tells how text is cut
    try:
        return open_tokenizer(name, Workspace(), pattern)
    except StorageError as error:
        if not Path(name).exists():
            raise
        raise InputError(error.message, hint=error.hint) from None  # the file that was given is wrong


def _content(text: str | None, file: str | None) -> str:
    """Return the text given, the file's, or that of the standard input, its line ends as they are."""
    if text is not None and file is not None:
        raise InputError("Give a text or --file, not both.")
    if text not in (None, "-"):
        return text or ""
    if file in (None, "-"):
        place, data = "The standard input", sys.stdin.buffer.read()
    else:
        place = f"The file {file}"
        try:
            data = Path(file or "").read_bytes()
        except IsADirectoryError:
            raise InputError(f"{file} is a folder; a text file is needed.", field="file") from None
        except OSError as error:
            raise InputError(f"{place} cannot be read: {error.strerror}.", field="file") from None
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise InputError(f"{place} is not UTF-8 text (byte {error.start}).", field="file") from None


def _numbers(text: str) -> list[int]:
    """Return the ids written in a text, with anything of ``[],`` and white space between."""
    words = re.split(r"[\s,\[\]]+", text.strip(" \t\r\n,[]"))
    wrong = next((word for word in words if word and not re.fullmatch(r"-?\d{1,20}", word, re.ASCII)), None)
    if wrong is not None:
        raise InputError(f"{wrong[:40]!r} is not a token id.", field="ids")
    return [int(word) for word in words if word]


def _visible(text: str) -> str:
    """Return a text in which white space and what does not print can be seen."""
    return "".join(_SIGNS.get(c) or (c if c.isprintable() else f"\\u{{{ord(c):x}}}") for c in text)


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def _print_marked(title: str, texts: Sequence[str], marked: set[int]) -> None:
    from rich.console import Console
    from rich.text import Text

    line = Text()
    for index, text in enumerate(texts):
        shown = _visible(text)
        line.append("|" if index else "")
        line.append(f"‹{shown}›" if index in marked else shown, "bold reverse" if index in marked else "")
    console = Console(soft_wrap=True)
    console.print(Text(title, "bold"))
    console.print(line)


def _coverage_table(what: str, figures: Sequence[Figures]) -> None:
    rows = [
        (
            item.name,
            f"{item.tokens:,}",
            _ratio(item.bytes_per_token),
            _ratio(item.characters_per_token),
            _ratio(item.tokens_per_word),
            _share(item.single_token_word_share),
            _share(item.byte_fallback_rate),
        )
        for item in figures
    ]
    heads = ("bytes / token", "characters / token", "tokens / word", "one-token words", "byte fallback")
    print_table((what, "tokens", *heads), rows, left=(0,))


def _print_prices(prices: PriceTable, as_json: bool) -> None:
    if as_json:
        print(json.dumps(prices.model_dump(mode="json"), indent=2, ensure_ascii=False))
        return
    rows = [
        (
            item.provider,
            item.model,
            f"{item.input:g}",
            "" if item.cached_input is None else f"{item.cached_input:g}",
            f"{item.output:g}",
            "" if item.batch is None else f"{item.batch:g}",
            item.as_of,
        )
        for item in prices.prices
    ]
    print_table(("provider", "model", "input", "cached", "output", "batch", "as of"), rows, left=(0, 1))
    print(f"{prices.currency} per million tokens. {prices.note}")


def _print_estimate(found: CostEstimate) -> None:
    def money(value: float) -> str:
        return f"{value:,.6f}"

    fresh = found.input.tokens - found.cached_tokens
    rows: list[Sequence[Any]] = [
        ("input", f"{fresh:,}", money(found.input_cost)),
        ("input from cache", f"{found.cached_tokens:,}", money(found.cached_cost)),
        ("output", f"{found.output_tokens:,}", money(found.output_cost)),
        ("one request", f"{found.input.tokens + found.output_tokens:,}", money(found.request_cost)),
    ]
    if found.monthly_cost is not None:
        monthly = (found.monthly_input_tokens or 0) + (found.monthly_output_tokens or 0)
        rows.append((f"{found.requests_per_month:,} a month", f"{monthly:,}", money(found.monthly_cost)))
    print_table((f"{found.provider} {found.model}", "tokens", found.currency), rows, left=(0,))
    print(f"{'Exact' if found.input.exact else 'Approximate'}: {found.input.reason}")
    for warning in found.warnings:
        print(warning)
