"""The held-out score: the share of questions answered exactly, beside a base model and chance.

Each question is asked as a user's message through the model's own chat template; the reply is decoded
greedily and compared with the one right answer by the benchmark's checker. A base model never saw the chat
markers, so it is asked in the words it knows: the question as a plain story, of which it must continue.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from llm_playground.core.config import StageConfig
from llm_playground.core.errors import InputError, StopRequested
from llm_playground.core.files import write_json_atomic
from llm_playground.core.workspace import Artifact
from llm_playground.evaluation.statistics import wilson_interval

if TYPE_CHECKING:
    from llm_playground.core.protocols import Context

TITLE = "Held-out score"
_BATCH = 32


class EvaluateConfig(StageConfig):
    """Ask a model the held-out questions of a data set and count the exact answers."""

    model: str = Field(min_length=1, description="Id of the model to score.")
    dataset: str = Field(min_length=1, description="Id of the data set whose benchmark is asked.")
    baseline: str | None = Field(None, description="Id of a model to show beside it, such as the base model.")
    limit: int = Field(300, ge=1, le=100_000, description="Questions asked at most.")
    max_tokens: int = Field(24, ge=1, le=1024, description="Longest reply in tokens.")
    examples: int = Field(40, ge=0, le=1000, description="Answers kept to look at, the wrong ones first.")
    threads: int | None = Field(None, ge=1, description="CPU threads; empty for all cores.")
    name: str = Field("held-out score", description="Name of the result.")


CONFIG = EvaluateConfig


def load_benchmark(folder: Path, limit: int) -> list[dict[str, Any]]:
    """Read benchmark items, evenly drawn over the file where it holds more than ``limit``.

    Raises:
        InputError: the data set has no benchmark.
    """
    import pyarrow.parquet

    path = folder / "benchmark.parquet"
    if not path.is_file():
        raise InputError(
            f"The data set {folder.name} has no benchmark.",
            hint="The embedded tinyworld has one; see `llmp data prepare --help`.",
            field="dataset",
        )
    items: list[dict[str, Any]] = pyarrow.parquet.read_table(path).to_pylist()
    for item in items:
        item["candidates"] = json.loads(item["candidates"])
    if len(items) > limit:
        items = [items[index * len(items) // limit] for index in range(limit)]
    return items


def ask(
    folder: Path,
    questions: Sequence[str],
    *,
    chat: bool,
    max_tokens: int,
    context: Context,
    done: int,
    total: int,
) -> list[str]:
    """Return the model's greedy reply to each question.

    Args:
        folder: the model's folder (Hugging Face format, tokenizer inside).
        questions: texts to ask, each on its own.
        chat: ask through the chat template; else as plain text to be continued by one sentence.
        max_tokens: longest reply.
        context: told the progress, asked whether to stop.
        done: questions answered before, for the progress.
        total: questions in all, for the progress.
    """
    from llm_playground.generation import GenerationEngine, SamplingParams
    from llm_playground.tokenization import load_tokenizer
    from llm_playground.tokenization.chat import encode_chat
    from llm_playground.transformer import TransformerLM

    tokenizer = load_tokenizer(folder)
    engine = GenerationEngine(TransformerLM.from_pretrained(folder))
    stops = [
        token for token in (tokenizer.eos_id, tokenizer.special_tokens.get("<|im_end|>")) if token is not None
    ]
    params = SamplingParams(temperature=0.0, max_tokens=max_tokens, stop_ids=tuple(stops))
    replies: list[str] = []
    for start in range(0, len(questions), _BATCH):
        if context.should_stop():
            raise StopRequested
        batch = questions[start : start + _BATCH]
        if chat:
            prompts = [
                encode_chat(tokenizer, [{"role": "user", "content": text}], add_generation_prompt=True).ids
                for text in batch
            ]
        else:
            prompts = [[tokenizer.eos_id, *tokenizer.encode_ordinary(text)] for text in batch]
        for ids in engine.complete(prompts, params):
            text = tokenizer.decode([token for token in ids if token not in stops]).strip()
            replies.append(text if chat else first_sentence(text))
        context.progress.update(done + len(replies), total, unit="questions", message=f"asking {folder.name}")
    return replies


def first_sentence(text: str) -> str:
    """Return the text up to its first sentence end, without quotation marks around it."""
    text = text.strip().strip('"')
    end = text.find(".")
    return text[: end + 1] if end >= 0 else text


def score(items: Sequence[dict[str, Any]], replies: Sequence[str]) -> dict[str, Any]:
    """Count exact answers in all and by kind, each with Wilson's 95% interval."""
    from llm_playground.data.tinyworld.checkers import exact

    kinds: dict[str, list[bool]] = defaultdict(list)
    for item, reply in zip(items, replies, strict=True):
        kinds[item["kind"]].append(exact(reply, item["answer"]))
    everything = [right for values in kinds.values() for right in values]
    return {
        "exact_match": wilson_interval(sum(everything), len(everything)).to_dict(),
        "by_kind": {
            kind: wilson_interval(sum(values), len(values)).to_dict()
            for kind, values in sorted(kinds.items())
        },
    }


