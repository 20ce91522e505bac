"""Training a tokenizer of 32,000 tokens beside ``tokenizers``' BpeTrainer, two processes against two threads.

The corpus is the Python sources and documentation of the installed packages, so that every machine has one:
10 MB of it, or as many as ``LLMP_BENCH_MB`` says. Both sides must learn the same merges.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

from benchmarks.measure import Row, alternate
from llm_playground.tokenization.alphabet import to_name
from llm_playground.tokenization.bpe_training import Learned, learn_merges
from llm_playground.tokenization.counting import count_pieces
from llm_playground.tokenization.training_trace import TrainingTrace

VOCABULARY, PROCESSES = 32_000, 2
_SUFFIXES = (".py", ".pyi", ".md", ".rst", ".txt")


def corpus(size: float) -> list[str]:
    """Return texts of the installed packages, in the order of their names, of about ``size`` bytes."""
    found: list[str] = []
    for path in sorted(Path(sysconfig.get_path("purelib")).rglob("*")):
        if path.suffix in _SUFFIXES and path.is_file():
            data = path.read_bytes()
            try:
                found.append(data.decode("utf-8"))
            except UnicodeDecodeError:
                continue
            size -= len(data)
            if size <= 0:
                break
    return found


def compare(megabytes: float) -> dict[str, float]:
    """Return the corpus's size in megabytes and the median seconds of each side, in this process."""
    import tokenizers

    texts = corpus(megabytes * 1e6)
    results: dict[str, list[list[str]]] = {}

    def train(trace: TrainingTrace | None) -> Learned:
        return learn_merges(count_pieces(texts, processes=PROCESSES).counts, VOCABULARY, trace=trace)

    def ours() -> None:
        learned = train(None)
        names = {token: to_name(value) for token, value in learned.tokens.items()}
        results["ours"] = [[names[left], names[right]] for left, right in learned.merges]

    def theirs() -> None:
        fast = tokenizers.Tokenizer(tokenizers.models.BPE())
        fast.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
        trainer = tokenizers.trainers.BpeTrainer(
            vocab_size=VOCABULARY,
            show_progress=False,
            initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        )
        fast.train_from_iterator(texts, trainer)
        results["theirs"] = json.loads(fast.to_str())["model"]["merges"]

    medians = alternate({"ours": ours, "theirs": theirs, "traced": lambda: train(TrainingTrace())}, rounds=3)
    if results["ours"] != results["theirs"]:
        raise RuntimeError("The two sides learned different merges.")
    return {"megabytes": sum(len(text.encode()) for text in texts) / 1e6, **medians}


def measure() -> list[Row]:
    """Measure megabytes a second, in a process of its own: there the number of threads can be chosen."""
    megabytes = os.environ.get("LLMP_BENCH_MB", "10")
    environment = {**os.environ, "RAYON_NUM_THREADS": str(PROCESSES), "TOKENIZERS_PARALLELISM": "true"}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.tokenizer_training", megabytes],
        env=environment,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    found = json.loads(done.stdout)
    size = found["megabytes"]
    speed = {side: size / found[side] for side in ("ours", "theirs", "traced")}
    claim, against = f"training, {VOCABULARY:,} tokens on {size:.0f} MB", "tokenizers BpeTrainer"
    return [
        Row(claim, speed["ours"], speed["theirs"], "MB/s", against, goal=1.0),
        Row(f"{claim}, every merge recorded", speed["traced"], speed["theirs"], "MB/s", against),
    ]


if __name__ == "__main__":
    print(json.dumps(compare(float(sys.argv[1]))))
