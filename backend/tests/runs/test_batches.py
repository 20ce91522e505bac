"""What a step read: its rows scored by the weights it began with give the very loss that it logged."""

from __future__ import annotations

import shutil
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from tiny_workspace import Tiny, make, queue, work_here

from llm_playground.core.errors import ConflictError, InputError, NotFoundError, StorageError
from llm_playground.core.workspace import Workspace
from llm_playground.data.documents import read_documents
from llm_playground.monitoring import MetricReader
from llm_playground.runs import batches as module
from llm_playground.runs import step_scores
from llm_playground.runs.batches import Batches
from llm_playground.tokenization import load_tokenizer
from llm_playground.training import TrainingConfig, fork_run

EVERY = {"checkpoint_every": 1, "keep_checkpoints": 50, "eval_every": 50}


@pytest.fixture(scope="module")
def town(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """A copy of the prepared workspace for runs that keep each of their checkpoints."""
    return tiny.copy(tmp_path_factory.mktemp("town") / "workspace")


@pytest.fixture(scope="module")
def base(town: Tiny) -> str:
    return make(town.workspace, "pretrain", town.pretrain(8, **EVERY), seed=3).id


@pytest.fixture(scope="module")
def fork(town: Tiny, base: str) -> str:
    """A fork from step 5 with batches of 3 in place of 4."""
    config = town.pretrain(9, **EVERY, batch_size=3)
    run_id = queue(town.workspace, "pretrain", config, seed=3)
    runs = town.workspace.runs_dir
    fork_run(runs / base, runs / run_id, TrainingConfig(**config["training"]), step=5)
    work_here(town.workspace, run_id)
    return run_id


def losses(workspace: Workspace, run_id: str) -> dict[int, float]:
    line, _ = MetricReader(workspace.runs_dir / run_id / "metrics.db").series("train/loss")
    return {step: value for step, value in zip(line.step, line.value, strict=True) if value is not None}


def test_the_rows_scored_give_the_loss_that_was_logged(town: Tiny, base: str) -> None:
    found = Batches(town.workspace)
    for step, loss in losses(town.workspace, base).items():
        if step == 1:
            continue  # the weights from before it were never kept
        batch = found.batch(base, step, score=True)
        assert batch.scored is not None and batch.scored.step == step - 1 and batch.scored.rows == 4
        assert batch.scored.loss == pytest.approx(loss, abs=2e-5)
        assert batch.figures["train/loss"] == loss and batch.done_by == base and batch.last_step == 8
        assert [row.loss for row in batch.rows] == sorted((row.loss for row in batch.rows), reverse=True)
        assert sorted(row.sample for row in batch.rows) == list(range(4 * step - 4, 4 * step))
    assert batch.usual["train/loss"] == pytest.approx(median(list(losses(town.workspace, base).values())[:7]))


def test_a_fork_with_another_batch_size_goes_on_where_its_source_was(
    town: Tiny, base: str, fork: str, tmp_path: Path
) -> None:
    found = Batches(town.workspace)
    for step, loss in losses(town.workspace, fork).items():
        batch = found.batch(fork, step, score=True)
        assert batch.scored is not None and batch.scored.loss == pytest.approx(loss, abs=2e-5)
        assert batch.first_sample == 20 + 3 * (step - 6) and batch.batch_size == 3
    early = found.batch(fork, 5)
    assert (early.run, early.done_by, early.first_sample, early.last_step) == (fork, base, 16, 9)
    assert early.rows == found.batch(base, 5).rows

    alone = Workspace(tmp_path / "alone", builtin=None)  # the source is gone
    shutil.copytree(town.workspace.root, alone.root)
    shutil.rmtree(alone.runs_dir / base)
    assert Batches(alone).batch(fork, 7).first_sample == 23
    with pytest.raises(NotFoundError) as gone:
        Batches(alone).batch(fork, 5)
    assert str(gone.value) == (
        f"Step 5 was done by the run {base}, which {fork} was forked from at step 5, and that run is gone. "
        f"`llmp runs restore {base}` brings it back while it is in the trash."
    )


def test_rows_are_what_the_model_saw_with_their_documents(town: Tiny, base: str) -> None:
    found = Batches(town.workspace)
    texts = {item.id: item.text for item in read_documents(town.workspace.get(town.data).path)}
    batch = found.batch(base, 2)
    assert (batch.data, batch.dataset, batch.scored) == (town.tokens, town.data, None)
    assert [row.row for row in batch.rows] == [0, 1, 2, 3] and batch.rows[0].texts is None
    row = found.batch(base, 2, row=3, score=True).rows[0]
    assert row.tokens == 193 == len(row.texts or ()) == len(row.losses or ()) and row.losses[0] is None
    assert row.worst is not None and row.losses[row.worst] == max(value for value in row.losses if value)
    for document in row.documents:
        part = "".join(row.texts[document.start : document.end]).removeprefix("<|endoftext|>")
        assert part and part in texts[document.id]
    assert "".join(row.texts).strip().startswith(row.preview.rstrip("…"))


def test_fine_tuning_shows_its_conversations(town: Tiny) -> None:
    config = {"model": town.base, "dataset": town.data, "name": "Chat"}
    settings = {"steps": 16, "batch_size": 4, "warmup_steps": 2, "sample_every": 0, "threads": 1, **EVERY}
    run_id = make(town.workspace, "sft", {**config, "training": settings}).id
    found = Batches(town.workspace)
    seen = []
    for step in (2, 15, 16):  # the second epoch too
        batch = found.batch(run_id, step, score=True)
        assert batch.scored is not None
        assert batch.scored.loss == pytest.approx(losses(town.workspace, run_id)[step], abs=2e-5)
        seen.append(batch.rows[0].epoch)
    assert seen[0] == 0 and seen[-1] == 1
    assert batch.dataset == batch.data == town.data and batch.rows[0].start is None
    row = found.batch(run_id, 16, row=0, score=True).rows[0]
    assert row.documents[0].id.startswith("chat-") and row.documents[0].end == row.tokens
    said = [text for text, loss in zip(row.texts or (), row.losses or (), strict=True) if loss is not None]
    assert "assistant" in "".join(row.texts or ()) and "assistant" not in "".join(said)


def test_scores_come_from_the_nearest_weights(own_tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    found, base = (
        Batches(own_tiny.workspace),
        own_tiny.runs["base"],
    )  # checkpoints of steps 14 and 20 are kept
    words = [found.batch(base, step, score=True).scored.words for step in (3, 15, 17)]  # type: ignore[union-attr]
    assert words == [
        "the checkpoint of step 14, 12 steps later than the step",
        "the checkpoint of step 14, the very weights that the step began with",
        "the checkpoint of step 14, 2 steps before the step",
    ]
    calls: list[Any] = []
    monkeypatch.setattr(module, "score_rows", lambda *given: calls.append(given))
    found.batch(base, 15, score=True, row=2)  # what is known is not worked out again
    assert calls == []
    monkeypatch.undo()
    folder = own_tiny.workspace.runs_dir / base / "checkpoints"
    weights = folder / "step_00000014" / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(
        StorageError, match=r"^The checkpoint step_00000014 is damaged: model\.safetensors\.$"
    ):
        found.batch(base, 18, score=True)
    shutil.rmtree(folder)
    final = found.batch(base, 18, score=True).scored
    assert final is not None and final.words == "the finished model, 3 steps later than the step"
    own_tiny.workspace.delete(own_tiny.base)
    with pytest.raises(NotFoundError) as none:
        found.batch(base, 18, score=True)
    assert str(none.value) == (
        f"No checkpoint of the run {base} is left to score the rows with. "
        "Keep more of them with keep_checkpoints, or pin one."
    )
    assert len(found.batch(base, 18).rows) == 4


def test_what_takes_too_long_is_refused(own_tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    found, base = Batches(own_tiny.workspace), own_tiny.runs["base"]
    monkeypatch.setattr(step_scores, "MOST_OPERATIONS", 2e7)
    with pytest.raises(
        ConflictError, match=r"^Scoring 4 rows of 192 tokens takes .*One row alone can be scored"
    ):
        found.batch(base, 15, score=True)
    assert found.batch(base, 15, row=1, score=True).scored.rows == 1  # type: ignore[union-attr]
    monkeypatch.setattr(step_scores, "MOST_OPERATIONS", 2e3)
    with pytest.raises(ConflictError, match=r"^Scoring 1 row of .*The model is too large for it\.$"):
        found.batch(base, 16, row=1, score=True)


@pytest.mark.parametrize(
    ("step", "row", "said"),
    [
        (0, None, "step: 0 is not a step; the first is 1."),
        (21, None, "step: 21 has not been done yet; the run has come to step 20."),
        (3, 4, "row: 4 is not in the batch, whose rows are 0 to 3."),
    ],
)
def test_steps_and_rows_that_are_not_there(tiny: Tiny, step: int, row: int | None, said: str) -> None:
    with pytest.raises(InputError) as wrong:
        Batches(tiny.workspace).batch(tiny.runs["base"], step, row=row)
    assert str(wrong.value) == said


def test_what_is_gone_or_changed_is_named(own_tiny: Tiny) -> None:
    workspace, base = own_tiny.workspace, own_tiny.runs["base"]
    found = Batches(workspace)
    with pytest.raises(InputError, match=r"^The run .* \(data\.prepare\) has no batches\."):
        found.batch(own_tiny.runs["data"], 1)
    assert found.batch(base, 3).rows
    shard = workspace.get(own_tiny.tokens).path / "train.bin"
    data = shard.read_bytes()
    shard.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(StorageError, match=r"^The shard .* was changed after it was written\.$"):
        found.batch(base, 3)
    workspace.delete(own_tiny.tokens)
    with pytest.raises(NotFoundError) as gone:
        found.batch(base, 3)
    assert gone.value.message == (
        f"The run {base} was made with the token shards {own_tiny.tokens}, which the workspace no longer has."
    )


def test_a_character_of_several_tokens_is_whole(tiny: Tiny) -> None:
    tokenizer = load_tokenizer(tiny.workspace.get(tiny.tokens).path)

    class Source:
        pass

    source: Any = Source()
    source.tokenizer = tokenizer
    ids = tokenizer.encode_ordinary("Mia saw 鯨 go")
    texts = module.token_texts(source, ids)
    assert "".join(texts) == "Mia saw 鯨 go" and len(texts) == len(ids) and "" in texts
