"""What a run can be forked from, which settings may change, and what a fork shows of its source."""

from __future__ import annotations

import math
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_playground.core.config import StageConfig, parse_config
from llm_playground.core.errors import ConfigError, InputError, NotFoundError, StorageError
from llm_playground.core.files import read_json
from llm_playground.core.workspace import MANIFEST, Artifact, Workspace
from llm_playground.monitoring import MetricReader
from llm_playground.runs.context import METRICS_FILE
from llm_playground.runs.record import RunRecord, load_record
from llm_playground.runs.stages import get_stage

if TYPE_CHECKING:
    from llm_playground.monitoring.reader import Series
    from llm_playground.training.checkpoint import Checkpoint
    from llm_playground.training.config import TrainingConfig
    from llm_playground.training.pretrain import PretrainConfig

FORKABLE = ("pretrain", "sft")
INHERITED = -1  # the segment of what a fork shows of its source, which no attempt of a run has
_SUFFIX = re.compile(r", from step \d+$")


@dataclass(frozen=True)
class KeptCheckpoint:
    """A checkpoint as a table shows it.

    Attributes:
        step: optimizer steps done.
        size_bytes: of its files.
        created_at: seconds since 1970.
        train_loss: of the step.
        val_loss: the newest that was measured at the step or before.
        newest: whether the run would be resumed from it.
        best: whether it has the lowest validation loss of those that are there.
        pinned: whether it is kept in any case.
        damaged: what is wrong with it; None where it is whole, or was not asked for.
    """

    step: int
    size_bytes: int
    created_at: float
    train_loss: float | None
    val_loss: float | None
    newest: bool
    best: bool
    pinned: bool
    damaged: str | None = None


def kept_checkpoints(folder: Path, *, verify: bool = False) -> list[KeptCheckpoint]:
    """Return the checkpoints of a run, oldest first.

    Args:
        folder: of the run.
        verify: also read every file and compare it with its recorded hash.

    Raises:
        StorageError: the list of pins is damaged.
    """
    from llm_playground.training.checkpoint import list_checkpoints
    from llm_playground.training.retention import best_checkpoint, read_pins

    checkpoints = list_checkpoints(folder)
    if not checkpoints:
        return []
    pins, best = read_pins(checkpoints[0].path.parent), best_checkpoint(checkpoints)
    found = []
    for item in checkpoints:
        try:
            found.append(_row(item, item == checkpoints[-1], item == best, item.step in pins, verify))
        except StorageError:
            if (item.path / MANIFEST).is_file():
                raise
            # Deleted by its run since it was listed.
    return found


def _row(item: Checkpoint, newest: bool, best: bool, pinned: bool, verify: bool) -> KeptCheckpoint:
    from llm_playground.training.retention import finite, logged

    manifest, metrics = read_json(item.path / MANIFEST), logged(item)
    return KeptCheckpoint(
        step=item.step,
        size_bytes=sum(int(entry["size"]) for entry in manifest["files"].values()),
        created_at=float(manifest["created_at"]),
        train_loss=finite(metrics.get("train/loss")),
        val_loss=finite(metrics.get("val/loss")),
        newest=newest,
        best=best,
        pinned=pinned,
        damaged=_damage(item) if verify else None,
    )


def _damage(checkpoint: Checkpoint) -> str | None:
    from llm_playground.training.checkpoint import verify_checkpoint

    try:
        verify_checkpoint(checkpoint)
    except StorageError as error:
        return error.message
    return None


def pin_checkpoint(folder: Path, step: int, pinned: bool) -> None:
    """Keep a checkpoint of a run in any case, or no longer.

    Raises:
        NotFoundError: the run has none of that step.
    """
    from llm_playground.training.fork import find_checkpoint
    from llm_playground.training.retention import set_pin

    set_pin(find_checkpoint(folder, step), pinned)


@dataclass(frozen=True)
class ForkPlan:
    """A fork that has been checked.

    Attributes:
        config: the new run's whole configuration.
        step: the checkpoint that it begins with.
        name: for people.
    """

    config: StageConfig
    step: int
    name: str


