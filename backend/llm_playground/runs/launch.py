"""Starts the processes of a run that has several, and watches them until the last has ended.

``python -m llm_playground.runs.launch RUN_ID PROCESSES`` is to one machine what torchrun is to many: it gives
its children torchrun's environment, so that they are the same under either. It adds what runs promise: when
a process dies the others end within seconds, and the run says which one it was; when the launcher itself is
killed its children end too. It does not load torch.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_playground.core.workspace import Workspace
from llm_playground.runs.record import RunError, load_record, save_record, take_lock
from llm_playground.training.distributed import LISTENER_VARIABLE

# What says to a process that it is one of several.
GROUP_VARIABLES = (
    "RANK",
    "WORLD_SIZE",
    "LOCAL_RANK",
    "LOCAL_WORLD_SIZE",
    "MASTER_ADDR",
    "MASTER_PORT",
    LISTENER_VARIABLE,
)
_GRACE_S = 8.0  # for the others to end by themselves once one has
_POLL_S = 0.05
PARALLEL_STAGES = ("pretrain", "sft")  # stages whose work several processes share


def processes_of(stage: str, config: Mapping[str, Any]) -> int:
    """Return how many processes a run's configuration asks for on this machine."""
    training = config.get("training")
    if stage not in PARALLEL_STAGES or not isinstance(training, Mapping):
        return 1
    return int(training.get("processes") or 1)


def run_command(run_id: str, processes: int) -> list[str]:
    """Return the command that works on a queued run."""
    if processes == 1:
        return [sys.executable, "-m", "llm_playground.runs.worker", run_id]
    return [sys.executable, "-m", "llm_playground.runs.launch", run_id, str(processes)]


@dataclass(frozen=True)
class Failure:
    """The first process that ended badly.

    Attributes:
        rank: its number.
        code: its exit status, negative for a signal.
    """

    rank: int
    code: int

    def sentence(self, processes: int) -> str:
        """Say it to people."""
        how = f"signal {-self.code}" if self.code < 0 else f"exit status {self.code}"
        return died(self.rank, processes, how)


def died(rank: int, processes: int, how: str = "") -> str:
    """Return the sentence about a process that is gone.

    >>> died(1, 2)
    'The process of rank 1 (of 2) ended without a word (killed, or out of memory).'
    """
    what = f"{how}: killed, or out of memory" if how else "killed, or out of memory"
    return f"The process of rank {rank} (of {processes}) ended without a word ({what})."


def launch(
    command: Sequence[str], processes: int, environment: Mapping[str, str] | None = None
) -> Failure | None:
    """Start a command as several processes that can join each other, and wait for all of them.

    Args:
        command: each process runs it.
        processes: how many.
        environment: theirs; default: this process's.

    Returns:
        the first one that ended badly, None if all ended well.
    """
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)
        common = dict(os.environ if environment is None else environment)
        if sys.platform == "linux":  # the name of this machine may lead anywhere
            common.setdefault("GLOO_SOCKET_IFNAME", "lo")
        # PyTorch warns at every start that looking for unused parameters found none; see training.spread.
        common.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
        common |= {
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(listener.getsockname()[1]),
            "WORLD_SIZE": str(processes),
            "LOCAL_WORLD_SIZE": str(processes),
        }
        children = []
        for rank in range(processes):
            own = {"RANK": str(rank), "LOCAL_RANK": str(rank), LISTENER_VARIABLE: "-1"}
            handed: tuple[int, ...] = ()
            if rank == 0:
                handed = (listener.fileno(),)
                own[LISTENER_VARIABLE] = str(listener.fileno())
            children.append(
                subprocess.Popen(command, stdin=subprocess.DEVNULL, env=common | own, pass_fds=handed)
            )

    def pass_on(number: int, frame: Any) -> None:
        if children[0].poll() is None:
            children[0].send_signal(number)

    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, pass_on)
    return _watch(children)


def _watch(children: Sequence[subprocess.Popen[bytes]]) -> Failure | None:
    failure: Failure | None = None
    limit: float | None = None
    while True:
        codes = [child.poll() for child in children]
        if failure is None:
            # The first process's word counts, and it is the last to end: look at the others before it.
            for rank in (*range(1, len(codes)), 0):
                code = codes[rank]
                if code:
                    failure = Failure(rank, code)
                    break
        if None not in codes:
            return failure
        if limit is None and (failure is not None or codes[0] is not None):
            limit = time.monotonic() + _GRACE_S
        if limit is not None and time.monotonic() > limit:
            for child in children:
                if child.poll() is None:
                    child.kill()
            limit = None
        time.sleep(_POLL_S)


def main(arguments: list[str] | None = None) -> int:
    """Work on the run named by the first argument with as many processes as the second one says."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if len(arguments) != 2 or not arguments[1].isdecimal() or Path(arguments[0]).name != arguments[0]:
        print("usage: python -m llm_playground.runs.launch RUN_ID PROCESSES", file=sys.stderr)
        return 2
    run_id, processes = arguments[0], int(arguments[1])
    failure = launch(run_command(run_id, 1), processes)
    if failure is None:
        return 0
    _say(Workspace().runs_dir / run_id, failure, processes)
    return 1


def _say(folder: Path, failure: Failure, processes: int) -> None:
    """Let the record tell of a process that died, where the first one was ended before it could."""
    record = load_record(folder)
    if failure.rank == 0 or record is None or record.state != "died":
        return
    lock = take_lock(folder)
    if lock is None:
        return
    with lock:
        record.state = "failed"
        record.finished_at = time.time()
        record.error = RunError(
            message=failure.sentence(processes), hint=record.error.hint if record.error else None
        )
        save_record(folder, record)


if __name__ == "__main__":
    sys.exit(main())
