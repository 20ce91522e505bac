"""What people write on a run: a name of its own, tags and notes, in ``labels.json`` beside ``run.json``.

They are kept apart because ``run.json`` belongs to the run's process while it lives, and labels may change at
any time. The file is replaced whole, so that the last writer wins and a reader never sees half of one.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ValidationError

from llm_playground.core.errors import InputError, StorageError
from llm_playground.core.files import read_json, storage_errors, write_json_atomic

LABELS_FILE = "labels.json"
MOST_TAGS, LONGEST_TAG, LONGEST_NOTES = 20, 40, 20_000


class RunLabels(BaseModel):
    """Labels of a run.

    Attributes:
        name: takes the place of the name that the run was started with.
        tags: short words to find it by, in the order in which they were given.
        notes: whatever is worth remembering.
    """

    name: str | None = None
    tags: list[str] = []
    notes: str = ""


def load_labels(folder: Path) -> RunLabels:
    """Return the labels of a run's folder; without a readable file there are none."""
    path = folder / LABELS_FILE
    if not path.is_file():
        return RunLabels()
    try:
        return RunLabels.model_validate(read_json(path))
    except (StorageError, ValidationError):
        return RunLabels()


def change_labels(
    folder: Path, *, name: str | None = None, tags: Sequence[str] | None = None, notes: str | None = None
) -> RunLabels:
    """Change the labels that are given and keep the others.

    Args:
        tags: replaces all tags; spaces at the ends and repetitions are dropped.

    Raises:
        InputError: a tag is empty or too long, or there are too many; the notes are too long.
        StorageError: the folder cannot be written.
    """
    labels = load_labels(folder)
    if name is not None:
        labels.name = name
    if tags is not None:
        labels.tags = _checked(tags)
    if notes is not None:
        if len(notes) > LONGEST_NOTES:
            raise InputError(
                f"notes: {len(notes):,} characters are too many.",
                hint=f"At most {LONGEST_NOTES:,} are kept.",
                field="notes",
            )
        labels.notes = notes
    with storage_errors(folder):
        write_json_atomic(folder / LABELS_FILE, labels.model_dump(mode="json"))
    return labels


def _checked(tags: Sequence[str]) -> list[str]:
    kept = list(dict.fromkeys(tag.strip() for tag in tags))
    for tag in kept:
        if not 0 < len(tag) <= LONGEST_TAG or "," in tag or not tag.isprintable():
            raise InputError(
                f"tags: {tag[:80]!r} is not a tag.",
                hint=f"A tag has 1 to {LONGEST_TAG} printable characters and no comma.",
                field="tags",
            )
    if len(kept) > MOST_TAGS:
        raise InputError(f"tags: {len(kept)} are too many; keep to {MOST_TAGS}.", field="tags")
    return kept
