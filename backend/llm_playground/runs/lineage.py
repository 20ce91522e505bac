"""Where a run comes from and what came of it: a graph of artifacts, runs and forks.

It is put together from the parents that artifacts name, the runs that made them, the settings of runs, and
where forks came from. What was deleted is still drawn, from the trash where that holds it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from llm_playground.core.workspace import FOLDERS, Artifact, Workspace
from llm_playground.runs.record import RunRecord, load_record
from llm_playground.runs.supervisor import Supervisor

Kind = Literal[
    "dataset", "tokenizer", "tokens", "model", "evaluation", "measurement", "run", "checkpoint", "unknown"
]
REFERENCES: dict[str, Kind] = {
    "dataset": "dataset",
    "tokenizer": "tokenizer",
    "tokens": "tokens",
    "model": "model",
    "baseline": "model",
}  # settings that name an artifact
_MADE_BY: dict[str, Kind] = {
    "data.prepare": "dataset",
    "tokenizer.train": "tokenizer",
    "data.tokenize": "tokens",
    "pretrain": "model",
    "sft": "model",
    "evaluate": "evaluation",
    "lr-find": "measurement",
    "scaling": "measurement",
}  # what a stage makes, for artifacts that are gone
_FIGURES = (
    "documents",
    "conversations",
    "vocab_size",
    "train_tokens",
    "parameters",
    "steps",
    "train_loss",
    "val_loss",
    "bits_per_byte",
    "exact_match",
    "seconds",
)


@dataclass
class Node:
    """One thing in the graph.

    Attributes:
        id: of the artifact or run; a checkpoint's is ``RUN@STEP``.
        kind: what it is.
        name: for people.
        created_at: seconds since 1970; None where that is no longer known.
        deleted: whether it is in the trash, or gone.
        builtin: whether it comes with the program.
        marked: whether it is the run that was asked for, or one of its steps.
        stage, state: of a run.
        attempt: of a run: 2 after it was resumed once.
        run: of a checkpoint: the run that wrote it.
        figures: numbers worth showing, by name.
    """

    id: str
    kind: Kind
    name: str
    created_at: float | None = None
    deleted: bool = False
    builtin: bool = False
    marked: bool = False
    stage: str | None = None
    state: str | None = None
    attempt: int | None = None
    run: str | None = None
    figures: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Lineage:
    """The graph around a run; every edge leads from what was there first.

    Attributes:
        nodes: the oldest first.
        edges: pairs of ids.
    """

    nodes: list[Node]
    edges: list[tuple[str, str]]


class _Graph:
    """Everything in the workspace and its trash, and how one thing follows from another."""

    def __init__(self, supervisor: Supervisor) -> None:
        self.workspace = supervisor.workspace
        self.nodes: dict[str, Node] = {}
        self.ahead: dict[str, dict[str, None]] = {}
        self.behind: dict[str, dict[str, None]] = {}
        self.records = {record.id: record for record in supervisor.list(parent="*")}
        trash = self.workspace.trash_dir
        gone = {record.id: record for record in _trashed_runs(trash / "runs")}
        artifacts = {item.id: (item, True) for item in _trashed_artifacts(self.workspace)}
        artifacts |= {item.id: (item, False) for item in self.workspace.list()}
        for record in self.records.values():
            self.nodes[record.id] = _run_node(record)
        for record in gone.values():
            self.nodes.setdefault(record.id, _run_node(record, deleted=True))
        for artifact, deleted in artifacts.values():
            self.nodes[artifact.id] = _artifact_node(artifact, deleted)
        for record in (gone | self.records).values():
            self._connect_run(record)
        for artifact, _ in artifacts.values():
            self._connect_artifact(artifact)

    def _connect_run(self, record: RunRecord) -> None:
        for name, kind in REFERENCES.items():
            used = record.config.get(name)
            if isinstance(used, str) and used and "${" not in used:
                self._use(used, kind, record.id)
        if record.output is not None and record.stage != "recipe":
            self._known(record.output, _MADE_BY.get(record.stage, "unknown"))
            self._edge(record.id, record.output)
        origin = record.forked_from
        if origin is None:
            return
        if origin.run not in self.nodes:
            self.nodes[origin.run] = Node(origin.run, "run", origin.name, deleted=True, stage=record.stage)
        self._edge(origin.run, self._checkpoint(origin.run, origin.step))
        self._edge(f"{origin.run}@{origin.step}", record.id)

    def _checkpoint(self, run_id: str, step: int) -> str:
        place = f"{run_id}@{step}"
        if place not in self.nodes:
            path = self.workspace.runs_dir / run_id / "checkpoints" / f"step_{step:08d}" / "manifest.json"
            self.nodes[place] = Node(
                place,
                "checkpoint",
                f"step {step}",
                created_at=path.stat().st_mtime if path.is_file() else None,
                deleted=not path.is_file(),
                run=run_id,
                figures={"step": step},
            )
        return place

    def _connect_artifact(self, artifact: Artifact) -> None:
        maker = artifact.run_id
        if maker is not None and maker not in self.nodes:
            self.nodes[maker] = Node(maker, "run", maker, artifact.created_at, deleted=True)
        for parent in artifact.parents:
            self._use(parent, "unknown", maker or artifact.id)
        if maker is not None:
            self._edge(maker, artifact.id)

    def matters(self, place: str) -> bool:
        """Say whether something that is there came of a node, or the node itself is there."""
        found = (self.nodes[item] for item in _reach(self.ahead, [place]) if item in self.nodes)
        return any(not node.deleted and node.kind != "checkpoint" for node in found)

    def _use(self, used: str, kind: Kind, by: str) -> None:
        self._known(used, kind)
        self._edge(used, by)

    def _known(self, artifact_id: str, kind: Kind) -> None:
        """Add what is neither in the workspace nor in its trash: deleted, unless it is from elsewhere."""
        if artifact_id not in self.nodes:
            elsewhere = ":" in artifact_id or "/" in artifact_id
            self.nodes[artifact_id] = Node(artifact_id, kind, artifact_id, deleted=not elsewhere)
        elif self.nodes[artifact_id].kind == "unknown":
            self.nodes[artifact_id].kind = kind

    def _edge(self, before: str, after: str) -> None:
        self.ahead.setdefault(before, {})[after] = None
        self.behind.setdefault(after, {})[before] = None


def lineage(supervisor: Supervisor, run_id: str) -> Lineage:
    """Return what a run was made from, and all that was made from it.

    Of what follows from it, the other things it was made from are shown too, without their own past. What was
    deleted is shown where something that is still there came of it. For a recipe that is the lineage of its
    steps.

    Raises:
        NotFoundError: there is no such run.
    """
    record = supervisor.get(run_id)
    marked = {item.id for item in supervisor.children(run_id)} if record.stage == "recipe" else {run_id}
    graph = _Graph(supervisor)
    before, after = _reach(graph.behind, marked), _reach(graph.ahead, marked)
    beside = {used for place in after for used in graph.behind.get(place, ())}
    chosen = before | {place for place in after | beside if graph.matters(place)}
    for place in marked & graph.nodes.keys():
        graph.nodes[place].marked = True
    nodes = sorted(
        (graph.nodes[place] for place in chosen if place in graph.nodes),
        key=lambda node: (node.created_at or 0.0, node.id),
    )
    edges = [
        (start, end)
        for start, ends in graph.ahead.items()
        for end in ends
        if start in chosen and end in chosen
    ]
    return Lineage(nodes, sorted(edges))


def _reach(edges: Mapping[str, Iterable[str]], start: Iterable[str]) -> set[str]:
    """Return everything that the edges lead to, the beginnings included."""
    found = set(start)
    waiting = deque(found)
    while waiting:
        for place in edges.get(waiting.popleft(), ()):
            if place not in found:
                found.add(place)
                waiting.append(place)
    return found


def _run_node(record: RunRecord, *, deleted: bool = False) -> Node:
    return Node(
        record.id,
        "run",
        record.name,
        record.created_at,
        deleted=deleted,
        stage=record.stage,
        state=record.state,
        attempt=record.attempt,
        figures=_figures(record.summary),
    )


def _artifact_node(artifact: Artifact, deleted: bool) -> Node:
    kind: Kind = artifact.kind  # type: ignore[assignment]  # the workspace has no others
    return Node(
        artifact.id,
        kind,
        artifact.name,
        artifact.created_at,
        deleted=deleted,
        builtin=artifact.builtin,
        figures=_figures(artifact.summary),
    )


def _figures(summary: Mapping[str, Any]) -> dict[str, float]:
    """Pick the numbers worth showing; of one with an interval, its value."""
    found: dict[str, float] = {}
    for name in _FIGURES:
        value = summary.get(name)
        if isinstance(value, Mapping):
            value = value.get("value")
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            found[name] = value
    return found


def _trashed_runs(folder: Path) -> Iterator[RunRecord]:
    for path in folder.iterdir() if folder.is_dir() else ():
        record = load_record(path)
        if record is not None:
            yield record


def _trashed_artifacts(workspace: Workspace) -> Iterator[Artifact]:
    """Yield the deleted artifacts, read as a workspace whose root is the trash."""
    trash = workspace.trash_dir
    if any((trash / name).is_dir() for name in FOLDERS.values()):
        yield from Workspace(trash, builtin=None).list()
