"""Dated tables that come with the program and that a workspace may hold an own version of."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar

from pydantic import AfterValidator

from llm_playground.core.config import StageConfig, parse_config
from llm_playground.core.files import read_json, write_text_atomic

if TYPE_CHECKING:
    from llm_playground.core.workspace import Workspace

Table = TypeVar("Table", bound=StageConfig)


def _not_in_the_future(value: datetime.date) -> datetime.date:
    if value > datetime.date.today() + datetime.timedelta(days=1):  # a day, for other time zones
        raise ValueError(f"{value} lies in the future")
    return value


PastDate = Annotated[datetime.date, AfterValidator(_not_in_the_future)]


class TableFile(Generic[Table]):
    """A table as a JSON file: the shipped one, or the workspace's own of the same file name.

    Args:
        table: what the file holds.
        shipped: the file that comes with the program.
    """

    def __init__(self, table: type[Table], shipped: Path) -> None:
        self.table, self.shipped = table, shipped

    def parse(self, values: Any, source: str = "") -> Table:
        """Check plain data.

        Raises:
            ConfigError: an entry is wrong; all problems are listed.
        """
        return parse_config(self.table, values, source)

    def load(self, workspace: Workspace | None = None) -> Table:
        """Return the workspace's own table, else the shipped one.

        Raises:
            StorageError: the file is not JSON.
            ConfigError: an entry is wrong; all problems are listed.
        """
        own = workspace.root / self.shipped.name if workspace is not None else None
        file = own if own is not None and own.is_file() else self.shipped
        return self.parse(read_json(file), str(file))

    def save(self, workspace: Workspace, table: Table | Mapping[str, Any]) -> Table:
        """Check a table and make it the workspace's own; returns it.

        Raises:
            ConfigError: an entry is wrong; all problems are listed, and nothing is written.
            StorageError: the workspace cannot be written.
        """
        values = table.model_dump() if isinstance(table, StageConfig) else table
        checked = self.parse(values, self.shipped.name)
        workspace.ensure()
        text = json.dumps(checked.model_dump(mode="json"), indent=2, ensure_ascii=False)
        write_text_atomic(workspace.root / self.shipped.name, text + "\n")
        return checked

    def reset(self, workspace: Workspace) -> Table:
        """Forget the workspace's own table; returns the shipped one."""
        (workspace.root / self.shipped.name).unlink(missing_ok=True)
        return self.load(workspace)
