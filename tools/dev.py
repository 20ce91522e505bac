"""Run both development servers: the API on 8000 with reload, the web app on 3000, which asks the API."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from build_web import FRONTEND, node_environment
from setup_env import ROOT, VENV, say

WEB_PORT = "3000"


def main() -> None:
    """Start both; when one ends, or Ctrl-C is pressed, end both."""
    env = node_environment()
    if env is None:
        sys.exit("There is no Node 20 or newer here, and it could not be installed.")
    port = os.environ.get("PORT", "8000")
    package = ROOT / "backend" / "llm_playground"
    uvicorn = str(VENV / "bin" / "uvicorn")
    api = [uvicorn, "--factory", "llm_playground.api.app:create_app", "--port", port]
    origins = {"LLMP_ALLOWED_ORIGINS": f"http://localhost:{WEB_PORT},http://127.0.0.1:{WEB_PORT}"}
    servers = [
        subprocess.Popen([*api, "--reload", "--reload-dir", str(package)], cwd=ROOT, env={**env, **origins}),
        subprocess.Popen(
            ["npm", "run", "dev", "--", "--hostname", "127.0.0.1", "--port", WEB_PORT],
            cwd=FRONTEND,
            env={**env, "LLMP_API": f"http://127.0.0.1:{port}"},
        ),
    ]
    say(f"API: http://127.0.0.1:{port}   web app: http://127.0.0.1:{WEB_PORT}")
    try:
        while all(server.poll() is None for server in servers):
            time.sleep(0.5)
    except KeyboardInterrupt:
        pass
    for server in servers:
        server.terminate()


if __name__ == "__main__":
    main()
