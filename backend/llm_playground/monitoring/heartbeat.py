"""Signs of life of a run's processes: each rank writes a growing number, the first one reads them all.

A number instead of a time of day, so that clocks that jump or differ between machines do not matter.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

_FOLDER = "heartbeats"


class Heartbeat:
    """Beats for one rank for the length of a block, from a thread.

    Args:
        run_dir: the run's folder, shared by all ranks.
        rank: of this process.
        every: seconds between beats.
    """

    def __init__(self, run_dir: Path, rank: int, every: float = 2.0) -> None:
        self.path = run_dir / _FOLDER / f"rank_{rank}"
        self.every = every
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="rank heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self.path.parent.mkdir(exist_ok=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join(timeout=5)
        self.path.unlink(missing_ok=True)  # a rank that ends in order is not silent

    def _beat(self) -> None:
        count = 0
        while True:
            count += 1
            temporary = self.path.with_suffix(".new")
            try:
                temporary.write_text(f"{os.getpid()} {count}")
                os.replace(temporary, self.path)
            except OSError:
                pass  # a full disk must not end the rank: the next beat tries again
            if self._done.wait(self.every):
                return


def clear_beats(run_dir: Path) -> None:
    """Forget the beats of an earlier attempt's killed processes; living ones beat again at once."""
    for path in (run_dir / _FOLDER).glob("rank_*"):
        path.unlink(missing_ok=True)


def read_beats(run_dir: Path) -> dict[int, int]:
    """Return each rank's newest beat; numbers of different processes differ."""
    beats = {}
    folder = run_dir / _FOLDER
    if not folder.is_dir():
        return {}
    for path in folder.glob("rank_*"):
        number = path.name.removeprefix("rank_")
        if not number.isdecimal():
            continue
        try:
            beats[int(number)] = hash(path.read_text())
        except FileNotFoundError:
            continue  # the rank has just ended
    return beats
