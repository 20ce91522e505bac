"""Write requirements.lock and requirements-dev.lock from pyproject.toml: ``make lock``.

The result holds for Python 3.11 to 3.13 on Linux and macOS. What only a CUDA build of torch needs is left
out: the build that set-up chooses brings it along.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from setup_env import ROOT, VENV, lock_file, uv_environment

_LEFT_OUT = {"triton", "setuptools", "colorama", "pywin32", "httpx2-jsfetch"}
_HEAD = """# {}: versions that were tried together. Made from pyproject.toml by `make lock`.
# torch's own requirements (CUDA libraries, triton) are left to the build that set-up chooses.
"""


def simplify(line: str) -> str | None:
    """Return a line of the lock without builds and platforms that set-up decides, or None to drop it."""
    pin, _, marker = line.strip().partition(" ; ")
    name = pin.partition("==")[0]
    if not pin or pin.startswith("#") or name in _LEFT_OUT or name.startswith(("nvidia-", "cuda-")):
        return None
    if name == "torch":
        return pin.partition("+")[0]
    return pin if not marker or "emscripten" in marker else f"{pin} ; {marker}"


def main() -> None:
    """Resolve both sets, keeping the versions that the present lock has where they still fit."""
    for dev in (False, True):
        target = lock_file(dev)
        with tempfile.TemporaryDirectory() as folder:
            raw = Path(folder) / "raw.txt"
            kept = ["-c", str(lock_file(True))] if lock_file(True).exists() else []
            extra = ["--extra", "dev"] if dev else []
            common = ["--universal", "--python-version", "3.11", "--no-header", "--no-annotate", "--quiet"]
            subprocess.run(
                [
                    str(VENV / "bin" / "uv"),
                    "pip",
                    "compile",
                    "pyproject.toml",
                    *common,
                    *extra,
                    *kept,
                    "-o",
                    str(raw),
                ],
                cwd=ROOT,
                env=uv_environment(),
                check=True,
            )
            lines = dict.fromkeys(filter(None, map(simplify, raw.read_text().splitlines())))
        title = "Runtime and development tools" if dev else "Runtime"
        target.write_text(_HEAD.format(title) + "\n".join(lines) + "\n")
        print(f"{target.name}: {len(lines)} packages")


if __name__ == "__main__":
    main()
