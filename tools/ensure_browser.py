"""See that there is a Chromium for the browser tests; install one where that is permitted.

Never fails: without a browser the tests that need one skip and say so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find() -> str | None:
    """Return the path of a Chromium: ``LLMP_CHROMIUM``, else one on the path."""
    chosen = os.environ.get("LLMP_CHROMIUM")
    return chosen or next(filter(None, map(shutil.which, NAMES)), None)


def install() -> bool:
    """Try Debian's package, then playwright's own download."""
    apt = shutil.which("apt-get")
    if apt:
        sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
        if not sudo or shutil.which("sudo"):
            env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
            command = [*sudo, apt, "install", "-y", "-q", "--no-install-recommends", "chromium"]
            for before in ([], [[*sudo, apt, "update", "-q"]]):
                for step in before:
                    subprocess.run(step, env=env, check=False, stdout=subprocess.DEVNULL)
                if subprocess.run(command, env=env, check=False, stdout=subprocess.DEVNULL).returncode == 0:
                    return True
    command = [sys.executable, "-m", "playwright", "install", "chromium"]
    return subprocess.run(command, check=False).returncode == 0


def main() -> None:
    """Say which browser there is."""
    if find():
        return
    print("There is no Chromium: installing one for the browser tests ...", flush=True)
    if not install():
        print("NO BROWSER: none could be installed. The browser tests will be skipped.", flush=True)


if __name__ == "__main__":
    main()
