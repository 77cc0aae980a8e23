"""Hooks that other plugins and conftests may implement."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

    from pytest_circuits.verdicts import Verdict


def pytest_circuits_verdict(item: pytest.Item, verdict: Verdict) -> None:
    """Called for every verdict, in the process that ran the test.

    Args:
        item: the test that compared a finding with its baseline.
        verdict: the outcome with its reasons, before the gate is applied.
    """