def run(config: EvaluateConfig, context: Context) -> Artifact:
    """Score the model (and the baseline) and publish ``results.json``.

    Raises:
        NotFoundError: an id names nothing.
        InputError: the data set has no benchmark.
    """
    from llm_playground.core.devices import configure_threads
    from llm_playground.data.tinyworld.checkers import exact

    started = time.time()
    configure_threads(config.threads)
    workspace = context.workspace
    model, dataset = workspace.get(config.model, "model"), workspace.get(config.dataset, "dataset")
    baseline = workspace.get(config.baseline, "model") if config.baseline else None
    items = load_benchmark(dataset.path, config.limit)
    questions = [item["question"] for item in items]
    total = len(items) * (2 if baseline else 1)

    replies = ask(
        model.path, questions, chat=True, max_tokens=config.max_tokens, context=context, done=0, total=total
    )
    results: dict[str, Any] = {"benchmark": dataset.name, "dataset": dataset.id, "model": model.id}
    results |= score(items, replies)
    results["chance"] = sum(1 / len(item["candidates"]) for item in items) / len(items)
    base_replies: list[str | None] = [None] * len(items)
    if baseline is not None:
        answers = ask(
            baseline.path,
            questions,
            chat=False,
            max_tokens=config.max_tokens,
            context=context,
            done=len(items),
            total=total,
        )
        base_replies = list(answers)
        results["baseline"] = {"model": baseline.id, **score(items, answers)}

    rows = [
        {
            "id": item["id"],
            "kind": item["kind"],
            "question": item["question"],
            "expected": item["answer"],
            "reply": reply,
            "correct": exact(reply, item["answer"]),
            "baseline_reply": base,
        }
        for item, reply, base in zip(items, replies, base_replies, strict=True)
    ]
    rows.sort(key=lambda row: bool(row["correct"]))
    results["examples"] = rows[: config.examples]
    results["seconds"] = time.time() - started

    summary = {
        "exact_match": results["exact_match"],
        "by_kind": results["by_kind"],
        "baseline_exact_match": results.get("baseline", {}).get("exact_match"),
        "chance": results["chance"],
        "questions": len(items),
        "model": model.id,
        "baseline": baseline.id if baseline else None,
    }
    context.set_summary(**summary)
    context.event("eval", summary)
    parents = [model.id, dataset.id, *([baseline.id] if baseline else [])]
    with workspace.new_artifact(
        "evaluation",
        name=config.name,
        parents=parents,
        config=config.model_dump(mode="json"),
        summary=summary,
        run_id=context.run_id,
    ) as draft:
        write_json_atomic(draft.path / "results.json", results)
    assert draft.artifact is not None
    return draft.artifact
