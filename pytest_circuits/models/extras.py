"""Libraries that only some kinds of source need."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from pytest_circuits.models.errors import ModelError

if TYPE_CHECKING:
    from pytest_circuits.models.sources.sources import Source


def require(source: Source, what: str, module: str, extra: str) -> None:
    """Make sure that a library is there.

    Args:
        source: the source that needs it.
        what: what the source is, for the message.
        module: the library, as it is imported.
        extra: the extra of this package that brings it.

    Raises:
        ModelError: if it isn't there, with what to install.
    """
    if find_spec(module) is None:
        raise ModelError(
            f"{source.text}: {what} needs {module}, which is not installed.\n"
            f'pip install "pytest-circuits[{extra}]"'
        )
