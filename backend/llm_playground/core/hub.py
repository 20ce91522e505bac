"""What the Hugging Face Hub may answer, in words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from llm_playground.core.errors import NotFoundError


def out_of_reach(what: str, name: str) -> NotFoundError:
    """Return the error for something that is neither in the cache nor to be had.

    Args:
        what: "model", "tokenizer".
        name: on the Hub.
    """
    return NotFoundError(
        f"The {what} {name} is not in the cache, and the Hugging Face Hub cannot be reached.",
        hint="Load it once with a network, or give a folder.",
    )


@contextmanager
def hub_errors(what: str, name: str) -> Iterator[None]:
    """Turn what ``huggingface_hub`` raises into one sentence.

    Args:
        what: "model", "tokenizer".
        name: on the Hub.

    Raises:
        NotFoundError: the Hub has none of that name, wants an agreement first, or is out of reach.
    """
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        yield
    except LocalEntryNotFoundError:
        raise out_of_reach(what, name) from None
    except GatedRepoError:
        raise NotFoundError(
            f"{name} asks for an agreement on its page at the Hub.", hint="Log in with `hf auth login`."
        ) from None
    except (RepositoryNotFoundError, RevisionNotFoundError, HFValidationError):
        raise NotFoundError(f"The Hugging Face Hub has no {name}, or it is private.") from None
    except OSError as error:
        raise NotFoundError(f"{name} could not be loaded from the Hugging Face Hub: {error}."[:300]) from None
