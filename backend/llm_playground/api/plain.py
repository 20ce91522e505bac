"""Free-form JSON objects in requests."""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import AfterValidator


def _check(value: dict[str, Any]) -> dict[str, Any]:
    """Refuse what Python's reader takes and JSON does not have, so that it can be stored and sent back."""
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:
        raise ValueError("a text holds half a character (a lone surrogate)") from None
    except ValueError:
        raise ValueError("NaN and Infinity are not JSON") from None
    return value


PlainObject = Annotated[dict[str, Any], AfterValidator(_check)]
