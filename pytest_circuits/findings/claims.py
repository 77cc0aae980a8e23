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

    def __call__(self, finding: Finding, *, as_reference: bool) -> Finding | None:
        """Hear of one.

        Returns:
            the baseline of its quantity that its test has; None if it has none.

        Raises:
            AssertionError: if no claim holds of the finding, whatever its numbers are.
        """


_listeners: list[Listener] = []


@contextmanager
def heard_by(listener: Listener) -> Iterator[None]:
    """Tell a listener meanwhile of every finding that a claim is made of."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def claimed(finding: Finding, *, as_reference: bool = False) -> Finding | None:
    """Say that a claim is made of a finding, or that one is held against it.

    Returns:
        the baseline of its quantity that its test has; None where there is none.

    Raises:
        AssertionError: if the test knows that no claim holds of it.
    """
    __tracebackhide__ = True
    baselines = [listener(finding, as_reference=as_reference) for listener in tuple(_listeners)]
    return next((each for each in baselines if each is not None), None)
