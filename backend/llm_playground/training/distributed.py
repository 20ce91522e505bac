"""Several processes that train one model: who this one is, and the few words that they exchange.

Environment: torchrun's (``RANK``, ``WORLD_SIZE``, ``LOCAL_RANK``, ``LOCAL_WORLD_SIZE``, ``MASTER_ADDR``,
``MASTER_PORT``). Without it there is one process, and everything here does nothing and costs nothing. Tensors
on a CPU travel by gloo, those on an NVIDIA card by nccl; small messages always go by gloo, so that they
never wait for a card. ``LLMP_DIST_TIMEOUT_S`` is how long a process waits for the others (default 600).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import lru_cache
from typing import Any, TypeVar

from llm_playground.core.devices import configure_threads, pick_device, usable_cores
from llm_playground.core.errors import ConfigError, LLMPError

T = TypeVar("T")
TIMEOUT_VARIABLE = "LLMP_DIST_TIMEOUT_S"
LISTENER_VARIABLE = "LLMP_MASTER_FD"  # MASTER_PORT's listening socket, handed down to the first process
_TIMEOUT_S = 600.0


class World:
    """The processes that train together, seen from one of them.

    Attributes:
        rank: number of this process, from 0.
        size: how many there are.
        local_rank, local_size: the same among those of this machine.
        active: whether there is a process group (torchrun's environment, be it for one process).
    """

    def __init__(
        self, rank: int = 0, size: int = 1, local_rank: int = 0, local_size: int = 1, group: Any = None
    ) -> None:
        self.rank, self.size = rank, size
        self.local_rank, self.local_size = local_rank, local_size
        self.group = group
        self.active = group is not None

    @staticmethod
    def current() -> World:
        """Return the world that the environment describes, joining it at the first call.

        Raises:
            ConfigError: the environment is not whole, or the time-out is not a number.
        """
        return _join()

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes files and tells people."""
        return self.rank == 0

    def device(self, name: str) -> str:
        """Resolve a device's name for this process: among several, each has a card of its own.

        Raises:
            ConfigError: the device is not there, or there are fewer cards than processes.
        """
        import torch

        device = pick_device(name)
        if not self.active or not device.startswith("cuda"):
            if self.size > 1 and device.startswith("mps"):
                raise ConfigError(
                    "device: several processes train on a CPU or on NVIDIA cards, not on mps.",
                    hint="Set training.processes to 1, or device to cpu.",
                    field="training.device",
                )
            return device
        if ":" in device and self.local_size > 1:
            raise ConfigError(
                f"device: {device} is one card, and each of {self.local_size} processes takes its own.",
                hint="Use cuda.",
                field="training.device",
            )
        cards = torch.cuda.device_count()
        if self.local_size > cards:
            raise ConfigError(
                f"training.processes: {self.local_size} processes need as many GPUs, and this machine has "
                f"{cards}.",
                hint=f"Set it to at most {cards}, or device to cpu.",
                field="training.processes",
            )
        device = device if ":" in device else f"cuda:{self.local_rank}"
        torch.cuda.set_device(device)
        return device

    def configure_threads(self, threads: int | None) -> int:
        """Set the CPU threads of this process and return their number; by default the cores are shared."""
        if threads is None and self.local_size > 1:
            threads = max(1, usable_cores() // self.local_size)
        return configure_threads(threads)

    def rows(self, batch_size: int) -> slice:
        """Return which rows of a step's batch are this process's: consecutive, and at most one more or less.

        Raises:
            ConfigError: there are fewer rows than processes.
        """
        if batch_size < self.size:
            raise ConfigError(
                f"batch_size: {batch_size} rows cannot be shared by {self.size} processes.",
                hint=f"Set it to at least {self.size}.",
                field="training.batch_size",
            )
        return slice(batch_size * self.rank // self.size, batch_size * (self.rank + 1) // self.size)

    def most_rows(self, batch_size: int) -> int:
        """Return the most rows of a step's batch that any process has."""
        return -(-batch_size // self.size)

    def reduce_sums(self, values: Sequence[float]) -> list[float]:
        """Add numbers up over all processes, in 64 bits and in one message."""
        if not self.active:
            return list(values)
        import torch
        import torch.distributed as dist

        tensor = torch.tensor(list(values), dtype=torch.float64)
        dist.all_reduce(tensor, group=self.group)
        return [float(value) for value in tensor]

    def broadcast(self, value: T) -> T:
        """Return what the first process gave, whatever the others did."""
        if not self.active:
            return value
        import torch.distributed as dist

        held: list[Any] = [value if self.is_main else None]
        dist.broadcast_object_list(held, src=0, group=self.group)
        result: T = held[0]
        return result

    def broadcast_number(self, value: int) -> int:
        """The same for a whole number, in one short message: for every step."""
        if not self.active:
            return value
        import torch
        import torch.distributed as dist

        tensor = torch.tensor([value])
        dist.broadcast(tensor, src=0, group=self.group)
        return int(tensor)

    def gather(self, value: T) -> list[T]:
        """Return the values of all processes in their order, to the first one; to others an empty list."""
        if not self.active:
            return [value]
        import torch.distributed as dist

        held: list[Any] | None = [None] * self.size if self.is_main else None
        dist.gather_object(value, held, dst=0, group=self.group)
        return held or []

    def on_main(self, work: Callable[[], T]) -> T:
        """Let the first process do something while the others wait; all get its result, or its error."""
        if not self.active:
            return work()
        result: Any = None
        error: Exception | None = None
        if self.is_main:
            try:
                result = work()
            except Exception as raised:
                error = raised
        told = None if error is None else _portable(error)
        result, told = self.broadcast((result, told))
        if error is not None:
            raise error
        if told is not None:
            raise told
        return result

    def barrier(self) -> None:
        """Return once all processes have come here."""
        self.reduce_sums([0.0])

    def channel(self) -> World:
        """Return the same world with a line of its own, for a thread beside the training; all call it."""
        if not self.active:
            return self
        import torch.distributed as dist

        group = dist.new_group(backend="gloo", timeout=_timeout())
        return World(self.rank, self.size, self.local_rank, self.local_size, group)

    def close(self) -> None:
        """Leave the world; to be called at the end of a process that ends well."""
        if self.active:
            import torch.distributed as dist

            dist.destroy_process_group()
            self.group, self.active = None, False
            _join.cache_clear()


def launched() -> bool:
    """Say whether this process was started as one of several, by torchrun or in its manner."""
    return "RANK" in os.environ and "WORLD_SIZE" in os.environ


def lost_contact(error: BaseException) -> bool:
    """Say whether an error looks like that of a process whose partner has gone."""
    import torch.distributed as dist

    if isinstance(error, dist.DistError):
        return True
    text = str(error).lower()
    signs = ("gloo", "connection closed by peer", "connection reset", "nccl", "broken pipe", "tcpstore")
    return isinstance(error, RuntimeError) and any(sign in text for sign in signs)


@lru_cache(maxsize=1)
def _join() -> World:
    if not launched():
        return World()
    import torch
    import torch.distributed as dist

    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
    try:
        rank, size, local_rank, local_size = (
            int(os.environ.get(name, fallback))
            for name, fallback in zip(
                names, ("0", "1", os.environ["RANK"], os.environ["WORLD_SIZE"]), strict=True
            )
        )
        address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    except (KeyError, ValueError):
        raise ConfigError(
            "RANK is set, but RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT do not describe a group of "
            "processes.",
            hint="Start the processes by torchrun, or unset RANK.",
        ) from None
    timeout = _timeout()
    if LISTENER_VARIABLE in os.environ:
        # Nobody else can take the port between its choice and its use.
        listener: dict[str, Any] = (
            {"master_listen_fd": int(os.environ[LISTENER_VARIABLE])} if rank == 0 else {}
        )
        store = dist.TCPStore(address, port, size, rank == 0, timeout, **listener)
        joining: dict[str, Any] = {"store": store, "rank": rank, "world_size": size}
    else:
        joining = {"init_method": "env://"}
    if torch.cuda.is_available() and local_rank < torch.cuda.device_count():
        torch.cuda.set_device(local_rank)
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend, timeout=timeout, **joining)
    return World(rank, size, local_rank, local_size, dist.new_group(backend="gloo", timeout=timeout))


def _timeout() -> timedelta:
    given = os.environ.get(TIMEOUT_VARIABLE)
    try:
        seconds = float(given) if given is not None else _TIMEOUT_S
        if not seconds > 0:
            raise ValueError
    except ValueError:
        raise ConfigError(f"{TIMEOUT_VARIABLE}: {given!r} is not a number of seconds above 0.") from None
    return timedelta(seconds=seconds)


def _portable(error: Exception) -> Exception:
    """Return an error as it can be sent to another process."""
    if isinstance(error, LLMPError):
        return type(error)(error.message, hint=error.hint, field=error.field)
    return RuntimeError(f"The first process failed: {type(error).__name__}: {error}")
