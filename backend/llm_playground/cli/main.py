"""Entry of ``llmp``: finds the command and reports errors in one sentence, with exit code 2.

Only the chosen command's modules are imported, so that ``llmp --help`` answers at once.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

from llm_playground import __version__
from llm_playground.core.devices import set_thread_environment
from llm_playground.core.errors import LLMPError, StorageError

# name -> (module:function, what it does). Names of two words share their first word.
COMMANDS = {
    "serve": ("serving:serve", "Start the web app and the API on one port."),
    "quickstart": ("recipes:quickstart", "Train your first model: data to chat in minutes."),
    "run": ("recipes:run", "Run a recipe by name or YAML file."),
    "data prepare": ("stages:command", "Turn text, or the embedded world, into a data set."),
    "tokenizer train": ("stages:command", "Learn a byte-level BPE tokenizer."),
    "tokenizer encode": ("tokenizers:encode", "Turn a text into token ids."),
    "tokenizer decode": ("tokenizers:decode", "Turn token ids into text."),
    "tokenizer compare": ("tokenizers:compare", "Cut one text with several tokenizers."),
    "tokenizer analyze": ("tokenizers:analyze", "Measure how a vocabulary covers text."),
    "tokenizer cost": ("tokenizers:cost", "Estimate what text costs at paid models."),
    "tokenizer list": ("tokenizers:list_all", "List tokenizers."),
    "tokenizer export": ("tokenizers:export", "Write a tokenizer as a file for other programs."),
    "tokenizer import": ("tokenizers:import_", "Put a tokenizer file into the workspace."),
    "data tokenize": ("stages:command", "Turn a data set into token shards."),
    "lr-find": ("stages:command", "Raise the learning rate until training breaks; suggests one."),
    "pretrain": ("stages:command", "Train a model from random weights."),
    "scaling": ("stages:command", "Train a ladder of sizes and predict the next one."),
    "sft": ("stages:command", "Fine-tune a model on conversations."),
    "plan": ("planning:plan", "Predict memory, time and cost of a training; find what fits."),
    "evaluate": ("stages:command", "Score a model on held-out questions."),
    "chat": ("talking:chat", "Talk to a model."),
    "generate": ("talking:generate", "Let a model continue a text."),
    "runs list": ("manage:runs_list", "List runs."),
    "runs show": ("manage:runs_show", "Show one run."),
    "runs follow": ("manage:runs_follow", "Follow a run until it ends."),
    "runs stop": ("manage:runs_stop", "Ask a run to stop, with a checkpoint."),
    "runs resume": ("manage:runs_resume", "Go on with a run that stopped, failed or died."),
    "runs fork": ("forks:fork", "Start a new run from a checkpoint of another."),
    "runs checkpoints": ("forks:checkpoints", "List the checkpoints of a run."),
    "runs pin": ("forks:pin", "Keep a checkpoint in any case."),
    "runs export": ("run_export:export", "Write a run's metrics for other programs."),
    "runs import": ("run_import:import_", "Make a finished run of TensorBoard's or W&B's files."),
    "runs batch": ("run_batch:batch", "Show what a step read, row by row, with its documents."),
    "runs delete": ("manage:runs_delete", "Move a run to the trash."),
    "runs restore": ("manage:runs_restore", "Bring a deleted run back."),
    "models list": ("manage:models_list", "List models."),
    "models show": ("manage:models_show", "Show one model."),
    "models delete": ("manage:models_delete", "Move a model to the trash."),
    "models restore": ("manage:models_restore", "Bring a deleted model back."),
    "model show": ("architectures:show", "Count parameters, operations and memory of a shape."),
    "model compare": ("architectures:compare", "Put architectures side by side."),
    "model import": ("model_import:import_", "Put a model folder into the workspace."),
    "recipes list": ("recipes:list_all", "List the recipes."),
}


def usage(prefix: str = "") -> str:
    """Return the help text, of all commands or of those that begin with a word."""
    names = [name for name in COMMANDS if not prefix or name.split()[0] == prefix]
    width = max(map(len, names))
    lines = [
        f"usage: llmp {prefix + ' ' if prefix else ''}COMMAND [OPTIONS]",
        "",
        "A language model's whole life on one computer.",
        "",
        "commands:",
        *(f"  {name:<{width}}  {COMMANDS[name][1]}" for name in names),
        "",
        "llmp COMMAND --help shows a command's options; llmp --version the version.",
        "Everything is kept in LLMP_WORKSPACE (default ~/.llm-playground).",
    ]
    return "\n".join(lines)


def find(arguments: Sequence[str]) -> tuple[str, list[str]] | None:
    """Return (command, its arguments), or None where the words name no command."""
    for length in (2, 1):
        name = " ".join(arguments[:length])
        if len(arguments) >= length and name in COMMANDS:
            return name, list(arguments[length:])
    return None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code: 0 done, 1 a run ended badly, 2 wrong input."""
    set_thread_environment()
    try:
        code = _run(list(sys.argv[1:] if arguments is None else arguments))
        sys.stdout.flush()
        return code
    except LLMPError as error:
        print(f"llmp: {error}", file=sys.stderr)
        return 1 if isinstance(error, StorageError) else 2
    except BrokenPipeError:  # the reader of a pipe has gone, as with `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 130


def _run(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(usage())
        return 0
    if arguments[0] == "--version":
        print(f"llmp {__version__}")
        return 0
    found = find(arguments)
    if found is None:
        groups = {name.split()[0] for name in COMMANDS if " " in name}
        first = arguments[0]
        if first in groups and (len(arguments) == 1 or arguments[1] in ("-h", "--help")):
            print(usage(first))
            return 0
        shown = " ".join(arguments[:2]) if first in groups else first
        print(f"llmp: there is no command {shown!r}; llmp --help lists them.", file=sys.stderr)
        return 2
    name, rest = found
    module, _, function = COMMANDS[name][0].partition(":")
    call = getattr(importlib.import_module(f"llm_playground.cli.{module}"), function)
    code: int = call(name, rest)
    return code


if __name__ == "__main__":
    sys.exit(main())
