"""Lazy package exports (PEP 562), so that naming a package does not import torch."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def lazy_exports(
    package: str, names: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Make the ``__getattr__``, ``__dir__`` and ``__all__`` of a package whose names load on first use.

    Args:
        package: the package's ``__name__``.
        names: public name -> module that defines it, relative to the package (``"bpe"``).

    Returns:
        ``(__getattr__, __dir__, __all__)``; asking for an unknown name raises ``AttributeError``.

    Example::

        __getattr__, __dir__, __all__ = lazy_exports(__name__, {"BPETokenizer": "bpe"})
    """

    def getattribute(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{package}.{names[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    def directory() -> list[str]:
        return sorted({*vars(sys.modules[package]), *names})

    return getattribute, directory, sorted(names)
