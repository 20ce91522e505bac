"""Errors a person can act on: one sentence of what is wrong, and a hint of what would be right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class LLMPError(Exception):
    """Base of every error shown to people: no traceback, one clear sentence.

    Args:
        message: what is wrong, naming the field or file.
        hint: what would be right, or what to do next.
        field: dotted name of the offending setting, where there is one.
    """

    status = 400

    def __init__(self, message: str, *, hint: str | None = None, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.field = field

    def __str__(self) -> str:
        return f"{self.message} {self.hint}" if self.hint else self.message

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON body of this error: message, hint and field."""
        return {"message": self.message, "hint": self.hint, "field": self.field}


class ConfigError(LLMPError):
    """A configuration is wrong; the message lists every problem at once.

    Args:
        problems: each of them as (dotted name of the setting, what is wrong with it).
    """

    status = 422

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        field: str | None = None,
        problems: Sequence[tuple[str, str]] = (),
    ) -> None:
        super().__init__(message, hint=hint, field=field)
        self.problems = tuple(problems)


class InputError(LLMPError):
    """A text, file or argument given by the user is wrong."""


class NotFoundError(LLMPError):
    """A named artifact, run, recipe or file does not exist."""

    status = 404


class ConflictError(LLMPError):
    """The request is right, but the present state forbids it (already running, port taken)."""

    status = 409


class StorageError(LLMPError):
    """The disk is full, or a stored file is missing or damaged."""

    status = 507


class TrainingError(LLMPError):
    """Training cannot go on (for example: the loss is not finite step after step)."""

    status = 500


class StopRequested(Exception):
    """Raised inside a stage when the user asked it to stop and its state has been saved."""