def plan_fork(
    workspace: Workspace, source: RunRecord, folder: Path, step: int | None, changes: Mapping[str, Any]
) -> ForkPlan:
    """Check a fork before anything is written.

    Args:
        source: the run to fork, whose ``folder`` it is.
        step: which checkpoint; None: the newest.
        changes: settings that differ, nested or by dotted names.

    Raises:
        InputError: the run does not train, or is a recipe.
        NotFoundError: there is no such checkpoint, or what the run was made from has been deleted.
        ConfigError: the changed settings are wrong, end too early, or do not go with the checkpoint.
    """
    from llm_playground.training.fork import check_steps, find_checkpoint

    if source.stage == "recipe":
        raise InputError(
            f"The run {source.id} is a recipe, which has no checkpoints.", hint="Fork one of its steps."
        )
    if source.stage not in FORKABLE:
        raise InputError(
            f"The run {source.id} ({source.stage}) has no checkpoints to fork from.",
            hint=f"Runs of these stages have: {', '.join(FORKABLE)}.",
        )
    stage = get_stage(source.stage)
    old = parse_config(stage.config_class, source.config, f"the run {source.id}")
    new = parse_config(stage.config_class, merged(source.config, changes), f"the fork of {source.id}")
    checkpoint = find_checkpoint(folder, step)
    try:
        check_steps(_training(new), checkpoint.step)
    except ConfigError as error:
        raise ConfigError(
            f"training.{error.message}", hint=error.hint, field=f"training.{error.field}"
        ) from None
    check = _check_pretrain if source.stage == "pretrain" else _check_sft
    check(workspace, old, new, checkpoint)
    name = f"{_SUFFIX.sub('', source.name)}, from step {checkpoint.step}"
    return ForkPlan(new, checkpoint.step, name)


