"""Writes a training's checkpoints: at once, or in a thread while training goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from llm_playground.training.checkpoint import Snapshot, write_snapshot
from llm_playground.training.shards import write_shards

if TYPE_CHECKING:
    from llm_playground.training.config import TrainingConfig
    from llm_playground.training.distributed import World


class CheckpointSaver:
    """All processes call every method, in the same order.

    Args:
        run_dir: the run's folder.
        config: says how many checkpoints stay, and whether they are written in the background.
        world: the processes.
        split: whether each of them has a part of the tensors.
        saved: called with the step once a checkpoint is whole, on the first process, on the writing thread.
    """

    def __init__(
        self, run_dir: Path, config: TrainingConfig, world: World, split: bool, saved: Callable[[int], None]
    ) -> None:
        self.run_dir, self.split, self.saved = run_dir, split, saved
        self.keep, self.keep_best = config.keep_checkpoints, config.keep_best
        self.background = config.async_checkpoints
        self.world = world
        # A thread's messages must not mix with those of the training.
        self.line = world.channel() if self.background and split else world
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    def save(self, snapshot: Snapshot) -> None:
        """Write a checkpoint, or begin to; one that is still being written is waited for.

        Raises:
            StorageError: this one, or in the background the one before, could not be written.
        """
        self.wait()
        if not self.background:
            if self.split:
                self._write(snapshot)
            else:
                self.world.on_main(lambda: self._write(snapshot))
            return
        if self.split or self.world.is_main:
            self._thread = threading.Thread(
                target=self._try, args=(snapshot,), name="checkpoint", daemon=True
            )
            self._thread.start()

    def failed(self) -> bool:
        """Say whether writing in the background has failed; :meth:`wait` then raises the error. Cheap."""
        return self._error is not None

    def wait(self) -> None:
        """Return once everything is written.

        Raises:
            StorageError: it could not be written; all processes get the first one's error.
        """
        if not self.background:
            return
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self.world.on_main(self._raise)

    def _raise(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _try(self, snapshot: Snapshot) -> None:
        try:
            self._write(snapshot)
        except BaseException as error:  # kept for the training's thread
            self._error = error

    def _write(self, snapshot: Snapshot) -> None:
        if self.split:
            write_shards(self.run_dir, snapshot, self.line, self.keep, self.keep_best)
        else:
            write_snapshot(self.run_dir, snapshot, self.keep, self.keep_best)
        if self.world.is_main:
            self.saved(snapshot.step)
