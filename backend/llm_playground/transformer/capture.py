"""What a forward pass shows on the way, and what it is told to change."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from fnmatch import fnmatchcase

from torch import Tensor

Edit = Callable[[Tensor], Tensor]
_WILD = frozenset("*?[")


class Capture:
    """Names of intermediates to keep, and functions that change some of them on their way.

    A pass calls the object wherever an intermediate arises; nothing is computed a second time. Asking for
    (or editing) ``scores`` or ``weights`` of a layer makes that layer write its softmax out.

    Args:
        names: intermediates to keep, each whole or a pattern as in file names
            (``"blocks.*.attention.weights"``).
        edits: name or pattern -> function from (a copy of) the intermediate to what the pass goes on with, of
            the same shape. Where several fit a name they run in the order given.

    Attributes:
        values: what the last passes met under the wanted names, after edits, detached.

    Example::

        capture = Capture(["blocks.0.attention.weights"], edits={"blocks.1.ffn.output": torch.zeros_like})
        logits = model(ids, capture=capture)
        capture.values["blocks.0.attention.weights"]  # [B, H, T, S]
    """

    def __init__(self, names: Collection[str] = (), *, edits: Mapping[str, Edit] | None = None) -> None:
        self.values: dict[str, Tensor] = {}
        self._names = _Patterns(names)
        self._edits = [(_Patterns([name]), edit) for name, edit in (edits or {}).items()]

    def wants(self, *names: str) -> bool:
        """Return whether any of the names is asked for or edited."""
        return any(
            name in self._names or any(name in pattern for pattern, _ in self._edits) for name in names
        )

    def __call__(self, name: str, value: Tensor) -> Tensor:
        """Take an intermediate: apply its edits, keep it if it is asked for, and return it.

        Raises:
            ValueError: an edit returned another shape.
        """
        for pattern, edit in self._edits:
            if name in pattern:
                changed = edit(value.clone())
                if changed.shape != value.shape:
                    raise ValueError(
                        f"The edit of {name} returned the shape {tuple(changed.shape)}; "
                        f"{tuple(value.shape)} is needed."
                    )
                value = changed
        if name in self._names:
            self.values[name] = value.detach()
        return value


class _Patterns:
    """A set of names, some of them patterns."""

    def __init__(self, names: Collection[str]) -> None:
        if isinstance(names, str):
            raise TypeError(f"names must be a collection of names, not the one string {names!r}")
        self._exact = frozenset(name for name in names if not _WILD.intersection(name))
        self._wild = tuple(name for name in names if _WILD.intersection(name))

    def __contains__(self, name: str) -> bool:
        return name in self._exact or any(fnmatchcase(name, pattern) for pattern in self._wild)