def merged(config: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration with changes to it; a mapping changes what it names and leaves the rest.

    >>> merged({"a": {"b": 1, "c": 2}}, {"a.b": 3, "d": {"e": 4}})
    {'a': {'b': 3, 'c': 2}, 'd': {'e': 4}}

    Raises:
        ConfigError: a dotted name leads into a setting that is no group.
    """
    result = dict(config)
    for name, value in changes.items():
        first, dot, rest = name.partition(".")
        inner = result.get(first)
        if dot:
            if inner is not None and not isinstance(inner, Mapping):
                raise ConfigError(f"{name}: {first} is not a group of settings.", field=name)
            result[first] = merged(inner or {}, {rest: value})
        elif isinstance(inner, Mapping) and isinstance(value, Mapping):
            result[first] = merged(inner, value)
        else:
            result[first] = value
    return result


def _training(config: StageConfig) -> TrainingConfig:
    training: TrainingConfig = config.training  # type: ignore[attr-defined]
    return training


def _check_sft(workspace: Workspace, old: StageConfig, new: StageConfig, checkpoint: Checkpoint) -> None:
    """Refuse another model to start from: the checkpoint's weights take its place."""
    from llm_playground.post_training.sft import SFTConfig

    assert isinstance(old, SFTConfig) and isinstance(new, SFTConfig)
    if new.model != old.model:
        raise ConfigError(
            f"model: a fork goes on with the weights of the checkpoint of step {checkpoint.step}, not with "
            "another model.",
            hint=f"Leave it at {old.model}, or start a new run.",
            field="model",
        )
    _need(workspace, new.model, "model", "model")
    _need(workspace, new.dataset, "dataset", "dataset")


def _check_pretrain(workspace: Workspace, old: StageConfig, new: StageConfig, checkpoint: Checkpoint) -> None:
    """Refuse tokens of another tokenizer, and a model whose weights are of other shapes."""
    from llm_playground.tokenization import load_tokenizer
    from llm_playground.training.pretrain import PretrainConfig, resolve_model
    from llm_playground.transformer.analysis.skeleton import build

    assert isinstance(old, PretrainConfig) and isinstance(new, PretrainConfig)
    tokens = _need(workspace, new.tokens, "tokens", "tokens")
    if new.tokens != old.tokens:
        known = _need(workspace, old.tokens, "tokens", "tokens")
        if _tokenizer_hash(tokens) != _tokenizer_hash(known):
            raise ConfigError(
                f"tokens: {tokens.id} was made with another tokenizer than {known.id}, which the model of "
                f"the checkpoint of step {checkpoint.step} reads.",
                hint="Cut the text with the same tokenizer, or start a new run.",
                field="tokens",
            )
    if (new.preset, new.model) == (old.preset, old.model):
        return
    tokenizer = load_tokenizer(tokens.path)
    before, after = (
        {name: value.shape for name, value in build(resolve_model(each, tokenizer)).state_dict().items()}
        for each in (old, new)
    )
    if before != after:
        field = _changed_shape(old, new)
        raise ConfigError(
            f"{field}: the checkpoint of step {checkpoint.step} is of a model of another shape.",
            hint="Leave the model as it is, or start a new run.",
            field=field,
        )


def _changed_shape(old: PretrainConfig, new: PretrainConfig) -> str:
    """Return the first setting of the model that was changed."""
    for name in sorted(old.model.keys() | new.model.keys()):
        if old.model.get(name) != new.model.get(name):
            return f"model.{name}"
    return "preset"


def _tokenizer_hash(tokens: Artifact) -> object:
    return tokens.files.get("tokenizer.json", {}).get("sha256")


def _need(workspace: Workspace, artifact_id: str, kind: str, field: str) -> Artifact:
    """Return what the fork needs.

    Raises:
        NotFoundError: it is not there, with the setting that names it.
    """
    try:
        return workspace.get(artifact_id, kind)
    except NotFoundError as error:
        raise NotFoundError(f"{field}: {error.message}", hint=error.hint, field=field) from None


def copy_checkpoint(source: Path, target: Path, before: Mapping[str, Any], plan: ForkPlan) -> None:
    """Put what a planned fork begins with into its folder.

    What ``auto`` came to for the source holds for the fork too where it asks for the same in the same words,
    for another precision would give other numbers.

    Args:
        source, target: folders of the two runs.
        before: the source's configuration.

    Raises:
        NotFoundError: the checkpoint has been deleted meanwhile.
        StorageError: it is damaged, or the disk is full.
    """
    from llm_playground.training.engine import RESOLVED_FILE
    from llm_playground.training.fork import fork_run

    training = _training(plan.config)
    fork_run(source, target, training, plan.step)
    old = before.get("training") or {}
    same = (old.get("precision"), old.get("device")) == (training.precision, training.device)
    if same and (source / RESOLVED_FILE).is_file():
        shutil.copyfile(source / RESOLVED_FILE, target / RESOLVED_FILE)


def inherited_lines(
    runs_dir: Path,
    record: RunRecord,
    names: Sequence[str] | None,
    points: int,
    *,
    start: int | None = None,
    end: int | None = None,
) -> dict[str, Series]:
    """Return what the sources of a fork logged up to where it begins, by metric; those without are left out.

    A source that is a fork itself gives its own source's part too. Deleted ones give none.

    Args:
        runs_dir: folder of the runs.
        names: of metrics; None: all that the source logged.
        points: longest line of each source, about.
        start, end: only these steps, both included.
    """
    from llm_playground.monitoring.reader import Series

    sources = list(_sources(runs_dir, record))
    if names is None:
        names = sorted({name for reader, _ in sources for name in reader.names()})
    lines = {}
    for name in names:
        whole = Series()
        for reader, last in reversed(sources):
            line, _ = reader.series(name, points, start=start, end=last if end is None else min(end, last))
            line.segment = [INHERITED] * len(line.step)
            extend(whole, line)
        if whole.step:
            lines[name] = whole
    return lines


def extend(line: Series, other: Series) -> None:
    """Append a line to another."""
    for part in ("step", "value", "low", "high", "segment", "tokens", "flops", "time"):
        getattr(line, part).extend(getattr(other, part))
    line.points += other.points


def _sources(runs_dir: Path, record: RunRecord) -> Iterator[tuple[MetricReader, int]]:
    """Yield the metrics of a fork's source with the last step that the fork took over, then its source's."""
    current: RunRecord | None = record
    last, seen = math.inf, {record.id}
    while current is not None and current.forked_from is not None and current.forked_from.run not in seen:
        origin = current.forked_from
        seen.add(origin.run)
        last = min(last, origin.step)
        yield MetricReader(runs_dir / origin.run / METRICS_FILE), int(last)
        current = load_record(runs_dir / origin.run)
