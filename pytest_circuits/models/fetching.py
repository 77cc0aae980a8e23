"""Loading fetches nothing of itself: what a source names has been fetched before."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from pytest_circuits.models.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_circuits.models.sources.source import Source


@contextmanager
def nothing_fetched(source: Source) -> Iterator[None]:
    """Meanwhile no library can ask the hub for anything.

    Some do so when they load a model: transformers and bitsandbytes for compiled kernels, peft for
    a second model that an adapter's config names. Most go on without it.

    Raises:
        ModelError: if a library can't go on without it. Errors of other kinds pass.
    """
    from huggingface_hub import constants
    from huggingface_hub.errors import LocalEntryNotFoundError, OfflineModeIsEnabled

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    except Exception as error:
        if not any(
            isinstance(each, (OfflineModeIsEnabled, LocalEntryNotFoundError))
            for each in _chain(error)
        ):
            raise
        raise ModelError(
            f"{source.text}: to load it, a library has to fetch something that the source doesn't "
            f"name\n(a compiled kernel, another model), and loading fetches nothing of itself.\n"
            f"Fetch it into the hub's cache yourself, or name a checkpoint that needs none."
        ) from error
    finally:
        constants.HF_HUB_OFFLINE = before


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and those that it was raised from."""
    while error is not None:
        yield error
        unless_left_out = None if error.__suppress_context__ else error.__context__
        error = error.__cause__ or unless_left_out
