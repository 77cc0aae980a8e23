"""Who hears which findings are claimed something of.

``assert_faithful(finding, …)`` is a plain function that knows of no test, and a run has to know
whether a test held anything. What every caller of a function shares is its module, in all threads:
so this list is the one thing that is kept in a module, for as long as a test runs.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_circuits.findings.finding import Finding


class Listener(Protocol):
    """Hears of a finding that a claim is made of, or that one is held against (``of=``)."""

    def __call__(self, finding: Finding, *, as_reference: bool) -> None:
        """Hear of one."""


_listeners: list[Listener] = []


@contextmanager
def heard_by(listener: Listener) -> Iterator[None]:
    """Tell a listener meanwhile of every finding that a claim is made of."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def claimed(finding: Finding, *, as_reference: bool = False) -> None:
    """Say that a claim is made of a finding, or that one is held against it."""
    for listener in tuple(_listeners):
        listener(finding, as_reference=as_reference)
