"""Reading a ``config.json``: each value checked where it is taken, so that a wrong one is named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llm_playground.core.errors import ConfigError

CONFIG_FILE = "config.json"
_NEEDED: Any = object()


class ConfigFile:
    """The content of a ``config.json``.

    Args:
        data: the parsed JSON.
        name: what the source is called in messages.
    """

    def __init__(self, data: Mapping[str, Any], name: str = CONFIG_FILE) -> None:
        self.data, self.name = data, name

    def get(self, key: str, default: Any = None) -> Any:
        """Return a value as it is; the default where the key is absent."""
        return self.data.get(key, default)

    def integer(self, key: str, default: Any = _NEEDED) -> Any:
        """Return a positive whole number, or the default (also where the file says null).

        Raises:
            ConfigError: it is missing without a default, or something else.
        """
        value = self._value(key, default)
        if value is default:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise self.wrong(key, value, "a whole number from 1")
        return value

    def number(self, key: str, default: Any = _NEEDED) -> Any:
        """Return a number, or the default (also where the file says null).

        Raises:
            ConfigError: it is missing without a default, or something else.
        """
        value = self._value(key, default)
        if value is default:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.wrong(key, value, "a number")
        return value

    def flag(self, key: str, default: bool) -> bool:
        """Return true or false.

        Raises:
            ConfigError: it is neither.
        """
        value = self.data.get(key, default)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.wrong(key, value, "true or false")
        return value

    def choice(self, key: str, choices: Mapping[str, Any], default: str) -> Any:
        """Return what one of several words stands for.

        Raises:
            ConfigError: another word; the message lists those that are supported.
        """
        value = self.data.get(key)
        value = default if value is None else value
        if not isinstance(value, str) or value not in choices:
            raise self.refused(key, value, choices)
        return choices[value]

    def names(self, key: str, length: int) -> list[str] | None:
        """Return a list of one word for each layer, None where there is none.

        Raises:
            ConfigError: it is no such list.
        """
        value = self.data.get(key)
        if value is None:
            return None
        if (
            not isinstance(value, list | tuple)
            or len(value) != length
            or not all(isinstance(item, str) for item in value)
        ):
            raise self.wrong(key, value, f"a list of {length} words, one for each layer")
        return list(value)

    def section(self, key: str) -> ConfigFile:
        """Return a mapping inside the file; an empty one where it is absent or null.

        Raises:
            ConfigError: it is no mapping.
        """
        value = self.data.get(key) or {}
        if not isinstance(value, Mapping):
            raise self.wrong(key, value, "a mapping")
        return ConfigFile(value, f"{self.name}: {key}")

    def only(self, **allowed: Sequence[Any]) -> None:
        """Refuse options that this model does not have.

        Args:
            allowed: key -> the values that are supported; an absent key is fine.

        Raises:
            ConfigError: naming the key and its value.
        """
        for key, values in allowed.items():
            if key in self.data and not any(
                self.data[key] is value or (type(self.data[key]) is type(value) and self.data[key] == value)
                for value in values
            ):
                raise self.refused(key, self.data[key], values)

    def refused(self, key: str, value: Any, supported: Sequence[Any] | Mapping[str, Any]) -> ConfigError:
        """Return the error of an option that is not supported."""
        return ConfigError(
            f"{self.name}: {key} = {value!r:.80} is not supported.",
            hint=f"Supported: {', '.join(map(repr, supported))}.",
            field=key,
        )

    def wrong(self, key: str, value: Any, right: str) -> ConfigError:
        """Return the error of a value of the wrong kind."""
        return ConfigError(f"{self.name}: {key} must be {right}, not {value!r:.80}.", field=key)

    def _value(self, key: str, default: Any) -> Any:
        value = self.data.get(key, default)
        if value is _NEEDED:
            raise ConfigError(f"{self.name}: {key} is missing.", field=key)
        return default if value is None and default is not _NEEDED else value
