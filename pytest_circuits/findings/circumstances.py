"""On what a finding was measured, noted at that moment: a change may be undone afterwards.

A measure is a plain function that knows of no test, and only a run of tests knows what models and
torch should be. What every caller of a function shares is its module, in all threads: so whoever
notes is kept here, for as long as a test runs.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any
    from weakref import ReferenceType

    from pytest_circuits.findings.finding import Finding


@dataclass(frozen=True)
class Circumstances:
    """What a finding was measured on.

    Attributes:
        model: the hooked model; a finding keeps none in memory.
        altered: what was different then of the models and of torch from what tests are given, in
            words.
    """

    model: ReferenceType[Any]
    altered: tuple[str, ...]

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        # Another process has another model.
        return type(None), ()


_noters: list[Callable[[Sequence[object]], Circumstances]] = []


@contextmanager
def noted_by(noter: Callable[[Sequence[object]], Circumstances]) -> Iterator[None]:
    """Have the circumstances of every finding that is measured meanwhile told by somebody.

    Args:
        noter: gets the models that a measure was made on, the one that it is about first.
    """
    _noters.append(noter)
    try:
        yield
    finally:
        _noters.remove(noter)


def noted(finding: Finding, models: Sequence[object]) -> Finding:
    """A finding that was just measured, with its circumstances; as it is where nobody notes them.

    Args:
        finding: what was found.
        models: what it was measured on, the model that it is about first.
    """
    return finding.derived(circumstances=_noters[-1](models)) if _noters else finding
