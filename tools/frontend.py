"""Run the web app's scripts with the Node that the build uses: ``tools/frontend.py lint|test|SCRIPT``."""

from __future__ import annotations

import subprocess
import sys

from build_web import FRONTEND, node_environment

_GROUPS = {"lint": ["lint", "format", "typecheck"]}


def main() -> None:
    """Run a script, or a group of them, and stop at the first that fails."""
    env = node_environment()
    if env is None:
        sys.exit("There is no Node 20 or newer here, and it could not be installed.")
    for name in sys.argv[1:]:
        for script in _GROUPS.get(name, [name]):
            print(f"web app: {script}", flush=True)
            code = subprocess.run(
                ["npm", "run", "--silent", script], cwd=FRONTEND, env=env, check=False
            ).returncode
            if code:
                sys.exit(code)


if __name__ == "__main__":
    main()
