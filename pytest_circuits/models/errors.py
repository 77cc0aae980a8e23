"""What is wrong with a model's source, in words."""

from __future__ import annotations

import difflib
import os
import traceback
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_circuits.models.secrets import redacted, secrets_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_circuits.models.sources.source import Source

#: What the CPU's allocator says where there is no memory; accelerators have an error of their own.
_NO_MEMORY = ("can't allocate memory", "not enough memory")
#: How alike two names are of which one may be the other mistyped: two letters changed places in one
#: of four. Names of models of one family (``gpt2`` and ``gpt2-xl``) are less so.
_ALIKE = 0.75


class ModelError(Exception):
    """A model can't be loaded or used as asked; the message says why and what to do.

    It may quote what a library or a hub said, and has no secrets all the same.
    """

    def __init__(self, message: str) -> None:
        super().__init__(redacted(message))


class OutOfMemoryError(ModelError):
    """There is too little memory for a model, or for what is measured on it."""


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether an error, or one that it was raised from, says that there is no memory left."""
    while error is not None:
        if isinstance(error, MemoryError) or type(error).__name__ == OutOfMemoryError.__name__:
            return True  # torch's own is called so too
        if isinstance(error, RuntimeError) and any(words in str(error) for words in _NO_MEMORY):
            return True
        error = error.__cause__
    return False


def raised(source: Source, giver: str, error: BaseException, file: str, line: int) -> ModelError:
    """What to say when the user's own code raised: what, and where in that code.

    Args:
        source: how the user named the model.
        giver: whose code it is.
        error: what it raised.
        file: the file of that code.
        line: the line where it begins, for an error that has no place in this file.
    """
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == file
    ]
    at = f"{_shown(file)}:{lines[-1] if lines else line}"
    said = first_lines(error, secrets_of(source.text))
    return ModelError(f"{source.shown}: {giver} raised {type(error).__name__} at {at}:\n{said}")


def _shown(file: str) -> str:
    """A file's path from the working directory, if it lies there."""
    path = Path(os.path.realpath(file))
    here = Path.cwd().resolve()
    return path.relative_to(here).as_posix() if path.is_relative_to(here) else file


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


def problem_lines(problems: Mapping[str, Iterable[str]]) -> list[str]:
    """A line for each kind of problem that has names: the first of them, and how many more."""
    found = {kind: sorted(names) for kind, names in problems.items()}
    return [f"{kind}: {first_of(names)}" for kind, names in found.items() if names]


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """A question after the name that is most like a mistyped one; empty if none is like it."""
    lower = {each.lower(): each for each in names}
    close = difflib.get_close_matches(name.lower(), lower, 1, _ALIKE)
    return f": did you mean {lower[close[0]]!r}?" if close else ""


def first_of(names: Sequence[str]) -> str:
    """The first of some names, and how many more there are."""
    return names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "")


def first_lines(error: BaseException, secrets: Iterable[str] = ()) -> str:
    """The beginning of what a library said, without secrets: a part of one would not be known."""
    lines = [line.strip() for line in redacted(str(error), secrets).splitlines() if line.strip()]
    return "\n".join(line[:200] for line in lines[:3]) or type(error).__name__
