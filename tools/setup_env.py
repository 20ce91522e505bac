"""Make or update ``.venv``: the locked packages, the right build of torch, the project itself.

Usage: ``python tools/setup_env.py [--dev]``. Needs nothing but a Python from 3.11 to 3.13. A second call that
finds nothing changed returns at once.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "installed.json"
UV = "uv==0.13.9"


def say(text: str) -> None:
    """Print a line at once, also into a pipe."""
    print(text, flush=True)


def lock_file(dev: bool) -> Path:
    """Return the file of pinned versions."""
    return ROOT / ("requirements-dev.lock" if dev else "requirements.lock")


def fingerprint(dev: bool) -> str:
    """Return a hash of everything an installation depends on."""
    parts = [
        lock_file(dev).read_bytes(),
        (ROOT / "pyproject.toml").read_bytes(),
        str(ROOT).encode(),
        UV.encode(),
    ]
    parts.append(".".join(map(str, sys.version_info[:2])).encode())
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def pip_settings() -> dict[str, str]:
    """Return pip's own settings (index, extra indexes, wheel folders, certificates) by bare name."""
    text = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    ).stdout
    settings: dict[str, str] = {}
    for line in text.splitlines():
        name, _, value = line.partition("=")
        key = name.rpartition(".")[2]
        settings.setdefault(key, " ".join(shlex.split(value)) if value else "")
    return settings


def uv_environment() -> dict[str, str]:
    """Return the environment in which uv looks where pip would."""
    settings, env = pip_settings(), dict(os.environ)
    names = {"index-url": "UV_DEFAULT_INDEX", "extra-index-url": "UV_INDEX", "find-links": "UV_FIND_LINKS"}
    for setting, name in names.items():
        if settings.get(setting):
            env.setdefault(name, " ".join(settings[setting].split()))
    if settings.get("cert"):
        env.setdefault("SSL_CERT_FILE", settings["cert"])
    # Several indexes that pip is told of are one to pip: uv must not stop at the first that knows a name.
    env.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")
    env.setdefault("UV_HTTP_TIMEOUT", "180")
    env.setdefault("UV_LINK_MODE", "copy")
    env["VIRTUAL_ENV"] = str(VENV)
    return env


def torch_choice() -> tuple[str, list[str]]:
    """Return which build of torch fits this machine, in words and as options for uv."""
    if platform.system() != "Linux":
        return "the standard build (with Metal on Apple silicon)", []
    if shutil.which("nvidia-smi"):
        return "the CUDA build, as there is an NVIDIA GPU", []
    tag = f"cp{sys.version_info[0]}{sys.version_info[1]}-"
    folders = [Path(folder) for folder in pip_settings().get("find-links", "").split() if "://" not in folder]
    if any(tag in wheel.name for folder in folders for wheel in folder.glob("torch-*")):
        return "the wheel from pip's local folder", []
    return "the CPU build, as there is no NVIDIA GPU", ["--torch-backend=cpu"]


def run(command: list[str], env: dict[str, str] | None = None) -> None:
    """Run a command; a failure ends the set-up with its words."""
    done = subprocess.run(command, env=env, cwd=ROOT, check=False)
    if done.returncode:
        sys.exit(f"Set-up failed at: {shlex.join(command)}")


def main() -> None:
    """Install what is missing."""
    dev = "--dev" in sys.argv[1:]
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        found = ".".join(map(str, sys.version_info[:2]))
        sys.exit(
            f"LLM Playground needs Python 3.11, 3.12 or 3.13; this is {found}: make PYTHON=python3.12 ..."
        )
    stamp = json.loads(STAMP.read_text()) if STAMP.is_file() else {}
    if PYTHON.exists() and (
        stamp.get("dev") == fingerprint(True) or (not dev and stamp.get("runtime") == fingerprint(False))
    ):
        return
    started = time.monotonic()
    if not PYTHON.exists():
        say("Making .venv ...")
        run([sys.executable, "-m", "venv", str(VENV)])
    words, options = torch_choice()
    say(f"Installing {'runtime and development tools' if dev else 'the runtime'}; torch: {words}.")
    run([str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", UV])
    env, uv = uv_environment(), [
        str(VENV / "bin" / "uv"),
        "pip",
        "install",
        "--quiet",
        "--python",
        str(PYTHON),
    ]
    run([*uv, *options, "-r", str(lock_file(dev))], env)
    run([*uv, "--no-deps", "--editable", str(ROOT)], env)
    STAMP.write_text(
        json.dumps({"runtime": fingerprint(False), **({"dev": fingerprint(True)} if dev else {})})
    )
    say(f"Installed in {time.monotonic() - started:.0f} s.")


if __name__ == "__main__":
    main()
