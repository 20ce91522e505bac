"""Print the OpenAPI description: ``python -m llm_playground.api.openapi > frontend/openapi.json``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from tempfile import gettempdir

from llm_playground.api.app import create_app
from llm_playground.api.settings import Settings
from llm_playground.core.workspace import Workspace


def openapi_text() -> str:
    """Return the description as JSON, the same on every machine."""
    app = create_app(Workspace(Path(gettempdir()) / "llmp-openapi"), Settings(web=None))
    return json.dumps(app.openapi(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(openapi_text())
