"""Remake what comes with the program: the example model, its score, and three tokenizers.

Usage: ``make assets``. Runs the recipes quickstart and tokenizers, or takes their finished runs in
``LLMP_WORKSPACE``, and puts the results into the package's ``assets``, weights in half precision.
"""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from typing import Any

import torch

from llm_playground.core.protocols import NullContext
from llm_playground.core.workspace import BUILTIN, FOLDERS, Artifact, Workspace, write_manifest
from llm_playground.evaluation.heldout import EvaluateConfig
from llm_playground.evaluation.heldout import run as evaluate
from llm_playground.runs import RunRecord, Supervisor, load_recipe
from llm_playground.runs.record import ALIVE
from llm_playground.tokenization import load_tokenizer
from llm_playground.tokenization.training_trace import TRACE_FILE
from llm_playground.transformer import TransformerLM

SEED = 0
_LARGEST_WEIGHTS = 3_000_000  # bytes


def finished(supervisor: Supervisor, recipe: str) -> RunRecord:
    """Return a finished run of a recipe: one that is there, else a new one, waited for."""
    config = load_recipe(recipe).model_dump(mode="json")
    for record in supervisor.list(stage="recipe"):
        if record.config == config and record.seed == SEED and record.state == "finished":
            return record
    print(f"Running the recipe {recipe} ...", flush=True)
    record = supervisor.start("recipe", config, seed=SEED)
    while record.state in ALIVE:
        time.sleep(1)
        record = supervisor.get(record.id)
    if record.state != "finished":
        sys.exit(f"The recipe {recipe} {record.state}: {record.error.message if record.error else ''}")
    return record


def publish(folder: Path, kind: str, name: str, **words: Any) -> None:
    """Put a folder, whole, in the place of the old built-in artifact; its id is the folder's name."""
    write_manifest(folder, id=folder.name, kind=kind, name=name, run_id=None, **words)
    target = BUILTIN / FOLDERS[kind] / folder.name
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(folder, target)


def made_by(recipe: str) -> dict[str, Any]:
    """Return the words on how something was made."""
    return {"recipe": recipe, "seed": SEED, "remake": f"llmp run {recipe}"}


def tokenizer_asset(work: Path, artifact: Artifact, new_id: str, name: str, about: str, recipe: str) -> None:
    """Publish a tokenizer."""
    folder = work / new_id
    load_tokenizer(artifact.path).save(folder)
    shutil.copy(artifact.path / TRACE_FILE, folder)
    summary = {key: value for key, value in artifact.summary.items() if key != "seconds"}
    card = {"about": f"{about} Made by the recipe {recipe} with seed {SEED}."}
    publish(folder, "tokenizer", name, parents=[], config=made_by(recipe), card=card, summary=summary)


def model_asset(work: Path, artifact: Artifact) -> None:
    """Publish the chat model with weights in half precision."""
    folder = work / "example"
    TransformerLM.from_pretrained(artifact.path).save_pretrained(folder, dtype=torch.float16)
    load_tokenizer(artifact.path).save(folder)
    size = (folder / "model.safetensors").stat().st_size
    if size > _LARGEST_WEIGHTS:
        sys.exit(
            f"The example model has {size:,} bytes; {_LARGEST_WEIGHTS:,} is the most that may be shipped."
        )
    kept = ("parameters", "vocab_size", "context_length", "chat", "stage", "steps", "tokens", "val_loss")
    about = (
        f"{artifact.card['about']} Made by the recipe quickstart with seed {SEED}, which remakes it in "
        "minutes; its weights are stored in half precision."
    )
    publish(
        folder,
        "model",
        "Willowbrook example",
        parents=["tinyworld"],
        config={**made_by("quickstart"), "training": artifact.config["training"]},
        card={**artifact.card, "about": about},
        summary={key: artifact.summary[key] for key in kept},
    )


def score_asset(work: Path, workspace: Workspace, dataset: str, baseline: str) -> Artifact:
    """Score the example model as it is shipped, and publish the result."""
    run_dir = work / "run"
    run_dir.mkdir()
    context = NullContext(run_dir, workspace, SEED)
    scored = evaluate(EvaluateConfig(model="example", dataset=dataset, baseline=baseline), context)
    folder = work / "example-score"
    shutil.copytree(scored.path, folder)
    (folder / "manifest.json").unlink()
    publish(
        folder,
        "evaluation",
        "Held-out score of the example",
        parents=["example"],
        config=made_by("quickstart"),
        summary=dict(scored.summary),
    )
    return scored


def main() -> None:
    """Make all of them."""
    workspace = Workspace().ensure()
    supervisor = Supervisor(workspace)
    quickstart, tokenizers = finished(supervisor, "quickstart"), finished(supervisor, "tokenizers")
    outputs = {
        **{name: step["output"] for name, step in quickstart.summary["steps"].items()},
        **{name: step["output"] for name, step in tokenizers.summary["steps"].items()},
    }
    work = workspace.root / ".assets"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    for new_id, step, name, about, recipe in (
        ("tinyworld", "tokenizer", "Tinyworld", "Cuts the simple English of the small town.", "quickstart"),
        ("prose", "prose", "Prose", "Learned from the documentation inside Python.", "tokenizers"),
        ("code", "code", "Code", "Learned from the source of Python's standard library.", "tokenizers"),
    ):
        tokenizer_asset(work, workspace.get(outputs[step], "tokenizer"), new_id, name, about, recipe)
    model_asset(work, workspace.get(outputs["sft"], "model"))
    scored = score_asset(work, workspace, outputs["data"], outputs["pretrain"])
    shutil.rmtree(work)
    share = scored.summary["exact_match"]
    print(f"The example model answers {share['value']:.1%} ({share['low']:.1%} to {share['high']:.1%}).")
    for path in sorted(BUILTIN.rglob("*")):
        if path.is_file():
            print(f"{path.stat().st_size:>10,}  {path.relative_to(BUILTIN)}")


if __name__ == "__main__":
    main()
